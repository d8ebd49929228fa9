/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A picture.  What is taken, libpng takes too, before and after, with the same
 * pixels; and what is clean stays as it is.
 *
 * One exception is known: libdeflate reads some streams that zlib refuses (a
 * Huffman code for the lengths 286 and 287 or the distances 30 and 31, which
 * RFC 1951 gives no meaning).  What it makes of them is still exactly as many
 * bytes as the header says, with a right checksum; to look for them would take
 * a second inflater, six times as slow.
 */
#include "fuzz.h"

#include "../unit/png_oracle.h"
#include "image/png.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define PIXELS_MAX 1000000

size_t LLVMFuzzerMutate(uint8_t *, size_t, size_t);
size_t LLVMFuzzerCustomMutator(uint8_t *, size_t, size_t, unsigned);

static uint32_t
be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

/* Mostly with right CRCs: else nothing gets past them. */
__attribute__((weak)) size_t
LLVMFuzzerMutate(uint8_t *bytes, size_t len, size_t room)
{
	(void)bytes;
	return len < room ? len : room;
}

size_t
LLVMFuzzerCustomMutator(uint8_t *bytes, size_t len, size_t room, unsigned seed)
{
	size_t at = 8, size;
	uint32_t crc;

	len = LLVMFuzzerMutate(bytes, len, room);
	while (seed % 8 != 0 && at + 12 <= len) {
		size = be32(bytes + at);
		if (size > len - at - 12)
			break;
		crc = (uint32_t)crc32(0, bytes + at + 4, (uInt)size + 4);
		bytes[at + 8 + size] = (uint8_t)(crc >> 24);
		bytes[at + 9 + size] = (uint8_t)(crc >> 16);
		bytes[at + 10 + size] = (uint8_t)(crc >> 8);
		bytes[at + 11 + size] = (uint8_t)crc;
		at += size + 12;
	}
	return len;
}

static bool
zlib_refuses(const struct buf *clean)
{
	static uint8_t window[65536];
	const uint8_t *p = (const uint8_t *)clean->bytes;
	size_t at = 8;
	z_stream z = { 0 };
	int rc;

	while (memcmp(p + at + 4, "IDAT", 4) != 0)
		at += be32(p + at) + 12;
	z.next_in = (Bytef *)(uintptr_t)(p + at + 8);
	z.avail_in = be32(p + at);
	promise(inflateInit(&z) == Z_OK);
	do {
		z.next_out = window;
		z.avail_out = sizeof(window);
		rc = inflate(&z, Z_NO_FLUSH);
	} while (rc == Z_OK);
	inflateEnd(&z);
	return rc == Z_DATA_ERROR;
}

static void
check_same(const void *bytes, size_t len, const struct buf *clean)
{
	struct decoded before, after;

	if (!decoded_init(&before, bytes, len)) {
		promise(zlib_refuses(clean));
		return;
	}
	promise(decoded_init(&after, clean->bytes, clean->len));
	promise(decoded_equal(&before, &after));
	promise(others_agree(bytes, len, clean->bytes, clean->len));
	decoded_free(&before);
	decoded_free(&after);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static struct png_scratch *scratch;
	struct png_limits limits = { .pixels = PIXELS_MAX };
	struct png_size size = { 0, 0 };
	struct problem p = { 0 };
	struct buf clean, again;
	enum outcome o;

	if (scratch == NULL)
		scratch = png_scratch_open();
	buf_init(&again, len);
	/* to the byte: a sanitizer sees an access past the end */
	clean = (struct buf){ malloc(len + 1), len, len + 1, len, false };
	promise(clean.bytes != NULL);
	memcpy(clean.bytes, bytes, len);
	clean.bytes[len] = '\0';
	o = png_clean(&clean, &size, &limits, scratch, &p);
	promise(
	    o == OUTCOME_OK || o == OUTCOME_NOT_A_PNG || o == OUTCOME_TOO_BIG);
	if (o == OUTCOME_OK) {
		promise((uint64_t)size.width * size.height <= PIXELS_MAX);
		check_same(bytes, len, &clean);
		buf_add(&again, clean.bytes, clean.len);
		promise(png_clean(&again, &size, &limits, scratch, &p) ==
			OUTCOME_OK);
		promise(again.len == clean.len &&
			memcmp(again.bytes, clean.bytes, clean.len) == 0);
	}
	buf_free(&clean);
	buf_free(&again);
	return 0;
}
