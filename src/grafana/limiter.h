/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIMITER_H
#define LIMITER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Permits to render, of one Grafana: so many at one time, first come first
 * served.
 *
 * One credential holds at most three quarters of them while another waits.
 *
 * Back-off: when Grafana says to one credential that it is busy, that
 * credential gets no permit for a while, at most LIMITER_BACKOFF_MAX_MS, and
 * then fewer at one time until it has had success again.  What it asks again
 * waits behind the requests of other credentials that were there before.  When
 * Grafana says so to a second credential as well, Grafana itself is busy, and
 * the same holds for all.
 */
#define LIMITER_BACKOFF_MAX_MS 10000

struct limiter;

/* NULL when there is no memory. */
struct limiter *limiter_open(int max);

/* No request may wait for a permit any more. */
void limiter_close(struct limiter *);

enum permit {
	PERMIT_TAKEN,
	PERMIT_LATE,      /* none until the time was over */
	PERMIT_CANCELLED, /* the request is not wanted any more */
	PERMIT_STOPPED,   /* limiter_stop() was called */
};

/* A request for a permit.  The struct is the caller's, and stays in one place
 * until the permit is given back.  Times are on now_ms()'s clock. */
struct permit_request {
	uint64_t credential;          /* the same number: the same credential */
	int64_t since_ms;             /* its place in the line */
	int64_t until_ms;             /* how long to wait */
	bool (*cancelled)(void *arg); /* asked now and then; or NULL */
	void *arg;
	int64_t taken_ms;   /* set with the permit */
	int64_t refused_ms; /* set when Grafana was busy; 0: it was not */
};

enum permit limiter_take(struct limiter *, struct permit_request *);

/* Every permit is given back, with what Grafana made of it. */
enum permit_end {
	PERMIT_WELL,  /* a picture */
	PERMIT_BUSY,  /* Grafana is busy */
	PERMIT_OTHER, /* neither: tells nothing of how long a render takes */
};

/* "wait_ms" is how long Grafana said to wait when it was busy, or 0. */
void limiter_give(struct limiter *, struct permit_request *, enum permit_end,
    int64_t took_ms, int64_t wait_ms);

/* For how long that credential gets no permit, from now: 0 usually. */
int64_t limiter_backoff_ms(struct limiter *, uint64_t credential);

/* When to come again, in seconds: how long those that wait now will take. */
long limiter_estimate_seconds(struct limiter *, uint64_t credential);

/* Requests that wait are told to stop, and no request waits any more. */
void limiter_stop(struct limiter *);

/* A gauge: how many requests wait just now. */
int limiter_waiting(struct limiter *);

#endif
