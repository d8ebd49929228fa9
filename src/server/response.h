/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPLY_H
#define REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/outcome.h"
#include "net/url.h"

/*
 * What the caller gets to read: a whole CGI response (RFC 3875, 6.2) in a
 * buffer of the caller's.  Hermetic.
 */

/* A saved image: its public address, and what it shows. */
struct saved {
	const char *address;
	const char *panel;      /* where a person opens it; "" when unknown */
	uint32_t width, height; /* pixels */
	size_t bytes;
	const char *expires; /* "YYYY-MM-DD"; "": never */
};

/* Room for a reply; the longest holds an address and a link. */
#define REPLY_MAX (1024 * 1024)

/* What "come again" means when nothing better is known. */
#define REPLY_RETRY_SECONDS 5

/* 200, or 201 for an upload. */
void reply_saved(struct buf *, const struct saved *, bool created);

/*
 * What is wrong and what to do, in the shape that the caller can read: JSON
 * (RFC 9457) when "accept", its Accept header or NULL, names it, else one line
 * of text that begins with the outcome's word.  "methods" goes into Allow,
 * "retry_seconds" into Retry-After, each where the status has such a header.
 */
struct refusal {
	enum outcome outcome;
	int status;
	const char *why; /* or "": the outcome's own title and advice */
	const char *accept;
	const char *methods;
	long retry_seconds;
};
void reply_refused(struct buf *, const struct refusal *);

/* What to say when there is no memory to say more. */
extern const char reply_last_word[];

/*
 * How the service is: 200 when a render could be served now, else 503.  One
 * word for each Grafana.
 */
struct health_reply {
	bool ok;
	const char *store;
	size_t grafana_count;
	const struct origin *grafana;
	const char *const *words;
	const char *sandbox;
	long retry_seconds;
};
void reply_health(struct buf *, const struct health_reply *);

/* 200 and that text, of that type. */
void reply_text(struct buf *, const char *type, const struct buf *text);

#endif
