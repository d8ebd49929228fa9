/* SPDX-License-Identifier: Apache-2.0 */
#include "base/semaphore.h"

#include "base/clock.h"

#include <stdlib.h>

/* A thread that waits, on its own stack. */
struct waiter {
	struct waiter *next;
	pthread_cond_t granted_to_it;
	bool granted;
};

struct class
{
	struct waiter *first, **end; /* a queue */
	int waiting;
	int held;
	int limit;
	int64_t used_ms; /* for how long it was held, all holds together */
};

struct semaphore {
	pthread_mutex_t lock; /* guards all below, and waiters */
	struct class classes[SEMAPHORE_CLASSES];
	int free;
	int last;         /* the class that was granted last */
	int64_t given_ms; /* when a thread last gave it back */
};

struct semaphore *
semaphore_open(int count, const int limits[SEMAPHORE_CLASSES])
{
	struct semaphore *s = calloc(1, sizeof(*s));
	int i;

	if (s == NULL)
		return NULL;
	s->free = count;
	for (i = 0; i < SEMAPHORE_CLASSES; i++) {
		s->classes[i].end = &s->classes[i].first;
		s->classes[i].limit = limits[i];
	}
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

void
semaphore_close(struct semaphore *s)
{
	if (s == NULL)
		return;
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static bool
may_have_one(const struct class *c)
{
	return c->first != NULL && c->held < c->limit;
}

/* The class whose turn it is, or -1. */
static int
next_class(const struct semaphore *s)
{
	const struct class *a = &s->classes[0], *b = &s->classes[1];

	if (!may_have_one(a) || !may_have_one(b))
		return may_have_one(a) ? 0 : may_have_one(b) ? 1 : -1;
	if (a->used_ms != b->used_ms)
		return a->used_ms < b->used_ms ? 0 : 1;
	return 1 - s->last;
}

static void
dequeue(struct class *c, struct waiter *w)
{
	struct waiter **p = &c->first;

	while (*p != w)
		p = &(*p)->next;
	*p = w->next;
	if (w->next == NULL)
		c->end = p;
	c->waiting--;
}

static void
grant(struct semaphore *s)
{
	struct waiter *w;
	int i;

	while (s->free > 0 && (i = next_class(s)) >= 0) {
		w = s->classes[i].first;
		dequeue(&s->classes[i], w);
		w->granted = true;
		s->classes[i].held++;
		s->free--;
		s->last = i;
		pthread_cond_signal(&w->granted_to_it);
	}
}

/* A class that was away has saved up no time meanwhile. */
static void
enqueue(struct semaphore *s, int class, struct waiter *w)
{
	struct class *c = &s->classes[class];
	const struct class *other = &s->classes[1 - class];

	if (c->waiting == 0 && c->held == 0 && c->used_ms < other->used_ms)
		c->used_ms = other->used_ms;
	*c->end = w;
	c->end = &w->next;
	c->waiting++;
}

/* Until when to wait: nobody has given it back for so long. */
static int64_t
patience(const struct semaphore *s, int64_t from_ms, int64_t until_ms,
    int64_t idle_ms)
{
	int64_t idle = from_ms > s->given_ms ? from_ms : s->given_ms;

	return until_ms - idle < idle_ms ? until_ms : idle + idle_ms;
}

bool
semaphore_take(struct semaphore *s, struct semaphore_hold *hold, int class,
    int64_t until_ms, int64_t idle_ms)
{
	struct waiter w = { .next = NULL };
	int64_t from_ms = now_ms();

	pthread_cond_init(&w.granted_to_it, NULL);
	pthread_mutex_lock(&s->lock);
	enqueue(s, class, &w);
	grant(s);
	/* others may have given it back meanwhile, to threads before this one:
	 * then there is more patience */
	while (!w.granted && now_ms() < patience(s, from_ms, until_ms, idle_ms))
		clock_wait(&w.granted_to_it, &s->lock,
		    patience(s, from_ms, until_ms, idle_ms));
	if (!w.granted)
		dequeue(&s->classes[class], &w);
	pthread_mutex_unlock(&s->lock);
	pthread_cond_destroy(&w.granted_to_it);
	*hold = (struct semaphore_hold){ s, class, now_ms() };
	return w.granted;
}

void
semaphore_give(struct semaphore_hold *hold)
{
	struct semaphore *s = hold->semaphore;
	struct class *c = &s->classes[hold->class];

	pthread_mutex_lock(&s->lock);
	s->given_ms = now_ms();
	c->used_ms += s->given_ms - hold->since_ms;
	c->held--;
	s->free++;
	grant(s);
	pthread_mutex_unlock(&s->lock);
}

int
semaphore_waiting(struct semaphore *s, int class)
{
	int n;

	pthread_mutex_lock(&s->lock);
	n = s->classes[class].waiting;
	pthread_mutex_unlock(&s->lock);
	return n;
}
