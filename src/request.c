/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a POST: method, credentials, body, in this order.
 */
#include "request.h"

#include <json-c/json.h>
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

/*
 * The header is passed on, so nothing may be in it that could end it and begin
 * another: only what RFC 9110 (11.2, token68) lets a credential have.
 */
static enum outcome
read_authorization(char **to, char *const envp[], struct problem *p)
{
	static const char token68[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789-._~+/=";
	const char *header = request_variable(envp, "HTTP_AUTHORIZATION");
	const char *scheme = "Bearer", *credential;
	size_t len, room;

	if (header == NULL || *header == '\0')
		return fail(p, OUTCOME_NO_TOKEN, NULL);
	credential = credential_of(header, scheme);
	if (credential == NULL) {
		scheme = "Basic";
		credential = credential_of(header, scheme);
	}
	if (credential == NULL)
		return fail(p, OUTCOME_NO_TOKEN,
		    "The Authorization header is neither Bearer nor Basic. "
		    "Send \"Authorization: Bearer TOKEN\".");
	len = strspn(credential, token68);
	if (len == 0 || credential[len + strspn(credential + len, " \t")])
		return fail(p, OUTCOME_NO_TOKEN,
		    "The Authorization header holds no credential, or "
		    "characters that none has. Check that the token is "
		    "pasted whole, in one line and without quotes.");
	if (len > REQUEST_CREDENTIAL_MAX)
		return fail(p, OUTCOME_NO_TOKEN,
		    "The credential is over 4,096 bytes long. No Grafana "
		    "token is.");
	room = strlen(scheme) + 1 + len + 1;
	*to = malloc(room);
	if (*to == NULL)
		return fail_errno(p, OUTCOME_INTERNAL, NULL);
	snprintf(*to, room, "%s %.*s", scheme, (int)len, credential);
	return OUTCOME_SAVED;
}

/* false when the server says how long the body is, and it is not. */
static bool
length_agrees(char *const envp[], size_t len)
{
	/* absent, "", "-1": servers that pass a chunked body on do not know */
	const char *length = request_variable(envp, "CONTENT_LENGTH");

	if (length == NULL || *length == '\0' ||
	    length[strspn(length, "0123456789")] != '\0')
		return true;
	return strtoull(length, NULL, 10) == len;
}

static enum outcome
read_member(char **to, struct json_object *root, struct problem *p)
{
	struct json_object *member;
	const char *url;

	if (!json_object_is_type(root, json_type_object))
		return fail(p, OUTCOME_MALFORMED,
		    "The JSON is not an object. Send {\"imageUrl\": \"…\"}.");
	if (!json_object_object_get_ex(root, "imageUrl", &member))
		return fail(p, OUTCOME_MALFORMED,
		    "The JSON has no \"imageUrl\". Send {\"imageUrl\": "
		    "\"…\"} with the address of a panel.");
	if (!json_object_is_type(member, json_type_string))
		return fail(p, OUTCOME_MALFORMED,
		    "The \"imageUrl\" is not a string. Put the address of "
		    "the panel in quotes.");
	url = json_object_get_string(member);
	*to = strdup(url);
	if (*to == NULL)
		return fail_errno(p, OUTCOME_INTERNAL, NULL);
	return OUTCOME_SAVED;
}

/* Is there "\\u0000" in a string?  json-c cuts a member's name off there, and
 * would find "imageUrl" where there is none. */
static bool
has_nul(const struct body *body)
{
	static const char nul[] = "\\u0000";
	const char *p = body->bytes, *end = p + body->len;

	while (p < end && (p = memchr(p, '\\', (size_t)(end - p))) != NULL) {
		if ((size_t)(end - p) >= strlen(nul) &&
		    memcmp(p, nul, strlen(nul)) == 0)
			return true;
		p += 2; /* what is escaped begins no escape */
	}
	return false;
}

/* One JSON value and blanks after it, nothing more (RFC 8259). */
static struct json_object *
parse(const struct body *body)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *root = NULL;
	size_t end;

	if (tokener == NULL)
		return NULL;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT |
					    JSON_TOKENER_VALIDATE_UTF8 |
					    JSON_TOKENER_ALLOW_TRAILING_CHARS);
	root = json_tokener_parse_ex(tokener, body->bytes, (int)body->len);
	end = json_tokener_get_parse_end(tokener);
	for (; root != NULL && end < body->len; end++)
		if (memchr(" \t\r\n", body->bytes[end], 4) == NULL) {
			json_object_put(root);
			root = NULL;
		}
	json_tokener_free(tokener);
	return root;
}

static enum outcome
read_body(
    char **to, char *const envp[], const struct body *body, struct problem *p)
{
	struct json_object *root;
	enum outcome o;

	if (body->over)
		return fail(p, OUTCOME_TOO_LARGE, NULL);
	if (body->broken || !length_agrees(envp, body->len))
		return fail(p, OUTCOME_MALFORMED,
		    "The body is not as long as Content-Length says. Send it "
		    "again.");
	if (body->len == 0)
		return fail(p, OUTCOME_MALFORMED,
		    "The body is empty. Send {\"imageUrl\": \"…\"} with the "
		    "address of a panel.");
	if (has_nul(body))
		return fail(p, OUTCOME_MALFORMED,
		    "The body has a NUL in it. Send the address as Grafana "
		    "shows it.");
	root = parse(body);
	if (root == NULL)
		return fail(p, OUTCOME_MALFORMED,
		    "The body is not JSON in UTF-8. Send {\"imageUrl\": "
		    "\"…\"} with the address of a panel.");
	o = read_member(to, root, p);
	json_object_put(root);
	return o;
}

enum outcome
request_read(struct request *r, char *const envp[], const struct body *body,
    struct problem *p)
{
	const char *site = request_variable(envp, "HTTP_SEC_FETCH_SITE");
	enum outcome o;

	memset(r, 0, sizeof(*r));
	if (!request_is(envp, "POST"))
		return fail(p, OUTCOME_METHOD, NULL);
	o = read_authorization(&r->authorization, envp, p);
	if (o != OUTCOME_SAVED)
		return o;
	/* no page of somebody else's may spend a visitor's credentials here */
	if (site != NULL && strcasecmp(site, "cross-site") == 0)
		return fail(p, OUTCOME_NOT_ALLOWED,
		    "The request comes from a page of another site. Send it "
		    "from a program, or from Grafana's own site.");
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

enum outcome
request_upload_name(
    char name[REQUEST_NAME_MAX + 1], char *const envp[], struct problem *p)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz0123456789_-";
	const char *path = request_variable(envp, "PATH_INFO");
	const char *last = path == NULL ? NULL : strrchr(path, '/');
	size_t len = last == NULL ? 0 : strspn(last + 1, plain);

	if (len == 0 || len > REQUEST_NAME_MAX ||
	    strcmp(last + 1 + len, ".png") != 0)
		return fail(p, OUTCOME_MALFORMED,
		    "The name is not 1 to 64 letters, digits, \"_\" and "
		    "\"-\", and \".png\". Choose another.");
	memcpy(name, last + 1, len);
	name[len] = '\0';
	return OUTCOME_SAVED;
}

enum outcome
request_upload_body(
    char *const envp[], const struct body *body, struct problem *p)
{
	if (body->over)
		return fail(p, OUTCOME_TOO_BIG,
		    "The image has more bytes than this service takes. Send "
		    "a smaller one, or raise max_image_bytes.");
	if (body->broken || !length_agrees(envp, body->len))
		return fail(p, OUTCOME_MALFORMED,
		    "The body is not as long as Content-Length says. Send it "
		    "again.");
	return OUTCOME_SAVED;
}

/* Is there a member of that name, with or without a value, in the query? */
static bool
query_has(const char *query, const char *name)
{
	size_t len = strlen(name);

	for (; query != NULL && *query != '\0'; query += strcspn(query, "&")) {
		query += *query == '&';
		if (strncmp(query, name, len) == 0 &&
		    memchr("=&", query[len], 3) != NULL)
			return true;
	}
	return false;
}

enum request_about
request_about(char *const envp[])
{
	const char *query = request_variable(envp, "QUERY_STRING");
	const char *path = request_variable(envp, "PATH_INFO");
	const char *last = path == NULL ? NULL : strrchr(path, '/');

	if (!request_is(envp, "GET") && !request_is(envp, "HEAD"))
		return ABOUT_NOTHING;
	if (query_has(query, "health") ||
	    (last != NULL && strcmp(last, "/health") == 0))
		return ABOUT_HEALTH;
	if (query_has(query, "metrics") ||
	    (last != NULL && strcmp(last, "/metrics") == 0))
		return ABOUT_METRICS;
	return ABOUT_NOTHING;
}
