/* SPDX-License-Identifier: Apache-2.0 */
#include "base/outcome.h"

#include <ctype.h>
#include <errno.h>

#include "tap.h"

/* The public list, INTERFACE.md section 3: a change here breaks clients. */
static const struct {
	enum outcome outcome;
	const char *word;
	int status;
} list[] = {
	{ OUTCOME_SAVED, "saved", 200 },
	{ OUTCOME_METHOD, "method", 405 },
	{ OUTCOME_MALFORMED, "malformed", 400 },
	{ OUTCOME_TOO_LARGE, "too-large", 413 },
	{ OUTCOME_NO_TOKEN, "no-token", 401 },
	{ OUTCOME_NOT_ALLOWED, "not-allowed", 403 },
	{ OUTCOME_TOKEN_REFUSED, "token-refused", 401 },
	{ OUTCOME_FORBIDDEN, "forbidden", 403 },
	{ OUTCOME_NOT_FOUND, "not-found", 404 },
	{ OUTCOME_NO_RENDERER, "no-renderer", 502 },
	{ OUTCOME_GRAFANA_BUSY, "grafana-busy", 503 },
	{ OUTCOME_BUSY, "busy", 503 },
	{ OUTCOME_UPSTREAM, "upstream", 502 },
	{ OUTCOME_NOT_A_PNG, "not-a-png", 502 },
	{ OUTCOME_TOO_BIG, "too-big", 502 },
	{ OUTCOME_SLOW, "slow", 504 },
	{ OUTCOME_EXISTS, "exists", 409 },
	{ OUTCOME_STORE_FULL, "store-full", 507 },
	{ OUTCOME_STORE_FAILED, "store-failed", 500 },
	{ OUTCOME_STOPPING, "stopping", 503 },
	{ OUTCOME_INTERNAL, "internal", 500 },
};

#define LIST_LEN (sizeof(list) / sizeof(list[0]))

static bool
is_sentence(const char *s)
{
	size_t len = strlen(s);

	return len > 1 && isupper((unsigned char)s[0]) && s[len - 1] == '.' &&
	       strpbrk(s, "\r\n\t") == NULL;
}

static void
each(void)
{
	enum outcome o;
	size_t i;

	for (i = 0; i < LIST_LEN; i++) {
		o = OUTCOME_COUNT;
		test (list[i].word) {
			check_str(outcome_word(list[i].outcome), list[i].word);
			check(
			    outcome_status(list[i].outcome) == list[i].status);
			check(outcome_by_word(list[i].word, &o));
			check(o == list[i].outcome);
			/* a title stands before a full stop or a colon */
			check(isupper(
			    (unsigned char)outcome_title(list[i].outcome)[0]));
			check(strpbrk(outcome_title(list[i].outcome),
				  ".:\r\n") == NULL);
			check(is_sentence(outcome_advice(list[i].outcome)));
		}
	}
}

static void
problems(void)
{
	struct problem p = { .detail = "kept", .upstream = 502, .errnum = 5 };
	char long_name[2 * PROBLEM_WHY_ROOM];
	enum outcome o;

	test ("a failure notes why and gives the outcome back") {
		check(problem_set(&p, OUTCOME_SLOW, "%s is late.", "It") ==
		      OUTCOME_SLOW);
		check_str(p.why, "It is late.");
		check(p.errnum == 0);
		check_str(p.detail, "kept");
		check(p.upstream == 502);
	}
	test ("a failure of the system keeps errno for the log") {
		errno = ENOSPC;
		check(problem_set_errno(&p, OUTCOME_STORE_FULL, "%d", 1) ==
		      OUTCOME_STORE_FULL);
		check(p.errnum == ENOSPC);
		check_str(p.why, "1");
		errno = EDQUOT;
		check(problem_set_default_errno(&p, OUTCOME_STORE_FULL) ==
		      OUTCOME_STORE_FULL);
		check(p.errnum == EDQUOT && *p.why == '\0');
	}
	test ("a stage that went well has a word of its own") {
		check_str(outcome_word(OUTCOME_OK), "ok");
		check(!outcome_by_word("ok", &o));
	}
	test ("a failure that its outcome explains has no sentence") {
		problem_set(&p, OUTCOME_SLOW, "%s", "No.");
		check(problem_set_default(&p, OUTCOME_SLOW) == OUTCOME_SLOW);
		check(*p.why == '\0' && p.errnum == 0);
	}
	test ("a sentence that is too long is cut, not spilt") {
		memset(long_name, 'x', sizeof(long_name) - 1);
		long_name[sizeof(long_name) - 1] = '\0';
		problem_set(&p, OUTCOME_SLOW, "%s", long_name);
		check(strlen(p.why) == sizeof(p.why) - 1);
	}
	test ("a library's words become one printable line") {
		problem_set_detail(&p, "a\nb\xff\"");
		check_str(p.detail, "a\\x0ab\\xff\\\"");
		problem_set_detail(&p, NULL);
		check_str(p.detail, "");
	}
}

int
main(void)
{
	enum outcome o = OUTCOME_BUSY;

	test ("there are as many outcomes as the interface lists") {
		check(LIST_LEN == OUTCOME_COUNT);
	}
	each();
	test ("a word that is none finds nothing and changes nothing") {
		check(!outcome_by_word("", &o) && !outcome_by_word("sav", &o) &&
		      !outcome_by_word("Saved", &o) &&
		      !outcome_by_word("saved ", &o));
		check(o == OUTCOME_BUSY);
	}
	problems();
	return tap_done();
}
