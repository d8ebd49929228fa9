/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PNG_ORACLE_H
#define PNG_ORACLE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * What other decoders, libpng before all, make of a picture: the second opinion
 * in the tests of src/image/png.c.  A file of its own because libpng's header
 * has the name and the include guard of ours.
 */
struct decoded {
	unsigned width, height, depth, colour; /* as in IHDR */
	unsigned char *pixels; /* rows without filter bytes, not interlaced */
	size_t bytes;          /* of the pixels */
	unsigned char palette[256 * 4]; /* R, G, B, alpha */
	unsigned char key[6];           /* the colour that is transparent */
};

/* False, and nothing to free, when libpng refuses the file. */
bool decoded_init(struct decoded *, const void *bytes, size_t len);
void decoded_free(struct decoded *);
bool decoded_equal(const struct decoded *, const struct decoded *);

/* Do libspng and stb_image, which share no code with libpng, see the same
 * pixels in both files?  True also for one that refuses the first. */
bool others_agree(
    const void *before, size_t before_len, const void *after, size_t after_len);

#endif
