/* SPDX-License-Identifier: Apache-2.0 */
#include "grafana/renderer.h"

#include "base/clock.h"
#include "grafana/answer.h"

#include <pthread.h>
#include <stdlib.h>

#define PATIENCE_MS 2000
#define SETTINGS_MAX                                                           \
	((size_t)4 * 1024 * 1024) /* with all plugins some 500 KB */

struct renderers {
	const struct settings *settings;
	pthread_mutex_t lock; /* guards all below */
	struct known {
		enum renderer_state state;
		int64_t until_ms;
	} * known; /* of each Grafana */
};

enum renderer_state
renderer_ask(const struct origin *origin, const char *authorization,
    int64_t max_ms, struct http *http)
{
	const struct http_header headers[] = {
		{ "Accept", "application/json" },
		{ "Authorization", authorization },
		{ NULL, NULL },
	};
	const struct http_request request = {
		.origin = origin,
		.method = "GET",
		.target = "/api/frontend/settings",
		.headers = headers,
		.max_ms = max_ms < PATIENCE_MS ? max_ms : PATIENCE_MS,
	};
	enum renderer_state state = RENDERER_UNKNOWN;
	struct http_response a;
	bool available;

	http_response_init(&a, SETTINGS_MAX);
	if (http_send(http, &request, &a) == HTTP_WHOLE && a.status == 200 &&
	    answer_flag(
		buf_str(&a.body), a.body.len, "rendererAvailable", &available))
		state = available ? RENDERER_AVAILABLE : RENDERER_MISSING;
	http_response_free(&a);
	return state;
}

enum renderer_state
renderers_look(struct renderers *r, const struct origin *origin,
    const char *authorization, int64_t left_ms, struct http *http)
{
	struct known *known = &r->known[origin - r->settings->grafana];
	enum renderer_state state = RENDERER_UNKNOWN;
	bool fresh;

	pthread_mutex_lock(&r->lock);
	fresh = known->until_ms > now_ms();
	if (fresh)
		state = known->state;
	pthread_mutex_unlock(&r->lock);
	if (fresh)
		return state;
	/* several threads may ask at once: an answer costs little */
	state = renderer_ask(origin, authorization, left_ms, http);
	/* another credential may get an answer where this one gets none */
	if (state == RENDERER_UNKNOWN)
		return state;
	pthread_mutex_lock(&r->lock);
	known->state = state;
	known->until_ms = now_ms() + RENDERER_SECONDS * 1000;
	pthread_mutex_unlock(&r->lock);
	return state;
}

struct renderers *
renderers_open(const struct settings *settings)
{
	struct renderers *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->settings = settings;
	r->known = calloc(settings->grafana_count, sizeof(*r->known));
	pthread_mutex_init(&r->lock, NULL);
	if (r->known == NULL) {
		renderers_close(r);
		return NULL;
	}
	return r;
}

void
renderers_close(struct renderers *r)
{
	if (r == NULL)
		return;
	pthread_mutex_destroy(&r->lock);
	free(r->known);
	free(r);
}
