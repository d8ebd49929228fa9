/* SPDX-License-Identifier: Apache-2.0 */
#include "image/png.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

#include "png_make.h"
#include "png_oracle.h"
#include "tap.h"

static struct png_scratch *scratch;
static struct png_limits limits = { 40000000 };

/* What became of the last clean(). */
static struct buf out;
static struct png_size size;
static struct problem problem;

static enum outcome
clean(const void *bytes, size_t len)
{
	/* to the byte and its NUL, so that a sanitizer sees an access past the
	 * end */
	buf_free(&out);
	exact_add(&out, bytes, len);
	memset(&problem, 0, sizeof(problem));
	return png_clean(&out, &size, &limits, scratch, &problem);
}

static enum outcome
clean_buf(const struct buf *b)
{
	return clean(b->bytes, b->len);
}

/* "why" NULL: saved. */
static bool
check_clean(const void *bytes, size_t len, const char *why)
{
	enum outcome o = clean(bytes, len);
	const char *got = problem.why;
	bool good;

	if (why == NULL)
		good = check(o == OUTCOME_OK);
	else
		good = check(o == OUTCOME_NOT_A_PNG) &&
		       check(strcmp(got, why) == 0);
	if (!good)
		printf("#   got: %s\n", got);
	return good;
}

static void
check_recipe(const char *recipe, const char *why)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	recipe_add(&b, recipe);
	if (!check_clean(b.bytes, b.len, why))
		printf("#   in the recipe: %s\n", recipe);
	buf_free(&b);
}

static void
make(struct buf *b, const char *recipe)
{
	buf_reset(b);
	recipe_add(b, recipe);
}

/* The names of the chunks, such as "IHDR gAMA IDAT IEND ". */
static void
chunks_list(struct buf *names, const struct buf *png)
{
	const unsigned char *p = (const unsigned char *)png->bytes + 8;
	const unsigned char *end = (const unsigned char *)png->bytes + png->len;

	buf_reset(names);
	while (p < end) {
		buf_printf(names, "%.4s ", (const char *)p + 4);
		p += 12 + ((size_t)p[0] << 24 | (size_t)p[1] << 16 |
			      (size_t)p[2] << 8 | p[3]);
	}
}

static void
check_chunks(const char *recipe, const char *wanted)
{
	struct buf names;

	buf_init(&names, 4096);
	check_recipe(recipe, NULL);
	chunks_list(&names, &out);
	check_str(buf_str(&names), wanted);
	buf_free(&names);
}

/* The last clean() kept every pixel, and cleaning again changes nothing. */
static bool
same_picture(const struct buf *before)
{
	struct decoded a, b;
	struct buf again, first;
	bool same;

	if (!decoded_init(&a, before->bytes, before->len))
		return false;
	same = decoded_init(&b, out.bytes, out.len);
	same = same && decoded_equal(&a, &b) && a.width == size.width &&
	       a.height == size.height &&
	       others_agree(before->bytes, before->len, out.bytes, out.len);
	decoded_free(&a);
	decoded_free(&b);
	buf_init(&first, SIZE_MAX / 2);
	buf_init(&again, SIZE_MAX / 2);
	buf_add(&first, out.bytes, out.len);
	same = same && clean_buf(&first) == OUTCOME_OK &&
	       out.len == first.len &&
	       memcmp(out.bytes, first.bytes, out.len) == 0;
	buf_free(&first);
	buf_free(&again);
	return same;
}

/* --- the corpus: MANIFEST.tsv has the verdicts of libpng and pngcheck --- */

static const char *fixtures; /* a folder, or NULL */

static void
fixtures_find(void)
{
	static char found[PATH_MAX];
	const char *env = getenv("FIXTURES");
	const char *places[] = { env == NULL ? "" : env, "../shared/fixtures" };
	const char *below[] = { "", "/png" };
	char path[PATH_MAX + 32];
	size_t i;

	for (i = 0; i < 4 && fixtures == NULL; i++) {
		snprintf(
		    found, sizeof(found), "%s%s", places[i / 2], below[i % 2]);
		snprintf(path, sizeof(path), "%s/MANIFEST.tsv", found);
		if (access(path, R_OK) == 0)
			fixtures = found;
	}
}

static bool
file_read(struct buf *b, const char *folder, const char *name)
{
	char path[PATH_MAX], bytes[65536];
	size_t n;
	FILE *f;

	buf_reset(b);
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "rb");
	if (f == NULL)
		return false;
	while ((n = fread(bytes, 1, sizeof(bytes), f)) > 0)
		buf_add(b, bytes, n);
	fclose(f);
	return !b->failed;
}

/* Calls "judge" with each file whose row begins with "kind" and whose verdicts
 * of libpng and pngcheck are these (NULL: any).  How many files. */
static int
corpus_each(const char *kind, const char *libpng, const char *pngcheck,
    bool (*judge)(const struct buf *))
{
	char path[PATH_MAX], *line = NULL, *rest, *column[9];
	size_t room = 0, i;
	struct buf file;
	int files = 0;
	FILE *f;

	buf_init(&file, SIZE_MAX / 2);
	snprintf(path, sizeof(path), "%s/MANIFEST.tsv", fixtures);
	f = fopen(path, "r");
	while (f != NULL && getline(&line, &room, f) > 0) {
		rest = line;
		for (i = 0; i < 9; i++)
			column[i] = strsep(&rest, "\t");
		if (rest == NULL || strncmp(line, kind, strlen(kind)) != 0 ||
		    (libpng != NULL && strcmp(column[6], libpng) != 0) ||
		    (pngcheck != NULL && strcmp(column[8], pngcheck) != 0))
			continue;
		files++;
		if (!check(file_read(&file, fixtures, column[0])) ||
		    !check(judge(&file)))
			printf("#   %s: %s\n", column[0], problem.why);
	}
	if (f != NULL)
		fclose(f);
	free(line);
	buf_free(&file);
	return files;
}

static bool
is_kept(const struct buf *file)
{
	return clean_buf(file) == OUTCOME_OK && same_picture(file);
}

static char kept[] = "/tmp/test_png.XXXXXX";

/* Put what is kept of it into that folder. */
static bool
is_put(const struct buf *file)
{
	static int count;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%d.png", kept, count++);
	f = fopen(path, "we");
	return f != NULL && clean_buf(file) == OUTCOME_OK &&
	       fwrite(out.bytes, 1, out.len, f) == out.len && fclose(f) == 0;
}

/* pngcheck(1) looks at the chunks, which decoders pass over. */
static bool
pngcheck_takes_all(void)
{
	char command[128];
	bool ok;

	snprintf(command, sizeof(command), "pngcheck -q %s/*.png", kept);
	ok = system("command -v pngcheck >/dev/null") != 0 ||
	     system(command) == 0;
	snprintf(command, sizeof(command), "rm -r %s", kept);
	return system(command) == 0 && ok;
}

static bool
is_refused(const struct buf *file)
{
	return clean_buf(file) == OUTCOME_NOT_A_PNG && *problem.why != '\0';
}

/* True when no damage of one kind to a small file went unseen. */
static bool
damage_is_seen(const struct buf *file)
{
	unsigned char *bytes = (unsigned char *)file->bytes;
	size_t i;
	bool seen = true;

	if (file->len > 160 || clean_buf(file) != OUTCOME_OK)
		return true;
	for (i = 0; i < file->len; i++)
		seen = seen && clean(bytes, i) == OUTCOME_NOT_A_PNG;
	for (i = 0; i < 8 * file->len; i++) {
		bytes[i / 8] ^= (unsigned char)(1 << i % 8);
		seen = seen && clean_buf(file) != OUTCOME_OK;
		bytes[i / 8] ^= (unsigned char)(1 << i % 8);
	}
	return seen;
}

static void
corpus_tests(void)
{
	if (fixtures == NULL) {
		test ("the corpus of PNG files # SKIP not here; set FIXTURES")
			check(true);
		return;
	}
	test ("every file that libpng and pngcheck accept is kept, and three "
	      "decoders see the same pixels in it")
		check(corpus_each("valid/", "ok", "0", is_kept) > 300);
	test ("pngcheck takes what is kept of each") {
		check(mkdtemp(kept) != NULL);
		check(corpus_each("valid/", "ok", NULL, is_put) > 300);
		check(pngcheck_takes_all());
	}
	test ("every broken file of the corpus is refused")
		check(corpus_each("invalid/", NULL, NULL, is_refused) > 100);
	test ("in the corpus' small files every flipped bit and cut is noticed")
		check(corpus_each("valid/", "ok", "0", damage_is_seen) > 300);
}

/* --- damage --- */

/* Small ones of different kinds. */
static const char *const samples[] = {
	"rgba IDAT IEND",
	"indexed gAMA PLTE tRNS=ff00 pHYs IDAT.1 IDAT.2 tEXt IEND",
	"rgb cHRM sRGB sBIT tIME IDAT.1 IDAT*0 IDAT.2 IEND",
	"grey acTL fcTL IDAT zTXt IEND",
};
enum { SAMPLES = sizeof(samples) / sizeof(samples[0]) };

static void
flip_test(struct buf *b)
{
	size_t i, k;

	for (k = 0; k < SAMPLES; k++) {
		make(b, samples[k]);
		check(clean_buf(b) == OUTCOME_OK);
		for (i = 0; i < 8 * b->len; i++) {
			b->bytes[i / 8] ^= (char)(1 << i % 8);
			if (!check(clean_buf(b) == OUTCOME_NOT_A_PNG))
				printf("#   bit %zu of: %s\n", i, samples[k]);
			b->bytes[i / 8] ^= (char)(1 << i % 8);
		}
	}
}

static void
prefix_test(struct buf *b)
{
	size_t i, k;

	for (k = 0; k < SAMPLES; k++) {
		make(b, samples[k]);
		for (i = 1; i < b->len; i++)
			check_clean(b->bytes, i,
			    "The image is cut off: it ends before its IEND "
			    "chunk.");
	}
}

static void
append_test(struct buf *b)
{
	static const char why[] = "Something follows the end of the image.";
	static const char *const tails[] = { "PK\3\4", "<?php", "\n",
		"\0\0\0\0IEND\xae\x42\x60\x82" };
	size_t i, k, len;
	char byte;

	for (k = 0; k < SAMPLES; k++) {
		make(b, samples[k]);
		len = b->len;
		for (i = 0; i < 256 + 4; i++) {
			byte = (char)i;
			if (i < 256)
				buf_add(b, &byte, 1);
			else
				buf_add(b, tails[i - 256], i < 259 ? 1 : 12);
			check_clean(b->bytes, b->len, why);
			b->len = len;
		}
		buf_add(b, b->bytes, len); /* a second whole picture */
		check_clean(b->bytes, b->len, why);
	}
}

static void
damage_tests(void)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	buf_reserve(&b, 4096); /* so that adding it to itself does not move */
	test ("every single bit that is flipped is noticed")
		flip_test(&b);
	test ("every cut is noticed, and called one")
		prefix_test(&b);
	test ("nothing may follow the end, not even a second picture")
		append_test(&b);
	buf_free(&b);
}

/* --- what comes out --- */

static const struct {
	int depth, colour;
} pairs[15] = { { 1, 0 }, { 2, 0 }, { 4, 0 }, { 8, 0 }, { 16, 0 }, { 8, 2 },
	{ 16, 2 }, { 1, 3 }, { 2, 3 }, { 4, 3 }, { 8, 3 }, { 8, 4 }, { 16, 4 },
	{ 8, 6 }, { 16, 6 } };

static bool
is_pair(int depth, int colour)
{
	size_t i;

	for (i = 0; i < 15; i++)
		if (pairs[i].depth == depth && pairs[i].colour == colour)
			return true;
	return false;
}

/* A whole file of that shape, its stream cut into two IDATs; "cut" bytes of
 * its rows are missing at the end, or that many too many when negative. */
static void
make_shape(struct buf *b, const struct shape *shape, int cut)
{
	unsigned char palette[256 * 3];
	struct buf raw, z;
	size_t i;

	buf_init(&raw, 1 << 24);
	buf_init(&z, 1 << 24);
	raw_add(&raw, shape);
	for (; cut < 0; cut++)
		buf_add(&raw, "", 1);
	zlib_add(&z, buf_str(&raw), raw.len - (size_t)cut);
	for (i = 0; i < sizeof(palette); i++)
		palette[i] = (unsigned char)(7 * i);
	buf_reset(b);
	signature_add(b);
	ihdr_add(b, shape);
	if (shape->colour == 3)
		chunk_add(b, "PLTE", palette, 3U << shape->depth);
	chunk_add(b, "IDAT", z.bytes, 5);
	chunk_add(b, "IDAT", z.bytes + 5, z.len - 5);
	chunk_add(b, "IEND", NULL, 0);
	buf_free(&raw);
	buf_free(&z);
}

static void
shapes_test(struct buf *b, int interlace)
{
	struct shape shape = { 0, 0, 0, 0, interlace };
	uint32_t side;
	size_t i;

	for (i = 0; i < 15; i++)
		for (side = 0; side < 100; side++) {
			shape.width = 1 + side % 10;
			shape.height = 1 + side / 10;
			shape.depth = pairs[i].depth;
			shape.colour = pairs[i].colour;
			make_shape(b, &shape, 0);
			if (!check(is_kept(b)))
				printf("#   %ux%u, %d bits, type %d: %s\n",
				    shape.width, shape.height, shape.depth,
				    shape.colour, problem.why);
			make_shape(b, &shape, 1);
			check(clean_buf(b) == OUTCOME_NOT_A_PNG);
			make_shape(b, &shape, -1);
			check(clean_buf(b) == OUTCOME_NOT_A_PNG);
		}
}

static void
no_pair_test(struct buf *b)
{
	struct shape shape = { 4, 4, 0, 0, 0 };

	for (shape.depth = 0; shape.depth < 256; shape.depth++)
		for (shape.colour = 0; shape.colour < 256; shape.colour++) {
			if (is_pair(shape.depth, shape.colour))
				continue;
			buf_reset(b);
			signature_add(b);
			ihdr_add(b, &shape);
			check_clean(b->bytes, b->len,
			    "The image's colour type and bit depth do not "
			    "agree.");
		}
}

static void
outcome_tests(void)
{
	struct buf b;

	buf_init(&b, 1 << 24);
	test ("all 15 kinds of pixels are kept as they are, no byte more or "
	      "less")
		shapes_test(&b, 0);
	test ("so are interlaced ones, with passes that have no pixels")
		shapes_test(&b, 1);
	test ("no other pair of colour type and bit depth is one")
		no_pair_test(&b);
	test ("only the chunks that pixels need are kept, in one order") {
		check_chunks("rgba pHYs tEXt sRGB sBIT=08080808 gAMA cHRM "
			     "IDAT.1 IDAT.2 IEND",
		    "IHDR cHRM gAMA sBIT sRGB pHYs IDAT IEND ");
		check_chunks("indexed pHYs PLTE tRNS=00 IDAT IEND",
		    "IHDR PLTE tRNS pHYs IDAT IEND ");
		/* the longest that there is before the pixels */
		check_chunks("indexed pHYs gAMA=00000001 cHRM*32 sRGB "
			     "sBIT=080808 PLTE*768 tRNS*256 IDAT IEND",
		    "IHDR cHRM gAMA sBIT sRGB PLTE tRNS pHYs IDAT IEND ");
	}
	test ("all others are dropped, known, animated and unknown ones") {
		check_chunks("indexed cICP iCCP mDCV cLLI PLTE bKGD=00 hIST "
			     "eXIf sPLT tIME tEXt zTXt iTXt acTL fcTL prVt=00 "
			     "IDAT tEXt puBt=00 zTXt iTXt IEND",
		    "IHDR PLTE IDAT IEND ");
		check_chunks("rgb IDAT eXIf IEND", "IHDR IDAT IEND ");
		check_chunks("rgb acTL IDAT fcTL fdAT IEND", "IHDR IDAT IEND ");
	}
	test ("a file that is clean comes out as it went in") {
		make(&b, "indexed cHRM gAMA sBIT sRGB PLTE tRNS=00 pHYs IDAT "
			 "IEND");
		check(clean_buf(&b) == OUTCOME_OK);
		check(out.len == b.len);
		check(memcmp(out.bytes, b.bytes, b.len) == 0);
	}
	test ("the picture's size is told") {
		check_recipe("rgb IDAT IEND", NULL);
		check(size.width == 4 && size.height == 4);
	}
	buf_free(&b);
}

/* --- the rules on chunks --- */

struct recipe {
	const char *chunks;
	const char *why; /* NULL: none, it is right */
};

#define TWICE(name)  "The image has more than one " name " chunk."
#define PLACE(name)  "The image has its " name " chunk in the wrong place."
#define LENGTH(name) "The image has a " name " chunk of a wrong length."
#define FOREVER      "The image is cut off: it ends before its IEND chunk."
#define NO_TYPE      "The image is damaged: a chunk's type is not one."
#define STREAM       "The image is damaged: its pixels cannot be decompressed."
#define SEQUENCE     "The image's fcTL and fdAT chunks are not in sequence."
#define COUNT        "The image's acTL chunk miscounts the frames."
#define NUMBER       "The image has a number larger than PNG allows."
#define NO_FDAT      "The image has a frame without an fdAT chunk."

static const struct recipe critical[] = {
	{ "IDAT IEND", "The image does not begin with its IHDR chunk." },
	{ "tEXt rgb IDAT IEND",
	    "The image does not begin with its IHDR chunk." },
	{ "rgb rgb IDAT IEND", TWICE("IHDR") },
	{ "rgb IDAT rgb IEND", TWICE("IHDR") },
	{ "IHDR*12 IDAT IEND", LENGTH("IHDR") },
	{ "IHDR*14 IDAT IEND", LENGTH("IHDR") },
	{ "IHDR*13 IDAT IEND", "The image has no pixels: a side is 0." },
	{ "IHDR=00000004000000000806000000 IDAT IEND",
	    "The image has no pixels: a side is 0." },
	{ "IHDR=80000000000000010806000000 IDAT IEND",
	    "The image has a side longer than PNG allows." },
	{ "IHDR=00000001ffffffff0806000000 IDAT IEND",
	    "The image has a side longer than PNG allows." },
	{ "IHDR=00000004000000040806010000 IDAT IEND",
	    "The image has an unknown compression or filter method." },
	{ "IHDR=00000004000000040806000100 IDAT IEND",
	    "The image has an unknown compression or filter method." },
	{ "IHDR=00000004000000040806004000 IDAT IEND",
	    "The image has an unknown compression or filter method." },
	{ "IHDR=00000004000000040806000002 IDAT IEND",
	    "The image has an unknown interlace method." },
	{ "rgb IEND", "The image has no IDAT chunk, so no pixels." },
	{ "rgb IDAT*0 IEND", STREAM },
	{ "rgb IDAT.1 tEXt IDAT.2 IEND", PLACE("IDAT") },
	{ "rgb IDAT.1 prVt=00 IDAT.2 IEND", PLACE("IDAT") },
	{ "rgb IDAT tEXt IDAT*0 IEND", PLACE("IDAT") },
	{ "rgb IDAT*0 IDAT.1 IDAT*0 IDAT.2 IDAT*0 IEND", NULL },
	{ "rgb IDAT IEND*1", LENGTH("IEND") },
	{ "rgb IDAT IEND IEND", "Something follows the end of the image." },
	{ "rgb IDAT", FOREVER },
	{ "rgb IDAT CgBI=00 IEND",
	    "The image has a critical chunk that is unknown." },
	{ "CgBI=50002002 rgb IDAT IEND",
	    "The image does not begin with its IHDR chunk." },
	{ "rgb IDAT prvt=00 IEND", NO_TYPE },
	{ "rgb IDAT pr1t=00 IEND", NO_TYPE },
	{ "rgb IDAT iDA@=00 IEND", NO_TYPE },
	{ "rgb IDAT iDA[=00 IEND", NO_TYPE },
	{ "rgb IDAT iDA`=00 IEND", NO_TYPE },
	{ "rgb IDAT iDA{=00 IEND", NO_TYPE },
	{ "rgb IDAT iDAz=00 IEND", NULL },
	{ "rgb tEXt*4294967295=", "The image has a chunk that is longer than "
				  "PNG allows." },
	{ "rgb IDAT*2147483648=", "The image has a chunk that is longer than "
				  "PNG allows." },
	{ "rgb tEXt*2147483647=", FOREVER },
	{ "rgb IDAT*4294967283=", "The image has a chunk that is longer than "
				  "PNG allows." },
	{ NULL, NULL },
};

static const struct recipe palettes[] = {
	{ "indexed IDAT IEND", "The image needs a PLTE chunk and has none." },
	{ "indexed IDAT PLTE IEND",
	    "The image needs a PLTE chunk and has none." },
	{ "rgb IDAT PLTE IEND", PLACE("PLTE") },
	{ "rgb PLTE IDAT IEND", NULL },
	{ "rgba PLTE IDAT IEND", NULL },
	{ "grey PLTE IDAT IEND", "The image is grey and yet has a PLTE "
				 "chunk." },
	{ "greya PLTE IDAT IEND", "The image is grey and yet has a PLTE "
				  "chunk." },
	{ "indexed PLTE*0 IDAT IEND", LENGTH("PLTE") },
	{ "indexed PLTE*4 IDAT IEND", "The image's PLTE chunk ends within a "
				      "colour." },
	{ "indexed PLTE*768 IDAT IEND", NULL },
	{ "indexed PLTE*771 IDAT IEND", LENGTH("PLTE") },
	{ "IHDR=00000001000000010403000000 PLTE*51 IDAT IEND",
	    "The image's PLTE chunk has too many colours." },
	{ "IHDR=00000001000000010103000000 PLTE*9 IDAT IEND",
	    "The image's PLTE chunk has too many colours." },
	{ "indexed PLTE PLTE IDAT IEND", TWICE("PLTE") },
	{ "indexed tRNS=00 PLTE IDAT IEND",
	    "The image's tRNS chunk has more entries than PLTE." },
	{ "indexed PLTE tRNS=0000000000 IDAT IEND",
	    "The image's tRNS chunk has more entries than PLTE." },
	{ "indexed PLTE tRNS=00000000 IDAT IEND", NULL },
	{ "indexed PLTE tRNS*0 IDAT IEND", LENGTH("tRNS") },
	{ "indexed PLTE IDAT tRNS=00 IEND", PLACE("tRNS") },
	{ "rgb tRNS IDAT IEND", NULL },
	{ "rgb tRNS PLTE IDAT IEND",
	    "The image's PLTE chunk comes after one that needs it." },
	{ "rgb tRNS=0000 IDAT IEND",
	    "The image's tRNS chunk does not fit its colour type." },
	{ "grey tRNS=0000 IDAT IEND", NULL },
	{ "grey tRNS IDAT IEND",
	    "The image's tRNS chunk does not fit its colour type." },
	{ "greya tRNS=0000 IDAT IEND",
	    "The image has a tRNS chunk beside an alpha channel." },
	{ "rgba tRNS IDAT IEND",
	    "The image has a tRNS chunk beside an alpha channel." },
	{ "indexed bKGD=00 PLTE IDAT IEND",
	    "The image's bKGD chunk has no palette before it." },
	{ "indexed PLTE bKGD=0000 IDAT IEND",
	    "The image's bKGD chunk does not fit its colour type." },
	{ "rgb bKGD PLTE IDAT IEND",
	    "The image's PLTE chunk comes after one that needs it." },
	{ "grey bKGD=0000 IDAT IEND", NULL },
	{ "greya bKGD IDAT IEND",
	    "The image's bKGD chunk does not fit its colour type." },
	{ "rgb hIST IDAT IEND",
	    "The image's hIST chunk does not fit its palette." },
	{ "rgb PLTE hIST*6 IDAT IEND",
	    "The image's hIST chunk does not fit its palette." },
	{ "rgb PLTE hIST IDAT IEND", NULL },
	{ NULL, NULL },
};

static const struct recipe values[] = {
	{ "rgb gAMA=00000000 IDAT IEND",
	    "The image's gAMA chunk says 0, which is no gamma." },
	{ "rgb gAMA=80000000 IDAT IEND", NUMBER },
	{ "rgb cHRM=00000000000000000000000000000000"
	  "00000000000000000000000080000000 IDAT IEND",
	    NUMBER },
	{ "rgb sRGB=03 IDAT IEND", NULL },
	{ "rgb sRGB=04 IDAT IEND",
	    "The image's sRGB chunk has an unknown intent." },
	{ "rgb sBIT=010508 IDAT IEND", NULL },
	{ "rgb sBIT=010008 IDAT IEND",
	    "The image's sBIT chunk has an impossible depth." },
	{ "rgb sBIT=010809 IDAT IEND",
	    "The image's sBIT chunk has an impossible depth." },
	{ "grey sBIT IDAT IEND",
	    "The image's sBIT chunk does not fit its colour type." },
	{ "grey sBIT=08 IDAT IEND", NULL },
	{ "greya sBIT=0808 IDAT IEND", NULL },
	{ "rgba sBIT=08080808 IDAT IEND", NULL },
	{ "indexed sBIT=080808 PLTE IDAT IEND", NULL },
	{ "rgb pHYs=000000010000000100 IDAT IEND", NULL },
	{ "rgb pHYs=000000010000000102 IDAT IEND",
	    "The image's pHYs chunk has an unknown unit." },
	{ "rgb pHYs=000000018000000001 IDAT IEND", NUMBER },
	{ NULL, NULL },
};

static const struct recipe animations[] = {
	{ "rgb acTL fcTL IDAT IEND", NULL },
	{ "rgb fcTL acTL IDAT IEND", NULL },
	{ "rgb acTL IDAT fcTL fdAT IEND", NULL },
	{ "rgb acTL IDAT fcTL tEXt fdAT fdAT=00000002 IEND", NULL },
	{ "rgb acTL IDAT IEND", COUNT },
	{ "rgb fcTL IDAT IEND", COUNT },
	{ "rgb acTL=0000000200000000 fcTL IDAT IEND", COUNT },
	{ "rgb acTL=0000000000000000 IDAT IEND",
	    "The image is an animation of 0 frames." },
	{ "rgb acTL=0000000180000000 fcTL IDAT IEND", NUMBER },
	{ "rgb acTL fcTL fcTL=00000001000000040000000400000000000000000001"
	  "000a0000 IDAT IEND",
	    "The image has two fcTL chunks before its IDAT." },
	{ "rgb acTL fcTL fcTL IDAT IEND", SEQUENCE },
	{ "rgb acTL IDAT fcTL IEND", NO_FDAT },
	{ "rgb acTL=0000000200000000 IDAT fcTL fcTL=00000001000000040000000"
	  "400000000000000000001000a0000 fdAT=00000002 IEND",
	    NO_FDAT },
	{ "rgb acTL fcTL IDAT fdAT IEND",
	    "The image has an fdAT chunk without an fcTL before it." },
	{ "rgb acTL fcTL fdAT IDAT IEND", PLACE("fdAT") },
	{ "rgb acTL IDAT fcTL fdAT=00000002 IEND", SEQUENCE },
	{ "rgb acTL IDAT fcTL fdAT fdAT IEND", SEQUENCE },
	{ "rgb acTL IDAT fcTL fdAT fdAT=00000003 IEND", SEQUENCE },
	{ "rgb acTL IDAT fcTL fdAT*3 IEND", LENGTH("fdAT") },
	{ NULL, NULL },
};

static void
recipes_test(const struct recipe *r)
{
	for (; r->chunks != NULL; r++)
		check_recipe(r->chunks, r->why);
}

/* The standard's table of all chunks (5.6), read once more. */
static const struct {
	const char *name;
	char most;  /* 1 or * */
	char place; /* before P: PLTE, I: IDAT; A: anywhere */
	int wrong;  /* a length that it cannot have, or -1 */
} places[] = {
	{ "cHRM", '1', 'P', 31 },
	{ "cICP", '1', 'P', 5 },
	{ "gAMA", '1', 'P', 3 },
	{ "iCCP", '1', 'P', 2 },
	{ "mDCV", '1', 'P', 23 },
	{ "cLLI", '1', 'P', 9 },
	{ "sBIT", '1', 'P', 5 },
	{ "sRGB", '1', 'P', 0 },
	{ "bKGD", '1', 'I', 0 },
	{ "hIST", '1', 'I', 1 },
	{ "tRNS", '1', 'I', 257 },
	{ "eXIf", '1', 'A', 0 },
	{ "pHYs", '1', 'I', 8 },
	{ "sPLT", '*', 'I', 2 },
	{ "acTL", '1', 'I', 9 },
	{ "tIME", '1', 'A', 6 },
	{ "iTXt", '*', 'A', 5 },
	{ "tEXt", '*', 'A', 1 },
	{ "zTXt", '*', 'A', 2 },
	{ "fcTL", '*', 'A', 25 },
};

/* "name" in the place of each @. */
static void
fill_in(struct buf *to, const char *text, const char *name)
{
	buf_reset(to);
	for (; *text != '\0'; text++)
		buf_printf(to, "%.*s", *text == '@' ? 4 : 1,
		    *text == '@' ? name : text);
}

/* For each chunk that stands in one of "where" and may come "most" times. */
static void
places_test(
    const char *where, const char *most, const char *recipe, const char *why)
{
	struct buf r, w;
	size_t i;

	buf_init(&r, 1024);
	buf_init(&w, 1024);
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (strchr(where, places[i].place) == NULL ||
		    strchr(most, places[i].most) == NULL)
			continue;
		fill_in(&r, recipe, places[i].name);
		fill_in(&w, why == NULL ? "" : why, places[i].name);
		check_recipe(buf_str(&r), why == NULL ? NULL : buf_str(&w));
	}
	buf_free(&r);
	buf_free(&w);
}

static void
lengths_test(void)
{
	char recipe[64];
	struct buf why;
	size_t i;

	buf_init(&why, 1024);
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(recipe, sizeof(recipe), "rgb %s*%d IDAT IEND",
		    places[i].name, places[i].wrong);
		fill_in(&why, LENGTH("@"), places[i].name);
		check_recipe(recipe, buf_str(&why));
	}
	buf_free(&why);
}

static void
rule_tests(void)
{
	test ("critical chunks come in order, once, whole, and no unknown ones")
		recipes_test(critical);
	test ("palettes and what depends on them fit the colour type")
		recipes_test(palettes);
	test ("what is kept says nothing that PNG does not know")
		recipes_test(values);
	test ("an animation's parts add up")
		recipes_test(animations);
	test ("a chunk that may come once comes once") {
		places_test("P", "1", "rgb @ @ PLTE IDAT IEND", TWICE("@"));
		places_test("I", "1", "rgb PLTE @ @ IDAT IEND", TWICE("@"));
		places_test("A", "1", "rgb @ IDAT @ IEND", TWICE("@"));
	}
	test ("texts and suggested palettes may come often") {
		places_test("I", "*", "rgb @ @ PLTE @ IDAT IEND", NULL);
		check_recipe("rgb tEXt zTXt iTXt PLTE tEXt zTXt iTXt tIME "
			     "IDAT tEXt zTXt iTXt tEXt zTXt iTXt IEND",
		    NULL);
	}
	test ("what describes the palette's colours stands before the palette")
		places_test("P", "1", "rgb PLTE @ IDAT IEND", PLACE("@"));
	test ("what describes the pixels stands before them")
		places_test("PI", "1*", "rgb PLTE IDAT @ IEND", PLACE("@"));
	test ("every chunk has a length that it can have")
		lengths_test();
}

/* --- the pixels' stream --- */

/* A 4 x 4 grey picture around these bytes as its IDAT. */
static void
check_stream(const struct buf *z, const char *why)
{
	static const struct shape shape = { 4, 4, 8, 0, 0 };
	struct buf b;

	buf_init(&b, 1 << 20);
	signature_add(&b);
	ihdr_add(&b, &shape);
	chunk_add(&b, "IDAT", z->bytes, z->len);
	chunk_add(&b, "IEND", NULL, 0);
	check_clean(b.bytes, b.len, why);
	buf_free(&b);
}

static void
check_raw(const char *raw, size_t len, const char *why)
{
	struct buf z;

	buf_init(&z, 1 << 20);
	zlib_add(&z, raw, len);
	check_stream(&z, why);
	buf_free(&z);
}

#define FEWER  "The image has fewer pixels than its header says."
#define MORE   "The image has more pixels than its header says."
#define FILTER "The image is damaged: a row begins with an unknown filter type."
#define AFTER  "Something follows the pixels within the image's IDAT chunks."

static void
filters_test(void)
{
	char raw[20] = { 0 };
	int row, filter;

	for (row = 0; row < 4; row++) {
		for (filter = 0; filter < 256; filter++) {
			raw[5 * row] = (char)filter;
			check_raw(raw, 20, filter > 4 ? FILTER : NULL);
		}
		raw[5 * row] = 4;
	}
}

/* 8 x 8 pixels have rows in all seven passes; their lengths by 8.1. */
static void
adam7_filters_test(struct buf *b)
{
	static const int pixels[] = { 1, 1, 2, 2, 2, 4, 4, 4, 4, 4, 4, 8, 8, 8,
		8 };
	static const struct shape shape = { 8, 8, 8, 0, 1 };
	char raw[64 + 15];
	struct buf z;
	int row;

	buf_init(&z, 1 << 20);
	for (row = -1; row < 15; row++) {
		int start = 0, i;

		memset(raw, 99, sizeof(raw)); /* no filter, but a pixel */
		for (i = 0; i < 15; i++) {
			raw[start] = i == row ? 5 : 4;
			start += 1 + pixels[i];
		}
		buf_reset(&z);
		zlib_add(&z, raw, sizeof(raw));
		buf_reset(b);
		signature_add(b);
		ihdr_add(b, &shape);
		chunk_add(b, "IDAT", z.bytes, z.len);
		chunk_add(b, "IEND", NULL, 0);
		check_clean(b->bytes, b->len, row < 0 ? NULL : FILTER);
	}
	buf_free(&z);
}

static void
stream_bits_test(void)
{
	char raw[20] = { 0 };
	struct buf z;
	size_t i;

	buf_init(&z, 1 << 20);
	zlib_add(&z, raw, 20);
	check_stream(&z, NULL);
	for (i = 1; i <= 4; i++) {
		z.bytes[z.len - i] ^= 1; /* Adler-32 */
		check_stream(&z, STREAM);
		z.bytes[z.len - i] ^= 1;
	}
	buf_add(&z, "", 1);
	check_stream(&z, AFTER);
	for (z.len -= 2; z.len > 0; z.len--)
		check_stream(&z, STREAM);
	buf_reset(&z);
	buf_add(&z,
	    "\x78\xbb\0\0\0\1"
	    "dictionary",
	    16);
	check_stream(&z, STREAM); /* 10.1: no preset dictionary */
	buf_free(&z);
}

static void
pixel_tests(void)
{
	static const char raw[64];
	struct buf b;

	buf_init(&b, 1 << 20);
	test ("a row begins with one of five filter types") {
		filters_test();
	}
	test ("in each of an interlaced picture's seven passes, too")
		adam7_filters_test(&b);
	test ("there are exactly as many pixels as the header says") {
		check_raw(raw, 20, NULL);
		check_raw(raw, 19, FEWER);
		check_raw(raw, 15, FEWER);
		check_raw(raw, 1, FEWER);
		check_raw(raw, 0, FEWER);
		check_raw(raw, 21, MORE);
		check_raw(raw, 64, MORE);
	}
	test ("the pixels' stream is whole, and nothing follows it in its "
	      "chunk")
		stream_bits_test();
	buf_free(&b);
}

/* A whole file of that shape, with a small window. */
static void
make_windowed(struct buf *b, const struct shape *shape, int bits, int strategy)
{
	struct buf raw, z;

	buf_init(&raw, 1 << 24);
	buf_init(&z, 1 << 24);
	raw_add(&raw, shape);
	windowed_add(&z, raw.bytes, raw.len, bits, strategy);
	buf_reset(b);
	signature_add(b);
	ihdr_add(b, shape);
	chunk_add(b, "IDAT", z.bytes, z.len / 3);
	chunk_add(b, "IDAT", z.bytes + z.len / 3, z.len - z.len / 3);
	chunk_add(b, "IEND", NULL, 0);
	buf_free(&raw);
	buf_free(&z);
}

/* Is it taken, and seen alike by three decoders before and after? */
static void
check_window(struct buf *b, const struct shape *shape, int bits, int strategy)
{
	make_windowed(b, shape, bits, strategy);
	if (!check_clean(b->bytes, b->len, NULL) || !check(same_picture(b)))
		printf("#   %u x %u, interlaced %d, window 2^%d, strategy %d\n",
		    shape->width, shape->height, shape->interlace, bits,
		    strategy);
}

static void
windows_test(struct buf *b)
{
	static const struct shape shapes[] = {
		{ 16, 16, 8, 6, 0 },    /* an icon: 1,040 bytes */
		{ 7, 10, 8, 6, 0 },     /* 290 bytes */
		{ 1, 3000, 8, 0, 0 },   /* the shortest rows */
		{ 216, 113, 8, 6, 0 },  /* rows longer than 2^9 */
		{ 9000, 5, 8, 6, 0 },   /* and longer than any window */
		{ 70000, 2, 8, 6, 0 },  /* than what is inflated at a time */
		{ 100, 100, 16, 2, 1 }, /* seven passes */
		{ 3, 500, 1, 0, 1 },    /* of which some are empty */
	};
	static const int strategies[] = { STORED, Z_RLE, Z_HUFFMAN_ONLY,
		Z_DEFAULT_STRATEGY, Z_FILTERED, Z_FIXED };
	size_t i, k;
	int bits;

	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		for (bits = 8; bits <= 15; bits++)
			/* deflate() makes windows of 2^8 in the first three */
			for (k = 0; k < (bits == 8 ? 3U : 6U); k++)
				check_window(
				    b, &shapes[i], bits, strategies[k]);
}

/* A grey picture whose rows are a run that comes again "back" bytes later, in a
 * stream that declares a window of 2^9. */
static void
make_far(struct buf *b, size_t back)
{
	const struct shape shape = { 99, 40, 8, 0, 0 };
	unsigned char raw[40 * 100];
	struct buf z;
	size_t i;

	for (i = 0; i < sizeof(raw); i++)
		raw[i] = i % 100 == 0 ? 0
			 : i >= back  ? raw[i - back]
				      : (unsigned char)(i * i * 31 / 7 + i);
	buf_init(&z, 1 << 20);
	windowed_add(&z, raw, sizeof(raw), 15, Z_DEFAULT_STRATEGY);
	z.bytes[0] = 1 << 4 | Z_DEFLATED;
	z.bytes[1] = 31 - (1 << 4 | Z_DEFLATED) * 256 % 31;
	buf_reset(b);
	signature_add(b);
	ihdr_add(b, &shape);
	chunk_add(b, "IDAT", z.bytes, z.len);
	chunk_add(b, "IEND", NULL, 0);
	buf_free(&z);
}

/* The same stream with bytes cut off and added, and of other pixels. */
static void
small_window_damage(const struct buf *good)
{
	static const struct {
		int rows;
		const char *why;
	} headers[] = { { 63, MORE }, { 64, NULL }, { 65, FEWER } };
	const char *idat = good->bytes + 8 + 25;
	size_t first = (unsigned char)idat[2] << 8 | (unsigned char)idat[3];
	struct shape shape = { 64, 64, 8, 6, 0 };
	struct buf z, b;
	size_t i;

	buf_init(&z, 1 << 24);
	buf_init(&b, 1 << 24);
	buf_add(&z, idat + 8, first);
	buf_add(&z, idat + 12 + first + 8, good->len - 8 - 25 - 36 - first);
	for (i = 0; i < 3 + 2; i++) {
		shape.height = i < 3 ? (uint32_t)headers[i].rows : 64;
		buf_reset(&b);
		signature_add(&b);
		ihdr_add(&b, &shape);
		if (i == 4)
			buf_add(&z, "x", 1);
		chunk_add(&b, "IDAT", z.bytes, i == 3 ? z.len - 1 : z.len);
		chunk_add(&b, "IEND", NULL, 0);
		check_clean(b.bytes, b.len,
		    i < 3    ? headers[i].why
		    : i == 3 ? STREAM
			     : AFTER);
	}
	buf_free(&z);
	buf_free(&b);
}

static void
window_tests(void)
{
	static const struct shape broken = { 64, 64, 8, 6, 0 };
	struct decoded d;
	struct buf b;

	buf_init(&b, 1 << 24);
	test ("a window of any size is taken, and three decoders see the same "
	      "pixels")
		windows_test(&b);
	test ("a stream that points back no further than its window is taken") {
		make_far(&b, 500);
		check_clean(b.bytes, b.len, NULL);
	}
	test ("one that points further back than its window is refused, as by "
	      "libpng") {
		make_far(&b, 700);
		check_clean(b.bytes, b.len, STREAM);
		check(!decoded_init(&d, b.bytes, b.len));
	}
	test ("with a small window, too, every cut and extra byte is noticed") {
		make_windowed(&b, &broken, 9, Z_DEFAULT_STRATEGY);
		small_window_damage(&b);
	}
	buf_free(&b);
}

/* --- pictures over 64 MiB, which are inflated in a stream --- */

/* A picture of that many zero bytes, but for one; made piece by piece, because
 * the tests with it are about memory. */
static void
make_zeros(struct buf *b, const struct shape *shape, size_t raw_bytes,
    size_t at, unsigned char odd)
{
	static unsigned char in[1 << 16], z[1 << 20];
	z_stream s = { 0 };
	size_t done = 0, n;

	check(deflateInit(&s, 1) == Z_OK);
	s.next_out = z;
	s.avail_out = sizeof(z);
	while (done < raw_bytes) {
		n = raw_bytes - done;
		n = n < sizeof(in) ? n : sizeof(in);
		memset(in, 0, sizeof(in));
		if (at >= done && at - done < n)
			in[at - done] = odd;
		s.next_in = in;
		s.avail_in = (unsigned)n;
		check(deflate(&s, Z_NO_FLUSH) == Z_OK);
		done += n;
	}
	check(deflate(&s, Z_FINISH) == Z_STREAM_END);
	buf_reset(b);
	signature_add(b);
	ihdr_add(b, shape);
	n = sizeof(z) - s.avail_out;
	chunk_add(b, "IDAT", z, 1000);
	chunk_add(b, "IDAT", z + 1000, n - 1000);
	chunk_add(b, "IEND", NULL, 0);
	deflateEnd(&s);
}

static const struct shape huge = { 8192, 3000, 8, 6, 0 }; /* 94 MiB */
enum { HUGE_ROW = 8192 * 4 + 1 };

/* The same with other bytes as the stream's end: "cut" away, "more" added. */
static void
check_huge_tail(
    const struct buf *good, size_t cut, const char *more, const char *why)
{
	static const size_t head = 8 + 25 + 12 + 1000; /* and then an IDAT */
	struct buf b, idat;

	buf_init(&b, 1 << 24);
	buf_init(&idat, 1 << 24);
	buf_add(&idat, good->bytes + head + 8, good->len - head - 24 - cut);
	buf_puts(&idat, more);
	buf_add(&b, good->bytes, head);
	chunk_add(&b, "IDAT", idat.bytes, idat.len);
	chunk_add(&b, "IEND", NULL, 0);
	check_clean(b.bytes, b.len, why);
	buf_free(&b);
	buf_free(&idat);
}

static long
most_kilobytes(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_maxrss;
}

static void
huge_tests(void)
{
	const size_t raw = (size_t)HUGE_ROW * 3000;
	/* 8.1: the passes have 375, 375, 375, 750, ... rows */
	const size_t all = (size_t)8192 * 3000 * 4 + 375 * 15;
	struct shape adam7 = huge;
	struct buf b;
	long before;

	buf_init(&b, 1 << 24);
	test ("a picture of over 64 MiB is checked within a few MiB") {
		make_zeros(&b, &huge, raw, 0, 4);
		before = most_kilobytes();
		check_clean(b.bytes, b.len, NULL);
		check(most_kilobytes() - before < 8192);
		check(size.width == 8192 && size.height == 3000);
	}
	test ("and as strictly as a small one") {
		check_huge_tail(&b, 0, "", NULL);
		check_huge_tail(&b, 0, "x", AFTER);
		check_huge_tail(&b, 1, "", STREAM);
		check_huge_tail(&b, 1, "x", STREAM);
		check_huge_tail(&b, 9999, "", STREAM);
		make_zeros(&b, &huge, raw, HUGE_ROW, 5);
		check_clean(b.bytes, b.len, FILTER);
		make_zeros(&b, &huge, raw, raw - HUGE_ROW, 5);
		check_clean(b.bytes, b.len, FILTER);
		make_zeros(&b, &huge, raw, raw - HUGE_ROW + 1, 5);
		check_clean(b.bytes, b.len, NULL);
		make_zeros(&b, &huge, raw - 1, 0, 0);
		check_clean(b.bytes, b.len, FEWER);
		make_zeros(&b, &huge, raw + 1, 0, 0);
		check_clean(b.bytes, b.len, MORE);
		make_zeros(&b, &huge, raw + HUGE_ROW, 0, 0);
		check_clean(b.bytes, b.len, MORE);
	}
	test ("interlaced or not") {
		adam7.interlace = 1;
		make_zeros(&b, &adam7, all, 0, 4);
		check_clean(b.bytes, b.len, NULL);
		make_zeros(&b, &adam7, all, all - HUGE_ROW, 5);
		check_clean(b.bytes, b.len, FILTER);
		make_zeros(&b, &adam7, all - 1, 0, 0);
		check_clean(b.bytes, b.len, FEWER);
		make_zeros(&b, &adam7, all + 1, 0, 0);
		check_clean(b.bytes, b.len, MORE);
	}
	buf_free(&b);
}

/* --- limits --- */

static long
kilobytes_now(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f == NULL || fscanf(f, "%*d %ld", &pages) != 1)
		pages = 0;
	if (f != NULL)
		fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* An image of which only the header is true. */
static enum outcome
header_only(uint32_t width, uint32_t height, int depth, int interlace)
{
	const struct shape shape = { width, height, depth, 6, interlace };
	struct buf b;
	enum outcome o;

	buf_init(&b, 1 << 20);
	signature_add(&b);
	ihdr_add(&b, &shape);
	chunk_add(&b, "IDAT", "not a stream", 12);
	chunk_add(&b, "IEND", NULL, 0);
	o = clean_buf(&b);
	buf_free(&b);
	return o;
}

static void
shrink_test(void)
{
	const struct shape big = { 4000, 2500, 8, 6, 0 }; /* 38 MiB */
	long before, during;
	struct buf b;
	int i;

	buf_init(&b, 1 << 26);
	make_zeros(&b, &big, (4000 * 4 + 1) * 2500, 0, 0);
	check(clean("", 0) == OUTCOME_NOT_A_PNG);
	before = kilobytes_now();
	check_clean(b.bytes, b.len, NULL);
	during = kilobytes_now();
	check(during - before > 25000);
	buf_free(&b);
	for (i = 0; i < 20; i++)
		check_recipe("rgb IDAT IEND", NULL);
	check(during - kilobytes_now() > 25000);
}

static void
limit_tests(void)
{
	const char *bytes;
	struct buf b;
	size_t room;

	buf_init(&b, 1 << 20);
	limits.pixels = 16;
	test ("as many pixels as the limit says are allowed, one more is too "
	      "big") {
		check_recipe("rgb IDAT IEND", NULL);
		limits.pixels = 15;
		make(&b, "rgb IDAT IEND");
		check(clean_buf(&b) == OUTCOME_TOO_BIG);
		check(*problem.why != '\0');
	}
	test ("too big is said before anything is inflated") {
		check(header_only(4, 5, 8, 0) == OUTCOME_TOO_BIG);
		check(header_only(INT32_MAX, INT32_MAX, 16, 0) ==
		      OUTCOME_TOO_BIG);
	}
	limits.pixels = UINT64_MAX;
	test ("sizes that overflow 64 bits are too big, whatever the limit") {
		check(header_only(INT32_MAX, INT32_MAX, 16, 0) ==
		      OUTCOME_TOO_BIG);
		check(header_only(INT32_MAX, INT32_MAX, 16, 1) ==
		      OUTCOME_TOO_BIG);
	}
	test ("a side may be as long as PNG allows") {
		check(header_only(INT32_MAX, 1, 8, 0) == OUTCOME_NOT_A_PNG);
		check_str(problem.why, FEWER);
	}
	test ("a short file that promises a huge picture costs no memory") {
		check(header_only(4000, 4000, 8, 0) == OUTCOME_NOT_A_PNG);
		check_str(problem.why, FEWER);
	}
	limits.pixels = 40000000;
	test ("an image is cleaned where it is, and takes no other memory") {
		make(&b, "rgb cHRM tEXt*900 IDAT.1 IDAT*0 IDAT.2 tEXt IEND");
		bytes = b.bytes;
		room = b.room;
		check(png_clean(&b, &size, &limits, scratch, &problem) ==
		      OUTCOME_OK);
		check(b.bytes == bytes && b.room == room);
	}
	test ("a huge picture's memory is given back after some small ones")
		shrink_test();
	buf_free(&b);
}

/* --- what is no PNG at all --- */

static void
stranger_tests(void)
{
	static const char other[] =
	    "What came is not a PNG image: it does not begin like one.";

	test ("what came instead of a PNG is told") {
		check_clean("", 0, "Nothing came, not an image.");
		check_clean("\n <!doctype html>", 17,
		    "What came is an HTML page, not an image.");
		check_clean("\xef\xbb\xbf<html>", 9,
		    "What came is an HTML page, not an image.");
		check_clean("{\"message\":\"\"}", 14,
		    "What came is JSON, not an image.");
		check_clean("\x1f\x8b\x08\0\0\0\0\0", 8,
		    "What came is gzip bytes, not an image.");
		check_clean("%PDF-1.7\n", 9,
		    "What came is a PDF file, not a PNG image.");
		check_clean("\xff\xd8\xff\xe0\0\x10JFIF", 10,
		    "What came is a JPEG, not a PNG image.");
		check_clean(
		    "GIF89a", 6, "What came is a GIF, not a PNG image.");
	}
	test ("what is nothing of that is just no PNG") {
		check_clean("not found", 9, other);
		check_clean("\x89PNG\n\x1a\n\0\0\0\rIHDR", 15, other);
		check_clean("\x1f", 1, other);
		check_clean("    ", 4, other);
		check_clean("\0", 1, other);
		check_clean("\x89PNG\r\n\x1a\n", 8, FOREVER);
	}
}

int
main(void)
{
	if (!tap_has_proc())
		return 0;
	scratch = png_scratch_open();
	if (scratch == NULL) {
		printf("Bail out! no memory\n");
		return 1;
	}
	buf_init(&out, SIZE_MAX / 2);
	fixtures_find();
	huge_tests(); /* first: later the peak of memory is somebody else's */
	damage_tests();
	outcome_tests();
	rule_tests();
	pixel_tests();
	window_tests();
	limit_tests();
	stranger_tests();
	corpus_tests();
	buf_free(&out);
	png_scratch_close(scratch);
	png_scratch_close(NULL);
	return tap_done();
}
