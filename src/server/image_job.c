/* SPDX-License-Identifier: Apache-2.0 */
#include "server/image_job.h"

#include "base/clock.h"
#include "grafana/limiter.h"
#include "grafana/render.h"
#include "grafana/renderer.h"
#include "image/memory_slots.h"
#include "image/png_pool.h"
#include "server/preflights.h"
#include "server/response.h"

#include <stdlib.h>
#include <string.h>

#define RETRY_MAX_SECONDS 60 /* what Grafana says is passed on up to here */

struct pictures {
	const struct settings *settings;
	struct metrics *metrics;
	struct store *store;
	struct png_pool *png_pool;
	struct semaphore *memory_slots;
	struct preflights *preflights;
	struct renderers *renderers;
	struct limiter **limiters; /* of each Grafana, in the settings' order */
};

struct pictures *
pictures_open(const struct settings *settings, struct store *store,
    struct metrics *metrics)
{
	struct pictures *s = calloc(1, sizeof(*s));
	size_t i;
	bool ok;

	if (s == NULL)
		return NULL;
	s->settings = settings;
	s->metrics = metrics;
	s->store = store;
	s->png_pool = png_pool_open();
	s->memory_slots = memory_slots_open(MEMORY_SLOTS);
	s->preflights = preflights_open();
	s->renderers = renderers_open(settings);
	s->limiters = calloc(settings->grafana_count, sizeof(struct limiter *));
	ok = s->png_pool != NULL && s->memory_slots != NULL &&
	     s->limiters != NULL && s->preflights != NULL &&
	     s->renderers != NULL;
	for (i = 0; ok && i < settings->grafana_count; i++) {
		s->limiters[i] = limiter_open((int)settings->max_renders);
		ok = s->limiters[i] != NULL;
	}
	if (ok)
		return s;
	pictures_close(s);
	return NULL;
}

void
pictures_close(struct pictures *s)
{
	size_t i;

	if (s == NULL)
		return;
	for (i = 0; s->limiters != NULL && i < s->settings->grafana_count; i++)
		limiter_close(s->limiters[i]);
	free(s->limiters);
	renderers_close(s->renderers);
	preflights_close(s->preflights);
	semaphore_close(s->memory_slots);
	png_pool_close(s->png_pool);
	free(s);
}

void
pictures_stop(struct pictures *s)
{
	size_t i;

	for (i = 0; i < s->settings->grafana_count; i++)
		limiter_stop(s->limiters[i]);
}

bool
pictures_renew(struct pictures *s, const struct picture *p, struct http *http,
    int64_t left_ms)
{
	return store_renew(s->store, p->key, p->bytes, http, left_ms);
}

/* Check what came, and leave in "image" the picture that is in it. */
static void
check(struct pictures *s, struct picture *p, enum png_from from,
    struct buf *image, const struct caller *caller)
{
	struct png_limits limits = {
		.pixels = (uint64_t)s->settings->max_image_pixels,
	};

	p->outcome = png_pool_clean(s->png_pool, from, caller->deadline_ms,
	    image, &p->size, &limits, &p->problem);
}

/* Keep it, if it is one; "name" is NULL for one that is named by its content.
 */
static void
keep(struct pictures *s, struct picture *p, const char *name,
    const struct buf *clean, struct http *http, const struct caller *caller)
{
	int64_t left_ms = caller_left_ms(caller);

	if (p->outcome != OUTCOME_OK)
		return;
	if (name == NULL)
		p->outcome = store_put(
		    s->store, p->key, clean, http, left_ms, &p->problem);
	else
		p->outcome = store_put_upload(
		    s->store, p->key, name, clean, http, left_ms, &p->problem);
	p->bytes = clean->len;
	if (p->outcome == OUTCOME_OK)
		metrics_saved(s->metrics, clean->len);
}

/* No permit: what that means for the request. */
static enum outcome
refuse_permit(struct picture *p, enum permit permit, bool again)
{
	switch (permit) {
	case PERMIT_STOPPED:
		return problem_set_default(&p->problem, OUTCOME_STOPPING);
	case PERMIT_CANCELLED:
		return problem_set(&p->problem, OUTCOME_SLOW,
		    "The caller went away before its turn to render came.");
	default:
		return problem_set_default(
		    &p->problem, again ? OUTCOME_GRAFANA_BUSY : OUTCOME_BUSY);
	}
}

/* What comes, and the memory slot that it takes. */
struct delivery {
	struct http_response answer;
	struct memory_slot slot;
};

static void
take_slot(void *slot)
{
	memory_slot_take(slot);
}

/* Ask Grafana, with a permit that is given back whatever happens. */
static enum outcome
render_once(struct pictures *s, struct picture *p, struct delivery *d,
    const struct picture_order *order, struct permit_request *permit,
    struct limiter *limiter, struct http *http)
{
	struct render r = {
		.panel = order->panel,
		.authorization = order->authorization,
		.forwarded_for = order->forwarded_for,
		.left_ms = caller_left_ms(order->caller),
		.cancelled = order->cancelled,
		.arg = order->arg,
		.arrives = take_slot,
		.arrives_arg = &d->slot,
	};
	int64_t start = now_ms();
	enum permit_end end = PERMIT_OTHER;
	enum outcome o;

	d->slot.waited_ms = 0;
	metrics_render_begins(s->metrics);
	o = render_panel(&d->answer, &r, http, s->settings, &p->problem);
	/* Grafana had rendered when we had no memory for the image yet */
	p->render_ms = now_ms() - start - d->slot.waited_ms;
	if (o == OUTCOME_SLOW && d->slot.late)
		o = problem_set(&p->problem, OUTCOME_BUSY,
		    "Too many images had to be kept before this one. Try "
		    "again later.");
	metrics_render_ends(s->metrics);
	if (o != OUTCOME_OK)
		metrics_rendered(s->metrics, o, p->render_ms);
	if (o == OUTCOME_GRAFANA_BUSY)
		end = PERMIT_BUSY;
	else if (o == OUTCOME_OK)
		end = PERMIT_WELL;
	limiter_give(
	    limiter, permit, end, p->render_ms, d->answer.retry_after * 1000);
	return o;
}

/* When, in seconds.  What Grafana said is for who asked: others it may serve.
 */
static long
come_again(struct limiter *limiter, uint64_t credential,
    const struct http_response *busy)
{
	long estimate = limiter_estimate_seconds(limiter, credential);
	long said = busy->retry_after;

	if (said > RETRY_MAX_SECONDS)
		said = RETRY_MAX_SECONDS;
	return said > estimate ? said : estimate;
}

/*
 * Wait for a permit and render; when Grafana is busy, back off and try again as
 * long as the caller has time.
 */
static enum outcome
render_in_turn(struct pictures *s, struct picture *p, struct delivery *d,
    const struct picture_order *order, struct http *http)
{
	struct limiter *limiter =
	    s->limiters[order->panel->origin - s->settings->grafana];
	struct permit_request request = {
		.credential = order->credential,
		.since_ms = order->caller->start_ms,
		.until_ms =
		    order->caller->start_ms + s->settings->wait_seconds * 1000,
		.cancelled = order->cancelled,
		.arg = order->arg,
	};
	bool again = order->again;
	int64_t left_ms;
	enum permit permit;
	enum outcome o;

	if (again || request.until_ms > order->caller->deadline_ms)
		request.until_ms = order->caller->deadline_ms;
	for (;;) {
		permit = limiter_take(limiter, &request);
		if (permit != PERMIT_TAKEN) {
			p->retry_seconds = limiter_estimate_seconds(
			    limiter, order->credential);
			return refuse_permit(p, permit, again);
		}
		o = render_once(s, p, d, order, &request, limiter, http);
		if (o != OUTCOME_GRAFANA_BUSY)
			return o;
		p->retry_seconds =
		    come_again(limiter, order->credential, &d->answer);
		left_ms = caller_left_ms(order->caller);
		if (limiter_backoff_ms(limiter, order->credential) >= left_ms ||
		    d->answer.retry_after * 1000 >= left_ms)
			return o;
		again = true;
		request.until_ms = order->caller->deadline_ms;
		http_response_reset(&d->answer);
		memory_slot_give(&d->slot);
	}
}

/* Is there such a panel?  Without a permit: Grafana draws nothing for it. */
static enum outcome
ask_for_dashboard(struct pictures *s, struct picture *p,
    const struct picture_order *order, struct http *http)
{
	const struct preflight preflight = {
		.panel = order->panel,
		.authorization = order->authorization,
		.forwarded_for = order->forwarded_for,
		.left_ms = caller_left_ms(order->caller),
		.cancelled = order->cancelled,
		.arg = order->arg,
	};

	if (!s->settings->preflight || !preflight_is_possible(order->panel))
		return OUTCOME_OK;
	return preflights_check(s->preflights, &preflight, http, &p->problem);
}

/* Grafana 13 answers 500 when it has no renderer, and when a renderer fails. */
static enum outcome
look_for_renderer(struct pictures *s, struct picture *p,
    const struct picture_order *order, struct http *http)
{
	enum renderer_state state =
	    renderers_look(s->renderers, order->panel->origin,
		order->authorization, caller_left_ms(order->caller), http);

	if (state == RENDERER_MISSING)
		return problem_set_default(&p->problem, OUTCOME_NO_RENDERER);
	if (state == RENDERER_AVAILABLE)
		return p->outcome;
	return problem_set(&p->problem, p->outcome,
	    "Grafana failed to render the panel, or has no image renderer "
	    "(Grafana 13 answers 500 for both). Look at Grafana's and the "
	    "image renderer's log.");
}

void
pictures_make(struct pictures *s, struct picture *p,
    const struct picture_order *order, struct http *http)
{
	struct delivery d = { .slot = { .slots = s->memory_slots,
				  .deadline_ms = order->caller->deadline_ms } };

	memset(p, 0, sizeof(*p));
	p->render_ms = -1;
	p->retry_seconds = REPLY_RETRY_SECONDS;
	http_response_init(&d.answer, (size_t)s->settings->max_image_bytes);
	p->outcome = ask_for_dashboard(s, p, order, http);
	if (p->outcome == OUTCOME_OK)
		p->outcome = render_in_turn(s, p, &d, order, http);
	if (p->outcome == OUTCOME_UPSTREAM && d.answer.status == 500)
		p->outcome = look_for_renderer(s, p, order, http);
	if (p->outcome == OUTCOME_OK) {
		check(s, p, PNG_FROM_RENDER, &d.answer.body, order->caller);
		metrics_rendered(s->metrics,
		    p->outcome == OUTCOME_OK ? OUTCOME_SAVED : p->outcome,
		    p->render_ms);
	}
	keep(s, p, NULL, &d.answer.body, http, order->caller);
	http_response_free(&d.answer);
	memory_slot_give(&d.slot);
}

void
pictures_keep(struct pictures *s, struct picture *p, const char *name,
    struct buf *image, struct http *http, const struct caller *caller)
{
	memset(p, 0, sizeof(*p));
	p->render_ms = -1;
	p->retry_seconds = REPLY_RETRY_SECONDS;
	check(s, p, PNG_FROM_UPLOAD, image, caller);
	keep(s, p, name, image, http, caller);
}
