/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The addresses of panels, and the address that renders each.
 *
 * The order is that of an address: bytes, scheme and host, path, query.
 * Whatever is not known to be a panel is refused: the caller's token must not
 * be carried to another page of Grafana, nor anywhere else.
 */
#include "grafana/panel_url.h"

#include "grafana/query.h"
#include "grafana/relative_time.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define TARGET_MAX (4 * 65536) /* a request's body, each byte made "%XX" */

#define UNRESERVED /* RFC 3986, 2.3 */                                         \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

/* The address, taken apart. */
struct address {
	const char *url;
	size_t scheme_len;
	struct span authority;
	struct span path; /* below the base, begins with a slash */
	bool has_query;   /* there is a "?" */
	struct span query;
	struct span fragment;
};

enum form { FORM_D, FORM_OLD, FORM_SHORT_LINK };

/* What the path says.  All are as the caller wrote them. */
struct dashboard_path {
	enum form form;
	bool solo;        /* asked for as a single panel already */
	struct span uid;  /* FORM_OLD: the slug; FORM_SHORT_LINK: the key */
	struct span slug; /* len 0: none, or none that is worth keeping */
};

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
find_origin(struct panel *panel, const struct address *a,
    const struct settings *settings)
{
	const char *path = a->authority.at + a->authority.len, *found = NULL;
	const struct place *base;
	const char *rest;
	size_t i;

	for (i = 0; i < settings->grafana_count; i++) {
		base = &settings->grafana[i].base;
		if (strlen(base->scheme) != a->scheme_len ||
		    strncasecmp(a->url, base->scheme, a->scheme_len) != 0 ||
		    !authority_is(a->authority, base))
			continue;
		rest = below(path, base);
		if (rest != NULL && (found == NULL || rest > found)) {
			panel->origin = &settings->grafana[i];
			found = rest;
		}
	}
	return found;
}

/*
 * What was asked for, in sentences
 *
 * They go into the log: nothing of a query is in them, no user and no password,
 * also where an address was damaged and has its query in the path or the host.
 */

#define ASKED_ROOM  160
#define SERVED_ROOM 200

#define HOST UNRESERVED "[]:"

/* Is it of these characters only? */
static bool
is_plain(struct span s, const char *plain)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		if (strchr(plain, s.at[i]) == NULL)
			return false;
	return true;
}

/* As much of the text as these characters make; "..." for a rest. */
static void
add_plain(char *to, size_t room, struct span s, const char *plain)
{
	size_t n = strlen(to), i;

	for (i = 0; i < s.len && n + 4 < room; i++) {
		if (strchr(plain, s.at[i]) == NULL)
			break;
		to[n++] = s.at[i];
	}
	snprintf(to + n, room - n, "%s", i < s.len ? "..." : "");
}

/* The part of a path after that word is a key to what it opens: cut it off. */
static void
hide_key(struct span *path, const char *word)
{
	char *found = memmem(path->at, path->len, word, strlen(word));

	if (found != NULL)
		path->len = (size_t)(found - path->at) + strlen(word);
}

/* The host alone: no user before it, no port after it. */
static struct span
host_of(struct span authority)
{
	const char *at = memrchr(authority.at, '@', authority.len), *end;
	struct span host = authority;

	if (at != NULL)
		host = (struct span){ at + 1,
			authority.len - (size_t)(at + 1 - authority.at) };
	end = memchr(
	    host.at, host.len > 0 && *host.at == '[' ? ']' : ':', host.len);
	if (end != NULL)
		host.len = (size_t)(end - host.at) + (*end == ']');
	return host;
}

/* Scheme, host, port and path. */
static const char *
asked(char to[ASKED_ROOM], const struct address *a)
{
	struct span host = host_of(a->authority), port, path;
	size_t i;

	to[0] = '\0';
	add_plain(
	    to, 32, (struct span){ a->url, a->scheme_len }, UNRESERVED "+");
	add_plain(to, 36, (struct span){ "://", 3 }, ":/");
	add_plain(to, 110, host, HOST);
	port.at = host.at + host.len;
	port.len = (size_t)(a->authority.at + a->authority.len - port.at);
	path.at = port.at + port.len;
	path.len = strcspn(path.at, "?#");
	/* "user:1/2@host": half of a password would be the port */
	if (memchr(path.at, '@', path.len) != NULL || !is_plain(host, HOST))
		return to;
	for (i = 1; i < port.len; i++)
		if (!isdigit((unsigned char)port.at[i]))
			return to;
	hide_key(&path, "/snapshot/");
	hide_key(&path, "/public-dashboards/");
	add_plain(to, 120, port, ":0123456789");
	add_plain(to, ASKED_ROOM, path, UNRESERVED "/");
	return to;
}

/* The bases, as many as fit. */
static const char *
served(char to[SERVED_ROOM], const struct settings *settings)
{
	size_t n = 0, i, len;

	for (i = 0; i < settings->grafana_count; i++) {
		len = strlen(settings->grafana[i].url);
		if (n + len + sizeof(", and others") >= SERVED_ROOM)
			break;
		n += (size_t)snprintf(to + n, SERVED_ROOM - n, "%s%s",
		    i == 0 ? "" : ", ", settings->grafana[i].url);
	}
	snprintf(to + n, SERVED_ROOM - n, "%s",
	    i < settings->grafana_count ? (n > 0 ? ", and others" : "others")
					: "");
	return to;
}

/* No Grafana of ours has it. */
static enum outcome
refuse_place(
    const struct address *a, const struct settings *settings, struct problem *p)
{
	char was[ASKED_ROOM], ours[SERVED_ROOM];

	served(ours, settings);
	if (memchr(a->authority.at, '@', a->authority.len) != NULL)
		return problem_set(p, OUTCOME_NOT_ALLOWED,
		    "The address of %s has a user's name, or a password, and "
		    "an \"@\" before the host. Leave them out. This service "
		    "serves %s.",
		    asked(was, a), ours);
	if (!is_plain(a->authority, HOST))
		return problem_set(p, OUTCOME_NOT_ALLOWED,
		    "The host of the address, %s, has a character that no "
		    "host has. This service serves %s.",
		    asked(was, a), ours);
	return problem_set(p, OUTCOME_NOT_ALLOWED,
	    "This service does not serve %s. It serves %s.", asked(was, a),
	    ours);
}

/*
 * The path
 */

/*
 * A segment that means the same to every parser: not empty, no dots alone, and
 * no escape that hides a separator, another escape or a control.
 */
static bool
segment_is_plain(struct span s)
{
	size_t dots = 0, bytes = 0, n;
	unsigned char c;

	for (; s.len > 0; s.at += n, s.len -= n, bytes++) {
		n = span_byte(s, &c);
		if (n == 0 || c < 0x21 || c == 0x7f ||
		    memchr("/\\%;?#", c, 6) != NULL)
			return false;
		dots += c == '.';
	}
	return bytes > 0 && !(dots == bytes && dots <= 2);
}

/* Letters of Unicode, as far as a slug may have them: no controls, no blanks
 * and ends of lines, nothing that turns the direction of a text or is
 * invisible. */
static bool
letter_is_plain(unsigned long c)
{
	static const struct {
		unsigned long first, last;
	} never[] = {
		{ 0x80, 0xa0 }, /* controls, no-break space */
		{ 0xad, 0xad }, /* soft hyphen */
		{ 0x61c, 0x61c }, { 0x1680, 0x1680 }, { 0x180e, 0x180e },
		{ 0x2000, 0x200f }, /* blanks, joiners, direction marks */
		{ 0x2028, 0x202f }, /* ends of lines, embeddings */
		{ 0x205f, 0x206f }, /* a blank, isolates */
		{ 0x3000, 0x3000 },
		{ 0xd800, 0xdfff }, /* surrogates: no UTF-8 */
		{ 0xfeff, 0xfeff }, { 0xfff9, 0xfffb },
		{ 0xe0000, 0xe0fff }, /* tags */
	};
	size_t i;

	for (i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		if (c >= never[i].first && c <= never[i].last)
			return false;
	return c <= 0x10ffff;
}

/* One character of UTF-8 (RFC 3629), each byte an escape or not; its length in
 * the text, 0 when it is none. */
static size_t
utf8_character(struct span s, unsigned long *c)
{
	static const unsigned long least[] = { 0, 0x80, 0x800, 0x10000 };
	size_t more, used, n, i;
	unsigned char byte;

	used = span_byte(s, &byte);
	if (used == 0 || (byte >= 0x80 && byte < 0xc2) || byte > 0xf4)
		return 0;
	more = (size_t)(byte >= 0xc2) + (byte >= 0xe0) + (byte >= 0xf0);
	*c = more == 0 ? byte : byte & (0x3fUL >> more);
	for (i = 0; i < more; i++, used += n) {
		if (used == s.len)
			return 0;
		n = span_byte(
		    (struct span){ s.at + used, s.len - used }, &byte);
		if (n == 0 || (byte & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | (byte & 0x3f);
	}
	return *c >= least[more] ? used : 0;
}

/*
 * May the slug stay?  It only decorates, so what could be read in two ways, or
 * could be a query that lost its "?", goes: it would be logged.
 */
static bool
slug_is_plain(struct span s)
{
	size_t n, dots = 0, count = 0;
	unsigned long c;

	for (; s.len > 0; s.at += n, s.len -= n, count++) {
		n = utf8_character(s, &c);
		if (n == 0 || c < 0x21 || c == 0x7f ||
		    (c < 0x80 && strchr("/\\%;?#&=", (int)c) != NULL) ||
		    (c >= 0x80 && !letter_is_plain(c)))
			return false;
		/* not an escape: only what needs none (RFC 3986, 2.3) */
		if (n == 1 && strchr(UNRESERVED, (int)c) == NULL)
			return false;
		dots += c == '.';
	}
	return count > 0 && !(dots == count && dots <= 2);
}

/* A UID, or the key of a short link. */
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

/* Split "/a/b/c" or "/a/b/c/"; returns how many there are. */
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
		if (n < SEGMENTS_MAX)
			segments[n] = s;
		n++;
		if (p < end)
			p++;
	}
	return n;
}

static bool
is_snapshot(const struct span *s, int n)
{
	if (n > 1 && span_is(*s, "render")) {
		s++;
		n--;
	}
	return span_is(s[0], "public-dashboards") ||
	       (n > 1 && span_is(s[1], "snapshot") &&
		   (span_is(s[0], "dashboard") ||
		       span_is(s[0], "dashboard-solo")));
}

static enum outcome
not_a_panel(
    const struct address *a, const struct span *s, int n, struct problem *p)
{
	char was[ASKED_ROOM];
	int i;

	for (i = 0; i < n && i < SEGMENTS_MAX; i++)
		if (!segment_is_plain(s[i]))
			return problem_set(p, OUTCOME_NOT_ALLOWED,
			    "The path of %s has an empty or a dotted part, or "
			    "an escape that no address of a panel has. Copy "
			    "the address from Grafana.",
			    asked(was, a));
	if (n > 0 && is_snapshot(s, n))
		return problem_set(p, OUTCOME_NOT_ALLOWED,
		    "%s is a snapshot or a public dashboard. Copy the address "
		    "of the dashboard itself: it has /d/ in it.",
		    asked(was, a));
	if (n > 1 && span_is(s[0], "render") && span_is(s[1], "goto"))
		return problem_set(p, OUTCOME_NOT_ALLOWED,
		    "%s is a short link with /render before it, which Grafana "
		    "does not know. Leave /render out.",
		    asked(was, a));
	return problem_set(p, OUTCOME_NOT_ALLOWED,
	    "%s is not a panel or dashboard of Grafana. Copy an address that "
	    "has /d/ or /d-solo/ in it.",
	    asked(was, a));
}

static enum outcome
read_path(struct dashboard_path *to, const struct address *a, struct problem *p)
{
	struct span segments[SEGMENTS_MAX] = { 0 }, *s = segments;
	int count = split_path(segments, a->path), n = count;

	memset(to, 0, sizeof(*to));
	if (n > 0 && span_is(*s, "render")) {
		s++;
		n--;
	} else if (n == 2 && span_is(s[0], "goto") && uid_is_plain(s[1])) {
		to->form = FORM_SHORT_LINK;
		to->uid = s[1];
		return OUTCOME_OK;
	}
	if ((n == 2 || n == 3) &&
	    (span_is(s[0], "d") || span_is(s[0], "d-solo")) &&
	    uid_is_plain(s[1])) {
		to->form = FORM_D;
		to->solo = span_is(s[0], "d-solo");
		to->uid = s[1];
		to->slug = n == 3 && slug_is_plain(s[2]) ? s[2] : SPAN_NONE;
		return OUTCOME_OK;
	}
	if (n == 3 && span_is(s[1], "db") && slug_is_plain(s[2]) &&
	    (span_is(s[0], "dashboard") || span_is(s[0], "dashboard-solo"))) {
		to->form = FORM_OLD;
		to->solo = span_is(s[0], "dashboard-solo");
		to->uid = s[2];
		return OUTCOME_OK;
	}
	return not_a_panel(a, segments, count, p);
}

/*
 * Damaged on its way
 */

/* Names that say which panel, the first that has a value wins. */
static const char *const names_panel[] = { "panelId", "viewPanel", "editPanel",
	NULL };

/* Is one of these names there, with one of "before" before it and "=" after it?
 * Escapes are decoded: what escaped a whole address escaped its "?", too. */
static bool
names_a_panel(struct span s, const char *before)
{
	char text[16]; /* of what comes next: the longest name, and "=" */
	const char *const *name;
	struct span rest;
	size_t step, n, used;
	unsigned char c;

	for (; s.len > 0; s.at += step, s.len -= step) {
		step = span_byte(s, &c);
		if (step == 0)
			step = 1;
		if (c == '\0' || strchr(before, c) == NULL)
			continue;
		rest = (struct span){ s.at + step, s.len - step };
		for (n = 0; rest.len > 0 && n + 1 < sizeof(text); n++) {
			used = span_byte(rest, &c);
			if (used == 0)
				used = 1;
			text[n] = (char)c;
			rest.at += used;
			rest.len -= used;
		}
		text[n] = '\0';
		for (name = names_panel; *name != NULL; name++)
			if (strncmp(text, *name, strlen(*name)) == 0 &&
			    text[strlen(*name)] == '=')
				return true;
	}
	return false;
}

/* Is there "&name=" in the path? */
static bool
path_has_pairs(struct span path)
{
	const char *p = memchr(path.at, '&', path.len);

	return p != NULL &&
	       memchr(p, '=', path.len - (size_t)(p - path.at)) != NULL;
}

static struct span
find_panel(struct span query)
{
	const char *const *name;
	struct query_pair pair;
	struct span rest;

	for (name = names_panel; *name != NULL; name++)
		for (rest = query; query_next(&pair, &rest);)
			if (strcmp(pair.name, *name) == 0 && pair.value.len > 0)
				return pair.value;
	return SPAN_NONE;
}

/* Answered with another picture, these would be believed. */
static enum outcome
check_damage(const struct address *a, struct problem *p)
{
	if ((!a->has_query && path_has_pairs(a->path)) ||
	    (names_a_panel(a->path, "?&;") && find_panel(a->query).len == 0))
		return problem_set(p, OUTCOME_MALFORMED,
		    "The address has no \"?\" between the dashboard and what "
		    "is asked of it: there is \"&\", or an escape, in its "
		    "place. Copy the address from Grafana again.");
	if (names_a_panel(a->fragment, "&;"))
		return problem_set(p, OUTCOME_MALFORMED,
		    "The address has a \"#\" before the part that names the "
		    "panel, and what comes after a \"#\" is not sent. Write "
		    "%%23 for a \"#\" in a variable, and \"&\" as it is.");
	return OUTCOME_OK;
}

/*
 * Which panel
 */

/* What the query says of the panel. */
struct panel_name {
	struct span id; /* as it is sent; len 0: a whole dashboard */
	char number[PANEL_NUMBER_ROOM]; /* of the panel */
};

/* The digits at the front of a text; false: none, or more than a number has. */
static bool
take_number(char to[PANEL_NUMBER_ROOM], const char **text)
{
	size_t n = strspn(*text, "0123456789");

	if (n == 0 || n >= PANEL_NUMBER_ROOM)
		return false;
	snprintf(to, PANEL_NUMBER_ROOM, "%.*s", (int)n, *text);
	*text += n;
	return true;
}

/*
 * "5", "panel-5", "panel-5-clone-1", and with the keys of repeats before it:
 * "A$panel-5", "panel-1-clone-2/panel-7-clone-0".  No Grafana has others; a
 * template that was not filled in, or "NaN", would be a picture of "Panel not
 * found".
 */
static bool
read_panel_name(struct panel_name *to, struct span value)
{
	char text[512], clone[PANEL_NUMBER_ROOM];
	const char *last, *p;
	bool prefix;

	to->id = value;
	to->number[0] = '\0';
	if (value.len == 0)
		return true;
	if (!span_decode(value, text, sizeof(text)))
		return false;
	last = text + strlen(text);
	while (last > text && last[-1] != '$' && last[-1] != '/')
		last--;
	prefix = strncmp(last, "panel-", 6) == 0;
	p = prefix ? last + 6 : last;
	if (!take_number(to->number, &p))
		return false;
	/* 5 is what every Grafana since 5 takes; others have no such form */
	if (*p == '\0' && last == text)
		to->id = (struct span){ to->number, strlen(to->number) };
	if (*p == '\0')
		return true;
	if (!prefix || strncmp(p, "-clone-", 7) != 0)
		return false;
	p += 7;
	return take_number(clone, &p) && *p == '\0';
}

/*
 * The query
 */

/*
 * Not passed on: credentials and another organisation, which would be used
 * instead of the caller's; a PDF; and what only opens a dialogue in the page.
 */
static const char *const names_dropped[] = { "auth_token", "targetOrgId",
	"encoding", "editview", "inspect", "shareView", NULL };

/* What a link for people keeps, beside var-*. */
static const char *const names_linked[] = { "from", "to", "timezone", "orgId",
	NULL };

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

/*
 * For people: what a query may not have (RFC 3986, 3.4) is percent-encoded, and
 * "'", which ends an attribute in HTML.  Escapes that are whole stay.
 */
static void
add_encoded(struct buf *b, struct span s)
{
	static const char plain[] = UNRESERVED "!$&()*+,=:@/?";
	unsigned char c;
	size_t n;

	for (; s.len > 0; s.at += n, s.len -= n) {
		n = span_byte(s, &c);
		if (n == 3 || (n == 1 && strchr(plain, *s.at) != NULL)) {
			buf_add(b, s.at, n);
		} else {
			n = 1;
			buf_printf(b, "%%%02X", (unsigned char)*s.at);
		}
	}
}

/* '?' before the first pair, '&' before the others. */
static void
add_separator(struct buf *b, char *separator)
{
	buf_add(b, separator, 1);
	*separator = '&';
}

/* The name, "=" or nothing, and the value. */
static void
add_pair(struct buf *b, char *separator, const char *name, struct span value)
{
	add_separator(b, separator);
	buf_puts(b, name);
	add_span(b, value);
}

/* A word of the settings as a value: "/" and "+" are not as they are. */
static void
add_word(struct buf *b, const char *word)
{
	for (; *word != '\0'; word++)
		buf_printf(b,
		    strchr(UNRESERVED, *word) != NULL ? "%c" : "%%%02X",
		    (unsigned char)*word);
}

/* What the query says already, so that it is not added. */
struct said {
	bool width, height, hide_logo, zone;
	bool have_zone; /* one of our own, for an empty "tz" */
};

static bool
is_browser(struct span value)
{
	char text[16];

	return span_decode(value, text, sizeof(text)) &&
	       (*text == '\0' || strcmp(text, "browser") == 0);
}

/* Is the pair passed on? */
static bool
look_at(struct said *said, const struct query_pair *pair)
{
	bool empty = pair->value.len == 0;

	if (query_name_in(pair, names_dropped) ||
	    query_name_in(pair, names_panel))
		return false;
	if (strcmp(pair->name, "width") == 0) {
		said->width = said->width || !empty;
		return !empty;
	}
	if (strcmp(pair->name, "height") == 0) {
		said->height = said->height || !empty;
		return !empty;
	}
	if (strcmp(pair->name, "tz") == 0 && empty && said->have_zone)
		return false;
	if (strcmp(pair->name, "hideLogo") == 0)
		said->hide_logo = true;
	if (strcmp(pair->name, "tz") == 0 ||
	    (strcmp(pair->name, "timezone") == 0 && !is_browser(pair->value)))
		said->zone = true;
	return true;
}

static void
add_query(struct buf *b, struct span query, struct span id, const char *tz)
{
	struct said said = { .have_zone = tz != NULL };
	char separator = '?';
	struct query_pair pair;

	if (id.len > 0)
		add_pair(b, &separator, "panelId=", id);
	while (query_next(&pair, &query))
		if (look_at(&said, &pair))
			add_pair(b, &separator, "", pair.whole);
	if (!said.width)
		add_pair(b, &separator, "width=1000", SPAN_NONE);
	if (!said.height)
		add_pair(b, &separator, id.len > 0 ? "height=500" : "height=-1",
		    SPAN_NONE);
	/* else Grafana 12.4 and later draw their badge into the picture */
	if (!said.hide_logo)
		add_pair(b, &separator, "hideLogo=true", SPAN_NONE);
	/* else times are those of UTC: Grafana draws without a person's browser
	 */
	if (tz != NULL && !said.zone) {
		add_pair(b, &separator, "tz=", SPAN_NONE);
		add_word(b, tz);
	}
}

/*
 * The link for people
 */

/* The moment that a value means, if it has a relative form. */
static bool
moment_of(struct span value, int64_t unix_ms, int64_t *moment)
{
	char text[32];

	return span_decode(value, text, sizeof(text)) &&
	       relative_time(text, unix_ms, moment);
}

/* From when to when.  Both are frozen, or neither: half a span would be
 * another one. */
struct times {
	bool frozen;
	int64_t from, to;
};

static struct times
freeze_times(struct span query, int64_t unix_ms)
{
	struct times t = { .frozen = true };
	unsigned from = 0, to = 0;
	struct query_pair pair;

	while (query_next(&pair, &query)) {
		if (strcmp(pair.name, "from") == 0) {
			from++;
			t.frozen =
			    moment_of(pair.value, unix_ms, &t.from) && t.frozen;
		} else if (strcmp(pair.name, "to") == 0) {
			to++;
			t.frozen =
			    moment_of(pair.value, unix_ms, &t.to) && t.frozen;
		}
	}
	t.frozen = t.frozen && from == 1 && to == 1;
	return t;
}

static void
add_dashboard(
    struct buf *b, const struct dashboard_path *path, const char *kind)
{
	buf_puts(b, kind);
	buf_add(b, path->uid.at, path->uid.len);
	if (path->slug.len > 0) {
		buf_puts(b, "/");
		buf_add(b, path->slug.at, path->slug.len);
	}
}

static void
make_link(struct panel *panel, const struct dashboard_path *path,
    struct span query, struct span id, int64_t unix_ms)
{
	struct times times = freeze_times(query, unix_ms);
	struct buf *b = &panel->link;
	char separator = '?';
	struct query_pair pair;

	buf_puts(b, panel->origin->url);
	add_dashboard(b, path, "/d/");
	if (id.len > 0) {
		add_pair(b, &separator, "viewPanel=", SPAN_NONE);
		add_encoded(b, id);
	}
	while (query_next(&pair, &query)) {
		if (!query_name_in(&pair, names_linked) &&
		    strncmp(pair.name, "var-", 4) != 0)
			continue;
		add_separator(b, &separator);
		if (times.frozen && strcmp(pair.name, "from") == 0)
			buf_printf(b, "from=%" PRId64, times.from);
		else if (times.frozen && strcmp(pair.name, "to") == 0)
			buf_printf(b, "to=%" PRId64, times.to);
		else
			add_encoded(b, pair.whole);
	}
}

/*
 * Putting together
 */

/* The organisation that Grafana reads from the query: the first, if it is a
 * number. */
static void
read_org_id(char org_id[PANEL_NUMBER_ROOM], struct span query)
{
	struct query_pair pair;

	org_id[0] = '\0';
	while (query_next(&pair, &query)) {
		if (strcmp(pair.name, "orgId") != 0)
			continue;
		if (!span_decode(pair.value, org_id, PANEL_NUMBER_ROOM) ||
		    org_id[strspn(org_id, "0123456789")] != '\0' ||
		    strspn(org_id, "0") == strlen(org_id))
			org_id[0] = '\0';
		return;
	}
}

static enum outcome
make_short_link(
    struct panel *panel, const struct dashboard_path *path, struct problem *p)
{
	struct buf *b = &panel->target;

	panel->short_link = true;
	add_dashboard(b, path, "/goto/");
	panel->path_len = b->len;
	if (*panel->org_id != '\0')
		buf_printf(b, "?orgId=%s", panel->org_id);
	return b->failed ? problem_set_default(p, OUTCOME_INTERNAL)
			 : OUTCOME_OK;
}

static enum outcome
make_target(struct panel *panel, const struct dashboard_path *path,
    const struct panel_name *name, struct span query, const char *tz)
{
	bool one = name->id.len > 0;
	struct buf *b = &panel->target;

	panel->one_panel = one;
	/* a repeated panel is asked for by more than its number */
	if (span_is(name->id, name->number))
		memcpy(panel->number, name->number, sizeof(panel->number));
	if (path->form == FORM_OLD) {
		add_dashboard(b, path,
		    one ? "/render/dashboard-solo/db/"
			: "/render/dashboard/db/");
	} else {
		add_dashboard(b, path, one ? "/render/d-solo/" : "/render/d/");
		if (path->uid.len < sizeof(panel->uid))
			memcpy(panel->uid, path->uid.at, path->uid.len);
	}
	panel->path_len = b->len;
	add_query(b, query, name->id, tz);
	return b->failed ? OUTCOME_INTERNAL : OUTCOME_OK;
}

static enum outcome
make_panel(struct panel *panel, const struct address *a,
    const struct settings *settings, int64_t unix_ms, struct problem *p)
{
	struct dashboard_path path;
	struct panel_name name;
	enum outcome o;

	o = check_damage(a, p);
	if (o == OUTCOME_OK)
		o = read_path(&path, a, p);
	if (o != OUTCOME_OK)
		return o;
	read_org_id(panel->org_id, a->query);
	if (path.form == FORM_SHORT_LINK)
		return make_short_link(panel, &path, p);
	if (!read_panel_name(&name, find_panel(a->query)))
		return problem_set(p, OUTCOME_MALFORMED,
		    "The panel that the address names is none: it ends "
		    "neither in a number nor in panel-NUMBER. See whether a "
		    "template was not filled in, or copy the address from "
		    "Grafana again.");
	if (path.solo && name.id.len == 0)
		return problem_set(p, OUTCOME_MALFORMED,
		    "The address is that of a single panel, but does not say "
		    "which. Add panelId=NUMBER to it.");
	o = make_target(panel, &path, &name, a->query, settings->tz);
	if (path.form != FORM_OLD)
		make_link(panel, &path, a->query, name.id, unix_ms);
	buf_puts(&panel->address, a->url);
	if (o != OUTCOME_OK || panel->link.failed || panel->address.failed)
		return problem_set_default(p, OUTCOME_INTERNAL);
	return OUTCOME_OK;
}

/* Cut the address into its parts (RFC 3986, appendix B). */
static bool
split_address(struct address *a, struct panel *panel, const char *url,
    const struct settings *settings)
{
	const char *path, *end;
	size_t n;

	a->url = url;
	a->authority.at = url + a->scheme_len + 3;
	a->authority.len = strcspn(a->authority.at, "/?#");
	path = find_origin(panel, a, settings);
	if (path == NULL)
		return false;
	end = path + strcspn(path, "#");
	n = strcspn(path, "?#");
	a->path = (struct span){ path, n };
	a->has_query = path[n] == '?';
	a->query = a->has_query ? (struct span){ path + n + 1,
		(size_t)(end - path) - n - 1 }
				: (struct span){ end, 0 };
	a->fragment = (struct span){ end, strlen(end) };
	return true;
}

enum outcome
panel_check(struct panel *panel, const char *url,
    const struct settings *settings, int64_t unix_ms, struct problem *p)
{
	struct address a = { .url = url };

	memset(panel, 0, sizeof(*panel));
	buf_init(&panel->target, TARGET_MAX);
	buf_init(&panel->link, TARGET_MAX);
	buf_init(&panel->address, TARGET_MAX);
	if (!bytes_are_a_url(url))
		return problem_set(p, OUTCOME_MALFORMED,
		    "The \"imageUrl\" is empty or has characters that no "
		    "address has (blanks, backslashes, letters beyond ASCII). "
		    "Encode them as %%XX.");
	a.scheme_len = scheme_len(url);
	if (a.scheme_len == 0 || has_no_host(url, a.scheme_len))
		return problem_set(p, OUTCOME_MALFORMED,
		    "The \"imageUrl\" is not a whole address. Begin with "
		    "https:// (or http://) and Grafana's name.");
	if (!split_address(&a, panel, url, settings))
		return refuse_place(&a, settings, p);
	return make_panel(panel, &a, settings, unix_ms, p);
}

void
panel_free(struct panel *panel)
{
	buf_free(&panel->target);
	buf_free(&panel->link);
	buf_free(&panel->address);
}

bool
panel_recount(
    struct panel *panel, const struct settings *settings, int64_t unix_ms)
{
	struct problem p = { 0 };
	struct panel again;
	struct buf link = panel->link;
	bool ok;

	ok = panel_check(&again, buf_str(&panel->address), settings, unix_ms,
		 &p) == OUTCOME_OK;
	if (ok) {
		panel->link = again.link;
		again.link = link;
	}
	panel_free(&again);
	return ok;
}

const char *
panel_org_id(const struct panel *panel, const char *authorization)
{
	bool token =
	    authorization != NULL && strncmp(authorization, "Bearer ", 7) == 0;

	return *panel->org_id == '\0' || token ? NULL : panel->org_id;
}
