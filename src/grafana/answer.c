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

bool
answer_member(
    const char *json, size_t len, const char *name, char *to, size_t room)
{
	struct scan_piece p;
	bool found = false, wanted = false;
	struct scan s;
	size_t text_len;

	to[0] = '\0';
	if (len > ANSWER_BYTES_MAX)
		return false;
	scan_init(&s, json, len);
	p = scan_next(&s);
	if (p.kind != SCAN_OBJECT)
		return false;
	/* to its end: half an object is none */
	while (p.kind != SCAN_BROKEN && p.kind != SCAN_END) {
		p = scan_next(&s);
		if (wanted && s.depth == 1 && p.kind == SCAN_STRING)
			found = scan_decode(&s, &p, to, room, &text_len);
		wanted = s.depth == 1 && p.kind == SCAN_KEY &&
			 is_named(&s, &p, name);
	}
	if (p.kind == SCAN_END && found)
		return true;
	to[0] = '\0';
	return false;
}

bool
answer_is_error(const char *json, size_t len)
{
	char message[512];

	return answer_member(json, len, "message", message, sizeof(message));
}
