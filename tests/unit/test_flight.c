/* SPDX-License-Identifier: Apache-2.0 */
/* Asked twice at once, done once. */
#include "server/singleflight.h"
#include "tap.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define FOLLOWERS 8

static const unsigned char key[FLIGHT_KEY_BYTES] = "the same thing";
static const unsigned char other_key[FLIGHT_KEY_BYTES] = "something else";

static struct flight *flight;
static atomic_int goes, goods;
static atomic_bool may_land, is_good;
static atomic_int worth;

static enum worth
go(void *arg, void *result, const struct journey *journey)
{
	(void)arg;
	(void)journey;
	*(int *)result = 40 + atomic_fetch_add(&goes, 1);
	while (!atomic_load(&may_land))
		sched_yield();
	return (enum worth)atomic_load(&worth);
}

static bool
good(void *arg, const void *result)
{
	(void)arg;
	(void)result;
	atomic_fetch_add(&goods, 1);
	return atomic_load(&is_good);
}

struct traveller {
	pthread_t thread;
	struct caller caller;
	enum landing landing;
	int result;
};

static void *
travel(void *arg)
{
	struct traveller *t = arg;
	struct flight_job job = {
		.go = go, .good = good, .caller = &t->caller
	};

	t->landing = flight_do(flight, key, &job, &t->result);
	return NULL;
}

static void
begin(int64_t keep_ms, enum worth w)
{
	flight = flight_open(sizeof(int), keep_ms);
	atomic_store(&goes, 0);
	atomic_store(&goods, 0);
	atomic_store(&may_land, false);
	atomic_store(&is_good, true);
	atomic_store(&worth, (int)w);
}

static enum landing
do_now(const unsigned char *k, int *result)
{
	struct caller caller = caller_from_now(-1, 60);
	struct flight_job job = { .go = go, .good = good, .caller = &caller };

	return flight_do(flight, k, &job, result);
}

/* A leader, and so many who wait for it. */
static void
set_out(struct traveller *t, int count, int64_t seconds)
{
	int i;

	for (i = 0; i < count; i++) {
		t[i].caller = caller_from_now(-1, seconds);
		pthread_create(&t[i].thread, NULL, travel, &t[i]);
		while (i == 0 && atomic_load(&goes) == 0)
			sched_yield();
	}
	while (flight_waiting(flight) < count - 1)
		sched_yield();
}

static void
arrive(struct traveller *t, int count)
{
	int i;

	for (i = 0; i < count; i++)
		pthread_join(t[i].thread, NULL);
}

static void
test_sharing(void)
{
	struct traveller t[FOLLOWERS + 1];
	int i, shared;

	test ("who asks meanwhile waits and gets a copy of the same result") {
		begin(0, WORTH_SHARING);
		set_out(t, FOLLOWERS + 1, 60);
		atomic_store(&may_land, true);
		arrive(t, FOLLOWERS + 1);
		check(atomic_load(&goes) == 1);
		check(t[0].landing == LANDED_OWN);
		for (i = 0; i <= FOLLOWERS; i++)
			check(t[i].result == 40);
		for (i = 1; i <= FOLLOWERS; i++)
			check(t[i].landing == LANDED_SHARED);
		flight_close(flight);
	}
	test ("what is the leader's own is tried again by those who waited") {
		begin(0, WORTH_NOTHING);
		set_out(t, FOLLOWERS + 1, 60);
		atomic_store(&may_land, true);
		arrive(t, FOLLOWERS + 1);
		check(atomic_load(&goes) > 1);
		for (shared = 0, i = 0; i <= FOLLOWERS; i++)
			shared += t[i].landing == LANDED_SHARED;
		check(shared == 0);
		flight_close(flight);
	}
	test ("who waits is let go when its own deadline comes") {
		begin(0, WORTH_SHARING);
		set_out(t, 1, 60);
		t[1].caller = caller_from_now(-1, 0);
		pthread_create(&t[1].thread, NULL, travel, &t[1]);
		pthread_join(t[1].thread, NULL);
		check(t[1].landing == LANDED_LATE);
		atomic_store(&may_land, true);
		arrive(t, 1);
		check(t[0].landing == LANDED_OWN);
		flight_close(flight);
	}
}

static void
test_keeping(void)
{
	int result;

	test ("a result worth keeping answers again, once it is found good") {
		begin(60000, WORTH_KEEPING);
		atomic_store(&may_land, true);
		check(do_now(key, &result) == LANDED_OWN && result == 40);
		check(do_now(key, &result) == LANDED_SHARED && result == 40);
		check(atomic_load(&goods) == 1);
		check(do_now(other_key, &result) == LANDED_OWN);
		flight_close(flight);
	}
	test ("a kept result that is no longer good is fetched anew") {
		begin(60000, WORTH_KEEPING);
		atomic_store(&may_land, true);
		do_now(key, &result);
		atomic_store(&is_good, false);
		check(do_now(key, &result) == LANDED_OWN && result == 41);
		flight_close(flight);
	}
	test ("what is only worth sharing, or not to be kept, is not kept") {
		begin(60000, WORTH_SHARING);
		atomic_store(&may_land, true);
		do_now(key, &result);
		check(do_now(key, &result) == LANDED_OWN);
		flight_close(flight);
		begin(0, WORTH_KEEPING);
		atomic_store(&may_land, true);
		do_now(key, &result);
		check(do_now(key, &result) == LANDED_OWN);
		flight_close(flight);
	}
	test ("nobody waits when all have landed") {
		begin(0, WORTH_SHARING);
		check(flight_waiting(flight) == 0);
		flight_close(flight);
	}
}

int
main(void)
{
	test_sharing();
	test_keeping();
	return tap_done();
}
