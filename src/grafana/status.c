/* SPDX-License-Identifier: Apache-2.0 */
#include "grafana/status.h"

#include "base/escape.h"
#include "grafana/answer.h"

#include <string.h>

static bool
path_is_login(const struct place *to, const struct place *home)
{
	size_t len = strlen(home->path);

	return strcmp(to->scheme, home->scheme) == 0 &&
	       strcmp(to->authority, home->authority) == 0 &&
	       strncmp(to->path, home->path, len) == 0 &&
	       strncmp(to->path + len, "/login", 6) == 0 &&
	       (to->path[len + 6] == '\0' || to->path[len + 6] == '/');
}

static bool
leads_to_login(const struct place *home, const char *location)
{
	struct place to;
	bool is;

	is = place_follow(&to, home, location) && path_is_login(&to, home);
	place_free(&to);
	return is;
}

bool
status_is_login(const struct http_response *a, const struct origin *origin)
{
	/* the page below the base, as people see it or as we connect to it */
	return a->status >= 300 && a->status < 400 && *a->location != '\0' &&
	       (leads_to_login(&origin->base, a->location) ||
		   leads_to_login(&origin->via, a->location));
}

static bool
body_is(const struct http_response *a, const char *text)
{
	size_t len = strlen(text), end = a->body.len;

	while (end > 0 && strchr("\r\n", a->body.bytes[end - 1]) != NULL)
		end--;
	return end == len && memcmp(a->body.bytes, text, len) == 0;
}

static bool
body_has(const struct http_response *a, const char *text)
{
	return a->body.len > 0 &&
	       memmem(a->body.bytes, a->body.len, text, strlen(text)) != NULL;
}

/* Made by Grafana itself? */
static bool
is_grafanas_own(const struct http_response *a)
{
	static const char *const plain[] = {
		"404 page not found", /* Go's, for a file that is not there */
		"Not found",          /* pkg/middleware/org_redirect.go */
		"Not Found",
	};
	size_t i;

	if (answer_is_error(buf_str(&a->body), a->body.len))
		return true;
	for (i = 0; a->status == 404 && i < sizeof(plain) / sizeof(plain[0]);
	     i++)
		if (body_is(a, plain[i]))
			return true;
	return false;
}

/* What to do when the service does not reach Grafana itself. */
#define VIA                                                                    \
	"Ask whoever runs this service to let it reach Grafana itself, by "    \
	"the setting: grafana = %s via http://ADDRESS:3000."

static enum outcome
in_front(const struct http_response *a, const struct origin *origin,
    enum outcome o, struct problem *p)
{
	return problem_set(p, o,
	    "Something in front of Grafana (a login proxy, a firewall, an "
	    "ingress) answered %d, not Grafana itself. " VIA,
	    a->status, origin->url);
}

static enum outcome
refusal(const struct http_response *a, const struct origin *origin,
    enum outcome o, struct problem *p)
{
	return is_grafanas_own(a) ? problem_set_default(p, o)
				  : in_front(a, origin, o, p);
}

/* To anything but the login. */
static enum outcome
redirect(const struct http_response *a, const struct origin *origin,
    struct problem *p)
{
	char to[256];
	struct place place = { 0 };
	bool near;

	escape_printable(to, sizeof(to), a->location, strlen(a->location));
	near = place_follow(&place, &origin->base, a->location) &&
	       (strcmp(place.host, origin->base.host) == 0 ||
		   strcmp(place.host, origin->via.host) == 0);
	place_free(&place);
	if (*to == '\0')
		return in_front(a, origin, OUTCOME_UPSTREAM, p);
	if (near)
		return problem_set(p, OUTCOME_UPSTREAM,
		    "Grafana, or something in front of it, redirects to %s. If "
		    "that is Grafana's own address, make the setting "
		    "\"grafana\" and Grafana's root_url the same. If it is a "
		    "login, let the service reach Grafana itself, by the "
		    "setting: grafana = %s via http://ADDRESS:3000.",
		    to, origin->url);
	return problem_set(p, OUTCOME_UPSTREAM,
	    "Something in front of Grafana redirects to %s, which is no page "
	    "of this Grafana: a login, perhaps, or another root_url. " VIA,
	    to, origin->url);
}

static enum outcome
bad_request(const struct http_response *a, const struct origin *origin,
    struct problem *p)
{
	if (body_has(a, "Too Large") || body_has(a, "too large"))
		return problem_set(p, OUTCOME_UPSTREAM,
		    "Something in front of Grafana answered 400: the token or "
		    "the address is larger than it takes. " VIA,
		    origin->url);
	if (body_has(a, "Grafana") || is_grafanas_own(a))
		return problem_set(p, OUTCOME_UPSTREAM,
		    "Grafana calls the address a bad request. Look at theme, "
		    "timeout, width and height in it.");
	return in_front(a, origin, OUTCOME_UPSTREAM, p);
}

/* 500 is Grafana's own: it makes no other. */
static enum outcome
server_error(const struct http_response *a, const struct origin *origin,
    struct problem *p)
{
	if (a->status == 500 || is_grafanas_own(a))
		return problem_set(p, OUTCOME_UPSTREAM,
		    "Grafana failed to render the panel. Look at Grafana's "
		    "and the image renderer's log.");
	if (a->status == 502 || a->status == 504)
		return problem_set(p, OUTCOME_UPSTREAM,
		    "Something in front of Grafana answered %d: it got no "
		    "answer from Grafana%s. See whether Grafana runs, and "
		    "whether what stands before it waits long enough.",
		    a->status, a->status == 504 ? " in time" : "");
	return in_front(a, origin, OUTCOME_UPSTREAM, p);
}

enum outcome
status_classify(const struct http_response *a, const struct origin *origin,
    struct problem *p)
{
	switch (a->status) {
	case 200:
		return OUTCOME_OK;
	case 400:
		return bad_request(a, origin, p);
	case 401:
		return refusal(a, origin, OUTCOME_TOKEN_REFUSED, p);
	case 403:
		return refusal(a, origin, OUTCOME_FORBIDDEN, p);
	case 404:
		return refusal(a, origin, OUTCOME_NOT_FOUND, p);
	case 414:
		return problem_set(p, OUTCOME_UPSTREAM,
		    "Something in front of Grafana answered 414: the address "
		    "is longer than it takes. Ask with fewer variables. " VIA,
		    origin->url);
	case 429:
		return problem_set_default(p, OUTCOME_GRAFANA_BUSY);
	case 431:
		return problem_set(p, OUTCOME_UPSTREAM,
		    "Something in front of Grafana answered 431: the token is "
		    "longer than it takes. " VIA,
		    origin->url);
	case 503:
		/* without a time it may be for ever */
		if (a->retry_after >= 0)
			return problem_set_default(p, OUTCOME_GRAFANA_BUSY);
		break;
	default:
		break;
	}
	if (status_is_login(a, origin))
		return problem_set_default(p, OUTCOME_TOKEN_REFUSED);
	if (a->status >= 300 && a->status < 400)
		return redirect(a, origin, p);
	if (a->status >= 500)
		return server_error(a, origin, p);
	return in_front(a, origin, OUTCOME_UPSTREAM, p);
}
