/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIEW_H
#define VIEW_H

#include <stdbool.h>
#include <stdint.h>

struct picture;

enum view_kind {
	VIEW_PANEL,
	VIEW_DASHBOARD,
	VIEW_NOTE, /* Grafana's own error page: name is its text */
	VIEW_NO_RENDERER,
	VIEW_TOO_MANY,
};

/*
 * Everything that changes a picture, and nothing else.  Zero all of it first:
 * the cache compares the bytes.
 */
struct view {
	enum view_kind kind;
	char name[128]; /* of the dashboard: its slug, else its UID */
	char uid[64];
	int panel;
	int panels; /* of a dashboard */
	int width, height;
	int scale_percent;
	bool light;
	int64_t from, to; /* seconds since 1970 */
	char zone[64];
};

enum { VIEW_PANELS_MOST = 200, VIEW_FULL_HEIGHT = 1200 };

/* Drawn anew, or NULL when there is no memory. */
struct picture *view_draw(const struct view *);

/* The same out of the cache, drawn when it is not there; for the caller to
 * picture_drop(). */
struct picture *cache_picture(const struct view *);
void cache_free(void);

#endif
