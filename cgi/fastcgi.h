/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FASTCGI_H
#define FASTCGI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "body.h"

/*
 * One FastCGI request, by libfcgi: its variables, the body of an upload, the
 * answer.  No other file knows libfcgi.
 */
struct fastcgi;

/* Once for the process; false when libfcgi cannot be set up. */
bool fastcgi_init(void);

/*
 * The request that these records begin: all of its variables, and nothing
 * behind them.  "fd" is the connection that they came from; it stays the
 * caller's, who closes it.  NULL when they are wrong, or there is no memory.
 * For one thread: the others below may be called by any.
 */
struct fastcgi *fastcgi_open(const struct buf *head, int fd);

/* Wipes what it held. */
void fastcgi_close(struct fastcgi *);

/* The variables, as name=value strings, until it is closed. */
char *const *fastcgi_variables(const struct fastcgi *);

/* Read the body from the connection: each read ends after SILENCE_MS. */
void fastcgi_read_body(struct fastcgi *, struct intake *);

/* Send the response, and that it was the last of the request. */
void fastcgi_answer(struct fastcgi *, const char *, size_t);

#endif
