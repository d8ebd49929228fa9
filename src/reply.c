/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns what became of a request into bytes.  The only place that does.
 */
#include "reply.h"

#include "version.h"

#include <json-c/json.h>
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

/* The object as one line of text; it is given up either way.  Without memory
 * the buffer has failed: a reply is whole or none. */
static void
body(struct buf *b, struct json_object *object)
{
	const char *text = NULL;

	if (object != NULL)
		text = json_object_to_json_string_ext(object,
		    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	if (text != NULL)
		buf_printf(b, "\r\n%s\n", text);
	else
		b->failed = true;
	json_object_put(object);
}

static void
member(struct json_object *object, const char *name, struct json_object *value)
{
	/* on no memory the member is missing: the rest still helps */
	if (object == NULL || value == NULL ||
	    json_object_object_add(object, name, value) != 0)
		json_object_put(value);
}

void
reply_saved(struct buf *b, const struct saved *s, bool created)
{
	struct json_object *object = json_object_new_object();

	head(b, created ? 201 : 200, "application/json");
	member(object, "pubImg", json_object_new_string(s->address));
	member(object, "width", json_object_new_int64(s->width));
	member(object, "height", json_object_new_int64(s->height));
	member(object, "bytes", json_object_new_int64((int64_t)s->bytes));
	if (*s->panel != '\0')
		member(object, "panel", json_object_new_string(s->panel));
	body(b, object);
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

void
reply_refused(struct buf *b, const struct refusal *r)
{
	bool json = names_json(r->accept);
	int status = r->status;
	const char *word = outcome_word(r->outcome);
	const char *title = outcome_title(r->outcome);
	const char *advice = outcome_advice(r->outcome);
	struct json_object *object;

	head(b, status,
	    json ? "application/problem+json" : "text/plain; charset=utf-8");
	headers_for(b, status, r);
	if (!json && r->why == NULL)
		buf_printf(b, "\r\n%s: %s. %s\n", word, title, advice);
	if (!json && r->why != NULL)
		buf_printf(b, "\r\n%s: %s. %s\n", word, title, r->why);
	if (!json)
		return;
	object = json_object_new_object();
	member(object, "title", json_object_new_string(title));
	member(object, "status", json_object_new_int(status));
	member(object, "detail",
	    json_object_new_string(r->why == NULL ? advice : r->why));
	member(object, "outcome", json_object_new_string(word));
	body(b, object);
}

void
reply_health(struct buf *b, const struct wellbeing *w)
{
	struct json_object *object = json_object_new_object();
	struct json_object *grafana = json_object_new_object();
	size_t i;

	head(b, w->ok ? 200 : 503, "application/json");
	if (!w->ok)
		buf_printf(b, "Retry-After: %ld\r\n", w->retry_seconds);
	for (i = 0; i < w->grafana_count; i++)
		member(grafana, w->grafana[i].url,
		    json_object_new_string(w->words[i]));
	member(object, "status", json_object_new_string(w->ok ? "ok" : "bad"));
	member(object, "store", json_object_new_string(w->store));
	member(object, "grafana", grafana);
	member(object, "sandbox", json_object_new_string(w->sandbox));
	member(object, "version", json_object_new_string(VERSION));
	body(b, object);
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
