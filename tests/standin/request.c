/* SPDX-License-Identifier: Apache-2.0 */
#include "request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool
span_is(struct span s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.at, text, s.len) == 0;
}

bool
span_is_nocase(struct span s, const char *text)
{
	return s.len == strlen(text) && strncasecmp(s.at, text, s.len) == 0;
}

bool
span_skip(struct span *s, const char *prefix)
{
	size_t len;

	len = strlen(prefix);
	if (s->len < len || memcmp(s->at, prefix, len) != 0)
		return false;
	s->at += len;
	s->len -= len;
	return true;
}

struct span
span_cut(struct span *s, char stop)
{
	struct span piece;
	const char *end;

	end = s->len == 0 ? NULL : memchr(s->at, stop, s->len);
	piece.at = s->at;
	piece.len = end == NULL ? s->len : (size_t)(end - s->at);
	s->at += piece.len + (end != NULL);
	s->len -= piece.len + (end != NULL);
	return piece;
}

static struct span
span_trim(struct span s)
{
	while (s.len > 0 && (*s.at == ' ' || *s.at == '\t')) {
		s.at++;
		s.len--;
	}
	while (s.len > 0 && strchr(" \t\r", s.at[s.len - 1]) != NULL)
		s.len--;
	return s;
}

size_t
request_whole(const char *bytes, size_t len)
{
	const char *end;

	end = len == 0 ? NULL : memmem(bytes, len, "\r\n\r\n", 4);
	return end == NULL ? 0 : (size_t)(end - bytes) + 4;
}

bool
request_next_header(
    const struct request *r, size_t *at, struct span *name, struct span *value)
{
	struct span rest, line;

	rest.at = r->headers.at + *at;
	rest.len = r->headers.len - *at;
	line = span_cut(&rest, '\n');
	*at = r->headers.len - rest.len;
	*name = span_cut(&line, ':');
	*value = span_trim(line);
	*name = span_trim(*name);
	return name->len > 0;
}

bool
request_header(const struct request *r, const char *name, struct span *value)
{
	struct span found;
	size_t at;

	at = 0;
	while (request_next_header(r, &at, &found, value))
		if (span_is_nocase(found, name))
			return true;
	value->at = "";
	value->len = 0;
	return false;
}

bool
number_parse(const char *text, long *number)
{
	char *end;

	errno = 0;
	*number = strtol(text, &end, 10);
	return errno == 0 && end != text && *end == '\0';
}

static bool
parse_framing(struct request *r, struct span version)
{
	struct span value;
	char text[24];
	long len;

	r->last = span_is(version, "HTTP/1.0");
	if (request_header(r, "Connection", &value))
		r->last = span_is_nocase(value, "close");
	if (request_header(r, "Transfer-Encoding", &value))
		return false;
	if (request_header(r, "Content-Length", &value)) {
		span_decode(value, text, sizeof(text));
		if (!number_parse(text, &len) || len < 0)
			return false;
		r->body_len = (size_t)len;
	}
	return true;
}

bool
request_parse(struct request *r, const char *bytes, size_t head_len)
{
	struct span line, version;

	memset(r, 0, sizeof(*r));
	r->head.at = bytes;
	r->head.len = head_len;
	r->headers = r->head;
	line = span_trim(span_cut(&r->headers, '\n'));
	r->method = span_cut(&line, ' ');
	r->target = span_cut(&line, ' ');
	version = line;
	if (version.len != 8 || memcmp(version.at, "HTTP/1.", 7) != 0)
		return false;
	if (r->target.len == 0 || r->target.at[0] != '/')
		return false;
	r->query = r->target;
	r->path = span_cut(&r->query, '?');
	r->no_body = span_is(r->method, "HEAD");
	return parse_framing(r, version);
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void
span_decode(struct span s, char *out, size_t room)
{
	size_t i, n;
	int high, low;

	n = 0;
	for (i = 0; i < s.len && n + 1 < room; i++) {
		high = low = -1;
		if (s.at[i] == '%' && i + 2 < s.len) {
			high = hex_digit(s.at[i + 1]);
			low = hex_digit(s.at[i + 2]);
		}
		if (high >= 0 && low >= 0) {
			out[n++] = (char)(high * 16 + low);
			i += 2;
		} else {
			out[n++] = s.at[i] == '+' ? ' ' : s.at[i];
		}
	}
	out[n] = '\0';
}

bool
query_get(struct span query, const char *name, char *out, size_t room)
{
	struct span pair, key;
	char decoded[64];

	out[0] = '\0';
	while (query.len > 0) {
		pair = span_cut(&query, '&');
		key = span_cut(&pair, '=');
		span_decode(key, decoded, sizeof(decoded));
		if (strcmp(decoded, name) == 0) {
			span_decode(pair, out, room);
			return true;
		}
	}
	return false;
}

long
query_number(
    struct span query, const char *name, long least, long most, long otherwise)
{
	char text[24];
	long n;

	query_get(query, name, text, sizeof(text));
	if (!number_parse(text, &n))
		return otherwise;
	return n < least ? least : n > most ? most : n;
}
