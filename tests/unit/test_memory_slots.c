/* SPDX-License-Identifier: Apache-2.0 */
#include "image/memory_slots.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "tap.h"

#define MANY 8

static void *
take(void *slot)
{
	memory_slot_take(slot);
	return NULL;
}

static atomic_int without;

/* Take it, and give it back after a while. */
static void *
use(void *arg)
{
	struct memory_slot *slot = arg;
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t never = PTHREAD_COND_INITIALIZER;
	int64_t until;

	memory_slot_take(slot);
	atomic_fetch_add(&without, slot->state == SLOT_NONE);
	until = now_ms() + MEMORY_SLOTS_IDLE_MS / 4;
	pthread_mutex_lock(&lock);
	while (clock_wait(&never, &lock, until))
		;
	pthread_mutex_unlock(&lock);
	memory_slot_give(slot);
	return NULL;
}

/* So many come at once for one slot. */
static void
many_wait(struct semaphore *slots)
{
	struct memory_slot of[MANY];
	pthread_t threads[MANY];
	int64_t waited_ms = 0;
	int i;

	for (i = 0; i < MANY; i++) {
		of[i] = (struct memory_slot){ .slots = slots,
			.deadline_ms = INT64_MAX };
		if (pthread_create(&threads[i], NULL, use, &of[i]) != 0)
			abort();
	}
	for (i = 0; i < MANY; i++) {
		pthread_join(threads[i], NULL);
		waited_ms += of[i].waited_ms;
	}
	check(atomic_load(&without) == 0);
	/* 0 + 1 + ... + 7 turns; half of that where threads start slowly */
	check(waited_ms >= 14 * (MEMORY_SLOTS_IDLE_MS / 4));
}

int
main(void)
{
	struct semaphore *slots = memory_slots_open(1);
	struct memory_slot a = { .slots = slots, .deadline_ms = INT64_MAX };
	struct memory_slot b = a, late = { .slots = slots };
	int64_t start = now_ms();
	pthread_t thread;

	test ("a thread that finds no slot goes on without one in time") {
		memory_slot_take(&a);
		check(a.state == SLOT_TAKEN);
		memory_slot_take(&b);
		check(b.state == SLOT_NONE && !b.late);
		check(now_ms() - start >= MEMORY_SLOTS_IDLE_MS);
	}
	test ("how long it waited is told, so that it counts as nobody's "
	      "time") {
		check(a.waited_ms < MEMORY_SLOTS_IDLE_MS / 2);
		check(b.waited_ms >= MEMORY_SLOTS_IDLE_MS);
		check(b.waited_ms <= now_ms() - start);
	}
	test ("nobody waits longer than until the deadline, which is told") {
		start = now_ms();
		late.deadline_ms = start + 1;
		memory_slot_take(&late);
		check(late.state == SLOT_NONE && late.late);
		check(now_ms() - start < MEMORY_SLOTS_IDLE_MS);
	}
	test ("a thread that has none has none to give back") {
		memory_slot_give(&b);
		memory_slot_take(&b);
		check(b.state == SLOT_NONE);
		memory_slot_give(&b);
	}
	test ("a slot is taken once until it is given back") {
		memory_slot_take(&a);
		memory_slot_give(&a);
		memory_slot_take(&b);
		check(b.state == SLOT_TAKEN);
	}
	test ("a thread that waits gets the slot that is given back") {
		if (pthread_create(&thread, NULL, take, &a) != 0)
			abort();
		memory_slot_give(&b);
		pthread_join(thread, NULL);
		check(a.state == SLOT_TAKEN);
		memory_slot_give(&a);
	}
	test ("as long as slots become free all wait for theirs")
		many_wait(slots);
	semaphore_close(slots);
	return tap_done();
}
