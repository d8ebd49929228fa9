/* SPDX-License-Identifier: Apache-2.0 */
/* Permits to render: first come first served, and no credential takes all. */
#include "base/clock.h"
#include "grafana/limiter.h"
#include "tap.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define PEOPLE 8

static struct limiter *limiter;
static atomic_int served; /* how many have had their permit, in order */

struct person {
	pthread_t thread;
	struct permit_request request;
	enum permit permit;
	int place; /* which in order */
};

static bool
is_gone(void *arg)
{
	return *(atomic_bool *)arg;
}

static void *
queue(void *arg)
{
	struct person *p = arg;

	p->permit = limiter_take(limiter, &p->request);
	if (p->permit == PERMIT_TAKEN) {
		p->place = atomic_fetch_add(&served, 1);
		limiter_give(limiter, &p->request, PERMIT_WELL, 10, 0);
	}
	return NULL;
}

/* They stand in the line in this order. */
static void
stand(struct person *p, int count, uint64_t credential, int64_t ms)
{
	int i, before = limiter_waiting(limiter);

	for (i = 0; i < count; i++) {
		p[i].request = (struct permit_request){
			.credential = credential,
			.since_ms = now_ms() + 1,
			.until_ms = now_ms() + ms,
		};
		pthread_create(&p[i].thread, NULL, queue, &p[i]);
		while (limiter_waiting(limiter) < before + i + 1)
			sched_yield();
	}
}

static void
join(struct person *p, int count)
{
	int i;

	for (i = 0; i < count; i++)
		pthread_join(p[i].thread, NULL);
}

static struct permit_request
take(uint64_t credential)
{
	struct permit_request r = { .credential = credential,
		.since_ms = now_ms(),
		.until_ms = now_ms() + 60000 };

	check(limiter_take(limiter, &r) == PERMIT_TAKEN);
	return r;
}

/* Wait for no more than a moment. */
static enum permit
come_late(uint64_t credential)
{
	struct permit_request r = { .credential = credential,
		.until_ms = now_ms() + 1 };

	return limiter_take(limiter, &r);
}

static void
begin(int max)
{
	limiter = limiter_open(max);
	atomic_store(&served, 0);
}

static void
test_order(void)
{
	struct permit_request mine;
	struct person p[PEOPLE], late;
	atomic_bool gone = true;
	int i;

	test ("they are served in the order in which they came") {
		begin(1);
		mine = take(1);
		stand(p, PEOPLE, 1, 60000);
		limiter_give(limiter, &mine, PERMIT_WELL, 10, 0);
		join(p, PEOPLE);
		for (i = 0; i < PEOPLE; i++)
			check(p[i].place == i);
		limiter_close(limiter);
	}
	test ("who has waited long enough is told that it is late") {
		begin(1);
		mine = take(1);
		check(come_late(1) == PERMIT_LATE);
		check(limiter_estimate_seconds(limiter, 1) >= 1);
		limiter_give(limiter, &mine, PERMIT_WELL, 10, 0);
		limiter_close(limiter);
	}
	test ("who is no longer wanted leaves the line") {
		begin(1);
		mine = take(1);
		late.request = (struct permit_request){ .credential = 1,
			.until_ms = now_ms() + 60000,
			.cancelled = is_gone,
			.arg = &gone };
		check(limiter_take(limiter, &late.request) == PERMIT_CANCELLED);
		check(limiter_waiting(limiter) == 0);
		limiter_give(limiter, &mine, PERMIT_WELL, 10, 0);
		limiter_close(limiter);
	}
}

static void
test_fairness_and_end(void)
{
	struct permit_request mine, more[4];
	struct person p[PEOPLE], late;
	int i;

	test ("one credential may have all permits while nobody else waits") {
		begin(4);
		for (i = 0; i < 4; i++)
			more[i] = take(1);
		for (i = 0; i < 4; i++)
			limiter_give(limiter, &more[i], PERMIT_WELL, 10, 0);
		limiter_close(limiter);
	}
	test ("but the last quarter goes to another that waits behind it") {
		begin(4);
		for (i = 0; i < 4; i++)
			more[i] = take(1);
		stand(p, 2, 1, 60000);
		stand(&late, 1, 2, 60000);
		limiter_give(limiter, &more[0], PERMIT_WELL, 10, 0);
		join(&late, 1);
		check(late.place == 0);
		for (i = 1; i < 4; i++)
			limiter_give(limiter, &more[i], PERMIT_WELL, 10, 0);
		join(p, 2);
		limiter_close(limiter);
	}
	test ("those who wait are told to stop, and so is who comes then") {
		begin(1);
		mine = take(1);
		stand(p, 3, 1, 60000);
		limiter_stop(limiter);
		join(p, 3);
		for (i = 0; i < 3; i++)
			check(p[i].permit == PERMIT_STOPPED);
		check(
		    limiter_take(limiter,
			&(struct permit_request){
			    .until_ms = now_ms() + 60000 }) == PERMIT_STOPPED);
		limiter_give(limiter, &mine, PERMIT_WELL, 10, 0);
		limiter_close(limiter);
	}
}

static void
test_busy(void)
{
	struct permit_request mine, more[PEOPLE];
	struct person p[2];
	int i;

	test ("after a busy answer its credential gets no permit for a while") {
		begin(4);
		mine = take(1);
		limiter_give(
		    limiter, &mine, PERMIT_BUSY, 10, LIMITER_BACKOFF_MAX_MS);
		check(limiter_backoff_ms(limiter, 1) >
		      LIMITER_BACKOFF_MAX_MS / 2);
		check(limiter_estimate_seconds(limiter, 1) >=
		      LIMITER_BACKOFF_MAX_MS / 1000 - 1);
		check(come_late(1) == PERMIT_LATE);
		limiter_close(limiter);
	}
	test ("however long Grafana says, the back-off is short") {
		begin(4);
		mine = take(1);
		limiter_give(limiter, &mine, PERMIT_BUSY, 10, 3600000);
		check(limiter_backoff_ms(limiter, 1) >
		      LIMITER_BACKOFF_MAX_MS / 2);
		check(limiter_backoff_ms(limiter, 1) <= LIMITER_BACKOFF_MAX_MS);
		limiter_close(limiter);
	}
	test ("busy answers to those who were at it together are one round") {
		begin(PEOPLE);
		for (i = 0; i < PEOPLE; i++)
			more[i] = take(1);
		for (i = 0; i < PEOPLE; i++)
			limiter_give(limiter, &more[i], PERMIT_BUSY, 10, 0);
		check(limiter_backoff_ms(limiter, 1) <= 500);
		for (i = 0; i < PEOPLE / 2; i++)
			more[i] = take(1);
		check(come_late(1) == PERMIT_LATE);
		for (i = 0; i < PEOPLE / 2; i++)
			limiter_give(limiter, &more[i], PERMIT_WELL, 10, 0);
		limiter_close(limiter);
	}
	test ("who comes again after a busy answer keeps its place") {
		begin(1);
		mine = take(1);
		stand(p, 2, 1, 60000);
		limiter_give(limiter, &mine, PERMIT_BUSY, 10, 0);
		check(limiter_take(limiter, &mine) == PERMIT_TAKEN);
		check(atomic_load(&served) == 0);
		limiter_give(limiter, &mine, PERMIT_WELL, 10, 0);
		join(p, 2);
		limiter_close(limiter);
	}
}

static void
test_more_busy(void)
{
	struct permit_request mine;
	int i;

	test ("quick refusals do not make renders look quick") {
		begin(1);
		for (i = 0; i < 100; i++) {
			mine = take(1);
			limiter_give(limiter, &mine, PERMIT_OTHER, 1, 0);
		}
		check(limiter_estimate_seconds(limiter, 1) == 2);
		limiter_close(limiter);
	}
	test ("no request waits for the end of a back-off that comes too "
	      "late") {
		struct permit_request r = { .credential = 1,
			.until_ms = now_ms() + 5000 };
		int64_t start = now_ms();

		begin(1);
		mine = take(1);
		limiter_give(
		    limiter, &mine, PERMIT_BUSY, 10, LIMITER_BACKOFF_MAX_MS);
		check(limiter_take(limiter, &r) == PERMIT_LATE);
		check(now_ms() - start < 2500);
		limiter_close(limiter);
	}
}

/* Back-off is a credential's own until a second one is refused. */
static void
test_busy_for_one(void)
{
	struct permit_request mine, other, more[4];
	struct person p[2];
	int i;

	test ("a busy answer to one credential holds no other back") {
		begin(4);
		mine = take(1);
		limiter_give(limiter, &mine, PERMIT_BUSY, 10, 9000);
		check(come_late(1) == PERMIT_LATE);
		for (i = 0; i < 4; i++)
			more[i] = take(2);
		check(limiter_backoff_ms(limiter, 2) == 0);
		check(limiter_estimate_seconds(limiter, 2) < 9);
		for (i = 0; i < 4; i++)
			limiter_give(limiter, &more[i], PERMIT_WELL, 10, 0);
		limiter_close(limiter);
	}
	test ("busy answers to two credentials hold all back") {
		begin(4);
		mine = take(1);
		other = take(2);
		limiter_give(limiter, &mine, PERMIT_BUSY, 10, 9000);
		check(limiter_backoff_ms(limiter, 3) == 0);
		limiter_give(limiter, &other, PERMIT_BUSY, 10, 9000);
		check(limiter_backoff_ms(limiter, 3) > 8000);
		check(come_late(3) == PERMIT_LATE);
		limiter_close(limiter);
	}
	test ("a success in between means that Grafana itself is not busy") {
		begin(4);
		mine = take(1);
		other = take(1);
		limiter_give(limiter, &mine, PERMIT_BUSY, 10, 0);
		limiter_give(limiter, &other, PERMIT_WELL, 10, 0);
		other = take(2);
		limiter_give(limiter, &other, PERMIT_BUSY, 10, 0);
		check(limiter_backoff_ms(limiter, 3) == 0);
		limiter_close(limiter);
	}
	test ("what comes again waits behind the others that were there") {
		begin(1);
		mine = take(3);
		stand(p, 1, 1, 60000);
		p[0].request.refused_ms = now_ms() + 1000;
		stand(&p[1], 1, 2, 60000);
		limiter_give(limiter, &mine, PERMIT_WELL, 10, 0);
		join(p, 2);
		check(p[1].place == 0);
		check(p[0].place == 1);
		limiter_close(limiter);
	}
}

int
main(void)
{
	test_order();
	test_fairness_and_end();
	test_busy();
	test_more_busy();
	test_busy_for_one();
	return tap_done();
}
