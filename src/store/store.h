/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_H
#define STORE_H

#include <stdbool.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/outcome.h"
#include "base/sha256.h"
#include "config/settings.h"
#include "net/http.h"

/*
 * Keeping images under names that are their own SHA-256, by day, in a folder or
 * a bucket.
 */
struct store;

/*
 * NULL when the settings of a bucket are wrong, or there is no memory;
 * complaints say why.  A folder that cannot be used is complained of, and tried
 * again whenever something is to be kept: until it can, that is
 * OUTCOME_STORE_FAILED or OUTCOME_STORE_FULL.  Settings are borrowed.
 */
struct store *store_open(const struct settings *, FILE *complaints);
void store_close(struct store *);

/* Where an image is, below the store's address: "YYYY-MM-DD/SHA256.png". */
#define STORE_DAY_LEN (sizeof("YYYY-MM-DD") - 1)
#define STORE_KEY_ROOM                                                         \
	(STORE_DAY_LEN + 1 + DIGEST_HEX_ROOM - 1 + sizeof(".png"))

/* The digits of the name in a key. */
#define STORE_DIGITS(key) ((key) + STORE_DAY_LEN + 1)

/*
 * Keep an image, durably; a bucket is reached by "http" and within "left_ms".
 * OUTCOME_OK, OUTCOME_STORE_FULL, OUTCOME_STORE_FAILED,
 * OUTCOME_INTERNAL, or OUTCOME_SLOW when that time ran out.
 */
enum outcome store_put(struct store *, char key[STORE_KEY_ROOM],
    const struct buf *image, struct http *, int64_t left_ms, struct problem *);

/*
 * Keep an image under the name that its sender chose, as "uploads/NAME.png".
 * The same outcomes, or OUTCOME_EXISTS when other bytes have that name.
 */
enum outcome store_put_upload(struct store *, char key[STORE_KEY_ROOM],
    const char *name, const struct buf *image, struct http *, int64_t left_ms,
    struct problem *);

/* What the store has left, in bytes; -1 where that cannot be told. */
int64_t store_free_bytes(struct store *);

/* "ok", or a constant phrase: why nothing could be kept now. */
const char *store_health(struct store *, struct http *);

/* Is that image, of so many bytes, still there?  Its time is renewed, which a
 * bucket cannot. */
bool store_renew(struct store *, const char *key, size_t bytes, struct http *,
    int64_t left_ms);

#endif
