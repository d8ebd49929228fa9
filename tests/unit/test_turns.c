/* SPDX-License-Identifier: Apache-2.0 */
/* Turns to render: first come first served, and nobody takes them all. */
#include "base/clock.h"
#include "grafana/limiter.h"
#include "tap.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define PEOPLE 8

static struct turns *turns;
static atomic_int served; /* how many have had their turn, in order */

struct person {
	pthread_t thread;
	struct turn_request request;
	enum turn turn;
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

	p->turn = turns_take(turns, &p->request);
	if (p->turn == TURN_TAKEN) {
		p->place = atomic_fetch_add(&served, 1);
		turns_give(turns, &p->request, WENT_WELL, 10, 0);
	}
	return NULL;
}

/* They stand in the line in this order. */
static void
stand(struct person *p, int count, uint64_t credential, int64_t ms)
{
	int i, before = turns_waiting(turns);

	for (i = 0; i < count; i++) {
		p[i].request = (struct turn_request){
			.credential = credential,
			.since_ms = now_ms() + 1,
			.until_ms = now_ms() + ms,
		};
		pthread_create(&p[i].thread, NULL, queue, &p[i]);
		while (turns_waiting(turns) < before + i + 1)
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

static struct turn_request
take(uint64_t credential)
{
	struct turn_request r = { .credential = credential,
		.since_ms = now_ms(),
		.until_ms = now_ms() + 60000 };

	check(turns_take(turns, &r) == TURN_TAKEN);
	return r;
}

/* Wait for no more than a moment. */
static enum turn
come_late(void)
{
	struct turn_request r = { .until_ms = now_ms() + 1 };

	return turns_take(turns, &r);
}

static void
begin(int max)
{
	turns = turns_open(max);
	atomic_store(&served, 0);
}

static void
test_order(void)
{
	struct turn_request mine;
	struct person p[PEOPLE], late;
	atomic_bool gone = true;
	int i;

	test ("they are served in the order in which they came") {
		begin(1);
		mine = take(1);
		stand(p, PEOPLE, 1, 60000);
		turns_give(turns, &mine, WENT_WELL, 10, 0);
		join(p, PEOPLE);
		for (i = 0; i < PEOPLE; i++)
			check(p[i].place == i);
		turns_close(turns);
	}
	test ("who has waited long enough is told that it is late") {
		begin(1);
		mine = take(1);
		check(come_late() == TURN_LATE);
		check(turns_estimate_seconds(turns) >= 1);
		turns_give(turns, &mine, WENT_WELL, 10, 0);
		turns_close(turns);
	}
	test ("who is no longer wanted leaves the line") {
		begin(1);
		mine = take(1);
		late.request = (struct turn_request){ .credential = 1,
			.until_ms = now_ms() + 60000,
			.gone = is_gone,
			.arg = &gone };
		check(turns_take(turns, &late.request) == TURN_GONE);
		check(turns_waiting(turns) == 0);
		turns_give(turns, &mine, WENT_WELL, 10, 0);
		turns_close(turns);
	}
}

static void
test_fairness_and_end(void)
{
	struct turn_request mine, more[4];
	struct person p[PEOPLE], late;
	int i;

	test ("one credential may have all turns while nobody else waits") {
		begin(4);
		for (i = 0; i < 4; i++)
			more[i] = take(1);
		for (i = 0; i < 4; i++)
			turns_give(turns, &more[i], WENT_WELL, 10, 0);
		turns_close(turns);
	}
	test ("but the last quarter goes to another that waits behind it") {
		begin(4);
		for (i = 0; i < 4; i++)
			more[i] = take(1);
		stand(p, 2, 1, 60000);
		stand(&late, 1, 2, 60000);
		turns_give(turns, &more[0], WENT_WELL, 10, 0);
		join(&late, 1);
		check(late.place == 0);
		for (i = 1; i < 4; i++)
			turns_give(turns, &more[i], WENT_WELL, 10, 0);
		join(p, 2);
		turns_close(turns);
	}
	test ("those who wait are told to stop, and so is who comes then") {
		begin(1);
		mine = take(1);
		stand(p, 3, 1, 60000);
		turns_stop(turns);
		join(p, 3);
		for (i = 0; i < 3; i++)
			check(p[i].turn == TURN_STOPPED);
		check(turns_take(turns,
			  &(struct turn_request){
			      .until_ms = now_ms() + 60000 }) == TURN_STOPPED);
		turns_give(turns, &mine, WENT_WELL, 10, 0);
		turns_close(turns);
	}
}

static void
test_busy(void)
{
	struct turn_request mine, more[PEOPLE];
	struct person p[2];
	int i;

	test ("after a busy answer nobody gets a turn for a while") {
		begin(4);
		mine = take(1);
		turns_give(turns, &mine, WENT_BUSY, 10, TURNS_HOLD_MAX_MS);
		check(turns_held_ms(turns) > TURNS_HOLD_MAX_MS / 2);
		check(turns_estimate_seconds(turns) >=
		      TURNS_HOLD_MAX_MS / 1000 - 1);
		check(come_late() == TURN_LATE);
		turns_close(turns);
	}
	test ("however long Grafana says, nobody is held for long") {
		begin(4);
		mine = take(1);
		turns_give(turns, &mine, WENT_BUSY, 10, 3600000);
		check(turns_held_ms(turns) > TURNS_HOLD_MAX_MS / 2);
		check(turns_held_ms(turns) <= TURNS_HOLD_MAX_MS);
		turns_close(turns);
	}
	test ("busy answers to those who were at it together are one round") {
		begin(PEOPLE);
		for (i = 0; i < PEOPLE; i++)
			more[i] = take(1);
		for (i = 0; i < PEOPLE; i++)
			turns_give(turns, &more[i], WENT_BUSY, 10, 0);
		check(turns_held_ms(turns) <= 500);
		for (i = 0; i < PEOPLE / 2; i++)
			more[i] = take(1);
		check(come_late() == TURN_LATE);
		for (i = 0; i < PEOPLE / 2; i++)
			turns_give(turns, &more[i], WENT_WELL, 10, 0);
		turns_close(turns);
	}
	test ("who comes again after a busy answer keeps its place") {
		begin(1);
		mine = take(1);
		stand(p, 2, 1, 60000);
		turns_give(turns, &mine, WENT_BUSY, 10, 0);
		check(turns_take(turns, &mine) == TURN_TAKEN);
		check(atomic_load(&served) == 0);
		turns_give(turns, &mine, WENT_WELL, 10, 0);
		join(p, 2);
		turns_close(turns);
	}
}

static void
test_more_busy(void)
{
	struct turn_request mine;
	int i;

	test ("quick refusals do not make renders look quick") {
		begin(1);
		for (i = 0; i < 100; i++) {
			mine = take(1);
			turns_give(turns, &mine, WENT_BADLY, 1, 0);
		}
		check(turns_estimate_seconds(turns) == 2);
		turns_close(turns);
	}
	test ("nobody waits for the end of a hold that comes too late") {
		struct turn_request r = { .until_ms = now_ms() + 5000 };
		int64_t start = now_ms();

		begin(1);
		mine = take(1);
		turns_give(turns, &mine, WENT_BUSY, 10, TURNS_HOLD_MAX_MS);
		check(turns_take(turns, &r) == TURN_LATE);
		check(now_ms() - start < 2500);
		turns_close(turns);
	}
}

int
main(void)
{
	test_order();
	test_fairness_and_end();
	test_busy();
	test_more_busy();
	return tap_done();
}
