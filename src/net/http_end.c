/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a request ended: which end it is, and what is said about it.
 */
#include "net/http_transfer.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * Which end
 */

static enum http_end
end_of_connecting(const struct transfer *t)
{
	long errnum = t->errnum;

	if (t->has_socket)
		curl_easy_getinfo(t->http->easy, CURLINFO_OS_ERRNO, &errnum);
	t->response->errnum = (int)errnum;
	switch (errnum) {
	case ECONNREFUSED:
		return HTTP_REFUSED;
	case EHOSTUNREACH:
	case EHOSTDOWN:
	case ENETUNREACH:
	case ENETDOWN:
	case EADDRNOTAVAIL:
		return HTTP_NO_ROUTE;
	case ETIMEDOUT:
		return HTTP_CONNECT_SLOW;
	default:
		return HTTP_NO_CONNECTION;
	}
}

static enum http_end
end_of_time(const struct transfer *t)
{
	if (t->asked)
		return HTTP_SLOW;
	if (!t->connecting)
		return HTTP_NAME_SLOW;
	return t->http->tls_began ? HTTP_TLS_SLOW : HTTP_CONNECT_SLOW;
}

static bool
is_https(const struct transfer *t)
{
	return strcmp(t->request->origin->via.scheme, "https") == 0;
}

/* What servers answer in plain text on a port where they speak TLS: Go's
 * net/http and so Grafana, nginx, Apache. */
static bool
says_it_speaks_tls(const struct transfer *t)
{
	static const char *const words[] = {
		"Client sent an HTTP request to an HTTPS server",
		"The plain HTTP request was sent to HTTPS port",
		"speaking plain HTTP to an SSL-enabled server port",
	};
	size_t i;

	if (t->response->status != 400 || is_https(t))
		return false;
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strstr(buf_str(&t->response->body), words[i]) != NULL)
			return true;
	return false;
}

/* libcurl 7.88 calls a header line of over 100 KiB a lack of memory. */
static enum http_end
end_of_memory(const struct transfer *t, bool memory_failed)
{
	return !memory_failed && t->header_lines > 0 && !t->body_began
		   ? HTTP_LONG_HEADERS
		   : HTTP_NO_MEMORY;
}

static enum http_end
end_of_code(const struct transfer *t, CURLcode rc, bool memory_failed)
{
	switch ((int)rc) {
	case CURLE_OUT_OF_MEMORY:
		return end_of_memory(t, memory_failed);
	case 100: /* CURLE_TOO_LARGE, since libcurl 8.6 */
		return HTTP_LONG_HEADERS;
	case CURLE_OPERATION_TIMEDOUT:
		return end_of_time(t);
	case CURLE_COULDNT_RESOLVE_HOST:
		return HTTP_NO_NAME;
	case CURLE_COULDNT_CONNECT:
		return end_of_connecting(t);
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CONNECT_ERROR:
		return http_tls_end(t->http, rc);
	case CURLE_UNSUPPORTED_PROTOCOL: /* "HTTP/0.9", which is anything */
		return HTTP_SPEAKS_NO_HTTP;
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
		return t->header_lines == 0 && !is_https(t) ? HTTP_NO_ANSWER
							    : HTTP_BROKEN;
	case CURLE_PARTIAL_FILE:
		return HTTP_BROKEN;
	case CURLE_WEIRD_SERVER_REPLY:
		return strstr(t->http->words, "Content-Length") != NULL
			   ? HTTP_BAD_LENGTH
			   : HTTP_FAILED;
	case CURLE_BAD_CONTENT_ENCODING:
		/* a Transfer-Encoding that was not asked for: libcurl 7.88
		 * passes its bytes on as they are, 8.14 passes on none; both
		 * are a body that is neither a PNG nor JSON */
		return HTTP_WHOLE;
	default:
		return HTTP_FAILED;
	}
}

enum http_end
http_end_of(const struct transfer *t, CURLcode rc, bool memory_failed)
{
	if (rc == CURLE_OK)
		return says_it_speaks_tls(t) ? HTTP_SPEAKS_TLS : HTTP_WHOLE;
	if (t->cancelled)
		return HTTP_CANCELLED;
	if (t->too_big)
		return HTTP_TOO_BIG;
	if (t->no_memory)
		return HTTP_NO_MEMORY;
	if (t->ip_refused)
		return HTTP_BAD_IP;
	if (t->flooded)
		return HTTP_LONG_HEADERS;
	if (t->contradicted)
		return HTTP_BAD_LENGTH;
	return end_of_code(t, rc, memory_failed);
}

bool
http_end_is_slow(enum http_end end)
{
	return end == HTTP_SLOW || end == HTTP_NAME_SLOW ||
	       end == HTTP_CONNECT_SLOW || end == HTTP_TLS_SLOW;
}

/*
 * Words
 */

/* The peer's name and phrase are one sentence, whom to ask and advice the next.
 * In an advice %s is the setting that has the peer's address, %c the one that
 * names certificates; NULL: only libcurl's words say what it was. */
static const struct {
	const char *phrase;
	const char *advice;
} texts[HTTP_END_COUNT] = {
	[HTTP_WHOLE] = { "answered", "" },
	[HTTP_CANCELLED] = { "was no longer waited for", "" },
	[HTTP_TOO_BIG] = { "sent more bytes than are taken", "" },
	[HTTP_NO_MEMORY] = { "could not be asked: there is no memory", "" },
	[HTTP_SLOW] = { "does not answer in time", "" },
	[HTTP_NAME_SLOW] = { "has a name that was not looked up in time",
	    "see whether this machine's name servers answer" },
	[HTTP_CONNECT_SLOW] = { "does not take the connection in time: nothing "
				"answers at its address",
	    "see whether it runs, whether host and port in %s are right, and "
	    "whether a firewall drops the packets" },
	[HTTP_TLS_SLOW] = { "took the connection, but did not finish the TLS "
			    "handshake in time",
	    "see whether it speaks TLS at host and port of %s; if not, begin "
	    "its address with http://" },
	[HTTP_NO_NAME] = { "has a name that cannot be looked up",
	    "see whether %s is right, and look at the name's DNS entry" },
	[HTTP_BAD_IP] = { "has a name that leads to an IP address that is "
			  "never connected to",
	    "look at the name's DNS entry" },
	[HTTP_REFUSED] = { "cannot be reached: nothing listens at its address "
			   "(connection refused)",
	    "see whether it runs, and whether host and port in %s are right" },
	[HTTP_NO_ROUTE] = { "cannot be reached: there is no route to its "
			    "address",
	    "look at the network of this machine, and whether the host in %s "
	    "is right" },
	[HTTP_NO_CONNECTION] = { "cannot be reached: no connection could be "
				 "made",
	    NULL },
	[HTTP_SPEAKS_NO_TLS] = { "speaks no TLS at its address",
	    "begin its address in %s with http://, or give the port where it "
	    "speaks TLS" },
	[HTTP_SPEAKS_TLS] = { "speaks TLS at its address, and was asked "
			      "without",
	    "begin its address in %s with https://" },
	[HTTP_OLD_TLS] = { "speaks no version of TLS that is new enough",
	    "let it speak TLS 1.2 or 1.3" },
	[HTTP_BAD_TLS] = { "broke off the TLS handshake",
	    "see whether it speaks TLS at host and port of %s, and look at the "
	    "log" },
	[HTTP_CERT_EXPIRED] = { "has a certificate that has expired",
	    "renew it, or set this machine's clock if that is wrong" },
	[HTTP_CA_EXPIRED] = { "has a certificate of a CA whose own certificate "
			      "has expired",
	    "renew that, or set this machine's clock if that is wrong" },
	[HTTP_CERT_NOT_YET] = { "has a certificate that is not valid yet",
	    "compare the clocks of this machine and of the one that made the "
	    "certificate" },
	[HTTP_CERT_SELF_SIGNED] = { "has a self-signed certificate",
	    "name that certificate in %c, or have one made by a CA" },
	[HTTP_CERT_UNKNOWN_CA] = { "has a certificate of a CA that is not "
				   "trusted here",
	    "name the CA's certificate in %c" },
	[HTTP_CERT_INCOMPLETE] = { "sends an incomplete chain: its "
				   "certificate's signer is neither sent along "
				   "nor trusted here",
	    "let it send the intermediate certificates, too, or name its "
	    "CA's certificate in %c" },
	[HTTP_CERT_OTHER_NAME] = { "has a certificate for another name",
	    "write the certificate's name into %s, or have a certificate "
	    "made for this one" },
	[HTTP_CERT_BAD] = { "has a certificate that does not verify", NULL },
	[HTTP_NO_ANSWER] = { "closed the connection without an answer",
	    "look at the log of that server; if it speaks TLS there, begin its "
	    "address in %s "
	    "with https://" },
	[HTTP_BROKEN] = { "closed the connection before its answer was whole",
	    "look at the log of that server" },
	[HTTP_SPEAKS_NO_HTTP] = { "speaks no HTTP at its address",
	    "see whether host and port in %s are right; if it speaks TLS "
	    "there, begin the address with https://" },
	[HTTP_LONG_HEADERS] = { "answers with headers that are too many or too "
				"long",
	    "see what answers at the address in %s" },
	[HTTP_BAD_LENGTH] = { "answers with a Content-Length that contradicts "
			      "itself",
	    "look at the proxies before it" },
	[HTTP_FAILED] = { "sent no answer that can be read", NULL },
};

const char *
http_end_phrase(enum http_end end)
{
	return texts[end].phrase;
}

static void
append(char *to, size_t room, const char *text, size_t len)
{
	size_t n = strlen(to);

	snprintf(to + n, room - n, "%.*s", (int)len, text);
}

/* One more sentence. */
static void
append_advice(
    char *to, size_t room, const char *advice, const struct http_peer *peer)
{
	size_t n, begin;
	const char *name;

	append(to, room, " ", 1);
	begin = strlen(to);
	append(to, room, peer->ask, strlen(peer->ask));
	append(to, room, " ", *peer->ask != '\0');
	for (; *advice != '\0'; advice += n) {
		n = strcspn(advice, "%");
		append(to, room, advice, n);
		if (advice[n] == '\0')
			continue;
		name = advice[n + 1] == 's' ? peer->setting : peer->ca_setting;
		append(to, room, name, strlen(name));
		n += 2;
	}
	append(to, room, ".", 1);
	to[begin] = (char)toupper((unsigned char)to[begin]);
}

enum outcome
http_problem_set(struct problem *p, enum outcome o,
    const struct http_response *r, const char *why)
{
	problem_set(p, o, "%s", why);
	problem_set_detail(p, r->words);
	p->errnum = r->errnum;
	return o;
}

enum outcome
http_problem(struct problem *p, enum outcome o, enum http_end end,
    const struct http_response *r, const struct http_peer *peer)
{
	const char *advice = texts[end].advice;
	char why[PROBLEM_WHY_ROOM];

	snprintf(why, sizeof(why), "%s %s.", peer->name, texts[end].phrase);
	if (advice == NULL)
		advice = *peer->ask == '\0'
			     ? ""
			     : "look at its log, which has the reason";
	if (*advice != '\0')
		append_advice(why, sizeof(why), advice, peer);
	return http_problem_set(p, o, r, why);
}
