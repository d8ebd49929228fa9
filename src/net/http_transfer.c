/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libcurl calls in the course of a transfer.
 */
#include "net/http_transfer.h"

#include "base/clock.h"
#include "base/version.h"
#include "net/ip_filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS     100 /* how often it is asked whether it is still wanted */
#define HEADERS_MAX 200 /* lines; an endless run of them is cut off */
#define DAY_SECONDS 86400

/* Below libcurl's own limit of 300 KiB, which it reports as a broken
 * connection. */
#define HEADER_BYTES_MAX 262144

/* libcurl's own buffer, for as long as a transfer takes: a panel in one piece
 * as long as there are few, and a thousand small ones. */
#define ROOM_OF_FEW 102400L
#define ROOM_OF_ALL 8192L

/*
 * Connections
 */

/* An IPv4 or IPv6 socket's address, as it is compared and shown. */
union ip {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static unsigned
ip_port(const union ip *ip)
{
	return ntohs(
	    ip->sa.sa_family == AF_INET ? ip->v4.sin_port : ip->v6.sin6_port);
}

static bool
ip_equal(const union ip *a, const union ip *b)
{
	if (a->sa.sa_family != b->sa.sa_family || ip_port(a) != ip_port(b))
		return false;
	if (a->sa.sa_family == AF_INET)
		return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	return memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr,
		   sizeof(a->v6.sin6_addr)) == 0;
}

static bool
ip_parse(union ip *ip, const char *text, int port)
{
	memset(ip, 0, sizeof(*ip));
	if (inet_pton(AF_INET, text, &ip->v4.sin_addr) == 1) {
		ip->v4.sin_family = AF_INET;
		ip->v4.sin_port = htons((uint16_t)port);
		return true;
	}
	ip->v6.sin6_family = AF_INET6;
	ip->v6.sin6_port = htons((uint16_t)port);
	return inet_pton(AF_INET6, text, &ip->v6.sin6_addr) == 1;
}

/* For the log: all that were tried. */
static void
note_ip(struct http *h, const union ip *ip)
{
	char text[INET6_ADDRSTRLEN], *end = h->ips + strlen(h->ips);
	size_t room = sizeof(h->ips) - (size_t)(end - h->ips);
	bool v6 = ip->sa.sa_family == AF_INET6;
	int n;

	if (inet_ntop(ip->sa.sa_family,
		v6 ? (const void *)&ip->v6.sin6_addr : &ip->v4.sin_addr, text,
		sizeof(text)) == NULL)
		return;
	n = snprintf(end, room, "%s%s%s%s:%u", end == h->ips ? "" : ", ",
	    v6 ? "[" : "", text, v6 ? "]" : "", ip_port(ip));
	if (n < 0 || (size_t)n >= room)
		*end = '\0';
}

static bool
check_ip(struct transfer *t, const struct sockaddr *sa)
{
	const struct origin *o = t->request->origin;

	/* the administrator wrote that very address: then it is meant */
	if (address_allowed(sa) || address_is(sa, o->via.host) ||
	    address_is(sa, o->base.host))
		return true;
	address_print(t->response->refused_ip, sa);
	t->ip_refused = true;
	return false;
}

static void
keep_socket(struct http *h, int old, int new)
{
	int i;

	for (i = 0; i < HTTP_SOCKETS_MAX; i++)
		if (h->sockets[i] == old) {
			h->sockets[i] = new;
			return;
		}
}

/* A new connection: after the name was looked up, before the first packet. */
static curl_socket_t
on_connect(void *user, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct transfer *t = user;
	union ip ip = { 0 };
	int fd;

	memcpy(&ip, &a->addr,
	    a->addrlen < sizeof(ip) ? (size_t)a->addrlen : sizeof(ip));
	note_ip(t->http, &ip);
	if (purpose != CURLSOCKTYPE_IPCXN || !check_ip(t, &ip.sa))
		return CURL_SOCKET_BAD;
	t->connecting = true;
	fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
	if (fd < 0) {
		t->errnum = errno;
		return CURL_SOCKET_BAD;
	}
	t->has_socket = true;
	keep_socket(t->http, 0, fd);
	return fd;
}

static int
on_close(void *http, curl_socket_t fd)
{
	keep_socket(http, fd, 0);
	return close(fd);
}

/* The kept connection's socket; -1: it cannot be told. */
static int
find_socket(const struct http *h, const union ip *remote, int local_port)
{
	socklen_t len, len2;
	union ip from, to;
	int i;

	for (i = 0; i < HTTP_SOCKETS_MAX; i++) {
		len = len2 = sizeof(union ip);
		if (h->sockets[i] > 0 &&
		    getsockname(h->sockets[i], &from.sa, &len) == 0 &&
		    getpeername(h->sockets[i], &to.sa, &len2) == 0 &&
		    ip_port(&from) == (unsigned)local_port &&
		    ip_equal(&to, remote))
			return h->sockets[i];
	}
	return -1;
}

/*
 * Has something come on a kept connection since its last answer was whole?  A
 * late second answer would be taken for the next request's, of somebody else
 * (RFC 9112, 11.2); an end of the connection would break that.  With TLS any
 * record counts: the session tickets of TLS 1.3 come before the first answer.
 */
static const char *
why_broken(const struct http *h, int fd)
{
	struct curl_tlssessioninfo *tls = NULL;
	ssize_t n;
	char c;

	if (fd < 0)
		return "its socket is not known";
	n = recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT);
	if (n > 0)
		return "something came unasked";
	if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
		return "the peer has closed it";
	/* what OpenSSL has read already */
	curl_easy_getinfo(h->easy, CURLINFO_TLS_SSL_PTR, &tls);
	if (tls != NULL && tls->backend == CURLSSLBACKEND_OPENSSL &&
	    tls->internals != NULL && SSL_has_pending(tls->internals) == 1)
		return "something came unasked";
	return NULL;
}

/*
 * Before the request's bytes.  A kept connection may have been made for another
 * Grafana whose very address was allowed.
 */
static int
on_request(
    void *user, char *remote, char *local, int remote_port, int local_port)
{
	struct transfer *t = user;
	union ip ip;

	(void)local;
	t->asked = true;
	if (!ip_parse(&ip, remote, remote_port) || !check_ip(t, &ip.sa))
		return CURL_PREREQFUNC_ABORT;
	if (t->connecting)
		return CURL_PREREQFUNC_OK;
	note_ip(t->http, &ip);
	t->broken = why_broken(t->http, find_socket(t->http, &ip, local_port));
	return t->broken == NULL ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

/*
 * Headers
 */

/* The value of that header, blanks cut off, if the line is one and it fits. */
static bool
header_value(
    char *to, size_t room, const char *line, size_t len, const char *name)
{
	size_t n = strlen(name);

	if (len < n + 1 || strncasecmp(line, name, n) != 0 || line[n] != ':')
		return false;
	line += n + 1;
	len -= n + 1;
	while (len > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	while (len > 0 && strchr(" \t\r\n", line[len - 1]) != NULL)
		len--;
	if (len >= room)
		return false;
	memcpy(to, line, len);
	to[len] = '\0';
	return true;
}

static size_t
length_up_to(const char *line, size_t len, const char *ends)
{
	size_t n;

	for (n = 0; n < len && strchr(ends, line[n]) == NULL; n++)
		;
	return n;
}

/* A day at most: what is more is no time to wait for. */
static long
wait_seconds(int64_t seconds)
{
	return seconds < 0 ? 0 : seconds < DAY_SECONDS ? seconds : DAY_SECONDS;
}

/* RFC 9110, 10.2.3: seconds, or a date. */
static void
read_retry_after(struct transfer *t, const char *value)
{
	t->response->retry_after = -1;
	t->retry_date = -1;
	if (*value != '\0' && value[strspn(value, "0123456789")] == '\0')
		t->response->retry_after =
		    wait_seconds(strtol(value, NULL, 10));
	else if (strpbrk(value, ":") != NULL)
		t->retry_date = curl_getdate(value, NULL);
}

/* The first line of an answer: others (1xx) may have come before it. */
static void
begin_answer(struct transfer *t)
{
	http_response_reset(t->response);
	t->announced = 0;
	t->length_said = false;
	t->retry_date = -1;
}

/* "N", or "N, N" from a proxy that put two lines into one: taken when all are
 * the same number (RFC 9110, 8.6). */
static void
read_length(struct transfer *t, const char *value)
{
	static const char blanks[] = " \t";
	size_t digits, said;

	for (;;) {
		value += strspn(value, blanks);
		digits = strspn(value, "0123456789");
		said = strtoull(value, NULL, 10);
		if (digits == 0 || (t->length_said && said != t->announced))
			break;
		t->announced = said;
		t->length_said = true;
		value += digits;
		value += strspn(value, blanks);
		if (*value == '\0')
			return;
		if (*value++ != ',')
			break;
	}
	t->contradicted = true;
}

/* With its query, which may be as long as that of any address. */
static void
keep_location(struct http_response *r, const char *line, size_t len)
{
	struct buf *b = &r->whole_location;

	buf_reset(b);
	if (buf_reserve(b, len) &&
	    header_value(b->bytes, len, line, len, "Location"))
		b->len = strlen(b->bytes);
}

static void
read_header(struct transfer *t, const char *line, size_t len)
{
	struct http_response *r = t->response;
	char value[64];

	/* its query may be long, and is of no use */
	header_value(r->location, sizeof(r->location), line,
	    length_up_to(line, len, "?#"), "Location");
	if (t->request->keep_query && len > 9 &&
	    strncasecmp(line, "Location:", 9) == 0)
		keep_location(r, line, len);
	if (len > 5 && strncasecmp(line, "ETag:", 5) == 0)
		r->has_etag = true;
	if (header_value(value, sizeof(value), line, len, "Date"))
		r->date = curl_getdate(value, NULL);
	if (header_value(value, sizeof(value), line, len, "Last-Modified"))
		r->last_modified = curl_getdate(value, NULL);
	if (header_value(value, sizeof(value), line, len, "Retry-After"))
		read_retry_after(t, value);
	if (header_value(value, sizeof(value), line, len, "Content-Length"))
		read_length(t, value);
}

static size_t
on_header(char *line, size_t size, size_t n, void *user)
{
	struct transfer *t = user;

	(void)size;
	t->header_bytes += n;
	if (++t->header_lines > HEADERS_MAX ||
	    t->header_bytes > HEADER_BYTES_MAX) {
		t->flooded = true;
		return 0;
	}
	if (t->body_began)
		return n; /* a trailer */
	if (n > 5 && memcmp(line, "HTTP/", 5) == 0)
		begin_answer(t);
	else
		read_header(t, line, n);
	return t->contradicted ? 0 : n;
}

/*
 * The body
 */

/* libcurl looks at its timeout whenever it looks at the clock: one that is
 * changed while the transfer runs holds from then on. */
static void
wait_before_body(struct transfer *t)
{
	int64_t start_ms = now_ms(), waited_ms;

	t->request->arrives(t->request->arrives_arg);
	waited_ms = now_ms() - start_ms;
	if (waited_ms > t->max_wait_ms)
		waited_ms = t->max_wait_ms;
	if (waited_ms <= 0)
		return;
	t->max_wait_ms -= waited_ms;
	t->max_ms += waited_ms;
	curl_easy_setopt(t->http->easy, CURLOPT_TIMEOUT_MS, (long)t->max_ms);
}

static size_t
on_body(char *bytes, size_t size, size_t n, void *user)
{
	struct transfer *t = user;
	struct buf *body = &t->response->body;

	(void)size;
	t->body_began = true;
	if (t->request->arrives != NULL)
		wait_before_body(t);
	/* not CURLOPT_MAXFILESIZE: 7.88 looks at Content-Length only */
	if (n > body->limit - body->len) {
		t->too_big = t->response->cut = true;
		return 0;
	}
	/* room for all of it at one go, and not before it may come: a thousand
	 * that wait for their turn have none */
	if (body->len == 0 && t->announced <= body->limit)
		buf_reserve(body, t->announced);
	if (!buf_add(body, bytes, n)) {
		t->no_memory = true;
		return 0;
	}
	return n;
}

static int
on_progress(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	struct transfer *t = user;

	(void)a;
	(void)b;
	(void)c;
	(void)d;
	/* libcurl calls this for each piece, and asking is a system call */
	if (t->request->cancelled != NULL &&
	    now_ms() - t->looked_ms >= LOOK_MS) {
		t->looked_ms = now_ms();
		t->cancelled = t->request->cancelled(t->request->arg);
	}
	return t->cancelled;
}

/*
 * Options
 */

#define SET(option, value)                                                     \
	(ok = curl_easy_setopt(e, option, value) == CURLE_OK && ok)

bool
http_transfer_options(struct http *h)
{
	CURL *e = h->easy;
	bool ok = true;

	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_HTTP09_ALLOWED, 0L);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	/* "": else http_proxy in the environment gets the token */
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	/* 0: else an unasked-for "Transfer-Encoding: gzip" is inflated, 48 KB
	 * to 50 MB; chunks are still put together */
	SET(CURLOPT_HTTP_CONTENT_DECODING, 0L);
	SET(CURLOPT_USERAGENT, "grafana-images/" VERSION);
	SET(CURLOPT_NOSIGNAL, 1L);
	/* else a resolver that hangs is waited for beyond the deadline */
	SET(CURLOPT_QUICK_EXIT, 1L);
	SET(CURLOPT_DNS_CACHE_TIMEOUT, 30L);
	SET(CURLOPT_MAXCONNECTS, 5L);
	SET(CURLOPT_ERRORBUFFER, h->words);
	SET(CURLOPT_OPENSOCKETFUNCTION, on_connect);
	SET(CURLOPT_CLOSESOCKETFUNCTION, on_close);
	SET(CURLOPT_CLOSESOCKETDATA, h);
	SET(CURLOPT_PREREQFUNCTION, on_request);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_NOPROGRESS, 0L);
	SET(CURLOPT_XFERINFOFUNCTION, on_progress);
	return ok && http_tls_options(h);
}

bool
http_transfer_begin(struct transfer *t)
{
	CURL *e = t->http->easy;
	bool ok = true;

	t->retry_date = -1;
	t->http->tls_began = false;
	t->http->words[0] = t->http->ips[0] = t->http->certificate[0] = '\0';
	/* refused after a name that could not be looked up, when a buffer is
	 * still there: then it is used again */
	curl_easy_setopt(
	    e, CURLOPT_BUFFERSIZE, t->few ? ROOM_OF_FEW : ROOM_OF_ALL);
	SET(CURLOPT_OPENSOCKETDATA, t);
	SET(CURLOPT_PREREQDATA, t);
	SET(CURLOPT_HEADERDATA, t);
	SET(CURLOPT_WRITEDATA, t);
	SET(CURLOPT_XFERINFODATA, t);
	return ok;
}
#undef SET

void
http_transfer_end(struct transfer *t)
{
	struct http_response *r = t->response;

	/* the peer's own clock, where it says what that shows */
	if (t->retry_date != -1)
		r->retry_after = wait_seconds(
		    t->retry_date - (r->date != -1 ? r->date : time(NULL)));
}
