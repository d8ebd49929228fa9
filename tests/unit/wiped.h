/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a secret still somewhere in this process's memory?
 *
 * The secret is never whole anywhere but where a test puts it, byte by byte.
 */
#ifndef WIPED_H
#define WIPED_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SECRET_LEN    64
#define SECRET_MAPPED (64UL << 20) /* larger mappings are a sanitizer's own */

/* A letter: what a token may have. */
static inline char
secret_byte(size_t i)
{
	return (char)('A' + (i * i * 7 + i * 11 + 3) % 26);
}

/* The first bytes of a freed piece are malloc's: look for the rest. */
static inline bool
secret_is_in(int mem, unsigned long from, unsigned long to)
{
	static char chunk[65536];
	bool found = false;
	size_t i, n;
	ssize_t len;

	for (; from < to && !found; from += sizeof(chunk) - SECRET_LEN) {
		len = pread(mem, chunk, sizeof(chunk), (off_t)from);
		for (i = 0; len > 0 && i + SECRET_LEN <= (size_t)len; i++) {
			for (n = 24; n < SECRET_LEN; n++)
				if (chunk[i + n] != secret_byte(n))
					break;
			found = found || n == SECRET_LEN;
		}
	}
	explicit_bzero(chunk, sizeof(chunk));
	return found;
}

static inline bool
secret_is_in_memory(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	unsigned long from, to;
	bool found = false;
	char line[4096];

	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL)
		if (sscanf(line, "%lx-%lx rw", &from, &to) == 2 &&
		    strstr(line, " rw-p ") != NULL &&
		    strchr(line, '/') == NULL &&
		    strstr(line, "[stack]") == NULL &&
		    to - from <= SECRET_MAPPED)
			found = secret_is_in(mem, from, to) || found;
	if (maps != NULL)
		fclose(maps);
	if (mem >= 0)
		close(mem);
	return found;
}

#endif
