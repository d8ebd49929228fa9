/* SPDX-License-Identifier: Apache-2.0 */
#include "grafana/limiter.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdlib.h>

#define LOOK_MS              500 /* how often a waiting request is looked at */
#define BACKOFF_MS           500 /* after the first busy answer; then doubled */
#define OUR_BACKOFF_MAX_MS   8000  /* unless Grafana itself says more */
#define FORGET_MS            10000 /* a back-off, after its end */
#define FIRST_GUESS_MS       2000
#define ESTIMATE_MAX_SECONDS 60

/* How many permits there are at one time, and from when on: of a credential,
 * and of all together. */
struct backoff {
	int limit; /* at most the limiter's max: fewer after busy answers */
	int well;  /* answers since the limit was changed */
	int busy;  /* rounds in a row that ended busy */
	int64_t since_ms, until_ms;
};

/* What is known of one credential. */
struct account {
	struct account *next;
	uint64_t credential;
	int permits; /* that it holds */
	int waiting; /* requests in the line */
	struct backoff backoff;
};

struct waiter {
	struct waiter *next;
	struct permit_request *request;
	struct account *account;
	pthread_cond_t called;
	bool admitted;
};

struct limiter {
	pthread_mutex_t lock; /* guards all below */
	struct waiter *line;  /* first come first */
	struct account *accounts;
	int waiting;
	int taken;
	int max;
	struct backoff all;
	int64_t average_ms; /* of a render */
	bool stopped;
};

static struct account *
find_account(const struct limiter *l, uint64_t credential)
{
	struct account *a;

	for (a = l->accounts; a != NULL; a = a->next)
		if (a->credential == credential)
			break;
	return a;
}

/* The credential's account, a new one if need be; NULL on no memory. */
static struct account *
open_account(struct limiter *l, uint64_t credential)
{
	struct account *a = find_account(l, credential);

	if (a != NULL)
		return a;
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return NULL;
	a->credential = credential;
	a->backoff.limit = l->max;
	a->next = l->accounts;
	l->accounts = a;
	return a;
}

/* Without requests, and its last back-off long over: it is like a new one. */
static bool
is_forgotten(const struct account *a)
{
	return a->permits == 0 && a->waiting == 0 &&
	       (a->backoff.since_ms == 0 ||
		   a->backoff.until_ms + FORGET_MS <= now_ms());
}

static void
sweep_accounts(struct limiter *l)
{
	struct account **p = &l->accounts, *a;

	while ((a = *p) != NULL) {
		if (!is_forgotten(a)) {
			p = &a->next;
			continue;
		}
		*p = a->next;
		free(a);
	}
}

/* Do several credentials wait, of those that are not held back? */
static bool
is_mixed(const struct limiter *l, int64_t now)
{
	const struct account *first = NULL;
	const struct waiter *w;

	for (w = l->line; w != NULL; w = w->next) {
		if (w->account->backoff.until_ms > now)
			continue;
		if (first != NULL && w->account != first)
			return true;
		first = w->account;
	}
	return false;
}

/* May its credential hold one more; and, where others wait, does it leave the
 * last quarter to them? */
static bool
may_go(
    const struct limiter *l, const struct account *a, bool mixed, int64_t now)
{
	int most = l->all.limit * 3 / 4;

	if (a->backoff.until_ms > now || a->permits >= a->backoff.limit)
		return false;
	return !mixed || a->permits < (most < 1 ? 1 : most);
}

/*
 * The next that may go.  One that comes again after a busy answer waits behind
 * the requests of others that were there before that answer.
 */
static struct waiter **
next_waiter(struct limiter *l)
{
	struct waiter **p, **first = NULL;
	int64_t now = now_ms();
	bool mixed = is_mixed(l, now);

	for (p = &l->line; *p != NULL; p = &(*p)->next) {
		if (!may_go(l, (*p)->account, mixed, now))
			continue;
		if (first == NULL)
			first = p;
		if ((*first)->request->refused_ms == 0)
			return first;
		if ((*p)->account != (*first)->account &&
		    (*p)->request->refused_ms == 0 &&
		    (*p)->request->since_ms <= (*first)->request->refused_ms)
			return p;
	}
	return first;
}

static void
admit(struct limiter *l)
{
	struct waiter **p, *w;

	while (l->taken < l->all.limit && now_ms() >= l->all.until_ms) {
		p = next_waiter(l);
		if (p == NULL)
			return;
		w = *p;
		*p = w->next;
		l->taken++;
		w->account->permits++;
		w->admitted = true;
		/* not when it wakes: a refusal may come meanwhile to those that
		 * began at the same moment, and be the same round */
		w->request->taken_ms = now_ms();
		pthread_cond_signal(&w->called);
	}
}

static void
stand_in_line(struct limiter *l, struct waiter *w)
{
	struct waiter **p = &l->line;

	while (*p != NULL && (*p)->request->since_ms <= w->request->since_ms)
		p = &(*p)->next;
	w->next = *p;
	*p = w;
	w->account->waiting++;
	l->waiting++;
}

static void
leave_line(struct limiter *l, struct waiter *w)
{
	struct waiter **p;

	for (p = &l->line; *p != NULL; p = &(*p)->next)
		if (*p == w) {
			*p = w->next;
			break;
		}
	w->account->waiting--;
	l->waiting--;
}

/* When the back-off ends that this account is under; not after now: none. */
static int64_t
backoff_end(const struct limiter *l, const struct account *a)
{
	if (a != NULL && a->backoff.until_ms > l->all.until_ms)
		return a->backoff.until_ms;
	return l->all.until_ms;
}

static void
wait_a_moment(struct limiter *l, struct waiter *w)
{
	int64_t now = now_ms(), until = now + LOOK_MS;
	int64_t end = backoff_end(l, w->account);

	if (until > w->request->until_ms)
		until = w->request->until_ms;
	if (end > now && until > end)
		until = end;
	clock_wait(&w->called, &l->lock, until);
}

/* Wait until admitted, or say why not. */
static enum permit
wait_for_permit(struct limiter *l, struct waiter *w)
{
	const struct permit_request *r = w->request;
	bool cancelled;

	for (;;) {
		admit(l); /* a back-off may just have ended */
		if (w->admitted)
			return PERMIT_TAKEN;
		if (l->stopped)
			return PERMIT_STOPPED;
		/* nor is there any use in waiting for the end of a back-off
		 * that comes later */
		if (now_ms() >= r->until_ms ||
		    backoff_end(l, w->account) >= r->until_ms)
			return PERMIT_LATE;
		wait_a_moment(l, w);
		if (w->admitted)
			return PERMIT_TAKEN;
		/* asking the kernel for each of a thousand is not for under
		 * the lock */
		pthread_mutex_unlock(&l->lock);
		cancelled = r->cancelled != NULL && r->cancelled(r->arg);
		pthread_mutex_lock(&l->lock);
		if (cancelled && !w->admitted)
			return PERMIT_CANCELLED;
	}
}

enum permit
limiter_take(struct limiter *l, struct permit_request *r)
{
	struct waiter w = { .request = r };
	enum permit permit = PERMIT_LATE;

	pthread_cond_init(&w.called, NULL);
	pthread_mutex_lock(&l->lock);
	w.account = open_account(l, r->credential);
	if (w.account != NULL) {
		stand_in_line(l, &w);
		permit = wait_for_permit(l, &w);
		leave_line(l, &w);
		/* others may have been held back by this one in the line */
		if (permit != PERMIT_TAKEN)
			admit(l);
	}
	pthread_mutex_unlock(&l->lock);
	pthread_cond_destroy(&w.called);
	return permit;
}

/*
 * No permit for a while, and then half as many as there were: what networks do
 * (RFC 5681), for the same reason.
 *
 * Of those that ran together several are refused: that is one round, and only
 * the first counts.
 */
static void
back_off(struct backoff *b, const struct permit_request *r, int permits,
    int64_t wait_ms)
{
	int64_t now = now_ms();
	int64_t ours = (int64_t)BACKOFF_MS << (b->busy < 4 ? b->busy : 4);

	if (wait_ms > LIMITER_BACKOFF_MAX_MS)
		wait_ms = LIMITER_BACKOFF_MAX_MS;
	if (r->taken_ms > b->since_ms) {
		if (ours > OUR_BACKOFF_MAX_MS)
			ours = OUR_BACKOFF_MAX_MS;
		if (wait_ms < ours)
			wait_ms = ours;
		b->busy++;
		b->well = 0;
		b->limit = permits > 1 ? permits / 2 : 1;
		b->since_ms = now;
	}
	if (b->until_ms < now + wait_ms)
		b->until_ms = now + wait_ms;
}

/* One more at one time after each round that went well. */
static void
speed_up(struct backoff *b, int max)
{
	b->busy = 0;
	if (++b->well >= b->limit && b->limit < max) {
		b->limit++;
		b->well = 0;
	}
}

/* Is another credential refused as well, without success since? */
static bool
is_refused_to_others(const struct limiter *l, const struct account *mine)
{
	const struct account *a;
	int64_t now = now_ms();

	for (a = l->accounts; a != NULL; a = a->next)
		if (a != mine && a->backoff.busy > 0 &&
		    a->backoff.until_ms + FORGET_MS > now)
			return true;
	return false;
}

void
limiter_give(struct limiter *l, struct permit_request *r, enum permit_end end,
    int64_t took_ms, int64_t wait_ms)
{
	struct account *a;

	pthread_mutex_lock(&l->lock);
	/* it holds a permit, so it has an account */
	a = find_account(l, r->credential);
	if (end == PERMIT_BUSY) {
		r->refused_ms = now_ms();
		back_off(&a->backoff, r, a->permits, wait_ms);
		if (is_refused_to_others(l, a))
			back_off(&l->all, r, l->taken, wait_ms);
	} else if (end == PERMIT_WELL) {
		l->average_ms += (took_ms - l->average_ms) / 8;
		speed_up(&a->backoff, l->max);
		speed_up(&l->all, l->max);
	}
	l->taken--;
	a->permits--;
	sweep_accounts(l);
	admit(l);
	pthread_mutex_unlock(&l->lock);
}

int64_t
limiter_backoff_ms(struct limiter *l, uint64_t credential)
{
	int64_t ms;

	pthread_mutex_lock(&l->lock);
	ms = backoff_end(l, find_account(l, credential)) - now_ms();
	pthread_mutex_unlock(&l->lock);
	return ms < 0 ? 0 : ms;
}

long
limiter_estimate_seconds(struct limiter *l, uint64_t credential)
{
	int64_t ms, backoff_ms = limiter_backoff_ms(l, credential);

	pthread_mutex_lock(&l->lock);
	ms = (l->waiting + 1) * l->average_ms / l->all.limit;
	pthread_mutex_unlock(&l->lock);
	if (ms < backoff_ms)
		ms = backoff_ms;
	if (ms > ESTIMATE_MAX_SECONDS * 1000)
		return ESTIMATE_MAX_SECONDS;
	return ms < 1000 ? 1 : (long)((ms + 999) / 1000);
}

void
limiter_stop(struct limiter *l)
{
	struct waiter *w;

	pthread_mutex_lock(&l->lock);
	l->stopped = true;
	for (w = l->line; w != NULL; w = w->next)
		pthread_cond_signal(&w->called);
	pthread_mutex_unlock(&l->lock);
}

int
limiter_waiting(struct limiter *l)
{
	int n;

	pthread_mutex_lock(&l->lock);
	n = l->waiting;
	pthread_mutex_unlock(&l->lock);
	return n;
}

struct limiter *
limiter_open(int max)
{
	struct limiter *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->max = l->all.limit = max;
	l->average_ms = FIRST_GUESS_MS;
	pthread_mutex_init(&l->lock, NULL);
	return l;
}

void
limiter_close(struct limiter *l)
{
	struct account *a;

	if (l == NULL)
		return;
	while ((a = l->accounts) != NULL) {
		l->accounts = a->next;
		free(a);
	}
	pthread_mutex_destroy(&l->lock);
	free(l);
}
