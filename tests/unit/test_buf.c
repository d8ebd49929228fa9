/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdint.h>

#include "tap.h"
#include "wiped.h"

static void
growing(void)
{
	struct buf b;
	size_t i;

	test ("a buffer is an empty string before anything is added") {
		buf_init(&b, 10);
		check_str(buf_str(&b), "");
		check(b.bytes == NULL && b.len == 0 && !b.failed);
		check(buf_add(&b, "", 0));
		check_str(buf_str(&b), "");
		buf_free(&b);
	}
	test ("bytes are kept in order, NULs too, and a NUL follows them") {
		buf_init(&b, 100);
		check(buf_add(&b, "a\0b", 3) && buf_puts(&b, "c") &&
		      buf_printf(&b, "%d%s", 42, "d"));
		check(b.len == 7 && memcmp(b.bytes, "a\0bc42d", 8) == 0);
		buf_free(&b);
	}
	test ("a buffer grows to what is added, byte by byte") {
		buf_init(&b, 100000);
		for (i = 0; i < 100000; i++)
			if (!buf_add(&b, &"0123456789"[i % 10], 1))
				break;
		check(b.len == 100000 && !b.failed);
		for (i = 0; i < b.len && b.bytes[i] == "0123456789"[i % 10];
		     i++)
			;
		check(i == 100000 && b.bytes[i] == '\0');
		buf_free(&b);
	}
	test ("what was reserved is added without moving the bytes") {
		char *before;

		buf_init(&b, 1 << 20);
		check(buf_reserve(&b, 100000) && b.len == 0);
		before = b.bytes;
		for (i = 0; i < 100000; i++)
			buf_add(&b, "x", 1);
		check(b.bytes == before && b.len == 100000);
		buf_free(&b);
	}
	test ("a long text is printed whole") {
		buf_init(&b, 100000);
		check(buf_printf(&b, "%070000d.", 7));
		check(b.len == 70001 && b.bytes[69999] == '7' &&
		      strcmp(b.bytes + 70000, ".") == 0);
		buf_free(&b);
	}
}

static void
limits(void)
{
	struct buf b;

	test ("a buffer takes as many bytes as its limit, and not one more") {
		buf_init(&b, 4);
		check(buf_add(&b, "abcd", 4) && buf_add(&b, "", 0));
		check_str(buf_str(&b), "abcd");
		check(!buf_add(&b, "e", 1));
		buf_init(&b, 4);
		check(!buf_puts(&b, "abcde"));
		buf_init(&b, 4);
		check(!buf_printf(&b, "%s", "abcde"));
		buf_init(&b, 4);
		check(buf_reserve(&b, 4) && !buf_reserve(&b, 5));
		buf_init(&b, 0);
		check(!buf_add(&b, "a", 1) && b.failed);
	}
	test ("after a failed add a buffer is empty and stays failed") {
		buf_init(&b, 4);
		buf_puts(&b, "abc");
		check(!buf_puts(&b, "de"));
		check(b.failed && b.len == 0 && b.bytes == NULL);
		check_str(buf_str(&b), "");
		check(!buf_puts(&b, "a") && !buf_add(&b, "", 0) &&
		      !buf_printf(&b, "a") && !buf_reserve(&b, 1));
		check_str(buf_str(&b), "");
	}
	test ("a reset makes a failed buffer good again, with the same limit") {
		buf_reset(&b);
		check(!b.failed && b.limit == 4);
		check(buf_puts(&b, "abcd"));
		check_str(buf_str(&b), "abcd");
	}
	test ("a reset keeps the memory and forgets the bytes") {
		char *before = b.bytes;

		buf_reset(&b);
		check(b.bytes == before && b.len == 0);
		check_str(buf_str(&b), "");
		buf_free(&b);
		check(b.bytes == NULL && b.room == 0 && b.limit == 4);
	}
	test ("more than a size can count is a failure, whatever the limit") {
		buf_init(&b, SIZE_MAX);
		check(!buf_reserve(&b, SIZE_MAX));
		check(b.failed);
		buf_init(&b, SIZE_MAX);
		buf_puts(&b, "a");
		check(!buf_reserve(&b, SIZE_MAX - 1));
		check(b.failed);
		buf_free(&b);
	}
}

static void
fill(struct buf *b)
{
	size_t i;
	char c;

	for (i = 0; i < SECRET_LEN; i++) {
		c = secret_byte(i);
		buf_add(b, &c, 1);
	}
}

static void
wiping(void)
{
	struct buf b;

	buf_init(&b, 300);
	fill(&b);
	if (!secret_is_in_memory()) {
		test ("memory cannot be looked at here # SKIP") {
			buf_free(&b);
		}
		return;
	}
	test ("bytes are wiped when the buffer is freed") {
		buf_free(&b);
		check(!secret_is_in_memory());
	}
	test ("bytes are wiped when the buffer fails") {
		fill(&b);
		check(secret_is_in_memory());
		check(!buf_printf(&b, "%0300d", 1));
		check(!secret_is_in_memory());
	}
	test ("the old copy is wiped when the buffer moves") {
		buf_init(&b, 10000);
		fill(&b);
		check(buf_reserve(&b, 9000));
		explicit_bzero(b.bytes, b.len);
		check(!secret_is_in_memory());
		buf_free(&b);
	}
}

int
main(void)
{
	growing();
	limits();
	wiping();
	return tap_done();
}
