/* SPDX-License-Identifier: Apache-2.0 */
#include "image/memory_slots.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdlib.h>

struct desk {
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t left;
	int64_t left_ms; /* when somebody did last */
	int free;
};

struct desk *
desk_open(int places)
{
	struct desk *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->free = places;
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->left, NULL);
	return d;
}

void
desk_close(struct desk *d)
{
	if (d == NULL)
		return;
	pthread_cond_destroy(&d->left);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

/* Until when to wait: nobody has left for so long. */
static int64_t
patience(const struct desk *d, const struct desk_place *p, int64_t since_ms)
{
	int64_t until =
	    DESK_WAIT_MS + (since_ms > d->left_ms ? since_ms : d->left_ms);

	return until > p->deadline_ms ? p->deadline_ms : until;
}

/* Wait until somebody leaves; false when it is of no use to go on. */
static bool
wait_for_place(struct desk *d, const struct desk_place *p, int64_t since_ms)
{
	clock_wait(&d->left, &d->lock, patience(d, p, since_ms));
	/* somebody may have left meanwhile, and another was quicker */
	return now_ms() < patience(d, p, since_ms);
}

void
desk_take(struct desk_place *p)
{
	struct desk *d = p->desk;
	int64_t since_ms = now_ms();

	if (p->taken != 0)
		return;
	pthread_mutex_lock(&d->lock);
	while (d->free == 0 && wait_for_place(d, p, since_ms))
		;
	p->taken = d->free > 0 ? 1 : -1;
	if (p->taken > 0)
		d->free--;
	pthread_mutex_unlock(&d->lock);
}

void
desk_leave(struct desk_place *p)
{
	struct desk *d = p->desk;

	if (p->taken > 0) {
		pthread_mutex_lock(&d->lock);
		d->free++;
		d->left_ms = now_ms();
		pthread_cond_signal(&d->left);
		pthread_mutex_unlock(&d->lock);
	}
	p->taken = 0;
}
