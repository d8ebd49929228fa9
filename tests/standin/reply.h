/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPLY_H
#define REPLY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "tally.h"

struct picture;

enum reply_start {
	START_NOW,
	START_HELD,  /* by /standin/release */
	START_NEVER, /* nobody will ever answer */
	START_WAIT,  /* when a counter is there */
};

enum reply_end { END_KEEP, END_CLOSE, END_RESET };

enum { REPLY_PARTS = 5, REPLY_MOST = 1 << 30 };

/*
 * A whole answer, made when the request is read; the connection only plays it.
 * It is a head and a body of several parts, some of them the picture's own
 * bytes.  One that is longer than its parts goes on with its last part again
 * and again.
 */
struct reply {
	enum reply_start start;
	enum reply_end end;
	bool render;   /* counts as one */
	bool no_body;  /* HEAD */
	long first_ms; /* before the first byte */
	struct wait wait;

	struct buf head;
	struct buf own; /* bytes of the body that are no picture's */
	struct picture *picture;
	unsigned char phys[21];
	struct iovec parts[REPLY_PARTS]; /* the first is the head */
	int count;
	uint64_t total;

	uint64_t paced_from; /* then only piece_bytes every piece_ms */
	uint64_t piece_bytes, piece_ms;
};

void reply_init(struct reply *);
void reply_free(struct reply *);
void reply_reset(struct reply *); /* for the next request; keeps memory */

/* Bytes stay the caller's, and must live as long as the reply. */
void reply_part(struct reply *, const void *bytes, size_t len);
size_t reply_body_len(const struct reply *);

/* The body becomes one part, in "own", that may be changed. */
void reply_flatten(struct reply *);

/* The body is what is in "own". */
void reply_use_own(struct reply *);

/* Status line and Date; date NULL: now, "": none. */
void reply_head(struct reply *, int status, const char *date);

/* All headers are said: from here on the length is known. */
void reply_seal(struct reply *);

/* A whole answer, its body taken from "own". */
void reply_own(struct reply *, int status, const char *type);
void reply_text(struct reply *, int status, const char *type, const char *text);

const char *reply_now(void);
void http_date(int64_t seconds, char out[32]);

#endif
