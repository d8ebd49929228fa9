/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCAN_H
#define SCAN_H

#include <stdbool.h>
#include <stddef.h>

/*
 * JSON (RFC 8259), read piece by piece with the place of each piece in the
 * text, for who changes a text and must leave the rest of it as it is.
 *
 * Strict: what this takes to its end is JSON in UTF-8.  Allocates nothing, so
 * it cannot run out of memory in the middle of somebody's alarm; libyajl, which
 * knows places too, uses what realloc() returns without a look.
 */
#define SCAN_DEPTH_MAX 4096 /* containers in one another; deeper is broken */

enum scan_kind {
	SCAN_BROKEN, /* no JSON from here on */
	SCAN_END,    /* the text was one whole value */
	SCAN_OBJECT,
	SCAN_OBJECT_END,
	SCAN_ARRAY,
	SCAN_ARRAY_END,
	SCAN_KEY,
	SCAN_STRING,
	SCAN_NUMBER,
	SCAN_BOOLEAN,
	SCAN_NULL,
};

/* The bytes from "start" to before "end", quotes and brackets included. */
struct scan_piece {
	enum scan_kind kind;
	size_t start;
	size_t end;
};

struct scan {
	const char *text; /* borrowed; need not end in a NUL */
	size_t len;
	size_t at;    /* read so far */
	size_t depth; /* containers open */
	int expect;   /* ours */
	unsigned char
	    is_object[SCAN_DEPTH_MAX / 8]; /* a bit for each of them */
};

void scan_init(struct scan *, const char *text, size_t len);

/* The next piece; after SCAN_BROKEN and SCAN_END the same again. */
struct scan_piece scan_next(struct scan *);

/*
 * What a SCAN_KEY or SCAN_STRING says, its escapes undone, with a NUL behind
 * it that is not counted.  false when it does not fit into "room" bytes (as
 * many as the piece has always do) or has half a surrogate pair in it.
 */
bool scan_decode(const struct scan *, const struct scan_piece *, char *to,
    size_t room, size_t *len);

#endif
