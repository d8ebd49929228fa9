/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include "store/folder.h"
#include "store/key.h"
#include "store/s3.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

struct store {
	const struct settings *settings;
	struct folder *folder; /* NULL: the store is a bucket */
	struct bucket *bucket;
};

static bool
is_away(const struct store *s)
{
	return s->folder == NULL && s->bucket == NULL;
}

struct store *
store_open(const struct settings *settings, bool needed, FILE *complaints)
{
	struct store *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->settings = settings;
	if (settings_store_is_s3(settings))
		s->bucket = bucket_open(settings, complaints);
	else
		s->folder = folder_open(settings->store, complaints);
	if (is_away(s) && (needed || settings_store_is_s3(settings))) {
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

	if (is_away(s))
		return problem_set_default(p, OUTCOME_STORE_FAILED);
	if (!make_key(key, image))
		return problem_set_default(p, OUTCOME_INTERNAL);
	if (s->bucket != NULL)
		return bucket_put(s->bucket, key, image, http, left_ms, p);
	day_of(day, key);
	return folder_put(s->folder, &file, s->settings->min_free_bytes, p);
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

	if (is_away(s))
		return problem_set_default(p, OUTCOME_STORE_FAILED);
	snprintf(key, STORE_KEY_ROOM, NAME_UPLOADS "/%s.png", name);
	if (s->bucket != NULL)
		return bucket_put_new(s->bucket, key, image, http, left_ms, p);
	return folder_put(s->folder, &file, s->settings->min_free_bytes, p);
}

bool
store_renew(struct store *s, const char *key, size_t bytes, struct http *http,
    int64_t left_ms)
{
	char day[STORE_DAY_LEN + 1];

	if (is_away(s))
		return false;
	if (s->bucket != NULL)
		return bucket_has(s->bucket, key, http, left_ms);
	day_of(day, key);
	return folder_renew(s->folder, day, STORE_DIGITS(key), bytes);
}

int64_t
store_free_bytes(struct store *s)
{
	return s->folder == NULL ? -1 : folder_free_bytes(s->folder);
}

const char *
store_health(struct store *s, struct http *http)
{
	if (s->bucket != NULL)
		return bucket_health(s->bucket, http);
	if (is_away(s))
		return "cannot be written";
	if (folder_is_ready(s->folder, s->settings->min_free_bytes))
		return "ok";
	return errno == ENOSPC ? "full" : "cannot be written";
}
