/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASK_H
#define ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One question for a picture and its answer, by HTTP/1.1 or FastCGI: bytes in
 * and out, no sockets.
 */
#define ASK_ROOM 8192 /* bytes of a question, and kept of an answer's begin */

struct ask_how {
	bool fastcgi;
	bool get; /* the panel itself */
	const char *token;
	const char *panel; /* "{}" in it becomes the number */
};

struct ask {
	char question[ASK_ROOM];
	size_t question_len;

	/* of the answer */
	int status;
	bool good;  /* a saved image, or for a GET any image */
	bool keeps; /* the connection may be used again */

	/* ours */
	const struct ask_how *how;
	char begin[ASK_ROOM];
	size_t begin_len;
	size_t head_len; /* 0: not all of it yet */
	long left;       /* bytes of the body to come; -1: until the end */
	bool chunked;
	char tail[5]; /* the last bytes, for the end of chunks */
	unsigned char record[8];
	size_t record_len; /* how much of a record's head is there */
	size_t content_left, padding_left;
};

/* The question with that number; forgets the last answer. */
void ask_make(struct ask *, const struct ask_how *, uint64_t number);

/* Bytes that came; true when the answer is whole. */
bool ask_take(struct ask *, const char *bytes, size_t len);

/* The connection has ended: is the answer whole? */
bool ask_ends(struct ask *);

#endif
