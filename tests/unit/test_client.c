/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/service_client.h"

#include <stdlib.h>
#include <sysexits.h>

#include "tap.h"

static struct buf address, why;

static int
judged(int status, const char *body)
{
	buf_free(&address);
	buf_free(&why);
	buf_init(&address, CLIENT_ADDRESS_MAX);
	buf_init(&why, 8192);
	return client_judge(status, body, strlen(body), &address, &why);
}

static bool
is_taken(const char *image)
{
	char body[8192];

	snprintf(body, sizeof(body), "{\"pubImg\":\"%s\"}", image);
	return judged(200, body) == EX_OK && why.len == 0 && address.len > 0;
}

static void
addresses(void)
{
	char image[CLIENT_ADDRESS_MAX + 2];

	test ("an address is taken when it can stand anywhere as it is") {
		check(is_taken("https://g.example/saved-images/1.png"));
		check_str(
		    buf_str(&address), "https://g.example/saved-images/1.png");
		check(is_taken("http://[::1]:8080/a?b=c&d=%20#e"));
	}
	test ("what could leave its place is not taken") {
		check(!is_taken(""));
		check(!is_taken("http://"));
		check(!is_taken("https://"));
		check(!is_taken("ftp://g/1.png"));
		check(!is_taken("javascript:alert(1)"));
		check(!is_taken("//g/1.png"));
		check(!is_taken("https://g/ 1.png"));
		check(!is_taken("https://g/<b>"));
		check(!is_taken("https://g/'"));
		check(!is_taken("https://g/`id`"));
		check(!is_taken("https://g/\\\""));
		check(!is_taken("https://g/\\\\"));
		check(!is_taken("https://g/\\n"));
		check(!is_taken("https://g/\\u0000"));
		check(!is_taken("https://g/\\u007f"));
		check(!is_taken("https://g/\xc3\xa9"));
		check(address.len == 0);
	}
	test ("an address has at most 2,048 bytes") {
		memset(image, 'a', sizeof(image));
		memcpy(image, "https://", 8);
		image[CLIENT_ADDRESS_MAX] = '\0';
		check(is_taken(image));
		image[CLIENT_ADDRESS_MAX] = 'a';
		image[CLIENT_ADDRESS_MAX + 1] = '\0';
		check(!is_taken(image));
	}
	test ("a 200 without one is no success") {
		check(judged(200, "") == EX_UNAVAILABLE);
		check(judged(200, "null") == EX_UNAVAILABLE);
		check(judged(200, "[]") == EX_UNAVAILABLE);
		check(judged(200, "{}") == EX_UNAVAILABLE);
		check(judged(200, "{\"pubImg\":1}") == EX_UNAVAILABLE);
		check(judged(200, "<html></html>") == EX_UNAVAILABLE);
		check(judged(200, "no-token: x") == EX_UNAVAILABLE);
		check(why.len > 0);
	}
	test ("no other status is one, whatever comes with it") {
		check(judged(201, "{\"pubImg\":\"https://g/1\"}") ==
		      EX_UNAVAILABLE);
		check(judged(302, "{\"pubImg\":\"https://g/1\"}") ==
		      EX_UNAVAILABLE);
		check(judged(500, "{\"pubImg\":\"https://g/1\"}") ==
		      EX_UNAVAILABLE);
		check(address.len == 0);
	}
}

static const struct {
	const char *word;
	int code;
} words[] = {
	{ "malformed", EX_DATAERR },
	{ "too-large", EX_DATAERR },
	{ "method", EX_DATAERR },
	{ "not-found", EX_DATAERR },
	{ "no-token", EX_NOPERM },
	{ "token-refused", EX_NOPERM },
	{ "forbidden", EX_NOPERM },
	{ "not-allowed", EX_NOPERM },
	{ "busy", EX_TEMPFAIL },
	{ "grafana-busy", EX_TEMPFAIL },
	{ "stopping", EX_TEMPFAIL },
	{ "slow", EX_TEMPFAIL },
	{ "store-full", EX_TEMPFAIL },
	{ "no-renderer", EX_UNAVAILABLE },
	{ "upstream", EX_UNAVAILABLE },
	{ "not-a-png", EX_UNAVAILABLE },
	{ "too-big", EX_UNAVAILABLE },
	{ "exists", EX_UNAVAILABLE },
	{ "store-failed", EX_UNAVAILABLE },
	{ "internal", EX_UNAVAILABLE },
};

static void
outcomes(void)
{
	char body[256];
	size_t i;

	test ("the outcome's word decides, in JSON and in text") {
		for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			snprintf(body, sizeof(body),
			    "{\"title\":\"T\",\"status\":599,\"detail\":\"D.\","
			    "\"outcome\":\"%s\"}",
			    words[i].word);
			check(judged(599, body) == words[i].code);
			snprintf(
			    body, sizeof(body), "%s: T. D.", words[i].word);
			check_str(buf_str(&why), body);
			check(judged(599, body) == words[i].code);
			check_str(buf_str(&why), body);
		}
	}
	test ("without a word the status decides") {
		check(judged(400, "") == EX_DATAERR);
		check(judged(404, "<html>") == EX_DATAERR);
		check(judged(405, "{}") == EX_DATAERR);
		check(judged(413, "x") == EX_DATAERR);
		check(judged(401, "") == EX_NOPERM);
		check(judged(403, "refused-here: no") == EX_NOPERM);
		check(judged(503, "down: no") == EX_TEMPFAIL);
		check(judged(504, "") == EX_TEMPFAIL);
		check(judged(507, "") == EX_TEMPFAIL);
		check(judged(500, "") == EX_UNAVAILABLE);
		check(judged(502, "down: no") == EX_UNAVAILABLE);
		check(judged(429, "rate: no") == EX_UNAVAILABLE);
		check(judged(503, "saved: no") == EX_TEMPFAIL);
	}
}

static void
saying(void)
{
	size_t i;

	test ("what the service says is one line of printable ASCII") {
		judged(500, "oops \x1b[2J\xe2\x80\xae\\ \nmore\n");
		check_str(buf_str(&why),
		    "The service answered 500: oops \\x1b[2J\\xe2\\x80\\xae"
		    "\\\\ ");
		judged(500,
		    "{\"title\":\"a\\nb\\u0000c\",\"detail\":\"\\u0085\"}");
		check_str(buf_str(&why), "a\\x0ab\\x00c. \\xc2\\x85");
		judged(500, "{\"outcome\":\"a\\rb\"}");
		check_str(buf_str(&why), "a\\x0db: The service answered 500.");
	}
	test ("and not too much of it") {
		static char flood[60000];

		memset(flood, 1, sizeof(flood) - 1);
		judged(500, flood);
		check(why.len > 1000 && why.len < 8000);
		for (i = 0; i < why.len; i++)
			check(why.bytes[i] >= 0x20 && why.bytes[i] < 0x7f);
	}
	test ("a redirect is said to be one") {
		check(judged(301, "") == EX_UNAVAILABLE);
		check(strstr(buf_str(&why), "redirect") != NULL);
	}
}

int
main(void)
{
	addresses();
	outcomes();
	saying();
	buf_free(&address);
	buf_free(&why);
	return tap_done();
}
