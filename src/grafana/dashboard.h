/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DASHBOARD_H
#define DASHBOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/*
 * Which panels does a dashboard have?
 *
 * Reads what Grafana answers to GET /api/dashboards/uid/UID, in all forms that
 * Grafana 4 to 13 has:
 *
 *	{"dashboard": {"panels": [{"id": 1, "title": "CPU"},
 *	    {"type": "row", "id": 2, "panels": [{"id": 3, …}]}]}}     since 5
 *	{"dashboard": {"rows": [{"panels": [{"id": 1, …}]}]}}          before 5
 *	{"dashboard": {"elements": {"panel-1": {"kind": "Panel",
 *	    "spec": {"id": 1, "title": "CPU"}}}}}                      v2
 *
 * and in each of them with "spec" in the place of "dashboard", or inside of it.
 *
 * Hermetic, and reads in place: a tree of 16 MiB would take gigabytes.
 */
#define DASHBOARD_BYTES_MAX ((size_t)16 * 1024 * 1024)

/* Of panels that are known by number; a dashboard with more gets no verdict. */
#define DASHBOARD_PANELS_MAX 65536

/* What of a dashboard is worth knowing.  It never changes once it is read, and
 * threads share it: each owner has a reference of its own. */
struct dashboard;

/* The reference is the caller's.  NULL when there is no memory. */
struct dashboard *dashboard_read(const char *json, size_t len);

struct dashboard *dashboard_ref(struct dashboard *);
void dashboard_unref(struct dashboard *); /* NULL is none */

/*
 * Is it certain that no panel has that number?  "panel" is the value of
 * panelId: only plain numbers are ever certain, repeated panels have other
 * names.  False where the text was no JSON, the form is not known, a panel has
 * no number or two have the same (Grafana gives them new ones), or something
 * in the dashboard is repeated.
 */
bool dashboard_lacks(const struct dashboard *, const char *panel, size_t len);

/*
 * The first panels that it has, for people: 1 "CPU", 2 "Memory" …; at most
 * DASHBOARD_LISTED of them.  "no panels" when it has none.  UTF-8 without
 * controls.
 */
#define DASHBOARD_LISTED 10
void dashboard_list(const struct dashboard *, struct buf *);

/* How many panels are known by number. */
size_t dashboard_panels(const struct dashboard *);

#endif
