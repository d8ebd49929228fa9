/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FOLDER_PROBLEM_H
#define FOLDER_PROBLEM_H

#include "base/outcome.h"

/*
 * Why a folder cannot be written, in words: by errno, which knows more than
 * "permission denied", and not every one of them is mended by chown.  ESTALE
 * says that another folder has taken the place of the one that was opened.
 */

/* What an administrator does about it: half a sentence, constant. */
const char *folder_problem_advice(int errnum);

/* "full", or another constant phrase for ?health. */
const char *folder_problem_phrase(int errnum);

/*
 * OUTCOME_STORE_FULL or OUTCOME_STORE_FAILED with a sentence, and for the log
 * what could not be written, of the folder "path": "name" in it, "file" in
 * that; either may be NULL.
 */
enum outcome folder_problem_set(struct problem *, int errnum, const char *path,
    const char *name, const char *file);

#endif
