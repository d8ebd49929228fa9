/* SPDX-License-Identifier: Apache-2.0 */
/* Whole pictures: a panel, a dashboard, Grafana's pictures of its own. */
#include "view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "draw.h"
#include "picture.h"
#include "settings.h"

enum { STATS = 4, ROW_STATS = 96, ROW_PANEL = 250, GAP = 8, HEADER = 56 };

/* The lower edge stays even when there are few panels. */
static void
dashboard_grid(cairo_t *cr, const struct view *v)
{
	double x, y, w, row, rest;
	int i, columns, rows, place;

	w = (v->width - GAP) / (double)STATS;
	for (i = 0; i < STATS; i++)
		stat_draw(cr, v, 101 + i,
		    (struct box){ GAP + i * w, HEADER, w - GAP, ROW_STATS });
	columns = v->width >= 700 ? 2 : 1;
	rows = (v->panels + columns - 1) / columns;
	rest = v->height - HEADER - ROW_STATS - GAP;
	row = fmax(rest / rows, ROW_PANEL);
	w = (v->width - GAP) / (double)columns;
	for (i = 0; i < v->panels; i++) {
		place = i;
		x = GAP + place % columns * w;
		y = HEADER + ROW_STATS + GAP + floor(place / columns * row);
		if (y > v->height)
			break;
		panel_draw(cr, v, i + 1,
		    (struct box){ x, y, w - GAP, floor(row) - GAP });
	}
}

static void
dashboard_draw(cairo_t *cr, const struct view *v)
{
	const struct theme *theme;
	char from[32], to[32], range[80];

	theme = theme_of(v->light);
	draw_font(cr, 18, true);
	draw_colour(cr, theme->text, 1);
	draw_text(cr, 16, 34, 0, v->name);
	draw_time(v->from, TIME_WHOLE, from);
	draw_time(v->to, TIME_WHOLE, to);
	snprintf(range, sizeof(range), "%s to %s", from, to);
	draw_font(cr, 12, false);
	if (v->width >= 640) {
		draw_colour(cr, theme->text, theme->muted);
		draw_text(cr, v->width - 16, 33, 1, range);
	}
	dashboard_grid(cr, v);
}

static void
note_draw(
    cairo_t *cr, const struct view *v, const char *first, const char *second)
{
	const struct theme *theme;
	double x, y;

	theme = theme_of(v->light);
	x = v->width / 2.0;
	y = v->height / 2.0;
	draw_card(cr, theme, (struct box){ 0, 0, v->width, v->height }, false);
	cairo_arc(cr, x, y - 44, 17, 0, 2 * M_PI);
	draw_colour(cr, theme->series[3], 1);
	cairo_set_line_width(cr, 2.5);
	cairo_stroke(cr);
	draw_font(cr, 22, true);
	draw_text(cr, x, y - 36, 0.5, "!");
	draw_font(cr, 17, true);
	draw_colour(cr, theme->text, 1);
	draw_text(cr, x, y + 8, 0.5, first);
	draw_font(cr, 13, false);
	draw_colour(cr, theme->text, theme->muted);
	draw_text(cr, x, y + 34, 0.5, second);
}

static void
draw_kind(cairo_t *cr, const struct view *v)
{
	switch (v->kind) {
	case VIEW_PANEL:
		panel_draw(
		    cr, v, v->panel, (struct box){ 0, 0, v->width, v->height });
		break;
	case VIEW_DASHBOARD:
		dashboard_draw(cr, v);
		break;
	case VIEW_NOTE:
		note_draw(
		    cr, v, v->name, "This is Grafana's page, not a panel");
		break;
	case VIEW_NO_RENDERER:
		note_draw(cr, v, "No image renderer available/installed",
		    "A stand-in for Grafana's own picture");
		break;
	case VIEW_TOO_MANY:
		note_draw(cr, v, "Too many images are being rendered",
		    "Try again in a moment (a stand-in's picture)");
		break;
	}
}

static void
prepare(cairo_t *cr, const struct view *v)
{
	cairo_font_options_t *options;

	options = cairo_font_options_create();
	cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
	cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_SLIGHT);
	cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_ON);
	cairo_set_font_options(cr, options);
	cairo_font_options_destroy(options);
	draw_colour(cr, theme_of(v->light)->canvas, 1);
	cairo_paint(cr);
	cairo_scale(cr, v->scale_percent / 100.0, v->scale_percent / 100.0);
	setenv("TZ", v->zone[0] == '\0' ? "UTC" : v->zone, 1);
	tzset();
}

struct picture *
view_draw(const struct view *v)
{
	cairo_surface_t *surface;
	cairo_t *cr;
	struct picture *p;
	int width, height;

	if (settings.panel != NULL)
		return picture_read(settings.panel);
	width = v->width * v->scale_percent / 100;
	height = v->height * v->scale_percent / 100;
	width = width < 1 ? 1 : width;
	height = height < 1 ? 1 : height;
	surface =
	    cairo_image_surface_create(CAIRO_FORMAT_ARGB32, width, height);
	cr = cairo_create(surface);
	prepare(cr, v);
	draw_kind(cr, v);
	cairo_surface_flush(surface);
	p = NULL;
	if (cairo_status(cr) == CAIRO_STATUS_SUCCESS)
		p = picture_encode(cairo_image_surface_get_data(surface),
		    (size_t)width, (size_t)height,
		    (size_t)cairo_image_surface_get_stride(surface));
	cairo_destroy(cr);
	cairo_surface_destroy(surface);
	return p;
}
