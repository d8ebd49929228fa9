/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SINGLEFLIGHT_H
#define SINGLEFLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Asked twice at once, done once.
 *
 * When several requests want the same thing, the first leads: it does the work,
 * or waits for a thread that does.  The others follow: no thread waits for
 * them, they are woken when the leader has finished.  For a while after that,
 * a request that joins is answered from the cached result.  A result is a
 * struct of the caller's, copied to each.
 *
 * The key must hold everything that the result depends on, the caller's
 * credentials too: no request may get something through another one's rights.
 */
struct singleflight;
struct call; /* one piece of work under way, or its cached result */

#define SINGLEFLIGHT_KEY_BYTES 32

/* Who gets a result. */
enum call_share {
	NO_SHARE, /* it is the leader's own (its time, its client): those that
		     follow try themselves */
	SHARE,    /* all that follow */
	CACHE,    /* and all that join within cache_ms */
};

/* A request that can follow; a part of the caller's struct for it. */
struct follower {
	struct follower *prev, *next;
	struct call *call; /* that it follows; NULL: none */
	void *result;      /* where a copy goes */
	bool shared;       /* there is one: set before it is woken */
	/* The leader has finished.  Called by its thread, without a lock. */
	void (*wake)(struct follower *);
};

enum call_role {
	CALL_LEADS,   /* do it, then singleflight_finish() */
	CALL_FOLLOWS, /* it will be woken */
	CALL_CACHED,  /* the result is there: if it is good, use it; else
			 singleflight_forget() and join again */
	CALL_ALONE,   /* no memory to share it: do it, nothing to finish */
};

/* NULL when there is no memory. */
struct singleflight *singleflight_open(size_t result_bytes, int64_t cache_ms);

/* No request may follow any more. */
void singleflight_close(struct singleflight *);

/* Join.  "result" and "wake" of the follower are set.  *call is set for a
 * leader.  One without "wake" never follows. */
enum call_role singleflight_join(struct singleflight *,
    const unsigned char key[SINGLEFLIGHT_KEY_BYTES], struct follower *,
    struct call **call);

/* The leader's result; the call is gone.  Wakes all that follow. */
void singleflight_finish(
    struct singleflight *, struct call *, const void *result, enum call_share);

/* Follow no more: true, and it will not be woken; false: it has been, or is
 * being, woken. */
bool singleflight_leave(struct singleflight *, struct follower *);

/* A cached result is no longer good: no request shall find it again. */
void singleflight_forget(
    struct singleflight *, const unsigned char key[SINGLEFLIGHT_KEY_BYTES]);

/* Does any request follow?  Then a leader whose own client has gone goes on. */
bool singleflight_is_followed(const struct call *);

/* How many follow just now: a gauge, and what tests watch. */
int singleflight_following(struct singleflight *);

#endif
