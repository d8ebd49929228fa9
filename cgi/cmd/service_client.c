/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/service_client.h"

#include "base/clock.h"
#include "base/outcome.h"
#include "net/http.h"
#include "server/request.h"

#include <json-c/json.h>
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

static struct json_object *
parse(const char *body, size_t len)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *root = NULL;

	if (tokener == NULL)
		return NULL;
	json_tokener_set_flags(
	    tokener, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS);
	root = json_tokener_parse_ex(tokener, body, (int)len);
	json_tokener_free(tokener);
	if (json_object_is_type(root, json_type_object))
		return root;
	json_object_put(root);
	return NULL;
}

/* A member that is a string; "" when it is none. */
static const char *
member(struct json_object *root, const char *name, size_t *len)
{
	struct json_object *value;

	*len = 0;
	if (!json_object_object_get_ex(root, name, &value) ||
	    !json_object_is_type(value, json_type_string))
		return "";
	*len = (size_t)json_object_get_string_len(value);
	return json_object_get_string(value);
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
judge_saved(struct json_object *root, struct buf *address, struct buf *why)
{
	const char *image;
	size_t len;

	image = member(root, "pubImg", &len);
	if (is_address(image, len)) {
		if (buf_add(address, image, len))
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

static int
judge_problem(int status, struct json_object *root, struct buf *why)
{
	const char *word, *title, *detail;
	size_t word_len, title_len, detail_len;

	word = member(root, "outcome", &word_len);
	title = member(root, "title", &title_len);
	detail = member(root, "detail", &detail_len);
	if (word_len > 0) {
		add_escaped(why, word, word_len);
		buf_puts(why, ": ");
	}
	if (title_len > 0) {
		add_escaped(why, title, title_len);
		buf_puts(why, detail_len > 0 ? ". " : ".");
	}
	add_escaped(why, detail, detail_len);
	if (title_len + detail_len == 0)
		buf_printf(why, "The service answered %d.", status);
	return code_of(status, word);
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
	} else
		add_escaped(why, body, len);
	return code;
}

int
client_judge(int status, const char *body, size_t len, struct buf *address,
    struct buf *why)
{
	struct json_object *root = parse(body, len);
	int code;

	if (status == 200)
		code = judge_saved(root, address, why);
	else if (status >= 300 && status < 400)
		code = judge_redirect(status, why);
	else if (root != NULL)
		code = judge_problem(status, root, why);
	else
		code = judge_text(status, body, len, why);
	json_object_put(root);
	return code;
}

/*
 * The question
 */

static bool
make_question(struct buf *json, const char *image_url)
{
	struct json_object *root = json_object_new_object();
	struct json_object *url = json_object_new_string(image_url);
	bool ok = false;

	if (root != NULL && url != NULL &&
	    json_object_object_add(root, "imageUrl", url) == 0) {
		url = NULL; /* it is root's now */
		ok = buf_puts(json, json_object_to_json_string_ext(root,
					JSON_C_TO_STRING_PLAIN |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
	}
	json_object_put(url);
	json_object_put(root);
	return ok;
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
