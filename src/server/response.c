/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns what became of a request into bytes.  The only place that does.
 */
#include "server/response.h"

#include "base/escape.h"
#include "base/version.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static void
head(struct buf *b, int status, const char *type)
{
	static const struct {
		int status;
		const char *phrase; /* RFC 9110, 15 and RFC 4918, 11.5 */
	} phrases[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 409, "Conflict" },
		{ 413, "Content Too Large" },
		{ 422, "Unprocessable Content" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 507, "Insufficient Storage" },
	};
	const char *phrase = "Internal Server Error";
	size_t i;

	for (i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (phrases[i].status == status)
			phrase = phrases[i].phrase;
	buf_printf(b,
	    "Status: %d %s\r\n"
	    "Content-Type: %s\r\n"
	    "Cache-Control: no-store\r\n"
	    "X-Content-Type-Options: nosniff\r\n",
	    status, phrase, type);
}

/*
 * JSON (RFC 8259), straight into the buffer, which remembers a failure: a
 * reply is whole or none.  json-c gives half a text when memory runs out.
 */

static void
json_string(struct buf *b, const char *name, const char *text)
{
	bool first = b->len > 0 && b->bytes[b->len - 1] == '{';

	buf_printf(b, "%s\"%s\":\"", first ? "" : ",", name);
	escape_json(b, text);
	buf_puts(b, "\"");
}

void
reply_saved(struct buf *b, const struct saved *s, bool created)
{
	head(b, created ? 201 : 200, "application/json");
	buf_puts(b, "\r\n{");
	json_string(b, "pubImg", s->address);
	buf_printf(b, ",\"width\":%lu,\"height\":%lu,\"bytes\":%zu",
	    (unsigned long)s->width, (unsigned long)s->height, s->bytes);
	if (*s->panel != '\0')
		json_string(b, "panel", s->panel);
	if (*s->expires != '\0')
		json_string(b, "expires", s->expires);
	buf_puts(b, "}\n");
}

/* Does the Accept header (RFC 9110, 12.5.1) name JSON, not only "anything"? */
static bool
names_json(const char *accept)
{
	static const char *const types[] = { "application/json",
		"application/problem+json" };
	size_t i, len;

	while (accept != NULL && *accept != '\0') {
		accept += strspn(accept, " \t,");
		for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
			len = strlen(types[i]);
			if (strncasecmp(accept, types[i], len) == 0 &&
			    memchr(",; \t", accept[len], 5) != NULL)
				return true;
		}
		accept += strcspn(accept, ",");
	}
	return false;
}

static void
headers_for(struct buf *b, int status, const struct refusal *r)
{
	if (status == 401)
		buf_puts(b, "WWW-Authenticate: Bearer\r\n");
	if (status == 405)
		buf_printf(b, "Allow: %s\r\n", r->methods);
	if (status == 503)
		buf_printf(b, "Retry-After: %ld\r\n", r->retry_seconds);
}

const char reply_last_word[] =
    "Status: 500 Internal Server Error\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Cache-Control: no-store\r\n"
    "\r\n"
    "internal: Something went wrong in this service. Ask whoever runs it to "
    "look at its log.\n";

/* What is wrong, and what to do about it. */
static void
explain(struct buf *b, const struct refusal *r)
{
	const char *advice = outcome_advice(r->outcome);
	bool upload = r->status == outcome_upload_status(r->outcome);

	if (*r->why != '\0')
		buf_puts(b, r->why);
	/* of these a "why" says only what is wrong */
	if (*r->why != '\0' && r->outcome != OUTCOME_NOT_A_PNG &&
	    r->outcome != OUTCOME_INTERNAL)
		return;
	if (r->outcome == OUTCOME_NOT_A_PNG && upload)
		advice = "Send one whole PNG image and nothing else.";
	buf_printf(b, "%s%s", *r->why == '\0' ? "" : " ", advice);
}

void
reply_refused(struct buf *b, const struct refusal *r)
{
	bool json = names_json(r->accept);
	const char *word = outcome_word(r->outcome);
	const char *title = outcome_title(r->outcome);
	struct buf detail;

	buf_init(&detail, REPLY_MAX);
	explain(&detail, r);
	head(b, r->status,
	    json ? "application/problem+json" : "text/plain; charset=utf-8");
	headers_for(b, r->status, r);
	if (json) {
		buf_puts(b, "\r\n{");
		json_string(b, "title", title);
		buf_printf(b, ",\"status\":%d", r->status);
		json_string(b, "detail", buf_str(&detail));
		json_string(b, "outcome", word);
		buf_puts(b, "}\n");
	} else {
		/* a reason says more exactly what the title says */
		buf_printf(b, "\r\n%s: ", word);
		if (*r->why == '\0')
			buf_printf(b, "%s. ", title);
		buf_printf(b, "%s\n", buf_str(&detail));
	}
	b->failed = b->failed || detail.failed;
	buf_free(&detail);
}

void
reply_health(struct buf *b, const struct health_reply *w)
{
	size_t i;

	head(b, w->ok ? 200 : 503, "application/json");
	if (!w->ok)
		buf_printf(b, "Retry-After: %ld\r\n", w->retry_seconds);
	buf_puts(b, "\r\n{");
	json_string(b, "status", w->ok ? "ok" : "bad");
	json_string(b, "store", w->store);
	buf_puts(b, ",\"grafana\":{");
	for (i = 0; i < w->grafana_count; i++)
		json_string(b, w->grafana[i].url, w->words[i]);
	buf_puts(b, "}");
	json_string(b, "sandbox", w->sandbox);
	json_string(b, "version", VERSION);
	buf_puts(b, "}\n");
}

void
reply_text(struct buf *b, const char *type, const struct buf *text)
{
	if (text->failed) {
		b->failed = true;
		return;
	}
	head(b, 200, type);
	buf_puts(b, "\r\n");
	buf_add(b, buf_str(text), text->len);
}
