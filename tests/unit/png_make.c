/* SPDX-License-Identifier: Apache-2.0 */
#include "png_make.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static void
or_die(bool good)
{
	if (good)
		return;
	printf("Bail out! cannot make a test's picture\n");
	exit(1);
}

static void
number_put(unsigned char *p, unsigned long n)
{
	p[0] = (unsigned char)(n >> 24);
	p[1] = (unsigned char)(n >> 16);
	p[2] = (unsigned char)(n >> 8);
	p[3] = (unsigned char)n;
}

void
exact_add(struct buf *b, const void *bytes, size_t len)
{
	*b = (struct buf){ malloc(len + 1), len, len + 1, len, false };
	or_die(b->bytes != NULL);
	if (len > 0)
		memcpy(b->bytes, bytes, len);
	b->bytes[len] = '\0';
}

void
signature_add(struct buf *b)
{
	or_die(buf_add(b, "\x89PNG\r\n\x1a\n", 8));
}

void
chunk_add(struct buf *b, const char *type, const void *data, size_t len)
{
	unsigned char number[4];
	size_t start;

	number_put(number, len);
	or_die(buf_add(b, number, 4));
	start = b->len;
	or_die(buf_add(b, type, 4) && buf_add(b, data, len));
	number_put(number, crc32(0, (unsigned char *)b->bytes + start,
			       (unsigned)(b->len - start)));
	or_die(buf_add(b, number, 4));
}

void
ihdr_add(struct buf *b, const struct shape *shape)
{
	unsigned char data[13] = { 0 };

	number_put(data, shape->width);
	number_put(data + 4, shape->height);
	data[8] = (unsigned char)shape->depth;
	data[9] = (unsigned char)shape->colour;
	data[12] = (unsigned char)shape->interlace;
	chunk_add(b, "IHDR", data, sizeof(data));
}

static size_t
bits_per_pixel(const struct shape *shape)
{
	static const int channels[] = { 1, 0, 3, 1, 2, 0, 4 };

	return (size_t)(shape->depth * channels[shape->colour]);
}

/* Which of the seven passes a pixel belongs to: the standard's picture of
 * the pattern (8.1), not its formula. */
static int
pass_of(uint32_t x, uint32_t y)
{
	static const char pattern[8][9] = { "16462646", "77777777", "56565656",
		"77777777", "36463646", "77777777", "56565656", "77777777" };

	return pattern[y % 8][x % 8] - '0';
}

static void
row_add(struct buf *b, size_t pixels, const struct shape *shape)
{
	size_t i, n = (pixels * bits_per_pixel(shape) + 7) / 8;
	unsigned char byte = (unsigned char)(b->len % 5);

	or_die(buf_add(b, &byte, 1));
	for (i = 0; i < n; i++) {
		byte = (unsigned char)(b->len * 41 + b->len / 7);
		or_die(buf_add(b, &byte, 1));
	}
}

void
raw_add(struct buf *b, const struct shape *shape)
{
	uint32_t x, y;
	size_t n;
	int pass;

	for (pass = 1; pass <= 7; pass++)
		for (y = 0; y < shape->height; y++) {
			n = 0;
			for (x = 0; x < shape->width; x++)
				if (!shape->interlace || pass_of(x, y) == pass)
					n++;
			if (n > 0 && (shape->interlace || pass == 1))
				row_add(b, n, shape);
		}
}

void
zlib_add(struct buf *b, const void *raw, size_t len)
{
	uLongf size = compressBound(len);

	or_die(buf_reserve(b, size));
	or_die(compress((Bytef *)b->bytes + b->len, &size, raw, len) == Z_OK);
	b->len += size;
}

void
windowed_add(struct buf *b, const void *raw, size_t len, int bits, int strategy)
{
	/* zlib's deflate() knows no window of 2^8: stored and run-length blocks
	 * point back by one byte at most, and may declare it */
	int real = bits < 9 ? 9 : bits;
	unsigned char *head;
	z_stream z = { 0 };
	size_t size;

	or_die(bits > 8 || strategy == STORED || strategy == Z_RLE ||
	       strategy == Z_HUFFMAN_ONLY);
	or_die(deflateInit2(&z, strategy == STORED ? 0 : 9, Z_DEFLATED, real, 8,
		   strategy == STORED ? Z_DEFAULT_STRATEGY : strategy) == Z_OK);
	size = deflateBound(&z, len);
	or_die(buf_reserve(b, size));
	head = (unsigned char *)b->bytes + b->len;
	z.next_in = (Bytef *)(uintptr_t)raw;
	z.avail_in = (uInt)len;
	z.next_out = head;
	z.avail_out = (uInt)size;
	or_die(deflate(&z, Z_FINISH) == Z_STREAM_END);
	b->len += z.total_out;
	deflateEnd(&z);
	/* what it declares (RFC 1950, 2.2), with the check bits for that */
	head[0] = (unsigned char)((bits - 8) << 4 | Z_DEFLATED);
	head[1] &= 0xe0;
	head[1] |= (unsigned char)(31 - (head[0] * 256 + head[1]) % 31) % 31;
}

static const struct {
	const char *name;
	const char *hex;
} contents[] = {
	{ "cHRM", "00007a26000080840000fa00000080e8"
		  "000075300000ea6000003a9800001770" },
	{ "gAMA", "0000b18f" },
	{ "sBIT", "080808" },
	{ "sRGB", "00" },
	{ "PLTE", "000000ff000000ff000000ff" },
	{ "tRNS", "000000000000" },
	{ "pHYs", "00000b1300000b1301" },
	{ "IEND", "" },
	{ "cICP", "01010001" },
	{ "iCCP", "6100789c" },
	{ "mDCV", "000000000000000000000000000000000000000000000000" },
	{ "cLLI", "0000000000000000" },
	{ "bKGD", "000000000000" },
	{ "hIST", "0000000000000000" },
	{ "eXIf", "4d4d002a" },
	{ "sPLT", "61000800000000000a" },
	{ "tIME", "07ea0101000000" },
	{ "tEXt", "6100" },
	{ "zTXt", "610000" },
	{ "iTXt", "610000000000" },
	{ "acTL", "0000000100000000" },
	/* sequence 0 */
	{ "fcTL", "00000000000000040000000400000000000000000001000a0000" },
	/* sequence 1 */
	{ "fdAT", "00000001789c" },
};

static const struct {
	const char *name;
	int colour;
} colours[] = { { "grey", 0 }, { "rgb", 2 }, { "indexed", 3 }, { "greya", 4 },
	{ "rgba", 6 } };

static void
hex_add(struct buf *b, const char *type, const char *hex)
{
	unsigned char data[256];
	unsigned byte;
	size_t n = 0;

	for (; n < sizeof(data) && sscanf(hex, "%2x", &byte) == 1; hex += 2)
		data[n++] = (unsigned char)byte;
	chunk_add(b, type, data, n);
}

static void
zeros_add(struct buf *b, const char *type, const char *count)
{
	unsigned char zeros[1024] = { 0 };
	char *end;
	unsigned long n = strtoul(count, &end, 10);

	if (*end == '=') {
		number_put(zeros, n);
		or_die(buf_add(b, zeros, 4) && buf_add(b, type, 4) &&
		       buf_add(b, zeros, 4));
		return;
	}
	or_die(n <= sizeof(zeros));
	chunk_add(b, type, zeros, n);
}

static void
idat_add(struct buf *b, const struct shape *shape, char part)
{
	struct buf raw, z;
	size_t half;

	buf_init(&raw, 1 << 20);
	buf_init(&z, 1 << 20);
	raw_add(&raw, shape);
	zlib_add(&z, raw.bytes, raw.len);
	half = z.len / 2;
	if (part == '1')
		chunk_add(b, "IDAT", z.bytes, half);
	else if (part == '2')
		chunk_add(b, "IDAT", z.bytes + half, z.len - half);
	else
		chunk_add(b, "IDAT", z.bytes, z.len);
	buf_free(&raw);
	buf_free(&z);
}

static void
word_add(struct buf *b, struct shape *shape, const char *word)
{
	size_t i;

	for (i = 0; i < sizeof(colours) / sizeof(colours[0]); i++)
		if (strcmp(word, colours[i].name) == 0) {
			shape->colour = colours[i].colour;
			ihdr_add(b, shape);
			return;
		}
	or_die(strlen(word) >= 4);
	if (word[4] == '=')
		hex_add(b, word, word + 5);
	else if (word[4] == '*')
		zeros_add(b, word, word + 5);
	else if (memcmp(word, "IDAT", 4) == 0)
		idat_add(b, shape, word[4] == '.' ? word[5] : '0');
	else {
		for (i = 0; i < sizeof(contents) / sizeof(contents[0]); i++)
			if (strcmp(word, contents[i].name) == 0)
				break;
		or_die(i < sizeof(contents) / sizeof(contents[0]));
		hex_add(b, word, contents[i].hex);
	}
}

void
recipe_add(struct buf *b, const char *recipe)
{
	struct shape shape = { 4, 4, 8, 6, 0 };
	char word[256];
	int n;

	signature_add(b);
	for (; sscanf(recipe, " %255s%n", word, &n) == 1; recipe += n)
		word_add(b, &shape, word);
}
