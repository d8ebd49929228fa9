/* SPDX-License-Identifier: Apache-2.0 */
#include "base/escape.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

size_t
escape_printable(char *to, size_t room, const char *bytes, size_t len)
{
	char piece[8];
	size_t n = 0, piece_len, i;
	unsigned char c;

	for (i = 0; i < len; i++) {
		c = (unsigned char)bytes[i];
		piece[0] = (char)c;
		piece_len = 1;
		if (c == '"' || c == '\\')
			piece_len =
			    (size_t)snprintf(piece, sizeof(piece), "\\%c", c);
		else if (c < 0x20 || c > 0x7e)
			piece_len = (size_t)snprintf(
			    piece, sizeof(piece), "\\x%02x", c);
		if (n + piece_len >= room)
			break;
		memcpy(to + n, piece, piece_len);
		n += piece_len;
	}
	to[n] = '\0';
	return n;
}

size_t
utf8_read(const char *bytes, size_t len, uint32_t *c)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char lead = len > 0 ? (unsigned char)bytes[0] : 0x80;
	size_t size = lead < 0x80   ? 1
		      : lead < 0xc0 ? 0
		      : lead < 0xe0 ? 2
		      : lead < 0xf0 ? 3
		      : lead < 0xf8 ? 4
				    : 0;
	size_t i;

	if (size == 0 || size > len)
		return 0;
	*c = size == 1 ? lead : lead & (0x7fu >> size);
	for (i = 1; i < size; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | ((unsigned char)bytes[i] & 0x3f);
	}
	/* a longer form than it needs, half a pair, or beyond the last one */
	if (*c < least[size] || (*c >= 0xd800 && *c <= 0xdfff) || *c > 0x10ffff)
		return 0;
	return size;
}

/* Controls, and what Unicode's general category Cf has of marks that change
 * how the rest of a line looks. */
static bool
is_hidden(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0xad ||
	       c == 0x61c || c == 0x180e || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
	       c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) ||
	       (c >= 0xe0000 && c <= 0xe007f);
}

void
escape_for_people(char *to, size_t room, const char *bytes, size_t len)
{
	size_t n = 0, fits = 0, size, i;
	uint32_t c;

	for (i = 0; i < len; i += size) {
		size = utf8_read(bytes + i, len - i, &c);
		if (n + 3 < room)
			fits = n; /* with "..." behind it */
		if (n + (size == 0 ? 1 : size) >= room) {
			memcpy(to + fits, "...", 4);
			return;
		}
		if (size == 0 || is_hidden(c) || c == '"') {
			to[n++] = size > 0 && c == '"' ? '\'' : '?';
			size = size == 0 ? 1 : size;
		} else {
			memcpy(to + n, bytes + i, size);
			n += size;
		}
	}
	to[n] = '\0';
}

bool
escape_json(struct buf *b, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			buf_printf(b, "\\%c", *text);
		else if ((unsigned char)*text < 0x20 || *text == 0x7f)
			buf_printf(b, "\\u%04x", (unsigned)*text);
		else
			buf_add(b, text, 1);
	}
	return !b->failed;
}
