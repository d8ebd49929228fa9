/* SPDX-License-Identifier: Apache-2.0 */
/* From a URL below /render/ to the picture that it means. */
#include "render.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api.h"
#include "manner.h"
#include "pack.h"
#include "picture.h"
#include "refusal.h"
#include "reply.h"
#include "request.h"
#include "settings.h"
#include "view.h"
#include "when.h"

enum {
	SIDE_LEAST = 10,
	SIDE_MOST = 6000,
	PIXELS_MOST = 64000000,
	RANGE_DEFAULT = 6 * 3600,
};

static void
read_range(struct view *v, struct span query)
{
	char text[64];
	int64_t now;

	now = settings.now != 0 ? settings.now : time(NULL);
	query_get(query, "to", text, sizeof(text));
	if (!when_parse(text, now, &v->to))
		v->to = now;
	query_get(query, "from", text, sizeof(text));
	if (!when_parse(text, now, &v->from) || v->from >= v->to)
		v->from = v->to - RANGE_DEFAULT;
	/* whole minutes: the same panel is the same picture for a while */
	if (v->to - v->from >= 600) {
		v->from -= v->from % 60;
		v->to -= v->to % 60;
	}
}

static int
side(struct span query, const char *name, int otherwise, int full)
{
	long n;

	n = query_number(query, name, -1, SIDE_MOST, otherwise);
	if (n == -1)
		return full;
	return n == 0 ? otherwise : n < SIDE_LEAST ? SIDE_LEAST : (int)n;
}

static void
read_size(struct view *v, struct span query)
{
	char text[24];
	double scale, pixels;
	int rows, full;

	rows = (v->panels + 1) / 2;
	full = v->kind == VIEW_DASHBOARD ? VIEW_FULL_HEIGHT - 4 * 260 : 500;
	if (v->kind == VIEW_DASHBOARD)
		full += 260 * rows;
	v->width = side(query, "width", 1000, 1000);
	v->height = side(query, "height", 500, full);
	query_get(query, "scale", text, sizeof(text));
	scale = strtod(text, NULL);
	v->scale_percent = !(scale > 0)  ? 100
			   : scale < 0.1 ? 10
			   : scale > 4   ? 400
					 : (int)(scale * 100 + 0.5);
	pixels = (double)v->width * v->height;
	while (v->scale_percent > 100 &&
	       pixels * v->scale_percent * v->scale_percent / 1e4 > PIXELS_MOST)
		v->scale_percent -= 10;
}

/* Names as /usr/share/zoneinfo has them, never a path out of it. */
static void
read_zone(struct view *v, struct span query)
{
	size_t good;

	if (!query_get(query, "tz", v->zone, sizeof(v->zone)))
		query_get(query, "timezone", v->zone, sizeof(v->zone));
	good = strspn(v->zone, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_/"
			       "abcdefghijklmnopqrstuvwxyz0123456789-");
	if (v->zone[0] == '/' || v->zone[good] != '\0' ||
	    strcmp(v->zone, "browser") == 0 || strcmp(v->zone, "utc") == 0)
		memset(v->zone, 0, sizeof(v->zone));
}

/* "5", "panel-5" and "A$panel-5"; 0 when there is none. */
static int
read_panel(struct span query)
{
	const char *digits;
	char text[64];
	long n;

	if (!query_get(query, "panelId", text, sizeof(text)))
		query_get(query, "viewPanel", text, sizeof(text));
	digits = strrchr(text, '-');
	digits = digits == NULL ? text : digits + 1;
	if (!number_parse(digits, &n) || n < 0 || n > 1000000000)
		return 0;
	return (int)n;
}

static void
note(struct view *v, const char *text)
{
	v->kind = VIEW_NOTE;
	snprintf(v->name, sizeof(v->name), "%s", text);
}

static void
name_dashboard(struct view *v, struct span uid, struct span slug)
{
	const char *title;

	span_decode(uid, v->uid, sizeof(v->uid));
	span_decode(slug, v->name, sizeof(v->name));
	title = dashboard_title(v->uid);
	if (title == NULL)
		title = dashboard_title(v->name);
	if (title != NULL)
		snprintf(v->name, sizeof(v->name), "%s", title);
	else if (v->name[0] == '\0')
		span_decode(uid, v->name, sizeof(v->name));
	v->panels = dashboard_panels(v->uid);
}

/* rest is "d-solo/UID/slug", "dashboard-solo/db/slug" and the like. */
static void
read_view(struct view *v, struct span rest, struct span query)
{
	struct span page, uid, slug, theme;
	char text[16];
	bool solo;

	memset(v, 0, sizeof(*v));
	page = span_cut(&rest, '/');
	uid = span_cut(&rest, '/');
	slug = span_cut(&rest, '/');
	solo = span_is(page, "d-solo") || span_is(page, "dashboard-solo");
	v->panel = read_panel(query);
	v->kind = solo || v->panel != 0 ? VIEW_PANEL : VIEW_DASHBOARD;
	name_dashboard(v, uid, slug);
	if (span_is(page, "dashboard-solo") || span_is(page, "dashboard")) {
		/* there was no UID yet, but "db" */
		memset(v->uid, 0, sizeof(v->uid));
	} else if (!span_is(page, "d-solo") && !span_is(page, "d")) {
		note(v, "Page not found");
	}
	if (v->kind != VIEW_NOTE && v->panels == 0)
		note(v, "Dashboard not found");
	if (v->kind == VIEW_PANEL && v->panel == 0)
		note(v, "Panel not found");
	read_size(v, query);
	read_range(v, query);
	read_zone(v, query);
	query_get(query, "theme", text, sizeof(text));
	theme.at = text;
	theme.len = strlen(text);
	v->light = span_is(theme, "light");
}

void
render_placeholder(struct view *v, int too_many)
{
	memset(v, 0, sizeof(*v));
	v->kind = too_many ? VIEW_TOO_MANY : VIEW_NO_RENDERER;
	v->width = too_many ? 526 : 478;
	v->height = too_many ? 202 : 208;
	v->scale_percent = 100;
}

static void
panel_part(struct reply *r, const struct view *v, bool unique)
{
	static uint64_t number;
	struct picture *p;

	p = cache_picture(v);
	if (p == NULL)
		return;
	r->picture = p;
	if (!unique) {
		reply_part(r, p->bytes, p->len);
		return;
	}
	png_phys(r->phys, number++);
	reply_part(r, p->bytes, p->idat);
	reply_part(r, r->phys, sizeof(r->phys));
	reply_part(r, p->bytes + p->idat, p->len - p->idat);
}

static bool
draw(struct reply *r, const struct request *request, struct span rest,
    const struct plan *plan)
{
	struct view v;
	char text[8];

	if (plan->value[FIELD_ANSWER] == ANSWER_NO_RENDERER ||
	    plan->value[FIELD_ANSWER] == ANSWER_TOO_MANY) {
		render_placeholder(
		    &v, plan->value[FIELD_ANSWER] == ANSWER_TOO_MANY);
	} else {
		read_view(&v, rest, request->query);
		if (plan->value[FIELD_SIZE] != 0) {
			v.width = plan->width;
			v.height = plan->height;
			v.scale_percent = 100;
		}
	}
	query_get(request->query, "var-unique", text, sizeof(text));
	panel_part(r, &v, strcmp(text, "1") == 0);
	return r->picture != NULL;
}

/* The two parameters that Grafana itself is strict about. */
static bool
parameters_good(struct span query)
{
	char text[24];
	long n;

	if (query_get(query, "theme", text, sizeof(text)) && text[0] != '\0' &&
	    strcmp(text, "light") != 0 && strcmp(text, "dark") != 0)
		return false;
	return !query_get(query, "timeout", text, sizeof(text)) ||
	       text[0] == '\0' || number_parse(text, &n);
}

void
render_answer(struct reply *r, const struct request *request, struct span rest)
{
	struct plan plan;
	struct buf why;
	char text[256];
	int answer;

	buf_init(&why, 1024);
	query_get(request->query, "var-manner", text, sizeof(text));
	if (!plan_parse(&plan, text, &why)) {
		reply_text(r, 500, "text/plain", buf_str(&why));
		buf_free(&why);
		return;
	}
	buf_free(&why);
	if (plan.value[FIELD_ANSWER] == ANSWER_PANEL &&
	    !parameters_good(request->query))
		plan.value[FIELD_ANSWER] = ANSWER_REFUSED + REFUSAL_400;
	answer = plan.value[FIELD_ANSWER];
	r->first_ms = settings.delay_ms;
	if (answer >= ANSWER_REFUSED)
		refusal_make(r, request,
		    (enum refusal)(answer - ANSWER_REFUSED),
		    plan.argument[FIELD_ANSWER]);
	else if (draw(r, request, rest, &plan))
		pack(r, request, &plan);
	else
		reply_text(r, 500, "text/plain", "No memory to draw this.\n");
	pack_timing(r, &plan);
}
