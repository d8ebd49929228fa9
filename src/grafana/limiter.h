/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TURNS_H
#define TURNS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Turns to render, of one Grafana: so many at one time, first come first
 * served.
 *
 * One credential holds at most three quarters of them while another waits.
 * When Grafana says that it is busy, nobody gets a turn for a while, at most
 * TURNS_HOLD_MAX_MS, and then fewer at one time until it has had success again.
 */
#define TURNS_HOLD_MAX_MS 10000

struct turns;

/* NULL when there is no memory. */
struct turns *turns_open(int max);

/* Nobody may wait any more. */
void turns_close(struct turns *);

enum turn {
	TURN_TAKEN,
	TURN_LATE,    /* none until the time was over */
	TURN_GONE,    /* nobody wants it any more */
	TURN_STOPPED, /* turns_stop() was called */
};

/* Who wants a turn.  The struct is the caller's.  Times are on now_ms()'s
 * clock. */
struct turn_request {
	uint64_t credential;     /* the same number: the same credential */
	int64_t since_ms;        /* its place in the line */
	int64_t until_ms;        /* how long to wait */
	bool (*gone)(void *arg); /* asked now and then */
	void *arg;
	int64_t taken_ms; /* set with the turn */
};

enum turn turns_take(struct turns *, struct turn_request *);

/* Every turn taken is given back, with what Grafana made of it. */
enum turn_went {
	WENT_WELL,  /* a picture */
	WENT_BUSY,  /* Grafana is busy */
	WENT_BADLY, /* neither: tells nothing of how long a render takes */
};

void turns_give(struct turns *, const struct turn_request *, enum turn_went,
    int64_t took_ms, int64_t hold_ms);

/* For how long nobody gets a turn, from now: 0 usually. */
int64_t turns_held_ms(struct turns *);

/* When to come again, in seconds: how long those who wait now will take. */
long turns_estimate_seconds(struct turns *);

/* Those who wait are told to stop, and nobody may wait any more. */
void turns_stop(struct turns *);

/* A gauge: how many wait just now. */
int turns_waiting(struct turns *);

#endif
