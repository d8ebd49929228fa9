/* SPDX-License-Identifier: Apache-2.0 */
/* The examples are those of Amazon's S3 API Reference, "Examples: Signature
 * Calculations". */
#include "store/sigv4.h"

#include "base/sha256.h"
#include "tap.h"
#include "wiped.h"

/* clang-format off */
#define HOST  { "Host", "examplebucket.s3.amazonaws.com" }
#define END   { NULL, NULL }
/* clang-format on */
#define DATE  "20130524T000000Z"
#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const struct sign_key key = { "us-east-1", "AKIAIOSFODNN7EXAMPLE",
	"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" };

/* The header's value, "" where it cannot be made. */
static const char *
sign(const char *method, const char *target, const struct http_header *headers,
    const char *digest)
{
	static char text[1024];
	const struct sign_request r = { .method = method,
		.target = target,
		.headers = headers,
		.date = DATE,
		.digest = digest };
	struct buf b;

	buf_init(&b, sizeof(text) - 1);
	if (!sign_make(&b, &r, &key))
		buf_reset(&b);
	memcpy(text, buf_str(&b), b.len + 1);
	buf_free(&b);
	return text;
}

#define VALUE(names, signature)                                                \
	"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/"           \
	"us-east-1/s3/aws4_request, SignedHeaders=" names                      \
	", Signature=" signature

static void
examples(void)
{
	static const struct http_header plain[] = { HOST,
		{ "x-amz-date", DATE }, { "x-amz-content-sha256", EMPTY },
		END };
	static const struct http_header range[] = { HOST,
		{ "Range", "bytes=0-9" }, { "x-amz-content-sha256", EMPTY },
		{ "x-amz-date", DATE }, END };

	test ("Amazon's example of getting an object has Amazon's signature") {
		check_str(sign("GET", "/test.txt", range, EMPTY),
		    VALUE("host;range;x-amz-content-sha256;x-amz-date",
			"f0e8bdb87c964420e857bd35b5d6ed31"
			"0bd44f0170aba48dd91039c6036bdb41"));
	}
	test ("so has that of a query without a value") {
		check_str(sign("GET", "/?lifecycle=", plain, EMPTY),
		    VALUE("host;x-amz-content-sha256;x-amz-date",
			"fea454ca298b7da1c68078a5d1bdbfbb"
			"e0d65c699e0f91ac7a200a0136783543"));
	}
	test ("and that of a query with two") {
		check_str(sign("GET", "/?max-keys=2&prefix=J", plain, EMPTY),
		    VALUE("host;x-amz-content-sha256;x-amz-date",
			"34b48302e7b5fa45bde8084f4b7868a8"
			"6f0a534bc59db6670ed5711ef69dc6f7"));
	}
}

static void
uploads(void)
{
	static const char body[] = "Welcome to Amazon S3.";
	char digest[DIGEST_HEX_ROOM];
	const struct http_header headers[] = { HOST,
		{ "Date", "Fri, 24 May 2013 00:00:00 GMT" },
		{ "x-amz-date", DATE },
		{ "x-amz-storage-class", "REDUCED_REDUNDANCY" },
		{ "x-amz-content-sha256", digest }, END };
	unsigned char bytes[DIGEST_BYTES];

	test ("a body is signed by its digest, a key as it is encoded") {
		check(digest_make(bytes, body, strlen(body)));
		digest_hex(digest, bytes);
		check_str(sign("PUT", "/test%24file.text", headers, digest),
		    VALUE("date;host;x-amz-content-sha256;x-amz-date;"
			  "x-amz-storage-class",
			"98ad721746da40c64f1a55b78f14c238"
			"d841ea1380cd77a1b5971af0ece108bd"));
	}
}

static void
headers(void)
{
	static const struct http_header tidy[] = { { "a", "" },
		{ "a-b", "1 2" }, { "ab", "3" }, HOST, { "x-amz-date", DATE },
		END };
	static const struct http_header untidy[] = {
		{ "x-amz-date", "\t" DATE " " }, HOST, { "Ab", "  3" },
		{ "A-B", "1 \t  2\t" }, { "A", " " }, END
	};
	char first[1024];

	test ("neither order nor case nor blanks of headers change anything") {
		snprintf(
		    first, sizeof(first), "%s", sign("GET", "/", tidy, EMPTY));
		check_str(sign("GET", "/", untidy, EMPTY), first);
		check(strstr(first, "=a;a-b;ab;host;x-amz-date,") != NULL);
	}
	test ("whatever else changes, the signature changes") {
		check(strcmp(sign("PUT", "/", tidy, EMPTY), first) != 0);
		check(strcmp(sign("GET", "/a", tidy, EMPTY), first) != 0);
		check(strcmp(sign("GET", "/?a=", tidy, EMPTY), first) != 0);
		check(strcmp(sign("GET", "/", tidy, "0"), first) != 0);
		check(strcmp(sign("GET", "/", tidy + 1, EMPTY), first) != 0);
	}
}

static void
rest(void)
{
	static const struct http_header lines[] = { HOST,
		{ "x-amz-date", DATE }, END };
	const struct sign_request r = { .method = "GET",
		.target = "/",
		.headers = lines,
		.date = DATE,
		.digest = EMPTY };
	char date[SIGN_DATE_ROOM];
	struct buf b;

	test ("a date is written as it is signed") {
		sign_date(date, 1369353600);
		check_str(date, DATE);
		sign_date(date, 0);
		check_str(date, "19700101T000000Z");
		sign_date(date, (time_t)1 << 40);
		check_str(date, "");
	}
	test ("what has no room is not half signed") {
		buf_init(&b, 180);
		check(!sign_make(&b, &r, &key));
		check_str(buf_str(&b), "");
		buf_free(&b);
	}
}

/* Signs with a secret of its own, and wipes it. */
static bool
sign_in_secret(void)
{
	static const struct http_header lines[] = { HOST,
		{ "x-amz-date", DATE }, END };
	static char secret[SECRET_LEN + 1];
	const struct sign_key own = { "us-east-1", "AKIA", secret };
	const struct sign_request r = { .method = "GET",
		.target = "/",
		.headers = lines,
		.date = DATE,
		.digest = EMPTY };
	struct buf b;
	size_t i;
	bool ok;

	for (i = 0; i < SECRET_LEN; i++)
		secret[i] = secret_byte(i);
	buf_init(&b, 1024);
	ok = sign_make(&b, &r, &own) && secret_is_in_memory();
	explicit_bzero(secret, sizeof(secret));
	buf_free(&b);
	return ok;
}

static void
secrets(void)
{
	test ("nothing of the secret stays in memory") {
		check(sign_in_secret());
		check(!secret_is_in_memory());
	}
}

int
main(void)
{
	examples();
	uploads();
	headers();
	rest();
	secrets();
	return tap_done();
}
