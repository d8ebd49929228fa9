/* SPDX-License-Identifier: Apache-2.0 */
/* A binary heap: thousands of delayed answers are all due at other times. */
#include "timer.h"

#include <limits.h>
#include <stdlib.h>
#include <time.h>

static struct timer **heap; /* heap[0] is not used */
static size_t count, room;

uint64_t
timer_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void
put(struct timer *t, size_t place)
{
	heap[place] = t;
	t->place = place;
}

static void
rise(struct timer *t, size_t place)
{
	while (place > 1 && heap[place / 2]->due_ms > t->due_ms) {
		put(heap[place / 2], place);
		place /= 2;
	}
	put(t, place);
}

static void
sink(struct timer *t, size_t place)
{
	size_t child;

	for (child = place * 2; child <= count; child = place * 2) {
		if (child < count &&
		    heap[child + 1]->due_ms < heap[child]->due_ms)
			child++;
		if (heap[child]->due_ms >= t->due_ms)
			break;
		put(heap[child], place);
		place = child;
	}
	put(t, place);
}

bool
timer_set(struct timer *t, uint64_t ms)
{
	struct timer **more;

	timer_clear(t);
	if (count + 1 >= room) {
		room = room == 0 ? 1024 : room * 2;
		more = realloc(heap, room * sizeof(struct timer *));
		if (more == NULL)
			return false;
		heap = more;
	}
	t->due_ms = timer_now() + ms;
	rise(t, ++count);
	return true;
}

void
timer_clear(struct timer *t)
{
	struct timer *last;
	size_t place;

	if (t->place == 0)
		return;
	place = t->place;
	t->place = 0;
	last = heap[count--];
	if (last == t)
		return;
	rise(last, place);
	sink(last, last->place);
}

struct timer *
timer_due(void)
{
	struct timer *first;

	if (count == 0 || heap[1]->due_ms > timer_now())
		return NULL;
	first = heap[1];
	timer_clear(first);
	return first;
}

int
timer_wait_ms(void)
{
	uint64_t now;

	if (count == 0)
		return -1;
	now = timer_now();
	if (heap[1]->due_ms <= now)
		return 0;
	return heap[1]->due_ms - now > INT_MAX ? INT_MAX
					       : (int)(heap[1]->due_ms - now);
}

void
timer_free(void)
{
	free(heap);
	heap = NULL;
	count = room = 0;
}
