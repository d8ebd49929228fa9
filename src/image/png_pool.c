/* SPDX-License-Identifier: Apache-2.0 */
#include "image/png_pool.h"

#include "base/clock.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#define CHECKS_MAX 64

struct checker {
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t freed;
	struct png_scratch *idle[CHECKS_MAX];
	int idle_count;
};

static int
cores(void)
{
	cpu_set_t set;
	int n = 1;

	/* those that we may run on, which a container may have cut down */
	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		n = CPU_COUNT(&set);
	return n < 1 ? 1 : n > CHECKS_MAX ? CHECKS_MAX : n;
}

struct checker *
checker_open(void)
{
	struct checker *c = calloc(1, sizeof(*c));
	int n = cores();

	if (c == NULL)
		return NULL;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->freed, NULL);
	while (c->idle_count < n) {
		c->idle[c->idle_count] = png_scratch_open();
		if (c->idle[c->idle_count] == NULL) {
			checker_close(c);
			return NULL;
		}
		c->idle_count++;
	}
	return c;
}

void
checker_close(struct checker *c)
{
	if (c == NULL)
		return;
	while (c->idle_count > 0)
		png_scratch_close(c->idle[--c->idle_count]);
	pthread_cond_destroy(&c->freed);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* NULL: it is too late. */
static struct png_scratch *
take(struct checker *c, int64_t until_ms)
{
	struct png_scratch *s = NULL;

	pthread_mutex_lock(&c->lock);
	while (c->idle_count == 0)
		if (!clock_wait(&c->freed, &c->lock, until_ms))
			break;
	if (c->idle_count > 0)
		s = c->idle[--c->idle_count];
	pthread_mutex_unlock(&c->lock);
	return s;
}

static void
give_back(struct checker *c, struct png_scratch *s)
{
	pthread_mutex_lock(&c->lock);
	c->idle[c->idle_count++] = s;
	pthread_mutex_unlock(&c->lock);
	/* after that: who is woken at once would only wait for the lock */
	pthread_cond_signal(&c->freed);
}

enum outcome
checker_clean(struct checker *c, int64_t until_ms, struct buf *clean,
    struct png_size *size, const void *image, size_t len,
    const struct png_limits *limits, struct problem *p)
{
	struct png_scratch *s = take(c, until_ms);
	enum outcome o;

	if (s == NULL)
		return problem_set(p, OUTCOME_SLOW,
		    "Too many pictures had to be checked before. Try again "
		    "later.");
	o = png_clean(clean, size, image, len, limits, s, p);
	give_back(c, s);
	return o;
}
