/* SPDX-License-Identifier: Apache-2.0 */
#include "grafana/short_link.h"

#include "grafana/render.h"
#include "grafana/status.h"

#include <string.h>
#include <strings.h>

#define BODY_MAX 65536 /* a redirect has none that matters */

/* The part of a location below that place: "" for the place itself, NULL when
 * it is elsewhere. */
static const char *
below(const struct place *place, const char *location)
{
	size_t scheme = strlen(place->scheme), len = strlen(place->authority);
	const char *rest = location;

	if (*rest != '/' || rest[1] == '/') {
		/* "//HOST/…" has the scheme that is there already */
		if (strncasecmp(rest, place->scheme, scheme) == 0 &&
		    rest[scheme] == ':')
			rest += scheme + 1;
		if (strncmp(rest, "//", 2) != 0 ||
		    strncasecmp(rest + 2, place->authority, len) != 0)
			return NULL;
		rest += 2 + len;
	}
	len = strlen(place->path);
	if (strncmp(rest, place->path, len) != 0)
		return NULL;
	rest += len;
	return *rest == '\0' || strchr("/?#", *rest) != NULL ? rest : NULL;
}

/* Of base and via the one that has the longer part of it: "/inner/d/UID" is
 * below a base without a path, too. */
static const char *
below_either(const struct origin *o, const char *location)
{
	const char *base = below(&o->base, location);
	const char *via = below(&o->via, location);

	if (base == NULL)
		return via;
	return via != NULL && strlen(via) < strlen(base) ? via : base;
}

bool
short_link_address(
    struct buf *url, const struct origin *o, const char *location)
{
	const char *rest = below_either(o, location);

	if (rest != NULL)
		return buf_printf(url, "%s%s", o->url, rest);
	/* below another path of the same host: for panel_check() to refuse */
	if (*location == '/' && location[1] != '/')
		return buf_printf(url, "%s://%s%s", o->base.scheme,
		    o->base.authority, location);
	return buf_puts(url, location);
}

/* Grafana's front page: there it sends those who ask for a key that it does not
 * know. */
static bool
is_front_page(const struct origin *o, const char *location)
{
	const char *rest = below_either(o, location);

	if (rest == NULL)
		return false;
	if (*rest == '/')
		rest++;
	return *rest == '\0' || *rest == '?' || *rest == '#';
}

/* What is said of the link: its key, which opens nothing without a login. */
static const char *
key_of(const struct panel *panel)
{
	static const char before[] = "/goto/";

	return buf_str(&panel->target) + strlen(before);
}

static int
key_len(const struct panel *panel)
{
	size_t len = panel->path_len - strlen("/goto/");

	return len < 80 ? (int)len : 80;
}

static enum outcome
not_known(const struct panel *panel, struct problem *p)
{
	return problem_set(p, OUTCOME_NOT_FOUND,
	    "Grafana does not know the short link %.*s. Make a new one with "
	    "Grafana's Share button, or copy the address of the panel.",
	    key_len(panel), key_of(panel));
}

static enum outcome
busy(const struct http_response *a, const struct panel *panel,
    struct short_link *s, struct problem *p)
{
	if (a->retry_after >= 0)
		s->retry_seconds = a->retry_after;
	return problem_set(p, OUTCOME_GRAFANA_BUSY,
	    "Grafana has no time to say where the short link %.*s leads. Try "
	    "again in a few seconds.",
	    key_len(panel), key_of(panel));
}

static enum outcome
classify(const struct http_response *a, const struct panel *panel,
    struct short_link *s, struct problem *p)
{
	const char *location = buf_str(&a->whole_location);
	enum outcome o;

	if (a->whole_location.failed)
		return problem_set_default(p, OUTCOME_INTERNAL);
	if (a->status >= 300 && a->status < 400 && *location != '\0' &&
	    !status_is_login(a, panel->origin))
		return is_front_page(panel->origin, location)
			   ? not_known(panel, p)
			   : OUTCOME_OK;
	o = status_classify(a, panel->origin, p);
	if (o == OUTCOME_NOT_FOUND && *p->why == '\0')
		return not_known(panel, p);
	if (o == OUTCOME_GRAFANA_BUSY)
		return busy(a, panel, s, p);
	if (a->status != 200 && a->status != 500)
		return o;
	return problem_set(p, OUTCOME_UPSTREAM,
	    "Grafana answered %d instead of saying where the short link %.*s "
	    "leads. Open it and copy the address that the browser then shows.",
	    a->status, key_len(panel), key_of(panel));
}

static enum outcome
ask(struct http_response *a, const struct panel *panel, struct short_link *s,
    struct http *http, const struct settings *settings, struct problem *p)
{
	const struct http_header headers[] = {
		{ "Authorization", s->authorization },
		{ "X-Grafana-Org-Id", panel_org_id(panel, s->authorization) },
		{ "X-Forwarded-For", s->forwarded_for },
		{ NULL, NULL },
	};
	struct http_request request = {
		.origin = panel->origin,
		.method = "GET",
		.target = buf_str(&panel->target),
		.headers = headers,
		.keep_query = true,
		.max_ms = settings->render_seconds * 1000,
		.cancelled = s->cancelled,
		.arg = s->arg,
	};
	enum http_end end;
	enum outcome o;

	if (request.max_ms > s->left_ms)
		request.max_ms = s->left_ms;
	end = http_send(http, &request, a);
	/* a page: the status says all */
	o = end == HTTP_TOO_BIG ? OUTCOME_OK : render_classify_end(end, a, p);
	p->upstream = a->status;
	if (end == HTTP_SLOW)
		return problem_set(p, o,
		    "Grafana did not say in time where the short link %.*s "
		    "leads. Try again later.",
		    key_len(panel), key_of(panel));
	return o;
}

/* Check what the link leads to; the panel is replaced only by a good one. */
static enum outcome
follow(struct panel *panel, const char *location, int64_t unix_ms,
    const struct settings *settings, struct problem *p)
{
	enum outcome o = OUTCOME_INTERNAL;
	struct panel to = { 0 };
	struct problem why = { 0 };
	struct buf url;

	buf_init(&url, SIZE_MAX / 2);
	if (short_link_address(&url, panel->origin, location))
		o = panel_check(&to, buf_str(&url), settings, unix_ms, &why);
	buf_free(&url);
	if (o == OUTCOME_OK && !to.short_link) {
		panel_free(panel);
		*panel = to;
		return o;
	}
	panel_free(&to);
	if (o == OUTCOME_INTERNAL)
		return problem_set_default(p, o);
	if (o == OUTCOME_OK)
		return problem_set(p, OUTCOME_NOT_ALLOWED,
		    "The short link %.*s leads to another short link. Open it "
		    "and copy the address that the browser then shows.",
		    key_len(panel), key_of(panel));
	return problem_set(p, o, "The short link %.*s leads elsewhere. %s",
	    key_len(panel), key_of(panel), why.why);
}

enum outcome
short_link_follow(struct panel *panel, struct short_link *s, struct http *http,
    const struct settings *settings, struct problem *p)
{
	struct http_response a;
	enum outcome o;

	http_response_init(&a, BODY_MAX);
	o = ask(&a, panel, s, http, settings, p);
	if (o == OUTCOME_OK)
		o = classify(&a, panel, s, p);
	if (o == OUTCOME_OK)
		o = follow(
		    panel, buf_str(&a.whole_location), s->unix_ms, settings, p);
	http_response_free(&a);
	return o;
}
