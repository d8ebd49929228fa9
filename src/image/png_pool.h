/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PNG_POOL_H
#define PNG_POOL_H

#include "image/png.h"

/*
 * As many PNG checks at one time as the machine has cores, and their working
 * memory.
 *
 * A check is nothing but computing, in megabytes of working memory: more of
 * them at once would not be quicker, and a storm of answers would need that
 * memory a thousand times.
 *
 * Renders and uploads are checked first come first served, each among
 * themselves.  Uploads take at most half of the checks, and one at least: small
 * files that inflate to hundreds of megabytes must not hold up the renders.
 */
struct png_pool;

enum png_from { PNG_FROM_RENDER, PNG_FROM_UPLOAD };

/* NULL when there is no memory.  Working memory is taken when it is first
 * needed. */
struct png_pool *png_pool_open(void);
void png_pool_close(struct png_pool *);

/* png_clean() in its turn, or OUTCOME_SLOW when that has not come by then, on
 * now_ms()'s clock.  May be called by several threads at once. */
enum outcome png_pool_clean(struct png_pool *, enum png_from, int64_t until_ms,
    struct buf *image, struct png_size *, const struct png_limits *,
    struct problem *);

/* How many wait for their turn just now: what tests watch instead of
 * sleeping. */
int png_pool_waiting(struct png_pool *, enum png_from);

#endif
