/* SPDX-License-Identifier: Apache-2.0 */
#include "picture.h"

#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IDAT_BYTES = 8192, PIXEL_BYTES = 4, LEVEL = 8 };

static void
put32(unsigned char *p, uint32_t n)
{
	p[0] = (unsigned char)(n >> 24);
	p[1] = (unsigned char)(n >> 16);
	p[2] = (unsigned char)(n >> 8);
	p[3] = (unsigned char)n;
}

static uint32_t
get32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

bool
png_signature(struct buf *b)
{
	return buf_add(b, "\x89PNG\r\n\x1a\n", 8);
}

bool
png_chunk(struct buf *b, const char *type, const void *data, size_t len)
{
	unsigned char word[4];
	uint32_t crc;

	put32(word, (uint32_t)len);
	buf_add(b, word, 4);
	buf_add(b, type, 4);
	buf_add(b, data, len);
	crc = libdeflate_crc32(0, type, 4);
	if (len > 0)
		crc = libdeflate_crc32(crc, data, len);
	put32(word, crc);
	return buf_add(b, word, 4);
}

bool
png_header(struct buf *b, size_t width, size_t height, int depth, int type)
{
	unsigned char ihdr[13] = { 0 };

	put32(ihdr, (uint32_t)width);
	put32(ihdr + 4, (uint32_t)height);
	ihdr[8] = (unsigned char)depth;
	ihdr[9] = (unsigned char)type;
	return png_chunk(b, "IHDR", ihdr, sizeof(ihdr));
}

void
png_repair(unsigned char *chunk)
{
	size_t len;

	len = get32(chunk);
	put32(chunk + 8 + len, libdeflate_crc32(0, chunk + 4, len + 4));
}

void
png_phys(unsigned char out[PNG_PHYS_LEN], uint64_t number)
{
	put32(out, 9);
	memcpy(out + 4, "pHYs", 4);
	put32(out + 8, (uint32_t)(number >> 31 & 0x7fffffff) + 1);
	put32(out + 12, (uint32_t)(number & 0x7fffffff));
	out[16] = 0;
	png_repair(out);
}

static void
row_rgba(unsigned char *out, const unsigned char *row, size_t width)
{
	uint32_t pixel;
	size_t x;

	for (x = 0; x < width; x++) {
		memcpy(&pixel, row + x * 4, 4);
		out[x * 4] = (unsigned char)(pixel >> 16);
		out[x * 4 + 1] = (unsigned char)(pixel >> 8);
		out[x * 4 + 2] = (unsigned char)pixel;
		out[x * 4 + 3] = (unsigned char)(pixel >> 24);
	}
}

/*
 * Filter types 0 (none), and 2 (up) for a row that repeats the one above it:
 * on charts, with their flat colours, no other choice packs as well.
 */
static unsigned char *
filter_pixels(const unsigned char *pixels, size_t width, size_t height,
    size_t stride, size_t *len)
{
	const unsigned char *row;
	unsigned char *out, *to;
	size_t y;

	*len = (width * PIXEL_BYTES + 1) * height;
	out = calloc(1, *len);
	if (out == NULL)
		return NULL;
	to = out;
	for (y = 0; y < height; y++) {
		row = pixels + y * stride;
		if (y > 0 && memcmp(row, row - stride, width * 4) == 0)
			to[0] = 2;
		else
			row_rgba(to + 1, row, width);
		to += width * PIXEL_BYTES + 1;
	}
	return out;
}

static unsigned char *
deflate(const unsigned char *bytes, size_t len, size_t *out_len)
{
	struct libdeflate_compressor *c;
	unsigned char *out;
	size_t room;

	c = libdeflate_alloc_compressor(LEVEL);
	if (c == NULL)
		return NULL;
	room = libdeflate_zlib_compress_bound(c, len);
	out = malloc(room);
	*out_len = out == NULL
		       ? 0
		       : libdeflate_zlib_compress(c, bytes, len, out, room);
	libdeflate_free_compressor(c);
	if (*out_len == 0) {
		free(out);
		return NULL;
	}
	return out;
}

static struct picture *
assemble(const unsigned char *idat, size_t len, size_t width, size_t height)
{
	struct picture *p;
	struct buf b;
	size_t at, piece;

	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	p->refs = 1;
	buf_init(&b, SIZE_MAX / 2);
	buf_reserve(&b, len + len / IDAT_BYTES * 12 + 256);
	png_signature(&b);
	png_header(&b, width, height, 8, 6);
	png_chunk(&b, "sRGB", "", 1);
	png_chunk(&b, "sBIT", "\x08\x08\x08\x08", 4);
	p->idat = b.len;
	for (at = 0; at < len; at += piece) {
		piece = len - at < IDAT_BYTES ? len - at : IDAT_BYTES;
		png_chunk(&b, "IDAT", idat + at, piece);
	}
	p->iend = b.len;
	if (!png_chunk(&b, "IEND", "", 0)) {
		free(p);
		return NULL;
	}
	p->bytes = (unsigned char *)b.bytes; /* the picture's from here on */
	p->len = b.len;
	return p;
}

struct picture *
picture_encode(
    const unsigned char *pixels, size_t width, size_t height, size_t stride)
{
	struct picture *p;
	unsigned char *filtered, *idat;
	size_t len, idat_len;

	p = NULL;
	idat = NULL;
	filtered = filter_pixels(pixels, width, height, stride, &len);
	if (filtered != NULL)
		idat = deflate(filtered, len, &idat_len);
	free(filtered);
	if (idat != NULL)
		p = assemble(idat, idat_len, width, height);
	free(idat);
	return p;
}

/* Where its first IDAT and its IEND begin. */
static bool
find_places(struct picture *p)
{
	size_t at;

	for (at = 8; at + 12 <= p->len; at += 12 + (size_t)get32(p->bytes + at))
		if (memcmp(p->bytes + at + 4, "IEND", 4) == 0)
			p->iend = at;
		else if (p->idat == 0 &&
			 memcmp(p->bytes + at + 4, "IDAT", 4) == 0)
			p->idat = at;
	return p->idat != 0 && p->iend != 0;
}

struct picture *
picture_read(const char *path)
{
	struct picture *p = calloc(1, sizeof(*p));
	FILE *f = fopen(path, "re");
	char piece[65536];
	struct buf b;
	size_t n;

	buf_init(&b, SIZE_MAX / 2);
	while (f != NULL && (n = fread(piece, 1, sizeof(piece), f)) > 0)
		buf_add(&b, piece, n);
	if (f != NULL)
		fclose(f);
	if (p != NULL) {
		p->refs = 1;
		p->bytes = (unsigned char *)b.bytes;
		p->len = b.len;
		if (find_places(p))
			return p;
	}
	free(p);
	buf_free(&b);
	return NULL;
}

struct picture *
picture_keep(struct picture *p)
{
	p->refs++;
	return p;
}

void
picture_drop(struct picture *p)
{
	if (p == NULL || --p->refs > 0)
		return;
	free(p->bytes);
	free(p);
}
