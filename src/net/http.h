/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/outcome.h"
#include "net/ip_filter.h"
#include "net/url.h"

/*
 * Asking a server for something.
 *
 * http_start() once, before there are threads; http_stop() after the last of
 * them.  Then one struct http for each thread that asks: it keeps connections
 * open between requests and must not be shared.
 *
 * No redirect is followed, no proxy of the environment used, no encoding
 * undone, no cookie kept; sizes are counted as they arrive and each IP is
 * checked when it is connected to.
 *
 * A kept connection on which something has come unasked, or that breaks before
 * a byte of the answer, is not the end: the request is sent once more on a new
 * connection, within the same time (RFC 9112, 9.3.1), unless it is a POST.
 */
struct http;

/* From the settings, or from the command line of a command that reads none. */
struct http_options {
	/* certificates to trust, PEM; NULL: the system's */
	const char *ca_file;
	const char *ca_name; /* what complaints call that option */
	int64_t connect_ms;  /* until a connection is there */
};

/* false when libcurl or the certificates cannot be set up; complaints say so.
 */
bool http_start(const struct http_options *, FILE *complaints);
void http_stop(void);

/* NULL when there is no memory. */
struct http *http_open(const struct http_options *);
void http_close(struct http *);

struct http_header {
	const char *name;
	const char *value; /* NULL: this header is not sent */
};

struct http_request {
	const struct origin *origin;
	const char *method; /* "GET", "HEAD", "POST", "PUT" or "DELETE" */
	const char *target; /* "/render/...?...", below the origin; what is sent
			       is via's path and these very bytes */
	/* beside Host, then one whose name is NULL; or NULL */
	const struct http_header *headers;
	const struct buf *body;       /* of a POST or PUT, else NULL */
	bool keep_query;              /* of a Location: whole_location */
	int64_t max_ms;               /* from now to the last byte */
	bool (*cancelled)(void *arg); /* asked now and then; NULL: never */
	void *arg;
	/* called before bytes of a body are taken, and may wait; or NULL.
	 * Time that it waits is added to max_ms, up to max_wait_ms. */
	void (*arrives)(void *arrives_arg);
	void *arrives_arg;
	int64_t max_wait_ms;
};

#define HTTP_WORDS_ROOM 640

struct http_response {
	int status;          /* 0: none came */
	struct buf body;     /* the bytes as sent, up to the buffer's limit */
	char location[2048]; /* without its query; "" when none, or longer */
	/* all of it, if keep_query asked for it; empty when none, failed when
	 * there is no memory */
	struct buf whole_location;
	bool has_etag;
	int64_t date;          /* seconds since 1970, -1: none or unreadable */
	int64_t last_modified; /* the same */
	long retry_after;      /* seconds, -1: none or unreadable */
	bool cut;              /* the body was longer than its buffer's limit */
	/* of an end that is not HTTP_WHOLE: the IP and port that were
	 * connected to, libcurl's words, the certificate; for the log */
	char words[HTTP_WORDS_ROOM];
	int errnum; /* of a connection that could not be made, or 0 */
	char refused_ip[ADDRESS_TEXT_ROOM]; /* of HTTP_BAD_IP */
};

void http_response_init(struct http_response *, size_t max_bytes);
void http_response_free(struct http_response *);

/* As new, its memory kept for another try. */
void http_response_reset(struct http_response *);

/* How a request ended; http_end_phrase() has each in words. */
enum http_end {
	HTTP_WHOLE, /* a whole answer came, whatever its status is */
	HTTP_CANCELLED,
	HTTP_TOO_BIG, /* the body is over its limit; the status holds */
	HTTP_NO_MEMORY,

	/* not within max_ms, nor the connection within connect_ms */
	HTTP_SLOW,         /* the answer */
	HTTP_NAME_SLOW,    /* looking the name up */
	HTTP_CONNECT_SLOW, /* the connection */
	HTTP_TLS_SLOW,     /* the handshake */

	/* no connection */
	HTTP_NO_NAME,
	HTTP_BAD_IP, /* see address_allowed() */
	HTTP_REFUSED,
	HTTP_NO_ROUTE,
	HTTP_NO_CONNECTION, /* otherwise; see errnum */

	/* no TLS */
	HTTP_SPEAKS_NO_TLS,
	HTTP_SPEAKS_TLS, /* and was asked without */
	HTTP_OLD_TLS,
	HTTP_BAD_TLS, /* otherwise */
	HTTP_CERT_EXPIRED,
	HTTP_CA_EXPIRED,
	HTTP_CERT_NOT_YET,
	HTTP_CERT_SELF_SIGNED,
	HTTP_CERT_UNKNOWN_CA,
	HTTP_CERT_INCOMPLETE,
	HTTP_CERT_OTHER_NAME,
	HTTP_CERT_BAD, /* otherwise */

	/* no answer that can be read */
	HTTP_NO_ANSWER, /* not one byte of it, on a new connection */
	HTTP_BROKEN,    /* before it was whole */
	HTTP_SPEAKS_NO_HTTP,
	HTTP_LONG_HEADERS,
	HTTP_BAD_LENGTH, /* two of them (RFC 9112, 6.3) */
	HTTP_FAILED,     /* otherwise; see words */
	HTTP_END_COUNT
};

/* Send it.  The response is the caller's, initialised, and freed by it. */
enum http_end http_send(
    struct http *, const struct http_request *, struct http_response *);

/* Who was asked, for sentences about how that ended. */
struct http_peer {
	const char *name;       /* "Grafana" */
	const char *setting;    /* that has its address: "grafana" */
	const char *ca_setting; /* "tls_ca_file" */
	const char *ask;        /* whom to ask to mend it, such as
				   "Ask whoever runs this service to"; "" when
				   the reader is to do so */
};

/* One of HTTP_SLOW's kind? */
bool http_end_is_slow(enum http_end);

/* What goes on after the peer's name: "has a certificate that has expired". */
const char *http_end_phrase(enum http_end);

/* Note the whole sentences of an end, with what the log is to have; returns the
 * outcome, as problem_set(). */
enum outcome http_problem(struct problem *, enum outcome, enum http_end,
    const struct http_response *, const struct http_peer *);

/* The same with sentences of the caller's own. */
enum outcome http_problem_set(struct problem *, enum outcome,
    const struct http_response *, const char *why);

#endif
