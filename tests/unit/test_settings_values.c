/* SPDX-License-Identifier: Apache-2.0 */
/* What each setting may be, and what it is when it is not set. */
#include "config/settings.h"

#include <inttypes.h>
#include <stddef.h>

#include "load.h"
#include "tap.h"

#define HEX "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789ABCDEF"

/* INTERFACE.md, section 2. */
static const struct {
	const char *name;
	size_t at;
	int64_t initial, least, most;
} numbers[] = {
#define N(name, initial, least, most)                                          \
	{                                                                      \
#name, offsetof(struct settings, name), initial, least, most   \
	}
	N(workers, 64, 1, 4096),
	N(max_renders, 16, 1, 4096),
	N(answer_seconds, 50, 1, 600),
	N(wait_seconds, 20, 0, 600),
	N(connect_seconds, 3, 1, 60),
	N(render_seconds, 45, 1, 600),
	N(reuse_seconds, 5, 0, 3600),
	N(max_image_bytes, 16777216, 1024, 1073741824),
	N(max_image_pixels, 40000000, 1, 1000000000),
	N(keep_days, 0, 0, 36500),
	N(keep_bytes, 0, 0, INT64_MAX),
	N(min_free_bytes, 268435456, 0, INT64_MAX),
};

static bool
reads_number(size_t i, const char *value)
{
	char line[128];

	snprintf(line, sizeof(line), "%s = %s", numbers[i].name, value);
	return reads(line);
}

static void
check_number(size_t i, int64_t n)
{
	char value[32];

	snprintf(value, sizeof(value), "%" PRId64, n);
	check(reads_number(i, value));
	check_str(said, "");
	check(*(int64_t *)(void *)((char *)&s + numbers[i].at) == n);
	check_str(value_of(numbers[i].name), value);
}

static void
check_no_number(size_t i, uint64_t n, const char *sign)
{
	char value[32], bound[32];

	snprintf(value, sizeof(value), "%s%" PRIu64, sign, n);
	check(!reads_number(i, value));
	snprintf(bound, sizeof(bound), "%" PRId64,
	    numbers[i].most == INT64_MAX ? numbers[i].least : numbers[i].most);
	SAID(file, ":3: ", numbers[i].name, value, bound, "allowed");
}

static void
bounds(void)
{
	static const char *const garbage[] = { "", "x", "5x", "5 6", "5.0",
		"+5", "0x10", "1e3", "5,", "\"5\"", "5s", "-5", "- 5",
		"99999999999999999999" };
	size_t i, j;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		test (numbers[i].name) {
			check(reads(""));
			check(
			    *(int64_t *)(void *)((char *)&s + numbers[i].at) ==
			    numbers[i].initial);
			check_number(i, numbers[i].least);
			check_number(i, numbers[i].most);
			if (numbers[i].least > 0)
				check_no_number(
				    i, (uint64_t)numbers[i].least - 1, "");
			check_no_number(i, (uint64_t)numbers[i].most + 1, "");
			check_no_number(i, 1, "-");
		}
	test ("what is no whole number in digits is refused") {
		for (j = 0; j < sizeof(garbage) / sizeof(garbage[0]); j++) {
			if (!check(!reads_number(0, garbage[j])))
				printf("#   %s\n", garbage[j]);
			SAID(
			    ":3: ", "workers = ", garbage[j], "from 1 to 4096");
		}
	}
}

static const struct {
	const char *line, *name, *value, *phrase;
} values[] = {
	{ "", "store", "/var/lib/grafana-images/saved-images",
	    "store has its default" },
	{ "store = /srv/i//", "store", "/srv/i",
	    "slashes at the end of a folder are cut off" },
	{ "store=/srv/i", "store", "/srv/i", "blanks round = are free" },
	{ "\t store\t =\t /srv/a b \t", "store", "/srv/a b",
	    "blanks round a line are cut off, inside a value they stay" },
	{ "store = /srv/i\r", "store", "/srv/i", "a return at the end is cut" },
	{ "store = /srv/i # mine", "store", "/srv/i",
	    "a comment after a blank is cut off" },
	{ "store = /srv/i\t#mine", "store", "/srv/i", "after a tab too" },
	{ "store = /srv/i#1", "store", "/srv/i#1",
	    "a # inside a value is none" },
	{ "store = /srv/a=b", "store", "/srv/a=b", "a = inside a value is" },
	{ "store = s3://b.u-cket/p/q_r~/\ns3_region = x", "store",
	    "s3://b.u-cket/p/q_r~", "store may be a bucket with a prefix" },
	{ "store = s3://bucket\ns3_region = x", "store", "s3://bucket",
	    "store may be a bucket alone" },
	{ "", "state", "/var/lib/grafana-images/saved-images/.state",
	    "state is in a folder store" },
	{ "store = s3://bucket\ns3_region = x", "state", "",
	    "a bucket has no state" },
	{ "state = /run/x", "state", "/run/x", "state may be elsewhere" },
	{ "", "s3_style", "path", "s3_style is path" },
	{ "s3_style = virtual", "s3_style", "virtual", "or virtual" },
	{ "", "uploads", "off", "uploads are off" },
	{ "uploads = on", "uploads", "on", "or on" },
	{ "", "sandbox", "on", "the sandbox is on" },
	{ "sandbox = off", "sandbox", "off", "or off" },
	{ "", "wrong_pictures", "", "there are no further wrong pictures" },
	{ "", "tls_ca_file", "", "the system's certificates are trusted" },
	{ "tls_ca_file = /dev/null", "tls_ca_file", "/dev/null", "or others" },
	{ "s3_acl = public-read", "s3_acl", "public-read",
	    "an ACL is kept as it is" },
	{ "public_url = HTTPS://I.Example:443/s/", "public_url",
	    "https://i.example/s", "public_url is brought into one form" },
	{ "grafana = https://a.example, http://b:3000/g/ via http://[::1]:1 ,"
	  "https://c.example",
	    "grafana",
	    "https://a.example, http://b:3000/g via http://[::1]:1, "
	    "https://c.example",
	    "grafana is a list" },
	{ "", "tz", "", "there is no time zone" },
	{ "tz = UTC", "tz", "UTC", "a time zone may be UTC" },
	{ "tz = Europe/Berlin", "tz", "Europe/Berlin", "or that of a city" },
	{ "tz = America/Argentina/Buenos_Aires", "tz",
	    "America/Argentina/Buenos_Aires", "also in three parts" },
	{ "tz = Etc/GMT+5", "tz", "Etc/GMT+5", "with a sign in it" },
	{ "tz = US/Pacific", "tz", "US/Pacific", "or an older name" },
	{ "# workers = 1\n\n   # x = y\n\t\n#", "workers", "64",
	    "comments and empty lines say nothing" },
	{ "workers = 7", "workers", "7", "a last line needs no newline" },
};

#define FOR(fault) "a line is refused for " fault

static const struct {
	const char *line, *allowed, *phrase;
} refusals[] = {
	{ "colour = red", "no setting of that name", FOR("an unknown name") },
	{ "Workers = 1", "no setting of that name",
	    FOR("a name in another case") },
	{ "worker = 1", "no setting of that name", FOR("half a name") },
	{ "workers 5", "name = value", FOR("a line without =") },
	{ "= 5", "no setting of that name", FOR("a line without a name") },
	{ "uploads = yes", "\"off\" or \"on\"", FOR("a choice that is none") },
	{ "uploads = ON", "\"off\" or \"on\"",
	    FOR("a choice in another case") },
	{ "sandbox =", "\"off\" or \"on\"", FOR("an empty choice") },
	{ "s3_style = Virtual", "\"path\" or \"virtual\"",
	    FOR("another style") },
	{ "store = srv/i", "begins with \"/\"", FOR("a relative folder") },
	{ "state = ./x", "begins with \"/\"", FOR("a relative state") },
	{ "tls_ca_file = ca.pem", "begins with \"/\"", FOR("a relative file") },
	{ "tls_ca_file = /nonexistent/ca.pem", "cannot be read: No such",
	    FOR("a file that is not there") },
	{ "grafana = https://a.example, https://A.example:443/ via http://b",
	    "that of an earlier one", FOR("the same base twice") },
	{ "tz = Europe", "Europe/Berlin", FOR("a zone of a continent") },
	{ "tz = Mars/Olympus", "Europe/Berlin",
	    FOR("a zone of another world") },
	{ "tz = ../../etc/passwd", "Europe/Berlin", FOR("a zone of dots") },
	{ "tz = /etc/localtime", "Europe/Berlin",
	    FOR("a zone that is a path") },
	{ "tz = Europe/", "Europe/Berlin", FOR("half a zone") },
	{ "tz = Europe//Berlin", "Europe/Berlin", FOR("a zone with a hole") },
	{ "tz = Europe/Berlin&x=1", "Europe/Berlin", FOR("a zone and more") },
	{ "tz = UTC+02:00", "Europe/Berlin", FOR("a distance from UTC") },
	{ "store =", "s3://BUCKET", FOR("an empty store") },
	{ "store = s3://", "s3://BUCKET", FOR("a bucket without a name") },
	{ "store = s3:///p", "s3://BUCKET", FOR("a prefix without a bucket") },
	{ "store = s3://b//p", "s3://BUCKET",
	    FOR("a prefix with an empty part") },
	{ "store = s3://b/\xc3\xa9", "s3://BUCKET",
	    FOR("a prefix beyond ASCII") },
	{ "store = s3://b/p q", "s3://BUCKET", FOR("a prefix with a blank") },
	{ "public_url =", "https://", FOR("an empty address") },
	{ "public_url = /s", "https://", FOR("an address without a host") },
	{ "public_url = https://i.example/s?x", "query",
	    FOR("an address with a query") },
	{ "public_url = ftp://i.example/s", "http:// or https://",
	    FOR("an address of another scheme") },
	{ "s3_endpoint = minio:9000", "https://", FOR("a host and a port") },
	{ "grafana =", "ADDRESS via ADDRESS", FOR("an empty list") },
	{ "grafana = https://a.example,", "ADDRESS via ADDRESS",
	    FOR("a comma at the end of a list") },
	{ "grafana = https://a.example https://b.example", "via",
	    FOR("a list without commas") },
	{ "grafana = https://a.example, https://u@b.example", "user name",
	    FOR("a user in a list") },
	{ "wrong_pictures = " HEX, "SHA256=OUTCOME", FOR("a picture alone") },
	{ "wrong_pictures = " HEX "=saved", "no-renderer",
	    FOR("a picture with an outcome that Grafana has not") },
	{ "wrong_pictures = " HEX "=internal", "not-found",
	    FOR("a picture with an outcome of ours") },
	{ "wrong_pictures = " HEX "0=upstream", "SHA256=OUTCOME",
	    FOR("a digit too many") },
	{ "wrong_pictures = 0=upstream", "SHA256=OUTCOME",
	    FOR("digits too few") },
	{ "wrong_pictures = g" HEX "=upstream", "SHA256=OUTCOME",
	    FOR("a letter that is no digit") },
	{ "wrong_pictures = " HEX "=upstream,", "SHA256=OUTCOME",
	    FOR("a comma at the end of the pictures") },
};

static void
file_and_values(void)
{
	static char start[128];
	size_t i;

	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		test (values[i].phrase) {
			check(reads(values[i].line));
			check_str(said, "");
			check_str(value_of(values[i].name), values[i].value);
		}
	snprintf(start, sizeof(start), "grafana-images: %s:3: ", file);
	for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		test (refusals[i].phrase) {
			check(!reads(refusals[i].line));
			SAID(start, refusals[i].allowed);
			/* the name, and the value if there is a setting */
			check(strncmp(said + strlen(start), refusals[i].line,
				  strcspn(refusals[i].line, " =")) == 0);
			if (strstr(said, "no setting") == NULL)
				check(strstr(said, refusals[i].line) != NULL);
		}
	test ("the members are those of the names") {
		reads("wrong_pictures = " HEX "=upstream, " HEX "=forbidden\n"
		      "uploads = on\nsandbox = off\ns3_style = virtual\n"
		      "tls_ca_file = /dev/null\nstate = /u\ns3_acl = a\n"
		      "s3_region = r\ns3_secret_access_key_file = /k");
		check(s.wrong_picture_count == 2 && s.uploads && !s.sandbox &&
		      s.s3_virtual_style && s.grafana_count == 1);
		check(s.wrong_pictures[1].means == OUTCOME_FORBIDDEN &&
		      s.wrong_pictures[0].sha256[15] == 0xef);
		check_str(s.tls_ca_file, "/dev/null");
		check_str(s.state, "/u");
		check_str(s.s3_acl, "a");
		check_str(s.s3_region, "r");
		check_str(s.s3_secret_access_key_file, "/k");
	}
}

int
main(void)
{
	if (!load_begin())
		return 1;
	bounds();
	file_and_values();
	load_end();
	return tap_done();
}
