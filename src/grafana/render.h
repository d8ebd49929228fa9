/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RENDER_H
#define RENDER_H

#include "base/buf.h"
#include "base/outcome.h"
#include "config/settings.h"
#include "grafana/panel_url.h"
#include "net/http.h"

/*
 * Asking Grafana for a picture, and Grafana's manners: which of its answers
 * means what.  No other file knows them.
 */
struct render {
	const struct panel *panel;
	const char *authorization;
	const char *forwarded_for;    /* the caller's address, or NULL */
	int64_t left_ms;              /* of the caller's time */
	bool (*cancelled)(void *arg); /* nobody wants it any more; or NULL */
	void *arg;
	void (*arrives)(void *arrives_arg); /* http_request's */
	void *arrives_arg;
};

/*
 * OUTCOME_OK when "answer" holds a picture that is not one of Grafana's
 * placeholders; whether it is a whole PNG is png_clean()'s to say.  Else what
 * the answer means.  The answer is the caller's, initialised, and freed by it.
 */
enum outcome render_panel(struct http_response *, const struct render *,
    struct http *, const struct settings *, struct problem *);

/* What it means that no whole answer came: OUTCOME_OK when one did. */
enum outcome render_classify_end(
    enum http_end, const struct http_response *, struct problem *);

/* Grafana, for sentences about how a request to it ended. */
extern const struct http_peer render_peer;

#endif
