/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a POST: credentials, then the body.
 */
#include "server/request.h"

#include "base/json_lexer.h"
#include "store/key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *
request_variable(char *const envp[], const char *name)
{
	size_t len = strlen(name);

	for (; envp != NULL && *envp != NULL; envp++)
		if (strncmp(*envp, name, len) == 0 && (*envp)[len] == '=')
			return *envp + len + 1;
	return NULL;
}

bool
request_is(char *const envp[], const char *method)
{
	const char *value = request_variable(envp, "REQUEST_METHOD");

	return value != NULL && strcmp(value, method) == 0;
}

/* The credential after "scheme" and its blanks; NULL for another scheme. */
static const char *
credential_of(const char *header, const char *scheme)
{
	size_t len = strlen(scheme);

	if (strncasecmp(header, scheme, len) != 0 || header[len] != ' ')
		return NULL;
	return header + len + strspn(header + len, " ");
}

/* What is wrong with a credential that is not one whole token68. */
static enum outcome
refuse_credential(const char *scheme, const char *credential, struct problem *p)
{
	if (*credential == '\0')
		return problem_set(p, OUTCOME_NO_TOKEN,
		    "The Authorization header has the word %s and nothing "
		    "after it. Send \"Authorization: Bearer TOKEN\".",
		    scheme);
	if (credential_of(credential, "Bearer") != NULL ||
	    credential_of(credential, "Basic") != NULL)
		return problem_set(p, OUTCOME_NO_TOKEN,
		    "The Authorization header has the word Bearer (or Basic) "
		    "twice. Send \"Authorization: Bearer TOKEN\".");
	if (strchr(credential, ',') != NULL)
		return problem_set(p, OUTCOME_NO_TOKEN,
		    "The Authorization header has two credentials, with a "
		    "comma between: the program, or a proxy after it, has "
		    "sent it twice. Send it once.");
	if (strpbrk(credential, "\"'`") != NULL)
		return problem_set(p, OUTCOME_NO_TOKEN,
		    "The token in the Authorization header has quotes round "
		    "it. Send it without.");
	return problem_set(p, OUTCOME_NO_TOKEN,
	    "The Authorization header has characters that no credential has. "
	    "Check that the token is pasted whole and in one line.");
}

/*
 * The header is passed on, so nothing may be in it that could end it and begin
 * another.
 */
static enum outcome
read_authorization(char **to, char *const envp[], struct problem *p)
{
	const char *header = request_variable(envp, "HTTP_AUTHORIZATION");
	const char *scheme = "Bearer", *credential;
	size_t len, room;

	if (header == NULL || *header == '\0')
		return problem_set(p, OUTCOME_NO_TOKEN,
		    "Send the header \"Authorization: Bearer TOKEN\" with a "
		    "Grafana service account token. If it was sent, the web "
		    "server, or a proxy before it, did not pass it on.");
	credential = credential_of(header, scheme);
	if (credential == NULL) {
		scheme = "Basic";
		credential = credential_of(header, scheme);
	}
	if (credential == NULL && strcasecmp(header, "Bearer") != 0 &&
	    strcasecmp(header, "Basic") != 0)
		return problem_set(p, OUTCOME_NO_TOKEN,
		    "The Authorization header is neither Bearer nor Basic. "
		    "Send \"Authorization: Bearer TOKEN\".");
	if (credential == NULL)
		/* a word that came from outside is one of two that we know */
		return refuse_credential(
		    strlen(header) == 5 ? "Basic" : "Bearer", "", p);
	len = strspn(credential, REQUEST_TOKEN68);
	if (len == 0 || credential[len + strspn(credential + len, " \t")])
		return refuse_credential(scheme, credential, p);
	if (len > REQUEST_CREDENTIAL_MAX)
		return problem_set(p, OUTCOME_NO_TOKEN,
		    "The credential in the Authorization header has %zu "
		    "bytes. This service takes up to %d. Use a Grafana "
		    "service account token: it is short.",
		    len, REQUEST_CREDENTIAL_MAX);
	room = strlen(scheme) + 1 + len + 1;
	*to = malloc(room);
	if (*to == NULL)
		return problem_set_default_errno(p, OUTCOME_INTERNAL);
	snprintf(*to, room, "%s %.*s", scheme, (int)len, credential);
	return OUTCOME_OK;
}

size_t
request_announced(char *const envp[])
{
	/* absent, "", "-1": servers that pass a chunked body on do not know */
	const char *length = request_variable(envp, "CONTENT_LENGTH");
	unsigned long long n;

	if (length == NULL || *length == '\0' ||
	    length[strspn(length, "0123456789")] != '\0')
		return SIZE_MAX;
	/* what does not fit is a length, too, and a wrong one */
	n = strtoull(length, NULL, 10);
	return n < SIZE_MAX ? n : SIZE_MAX - 1;
}

/* false when the server says how long the body is, and it is not. */
static bool
length_agrees(char *const envp[], size_t len)
{
	size_t announced = request_announced(envp);

	return announced == SIZE_MAX || announced == len;
}

/* What the walk through the body found. */
struct found {
	bool object;             /* it is one */
	unsigned times;          /* that an "imageUrl" is in it */
	struct scan_piece value; /* the last one's */
};

static bool
is_image_url(const struct scan *s, const struct scan_piece *key)
{
	static const char wanted[] = "imageUrl";
	char name[sizeof(wanted)];
	size_t len;

	return scan_decode(s, key, name, sizeof(name), &len) &&
	       len == sizeof(wanted) - 1 && memcmp(name, wanted, len) == 0;
}

/* All of it, so that what is taken is one whole JSON value in UTF-8 (RFC
 * 8259).  Asks for no memory: json-c does not look whether it got some. */
static bool
walk(struct scan *s, struct found *f)
{
	struct scan_piece piece = scan_next(s);
	bool is_value = false;

	f->object = piece.kind == SCAN_OBJECT;
	while (piece.kind != SCAN_END && piece.kind != SCAN_BROKEN) {
		if (is_value)
			f->value = piece;
		is_value = f->object && piece.kind == SCAN_KEY &&
			   s->depth == 1 && is_image_url(s, &piece);
		f->times += is_value;
		piece = scan_next(s);
	}
	return piece.kind == SCAN_END;
}

static enum outcome
read_member(
    char **to, const struct scan *s, const struct found *f, struct problem *p)
{
	size_t room = f->value.end - f->value.start + 1, len;

	if (!f->object)
		return problem_set(p, OUTCOME_MALFORMED,
		    "The JSON is not an object. Send {\"imageUrl\": \"…\"}.");
	if (f->times == 0)
		return problem_set(p, OUTCOME_MALFORMED,
		    "The JSON has no \"imageUrl\". Send {\"imageUrl\": "
		    "\"…\"} with the address of a panel.");
	/* which of them counts, programs do not agree on */
	if (f->times > 1)
		return problem_set(p, OUTCOME_MALFORMED,
		    "The JSON has more than one \"imageUrl\". Send one.");
	if (f->value.kind != SCAN_STRING)
		return problem_set(p, OUTCOME_MALFORMED,
		    "The \"imageUrl\" is not a string. Put the address of "
		    "the panel in quotes.");
	*to = malloc(room);
	if (*to == NULL)
		return problem_set_default_errno(p, OUTCOME_INTERNAL);
	if (scan_decode(s, &f->value, *to, room, &len) && strlen(*to) == len)
		return OUTCOME_OK;
	free(*to);
	*to = NULL;
	return problem_set(p, OUTCOME_MALFORMED,
	    "The \"imageUrl\" has half a character or a NUL in it. Send the "
	    "address as Grafana shows it.");
}

/* Is all there that was sent? */
static enum outcome
check_whole(char *const envp[], const struct body *body, struct problem *p)
{
	if (body->no_memory)
		return problem_set(p, OUTCOME_INTERNAL, "There is no memory.");
	if (body->late)
		return problem_set(p, OUTCOME_SLOW,
		    "The request itself came too slowly. Send it again; else "
		    "look at the network between.");
	if (body->broken || !length_agrees(envp, body->bytes.len))
		return problem_set(p, OUTCOME_MALFORMED,
		    "The body is not as long as Content-Length says. Send it "
		    "again.");
	return OUTCOME_OK;
}

/* The length of a byte order mark, which RFC 8259, 8.1 lets a reader ignore:
 * Windows' editors and PowerShell write one. */
static size_t
byte_order_mark(const struct body *body)
{
	static const char mark[] = { '\xef', '\xbb', '\xbf' };

	return body->bytes.len >= sizeof(mark) &&
		       memcmp(body->bytes.bytes, mark, sizeof(mark)) == 0
		   ? sizeof(mark)
		   : 0;
}

static bool
is_utf16(const struct body *body)
{
	return body->bytes.len >= 2 &&
	       (memcmp(body->bytes.bytes, "\xff\xfe", 2) == 0 ||
		   memcmp(body->bytes.bytes, "\xfe\xff", 2) == 0 ||
		   memcmp(body->bytes.bytes, "{\0", 2) == 0 ||
		   memcmp(body->bytes.bytes, "\0{", 2) == 0);
}

static enum outcome
read_body(
    char **to, char *const envp[], const struct body *body, struct problem *p)
{
	size_t mark = byte_order_mark(body);
	struct found found = { 0 };
	struct scan scan;
	enum outcome o;

	if (body->over)
		return problem_set_default(p, OUTCOME_TOO_LARGE);
	o = check_whole(envp, body, p);
	if (o != OUTCOME_OK)
		return o;
	if (body->bytes.len == 0)
		return problem_set(p, OUTCOME_MALFORMED,
		    "The body is empty. Send {\"imageUrl\": \"…\"} with the "
		    "address of a panel.");
	if (is_utf16(body))
		return problem_set(p, OUTCOME_MALFORMED,
		    "The body is UTF-16. Send {\"imageUrl\": \"...\"} in "
		    "UTF-8 (PowerShell: -Encoding utf8).");
	scan_init(&scan, body->bytes.bytes + mark, body->bytes.len - mark);
	if (!walk(&scan, &found))
		return problem_set(p, OUTCOME_MALFORMED,
		    "The body is not JSON in UTF-8. Send {\"imageUrl\": "
		    "\"…\"} with the address of a panel.");
	return read_member(to, &scan, &found, p);
}

/* No page of somebody else's may spend a visitor's credentials here. */
static enum outcome
check_site(char *const envp[], struct problem *p)
{
	const char *site = request_variable(envp, "HTTP_SEC_FETCH_SITE");

	if (site != NULL && strcasecmp(site, "cross-site") == 0)
		return problem_set(p, OUTCOME_NOT_ALLOWED,
		    "The request comes from a page of another site. Send it "
		    "from a program, or from Grafana's own site.");
	return OUTCOME_OK;
}

/* Does the server say that more comes than is taken? */
static bool
is_announced_over(char *const envp[], size_t max)
{
	size_t announced = request_announced(envp);

	return announced != SIZE_MAX && announced > max;
}

enum outcome
request_head(struct request *r, char *const envp[], struct problem *p)
{
	enum outcome o;

	memset(r, 0, sizeof(*r));
	o = read_authorization(&r->authorization, envp, p);
	if (o == OUTCOME_OK)
		o = check_site(envp, p);
	if (o == OUTCOME_OK && is_announced_over(envp, REQUEST_BODY_MAX))
		return problem_set_default(p, OUTCOME_TOO_LARGE);
	return o;
}

enum outcome
request_body(struct request *r, char *const envp[], const struct body *body,
    struct problem *p)
{
	return read_body(&r->url, envp, body, p);
}

void
request_free(struct request *r)
{
	free(r->url);
	if (r->authorization != NULL)
		explicit_bzero(r->authorization, strlen(r->authorization));
	free(r->authorization);
	memset(r, 0, sizeof(*r));
}

static enum outcome
refuse_upload_size(struct problem *p)
{
	return problem_set(p, OUTCOME_TOO_BIG,
	    "The image has more bytes than this service takes. Send a smaller "
	    "one, or raise max_image_bytes.");
}

enum outcome
request_upload_head(char name[REQUEST_NAME_MAX + 1], char *const envp[],
    size_t max, struct problem *p)
{
	const char *path = request_variable(envp, "PATH_INFO");
	const char *last = path == NULL ? NULL : strrchr(path, '/');

	if (check_site(envp, p) != OUTCOME_OK)
		return OUTCOME_NOT_ALLOWED;
	if (last == NULL || !name_is_upload(last + 1))
		return problem_set(p, OUTCOME_MALFORMED,
		    "The name is not 1 to 64 letters, digits, \"_\" and "
		    "\"-\", and \".png\". Choose another.");
	if (is_announced_over(envp, max))
		return refuse_upload_size(p);
	snprintf(name, REQUEST_NAME_MAX + 1, "%.*s",
	    (int)(strlen(last + 1) - strlen(".png")), last + 1);
	return OUTCOME_OK;
}

enum outcome
request_upload_body(
    char *const envp[], const struct body *body, struct problem *p)
{
	if (body->over)
		return refuse_upload_size(p);
	return check_whole(envp, body, p);
}
