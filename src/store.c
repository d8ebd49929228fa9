/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include "folder.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct store {
	const struct settings *settings;
	struct folder *folder;
};

struct store *
store_open(const struct settings *settings, FILE *complaints)
{
	struct store *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->settings = settings;
	if (settings_store_is_s3(settings))
		fprintf(complaints,
		    "grafana-images: store = %s: this version keeps images in "
		    "a folder only\n",
		    settings->store);
	else
		s->folder = folder_open(settings->store, complaints);
	if (s->folder == NULL) {
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
	free(s);
}

/* "YYYY-MM-DD/SHA256.png": the day in UTC, the digest of the very bytes. */
static bool
make_key(struct stored *stored, const struct buf *image)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	time_t now = time(NULL);
	unsigned len, i;
	struct tm tm;
	size_t n;

	if (gmtime_r(&now, &tm) == NULL ||
	    EVP_Digest(image->bytes, image->len, digest, &len, EVP_sha256(),
		NULL) != 1)
		return false;
	n = strftime(stored->key, sizeof(stored->key), "%Y-%m-%d/", &tm);
	for (i = 0; i < len; i++)
		n += (size_t)snprintf(stored->key + n, sizeof(stored->key) - n,
		    "%02x", digest[i]);
	snprintf(stored->key + n, sizeof(stored->key) - n, ".png");
	return true;
}

enum outcome
store_put(struct store *s, struct stored *stored, const struct buf *image,
    struct problem *p)
{
	char day[sizeof("YYYY-MM-DD")];
	enum outcome o;

	memset(stored, 0, sizeof(*stored));
	if (!make_key(stored, image) ||
	    asprintf(&stored->address, "%s/%s", s->settings->public_url,
		stored->key) < 0)
		return fail(p, OUTCOME_INTERNAL, NULL);
	snprintf(day, sizeof(day), "%.10s", stored->key);
	o = folder_put(s->folder, day, STORED_DIGEST(stored), image->bytes,
	    image->len, s->settings->min_free_bytes, p);
	if (o != OUTCOME_SAVED) {
		free(stored->address);
		stored->address = NULL;
	}
	return o;
}
