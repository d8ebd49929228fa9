/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "grafana-images purge": what the settings no longer keep, removed.
 *
 * The result is on standard output; what is left alone, what fails and, on a
 * terminal, how far it is, on standard error.  Cron mails what it should when
 * standard output is thrown away.
 */
#include "cmd/commands.h"

#include "base/clock.h"
#include "server/state_dir.h"
#include "store/folder.h"
#include "store/key.h"
#include "store/retention.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define NAMED_MOST    100 /* of what stays; the others are counted */
#define PROGRESS_MS   200
#define PROGRESS_EACH 64 /* images between two looks at the clock */

extern char **environ;

static bool on_terminal;
static uint64_t stayed;

/* Make room for a line of text where the progress stands. */
static void
clear_progress(void)
{
	if (on_terminal)
		fputs("\r\033[K", stderr);
}

static void
show_progress(struct retention *r)
{
	static int64_t next_ms;

	if (!on_terminal || r->looked % PROGRESS_EACH != 1 ||
	    now_ms() < next_ms)
		return;
	next_ms = now_ms() + PROGRESS_MS;
	clear_progress();
	if (r->count > 0)
		fprintf(stderr, "%s, folder %zu of %zu: ", r->folder, r->done,
		    r->count);
	fprintf(stderr, "%" PRIu64 " images looked at, %" PRIu64 " %s",
	    r->looked, r->images, r->dry_run ? "to remove" : "removed");
	fflush(stderr);
}

static void
say_left(struct retention *r, const char *path, const char *why, bool failed)
{
	if (stayed++ >= NAMED_MOST)
		return;
	clear_progress();
	fputs("grafana-images: ", stderr);
	fputs(r->settings->store, stderr);
	fputc('/', stderr);
	name_print(stderr, path);
	fprintf(stderr,
	    failed ? ": cannot be removed: %s\n" : ": %s; it is left alone\n",
	    why);
}

static void
say_result(const struct retention *r)
{
	clear_progress();
	printf("%s %" PRIu64 " images, %" PRIu64 " bytes\n",
	    r->dry_run ? "would remove" : "removed", r->images, r->bytes);
	if (stayed > NAMED_MOST)
		fprintf(stderr,
		    "grafana-images: %" PRIu64 " more files like these\n",
		    stayed - NAMED_MOST);
	if (r->over > 0)
		fprintf(stderr,
		    "grafana-images: the store is still %" PRIu64 " bytes "
		    "larger than keep_bytes: the rest is younger than two "
		    "hours, or cannot be removed\n",
		    r->over);
}

static int
apply(const struct settings *settings, bool dry_run)
{
	struct retention r = { .settings = settings,
		.now = time(NULL),
		.dry_run = dry_run,
		.left = say_left,
		.progress = show_progress };

	on_terminal = isatty(STDERR_FILENO);
	if (settings->keep_days == 0 && settings->keep_bytes == 0)
		puts("keep_days and keep_bytes are 0: all images are kept");
	if (!retention_apply(&r)) {
		clear_progress();
		fprintf(stderr, "grafana-images: store = %s: %s\n",
		    settings->store, strerrordesc_np(errno));
		return errno == ENOMEM ? EX_OSERR : EX_NOINPUT;
	}
	say_result(&r);
	return r.failed ? EX_IOERR : EX_OK;
}

/* What only one purge at a time does. */
static int
apply_alone(const struct settings *settings)
{
	int lock = state_lock(settings, "purge.lock"), status;
	struct folder *folder;

	if (lock < 0 && errno == EWOULDBLOCK) {
		fputs("grafana-images: another purge is running; it does all "
		      "there is to do\n",
		    stderr);
		return EX_TEMPFAIL;
	}
	/* two at a time do no harm: each looks again before it removes */
	if (lock < 0)
		fprintf(stderr,
		    "grafana-images: warning: state cannot be locked: %s; "
		    "another purge is not noticed\n",
		    strerrordesc_np(errno));
	/* opening it also removes what a crash left */
	folder = folder_open(settings->store, stderr);
	status = folder == NULL ? EX_CANTCREAT : apply(settings, false);
	folder_close(folder);
	if (lock >= 0)
		close(lock);
	return status;
}

int
purge_run(const char *file, int argc, char *argv[])
{
	bool dry_run = argc == 1 && strcmp(argv[0], "--dry-run") == 0;
	struct settings settings;
	int status = EX_CONFIG;

	if (argc > 0 && !dry_run)
		return EX_USAGE;
	if (!settings_load(&settings, file, environ, stderr))
		goto out;
	if (settings_store_is_s3(&settings)) {
		printf("store = %s: a bucket is purged by its own lifecycle "
		       "rule (expiration after so many days); there is "
		       "nothing to do here\n",
		    settings.store);
		status = EX_OK;
		goto out;
	}
	status = owner_become(&settings);
	if (status == EX_OK && access(settings.store, F_OK) != 0)
		status = EX_NOINPUT;
	if (status == EX_NOINPUT)
		fprintf(stderr, "grafana-images: store = %s: %s\n",
		    settings.store, strerrordesc_np(errno));
	if (status == EX_OK)
		status =
		    dry_run ? apply(&settings, true) : apply_alone(&settings);
out:
	settings_free(&settings);
	return status;
}
