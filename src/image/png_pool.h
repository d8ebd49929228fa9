/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHECKER_H
#define CHECKER_H

#include "image/png.h"

/*
 * Room for as many PNG checks at one time as the machine has cores.
 *
 * A check is nothing but computing, in megabytes of working memory: more of
 * them at once would not be quicker, and a storm of answers would need that
 * memory a thousand times.
 */
struct checker;

/* NULL when there is no memory. */
struct checker *checker_open(void);
void checker_close(struct checker *);

/* png_clean() in its turn, or OUTCOME_SLOW when that has not come by then, on
 * now_ms()'s clock.  May be called by several threads at once. */
enum outcome checker_clean(struct checker *, int64_t until_ms,
    struct buf *clean, struct png_size *, const void *image, size_t len,
    const struct png_limits *, struct problem *);

#endif
