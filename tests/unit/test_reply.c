/* SPDX-License-Identifier: Apache-2.0 */
#include "server/response.h"

#include <json-c/json.h>
#include <stdlib.h>

#include "tap.h"

static struct buf reply;

/* The reply's body, after the empty line; "" when there is none. */
static const char *
body(void)
{
	const char *end = strstr(buf_str(&reply), "\r\n\r\n");

	return end == NULL ? "" : end + 4;
}

/* The value of a header, NULL when it is not there. */
static const char *
header(const char *name)
{
	static char value[256];
	const char *p = buf_str(&reply), *end = body();
	size_t len = strlen(name);

	while (p < end && *p != '\r') {
		if (strncmp(p, name, len) == 0 && p[len] == ':') {
			snprintf(value, sizeof(value), "%.*s",
			    (int)strcspn(p + len + 2, "\r"), p + len + 2);
			return value;
		}
		p += strcspn(p, "\n") + 1;
	}
	return NULL;
}

static void
check_header(const char *name, const char *value)
{
	const char *got = header(name);

	check_str(got == NULL ? "(none)" : got, value);
}

/* A member as text, "(none)" when it is not there; checks that all is JSON. */
static const char *
member(const char *name)
{
	static char value[4096];
	enum json_tokener_error error;
	struct json_object *object, *m;
	bool there;

	object = json_tokener_parse_verbose(body(), &error);
	check(error == json_tokener_success);
	check(json_object_is_type(object, json_type_object));
	there = json_object_object_get_ex(object, name, &m);
	snprintf(value, sizeof(value), "%s",
	    there ? json_object_get_string(m) : "(none)");
	json_object_put(object);
	return value;
}

static void
refuse_with(int status, enum outcome o, const char *why, const char *accept)
{
	struct refusal r = { .outcome = o,
		.status = status,
		.why = why,
		.accept = accept,
		.methods = "POST, PUT",
		.retry_seconds = 7 };

	buf_reset(&reply);
	reply_refused(&reply, &r);
}

static void
refuse(enum outcome o, const char *why, const char *accept)
{
	refuse_with(outcome_status(o), o, why, accept);
}

/* What every reply has. */
static void
check_head(enum outcome o)
{
	char status[8];

	snprintf(status, sizeof(status), "%d ", outcome_status(o));
	check(!reply.failed);
	/* RFC 3875, 6.2: a CGI response, not an HTTP one */
	check(strncmp(buf_str(&reply), "Status: ", 8) == 0);
	check(strncmp(header("Status"), status, 4) == 0);
	check(strlen(header("Status")) > 4);
	check_header("Cache-Control", "no-store");
	check_header("X-Content-Type-Options", "nosniff");
	check_header(
	    "WWW-Authenticate", outcome_status(o) == 401 ? "Bearer" : "(none)");
	check_header("Retry-After", outcome_status(o) == 503 ? "7" : "(none)");
	check_header(
	    "Allow", outcome_status(o) == 405 ? "POST, PUT" : "(none)");
}

static void
check_text(enum outcome o, const char *what_to_do)
{
	const char *text = body(), *word = outcome_word(o);

	check_header("Content-Type", "text/plain; charset=utf-8");
	check(strncmp(text, word, strlen(word)) == 0);
	check(strncmp(text + strlen(word), ": ", 2) == 0);
	check(strstr(text, what_to_do) != NULL);
	/* one line */
	check(strchr(text, '\n') == text + strlen(text) - 1);
}

static void
check_json(enum outcome o, const char *what_to_do)
{
	char status[8];

	snprintf(status, sizeof(status), "%d", outcome_status(o));
	check_header("Content-Type", "application/problem+json");
	check_str(member("title"), outcome_title(o));
	check_str(member("status"), status);
	check_str(member("detail"), what_to_do);
	check_str(member("outcome"), outcome_word(o));
	check(strstr(body(), "\"status\":\"") == NULL);
}

/* Of these a reason says only what is wrong, and the advice follows. */
static bool
says_all(enum outcome o)
{
	return o != OUTCOME_NOT_A_PNG && o != OUTCOME_INTERNAL;
}

static const char *
with_advice(const char *why, enum outcome o)
{
	static char text[512];

	snprintf(text, sizeof(text), "%s %s", why, outcome_advice(o));
	return text;
}

static void
refusals(void)
{
	static const char why[] = "It is \"so\". Do\\that.";
	enum outcome o;
	int i;

	for (i = OUTCOME_METHOD; i < OUTCOME_COUNT; i++) {
		o = (enum outcome)i;
		test (outcome_word(o)) {
			refuse(o, "", NULL);
			check_head(o);
			check_text(o, outcome_advice(o));
			check(strstr(body(), outcome_title(o)) != NULL);
			refuse(o, why, NULL);
			check_head(o);
			check_text(o, why);
			check(strstr(body(), outcome_title(o)) == NULL);
			refuse(o, "", "application/json");
			check_head(o);
			check_json(o, outcome_advice(o));
			refuse(o, why, "application/json");
			check_head(o);
			check_json(o, says_all(o) ? why : with_advice(why, o));
		}
	}
	test ("of a bad upload the advice is for who sent it") {
		refuse_with(422, OUTCOME_NOT_A_PNG, why, NULL);
		check(strstr(body(), why) != NULL);
		check(strstr(body(), "Send one whole PNG image") != NULL);
		check(strstr(body(), "renderer") == NULL);
	}
}

static const struct {
	const char *accept;
	bool json;
	const char *phrase;
} accepts[] = {
	{ NULL, false, "without Accept the reply is text" },
	{ "", false, "an empty Accept is text" },
	{ "application/json", true, "application/json is JSON" },
	{ "application/problem+json", true, "application/problem+json too" },
	{ "Application/JSON", true, "a type's case does not matter" },
	{ "text/html, application/json", true, "it may be the second" },
	{ "text/html,application/json", true, "without a blank too" },
	{ "text/html ,\tapplication/json\t, */*", true, "with tabs too" },
	{ ",, application/json", true, "empty parts say nothing" },
	{ "application/json;q=0.5", true, "a weight does not matter" },
	{ "application/json ; charset=utf-8", true, "nor does a parameter" },
	{ "text/html;q=0.9, application/json;q=0.1", true,
	    "a smaller weight names it as well" },
	{ "*/*", false, "anything is text" },
	{ "application/*", false, "any application is text" },
	{ "text/html", false, "a browser gets text" },
	{ "text/plain, */*;q=0.8", false, "what takes anything gets text" },
	{ "application/jsonx", false, "a longer name is another type" },
	{ "application/json-patch+json", false, "so is a longer one with -" },
	{ "application/vnd.api+json", false, "so is another kind of JSON" },
	{ "xapplication/json", false, "so is one with a letter before" },
	{ "text/html;application/json", false, "a parameter is no type" },
	{ "application/jso", false, "half a name is none" },
	{ "json", false, "a word is none" },
};

static void
shapes(void)
{
	size_t i;

	for (i = 0; i < sizeof(accepts) / sizeof(accepts[0]); i++)
		test (accepts[i].phrase) {
			refuse(OUTCOME_BUSY, "", accepts[i].accept);
			check_header("Content-Type",
			    accepts[i].json ? "application/problem+json"
					    : "text/plain; charset=utf-8");
		}
}

static void
saved(void)
{
	struct saved s = { "https://i.example/s/2026-11-22/ab.png",
		"https://g.example/d/U/s?viewPanel=5&var-q=\"<\\>'%20", 1000,
		500, 30273, "" };

	test ("a saved image is answered with 200 and its address") {
		buf_reset(&reply);
		reply_saved(&reply, &s, false);
		check_header("Status", "200 OK");
		check_header("Content-Type", "application/json");
		check_header("Cache-Control", "no-store");
		check_header("X-Content-Type-Options", "nosniff");
		check_str(member("pubImg"), s.address);
		check_str(member("width"), "1000");
		check_str(member("height"), "500");
		check_str(member("bytes"), "30273");
		check_str(member("panel"), s.panel);
	}
	test ("sizes are numbers, addresses are readable as they are") {
		check(strstr(body(), "\"width\":1000,") != NULL);
		check(strstr(body(), "\"height\":500,") != NULL);
		check(strstr(body(), "\"bytes\":30273,") != NULL);
		check(strstr(body(), s.address) != NULL);
	}
	test ("an upload is answered with 201") {
		buf_reset(&reply);
		reply_saved(&reply, &s, true);
		check_header("Status", "201 Created");
		check_str(member("pubImg"), s.address);
	}
	test ("a link that cannot be told is absent") {
		s.panel = "";
		buf_reset(&reply);
		reply_saved(&reply, &s, false);
		check_str(member("panel"), "(none)");
	}
	test ("the largest sizes are right") {
		s.width = s.height = UINT32_MAX;
		s.bytes = (size_t)1 << 40;
		buf_reset(&reply);
		reply_saved(&reply, &s, false);
		check_str(member("width"), "4294967295");
		check_str(member("height"), "4294967295");
		check_str(member("bytes"), "1099511627776");
	}
}

static void
whole_or_none(void)
{
	static char panel[300000];
	struct saved s = { "https://i.example/x.png", panel, 1, 1, 1, "" };

	test ("the longest link that there can be fits into a reply") {
		/* quotes are two bytes in JSON */
		memset(panel, '"', sizeof(panel) - 1);
		buf_reset(&reply);
		reply_saved(&reply, &s, false);
		check(!reply.failed && reply.len > 2 * sizeof(panel));
	}
	test ("a reply that does not fit is none") {
		buf_free(&reply);
		buf_init(&reply, 300);
		reply_saved(&reply, &s, false);
		check(reply.failed && reply.len == 0);
		refuse(OUTCOME_MALFORMED, panel, "application/json");
		check(reply.failed && reply.len == 0);
		refuse(OUTCOME_MALFORMED, panel, NULL);
		check(reply.failed && reply.len == 0);
	}
}

int
main(void)
{
	buf_init(&reply, REPLY_MAX);
	refusals();
	shapes();
	saved();
	whole_or_none();
	buf_free(&reply);
	return tap_done();
}
