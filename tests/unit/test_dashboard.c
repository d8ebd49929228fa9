/* SPDX-License-Identifier: Apache-2.0 */
#include "grafana/answer.h"
#include "grafana/dashboard.h"

#include <stdlib.h>
#include <string.h>

#include "tap.h"

static bool
lacks_in(const char *json, size_t len, const char *panel)
{
	struct dashboard *d = dashboard_read(json, len);
	bool lacks = d == NULL || dashboard_lacks(d, panel, strlen(panel));

	dashboard_unref(d);
	return lacks;
}

static bool
lacks(const char *json, const char *panel)
{
	return lacks_in(json, strlen(json), panel);
}

#define CLASSIC(panels)                                                        \
	"{\"meta\": {}, \"dashboard\": {\"id\": 77, \"panels\": [" panels      \
	"], \"templating\": {\"list\": [{\"id\": 78}]}}}"

/* A dashboard that has panels 1 and 3 and certainly no 9, in each form. */
static const struct {
	const char *name, *json;
} forms[] = {
	{ "panels in a list",
	    CLASSIC("{\"id\": 1, \"title\": \"CPU\"}, {\"id\": 3}") },
	{ "the members of a panel in any order, and panels in its queries",
	    CLASSIC("{\"targets\": [{\"id\": 9, \"panels\": [{\"id\": 9}]}], "
		    "\"id\": 1}, {\"x\": {\"id\": 9}, \"id\": 3}") },
	{ "a row that is open",
	    CLASSIC("{\"type\": \"row\", \"id\": 2, \"panels\": []}, "
		    "{\"id\": 1}, {\"id\": 3}") },
	{ "a row that is collapsed",
	    CLASSIC("{\"id\": 1}, {\"type\": \"row\", \"id\": 2, "
		    "\"collapsed\": true, \"panels\": [{\"id\": 3}]}") },
	{ "a library panel",
	    CLASSIC("{\"id\": 1, \"libraryPanel\": {\"uid\": \"x\", \"name\": "
		    "\"y\"}}, {\"id\": 3}") },
	{ "a variable that repeats nothing",
	    CLASSIC("{\"id\": 1, \"repeat\": null}, {\"id\": 3, \"repeat\": "
		    "\"\"}") },
	{ "the rows of before 5",
	    "{\"dashboard\": {\"rows\": [{\"panels\": [{\"id\": 1}]}, "
	    "{\"title\": \"x\", \"panels\": [{\"id\": 3}]}]}}" },
	{ "elements",
	    "{\"dashboard\": {\"elements\": {\"panel-1\": {\"kind\": "
	    "\"Panel\", \"spec\": {\"id\": 1, \"title\": \"CPU\"}}, "
	    "\"other\": {\"kind\": \"LibraryPanel\", \"spec\": {\"id\": "
	    "3}}}, \"layout\": {\"kind\": \"GridLayout\"}}}" },
	{ "elements below spec",
	    "{\"kind\": \"Dashboard\", \"metadata\": {}, \"spec\": "
	    "{\"elements\": {\"a\": {\"spec\": {\"id\": 1}}, \"b\": "
	    "{\"spec\": {\"id\": 3}}}}}" },
	{ "spec in a dashboard",
	    "{\"dashboard\": {\"kind\": \"DashboardV2\", \"spec\": "
	    "{\"elements\": {\"a\": {\"spec\": {\"id\": 1}}, \"b\": "
	    "{\"spec\": {\"id\": 3}}}}}}" },
	{ "escapes in its names",
	    "{\"d\\u0061shboard\": {\"panel\\u0073\": [{\"i\\u0064\": 1}, "
	    "{\"id\": 3}]}}" },
};

static void
known_forms(void)
{
	size_t i;

	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		test (forms[i].name) {
			check(!lacks(forms[i].json, "1"));
			check(!lacks(forms[i].json, "3"));
			check(!lacks(forms[i].json, "003"));
			check(lacks(forms[i].json, "9"));
			check(lacks(forms[i].json, "0"));
			check(lacks(forms[i].json, "77"));
			check(lacks(forms[i].json, "12345678901234567890"));
		}
	}
	test ("an empty dashboard has no panel") {
		check(lacks("{\"dashboard\": {\"panels\": []}}", "1"));
	}
	test ("panel names that are no numbers have no verdict") {
		check(!lacks(forms[0].json, "A$panel-9"));
		check(!lacks(forms[0].json, "panel-9-clone-1"));
		check(!lacks(forms[0].json, ""));
		check(!lacks(forms[0].json, "-9"));
		check(!lacks(forms[0].json, "9.5"));
	}
}

/* Nothing is certain of these, however their panels are numbered. */
static const struct {
	const char *name, *json;
} uncertain[] = {
	{ "no JSON", "<!DOCTYPE html><title>Log in</title>" },
	{ "nothing", "" },
	{ "half a dashboard", "{\"dashboard\": {\"panels\": [{\"id\": 1}]" },
	{ "something behind it", CLASSIC("{\"id\": 1}") "x" },
	{ "an array", "[]" },
	{ "an object of another kind", "{\"message\": \"ok\"}" },
	{ "a dashboard without a list of panels",
	    "{\"dashboard\": {\"title\": \"x\"}}" },
	{ "a list of panels that is none",
	    "{\"dashboard\": {\"panels\": {\"id\": 1}}}" },
	{ "two lists of panels",
	    "{\"dashboard\": {\"panels\": [], \"panels\": []}}" },
	{ "two dashboards",
	    "{\"dashboard\": {\"panels\": []}, \"spec\": {\"panels\": []}}" },
	{ "a panel without a number", CLASSIC("{\"title\": \"x\"}") },
	{ "a panel that is no object", CLASSIC("null") },
	{ "a panel with two numbers", CLASSIC("{\"id\": 1, \"id\": 2}") },
	{ "a panel whose number is a string", CLASSIC("{\"id\": \"1\"}") },
	{ "a panel whose number is a fraction", CLASSIC("{\"id\": 1.5}") },
	{ "a panel whose number is negative", CLASSIC("{\"id\": -1}") },
	{ "a panel whose number is huge", CLASSIC("{\"id\": 4294967296}") },
	{ "two panels with one number", CLASSIC("{\"id\": 1}, {\"id\": 1}") },
	{ "panels in panels of a row",
	    CLASSIC("{\"id\": 1, \"panels\": [{\"id\": 2, \"panels\": "
		    "[{\"id\": 3}]}]}") },
	{ "a panel that is repeated",
	    CLASSIC("{\"id\": 1, \"repeat\": \"host\"}") },
	{ "a row that is repeated",
	    CLASSIC("{\"id\": 1, \"type\": \"row\", \"repeat\": \"host\", "
		    "\"panels\": [{\"id\": 2}]}") },
	{ "a layout that repeats",
	    "{\"dashboard\": {\"elements\": {\"a\": {\"spec\": {\"id\": 1}}}, "
	    "\"layout\": {\"spec\": {\"items\": [{\"spec\": {\"repeat\": "
	    "{\"mode\": \"variable\", \"value\": \"h\"}}}]}}}}" },
	{ "an element without a number",
	    "{\"dashboard\": {\"elements\": {\"a\": {\"spec\": {}}}}}" },
	{ "an element whose name is that of another panel",
	    "{\"dashboard\": {\"elements\": {\"panel-9\": {\"spec\": "
	    "{\"id\": 1}}}}}" },
};

static char *
repeated(const char *begin, const char *middle, size_t times, const char *end)
{
	size_t len = strlen(middle), at = strlen(begin), i;
	char *text = malloc(at + len * times + strlen(end) + 1);

	if (text == NULL)
		abort();
	memcpy(text, begin, at);
	for (i = 0; i < times; i++, at += len)
		memcpy(text + at, middle, len);
	memcpy(text + at, end, strlen(end) + 1);
	return text;
}

static void
unknown_forms(void)
{
	char *text;
	size_t i;

	for (i = 0; i < sizeof(uncertain) / sizeof(uncertain[0]); i++) {
		test (uncertain[i].name) {
			check(!lacks(uncertain[i].json, "9"));
			check(!lacks(uncertain[i].json, "1"));
		}
	}
	test ("a hostile depth is read without a verdict") {
		text = repeated("{\"dashboard\": {\"panels\": [], \"x\": ", "[",
		    5000000, "");
		check(!lacks(text, "9"));
		free(text);
		text = repeated("{\"dashboard\": {\"panels\": [], \"x\": ",
		    "{\"spec\":", 1000000, "1");
		check(!lacks(text, "9"));
		free(text);
	}
	test ("more panels than are remembered are no verdict") {
		text = repeated("{\"dashboard\": {\"panels\": [{\"id\": 1}",
		    ",{\"id\": 2}", DASHBOARD_PANELS_MAX + 1, "]}}");
		check(!lacks(text, "9"));
		free(text);
	}
}

static const char *
listed(const char *json)
{
	static char text[4096];
	struct dashboard *d = dashboard_read(json, strlen(json));
	struct buf b;

	buf_init(&b, sizeof(text) - 1);
	dashboard_list(d, &b);
	snprintf(text, sizeof(text), "%s", buf_str(&b));
	buf_free(&b);
	dashboard_unref(d);
	return text;
}

static void
names(void)
{
	char *text = repeated("{\"dashboard\": {\"panels\": [{\"id\": 1}",
	    ",{\"id\": 2, \"title\": \"x\"}", 40, "]}}");
	size_t commas = 0, i;

	test ("panels are listed by number and title, rows left out") {
		check_str(listed(CLASSIC("{\"title\": \"CPU\", \"id\": 1}, "
					 "{\"id\": 2, \"type\": \"row\"}, "
					 "{\"id\": 3, \"title\": "
					 "\"\\u00dcber \\\"alles\\\"\"}")),
		    "1 \"CPU\", 3 \"\xc3\x9c"
		    "ber 'alles'\"");
	}
	test ("ten of many are listed") {
		for (i = 0; i < strlen(listed(text)); i++)
			commas += listed(text)[i] == ',';
		check(commas == DASHBOARD_LISTED - 1);
		check(strstr(listed(text), " and more") != NULL);
	}
	test ("a dashboard without panels says so") {
		check_str(
		    listed("{\"dashboard\": {\"panels\": []}}"), "no panels");
	}
	test ("a title cannot break the line, nor turn it round") {
		check_str(
		    listed(CLASSIC("{\"id\": 1, \"title\": \"a\\nb\\u202ec"
				   "\\u0000\"}")),
		    "1 \"a?b?c?\"");
	}
	test ("a long title is cut between two characters") {
		free(text);
		text = repeated("{\"dashboard\": {\"panels\": [{\"id\": 1, "
				"\"title\": \"",
		    "\xc3\xa4", 400, "\"}]}}");
		check(strstr(listed(text), "\xc3\xa4...\"") != NULL);
		check(strlen(listed(text)) < 64);
	}
	free(text);
}

static void
shared(void)
{
	struct dashboard *d;

	test ("a dashboard lives until its last owner lets go") {
		d = dashboard_ref(
		    dashboard_read(forms[0].json, strlen(forms[0].json)));
		dashboard_unref(d);
		check(dashboard_lacks(d, "9", 1));
		check(dashboard_panels(d) == 2);
		dashboard_unref(d);
		dashboard_unref(NULL);
	}
}

static bool
says(const char *json, const char *wanted)
{
	char text[16];

	answer_member(json, strlen(json), "message", text, sizeof(text));
	return strcmp(text, wanted) == 0;
}

/* What "a" says; -1: nothing. */
static int
flag(const char *json)
{
	bool value;

	return answer_flag(json, strlen(json), "a", &value) ? value : -1;
}

static void
answers(void)
{
	test ("an error of Grafana's says what it means") {
		check(says("{\"message\": \"No\"}", "No"));
		check(says("{\"a\": {\"message\": \"x\"}, \"message\": "
			   "\"N\\u006f\", \"b\": []}",
		    "No"));
		check(answer_is_error("{\"message\":\"\"}", 14));
	}
	test ("a boolean is told from none") {
		check(flag("{\"x\": {\"a\": false}, \"a\": true}") == 1);
		check(flag("{\"a\": false}") == 0);
		check(flag("{\"a\": \"false\"}") == -1);
		check(flag("{\"b\": false}") == -1);
		check(flag("{\"a\": false") == -1);
		check(flag("") == -1);
	}
	test ("what is none says nothing") {
		check(says("", ""));
		check(says("404 page not found", ""));
		check(says("[{\"message\": \"No\"}]", ""));
		check(says("{\"message\": {\"message\": \"No\"}}", ""));
		check(says("{\"message\": 5}", ""));
		check(says("{\"message\": \"No\"", ""));
		check(says("{\"message\": \"No\"}<html>", ""));
		check(says("{\"Message\": \"No\"}", ""));
	}
}

int
main(void)
{
	known_forms();
	unknown_forms();
	names();
	shared();
	answers();
	return tap_done();
}
