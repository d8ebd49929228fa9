/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TIMER_H
#define TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One alarm, part of what it belongs to.  Zeroed, it is not set. */
struct timer {
	uint64_t due_ms;
	size_t place; /* in the heap, counted from 1 */
};

uint64_t timer_now(void); /* milliseconds of a clock that never jumps */
bool timer_set(struct timer *, uint64_t ms); /* from now on */
void timer_clear(struct timer *);

/* The first that is due, cleared; NULL when there is none. */
struct timer *timer_due(void);
int timer_wait_ms(void); /* until the next one, -1 when there is none */
void timer_free(void);

#endif
