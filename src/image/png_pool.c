/* SPDX-License-Identifier: Apache-2.0 */
#include "image/png_pool.h"

#include "base/semaphore.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#define CHECKS_MAX 64

struct png_pool {
	struct semaphore *checks;
	pthread_mutex_t lock; /* guards all below */
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

struct png_pool *
png_pool_open(void)
{
	struct png_pool *pool = calloc(1, sizeof(*pool));
	int n = cores();

	if (pool == NULL)
		return NULL;
	pthread_mutex_init(&pool->lock, NULL);
	pool->checks = semaphore_open(n,
	    (const int[SEMAPHORE_CLASSES]){
		[PNG_FROM_RENDER] = n, [PNG_FROM_UPLOAD] = n < 2 ? 1 : n / 2 });
	if (pool->checks != NULL)
		return pool;
	png_pool_close(pool);
	return NULL;
}

void
png_pool_close(struct png_pool *pool)
{
	if (pool == NULL)
		return;
	while (pool->idle_count > 0)
		png_scratch_close(pool->idle[--pool->idle_count]);
	semaphore_close(pool->checks);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

/* The one that was used last: its pages are warm.  NULL: no memory. */
static struct png_scratch *
scratch_take(struct png_pool *pool)
{
	struct png_scratch *s = NULL;

	pthread_mutex_lock(&pool->lock);
	if (pool->idle_count > 0)
		s = pool->idle[--pool->idle_count];
	pthread_mutex_unlock(&pool->lock);
	return s != NULL ? s : png_scratch_open();
}

/* Only the one that is taken next keeps what a huge image needed: the others
 * may not be used for long. */
static void
scratch_give(struct png_pool *pool, struct png_scratch *s)
{
	int i;

	pthread_mutex_lock(&pool->lock);
	for (i = 0; i < pool->idle_count; i++)
		png_scratch_trim(pool->idle[i]);
	pool->idle[pool->idle_count++] = s;
	pthread_mutex_unlock(&pool->lock);
}

enum outcome
png_pool_clean(struct png_pool *pool, enum png_from from, int64_t until_ms,
    struct buf *image, struct png_size *size, const struct png_limits *limits,
    struct problem *p)
{
	struct semaphore_hold hold;
	struct png_scratch *s;
	enum outcome o;

	if (!semaphore_take(
		pool->checks, &hold, (int)from, until_ms, INT64_MAX))
		return problem_set(p, OUTCOME_SLOW,
		    "Too many pictures had to be checked before. Try again "
		    "later.");
	s = scratch_take(pool);
	if (s == NULL) {
		o = problem_set(p, OUTCOME_INTERNAL,
		    "There is not enough memory to check the image.");
	} else {
		o = png_clean(image, size, limits, s, p);
		scratch_give(pool, s);
	}
	semaphore_give(&hold);
	return o;
}

int
png_pool_waiting(struct png_pool *pool, enum png_from from)
{
	return semaphore_waiting(pool->checks, (int)from);
}
