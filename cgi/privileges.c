/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define LINKS_MOST 40 /* as the kernel has it */

/* What is found on the way to the store. */
struct way {
	int fd;              /* where we are, O_PATH */
	struct stat st;      /* of that */
	char rest[PATH_MAX]; /* what is left of the path */
	unsigned links;
	uid_t link_owner; /* of a link that is not root's, else 0 */
	bool others;      /* who is not root could exchange a part of it */
};

static bool
step_to(struct way *w, int fd)
{
	int errnum = errno;

	if (w->fd >= 0)
		close(w->fd);
	w->fd = fd;
	errno = errnum;
	return fd >= 0 && fstat(fd, &w->st) == 0;
}

/* Put what the link says before the rest of the path. */
static bool
follow(struct way *w, int link, const struct stat *st)
{
	char text[PATH_MAX], rest[PATH_MAX];
	ssize_t n = readlinkat(link, "", text, sizeof(text) - 1);
	int len;

	if (n < 0)
		return false;
	text[n] = '\0';
	len = snprintf(rest, sizeof(rest), "%s/%s", text, w->rest);
	errno = ELOOP;
	if (len < 0 || (size_t)len >= sizeof(rest) || ++w->links > LINKS_MOST)
		return false;
	memcpy(w->rest, rest, (size_t)len + 1);
	if (st->st_uid != 0)
		w->link_owner = st->st_uid;
	return *text != '/' || step_to(w, open("/", O_PATH | O_CLOEXEC));
}

/* One part of the path: one name, in the folder where we are. */
static bool
walk_on(struct way *w)
{
	char name[NAME_MAX + 1];
	size_t len = strcspn(w->rest, "/"), slashes;
	struct stat st;
	bool ok = true;
	int fd;

	errno = ENAMETOOLONG;
	if (len >= sizeof(name))
		return false;
	memcpy(name, w->rest, len);
	name[len] = '\0';
	slashes = strspn(w->rest + len, "/");
	memmove(w->rest, w->rest + len + slashes,
	    strlen(w->rest + len + slashes) + 1);
	if (len == 0)
		return true;
	/* who may write to a folder may exchange what is in it, but for others'
	 * things in a sticky one */
	if (w->st.st_uid != 0 || ((w->st.st_mode & (S_IWGRP | S_IWOTH)) &&
				     !(w->st.st_mode & S_ISVTX)))
		w->others = true;
	fd = openat(w->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (fstat(fd, &st) != 0 || !S_ISLNK(st.st_mode))
		return step_to(w, fd);
	ok = follow(w, fd, &st);
	close(fd);
	return ok;
}

static bool
walk(struct way *w, const char *path)
{
	errno = ENAMETOOLONG;
	if (strlen(path) >= sizeof(w->rest) ||
	    !step_to(w, open("/", O_PATH | O_CLOEXEC)))
		return false;
	snprintf(w->rest, sizeof(w->rest), "%s", path);
	while (*w->rest != '\0')
		if (!walk_on(w))
			return false;
	return true;
}

/*
 * The service's user owns the folder that the store is in, and may put a link
 * there, or another folder: it must not choose with whose rights we remove
 * files.  So a link counts that is root's or the owner's own, and root's folder
 * where only root could have put it.
 */
static const char *
refuse(const struct way *w)
{
	if (w->link_owner != 0 && w->link_owner != w->st.st_uid)
		return "a link of another user leads there; run this as the "
		       "service's user";
	if (w->st.st_uid == 0 && w->others)
		return "it belongs to root, in a folder that others can "
		       "change; make the service's user its owner";
	return NULL;
}

int
owner_become(const struct settings *settings)
{
	struct way w = { .fd = -1 };
	int status = EX_OK, errnum = 0;
	const char *why = NULL;

	if (geteuid() != 0 || settings_store_is_s3(settings))
		return EX_OK;
	if (!walk(&w, settings->store)) {
		status = EX_NOINPUT;
		errnum = errno;
	} else {
		why = refuse(&w);
		if (why == NULL && w.st.st_uid != 0 &&
		    (setgroups(1, &w.st.st_gid) != 0 ||
			setgid(w.st.st_gid) != 0 || setuid(w.st.st_uid) != 0))
			why = strerrordesc_np(errno);
	}
	if (why != NULL) {
		fprintf(stderr,
		    "grafana-images: store = %s: its owner's identity cannot "
		    "be taken: %s\n",
		    settings->store, why);
		status = EX_NOPERM;
	}
	if (w.fd >= 0)
		close(w.fd);
	errno = errnum;
	return status;
}
