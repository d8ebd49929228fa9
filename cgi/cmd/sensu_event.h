/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EVENT_H
#define EVENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/*
 * A Sensu event: where it names a panel, and where the picture's address goes.
 *
 * Hermetic.  An event is never taken apart and put together again: numbers
 * beyond 2^53, escapes, key order and blanks stay as they are, because a new
 * text is put between two halves of the old one.
 *
 *	            the panel                            the address
 *	classic     check.graph_image                    check.graph_image_url
 *	Sensu Go    check.metadata.annotations check.metadata.annotations
 *	            .graph_image, else entity.metadata   .graph_image_url
 *	            .annotations.graph_image
 *
 * An event with an "entity" and no "client" is Sensu Go's.
 */
struct event {
	char *image; /* the panel's address as it stands there */
	/* the new text takes the place of the bytes from "at" to before "end"
	 */
	size_t at;
	size_t end;
	/* ours: what it is made of */
	const unsigned char *path;
	size_t missing; /* how many of its last names are to be made */
	bool named;     /* the first of them by name, as a member */
	bool comma;     /* others follow it */
};

/*
 * Look for both.  false when the text is no event with a panel, no JSON, or
 * says something twice that matters; the event is empty then.  It is the
 * caller's, and freed with event_free() in either case.
 */
bool event_find(struct event *, const char *text, size_t len);
void event_free(struct event *);

/* Is it an object of JSON to its end, behind which nothing can follow? */
bool event_is_whole(const char *text, size_t len);

/* The text to put in, for an address without quotes and backslashes. */
bool event_insertion(const struct event *, const char *address, struct buf *);

/* A panel's address with the last six hours where it names no time. */
bool event_add_time(const char *image, struct buf *);

#endif
