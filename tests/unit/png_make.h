/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PNG_MAKE_H
#define PNG_MAKE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/*
 * Makes PNG files, right and wrong ones, for the tests of src/image/png.c.  It
 * shares no code with that file, so that a mistake there shows.  No memory
 * ends the test program.
 */
struct shape {
	uint32_t width, height;
	int depth, colour, interlace; /* as in IHDR */
};

/* Into an empty buffer that is not a byte larger. */
void exact_add(struct buf *, const void *, size_t);

void signature_add(struct buf *);
void chunk_add(struct buf *, const char *type, const void *data, size_t);
void ihdr_add(struct buf *, const struct shape *);

/* Rows of pixels, alike at each call, with all five filter types; in
 * Adam7's order when interlaced. */
void raw_add(struct buf *, const struct shape *);

/* A zlib stream of "raw". */
void zlib_add(struct buf *, const void *raw, size_t);

/* One that declares a window of 2^bits bytes (8 to 15) and, as far as
 * deflate() is asked, points no further back; by one of zlib's strategies, or
 * stored when "strategy" is STORED. */
#define STORED (-1)
void windowed_add(
    struct buf *, const void *raw, size_t, int bits, int strategy);

/*
 * A whole file from a list such as "rgb PLTE tRNS=0001 IDAT IEND": a word for
 * the colour type (grey, rgb, indexed, greya, rgba: 4 x 4 pixels, 8 bits),
 * then chunks.  NAME has contents that are right, NAME=HEX those, NAME*N that
 * many zero bytes, NAME*N= the length N and then four bytes at most.
 * IDAT is the whole stream, IDAT.1 and IDAT.2 its halves.
 */
void recipe_add(struct buf *, const char *recipe);

#endif
