/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMORY_SLOTS_H
#define MEMORY_SLOTS_H

#include <stdint.h>

#include "base/semaphore.h"

/*
 * Room for so many images in memory at one time, from their first byte until
 * they are saved.
 *
 * When a thousand renders end at once, their bytes wait in the kernel instead
 * of in our memory.  When no slot has been given back for MEMORY_SLOTS_IDLE_MS,
 * a thread that waits goes on without one: a few senders that never finish
 * must not stop the others.
 */
#define MEMORY_SLOTS         64
#define MEMORY_SLOTS_IDLE_MS 1000

/* NULL when there is no memory; closed by semaphore_close(). */
struct semaphore *memory_slots_open(int count);

/* One of them, or none; the struct is the caller's. */
struct memory_slot {
	struct semaphore *slots;
	int64_t deadline_ms; /* until when to wait, on now_ms()'s clock */
	int64_t waited_ms;   /* in all */
	bool late;           /* there was none until the deadline */
	enum { SLOT_NOT_ASKED, SLOT_TAKEN, SLOT_NONE } state;
	struct semaphore_hold hold;
};

/* Asks once: later calls change nothing until it was given back. */
void memory_slot_take(struct memory_slot *);
void memory_slot_give(struct memory_slot *);

#endif
