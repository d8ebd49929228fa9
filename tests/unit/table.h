/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of vectors (*.tsv beside this file) that several tests read.
 *
 * A row is a line, its columns are separated by tabs; "#" begins a comment.
 * In a column \xNN is a byte, \\ a backslash, \{COUNT:TEXT} that text as often.
 */
#ifndef TABLE_H
#define TABLE_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_COLUMNS 5

struct table {
	FILE *file;
	char *line;
	size_t room;
	unsigned number;             /* of the line */
	char *column[TABLE_COLUMNS]; /* "" where there is none */
};

/* false when it cannot be read.  The name is that of the file alone. */
static inline bool
table_open(struct table *t, const char *name)
{
	const char *slash = strrchr(__FILE__, '/');
	char path[4096];

	memset(t, 0, sizeof(*t));
	snprintf(path, sizeof(path), "%.*s%s",
	    slash == NULL ? 0 : (int)(slash + 1 - __FILE__), __FILE__, name);
	t->file = fopen(path, "re");
	if (t->file == NULL)
		printf("# %s: cannot be read\n", path);
	return t->file != NULL;
}

static inline void
table_close(struct table *t)
{
	if (t->file != NULL)
		fclose(t->file);
	free(t->line);
	memset(t, 0, sizeof(*t));
}

/* The next row; its columns are good until the one after. */
static inline bool
table_next(struct table *t)
{
	char *p;
	size_t i;

	do {
		if (getline(&t->line, &t->room, t->file) < 0)
			return false;
		t->number++;
		t->line[strcspn(t->line, "\n")] = '\0';
	} while (t->line[0] == '\0' || t->line[0] == '#');
	p = t->line;
	for (i = 0; i < TABLE_COLUMNS; i++) {
		t->column[i] = p;
		p += strcspn(p, "\t");
		if (*p == '\t')
			*p++ = '\0';
	}
	return true;
}

/* A column as the bytes that it stands for; free() it. */
static inline char *
table_text(const char *column)
{
	unsigned long count;
	size_t len;
	char *text = NULL, *end;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		abort();
	while (*column != '\0') {
		if (*column != '\\') {
			fputc(*column++, f);
		} else if (column[1] == 'x') {
			char hex[3] = { column[2], column[3], '\0' };

			fputc((int)strtoul(hex, NULL, 16), f);
			column += 4;
		} else if (column[1] == '{') {
			count = strtoul(column + 2, &end, 10);
			len = strcspn(++end, "}");
			while (count-- > 0)
				fwrite(end, 1, len, f);
			column = end + len + 1;
		} else {
			fputc(column[1], f);
			column += 2;
		}
	}
	fclose(f);
	return text;
}

#endif
