/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FOLDER_H
#define FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/outcome.h"

/*
 * A folder that only ever shows whole files.
 *
 * A file is written without a name (or, where the file system cannot do that,
 * in ".partial", which no web server serves), synced, and only then linked to
 * its name.  Any number of processes may write into one folder; nothing is
 * locked but what is half-written.
 */
struct folder;

/*
 * Open, and make if missing, with its parents.  NULL and errno when it cannot
 * be used; complaints, unless they are NULL, say why.  Also removes what a
 * crash left (folder_sweep()).
 */
struct folder *folder_open(const char *path, FILE *complaints);
void folder_close(struct folder *);

/* Could it be opened, as far as can be told without making anything?  errno
 * when not. */
bool folder_would_open(const char *path);

/* A file to keep: "folder/name", the folder made if missing. */
struct folder_file {
	const char *folder;
	const char *name;
	const void *bytes;
	size_t len;
	/* The name belongs to these bytes alone (their digest): a file that has
	 * it already is taken for them by its size.  Else it is read. */
	bool by_content;
};

/*
 * Keep it, durably: when this returns OUTCOME_OK it survives a power cut.
 * What is there already with the same bytes is kept, its time renewed.  Below
 * "min_free_bytes" of free space nothing new is written, nor while another
 * folder has the path that this one was opened by.  OUTCOME_OK, OUTCOME_EXISTS
 * (other bytes have that name), OUTCOME_STORE_FULL or OUTCOME_STORE_FAILED.
 */
enum outcome folder_put(struct folder *, const struct folder_file *,
    int64_t min_free_bytes, struct problem *);

/* What the file system has left for us; -1 and errno when that cannot be told.
 */
int64_t folder_free_bytes(struct folder *);

/* Could something be kept now?  errno when not, ESTALE where another folder has
 * taken this one's place.  After a failure it is tried by writing. */
bool folder_is_ready(struct folder *, int64_t min_free_bytes);

/* Is that file there, of that size?  Its time is renewed. */
bool folder_renew(
    struct folder *, const char *day, const char *name, size_t len);

/* Remove half-written files that nobody writes any more and that are over an
 * hour old. */
void folder_sweep(struct folder *);

#endif
