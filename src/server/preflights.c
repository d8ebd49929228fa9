/* SPDX-License-Identifier: Apache-2.0 */
#include "server/preflights.h"

#include "base/clock.h"
#include "base/sha256.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define CHAINS  256
#define LOOK_MS 500 /* how often a thread that waits looks for its client */

struct entry {
	struct entry *next; /* in its chain */
	unsigned char key[DIGEST_BYTES];
	bool chained; /* others can find it */
	bool finished;
	int users; /* threads that ask, wait or read */
	int64_t until_ms;
	pthread_cond_t finish;
	struct preflight_answer answer; /* of a finished one, never changed */
};

struct preflights {
	pthread_mutex_t lock; /* guards all below, and entries */
	struct entry *chains[CHAINS];
	size_t count;
	unsigned swept; /* the chain that was cleared last */
};

static bool
make_key(unsigned char key[DIGEST_BYTES], const struct preflight *f)
{
	const char *org = panel_org_id(f->panel, f->authorization);
	struct buf b;
	bool ok;

	buf_init(&b, SIZE_MAX / 2);
	ok =
	    buf_printf(&b, "%s\n%s\n%s\n%s", f->authorization,
		f->panel->origin->url, org == NULL ? "" : org, f->panel->uid) &&
	    digest_make(key, b.bytes, b.len);
	buf_free(&b);
	return ok;
}

static struct entry **
chain_of(struct preflights *s, const unsigned char *key)
{
	return &s->chains[key[0] % CHAINS];
}

static void
free_unused(struct entry *e)
{
	if (e->users > 0 || e->chained)
		return;
	pthread_cond_destroy(&e->finish);
	preflight_free(&e->answer);
	free(e);
}

/* No thread finds it again. */
static void
unchain(struct preflights *s, struct entry *e)
{
	struct entry **p;

	if (!e->chained)
		return;
	for (p = chain_of(s, e->key); *p != e; p = &(*p)->next)
		;
	*p = e->next;
	e->chained = false;
	s->count--;
}

/* Forget what is old, in one chain for each call. */
static void
sweep(struct preflights *s)
{
	struct entry *e, *next;
	int64_t now = now_ms();

	s->swept = (s->swept + 1) % CHAINS;
	for (e = s->chains[s->swept]; e != NULL; e = next) {
		next = e->next;
		if (e->finished && e->until_ms <= now) {
			unchain(s, e);
			free_unused(e);
		}
	}
}

static struct entry *
find(struct preflights *s, const unsigned char *key)
{
	struct entry *e;

	for (e = *chain_of(s, key); e != NULL; e = e->next)
		if (memcmp(e->key, key, DIGEST_BYTES) == 0)
			break;
	if (e == NULL || !e->finished || e->until_ms > now_ms())
		return e;
	unchain(s, e);
	free_unused(e);
	return NULL;
}

static struct entry *
add(struct preflights *s, const unsigned char *key)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	memcpy(e->key, key, DIGEST_BYTES);
	pthread_cond_init(&e->finish, NULL);
	e->chained = true;
	e->next = *chain_of(s, key);
	*chain_of(s, key) = e;
	s->count++;
	return e;
}

/* Ask, without the lock, and let those that wait read the answer. */
static void
ask(struct preflights *s, struct entry *e, const struct preflight *f,
    struct http *http)
{
	struct preflight_answer answer;
	bool kept;

	pthread_mutex_unlock(&s->lock);
	preflight_ask(&answer, f, http);
	pthread_mutex_lock(&s->lock);
	e->answer = answer;
	e->finished = true;
	e->until_ms = now_ms() + PREFLIGHTS_SECONDS * 1000;
	kept = answer.answered && answer.outcome != OUTCOME_TOKEN_REFUSED &&
	       answer.outcome != OUTCOME_FORBIDDEN &&
	       s->count <= PREFLIGHTS_MAX;
	if (!kept)
		unchain(s, e);
	pthread_cond_broadcast(&e->finish);
}

/* Until another thread has asked; false: the time is over, or the client gone.
 */
static bool
wait_for(struct preflights *s, struct entry *e, const struct preflight *f,
    int64_t until_ms)
{
	int64_t look_ms;
	bool gone = false;

	while (!e->finished && !gone && now_ms() < until_ms) {
		look_ms = now_ms() + LOOK_MS;
		clock_wait(&e->finish, &s->lock,
		    look_ms < until_ms ? look_ms : until_ms);
		if (e->finished || f->cancelled == NULL)
			continue;
		/* it asks the kernel: not under the lock */
		pthread_mutex_unlock(&s->lock);
		gone = f->cancelled(f->arg);
		pthread_mutex_lock(&s->lock);
	}
	return e->finished;
}

enum outcome
preflights_check(struct preflights *s, const struct preflight *f,
    struct http *http, struct problem *p)
{
	int64_t most = f->left_ms < PREFLIGHT_MS ? f->left_ms : PREFLIGHT_MS;
	int64_t until_ms = now_ms() + most;
	unsigned char key[DIGEST_BYTES];
	enum outcome o = OUTCOME_OK;
	struct entry *e;

	if (!make_key(key, f))
		return OUTCOME_OK;
	pthread_mutex_lock(&s->lock);
	sweep(s);
	e = find(s, key);
	if (e != NULL) {
		e->users++;
		wait_for(s, e, f, until_ms);
	} else if ((e = add(s, key)) != NULL) {
		e->users++;
		ask(s, e, f, http);
	}
	if (e != NULL) {
		if (e->finished)
			o = preflight_check(&e->answer, f->panel, p);
		e->users--;
		free_unused(e);
	}
	pthread_mutex_unlock(&s->lock);
	return o;
}

struct preflights *
preflights_open(void)
{
	struct preflights *s = calloc(1, sizeof(*s));

	if (s != NULL)
		pthread_mutex_init(&s->lock, NULL);
	return s;
}

void
preflights_close(struct preflights *s)
{
	struct entry *e;
	size_t i;

	if (s == NULL)
		return;
	for (i = 0; i < CHAINS; i++)
		while ((e = s->chains[i]) != NULL) {
			unchain(s, e);
			free_unused(e);
		}
	pthread_mutex_destroy(&s->lock);
	free(s);
}
