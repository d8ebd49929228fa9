/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Sensu event.  With the address put in it is JSON still, by another parser,
 * has the address where it belongs, and is otherwise as it was.
 */
#include "fuzz.h"

#include "cmd/sensu_event.h"

#include <json-c/json.h>
#include <string.h>

#define ADDRESS "https://g.example/saved-images/2026-11-24/0.png"

static struct json_object *
parse(const char *text, size_t len)
{
	struct json_tokener *t = json_tokener_new_ex(8192);
	struct json_object *root;

	json_tokener_set_flags(
	    t, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS);
	root = json_tokener_parse_ex(t, text, (int)len);
	promise(json_tokener_get_error(t) == json_tokener_success);
	json_tokener_free(t);
	return root;
}

static bool
says(struct json_object *o, const char *const path[])
{
	for (; *path != NULL; path++)
		if (!json_object_object_get_ex(o, *path, &o))
			return false;
	return strcmp(json_object_get_string(o), ADDRESS) == 0;
}

static void
check_spliced(const struct event *e, const char *text, size_t len)
{
	static const char *const classic[] = { "check", "graph_image_url",
		NULL };
	static const char *const go[] = { "check", "metadata", "annotations",
		"graph_image_url", NULL };
	struct json_object *root;
	struct buf whole, insertion;

	buf_init(&whole, SIZE_MAX / 2);
	buf_init(&insertion, SIZE_MAX / 2);
	promise(e->at <= e->end && e->end <= len);
	promise(event_insertion(e, ADDRESS, &insertion));
	buf_add(&whole, text, e->at);
	buf_puts(&whole, buf_str(&insertion));
	buf_add(&whole, text + e->end, len - e->end);
	root = parse(buf_str(&whole), whole.len);
	promise(says(root, classic) || says(root, go));
	json_object_put(root);
	buf_free(&whole);
	buf_free(&insertion);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char *text = text_of(bytes, len);
	struct event e;
	struct buf timed;

	/* json-c takes a name to end at a NUL: no oracle then */
	if (event_find(&e, text, len) && strstr(text, "\\u0000") == NULL) {
		check_spliced(&e, text, len);
		buf_init(&timed, SIZE_MAX / 2);
		promise(event_add_time(e.image, &timed));
		promise(timed.len >= strlen(e.image));
		buf_free(&timed);
	}
	event_free(&e);
	free(text);
	return 0;
}
