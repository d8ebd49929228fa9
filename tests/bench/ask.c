/* SPDX-License-Identifier: Apache-2.0 */
#include "ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BEGIN_REQUEST = 1, END_REQUEST = 3, PARAMS = 4, STDIN = 5, STDOUT = 6 };

static void
add(struct ask *a, const void *bytes, size_t len)
{
	if (len > ASK_ROOM - a->question_len)
		abort();
	memcpy(a->question + a->question_len, bytes, len);
	a->question_len += len;
}

static void
add_record(struct ask *a, int type, const void *bytes, size_t len)
{
	unsigned char head[8] = { 1, (unsigned char)type, 0, 1,
		(unsigned char)(len >> 8), (unsigned char)len };

	add(a, head, sizeof(head));
	add(a, bytes, len);
}

static size_t
put_pair(char *to, const char *name, const char *value)
{
	size_t n = strlen(name), v = strlen(value);

	if (n > 127 || v > 127)
		abort();
	to[0] = (char)n;
	to[1] = (char)v;
	memcpy(to + 2, name, n);
	memcpy(to + 2 + n, value, v);
	return 2 + n + v;
}

static void
make_fastcgi(struct ask *a, const char *body)
{
	static const unsigned char responder[8] = { 0, 1 };
	char pairs[1024], value[128];
	size_t n = 0;

	add_record(a, BEGIN_REQUEST, responder, sizeof(responder));
	n += put_pair(pairs + n, "REQUEST_METHOD", "POST");
	n += put_pair(pairs + n, "REMOTE_ADDR", "127.0.0.1");
	snprintf(value, sizeof(value), "Bearer %s", a->how->token);
	n += put_pair(pairs + n, "HTTP_AUTHORIZATION", value);
	snprintf(value, sizeof(value), "%zu", strlen(body));
	n += put_pair(pairs + n, "CONTENT_LENGTH", value);
	add_record(a, PARAMS, pairs, n);
	add_record(a, PARAMS, "", 0);
	add_record(a, STDIN, body, strlen(body));
	add_record(a, STDIN, "", 0);
}

static void
make_http(struct ask *a, const char *panel, const char *body)
{
	const char *path = strstr(panel, "://");
	int n;

	path = path == NULL ? panel : strchr(path + 3, '/');
	if (a->how->get)
		n = snprintf(a->question, ASK_ROOM,
		    "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n"
		    "Authorization: Bearer %s\r\n\r\n",
		    path, a->how->token);
	else
		n = snprintf(a->question, ASK_ROOM,
		    "POST /grafana-images HTTP/1.1\r\nHost: 127.0.0.1\r\n"
		    "Authorization: Bearer %s\r\n"
		    "Accept: application/json\r\n"
		    "Content-Type: application/json\r\n"
		    "Content-Length: %zu\r\n\r\n%s",
		    a->how->token, strlen(body), body);
	if (n < 0 || n >= ASK_ROOM)
		abort();
	a->question_len = (size_t)n;
}

void
ask_make(struct ask *a, const struct ask_how *how, uint64_t number)
{
	const char *mark = strstr(how->panel, "{}");
	size_t before =
	    mark == NULL ? strlen(how->panel) : (size_t)(mark - how->panel);
	char panel[2048], body[2176];

	if (mark == NULL)
		snprintf(panel, sizeof(panel), "%s", how->panel);
	else
		snprintf(panel, sizeof(panel), "%.*s%llu%s", (int)before,
		    how->panel, (unsigned long long)number, mark + 2);
	snprintf(body, sizeof(body), "{\"imageUrl\": \"%s\"}", panel);
	memset(a, 0, sizeof(*a));
	a->how = how;
	if (how->fastcgi)
		make_fastcgi(a, body);
	else
		make_http(a, panel, body);
}

/* A header's value, or NULL.  The head ends in an empty line. */
static const char *
header(const struct ask *a, const char *name)
{
	size_t len = strlen(name);
	const char *line = a->begin;

	while ((line = strstr(line, "\r\n")) != NULL) {
		line += 2;
		if (strncasecmp(line, name, len) == 0 && line[len] == ':')
			return line + len + 1 + strspn(line + len + 1, " ");
	}
	return NULL;
}

static void
read_head(struct ask *a)
{
	const char *value;

	if (a->how->fastcgi) {
		/* the first line may be the one */
		value = strncmp(a->begin, "Status: ", 8) == 0
			    ? a->begin + 8
			    : header(a, "Status");
		a->status = value == NULL ? 200 : (int)strtol(value, NULL, 10);
		return;
	}
	a->status = (int)strtol(a->begin + 9, NULL, 10);
	value = header(a, "Content-Length");
	a->left = value == NULL ? -1 : strtol(value, NULL, 10);
	value = header(a, "Transfer-Encoding");
	a->chunked = value != NULL && strncasecmp(value, "chunked", 7) == 0;
	value = header(a, "Connection");
	a->keeps = (a->left >= 0 || a->chunked) &&
		   (value == NULL || strncasecmp(value, "close", 5) != 0);
}

/* Is this the answer that was wanted? */
static void
judge(struct ask *a)
{
	a->begin[a->begin_len] = '\0';
	a->good =
	    a->status == 200 &&
	    (a->how->get || strstr(a->begin + a->head_len, ".png") != NULL);
}

/* Keep the begin of what was answered, for judge(). */
static void
keep(struct ask *a, const char *bytes, size_t len)
{
	size_t room = ASK_ROOM - 1 - a->begin_len;

	len = len < room ? len : room;
	memcpy(a->begin + a->begin_len, bytes, len);
	a->begin_len += len;
}

/* Look for the end of the head; how many of the bytes belong to it. */
static size_t
take_head(struct ask *a, const char *bytes, size_t len)
{
	size_t had = a->begin_len;
	char *at;

	keep(a, bytes, len);
	a->begin[a->begin_len] = '\0';
	at = strstr(a->begin, "\r\n\r\n");
	if (at == NULL)
		return len;
	a->head_len = (size_t)(at - a->begin) + 4;
	a->begin_len = a->head_len;
	a->begin[a->head_len - 2] = '\0';
	read_head(a);
	return a->head_len - had;
}

static bool
take_http(struct ask *a, const char *bytes, size_t len)
{
	size_t n, i;

	if (a->head_len == 0) {
		n = take_head(a, bytes, len);
		if (a->head_len == 0)
			return false;
		bytes += n;
		len -= n;
	}
	keep(a, bytes, len);
	if (a->left >= 0) {
		a->left -= (long)len;
		return a->left <= 0;
	}
	for (i = len > 5 ? len - 5 : 0; a->chunked && i < len; i++) {
		memmove(a->tail, a->tail + 1, 4);
		a->tail[4] = bytes[i];
	}
	return a->chunked && memcmp(a->tail, "0\r\n\r\n", 5) == 0;
}

static size_t
smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Records, of which only those of the answer itself are looked into. */
static bool
take_fastcgi(struct ask *a, const char *bytes, size_t len)
{
	size_t n;

	while (len > 0) {
		if (a->record_len < 8) {
			n = smaller(8 - a->record_len, len);
			memcpy(a->record + a->record_len, bytes, n);
			a->record_len += n;
			a->content_left =
			    (size_t)a->record[4] << 8 | a->record[5];
			a->padding_left = a->record[6];
		} else if (a->content_left > 0) {
			n = smaller(a->content_left, len);
			a->content_left -= n;
			if (a->record[1] == STDOUT)
				keep(a, bytes, n);
		} else {
			n = smaller(a->padding_left, len);
			a->padding_left -= n;
		}
		bytes += n;
		len -= n;
		if (a->record_len == 8 && a->content_left == 0 &&
		    a->padding_left == 0) {
			if (a->record[1] == END_REQUEST)
				return true;
			a->record_len = 0;
		}
	}
	return false;
}

bool
ask_take(struct ask *a, const char *bytes, size_t len)
{
	bool whole = a->how->fastcgi ? take_fastcgi(a, bytes, len)
				     : take_http(a, bytes, len);
	char *end;

	if (!whole)
		return false;
	if (a->how->fastcgi) {
		a->begin[a->begin_len] = '\0';
		end = strstr(a->begin, "\r\n\r\n");
		a->head_len = end == NULL ? 0 : (size_t)(end - a->begin);
		read_head(a);
	}
	judge(a);
	return true;
}

bool
ask_ends(struct ask *a)
{
	if (a->head_len == 0 || a->left >= 0 || a->chunked)
		return false;
	judge(a);
	return true;
}
