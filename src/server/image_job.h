/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PICTURES_H
#define PICTURES_H

#include <stdint.h>
#include <stdio.h>

#include "base/outcome.h"
#include "config/settings.h"
#include "grafana/panel_url.h"
#include "image/png.h"
#include "net/http.h"
#include "server/deadline.h"
#include "server/metrics.h"
#include "store/store.h"

/*
 * Making a picture of a panel: rendered when it is its turn, checked, kept.
 */
struct pictures;

/* NULL when there is no memory.  All three are borrowed. */
struct pictures *pictures_open(
    const struct settings *, struct store *, struct metrics *);
void pictures_close(struct pictures *);

/* Those who wait for a turn are told to stop. */
void pictures_stop(struct pictures *);

/* What became of it: all that a reply and a log line need, and nothing that
 * must be freed. */
struct picture {
	enum outcome outcome;
	struct problem problem;
	char key[STORE_KEY_ROOM]; /* where it is, below the store's address */
	struct png_size size;
	size_t bytes;      /* as kept */
	int64_t render_ms; /* -1: Grafana was not asked */
	int64_t unix_ms;   /* of the request that it was made for, since 1970 */
	long retry_seconds; /* for an outcome that says "come again" */
};

struct picture_order {
	const struct panel *panel;
	const char *authorization;
	uint64_t credential;       /* a number for it: turns are shared out */
	const char *forwarded_for; /* the caller's address, or NULL */
	const struct caller *caller;
	bool again; /* Grafana was busy when somebody else asked for it */
	bool (*cancelled)(void *arg); /* nobody wants it any more */
	void *arg;
};

void pictures_make(struct pictures *, struct picture *,
    const struct picture_order *, struct http *);

/* Keep an image that was uploaded, under the name that it brought.  It is
 * cleaned where it is: "image" is changed. */
void pictures_keep(struct pictures *, struct picture *, const char *name,
    struct buf *image, struct http *, const struct caller *);

/* Is that picture still kept?  Its time is renewed first, so that no purge
 * removes it while its address is given out. */
bool pictures_renew(
    struct pictures *, const struct picture *, struct http *, int64_t left_ms);

#endif
