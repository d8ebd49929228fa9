/* SPDX-License-Identifier: Apache-2.0 */
#include "grafana/answer.h"

#include "base/json_lexer.h"

#include <string.h>

#define NAME_ROOM 32

/* Does the key say that name? */
static bool
is_named(const struct scan *s, const struct scan_piece *key, const char *name)
{
	char text[NAME_ROOM];
	size_t len;

	return scan_decode(s, key, text, sizeof(text), &len) &&
	       len == strlen(name) && memcmp(text, name, len) == 0;
}

/* The value of that member of the object, the last one where there are
 * several; SCAN_BROKEN: there is none, or the text is no object to its end. */
static struct scan_piece
find_member(struct scan *s, const char *json, size_t len, const char *name)
{
	struct scan_piece p, found = { .kind = SCAN_BROKEN };
	bool wanted = false;

	scan_init(s, json, len);
	p = scan_next(s);
	if (p.kind != SCAN_OBJECT)
		return found;
	while (p.kind != SCAN_BROKEN && p.kind != SCAN_END) {
		p = scan_next(s);
		if (wanted)
			found = p;
		wanted = s->depth == 1 && p.kind == SCAN_KEY &&
			 is_named(s, &p, name);
	}
	if (p.kind == SCAN_BROKEN)
		found.kind = SCAN_BROKEN;
	return found;
}

bool
answer_member(
    const char *json, size_t len, const char *name, char *to, size_t room)
{
	struct scan_piece value;
	struct scan s;
	size_t text_len;

	to[0] = '\0';
	if (len > ANSWER_BYTES_MAX)
		return false;
	value = find_member(&s, json, len, name);
	if (value.kind == SCAN_STRING &&
	    scan_decode(&s, &value, to, room, &text_len))
		return true;
	to[0] = '\0';
	return false;
}

bool
answer_flag(const char *json, size_t len, const char *name, bool *value)
{
	struct scan_piece piece;
	struct scan s;

	piece = find_member(&s, json, len, name);
	*value = piece.kind == SCAN_BOOLEAN && json[piece.start] == 't';
	return piece.kind == SCAN_BOOLEAN;
}

bool
answer_is_error(const char *json, size_t len)
{
	char message[512];

	return answer_member(json, len, "message", message, sizeof(message));
}
