/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/web_user.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

void
web_user_find(struct web_user *user)
{
	/* Debian, Red Hat, nginx.org's packages, Arch, Caddy */
	static const char *const names[] = { "www-data", "apache", "nginx",
		"http", "caddy" };
	const struct passwd *entry = NULL;
	size_t i;

	memset(user, 0, sizeof(*user));
	user->name = "the web server";
	for (i = 0; i < sizeof(names) / sizeof(names[0]) && entry == NULL; i++)
		entry = getpwnam(names[i]);
	if (entry == NULL)
		return;
	user->known = true;
	user->name = names[i - 1];
	user->uid = entry->pw_uid;
	user->group_count = WEB_USER_GROUPS;
	if (getgrouplist(user->name, entry->pw_gid, user->groups,
		&user->group_count) < 0)
		user->group_count = WEB_USER_GROUPS;
}

/* The class that fits first decides (path_resolution(7)). */
static bool
may_enter(const struct web_user *user, const struct stat *st)
{
	int i;

	if (user->known && st->st_uid == user->uid)
		return (st->st_mode & S_IXUSR) != 0;
	for (i = 0; user->known && i < user->group_count; i++)
		if (st->st_gid == user->groups[i])
			return (st->st_mode & S_IXGRP) != 0;
	return (st->st_mode & S_IXOTH) != 0;
}

bool
web_user_may_enter(
    const struct web_user *user, const char *path, char *barred, size_t room)
{
	size_t len = strlen(path), i;
	struct stat st;

	for (i = 0; i <= len; i++) {
		if (i < len && path[i] != '/')
			continue;
		snprintf(barred, room, "%.*s", i == 0 ? 1 : (int)i, path);
		if (stat(barred, &st) != 0)
			return true;
		if (!may_enter(user, &st))
			return false;
	}
	return true;
}

int64_t
path_free_bytes(const char *path)
{
	char nearest[PATH_MAX];
	struct statvfs st;
	char *slash;

	if (strlen(path) >= sizeof(nearest))
		return -1;
	memcpy(nearest, path, strlen(path) + 1);
	while (statvfs(*nearest == '\0' ? "/" : nearest, &st) != 0) {
		slash = strrchr(nearest, '/');
		if (errno != ENOENT || slash == NULL)
			return -1;
		*slash = '\0';
	}
	if (st.f_bavail > INT64_MAX / st.f_frsize)
		return INT64_MAX;
	return (int64_t)(st.f_bavail * st.f_frsize);
}
