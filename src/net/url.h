/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ORIGIN_H
#define ORIGIN_H

#include <stdbool.h>
#include <stddef.h>

/*
 * A Grafana: the address that people know it by, and where we really connect.
 *
 * Parsed once at start from "BASE_URL" or "BASE_URL via BASE_URL".  What is
 * fetched later is always put together from here, so a caller's idea of scheme,
 * host and port never reaches the network.
 */
struct place {
	char *scheme;    /* "http" or "https" */
	char *host;      /* lower case; brackets kept round an IPv6 literal */
	unsigned port;   /* the scheme's own when none was given */
	char *authority; /* host, and ":port" unless it is the scheme's own */
	char *path;      /* "" or "/grafana": no slash at the end */
};

struct origin {
	struct place base; /* the public address */
	struct place via;  /* where to connect: base itself, or "via" */
	char *url;         /* the base as text, no slash at the end */
};

/*
 * Parse one such text.  false, with *why set to a constant phrase that
 * completes "… is not a Grafana's address: ", when it is none or there is no
 * memory. The origin is the caller's and is freed with origin_free(), also
 * after a failure.
 */
bool origin_parse(struct origin *, const char *text, const char **why);
void origin_free(struct origin *);

/*
 * One absolute http(s) address without user, query or fragment, its trailing
 * slashes cut off; what a place is made from.  Same rules, same ownership.
 */
bool place_parse(struct place *, const char *url, const char **why);
void place_free(struct place *);

/* scheme://authority/path; NULL when there is no memory; free() it. */
char *place_url(const struct place *);

/* Is it reached without leaving this machine (127/8, ::1, localhost)? */
bool place_is_loopback(const struct place *);

/*
 * Where a Location header leads, seen from "from" (RFC 9110, 10.2.2: it may be
 * relative): the resulting place, its path with everything but the query.
 */
bool place_follow(
    struct place *to, const struct place *from, const char *location);

#endif
