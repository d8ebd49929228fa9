/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHORT_LINK_H
#define SHORT_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/outcome.h"
#include "config/settings.h"
#include "grafana/panel_url.h"
#include "net/http.h"

/*
 * Short links, BASE/goto/KEY: what Grafana's Share button copies.
 *
 * Only Grafana knows where one leads (pkg/services/shorturls).  It is asked
 * once, with the caller's credential, and the address that it redirects to is
 * checked like any other.  It takes no permit: Grafana draws nothing for it.
 */
struct short_link {
	const char *authorization;
	const char *forwarded_for;    /* the caller's address, or NULL */
	int64_t left_ms;              /* of the caller's time */
	int64_t unix_ms;              /* of the request, for panel_check() */
	bool (*cancelled)(void *arg); /* nobody wants it any more; or NULL */
	void *arg;
	/* set for an outcome that says "come again" if Grafana said when; else
	 * as it was */
	long retry_seconds;
};

/*
 * OUTCOME_OK, and the panel is the one that the link leads to; else what is
 * wrong, and the panel is the link as before.
 */
enum outcome short_link_follow(struct panel *, struct short_link *,
    struct http *, const struct settings *, struct problem *);

/*
 * The address that a redirect leads to, in the base's own words: Grafana says
 * where it goes by its own root_url, which may be the base, the address behind
 * "via", or only a path.  Hermetic.  false: there is no memory.
 */
bool short_link_address(
    struct buf *url, const struct origin *, const char *location);

#endif
