/* SPDX-License-Identifier: Apache-2.0 */
/* Asked twice at once, done once. */
#include "server/singleflight.h"
#include "tap.h"

#define FOLLOWERS 8

static const unsigned char key[SINGLEFLIGHT_KEY_BYTES] = "the same thing";
static const unsigned char other_key[SINGLEFLIGHT_KEY_BYTES] = "other";

static struct singleflight *flights;

struct asker {
	struct follower follower;
	struct call *call;
	enum call_role role;
	int result;
	int woken;
};

static void
wake(struct follower *f)
{
	((struct asker *)(void *)f)->woken++;
}

static void
join(struct asker *a, const unsigned char *what)
{
	*a = (struct asker){ .follower = { .wake = wake } };
	a->follower.result = &a->result;
	a->role = singleflight_join(flights, what, &a->follower, &a->call);
}

static void
finish(struct asker *a, int result, enum call_share share)
{
	singleflight_finish(flights, a->call, &result, share);
}

static void
begin(int64_t cache_ms)
{
	flights = singleflight_open(sizeof(int), cache_ms);
}

static void
test_sharing(void)
{
	struct asker leader, others[FOLLOWERS];
	int i;

	test ("what is asked for meanwhile waits and gets the same result") {
		begin(0);
		join(&leader, key);
		check(leader.role == CALL_LEADS);
		for (i = 0; i < FOLLOWERS; i++) {
			join(&others[i], key);
			check(others[i].role == CALL_FOLLOWS);
		}
		check(singleflight_following(flights) == FOLLOWERS);
		check(singleflight_is_followed(leader.call));
		finish(&leader, 40, SHARE);
		for (i = 0; i < FOLLOWERS; i++) {
			check(others[i].woken == 1);
			check(others[i].follower.shared);
			check(others[i].result == 40);
		}
		check(singleflight_following(flights) == 0);
		singleflight_close(flights);
	}
	test ("what is the leader's own is left to those that wait") {
		begin(60000);
		join(&leader, key);
		join(&others[0], key);
		finish(&leader, 40, NO_SHARE);
		check(others[0].woken == 1);
		check(!others[0].follower.shared);
		join(&others[0], key);
		check(others[0].role == CALL_LEADS);
		finish(&others[0], 41, NO_SHARE);
		singleflight_close(flights);
	}
	test ("one that leaves is not woken, and the others are") {
		begin(0);
		join(&leader, key);
		for (i = 0; i < 3; i++)
			join(&others[i], key);
		check(singleflight_leave(flights, &others[1].follower));
		check(!singleflight_leave(flights, &others[1].follower));
		finish(&leader, 40, SHARE);
		check(others[0].woken == 1);
		check(others[1].woken == 0);
		check(others[2].woken == 1);
		check(!singleflight_leave(flights, &others[2].follower));
		singleflight_close(flights);
	}
}

static void
test_not_sharing(void)
{
	struct asker leader, others[1];

	test ("nothing is shared between different keys") {
		begin(60000);
		join(&leader, key);
		join(&others[0], other_key);
		check(others[0].role == CALL_LEADS);
		finish(&leader, 40, CACHE);
		finish(&others[0], 41, CACHE);
		singleflight_close(flights);
	}
	test ("one that cannot be woken does it alone") {
		begin(0);
		join(&leader, key);
		others[0] = (struct asker){ .follower = { .wake = NULL } };
		others[0].follower.result = &others[0].result;
		check(singleflight_join(flights, key, &others[0].follower,
			  &others[0].call) == CALL_ALONE);
		check(!singleflight_is_followed(leader.call));
		finish(&leader, 40, SHARE);
		singleflight_close(flights);
	}
}

static void
test_caching(void)
{
	struct asker a, b;

	test ("a cached result answers again, until it is forgotten") {
		begin(60000);
		join(&a, key);
		finish(&a, 40, CACHE);
		join(&b, key);
		check(b.role == CALL_CACHED);
		check(b.result == 40);
		singleflight_forget(flights, key);
		join(&b, key);
		check(b.role == CALL_LEADS);
		/* a leader is not what is forgotten */
		singleflight_forget(flights, key);
		join(&a, key);
		check(a.role == CALL_FOLLOWS);
		finish(&b, 41, CACHE);
		check(a.result == 41);
		singleflight_close(flights);
	}
	test ("what is only to be shared, or not to be cached, is not cached") {
		begin(60000);
		join(&a, key);
		finish(&a, 40, SHARE);
		join(&b, key);
		check(b.role == CALL_LEADS);
		finish(&b, 40, NO_SHARE);
		singleflight_close(flights);
		begin(0);
		join(&a, key);
		finish(&a, 40, CACHE);
		join(&b, key);
		check(b.role == CALL_LEADS);
		finish(&b, 40, NO_SHARE);
		singleflight_close(flights);
	}
}

int
main(void)
{
	test_sharing();
	test_not_sharing();
	test_caching();
	return tap_done();
}
