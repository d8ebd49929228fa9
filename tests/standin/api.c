/* SPDX-License-Identifier: Apache-2.0 */
#include "api.h"

#include <stdio.h>
#include <string.h>

#include "reply.h"
#include "request.h"
#include "series.h"
#include "settings.h"
#include "view.h"

enum { PANELS = 8 };

#define JSON "application/json"

static const struct {
	const char *uid, *slug, *title, *tag;
} dashboards[] = {
	{ "overview", "production-overview", "Production overview",
	    "production" },
	{ "web", "web-servers", "Web servers", "production" },
	{ "database", "database", "Database", "production" },
	{ "staging", "staging-overview", "Staging overview", "staging" },
	{ "many25", "everything", "Everything", "staging" },
};

enum { DASHBOARDS = sizeof(dashboards) / sizeof(dashboards[0]) };

static size_t
dashboard_find(const char *uid)
{
	size_t i;

	for (i = 0; i < DASHBOARDS; i++)
		if (strcmp(uid, dashboards[i].uid) == 0 ||
		    strcmp(uid, dashboards[i].slug) == 0)
			break;
	return i;
}

const char *
dashboard_title(const char *uid)
{
	size_t i;

	i = dashboard_find(uid);
	return i < DASHBOARDS ? dashboards[i].title : NULL;
}

int
dashboard_panels(const char *uid)
{
	long n;

	if (strcmp(uid, "missing") == 0)
		return 0;
	if (strncmp(uid, "many", 4) == 0 && number_parse(uid + 4, &n) &&
	    n > 0 && n <= VIEW_PANELS_MOST)
		return (int)n;
	return PANELS;
}

static void
json_string(struct buf *b, const char *text)
{
	json_text(b, text, strlen(text));
}

static void
search(struct reply *r, struct span query)
{
	char wanted[64], tag[64];
	size_t i;

	query_get(query, "query", wanted, sizeof(wanted));
	query_get(query, "tag", tag, sizeof(tag));
	buf_puts(&r->own, "[");
	for (i = 0; i < DASHBOARDS; i++) {
		if (strcasestr(dashboards[i].title, wanted) == NULL ||
		    (tag[0] != '\0' && strcmp(dashboards[i].tag, tag) != 0))
			continue;
		buf_printf(&r->own,
		    "%s{\"id\": %zu, \"uid\": \"%s\", \"title\": \"%s\", "
		    "\"uri\": \"db/%s\", \"url\": \"%s/d/%s/%s\", "
		    "\"slug\": \"%s\", \"type\": \"dash-db\", "
		    "\"tags\": [\"%s\"], \"isStarred\": false}",
		    r->own.len > 1 ? ",\n" : "", i + 1, dashboards[i].uid,
		    dashboards[i].title, dashboards[i].slug, settings.sub_path,
		    dashboards[i].uid, dashboards[i].slug, dashboards[i].slug,
		    dashboards[i].tag);
	}
	buf_puts(&r->own, "]\n");
	reply_own(r, 200, JSON);
}

/* Of a dashboard without a name of its own one panel is repeated: it has as
 * many as are asked for. */
static void
add_panels(struct buf *b, int count, bool named)
{
	int i;

	buf_puts(b, "\"panels\": [");
	for (i = 1; i <= count; i++)
		buf_printf(b,
		    "%s{\"id\": %d, %s\"title\": \"%s\", "
		    "\"type\": \"timeseries\", \"gridPos\": "
		    "{\"x\": %d, \"y\": %d, \"w\": 12, \"h\": 8}}",
		    i == 1 ? "" : ",\n", i,
		    i == 1 && !named ? "\"repeat\": \"server\", " : "",
		    subject_of(i)->title, (i - 1) % 2 * 12, (i - 1) / 2 * 8);
	buf_puts(b, "]");
}

/* The answer in a file of that name and kind; false: there is none. */
static bool
answer_from(struct reply *r, const char *name, const char *kind)
{
	char path[4096], piece[65536];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s/%s.%s", settings.answers, name, kind);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		buf_add(&r->own, piece, n);
	fclose(f);
	return true;
}

/* NAME.STATUS in the folder of --answers, or NAME.hang. */
static bool
answer_of_folder(struct reply *r, const char *name)
{
	static const int statuses[] = { 200, 302, 400, 401, 403, 404, 429, 500,
		502, 503 };
	char kind[8];
	size_t i;

	if (settings.answers == NULL || strchr(name, '/') != NULL)
		return false;
	if (answer_from(r, name, "hang")) {
		r->start = START_NEVER;
		reply_own(r, 200, JSON);
		return true;
	}
	for (i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		snprintf(kind, sizeof(kind), "%d", statuses[i]);
		if (!answer_from(r, name, kind))
			continue;
		reply_own(r, statuses[i],
		    r->own.len > 0 && r->own.bytes[0] == '<' ? "text/html"
							     : JSON);
		return true;
	}
	return false;
}

static void
dashboard(struct reply *r, struct span name)
{
	const char *title, *slug;
	char uid[64];
	size_t known;

	span_decode(name, uid, sizeof(uid));
	tally.dashboards++;
	if (answer_of_folder(r, uid))
		return;
	if (dashboard_panels(uid) == 0) {
		reply_text(
		    r, 404, JSON, "{\"message\":\"Dashboard not found\"}");
		return;
	}
	known = dashboard_find(uid);
	title = known < DASHBOARDS ? dashboards[known].title : uid;
	slug = known < DASHBOARDS ? dashboards[known].slug : uid;
	buf_puts(&r->own, "{\"meta\": {\"type\": \"db\", \"slug\": ");
	json_string(&r->own, slug);
	buf_puts(&r->own, "},\n\"dashboard\": {\"uid\": ");
	json_string(&r->own, known < DASHBOARDS ? dashboards[known].uid : uid);
	buf_puts(&r->own, ", \"title\": ");
	json_string(&r->own, title);
	buf_puts(&r->own,
	    ", \"tags\": [], \"timezone\": \"\", \"schemaVersion\": 41,\n"
	    "\"time\": {\"from\": \"now-6h\", \"to\": \"now\"},\n"
	    "\"templating\": {\"list\": [{\"name\": \"server\", "
	    "\"type\": \"custom\", "
	    "\"current\": {\"text\": \"web-1\", \"value\": \"web-1\"}, "
	    "\"options\": []}]},\n");
	add_panels(&r->own, dashboard_panels(uid), known < DASHBOARDS);
	buf_puts(&r->own, "}}\n");
	reply_own(r, 200, JSON);
}

static void
frontend_settings(struct reply *r)
{
	tally.frontend_settings++;
	if (!answer_of_folder(r, "frontend-settings"))
		reply_text(r, 200, JSON,
		    "{\"buildInfo\": {\"version\": \"12.3.0\"}, "
		    "\"rendererAvailable\": true, "
		    "\"rendererVersion\": \"5.12.0\"}");
}

void
api_health(struct reply *r)
{
	reply_text(r, 200, JSON,
	    "{\"database\": \"ok\", \"version\": \"12.3.0\", "
	    "\"commit\": \"standin\"}");
}

void
api_answer(struct reply *r, const struct request *request, struct span rest)
{
	if (span_is(rest, "search"))
		search(r, request->query);
	else if (span_is(rest, "user"))
		reply_text(r, 200, JSON,
		    "{\"id\": 2, \"login\": \"sa-standin\", "
		    "\"name\": \"standin\", \"orgId\": 1}");
	else if (span_is(rest, "org"))
		reply_text(
		    r, 200, JSON, "{\"id\": 1, \"name\": \"Main Org.\"}");
	else if (span_is(rest, "frontend/settings"))
		frontend_settings(r);
	else if (span_skip(&rest, "dashboards/uid/") ||
		 span_skip(&rest, "dashboards/db/"))
		dashboard(r, rest);
	else
		reply_text(r, 404, JSON, "{\"message\":\"Not found\"}");
}
