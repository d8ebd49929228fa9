/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/service_client.h"

#include "base/clock.h"
#include "base/escape.h"
#include "base/json_lexer.h"
#include "base/outcome.h"
#include "net/http.h"
#include "server/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#define SAID_MAX 1000 /* bytes of what the service says that are shown */

/*
 * Words
 */

/*
 * What somebody else wrote, for a terminal, a log or a chat: one line, and
 * nothing in it that moves a cursor or turns the writing round.
 */
static void
add_escaped(struct buf *b, const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len && i < SAID_MAX; i++)
		if (text[i] == '\\')
			buf_puts(b, "\\\\");
		else if (text[i] >= 0x20 && text[i] < 0x7f)
			buf_add(b, &text[i], 1);
		else
			buf_printf(b, "\\x%02x", (unsigned char)text[i]);
	if (len > SAID_MAX)
		buf_puts(b, "...");
}

static int
code_of_status(int status)
{
	switch (status) {
	case 400:
	case 404:
	case 405:
	case 413:
		return EX_DATAERR;
	case 401:
	case 403:
		return EX_NOPERM;
	case 503:
	case 504:
	case 507:
		return EX_TEMPFAIL;
	default:
		return EX_UNAVAILABLE;
	}
}

/* By the word, if it is one of ours; else by the status. */
static int
code_of(int status, const char *word)
{
	enum outcome o;

	if (outcome_by_word(word, &o) && o != OUTCOME_SAVED)
		return code_of_status(outcome_status(o));
	return code_of_status(status);
}

/*
 * An answer
 */

enum member { IMAGE, WORD, TITLE, DETAIL, MEMBERS };

static const char *const member_names[MEMBERS] = {
	[IMAGE] = "pubImg",
	[WORD] = "outcome",
	[TITLE] = "title",
	[DETAIL] = "detail",
};

/* An answer in JSON, read where it lies: to ask for memory would be one more
 * way to lose the picture. */
struct answer {
	struct scan scan;
	struct scan_piece values[MEMBERS]; /* SCAN_BROKEN: not there */
	bool is_object;
};

/* What a member says, its escapes undone. */
struct said {
	char text[CLIENT_ANSWER_MAX + 1];
	size_t len;
};

static struct scan_piece *
value_named(struct answer *a, const struct scan_piece *key)
{
	char name[16];
	size_t i, len;

	if (scan_decode(&a->scan, key, name, sizeof(name), &len))
		for (i = 0; i < MEMBERS; i++)
			if (len == strlen(member_names[i]) &&
			    memcmp(name, member_names[i], len) == 0)
				return &a->values[i];
	return NULL;
}

static void
answer_read(struct answer *a, const char *body, size_t len)
{
	struct scan_piece p, *value = NULL;
	bool is_object = false;
	size_t depth;

	memset(a, 0, sizeof(*a));
	scan_init(&a->scan, body, len);
	do {
		depth = a->scan.depth;
		p = scan_next(&a->scan);
		if (depth == 0 && p.kind == SCAN_OBJECT)
			is_object = true;
		else if (depth == 1 && p.kind == SCAN_KEY)
			value = value_named(a, &p);
		else if (depth == 1 && value != NULL) {
			*value = p;
			value = NULL;
		}
	} while (p.kind != SCAN_BROKEN && p.kind != SCAN_END);
	a->is_object = is_object && p.kind == SCAN_END;
}

/* A member that is a string; "" when it is none. */
static void
answer_member(const struct answer *a, enum member m, struct said *s)
{
	if (!a->is_object || a->values[m].kind != SCAN_STRING ||
	    !scan_decode(
		&a->scan, &a->values[m], s->text, sizeof(s->text), &s->len)) {
		s->text[0] = '\0';
		s->len = 0;
	}
}

/* What gets into events, pages and chats must not be able to leave the place
 * where it is put. */
static bool
is_address(const char *s, size_t len)
{
	size_t i, prefix;

	prefix = strncasecmp(s, "http://", 7) == 0    ? 7
		 : strncasecmp(s, "https://", 8) == 0 ? 8
						      : 0;
	if (prefix == 0 || len <= prefix || len > CLIENT_ADDRESS_MAX)
		return false;
	for (i = 0; i < len; i++)
		if (s[i] < 0x21 || s[i] > 0x7e || strchr("\"'<>\\`", s[i]))
			return false;
	return true;
}

static int
judge_saved(const struct answer *a, struct buf *address, struct buf *why)
{
	struct said image;

	answer_member(a, IMAGE, &image);
	if (is_address(image.text, image.len)) {
		if (buf_add(address, image.text, image.len))
			return EX_OK;
		buf_puts(why, "There is no memory.");
		return EX_UNAVAILABLE;
	}
	buf_puts(why, "The service answered 200, but with no address of a "
		      "picture that could be used. See whether --service is "
		      "the address of grafana-images.");
	return EX_UNAVAILABLE;
}

/* A token goes to whom it was meant for, and to nobody else. */
static int
judge_redirect(int status, struct buf *why)
{
	buf_printf(why,
	    "The service answered %d, a redirect, which is not followed. Give "
	    "--service the address that it leads to.",
	    status);
	return EX_UNAVAILABLE;
}

/* Whatever answered so without a word of ours is something else. */
static void
add_hint(struct buf *why, int status)
{
	if (status != 404 && status != 405)
		return;
	if (why->len > 0 && why->bytes[why->len - 1] != '.')
		buf_puts(why, ".");
	buf_puts(why, " See whether --service is the address of "
		      "grafana-images, such as "
		      "https://grafana.example.com/grafana-images.");
}

static int
judge_problem(int status, const struct answer *a, struct buf *why)
{
	struct said s;
	size_t start;
	int code;

	answer_member(a, WORD, &s);
	code = code_of(status, s.text);
	if (s.len > 0) {
		add_escaped(why, s.text, s.len);
		buf_puts(why, ": ");
	}
	start = why->len;
	answer_member(a, TITLE, &s);
	if (s.len > 0) {
		add_escaped(why, s.text, s.len);
		buf_puts(why, ".");
	}
	answer_member(a, DETAIL, &s);
	if (s.len > 0) {
		buf_puts(why, why->len > start ? " " : "");
		add_escaped(why, s.text, s.len);
	}
	if (why->len == start)
		buf_printf(why, "The service answered %d.", status);
	if (start == 0)
		add_hint(why, status);
	return code;
}

static int
judge_text(int status, const char *body, size_t len, struct buf *why)
{
	char word[32] = "";
	size_t n;
	int code;

	while (len > 0 && memchr(" \t\r\n", *body, 4) != NULL) {
		body++;
		len--;
	}
	for (n = 0; n < len && memchr("\r\n", body[n], 2) == NULL; n++)
		;
	len = n;
	for (n = 0; n < len && n < sizeof(word) - 1 && body[n] != ':'; n++)
		word[n] = body[n];
	if (n == len || body[n] != ':')
		word[0] = '\0';
	code = code_of(status, word);
	/* a page for a browser says nothing in its first line */
	if (word[0] == '\0' || *body == '<' || strcspn(word, " ") != n) {
		buf_printf(why, "The service answered %d", status);
		if (len > 0) {
			buf_puts(why, ": ");
			add_escaped(why, body, len);
		} else
			buf_puts(why, ".");
		add_hint(why, status);
	} else
		add_escaped(why, body, len);
	return code;
}

int
client_judge(int status, const char *body, size_t len, struct buf *address,
    struct buf *why)
{
	struct answer a;

	answer_read(&a, body, len);
	if (status == 200)
		return judge_saved(&a, address, why);
	if (status >= 300 && status < 400)
		return judge_redirect(status, why);
	if (a.is_object)
		return judge_problem(status, &a, why);
	return judge_text(status, body, len, why);
}

/*
 * The question
 */

static bool
make_question(struct buf *json, const char *image_url)
{
	return buf_puts(json, "{\"imageUrl\":\"") &&
	       escape_json(json, image_url) && buf_puts(json, "\"}");
}

/* No whole answer: why.  There is no log that would have the rest. */
static int
explain_end(enum http_end end, const struct http_response *r, struct buf *why)
{
	static const struct http_peer service = { "The service", "--service",
		"--ca-file", "" };
	struct problem p = { 0 };

	if (end == HTTP_SLOW)
		buf_puts(why, "The service did not answer in time. Try again, "
			      "or give it longer with --timeout.");
	else if (end == HTTP_TOO_BIG)
		buf_puts(why, "The service's answer is over 65,536 bytes long. "
			      "See whether --service is the address of "
			      "grafana-images.");
	else {
		http_problem(&p, OUTCOME_UPSTREAM, end, r, &service);
		buf_puts(why, p.why);
		if (*p.detail != '\0')
			buf_printf(why, " (%s)", p.detail);
	}
	return EX_UNAVAILABLE;
}

static int
ask(struct http *http, const struct client *c, const struct buf *json,
    struct buf *address, struct buf *why)
{
	const struct http_header headers[] = {
		{ "Accept", "application/json" },
		{ "Content-Type", "application/json" },
		{ "Authorization", c->authorization },
		{ NULL, NULL },
	};
	const struct http_request request = {
		.origin = &c->service,
		.method = "POST",
		.target = *c->service.via.path == '\0' ? CLIENT_PATH : "",
		.headers = headers,
		.body = json,
		.max_ms = c->deadline_ms - now_ms(),
	};
	struct http_response response;
	enum http_end end;
	int code;

	http_response_init(&response, CLIENT_ANSWER_MAX);
	end = http_send(http, &request, &response);
	if (end == HTTP_WHOLE)
		code = client_judge(response.status, buf_str(&response.body),
		    response.body.len, address, why);
	else if (end == HTTP_TOO_BIG && response.status != 200)
		code = client_judge(response.status, "", 0, address, why);
	else
		code = explain_end(end, &response, why);
	http_response_free(&response);
	return code;
}

int
client_save(const struct client *c, const char *image_url, struct buf *address,
    struct buf *why)
{
	struct http_options options = {
		.ca_file = c->ca_file,
		.ca_name = "--ca-file",
		.connect_ms = INT64_MAX,
	};
	struct http *http = NULL;
	struct buf json;
	int code = EX_UNAVAILABLE;

	buf_init(&json, REQUEST_BODY_MAX);
	if (!make_question(&json, image_url)) {
		buf_puts(why, "too-large: The panel's address is too long.");
		code = EX_DATAERR;
		goto out;
	}
	/* which says itself what is wrong */
	if (!http_start(&options, stderr)) {
		code = EX_USAGE;
		goto stop;
	}
	http = http_open(&options);
	if (http == NULL)
		buf_puts(why, "There is no memory.");
	else
		code = ask(http, c, &json, address, why);
	http_close(http);
stop:
	http_stop();
out:
	buf_free(&json);
	return code;
}
