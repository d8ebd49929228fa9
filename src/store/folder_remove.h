/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REMOVAL_H
#define REMOVAL_H

#include <stdbool.h>
#include <time.h>

/*
 * Taking files out of a store that is a folder, while others write into it.
 *
 * Nothing here follows a link below the store, or goes into what is mounted
 * there.
 */

/* A descriptor of the store, which must be there; -1 and errno. */
int removal_open_store(const char *path);

/* A descriptor of a folder in it; -1 and errno: ENOTDIR or ELOOP when it is
 * none, EXDEV when something else is mounted there. */
int removal_open_folder(int store, const char *name);

/*
 * Does this errno say that what was to be removed is there no more?  A second
 * purge was quicker, or NFS lost its first answer and asked again.
 */
bool removal_is_gone(int errnum);

enum removal {
	REMOVAL_DONE,
	REMOVAL_GONE,  /* it was not there any more */
	REMOVAL_KEPT,  /* it is being answered with, or was since it was seen */
	REMOVAL_FAILED /* errno says why */
};

/*
 * Remove a regular file.  With its time of modification as it was seen, it goes
 * only if that is still its time; with NULL it goes whatever it is, after
 * waiting for whoever answers with it just now.
 */
enum removal removal_file(
    int folder, const char *name, const struct timespec *seen);

#endif
