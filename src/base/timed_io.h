/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STREAM_H
#define STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Reading and writing that ends in time, whoever is at the other end.
 *
 * Deadlines are in milliseconds on now_ms()'s clock.  The descriptor's own
 * flags are left alone: it may be shared with whoever started us.
 */

#define NO_DEADLINE INT64_MAX

/* Some bytes, at most "room" of them: how many; 0 at the end; -1 when it is
 * broken, or (errno is ETIMEDOUT) nothing came in time. */
ssize_t stream_read(int fd, void *to, size_t room, int64_t deadline_ms);

/* All of them: false when it is broken or they are not taken in time.  What is
 * taken without waiting is written even when it is too late to wait. */
bool stream_write(int fd, const void *, size_t len, int64_t deadline_ms);

#endif
