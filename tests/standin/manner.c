/* SPDX-License-Identifier: Apache-2.0 */
#include "manner.h"

#include <stdio.h>
#include <string.h>

#include "refusal.h"
#include "request.h"

enum { SIDE_MOST = 6000 };

struct manner {
	const char *name;
	const char *argument; /* NULL: none; in brackets: may be left out */
	struct {
		enum field field;
		int value;
	} sets[2];
	const char *what;
};

#define SET(f, v)                                                              \
	{                                                                      \
		FIELD_##f, f##_##v                                             \
	}
#define REFUSE(which)                                                          \
	{                                                                      \
		{                                                              \
			FIELD_ANSWER, ANSWER_REFUSED + REFUSAL_##which         \
		}                                                              \
	}
/* a second place that is not used sets the status to 0, its own default */

static const struct manner manners[] = {
	/* refused */
	{ "400", NULL, REFUSE(400), "400, HTML" },
	{ "401", NULL, REFUSE(401), "401, JSON: the token is refused" },
	{ "302", NULL, REFUSE(302), "302 to the login below the sub-path" },
	{ "302-elsewhere", NULL, REFUSE(302_ELSEWHERE),
	    "302 to http://127.0.0.1:1/x" },
	{ "302-other", NULL, REFUSE(302_OTHER),
	    "302 to a place below the sub-path that is no login" },
	{ "301", NULL, REFUSE(301), "301 to the sub-path once more" },
	{ "403", NULL, REFUSE(403), "403, JSON" },
	{ "404", NULL, REFUSE(404), "404, text" },
	{ "404-login", NULL, REFUSE(404_LOGIN), "404 with the login's page" },
	{ "404-png", NULL, { { FIELD_STATUS, 404 } }, "404 with the panel" },
	{ "429", "[SECONDS]", REFUSE(429),
	    "429, JSON; with an argument a Retry-After" },
	{ "500", NULL, REFUSE(500), "500, HTML: \"Rendering failed.\"" },
	{ "503", NULL, REFUSE(503), "503, text" },
	{ "204", NULL, REFUSE(204), "204" },
	{ "206", NULL, { { FIELD_STATUS, 206 } }, "206 with the panel" },
	{ "status", "NUMBER", { { FIELD_STATUS, -1 } },
	    "any other status with the panel" },
	/* another picture, or none */
	{ "no-renderer", NULL, { SET(ANSWER, NO_RENDERER) },
	    "the picture \"no renderer installed\", two days old" },
	{ "too-many", NULL, { SET(ANSWER, TOO_MANY) },
	    "the picture \"too many renders\", two days old" },
	{ "html", NULL, { SET(ANSWER, HTML) }, "200 with a page" },
	{ "html-as-png", NULL, { SET(ANSWER, HTML), SET(TYPE, PNG) },
	    "the same, called image/png" },
	{ "wrong-type", NULL, { SET(TYPE, HTML) },
	    "the panel, called text/html" },
	{ "empty", NULL, { SET(ANSWER, EMPTY) }, "200 without a byte" },
	{ "pdf", NULL, { SET(ANSWER, PDF) }, "the beginning of a PDF" },
	{ "jpeg", NULL, { SET(ANSWER, JPEG) }, "the beginning of a JPEG" },
	{ "size", "WxH", { { FIELD_SIZE, 1 } },
	    "a panel of another size than was asked for" },
	/* what is wrong with the picture */
	{ "bad-crc", NULL, { SET(DAMAGE, BAD_CRC) },
	    "one bit of a chunk's CRC is wrong" },
	{ "bad-pixels", NULL, { SET(DAMAGE, BAD_PIXELS) },
	    "all chunks are right, the Adler-32 of the pixels is not" },
	{ "half", NULL, { SET(DAMAGE, HALF) },
	    "the first half of a PNG, sent as if it were whole" },
	{ "tail", NULL, { SET(DAMAGE, TAIL) }, "bytes after the PNG's end" },
	{ "text-chunk", NULL, { SET(DAMAGE, TEXT_CHUNK) },
	    "a good PNG with tEXt, iTXt, tIME and eXIf chunks" },
	{ "bomb", NULL, { SET(ANSWER, BOMB) },
	    "a PNG of 30000x30000 zeros, 900 MB in 900 KB" },
	{ "hidden-bomb", NULL, { SET(ANSWER, HIDDEN_BOMB) },
	    "the same pixels in a PNG that says it is 1000x500" },
	{ "oversize", "BYTES", { SET(ANSWER, OVERSIZE) },
	    "the panel and then zeros, so many bytes in all" },
	{ "endless", NULL, { SET(ANSWER, ENDLESS), SET(FRAMING, CHUNKED) },
	    "IDAT chunks for ever; with `close`: without chunking" },
	/* dates */
	{ "old-file", NULL, { SET(CLOCK, OLD_FILE) },
	    "Last-Modified two days before Date" },
	{ "fresh", NULL, { SET(CLOCK, FRESH) },
	    "Last-Modified now, also with no-renderer and too-many" },
	{ "no-last-modified", NULL, { SET(CLOCK, NO_LAST_MODIFIED) }, "none" },
	{ "no-date", NULL, { SET(CLOCK, NO_DATE) }, "none" },
	{ "bad-dates", NULL, { SET(CLOCK, BAD) },
	    "Last-Modified and Date are no dates" },
	/* how it is packed */
	{ "chunked", NULL, { SET(FRAMING, CHUNKED) },
	    "chunked, no Content-Length" },
	{ "close", NULL, { SET(FRAMING, CLOSE) },
	    "no length at all, ends with the connection" },
	{ "gzip", NULL, { SET(CODING, GZIP), SET(FRAMING, CHUNKED) },
	    "Content-Encoding: gzip, chunked" },
	{ "te-gzip", NULL, { SET(CODING, TE_GZIP), SET(FRAMING, CHUNKED) },
	    "Transfer-Encoding: gzip, chunked" },
	{ "two-lengths", NULL, { SET(HEAD, TWO_LENGTHS) },
	    "two Content-Lengths that differ" },
	{ "set-cookie", NULL, { SET(HEAD, SET_COOKIE) }, "with a cookie" },
	{ "early-hints", NULL, { SET(HEAD, EARLY_HINTS) },
	    "a 103 before the 200" },
	{ "endless-headers", NULL, { SET(HEAD, ENDLESS) }, "headers for ever" },
	{ "endless-1xx", NULL, { SET(HEAD, ENDLESS_1XX) }, "103 for ever" },
	{ "http09", NULL, { SET(HEAD, NONE) },
	    "the picture without a head, as HTTP/0.9 did" },
	{ "garbage", NULL, { SET(HEAD, GARBAGE) }, "lines that are no HTTP" },
	/* when */
	{ "slow-first", "MS", { { FIELD_DELAY, 1 } },
	    "the first byte comes so late" },
	{ "slow-bytes", "MS", { SET(PACE, SLOW_BYTES) },
	    "the body takes so long, in 20 pieces" },
	{ "drip", NULL, { SET(PACE, DRIP) }, "a byte of the body each second" },
	{ "drip-head", NULL, { SET(PACE, DRIP_HEAD) },
	    "a byte each second from the first" },
	{ "hang", NULL, { { FIELD_START, 2 } }, "never answers" },
	{ "hold", NULL, { { FIELD_START, 1 } },
	    "answers after /standin/release" },
	/* ends too early */
	{ "truncated", NULL, { SET(CUT, HALF) },
	    "half of the announced length, then the end" },
	{ "truncated-chunked", NULL, { SET(CUT, HALF), SET(FRAMING, CHUNKED) },
	    "the same, chunked" },
	{ "truncated-close", NULL, { SET(CUT, HALF), SET(FRAMING, CLOSE) },
	    "the same, no length at all" },
	{ "reset", NULL, { SET(CUT, RESET) },
	    "half of the bytes, then a TCP reset" },
	{ "reset-first", NULL, { SET(CUT, RESET_FIRST) },
	    "a TCP reset instead of an answer" },
	{ "no-answer", NULL, { SET(CUT, NO_ANSWER) }, "closes without a byte" },
};

enum { MANNERS = sizeof(manners) / sizeof(manners[0]) };

static const struct manner *
manner_find(struct span name)
{
	size_t i;

	for (i = 0; i < MANNERS; i++)
		if (span_is(name, manners[i].name))
			return &manners[i];
	return NULL;
}

static bool
argument_parse(struct plan *p, const struct manner *m, const char *text)
{
	long *number;

	number = &p->argument[m->sets[0].field];
	*number = -1;
	if (m->argument == NULL)
		return text[0] == '\0';
	if (strcmp(m->argument, "WxH") == 0)
		return sscanf(text, "%4dx%4d", &p->width, &p->height) == 2 &&
		       p->width > 0 && p->width <= SIDE_MOST && p->height > 0 &&
		       p->height <= SIDE_MOST;
	if (text[0] == '\0')
		return m->argument[0] == '[';
	return number_parse(text, number) && *number >= 0;
}

static bool
plan_add(struct plan *p, struct span manner)
{
	const struct manner *m;
	char text[32];
	int i;

	m = manner_find(span_cut(&manner, ':'));
	if (m == NULL)
		return false;
	span_decode(manner, text, sizeof(text));
	if (!argument_parse(p, m, text))
		return false;
	for (i = 0; i < 2; i++)
		if (m->sets[i].value != 0)
			p->value[m->sets[i].field] = m->sets[i].value;
	return true;
}

bool
plan_parse(struct plan *p, const char *text, struct buf *why)
{
	struct span rest, one;

	memset(p, 0, sizeof(*p));
	rest.at = text;
	rest.len = strlen(text);
	while (rest.len > 0) {
		one = span_cut(&rest, ',');
		if (plan_add(p, one))
			continue;
		buf_puts(why, "No such manner, or a wrong argument: ");
		buf_add(why, one.at, one.len);
		buf_puts(why, ". GET /standin/manners lists them.\n");
		return false;
	}
	return true;
}

void
manners_list(struct buf *b)
{
	size_t i;

	buf_puts(b, "| manner | what the answer is |\n| --- | --- |\n");
	for (i = 0; i < MANNERS; i++)
		buf_printf(b, "| `%s%s%s` | %s |\n", manners[i].name,
		    manners[i].argument == NULL ? "" : ":",
		    manners[i].argument == NULL ? "" : manners[i].argument,
		    manners[i].what);
}
