/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of a test's own, and the end of it. */
#ifndef TREE_H
#define TREE_H

#include <ftw.h>
#include <stdio.h>

static inline int
tree_remove_one(
    const char *path, const struct stat *st, int flag, struct FTW *at)
{
	(void)st;
	(void)flag;
	(void)at;
	return remove(path);
}

static inline void
tree_remove(const char *path)
{
	nftw(path, tree_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
