/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DRAW_H
#define DRAW_H

#include <cairo.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct view;

struct box {
	double x, y, w, h;
};

/* Colours as 0xRRGGBB. */
struct theme {
	unsigned canvas, panel, text;
	unsigned series[8];
	double border, grid, muted; /* how much of "text" they have */
};

const struct theme *theme_of(bool light);

void draw_colour(cairo_t *, unsigned colour, double alpha);
void draw_font(cairo_t *, double size, bool bold);
double draw_width(cairo_t *, const char *text);

/* Baseline at y; align is 0 for left of x, 0.5 for centred, 1 for right. */
void draw_text(cairo_t *, double x, double y, double align, const char *text);
void draw_card(cairo_t *, const struct theme *, struct box, bool border);

enum time_style {
	TIME_SECOND, /* 15:04:05 */
	TIME_MINUTE, /* 15:04 */
	TIME_DAY_MINUTE,
	TIME_DAY,
	TIME_MONTH,
	TIME_WHOLE, /* 2006-01-02 15:04 */
};

/* In the zone that TZ says. */
void draw_time(int64_t seconds, enum time_style, char out[32]);

/* One time series panel, of all sizes from tiny to huge. */
void panel_draw(cairo_t *, const struct view *, int panel, struct box);

/* One big number above a small line. */
void stat_draw(cairo_t *, const struct view *, int panel, struct box);

uint64_t panel_seed(const struct view *, int panel);

#endif
