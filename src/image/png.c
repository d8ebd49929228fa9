/* SPDX-License-Identifier: Apache-2.0 */
#include "image/png.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <libdeflate.h>
#include <zlib.h>

/*
 * Section numbers are those of the W3C's "Portable Network Graphics (PNG)
 * Specification (Third Edition)", 24 June 2025.
 *
 * Three steps: picture_walk() looks at every chunk, picture_write() moves those
 * worth keeping to the front, and pixels_check() inflates what stands there.
 * Nothing is inflated before the header said how much it is.
 */

enum {
	FRAME_BYTES = 12,       /* a chunk's length, type and CRC (5.3) */
	MOST_BYTES = INT32_MAX, /* in a chunk, and of any number (7.1) */
	MOST_RATIO = 1032,      /* deflate: 258 bytes from two bits */
	WHOLE_BYTES = 64 * 1024 * 1024, /* inflated at one go, not streamed */
	KEPT_BYTES = 8 * 1024 * 1024,   /* that the scratch always keeps */
	SMALL_CHECKS = 8,               /* until it gives back what is above */
	WINDOW_BYTES = 256 * 1024,      /* inflated at a time when streaming */
};

static const uint8_t signature[] = { 137, 'P', 'N', 'G', 13, 10, 26, 10 };

static const char cut_off[] =
    "The image is cut off: it ends before its IEND chunk.";

/*
 * How far the walk has come.  These are bits, so that a set of them says
 * where a chunk may stand (5.6, "Chunk ordering rules").
 */
enum stage {
	START = 1,
	HEAD = 2,     /* after IHDR */
	COLOURED = 4, /* after PLTE */
	DATA = 8,     /* within the row of IDATs */
	TAIL = 16,
	END = 32,
};

enum {
	FIRST = START,
	BEFORE_PLTE = HEAD,
	BEFORE_IDAT = HEAD | COLOURED,
	AROUND_IDAT = HEAD | COLOURED | TAIL,
	UP_TO_IDAT = HEAD | COLOURED | DATA,
	AFTER_IDAT = TAIL,
};

enum times { ONCE, OFTEN };
enum fate { KEEP, DROP };

/*
 * All chunks that the standard defines: the type, how often and where it may
 * stand, least and greatest length, whether a picture needs it, and what looks
 * at its contents.  Kept ones come first, in the order in which they are
 * written.  Of those that are dropped only place, number and length count
 * (hIST and bKGD have lengths that depend on others): nobody will read them.
 * eXIf may come after the pixels: before the third edition it might, and
 * ImageMagick puts it there.
 */
/* clang-format off */
#define CHUNKS(X) \
	X(IHDR, ONCE,  FIRST,       13, 13,         KEEP, ihdr_check) \
	X(cHRM, ONCE,  BEFORE_PLTE, 32, 32,         KEEP, numbers_check) \
	X(gAMA, ONCE,  BEFORE_PLTE, 4,  4,          KEEP, gama_check) \
	X(sBIT, ONCE,  BEFORE_PLTE, 1,  4,          KEEP, sbit_check) \
	X(sRGB, ONCE,  BEFORE_PLTE, 1,  1,          KEEP, srgb_check) \
	X(PLTE, ONCE,  BEFORE_IDAT, 3,  768,        KEEP, plte_check) \
	X(tRNS, ONCE,  BEFORE_IDAT, 1,  256,        KEEP, trns_check) \
	X(pHYs, ONCE,  BEFORE_IDAT, 9,  9,          KEEP, phys_check) \
	X(IDAT, OFTEN, UP_TO_IDAT,  0,  MOST_BYTES, KEEP, idat_check) \
	X(IEND, ONCE,  AROUND_IDAT, 0,  0,          KEEP, iend_check) \
	X(cICP, ONCE,  BEFORE_PLTE, 4,  4,          DROP, NULL) \
	X(iCCP, ONCE,  BEFORE_PLTE, 4,  MOST_BYTES, DROP, NULL) \
	X(mDCV, ONCE,  BEFORE_PLTE, 24, 24,         DROP, NULL) \
	X(cLLI, ONCE,  BEFORE_PLTE, 8,  8,          DROP, NULL) \
	X(bKGD, ONCE,  BEFORE_IDAT, 1,  6,          DROP, bkgd_check) \
	X(hIST, ONCE,  BEFORE_IDAT, 2,  512,        DROP, hist_check) \
	X(eXIf, ONCE,  AROUND_IDAT, 1,  MOST_BYTES, DROP, NULL) \
	X(sPLT, OFTEN, BEFORE_IDAT, 3,  MOST_BYTES, DROP, NULL) \
	X(tIME, ONCE,  AROUND_IDAT, 7,  7,          DROP, NULL) \
	X(tEXt, OFTEN, AROUND_IDAT, 2,  MOST_BYTES, DROP, NULL) \
	X(zTXt, OFTEN, AROUND_IDAT, 3,  MOST_BYTES, DROP, NULL) \
	X(iTXt, OFTEN, AROUND_IDAT, 6,  MOST_BYTES, DROP, NULL) \
	X(acTL, ONCE,  BEFORE_IDAT, 8,  8,          DROP, actl_check) \
	X(fcTL, OFTEN, AROUND_IDAT, 26, 26,         DROP, fctl_check) \
	X(fdAT, OFTEN, AFTER_IDAT,  4,  MOST_BYTES, DROP, fdat_check)
/* clang-format on */

enum kind {
#define X(name, ...) KIND_##name,
	CHUNKS(X)
#undef X
	    KIND_COUNT
};

struct chunk {
	const uint8_t *bytes; /* all of it from its length on, borrowed */
	const uint8_t *type;
	const uint8_t *data;
	uint32_t len; /* of its data */
};

/* Rows of equal size, one filter byte in front of each. */
struct pass {
	uint64_t row_bytes; /* with the filter byte */
	uint64_t rows;
};

struct picture {
	struct png_size size;
	uint8_t depth;  /* bits a sample */
	uint8_t colour; /* type, as in "colours" */
	bool interlaced;

	enum stage stage;
	const uint8_t *first[KIND_COUNT]; /* of each chunk, borrowed */
	uint32_t entries;                 /* in PLTE */
	uint64_t idat_bytes;              /* in all IDATs */

	uint32_t frames;   /* fcTLs so far */
	uint32_t sequence; /* number of the next fcTL or fdAT */
	enum { NO_FRAME, EMPTY_FRAME, FILLED_FRAME } frame; /* after IDAT */

	struct pass passes[8]; /* and an end without rows */
	int pass_count;
	uint64_t raw_bytes; /* of all passes */
};

enum { GREY = 0, RGB = 2, INDEXED = 3, GREY_ALPHA = 4, RGB_ALPHA = 6 };

/* Table "Allowed combinations of color type and bit depth" (11.2.1), and the
 * lengths of chunks that depend on the colour type (11.3). */
static const struct {
	uint8_t depths; /* a set: depths are powers of two */
	uint8_t channels;
	uint8_t sbit_bytes;
	uint8_t bkgd_bytes;
	uint8_t trns_bytes; /* 0: by the palette, or none allowed */
} colours[] = {
	[GREY] = { 1 | 2 | 4 | 8 | 16, 1, 1, 2, 2 },
	[RGB] = { 8 | 16, 3, 3, 6, 6 },
	[INDEXED] = { 1 | 2 | 4 | 8, 1, 3, 1, 0 },
	[GREY_ALPHA] = { 8 | 16, 2, 2, 2, 0 },
	[RGB_ALPHA] = { 8 | 16, 4, 4, 6, 0 },
};

static uint32_t
be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static void
be32_put(uint8_t *p, uint32_t n)
{
	p[0] = (uint8_t)(n >> 24);
	p[1] = (uint8_t)(n >> 16);
	p[2] = (uint8_t)(n >> 8);
	p[3] = (uint8_t)n;
}

/*
 * What looks at a chunk's contents.  Number, place and length are right when
 * it is called; it says what is wrong, or NULL.
 */

static const char *
ihdr_check(struct picture *pic, const struct chunk *c)
{
	uint8_t depth = c->data[8], colour = c->data[9];

	pic->size.width = be32(c->data);
	pic->size.height = be32(c->data + 4);
	if (pic->size.width == 0 || pic->size.height == 0)
		return "The image has no pixels: a side is 0.";
	if (pic->size.width > MOST_BYTES || pic->size.height > MOST_BYTES)
		return "The image has a side longer than PNG allows.";
	/* types 1 and 5 do not exist: their rows allow no depth */
	if (colour >= sizeof(colours) / sizeof(colours[0]) ||
	    (depth & (depth - 1)) != 0 || (depth & colours[colour].depths) == 0)
		return "The image's colour type and bit depth do not agree.";
	if (c->data[10] != 0 || c->data[11] != 0)
		return "The image has an unknown compression or filter method.";
	if (c->data[12] > 1)
		return "The image has an unknown interlace method.";
	pic->depth = depth;
	pic->colour = colour;
	pic->interlaced = c->data[12] == 1;
	pic->stage = HEAD;
	return NULL;
}

/* All of a chunk that is numbers of four bytes (7.1). */
static const char *
numbers_check(struct picture *pic, const struct chunk *c)
{
	uint32_t i;

	(void)pic;
	for (i = 0; i + 4 <= c->len; i += 4)
		if (be32(c->data + i) > MOST_BYTES)
			return "The image has a number larger than PNG allows.";
	return NULL;
}

static const char *
gama_check(struct picture *pic, const struct chunk *c)
{
	if (be32(c->data) == 0)
		return "The image's gAMA chunk says 0, which is no gamma.";
	return numbers_check(pic, c);
}

static const char *
sbit_check(struct picture *pic, const struct chunk *c)
{
	uint8_t most = pic->colour == INDEXED ? 8 : pic->depth;
	uint32_t i;

	if (c->len != colours[pic->colour].sbit_bytes)
		return "The image's sBIT chunk does not fit its colour type.";
	for (i = 0; i < c->len; i++)
		if (c->data[i] == 0 || c->data[i] > most)
			return "The image's sBIT chunk has an impossible "
			       "depth.";
	return NULL;
}

static const char *
srgb_check(struct picture *pic, const struct chunk *c)
{
	(void)pic;
	if (c->data[0] > 3)
		return "The image's sRGB chunk has an unknown intent.";
	return NULL;
}

static const char *
plte_check(struct picture *pic, const struct chunk *c)
{
	if (pic->colour == GREY || pic->colour == GREY_ALPHA)
		return "The image is grey and yet has a PLTE chunk.";
	if (c->len % 3 != 0)
		return "The image's PLTE chunk ends within a colour.";
	pic->entries = c->len / 3;
	if (pic->colour == INDEXED && pic->entries > 1U << pic->depth)
		return "The image's PLTE chunk has too many colours.";
	if (pic->first[KIND_tRNS] != NULL || pic->first[KIND_bKGD] != NULL ||
	    pic->first[KIND_hIST] != NULL)
		return "The image's PLTE chunk comes after one that needs it.";
	pic->stage = COLOURED;
	return NULL;
}

static const char *
trns_check(struct picture *pic, const struct chunk *c)
{
	if (pic->colour == GREY_ALPHA || pic->colour == RGB_ALPHA)
		return "The image has a tRNS chunk beside an alpha channel.";
	if (pic->colour != INDEXED && c->len != colours[pic->colour].trns_bytes)
		return "The image's tRNS chunk does not fit its colour type.";
	if (pic->colour == INDEXED && c->len > pic->entries)
		return "The image's tRNS chunk has more entries than PLTE.";
	return NULL;
}

static const char *
phys_check(struct picture *pic, const struct chunk *c)
{
	if (c->data[8] > 1)
		return "The image's pHYs chunk has an unknown unit.";
	return numbers_check(pic, c);
}

static const char *
idat_check(struct picture *pic, const struct chunk *c)
{
	if (pic->colour == INDEXED && pic->entries == 0)
		return "The image needs a PLTE chunk and has none.";
	pic->idat_bytes += c->len;
	pic->stage = DATA;
	return NULL;
}

static const char *
bkgd_check(struct picture *pic, const struct chunk *c)
{
	if (c->len != colours[pic->colour].bkgd_bytes)
		return "The image's bKGD chunk does not fit its colour type.";
	if (pic->colour == INDEXED && pic->entries == 0)
		return "The image's bKGD chunk has no palette before it.";
	return NULL;
}

static const char *
hist_check(struct picture *pic, const struct chunk *c)
{
	if (pic->entries == 0 || c->len != 2 * pic->entries)
		return "The image's hIST chunk does not fit its palette.";
	return NULL;
}

/*
 * Animations (4.9 and 11.3.6).  They are dropped and only the still picture
 * is kept, but a file whose parts do not add up was damaged on its way.
 */

static const char *
actl_check(struct picture *pic, const struct chunk *c)
{
	(void)pic;
	if (be32(c->data) == 0)
		return "The image is an animation of 0 frames.";
	return numbers_check(pic, c);
}

static const char *
fctl_check(struct picture *pic, const struct chunk *c)
{
	if (be32(c->data) != pic->sequence++)
		return "The image's fcTL and fdAT chunks are not in sequence.";
	if (pic->stage != TAIL && pic->frames > 0)
		return "The image has two fcTL chunks before its IDAT.";
	if (pic->frame == EMPTY_FRAME)
		return "The image has a frame without an fdAT chunk.";
	if (pic->stage == TAIL)
		pic->frame = EMPTY_FRAME;
	pic->frames++;
	return NULL;
}

static const char *
fdat_check(struct picture *pic, const struct chunk *c)
{
	if (be32(c->data) != pic->sequence++)
		return "The image's fcTL and fdAT chunks are not in sequence.";
	if (pic->frame == NO_FRAME)
		return "The image has an fdAT chunk without an fcTL before it.";
	pic->frame = FILLED_FRAME;
	return NULL;
}

static const char *
iend_check(struct picture *pic, const struct chunk *c)
{
	const uint8_t *actl = pic->first[KIND_acTL];

	(void)c;
	if (pic->first[KIND_IDAT] == NULL)
		return "The image has no IDAT chunk, so no pixels.";
	if (pic->frame == EMPTY_FRAME)
		return "The image has a frame without an fdAT chunk.";
	if (pic->frames != (actl == NULL ? 0 : be32(actl + 8)))
		return "The image's acTL chunk miscounts the frames.";
	pic->stage = END;
	return NULL;
}

static const struct rule {
	char type[5];
	uint8_t places; /* a set of stages */
	bool often;
	bool kept;
	uint32_t least, most; /* bytes of data */
	const char *(*check)(struct picture *, const struct chunk *);
	const char *twice, *misplaced, *misfit; /* why */
} rules[KIND_COUNT] = {
/* clang-format off */
#define X(name, times, places, least, most, fate, check) \
	{ #name, places, (times) == OFTEN, (fate) == KEEP, least, most, check, \
		"The image has more than one " #name " chunk.", \
		"The image has its " #name " chunk in the wrong place.", \
		"The image has a " #name " chunk of a wrong length." },
	CHUNKS(X)
#undef X
	/* clang-format on */
};

/* KIND_COUNT when the standard does not define it. */
static size_t
kind_find(const uint8_t *type)
{
	size_t kind;

	for (kind = 0; kind < KIND_COUNT; kind++)
		if (memcmp(type, rules[kind].type, 4) == 0)
			break;
	return kind;
}

/* What it means when one of a type's four letters is a small one (5.4). */
enum { ANCILLARY = 0, RESERVED = 2 };

static bool
type_has(const uint8_t *type, int letter)
{
	return (type[letter] & 0x20) != 0;
}

static bool
type_check(const uint8_t *type)
{
	int i;
	uint8_t upper;

	for (i = 0; i < 4; i++) {
		upper = type[i] & 0xdf;
		if (upper < 'A' || upper > 'Z')
			return false;
	}
	return !type_has(type, RESERVED);
}

/* Lengths are subtracted, never added: an added one may wrap. */
static const char *
chunk_read(struct chunk *c, const uint8_t *at, size_t left)
{
	if (left < FRAME_BYTES)
		return cut_off;
	c->bytes = at;
	c->type = at + 4;
	c->data = at + 8;
	c->len = be32(at);
	if (c->len > MOST_BYTES)
		return "The image has a chunk that is longer than PNG allows.";
	if (!type_check(c->type))
		return "The image is damaged: a chunk's type is not one.";
	if (c->len > left - FRAME_BYTES)
		return cut_off;
	if (libdeflate_crc32(0, c->type, 4 + (size_t)c->len) !=
	    be32(c->data + c->len))
		return "The image is damaged: a chunk's CRC is wrong.";
	return NULL;
}

static const char *
picture_take(struct picture *pic, const struct chunk *c)
{
	size_t kind = kind_find(c->type);
	const struct rule *rule;
	const char *why = NULL;

	if (pic->stage == START && kind != KIND_IHDR)
		return "The image does not begin with its IHDR chunk.";
	if (pic->stage == DATA && kind != KIND_IDAT)
		pic->stage = TAIL;
	if (kind == KIND_COUNT && !type_has(c->type, ANCILLARY))
		return "The image has a critical chunk that is unknown.";
	if (kind == KIND_COUNT)
		return NULL;
	rule = &rules[kind];
	if (pic->first[kind] != NULL && !rule->often)
		return rule->twice;
	if ((rule->places & pic->stage) == 0)
		return rule->misplaced;
	if (c->len < rule->least || c->len > rule->most)
		return rule->misfit;
	if (rule->check != NULL)
		why = rule->check(pic, c);
	if (pic->first[kind] == NULL)
		pic->first[kind] = c->bytes;
	return why;
}

/* A chunk that is dropped is looked at like the others: damage anywhere says
 * that the image did not arrive as it was sent. */
static const char *
picture_walk(struct picture *pic, const uint8_t *bytes, size_t len)
{
	struct chunk c;
	const char *why;
	size_t at = sizeof(signature);

	while (pic->stage != END) {
		why = chunk_read(&c, bytes + at, len - at);
		if (why == NULL)
			why = picture_take(pic, &c);
		if (why != NULL)
			return why;
		at += FRAME_BYTES + (size_t)c.len;
	}
	if (at != len)
		return "Something follows the end of the image.";
	return NULL;
}

/*
 * How many bytes its pixels inflate to (7.2, and 8.1 for Adam7: a pass without
 * pixels has no rows either).  False when that does not fit 64 bits.
 */
static bool
picture_measure(struct picture *pic)
{
	/* where each pass begins, and its steps: x, y, right, down */
	static const uint8_t whole[][4] = { { 0, 0, 1, 1 } };
	static const uint8_t adam7[][4] = { { 0, 0, 8, 8 }, { 4, 0, 8, 8 },
		{ 0, 4, 4, 8 }, { 2, 0, 4, 4 }, { 0, 2, 2, 4 }, { 1, 0, 2, 2 },
		{ 0, 1, 1, 2 } };
	const uint8_t(*steps)[4] = pic->interlaced ? adam7 : whole;
	uint64_t bits = (uint64_t)pic->depth * colours[pic->colour].channels;
	uint64_t width, bytes;
	int i;

	for (i = 0; i < (pic->interlaced ? 7 : 1); i++) {
		struct pass *pass = &pic->passes[pic->pass_count];

		/* a step is longer than its offset: this cannot go below 0 */
		width = ((uint64_t)pic->size.width + steps[i][2] - 1 -
			    steps[i][0]) /
			steps[i][2];
		pass->rows = ((uint64_t)pic->size.height + steps[i][3] - 1 -
				 steps[i][1]) /
			     steps[i][3];
		pass->row_bytes = (width * bits + 7) / 8 + 1;
		if (width == 0 || pass->rows == 0)
			continue;
		if (__builtin_mul_overflow(
			pass->row_bytes, pass->rows, &bytes) ||
		    __builtin_add_overflow(
			pic->raw_bytes, bytes, &pic->raw_bytes))
			return false;
		pic->pass_count++;
	}
	pic->passes[pic->pass_count].rows = 0; /* of a pass without pixels */
	return true;
}

/* At most, before the pixels' data: the signature, the chunks from IHDR to pHYs
 * in the order of their table, and the length and type of IDAT. */
enum { HEAD_BYTES = 8 + 25 + 44 + 16 + 16 + 13 + 780 + 268 + 21 + 8 };

/* Up to and with the length and type of the one IDAT; how many bytes. */
static size_t
head_write(uint8_t head[HEAD_BYTES], const struct picture *pic)
{
	size_t at = sizeof(signature), kind, len;

	memcpy(head, signature, sizeof(signature));
	for (kind = 0; kind < KIND_IDAT; kind++) {
		if (pic->first[kind] == NULL)
			continue;
		len = FRAME_BYTES + (size_t)be32(pic->first[kind]);
		memcpy(head + at, pic->first[kind], len);
		at += len;
	}
	be32_put(head + at, (uint32_t)pic->idat_bytes);
	memcpy(head + at + 4, rules[KIND_IDAT].type, 4);
	return at + 8;
}

/*
 * All IDATs as one.  They stand in a row: the walk made sure.  Each moves
 * towards the front, so that none is written over before it was read.
 */
static void
idat_move(uint8_t *to, const struct picture *pic)
{
	const uint8_t *from = pic->first[KIND_IDAT];
	uint64_t left = pic->idat_bytes;
	uint32_t len;

	for (; left > 0; left -= len) {
		len = be32(from);
		memmove(to, from + 8, len);
		to += len;
		from += FRAME_BYTES + (size_t)len;
	}
}

/*
 * In place: a copy would need the memory of a second image.  There is room,
 * because nothing is written that was not there before, and all that is kept
 * before the pixels stood before them.
 *
 * Returns where the pixels' data begins.
 */
static const uint8_t *
picture_write(struct buf *image, const struct picture *pic)
{
	uint8_t head[HEAD_BYTES], *bytes = (uint8_t *)image->bytes;
	size_t head_bytes = head_write(head, pic);
	size_t end = head_bytes + (size_t)pic->idat_bytes;

	idat_move(bytes + head_bytes, pic);
	memcpy(bytes, head, head_bytes);
	be32_put(bytes + end, libdeflate_crc32(0, bytes + head_bytes - 4,
				  (size_t)pic->idat_bytes + 4));
	memmove(bytes + end + 4, pic->first[KIND_IEND], FRAME_BYTES);
	image->len = end + 4 + FRAME_BYTES;
	bytes[image->len] = '\0';
	return bytes + head_bytes;
}

struct png_scratch {
	struct libdeflate_decompressor *inflater;
	uint8_t *raw;          /* NULL before the first use */
	size_t room;           /* bytes of addresses; touched ones cost */
	unsigned small_checks; /* in a row */
};

struct png_scratch *
png_scratch_open(void)
{
	struct png_scratch *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->inflater = libdeflate_alloc_decompressor();
	if (s->inflater != NULL)
		return s;
	png_scratch_close(s);
	return NULL;
}

void
png_scratch_close(struct png_scratch *s)
{
	if (s == NULL)
		return;
	if (s->inflater != NULL)
		libdeflate_free_decompressor(s->inflater);
	if (s->raw != NULL)
		munmap(s->raw, s->room);
	free(s);
}

void
png_scratch_trim(struct png_scratch *s)
{
	if (s->room > KEPT_BYTES) {
		munmap(s->raw + KEPT_BYTES, s->room - KEPT_BYTES);
		s->room = KEPT_BYTES;
	}
}

static bool
scratch_grow(struct png_scratch *s, size_t room)
{
	void *raw;

	if (s->raw == NULL)
		raw = mmap(NULL, room, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	else
		raw = mremap(s->raw, s->room, room, MREMAP_MAYMOVE);
	if (raw == MAP_FAILED)
		return false;
	s->raw = raw;
	s->room = room;
	return true;
}

/*
 * Room for so many bytes.
 *
 * One huge picture must not hold its memory for ever.  But to give it back
 * right away would make each in a row of huge ones several times slower: fresh
 * pages cost more than inflating into them.
 */
static bool
scratch_reserve(struct png_scratch *s, uint64_t bytes)
{
	s->small_checks = bytes > KEPT_BYTES ? 0 : s->small_checks + 1;
	if (s->small_checks >= SMALL_CHECKS)
		png_scratch_trim(s);
	if (bytes < KEPT_BYTES)
		bytes = KEPT_BYTES;
	/* to a whole KEPT_BYTES, which are whole pages */
	bytes = (bytes + KEPT_BYTES - 1) / KEPT_BYTES * KEPT_BYTES;
	return bytes <= s->room || scratch_grow(s, (size_t)bytes);
}

/* Walks the filter bytes in front of the rows, in as many calls as it
 * takes. */
struct rows {
	const struct pass *pass;
	uint64_t left; /* rows of this pass still to come */
	uint64_t skip; /* bytes up to the next filter byte */
};

/* Filter method 0 knows five types (9.2).  Never asked for more bytes than
 * the passes have. */
static bool
rows_check(struct rows *rows, const uint8_t *raw, uint64_t len)
{
	while (rows->left > 0 && rows->skip < len) {
		if (raw[rows->skip] > 4)
			return false;
		rows->skip += rows->pass->row_bytes;
		rows->left--;
		if (rows->left == 0) {
			rows->pass++;
			rows->left = rows->pass->rows;
		}
	}
	rows->skip -= len;
	return true;
}

static const char no_memory[] =
    "There is not enough memory to check the image.";
static const char bad_stream[] =
    "The image is damaged: its pixels cannot be decompressed.";
static const char bad_filter[] =
    "The image is damaged: a row begins with an unknown filter type.";
static const char too_few[] =
    "The image has fewer pixels than its header says.";
static const char too_many[] =
    "The image has more pixels than its header says.";
static const char left_over[] =
    "Something follows the pixels within the image's IDAT chunks.";

static const char *
whole_check(const struct picture *pic, const uint8_t *idat, size_t len,
    struct png_scratch *s)
{
	struct rows rows = { pic->passes, pic->passes[0].rows, 0 };
	enum libdeflate_result result;
	size_t used = 0, got = 0;

	result = libdeflate_zlib_decompress_ex(s->inflater, idat, len, s->raw,
	    (size_t)pic->raw_bytes, &used, &got);
	if (result == LIBDEFLATE_INSUFFICIENT_SPACE)
		return too_many;
	if (result != LIBDEFLATE_SUCCESS)
		return bad_stream;
	if (got != pic->raw_bytes)
		return too_few;
	if (used != len)
		return left_over;
	return rows_check(&rows, s->raw, got) ? NULL : bad_filter;
}

/*
 * How much to inflate at a time.  zlib sees that the stream points back further
 * than the window that it declares only beyond what the same call wrote. libpng
 * inflates a row at a time: with more than that we would take what it refuses.
 */
static uInt
stream_step(const struct rows *rows, bool by_row)
{
	uint64_t step = WINDOW_BYTES;

	if (by_row && rows->skip > 0)
		step = rows->skip; /* the rest of a row */
	else if (by_row && rows->left > 0)
		step = rows->pass->row_bytes;
	return (uInt)(step < WINDOW_BYTES ? step : WINDOW_BYTES);
}

/* Memory stays at one window, however many pixels the header promises. */
static enum outcome
stream_inflate(z_stream *z, uint64_t left, uint8_t *window, struct rows *rows,
    bool by_row, struct problem *p)
{
	uint64_t got;
	uInt step;
	int rc;

	do {
		step = stream_step(rows, by_row);
		z->next_out = window;
		z->avail_out = step;
		rc = inflate(z, Z_NO_FLUSH);
		got = step - z->avail_out;
		if (got > left)
			return problem_set(
			    p, OUTCOME_NOT_A_PNG, "%s", too_many);
		if (!rows_check(rows, window, got))
			return problem_set(
			    p, OUTCOME_NOT_A_PNG, "%s", bad_filter);
		left -= got;
	} while (rc == Z_OK);
	if (rc == Z_MEM_ERROR)
		return problem_set(p, OUTCOME_INTERNAL, "%s", no_memory);
	if (rc != Z_STREAM_END) /* Z_BUF_ERROR: the input has run out */
		return problem_set(p, OUTCOME_NOT_A_PNG, "%s", bad_stream);
	if (left > 0)
		return problem_set(p, OUTCOME_NOT_A_PNG, "%s", too_few);
	if (z->avail_in > 0)
		return problem_set(p, OUTCOME_NOT_A_PNG, "%s", left_over);
	return OUTCOME_OK;
}

static enum outcome
stream_check(const struct picture *pic, const uint8_t *idat, size_t len,
    struct png_scratch *s, bool by_row, struct problem *p)
{
	struct rows rows = { pic->passes, pic->passes[0].rows, 0 };
	z_stream z = { 0 };
	enum outcome o;

	/* zlib's own flag for a const next_in would reach every file */
	z.next_in = (Bytef *)(uintptr_t)idat;
	z.avail_in = (uInt)len;
	/* 0: the window that the stream declares, and no larger one */
	if (inflateInit2(&z, 0) != Z_OK)
		return problem_set(p, OUTCOME_INTERNAL, "%s", no_memory);
	o = stream_inflate(&z, pic->raw_bytes, s->raw, &rows, by_row, p);
	inflateEnd(&z);
	return o;
}

/*
 * The stream says how far back it points at most (RFC 1950, 2.2): 2^8 to 2^15
 * bytes.  Only zlib, and so libpng, holds it to that; browsers and libdeflate
 * do not.  Where there is less than that, all can be pointed at.
 */
static bool
window_is_small(const struct picture *pic, const uint8_t *idat, size_t len)
{
	unsigned bits = len > 0 ? (idat[0] >> 4) + 8U : 15;

	return bits < 15 && pic->raw_bytes > UINT64_C(1) << bits;
}

/* Is "idat" a zlib stream (10.1) of exactly the rows that there should be? */
static enum outcome
pixels_check(const struct picture *pic, const uint8_t *idat,
    struct png_scratch *s, struct problem *p)
{
	size_t len = (size_t)pic->idat_bytes;
	bool by_row = window_is_small(pic, idat, len);
	bool whole = !by_row && pic->raw_bytes <= WHOLE_BYTES;
	const char *why;

	/* so a short file cannot make us touch much memory */
	if (pic->raw_bytes / MOST_RATIO > len)
		return problem_set(p, OUTCOME_NOT_A_PNG, "%s", too_few);
	if (!scratch_reserve(s, whole ? pic->raw_bytes : WINDOW_BYTES))
		return problem_set(p, OUTCOME_INTERNAL, "%s", no_memory);
	if (!whole)
		return stream_check(pic, idat, len, s, by_row, p);
	why = whole_check(pic, idat, len, s);
	return why == NULL ? OUTCOME_OK
			   : problem_set(p, OUTCOME_NOT_A_PNG, "%s", why);
}

/* What has come in a picture's stead? */
static const char *
stranger_name(const uint8_t *bytes, size_t len)
{
	static const struct {
		const char *begins;
		const char *why;
	} strangers[] = {
		{ "<", "What came is an HTML page, not an image." },
		{ "{", "What came is JSON, not an image." },
		{ "\x1f\x8b", "What came is gzip bytes, not an image." },
		{ "%PDF", "What came is a PDF file, not a PNG image." },
		{ "\xff\xd8\xff", "What came is a JPEG, not a PNG image." },
		{ "GIF8", "What came is a GIF, not a PNG image." },
	};
	size_t i, n;

	if (len == 0)
		return "Nothing came, not an image.";
	if (len < sizeof(signature) && memcmp(bytes, signature, len) == 0)
		return cut_off;
	if (len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
		bytes += 3; /* text may begin with a byte order mark */
		len -= 3;
	}
	while (len > 0 && memchr(" \t\r\n", *bytes, 4) != NULL) {
		bytes++;
		len--;
	}
	for (i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
		n = strlen(strangers[i].begins);
		if (len >= n && memcmp(bytes, strangers[i].begins, n) == 0)
			return strangers[i].why;
	}
	return "What came is not a PNG image: it does not begin like one.";
}

/* Before anything is inflated, and before memory is asked for. */
static enum outcome
limits_check(
    struct picture *pic, const struct png_limits *limits, struct problem *p)
{
	uint64_t pixels = (uint64_t)pic->size.width * pic->size.height;

	if (pixels > limits->pixels || !picture_measure(pic))
		return problem_set(p, OUTCOME_TOO_BIG,
		    "The image has more pixels than are allowed here. Ask for "
		    "a smaller width, height or scale.");
	/* one IDAT holds no more, and neither does zlib's avail_in */
	if (pic->idat_bytes > MOST_BYTES)
		return problem_set(p, OUTCOME_TOO_BIG,
		    "The image has more bytes than fit one IDAT chunk. Ask "
		    "for a smaller width, height or scale.");
	return OUTCOME_OK;
}

enum outcome
png_clean(struct buf *image, struct png_size *size,
    const struct png_limits *limits, struct png_scratch *s, struct problem *p)
{
	const uint8_t *bytes = (const uint8_t *)buf_str(image), *idat;
	struct picture pic = { .stage = START };
	const char *why;
	enum outcome o;

	if (image->len < sizeof(signature) ||
	    memcmp(bytes, signature, sizeof(signature)) != 0)
		return problem_set(p, OUTCOME_NOT_A_PNG, "%s",
		    stranger_name(bytes, image->len));
	why = picture_walk(&pic, bytes, image->len);
	if (why != NULL)
		return problem_set(p, OUTCOME_NOT_A_PNG, "%s", why);
	o = limits_check(&pic, limits, p);
	if (o != OUTCOME_OK)
		return o;
	idat = picture_write(image, &pic);
	o = pixels_check(&pic, idat, s, p);
	if (o == OUTCOME_OK)
		*size = pic.size;
	return o;
}
