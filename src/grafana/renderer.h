/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RENDERER_H
#define RENDERER_H

#include <stdbool.h>
#include <stdint.h>

#include "config/settings.h"
#include "net/http.h"

/*
 * Has a Grafana an image renderer?
 *
 * Until 12 Grafana sends a picture that says so; 13 answers 500, as it does
 * when a renderer fails. GET /api/frontend/settings tells them apart: its
 * member rendererAvailable is what the render service itself says of it
 * (pkg/api/frontendsettings.go). It is for signed-in users only.
 */
#define RENDERER_SECONDS 60 /* for so long an answer is remembered */

enum renderer_state {
	RENDERER_UNKNOWN, /* no answer, or one that does not say */
	RENDERER_MISSING,
	RENDERER_AVAILABLE,
};

/* Ask now. */
enum renderer_state renderer_ask(const struct origin *,
    const char *authorization, int64_t max_ms, struct http *);

/* What is known of the Grafanas of the settings, for all threads. */
struct renderers;

/* NULL when there is no memory.  The settings are borrowed. */
struct renderers *renderers_open(const struct settings *);
void renderers_close(struct renderers *);

/* What is remembered, else what is answered within left_ms. */
enum renderer_state renderers_look(struct renderers *, const struct origin *,
    const char *authorization, int64_t left_ms, struct http *);

#endif
