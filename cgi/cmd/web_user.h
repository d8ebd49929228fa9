/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WEB_USER_H
#define WEB_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * What the web server, which serves the images, may do in the file system: for
 * "check". Access control lists are not looked at.
 */
#define WEB_USER_GROUPS 64

struct web_user {
	const char *name; /* "www-data", or "the web server" */
	bool known;       /* else what all users may do counts */
	uid_t uid;
	gid_t groups[WEB_USER_GROUPS];
	int group_count;
};

/* The first of the users that distributions run web servers as. */
void web_user_find(struct web_user *);

/* May it enter the folder at that path, and all folders above it, as far as
 * they exist?  Else "barred" names the first that it may not. */
bool web_user_may_enter(
    const struct web_user *, const char *path, char *barred, size_t room);

/* What the file system of that path has left for us; -1: that cannot be told.
 * What is missing of the path counts as the folder that it would be made in. */
int64_t path_free_bytes(const char *path);

#endif
