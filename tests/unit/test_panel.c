/* SPDX-License-Identifier: Apache-2.0 */
/* The vectors are in urls.tsv: one row, one promise. */
#include "grafana/panel_url.h"

#include <stdlib.h>

#include "table.h"
#include "tap.h"

#define NAMES_MAX 1024

static struct settings settings;
static char *names[NAMES_MAX]; /* a test's name is read at its end */
static size_t name_count;

static const char *
name_of(const char *verdict, const char *phrase)
{
	char **name = &names[name_count++ % NAMES_MAX];

	free(*name);
	if (asprintf(name, "%s: %s", verdict, phrase) < 0)
		abort();
	return *name;
}

static void
configure(const char *grafana)
{
	char *value,
	    public_url[] = "GRAFANA_IMAGES_PUBLIC_URL=https://i.example/s";
	char *envp[3] = { public_url, NULL, NULL };
	bool ok;

	if (asprintf(&value, "GRAFANA_IMAGES_GRAFANA=%s", grafana) < 0)
		abort();
	envp[1] = value;
	settings_free(&settings);
	ok = settings_load(&settings, "/dev/null", envp, stdout);
	free(value);
	if (!ok) {
		printf("Bail out! urls.tsv: grafana\t%s\n", grafana);
		exit(1);
	}
}

static void
check_good(const struct panel *panel, char *const column[])
{
	char *target = table_text(column[2]), *link = table_text(column[3]);

	check_str(buf_str(&panel->target), target);
	check_str(buf_str(&panel->link), strcmp(link, "-") == 0 ? "" : link);
	/* what is logged ends before the query */
	check(panel->path_len == strcspn(target, "?"));
	check(panel->origin >= settings.grafana &&
	      panel->origin < settings.grafana + settings.grafana_count);
	if (panel->link.len > 0 && panel->origin != NULL)
		check(strncmp(panel->link.bytes, panel->origin->url,
			  strlen(panel->origin->url)) == 0);
	free(target);
	free(link);
}

static void
check_row(const struct table *t)
{
	char *url = table_text(t->column[1]);
	struct problem p = { 0 };
	struct panel panel;
	enum outcome o;

	test (name_of(t->column[0], t->column[4])) {
		o = panel_check(&panel, url, &settings, &p);
		check_str(
		    o == OUTCOME_OK ? "saved" : outcome_word(o), t->column[0]);
		if (o == OUTCOME_OK)
			check_good(&panel, t->column);
		else if (check(*p.why != '\0'))
			/* what is wrong, and what to do */
			check(strstr(p.why, ". ") != NULL);
		if (!tap_held)
			printf("#   urls.tsv:%u: %s\n", t->number,
			    strlen(t->column[1]) < 300 ? t->column[1] : "");
		panel_free(&panel);
		panel_free(&panel);
	}
	free(url);
}

static const char *
why(const char *url)
{
	static struct problem p;
	struct panel panel;

	panel_check(&panel, url, &settings, &p);
	panel_free(&panel);
	return p.why;
}

/* Sentences that name a way out; their words may change, these not. */
static void
advice(void)
{
	configure("https://g.example/x");
	test ("a short link's refusal says to open it and copy what shows") {
		check(strstr(why("https://g.example/x/goto/K"),
			  "copy the address") != NULL);
	}
	test ("a snapshot's refusal says which address to copy instead") {
		check(strstr(why("https://g.example/x/dashboard/snapshot/K"),
			  "/d/") != NULL);
		check(strstr(why("https://g.example/x/public-dashboards/K"),
			  "/d/") != NULL);
	}
	test ("another page's refusal says which address to copy instead") {
		check(strstr(why("https://g.example/x/explore"), "/d-solo/") !=
		      NULL);
	}
	test ("a solo address's refusal says what to add") {
		check(strstr(why("https://g.example/x/d-solo/U"), "panelId=") !=
		      NULL);
	}
	test ("another host's refusal names the setting to compare with") {
		check(strstr(why("https://h.example/x/d/U"), "\"grafana\"") !=
		      NULL);
	}
}

int
main(void)
{
	struct table t;
	int status;

	if (!table_open(&t, "urls.tsv"))
		return 1;
	while (table_next(&t))
		if (strcmp(t.column[0], "grafana") == 0)
			configure(t.column[1]);
		else
			check_row(&t);
	test ("the table holds what it should: at least 150 rows") {
		check(name_count >= 150 && name_count <= NAMES_MAX);
	}
	table_close(&t);
	advice();
	settings_free(&settings);
	status = tap_done();
	for (name_count = 0; name_count < NAMES_MAX; name_count++)
		free(names[name_count]);
	return status;
}
