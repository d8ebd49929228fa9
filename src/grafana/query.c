/* SPDX-License-Identifier: Apache-2.0 */
#include "grafana/query.h"

#include <string.h>
#include <strings.h>

bool
span_is(struct span s, const char *word)
{
	/* an empty span may be nowhere */
	return s.len == strlen(word) &&
	       (s.len == 0 || memcmp(s.at, word, s.len) == 0);
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

size_t
span_byte(struct span s, unsigned char *byte)
{
	int high, low;

	*byte = (unsigned char)s.at[0];
	if (s.at[0] != '%')
		return 1;
	if (s.len < 3)
		return 0;
	high = hex_digit(s.at[1]);
	low = hex_digit(s.at[2]);
	if (high < 0 || low < 0)
		return 0;
	*byte = (unsigned char)(high << 4 | low);
	return 3;
}

bool
span_decode(struct span s, char *to, size_t room)
{
	size_t n = 0, step;
	unsigned char c;

	for (; s.len > 0; s.at += step, s.len -= step) {
		step = span_byte(s, &c);
		if (step == 0)
			step = 1;
		if (n + 1 >= room || c == '\0') {
			*to = '\0';
			return false;
		}
		to[n++] = (char)c;
	}
	to[n] = '\0';
	return true;
}

/* Cut "&" and "&amp;" off the front, as often as they come: what was written
 * twice for HTML has "&amp;amp;". */
static void
skip_separators(struct span *query)
{
	size_t n;

	while (query->len > 0 && *query->at == '&') {
		n = 1;
		while (query->len >= n + 4 &&
		       strncasecmp(query->at + n, "amp;", 4) == 0)
			n += 4;
		query->at += n;
		query->len -= n;
	}
}

/* The name, decoded; returns its length in the text. */
static size_t
read_name(struct query_pair *pair)
{
	struct span rest = pair->whole;
	size_t n = 0, step;
	unsigned char c;

	for (; rest.len > 0 && *rest.at != '=';
	     rest.at += step, rest.len -= step) {
		step = span_byte(rest, &c);
		if (step == 0)
			step = 1;
		/* a NUL does not end it: then it is another name */
		if (n + 1 < sizeof(pair->name))
			pair->name[n++] = (char)(c == '\0' ? 1 : c);
	}
	pair->name[n] = '\0';
	return pair->whole.len - rest.len;
}

bool
query_next(struct query_pair *pair, struct span *query)
{
	size_t n = 0;

	skip_separators(query);
	if (query->len == 0)
		return false;
	while (n < query->len && query->at[n] != '&')
		n++;
	pair->whole = (struct span){ query->at, n };
	query->at += n;
	query->len -= n;

	n = read_name(pair);
	if (n < pair->whole.len)
		n++;
	pair->value = (struct span){ pair->whole.at + n, pair->whole.len - n };
	return true;
}

bool
query_name_in(const struct query_pair *pair, const char *const list[])
{
	for (; *list != NULL; list++)
		if (strcmp(pair->name, *list) == 0)
			return true;
	return false;
}
