/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_lexer.h"

#include <stdlib.h>

#include "tap.h"

/* Read it to its end; the kinds met, a letter each, SCAN_BROKEN as '!'. */
static const char *
kinds(const char *text, size_t len)
{
	static const char letters[] = "!.{}[]ksntz";
	static char seen[256];
	struct scan_piece p;
	struct scan s;
	size_t n = 0;

	scan_init(&s, text, len);
	do {
		p = scan_next(&s);
		/* the last one is what matters when there are too many */
		n = n < sizeof(seen) - 2 ? n : sizeof(seen) - 2;
		seen[n++] = letters[p.kind];
	} while (p.kind != SCAN_BROKEN && p.kind != SCAN_END);
	seen[n] = '\0';
	return seen;
}

static bool
is_json(const char *text, size_t len)
{
	const char *seen = kinds(text, len);

	return seen[strlen(seen) - 1] == '.';
}

#define TAKES(text)   check(is_json(text, sizeof(text) - 1))
#define REFUSES(text) check(!is_json(text, sizeof(text) - 1))

static void
grammar(void)
{
	static const char mixed[] = "{\"a\" : [1,true,null,\"x\",{}],\"b\":{}}";

	test ("every kind of value is told apart") {
		check_str(kinds(mixed, sizeof(mixed) - 1), "{k[ntzs{}]k{}}.");
	}
	test ("one value is a text, with blanks round it") {
		TAKES("0");
		TAKES(" \t\r\n-1.5E+30 ");
		TAKES("\"\"");
		TAKES("false");
		TAKES("[ ]");
		TAKES("{ }");
	}
	test ("numbers are those of RFC 8259") {
		TAKES("[0,-0,10,1.0,1e1,1E-1,123456789012345678901234567890]");
		REFUSES("01");
		REFUSES("-");
		REFUSES("+1");
		REFUSES(".5");
		REFUSES("1.");
		REFUSES("1e");
		REFUSES("1e+");
		REFUSES("NaN");
		REFUSES("0x10");
	}
	test ("what is not whole or goes on is broken") {
		REFUSES("");
		REFUSES(" ");
		REFUSES("[");
		REFUSES("[1");
		REFUSES("[1,");
		REFUSES("[1,]");
		REFUSES("[,1]");
		REFUSES("{\"a\"");
		REFUSES("{\"a\":");
		REFUSES("{\"a\":1,}");
		REFUSES("{\"a\" 1}");
		REFUSES("{1:1}");
		REFUSES("{a:1}");
		REFUSES("[1}");
		REFUSES("{\"a\":1]");
		REFUSES("]");
		REFUSES("1 2");
		REFUSES("[] x");
		REFUSES("[]\0");
		REFUSES("tru");
		REFUSES("nul");
		REFUSES("/* c */ 1");
		REFUSES("'a'");
		REFUSES("\"a");
		REFUSES("\"a\\");
		REFUSES("\"a\\\"");
		REFUSES("\xef\xbb\xbf{}");
	}
}

static void
strings(void)
{
	test ("strings have no controls and only known escapes") {
		TAKES(
		    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00\x7f\"");
		REFUSES("\"\n\"");
		REFUSES("\"\t\"");
		REFUSES("\"\0\"");
		REFUSES("\"\\x41\"");
		REFUSES("\"\\u12\"");
		REFUSES("\"\\u12g4\"");
		REFUSES("\"\\\0\"");
	}
	test ("strings are UTF-8, as short as can be") {
		TAKES(
		    "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf\"");
		REFUSES("\"\x80\"");
		REFUSES("\"\xff\"");
		REFUSES("\"\xc3\"");
		REFUSES("\"\xc0\xaf\"");
		REFUSES("\"\xe0\x80\xaf\"");
		REFUSES("\"\xf0\x80\x80\xaf\"");
		REFUSES("\"\xed\xa0\x80\"");
		REFUSES("\"\xf4\x90\x80\x80\"");
		REFUSES("\"\xf5\x80\x80\x80\"");
		REFUSES("\"\xe2\x82\"");
	}
}

/* What the one string in the text says; "!" when it cannot be told. */
static const char *
says(const char *text, size_t room)
{
	static char to[64];
	struct scan_piece p;
	struct scan s;
	size_t len;

	scan_init(&s, text, strlen(text));
	p = scan_next(&s);
	return scan_decode(&s, &p, to, room, &len) && strlen(to) == len ? to
									: "!";
}

static void
decoding(void)
{
	test ("escapes are undone") {
		check_str(says("\"\\u0067\\u00E9\\ud83d\\uDE00\"", 64),
		    "g\xc3\xa9\xf0\x9f\x98\x80");
		check_str(says("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", 64),
		    "\"\\/\b\f\n\r\t");
		check_str(says("\"\"", 64), "");
	}
	test ("half a surrogate pair says nothing") {
		check_str(says("\"\\ud83d\"", 64), "!");
		check_str(says("\"\\ude00\"", 64), "!");
		check_str(says("\"\\ud83d\\u0041\"", 64), "!");
		check_str(says("\"\\ud83dxyzxyz\"", 64), "!");
	}
	test ("what does not fit is not cut") {
		check_str(says("\"abc\"", 4), "abc");
		check_str(says("\"abc\"", 3), "!");
		check_str(says("\"\\u20ac\"", 3), "!");
	}
	test ("a NUL in a string is counted, not the end of it") {
		check_str(says("\"a\\u0000b\"", 64), "!");
	}
}

static void
depth(void)
{
	static char deep[2 * SCAN_DEPTH_MAX + 2];

	test ("containers are in one another so deep and no deeper") {
		memset(deep, '[', SCAN_DEPTH_MAX);
		memset(deep + SCAN_DEPTH_MAX, ']', SCAN_DEPTH_MAX);
		check(is_json(deep, 2 * (size_t)SCAN_DEPTH_MAX));
		memset(deep, '[', SCAN_DEPTH_MAX + 1);
		memset(deep + SCAN_DEPTH_MAX + 1, ']', SCAN_DEPTH_MAX + 1);
		check(!is_json(deep, 2 * (size_t)SCAN_DEPTH_MAX + 2));
	}
}

static void
places(void)
{
	static const char text[] = " { \"a\\\"\" : \"xy\" , \"b\":-12 } ";
	struct scan_piece p;
	struct scan s;

	test ("a piece says where it starts and ends") {
		scan_init(&s, text, sizeof(text) - 1);
		p = scan_next(&s);
		check(p.kind == SCAN_OBJECT && p.start == 1 && p.end == 2);
		p = scan_next(&s);
		check(p.kind == SCAN_KEY && p.start == 3 && p.end == 8);
		p = scan_next(&s);
		check(p.kind == SCAN_STRING && p.start == 11 && p.end == 15);
		p = scan_next(&s);
		check(p.kind == SCAN_KEY && p.start == 18 && p.end == 21);
		p = scan_next(&s);
		check(p.kind == SCAN_NUMBER && p.start == 22 && p.end == 25);
		p = scan_next(&s);
		check(
		    p.kind == SCAN_OBJECT_END && p.start == 26 && p.end == 27);
	}
	test ("after its end, and after a fault, nothing new comes") {
		check(scan_next(&s).kind == SCAN_END);
		check(scan_next(&s).kind == SCAN_END);
		scan_init(&s, "x[]", 3);
		check(scan_next(&s).kind == SCAN_BROKEN);
		check(scan_next(&s).kind == SCAN_BROKEN);
	}
}

int
main(void)
{
	grammar();
	strings();
	decoding();
	depth();
	places();
	return tap_done();
}
