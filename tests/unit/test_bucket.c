/* SPDX-License-Identifier: Apache-2.0 */
#include "store/s3.h"

#include "tap.h"

#include <stdlib.h>

static char said[4096];

/*
 * A bucket of settings, "NAME=VALUE" with blanks between; NULL, and what is
 * wrong with them in "said".
 */
static struct bucket *
open_bucket(struct settings *s, const char *words)
{
	FILE *complaints = fmemopen(said, sizeof(said), "w");
	char text[1024], *rest = text, *word, *envp[16] = { 0 };
	char line[16][256];
	struct bucket *b = NULL;
	size_t n;

	said[0] = '\0';
	snprintf(text, sizeof(text),
	    "GRAFANA=https://grafana.example.com "
	    "PUBLIC_URL=https://grafana.example.com/i %s",
	    words);
	for (n = 0; n < 15 && (word = strsep(&rest, " ")) != NULL; n++) {
		snprintf(line[n], sizeof(line[n]), "GRAFANA_IMAGES_%s", word);
		envp[n] = line[n];
	}
	if (settings_load(s, "/dev/null", envp, complaints))
		b = bucket_open(s, complaints);
	fclose(complaints);
	return b;
}

/* An object's address with those settings; else what is wrong with them. */
static const char *
address(const char *words)
{
	static char text[sizeof(said)];
	struct settings s;
	struct bucket *b = open_bucket(&s, words);
	struct buf address;

	buf_init(&address, sizeof(text) - 1);
	if (b != NULL)
		bucket_address(b, &address, "2026-11-24/ab.png");
	memcpy(text, b == NULL ? said : buf_str(&address),
	    b == NULL ? sizeof(said) : address.len + 1);
	buf_free(&address);
	bucket_close(b);
	settings_free(&s);
	return text;
}

/* Are these settings refused, with that in the complaint? */
static bool
refused(const char *part, const char *words)
{
	struct settings s;
	struct bucket *b = open_bucket(&s, words);
	bool ok = b == NULL && strstr(said, part) != NULL;

	if (!ok)
		printf("# said: %s", said);
	bucket_close(b);
	settings_free(&s);
	return ok;
}

static enum outcome
judge(int status, const char *xml, bool *again, struct problem *p)
{
	struct http_response a;
	enum outcome o;

	memset(p, 0, sizeof(*p));
	http_response_init(&a, 65536);
	a.status = status;
	buf_puts(&a.body, xml);
	o = bucket_judge(&a, again, p);
	http_response_free(&a);
	return o;
}

static bool
means(int status, const char *code, enum outcome outcome, bool again,
    const char *word)
{
	struct problem p;
	char xml[512];
	bool got;

	snprintf(xml, sizeof(xml),
	    "<?xml version=\"1.0\"?><Error><Code>%s</Code></Error>", code);
	return judge(status, xml, &got, &p) == outcome && got == again &&
	       strstr(p.why, word) != NULL && *p.detail != '\0' &&
	       strcmp(p.detail, code) == 0;
}

/* Does that code mean the outcome with this message? */
static bool
says(int status, const char *code, const char *message, enum outcome outcome)
{
	struct problem p;
	char xml[512];
	bool again;

	snprintf(xml, sizeof(xml),
	    "<Error><Code>%s</Code><Message>%s</Message></Error>", code,
	    message);
	return judge(status, xml, &again, &p) == outcome &&
	       (strcmp(p.detail, code) == 0 || outcome == OUTCOME_STORE_FAILED);
}

static void
addresses(void)
{
	test ("in path style the bucket and the prefix begin the path") {
		check_str(address("STORE=s3://images "
				  "S3_ENDPOINT=http://127.0.0.1:7480"),
		    "http://127.0.0.1:7480/images/2026-11-24/ab.png");
		check_str(address("STORE=s3://images/a/b/ "
				  "S3_ENDPOINT=https://S3.example.com:443/"),
		    "https://s3.example.com/images/a/b/2026-11-24/ab.png");
		check_str(address("STORE=s3://images "
				  "S3_ENDPOINT=https://example.com/x/s3"),
		    "https://example.com/x/s3/images/2026-11-24/ab.png");
	}
	test ("in virtual-host style the bucket is a part of the host's name") {
		check_str(address("STORE=s3://images/a S3_STYLE=virtual "
				  "S3_ENDPOINT=https://s3.example.com"),
		    "https://images.s3.example.com/a/2026-11-24/ab.png");
		check_str(address("STORE=s3://images S3_STYLE=virtual "
				  "S3_ENDPOINT=http://rgw:7480"),
		    "http://images.rgw:7480/2026-11-24/ab.png");
	}
	test ("a region alone is Amazon's") {
		check_str(address("STORE=s3://images S3_REGION=eu-central-1"),
		    "https://s3.eu-central-1.amazonaws.com/images/"
		    "2026-11-24/ab.png");
	}
}

static void
refusals(void)
{
	test ("a bucket that can be no part of a host is refused") {
		check(refused("s3_style = path",
		    "STORE=s3://images S3_STYLE=virtual "
		    "S3_ENDPOINT=http://127.0.0.1:7480"));
		check(refused("s3_style = path",
		    "STORE=s3://images S3_STYLE=virtual "
		    "S3_ENDPOINT=http://[::1]:7480"));
		check(refused("s3_style = path",
		    "STORE=s3://My_images S3_STYLE=virtual "
		    "S3_ENDPOINT=https://s3.example.com"));
	}
	test ("what would be signed wrongly is refused") {
		check(refused("store", "STORE=s3://images/a+b S3_REGION=x"));
		check(refused("store", "STORE=s3://images/./b S3_REGION=x"));
		check(refused("store", "STORE=s3://.. S3_REGION=x"));
		check(refused("s3_endpoint",
		    "STORE=s3://images S3_ENDPOINT=http://rgw/a:b"));
		check(refused("s3_region", "STORE=s3://images S3_REGION=x:y"));
		check(refused(
		    "s3_acl", "STORE=s3://images S3_REGION=x S3_ACL=a\r\nb:c"));
	}
	test ("a key is there whole, or it is said what is missing") {
		check(refused("go together",
		    "STORE=s3://images S3_REGION=x S3_ACCESS_KEY_ID=AKIA"));
		check(refused("No such file",
		    "STORE=s3://images S3_REGION=x S3_ACCESS_KEY_ID=AKIA "
		    "S3_SECRET_ACCESS_KEY_FILE=/nosuch/file"));
		setenv("AWS_SESSION_TOKEN", "a b", 1);
		check(
		    refused("session token", "STORE=s3://images S3_REGION=x"));
		/* another key's: not even looked at */
		check(refused("No such file",
		    "STORE=s3://images S3_REGION=x S3_ACCESS_KEY_ID=AKIA "
		    "S3_SECRET_ACCESS_KEY_FILE=/nosuch/file"));
		unsetenv("AWS_SESSION_TOKEN");
		setenv("AWS_SECRET_ACCESS_KEY", "", 1);
		check(refused(
		    "AWS_SECRET_ACCESS_KEY", "STORE=s3://images S3_REGION=x"));
	}
}

static void
quotas(void)
{
	struct problem p;
	bool again;

	test ("a quota has many words, a full disk too, and all are full") {
		check(means(400, "XMinioAdminBucketQuotaExceeded",
		    OUTCOME_STORE_FULL, false, "quota"));
		check(means(409, "ObjectQuotaExceeded", OUTCOME_STORE_FULL,
		    false, "quota"));
		check(means(507, "XMinioStorageFull", OUTCOME_STORE_FULL, false,
		    "room"));
		check(means(403, "storage_cap_exceeded", OUTCOME_STORE_FULL,
		    false, "quota"));
		check(says(403, "AccessDenied",
		    "Cannot upload files, storage cap exceeded. See the Caps "
		    "page.",
		    OUTCOME_STORE_FULL));
		check(says(403, "AccessDenied",
		    "Forbidden: Bucket size quota is reached, maximum total "
		    "size of objects for this bucket: 1000",
		    OUTCOME_STORE_FULL));
		check(says(500, "InternalError",
		    "cause(write /data: no space left on device)",
		    OUTCOME_STORE_FULL));
	}
	test ("a right that is named after a quota is a right") {
		check(says(403, "AccessDenied",
		    "User quota-exceeded-bot is not authorized to perform "
		    "s3:PutObject",
		    OUTCOME_STORE_FAILED));
		check(says(403, "AccessDenied", "quota", OUTCOME_STORE_FAILED));
		check(says(403, "AccessDenied", "", OUTCOME_STORE_FAILED));
	}
	test ("so many requests that it takes no more pass") {
		check(judge(503, "<Code>RequestQuotaExceeded</Code>", &again,
			  &p) == OUTCOME_STORE_FAILED);
		check(again);
		check(judge(429, "<Code>QuotaExceeded</Code>", &again, &p) ==
		      OUTCOME_STORE_FAILED);
		check(again);
	}
}

static void
answers(void)
{
	struct problem p;
	bool again;

	test ("each code of the store's has its outcome and a sentence") {
		check(means(403, "RequestTimeTooSkewed", OUTCOME_STORE_FAILED,
		    false, "clock"));
		check(means(403, "SignatureDoesNotMatch", OUTCOME_STORE_FAILED,
		    false, "s3_secret_access_key_file"));
		check(means(403, "InvalidAccessKeyId", OUTCOME_STORE_FAILED,
		    false, "s3_access_key_id"));
		check(means(403, "AccessDenied", OUTCOME_STORE_FAILED, false,
		    "s3:PutObject"));
		check(means(404, "NoSuchBucket", OUTCOME_STORE_FAILED, false,
		    "no such bucket"));
		check(means(
		    403, "QuotaExceeded", OUTCOME_STORE_FULL, false, "quota"));
		check(means(400, "AccessControlListNotSupported",
		    OUTCOME_STORE_FAILED, false, "unset s3_acl"));
		check(means(400, "AuthorizationHeaderMalformed",
		    OUTCOME_STORE_FAILED, false, "s3_region"));
		check(
		    means(503, "SlowDown", OUTCOME_STORE_FAILED, true, "busy"));
	}
	test ("without a code that we know the status decides") {
		check(judge(500, "", &again, &p) == OUTCOME_STORE_FAILED);
		check(again && *p.detail == '\0');
		check(judge(503, "<html>", &again, &p) == OUTCOME_STORE_FAILED);
		check(again);
		check(judge(403, "<Code>AccessDenie</Code>", &again, &p) ==
		      OUTCOME_STORE_FAILED);
		check(!again && *p.detail == '\0');
		check(judge(507, "<Code>", &again, &p) == OUTCOME_STORE_FULL);
		check(judge(302, "", &again, &p) == OUTCOME_STORE_FAILED);
		check(judge(200, "", &again, &p) == OUTCOME_OK && !again);
		check(judge(0, "", &again, &p) == OUTCOME_STORE_FAILED);
	}
}

int
main(void)
{
	setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG", 1);
	addresses();
	refusals();
	quotas();
	answers();
	return tap_done();
}
