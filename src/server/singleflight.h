/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLIGHT_H
#define FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/deadline.h"

/*
 * Asked twice at once, done once.
 *
 * When several threads want the same thing, the first goes for it and the
 * others wait for what it brings; for a while after it has landed, who asks is
 * answered from it too.  A result is a struct of the caller's, copied to each:
 * nobody owns anything of anybody else's.
 *
 * The key must hold everything that the result depends on, the caller's
 * credentials too: nobody may get something through somebody else's rights.
 */
struct flight;
struct journey;

#define FLIGHT_KEY_BYTES 32

/* What a result is worth to others. */
enum worth {
	WORTH_NOTHING, /* it is the leader's own (its time, its caller): those
			  who wait try themselves */
	WORTH_SHARING, /* it answers all who wait */
	WORTH_KEEPING, /* and all who ask within keep_ms */
};

enum landing {
	LANDED_OWN,    /* we went: result is what go() made of it */
	LANDED_SHARED, /* result is a copy of somebody else's */
	LANDED_LATE,   /* our deadline came while we waited */
	LANDED_GONE,   /* our caller went away while we waited */
};

struct flight_job {
	/* Go for it.  The journey is for flight_wanted(). */
	enum worth (*go)(void *arg, void *result, const struct journey *);
	/* Is a kept result still good?  Asked before it is used. */
	bool (*good)(void *arg, const void *result);
	void *arg;
	const struct caller *caller;
};

/* NULL when there is no memory. */
struct flight *flight_open(size_t result_bytes, int64_t keep_ms);

/* Nobody may be inside flight_do() any more. */
void flight_close(struct flight *);

enum landing flight_do(struct flight *,
    const unsigned char key[FLIGHT_KEY_BYTES], const struct flight_job *,
    void *result);

/* Does anybody beside its leader wait for it?  Then a leader whose own caller
 * has gone goes on. */
bool flight_wanted(const struct journey *);

/* How many wait for somebody else's journey just now: a gauge, and what tests
 * watch instead of sleeping. */
int flight_waiting(struct flight *);

#endif
