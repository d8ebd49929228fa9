/* SPDX-License-Identifier: Apache-2.0 */
/* The vectors are in urls.tsv: one row, one promise. */
#include "grafana/panel_url.h"

#include <stdlib.h>

#include "table.h"
#include "tap.h"

#define NAMES_MAX 2048

/* The moment of all requests here: 2026-11-28T16:00:00Z. */
#define NOW_UNIX_MS 1795881600000

/* What must not be in a sentence, nor in what is logged of a panel. */
#define CANARY "CANARY7f3a"

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
configure(const char *grafana, const char *tz)
{
	char public_url[] = "GRAFANA_IMAGES_PUBLIC_URL=https://i.example/s";
	char *envp[4] = { public_url, NULL, NULL, NULL };
	bool ok;

	if (asprintf(&envp[1], "GRAFANA_IMAGES_GRAFANA=%s", grafana) < 0 ||
	    asprintf(&envp[2], "GRAFANA_IMAGES_TZ=%s", tz) < 0)
		abort();
	settings_free(&settings);
	ok = settings_load(&settings, "/dev/null", envp, stdout);
	free(envp[1]);
	free(envp[2]);
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
	check(panel->short_link == (strncmp(target, "/goto/", 6) == 0));
	if (panel->link.len > 0 && panel->origin != NULL)
		check(strncmp(panel->link.bytes, panel->origin->url,
			  strlen(panel->origin->url)) == 0);
	free(target);
	free(link);
}

static const char *
verdict_of(enum outcome o, const struct panel *panel)
{
	if (o != OUTCOME_OK)
		return outcome_word(o);
	return panel->short_link ? "short" : "saved";
}

/* Nothing of the query, whatever became of the address. */
static void
check_silence(const char *url)
{
	struct problem p = { 0 };
	struct panel panel;

	panel_check(&panel, url, &settings, NOW_UNIX_MS, &p);
	check(strstr(p.why, CANARY) == NULL);
	check(memmem(buf_str(&panel.target), panel.path_len, CANARY,
		  strlen(CANARY)) == NULL);
	if (!tap_held)
		printf("#   %s\n#   %s\n", url, p.why);
	panel_free(&panel);
}

/* The canary as a parameter at the end, and after every byte that begins a
 * query, a parameter or a fragment. */
static void
check_no_leak(const char *url)
{
	static const char *const begins[] = { "?", "&", "%3F", "%26", "#", ";",
		"=", "&amp;", "@" };
	const char *p = url;
	char *with;
	size_t i;

	if (strlen(url) > 1000)
		return;
	for (i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		if (asprintf(&with, "%s%sauth_token=" CANARY, url, begins[i]) <
		    0)
			abort();
		check_silence(with);
		free(with);
	}
	while ((p = strpbrk(p, "?&#;=")) != NULL) {
		p++;
		if (asprintf(
			&with, "%.*s" CANARY "%s", (int)(p - url), url, p) < 0)
			abort();
		check_silence(with);
		free(with);
	}
}

static void
check_row(const struct table *t)
{
	char *url = table_text(t->column[1]);
	struct problem p = { 0 };
	struct panel panel;
	enum outcome o;

	test (name_of(t->column[0], t->column[4])) {
		o = panel_check(&panel, url, &settings, NOW_UNIX_MS, &p);
		check_str(verdict_of(o, &panel), t->column[0]);
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
	test (name_of("nothing of its query is said or logged", t->column[4])) {
		check_no_leak(url);
	}
	free(url);
}

static const char *
why(const char *url)
{
	static struct problem p;
	struct panel panel;

	panel_check(&panel, url, &settings, NOW_UNIX_MS, &p);
	panel_free(&panel);
	return p.why;
}

/* Sentences that name a way out; their words may change, these not. */
static const struct {
	const char *url, *says, *phrase;
} sentences[] = {
	{ "https://g.example/x/render/goto/K", "short link",
	    "a short link with /render before it is called one" },
	{ "https://g.example/x/dashboard/snapshot/K", "/d/",
	    "a snapshot's refusal says which address to copy instead" },
	{ "https://g.example/x/public-dashboards/K", "/d/",
	    "a public dashboard's says it too" },
	{ "https://g.example/x/explore", "/d-solo/",
	    "another page's refusal says which address to copy instead" },
	{ "https://g.example/x/explore?left=a",
	    "https://g.example/x/explore is not",
	    "another page's refusal names the page, without its query" },
	{ "https://g.example/x/d-solo/U",
	    "panelId=", "a solo address's refusal says what to add" },
	{ "https://h.example/x/d/U",
	    "This service does not serve https://h.example/x/d/U. It serves "
	    "https://g.example/x.",
	    "another host's refusal says what was asked, and what is served" },
	{ "http://g.example/x/d/U",
	    "This service does not serve http://g.example/x/d/U. It serves "
	    "https://g.example/x.",
	    "another scheme's says both schemes" },
	{ "https://g.example:8443/x/d/U",
	    "This service does not serve https://g.example:8443/x/d/U.",
	    "another port's says the port" },
	{ "https://g.example/d/U",
	    "This service does not serve https://g.example/d/U. It serves "
	    "https://g.example/x.",
	    "another path's says both paths" },
	{ "ftp://g.example/x/d/U", "serve ftp://g.example/x/d/U.",
	    "a scheme that is none of ours is said" },
	{ "https://me:pw@h.example/x/d/U",
	    "of https://h.example/x/d/U has a user",
	    "a user and a password are not said, but that there are" },
	{ "https://me:1/2@h.example/x/d/U", "serve https://me.",
	    "half of a password is no port" },
	{ "https://h.example&token=t/x", "https://h.example..., has a char",
	    "a host ends where it is none any more" },
	{ "https://h.example/hook/%2e/t", "https://h.example/hook/....",
	    "a path is said up to its first escape" },
	{ "https://g.example/x/public-dashboards/0123",
	    "https://g.example/x/public-dashboards/ is",
	    "the key of a public dashboard is not said" },
	{ "https://g.example/x/dashboard/snapshot/0123",
	    "https://g.example/x/dashboard/snapshot/ is",
	    "the key of a snapshot is not said" },
	{ "https://g.example/x/d//U",
	    "of https://g.example/x/d//U has an empty",
	    "a dotted path's refusal names the path" },
	{ "https://g.example/x/d/U/n&viewPanel=5", "\"?\"",
	    "an address without \"?\" is told so" },
	{ "https://g.example/x/d/U?var-a=#b&viewPanel=5", "%23",
	    "an address with \"#\" in a variable is told how to write it" },
	{ "https://g.example/x/d/U?viewPanel=NaN", "template",
	    "a panel that cannot be is told where it may come from" },
	{ "https://g.example/x/d/U?viewPanel={{.Labels.secret}}",
	    "panel-NUMBER", "what a panel should look like is said" },
};

static void
advice(void)
{
	size_t i;

	configure("https://g.example/x", "");
	for (i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++)
		test (sentences[i].phrase) {
			check(strstr(why(sentences[i].url),
				  sentences[i].says) != NULL);
			if (!tap_held)
				printf("#   %s\n", why(sentences[i].url));
		}
	test ("of many Grafanas as many are said as fit, whole") {
		configure("https://a.example, https://b.example, "
			  "https://\
ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc.example/\
cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc\
cccccccccccccccccccccccccccccccccccccccccccccccccccc",
		    "");
		check(strstr(why("https://h.example/d/U"),
			  "It serves https://a.example, https://b.example, and "
			  "others.") != NULL);
	}
}

/* What Grafana's API is asked by. */
static const struct {
	const char *url, *uid, *number, *org_id, *phrase;
	bool one_panel;
} api[] = {
	{ "https://g.example/d/U-1_z/s?viewPanel=panel-5&orgId=2", "U-1_z", "5",
	    "2", "UID, panel and organisation are there by themselves", true },
	{ "https://g.example/d/U?orgId=2&orgId=3", "U", "", "2",
	    "of two organisations the first counts, as for Grafana", false },
	{ "https://g.example/d/U?orgId=&orgId=3", "U", "", "",
	    "an empty organisation is none", false },
	{ "https://g.example/d/U?orgId=0", "U", "", "",
	    "organisation 0 is none", false },
	{ "https://g.example/d/U?orgId=1%0d%0aX-Evil:%201", "U", "", "",
	    "an organisation that is no number is none", false },
	{ "https://g.example/d/U?orgId=12345678901234567890", "U", "", "",
	    "an organisation with too many digits is none", false },
	{ "https://g.example/d/U?viewPanel=A$panel-5", "U", "", "",
	    "a repeated panel has more than a number", true },
	{ "https://g.example/d/U?viewPanel=panel-1-clone-2%2Fpanel-7-clone-0",
	    "U", "", "", "nor has a panel in a repeated row", true },
	{ "https://g.example/d/U?viewPanel=0", "U", "0", "", "panel 0 is one",
	    true },
	{ "https://g.example/dashboard/db/s?panelId=5&fullscreen&orgId=1", "",
	    "5", "1", "a dashboard of Grafana before 8 has no UID", true },
	{ "https://g.example/goto/K?orgId=4&x=1", "", "", "4",
	    "a short link has an organisation only", false },
};

static void
known_to_the_api(void)
{
	struct problem p = { 0 };
	struct panel panel;
	size_t i;

	configure("https://g.example", "");
	for (i = 0; i < sizeof(api) / sizeof(api[0]); i++)
		test (api[i].phrase) {
			check(panel_check(&panel, api[i].url, &settings,
				  NOW_UNIX_MS, &p) == OUTCOME_OK);
			check_str(panel.uid, api[i].uid);
			check_str(panel.number, api[i].number);
			check_str(panel.org_id, api[i].org_id);
			check(panel.one_panel == api[i].one_panel);
			panel_free(&panel);
		}
	test ("the link can have the times of another request") {
		check(
		    panel_check(&panel,
			"https://g.example/d/U?viewPanel=1&from=now-1h&to=now",
			&settings, NOW_UNIX_MS, &p) == OUTCOME_OK);
		check(panel_recount(&panel, &settings, NOW_UNIX_MS - 5000));
		check_str(buf_str(&panel.link),
		    "https://g.example/d/U?viewPanel=1&from=1795877995000"
		    "&to=1795881595000");
		check_str(buf_str(&panel.target),
		    "/render/d-solo/U?panelId=1&from=now-1h&to=now&width=1000"
		    "&height=500&hideLogo=true");
		panel_free(&panel);
	}
	test ("the organisation goes into a header for users, not for tokens") {
		check(panel_check(&panel, api[0].url, &settings, NOW_UNIX_MS,
			  &p) == OUTCOME_OK);
		check_str(panel_org_id(&panel, "Basic dTpw"), "2");
		check(panel_org_id(&panel, "Bearer glsa_x") == NULL);
		*panel.org_id = '\0';
		check(panel_org_id(&panel, "Basic dTpw") == NULL);
		panel_free(&panel);
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
			configure(t.column[1], "");
		else if (strcmp(t.column[0], "tz") == 0)
			configure(settings.grafana->url, t.column[1]);
		else
			check_row(&t);
	test ("the table holds what it should: at least 400 rows") {
		check(name_count >= 800 && name_count <= NAMES_MAX);
	}
	table_close(&t);
	advice();
	known_to_the_api();
	settings_free(&settings);
	status = tap_done();
	for (name_count = 0; name_count < NAMES_MAX; name_count++)
		free(names[name_count]);
	return status;
}
