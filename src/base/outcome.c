/* SPDX-License-Identifier: Apache-2.0 */
#include "base/outcome.h"

#include <errno.h>
#include <string.h>

static const struct {
	int status;
	const char *word;
	const char *title;
	const char *advice;
} table[OUTCOME_COUNT] = {
#define X(name, status, word, title, advice) { status, word, title, advice },
	OUTCOMES(X)
#undef X
};

enum outcome
fail(struct problem *p, enum outcome o, const char *why)
{
	p->why = why;
	p->errnum = 0;
	return o;
}

enum outcome
fail_errno(struct problem *p, enum outcome o, const char *why)
{
	p->why = why;
	p->errnum = errno;
	return o;
}

int
outcome_status(enum outcome o)
{
	return table[o].status;
}

int
outcome_upload_status(enum outcome o)
{
	switch (o) {
	case OUTCOME_SAVED:
		return 201;
	case OUTCOME_NOT_A_PNG:
		return 422;
	case OUTCOME_TOO_BIG:
		return 413;
	default:
		return outcome_status(o);
	}
}

const char *
outcome_word(enum outcome o)
{
	return table[o].word;
}

const char *
outcome_title(enum outcome o)
{
	return table[o].title;
}

const char *
outcome_advice(enum outcome o)
{
	return table[o].advice;
}

bool
outcome_by_word(const char *word, enum outcome *o)
{
	int i;

	for (i = 0; i < OUTCOME_COUNT; i++)
		if (strcmp(table[i].word, word) == 0) {
			*o = (enum outcome)i;
			return true;
		}
	return false;
}
