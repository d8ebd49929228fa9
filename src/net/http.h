/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/outcome.h"
#include "net/url.h"

/*
 * Asking a server for something: the only file that knows libcurl's transfers.
 *
 * http_start() once, before there are threads; http_stop() after the last of
 * them.  Then one struct http for each thread that asks: it keeps connections
 * open between requests and must not be shared.
 *
 * No redirect is followed, no proxy of the environment used, no encoding
 * undone, no cookie kept; sizes are counted as they arrive and each address is
 * judged when it is connected to.
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

struct http_question {
	const struct origin *origin;
	const char *target;           /* "/render/…?…", below the origin */
	const char *authorization;    /* the header's value, or NULL */
	const char *forwarded_for;    /* the caller's address, or NULL */
	const struct buf *json;       /* what to POST; for a GET unused */
	size_t max_bytes;             /* of the answer's body */
	int64_t max_ms;               /* from now to the last byte */
	bool (*cancelled)(void *arg); /* asked now and then; NULL: never */
	void *arg;
	/* called before bytes of a body are taken, and may wait; or NULL */
	void (*arrives)(void *arrives_arg);
	void *arrives_arg;
};

struct http_answer {
	int status;
	struct buf body;     /* the bytes as sent */
	char location[2048]; /* without its query; "" when none, or longer */
	bool has_etag;
	int64_t date;          /* seconds since 1970, -1: none or unreadable */
	int64_t last_modified; /* the same */
	long retry_after;      /* seconds, -1: none or unreadable */
	bool cut;              /* the body was longer than allowed */
};

void http_answer_init(struct http_answer *, size_t max_bytes);
void http_answer_free(struct http_answer *);

/* As new, its memory kept for another try. */
void http_answer_reset(struct http_answer *);

/*
 * Ask by GET.  OUTCOME_OK whatever the status is, when a whole answer came;
 * else OUTCOME_UPSTREAM, OUTCOME_TOO_BIG, OUTCOME_SLOW or OUTCOME_INTERNAL.
 * The answer is the caller's, initialised, and freed by it.
 */
enum outcome http_get(struct http *, const struct http_question *,
    struct http_answer *, struct problem *);

/* The same by POST: JSON there, and JSON back where it can be had. */
enum outcome http_post(struct http *, const struct http_question *,
    struct http_answer *, struct problem *);

/* How a transfer ended, for whoever has words of its own for that. */
enum http_end {
	HTTP_WHOLE, /* a whole answer came, whatever its status is */
	HTTP_SLOW,  /* not within max_ms */
	HTTP_GONE,  /* nobody waits any more */
	HTTP_TOO_BIG,
	HTTP_NO_MEMORY,
	HTTP_BAD_ADDRESS, /* see address_allowed() */
	HTTP_FLOODED,     /* with header lines */
	HTTP_NO_NAME,     /* it cannot be looked up */
	HTTP_NO_CONNECTION,
	HTTP_BAD_TLS,
	HTTP_BROKEN, /* before the answer was whole */
	HTTP_FAILED, /* otherwise */
	HTTP_END_COUNT
};

/* A request to an object store. */
struct http_order {
	const struct origin *origin;
	const char *method;         /* "PUT", "GET", "HEAD" or "DELETE" */
	const char *target;         /* "/bucket/key", as it is to be sent */
	const char *const *headers; /* "Name: value" lines, the Host's among
				       them, then NULL */
	const struct buf *body;     /* PUT's */
	int64_t max_ms;             /* from now to the last byte */
};

/*
 * Send it once.  The answer is the caller's, as in http_get(); its body is cut
 * off by HTTP_TOO_BIG, its status then holds.  problem->detail is libcurl's
 * word, nothing else in the problem is touched.
 */
enum http_end http_send(struct http *, const struct http_order *,
    struct http_answer *, struct problem *);

#endif
