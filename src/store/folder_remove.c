/* SPDX-License-Identifier: Apache-2.0 */
#include "store/folder_remove.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int
removal_open_store(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* 0, or EXDEV, or what else is wrong.  The mount counts and not only the
 * device: a part of the same file system may be bound there. */
static int
compare_mounts(int one, int other)
{
	struct statx a, b;

	if (statx(one, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &a) != 0 ||
	    statx(other, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &b) != 0)
		return errno;
	if (a.stx_dev_major != b.stx_dev_major ||
	    a.stx_dev_minor != b.stx_dev_minor)
		return EXDEV;
	/* before Linux 5.8 there is no number of the mount */
	if ((a.stx_mask & b.stx_mask & STATX_MNT_ID) == 0)
		return 0;
	return a.stx_mnt_id == b.stx_mnt_id ? 0 : EXDEV;
}

int
removal_open_folder(int store, const char *name)
{
	int fd = openat(store, name,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int errnum;

	if (fd < 0)
		return -1;
	errnum = compare_mounts(store, fd);
	if (errnum == 0)
		return fd;
	close(fd);
	errno = errnum;
	return -1;
}

bool
removal_is_gone(int errnum)
{
	return errnum == ENOENT || errnum == ESTALE;
}

static enum removal
failed(void)
{
	return removal_is_gone(errno) ? REMOVAL_GONE : REMOVAL_FAILED;
}

/* For writing, because NFS locks nothing else against others. */
static int
open_to_lock(int folder, const char *name)
{
	int flags = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd = openat(folder, name, O_RDWR | flags);

	if (fd < 0 && (errno == EACCES || errno == EPERM || errno == EROFS))
		fd = openat(folder, name, O_RDONLY | flags);
	return fd;
}

/*
 * The lock keeps apart whoever answers with the file (see renew() in folder.c)
 * and whoever removes it: the one holds it from renewing the time to the last
 * look, we hold it from looking at the time to the removal.  So either we see
 * the new time, or it sees that the file is gone.
 */
static enum removal
remove_locked(int fd, int folder, const char *name, const struct timespec *seen)
{
	struct stat st, there;
	int got;

	do
		got = flock(fd, seen == NULL ? LOCK_EX : LOCK_EX | LOCK_NB);
	while (got != 0 && errno == EINTR);
	if (got != 0 && errno == EWOULDBLOCK)
		return REMOVAL_KEPT;
	/* any other error: this file system has no locks, and what is left is
	 * the moment between this look and the removal */
	if (fstat(fd, &st) != 0 ||
	    fstatat(folder, name, &there, AT_SYMLINK_NOFOLLOW) != 0)
		return failed();
	/* removed, and saved anew; the links do not tell: there may be others,
	 * and NFS keeps an open file */
	errno = ESTALE;
	if (there.st_ino != st.st_ino || there.st_dev != st.st_dev)
		return REMOVAL_GONE;
	if (seen != NULL && (st.st_mtim.tv_sec != seen->tv_sec ||
				st.st_mtim.tv_nsec != seen->tv_nsec))
		return REMOVAL_KEPT;
	return unlinkat(folder, name, 0) == 0 ? REMOVAL_DONE : failed();
}

enum removal
removal_file(int folder, const char *name, const struct timespec *seen)
{
	int fd = open_to_lock(folder, name), errnum;
	enum removal got;

	/* what we may not open nobody of us answers with either */
	if (fd < 0 && errno == EACCES)
		return unlinkat(folder, name, 0) == 0 ? REMOVAL_DONE : failed();
	if (fd < 0)
		return failed();
	got = remove_locked(fd, folder, name, seen);
	errnum = errno;
	close(fd);
	errno = errnum;
	return got;
}
