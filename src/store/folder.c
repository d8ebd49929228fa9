/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Durable files in a folder.  The order of every save:
 *
 *	the day's folder made, and the store synced if it may be new
 *	the bytes written without a name, mode set, synced
 *	linked to their name
 *	the day's folder synced
 *
 * so that at each moment what has a name is whole, and what was answered with
 * an address is on the disk.
 */
#include "store/folder.h"

#include "store/folder_problem.h"
#include "store/synced.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define PARTIAL           ".partial"
#define ABANDONED_SECONDS 3600
#define TRIAL_BYTES       (1024 * 1024)
#define PURGE_MS          1000
#define TRIES             3 /* the day's folder may be removed under our hands */

struct folder {
	int fd;
	char *path;
	/* what could last not be kept, in bytes; 0 since something could */
	_Atomic size_t failed_bytes;
	atomic_uint synced[2]; /* the day, and "uploads": its entry is on the
				  disk */
	struct synced *files;  /* that this process synced */
};

/* Close, keeping errno: what failed before is what matters. */
static void
drop(int fd)
{
	int errnum = errno;

	if (fd >= 0)
		close(fd);
	errno = errnum;
}

/*
 * Opening
 */

/* Make a folder, and put its name on the disk; one that is there is good. */
static bool
make_one(char *path, mode_t mode)
{
	char *slash = strrchr(path, '/');
	bool ok;
	int parent;

	if (mkdir(path, mode) != 0)
		return errno == EEXIST;
	*slash = '\0';
	parent = open(
	    *path == '\0' ? "/" : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*slash = '/';
	ok = parent >= 0 && fsync(parent) == 0;
	drop(parent);
	return ok;
}

static bool
make_folders(const char *path)
{
	char *copy = strdup(path), *p;
	bool ok = copy != NULL;

	for (p = copy; ok && (p = strchr(p + 1, '/')) != NULL; *p = '/') {
		*p = '\0';
		ok = make_one(copy, 0755);
	}
	/* x only: the web server opens images by name, nobody lists them */
	ok = ok && make_one(copy, 0711);
	free(copy);
	return ok;
}

bool
folder_would_open(const char *path)
{
	char *nearest = strdup(path);
	int fd = -1, errnum;
	bool ok;

	/* what is missing is made, if what it is in lets us */
	while (nearest != NULL && *nearest != '\0') {
		fd = open(nearest, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 || errno != ENOENT)
			break;
		*strrchr(nearest, '/') = '\0';
	}
	if (nearest != NULL && *nearest == '\0')
		fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	ok = fd >= 0 && faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) == 0;
	errnum = errno;
	drop(fd);
	free(nearest);
	errno = errnum;
	return ok;
}

/* What errno says of a store that cannot be used.  One that is missing and may
 * not be made is mended by making it, not by changing what it would be in. */
static void
complain(FILE *complaints, const char *path)
{
	int errnum = errno;

	if ((errnum == EACCES || errnum == EPERM) && access(path, F_OK) != 0 &&
	    errno == ENOENT)
		errnum = ENOENT;
	if (complaints != NULL)
		fprintf(complaints,
		    "grafana-images: store = %s: cannot be written: %s; %s\n",
		    path, strerrordesc_np(errnum),
		    folder_problem_advice(errnum));
	errno = errnum;
}

struct folder *
folder_open(const char *path, FILE *complaints)
{
	struct folder *f = calloc(1, sizeof(*f));
	int errnum;

	if (f == NULL)
		return NULL;
	f->fd = -1;
	f->path = strdup(path);
	f->files = synced_open();
	if (f->path != NULL && f->files != NULL && make_folders(path))
		f->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->fd < 0 || faccessat(f->fd, ".", W_OK | X_OK, AT_EACCESS) != 0) {
		complain(complaints, path);
		errnum = errno;
		folder_close(f);
		errno = errnum;
		return NULL;
	}
	folder_sweep(f);
	return f;
}

void
folder_close(struct folder *f)
{
	if (f == NULL)
		return;
	if (f->fd >= 0)
		close(f->fd);
	synced_close(f->files);
	free(f->path);
	free(f);
}

/*
 * Is the store's path still that of the folder that was opened?  A restore by
 * rename or another mount puts a second one there, and what is kept in ours no
 * web server finds.  errno when not: ENOENT, or ESTALE.
 */
static bool
is_in_place(struct folder *f)
{
	struct stat ours, there;

	if (fstat(f->fd, &ours) != 0 || stat(f->path, &there) != 0)
		return false;
	errno = ESTALE;
	return ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

/*
 * The day's folder
 */

/* "2026-11-24" as 20261124; 1 for any other name. */
static unsigned
day_number(const char *day)
{
	unsigned y, m, d;

	/* NOLINTNEXTLINE(cert-err34-c): so few digits fit */
	if (sscanf(day, "%4u-%2u-%2u", &y, &m, &d) != 3)
		return 1;
	return (y * 100 + m) * 100 + d;
}

static int
open_existing(struct folder *f, const char *day)
{
	return openat(
	    f->fd, day, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/*
 * A sibling may have made it a moment ago and not have synced the store yet:
 * so the first use by each process syncs, not only the making.
 */
static int
open_day(struct folder *f, const char *day)
{
	unsigned number = day_number(day);
	atomic_uint *synced = &f->synced[number == 1];
	bool made = false;
	int fd = open_existing(f, day);

	if (fd < 0 && errno == ENOENT) {
		made = mkdirat(f->fd, day, 0711) == 0;
		if (!made && errno != EEXIST)
			return -1;
		fd = open_existing(f, day);
	}
	if (fd < 0)
		return -1;
	if (!made && atomic_load(synced) == number)
		return fd;
	folder_sweep(f);
	if (fsync(f->fd) != 0) {
		drop(fd);
		return -1;
	}
	atomic_store(synced, number);
	return fd;
}

/* Does the file hold just these?  errno stays. */
static bool
has_bytes(int fd, const char *bytes, size_t len)
{
	char piece[8192];
	size_t part;

	for (; len > 0; bytes += part, len -= part) {
		part = len < sizeof(piece) ? len : sizeof(piece);
		if (read(fd, piece, part) != (ssize_t)part ||
		    memcmp(piece, bytes, part) != 0)
			return false;
	}
	return true;
}

/*
 * Whoever removes a file holds its lock meanwhile, for microseconds (see
 * remove_locked() in removal.c).  false: one has been stopped just there.
 */
static bool
lock_shared(int fd)
{
	int tries = 0;

	while (flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
		if (tries++ == PURGE_MS)
			return false;
		poll(NULL, 0, 1);
	}
	return true; /* or this file system knows no locks */
}

/*
 * A file that is there already: true when it is ours and durable, else false
 * with errno ENOENT when there is none.
 *
 * Its time is renewed under its lock and then it is looked at again: a purge
 * that removes the oldest either sees the new time, or has removed it and we
 * see that.
 */
static bool
renew(
    struct folder *f, int day, const char *name, const void *bytes, size_t len)
{
	struct stat st, now;
	bool ok = false;
	int fd;

	fd = openat(day, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return false;
	errno = EEXIST;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
	    (size_t)st.st_size != len ||
	    (bytes != NULL && !has_bytes(fd, bytes, len)))
		goto out;
	if (!lock_shared(fd) || futimens(fd, NULL) != 0 ||
	    fstatat(day, name, &now, AT_SYMLINK_NOFOLLOW) != 0)
		goto out;
	/* not by its links: it may have others, and NFS keeps an open one */
	errno = ENOENT;
	if (now.st_ino != st.st_ino || now.st_dev != st.st_dev)
		goto out;
	/* a sibling may have linked it and not have synced yet */
	ok = synced_has(f->files, fd) || (fsync(fd) == 0 && fsync(day) == 0);
	if (ok)
		synced_add(f->files, fd);
out:
	drop(fd);
	return ok;
}

/*
 * A new file
 */

static bool
write_all(int fd, const char *bytes, size_t len)
{
	size_t at = 0;
	ssize_t n;

	while (at < len) {
		n = pwrite(fd, bytes + at, len - at, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

static bool
write_synced(int fd, const void *bytes, size_t len)
{
	return write_all(fd, bytes, len) && fchmod(fd, 0644) == 0 &&
	       fsync(fd) == 0;
}

/* The name is on the disk, too. */
static bool
name_synced(struct folder *f, int fd, int day)
{
	if (fsync(day) != 0)
		return false;
	synced_add(f->files, fd);
	return true;
}

static bool
link_nameless(int fd, int day, const char *name)
{
	char path[64];

	/* open(2), O_TMPFILE: the way that needs no privilege */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, day, name, AT_SYMLINK_FOLLOW) == 0;
}

static int
open_partial(struct folder *f)
{
	return openat(
	    f->fd, PARTIAL, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* A new file there, locked: what is locked is no crash's leftover. */
static int
create_partial(int partial, char name[32])
{
	uint64_t random;
	int fd;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -1;
	snprintf(name, 32, "%016llx", (unsigned long long)random);
	fd = openat(partial, name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0)
		flock(fd, LOCK_EX | LOCK_NB);
	return fd;
}

/* NFS, CephFS and old kernels know no nameless files; where there is no /proc
 * they cannot be named. */
static bool
put_named(struct folder *f, int day, const struct folder_file *file)
{
	int partial, fd, errnum;
	char mine[32];
	bool ok;

	if (mkdirat(f->fd, PARTIAL, 0700) != 0 && errno != EEXIST)
		return false;
	partial = open_partial(f);
	if (partial < 0)
		return false;
	fd = create_partial(partial, mine);
	ok = fd >= 0 && write_synced(fd, file->bytes, file->len) &&
	     linkat(partial, mine, day, file->name, 0) == 0 &&
	     name_synced(f, fd, day);
	errnum = errno;
	if (fd >= 0)
		unlinkat(partial, mine, 0);
	errno = errnum;
	drop(fd);
	drop(partial);
	return ok;
}

/*
 * The day's folder, while it is empty, may be removed until the file is in it,
 * and syncing the file takes long: it is made anew and tried once more.  *day
 * is then the new one.
 */
static bool
link_again(struct folder *f, int fd, int *day, const struct folder_file *file)
{
	int again = open_day(f, file->folder);

	if (again < 0)
		return false;
	drop(*day);
	*day = again;
	return link_nameless(fd, *day, file->name);
}

static bool
has_no_nameless_files(int errnum)
{
	return errnum == EOPNOTSUPP || errnum == EISDIR || errnum == EINVAL;
}

static bool
put_nameless(
    struct folder *f, int *day, const struct folder_file *file, bool last_try)
{
	int fd = openat(*day, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);
	bool ok;

	if (fd < 0 && has_no_nameless_files(errno))
		return put_named(f, *day, file);
	if (fd < 0)
		return false;
	ok = write_synced(fd, file->bytes, file->len) &&
	     (link_nameless(fd, *day, file->name) ||
		 (errno == ENOENT && link_again(f, fd, day, file))) &&
	     name_synced(f, fd, *day);
	drop(fd);
	if (!ok && errno == ENOENT && last_try)
		return put_named(f, *day, file);
	return ok;
}

static int64_t
free_bytes(const struct statvfs *fs)
{
	return (int64_t)((uint64_t)fs->f_bavail * fs->f_frsize);
}

int64_t
folder_free_bytes(struct folder *f)
{
	struct statvfs fs;

	return fstatvfs(f->fd, &fs) != 0 ? -1 : free_bytes(&fs);
}

/*
 * Could the last thing that could not be kept be kept now?  A quota, or a disk
 * that fails, is seen only by writing.
 */
static bool
try_writing(struct folder *f, size_t bytes)
{
	int fd, partial = -1, errnum;
	char mine[32];

	fd = openat(f->fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0 && has_no_nameless_files(errno)) {
		partial = open_partial(f);
		fd = partial < 0 ? -1 : create_partial(partial, mine);
		if (fd >= 0)
			unlinkat(partial, mine, 0);
	}
	errnum = fd < 0
		     ? errno
		     : posix_fallocate(fd, 0,
			   (off_t)(bytes < TRIAL_BYTES ? bytes : TRIAL_BYTES));
	if (errnum == 0 && fsync(fd) != 0)
		errnum = errno;
	drop(fd);
	drop(partial);
	errno = errnum;
	/* where there is no ".partial" yet nothing is known */
	return errnum == 0 || errnum == ENOENT;
}

/* Today's folder, if it is there, has to be a folder that can be written. */
static bool
is_day_ready(struct folder *f)
{
	time_t now = time(NULL);
	char day[sizeof("YYYY-MM-DD")];
	struct tm tm;
	bool ok;
	int fd;

	if (gmtime_r(&now, &tm) == NULL ||
	    strftime(day, sizeof(day), "%Y-%m-%d", &tm) == 0)
		return true;
	fd = open_existing(f, day);
	if (fd < 0)
		return errno == ENOENT;
	ok = faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) == 0;
	drop(fd);
	return ok;
}

bool
folder_is_ready(struct folder *f, int64_t min_free_bytes)
{
	size_t failed_bytes = atomic_load(&f->failed_bytes);
	struct statvfs fs;

	if (!is_in_place(f) ||
	    faccessat(f->fd, ".", W_OK | X_OK, AT_EACCESS) != 0 ||
	    !is_day_ready(f))
		return false;
	if (fstatvfs(f->fd, &fs) != 0)
		return min_free_bytes == 0;
	/* whatever is asked for, something must be left: bytes, and files where
	 * they are counted */
	errno = ENOSPC;
	if (free_bytes(&fs) < min_free_bytes || fs.f_bavail == 0 ||
	    (fs.f_files != 0 && fs.f_favail == 0))
		return false;
	return failed_bytes == 0 || try_writing(f, failed_bytes);
}

/* One try to keep a file. */
struct put {
	struct folder *folder;
	const struct folder_file *file;
	int64_t min_free_bytes;
	int64_t short_bytes; /* what is free where that is less; else -1 */
	bool last_try;
};

static bool
has_room(struct put *put)
{
	int64_t left;

	if (put->min_free_bytes == 0)
		return true;
	left = folder_free_bytes(put->folder);
	if (left < 0)
		return false;
	if (left >= put->min_free_bytes)
		return true;
	put->short_bytes = left;
	errno = ENOSPC;
	return false;
}

static bool
put_once(struct put *put)
{
	const struct folder_file *file = put->file;
	int fd =
	    is_in_place(put->folder) ? open_day(put->folder, file->folder) : -1;
	bool ok;

	if (fd < 0)
		return false;
	ok = renew(put->folder, fd, file->name,
	    file->by_content ? NULL : file->bytes, file->len);
	if (!ok && errno == ENOENT)
		ok = has_room(put) &&
		     put_nameless(put->folder, &fd, file, put->last_try);
	drop(fd);
	return ok && is_in_place(put->folder);
}

/* Why it could not be kept, by errno; the log names the file, and the bytes. */
static enum outcome
explain(const struct put *put, struct problem *p)
{
	const struct folder_file *file = put->file;
	const char *path = put->folder->path;
	int errnum = errno;
	char what[PROBLEM_DETAIL_ROOM];
	enum outcome o;

	if (!is_in_place(put->folder))
		return folder_problem_set(p, errno, path, NULL, NULL);
	o = folder_problem_set(p, errnum, path, file->folder,
	    errnum == ENOTDIR || errnum == ELOOP ? NULL : file->name);
	if (o != OUTCOME_STORE_FULL)
		return o;
	snprintf(what, sizeof(what),
	    "%s: %lld bytes are free, %zu are wanted, min_free_bytes = %lld",
	    path, (long long)folder_free_bytes(put->folder), file->len,
	    (long long)put->min_free_bytes);
	problem_set_detail(p, what);
	errno = errnum;
	if (put->short_bytes < 0)
		return o;
	return problem_set_errno(p, o,
	    "The store's disk has %lld bytes left, less than min_free_bytes "
	    "(%lld). Ask whoever runs this service to make room, or to set "
	    "keep_days.",
	    (long long)put->short_bytes, (long long)put->min_free_bytes);
}

enum outcome
folder_put(struct folder *f, const struct folder_file *file,
    int64_t min_free_bytes, struct problem *p)
{
	struct put put = {
		.folder = f,
		.file = file,
		.min_free_bytes = min_free_bytes,
		.short_bytes = -1,
	};
	int try;

	for (try = 1; try <= TRIES; try++) {
		put.last_try = try == TRIES;
		if (put_once(&put)) {
			atomic_store(&f->failed_bytes, 0);
			return OUTCOME_OK;
		}
		/* the folder was removed, or the same image linked, under
		 * our hands: then look again */
		if (errno != ENOENT && errno != EEXIST && errno != ESTALE)
			break;
	}
	if (errno == EEXIST && !file->by_content)
		return problem_set_default(p, OUTCOME_EXISTS);
	atomic_store(&f->failed_bytes, file->len == 0 ? 1 : file->len);
	return explain(&put, p);
}

bool
folder_renew(struct folder *f, const char *day, const char *name, size_t len)
{
	int fd = is_in_place(f) ? open_existing(f, day) : -1;
	bool ok = fd >= 0 && renew(f, fd, name, NULL, len);

	drop(fd);
	return ok;
}

/* Remove it if its lock is free and it is old: its writer is gone. */
static void
sweep_one(int partial, const char *name)
{
	/* for writing, because NFS gives no exclusive lock else */
	int fd =
	    openat(partial, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 &&
	    S_ISREG(st.st_mode) && time(NULL) - st.st_mtime > ABANDONED_SECONDS)
		unlinkat(partial, name, 0);
	close(fd);
}

void
folder_sweep(struct folder *f)
{
	int partial = open_partial(f);
	DIR *d = partial < 0 ? NULL : fdopendir(partial);
	struct dirent *e;

	if (d == NULL) {
		drop(partial);
		return;
	}
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody else has "d" */
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			sweep_one(dirfd(d), e->d_name);
	closedir(d);
}
