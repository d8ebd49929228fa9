/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A dashboard.  No panel that another parser finds in it is said to be
 * missing, whatever else the text holds.
 */
#include "fuzz.h"

#include "grafana/answer.h"
#include "grafana/dashboard.h"

#include <json-c/json.h>
#include <limits.h>
#include <string.h>

static void
check_there(const struct dashboard *d, struct json_object *panel)
{
	struct json_object *id;
	char text[32];

	if (!json_object_object_get_ex(panel, "id", &id) ||
	    !json_object_is_type(id, json_type_int))
		return;
	snprintf(
	    text, sizeof(text), "%lld", (long long)json_object_get_int64(id));
	promise(!dashboard_lacks(d, text, strlen(text)));
}

static void
check_panels(const struct dashboard *d, struct json_object *holder)
{
	struct json_object *list, *panel;
	size_t i;

	if (!json_object_object_get_ex(holder, "panels", &list) ||
	    !json_object_is_type(list, json_type_array))
		return;
	for (i = 0; i < json_object_array_length(list); i++) {
		panel = json_object_array_get_idx(list, i);
		check_there(d, panel);
		check_panels(d, panel);
	}
}

static void
check_forms(const struct dashboard *d, struct json_object *o, int depth)
{
	struct json_object *inner, *spec;
	size_t i;

	check_panels(d, o);
	if (json_object_object_get_ex(o, "rows", &inner) &&
	    json_object_is_type(inner, json_type_array))
		for (i = 0; i < json_object_array_length(inner); i++)
			check_panels(d, json_object_array_get_idx(inner, i));
	if (json_object_object_get_ex(o, "elements", &inner) &&
	    json_object_is_type(inner, json_type_object)) {
		json_object_object_foreach(inner, name, element)
		{
			(void)name;
			if (json_object_object_get_ex(element, "spec", &spec))
				check_there(d, spec);
		}
	}
	if (depth < 2 && json_object_object_get_ex(o, "spec", &inner))
		check_forms(d, inner, depth + 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char *text = text_of(bytes, len), message[16];
	struct dashboard *d = dashboard_read(text, len);
	struct json_object *root, *dashboard;
	struct buf list;

	promise(d != NULL);
	buf_init(&list, 4096);
	dashboard_list(d, &list);
	promise(!list.failed);
	buf_free(&list);
	answer_member(text, len, "message", message, sizeof(message));
	/* json-c takes a name to end at a NUL: no oracle then */
	root = strstr(text, "\\u0000") == NULL && len < INT_MAX
		   ? json_tokener_parse(text)
		   : NULL;
	if (json_object_object_get_ex(root, "dashboard", &dashboard))
		check_forms(d, dashboard, 1);
	if (json_object_object_get_ex(root, "spec", &dashboard))
		check_forms(d, dashboard, 1);
	json_object_put(root);
	dashboard_unref(d);
	free(text);
	return 0;
}
