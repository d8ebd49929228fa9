/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BUCKET_H
#define BUCKET_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/outcome.h"
#include "config/settings.h"
#include "net/http.h"

/*
 * A bucket of an object store that speaks S3's API, and the prefix in it that
 * is ours.
 *
 * An object is there whole or not at all: that is S3's promise, which we pass
 * on only when the store said so in time.  Keys are the callers', of the
 * characters that need no encoding.  What is sent may be sent twice: a key
 * belongs to its bytes alone (a digest), or is only ever made new.
 */
struct bucket;

/*
 * Asks nobody; reads the key pair, from the file that is set or from the
 * environment, once.  NULL when something is missing or there is no memory;
 * complaints say what.  The settings are borrowed.
 */
struct bucket *bucket_open(const struct settings *, FILE *complaints);
void bucket_close(struct bucket *);

/*
 * Keep the bytes under "key", as an image that anyone may cache, within
 * "left_ms".  OUTCOME_OK once the store has them; OUTCOME_STORE_FULL,
 * OUTCOME_STORE_FAILED, OUTCOME_INTERNAL, or OUTCOME_SLOW when that time is
 * over before the store's own 15 s are.  Anything but OUTCOME_OK leaves open
 * whether they are there.
 */
enum outcome bucket_put(struct bucket *, const char *key, const struct buf *,
    struct http *, int64_t left_ms, struct problem *);

/*
 * The same for a key that does not belong to the bytes: OUTCOME_OK also when
 * they are there already, OUTCOME_EXISTS when others are.
 */
enum outcome bucket_put_new(struct bucket *, const char *key,
    const struct buf *, struct http *, int64_t left_ms, struct problem *);

/*
 * Is that object there, as far as the store says within two seconds?  Needs the
 * right to read; without it the answer is no.
 */
bool bucket_has(
    struct bucket *, const char *key, struct http *, int64_t left_ms);

/*
 * "ok", or a constant phrase that says what is wrong: for half a minute after
 * an image could not be kept that; else whether the bucket is there, asked at
 * most every 5 seconds, a second at most.
 */
const char *bucket_health(struct bucket *, struct http *);

/* Take an object away, or find that there is none: OUTCOME_OK, or as above.
 */
enum outcome bucket_remove(struct bucket *, const char *key, struct http *,
    int64_t left_ms, struct problem *);

/*
 * Write, read back and remove one small object, each within "left_ms".
 * OUTCOME_OK, or what became of the first step that failed, whose name, such
 * as "written", is in *step.
 */
enum outcome bucket_try(struct bucket *, const char **step, struct http *,
    int64_t left_ms, struct problem *);

/* Where an object is, as the store is asked for it: for tests.
 */
bool bucket_address(const struct bucket *, struct buf *, const char *key);

/*
 * What an answer of the store means: OUTCOME_OK for the status 200 and those
 * beside it; else by the code in its XML, or by the status.  *again: the same
 * may work in a moment.
 */
enum outcome bucket_judge(
    const struct http_response *, bool *again, struct problem *);

#endif
