/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A POST: the Authorization header up to the first newline, then the body.
 * What is taken, json-c takes too, and finds the same address in it.
 */
#include "fuzz.h"

#include "server/request.h"

#include <json-c/json.h>
#include <string.h>

static void
check_credential(const char *credential)
{
	static const char token68[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789-._~+/=";

	promise(strncmp(credential, "Bearer ", 7) == 0 ||
		strncmp(credential, "Basic ", 6) == 0);
	credential = strchr(credential, ' ') + 1;
	promise(*credential != '\0' && strlen(credential) <= 16384);
	promise(credential[strspn(credential, token68)] == '\0');
}

static void
check_url(const char *url, const char *body, size_t len)
{
	struct json_tokener *t = json_tokener_new_ex(8192);
	struct json_object *root, *member = NULL;

	/* which json-c does not take */
	if (len >= 3 && memcmp(body, "\xef\xbb\xbf", 3) == 0) {
		body += 3;
		len -= 3;
	}
	json_tokener_set_flags(t, JSON_TOKENER_STRICT |
				      JSON_TOKENER_VALIDATE_UTF8 |
				      JSON_TOKENER_ALLOW_TRAILING_CHARS);
	root = json_tokener_parse_ex(t, body, (int)len);
	promise(json_tokener_get_error(t) == json_tokener_success);
	promise(json_object_object_get_ex(root, "imageUrl", &member));
	promise(strcmp(json_object_get_string(member), url) == 0);
	json_object_put(root);
	json_tokener_free(t);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const uint8_t *newline = len == 0 ? NULL : memchr(bytes, '\n', len);
	size_t head = newline == NULL ? 0 : (size_t)(newline - bytes);
	char *header = text_of(bytes, head);
	char *body = text_of(bytes + head, len - head);
	char *variable = malloc(head + 32), method[] = "REQUEST_METHOD=POST";
	char *envp[] = { method, variable, NULL };
	struct body given = { .bytes = { .bytes = body, .len = len - head } };
	struct request r;
	struct problem p = { 0 };
	enum outcome o;

	if (variable == NULL)
		abort();
	snprintf(variable, head + 32, "HTTP_AUTHORIZATION=%s", header);
	o = request_head(&r, envp, &p);
	if (o == OUTCOME_OK)
		o = request_body(&r, envp, &given, &p);
	promise(
	    o == OUTCOME_OK || o == OUTCOME_NO_TOKEN || o == OUTCOME_MALFORMED);
	promise((o == OUTCOME_OK) == (r.url != NULL));
	if (r.authorization != NULL)
		check_credential(r.authorization);
	if (o == OUTCOME_OK)
		check_url(r.url, body, given.bytes.len);
	request_free(&r);
	free(header);
	free(body);
	free(variable);
	return 0;
}
