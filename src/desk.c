/* SPDX-License-Identifier: Apache-2.0 */
#include "desk.h"

#include "caller.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct desk {
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t left;
	int free;
};

struct desk *
desk_open(int places)
{
	struct desk *d = calloc(1, sizeof(*d));
	pthread_condattr_t attributes;

	if (d == NULL)
		return NULL;
	d->free = places;
	pthread_mutex_init(&d->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&d->left, &attributes);
	pthread_condattr_destroy(&attributes);
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

void
desk_take(struct desk_place *p)
{
	int64_t until = now_ms() + DESK_WAIT_MS;
	struct timespec t = { .tv_sec = until / 1000,
		.tv_nsec = until % 1000 * 1000000 };
	struct desk *d = p->desk;
	int rc = 0;

	if (p->taken != 0)
		return;
	pthread_mutex_lock(&d->lock);
	while (d->free == 0 && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&d->left, &d->lock, &t);
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
		pthread_cond_signal(&d->left);
		pthread_mutex_unlock(&d->lock);
	}
	p->taken = 0;
}
