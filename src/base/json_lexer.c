/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_lexer.h"

#include <stdint.h>
#include <string.h>

enum expect {
	A_VALUE,
	A_KEY,
	FIRST_VALUE, /* or the end of the array */
	FIRST_KEY,   /* or the end of the object */
	A_COMMA,     /* or the end of whatever is open */
	NOTHING,
};

void
scan_init(struct scan *s, const char *text, size_t len)
{
	memset(s, 0, sizeof(*s));
	s->text = text;
	s->len = len;
	s->expect = A_VALUE;
}

/* The byte there, -1 behind the end. */
static int
byte_at(const struct scan *s, size_t at)
{
	return at < s->len ? (unsigned char)s->text[at] : -1;
}

static void
skip_blanks(struct scan *s)
{
	while (s->at < s->len && memchr(" \t\r\n", s->text[s->at], 4) != NULL)
		s->at++;
}

/*
 * The parts of a string
 */

/* How many bytes the character there has; 0: it is none of UTF-8 (RFC 3629). */
static size_t
utf8_length(const struct scan *s, size_t at)
{
	int lead = byte_at(s, at), low = 0x80, high = 0xbf, next;
	size_t len, i;

	if (lead < 0x80)
		return 1;
	if (lead < 0xc2 || lead > 0xf4)
		return 0;
	len = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	if (lead == 0xe0)
		low = 0xa0; /* else a longer form than it needs */
	if (lead == 0xed)
		high = 0x9f; /* else a surrogate */
	if (lead == 0xf0)
		low = 0x90;
	if (lead == 0xf4)
		high = 0x8f; /* else beyond U+10FFFF */
	for (i = 1; i < len; i++) {
		next = byte_at(s, at + i);
		if (next < low || next > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return len;
}

/* The number in the four digits there, -1: they are none. */
static int32_t
hex4(const struct scan *s, size_t at)
{
	int32_t n = 0;
	size_t i;
	int c;

	for (i = at; i < at + 4; i++) {
		c = byte_at(s, i);
		if (c >= '0' && c <= '9')
			n = n * 16 + (c - '0');
		else if (c >= 'a' && c <= 'f')
			n = n * 16 + (c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			n = n * 16 + (c - 'A' + 10);
		else
			return -1;
	}
	return n;
}

/* How many bytes the character or escape there has; 0: it is neither. */
static size_t
unit_length(const struct scan *s, size_t at)
{
	int c = byte_at(s, at);

	if (c < 0x20)
		return 0;
	if (c != '\\')
		return utf8_length(s, at);
	c = byte_at(s, at + 1);
	if (c == 'u')
		return hex4(s, at + 2) < 0 ? 0 : 6;
	return c > 0 && strchr("\"\\/bfnrt", c) != NULL ? 2 : 0;
}

static bool
skip_string(struct scan *s)
{
	size_t len;

	for (s->at++; byte_at(s, s->at) != '"'; s->at += len) {
		len = unit_length(s, s->at);
		if (len == 0)
			return false;
	}
	s->at++;
	return true;
}

/*
 * The other values
 */

static bool
skip_digits(struct scan *s)
{
	size_t start = s->at;

	while (byte_at(s, s->at) >= '0' && byte_at(s, s->at) <= '9')
		s->at++;
	return s->at > start;
}

static bool
skip_number(struct scan *s)
{
	if (byte_at(s, s->at) == '-')
		s->at++;
	if (byte_at(s, s->at) == '0')
		s->at++;
	else if (!skip_digits(s))
		return false;
	if (byte_at(s, s->at) == '.') {
		s->at++;
		if (!skip_digits(s))
			return false;
	}
	if (byte_at(s, s->at) != 'e' && byte_at(s, s->at) != 'E')
		return true;
	s->at++;
	if (byte_at(s, s->at) == '+' || byte_at(s, s->at) == '-')
		s->at++;
	return skip_digits(s);
}

static bool
skip_word(struct scan *s, const char *word)
{
	size_t len = strlen(word);

	if (s->len - s->at < len || memcmp(s->text + s->at, word, len) != 0)
		return false;
	s->at += len;
	return true;
}

static bool
open_container(struct scan *s, bool is_object)
{
	unsigned char bit = (unsigned char)(1 << s->depth % 8);

	if (s->depth == SCAN_DEPTH_MAX)
		return false;
	s->is_object[s->depth / 8] &= (unsigned char)~bit;
	if (is_object)
		s->is_object[s->depth / 8] |= bit;
	s->depth++;
	s->at++;
	s->expect = is_object ? FIRST_KEY : FIRST_VALUE;
	return true;
}

static bool
in_object(const struct scan *s)
{
	size_t top = s->depth - 1;

	return s->depth > 0 && (s->is_object[top / 8] >> top % 8 & 1) != 0;
}

/*
 * The grammar
 */

static enum scan_kind
close_container(struct scan *s)
{
	bool object = in_object(s);

	s->depth--;
	s->at++;
	s->expect = A_COMMA;
	return object ? SCAN_OBJECT_END : SCAN_ARRAY_END;
}

static enum scan_kind
read_key(struct scan *s, struct scan_piece *p)
{
	if (byte_at(s, s->at) != '"' || !skip_string(s))
		return SCAN_BROKEN;
	p->end = s->at;
	skip_blanks(s);
	if (byte_at(s, s->at) != ':')
		return SCAN_BROKEN;
	s->at++;
	s->expect = A_VALUE;
	return SCAN_KEY;
}

static enum scan_kind
read_value(struct scan *s)
{
	s->expect = A_COMMA;
	switch (byte_at(s, s->at)) {
	case '{':
		return open_container(s, true) ? SCAN_OBJECT : SCAN_BROKEN;
	case '[':
		return open_container(s, false) ? SCAN_ARRAY : SCAN_BROKEN;
	case '"':
		return skip_string(s) ? SCAN_STRING : SCAN_BROKEN;
	case 't':
		return skip_word(s, "true") ? SCAN_BOOLEAN : SCAN_BROKEN;
	case 'f':
		return skip_word(s, "false") ? SCAN_BOOLEAN : SCAN_BROKEN;
	case 'n':
		return skip_word(s, "null") ? SCAN_NULL : SCAN_BROKEN;
	default:
		return skip_number(s) ? SCAN_NUMBER : SCAN_BROKEN;
	}
}

/* Past a comma, if that is what comes; what is expected then says the rest. */
static bool
take_comma(struct scan *s)
{
	if (s->expect != A_COMMA || s->depth == 0 || byte_at(s, s->at) != ',')
		return s->expect != A_COMMA;
	s->at++;
	skip_blanks(s);
	s->expect = in_object(s) ? A_KEY : A_VALUE;
	return true;
}

static enum scan_kind
read_piece(struct scan *s, struct scan_piece *p)
{
	bool may_end = s->expect == A_COMMA || s->expect == FIRST_KEY ||
		       s->expect == FIRST_VALUE;

	if (s->expect == A_COMMA && s->depth == 0)
		return s->at == s->len ? SCAN_END : SCAN_BROKEN;
	if (may_end && byte_at(s, s->at) == (in_object(s) ? '}' : ']'))
		return close_container(s);
	if (!take_comma(s))
		return SCAN_BROKEN;
	p->start = s->at;
	if (s->expect == A_KEY || s->expect == FIRST_KEY)
		return read_key(s, p);
	return read_value(s);
}

struct scan_piece
scan_next(struct scan *s)
{
	struct scan_piece p = { .kind = SCAN_BROKEN };

	if (s->expect == NOTHING)
		return p;
	skip_blanks(s);
	p.start = s->at;
	p.kind = read_piece(s, &p);
	if (p.kind != SCAN_KEY)
		p.end = s->at;
	if (p.kind == SCAN_BROKEN)
		s->expect = NOTHING;
	return p;
}

/*
 * What a string says
 */

static size_t
put_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 0x3f));
		to[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | c >> 18);
	to[1] = (char)(0x80 | (c >> 12 & 0x3f));
	to[2] = (char)(0x80 | (c >> 6 & 0x3f));
	to[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* The character that a \u means, with its other half where it has one; *len is
 * set to the bytes of the text.  -1: only half of one. */
static int32_t
escaped_character(const struct scan *s, size_t at, size_t *len)
{
	int32_t first = hex4(s, at + 2), second;

	*len = 6;
	if (first < 0xd800 || first > 0xdfff)
		return first;
	if (first > 0xdbff || byte_at(s, at + 6) != '\\' ||
	    byte_at(s, at + 7) != 'u')
		return -1;
	second = hex4(s, at + 8);
	if (second < 0xdc00 || second > 0xdfff)
		return -1;
	*len = 12;
	return 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
}

/* One character of a string that scan_next() took: at most four bytes. */
static size_t
decode_unit(const struct scan *s, size_t at, char out[4], size_t *len)
{
	static const char escapes[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
	int32_t c;

	*len = unit_length(s, at);
	if (byte_at(s, at) != '\\') {
		memcpy(out, s->text + at, *len);
		return *len;
	}
	if (s->text[at + 1] != 'u') {
		out[0] = means[strchr(escapes, s->text[at + 1]) - escapes];
		return 1;
	}
	c = escaped_character(s, at, len);
	return c < 0 ? 0 : put_utf8(out, (uint32_t)c);
}

bool
scan_decode(const struct scan *s, const struct scan_piece *p, char *to,
    size_t room, size_t *len)
{
	size_t at, taken, n;
	char out[4];

	*len = 0;
	for (at = p->start + 1; at < p->end - 1; at += taken) {
		n = decode_unit(s, at, out, &taken);
		if (n == 0 || n >= room - *len)
			return false;
		memcpy(to + *len, out, n);
		*len += n;
	}
	to[*len] = '\0';
	return true;
}
