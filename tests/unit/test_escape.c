/* SPDX-License-Identifier: Apache-2.0 */
#include "base/escape.h"

#include <stdbool.h>
#include <string.h>

#include "tap.h"

static char to[64];

static const char *
printable(const char *text, size_t room)
{
	size_t n = escape_printable(to, room, text, strlen(text));

	return n == strlen(to) ? to : "its length is wrong";
}

static const char *
people(const char *text, size_t room)
{
	memset(to, 'x', sizeof(to));
	escape_for_people(to, room, text, strlen(text));
	return to;
}

int
main(void)
{
	static const char *const broken[] = { "\x80", "\xc3", "\xc3(",
		"\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
		"\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "" };
	uint32_t c;
	size_t i;

	test ("a line for the log is printable ASCII") {
		check_str(printable("a\"b\\c\n\x7f\xc3\xa4", sizeof(to)),
		    "a\\\"b\\\\c\\x0a\\x7f\\xc3\\xa4");
	}
	test ("an escape is never cut in half") {
		check_str(printable("ab\n", 7), "ab\\x0a");
		check_str(printable("ab\n", 6), "ab");
		check_str(printable("ab\"", 4), "ab");
		check_str(printable("ab", 1), "");
	}
	test ("people read UTF-8 without what hides or turns round") {
		check_str(people("\xc3\x84 \"x\" \xe2\x82\xac \xf0\x9f\x98\x80",
			      sizeof(to)),
		    "\xc3\x84 'x' \xe2\x82\xac \xf0\x9f\x98\x80");
		check_str(people("a\r\n\x1b\xc2\x9b\xe2\x80\xae\xe2\x80\x8b\xff"
				 "b",
			      sizeof(to)),
		    "a???????b");
	}
	test ("what is too long is cut between two characters") {
		check_str(people("abcdef", 7), "abcdef");
		check_str(people("abcdefg", 7), "abc...");
		check_str(people("ab\xe2\x82\xac\xe2\x82\xac", 7), "ab...");
		check_str(people("abcd", 4), "...");
	}
	test ("what is no UTF-8 is none") {
		for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
			check(utf8_read(broken[i], strlen(broken[i]), &c) == 0);
	}
	test ("and what is, has its number") {
		check(utf8_read("\xf4\x8f\xbf\xbfx", 5, &c) == 4);
		check(c == 0x10ffff);
		check(utf8_read("\0", 1, &c) == 1 && c == 0);
		check(utf8_read("\xee\x80\x80", 3, &c) == 3 && c == 0xe000);
	}
	return tap_done();
}
