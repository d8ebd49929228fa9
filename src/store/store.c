/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include "store/folder.h"
#include "store/folder_problem.h"
#include "store/key.h"
#include "store/s3.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

struct store {
	const struct settings *settings;
	struct bucket *bucket;           /* or a folder: */
	_Atomic(struct folder *) folder; /* NULL until it could be opened */
};

/*
 * The folder, opened as soon as that can be done: a disk that was not mounted
 * or had another owner at start needs no restart.  NULL and errno.
 */
static struct folder *
open_folder(struct store *s, FILE *complaints)
{
	struct folder *f = atomic_load(&s->folder), *other = NULL;

	if (f != NULL)
		return f;
	f = folder_open(s->settings->store, complaints);
	if (f == NULL)
		return NULL;
	if (atomic_compare_exchange_strong(&s->folder, &other, f))
		return f;
	/* another thread was quicker, and its folder may be in use */
	folder_close(f);
	return other;
}

struct store *
store_open(const struct settings *settings, FILE *complaints)
{
	struct store *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->settings = settings;
	if (!settings_store_is_s3(settings)) {
		(void)open_folder(s, complaints);
		return s;
	}
	s->bucket = bucket_open(settings, complaints);
	if (s->bucket == NULL) {
		store_close(s);
		return NULL;
	}
	return s;
}

void
store_close(struct store *s)
{
	if (s == NULL)
		return;
	folder_close(s->folder);
	bucket_close(s->bucket);
	free(s);
}

static enum outcome
put_file(struct store *s, const struct folder_file *file, struct problem *p)
{
	struct folder *f = open_folder(s, NULL);

	if (f == NULL)
		return folder_problem_set(
		    p, errno, s->settings->store, NULL, NULL);
	return folder_put(f, file, s->settings->min_free_bytes, p);
}

/* The day in UTC, the digest of the very bytes. */
static bool
make_key(char key[STORE_KEY_ROOM], const struct buf *image)
{
	unsigned char digest[DIGEST_BYTES];
	char hex[DIGEST_HEX_ROOM];
	time_t now = time(NULL);
	struct tm tm;
	size_t n;

	if (gmtime_r(&now, &tm) == NULL ||
	    !digest_make(digest, image->bytes, image->len))
		return false;
	digest_hex(hex, digest);
	n = strftime(key, STORE_KEY_ROOM, "%Y-%m-%d", &tm);
	snprintf(key + n, STORE_KEY_ROOM - n, "/%s.png", hex);
	return n == STORE_DAY_LEN;
}

static void
day_of(char day[STORE_DAY_LEN + 1], const char *key)
{
	snprintf(day, STORE_DAY_LEN + 1, "%s", key);
}

enum outcome
store_put(struct store *s, char key[STORE_KEY_ROOM], const struct buf *image,
    struct http *http, int64_t left_ms, struct problem *p)
{
	char day[STORE_DAY_LEN + 1];
	struct folder_file file = {
		.folder = day,
		.name = STORE_DIGITS(key),
		.bytes = image->bytes,
		.len = image->len,
		.by_content = true,
	};

	if (!make_key(key, image))
		return problem_set_default(p, OUTCOME_INTERNAL);
	if (s->bucket != NULL)
		return bucket_put(s->bucket, key, image, http, left_ms, p);
	day_of(day, key);
	return put_file(s, &file, p);
}

enum outcome
store_put_upload(struct store *s, char key[STORE_KEY_ROOM], const char *name,
    const struct buf *image, struct http *http, int64_t left_ms,
    struct problem *p)
{
	struct folder_file file = {
		.folder = NAME_UPLOADS,
		.name = key + sizeof(NAME_UPLOADS),
		.bytes = image->bytes,
		.len = image->len,
	};

	snprintf(key, STORE_KEY_ROOM, NAME_UPLOADS "/%s.png", name);
	if (s->bucket != NULL)
		return bucket_put_new(s->bucket, key, image, http, left_ms, p);
	return put_file(s, &file, p);
}

bool
store_renew(struct store *s, const char *key, size_t bytes, struct http *http,
    int64_t left_ms)
{
	char day[STORE_DAY_LEN + 1];
	struct folder *f;

	if (s->bucket != NULL)
		return bucket_has(s->bucket, key, http, left_ms);
	day_of(day, key);
	f = open_folder(s, NULL);
	return f != NULL && folder_renew(f, day, STORE_DIGITS(key), bytes);
}

int64_t
store_free_bytes(struct store *s)
{
	struct folder *f = atomic_load(&s->folder);

	return f == NULL ? -1 : folder_free_bytes(f);
}

const char *
store_health(struct store *s, struct http *http)
{
	struct folder *f;

	if (s->bucket != NULL)
		return bucket_health(s->bucket, http);
	f = open_folder(s, NULL);
	if (f != NULL && folder_is_ready(f, s->settings->min_free_bytes))
		return "ok";
	return folder_problem_phrase(errno);
}
