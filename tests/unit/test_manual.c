/* SPDX-License-Identifier: Apache-2.0 */
/* The manual says what the program does: its settings and its outcomes. */
#include "base/outcome.h"
#include "config/settings.h"

#include <ctype.h>
#include <stdlib.h>

#include "tap.h"

#define ITEMS_MAX 128

/*
 * An item of a list: the words of its ".It" line and those of its text, macros
 * left out.  "# 1-4096 , default 64" for ".It Ic x", "(1-4096, default 64)".
 */
struct item {
	char names[256];
	char text[2048];
};

static struct item settings[ITEMS_MAX], outcomes[ITEMS_MAX];
static size_t setting_count, outcome_count;

static FILE *
open_manual(void)
{
	const char *slash = strrchr(__FILE__, '/');
	char path[4096];

	snprintf(path, sizeof(path), "%.*s../../cgi/grafana-images.8",
	    slash == NULL ? 0 : (int)(slash + 1 - __FILE__), __FILE__);
	return fopen(path, "re");
}

static bool
is_macro(const char *word)
{
	static const char *const macros[] = { "It", "Ic", "Li", "Cm", "Em",
		"Sy", "Ta", "Pa", "Ar", "Ns", "Ql", "Ev", "Fl" };
	size_t i;

	for (i = 0; i < sizeof(macros) / sizeof(macros[0]); i++)
		if (strcmp(word, macros[i]) == 0)
			return true;
	return false;
}

/* Add the words of a line, blanks round each, punctuation taken off. */
static void
add_words(char *to, size_t room, char *line)
{
	size_t len = strlen(to);
	char *p, *rest = line;

	if (*rest == '.')
		rest++;
	while ((p = strsep(&rest, " \t\n,;()\"")) != NULL)
		if (*p != '\0' && strcmp(p, ".") != 0 && !is_macro(p))
			len += (size_t)snprintf(
			    to + len, len < room ? room - len : 0, " %s ", p);
}

static bool
has_word(const char *words, const char *word)
{
	size_t len = strlen(word);
	const char *p = words;

	for (; (p = strstr(p, word)) != NULL; p++)
		if (p > words && p[-1] == ' ' && p[len] == ' ')
			return true;
	return false;
}

static void
read_manual(FILE *f)
{
	struct item *items = NULL;
	size_t *count = NULL, room = 0;
	char *line = NULL;

	while (getline(&line, &room, f) >= 0) {
		if (strncmp(line, ".Sh ", 4) == 0 ||
		    strncmp(line, ".El", 3) == 0)
			items = NULL;
		if (strncmp(line, ".Sh SETTINGS", 12) == 0) {
			items = settings;
			count = &setting_count;
		}
		if (strncmp(line, ".Sh OUTCOMES", 12) == 0) {
			items = outcomes;
			count = &outcome_count;
		}
		if (items == NULL)
			continue;
		if (strncmp(line, ".It ", 4) == 0 && *count < ITEMS_MAX)
			add_words(items[(*count)++].names, sizeof(items->names),
			    line);
		else if (*count > 0)
			add_words(
			    items[*count - 1].text, sizeof(items->text), line);
	}
	free(line);
}

/* The item of that setting; several may share one. */
static const struct item *
find_setting(const char *name)
{
	size_t i;

	for (i = 0; i < setting_count; i++)
		if (has_word(settings[i].names, name))
			return &settings[i];
	return NULL;
}

static void
check_settings(void)
{
	const struct item *item;
	struct settings_row row;
	char words[512];
	size_t i;

	for (i = 0; settings_row(i, &row); i++)
		test (row.name) {
			item = find_setting(row.name);
			if (!check(item != NULL))
				continue;
			if (strcmp(row.initial, "required") == 0)
				snprintf(words, sizeof(words), "required");
			else if (*row.initial == '\0')
				snprintf(words, sizeof(words), "default");
			else
				snprintf(words, sizeof(words), "default  %s",
				    row.initial);
			check(has_word(item->text, words));
			if (*row.bounds != '\0')
				check(has_word(item->text, row.bounds));
			if (!tap_held)
				printf("#   %s: %s\n", words, item->text);
		}
}

/* Every name of every item is a setting. */
static void
check_no_others(void)
{
	char *names, *p, *rest;
	struct settings_row row;
	size_t i, j;
	bool found;

	for (i = 0; i < setting_count; i++) {
		names = rest = strdup(settings[i].names);
		while ((p = strsep(&rest, " ")) != NULL) {
			found = *p == '\0';
			for (j = 0; !found && settings_row(j, &row); j++)
				found = strcmp(row.name, p) == 0;
			if (!check(found))
				printf("#   %s\n", p);
		}
		free(names);
	}
}

/* ".It word Ta status Ta when"; the table's own head has no status. */
static void
check_outcomes(void)
{
	char word[64], start[80];
	enum outcome o;
	size_t i, found;
	int n, status;

	for (n = 0; n < OUTCOME_COUNT; n++) {
		o = (enum outcome)n;
		snprintf(start, sizeof(start), " %s  %d ", outcome_word(o),
		    outcome_status(o));
		test (outcome_word(o)) {
			for (i = 0, found = 0; i < outcome_count; i++)
				found += strncmp(outcomes[i].names, start,
					     strlen(start)) == 0 &&
					 isalpha((unsigned char)outcomes[i]
						     .names[strlen(start) + 1]);
			check(found == 1);
		}
	}
	test ("the manual has no outcome that the program has not") {
		for (i = 0; i < outcome_count; i++)
			if (sscanf(outcomes[i].names, " %63s %d", word,
				&status) == 2 &&
			    !check(outcome_by_word(word, &o)))
				printf("#   %s\n", word);
		/* and the head */
		check(outcome_count == OUTCOME_COUNT + 1);
	}
}

int
main(void)
{
	FILE *f = open_manual();

	if (f == NULL) {
		test ("there is no manual yet # SKIP") {
			return tap_done();
		}
	}
	read_manual(f);
	fclose(f);
	check_settings();
	test ("the manual has no setting that the program has not") {
		check(setting_count > 0);
		check_no_others();
	}
	check_outcomes();
	return tap_done();
}
