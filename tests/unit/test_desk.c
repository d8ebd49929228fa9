/* SPDX-License-Identifier: Apache-2.0 */
#include "image/memory_slots.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "tap.h"

#define MANY 8

static void *
take(void *place)
{
	desk_take(place);
	return NULL;
}

static atomic_int without;

/* Take it, and leave it after a while. */
static void *
use(void *arg)
{
	struct desk_place *place = arg;
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t never = PTHREAD_COND_INITIALIZER;
	int64_t until;

	desk_take(place);
	atomic_fetch_add(&without, place->taken < 0);
	until = now_ms() + DESK_WAIT_MS / 4;
	pthread_mutex_lock(&lock);
	while (clock_wait(&never, &lock, until))
		;
	pthread_mutex_unlock(&lock);
	desk_leave(place);
	return NULL;
}

/* So many come at once for one place. */
static void
many_wait(struct desk *desk)
{
	struct desk_place places[MANY];
	pthread_t threads[MANY];
	int i;

	for (i = 0; i < MANY; i++) {
		places[i] = (struct desk_place){ .desk = desk,
			.deadline_ms = INT64_MAX };
		if (pthread_create(&threads[i], NULL, use, &places[i]) != 0)
			abort();
	}
	for (i = 0; i < MANY; i++) {
		pthread_join(threads[i], NULL);
	}
	check(atomic_load(&without) == 0);
}

int
main(void)
{
	struct desk *desk = desk_open(1);
	struct desk_place a = { .desk = desk, .deadline_ms = INT64_MAX };
	struct desk_place b = a, late = { .desk = desk };
	int64_t start = now_ms();
	pthread_t thread;

	test ("who finds no place goes on without one in time") {
		desk_take(&a);
		check(a.taken == 1);
		desk_take(&b);
		check(b.taken == -1);
		check(now_ms() - start >= DESK_WAIT_MS);
	}
	test ("nobody waits longer than until the deadline") {
		start = now_ms();
		late.deadline_ms = start + 1;
		desk_take(&late);
		check(late.taken == -1);
		check(now_ms() - start < DESK_WAIT_MS);
	}
	test ("who has none has none to give back") {
		desk_leave(&b);
		desk_take(&b);
		check(b.taken == -1);
		desk_leave(&b);
	}
	test ("a place is taken once until it is left") {
		desk_take(&a);
		desk_leave(&a);
		desk_take(&b);
		check(b.taken == 1);
	}
	test ("who waits gets the place that is left") {
		if (pthread_create(&thread, NULL, take, &a) != 0)
			abort();
		desk_leave(&b);
		pthread_join(thread, NULL);
		check(a.taken == 1);
		desk_leave(&a);
	}
	test ("as long as places become free all wait for theirs") {
		many_wait(desk);
	}
	desk_close(desk);
	return tap_done();
}
