/* SPDX-License-Identifier: Apache-2.0 */
/* One time series panel, drawn the way Grafana does. */
#include "draw.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "series.h"
#include "view.h"

enum { POINTS_MOST = 1200 };

/* A panel while it is drawn. */
struct chart {
	cairo_t *cr;
	const struct view *view;
	const struct theme *theme;
	const struct subject *subject;
	uint64_t seed;
	int panel;
	size_t count; /* series */
	struct box plot;
	double top, step; /* of the y axis, which begins at 0 */
	double window;    /* seconds */
	size_t points;
	double values[SERIES_MOST][POINTS_MOST];
};

uint64_t
panel_seed(const struct view *v, int panel)
{
	uint64_t h;

	h = hash_bytes(v->uid, strlen(v->uid), 0);
	h = hash_bytes(v->name, strlen(v->name), h);
	return hash_bytes(&panel, sizeof(panel), h);
}

/* 1, 2, 2.5 or 5 times a power of ten, at least n. */
static double
round_step(double n)
{
	double unit;

	unit = pow(10, floor(log10(n)));
	n /= unit;
	if (n <= 2)
		return unit * (n <= 1 ? 1 : 2);
	return unit * (n <= 2.5 ? 2.5 : n <= 5 ? 5 : 10);
}

static void
sample(struct chart *c, double width)
{
	double most, at;
	size_t s, i;

	c->points = (size_t)(width / 3) + 2;
	if (c->points > POINTS_MOST)
		c->points = POINTS_MOST;
	c->window = (double)(c->view->to - c->view->from);
	most = 0;
	for (s = 0; s < c->count; s++) {
		for (i = 0; i < c->points; i++) {
			at = (double)c->view->from +
			     c->window * (double)i / (double)(c->points - 1);
			c->values[s][i] =
			    series_value(c->subject, c->seed, s, at, c->window);
			most = fmax(most, c->values[s][i]);
			if (s > 0 && c->subject->ordered)
				c->values[s][i] = fmin(
				    c->values[s][i], c->values[s - 1][i] * 0.8);
		}
	}
	c->top = most * 1.04;
}

static void
format_value(const struct chart *c, double value, char out[48])
{
	int digits;

	digits = value >= 100 || value <= 0 ? 0 : value >= 10 ? 1 : 2;
	if (c->subject->unit[0] == '\0')
		digits = 0; /* things that are counted */
	snprintf(out, 48, "%.*f%s", digits, value, c->subject->unit);
}

static void
format_tick(const struct chart *c, double value, char out[48])
{
	int digits;

	digits = fmod(c->step, 1) < 1e-9 ? 0 : c->step > 0.3 ? 1 : 2;
	snprintf(out, 48, "%.*f%s", digits, value, c->subject->unit);
}

static double
chart_x(const struct chart *c, double seconds)
{
	return c->plot.x +
	       c->plot.w * (seconds - (double)c->view->from) / c->window;
}

static double
chart_y(const struct chart *c, double value)
{
	return c->plot.y + c->plot.h * (1 - value / c->top);
}

static void
draw_rule(struct chart *c, double x, double y, double dx, double dy)
{
	draw_colour(c->cr, c->theme->text, c->theme->grid);
	cairo_set_line_width(c->cr, 1);
	cairo_move_to(c->cr, floor(x) + 0.5, floor(y) + 0.5);
	cairo_rel_line_to(c->cr, dx, dy);
	cairo_stroke(c->cr);
}

static void
draw_y_axis(struct chart *c)
{
	char text[48];
	double value, y;

	draw_font(c->cr, 12, false);
	for (value = 0; value <= c->top * 1.0001; value += c->step) {
		y = chart_y(c, value);
		draw_rule(c, c->plot.x, y, c->plot.w, 0);
		format_tick(c, value, text);
		draw_colour(c->cr, c->theme->text, c->theme->muted + 0.15);
		draw_text(c->cr, c->plot.x - 9, y + 4.5, 1, text);
	}
}

/* Round times, about every 110 pixels. */
static int64_t
time_step(const struct chart *c)
{
	static const int64_t steps[] = { 1, 2, 5, 10, 15, 30, 60, 120, 300, 600,
		900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800,
		604800, 1209600, 2592000, 7776000, 31536000 };
	double least;
	size_t i;

	least = c->window * 110 / fmax(c->plot.w, 1);
	for (i = 0; i + 1 < sizeof(steps) / sizeof(steps[0]); i++)
		if ((double)steps[i] >= least)
			break;
	return steps[i];
}

static enum time_style
time_style(const struct chart *c, int64_t step)
{
	if (step < 60)
		return TIME_SECOND;
	if (c->window <= 86400)
		return TIME_MINUTE;
	if (step < 86400)
		return TIME_DAY_MINUTE;
	return c->window < 365 * 86400.0 ? TIME_DAY : TIME_MONTH;
}

static void
draw_x_axis(struct chart *c)
{
	enum time_style style;
	char text[32];
	int64_t step, t;
	double x;

	step = time_step(c);
	style = time_style(c, step);
	draw_font(c->cr, 12, false);
	t = (c->view->from + step - 1) / step * step;
	for (; t <= c->view->to; t += step) {
		x = chart_x(c, (double)t);
		draw_rule(c, x, c->plot.y, 0, c->plot.h);
		draw_time(t, style, text);
		if (x - 20 < c->plot.x || x + 20 > c->plot.x + c->plot.w)
			continue;
		draw_colour(c->cr, c->theme->text, c->theme->muted + 0.15);
		draw_text(c->cr, x, c->plot.y + c->plot.h + 19, 0.5, text);
	}
}

/* The height of a point; beyond the ends, of the point at the end. */
static double
point_y(const struct chart *c, const double *values, size_t i)
{
	return chart_y(c, values[i < c->points ? i : c->points - 1]);
}

/* A Catmull-Rom spline, as the Bezier curves that cairo knows. */
static void
trace(struct chart *c, const double *values, bool go_on)
{
	double x, step, before, y, next, after;
	size_t i;

	step = c->plot.w / (double)(c->points - 1);
	x = c->plot.x;
	y = before = point_y(c, values, 0);
	if (go_on)
		cairo_line_to(c->cr, x, y);
	else
		cairo_move_to(c->cr, x, y);
	for (i = 0; i + 1 < c->points; i++) {
		next = point_y(c, values, i + 1);
		after = point_y(c, values, i + 2);
		cairo_curve_to(c->cr, x + step / 3, y + (next - before) / 6,
		    x + step * 2 / 3, next - (after - y) / 6, x + step, next);
		x += step;
		before = y;
		y = next;
	}
}

static void
draw_series(struct chart *c, size_t s, unsigned colour)
{
	cairo_pattern_t *fade;
	double bottom, most;
	size_t i;

	bottom = c->plot.y + c->plot.h;
	most = 0;
	for (i = 0; i < c->points; i++)
		most = fmax(most, c->values[s][i]);
	fade = cairo_pattern_create_linear(0, chart_y(c, most), 0, bottom);
	cairo_pattern_add_color_stop_rgba(fade, 0, (colour >> 16) / 255.0,
	    (colour >> 8 & 255) / 255.0, (colour & 255) / 255.0, 0.24);
	cairo_pattern_add_color_stop_rgba(fade, 1, (colour >> 16) / 255.0,
	    (colour >> 8 & 255) / 255.0, (colour & 255) / 255.0, 0.0);
	cairo_move_to(c->cr, c->plot.x, bottom);
	trace(c, c->values[s], true);
	cairo_line_to(c->cr, c->plot.x + c->plot.w, bottom);
	cairo_close_path(c->cr);
	cairo_set_source(c->cr, fade);
	cairo_fill(c->cr);
	cairo_pattern_destroy(fade);
	trace(c, c->values[s], false);
	draw_colour(c->cr, colour, 1);
	cairo_set_line_width(c->cr, 1.6);
	cairo_set_line_join(c->cr, CAIRO_LINE_JOIN_ROUND);
	cairo_stroke(c->cr);
}

static void
draw_all_series(struct chart *c)
{
	size_t s;

	cairo_save(c->cr);
	cairo_rectangle(
	    c->cr, c->plot.x, c->plot.y - 4, c->plot.w, c->plot.h + 5);
	cairo_clip(c->cr);
	for (s = c->count; s-- > 0;)
		draw_series(c, s, c->theme->series[s]);
	cairo_restore(c->cr);
}

static void
draw_key(struct chart *c, size_t s, double x, double y)
{
	draw_colour(c->cr, c->theme->series[s], 1);
	cairo_set_line_width(c->cr, 4);
	cairo_set_line_cap(c->cr, CAIRO_LINE_CAP_ROUND);
	cairo_move_to(c->cr, x + 2, y - 4);
	cairo_rel_line_to(c->cr, 10, 0);
	cairo_stroke(c->cr);
	cairo_set_line_cap(c->cr, CAIRO_LINE_CAP_BUTT);
	draw_colour(c->cr, c->theme->text, 1);
	draw_text(c->cr, x + 21, y, 0, c->subject->names[s]);
}

static void
draw_list(struct chart *c, double x, double y, double right)
{
	size_t s;

	draw_font(c->cr, 12, false);
	for (s = 0; s < c->count; s++) {
		if (x + 21 + draw_width(c->cr, c->subject->names[s]) > right)
			break;
		draw_key(c, s, x, y);
		x += 21 + draw_width(c->cr, c->subject->names[s]) + 18;
	}
}

static void
draw_table_row(struct chart *c, size_t s, struct box b, double y)
{
	char text[48];
	double sum, most;
	size_t i;

	sum = most = 0;
	for (i = 0; i < c->points; i++) {
		sum += c->values[s][i];
		most = fmax(most, c->values[s][i]);
	}
	draw_font(c->cr, 12, false);
	draw_key(c, s, b.x, y);
	format_value(c, sum / (double)c->points, text);
	draw_text(c->cr, b.x + b.w - 220, y, 1, text);
	format_value(c, most, text);
	draw_text(c->cr, b.x + b.w - 110, y, 1, text);
	format_value(c, c->values[s][c->points - 1], text);
	draw_text(c->cr, b.x + b.w, y, 1, text);
}

static void
draw_table(struct chart *c, struct box b)
{
	double y;
	size_t s;

	draw_font(c->cr, 12, true);
	draw_colour(c->cr, c->theme->series[5], 1);
	draw_text(c->cr, b.x, b.y + 15, 0, "Name");
	draw_text(c->cr, b.x + b.w - 220, b.y + 15, 1, "Mean");
	draw_text(c->cr, b.x + b.w - 110, b.y + 15, 1, "Max");
	draw_text(c->cr, b.x + b.w, b.y + 15, 1, "Last *");
	for (s = 0; s < c->count; s++) {
		y = b.y + 22 + 22 * (double)s;
		draw_colour(c->cr, c->theme->text, c->theme->grid);
		cairo_rectangle(c->cr, b.x, y, b.w, 1);
		cairo_fill(c->cr);
		draw_table_row(c, s, b, y + 16);
	}
}

static void
draw_title(struct chart *c, struct box b)
{
	char text[192];
	double width;

	cairo_save(c->cr);
	cairo_rectangle(c->cr, b.x, b.y, b.w - 8, b.h);
	cairo_clip(c->cr);
	draw_font(c->cr, 14, true);
	draw_colour(c->cr, c->theme->text, 1);
	draw_text(c->cr, b.x + 16, b.y + 25, 0, c->subject->title);
	width = draw_width(c->cr, c->subject->title);
	draw_font(c->cr, 12, false);
	draw_colour(c->cr, c->theme->text, c->theme->muted);
	if (c->view->kind == VIEW_DASHBOARD)
		snprintf(text, sizeof(text), "panel %d", c->panel);
	else
		snprintf(text, sizeof(text), "%s / panel %d", c->view->name,
		    c->panel);
	draw_text(c->cr, b.x + 16 + width + 12, b.y + 25, 0, text);
	cairo_restore(c->cr);
}

/* Leaves the plot's box in c; draws what is around it. */
static void
lay_out(struct chart *c, struct box b)
{
	char text[48];
	struct box legend;
	bool table;
	double ticks, left;

	draw_title(c, b);
	table = b.h >= 320 && b.w >= 520;
	legend.h = table ? 26 + 22 * (double)c->count : 24;
	legend = (struct box){ b.x + 16, b.y + b.h - legend.h - 8, b.w - 32,
		legend.h };
	c->plot.y = b.y + 46;
	c->plot.h = fmax(legend.y - c->plot.y - 32, 10);
	ticks = fmax(floor(c->plot.h / 34), 3);
	c->step = round_step(c->top / ticks);
	format_tick(c, floor(c->top / c->step) * c->step, text);
	draw_font(c->cr, 12, false);
	left = 16 + draw_width(c->cr, text) + 9;
	c->plot.x = b.x + left;
	c->plot.w = b.w - left - 16;
	if (table)
		draw_table(c, legend);
	else
		draw_list(c, legend.x, legend.y + 19, legend.x + legend.w);
}

/* 60 KiB of samples: not on a stack, and nothing here runs at the same time. */
static struct chart chart;

static struct chart *
chart_of(cairo_t *cr, const struct view *v, int panel)
{
	memset(&chart, 0, sizeof(chart));
	chart.cr = cr;
	chart.view = v;
	chart.theme = theme_of(v->light);
	chart.subject = subject_of(panel);
	chart.seed = panel_seed(v, panel);
	chart.panel = panel;
	chart.count = subject_count(chart.subject);
	return &chart;
}

void
panel_draw(cairo_t *cr, const struct view *v, int panel, struct box b)
{
	struct chart *c;

	c = chart_of(cr, v, panel);
	draw_card(cr, c->theme, b, v->kind == VIEW_DASHBOARD);
	sample(c, b.w);
	if (b.w >= 200 && b.h >= 120) {
		lay_out(c, b);
		draw_y_axis(c);
		draw_x_axis(c);
	} else {
		c->plot = b;
	}
	draw_all_series(c);
}

void
stat_draw(cairo_t *cr, const struct view *v, int panel, struct box b)
{
	char text[48];
	struct chart *c;
	unsigned colour;

	c = chart_of(cr, v, panel);
	draw_card(cr, c->theme, b, true);
	sample(c, b.w);
	c->plot =
	    (struct box){ b.x + 1, b.y + b.h * 0.55, b.w - 2, b.h * 0.45 - 1 };
	c->top *= 1.3;
	colour = c->theme->series[panel % 4];
	draw_series(c, c->count - 1, colour);
	draw_font(cr, 13, true);
	draw_colour(cr, c->theme->text, 1);
	draw_text(cr, b.x + 12, b.y + 23, 0, c->subject->title);
	format_value(c, c->values[c->count - 1][c->points - 1], text);
	draw_font(cr, fmin(b.h * 0.28, 36), true);
	draw_colour(cr, colour, 1);
	draw_text(cr, b.x + b.w / 2, b.y + b.h * 0.66, 0.5, text);
}
