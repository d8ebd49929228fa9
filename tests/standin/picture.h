/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PICTURE_H
#define PICTURE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/*
 * A finished PNG file, as the renderer behind Grafana writes them: 8-bit RGBA,
 * sRGB and sBIT, IDATs of 8192 bytes.  Shared by the cache and by all answers
 * that are sending it; the last picture_drop() frees it.
 */
struct picture {
	unsigned refs;
	size_t len;
	size_t idat; /* where the first IDAT chunk begins */
	size_t iend; /* where the IEND chunk begins */
	unsigned char *bytes;
};

#define PNG_PHYS_LEN 21

/* Pixels are cairo's ARGB32, all opaque.  NULL when there is no memory. */
struct picture *picture_encode(
    const unsigned char *pixels, size_t width, size_t height, size_t stride);
/* One that is there already, whatever its colours.  NULL when it cannot be read
 * or has no IDAT. */
struct picture *picture_read(const char *path);
struct picture *picture_keep(struct picture *);
void picture_drop(struct picture *);

/* A pHYs chunk (unit 0) that no other call has made. */
void png_phys(unsigned char out[PNG_PHYS_LEN], uint64_t number);

bool png_signature(struct buf *);
bool png_header(struct buf *, size_t width, size_t height, int depth, int type);
bool png_chunk(struct buf *, const char *type, const void *data, size_t len);

/* Puts the CRC of the chunk at "at" right again after its data changed. */
void png_repair(unsigned char *chunk);

/* A greyscale PNG of nothing but zeros: hundreds of megabytes in a few hundred
 * kilobytes.  "told" is the size in IHDR, "real" what the pixels really are. */
bool png_bomb(struct buf *, const size_t told[2], const size_t real[2]);

#endif
