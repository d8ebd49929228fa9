/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PNG_H
#define PNG_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/outcome.h"

/*
 * Is this exactly one whole, sane PNG, and nothing else?  And what of it does
 * a picture need?
 *
 * Hermetic: bytes in, verdict out; no clock, no files, no globals, no locks.
 * After the W3C's "Portable Network Graphics (PNG) Specification (Third
 * Edition)".
 */

/*
 * Working memory for one check at a time, kept from check to check because
 * fresh pages cost more than the check itself.  It takes up to 64 MiB, as the
 * pixels need it, and gives back what is over 8 MiB after some small images.
 * png_scratch_open() returns NULL when there is no memory.
 */
struct png_scratch;

struct png_scratch *png_scratch_open(void);
void png_scratch_close(struct png_scratch *);

/* Give back what is over 8 MiB now. */
void png_scratch_trim(struct png_scratch *);

struct png_limits {
	uint64_t pixels; /* width times height at most */
};

struct png_size {
	uint32_t width;  /* pixels */
	uint32_t height; /* pixels */
};

/*
 * Check all of "image", and leave in it the same picture in a container of our
 * own: the pixels as they were, bit for bit, and of the chunks only IHDR, cHRM,
 * gAMA, sBIT, sRGB, PLTE, tRNS, pHYs, one IDAT and IEND, in that order.  What
 * is clean already stays as it is.  It never gets longer, and no other memory
 * is taken for it.
 *
 * OUTCOME_OK, OUTCOME_NOT_A_PNG, OUTCOME_TOO_BIG (over a limit) or
 * OUTCOME_INTERNAL (no memory).  On failure "image" is of no use.
 */
enum outcome png_clean(struct buf *image, struct png_size *,
    const struct png_limits *, struct png_scratch *, struct problem *);

#endif
