/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What purge and remove are made of: names, removal, retention.  Errors that
 * only NFS gives, and races that take microseconds, come from the three calls
 * of the C library that are replaced here.
 */
#include "server/state_dir.h"
#include "store/folder.h"
#include "store/folder_remove.h"
#include "store/key.h"
#include "store/retention.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DAY  86400
#define HOUR 3600
/* noon of 2026-03-10 */
#define NOON  (20522L * DAY + 12 * HOUR)
#define TODAY "2026-03-10"

/*
 * The replaced calls
 */

static struct {
	const char *only; /* names that begin so; NULL: all */
	int unlink_error; /* once it is done, or instead of it */
	bool unlink_first;
	int times; /* this often */
	int rmdir_error;
	void (*before_lock)(int fd);
} inject;

static bool
injects(const char *name)
{
	if (inject.only != NULL &&
	    strncmp(name, inject.only, strlen(inject.only)) != 0)
		return false;
	return inject.times != 0 && inject.times-- != 0;
}

int
unlinkat(int fd, const char *name, int flags)
{
	int error = flags == 0 ? inject.unlink_error : inject.rmdir_error;

	if (error == 0 || !injects(name))
		return (int)syscall(SYS_unlinkat, fd, name, flags);
	if (inject.unlink_first)
		syscall(SYS_unlinkat, fd, name, flags);
	errno = error;
	return -1;
}

int
flock(int fd, int operation)
{
	void (*before)(int) = inject.before_lock;

	inject.before_lock = NULL;
	if (before != NULL)
		before(fd);
	return (int)syscall(SYS_flock, fd, operation);
}

/*
 * A store
 */

static char root[] = "/tmp/test_purge.XXXXXX";
static char said[16384]; /* what was left: a line each */
static struct settings settings;
static struct retention r;

static const char *
path(const char *format, ...)
{
	static char buf[2][PATH_MAX];
	static int turn;
	va_list ap;
	char *p = buf[turn ^= 1];
	int n = snprintf(p, PATH_MAX, "%s/", root);

	va_start(ap, format);
	vsnprintf(p + n, PATH_MAX - (size_t)n, format, ap);
	va_end(ap);
	return p;
}

static int
wipe(const char *p, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	return ftw->level == 0 ? 0 : remove(p);
}

static int count_files;

static int
count_one(const char *p, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)p;
	(void)st;
	(void)ftw;
	count_files += kind != FTW_D;
	return 0;
}

static int
files(void)
{
	count_files = 0;
	nftw(root, count_one, 8, FTW_PHYS);
	return count_files;
}

static void
left(struct retention *me, const char *name, const char *why, bool failed)
{
	size_t n = strlen(said);

	(void)me;
	snprintf(said + n, sizeof(said) - n, "%s%s: %s\n", failed ? "! " : "",
	    name, why);
}

/* After so many were looked at, the first twenty are removed by another. */
static uint64_t meanwhile;

static void
progress(struct retention *me)
{
	unsigned i;

	for (i = 0; meanwhile != 0 && me->looked == meanwhile && i < 20; i++)
		unlink(path("2026-03-05/%04x%060d.png", i, 0));
}

/* An empty store, and nothing set. */
static void
fresh(void)
{
	nftw(root, wipe, 8, FTW_DEPTH | FTW_PHYS);
	memset(&settings, 0, sizeof(settings));
	memset(&inject, 0, sizeof(inject));
	meanwhile = 0;
	settings.store = root;
}

static bool
purge_at(time_t now, bool dry_run)
{
	said[0] = '\0';
	memset(&r, 0, sizeof(r));
	r.settings = &settings;
	r.now = now;
	r.dry_run = dry_run;
	r.left = left;
	r.progress = progress;
	return retention_apply(&r);
}

static bool
purge(void)
{
	return purge_at(NOON, false);
}

static void
touch(const char *p, time_t when)
{
	struct timespec t[2] = { { .tv_sec = when }, { .tv_sec = when } };

	utimensat(AT_FDCWD, p, t, AT_SYMLINK_NOFOLLOW);
}

static bool
exists(const char *p)
{
	struct stat st;

	return lstat(p, &st) == 0;
}

/* A file of that size and time. */
static void
put(const char *p, int size, time_t when)
{
	int fd = open(p, O_WRONLY | O_CREAT | O_EXCL, 0644);

	check(fd >= 0 && ftruncate(fd, size) == 0);
	close(fd);
	touch(p, when);
}

/* An image's name, by its first digits. */
static const char *
image(const char *folder, unsigned n)
{
	return path("%s/%04x%060d.png", folder, n, 0);
}

static const char *
older(unsigned n)
{
	return path("%04x%028d.png", n, 0);
}

static void
day(const char *name, int images, time_t when)
{
	int i;

	mkdir(path("%s", name), 0711);
	for (i = 0; i < images; i++)
		put(image(name, (unsigned)i), 100, when + i);
}

static void
renew(int fd)
{
	futimens(fd, NULL);
}

static void
lose(int fd)
{
	(void)fd;
	unlink(image(TODAY, 0));
}

/* As a backup by links does, and NFS for as long as it is open. */
static void
lose_but_a_link(int fd)
{
	(void)!link(image(TODAY, 0), path("backup"));
	lose(fd);
}

/* Removed and saved anew: another file has the name. */
static void
lose_and_save(int fd)
{
	lose_but_a_link(fd);
	put(image(TODAY, 0), 100, NOON);
}

static void
test_names(void)
{
	int64_t number;
	char *text = NULL;
	size_t len;
	FILE *f;

	test ("a day is one that exists") {
		check(name_is_day("1970-01-01", &number) && number == 0);
		check(name_is_day("2026-03-10", &number) && number == 20522);
		check(name_is_day("2024-02-29", &number));
		check(!name_is_day("2026-02-29", &number));
		check(!name_is_day("2026-13-01", &number));
		check(!name_is_day("2026-00-10", &number));
		check(!name_is_day("2026-3-10", &number));
		check(!name_is_day("2026-03-100", &number));
		check(!name_is_day("2026-03-1", &number));
		check(!name_is_day("", &number));
	}
	test ("an image's name has one of three forms") {
		check(name_is_image("0123456789abcdef0123456789abcdef"
				    "0123456789abcdef0123456789abcdef.png"));
		check(!name_is_image("0123456789ABCDEF0123456789abcdef"
				     "0123456789abcdef0123456789abcdef.png"));
		check(!name_is_image("0123456789abcdef0123456789abcdef"
				     "0123456789abcdef0123456789abcde.png"));
		check(name_is_older("0123456789abcdef0123456789abcdef.png"));
		check(!name_is_older("0123456789abcdef0123456789abcdef.pn"));
		check(!name_is_older("0123456789abcdef0123456789abcdef.png~"));
		check(name_is_upload("a.png") && name_is_upload("A_b-9.png"));
		check(!name_is_upload(".png") && !name_is_upload("a.b.png"));
		check(!name_is_upload("../a.png"));
	}
	test ("a stranger's name is written on one line, harmless") {
		f = open_memstream(&text, &len);
		name_print(f, "a\n\x1b[2J\xc3\xa4\\");
		fclose(f);
		check_str(text, "a\\x0a\\x1b[2J\\xc3\\xa4\\x5c");
		free(text);
	}
}

static void
test_days(void)
{
	time_t midnight = 20522L * DAY;

	test ("a day goes once all of it lies more than keep_days back") {
		fresh();
		settings.keep_days = 1;
		day("2026-03-08", 3, NOON - 2 * DAY);
		check(purge_at(midnight - 1, false) && r.images == 0);
		check(exists(image("2026-03-08", 0)));
		check(purge_at(midnight, false) && r.images == 3);
		check(r.bytes == 300 && !r.failed && said[0] == '\0');
		check(!exists(path("2026-03-08")));
	}
	test ("keep_days = 1 keeps today and yesterday, whatever their times") {
		fresh();
		settings.keep_days = 1;
		day("2026-03-09", 2, 0);
		day(TODAY, 2, 0);
		day("2026-04-01", 2, 0);
		check(purge() && r.images == 0 && files() == 6);
	}
	test ("a day goes whatever the times of its images") {
		fresh();
		settings.keep_days = 1;
		day("2026-03-01", 2, NOON);
		check(purge() && r.images == 2 && !exists(path("2026-03-01")));
	}
	test ("what keep_days keeps is not looked at") {
		fresh();
		settings.keep_days = 5;
		day("2026-03-01", 2, NOON);
		day("2026-03-08", 50, NOON);
		check(purge() && r.looked == 2);
	}
}

/* That is the first day on which a purge takes it, and no earlier one. */
static void
check_expiry(const char *expires, const char *key, const char *file)
{
	char said_day[RETENTION_DAY_ROOM];
	int64_t first;

	retention_expires(said_day, &settings, key, NOON);
	check_str(said_day, expires);
	check(name_is_day(said_day, &first));
	check(purge_at((time_t)first * DAY - 1, false) && exists(file));
	check(purge_at((time_t)first * DAY, false) && !exists(file));
}

static void
test_expiry(void)
{
	char none[RETENTION_DAY_ROOM];

	test ("an image expires on the first day on which a purge takes it") {
		fresh();
		settings.keep_days = 1;
		day(TODAY, 1, NOON);
		check_expiry("2026-03-12", TODAY "/0000.png", image(TODAY, 0));
	}
	test ("also across a month and a year") {
		fresh();
		settings.keep_days = 300;
		day(TODAY, 1, NOON);
		check_expiry("2027-01-05", TODAY "/0000.png", image(TODAY, 0));
	}
	test ("an upload expires by its time") {
		fresh();
		settings.keep_days = 90;
		mkdir(path("uploads"), 0711);
		put(path("uploads/a.png"), 100, NOON);
		check_expiry(
		    "2026-06-09", "uploads/a.png", path("uploads/a.png"));
	}
	test ("what is kept for ever does not expire") {
		fresh();
		retention_expires(none, &settings, TODAY "/0000.png", NOON);
		check_str(none, "");
	}
}

static void
test_more_days(void)
{
	time_t midnight = 20522L * DAY;

	test ("uploads and the older program's images age by their time") {
		fresh();
		settings.keep_days = 1;
		mkdir(path("uploads"), 0711);
		put(path("uploads/old.png"), 10, midnight - DAY - 1);
		put(path("uploads/new.png"), 10, midnight - DAY);
		put(older(1), 10, midnight - DAY - 1);
		put(older(2), 10, midnight - DAY);
		check(purge() && r.images == 2 && r.bytes == 20);
		check(!exists(path("uploads/old.png")) && !exists(older(1)));
		check(exists(path("uploads/new.png")) && exists(older(2)));
	}
	test ("with nothing set all is kept") {
		fresh();
		day("1999-01-01", 2, 0);
		check(purge() && r.images == 0 && files() == 2);
	}
	test ("a dry run counts the same and changes nothing") {
		fresh();
		settings.keep_days = 1;
		settings.keep_bytes = 150;
		day("2026-03-01", 3, NOON);
		day("2026-03-09", 3, NOON - DAY);
		put(older(1), 10, 0);
		check(purge_at(NOON, true) && r.images == 6 && files() == 7);
		check(exists(path("2026-03-01")));
		check(purge() && r.images == 6 && files() == 1);
	}
	test ("without a store it fails") {
		fresh();
		settings.keep_days = 1;
		settings.store = (char *)(uintptr_t) "/tmp/test_purge.none";
		check(!purge() && errno == ENOENT);
	}
}

static void
test_bytes(void)
{
	int i;

	test ("keep_bytes removes the oldest, of all kinds, until it is kept") {
		fresh();
		settings.keep_bytes = 400;
		day("2026-03-05", 2, NOON - 5 * DAY);
		day(TODAY, 1, NOON - 3 * HOUR);
		mkdir(path("uploads"), 0711);
		put(path("uploads/a.png"), 100, NOON - 6 * DAY);
		put(path("uploads/b.png"), 100, NOON - 4 * DAY);
		put(older(1), 100, NOON - 7 * DAY);
		put(older(2), 100, NOON - 2 * DAY);
		check(purge() && r.images == 3 && r.bytes == 300);
		check(r.over == 0 && !r.failed);
		check(!exists(older(1)) && !exists(path("uploads/a.png")));
		check(!exists(image("2026-03-05", 0)));
		check(exists(image("2026-03-05", 1)) && exists(older(2)));
		check(purge() && r.images == 0);
	}
	test ("within one hour, too, the oldest go first") {
		fresh();
		settings.keep_bytes = 1000;
		mkdir(path("2026-03-05"), 0711);
		for (i = 0; i < 30; i++)
			put(image("2026-03-05", (unsigned)(i * 7919 % 65536)),
			    100, NOON - 5 * DAY + i);
		check(purge() && r.images == 20 && files() == 10);
		for (i = 20; i < 30; i++)
			check(exists(
			    image("2026-03-05", (unsigned)(i * 7919 % 65536))));
	}
}

static void
test_more_bytes(void)
{
	int i;

	test ("nothing of a later hour goes, what is no image is named once") {
		fresh();
		settings.keep_bytes = 300;
		mkdir(path("2026-03-05"), 0711);
		put(path("2026-03-05/notes"), 100, 0);
		for (i = 0; i < 5; i++)
			put(image("2026-03-05", (unsigned)i), 100,
			    NOON - 5 * DAY + i * HOUR);
		check(purge() && r.images == 2 && files() == 4);
		check(exists(image("2026-03-05", 2)));
		check_str(said, "2026-03-05/notes: is no image\n");
	}
	test ("keep_bytes removes none that is younger than two hours") {
		fresh();
		settings.keep_bytes = 1;
		day(TODAY, 0, 0);
		put(image(TODAY, 1), 100, NOON - 2 * HOUR);
		put(image(TODAY, 2), 100, NOON - 2 * HOUR - 1);
		put(image(TODAY, 3), 100, NOON + HOUR);
		check(purge() && r.images == 1 && r.over == 199);
		check(!exists(image(TODAY, 2)) && files() == 2);
	}
	test ("keep_bytes leaves the folders of today and yesterday") {
		fresh();
		settings.keep_bytes = 1;
		day("2026-03-07", 0, 0);
		day("2026-03-08", 2, NOON - 2 * DAY);
		day("2026-03-09", 2, NOON - DAY);
		day(TODAY, 2, NOON - 3 * HOUR);
		check(purge() && r.images == 6 && files() == 0);
		check(exists(path("2026-03-09")) && exists(path(TODAY)));
		check(!exists(path("2026-03-08")));
		check(!exists(path("2026-03-07")));
	}
	test ("what keep_days removes does not count for keep_bytes") {
		fresh();
		settings.keep_days = 1;
		settings.keep_bytes = 200;
		day("2026-03-01", 10, 0);
		day("2026-03-09", 2, NOON - DAY);
		check(purge() && r.images == 10 && r.over == 0);
	}
}

static void
test_strangers(void)
{
	static const char digits[] = "0123456789abcdef0123456789abcdef"
				     "0123456789abcdef0123456789abcdef";
	char expected[4096];

	test ("what is no image is left alone and named, and its folder") {
		fresh();
		settings.keep_days = 1;
		day("2026-03-01", 2, 0);
		put(path("2026-03-01/notes.txt"), 1, 0);
		check(purge() && r.images == 2 && !r.failed);
		check_str(said, "2026-03-01/notes.txt: is no image\n");
		check(exists(path("2026-03-01/notes.txt")));
		check(purge() && r.images == 0 && !r.failed);
	}
	test ("a folder, a link or a pipe with an image's name is none") {
		fresh();
		settings.keep_days = 1;
		settings.keep_bytes = 1;
		mkdir(path("2026-03-01"), 0711);
		mkdir(image("2026-03-01", 1), 0711);
		put(path("target"), 100, 0);
		check(symlink(path("target"),
			  path("2026-03-01/%s.png", digits)) == 0);
		mkfifo(older(1), 0644);
		check(purge() && r.images == 0 && files() == 3);
		check(strstr(said, "has the name of one\n") != NULL);
	}
	test ("a day's folder that is a link is not followed") {
		fresh();
		settings.keep_days = 1;
		settings.keep_bytes = 1;
		mkdir(path(".hidden"), 0711);
		put(image(".hidden", 1), 100, 0);
		check(symlink(".hidden", path("2026-03-01")) == 0);
		check(symlink(".hidden", path("uploads")) == 0);
		check(purge() && !r.failed && r.images == 0);
		check(exists(image(".hidden", 1)));
		check(strstr(said, "2026-03-01: is no folder") != NULL);
		settings.keep_days = 0;
		check(purge() && !r.failed);
	}
	test ("hidden names and lost+found are not even named") {
		fresh();
		settings.keep_days = 1;
		mkdir(path(".state"), 0700);
		mkdir(path("lost+found"), 0700);
		put(path(".state/key"), 32, 0);
		check(purge() && said[0] == '\0' && files() == 1);
	}
	test ("a name as long as names can be is named whole") {
		fresh();
		settings.keep_days = 1;
		mkdir(path("2026-03-01"), 0711);
		put(path("2026-03-01/%0255d", 7), 1, 0);
		snprintf(expected, sizeof(expected),
		    "2026-03-01/%0255d: is no image\n", 7);
		check(purge());
		check_str(said, expected);
	}
}

/* An image is saved that is there already, and goes just then. */
static void
check_saved_anew(void (*before_lock)(int))
{
	struct folder *f = folder_open(root, stderr);
	struct folder_file file = { TODAY, NULL, said, 100, true };
	struct problem p = { 0 };

	fresh();
	day(TODAY, 1, NOON);
	inject.before_lock = before_lock;
	file.name = image(TODAY, 0) + strlen(path(TODAY)) + 1;
	check(folder_put(f, &file, 0, &p) == OUTCOME_OK);
	check(exists(image(TODAY, 0)));
	check(inject.before_lock == NULL);
	folder_close(f);
}

static void
test_races(void)
{
	test ("an image that is answered with just now is not removed") {
		fresh();
		settings.keep_bytes = 1;
		day(TODAY, 1, NOON - 3 * HOUR);
		inject.before_lock = renew;
		check(purge() && r.images == 0 && r.over == 99);
		check(exists(image(TODAY, 0)) && !r.failed);
	}
	test ("nor one whose lock a responder holds") {
		int fd;

		fresh();
		settings.keep_bytes = 1;
		day(TODAY, 2, NOON - 3 * HOUR);
		fd = open(image(TODAY, 0), O_RDONLY);
		check(fd >= 0 && flock(fd, LOCK_SH) == 0);
		check(purge() && r.images == 1 && !r.failed);
		check(exists(image(TODAY, 0)));
		close(fd);
	}
	test ("a responder sees that its image was removed, and writes it") {
		check_saved_anew(lose);
	}
	test ("it sees it also where the file has another link") {
		check_saved_anew(lose_but_a_link);
	}
	test ("the second purge does not get the lock") {
		int one, two;

		fresh();
		one = state_lock(&settings, "purge.lock");
		two = state_lock(&settings, "purge.lock");
		check(one >= 0 && two == -1 && errno == EWOULDBLOCK);
		close(one);
		two = state_lock(&settings, "purge.lock");
		check(two >= 0);
		close(two);
	}
}

static void
test_more_races(void)
{
	test ("what was removed and saved anew is not removed") {
		fresh();
		settings.keep_bytes = 1;
		day(TODAY, 1, NOON - 3 * HOUR);
		inject.before_lock = lose_and_save;
		check(purge() && !r.failed && exists(image(TODAY, 0)));
	}
	test ("what another purge removed meanwhile is too many no more") {
		fresh();
		settings.keep_bytes = 1000;
		day("2026-03-05", 30, NOON - 5 * DAY);
		meanwhile = 30;
		check(purge() && files() == 10 && r.images == 0 && !r.over);
	}
}

static void
test_errors(void)
{
	static const int gone[] = { ENOENT, ESTALE };
	size_t i;

	for (i = 0; i < 2; i++) {
		test ("what NFS says is gone though it just removed it") {
			fresh();
			settings.keep_days = 1;
			day("2026-03-01", 3, 0);
			put(older(1), 100, 0);
			inject.unlink_error = gone[i];
			inject.unlink_first = true;
			inject.times = -1;
			check(purge() && !r.failed && said[0] == '\0');
			check(files() == 0 && !exists(path("2026-03-01")));
		}
		test ("a folder that NFS says is gone though it removed it") {
			fresh();
			settings.keep_days = 1;
			day("2026-03-01", 3, 0);
			inject.rmdir_error = gone[i];
			inject.unlink_first = true;
			inject.times = -1;
			check(purge() && !r.failed && r.images == 3);
			check(!exists(path("2026-03-01")));
		}
	}
	test ("a folder that NFS says is not empty is the next purge's") {
		fresh();
		settings.keep_days = 1;
		day("2026-03-01", 3, 0);
		inject.rmdir_error = EEXIST;
		inject.times = -1;
		check(purge() && !r.failed && r.images == 3);
		check(exists(path("2026-03-01")));
		memset(&inject, 0, sizeof(inject));
		check(purge() && !exists(path("2026-03-01")));
	}
}

static void
test_more_errors(void)
{
	test ("what NFS hides while it is open is left, its folder too") {
		fresh();
		settings.keep_days = 1;
		day("2026-03-01", 3, 0);
		put(path("2026-03-01/.nfs0000000000abcdef"), 1, 0);
		check(purge() && r.images == 3 && !r.failed);
		check(said[0] == '\0' && exists(path("2026-03-01")));
	}
	test ("what cannot be removed is said, and the rest removed") {
		fresh();
		settings.keep_days = 1;
		day("2026-03-01", 3, 0);
		put(older(1), 100, 0);
		inject.unlink_error = EACCES;
		inject.only = "0001";
		inject.times = -1;
		check(purge() && r.failed && r.images == 2);
		check(strstr(said, "! 2026-03-01/0001") != NULL);
		check(strstr(said, ".png: Permission denied\n") != NULL);
		check(exists(image("2026-03-01", 1)) && exists(older(1)));
	}
	test ("a folder that cannot be removed is said") {
		fresh();
		settings.keep_days = 1;
		day("2026-03-01", 3, 0);
		inject.rmdir_error = EBUSY;
		inject.times = -1;
		check(purge() && r.failed && r.images == 3);
		check_str(said, "! 2026-03-01: Device or resource busy\n");
	}
	test ("names that a file system passed over get a second look") {
		fresh();
		settings.keep_days = 1;
		day("2026-03-01", 3, 0);
		inject.unlink_error = ENOENT; /* and not removed */
		inject.only = "0002";
		inject.times = 1;
		check(purge() && !r.failed && r.images == 3);
		check(!exists(path("2026-03-01")));
	}
}

int
main(void)
{
	if (mkdtemp(root) == NULL)
		return 99;
	test_names();
	test_days();
	test_expiry();
	test_more_days();
	test_bytes();
	test_more_bytes();
	test_strangers();
	test_races();
	test_more_races();
	test_errors();
	test_more_errors();
	fresh();
	rmdir(root);
	return tap_done();
}
