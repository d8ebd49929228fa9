/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DESK_H
#define DESK_H

#include <stdint.h>

/*
 * Room for so many pictures at one time, from their first byte until they are
 * saved.
 *
 * When a thousand renders end at once, their bytes wait in the kernel instead
 * of in our memory.  When nobody has left a place for DESK_WAIT_MS, who waits
 * works without one: a few senders that never finish must not stop the others.
 */
#define DESK_PLACES  64
#define DESK_WAIT_MS 1000

struct desk;

/* NULL when there is no memory. */
struct desk *desk_open(int places);
void desk_close(struct desk *);

/* A place at it, or none; the struct is the caller's. */
struct desk_place {
	struct desk *desk;
	int64_t deadline_ms; /* until when to wait, on now_ms()'s clock */
	int taken;           /* 0: not asked, 1: yes, -1: there was none */
};

/* Asks once: later calls change nothing until it was left. */
void desk_take(struct desk_place *);
void desk_leave(struct desk_place *);

#endif
