/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BUF_H
#define BUF_H

#include <stdbool.h>
#include <stddef.h>

/*
 * A growing run of bytes that knows how large it may become.
 *
 * The caller holds the struct; buf_init() before, buf_free() after.  Bytes are
 * followed by a NUL that is not counted.  After a failed add the buffer is
 * empty and stays failed, so a caller may add several times and look once.
 * Memory is wiped before it is given back: buffers hold tokens.
 */
struct buf {
	char *bytes;  /* NULL while nothing was added */
	size_t len;   /* in bytes, without the NUL */
	size_t room;  /* bytes allocated */
	size_t limit; /* len never exceeds this */
	bool failed;  /* no memory, or over the limit */
};

void buf_init(struct buf *, size_t limit);
void buf_free(struct buf *);

/* Empty again and no longer failed; the memory is kept for the next use. */
void buf_reset(struct buf *);

/* All four return false, and leave the buffer failed, on no memory or when
 * the limit would be exceeded. */
bool buf_reserve(struct buf *, size_t more); /* room for "more" at one go */
bool buf_add(struct buf *, const void *, size_t);
bool buf_puts(struct buf *, const char *);
bool buf_printf(struct buf *, const char *, ...)
    __attribute__((format(printf, 2, 3)));

/* The bytes as a string, "" while there are none. */
const char *buf_str(const struct buf *);

#endif
