/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings loaded from a text, for the tests of src/config/settings.c: one file
 * in a folder of its own, and what was said about it.
 */
#ifndef LOAD_H
#define LOAD_H

#include <stdlib.h>
#include <unistd.h>

#include "config/settings.h"
#include "tap.h"

#define LEAST_GRAFANA "grafana = https://g.example\n"
#define LEAST_PUBLIC  "public_url = https://i.example/s\n"
#define LEAST         LEAST_GRAFANA LEAST_PUBLIC

static char folder[] = "/tmp/test_settings.XXXXXX", file[64];
static struct settings s;
static char *said, *printed; /* by the last load() */

static inline bool
load_begin(void)
{
	if (mkdtemp(folder) == NULL)
		return false;
	snprintf(file, sizeof(file), "%s/conf", folder);
	return true;
}

static inline void
load_end(void)
{
	settings_free(&s);
	free(said);
	free(printed);
	unlink(file);
	rmdir(folder);
}

/* Load that file in that environment, lines of NAME=VALUE. */
static inline bool
load_file(const char *path, const char *variables)
{
	char *copy = strdup(variables), *rest = copy, *p, *envp[16];
	FILE *complaints;
	size_t room, n = 0;
	bool ok;

	while (n < 15 && (p = strsep(&rest, "\n")) != NULL)
		envp[n++] = p;
	envp[n] = NULL;
	settings_free(&s);
	free(said);
	complaints = open_memstream(&said, &room);
	ok = settings_load(&s, path, envp, complaints);
	fclose(complaints);
	free(copy);
	return ok;
}

/* The file has those bytes. */
static inline bool
load_bytes(const char *bytes, size_t len, const char *variables)
{
	FILE *f = fopen(file, "we");

	if (f == NULL || fwrite(bytes, 1, len, f) != len)
		abort();
	fclose(f);
	return load_file(file, variables);
}

static inline bool
load(const char *text, const char *variables)
{
	return load_bytes(text, strlen(text), variables);
}

/* Does the text begin a line so? */
static inline bool
gives(const char *text, const char *name)
{
	char line[64];

	snprintf(line, sizeof(line), "\n%s", name);
	return strncmp(text, name, strlen(name)) == 0 ||
	       strstr(text, line) != NULL;
}

/* The least that is required, as far as the text does not give it, and from
 * line 3 on that text. */
static inline bool
reads(const char *more)
{
	char text[2048];

	snprintf(text, sizeof(text), "%s%s%s",
	    gives(more, "grafana =") ? "\n" : LEAST_GRAFANA,
	    gives(more, "public_url =") ? "\n" : LEAST_PUBLIC, more);
	return load(text, "");
}

/* Said in one line, in which each of these words is. */
static inline void
check_said(const char *const words[])
{
	const char *line = strchr(said, '\n');

	check(line != NULL && line[1] == '\0');
	for (; *words != NULL; words++)
		check(strstr(said, *words) != NULL);
	if (!tap_held)
		printf("#   said: %s\n", said);
}
#define SAID(...) check_said((const char *const[]){ __VA_ARGS__, NULL })

/* The value as settings_print() has it. */
static inline const char *
value_of(const char *name)
{
	static char value[512];
	char start[64], *p;
	size_t room;
	FILE *f;

	free(printed);
	f = open_memstream(&printed, &room);
	fputc('\n', f);
	settings_print(&s, f);
	fclose(f);
	snprintf(start, sizeof(start), "\n%s = ", name);
	p = strstr(printed, start);
	if (p == NULL)
		return "(not printed)";
	p += strlen(start);
	snprintf(value, sizeof(value), "%.*s", (int)strcspn(p, "\n"), p);
	return value;
}

#endif
