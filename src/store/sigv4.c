/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sigv4.h"

#include "base/sha256.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define DAY_LEN 8 /* of "20130524T000000Z" */

void
sign_date(char date[SIGN_DATE_ROOM], time_t when)
{
	struct tm tm;

	if (gmtime_r(&when, &tm) == NULL ||
	    strftime(date, SIGN_DATE_ROOM, "%Y%m%dT%H%M%SZ", &tm) == 0)
		date[0] = '\0';
}

/*
 * The canonical request
 */

/* The header whose name, in lower case, comes next after that of "last"; NULL:
 * the first, and none. */
static const struct http_header *
next_header(const struct http_header *headers, const struct http_header *last)
{
	const struct http_header *h, *next = NULL;

	for (h = headers; h->name != NULL; h++)
		if ((last == NULL || strcasecmp(h->name, last->name) > 0) &&
		    (next == NULL || strcasecmp(h->name, next->name) < 0))
			next = h;
	return next;
}

static bool
add_name(struct buf *to, const char *name)
{
	char c;

	for (; *name != '\0'; name++) {
		c = *name;
		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if (!buf_add(to, &c, 1))
			return false;
	}
	return true;
}

/* Without blanks at its ends, and one where there are several. */
static bool
add_value(struct buf *to, const char *value)
{
	static const char blanks[] = " \t";
	const char *at = value, *between = "";
	size_t len;

	for (at += strspn(at, blanks); *at != '\0'; at += strspn(at, blanks)) {
		len = strcspn(at, blanks);
		if (!buf_puts(to, between) || !buf_add(to, at, len))
			return false;
		between = " ";
		at += len;
	}
	return true;
}

/* Such as "host;x-amz-date". */
static bool
add_names(struct buf *to, const struct http_header *headers)
{
	const struct http_header *h = next_header(headers, NULL);

	while (h != NULL) {
		if (!add_name(to, h->name))
			return false;
		h = next_header(headers, h);
		if (h != NULL && !buf_puts(to, ";"))
			return false;
	}
	return true;
}

static bool
add_canonical(struct buf *to, const struct sign_request *r)
{
	size_t path_len = strcspn(r->target, "?");
	const char *query = r->target + path_len;
	const struct http_header *h;

	if (*query == '?')
		query++;
	if (!buf_printf(to, "%s\n", r->method) ||
	    !buf_add(to, r->target, path_len) ||
	    !buf_printf(to, "\n%s\n", query))
		return false;
	for (h = next_header(r->headers, NULL); h != NULL;
	     h = next_header(r->headers, h))
		if (!add_name(to, h->name) || !buf_puts(to, ":") ||
		    !add_value(to, h->value) || !buf_puts(to, "\n"))
			return false;
	return buf_puts(to, "\n") && add_names(to, r->headers) &&
	       buf_printf(to, "\n%s", r->digest);
}

/*
 * The signature
 */

/* "to" may be the key. */
static bool
mac(unsigned char to[DIGEST_BYTES], const void *key, size_t key_len,
    const char *text, size_t len)
{
	return HMAC(EVP_sha256(), key, (int)key_len,
		   (const unsigned char *)text, len, to, NULL) != NULL;
}

static bool
derive(unsigned char key[DIGEST_BYTES], const char *day,
    const struct sign_key *from)
{
	static const char service[] = "s3", end[] = "aws4_request";
	struct buf secret;
	bool ok;

	buf_init(&secret, SIZE_MAX / 2);
	ok = buf_puts(&secret, "AWS4") && buf_puts(&secret, from->secret) &&
	     mac(key, secret.bytes, secret.len, day, DAY_LEN) &&
	     mac(key, key, DIGEST_BYTES, from->region, strlen(from->region)) &&
	     mac(key, key, DIGEST_BYTES, service, strlen(service)) &&
	     mac(key, key, DIGEST_BYTES, end, strlen(end));
	buf_free(&secret);
	return ok;
}

/* The scope is the key's: "20130524/us-east-1/s3/aws4_request". */
static bool
add_text(struct buf *to, const char *scope, const struct sign_request *r)
{
	unsigned char digest[DIGEST_BYTES];
	char hex[DIGEST_HEX_ROOM];
	struct buf canonical;
	bool ok;

	buf_init(&canonical, SIZE_MAX / 2);
	ok = add_canonical(&canonical, r) &&
	     digest_make(digest, canonical.bytes, canonical.len);
	buf_free(&canonical);
	if (!ok)
		return false;
	digest_hex(hex, digest);
	return buf_printf(
	    to, "AWS4-HMAC-SHA256\n%s\n%s\n%s", r->date, scope, hex);
}

static bool
add_signature(struct buf *to, const char *scope, const struct sign_request *r,
    const struct sign_key *from)
{
	unsigned char key[DIGEST_BYTES], signature[DIGEST_BYTES];
	char hex[DIGEST_HEX_ROOM];
	struct buf text;
	bool ok;

	buf_init(&text, SIZE_MAX / 2);
	ok = add_text(&text, scope, r) && derive(key, r->date, from) &&
	     mac(signature, key, sizeof(key), text.bytes, text.len);
	explicit_bzero(key, sizeof(key));
	buf_free(&text);
	if (!ok)
		return false;
	digest_hex(hex, signature);
	return buf_puts(to, hex);
}

bool
sign_make(
    struct buf *to, const struct sign_request *r, const struct sign_key *key)
{
	struct buf scope;
	bool ok;

	buf_init(&scope, SIZE_MAX / 2);
	ok = buf_printf(&scope, "%.*s/%s/s3/aws4_request", DAY_LEN, r->date,
		 key->region) &&
	     buf_printf(to,
		 "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=", key->id,
		 scope.bytes) &&
	     add_names(to, r->headers) && buf_puts(to, ", Signature=") &&
	     add_signature(to, scope.bytes, r, key);
	buf_free(&scope);
	return ok;
}
