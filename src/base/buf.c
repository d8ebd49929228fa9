/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
buf_init(struct buf *b, size_t limit)
{
	memset(b, 0, sizeof(*b));
	/* so that no sum of two lengths can overflow */
	b->limit = limit < SIZE_MAX / 4 ? limit : SIZE_MAX / 4;
}

void
buf_free(struct buf *b)
{
	/* not all of its room: to wipe pages that nothing was written into
	 * would make the kernel find memory for them */
	if (b->bytes != NULL)
		explicit_bzero(b->bytes, b->len);
	free(b->bytes);
	buf_init(b, b->limit);
}

void
buf_reset(struct buf *b)
{
	/* what is beyond the length holds nothing: buf_free() */
	if (b->bytes != NULL)
		explicit_bzero(b->bytes, b->len + 1);
	b->len = 0;
	b->failed = false;
}

static bool
give_up(struct buf *b)
{
	buf_free(b);
	b->failed = true;
	return false;
}

bool
buf_reserve(struct buf *b, size_t more)
{
	size_t need, room;
	char *bytes;

	if (b->failed)
		return false;
	if (more > b->limit - b->len)
		return give_up(b);
	need = b->len + more + 1;
	if (need <= b->room)
		return true;
	room = b->room < 256 ? 256 : b->room + b->room / 2;
	if (room < need)
		room = need;
	/* not realloc(): it would leave the old copy unwiped */
	bytes = malloc(room);
	if (bytes == NULL)
		return give_up(b);
	if (b->bytes != NULL) {
		memcpy(bytes, b->bytes, b->len);
		explicit_bzero(b->bytes, b->len);
		free(b->bytes);
	}
	bytes[b->len] = '\0';
	b->bytes = bytes;
	b->room = room;
	return true;
}

bool
buf_add(struct buf *b, const void *bytes, size_t len)
{
	if (!buf_reserve(b, len))
		return false;
	if (len > 0)
		memcpy(b->bytes + b->len, bytes, len);
	b->len += len;
	b->bytes[b->len] = '\0';
	return true;
}

bool
buf_puts(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

bool
buf_printf(struct buf *b, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	if (n < 0)
		return give_up(b);
	if (!buf_reserve(b, (size_t)n))
		return false;
	va_start(ap, format);
	vsnprintf(b->bytes + b->len, (size_t)n + 1, format, ap);
	va_end(ap);
	b->len += (size_t)n;
	return true;
}

const char *
buf_str(const struct buf *b)
{
	return b->bytes == NULL ? "" : b->bytes;
}
