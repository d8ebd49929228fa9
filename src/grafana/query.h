/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUERY_H
#define QUERY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The query of an address (RFC 3986, 3.4), a parameter at a time, read as
 * Grafana reads it.  Nothing is copied: all texts are pieces of the address.
 */
struct span {
	const char *at;
	size_t len;
};

#define SPAN_NONE ((struct span){ NULL, 0 })

/* Is it that word? */
bool span_is(struct span, const char *word);

/* The byte at the beginning of a text that is not empty, its escape decoded:
 * how long it is in the text, 0 for a broken escape. */
size_t span_byte(struct span, unsigned char *byte);

/*
 * The text, decoded, as a string; a broken escape stays as it is.  false, and
 * "" in "to", when it does not fit or has a NUL.
 */
bool span_decode(struct span, char *to, size_t room);

/* One "name=value", or "name". */
struct query_pair {
	struct span whole; /* as the address has it */
	struct span value; /* not decoded; len 0: none */
	/* decoded; cut off when it is longer: then it is none that we know */
	char name[32];
};

/* The next pair, taken off the front of the query; false: there is none.
 * "&amp;", as HTML and some chats write "&", is "&". */
bool query_next(struct query_pair *, struct span *query);

/* Is the pair's name one of these?  NULL ends the list. */
bool query_name_in(const struct query_pair *, const char *const list[]);

#endif
