/* SPDX-License-Identifier: Apache-2.0 */
#include "grafana/limiter.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdlib.h>

#define LOOK_MS              500 /* how often who waits looks whether it is wanted */
#define HOLD_MS              500 /* after the first busy answer; doubled by the next */
#define OUR_HOLD_MAX_MS      8000 /* unless Grafana itself says more */
#define FIRST_GUESS_MS       2000
#define ESTIMATE_MAX_SECONDS 60

struct waiter {
	struct waiter *next;
	const struct turn_request *request;
	pthread_cond_t called;
	bool admitted;
	int64_t admitted_ms;
};

/* How many turns a credential holds now. */
struct holder {
	struct holder *next;
	uint64_t credential;
	int count;
};

struct turns {
	pthread_mutex_t lock; /* guards all below */
	struct waiter *line;  /* first come first */
	struct holder *holders;
	int waiting;
	int taken;
	int max;
	int limit; /* of turns at one time, at most max: fewer after busy */
	int well;  /* answers since the limit was changed */
	int busy;  /* rounds in a row that ended busy */
	int64_t held_since_ms, held_until_ms;
	int64_t average_ms; /* of a render */
	bool stopped;
};

static struct holder *
holder_of(struct turns *t, uint64_t credential)
{
	struct holder *h;

	for (h = t->holders; h != NULL; h = h->next)
		if (h->credential == credential)
			break;
	return h;
}

static int
held_by(struct turns *t, uint64_t credential)
{
	struct holder *h = holder_of(t, credential);

	return h == NULL ? 0 : h->count;
}

/* Do several credentials wait? */
static bool
is_mixed(const struct turns *t)
{
	const struct waiter *w;

	for (w = t->line; w != NULL; w = w->next)
		if (w->request->credential != t->line->request->credential)
			return true;
	return false;
}

/* May its credential hold one more, and leave the last quarter to others? */
static bool
is_modest(struct turns *t, const struct waiter *w)
{
	int most = t->limit * 3 / 4;

	return held_by(t, w->request->credential) < (most < 1 ? 1 : most);
}

/* Note that its credential holds one more; false on no memory. */
static bool
hold(struct turns *t, uint64_t credential)
{
	struct holder *h = holder_of(t, credential);

	if (h == NULL) {
		h = calloc(1, sizeof(*h));
		if (h == NULL)
			return false;
		h->credential = credential;
		h->next = t->holders;
		t->holders = h;
	}
	h->count++;
	return true;
}

static void
let_go(struct turns *t, uint64_t credential)
{
	struct holder **p, *h;

	for (p = &t->holders; (h = *p) != NULL; p = &h->next)
		if (h->credential == credential)
			break;
	if (h != NULL && --h->count == 0) {
		*p = h->next;
		free(h);
	}
}

/* The first in the line that may go; all that hold back are behind it. */
static struct waiter **
first_modest(struct turns *t)
{
	struct waiter **p = &t->line;

	if (is_mixed(t))
		while (*p != NULL && !is_modest(t, *p))
			p = &(*p)->next;
	return p;
}

static void
admit(struct turns *t)
{
	struct waiter **p, *w;

	while (t->taken < t->limit && now_ms() >= t->held_until_ms) {
		p = first_modest(t);
		w = *p;
		if (w == NULL || !hold(t, w->request->credential))
			return;
		*p = w->next;
		t->taken++;
		w->admitted = true;
		w->admitted_ms = now_ms();
		pthread_cond_signal(&w->called);
	}
}

static void
stand_in_line(struct turns *t, struct waiter *w)
{
	struct waiter **p = &t->line;

	while (*p != NULL && (*p)->request->since_ms <= w->request->since_ms)
		p = &(*p)->next;
	w->next = *p;
	*p = w;
	t->waiting++;
}

static void
leave_line(struct turns *t, struct waiter *w)
{
	struct waiter **p;

	for (p = &t->line; *p != NULL; p = &(*p)->next)
		if (*p == w) {
			*p = w->next;
			break;
		}
	t->waiting--;
}

static void
wait_a_moment(struct turns *t, struct waiter *w)
{
	int64_t now = now_ms(), until = now + LOOK_MS;

	if (until > w->request->until_ms)
		until = w->request->until_ms;
	if (t->held_until_ms > now && until > t->held_until_ms)
		until = t->held_until_ms;
	clock_wait(&w->called, &t->lock, until);
}

/* Wait until admitted, or say why not. */
static enum turn
wait_for_turn(struct turns *t, struct waiter *w)
{
	const struct turn_request *r = w->request;
	bool gone;

	for (;;) {
		admit(t); /* a hold may just have ended */
		if (w->admitted)
			return TURN_TAKEN;
		if (t->stopped)
			return TURN_STOPPED;
		/* nor is there any use in waiting for the end of a hold that
		 * comes later */
		if (now_ms() >= r->until_ms || t->held_until_ms >= r->until_ms)
			return TURN_LATE;
		wait_a_moment(t, w);
		if (w->admitted)
			return TURN_TAKEN;
		/* asking the kernel for each of a thousand is not for under
		 * the lock */
		pthread_mutex_unlock(&t->lock);
		gone = r->gone != NULL && r->gone(r->arg);
		pthread_mutex_lock(&t->lock);
		if (gone && !w->admitted)
			return TURN_GONE;
	}
}

enum turn
turns_take(struct turns *t, struct turn_request *r)
{
	struct waiter w = { .request = r };
	enum turn turn;

	pthread_cond_init(&w.called, NULL);
	pthread_mutex_lock(&t->lock);
	stand_in_line(t, &w);
	turn = wait_for_turn(t, &w);
	leave_line(t, &w);
	/* not when it woke: a refusal may have come meanwhile to those who
	 * began at the same moment, and be the same round */
	r->taken_ms = w.admitted_ms;
	/* others may have been held back by our being in the line */
	if (turn != TURN_TAKEN)
		admit(t);
	pthread_mutex_unlock(&t->lock);
	pthread_cond_destroy(&w.called);
	return turn;
}

/*
 * Nobody gets a turn for a while, and then half of those who were at it: what
 * networks do (RFC 5681), for the same reason.
 *
 * Of those who were at it together several are refused: that is one round, and
 * only the first counts.
 */
static void
hold_back(struct turns *t, const struct turn_request *r, int64_t hold_ms)
{
	int64_t now = now_ms();
	int64_t ours = (int64_t)HOLD_MS << (t->busy < 4 ? t->busy : 4);

	if (hold_ms > TURNS_HOLD_MAX_MS)
		hold_ms = TURNS_HOLD_MAX_MS;
	if (r->taken_ms > t->held_since_ms) {
		if (ours > OUR_HOLD_MAX_MS)
			ours = OUR_HOLD_MAX_MS;
		if (hold_ms < ours)
			hold_ms = ours;
		t->busy++;
		t->well = 0;
		t->limit = t->taken > 1 ? t->taken / 2 : 1;
		t->held_since_ms = now;
	}
	if (t->held_until_ms < now + hold_ms)
		t->held_until_ms = now + hold_ms;
}

/* One more at one time after each round that went well. */
static void
go_on(struct turns *t, int64_t took_ms)
{
	t->busy = 0;
	t->average_ms += (took_ms - t->average_ms) / 8;
	if (++t->well >= t->limit && t->limit < t->max) {
		t->limit++;
		t->well = 0;
	}
}

void
turns_give(struct turns *t, const struct turn_request *r, enum turn_went went,
    int64_t took_ms, int64_t hold_ms)
{
	pthread_mutex_lock(&t->lock);
	if (went == WENT_BUSY)
		hold_back(t, r, hold_ms);
	else if (went == WENT_WELL)
		go_on(t, took_ms);
	t->taken--;
	let_go(t, r->credential);
	admit(t);
	pthread_mutex_unlock(&t->lock);
}

int64_t
turns_held_ms(struct turns *t)
{
	int64_t ms;

	pthread_mutex_lock(&t->lock);
	ms = t->held_until_ms - now_ms();
	pthread_mutex_unlock(&t->lock);
	return ms < 0 ? 0 : ms;
}

long
turns_estimate_seconds(struct turns *t)
{
	int64_t ms;

	pthread_mutex_lock(&t->lock);
	ms = (t->waiting + 1) * t->average_ms / t->limit;
	if (ms < t->held_until_ms - now_ms())
		ms = t->held_until_ms - now_ms();
	pthread_mutex_unlock(&t->lock);
	if (ms > ESTIMATE_MAX_SECONDS * 1000)
		return ESTIMATE_MAX_SECONDS;
	return ms < 1000 ? 1 : (long)((ms + 999) / 1000);
}

void
turns_stop(struct turns *t)
{
	struct waiter *w;

	pthread_mutex_lock(&t->lock);
	t->stopped = true;
	for (w = t->line; w != NULL; w = w->next)
		pthread_cond_signal(&w->called);
	pthread_mutex_unlock(&t->lock);
}

int
turns_waiting(struct turns *t)
{
	int n;

	pthread_mutex_lock(&t->lock);
	n = t->waiting;
	pthread_mutex_unlock(&t->lock);
	return n;
}

struct turns *
turns_open(int max)
{
	struct turns *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->max = t->limit = max;
	t->average_ms = FIRST_GUESS_MS;
	pthread_mutex_init(&t->lock, NULL);
	return t;
}

void
turns_close(struct turns *t)
{
	if (t == NULL)
		return;
	pthread_mutex_destroy(&t->lock);
	free(t);
}
