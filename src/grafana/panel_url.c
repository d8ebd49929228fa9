/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The addresses of panels, and the address that renders each.
 *
 * The order is that of an address: bytes, scheme and host, path, query.
 * Whatever is not known to be a panel is refused: the caller's token must not
 * be carried to another page of Grafana, nor anywhere else.
 */
#include "grafana/panel_url.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define TARGET_MAX (4 * 65536) /* a request's body, each ";" made "%3B" */

/* A piece of the caller's address. */
struct span {
	const char *at;
	size_t len;
};

/* What the path says.  UID and slug are as the caller wrote them. */
struct place_in_grafana {
	bool solo;        /* asked for as a single panel already */
	bool old;         /* a form of Grafana before 8: /db/slug */
	struct span uid;  /* old: the slug */
	struct span slug; /* len 0: none */
};

static bool
is(struct span s, const char *word)
{
	return s.len == strlen(word) && memcmp(s.at, word, s.len) == 0;
}

/*
 * Bytes and scheme
 */

static bool
bytes_are_a_url(const char *url)
{
	const char *p;

	/* what is after a "#" is not sent */
	for (p = url; *p != '\0' && *p != '#'; p++)
		if (*p < 0x21 || *p > 0x7e || *p == '\\')
			return false;
	return p != url;
}

/* The length of "scheme" in "scheme://", 0 when there is none (RFC 3986, 3.1).
 */
static size_t
scheme_len(const char *url)
{
	size_t n;

	if (!isalpha((unsigned char)url[0]))
		return 0;
	for (n = 1; isalnum((unsigned char)url[n]) || url[n] == '+' ||
		    url[n] == '-' || url[n] == '.';
	     n++)
		;
	return strncmp(url + n, "://", 3) == 0 ? n : 0;
}

/* "http:///d/uid": of the two schemes that we know, a host is missing. */
static bool
has_no_host(const char *url, size_t scheme)
{
	if (strncasecmp(url, "http:", scheme + 1) != 0 &&
	    strncasecmp(url, "https:", scheme + 1) != 0)
		return false;
	return strchr("/?#", url[scheme + 3]) != NULL;
}

/*
 * Which Grafana
 */

/*
 * Compared as text, not as a parsed address: what is spelled in any other way
 * (a user, another notation of an IP address, escapes, a dot at the end) is
 * not one of ours, and parsers cannot disagree about it.
 */
static bool
authority_is(struct span authority, const struct place *base)
{
	const char *usual = strcmp(base->scheme, "https") == 0 ? ":443" : ":80";
	size_t len = strlen(base->authority);

	if (authority.len < len ||
	    strncasecmp(authority.at, base->authority, len) != 0)
		return false;
	if (authority.len == len)
		return true;
	/* the scheme's own port may be written out */
	return strlen(base->host) == len &&
	       authority.len == len + strlen(usual) &&
	       memcmp(authority.at + len, usual, strlen(usual)) == 0;
}

/* The rest of the path, if it is below that base: begins with a slash. */
static const char *
below(const char *path, const struct place *base)
{
	size_t len = strlen(base->path);

	if (strncmp(path, base->path, len) != 0 || path[len] != '/')
		return NULL;
	return path + len;
}

/*
 * The rest of the path below the Grafana whose it is; NULL when it is nobody's.
 * Of two on one host, one below the other, the longer base is meant.
 */
static const char *
find_origin(struct panel *panel, const char *url, size_t scheme,
    const struct settings *settings)
{
	const char *authority = url + scheme + 3, *found = NULL, *rest;
	size_t len = strcspn(authority, "/?#"), i;
	const struct place *base;

	for (i = 0; i < settings->grafana_count; i++) {
		base = &settings->grafana[i].base;
		if (strlen(base->scheme) != scheme ||
		    strncasecmp(url, base->scheme, scheme) != 0 ||
		    !authority_is((struct span){ authority, len }, base))
			continue;
		rest = below(authority + len, base);
		if (rest != NULL && (found == NULL || rest > found)) {
			panel->origin = &settings->grafana[i];
			found = rest;
		}
	}
	return found;
}

/*
 * The path
 */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The byte at s, decoded: its length in the text, 0 for a broken escape. */
static size_t
decode(struct span s, unsigned char *byte)
{
	int high, low;

	*byte = (unsigned char)s.at[0];
	if (s.at[0] != '%')
		return 1;
	if (s.len < 3)
		return 0;
	high = hex_digit(s.at[1]);
	low = hex_digit(s.at[2]);
	if (high < 0 || low < 0)
		return 0;
	*byte = (unsigned char)(high << 4 | low);
	return 3;
}

/*
 * A segment that means the same to every parser: not empty, no dots alone, and
 * no escape that hides a separator, another escape or a control.
 */
static bool
segment_is_plain(struct span s)
{
	size_t dots = 0, bytes = 0, n, i;
	unsigned char c;

	for (i = 0; i < s.len; i += n, bytes++) {
		n = decode((struct span){ s.at + i, s.len - i }, &c);
		if (n == 0 || c < 0x21 || c == 0x7f ||
		    memchr("/\\%;?#", c, 6) != NULL)
			return false;
		dots += c == '.';
	}
	return bytes > 0 && !(dots == bytes && dots <= 2);
}

static bool
uid_is_plain(struct span s)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		if (!isalnum((unsigned char)s.at[i]) && s.at[i] != '-' &&
		    s.at[i] != '_')
			return false;
	return s.len > 0;
}

#define SEGMENTS_MAX 5 /* render / dashboard-solo / db / slug, and one more */

/* Split "/a/b/c" or "/a/b/c/"; -1 when a segment is not plain. */
static int
split_path(struct span segments[SEGMENTS_MAX], struct span path)
{
	const char *p = path.at, *end = path.at + path.len;
	struct span s;
	int n = 0;

	/* hubot-grafana joins "HOST/" and "/render/…" */
	while (p < end && *p == '/')
		p++;
	while (p < end) {
		s.at = p;
		while (p < end && *p != '/')
			p++;
		s.len = (size_t)(p - s.at);
		if (!segment_is_plain(s))
			return -1;
		if (n < SEGMENTS_MAX)
			segments[n] = s;
		n++;
		if (p < end)
			p++;
	}
	return n;
}

static enum outcome
not_a_panel(struct span first, struct span second, struct problem *p)
{
	if (is(first, "goto"))
		return problem_set(p, OUTCOME_NOT_ALLOWED,
		    "That is a short link, and only Grafana knows where it "
		    "leads. Open it and copy the address that the browser "
		    "then shows.");
	if (is(first, "public-dashboards") ||
	    (is(first, "dashboard") && is(second, "snapshot")) ||
	    (is(first, "dashboard-solo") && is(second, "snapshot")))
		return problem_set(p, OUTCOME_NOT_ALLOWED,
		    "That is a snapshot or a public dashboard. Copy the "
		    "address of the dashboard itself: it has /d/ in it.");
	return problem_set(p, OUTCOME_NOT_ALLOWED,
	    "That address of Grafana is not a panel or dashboard. Copy one "
	    "that has /d/ or /d-solo/ in it.");
}

static enum outcome
read_path(struct place_in_grafana *to, struct span path, struct problem *p)
{
	struct span segments[SEGMENTS_MAX] = { 0 }, *s = segments;
	int n = split_path(segments, path);

	memset(to, 0, sizeof(*to));
	if (n < 0)
		return problem_set(p, OUTCOME_NOT_ALLOWED,
		    "The path has an empty or a dotted part, or an escape "
		    "that no address of a panel has. Copy the address from "
		    "Grafana.");
	if (n > 0 && is(*s, "render")) {
		s++;
		n--;
	}
	if ((n == 2 || n == 3) && (is(s[0], "d") || is(s[0], "d-solo")) &&
	    uid_is_plain(s[1])) {
		to->solo = is(s[0], "d-solo");
		to->uid = s[1];
		to->slug = n == 3 ? s[2] : (struct span){ 0 };
		return OUTCOME_OK;
	}
	if (n == 3 && is(s[1], "db") &&
	    (is(s[0], "dashboard") || is(s[0], "dashboard-solo"))) {
		to->solo = is(s[0], "dashboard-solo");
		to->old = true;
		to->uid = s[2];
		return OUTCOME_OK;
	}
	return not_a_panel(s[0], s[1], p);
}

/*
 * The query
 */

/* One "name=value", or "name"; the next one is after at + len + 1. */
struct pair {
	struct span whole;
	struct span value;
	char name[32]; /* decoded; cut off when longer: then it is none of ours
			*/
};

static bool
next_pair(struct pair *pair, struct span *query)
{
	size_t n = 0, i, step;
	unsigned char c;

	while (query->len > 0 && *query->at == '&') {
		query->at++;
		query->len--;
	}
	if (query->len == 0)
		return false;
	pair->whole.at = query->at;
	while (n < query->len && query->at[n] != '&')
		n++;
	pair->whole.len = n;
	query->at += n;
	query->len -= n;

	for (i = 0, n = 0; i < pair->whole.len && pair->whole.at[i] != '=';
	     i += step) {
		step = decode(
		    (struct span){ pair->whole.at + i, pair->whole.len - i },
		    &c);
		if (step == 0)
			step = 1;
		/* a NUL does not end it: then it is another name */
		if (n + 1 < sizeof(pair->name))
			pair->name[n++] = (char)(c == '\0' ? 1 : c);
	}
	pair->name[n] = '\0';
	if (i < pair->whole.len)
		i++;
	pair->value = (struct span){ pair->whole.at + i, pair->whole.len - i };
	return true;
}

static bool
among(const char *name, const char *const list[])
{
	for (; *list != NULL; list++)
		if (strcmp(name, *list) == 0)
			return true;
	return false;
}

/* Names that say which panel, the first that has a value wins. */
static const char *const names_panel[] = { "panelId", "viewPanel", "editPanel",
	NULL };

/*
 * Not passed on: credentials and another organisation, which would be used
 * instead of the caller's; a PDF; and what only opens a dialogue in the page.
 */
static const char *const names_dropped[] = { "auth_token", "targetOrgId",
	"encoding", "editview", "inspect", "shareView", NULL };

/* What a link for people keeps, beside var-*. */
static const char *const names_linked[] = { "from", "to", "timezone", "orgId",
	NULL };

/* "panel-5" is 5 to every Grafana since 5; "A$panel-5" has no other form. */
static struct span
portable(struct span id)
{
	size_t i;

	if (id.len < 7 || memcmp(id.at, "panel-", 6) != 0)
		return id;
	for (i = 6; i < id.len; i++)
		if (!isdigit((unsigned char)id.at[i]))
			return id;
	return (struct span){ id.at + 6, id.len - 6 };
}

static struct span
find_panel(struct span query)
{
	const char *const *name;
	struct pair pair;
	struct span rest;

	for (name = names_panel; *name != NULL; name++)
		for (rest = query; next_pair(&pair, &rest);)
			if (strcmp(pair.name, *name) == 0 && pair.value.len > 0)
				return portable(pair.value);
	return (struct span){ 0 };
}

/*
 * As it is, but for ";": to some versions of Go it ends a pair, and what
 * follows it could be a name that is dropped here.
 */
static void
add_span(struct buf *b, struct span s)
{
	size_t n;

	while (s.len > 0) {
		for (n = 0; n < s.len && s.at[n] != ';'; n++)
			;
		buf_add(b, s.at, n);
		if (n < s.len) {
			buf_puts(b, "%3B");
			n++;
		}
		s.at += n;
		s.len -= n;
	}
}

/* The name, "=" or nothing, and the value; *separator is '?' for the first. */
static void
add_pair(struct buf *b, char *separator, const char *name, struct span value)
{
	buf_add(b, separator, 1);
	buf_puts(b, name);
	add_span(b, value);
	*separator = '&';
}

static void
add_query(struct buf *b, struct span query, struct span id)
{
	static const char *const sizes[] = { "width", "height", NULL };
	bool width = false, height = false;
	char separator = '?';
	struct pair pair;

	if (id.len > 0)
		add_pair(b, &separator, "panelId=", id);
	while (next_pair(&pair, &query)) {
		if (among(pair.name, names_dropped) ||
		    among(pair.name, names_panel) ||
		    (among(pair.name, sizes) && pair.value.len == 0))
			continue;
		width = width || strcmp(pair.name, "width") == 0;
		height = height || strcmp(pair.name, "height") == 0;
		add_pair(b, &separator, "", pair.whole);
	}
	if (!width)
		add_pair(b, &separator, "width=1000", (struct span){ 0 });
	if (!height)
		add_pair(b, &separator, id.len > 0 ? "height=500" : "height=-1",
		    (struct span){ 0 });
}

/*
 * Putting together
 */

static void
add_place(struct buf *b, const struct place_in_grafana *place, const char *kind)
{
	buf_puts(b, kind);
	buf_add(b, place->uid.at, place->uid.len);
	if (place->slug.len > 0) {
		buf_puts(b, "/");
		buf_add(b, place->slug.at, place->slug.len);
	}
}

static void
make_link(struct panel *panel, const struct place_in_grafana *place,
    struct span query, struct span id)
{
	struct buf *b = &panel->link;
	char separator = '?';
	struct pair pair;

	if (place->old)
		return;
	buf_puts(b, panel->origin->url);
	add_place(b, place, "/d/");
	if (id.len > 0)
		add_pair(b, &separator, "viewPanel=", id);
	while (next_pair(&pair, &query))
		if (among(pair.name, names_linked) ||
		    strncmp(pair.name, "var-", 4) == 0)
			add_pair(b, &separator, "", pair.whole);
}

static enum outcome
make_target(struct panel *panel, const struct place_in_grafana *place,
    struct span query, struct problem *p)
{
	struct span id = find_panel(query);
	struct buf *b = &panel->target;

	if (place->solo && id.len == 0)
		return problem_set(p, OUTCOME_MALFORMED,
		    "The address is that of a single panel, but does not say "
		    "which. Add panelId=NUMBER to it.");
	if (place->old)
		add_place(b, place,
		    id.len > 0 ? "/render/dashboard-solo/db/"
			       : "/render/dashboard/db/");
	else
		add_place(
		    b, place, id.len > 0 ? "/render/d-solo/" : "/render/d/");
	panel->path_len = b->len;
	add_query(b, query, id);
	make_link(panel, place, query, id);
	if (b->failed || panel->link.failed)
		return problem_set_default(p, OUTCOME_INTERNAL);
	return OUTCOME_OK;
}

enum outcome
panel_check(struct panel *panel, const char *url,
    const struct settings *settings, struct problem *p)
{
	struct place_in_grafana place;
	const char *path, *end;
	struct span query;
	size_t scheme, n;
	enum outcome o;

	memset(panel, 0, sizeof(*panel));
	buf_init(&panel->target, TARGET_MAX);
	buf_init(&panel->link, TARGET_MAX);
	if (!bytes_are_a_url(url))
		return problem_set(p, OUTCOME_MALFORMED,
		    "The \"imageUrl\" is empty or has characters that no "
		    "address has (blanks, backslashes, letters beyond ASCII). "
		    "Encode them as %%XX.");
	scheme = scheme_len(url);
	if (scheme == 0 || has_no_host(url, scheme))
		return problem_set(p, OUTCOME_MALFORMED,
		    "The \"imageUrl\" is not a whole address. Begin with "
		    "https:// (or http://) and Grafana's name.");
	path = find_origin(panel, url, scheme, settings);
	if (path == NULL)
		return problem_set(p, OUTCOME_NOT_ALLOWED,
		    "The address is not below a Grafana that this service "
		    "serves. Compare scheme, host, port and path with the "
		    "service's setting \"grafana\".");
	end = path + strcspn(path, "#");
	n = strcspn(path, "?#");
	query = path[n] != '?' ? (struct span){ end, 0 }
			       : (struct span){ path + n + 1,
					 (size_t)(end - path) - n - 1 };
	o = read_path(&place, (struct span){ path, n }, p);
	if (o != OUTCOME_OK)
		return o;
	return make_target(panel, &place, query, p);
}

void
panel_free(struct panel *panel)
{
	buf_free(&panel->target);
	buf_free(&panel->link);
}
