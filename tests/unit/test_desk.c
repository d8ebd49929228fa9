/* SPDX-License-Identifier: Apache-2.0 */
#include "desk.h"

#include <pthread.h>
#include <stdlib.h>

#include "clock.h"
#include "tap.h"

static void *
take(void *place)
{
	desk_take(place);
	return NULL;
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
	desk_close(desk);
	return tap_done();
}
