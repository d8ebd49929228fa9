/* SPDX-License-Identifier: Apache-2.0 */
#include "tally.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REMEMBERED = 100 };

struct tally tally;

static const struct {
	const char *name;
	uint64_t *counter;
} counters[] = {
	{ "requests", &tally.requests },
	{ "renders", &tally.renders },
	{ "dashboards", &tally.dashboards },
	{ "frontend_settings", &tally.frontend_settings },
	{ "short_links", &tally.short_links },
	{ "in_flight", &tally.in_flight },
	{ "held", &tally.held },
	{ "aborted", &tally.aborted },
	{ "most_in_flight", &tally.most_in_flight },
	{ "connections", &tally.connections },
	{ "accepted", &tally.accepted },
};

enum { COUNTERS = sizeof(counters) / sizeof(counters[0]) };

/* The heads of the last renders and short links, as received; a ring. */
static struct buf heads[REMEMBERED];
static size_t heads_written;

bool
wait_parse(struct wait *w, struct span query)
{
	char name[64], text[24];
	long number;
	size_t i;
	bool found;

	memset(w, 0, sizeof(*w));
	for (i = 0; i < COUNTERS; i++) {
		found = query_get(query, counters[i].name, text, sizeof(text));
		if (!found) {
			snprintf(
			    name, sizeof(name), "%s_at_most", counters[i].name);
			found = query_get(query, name, text, sizeof(text));
			w->at_most = found;
		}
		if (!found)
			continue;
		if (!number_parse(text, &number) || number < 0)
			return false;
		w->counter = counters[i].counter;
		w->number = (uint64_t)number;
		return true;
	}
	return false;
}

bool
wait_over(const struct wait *w)
{
	if (w->at_most)
		return *w->counter <= w->number;
	return *w->counter >= w->number;
}

static void
remember(const struct request *r)
{
	struct buf *head;

	head = &heads[heads_written++ % REMEMBERED];
	if (head->limit == 0)
		buf_init(head, REQUEST_HEAD_MOST);
	buf_reset(head);
	buf_add(head, r->head.at, r->head.len);
}

void
tally_short_link(const struct request *r)
{
	tally.short_links++;
	remember(r);
}

void
tally_render_begin(const struct request *r)
{
	tally.renders++;
	tally.in_flight++;
	if (tally.in_flight > tally.most_in_flight)
		tally.most_in_flight = tally.in_flight;
	remember(r);
}

void
tally_render_end(bool aborted)
{
	tally.in_flight--;
	tally.aborted += aborted;
}

static void
forget_requests(void)
{
	size_t i;

	for (i = 0; i < REMEMBERED; i++)
		buf_free(&heads[i]);
	heads_written = 0;
}

void
tally_reset(void)
{
	tally.requests = 0;
	tally.renders = 0;
	tally.dashboards = 0;
	tally.frontend_settings = 0;
	tally.short_links = 0;
	tally.aborted = 0;
	tally.accepted = 0;
	tally.most_in_flight = tally.in_flight;
	forget_requests();
}

void
tally_json(struct buf *b)
{
	size_t i;

	for (i = 0; i < COUNTERS; i++)
		buf_printf(b, "%s\"%s\": %" PRIu64, i == 0 ? "{" : ", ",
		    counters[i].name, *counters[i].counter);
	buf_puts(b, "}\n");
}

/* Bytes beyond ASCII become the Unicode character of that number. */
void
json_text(struct buf *b, const char *bytes, size_t len)
{
	unsigned char c;
	size_t i;

	buf_puts(b, "\"");
	for (i = 0; i < len; i++) {
		c = (unsigned char)bytes[i];
		if (c == '"' || c == '\\')
			buf_printf(b, "\\%c", c);
		else if (c < 0x20 || c > 0x7e)
			buf_printf(b, "\\u%04x", c);
		else
			buf_add(b, bytes + i, 1);
	}
	buf_puts(b, "\"");
}

static void
request_json(struct buf *b, const struct buf *head)
{
	struct request r;
	struct span name, value;
	size_t at;

	/* it was parsed before, and what is said here was set by then */
	(void)request_parse(&r, head->bytes, head->len);
	buf_puts(b, "{\"method\": ");
	json_text(b, r.method.at, r.method.len);
	buf_puts(b, ", \"target\": ");
	json_text(b, r.target.at, r.target.len);
	buf_puts(b, ", \"headers\": [");
	at = 0;
	while (request_next_header(&r, &at, &name, &value)) {
		buf_puts(b, "[");
		json_text(b, name.at, name.len);
		buf_puts(b, ", ");
		json_text(b, value.at, value.len);
		buf_puts(b, at < r.headers.len - 2 ? "], " : "]");
	}
	buf_puts(b, "]}");
}

void
tally_requests_json(struct buf *b)
{
	size_t i;

	i = heads_written > REMEMBERED ? heads_written - REMEMBERED : 0;
	buf_puts(b, "[");
	for (; i < heads_written; i++) {
		request_json(b, &heads[i % REMEMBERED]);
		buf_puts(b, i + 1 < heads_written ? ",\n" : "");
	}
	buf_puts(b, "]\n");
}
