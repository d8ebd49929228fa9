/* SPDX-License-Identifier: Apache-2.0 */
#include "refusal.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "reply.h"
#include "request.h"
#include "settings.h"

#define HTML  "text/html; charset=UTF-8"
#define JSON  "application/json"
#define PLAIN "text/plain; charset=utf-8"
#define PAGE(title)                                                            \
	"<!DOCTYPE html>\n<html lang=\"en\"><head><title>" title               \
	"</title></head><body><h1>" title "</h1></body></html>\n"

const char login_page[] = PAGE("Grafana");

static const struct {
	int status;
	const char *type, *body;
} refusals[] = {
	[REFUSAL_400] = { 400, HTML, PAGE("Render parameters error") },
	[REFUSAL_401] = { 401, JSON, "{\"message\":\"invalid API key\"}" },
	[REFUSAL_302] = { 302, HTML, "<a href=\"/login\">Found</a>.\n\n" },
	[REFUSAL_302_ELSEWHERE] = { 302, HTML, "" },
	[REFUSAL_302_OTHER] = { 302, HTML, "" },
	[REFUSAL_301] = { 301, HTML, "" },
	[REFUSAL_403] = { 403, JSON,
	    "{\"message\":\"You'll need additional permissions to perform "
	    "this action. Permissions needed: dashboards:read\"}" },
	[REFUSAL_404] = { 404, PLAIN, "404 page not found\n" },
	[REFUSAL_404_LOGIN] = { 404, HTML, PAGE("Grafana") },
	[REFUSAL_429] = { 429, JSON,
	    "{\"message\":\"Too many rendering requests\",\"traceID\":\"\"}" },
	[REFUSAL_500] = { 500, HTML, PAGE("Rendering failed.") },
	[REFUSAL_503] = { 503, PLAIN, "no healthy upstream\n" },
	[REFUSAL_204] = { 204, NULL, "" },
};

static void
escape(struct buf *b, struct span s)
{
	unsigned char c;
	size_t i;

	for (i = 0; i < s.len; i++) {
		c = (unsigned char)s.at[i];
		if (isalnum(c) || (c != '\0' && strchr("-_.~", c) != NULL))
			buf_add(b, s.at + i, 1);
		else
			buf_printf(b, "%%%02X", c);
	}
}

static void
add_location(
    struct buf *head, const struct request *request, enum refusal which)
{
	const char *sub;

	sub = settings.sub_path;
	buf_puts(head, "Location: ");
	switch (which) {
	case REFUSAL_302_ELSEWHERE:
		buf_puts(head, "http://127.0.0.1:1/x");
		break;
	case REFUSAL_302_OTHER:
		buf_printf(head, "%s/d/x", sub);
		break;
	case REFUSAL_301:
		buf_printf(head, "%s%s", settings.root, sub);
		buf_add(head, request->target.at, request->target.len);
		break;
	default:
		buf_printf(head, "%s/login?redirectTo=", sub);
		escape(head, request->target);
		break;
	}
	buf_puts(head, "\r\n");
}

void
refusal_make(struct reply *r, const struct request *request, enum refusal which,
    long argument)
{
	const char *body;
	int status;

	status = refusals[which].status;
	body = refusals[which].body;
	reply_head(r, status, NULL);
	if (status / 100 == 3)
		add_location(&r->head, request, which);
	if (status == 429 && argument >= 0)
		buf_printf(&r->head, "Retry-After: %ld\r\n", argument);
	if (status != 204)
		buf_printf(&r->head,
		    "Content-Type: %s\r\nContent-Length: %zu\r\n",
		    refusals[which].type, strlen(body));
	buf_puts(&r->head,
	    "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
	    "X-Frame-Options: deny\r\nX-XSS-Protection: 1; mode=block\r\n\r\n");
	buf_puts(&r->own, body);
	reply_use_own(r);
	reply_seal(r);
}
