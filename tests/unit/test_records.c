/* SPDX-License-Identifier: Apache-2.0 */
/* FastCGI's records as they come in. */
#include "records.h"
#include "tap.h"

#define BEGIN  "\1\1\0\1\0\x08\0\0\0\1\0\0\0\0\0\0"
#define PARAMS "\1\4\0\1\0\4\2\0\1\1ABxx"
#define END    "\1\4\0\1\0\0\0\0"
#define HEAD   BEGIN PARAMS END
#define BODY   "\1\5\0\1\0\2\0\0{}"
#define LAST   "\1\5\0\1\0\0\0\0"
#define VALUES "\1\x09\0\0\0\x10\0\0\x0e\0FCGI_MAX_CONNS"
#define LEN(s) (sizeof(s) - 1)

static struct caller caller;
static struct intake body;
static struct records records;

static void
begin(void)
{
	caller = caller_from_now(-1, 60);
	intake_init(&body, 100, &caller);
	records_init(&records);
}

static void
done(void)
{
	records_free(&records);
	intake_free(&body);
}

/* In pieces of that size; how many bytes were used. */
static size_t
take(const char *bytes, size_t len, size_t piece)
{
	size_t used = 0, n, some;

	while (used < len) {
		n = len - used < piece ? len - used : piece;
		some = records_take(&records, bytes + used, n);
		used += some;
		if (some < n)
			break;
	}
	return used;
}

static void
test_whole(void)
{
	static const char all[] = HEAD BODY LAST;
	struct buf head;
	size_t piece;

	test ("variables and body are found, in whatever pieces they come") {
		for (piece = 1; piece < LEN(all); piece++) {
			begin();
			check(take(all, LEN(all), piece) == LEN(HEAD));
			check(records.state == RECORDS_BODY);
			records.body = &body;
			take(all + LEN(HEAD), LEN(all) - LEN(HEAD), piece);
			check(records.state == RECORDS_WHOLE);
			check(body.body.bytes.len == 2);
			check(memcmp(body.body.bytes.bytes, "{}", 2) == 0);
			done();
		}
	}
	test ("libfcgi gets the variables, without padding") {
		begin();
		take(all, LEN(all), LEN(all));
		buf_init(&head, RECORDS_HEAD_MAX);
		check(records_head(&records, &head));
		check(head.len == LEN(HEAD) - 2);
		check(memcmp(head.bytes, BEGIN, LEN(BEGIN)) == 0);
		check(memcmp(head.bytes + head.len - LEN(END), END, LEN(END)) ==
		      0);
		buf_free(&head);
		done();
	}
}

static void
test_management(void)
{
	test ("a server that asks for limits alone is answered at once") {
		static const char values[] = VALUES;
		static const char answer[] =
		    "\1\x0a\0\0\0\x11\0\0\x0e\1FCGI_MAX_CONNS1";

		begin();
		take(values, LEN(values), LEN(values));
		check(records.answer.len == LEN(answer));
		check(memcmp(records.answer.bytes, answer, LEN(answer)) == 0);
		check(records.state == RECORDS_HEAD);
		done();
	}
	test ("a broken list of limits is answered without any") {
		static const char broken[] = "\1\x09\0\0\0\3\0\0\x7f\1F";

		begin();
		take(broken, LEN(broken), 1);
		check(records.answer.len == 8);
		done();
	}
	test ("an unknown type is told so, also between the variables") {
		static const char unknown[] =
		    BEGIN "\1\x2a\0\0\0\0\0\0" PARAMS END;

		begin();
		take(unknown, LEN(unknown), 3);
		check(records.answer.len == 16);
		check(records.answer.bytes[1] == 11);
		check(records.answer.bytes[8] == 0x2a);
		check(records.state == RECORDS_BODY);
		done();
	}
	test ("a second request on the connection cannot be multiplexed") {
		static const char two[] =
		    BEGIN "\1\1\0\2\0\x08\0\0\0\1\0\0\0\0\0\0"
			  "\1\4\0\2\0\0\0\0" PARAMS END;

		begin();
		take(two, LEN(two), 5);
		check(records.answer.len == 16);
		check(records.answer.bytes[3] == 2);
		check(records.answer.bytes[12] == 1);
		check(records.state == RECORDS_BODY);
		done();
	}
}

static void
test_wrong(void)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *phrase;
	} wrong[] = {
#define WRONG(bytes, phrase) { bytes, LEN(bytes), phrase }
		WRONG("\2\1\0\1\0\x08\0\0", "another version ends it"),
		WRONG("\1\1\0\0\0\x08\0\0", "so does a request without number"),
		WRONG("\1\1\0\1\0\2\0\0", "a beginning that is too short"),
		WRONG(PARAMS, "variables before the beginning"),
		WRONG(BEGIN BODY, "a body before the variables"),
		WRONG(BEGIN "\1\2\0\1\0\0\0\0", "a server that aborts"),
	};
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		test (wrong[i].phrase) {
			begin();
			take(wrong[i].bytes, wrong[i].len, 1);
			check(records.state == RECORDS_ABORTED);
			done();
		}
	test ("variables without end are not kept") {
		static const char more[8] = { 1, 4, 0, 1, (char)0xff,
			(char)0xff, 0, 0 };
		static char content[65535];
		int n;

		begin();
		take(BEGIN, LEN(BEGIN), LEN(BEGIN));
		for (n = 0; n < 5 && records.state == RECORDS_HEAD; n++) {
			take(more, 8, 8);
			take(content, sizeof(content), sizeof(content));
		}
		check(records.state == RECORDS_ABORTED);
		check(n == 5);
		done();
	}
}

int
main(void)
{
	test_whole();
	test_management();
	test_wrong();
	return tap_done();
}
