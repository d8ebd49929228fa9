/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PREFLIGHT_H
#define PREFLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/outcome.h"
#include "grafana/dashboard.h"
#include "grafana/panel_url.h"
#include "net/http.h"

/*
 * Asking for a panel's dashboard before the panel is rendered.
 *
 * Grafana draws its page of an error for a dashboard or panel that does not
 * exist, or that the credential may not see, and says 200. Its API tells
 * (pkg/api/dashboard.go). What is not certain is no verdict: then the render
 * decides, as it would alone. Takes no permit: Grafana draws nothing for it.
 */
#define PREFLIGHT_MS 5000 /* at most; then there is no verdict */

/* Can Grafana be asked for the dashboard of that panel? Of forms before
 * Grafana 8 it cannot: they have no UID. */
bool preflight_is_possible(const struct panel *);

struct preflight {
	const struct panel *panel;
	const char *authorization;
	const char *forwarded_for; /* the client's address, or NULL */
	int64_t left_ms;           /* of the client's time */
	bool (*cancelled)(void *arg);
	void *arg;
};

/* What Grafana said: the same for all panels of the dashboard. */
struct preflight_answer {
	/* OUTCOME_OK: no verdict but by "dashboard"; else the verdict */
	enum outcome outcome;
	struct problem problem;
	/* NULL: not known; the holder of the answer has a reference */
	struct dashboard *dashboard;
	bool answered; /* in time, whatever it said */
};

/* The answer is freed with preflight_free(). */
void preflight_ask(
    struct preflight_answer *, const struct preflight *, struct http *);
void preflight_free(struct preflight_answer *);

/* May that panel be rendered? OUTCOME_OK, or what the answer means for it. */
enum outcome preflight_check(
    const struct preflight_answer *, const struct panel *, struct problem *);

#endif
