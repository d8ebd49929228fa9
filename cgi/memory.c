/* SPDX-License-Identifier: Apache-2.0 */
/*
 * free() and realloc() for the whole process, that wipe.
 *
 * libfcgi reads each request into buffers of its own, the token with it, and
 * frees them as they are; no option and no hook of it changes that.  Taking the
 * C library's place (ld.so(8): the program's symbols come first) reaches it and
 * every other library.  A sanitizer has taken that place already.
 */
#include "memory.h"

#include "base/sanitized.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#if !SANITIZED

/* glibc's own, under the names that stay when these are taken. */
void __libc_free(void *);

__attribute__((visibility("default"))) void
free(void *p)
{
	size_t size = p == NULL ? 0 : malloc_usable_size(p);

	/* what has a mapping of its own goes back to the kernel, and pages that
	 * nobody touched would come into being by wiping them: libfcgi asks
	 * for as much as a peer says that it will send */
	if (size < MEMORY_MAPPED)
		explicit_bzero(p, size);
	__libc_free(p);
}

/* Never in place: what glibc's leaves behind when it moves is not wiped. */
__attribute__((visibility("default"))) void *
realloc(void *p, size_t size)
{
	size_t had = p == NULL ? 0 : malloc_usable_size(p);
	void *q;

	if (p != NULL && size == 0) {
		free(p);
		return NULL;
	}
	if (p != NULL && size <= had && size > had / 2)
		return p;
	q = malloc(size);
	if (q == NULL)
		return NULL;
	if (p != NULL)
		memcpy(q, p, had < size ? had : size);
	free(p);
	return q;
}

#endif
