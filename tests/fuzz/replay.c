/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feeds a target the files of a folder, without a fuzzer: each is a test.
 *
 *	replay_panel tests/fuzz/corpus/panel
 */
#include "fuzz.h"

#include <dirent.h>
#include <string.h>

static const char *
folder_of(const char *program)
{
	static char path[256];
	const char *name = strstr(program, "replay_");

	snprintf(path, sizeof(path), "tests/fuzz/corpus/%s",
	    name == NULL ? "" : name + strlen("replay_"));
	return path;
}

static void
feed(const char *path)
{
	FILE *f = fopen(path, "re");
	uint8_t *bytes = malloc(1 << 20), *exact;
	size_t len;

	if (f == NULL || bytes == NULL)
		abort();
	len = fread(bytes, 1, 1 << 20, f);
	fclose(f);
	/* so that a sanitizer sees a read beyond the end */
	exact = malloc(len + (len == 0));
	if (exact == NULL)
		abort();
	memcpy(exact, bytes, len);
	free(bytes);
	LLVMFuzzerTestOneInput(exact, len);
	free(exact);
}

int
main(int argc, char *argv[])
{
	const char *folder = argc > 1 ? argv[1] : folder_of(argv[0]);
	struct dirent **entries;
	char path[512];
	int n = scandir(folder, &entries, NULL, alphasort), i, count = 0;

	for (i = 0; i < n; i++) {
		if (entries[i]->d_name[0] != '.') {
			snprintf(path, sizeof(path), "%s/%s", folder,
			    entries[i]->d_name);
			feed(path);
			printf("ok %d - %s keeps its promises\n", ++count,
			    entries[i]->d_name);
		}
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	printf("1..%d\n", count);
	return count == 0;
}
