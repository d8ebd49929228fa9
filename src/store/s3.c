/* SPDX-License-Identifier: Apache-2.0 */
/*
 * S3's API, as far as keeping an image needs it: objects are put, got, looked
 * for and removed, each with one request.
 *
 * Amazon S3 API Reference, "Error Responses", "PutObject", "GetObject",
 * "HeadObject" and "DeleteObject"; the codes that only others use are marked.
 */
#include "store/s3.h"

#include "base/clock.h"
#include "base/sha256.h"
#include "store/sigv4.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define ANSWER_MAX     65536 /* of an error's XML */
#define SECRET_MAX     1024
#define TRIES          2
#define PAUSE_MS       200   /* and up to as much again, before the second */
#define PUT_MS         15000 /* a gateway whose storage is gone never answers */
#define PUT_BYTES_A_MS 64    /* and so much slower may a line be, 0.5 Mbit/s */
#define HAS_MS         2000
#define REMEMBER_MS    30000 /* that it failed: then it is tried again */
#define LOOK_AGAIN_MS  5000  /* whether it is there, for ?health */
#define LOOK_MS        1000
#define PROBE_KEY      "grafana-images-check"

struct bucket {
	struct origin origin; /* the host that is asked, without a path */
	char *itself;         /* "/bucket" */
	char *root;           /* "/bucket/prefix": before "/key" */
	char *region;
	char *id;
	char *secret;
	char *token; /* of the session, or NULL */
	char *acl;   /* or NULL */
	/* when an image could last not be kept, and that it was for lack of
	 * room; 0 since one was */
	atomic_int_least64_t failed_ms;
	atomic_bool full;
	/* when somebody last looked whether it is there, and what was seen */
	atomic_int_least64_t looked_ms;
	_Atomic(const char *) seen;
};

/*
 * Opening
 */

static void
forget(char *secret)
{
	if (secret != NULL)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

/* One line without blanks or controls: nothing else can be sent or signed. */
static bool
is_plain(const char *s)
{
	size_t i;

	for (i = 0; s[i] != '\0'; i++)
		if (s[i] <= 0x20 || s[i] == 0x7f || (unsigned char)s[i] > 0x7f)
			return false;
	return i > 0;
}

static char *
read_secret(const char *file, FILE *complaints)
{
	char text[SECRET_MAX + 1], *secret = NULL;
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n = -1;

	if (fd >= 0 && fstat(fd, &st) == 0)
		n = read(fd, text, SECRET_MAX);
	if (n < 0) {
		fprintf(complaints,
		    "grafana-images: s3_secret_access_key_file = %s: cannot be "
		    "read: %s; let the service's user read it\n",
		    file, strerrordesc_np(errno));
	} else {
		while (n > 0 && strchr(" \t\r\n", text[n - 1]) != NULL)
			n--;
		text[n] = '\0';
		secret = strdup(text);
		if (st.st_mode & S_IROTH)
			fprintf(complaints,
			    "grafana-images: warning: "
			    "s3_secret_access_key_file = %s: everybody on this "
			    "machine can read it; chmod 640\n",
			    file);
	}
	if (fd >= 0)
		close(fd);
	explicit_bzero(text, sizeof(text));
	return secret;
}

static const char *
variable(const char *name)
{
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet */
	const char *value = getenv(name);

	return value == NULL || *value == '\0' ? NULL : value;
}

static bool
take_key(struct bucket *b, const struct settings *s, FILE *complaints)
{
	const char *file = s->s3_secret_access_key_file;
	const char *id = variable("AWS_ACCESS_KEY_ID");
	const char *secret = variable("AWS_SECRET_ACCESS_KEY");
	const char *token = variable("AWS_SESSION_TOKEN");

	if (file != NULL) {
		/* the session is the environment's key's, not this one's */
		token = NULL;
		b->id = strdup(s->s3_access_key_id);
		b->secret = read_secret(file, complaints);
		if (b->secret == NULL)
			return false;
	} else if (id != NULL && secret != NULL) {
		b->id = strdup(id);
		b->secret = strdup(secret);
	} else {
		fprintf(complaints,
		    "grafana-images: store = %s: the key is missing; set "
		    "s3_access_key_id and s3_secret_access_key_file, or "
		    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the "
		    "environment\n",
		    s->store);
		return false;
	}
	b->token = token == NULL ? NULL : strdup(token);
	if (b->id == NULL || b->secret == NULL ||
	    (token != NULL && b->token == NULL))
		return false;
	if (is_plain(b->id) && is_plain(b->secret) &&
	    (token == NULL || is_plain(token)))
		return true;
	fprintf(complaints,
	    "grafana-images: store = %s: the %s is not one line of ASCII "
	    "without blanks\n",
	    s->store,
	    !is_plain(b->id)       ? "access key's id"
	    : !is_plain(b->secret) ? "secret access key"
				   : "session token");
	return false;
}

/* Can the bucket's name be part of the host's? */
static bool
makes_a_host(const struct place *place, const char *bucket)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789-.";
	struct in_addr v4;

	return place->host[0] != '[' &&
	       inet_pton(AF_INET, place->host, &v4) != 1 &&
	       bucket[strspn(bucket, plain)] == '\0' && *bucket != '.' &&
	       *bucket != '-';
}

/*
 * Path style: scheme://host/BUCKET/PREFIX; virtual-host style:
 * scheme://BUCKET.host/PREFIX.
 */
static bool
locate(struct bucket *b, const struct settings *s, FILE *complaints)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz0123456789._~-/";
	const char *name = s->store + strlen("s3://"), *why;
	size_t len = strcspn(name, "/");
	char *bucket = strndup(name, len), *host = NULL;
	struct place place;
	bool ok = false;

	if (!place_parse(&place, s->s3_endpoint, &why) || bucket == NULL)
		goto out;
	if (s->s3_virtual_style && !makes_a_host(&place, bucket)) {
		fprintf(complaints,
		    "grafana-images: s3_style = virtual: store = %s cannot be "
		    "a part of the host's name in s3_endpoint = %s; use "
		    "s3_style = path\n",
		    s->store, s->s3_endpoint);
		goto out;
	}
	if (place.path[strspn(place.path, plain)] != '\0') {
		fprintf(complaints,
		    "grafana-images: s3_endpoint = %s: a path of letters, "
		    "digits and ._~-/ is allowed\n",
		    s->s3_endpoint);
		goto out;
	}
	if (s->s3_virtual_style)
		ok = asprintf(&host, "%s://%s.%s", place.scheme, bucket,
			 place.authority) >= 0 &&
		     asprintf(&b->itself, "%s/", place.path) >= 0 &&
		     asprintf(&b->root, "%s%s", place.path, name + len) >= 0;
	else
		ok = asprintf(&host, "%s://%s", place.scheme,
			 place.authority) >= 0 &&
		     asprintf(&b->itself, "%s/%s", place.path, bucket) >= 0 &&
		     asprintf(&b->root, "%s/%s", place.path, name) >= 0;
	ok = ok && origin_parse(&b->origin, host, &why);
out:
	place_free(&place);
	free(bucket);
	free(host);
	return ok;
}

struct bucket *
bucket_open(const struct settings *s, FILE *complaints)
{
	struct bucket *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	atomic_init(&b->seen, "ok");
	b->region = strdup(s->s3_region);
	b->acl = s->s3_acl == NULL ? NULL : strdup(s->s3_acl);
	if (b->region == NULL || !locate(b, s, complaints) ||
	    !take_key(b, s, complaints) ||
	    (s->s3_acl != NULL && b->acl == NULL)) {
		bucket_close(b);
		return NULL;
	}
	return b;
}

void
bucket_close(struct bucket *b)
{
	if (b == NULL)
		return;
	origin_free(&b->origin);
	free(b->itself);
	free(b->root);
	free(b->region);
	free(b->acl);
	forget(b->id);
	forget(b->secret);
	forget(b->token);
	free(b);
}

bool
bucket_address(const struct bucket *b, struct buf *to, const char *key)
{
	return buf_printf(to, "%s%s/%s", b->origin.url, b->root, key);
}

/*
 * What the store says
 */

static const char clock_is_off[] =
    "The clock of this machine and the object store's are too far apart. Ask "
    "whoever runs this service to set the clock.";
static const char key_is_wrong[] =
    "The object store does not know the access key, or its secret is another. "
    "Ask whoever runs this service to look at s3_access_key_id and "
    "s3_secret_access_key_file, and that proxies before the store keep the "
    "Host header.";
static const char token_is_wrong[] =
    "The object store does not take the session token, or it has expired. Ask "
    "whoever runs this service to look at AWS_SESSION_TOKEN.";
static const char no_bucket[] =
    "The object store has no such bucket. Ask whoever runs this service to "
    "make it, or to look at store, s3_endpoint and s3_style.";
static const char no_right[] =
    "The access key may not do that in the bucket. Ask whoever runs this "
    "service to give it s3:PutObject there, and s3:PutObjectAcl for s3_acl.";
static const char is_full[] =
    "The object store has no room, or a quota is used up. Ask whoever runs "
    "this service to make room, to raise the quota, or to set a lifecycle rule "
    "for the bucket.";
static const char no_acl[] =
    "The bucket takes no access control lists. Ask whoever runs this service "
    "to unset s3_acl and to let a bucket policy say who may read.";
static const char other_region[] =
    "The bucket is in another region. Ask whoever runs this service to set "
    "s3_region and s3_endpoint to the bucket's own.";
static const char not_able[] =
    "The object store cannot do what it was asked for. Ask whoever runs this "
    "service to unset s3_acl, to look at s3_style, and whether it can refuse "
    "uploads under a name that is taken (If-None-Match).";
static const char bytes_changed[] =
    "The object store received other bytes than were sent. Ask whoever runs "
    "this service to look at the network and the proxies before the store.";
static const char is_busy[] =
    "The object store is too busy. Try again in a few seconds.";
static const char has_failed[] =
    "The object store failed. Ask whoever runs this service to look at its "
    "log.";
static const char not_a_store[] =
    "What answers at s3_endpoint is no object store. Ask whoever runs this "
    "service to look at s3_endpoint and the proxies before it.";

struct meaning {
	const char *code; /* NULL: any, of that status */
	int status;       /* 0: any */
	enum outcome outcome;
	bool again;
	const char *why;
};

#define FAILED OUTCOME_STORE_FAILED, false
#define AGAIN  OUTCOME_STORE_FAILED, true
#define FULL   OUTCOME_STORE_FULL, false

/* The first that fits. */
static const struct meaning meanings[] = {
	{ "RequestTimeTooSkewed", 0, FAILED, clock_is_off },
	{ "RequestExpired", 0, FAILED, clock_is_off },
	{ "SignatureDoesNotMatch", 0, FAILED, key_is_wrong },
	{ "InvalidAccessKeyId", 0, FAILED, key_is_wrong },
	{ "InvalidToken", 0, FAILED, token_is_wrong },
	{ "ExpiredToken", 0, FAILED, token_is_wrong },
	{ "TokenRefreshRequired", 0, FAILED, token_is_wrong },
	{ "NoSuchBucket", 0, FAILED, no_bucket },
	{ "InvalidBucketName", 0, FAILED, no_bucket },
	{ "AccessDenied", 0, FAILED, no_right },
	{ "AllAccessDisabled", 0, FAILED, no_right },
	{ "AccountProblem", 0, FAILED, no_right },
	{ "InsufficientCapacity", 0, FULL, is_full }, /* Ceph */
	{ "XMinioStorageFull", 0, FULL, is_full },    /* MinIO */
	{ "AccessControlListNotSupported", 0, FAILED, no_acl },
	{ "AuthorizationHeaderMalformed", 0, FAILED, other_region },
	{ "IllegalLocationConstraintException", 0, FAILED, other_region },
	{ "InvalidRegionName", 0, FAILED, other_region }, /* R2 */
	{ "PermanentRedirect", 0, FAILED, other_region },
	{ "TemporaryRedirect", 0, FAILED, other_region },
	{ "MethodNotAllowed", 0, FAILED, not_able },
	{ "NotImplemented", 0, FAILED, not_able },
	{ "XAmzContentSHA256Mismatch", 0, FAILED, bytes_changed },
	{ "BadDigest", 0, FAILED, bytes_changed },
	{ "IncompleteBody", 0, AGAIN, bytes_changed },
	{ "SlowDown", 0, AGAIN, is_busy },
	{ "ServiceUnavailable", 0, AGAIN, is_busy },
	{ "RequestTimeout", 0, AGAIN, is_busy },
	{ "OperationAborted", 0, AGAIN, is_busy },
	{ "ConditionalRequestConflict", 0, AGAIN, is_busy },
	{ NULL, 301, FAILED, other_region },
	{ NULL, 307, FAILED, other_region },
	{ NULL, 401, FAILED, key_is_wrong },
	{ NULL, 403, FAILED, no_right },
	{ NULL, 404, FAILED, no_bucket },
	{ NULL, 405, FAILED, not_able },
	{ NULL, 429, AGAIN, is_busy },
	{ NULL, 500, AGAIN, has_failed },
	{ NULL, 501, FAILED, not_able },
	{ NULL, 502, AGAIN, has_failed },
	{ NULL, 503, AGAIN, is_busy },
	{ NULL, 504, AGAIN, has_failed },
	{ NULL, 507, FULL, is_full },
	{ NULL, 0, FAILED, has_failed },
};

/* Is that the code in the error's XML? */
static bool
code_is(const struct buf *xml, const char *code)
{
	const char *at = strstr(buf_str(xml), "<Code>");
	size_t len = strlen(code);

	return at != NULL && strncmp(at + 6, code, len) == 0 &&
	       strncmp(at + 6 + len, "</Code>", 7) == 0;
}

/* The text of an XML element, cut to the room. */
static void
copy_element(char *to, size_t room, const struct buf *xml, const char *tag)
{
	const char *at = strstr(buf_str(xml), tag);
	size_t len;

	*to = '\0';
	if (at == NULL)
		return;
	at += strlen(tag);
	len = strcspn(at, "<");
	snprintf(to, room, "%.*s", (int)(len < room ? len : room - 1), at);
}

/*
 * Stores have many words for a quota that is used up, and statuses from 400 to
 * 507: "QuotaExceeded" (Ceph), "XMinioAdminBucketQuotaExceeded" (MinIO),
 * "ObjectQuotaExceeded" (NooBaa), "storage_cap_exceeded" (Backblaze B2).  Some
 * say it only in the message: "AccessDenied" and "storage cap exceeded" (B2) or
 * "Bucket size quota is reached" (Garage), "InternalError" and "no space left
 * on device" (MinIO).
 */
static bool
names_a_quota(const char *text)
{
	if (strcasestr(text, "no space left on device") != NULL ||
	    strcasestr(text, "cap exceeded") != NULL ||
	    strcasestr(text, "cap_exceeded") != NULL)
		return true;
	return strcasestr(text, "quota") != NULL &&
	       (strcasestr(text, "exceed") != NULL ||
		   strcasestr(text, "reached") != NULL);
}

static bool
is_over_quota(const struct http_response *a, struct problem *p)
{
	char code[128], message[512];

	/* these may be over a number of requests, which passes */
	if (a->status == 429 || a->status == 503)
		return false;
	copy_element(code, sizeof(code), &a->body, "<Code>");
	copy_element(message, sizeof(message), &a->body, "<Message>");
	/* a right that is named after a quota is none */
	if (strcasestr(message, "not authorized") != NULL)
		*message = '\0';
	if (!names_a_quota(code) && !names_a_quota(message))
		return false;
	problem_set_detail(p, code);
	return true;
}

enum outcome
bucket_judge(const struct http_response *a, bool *again, struct problem *p)
{
	const struct meaning *m = meanings;

	*again = false;
	if (a->status >= 200 && a->status < 300)
		return OUTCOME_OK;
	if (is_over_quota(a, p))
		return problem_set(p, OUTCOME_STORE_FULL, "%s", is_full);
	while ((m->code != NULL && !code_is(&a->body, m->code)) ||
	       (m->status != 0 && m->status != a->status))
		m++;
	*again = m->again;
	problem_set_detail(p, m->code);
	return problem_set(p, m->outcome, "%s", m->why);
}

static const struct http_peer store_peer = { "The object store", "s3_endpoint",
	"tls_ca_file", "Ask whoever runs this service to" };

/* What it means that no whole answer came. */
static enum outcome
judge_end(enum http_end end, const struct http_response *a, int64_t until_ms,
    bool *again, struct problem *p)
{
	enum outcome o = OUTCOME_STORE_FAILED;

	*again = end == HTTP_BROKEN || end == HTTP_NO_ANSWER ||
		 end == HTTP_REFUSED || end == HTTP_NO_ROUTE ||
		 end == HTTP_NO_CONNECTION;
	/* libcurl may be a few milliseconds early */
	if (http_end_is_slow(end) && now_ms() + 100 >= until_ms)
		o = OUTCOME_SLOW;
	switch (end) {
	case HTTP_NO_MEMORY:
		return http_problem_set(
		    p, OUTCOME_INTERNAL, a, "There is no memory.");
	case HTTP_SLOW:
		return http_problem_set(p, o, a,
		    "The object store does not answer. Ask whoever runs this "
		    "service whether the store and its storage are well.");
	case HTTP_BAD_IP:
		return http_problem_set(p, o, a,
		    "The object store's name leads to an IP address that no "
		    "store has. Ask whoever runs this service to look at the "
		    "name's DNS entry.");
	case HTTP_TOO_BIG:
	case HTTP_LONG_HEADERS:
		return http_problem_set(p, o, a, not_a_store);
	default:
		return http_problem(p, o, end, a, &store_peer);
	}
}

/*
 * Asking it
 */

struct operation {
	struct bucket *bucket;
	const char *method;
	const char *key;        /* NULL: the bucket itself */
	const struct buf *body; /* PUT's */
	bool only_new;          /* not in the place of another */
	struct http *http;
	int64_t until_ms; /* on now_ms()'s clock */
};

static struct operation
make_operation(struct bucket *b, const char *method, const char *key,
    struct http *http, int64_t left_ms)
{
	return (struct operation){
		.bucket = b,
		.method = method,
		.key = key,
		.http = http,
		.until_ms = now_ms() + left_ms,
	};
}

/* Its request, made anew for each try: the time is in it. */
struct signed_request {
	struct buf target;
	char date[SIGN_DATE_ROOM];
	char digest[DIGEST_HEX_ROOM];
	struct buf authorization;
	struct http_header headers[10]; /* Host, the others, one without name */
	size_t count;
};

static void
signed_request_init(struct signed_request *r)
{
	memset(r, 0, sizeof(*r));
	buf_init(&r->target, SIZE_MAX / 2);
	buf_init(&r->authorization, SIZE_MAX / 2);
}

static void
signed_request_free(struct signed_request *r)
{
	buf_free(&r->target);
	buf_free(&r->authorization);
}

static void
add_header(struct signed_request *r, const char *name, const char *value)
{
	if (value != NULL)
		r->headers[r->count++] = (struct http_header){ name, value };
}

/* What is to be signed: all but the signature. */
static void
add_headers(struct signed_request *r, const struct operation *e)
{
	const struct bucket *b = e->bucket;

	add_header(r, "Host", b->origin.base.authority);
	add_header(r, "x-amz-date", r->date);
	add_header(r, "x-amz-content-sha256", r->digest);
	add_header(r, "x-amz-security-token", b->token);
	if (e->body == NULL)
		return;
	add_header(r, "Content-Type", "image/png");
	add_header(r, "Cache-Control", "public, max-age=86400, immutable");
	add_header(r, "If-None-Match", e->only_new ? "*" : NULL);
	add_header(r, "x-amz-acl", b->acl);
}

static bool
signed_request_write(struct signed_request *r, const struct operation *e)
{
	const struct bucket *b = e->bucket;
	const struct sign_key key = { b->region, b->id, b->secret };
	const struct buf *body = e->body;
	unsigned char bytes[DIGEST_BYTES];
	struct sign_request sign = { .method = e->method,
		.headers = r->headers,
		.date = r->date,
		.digest = r->digest };

	if (!digest_make(bytes, body == NULL ? NULL : body->bytes,
		body == NULL ? 0 : body->len))
		return false;
	digest_hex(r->digest, bytes);
	sign_date(r->date, time(NULL));
	if (!(e->key == NULL
		    ? buf_puts(&r->target, b->itself)
		    : buf_printf(&r->target, "%s/%s", b->root, e->key)))
		return false;
	add_headers(r, e);
	sign.target = r->target.bytes;
	if (!sign_make(&r->authorization, &sign, &key))
		return false;
	add_header(r, "Authorization", r->authorization.bytes);
	return true;
}

static enum http_end
send_signed(const struct operation *e, struct http_response *a)
{
	struct signed_request request;
	struct http_request order = { .origin = &e->bucket->origin,
		.method = e->method,
		.headers = request.headers + 1, /* Host is sent anyway */
		.body = e->body,
		.max_ms = PUT_MS };
	enum http_end end = HTTP_NO_MEMORY;
	int64_t left_ms;

	signed_request_init(&request);
	if (signed_request_write(&request, e)) {
		order.target = request.target.bytes;
		left_ms = e->until_ms - now_ms();
		if (e->body != NULL)
			order.max_ms +=
			    (int64_t)(e->body->len / PUT_BYTES_A_MS);
		if (order.max_ms > left_ms)
			order.max_ms = left_ms;
		end = http_send(e->http, &order, a);
	}
	signed_request_free(&request);
	return end;
}

static enum outcome
send_once(const struct operation *e, struct http_response *a, bool *again,
    struct problem *p)
{
	enum http_end end = send_signed(e, a);

	problem_set_detail(p, NULL);
	/* of a refusal that is a long page the status is enough */
	if (end == HTTP_WHOLE || (end == HTTP_TOO_BIG && a->status >= 300))
		return bucket_judge(a, again, p);
	return judge_end(end, a, e->until_ms, again, p);
}

/* Wait a little before the second try; false: there is no time for it. */
static bool
pause_before_again(int64_t until_ms)
{
	unsigned char some = 0;
	int ms;

	/* not all at once, when a gateway was restarted */
	(void)!getrandom(&some, 1, GRND_NONBLOCK);
	ms = PAUSE_MS + PAUSE_MS * some / 256;
	if (now_ms() + 2 * ms >= until_ms)
		return false;
	poll(NULL, 0, ms);
	return true;
}

/*
 * At most twice: whatever we send means the same the second time.  The answer
 * is the caller's to free.
 */
static enum outcome
send_order(const struct operation *e, size_t max_bytes, struct http_response *a,
    struct problem *p)
{
	enum outcome o;
	bool again;
	int try;

	for (try = 1;; try++) {
		http_response_init(a, max_bytes);
		o = send_once(e, a, &again, p);
		if (!again || try == TRIES || !pause_before_again(e->until_ms))
			return o;
		http_response_free(a);
	}
}

static void
remember(struct bucket *b, enum outcome o)
{
	atomic_store(&b->full, o == OUTCOME_STORE_FULL);
	atomic_store(&b->failed_ms,
	    o == OUTCOME_OK || o == OUTCOME_INTERNAL ? 0 : now_ms());
}

/* HeadObject, or HeadBucket where "key" is NULL; *status is 0 when there was no
 * answer. */
static enum http_end
head(struct bucket *b, const char *key, struct http *http, int64_t left_ms,
    int *status)
{
	const struct operation e =
	    make_operation(b, "HEAD", key, http, left_ms);
	struct http_response answer;
	enum http_end end;

	http_response_init(&answer, ANSWER_MAX);
	end = send_signed(&e, &answer);
	*status = answer.status;
	http_response_free(&answer);
	return end;
}

/* 403: the key may not ask that, and may still write. */
static const char *
look(struct bucket *b, struct http *http)
{
	int status;
	enum http_end end = head(b, NULL, http, LOOK_MS, &status);

	if (end != HTTP_WHOLE)
		return http_end_phrase(end);
	if (status == 404)
		return "there is no such bucket";
	return status == 200 || status == 403 ? "ok" : "answers with an error";
}

const char *
bucket_health(struct bucket *b, struct http *http)
{
	int64_t failed_ms = atomic_load(&b->failed_ms);
	int64_t looked_ms = atomic_load(&b->looked_ms), now = now_ms();

	if (failed_ms != 0 && now - failed_ms <= REMEMBER_MS)
		return atomic_load(&b->full) ? "full" : "cannot be written";
	/* one looks, and the others take what was seen before */
	if ((looked_ms == 0 || now - looked_ms >= LOOK_AGAIN_MS) &&
	    atomic_compare_exchange_strong(&b->looked_ms, &looked_ms, now))
		atomic_store(&b->seen, look(b, http));
	return atomic_load(&b->seen);
}

/* S3 says 200 and an ETag, and nothing else; a page of greeting does not. */
static enum outcome
send_image(const struct operation *e, int *status, struct problem *p)
{
	struct http_response answer;
	enum outcome o = send_order(e, ANSWER_MAX, &answer, p);

	*status = answer.status;
	if (o == OUTCOME_OK && (answer.status != 200 || !answer.has_etag ||
				   *buf_str(&answer.body) == '<'))
		o = problem_set(p, OUTCOME_STORE_FAILED, "%s", not_a_store);
	/* 412: a name that is taken; the store is well */
	remember(e->bucket, *status == 412 ? OUTCOME_OK : o);
	http_response_free(&answer);
	return o;
}

enum outcome
bucket_put(struct bucket *b, const char *key, const struct buf *image,
    struct http *http, int64_t left_ms, struct problem *p)
{
	struct operation e = make_operation(b, "PUT", key, http, left_ms);
	int status;

	e.body = image;
	return send_image(&e, &status, p);
}

/* Get it: are these the bytes that are kept there? */
static enum outcome
compare(const struct operation *put, bool *same, struct problem *p)
{
	const struct buf *bytes = put->body;
	struct operation e = *put;
	struct http_response answer;
	enum outcome o;

	e.method = "GET";
	e.body = NULL;
	o = send_order(&e, bytes->len + ANSWER_MAX, &answer, p);
	/* much longer than ours is an answer, too */
	if (answer.status == 200 && answer.cut)
		o = OUTCOME_OK;
	*same = answer.body.len == bytes->len &&
		memcmp(buf_str(&answer.body), bytes->bytes, bytes->len) == 0;
	http_response_free(&answer);
	return o;
}

enum outcome
bucket_put_new(struct bucket *b, const char *key, const struct buf *image,
    struct http *http, int64_t left_ms, struct problem *p)
{
	struct operation e = make_operation(b, "PUT", key, http, left_ms);
	enum outcome o;
	int status;
	bool same;

	e.body = image;
	e.only_new = true;
	o = send_image(&e, &status, p);
	if (status != 412)
		return o;
	/* somebody's, or ours, when the answer to the first try was lost */
	o = compare(&e, &same, p);
	if (o == OUTCOME_OK && !same)
		o = problem_set_default(p, OUTCOME_EXISTS);
	return o;
}

bool
bucket_has(
    struct bucket *b, const char *key, struct http *http, int64_t left_ms)
{
	int64_t most_ms = left_ms < HAS_MS ? left_ms : HAS_MS;
	int status;

	return head(b, key, http, most_ms, &status) == HTTP_WHOLE &&
	       status == 200;
}

enum outcome
bucket_remove(struct bucket *b, const char *key, struct http *http,
    int64_t left_ms, struct problem *p)
{
	const struct operation e =
	    make_operation(b, "DELETE", key, http, left_ms);
	struct http_response answer;
	enum outcome o = send_order(&e, ANSWER_MAX, &answer, p);

	if (o != OUTCOME_OK && answer.status == 404 &&
	    code_is(&answer.body, "NoSuchKey"))
		o = OUTCOME_OK;
	http_response_free(&answer);
	return o;
}

enum outcome
bucket_try(struct bucket *b, const char **step, struct http *http,
    int64_t left_ms, struct problem *p)
{
	struct problem after = { 0 };
	enum outcome o, removed;
	bool same;
	struct operation e = make_operation(b, "PUT", PROBE_KEY, http, left_ms);
	struct buf bytes;

	buf_init(&bytes, 128);
	if (!buf_puts(&bytes, "written by \"grafana-images check\"\n"))
		return problem_set(p, OUTCOME_INTERNAL, "There is no memory.");
	e.body = &bytes;
	*step = "written";
	o = bucket_put(b, PROBE_KEY, &bytes, http, left_ms, p);
	if (o == OUTCOME_OK) {
		*step = "read back";
		e.until_ms = now_ms() + left_ms;
		o = compare(&e, &same, p);
		if (o == OUTCOME_OK && !same)
			o = problem_set(
			    p, OUTCOME_STORE_FAILED, "%s", bytes_changed);
		removed = bucket_remove(b, PROBE_KEY, http, left_ms, &after);
		if (o == OUTCOME_OK && removed != OUTCOME_OK) {
			*step = "removed";
			*p = after;
			o = removed;
		}
	}
	buf_free(&bytes);
	return o;
}
