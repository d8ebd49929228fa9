/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PANEL_H
#define PANEL_H

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
struct panel {
	const struct origin *origin; /* borrowed from the settings */
	struct buf target; /* "/render/d-solo/UID/slug?…", below the base */
	struct buf link;   /* where a person opens it; empty: cannot be told */
	size_t path_len; /* of target, without its query: all that is logged */
};

/*
 * OUTCOME_OK, OUTCOME_MALFORMED, OUTCOME_NOT_ALLOWED or OUTCOME_INTERNAL.
 * The panel is the caller's and is freed with panel_free(), also after a
 * failure.
 */
enum outcome panel_check(
    struct panel *, const char *url, const struct settings *, struct problem *);
void panel_free(struct panel *);

#endif
