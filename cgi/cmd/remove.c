/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "grafana-images remove ADDRESS...": images taken back.
 */
#include "cmd/commands.h"

#include "net/http.h"
#include "net/url.h"
#include "store/folder_remove.h"
#include "store/key.h"
#include "store/s3.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define BUCKET_PATIENCE_MS 15000
#define TRIES              3 /* NFS: a folder's descriptor may be stale */

extern char **environ;

/* What to remove. */
struct key {
	char folder[sizeof("YYYY-MM-DD")]; /* "." is the store, "" any day */
	char name[NAME_ROOM];
};

struct job {
	const struct settings *settings;
	struct place public_url;
	int store;             /* a folder, or -1 */
	struct bucket *bucket; /* or NULL */
	struct http *http;     /* to ask the bucket by */
	unsigned removed, malformed, missing, failed;
};

/*
 * What an argument means
 */

static bool
set_key(struct key *key, const char *folder, const char *name)
{
	snprintf(key->folder, sizeof(key->folder), "%s", folder);
	snprintf(key->name, sizeof(key->name), "%s", name);
	return true;
}

/* "DAY/SHA256.png" and the other names below the store; nothing else passes,
 * so nothing can lead out of it. */
static bool
read_path(struct key *key, const char *path)
{
	const char *slash = strchr(path, '/');
	char folder[sizeof(key->folder)];
	int64_t day;

	if (slash == NULL && name_is_older(path))
		return set_key(key, ".", path);
	if (slash == NULL || (size_t)(slash - path) >= sizeof(folder))
		return false;
	snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
	if (name_is_day(folder, &day) && name_is_image(slash + 1))
		return set_key(key, folder, slash + 1);
	if (strcmp(folder, NAME_UPLOADS) == 0 && name_is_upload(slash + 1))
		return set_key(key, folder, slash + 1);
	return false;
}

/* The rest of a path below a base; NULL when it is not below it. */
static const char *
below(const char *path, const char *base)
{
	size_t n = strlen(base);

	return strncmp(path, base, n) == 0 && path[n] == '/' ? path + n + 1
							     : NULL;
}

static bool
read_address(struct key *key, const struct job *job, const char *text)
{
	/* what chats add behind an address is none of its name */
	char *url = strndup(text, strcspn(text, "?#"));
	const struct place *base = &job->public_url;
	const char *why, *rest = NULL;
	struct place place = { 0 };

	if (url != NULL && place_parse(&place, url, &why) &&
	    strcmp(place.scheme, base->scheme) == 0 &&
	    strcmp(place.authority, base->authority) == 0)
		rest = below(place.path, base->path);
	if (rest != NULL && !read_path(key, rest))
		rest = NULL;
	place_free(&place);
	free(url);
	return rest != NULL;
}

static bool
read_key(struct key *key, const struct job *job, const char *text)
{
	char bare[NAME_ROOM];
	const char *rest = below(text, job->settings->store);

	if (strstr(text, "://") != NULL)
		return read_address(key, job, text);
	if (rest != NULL)
		return read_path(key, rest);
	if (strlen(text) == 64) {
		snprintf(bare, sizeof(bare), "%s.png", text);
		text = bare;
	}
	if (name_is_image(text))
		return set_key(key, "", text);
	if (name_is_upload(text) && !name_is_older(text))
		return set_key(key, NAME_UPLOADS, text);
	return read_path(key, text);
}

/*
 * Removing
 */

/* One try; false with errno. */
static bool
remove_once(int store, const char *in, const char *name)
{
	int fd = removal_open_folder(store, in), errnum;
	enum removal got = REMOVAL_FAILED;
	struct stat st;

	if (fd < 0)
		return false;
	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EINVAL;
		if (S_ISREG(st.st_mode))
			got = removal_file(fd, name, NULL);
		/* it was there: whoever removed it, it is gone */
		if (got == REMOVAL_GONE && errno != ESTALE)
			got = REMOVAL_DONE;
	}
	if (got == REMOVAL_DONE && fsync(fd) != 0)
		got = REMOVAL_FAILED;
	errnum = errno;
	close(fd);
	errno = errnum;
	return got == REMOVAL_DONE;
}

/* A bucket does not tell an object that was not there from one that is gone. */
static bool
remove_object(struct job *job, const char *in, const char *name)
{
	char key[sizeof("YYYY-MM-DD/") + NAME_ROOM];
	struct problem p = { 0 };

	snprintf(key, sizeof(key), "%s%s%s", strcmp(in, ".") == 0 ? "" : in,
	    strcmp(in, ".") == 0 ? "" : "/", name);
	if (bucket_remove(job->bucket, key, job->http, BUCKET_PATIENCE_MS,
		&p) == OUTCOME_OK) {
		printf("removed %s, if it was there\n", key);
		job->removed++;
		return true;
	}
	fprintf(stderr, "grafana-images: %s/%s: cannot be removed: %s\n",
	    job->settings->store, key,
	    *p.why == '\0' ? "the bucket did not answer" : p.why);
	job->failed++;
	return false;
}

/* Remove it there; false: it was not there, or could not be removed. */
static bool
remove_from(struct job *job, const char *in, const char *name)
{
	int try;

	if (job->bucket != NULL)
		return remove_object(job, in, name);

	for (try = 1; try <= TRIES; try++) {
		if (remove_once(job->store, in, name)) {
			printf("removed %s%s%s\n",
			    strcmp(in, ".") == 0 ? "" : in,
			    strcmp(in, ".") == 0 ? "" : "/", name);
			job->removed++;
			return true;
		}
		if (errno != ESTALE)
			break;
	}
	if (errno == ENOENT)
		return false;
	fprintf(stderr, "grafana-images: %s/%s/%s: cannot be removed: %s\n",
	    job->settings->store, in, name,
	    errno == EINVAL ? "it is no file" : strerrordesc_np(errno));
	job->failed++;
	return false;
}

/* A picture that was saved on several days has the same name in each. */
static void
remove_from_all_days(struct job *job, const char *name)
{
	int fd = removal_open_folder(job->store, ".");
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int64_t day;

	if (d == NULL) {
		fprintf(stderr, "grafana-images: store = %s: %s\n",
		    job->settings->store, strerrordesc_np(errno));
		job->failed++;
		return;
	}
	while ((e = readdir(d)) != NULL)
		if (name_is_day(e->d_name, &day))
			remove_from(job, e->d_name, name);
	closedir(d);
}

static void
say(const char *text, const char *what)
{
	fputs("grafana-images: ", stderr);
	name_print(stderr, text);
	fprintf(stderr, ": %s\n", what);
}

static void
remove_one(struct job *job, const char *text)
{
	unsigned before = job->removed + job->failed;
	struct key key;

	if (!read_key(&key, job, text)) {
		say(text, "is no image's address below public_url, nor a name "
			  "such as YYYY-MM-DD/SHA256.png");
		job->malformed++;
		return;
	}
	if (key.folder[0] == '\0' && job->bucket != NULL) {
		say(text, "a bucket is not searched: give the day, too, as in "
			  "YYYY-MM-DD/SHA256.png");
		job->malformed++;
		return;
	}
	if (key.folder[0] == '\0')
		remove_from_all_days(job, key.name);
	else
		remove_from(job, key.folder, key.name);
	if (job->removed + job->failed == before) {
		say(text, "there is no such image");
		job->missing++;
	}
}

static int
remove_all(struct job *job, int argc, char *argv[])
{
	int i;

	for (i = 0; i < argc; i++)
		remove_one(job, argv[i]);
	if (job->removed > 0)
		puts("Browsers, chats and caches between may show it for "
		     "another day (Cache-Control: max-age=86400), or for as "
		     "long as they keep a copy of their own.");
	if (job->failed > 0)
		return EX_IOERR;
	if (job->malformed > 0)
		return EX_DATAERR;
	return job->missing > 0 ? EX_NOINPUT : EX_OK;
}

/* Open the store that the settings name; false when it cannot be used. */
static bool
open_store(struct job *job)
{
	struct http_options options = settings_http_options(job->settings);

	if (!settings_store_is_s3(job->settings)) {
		job->store = removal_open_store(job->settings->store);
		if (job->store < 0)
			fprintf(stderr, "grafana-images: store = %s: %s\n",
			    job->settings->store, strerrordesc_np(errno));
		return job->store >= 0;
	}
	if (!http_start(&options, stderr))
		return false;
	job->http = http_open(&options);
	if (job->http == NULL)
		fputs("grafana-images: there is no memory\n", stderr);
	job->bucket = bucket_open(job->settings, stderr);
	return job->http != NULL && job->bucket != NULL;
}

static void
close_store(struct job *job)
{
	if (job->store >= 0)
		close(job->store);
	bucket_close(job->bucket);
	if (job->http != NULL) {
		http_close(job->http);
		http_stop();
	}
}

int
remove_run(const char *file, int argc, char *argv[])
{
	struct settings settings;
	struct job job = { .settings = &settings, .store = -1 };
	int status = EX_CONFIG;
	const char *why;

	if (argc == 0 || argv[0][0] == '-')
		return EX_USAGE;
	if (!settings_load(&settings, file, environ, stderr) ||
	    !place_parse(&job.public_url, settings.public_url, &why))
		goto out;
	status = owner_become(&settings);
	if (status == EX_NOINPUT)
		fprintf(stderr, "grafana-images: store = %s: %s\n",
		    settings.store, strerrordesc_np(errno));
	if (status == EX_OK)
		status = open_store(&job) ? remove_all(&job, argc, argv)
					  : EX_NOINPUT;
out:
	close_store(&job);
	place_free(&job.public_url);
	settings_free(&settings);
	return status;
}
