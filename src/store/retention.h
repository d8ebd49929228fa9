/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RETENTION_H
#define RETENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "config/settings.h"

/*
 * What the settings keep_days and keep_bytes no longer keep, removed from a
 * store that is a folder.
 *
 * keep_days costs what expires: days that stay are not even opened.  keep_bytes
 * costs one walk over all images, and a second look at the folders that are
 * too old; its memory is 8 bytes for each hour since 1970 that has images, and
 * about 100 bytes for each image of the one hour in which the limit falls.
 *
 * Safe beside responders, beside another purge, and when killed at any moment:
 * what is left is what the next one finds.
 */
struct retention {
	const struct settings *settings; /* borrowed */
	time_t now;
	bool dry_run; /* count only */

	/* Told of what is left alone or cannot be removed: its path below the
	 * store, and why, in words. */
	void (*left)(
	    struct retention *, const char *path, const char *why, bool failed);
	/* Called for each image that is looked at. */
	void (*progress)(struct retention *);

	/* what has been done so far */
	uint64_t images, bytes; /* removed, or what would be */
	uint64_t over;          /* bytes that are still too many */
	uint64_t looked;        /* images looked at */
	const char *folder;     /* where it is */
	size_t done, count;     /* of so many folders */
	bool failed;            /* something could not be removed */
};

/* false and errno when the store cannot be read or there is no memory. */
bool retention_apply(struct retention *);

/*
 * The first day on which keep_days lets a purge remove the image of that key,
 * saved or renewed at "now": "YYYY-MM-DD", or "" when it is kept for ever.
 */
#define RETENTION_DAY_ROOM sizeof("YYYY-MM-DD")
void retention_expires(char to[RETENTION_DAY_ROOM], const struct settings *,
    const char *key, time_t now);

#endif
