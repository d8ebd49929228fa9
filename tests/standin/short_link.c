/* SPDX-License-Identifier: Apache-2.0 */
#include "short_link.h"

#include <stdio.h>
#include <string.h>

#include "refusal.h"
#include "reply.h"
#include "settings.h"

enum { LINKS = 64, KEY_ROOM = 48, LOCATION_ROOM = 16384 };

static struct {
	char key[KEY_ROOM];
	char location[LOCATION_ROOM];
} links[LINKS];

static size_t added;

/* Keys that no link may have: what Grafana answers instead. */
static const struct {
	const char *key;
	enum refusal refusal;
} refusals[] = {
	{ "unauthorized", REFUSAL_401 },
	{ "forbidden", REFUSAL_403 },
	{ "busy", REFUSAL_429 },
	{ "failed", REFUSAL_500 },
};

bool
short_link_add(struct span query)
{
	size_t i = added++ % LINKS; /* the oldest makes room */

	return query_get(query, "key", links[i].key, KEY_ROOM) &&
	       query_get(query, "to", links[i].location, LOCATION_ROOM);
}

static void
redirect(struct reply *r, const char *location)
{
	reply_head(r, 302, NULL);
	buf_printf(&r->head,
	    "Location: %s\r\nContent-Type: text/html; charset=utf-8\r\n"
	    "Cache-Control: no-store\r\nContent-Length: 0\r\n\r\n",
	    location);
	reply_use_own(r);
	reply_seal(r);
}

void
short_link_answer(
    struct reply *r, const struct request *request, struct span key)
{
	char front[256];
	size_t i;

	for (i = 0; i < LINKS; i++)
		if (links[i].key[0] != '\0' && span_is(key, links[i].key)) {
			redirect(r, links[i].location);
			return;
		}
	for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (span_is(key, refusals[i].key)) {
			refusal_make(r, request, refusals[i].refusal, 7);
			return;
		}
	if (span_is(key, "page")) {
		reply_text(r, 200, "text/html; charset=UTF-8", login_page);
	} else if (span_is(key, "hang")) {
		reply_text(r, 200, "text/plain", "");
		r->start = START_NEVER;
	} else if (span_is(key, "unknown-since-13")) {
		snprintf(front, sizeof(front), "%s%s/?orgId=1", settings.root,
		    settings.sub_path);
		redirect(r, front);
	} else {
		refusal_make(r, request, REFUSAL_404, -1);
	}
}
