/* SPDX-License-Identifier: Apache-2.0 */
#include "draw.h"

#include <math.h>
#include <time.h>

static const struct theme dark = {
	.canvas = 0x111217,
	.panel = 0x181b1f,
	.text = 0xccccdc,
	.series = { 0x73bf69, 0xf2cc0c, 0x5794f2, 0xff9830, 0xb877d9, 0x8ab8ff,
	    0xf2495c, 0x56d9c9 },
	.border = 0.12,
	.grid = 0.09,
	.muted = 0.65,
};

static const struct theme light = {
	.canvas = 0xf4f5f5,
	.panel = 0xffffff,
	.text = 0x24292e,
	.series = { 0x56a64b, 0xe0b400, 0x3274d9, 0xff780a, 0x8f3bb8, 0x1f60c4,
	    0xe02f44, 0x1aa295 },
	.border = 0.14,
	.grid = 0.10,
	.muted = 0.70,
};

const struct theme *
theme_of(bool is_light)
{
	return is_light ? &light : &dark;
}

void
draw_colour(cairo_t *cr, unsigned colour, double alpha)
{
	cairo_set_source_rgba(cr, (colour >> 16 & 255) / 255.0,
	    (colour >> 8 & 255) / 255.0, (colour & 255) / 255.0, alpha);
}

void
draw_font(cairo_t *cr, double size, bool bold)
{
	cairo_select_font_face(cr, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL,
	    bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
	cairo_set_font_size(cr, size);
}

double
draw_width(cairo_t *cr, const char *text)
{
	cairo_text_extents_t e;

	cairo_text_extents(cr, text, &e);
	return e.x_advance;
}

void
draw_text(cairo_t *cr, double x, double y, double align, const char *text)
{
	cairo_move_to(cr, floor(x - align * draw_width(cr, text)), floor(y));
	cairo_show_text(cr, text);
}

void
draw_card(cairo_t *cr, const struct theme *theme, struct box b, bool border)
{
	double r;

	r = border ? 3 : 0;
	cairo_new_sub_path(cr);
	cairo_arc(cr, b.x + b.w - r, b.y + r, r, -M_PI_2, 0);
	cairo_arc(cr, b.x + b.w - r, b.y + b.h - r, r, 0, M_PI_2);
	cairo_arc(cr, b.x + r, b.y + b.h - r, r, M_PI_2, M_PI);
	cairo_arc(cr, b.x + r, b.y + r, r, M_PI, 1.5 * M_PI);
	cairo_close_path(cr);
	draw_colour(cr, theme->panel, 1);
	cairo_fill_preserve(cr);
	if (border) {
		draw_colour(cr, theme->text, theme->border);
		cairo_set_line_width(cr, 1);
		cairo_stroke(cr);
	}
	cairo_new_path(cr);
}

void
draw_time(int64_t seconds, enum time_style style, char out[32])
{
	struct tm tm;
	time_t t;

	t = (time_t)seconds;
	out[0] = '\0';
	if (localtime_r(&t, &tm) == NULL)
		return;
	switch (style) {
	case TIME_SECOND:
		(void)strftime(out, 32, "%H:%M:%S", &tm);
		break;
	case TIME_MINUTE:
		(void)strftime(out, 32, "%H:%M", &tm);
		break;
	case TIME_DAY_MINUTE:
		(void)strftime(out, 32, "%m/%d %H:%M", &tm);
		break;
	case TIME_DAY:
		(void)strftime(out, 32, "%m/%d", &tm);
		break;
	case TIME_MONTH:
		(void)strftime(out, 32, "%Y-%m", &tm);
		break;
	case TIME_WHOLE:
		(void)strftime(out, 32, "%Y-%m-%d %H:%M", &tm);
		break;
	}
}
