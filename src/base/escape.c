/* SPDX-License-Identifier: Apache-2.0 */
#include "base/escape.h"

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
		if (c == '"' || c == '\\')
			snprintf(piece, sizeof(piece), "\\%c", c);
		else if (c < 0x20 || c > 0x7e)
			snprintf(piece, sizeof(piece), "\\x%02x", c);
		else
			snprintf(piece, sizeof(piece), "%c", c);
		piece_len = strlen(piece);
		if (n + piece_len >= room)
			break;
		memcpy(to + n, piece, piece_len);
		n += piece_len;
	}
	to[n] = '\0';
	return n;
}
