/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Journeys in a table of chains, all under one lock: what is done under it is
 * looking up and copying a small result.
 */
#include "server/singleflight.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define CHAINS  1024
#define LOOK_MS 1000 /* how often who waits looks for its caller */

enum state { FLYING, LANDED, DROPPED };

struct journey {
	struct journey *next; /* in its chain */
	struct flight *flight;
	unsigned char key[FLIGHT_KEY_BYTES];
	enum state state;
	enum worth worth;
	int64_t kept_until_ms;
	int users; /* leader, followers, who looks at a kept one; and 1 while
		      it is in its chain.  0: freed */
	atomic_int followers;
	pthread_cond_t landed;
	unsigned char result[];
};

struct flight {
	pthread_mutex_t lock; /* guards all below, and journeys */
	struct journey *chains[CHAINS];
	size_t result_bytes;
	int64_t keep_ms;
	int waiting;
	unsigned swept; /* the chain that was cleared last */
};

static struct journey **
chain_of(struct flight *f, const unsigned char key[FLIGHT_KEY_BYTES])
{
	unsigned n;

	/* the key is a digest: any bytes of it are as good as random */
	memcpy(&n, key, sizeof(n));
	return &f->chains[n % CHAINS];
}

static void
release(struct journey *j)
{
	if (--j->users > 0)
		return;
	pthread_cond_destroy(&j->landed);
	free(j);
}

/* Take it out of its chain, so that nobody finds it any more. */
static void
drop(struct journey *j)
{
	struct journey **p;

	if (j->state == DROPPED)
		return;
	for (p = chain_of(j->flight, j->key); *p != j; p = &(*p)->next)
		;
	*p = j->next;
	j->state = DROPPED;
	release(j);
}

/* Drop what was kept long enough, in one chain: each call of flight_do() does
 * one in turn, so that nothing old stays for long. */
static void
sweep(struct flight *f)
{
	struct journey *j, *next;
	int64_t now = now_ms();

	f->swept = (f->swept + 1) % CHAINS;
	for (j = f->chains[f->swept]; j != NULL; j = next) {
		next = j->next;
		if (j->state == LANDED && j->kept_until_ms <= now)
			drop(j);
	}
}

static struct journey *
find(struct flight *f, const unsigned char key[FLIGHT_KEY_BYTES])
{
	struct journey *j;

	for (j = *chain_of(f, key); j != NULL; j = j->next)
		if (memcmp(j->key, key, FLIGHT_KEY_BYTES) == 0)
			break;
	if (j != NULL && j->state == LANDED && j->kept_until_ms <= now_ms()) {
		drop(j);
		return NULL;
	}
	return j;
}

static struct journey *
begin(struct flight *f, const unsigned char key[FLIGHT_KEY_BYTES])
{
	struct journey *j = calloc(1, sizeof(*j) + f->result_bytes);
	struct journey **chain = chain_of(f, key);

	if (j == NULL)
		return NULL;
	memcpy(j->key, key, FLIGHT_KEY_BYTES);
	pthread_cond_init(&j->landed, NULL);
	j->flight = f;
	j->users = 2; /* the leader, and the chain */
	j->next = *chain;
	*chain = j;
	return j;
}

static void
lead(struct flight *f, struct journey *j, const struct flight_job *job,
    void *result)
{
	enum worth worth;

	pthread_mutex_unlock(&f->lock);
	worth = job->go(job->arg, result, j);
	pthread_mutex_lock(&f->lock);

	memcpy(j->result, result, f->result_bytes);
	j->worth = worth;
	j->state = LANDED;
	j->kept_until_ms = now_ms() + f->keep_ms;
	if (worth != WORTH_KEEPING || f->keep_ms == 0)
		drop(j);
	pthread_cond_signal(&j->landed);
	release(j);
}

/* Until it lands, a moment of looking passes, or the deadline comes. */
static void
wait_a_moment(struct flight *f, struct journey *j, const struct caller *c)
{
	int64_t until = now_ms() + LOOK_MS;

	if (until > c->deadline_ms)
		until = c->deadline_ms;
	clock_wait(&j->landed, &f->lock, until);
}

/* Wait for somebody else's; LANDED_OWN: it is of no use to us, try ourselves.
 */
static enum landing
follow(
    struct flight *f, struct journey *j, const struct caller *c, void *result)
{
	enum landing landing = LANDED_OWN;

	j->users++;
	atomic_fetch_add(&j->followers, 1);
	f->waiting++;
	while (j->state == FLYING && landing == LANDED_OWN) {
		wait_a_moment(f, j, c);
		if (j->state != FLYING)
			break;
		if (caller_left_ms(c) <= 0)
			landing = LANDED_LATE;
		else if (caller_gone(c))
			landing = LANDED_GONE;
	}
	if (landing == LANDED_OWN && j->worth != WORTH_NOTHING) {
		memcpy(result, j->result, f->result_bytes);
		landing = LANDED_SHARED;
	}
	/* each wakes the next: a thousand that are woken at once would only
	 * wait for the lock */
	if (j->state != FLYING)
		pthread_cond_signal(&j->landed);
	f->waiting--;
	atomic_fetch_sub(&j->followers, 1);
	release(j);
	return landing;
}

/* Use a kept one, if it is still good; else nobody shall find it again. */
static enum landing
reuse(struct flight *f, struct journey *j, const struct flight_job *job,
    void *result)
{
	bool good;

	j->users++;
	memcpy(result, j->result, f->result_bytes);
	pthread_mutex_unlock(&f->lock);
	good = job->good(job->arg, result);
	pthread_mutex_lock(&f->lock);
	if (!good)
		drop(j);
	release(j);
	return good ? LANDED_SHARED : LANDED_OWN;
}

enum landing
flight_do(struct flight *f, const unsigned char key[FLIGHT_KEY_BYTES],
    const struct flight_job *job, void *result)
{
	enum landing landing = LANDED_OWN;
	struct journey *j;

	pthread_mutex_lock(&f->lock);
	sweep(f);
	while (landing == LANDED_OWN && (j = find(f, key)) != NULL)
		landing = j->state == FLYING ? follow(f, j, job->caller, result)
					     : reuse(f, j, job, result);
	if (landing == LANDED_OWN) {
		j = begin(f, key);
		if (j != NULL)
			lead(f, j, job, result);
	}
	pthread_mutex_unlock(&f->lock);
	/* no memory to share it: then it is done without sharing */
	if (landing == LANDED_OWN && j == NULL)
		job->go(job->arg, result, NULL);
	return landing;
}

bool
flight_wanted(const struct journey *j)
{
	return j != NULL && atomic_load(&j->followers) > 0;
}

int
flight_waiting(struct flight *f)
{
	int n;

	pthread_mutex_lock(&f->lock);
	n = f->waiting;
	pthread_mutex_unlock(&f->lock);
	return n;
}

struct flight *
flight_open(size_t result_bytes, int64_t keep_ms)
{
	struct flight *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->result_bytes = result_bytes;
	f->keep_ms = keep_ms;
	pthread_mutex_init(&f->lock, NULL);
	return f;
}

void
flight_close(struct flight *f)
{
	size_t i;

	if (f == NULL)
		return;
	for (i = 0; i < CHAINS; i++)
		while (f->chains[i] != NULL)
			drop(f->chains[i]);
	pthread_mutex_destroy(&f->lock);
	free(f);
}
