/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_H
#define STORE_H

#include <stdio.h>

#include "buf.h"
#include "outcome.h"
#include "settings.h"

/*
 * Keeping images under names that are their own SHA-256, by day, and the
 * public address of each.
 */
struct store;

/* NULL when the store cannot be used; complaints say why.  Settings are
 * borrowed. */
struct store *store_open(const struct settings *, FILE *complaints);
void store_close(struct store *);

/* Where an image is: "YYYY-MM-DD/SHA256.png", and its whole address. */
struct stored {
	char key[128];
	char *address; /* free() it */
};

/* The digits of the name begin here in the key. */
#define STORED_DIGEST(stored) ((stored)->key + sizeof("YYYY-MM-DD/") - 1)

/*
 * Keep an image, durably.  OUTCOME_SAVED, OUTCOME_STORE_FULL,
 * OUTCOME_STORE_FAILED or OUTCOME_INTERNAL.
 */
enum outcome store_put(
    struct store *, struct stored *, const struct buf *image, struct problem *);

#endif
