/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl, held to what asking Grafana and an object store needs.
 *
 * The options and their reasons were measured with libcurl 7.88; each that
 * closes something says what.
 */
#include "net/http.h"

#include "base/clock.h"
#include "base/version.h"
#include "net/ip_filter.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define LOOK_MS     100 /* how often it is asked whether it is still wanted */
#define HEADERS_MAX 200 /* lines; an endless run of them is cut off */
#define DAY_SECONDS 86400

/*
 * libcurl's own buffer, for as long as a transfer takes: a panel in one piece
 * as long as there are few, and a thousand small ones.
 */
#define FEW         64
#define ROOM_OF_FEW 102400L
#define ROOM_OF_ALL 8192L
static atomic_int transfers; /* under way */

struct http {
	CURL *easy;
	int64_t connect_ms;
};

/* What the callbacks of one transfer share. */
struct transfer {
	const struct origin *origin;
	int64_t max_ms;
	bool (*cancelled)(void *arg);
	void *arg;
	void (*arrives)(void *arrives_arg);
	void *arrives_arg;
	struct http_answer *answer;
	int64_t looked_ms; /* whether it is still wanted */
	unsigned header_lines;
	size_t announced;  /* bytes of the body; 0 if it was not said */
	bool length_said;  /* even if 0 */
	bool contradicted; /* by another length, or none (RFC 9112, 6.3) */
	bool body_began;
	bool few; /* beside it */
	bool address_refused;
	bool too_big;
	bool no_memory;
	bool gone;
	bool flooded;
};

/*
 * One for all handles: libcurl 7.88 parses the CA bundle again for each new
 * connection, 20 ms and 900 KB a time.
 */
static X509_STORE *trusted;

static bool
judge(struct transfer *t, const struct sockaddr *sa)
{
	/* the administrator wrote that very address: then it is meant */
	if (address_allowed(sa) || address_is(sa, t->origin->via.host) ||
	    address_is(sa, t->origin->base.host))
		return true;
	t->address_refused = true;
	return false;
}

/*
 * What libcurl calls
 */

/* A new connection: after the name was looked up, before the first packet. */
static curl_socket_t
on_connect(void *user, curlsocktype purpose, struct curl_sockaddr *a)
{
	if (purpose != CURLSOCKTYPE_IPCXN || !judge(user, &a->addr))
		return CURL_SOCKET_BAD;
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/*
 * Before the request's bytes, also on a kept connection, for which on_connect()
 * is not called: it may have been made for another Grafana whose very address
 * was allowed.
 */
static int
on_request(
    void *user, char *remote, char *local, int remote_port, int local_port)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	bool ok = false;

	(void)local;
	(void)remote_port;
	(void)local_port;
	if (inet_pton(AF_INET, remote, &v4.sin_addr) == 1)
		ok = judge(user, (struct sockaddr *)&v4);
	else if (inet_pton(AF_INET6, remote, &v6.sin6_addr) == 1)
		ok = judge(user, (struct sockaddr *)&v6);
	return ok ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

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
read_seconds(const char *digits)
{
	long n = strtol(digits, NULL, 10);

	return n < DAY_SECONDS ? n : DAY_SECONDS;
}

/* The first line of an answer: others (1xx) may have come before it. */
static void
begin_answer(struct transfer *t)
{
	http_answer_reset(t->answer);
	t->announced = 0;
	t->length_said = false;
}

static void
read_length(struct transfer *t, const char *value)
{
	size_t before = t->announced;

	t->announced = strtoull(value, NULL, 10);
	t->contradicted = *value == '\0' ||
			  value[strspn(value, "0123456789")] != '\0' ||
			  (t->length_said && t->announced != before);
	t->length_said = true;
}

static void
read_header(struct transfer *t, const char *line, size_t len)
{
	struct http_answer *a = t->answer;
	char value[64];

	/* its query may be long, and is of no use */
	header_value(a->location, sizeof(a->location), line,
	    length_up_to(line, len, "?#"), "Location");
	if (len > 5 && strncasecmp(line, "ETag:", 5) == 0)
		a->has_etag = true;
	if (header_value(value, sizeof(value), line, len, "Date"))
		a->date = curl_getdate(value, NULL);
	if (header_value(value, sizeof(value), line, len, "Last-Modified"))
		a->last_modified = curl_getdate(value, NULL);
	if (header_value(value, sizeof(value), line, len, "Retry-After") &&
	    *value != '\0' && value[strspn(value, "0123456789")] == '\0')
		a->retry_after = read_seconds(value);
	if (header_value(value, sizeof(value), line, len, "Content-Length"))
		read_length(t, value);
}

static size_t
on_header(char *line, size_t size, size_t n, void *user)
{
	struct transfer *t = user;

	(void)size;
	if (++t->header_lines > HEADERS_MAX) {
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

static size_t
on_body(char *bytes, size_t size, size_t n, void *user)
{
	struct transfer *t = user;
	struct buf *body = &t->answer->body;

	(void)size;
	t->body_began = true;
	if (t->arrives != NULL)
		t->arrives(t->arrives_arg);
	/* not CURLOPT_MAXFILESIZE: 7.88 looks at Content-Length only */
	if (n > body->limit - body->len) {
		t->too_big = t->answer->cut = true;
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
	if (t->cancelled != NULL && now_ms() - t->looked_ms >= LOOK_MS) {
		t->looked_ms = now_ms();
		t->gone = t->cancelled(t->arg);
	}
	return t->gone;
}

static CURLcode
on_tls(CURL *easy, void *context, void *user)
{
	(void)easy;
	(void)user;
	SSL_CTX_set1_cert_store(context, trusted);
	return CURLE_OK;
}

/*
 * Life
 */

bool
http_start(const struct http_options *options, FILE *complaints)
{
	const char *file = options->ca_file;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		fputs("grafana-images: libcurl cannot be set up\n", complaints);
		return false;
	}
	if (file == NULL)
		file = curl_version_info(CURLVERSION_NOW)->cainfo;
	trusted = X509_STORE_new();
	/* as libcurl: a certificate in the file is trusted, root or not */
	if (trusted == NULL ||
	    X509_STORE_set_flags(trusted, X509_V_FLAG_PARTIAL_CHAIN) != 1) {
		fputs("grafana-images: OpenSSL cannot be set up\n", complaints);
		return false;
	}
	if (file == NULL || X509_STORE_load_file(trusted, file) == 1)
		return true;
	/* without the system's bundle every https Grafana is refused, but http
	 * ones work; a file that was asked for must be there */
	if (options->ca_file != NULL)
		fprintf(complaints,
		    "grafana-images: %s = %s holds no certificates\n",
		    options->ca_name, file);
	else
		fprintf(complaints,
		    "grafana-images: warning: %s holds no certificates; "
		    "install ca-certificates to reach a Grafana over https\n",
		    file);
	return options->ca_file == NULL;
}

void
http_stop(void)
{
	X509_STORE_free(trusted);
	trusted = NULL;
	curl_global_cleanup();
}

static bool
set_options(CURL *e)
{
	bool ok = true;

#define SET(option, value)                                                     \
	(ok = curl_easy_setopt(e, option, value) == CURLE_OK && ok)
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_HTTP09_ALLOWED, 0L);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PATH_AS_IS, 1L);
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
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_CAINFO, NULL); /* on_tls() brings them */
	SET(CURLOPT_CAPATH, NULL);
	SET(CURLOPT_SSL_CTX_FUNCTION, on_tls);
	SET(CURLOPT_OPENSOCKETFUNCTION, on_connect);
	SET(CURLOPT_PREREQFUNCTION, on_request);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_NOPROGRESS, 0L);
	SET(CURLOPT_XFERINFOFUNCTION, on_progress);
	return ok;
}

static bool
have_handle(struct http *h)
{
	if (h->easy != NULL)
		return true;
	h->easy = curl_easy_init();
	if (h->easy != NULL && !set_options(h->easy)) {
		curl_easy_cleanup(h->easy);
		h->easy = NULL;
	}
	return h->easy != NULL;
}

struct http *
http_open(const struct http_options *options)
{
	struct http *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return NULL;
	h->connect_ms = options->connect_ms;
	if (!have_handle(h)) {
		http_close(h);
		return NULL;
	}
	return h;
}

void
http_close(struct http *h)
{
	if (h == NULL)
		return;
	curl_easy_cleanup(h->easy);
	free(h);
}

void
http_answer_init(struct http_answer *a, size_t max_bytes)
{
	memset(a, 0, sizeof(*a));
	buf_init(&a->body, max_bytes);
	a->date = a->last_modified = -1;
	a->retry_after = -1;
}

void
http_answer_free(struct http_answer *a)
{
	buf_free(&a->body);
}

void
http_answer_reset(struct http_answer *a)
{
	struct buf body = a->body;

	http_answer_init(a, body.limit);
	a->body = body;
	buf_reset(&a->body);
}

/*
 * One transfer
 */

static bool
add_line(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (longer != NULL)
		*list = longer;
	return longer != NULL;
}

static bool
add_header(struct curl_slist **list, const char *name, const char *value)
{
	struct buf line;
	bool ok;

	if (value == NULL)
		return true;
	buf_init(&line, 16384);
	ok = buf_printf(&line, "%s: %s", name, value) &&
	     add_line(list, line.bytes);
	buf_free(&line);
	return ok;
}

/* The address is the base's host reached by via's scheme, place and path. */
static bool
make_url(struct buf *url, const struct origin *o, const char *target)
{
	const struct place *base = &o->base, *via = &o->via;

	buf_init(url, SIZE_MAX / 2);
	return buf_printf(url, "%s://%s:%u%s%s", via->scheme, base->host,
	    base->port, via->path, target);
}

static struct curl_slist *
make_connect_to(const struct origin *o)
{
	struct curl_slist *list;
	struct buf b;

	buf_init(&b, 1024);
	/* "::HOST:PORT": whatever the URL says, connect there */
	if (!buf_printf(&b, "::%s:%u", o->via.host, o->via.port))
		return NULL;
	list = curl_slist_append(NULL, b.bytes);
	buf_free(&b);
	return list;
}

static int64_t
smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static enum http_end
judge_result(const struct transfer *t, CURLcode rc)
{
	if (rc == CURLE_OK)
		return HTTP_WHOLE;
	if (t->gone)
		return HTTP_GONE;
	if (t->too_big)
		return HTTP_TOO_BIG;
	if (t->no_memory)
		return HTTP_NO_MEMORY;
	if (t->address_refused)
		return HTTP_BAD_ADDRESS;
	if (t->flooded)
		return HTTP_FLOODED;
	switch (rc) {
	case CURLE_OUT_OF_MEMORY:
		return HTTP_NO_MEMORY;
	case CURLE_OPERATION_TIMEDOUT:
		return HTTP_SLOW;
	case CURLE_COULDNT_RESOLVE_HOST:
		return HTTP_NO_NAME;
	case CURLE_COULDNT_CONNECT:
		return HTTP_NO_CONNECTION;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CONNECT_ERROR:
		return HTTP_BAD_TLS;
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_GOT_NOTHING:
		return HTTP_BROKEN;
	default:
		return HTTP_FAILED;
	}
}

static enum http_end
transfer(struct http *h, struct transfer *t, struct problem *p)
{
	CURL *e = h->easy;
	int64_t left = t->max_ms;
	long status = 0;
	bool ok = true;
	CURLcode rc;

	if (left <= 0)
		return HTTP_SLOW;
	/* refused after a name that could not be looked up, when a buffer is
	 * still there: then it is used again */
	curl_easy_setopt(
	    e, CURLOPT_BUFFERSIZE, t->few ? ROOM_OF_FEW : ROOM_OF_ALL);
	SET(CURLOPT_TIMEOUT_MS, (long)left);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)smaller(left, h->connect_ms));
	SET(CURLOPT_OPENSOCKETDATA, t);
	SET(CURLOPT_PREREQDATA, t);
	SET(CURLOPT_HEADERDATA, t);
	SET(CURLOPT_WRITEDATA, t);
	SET(CURLOPT_XFERINFODATA, t);
	if (!ok)
		return HTTP_NO_MEMORY;
	rc = curl_easy_perform(e);
	curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &status);
	t->answer->status = (int)status;
	problem_set_detail(p, rc == CURLE_OK ? NULL : curl_easy_strerror(rc));
	return judge_result(t, rc);
}

/* What is sent, to whomever. */
struct message {
	const struct origin *origin;
	const char *method;
	const char *target;
	const struct buf *body; /* NULL: none */
	struct curl_slist *headers;
};

static bool
set_message(CURL *e, const struct message *m, const char *url,
    struct curl_slist *connect_to)
{
	bool ok = true;

	SET(CURLOPT_URL, url);
	SET(CURLOPT_CONNECT_TO, connect_to);
	SET(CURLOPT_HTTPHEADER, m->headers);
	SET(CURLOPT_CUSTOMREQUEST, m->method);
	/* else the body of its answer is waited for */
	if (strcmp(m->method, "HEAD") == 0)
		SET(CURLOPT_NOBODY, 1L);
	/* not CURLOPT_UPLOAD, which reads by callback: this takes no copy */
	if (m->body != NULL) {
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)m->body->len);
		SET(CURLOPT_POSTFIELDS, buf_str(m->body));
	}
	return ok;
}

/* Nothing of it stays in the handle: the next one may go elsewhere. */
static void
unset_message(CURL *e)
{
	bool ok = true;

	SET(CURLOPT_URL, NULL);
	SET(CURLOPT_CONNECT_TO, NULL);
	SET(CURLOPT_HTTPHEADER, NULL);
	SET(CURLOPT_CUSTOMREQUEST, NULL);
	SET(CURLOPT_POSTFIELDS, NULL);
	SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)-1);
	SET(CURLOPT_HTTPGET, 1L); /* nor NOBODY; after POSTFIELDS, a POST */
	(void)ok;
}
#undef SET

/* What memory was missing for may be half done in libcurl's handle, which then
 * refuses the next request, too: that one begins with a new handle. */
static void
drop_handle(struct http *h)
{
	curl_easy_cleanup(h->easy);
	h->easy = NULL;
}

static enum http_end
perform(struct http *h, struct transfer *t, const struct message *m,
    struct problem *p)
{
	struct curl_slist *connect_to = make_connect_to(m->origin);
	enum http_end end = HTTP_NO_MEMORY;
	struct buf url;

	t->origin = m->origin;
	if (make_url(&url, m->origin, m->target) && connect_to != NULL &&
	    have_handle(h) && set_message(h->easy, m, url.bytes, connect_to))
		end = transfer(h, t, p);
	unset_message(h->easy);
	curl_slist_free_all(connect_to);
	buf_free(&url);
	if (end == HTTP_NO_MEMORY)
		drop_handle(h);
	return end;
}

/*
 * Asking Grafana
 */

/* What it means when Grafana was asked. */
static enum outcome
judge_end(enum http_end end, struct problem *p)
{
	static const struct {
		enum outcome outcome;
		const char *why;
	} means[HTTP_END_COUNT] = {
		[HTTP_WHOLE] = { OUTCOME_OK, "" },
		[HTTP_SLOW] = { OUTCOME_SLOW, "" },
		[HTTP_GONE] = { OUTCOME_SLOW,
		    "The caller went away before the answer came." },
		[HTTP_TOO_BIG] = { OUTCOME_TOO_BIG,
		    "The image has more bytes than this service takes. Ask "
		    "for a smaller width, height or scale." },
		[HTTP_NO_MEMORY] = { OUTCOME_INTERNAL, "There is no memory." },
		[HTTP_BAD_ADDRESS] = { OUTCOME_UPSTREAM,
		    "Grafana's name leads to an address that no Grafana has. "
		    "Look at its DNS entry." },
		[HTTP_FLOODED] = { OUTCOME_UPSTREAM,
		    "The answer has far too many headers. Look at what "
		    "answers at Grafana's address." },
		[HTTP_NO_NAME] = { OUTCOME_UPSTREAM,
		    "Grafana's name cannot be looked up. Ask whoever runs "
		    "this service to look at its DNS." },
		[HTTP_NO_CONNECTION] = { OUTCOME_UPSTREAM,
		    "Grafana cannot be reached. See whether it runs." },
		[HTTP_BAD_TLS] = { OUTCOME_UPSTREAM,
		    "Grafana's certificate or TLS is not as it should be: it "
		    "has expired, is for another name, or is signed by "
		    "somebody that tls_ca_file does not name. Ask whoever "
		    "runs this service to renew it, or to name its signer "
		    "there." },
		[HTTP_BROKEN] = { OUTCOME_UPSTREAM,
		    "The connection to Grafana broke before its answer was "
		    "whole. Try again; else look at Grafana's log." },
		[HTTP_FAILED] = { OUTCOME_UPSTREAM, "" },
	};

	if (end == HTTP_WHOLE)
		return OUTCOME_OK;
	return problem_set(p, means[end].outcome, "%s", means[end].why);
}

static bool
add_question(struct message *m, const struct http_question *q)
{
	const char *type = m->body == NULL ? NULL : "application/json";

	return add_header(&m->headers, "Host", q->origin->base.authority) &&
	       add_header(
		   &m->headers, "Accept", type == NULL ? "image/png" : type) &&
	       add_header(&m->headers, "Content-Type", type) &&
	       add_header(&m->headers, "Authorization", q->authorization) &&
	       add_header(&m->headers, "X-Forwarded-For", q->forwarded_for);
}

static enum outcome
ask(struct http *h, const struct http_question *q, const struct buf *json,
    struct http_answer *a, struct problem *p)
{
	struct transfer t = { .max_ms = q->max_ms,
		.cancelled = q->cancelled,
		.arrives = q->arrives,
		.arrives_arg = q->arrives_arg,
		.arg = q->arg,
		.answer = a };
	struct message m = { .origin = q->origin,
		.method = json == NULL ? "GET" : "POST",
		.target = q->target,
		.body = json };
	enum http_end end = HTTP_NO_MEMORY;

	t.few = atomic_fetch_add(&transfers, 1) < FEW;
	if (add_question(&m, q))
		end = perform(h, &t, &m, p);
	atomic_fetch_sub(&transfers, 1);
	curl_slist_free_all(m.headers);
	p->upstream = a->status;
	/* of an error's page the status is enough */
	if (end == HTTP_TOO_BIG && a->status != 200)
		end = HTTP_WHOLE;
	return judge_end(end, p);
}

enum outcome
http_get(struct http *h, const struct http_question *q, struct http_answer *a,
    struct problem *p)
{
	return ask(h, q, NULL, a, p);
}

enum outcome
http_post(struct http *h, const struct http_question *q, struct http_answer *a,
    struct problem *p)
{
	return ask(h, q, q->json, a, p);
}

/*
 * Asking an object store
 */

static bool
add_order(struct message *m, const struct http_order *order)
{
	const char *const *line;

	for (line = order->headers; *line != NULL; line++)
		if (!add_line(&m->headers, *line))
			return false;
	/* else 1 MB and more wait for a "100 Continue", up to a second where
	 * the store sends none */
	return add_line(&m->headers, "Expect:");
}

enum http_end
http_send(struct http *h, const struct http_order *order, struct http_answer *a,
    struct problem *p)
{
	struct transfer t = { .max_ms = order->max_ms, .answer = a };
	struct message m = { .origin = order->origin,
		.method = order->method,
		.target = order->target,
		.body = order->body };
	enum http_end end = HTTP_NO_MEMORY;

	if (add_order(&m, order))
		end = perform(h, &t, &m, p);
	curl_slist_free_all(m.headers);
	return end;
}
