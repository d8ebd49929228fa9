/* SPDX-License-Identifier: Apache-2.0 */
#include "control.h"

#include <limits.h>
#include <openssl/sha.h>

#include "conn.h"
#include "manner.h"
#include "picture.h"
#include "render.h"
#include "reply.h"
#include "request.h"
#include "short_link.h"
#include "view.h"

enum { WAIT_MS = 20000 };

#define JSON "application/json"

static void
add_digest(struct buf *b, int too_many)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	struct picture *p;
	struct view v;
	size_t i;

	render_placeholder(&v, too_many);
	p = cache_picture(&v);
	if (p == NULL)
		return;
	SHA256(p->bytes, p->len, digest);
	picture_drop(p);
	for (i = 0; i < sizeof(digest); i++)
		buf_printf(b, "%02x", digest[i]);
}

static void
placeholders(struct reply *r)
{
	buf_puts(&r->own, "{\"no-renderer\": \"");
	add_digest(&r->own, 0);
	buf_puts(&r->own, "\", \"too-many\": \"");
	add_digest(&r->own, 1);
	buf_puts(&r->own, "\"}\n");
	reply_own(r, 200, JSON);
}

static void
release(struct reply *r, struct span query)
{
	long count;

	count = query_number(query, "count", 0, LONG_MAX, LONG_MAX);
	buf_printf(&r->own, "{\"released\": %ld}\n", conn_release(count));
	reply_own(r, 200, JSON);
}

/* Answered by the connection: with counts when it is so far, else a 504. */
static void
wait_for(struct reply *r, struct span query)
{
	if (wait_parse(&r->wait, query)) {
		r->start = START_WAIT;
		r->first_ms = WAIT_MS;
	} else {
		reply_text(r, 400, "text/plain",
		    "Wait for what? /standin/wait?held=3, or "
		    "in_flight_at_most=0.\n");
	}
}

void
control_answer(struct reply *r, const struct request *request, struct span rest)
{
	if (span_is(rest, "counts")) {
		tally_json(&r->own);
		reply_own(r, 200, JSON);
	} else if (span_is(rest, "requests")) {
		tally_requests_json(&r->own);
		reply_own(r, 200, JSON);
	} else if (span_is(rest, "reset")) {
		tally_reset();
		reply_text(r, 200, JSON, "{}\n");
	} else if (span_is(rest, "release")) {
		release(r, request->query);
	} else if (span_is(rest, "short-link")) {
		if (short_link_add(request->query))
			reply_text(r, 200, JSON, "{}\n");
		else
			reply_text(r, 400, "text/plain",
			    "/standin/short-link?key=K&to=LOCATION\n");
	} else if (span_is(rest, "wait")) {
		wait_for(r, request->query);
	} else if (span_is(rest, "placeholders")) {
		placeholders(r);
	} else if (span_is(rest, "manners")) {
		manners_list(&r->own);
		reply_own(r, 200, "text/plain; charset=utf-8");
	} else {
		reply_text(r, 404, "text/plain", "No such thing.\n");
	}
}
