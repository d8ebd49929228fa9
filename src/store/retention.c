/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way through the store:
 *
 *	the store itself: its folders noted, images of the older program aged
 *	uploads: aged
 *	each day: over by more than keep_days, and its images and folder go;
 *	    else, only if keep_bytes is set, its images counted
 *	if there are too many bytes: the hour found in which the limit falls;
 *	    all older images removed, and of those of that hour the oldest
 *
 * A day that keep_days no longer keeps goes whole and without locks, also what
 * in it has been touched a moment ago: it has been over for a day at least, and
 * a responder answers only with what is in the folder of its own today, so that
 * no answer that is still on its way can be about it.  Everything else goes
 * under its lock, and only if its time is still the old one.
 */
#include "store/retention.h"

#include "store/folder_remove.h"
#include "store/key.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY_SECONDS   86400
#define HOUR_SECONDS  3600
#define YOUNG_SECONDS (2 * HOUR_SECONDS)

enum kind { OLDER, UPLOAD, DAY };

static bool (*const is_name[])(
    const char *) = { name_is_older, name_is_upload, name_is_image };

/* A folder of the store; "." is the store itself. */
struct shelf {
	char name[sizeof("YYYY-MM-DD")];
	enum kind kind;
	int64_t day;
	int64_t oldest_hour; /* of what keep_bytes may remove */
	uint64_t images;     /* that stay */
	uint64_t bytes;      /* of these */
	bool looked_into;    /* it is a folder of ours */
};

/* An image of the hour in which the limit falls. */
struct candidate {
	struct timespec mtime;
	uint64_t size;
	size_t shelf;
	char name[NAME_ROOM];
};

struct work {
	struct retention *r;
	int store;
	int64_t today;
	bool silent;    /* a second look: what is no image has been named */
	bool remainder; /* something stays in this folder */
	bool no_memory;

	struct shelf *shelves;
	size_t shelf_count;

	uint64_t bytes;  /* of all images that stay */
	uint64_t *hours; /* bytes of what keep_bytes may remove, by its hour */
	int64_t hour_count;

	int64_t limit; /* the hour in which it falls */
	struct candidate *candidates;
	size_t candidate_count, candidate_room;
};

typedef void visitor(struct work *, int fd, struct shelf *, const char *name);

/*
 * What is left alone
 */

static void
leave(struct work *w, const struct shelf *s, const char *name, const char *why,
    bool failed)
{
	char path[NAME_MAX + sizeof(s->name) + 1];

	w->remainder = true;
	w->r->failed = w->r->failed || failed;
	if (w->silent && !failed)
		return;
	if (s->kind == OLDER)
		snprintf(path, sizeof(path), "%s", name);
	else
		snprintf(path, sizeof(path), "%s%s%s", s->name,
		    *name == '\0' ? "" : "/", name);
	w->r->left(w->r, path, why, failed);
}

static void
complain(struct work *w, const struct shelf *s, const char *name)
{
	leave(w, s, name, strerrordesc_np(errno), true);
}

/* NFS keeps by such a name what was removed while this machine had it open;
 * it goes by itself. */
static bool
is_nfs_leftover(const char *name)
{
	return strncmp(name, ".nfs", 4) == 0;
}

/* Is it an image, by its name and its kind? */
static bool
look(struct work *w, int fd, struct shelf *s, const char *name, struct stat *st)
{
	if (is_nfs_leftover(name))
		return false;
	if (!is_name[s->kind](name)) {
		leave(w, s, name, "is no image", false);
		return false;
	}
	if (fstatat(fd, name, st, AT_SYMLINK_NOFOLLOW) != 0) {
		if (!removal_is_gone(errno))
			complain(w, s, name);
		return false;
	}
	if (!S_ISREG(st->st_mode)) {
		leave(
		    w, s, name, "is no image, but has the name of one", false);
		return false;
	}
	w->r->looked++;
	w->r->folder = s->name;
	w->r->progress(w->r);
	return true;
}

/*
 * Reading folders
 */

static int
open_shelf(struct work *w, const struct shelf *s)
{
	int fd = removal_open_folder(w->store, s->name);

	if (fd >= 0 || removal_is_gone(errno))
		return fd;
	if (errno == EXDEV)
		leave(w, s, "", "is another file system", false);
	else if (errno == ENOTDIR || errno == ELOOP)
		leave(w, s, "", "is no folder, but has the name of one", false);
	else
		complain(w, s, "");
	return -1;
}

/* Visit all entries of a folder; false and errno when that fails. */
static bool
read_entries(struct work *w, DIR *d, struct shelf *s, visitor *visit)
{
	struct dirent *e;

	for (;;) {
		errno = 0;
		/* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody else has "d" */
		e = readdir(d);
		if (e == NULL)
			return errno == 0;
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			visit(w, dirfd(d), s, e->d_name);
	}
}

static void
visit_shelf(struct work *w, struct shelf *s, visitor *visit)
{
	int fd = open_shelf(w, s);
	DIR *d;

	if (fd < 0)
		return;
	s->looked_into = true;
	d = fdopendir(fd);
	if ((d == NULL || !read_entries(w, d, s, visit)) &&
	    !removal_is_gone(errno))
		complain(w, s, "");
	if (d == NULL)
		close(fd);
	else
		closedir(d);
}

/* Remove a folder that should be empty; false: it is not. */
static bool
drop_folder(struct work *w, struct shelf *s)
{
	if (unlinkat(w->store, s->name, AT_REMOVEDIR) == 0 ||
	    removal_is_gone(errno))
		return true;
	if (errno != ENOTEMPTY && errno != EEXIST)
		complain(w, s, "");
	return false;
}

/*
 * keep_days
 */

static bool
is_over(const struct work *w, int64_t day)
{
	int64_t keep_days = w->r->settings->keep_days;

	/* the last moment of that day lies more than keep_days days back from
	 * the first moment of today on */
	return keep_days > 0 && w->today - day > keep_days;
}

static void
tally(struct work *w, uint64_t size)
{
	w->r->images++;
	w->r->bytes += size;
}

/* An image of a day that is over. */
static void
visit_over(struct work *w, int fd, struct shelf *s, const char *name)
{
	struct stat st;

	if (!look(w, fd, s, name, &st))
		return;
	if (w->r->dry_run || unlinkat(fd, name, 0) == 0)
		tally(w, (uint64_t)st.st_size);
	else if (!removal_is_gone(errno))
		complain(w, s, name);
}

/*
 * Again when the folder is not empty although all that was seen went: a file
 * system may pass over names while others are removed.
 */
static void
remove_day(struct work *w, struct shelf *s)
{
	uint64_t before;

	do {
		before = w->r->images;
		w->remainder = false;
		visit_shelf(w, s, visit_over);
	} while (!w->r->dry_run && !w->remainder && !drop_folder(w, s) &&
		 !w->remainder && w->r->images > before);
}

/*
 * keep_bytes
 */

static int64_t
hour_of(const struct work *w, time_t when)
{
	int64_t hour = when / HOUR_SECONDS;

	if (hour < 0)
		return 0;
	return hour < w->hour_count ? hour : w->hour_count - 1;
}

static bool
is_young(const struct work *w, const struct stat *st)
{
	return st->st_mtim.tv_sec >= w->r->now - YOUNG_SECONDS;
}

static void
add_up(struct work *w, struct shelf *s, const struct stat *st)
{
	s->images++;
	s->bytes += (uint64_t)st->st_size;
	w->bytes += (uint64_t)st->st_size;
}

/* An image that stays, as far as keep_days goes. */
static void
count(struct work *w, struct shelf *s, const struct stat *st)
{
	int64_t hour;

	add_up(w, s, st);
	if (w->hours == NULL || is_young(w, st))
		return;
	hour = hour_of(w, st->st_mtim.tv_sec);
	w->hours[hour] += (uint64_t)st->st_size;
	if (hour < s->oldest_hour)
		s->oldest_hour = hour;
}

static void
visit_kept(struct work *w, int fd, struct shelf *s, const char *name)
{
	struct stat st;

	if (look(w, fd, s, name, &st))
		count(w, s, &st);
}

/* Remove one image that has no day, or not yet; true: it is gone. */
static bool
take(struct work *w, int fd, const struct shelf *s, const char *name,
    const struct timespec *mtime, uint64_t size)
{
	enum removal got = REMOVAL_DONE;

	if (!w->r->dry_run)
		got = removal_file(fd, name, mtime);
	if (got == REMOVAL_DONE)
		tally(w, size);
	if (got == REMOVAL_FAILED)
		complain(w, s, name);
	return got == REMOVAL_DONE || got == REMOVAL_GONE;
}

/* An upload, or an image of the older program: these age by their time. */
static void
visit_aged(struct work *w, int fd, struct shelf *s, const char *name)
{
	struct stat st;

	if (look(w, fd, s, name, &st) &&
	    !(is_over(w, st.st_mtim.tv_sec / DAY_SECONDS) &&
		take(w, fd, s, name, &st.st_mtim, (uint64_t)st.st_size)))
		count(w, s, &st);
}

static void
add_candidate(struct work *w, const struct shelf *s, const char *name,
    const struct stat *st)
{
	struct candidate *more;
	size_t room;

	if (w->candidate_count == w->candidate_room) {
		room = w->candidate_room * 2 + 1024;
		more = reallocarray(w->candidates, room, sizeof(*more));
		if (more == NULL) {
			w->no_memory = true;
			return;
		}
		w->candidates = more;
		w->candidate_room = room;
	}
	more = &w->candidates[w->candidate_count++];
	more->mtime = st->st_mtim;
	more->size = (uint64_t)st->st_size;
	more->shelf = (size_t)(s - w->shelves);
	snprintf(more->name, sizeof(more->name), "%s", name);
}

static void
settle(struct work *w, struct shelf *s, uint64_t size)
{
	w->bytes -= size < w->bytes ? size : w->bytes;
	s->bytes -= size < s->bytes ? size : s->bytes;
	s->images -= s->images > 0;
}

/* The second look: older than the limit and it goes, of its hour and it is a
 * candidate. */
static void
visit_old(struct work *w, int fd, struct shelf *s, const char *name)
{
	struct stat st;
	int64_t hour;

	if (!look(w, fd, s, name, &st))
		return;
	hour = is_young(w, &st) ? INT64_MAX : hour_of(w, st.st_mtim.tv_sec);
	if (hour < w->limit &&
	    take(w, fd, s, name, &st.st_mtim, (uint64_t)st.st_size))
		return;
	add_up(w, s, &st);
	if (hour == w->limit)
		add_candidate(w, s, name, &st);
}

static int
by_age(const void *one, const void *other)
{
	const struct candidate *a = one, *b = other;

	if (a->mtime.tv_sec != b->mtime.tv_sec)
		return a->mtime.tv_sec < b->mtime.tv_sec ? -1 : 1;
	if (a->mtime.tv_nsec != b->mtime.tv_nsec)
		return a->mtime.tv_nsec < b->mtime.tv_nsec ? -1 : 1;
	return strcmp(a->name, b->name);
}

static void
take_candidates(struct work *w, uint64_t keep_bytes)
{
	struct shelf *s = NULL;
	struct candidate *c;
	int fd = -1;
	size_t i;

	if (w->candidate_count > 0)
		qsort(w->candidates, w->candidate_count, sizeof(*w->candidates),
		    by_age);
	for (i = 0; i < w->candidate_count && w->bytes > keep_bytes; i++) {
		c = &w->candidates[i];
		if (s != &w->shelves[c->shelf]) {
			s = &w->shelves[c->shelf];
			if (fd >= 0)
				close(fd);
			fd = open_shelf(w, s);
		}
		if (fd >= 0 && take(w, fd, s, c->name, &c->mtime, c->size))
			settle(w, s, c->size);
	}
	if (fd >= 0)
		close(fd);
}

/* The first hour up to which there is enough to remove; else the last. */
static int64_t
find_limit(const struct work *w, uint64_t too_many)
{
	uint64_t sum = 0;
	int64_t hour;

	for (hour = 0; hour < w->hour_count - 1; hour++) {
		sum += w->hours[hour];
		if (sum >= too_many)
			break;
	}
	return hour;
}

/* Never the folder of today, nor of yesterday: a responder that took its name
 * from the clock just before midnight may still be on its way there. */
static void
drop_empty_days(struct work *w)
{
	struct shelf *s;

	for (s = w->shelves; s < w->shelves + w->shelf_count; s++)
		if (s->kind == DAY && s->looked_into && s->images == 0 &&
		    s->day < w->today - 1 && !is_over(w, s->day))
			drop_folder(w, s);
}

/* What is there now: another purge may have been at it. */
static void
look_again(struct work *w, struct shelf *s)
{
	w->bytes -= s->bytes;
	s->bytes = s->images = 0;
	visit_shelf(w, s, visit_old);
}

static void
thin(struct work *w)
{
	uint64_t keep_bytes = (uint64_t)w->r->settings->keep_bytes;
	struct shelf *s;

	if (w->bytes > keep_bytes) {
		w->silent = true;
		w->limit = find_limit(w, w->bytes - keep_bytes);
		for (s = w->shelves; s < w->shelves + w->shelf_count; s++)
			if (s->oldest_hour <= w->limit)
				look_again(w, s);
		/* of half a list the oldest are not known */
		if (!w->no_memory)
			take_candidates(w, keep_bytes);
	}
	if (!w->r->dry_run)
		drop_empty_days(w);
	if (w->bytes > keep_bytes)
		w->r->over = w->bytes - keep_bytes;
}

/*
 * The whole
 */

static void
add_shelf(struct work *w, const char *name, enum kind kind, int64_t day)
{
	struct shelf *more, *s;

	more = reallocarray(w->shelves, w->shelf_count + 1, sizeof(*more));
	if (more == NULL) {
		w->no_memory = true;
		return;
	}
	w->shelves = more;
	s = &more[w->shelf_count++];
	memset(s, 0, sizeof(*s));
	snprintf(s->name, sizeof(s->name), "%s", name);
	s->kind = kind;
	s->day = day;
	s->oldest_hour = INT64_MAX;
}

/* In the store itself: its folders, and images of the older program.  Hidden
 * names are the service's own. */
static void
visit_store(struct work *w, int fd, struct shelf *s, const char *name)
{
	int64_t day;

	if (name[0] == '.' || strcmp(name, "lost+found") == 0)
		return;
	if (strcmp(name, NAME_UPLOADS) == 0)
		add_shelf(w, name, UPLOAD, 0);
	else if (name_is_day(name, &day))
		add_shelf(w, name, DAY, day);
	else
		visit_aged(w, fd, s, name);
}

static int
by_day(const void *one, const void *other)
{
	const struct shelf *a = one, *b = other;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return (a->day > b->day) - (a->day < b->day);
}

static void
walk(struct work *w)
{
	struct shelf store = { .name = ".", .oldest_hour = INT64_MAX };
	struct shelf *s;
	bool counting = w->hours != NULL;

	visit_shelf(w, &store, visit_store);
	add_shelf(w, ".", OLDER, 0);
	if (w->no_memory)
		return;
	qsort(w->shelves, w->shelf_count, sizeof(*w->shelves), by_day);
	w->shelves[0] = store;
	w->r->count = w->shelf_count - 1;
	for (s = w->shelves + 1; s < w->shelves + w->shelf_count; s++) {
		w->r->done++;
		if (s->kind == UPLOAD)
			visit_shelf(w, s, visit_aged);
		else if (is_over(w, s->day))
			remove_day(w, s);
		else if (counting)
			visit_shelf(w, s, visit_kept);
	}
	if (counting)
		thin(w);
}

bool
retention_apply(struct retention *r)
{
	struct work *w = calloc(1, sizeof(*w));
	int errnum = ENOMEM;

	if (w == NULL)
		goto out;
	w->r = r;
	w->today = r->now / DAY_SECONDS;
	w->store = removal_open_store(r->settings->store);
	errnum = errno;
	if (w->store < 0)
		goto out;
	errnum = ENOMEM;
	if (r->settings->keep_bytes > 0) {
		w->hour_count = r->now / HOUR_SECONDS + 1;
		w->hours = calloc((size_t)w->hour_count, sizeof(*w->hours));
		if (w->hours == NULL)
			goto out;
	}
	errnum = 0;
	if (r->settings->keep_days > 0 || r->settings->keep_bytes > 0)
		walk(w);
	if (w->no_memory)
		errnum = ENOMEM;
out:
	if (w != NULL) {
		if (w->store >= 0)
			close(w->store);
		free(w->shelves);
		free(w->hours);
		free(w->candidates);
		free(w);
	}
	errno = errnum;
	return errnum == 0;
}

void
retention_expires(char to[RETENTION_DAY_ROOM], const struct settings *settings,
    const char *key, time_t now)
{
	char name[RETENTION_DAY_ROOM];
	int64_t day;
	time_t first;
	struct tm tm;

	to[0] = '\0';
	if (settings->keep_days == 0)
		return;
	snprintf(name, sizeof(name), "%s", key);
	/* uploads age by their time: see visit_aged() */
	if (!name_is_day(name, &day))
		day = now / DAY_SECONDS;
	/* the first day of which is_over() says so */
	first = (time_t)((day + settings->keep_days + 1) * DAY_SECONDS);
	if (gmtime_r(&first, &tm) == NULL ||
	    strftime(to, RETENTION_DAY_ROOM, "%Y-%m-%d", &tm) == 0)
		to[0] = '\0';
}
