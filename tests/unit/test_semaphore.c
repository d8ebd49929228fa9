/* SPDX-License-Identifier: Apache-2.0 */
#include "base/semaphore.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "base/clock.h"
#include "tap.h"

enum { SHORT, LONG };

/* What got it, in its order. */
static char order[64];
static int order_len;

static struct semaphore *s;
static struct semaphore_hold first;

struct user {
	pthread_t thread;
	int class;
	char name;
	int hold_ms;
};

static void
pass(int ms)
{
	int64_t until = now_ms() + ms;
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t never = PTHREAD_COND_INITIALIZER;

	pthread_mutex_lock(&lock);
	while (clock_wait(&never, &lock, until))
		;
	pthread_mutex_unlock(&lock);
}

static void *
use(void *arg)
{
	const struct user *u = arg;
	struct semaphore_hold hold;

	if (!semaphore_take(s, &hold, u->class, INT64_MAX, INT64_MAX))
		abort();
	/* one at a time: the semaphore is the lock */
	order[order_len++] = u->name;
	pass(u->hold_ms);
	semaphore_give(&hold);
	return NULL;
}

/* One after the other, so that they wait in this order; small letters are of
 * the class with short work. */
static void
start(struct user *users, const char *names, int short_ms, int long_ms)
{
	int waiting;

	for (; *names != '\0'; names++, users++) {
		users->name = *names;
		users->class = *names >= 'a' ? SHORT : LONG;
		users->hold_ms = users->class == SHORT ? short_ms : long_ms;
		waiting = semaphore_waiting(s, users->class);
		if (pthread_create(&users->thread, NULL, use, users) != 0)
			abort();
		while (semaphore_waiting(s, users->class) == waiting)
			sched_yield();
	}
}

/* The class with long work had it for so long while it was alone. */
static int alone_ms;

/* While it is held, these come to wait; then they get it in turn. */
static const char *
order_of(const char *names, int short_ms, int long_ms)
{
	struct user users[64];
	size_t i, n = strlen(names);

	s = semaphore_open(1, (const int[]){ 1, 1 });
	order_len = 0;
	memset(order, 0, sizeof(order));
	if (s == NULL || !semaphore_take(s, &first, LONG, INT64_MAX, INT64_MAX))
		abort();
	pass(alone_ms);
	semaphore_give(&first);
	if (!semaphore_take(s, &first, LONG, INT64_MAX, INT64_MAX))
		abort();
	start(users, names, short_ms, long_ms);
	/* a slow machine took long for that: then work takes as long, too */
	for (i = 0; short_ms == long_ms && short_ms > 0 && i < n; i++)
		users[i].hold_ms += (int)(now_ms() - first.since_ms);
	pass(long_ms);
	semaphore_give(&first);
	for (i = 0; i < n; i++)
		pthread_join(users[i].thread, NULL);
	semaphore_close(s);
	return order;
}

/* Neither waits until the other is done, on a slow machine either. */
static bool
is_fair(const char *names)
{
	int i, shorts = 0;

	for (i = 0; i < 6; i++)
		shorts += names[i] >= 'a';
	return shorts > 0 && shorts < 6;
}

static void *
try_long(void *arg)
{
	struct semaphore_hold hold;

	*(bool *)arg = semaphore_take(s, &hold, LONG, INT64_MAX, INT64_MAX);
	if (*(bool *)arg)
		semaphore_give(&hold);
	return NULL;
}

static void
limits(void)
{
	struct semaphore_hold a, b, c;
	pthread_t thread;
	bool taken = false;
	int64_t start_ms;

	s = semaphore_open(2, (const int[]){ 2, 1 });
	test ("a class has no more than its limit, and the other the rest") {
		check(semaphore_take(s, &a, LONG, INT64_MAX, INT64_MAX));
		check(!semaphore_take(s, &b, LONG, 0, INT64_MAX));
		check(semaphore_take(s, &b, SHORT, 0, INT64_MAX) == true);
		check(!semaphore_take(s, &c, SHORT, 0, INT64_MAX));
	}
	test ("what waits at its class's limit does not stop the other") {
		semaphore_give(&b);
		if (pthread_create(&thread, NULL, try_long, &taken) != 0)
			abort();
		while (semaphore_waiting(s, LONG) == 0)
			sched_yield();
		check(semaphore_take(s, &b, SHORT, INT64_MAX, INT64_MAX));
		semaphore_give(&b);
		semaphore_give(&a);
		pthread_join(thread, NULL);
		check(taken);
	}
	test ("a thread that gave up waiting is in nobody's way") {
		check(semaphore_take(s, &a, LONG, INT64_MAX, INT64_MAX));
		check(!semaphore_take(s, &b, LONG, now_ms() + 1, INT64_MAX));
		check(semaphore_waiting(s, LONG) == 0);
		semaphore_give(&a);
		check(semaphore_take(s, &a, LONG, INT64_MAX, INT64_MAX));
		semaphore_give(&a);
	}
	test ("waiting ends when nobody has given it back for so long") {
		check(semaphore_take(s, &a, LONG, INT64_MAX, INT64_MAX));
		start_ms = now_ms();
		check(!semaphore_take(s, &b, LONG, INT64_MAX, 20));
		check(now_ms() - start_ms >= 20);
		semaphore_give(&a);
	}
	semaphore_close(s);
}

int
main(void)
{
	limits();
	test ("in a class, who comes first is served first") {
		check_str(order_of("ABCDEFGH", 0, 0), "ABCDEFGH");
		check_str(order_of("hgfedcba", 0, 0), "hgfedcba");
	}
	test ("two classes whose work takes the same time alternate") {
		check(is_fair(order_of("LLLLLLllllll", 20, 20)));
		check(is_fair(order_of("llllllLLLLLL", 20, 20)));
	}
	test ("a class that was away has saved up no time") {
		alone_ms = 500;
		check(is_fair(order_of("LLLLLLllllll", 20, 20)));
		alone_ms = 0;
	}
	test ("a class of short work waits for one piece of long work, however "
	      "much of both waits") {
		check_str(order_of("LLLssssssssss", 1, 100), "ssssssssssLLL");
		check_str(order_of("ssssssssssLLL", 1, 100), "ssssssssssLLL");
	}
	return tap_done();
}
