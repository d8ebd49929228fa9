/* SPDX-License-Identifier: Apache-2.0 */
#include "grafana/dashboard.h"

#include "base/escape.h"
#include "base/json_lexer.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define NAME_ROOM                                                              \
	32 /* for the members that matter; the longest is "dashboard" */
#define TITLE_ROOM 48
#define DIGITS_MAX 9 /* of a panel's number: fits 32 bits */

struct dashboard {
	atomic_int references;
	bool certain;  /* its numbers are all that there are */
	uint32_t *ids; /* sorted */
	size_t id_count;
	size_t listed; /* how many of "names" are there */
	struct {
		uint32_t id;
		char title[TITLE_ROOM];
	} names[DASHBOARD_LISTED];
};

struct reader {
	struct scan scan;
	struct dashboard *dashboard;
	size_t room;    /* of its ids */
	unsigned forms; /* how many lists of panels were found */
	bool broken;    /* no JSON, or no memory: nothing more is read */
	bool no_memory;
	bool unsure;      /* something may have a number that we don't know */
	bool repeat_next; /* the value that comes is that of a "repeat" */
};

/* A panel while its members are read. */
struct panel_read {
	bool has_id, is_row;
	uint32_t id;
	char title[TITLE_ROOM];
};

typedef void member_handler(
    struct reader *, const char *name, struct scan_piece value, void *arg);

static void read_panels(struct reader *, struct scan_piece, int depth);

/*
 * Walking through the text
 */

/* A variable repeats what it stands in, unless it is empty. */
static void
look_for_repeat(struct reader *r, const struct scan_piece *p)
{
	char name[sizeof("repeat")];
	size_t len;

	if (p->kind == SCAN_KEY) {
		r->repeat_next =
		    scan_decode(&r->scan, p, name, sizeof(name), &len) &&
		    strcmp(name, "repeat") == 0;
		return;
	}
	if (r->repeat_next && p->kind != SCAN_NULL &&
	    !(p->kind == SCAN_STRING && p->end - p->start == 2))
		r->unsure = true;
	r->repeat_next = false;
}

static struct scan_piece
next(struct reader *r)
{
	struct scan_piece p = scan_next(&r->scan);

	if (p.kind == SCAN_BROKEN)
		r->broken = true;
	look_for_repeat(r, &p);
	return p;
}

/* Past the value that begins with that piece. */
static void
skip(struct reader *r, struct scan_piece p)
{
	size_t depth = r->scan.depth;

	if (p.kind != SCAN_OBJECT && p.kind != SCAN_ARRAY)
		return;
	while (!r->broken && r->scan.depth >= depth)
		next(r);
}

/* The members of an object that has begun; each handler reads or skips its
 * value. */
static void
read_object(struct reader *r, member_handler *handle, void *arg)
{
	struct scan_piece key, value;
	char name[NAME_ROOM];
	size_t len;

	for (;;) {
		key = next(r);
		if (r->broken || key.kind == SCAN_OBJECT_END)
			return;
		/* longer than any that matters, or no text: another one */
		if (!scan_decode(&r->scan, &key, name, sizeof(name), &len) ||
		    strlen(name) != len)
			name[0] = '\0';
		value = next(r);
		if (r->broken)
			return;
		handle(r, name, value, arg);
	}
}

/*
 * Numbers and names
 */

static void
add_id(struct reader *r, uint32_t id)
{
	struct dashboard *d = r->dashboard;
	size_t room = r->room == 0 ? 64 : r->room * 2;
	uint32_t *ids;

	if (d->id_count == DASHBOARD_PANELS_MAX) {
		r->unsure = true;
		return;
	}
	if (d->id_count == r->room) {
		ids = realloc(d->ids, room * sizeof(*ids));
		if (ids == NULL) {
			r->broken = r->no_memory = true;
			return;
		}
		d->ids = ids;
		r->room = room;
	}
	d->ids[d->id_count++] = id;
}

/* A number as panels have them; false for all others. */
static bool
read_digits(const char *digits, size_t len, uint32_t *id)
{
	size_t i;

	*id = 0;
	for (i = 0; i < len; i++) {
		if (digits[i] < '0' || digits[i] > '9')
			return false;
		*id = *id * 10 + (uint32_t)(digits[i] - '0');
	}
	return len > 0 && len <= DIGITS_MAX;
}

static void
take_id(struct reader *r, struct scan_piece value, struct panel_read *panel)
{
	if (panel->has_id || value.kind != SCAN_NUMBER ||
	    !read_digits(r->scan.text + value.start, value.end - value.start,
		&panel->id))
		r->unsure = true;
	panel->has_id = true;
}

static void
take_title(struct reader *r, struct scan_piece value, struct panel_read *panel)
{
	char title[4 * TITLE_ROOM];
	size_t len;

	if (value.kind != SCAN_STRING)
		return;
	/* of a long one the beginning is enough, some bytes less than fit: the
	 * last escape may go beyond the cut */
	if (value.end - value.start > sizeof(title) - 8)
		value.end = value.start + sizeof(title) - 8;
	if (!scan_decode(&r->scan, &value, title, sizeof(title), &len))
		len = 0;
	escape_for_people(panel->title, sizeof(panel->title), title, len);
}

static void
end_panel(struct reader *r, const struct panel_read *panel)
{
	struct dashboard *d = r->dashboard;

	if (!panel->has_id) {
		r->unsure = true;
		return;
	}
	add_id(r, panel->id);
	if (panel->is_row || d->listed == DASHBOARD_LISTED)
		return;
	d->names[d->listed].id = panel->id;
	memcpy(d->names[d->listed].title, panel->title, TITLE_ROOM);
	d->listed++;
}

/*
 * The forms
 */

struct panel_place {
	struct panel_read panel;
	int depth; /* 0: of the dashboard, 1: of a row */
};

static void
on_panel_member(
    struct reader *r, const char *name, struct scan_piece value, void *arg)
{
	struct panel_place *place = arg;
	struct panel_read *panel = &place->panel;

	if (strcmp(name, "id") == 0)
		take_id(r, value, panel);
	else if (strcmp(name, "title") == 0)
		take_title(r, value, panel);
	else if (strcmp(name, "type") == 0)
		panel->is_row =
		    value.end - value.start == 5 &&
		    memcmp(r->scan.text + value.start, "\"row\"", 5) == 0;
	else if (strcmp(name, "panels") == 0) {
		read_panels(r, value, place->depth + 1);
		return;
	}
	skip(r, value);
}

static void
read_panels(struct reader *r, struct scan_piece value, int depth)
{
	struct panel_place place = { .depth = depth };

	/* only a row has panels, and no row has rows */
	if (depth > 1)
		r->unsure = true;
	if (value.kind != SCAN_ARRAY || depth > 1) {
		r->unsure = r->unsure || value.kind != SCAN_NULL;
		skip(r, value);
		return;
	}
	for (;;) {
		value = next(r);
		if (r->broken || value.kind == SCAN_ARRAY_END)
			return;
		memset(&place.panel, 0, sizeof(place.panel));
		if (value.kind == SCAN_OBJECT)
			read_object(r, on_panel_member, &place);
		else
			skip(r, value);
		end_panel(r, &place.panel);
	}
}

static void
on_row_member(
    struct reader *r, const char *name, struct scan_piece value, void *arg)
{
	(void)arg;
	if (strcmp(name, "panels") == 0)
		read_panels(r, value, 1);
	else
		skip(r, value);
}

/* Before Grafana 5. */
static void
read_rows(struct reader *r, struct scan_piece value)
{
	for (;;) {
		value = next(r);
		if (r->broken || value.kind == SCAN_ARRAY_END)
			return;
		if (value.kind == SCAN_OBJECT)
			read_object(r, on_row_member, NULL);
		else
			skip(r, value);
	}
}

static void
on_element_spec(
    struct reader *r, const char *name, struct scan_piece value, void *arg)
{
	if (strcmp(name, "id") == 0)
		take_id(r, value, arg);
	else if (strcmp(name, "title") == 0)
		take_title(r, value, arg);
	skip(r, value);
}

static void
on_element_member(
    struct reader *r, const char *name, struct scan_piece value, void *arg)
{
	if (strcmp(name, "spec") == 0 && value.kind == SCAN_OBJECT)
		read_object(r, on_element_spec, arg);
	else
		skip(r, value);
}

static void
on_element(
    struct reader *r, const char *name, struct scan_piece value, void *arg)
{
	struct panel_read panel = { 0 };
	uint32_t id;

	(void)arg;
	if (value.kind == SCAN_OBJECT)
		read_object(r, on_element_member, &panel);
	else
		skip(r, value);
	if (r->broken)
		return;
	end_panel(r, &panel);
	/* its name is a number, too, and that may be another one */
	if (strncmp(name, "panel-", 6) == 0 &&
	    read_digits(name + 6, strlen(name + 6), &id) && id != panel.id)
		r->unsure = true;
}

static void
on_dashboard_member(
    struct reader *r, const char *name, struct scan_piece value, void *arg)
{
	const int *depth = arg;
	int inner = *depth + 1;

	if (strcmp(name, "panels") == 0 && value.kind == SCAN_ARRAY) {
		r->forms++;
		read_panels(r, value, 0);
	} else if (strcmp(name, "rows") == 0 && value.kind == SCAN_ARRAY) {
		r->forms++;
		read_rows(r, value);
	} else if (strcmp(name, "elements") == 0 && value.kind == SCAN_OBJECT) {
		r->forms++;
		read_object(r, on_element, NULL);
	} else if (strcmp(name, "spec") == 0 && value.kind == SCAN_OBJECT &&
		   inner < 3) {
		read_object(r, on_dashboard_member, &inner);
	} else {
		skip(r, value);
	}
}

static void
on_root_member(
    struct reader *r, const char *name, struct scan_piece value, void *arg)
{
	int depth = 1;

	(void)arg;
	if (value.kind == SCAN_OBJECT &&
	    (strcmp(name, "dashboard") == 0 || strcmp(name, "spec") == 0))
		read_object(r, on_dashboard_member, &depth);
	else
		skip(r, value);
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Sort the numbers; Grafana gives new ones to those that are there twice. */
static bool
has_twins(struct dashboard *d)
{
	bool twins = false;
	size_t i;

	if (d->id_count > 1)
		qsort(d->ids, d->id_count, sizeof(*d->ids), compare);
	for (i = 1; i < d->id_count; i++)
		twins = twins || d->ids[i - 1] == d->ids[i];
	return twins;
}

struct dashboard *
dashboard_read(const char *json, size_t len)
{
	struct dashboard *d = calloc(1, sizeof(*d));
	struct reader r = { .dashboard = d };

	if (d == NULL)
		return NULL;
	atomic_store(&d->references, 1);
	scan_init(&r.scan, json, len);
	if (next(&r).kind == SCAN_OBJECT)
		read_object(&r, on_root_member, NULL);
	if (r.no_memory) {
		dashboard_unref(d);
		return NULL;
	}
	/* to its very end, in one form that is known */
	d->certain = !r.broken && next(&r).kind == SCAN_END && r.forms == 1 &&
		     !r.unsure && !has_twins(d);
	return d;
}

struct dashboard *
dashboard_ref(struct dashboard *d)
{
	if (d != NULL)
		atomic_fetch_add(&d->references, 1);
	return d;
}

void
dashboard_unref(struct dashboard *d)
{
	if (d == NULL || atomic_fetch_sub(&d->references, 1) > 1)
		return;
	free(d->ids);
	free(d);
}

/*
 * What is asked of it
 */

bool
dashboard_lacks(const struct dashboard *d, const char *panel, size_t len)
{
	uint32_t id;

	if (!d->certain)
		return false;
	while (len > 1 && *panel == '0') {
		panel++;
		len--;
	}
	/* a number that no panel here can have is still a number */
	if (len == 0 || strspn(panel, "0123456789") < len)
		return false;
	if (!read_digits(panel, len, &id))
		return true;
	return d->id_count == 0 ||
	       bsearch(&id, d->ids, d->id_count, sizeof(id), compare) == NULL;
}

void
dashboard_list(const struct dashboard *d, struct buf *b)
{
	size_t i;

	if (d->listed == 0)
		buf_puts(b, "no panels");
	for (i = 0; i < d->listed; i++)
		buf_printf(b, "%s%u \"%s\"", i == 0 ? "" : ", ",
		    (unsigned)d->names[i].id, d->names[i].title);
	if (d->listed == DASHBOARD_LISTED && d->id_count > d->listed)
		buf_puts(b, " and more");
}

size_t
dashboard_panels(const struct dashboard *d)
{
	return d->id_count;
}
