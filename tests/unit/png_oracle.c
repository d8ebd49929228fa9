/* SPDX-License-Identifier: Apache-2.0 */
#include "png_oracle.h"

#include <libpng16/png.h>
#include <spng.h>
#include <stb/stb_image.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct source {
	const unsigned char *bytes;
	size_t left;
};

static void
source_read(png_structp png, png_bytep to, size_t n)
{
	struct source *s = png_get_io_ptr(png);

	if (n > s->left)
		png_error(png, "cut off");
	memcpy(to, s->bytes, n);
	s->bytes += n;
	s->left -= n;
}

static void
stay_silent(png_structp png, png_const_charp why)
{
	(void)png;
	(void)why;
}

static void
give_up(png_structp png, png_const_charp why)
{
	(void)why;
	png_longjmp(png, 1);
}

static void
colours_read(struct decoded *d, png_structp png, png_infop info)
{
	png_colorp palette;
	png_bytep alpha;
	png_color_16p key;
	int i, n;

	if (png_get_PLTE(png, info, &palette, &n) != 0)
		for (i = 0; i < n; i++) {
			d->palette[4 * i] = palette[i].red;
			d->palette[4 * i + 1] = palette[i].green;
			d->palette[4 * i + 2] = palette[i].blue;
		}
	if (png_get_tRNS(png, info, &alpha, &n, &key) == 0)
		return;
	if (d->colour == PNG_COLOR_TYPE_PALETTE)
		for (i = 0; i < n; i++)
			d->palette[4 * i + 3] = alpha[i];
	else {
		memcpy(d->key, &key->red, 2);
		memcpy(d->key + 2, &key->green, 2);
		memcpy(d->key + 4,
		    d->colour == PNG_COLOR_TYPE_GRAY ? &key->gray : &key->blue,
		    2);
	}
}

/* libpng returns to here by longjmp(); what it needs afterwards is in "d" and
 * "rows", which the caller holds. */
static bool
picture_read(struct decoded *d, png_bytep **rows, png_structp png,
    png_infop info, struct source *s)
{
	size_t row_bytes, y;

	if (setjmp(png_jmpbuf(png)) != 0)
		return false;
	png_set_read_fn(png, s, source_read);
	png_set_user_limits(png, INT32_MAX, INT32_MAX);
	png_read_info(png, info);
	d->width = png_get_image_width(png, info);
	d->height = png_get_image_height(png, info);
	d->depth = png_get_bit_depth(png, info);
	d->colour = png_get_color_type(png, info);
	colours_read(d, png, info);
	png_set_interlace_handling(png);
	png_read_update_info(png, info);
	row_bytes = png_get_rowbytes(png, info);
	d->bytes = row_bytes * d->height;
	d->pixels = calloc(d->bytes, 1);
	*rows = calloc(d->height, sizeof(**rows));
	if (d->pixels == NULL || *rows == NULL)
		return false;
	for (y = 0; y < d->height; y++)
		(*rows)[y] = d->pixels + y * row_bytes;
	png_read_image(png, *rows);
	png_read_end(png, info);
	return true;
}

bool
decoded_init(struct decoded *d, const void *bytes, size_t len)
{
	struct source s = { bytes, len };
	png_bytep *rows = NULL;
	png_structp png;
	png_infop info;
	bool good = false;

	memset(d, 0, sizeof(*d));
	png = png_create_read_struct(
	    PNG_LIBPNG_VER_STRING, NULL, give_up, stay_silent);
	if (png == NULL)
		return false;
	info = png_create_info_struct(png);
	if (info != NULL)
		good = picture_read(d, &rows, png, info, &s);
	png_destroy_read_struct(&png, &info, NULL);
	free(rows);
	if (!good)
		decoded_free(d);
	return good;
}

void
decoded_free(struct decoded *d)
{
	free(d->pixels);
	d->pixels = NULL;
}

bool
decoded_equal(const struct decoded *a, const struct decoded *b)
{
	return a->width == b->width && a->height == b->height &&
	       a->depth == b->depth && a->colour == b->colour &&
	       a->bytes == b->bytes &&
	       memcmp(a->pixels, b->pixels, a->bytes) == 0 &&
	       memcmp(a->palette, b->palette, sizeof(a->palette)) == 0 &&
	       memcmp(a->key, b->key, sizeof(a->key)) == 0;
}

/* RGBA of 16 bits each. */
struct pixels {
	unsigned char *bytes; /* NULL: refused */
	size_t len;
};

static struct pixels
by_libspng(const void *bytes, size_t len)
{
	spng_ctx *ctx = spng_ctx_new(0);
	struct pixels p = { NULL, 0 };

	if (ctx == NULL || spng_set_png_buffer(ctx, bytes, len) != 0 ||
	    spng_decoded_image_size(ctx, SPNG_FMT_RGBA16, &p.len) != 0)
		goto out;
	p.bytes = malloc(p.len);
	if (p.bytes == NULL ||
	    spng_decode_image(
		ctx, p.bytes, p.len, SPNG_FMT_RGBA16, SPNG_DECODE_TRNS) != 0 ||
	    spng_decode_chunks(ctx) != 0) {
		free(p.bytes);
		p.bytes = NULL;
	}
out:
	spng_ctx_free(ctx);
	return p;
}

static struct pixels
by_stb_image(const void *bytes, size_t len)
{
	struct pixels p = { NULL, 0 };
	int width, height, channels;

	p.bytes = (unsigned char *)stbi_load_16_from_memory(
	    bytes, (int)len, &width, &height, &channels, 4);
	if (p.bytes != NULL)
		p.len = (size_t)width * (size_t)height * 8;
	return p;
}

bool
others_agree(
    const void *before, size_t before_len, const void *after, size_t after_len)
{
	static struct pixels (*const decoders[])(
	    const void *, size_t) = { by_libspng, by_stb_image };
	bool agree = true;
	struct pixels a, b;
	size_t i;

	for (i = 0; i < sizeof(decoders) / sizeof(decoders[0]); i++) {
		a = decoders[i](before, before_len);
		b = decoders[i](after, after_len);
		agree = agree && (a.bytes == NULL ||
				     (b.bytes != NULL && a.len == b.len &&
					 memcmp(a.bytes, b.bytes, a.len) == 0));
		free(a.bytes);
		free(b.bytes);
	}
	return agree;
}
