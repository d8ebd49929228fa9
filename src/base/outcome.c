/* SPDX-License-Identifier: Apache-2.0 */
#include "base/outcome.h"

#include "base/escape.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct row {
	int status;
	const char *word;
	const char *title;
	const char *advice;
} table[OUTCOME_COUNT] = {
#define X(name, status, word, title, advice) { status, word, title, advice },
	OUTCOMES(X)
#undef X
};

static const struct row *
row_of(enum outcome o)
{
	/* never said to anybody: a request that is OK to its end is SAVED */
	static const struct row ok = { 200, "ok", "", "" };

	return o == OUTCOME_OK ? &ok : &table[o];
}

static void __attribute__((format(printf, 2, 0)))
set_why(struct problem *p, const char *format, va_list ap)
{
	vsnprintf(p->why, sizeof(p->why), format, ap);
	p->errnum = 0;
}

enum outcome
problem_set(struct problem *p, enum outcome o, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	set_why(p, format, ap);
	va_end(ap);
	return o;
}

enum outcome
problem_set_errno(struct problem *p, enum outcome o, const char *format, ...)
{
	int errnum = errno;
	va_list ap;

	va_start(ap, format);
	set_why(p, format, ap);
	va_end(ap);
	p->errnum = errnum;
	return o;
}

enum outcome
problem_set_default(struct problem *p, enum outcome o)
{
	p->why[0] = '\0';
	p->errnum = 0;
	return o;
}

enum outcome
problem_set_default_errno(struct problem *p, enum outcome o)
{
	p->why[0] = '\0';
	p->errnum = errno;
	return o;
}

void
problem_set_detail(struct problem *p, const char *words)
{
	if (words == NULL)
		p->detail[0] = '\0';
	else
		escape_printable(
		    p->detail, sizeof(p->detail), words, strlen(words));
}

int
outcome_status(enum outcome o)
{
	return row_of(o)->status;
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
	return row_of(o)->word;
}

const char *
outcome_title(enum outcome o)
{
	return row_of(o)->title;
}

const char *
outcome_advice(enum outcome o)
{
	return row_of(o)->advice;
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
