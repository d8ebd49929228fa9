/* SPDX-License-Identifier: Apache-2.0 */
#include "store/folder_problem.h"

#include <errno.h>
#include <stdio.h>

static const struct {
	int errnum;
	const char *phrase; /* "cannot be written" where NULL */
	const char *what;   /* a sentence */
	const char *advice;
} table[] = {
	{ EROFS, "is on a read-only file system",
	    "The store is on a read-only file system.",
	    "mount it for writing; under systemd, name the store in "
	    "ReadWritePaths=" },
	{ EACCES, NULL, "The service may not write to its store.",
	    "make the service's user the owner of the store" },
	{ EPERM, NULL, "The service may not write to its store.",
	    "make the service's user the owner of the store" },
	{ ENOENT, NULL, "The store, or a folder in it, is missing.",
	    "make the folder of the store, and the service's user its owner" },
	{ ENOTDIR, NULL, "A file or a link is where the store has a folder.",
	    "remove what is no folder" },
	{ ELOOP, NULL, "A file or a link is where the store has a folder.",
	    "remove what is no folder" },
	{ ESTALE, "was replaced by another folder",
	    "Another folder has taken the place of the store since the service "
	    "began.",
	    "restart the service, or put the first folder back" },
	{ ENOSPC, "full", "The store's disk is full.",
	    "make room, or set keep_days" },
	{ EDQUOT, "full", "The quota of the store's disk is used up.",
	    "make room, raise the quota, or set keep_days" },
	{ 0, NULL, "The store cannot be written.",
	    "look at the disk and at the service's log" },
};

/* The last row fits every errno. */
static size_t
row_of(int errnum)
{
	size_t i = 0;

	while (table[i].errnum != errnum && table[i].errnum != 0)
		i++;
	return i;
}

const char *
folder_problem_advice(int errnum)
{
	return table[row_of(errnum)].advice;
}

const char *
folder_problem_phrase(int errnum)
{
	const char *phrase = table[row_of(errnum)].phrase;

	return phrase == NULL ? "cannot be written" : phrase;
}

enum outcome
folder_problem_set(struct problem *p, int errnum, const char *path,
    const char *name, const char *file)
{
	bool full = errnum == ENOSPC || errnum == EDQUOT;
	char what[PROBLEM_DETAIL_ROOM];
	size_t row = row_of(errnum);

	snprintf(what, sizeof(what), "%s%s%s%s%s", path,
	    name == NULL ? "" : "/", name == NULL ? "" : name,
	    file == NULL ? "" : "/", file == NULL ? "" : file);
	problem_set_detail(p, what);
	errno = errnum;
	return problem_set_errno(p,
	    full ? OUTCOME_STORE_FULL : OUTCOME_STORE_FAILED,
	    "%s Ask whoever runs this service to %s.", table[row].what,
	    table[row].advice);
}
