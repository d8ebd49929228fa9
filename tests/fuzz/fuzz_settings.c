/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A settings file.  What is taken is printed so that it can be read again, and
 * then says the same; what is not has a complaint.
 */
#include "fuzz.h"

#include "config/settings.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Read this text; what was said, and what is in force, are the caller's. */
static bool
load(const char *text, size_t len, char **said, char **printed)
{
	char path[64], *envp[] = { NULL };
	int fd = memfd_create("settings", MFD_CLOEXEC);
	struct settings s;
	size_t room;
	FILE *f;
	bool ok;

	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	f = open_memstream(said, &room);
	ok = settings_load(&s, path, envp, f);
	fclose(f);
	*printed = NULL;
	if (ok) {
		promise(s.grafana_count > 0 && s.public_url != NULL);
		promise(s.workers >= 1 && s.workers <= 4096);
		f = open_memstream(printed, &room);
		settings_print(&s, f);
		fclose(f);
	}
	settings_free(&s);
	close(fd);
	return ok;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char *text = text_of(bytes, len), *said, *printed, *said_again,
	     *printed_again;
	const char *p;

	if (load(text, len, &said, &printed)) {
		/* a secret is masked, and no secret of anybody's */
		if (strstr(printed, "*") == NULL) {
			promise(load(printed, strlen(printed), &said_again,
			    &printed_again));
			promise(strcmp(printed, printed_again) == 0);
			free(said_again);
			free(printed_again);
		}
	} else {
		promise(strncmp(said, "grafana-images: ", 16) == 0);
		promise(said[strlen(said) - 1] == '\n');
	}
	for (p = said; *p != '\0'; p++)
		promise(
		    *p == '\n' || ((unsigned char)*p >= 0x20 && *p != 0x7f));
	free(text);
	free(said);
	free(printed);
	return 0;
}
