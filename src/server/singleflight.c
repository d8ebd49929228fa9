/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls in a table of chains, all under one lock: what is done under it is
 * looking up and copying small results.
 */
#include "server/singleflight.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define CHAINS 1024

struct call {
	struct call *next; /* in its chain */
	unsigned char key[SINGLEFLIGHT_KEY_BYTES];
	bool finished; /* it is a cached result */
	int64_t cached_until_ms;
	struct follower *first, *last;
	atomic_int followers;
	unsigned char result[];
};

struct singleflight {
	pthread_mutex_t lock; /* guards all below, calls and their followers */
	struct call *chains[CHAINS];
	size_t result_bytes;
	int64_t cache_ms;
	int following;
	unsigned swept; /* the chain that was cleared last */
};

static struct call **
chain_of(struct singleflight *s, const unsigned char *key)
{
	unsigned n;

	/* the key is a digest: any bytes of it are as good as random */
	memcpy(&n, key, sizeof(n));
	return &s->chains[n % CHAINS];
}

/* Take it out of its chain and free it. */
static void
drop(struct singleflight *s, struct call *c)
{
	struct call **p;

	for (p = chain_of(s, c->key); *p != c; p = &(*p)->next)
		;
	*p = c->next;
	free(c);
}

static bool
is_old(const struct call *c)
{
	return c->finished && c->cached_until_ms <= now_ms();
}

/* Drop what was cached long enough, in one chain: each join does one in turn,
 * so that nothing old stays for long. */
static void
sweep(struct singleflight *s)
{
	struct call *c, *next;

	s->swept = (s->swept + 1) % CHAINS;
	for (c = s->chains[s->swept]; c != NULL; c = next) {
		next = c->next;
		if (is_old(c))
			drop(s, c);
	}
}

static struct call *
find(struct singleflight *s, const unsigned char *key)
{
	struct call *c;

	for (c = *chain_of(s, key); c != NULL; c = c->next)
		if (memcmp(c->key, key, SINGLEFLIGHT_KEY_BYTES) == 0)
			break;
	if (c != NULL && is_old(c)) {
		drop(s, c);
		return NULL;
	}
	return c;
}

static enum call_role
lead(struct singleflight *s, const unsigned char *key, struct call **call)
{
	struct call *c = calloc(1, sizeof(*c) + s->result_bytes);
	struct call **chain = chain_of(s, key);

	*call = c;
	if (c == NULL)
		return CALL_ALONE;
	memcpy(c->key, key, SINGLEFLIGHT_KEY_BYTES);
	c->next = *chain;
	*chain = c;
	return CALL_LEADS;
}

static void
follow(struct singleflight *s, struct call *c, struct follower *f)
{
	f->call = c;
	f->shared = false;
	f->next = NULL;
	f->prev = c->last;
	if (c->last == NULL)
		c->first = f;
	else
		c->last->next = f;
	c->last = f;
	atomic_fetch_add(&c->followers, 1);
	s->following++;
}

enum call_role
singleflight_join(struct singleflight *s,
    const unsigned char key[SINGLEFLIGHT_KEY_BYTES], struct follower *f,
    struct call **call)
{
	enum call_role role = CALL_ALONE;
	struct call *c;

	*call = NULL;
	pthread_mutex_lock(&s->lock);
	sweep(s);
	c = find(s, key);
	if (c == NULL) {
		role = lead(s, key, call);
	} else if (c->finished) {
		memcpy(f->result, c->result, s->result_bytes);
		role = CALL_CACHED;
	} else if (f->wake != NULL) {
		follow(s, c, f);
		role = CALL_FOLLOWS;
	}
	pthread_mutex_unlock(&s->lock);
	return role;
}

void
singleflight_finish(struct singleflight *s, struct call *c, const void *result,
    enum call_share share)
{
	struct follower *f, *next, *first;

	pthread_mutex_lock(&s->lock);
	first = c->first;
	for (f = first; f != NULL; f = f->next) {
		f->call = NULL;
		f->shared = share != NO_SHARE;
		if (f->shared)
			memcpy(f->result, result, s->result_bytes);
		s->following--;
	}
	c->first = c->last = NULL;
	atomic_store(&c->followers, 0);
	if (share == CACHE && s->cache_ms > 0) {
		memcpy(c->result, result, s->result_bytes);
		c->finished = true;
		c->cached_until_ms = now_ms() + s->cache_ms;
	} else {
		drop(s, c);
	}
	pthread_mutex_unlock(&s->lock);
	/* one that is woken may be gone before this loop goes on */
	for (f = first; f != NULL; f = next) {
		next = f->next;
		f->wake(f);
	}
}

bool
singleflight_leave(struct singleflight *s, struct follower *f)
{
	struct call *c;

	pthread_mutex_lock(&s->lock);
	c = f->call;
	if (c != NULL) {
		if (f->prev == NULL)
			c->first = f->next;
		else
			f->prev->next = f->next;
		if (f->next == NULL)
			c->last = f->prev;
		else
			f->next->prev = f->prev;
		f->call = NULL;
		atomic_fetch_sub(&c->followers, 1);
		s->following--;
	}
	pthread_mutex_unlock(&s->lock);
	return c != NULL;
}

void
singleflight_forget(
    struct singleflight *s, const unsigned char key[SINGLEFLIGHT_KEY_BYTES])
{
	struct call *c;

	pthread_mutex_lock(&s->lock);
	c = find(s, key);
	/* another request may lead already */
	if (c != NULL && c->finished)
		drop(s, c);
	pthread_mutex_unlock(&s->lock);
}

bool
singleflight_is_followed(const struct call *c)
{
	return c != NULL && atomic_load(&c->followers) > 0;
}

int
singleflight_following(struct singleflight *s)
{
	int n;

	pthread_mutex_lock(&s->lock);
	n = s->following;
	pthread_mutex_unlock(&s->lock);
	return n;
}

struct singleflight *
singleflight_open(size_t result_bytes, int64_t cache_ms)
{
	struct singleflight *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->result_bytes = result_bytes;
	s->cache_ms = cache_ms;
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

void
singleflight_close(struct singleflight *s)
{
	size_t i;

	if (s == NULL)
		return;
	for (i = 0; i < CHAINS; i++)
		while (s->chains[i] != NULL)
			drop(s, s->chains[i]);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
