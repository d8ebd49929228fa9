/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PANEL_H
#define PANEL_H

#include <stdint.h>

#include "base/buf.h"
#include "base/outcome.h"
#include "config/settings.h"
#include "net/url.h"

/*
 * Is this the address of a panel that we may ask for?  And how is it asked for?
 *
 * Hermetic.  Takes every address that people have at hand, Grafana 4 to 13, and
 * makes of it the one that renders.  What it returns is put together from the
 * configured base: nothing of the caller's scheme, host or port is left in it.
 */
#define PANEL_UID_ROOM    128 /* Grafana makes at most 40 bytes */
#define PANEL_NUMBER_ROOM 20

struct panel {
	const struct origin *origin; /* borrowed from the settings */
	/* "/render/d-solo/UID/slug?…", or "/goto/KEY", below the base */
	struct buf target;
	struct buf link;    /* where a person opens it; empty: cannot be told */
	struct buf address; /* as it was checked, for panel_recount() */
	size_t path_len; /* of target, without its query: all that is logged */
	/* target is a short link: short_link_follow() makes a panel of it */
	bool short_link;
	bool one_panel; /* not a whole dashboard */

	/* What Grafana's API knows them by. */
	char uid[PANEL_UID_ROOM]; /* the dashboard; "" of Grafana before 8 */
	/* The panel, digits only: 5 of "panel-5"; "" for a whole dashboard,
	 * and for repeated panels ("A$panel-5", "panel-5-clone-1"). */
	char number[PANEL_NUMBER_ROOM];
	char org_id[PANEL_NUMBER_ROOM]; /* digits; "": none is named */
};

/*
 * OUTCOME_OK, OUTCOME_MALFORMED, OUTCOME_NOT_ALLOWED or OUTCOME_INTERNAL. Times
 * in the link are counted from unix_ms, the moment of the request in
 * milliseconds since 1970.  The panel is the caller's and is freed with
 * panel_free(), also after a failure.
 */
enum outcome panel_check(struct panel *, const char *url,
    const struct settings *, int64_t unix_ms, struct problem *);
void panel_free(struct panel *);

/*
 * The link once more, its times counted from another moment: that of the
 * request whose render answers this one, too.  false: there is no memory, and
 * the link is as it was.
 */
bool panel_recount(struct panel *, const struct settings *, int64_t unix_ms);

/*
 * What the header X-Grafana-Org-Id is to say, NULL: nothing.  Grafana moves a
 * user for good to the organisation that an address names, unless that header
 * says it for the one request.  A token has one organisation, and "Bearer" is
 * a token.
 */
const char *panel_org_id(const struct panel *, const char *authorization);

#endif
