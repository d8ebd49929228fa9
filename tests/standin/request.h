/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REQUEST_H
#define REQUEST_H

#include <stdbool.h>
#include <stddef.h>

enum { REQUEST_HEAD_MOST = 65536 };

/* What a client asked, as pointers into the bytes it sent. */
struct span {
	const char *at;
	size_t len;
};

struct request {
	struct span head; /* all of it, with the empty line */
	struct span method, target, headers;
	struct span path, query; /* of the target; the path is not decoded */
	size_t body_len;         /* that follows the head */
	bool last;               /* close the connection afterwards */
	bool no_body;            /* HEAD: answer with headers only */
};

/* The length of a whole head at the beginning of the bytes, or 0. */
size_t request_whole(const char *bytes, size_t len);

/* False when it is no request. */
bool request_parse(struct request *, const char *bytes, size_t head_len);

/* Walks the headers; *at begins at 0. */
bool request_next_header(
    const struct request *, size_t *at, struct span *name, struct span *value);
bool request_header(const struct request *, const char *name, struct span *);

bool span_is(struct span, const char *);
bool span_is_nocase(struct span, const char *);

/* Takes "prefix" off the front. */
bool span_skip(struct span *, const char *prefix);

/* Takes all up to the next "stop" off the front, and the stop; all of it when
 * there is none. */
struct span span_cut(struct span *, char stop);

/* A parameter of a query, decoded; cut off when there is no room.  Returns
 * false, and leaves "" behind, when it is not there. */
bool query_get(struct span query, const char *name, char *out, size_t room);

/* The same as a whole number within bounds, "otherwise" when it is none. */
long query_number(
    struct span query, const char *name, long least, long most, long otherwise);

void span_decode(struct span, char *out, size_t room);
bool number_parse(const char *text, long *number);

#endif
