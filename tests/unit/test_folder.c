/* SPDX-License-Identifier: Apache-2.0 */
#include "store/folder.h"
#include "store/folder_problem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"
#include "tree.h"

#define DAY   "2026-11-24"
#define BYTES "the bytes of a picture"
#define LEN   (sizeof(BYTES) - 1)

static char root[] = "/tmp/test_folder.XXXXXX", path[64];
static struct folder *f;
static struct problem problem;

/*
 * What was synced, in its order: taken in the place of the C library's.
 */
static struct stat synced[64];
static size_t synced_count;

/* The next sync fails so. */
static int fsync_error;

int
fsync(int fd)
{
	if (fsync_error != 0) {
		errno = fsync_error;
		fsync_error = 0;
		return -1;
	}
	if (synced_count < 64 && fstat(fd, &synced[synced_count]) == 0)
		synced_count++;
	return (int)syscall(SYS_fsync, fd);
}

/* What another process removes just before the next link. */
static const char *before_link;

/* What a disk's quota says to whoever wants room. */
static int fallocate_error;

int
posix_fallocate(int fd, off_t from, off_t len)
{
	(void)fd;
	(void)from;
	(void)len;
	return fallocate_error;
}

/* The next link is made, and its answer lost: what NFS asks again then fails
 * so. */
static int link_error;

int
linkat(int from, const char *one, int to, const char *other, int flags)
{
	int rc;

	if (before_link != NULL && rmdir(before_link) == 0)
		before_link = NULL;
	rc = (int)syscall(SYS_linkat, from, one, to, other, flags);
	if (link_error == 0)
		return rc;
	errno = link_error;
	link_error = 0;
	return -1;
}

/* No nameless files: what NFS says. */
static int tmpfile_error;

int
openat(int folder, const char *name, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	if (tmpfile_error != 0 && (flags & O_TMPFILE) == O_TMPFILE) {
		errno = tmpfile_error;
		tmpfile_error = 0;
		return -1;
	}
	return (int)syscall(SYS_openat, folder, name, flags, mode);
}

/* What file systems without that time say. */
static bool no_birth_time;

int
statx(int fd, const char *restrict name, int flags, unsigned mask,
    struct statx *restrict st)
{
	int rc = (int)syscall(SYS_statx, fd, name, flags, mask, st);

	if (no_birth_time)
		st->stx_mask &= ~STATX_BTIME;
	return rc;
}

/* When was it synced: 1 first, 0 never. */
static size_t
when_synced(const char *name)
{
	struct stat st;
	size_t i;

	if (lstat(name, &st) != 0)
		return 0;
	for (i = 0; i < synced_count; i++)
		if (synced[i].st_dev == st.st_dev &&
		    synced[i].st_ino == st.st_ino)
			return i + 1;
	return 0;
}

static const char *
at(const char *name)
{
	static char paths[4][160];
	static unsigned n;

	n++;
	snprintf(paths[n % 4], sizeof(paths[0]), "%s/%s", path, name);
	return paths[n % 4];
}

/* Another folder, opened, in which nothing is. */
static void
fresh(void)
{
	static unsigned n;

	folder_close(f);
	snprintf(path, sizeof(path), "%s/store%u", root, n++);
	synced_count = 0;
	f = folder_open(path, stdout);
	check(f != NULL);
}

static const char *
put(const char *name, const char *bytes)
{
	memset(&problem, 0, sizeof(problem));
	return outcome_word(folder_put(f,
	    &(struct folder_file){ DAY, name, bytes, strlen(bytes), true }, 0,
	    &problem));
}

static unsigned
mode(const char *name)
{
	struct stat st;

	return lstat(at(name), &st) == 0 ? st.st_mode & 07777 : 0;
}

static void
write_file(const char *name, const char *bytes)
{
	FILE *to = fopen(name, "we");

	if (to == NULL || fputs(bytes, to) < 0)
		abort();
	fclose(to);
}

static void
check_bytes(const char *name, const char *bytes)
{
	char got[256] = "";
	FILE *from = fopen(name, "re");

	if (check(from != NULL)) {
		got[fread(got, 1, sizeof(got) - 1, from)] = '\0';
		fclose(from);
	}
	check_str(got, bytes);
}

/* Entries of a folder but "." and "..". */
static unsigned
entries(const char *name)
{
	DIR *d = opendir(name);
	struct dirent *e;
	unsigned n = 0;

	while (d != NULL && (e = readdir(d)) != NULL)
		n +=
		    strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	if (d != NULL)
		closedir(d);
	return n;
}

static time_t
modified(const char *name)
{
	struct stat st;

	return lstat(name, &st) == 0 ? st.st_mtime : 0;
}

static void
age(const char *name, time_t seconds)
{
	struct timespec times[2] = { { time(NULL) - seconds, 0 },
		{ time(NULL) - seconds, 0 } };

	check(utimensat(AT_FDCWD, name, times, AT_SYMLINK_NOFOLLOW) == 0);
}

static void
opening(void)
{
	char *said;
	size_t room;
	FILE *complaints = open_memstream(&said, &room);

	fresh();
	test ("a folder is made with its parents, for the web server to pass") {
		folder_close(f);
		snprintf(path, sizeof(path), "%s/a/b/c", root);
		f = folder_open(path, stdout);
		check(f != NULL && mode("") == 0711 && mode("..") == 0755);
	}
	test ("opening it again changes nothing in it") {
		check_str(put("x", BYTES), "ok");
		folder_close(f);
		f = folder_open(path, stdout);
		check_bytes(at(DAY "/x"), BYTES);
		check(entries(path) == 1);
	}
	test ("a file in its place is complained of by its name") {
		write_file(at("file"), "");
		check(folder_open(at("file"), complaints) == NULL);
		fflush(complaints);
		check(strstr(said, at("file")) != NULL);
		check(strchr(said, '\n') == said + strlen(said) - 1);
		check(folder_open(at("file/below"), complaints) == NULL);
	}
	test ("closing none is nothing") {
		folder_close(NULL);
	}
	fclose(complaints);
	free(said);
}

static void
lost_answers(void)
{
	test ("a link that was made is taken for made, whatever NFS says") {
		static const int errors[] = { EEXIST, ESTALE, ENOENT };
		static const char *const files[] = { DAY "/e1", DAY "/e2",
			DAY "/e3" };
		size_t i;

		for (i = 0; i < 3; i++) {
			link_error = errors[i];
			check_str(put(files[i] + sizeof(DAY), BYTES), "ok");
			check(link_error == 0);
			check_bytes(at(files[i]), BYTES);
		}
		tree_remove(at(DAY));
	}
}

static void
saving(void)
{
	struct stat st, again;

	fresh();
	test ("a file is saved whole, readable by all, its day passable") {
		check_str(put("x", BYTES), "ok");
		check_bytes(at(DAY "/x"), BYTES);
		check(mode(DAY "/x") == 0644 && mode(DAY) == 0711);
	}
	test ("nothing else is left beside it") {
		check(entries(path) == 1 && entries(at(DAY)) == 1);
	}
	test ("modes do not depend on the process's mask but by the folders") {
		umask(077);
		check_str(put("masked", BYTES), "ok");
		umask(022);
		check(mode(DAY "/masked") == 0644);
	}
	test ("the same bytes again are the same file, its time renewed") {
		check(lstat(at(DAY "/x"), &st) == 0);
		age(at(DAY "/x"), 86400);
		check_str(put("x", BYTES), "ok");
		check(lstat(at(DAY "/x"), &again) == 0);
		check(st.st_ino == again.st_ino && again.st_nlink == 1);
		check(time(NULL) - again.st_mtime < 60);
	}
	test ("an empty file and a large one are saved") {
		static char large[3000001];

		memset(large, 'l', sizeof(large) - 1);
		check_str(put("empty", ""), "ok");
		check_str(put("large", large), "ok");
		check(
		    lstat(at(DAY "/large"), &st) == 0 && st.st_size == 3000000);
	}
	test ("a day's folder that was removed is made again") {
		tree_remove(at(DAY));
		check_str(put("x", BYTES), "ok");
		check_bytes(at(DAY "/x"), BYTES);
		check(mode(DAY) == 0711);
	}
	test ("each day has its folder") {
		check_str(outcome_word(folder_put(f,
			      &(struct folder_file){
				  "2026-11-25", "x", BYTES, LEN, true },
			      0, &problem)),
		    "ok");
		check(entries(path) == 2);
	}
}

/* A power cut may come at any moment: see the order in folder.c. */
static void
durable(void)
{
	size_t file, day, store;

	test ("a file is synced before it has its name, its folders after") {
		fresh();
		synced_count = 0;
		check_str(put("x", BYTES), "ok");
		file = when_synced(at(DAY "/x"));
		day = when_synced(at(DAY));
		store = when_synced(path);
		check(file > 0 && day > file && store > 0);
		check(file > 0 && synced[file - 1].st_nlink == 0);
		check(file > 0 && (synced[file - 1].st_mode & 07777) == 0644);
	}
	test ("a day's folder that a sibling made is synced into the store") {
		fresh();
		check(mkdir(at(DAY), 0711) == 0);
		synced_count = 0;
		check_str(put("x", BYTES), "ok");
		check(when_synced(path) > 0);
	}
	test ("a day's folder that is made again is synced again") {
		tree_remove(at(DAY));
		synced_count = 0;
		check_str(put("x", BYTES), "ok");
		check(when_synced(path) > 0);
	}
	test ("a store that is made is synced into its parent") {
		fresh();
		check_str(put("x", BYTES), "ok");
		check(when_synced(root) > 0);
	}
}

/* What is on the disk already, and what only may be. */
static void
synced_once(void)
{
	test ("a file that this process synced is not synced again") {
		synced_count = 0;
		check_str(put("x", BYTES), "ok");
		check(folder_renew(f, DAY, "x", LEN));
		check(synced_count == 0);
	}
	test ("one that is made without a nameless file is known as well") {
		fresh();
		tmpfile_error = EOPNOTSUPP;
		check_str(put("x", BYTES), "ok");
		check(when_synced(at(DAY "/x")) > 0);
		check(when_synced(at(DAY)) > when_synced(at(DAY "/x")));
		synced_count = 0;
		check(folder_renew(f, DAY, "x", LEN));
		check(synced_count == 0);
	}
	test ("a file that a sibling made is synced, once") {
		write_file(at(DAY "/sibling"), BYTES);
		write_file(at(DAY "/other"), BYTES);
		synced_count = 0;
		check_str(put("sibling", BYTES), "ok");
		check(when_synced(at(DAY "/sibling")) > 0);
		check(when_synced(at(DAY)) > 0);
		check(folder_renew(f, DAY, "other", LEN));
		check(when_synced(at(DAY "/other")) > 0);
		synced_count = 0;
		check(folder_renew(f, DAY, "sibling", LEN));
		check(folder_renew(f, DAY, "other", LEN));
		check(synced_count == 0);
	}
	test ("a file that a sibling made in place of ours is synced") {
		/* it may well get the inode that ours had */
		check(unlink(at(DAY "/x")) == 0);
		write_file(at(DAY "/x"), BYTES);
		synced_count = 0;
		check(folder_renew(f, DAY, "x", LEN));
		check(when_synced(at(DAY "/x")) > 0);
		check(when_synced(at(DAY)) > 0);
	}
	test ("a file whose sync failed is synced when it is asked for again") {
		write_file(at(DAY "/bad"), BYTES);
		fsync_error = EIO;
		check(!folder_renew(f, DAY, "bad", LEN));
		synced_count = 0;
		check(folder_renew(f, DAY, "bad", LEN));
		check(when_synced(at(DAY "/bad")) > 0);
	}
	test ("where it is not told when a file was made, each use is synced") {
		no_birth_time = true;
		check_str(put("unborn", BYTES), "ok");
		synced_count = 0;
		check(folder_renew(f, DAY, "unborn", LEN));
		check(when_synced(at(DAY "/unborn")) > 0);
		no_birth_time = false;
	}
}

static void
check_taken(const char *why)
{
	problem.errnum = 0;
	check_str(put("taken", BYTES), "store-failed");
	check(problem.errnum != 0);
	check(entries(at(DAY)) == 1);
	if (!tap_held)
		printf("#   by %s\n", why);
	tree_remove(at(DAY "/taken"));
}

static void
names_taken(void)
{
	char away[96];

	fresh();
	snprintf(away, sizeof(away), "%s/away", root);
	mkdir(at(DAY), 0711);
	test ("a name that a folder has is store-failed") {
		mkdir(at(DAY "/taken"), 0755);
		check_taken("a folder");
	}
	test ("a name that other bytes have is store-failed, they stay") {
		write_file(at(DAY "/taken"), "others");
		check_str(put("taken", BYTES), "store-failed");
		check_bytes(at(DAY "/taken"), "others");
		check_taken("another size");
	}
	test ("a name that a link has is store-failed, it is not followed") {
		check(symlink(away, at(DAY "/taken")) == 0);
		check_taken("a link to nothing");
		check(access(away, F_OK) != 0);
		write_file(away, BYTES);
		age(away, 86400);
		check(symlink(away, at(DAY "/taken")) == 0);
		check_taken("a link to the same bytes");
		check(time(NULL) - modified(away) > 80000);
	}
	test ("a name that a pipe has is store-failed, nobody waits") {
		check(mkfifo(at(DAY "/taken"), 0644) == 0);
		check_taken("a pipe");
	}
	test ("a day that is a link is store-failed, it is not followed") {
		unlink(away);
		rmdir(at(DAY));
		check(mkdir(away, 0711) == 0 && symlink(away, at(DAY)) == 0);
		check_str(put("x", BYTES), "store-failed");
		check(entries(away) == 0);
	}
	test ("a day that is a file is store-failed") {
		unlink(at(DAY));
		write_file(at(DAY), "");
		check_str(put("x", BYTES), "store-failed");
	}
	rmdir(away);
}

static enum outcome
put_if_free(const char *name, int64_t min_free_bytes)
{
	memset(&problem, 0, sizeof(problem));
	return folder_put(f,
	    &(struct folder_file){ DAY, name, BYTES, LEN, true },
	    min_free_bytes, &problem);
}

/* Does the last problem name that, for people and for the log? */
static bool
said(int errnum, const char *why, const char *detail)
{
	bool ok = problem.errnum == errnum &&
		  strstr(problem.why, why) != NULL &&
		  strstr(problem.detail, detail) != NULL;

	if (!ok)
		printf("# %d: %s | %s\n", problem.errnum, problem.why,
		    problem.detail);
	return ok;
}

static bool
is_ready(int errnum)
{
	errno = 0;
	return folder_is_ready(f, 0) ? errnum == 0 : errno == errnum;
}

static void
today(char day[sizeof("YYYY-MM-DD")])
{
	time_t now = time(NULL);
	struct tm tm;

	strftime(day, sizeof("YYYY-MM-DD"), "%Y-%m-%d", gmtime_r(&now, &tm));
}

static void
replaced(void)
{
	char away[96];

	fresh();
	snprintf(away, sizeof(away), "%s.old", path);
	test ("a second folder in the place of the store is store-failed") {
		check_str(put("x", BYTES), "ok");
		check(rename(path, away) == 0 && mkdir(path, 0711) == 0);
		check_str(put("y", BYTES), "store-failed");
		check(said(ESTALE, "restart", path));
		check(entries(path) == 0 && is_ready(ESTALE));
		check(!folder_renew(f, DAY, "x", LEN));
	}
	test ("a store that was moved away is store-failed") {
		check(rmdir(path) == 0);
		check_str(put("y", BYTES), "store-failed");
		check(said(ENOENT, "missing", path) && is_ready(ENOENT));
		check(entries(root) > 0 && access(path, F_OK) != 0);
	}
	test ("once the first folder is back it is well by itself") {
		check(rename(away, path) == 0 && is_ready(0));
		check_str(put("y", BYTES), "ok");
		check(folder_renew(f, DAY, "x", LEN));
	}
	test ("a link to the folder is as good as the folder") {
		folder_close(f);
		check(rename(path, away) == 0 && symlink(away, path) == 0);
		f = folder_open(path, stdout);
		check(f != NULL && is_ready(0));
		check_str(put("z", BYTES), "ok");
		check(unlink(path) == 0 && mkdir(path, 0711) == 0);
		check_str(put("z", BYTES), "store-failed");
		check(rmdir(path) == 0 && rename(away, path) == 0);
	}
}

static void
readiness(void)
{
	char day[sizeof("YYYY-MM-DD")];

	fresh();
	today(day);
	test ("a day's folder that is a link is named, and nothing is ready") {
		check(symlink(root, at(DAY)) == 0 && is_ready(0));
		check_str(put("x", BYTES), "store-failed");
		check(said(ENOTDIR, "no folder", at(DAY)));
		check(strstr(problem.detail, "/x") == NULL);
		check(symlink(root, at(day)) == 0 && is_ready(ENOTDIR));
		check(unlink(at(day)) == 0 && is_ready(0));
	}
	test ("a file that cannot be kept is named") {
		check(unlink(at(DAY)) == 0 && mkdir(at(DAY), 0711) == 0);
		check(mkdir(at(DAY "/x"), 0711) == 0);
		check_str(put("x", BYTES), "store-failed");
		check(said(EEXIST, "cannot be written", at(DAY "/x")));
	}
	test ("after a failure only what can be written is ready") {
		fallocate_error = EDQUOT;
		check(is_ready(EDQUOT));
		fallocate_error = 0;
		check(is_ready(0));
		check_str(put("y", BYTES), "ok");
		fallocate_error = EDQUOT;
		check(is_ready(0));
		fallocate_error = 0;
	}
}

static void
emptied(void)
{
	test ("a day's folder removed before the link costs one more try") {
		fresh();
		before_link = at(DAY);
		synced_count = 0;
		check_str(put("x", BYTES), "ok");
		check(before_link == NULL);
		check_bytes(at(DAY "/x"), BYTES);
		/* the bytes are not written, nor synced, twice */
		check(when_synced(at(DAY "/x")) > 0);
		check(synced_count <= 5 && when_synced(at(DAY)) > 0);
	}
}

/* The sentence for an errno names what mends it, which is not always chown. */
static void
words(void)
{
	static const struct {
		int errnum;
		const char *word, *phrase, *why;
	} rows[] = {
		{ EACCES, "store-failed", "cannot be written", "owner" },
		{ EROFS, "store-failed", "is on a read-only file system",
		    "mount it for writing" },
		{ ENOENT, "store-failed", "cannot be written", "missing" },
		{ ENOTDIR, "store-failed", "cannot be written", "no folder" },
		{ ESTALE, "store-failed", "was replaced by another folder",
		    "restart" },
		{ EIO, "store-failed", "cannot be written", "disk" },
		{ ENOSPC, "store-full", "full", "make room" },
		{ EDQUOT, "store-full", "full", "quota" },
	};
	size_t i;

	test ("each errno of a store has its own words") {
		for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			check_str(outcome_word(folder_problem_set(&problem,
				      rows[i].errnum, "/s", NULL, NULL)),
			    rows[i].word);
			check(said(rows[i].errnum, rows[i].why, "/s"));
			check_str(folder_problem_phrase(rows[i].errnum),
			    rows[i].phrase);
		}
		folder_problem_set(&problem, EACCES, "/s", "d", "f");
		check_str(problem.detail, "/s/d/f");
	}
}

static void
room(void)
{
	fresh();
	test ("nothing new is saved when less is free than there should be") {
		check(put_if_free("x", INT64_MAX) == OUTCOME_STORE_FULL);
		check(*problem.why != '\0' &&
		      strstr(problem.why, "min_free_bytes") != NULL);
		check(problem.errnum == ENOSPC && entries(at(DAY)) == 0);
		check(said(ENOSPC, " bytes left, less than min_free_bytes (9",
		    " bytes are free, 22 are wanted"));
	}
	test ("it is saved when enough is free") {
		check(put_if_free("x", 1) == OUTCOME_OK);
	}
	test ("what is there already needs no room") {
		check(put_if_free("x", INT64_MAX) == OUTCOME_OK);
	}
}

static void
sweeping(void)
{
	int fd;

	fresh();
	mkdir(at(".partial"), 0700);
	write_file(at(".partial/old"), "x");
	write_file(at(".partial/locked"), "x");
	write_file(at(".partial/young"), "x");
	mkdir(at(".partial/folder"), 0700);
	check(symlink("old", at(".partial/link")) == 0);
	age(at(".partial/old"), 3700);
	age(at(".partial/locked"), 3700);
	age(at(".partial/young"), 3500);
	age(at(".partial/folder"), 3700);
	fd = open(at(".partial/locked"), O_RDONLY | O_CLOEXEC);
	flock(fd, LOCK_EX | LOCK_NB);
	folder_sweep(f);
	test ("what a crash left is removed once it is over an hour old") {
		check(access(at(".partial/old"), F_OK) != 0);
	}
	test ("what a sibling writes is not, it has a lock") {
		check(access(at(".partial/locked"), F_OK) == 0);
	}
	test ("what is not an hour old is not") {
		check(access(at(".partial/young"), F_OK) == 0);
	}
	test ("what is no file is not, and nothing is followed") {
		check(mode(".partial/folder") == 0700);
		write_file(at("old"), "x");
		age(at("old"), 3700);
		unlink(at(".partial/link"));
		check(symlink("../old", at(".partial/link")) == 0);
		folder_sweep(f);
		check(access(at("old"), F_OK) == 0);
	}
	close(fd);
	test ("opening the folder removes what a crash left too") {
		folder_close(f);
		f = folder_open(path, stdout);
		check(access(at(".partial/locked"), F_OK) != 0);
	}
	test ("so does a new day") {
		write_file(at(".partial/old"), "x");
		age(at(".partial/old"), 3700);
		check_str(put("x", BYTES), "ok");
		check(access(at(".partial/old"), F_OK) != 0);
	}
}

int
main(void)
{
	if (!tap_has_proc())
		return 0;
	umask(022);
	if (mkdtemp(root) == NULL)
		return 1;
	opening();
	saving();
	lost_answers();
	durable();
	synced_once();
	names_taken();
	words();
	replaced();
	readiness();
	emptied();
	room();
	sweeping();
	folder_close(f);
	tree_remove(root);
	return tap_done();
}
