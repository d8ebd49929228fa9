/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decompression bomb: a DEFLATE stream (RFC 1951) written by hand, two
 * bits for every 258 zeros, because no library packs gigabytes without first
 * being given gigabytes.
 */
#include "picture.h"

#include <string.h>

struct bits {
	struct buf *out;
	unsigned held;
	int count;
};

static void
bits_put(struct bits *w, unsigned value, int count)
{
	unsigned char byte;

	w->held |= value << w->count;
	w->count += count;
	while (w->count >= 8) {
		byte = (unsigned char)(w->held & 0xff);
		buf_add(w->out, &byte, 1);
		w->held >>= 8;
		w->count -= 8;
	}
}

/*
 * A dynamic block whose codes are: a length of 258 = "0", a literal zero =
 * "10", the end = "11", the distance 1 = "0".
 * RFC 1951, 3.2.7; code lengths are said with 18 = "0", 1 = "10", 2 = "11".
 */
static void
block_begin(struct bits *w)
{
	int i;

	bits_put(w, 1, 1); /* the last block */
	bits_put(w, 2, 2); /* dynamic codes */
	bits_put(w, 286 - 257, 5);
	bits_put(w, 0, 5);
	bits_put(w, 18 - 4, 4);
	for (i = 0; i < 18; i++) /* in the order of 3.2.7 */
		bits_put(w, i == 2 ? 1 : i == 15 || i == 17 ? 2 : 0, 3);
	bits_put(w, 3, 2); /* literal 0: two bits */
	bits_put(w, 0, 1); /* 138 + 117 unused ones */
	bits_put(w, 138 - 11, 7);
	bits_put(w, 0, 1);
	bits_put(w, 117 - 11, 7);
	bits_put(w, 3, 2); /* end of block: two bits */
	bits_put(w, 0, 1); /* 257 to 284: unused */
	bits_put(w, 28 - 11, 7);
	bits_put(w, 1, 2); /* 285, length 258: one bit */
	bits_put(w, 1, 2); /* distance 1: one bit */
}

static void
deflate_zeros(struct buf *out, uint64_t zeros)
{
	struct bits w = { out, 0, 0 };

	block_begin(&w);
	bits_put(&w, 1, 2);
	zeros--;
	for (; zeros >= 258; zeros -= 258)
		bits_put(&w, 0, 2);
	for (; zeros > 0; zeros--)
		bits_put(&w, 1, 2);
	bits_put(&w, 3, 2);
	bits_put(&w, 0, 7); /* to a whole byte */
}

bool
png_bomb(struct buf *b, const size_t told[2], const size_t real[2])
{
	unsigned char adler[4];
	uint64_t zeros;
	struct buf idat;

	zeros = ((uint64_t)real[0] + 1) * real[1];
	buf_init(&idat, 16 << 20);
	buf_add(&idat, "\x78\x9c", 2);
	deflate_zeros(&idat, zeros);
	/* Adler-32 of zeros: the low sum stays 1, the high one counts */
	adler[0] = (unsigned char)(zeros % 65521 >> 8);
	adler[1] = (unsigned char)(zeros % 65521 & 0xff);
	adler[2] = 0;
	adler[3] = 1;
	buf_add(&idat, adler, sizeof(adler));
	png_signature(b);
	png_header(b, told[0], told[1], 8, 0);
	png_chunk(b, "IDAT", buf_str(&idat), idat.len);
	png_chunk(b, "IEND", "", 0);
	buf_free(&idat);
	return !b->failed;
}
