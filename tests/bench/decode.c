/* SPDX-License-Identifier: Apache-2.0 */
#include "decode.h"

#include <libpng16/png.h> /* "png.h" is ours */
#include <string.h>

struct source {
	const unsigned char *at;
	size_t left;
};

static void
read_source(png_structp png, png_bytep to, size_t len)
{
	struct source *s = png_get_io_ptr(png);

	if (len > s->left)
		png_error(png, "cut off");
	memcpy(to, s->at, len);
	s->at += len;
	s->left -= len;
}

bool
decode(const unsigned char *bytes, size_t len)
{
	struct source s = { bytes, len };
	png_structp png =
	    png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
	png_infop info = png_create_info_struct(png);

	if (png == NULL || info == NULL)
		return false;
	if (setjmp(png_jmpbuf(png)) != 0) {
		png_destroy_read_struct(&png, &info, NULL);
		return false;
	}
	png_set_read_fn(png, &s, read_source);
	png_read_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
	png_destroy_read_struct(&png, &info, NULL);
	return true;
}
