/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses of Grafanas, by libcurl's URL parser: the one that fetches.
 */
#include "net/url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void
place_free(struct place *p)
{
	free(p->scheme);
	free(p->host);
	free(p->authority);
	free(p->path);
	memset(p, 0, sizeof(*p));
}

void
origin_free(struct origin *o)
{
	place_free(&o->base);
	place_free(&o->via);
	free(o->url);
	memset(o, 0, sizeof(*o));
}

/* A part of the URL as a string of our own; NULL when there is none. */
static char *
part(CURLU *u, CURLUPart what, unsigned flags)
{
	char *theirs, *ours;

	if (curl_url_get(u, what, &theirs, flags) != CURLUE_OK)
		return NULL;
	ours = strdup(theirs);
	curl_free(theirs);
	return ours;
}

static bool
has_part(CURLU *u, CURLUPart what)
{
	char *theirs;

	if (curl_url_get(u, what, &theirs, 0) != CURLUE_OK)
		return false;
	curl_free(theirs);
	return true;
}

static void
lower(char *s)
{
	for (; *s != '\0'; s++)
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s - 'A' + 'a');
}

static bool
host_is_plain(const char *host)
{
	static const char name[] = "abcdefghijklmnopqrstuvwxyz0123456789.-_";
	static const char literal[] = "0123456789abcdef:.";
	size_t len = strlen(host);

	if (host[0] == '[')
		return len > 2 && host[len - 1] == ']' &&
		       strspn(host + 1, literal) == len - 2;
	return len > 0 && strspn(host, name) == len;
}

static char *
authority_of(const struct place *p)
{
	bool usual = p->port == (strcmp(p->scheme, "https") == 0 ? 443 : 80);
	size_t room = strlen(p->host) + sizeof(":65535");
	char *s = malloc(room);

	if (s != NULL && usual)
		snprintf(s, room, "%s", p->host);
	else if (s != NULL)
		snprintf(s, room, "%s:%u", p->host, p->port);
	return s;
}

static bool
fill(struct place *p, CURLU *u, const char **why)
{
	char *port = part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT);
	size_t len;

	p->scheme = part(u, CURLUPART_SCHEME, 0);
	p->host = part(u, CURLUPART_HOST, 0);
	p->path = part(u, CURLUPART_PATH, 0);
	*why = "it does not begin with http:// or https:// and a host's name";
	if (port != NULL)
		p->port = (unsigned)strtoul(port, NULL, 10);
	free(port);
	if (p->scheme == NULL || p->host == NULL || p->path == NULL ||
	    p->port == 0)
		return false;
	lower(p->scheme);
	lower(p->host);
	if (strcmp(p->scheme, "http") != 0 && strcmp(p->scheme, "https") != 0)
		return false;
	*why = "its host is neither a name in ASCII nor an address";
	if (!host_is_plain(p->host))
		return false;
	for (len = strlen(p->path); len > 0 && p->path[len - 1] == '/'; len--)
		p->path[len - 1] = '\0';
	*why = "there is no memory";
	p->authority = authority_of(p);
	return p->authority != NULL;
}

bool
place_parse(struct place *p, const char *url, const char **why)
{
	CURLU *u = curl_url();
	bool ok = false;

	memset(p, 0, sizeof(*p));
	*why = "it is not an address such as https://grafana.example.com";
	if (u == NULL || strpbrk(url, " \t\\%") != NULL ||
	    curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK)
		goto out;
	*why = "it holds a user name, a query or a fragment";
	if (has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_QUERY) ||
	    has_part(u, CURLUPART_FRAGMENT) || strpbrk(url, "?#@") != NULL)
		goto out;
	ok = fill(p, u, why);
out:
	curl_url_cleanup(u);
	return ok;
}

char *
place_url(const struct place *p)
{
	size_t room = strlen(p->scheme) + strlen(p->authority) +
		      strlen(p->path) + sizeof("://");
	char *s = malloc(room);

	if (s != NULL)
		snprintf(
		    s, room, "%s://%s%s", p->scheme, p->authority, p->path);
	return s;
}

bool
origin_parse(struct origin *o, const char *text, const char **why)
{
	static const char blank[] = " \t";
	size_t first = strcspn(text, blank);
	const char *rest = text + first + strspn(text + first, blank);
	char *base = strndup(text, first);
	bool ok = false;

	memset(o, 0, sizeof(*o));
	*why = "there is no memory";
	if (base == NULL || !place_parse(&o->base, base, why))
		goto out;
	if (*rest != '\0') {
		*why = "after the address only \"via ADDRESS\" may follow";
		if (strncmp(rest, "via", 3) != 0 ||
		    strspn(rest + 3, blank) == 0)
			goto out;
		rest += 3 + strspn(rest + 3, blank);
	} else {
		rest = base;
	}
	if (!place_parse(&o->via, rest, why))
		goto out;
	*why = "there is no memory";
	o->url = place_url(&o->base);
	ok = o->url != NULL;
out:
	free(base);
	return ok;
}

bool
place_is_loopback(const struct place *p)
{
	struct in_addr v4;

	if (strcmp(p->host, "localhost") == 0 || strcmp(p->host, "[::1]") == 0)
		return true;
	return inet_pton(AF_INET, p->host, &v4) == 1 &&
	       (ntohl(v4.s_addr) >> 24) == 127;
}

bool
place_follow(struct place *to, const struct place *from, const char *location)
{
	CURLU *u = curl_url();
	char *start = place_url(from);
	const char *why;
	bool ok = false;

	memset(to, 0, sizeof(*to));
	if (u != NULL && start != NULL &&
	    curl_url_set(u, CURLUPART_URL, start, 0) == CURLUE_OK &&
	    curl_url_set(u, CURLUPART_URL, location, 0) == CURLUE_OK &&
	    !has_part(u, CURLUPART_USER))
		ok = fill(to, u, &why);
	free(start);
	curl_url_cleanup(u);
	return ok;
}
