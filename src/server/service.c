/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole journey of a request, top to bottom: the only file that knows the
 * order of the stages.
 */
#include "server/service.h"

#include "base/clock.h"
#include "grafana/health.h"
#include "grafana/panel_url.h"
#include "grafana/short_link.h"
#include "server/access_log.h"
#include "server/image_job.h"
#include "server/metrics.h"
#include "server/response.h"
#include "server/sandbox.h"
#include "server/singleflight.h"
#include "server/state_dir.h"
#include "store/retention.h"
#include "store/store.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct service {
	const struct settings *settings;
	struct store *store;
	struct pictures *pictures;
	struct flight *flight;
	struct state *state;
	struct metrics *metrics;
	struct health *health;
	_Atomic int64_t warned_ms; /* when little room was last warned of */
};

/* All that belongs to one request, on the stack of the thread that serves it.
 */
struct visit {
	struct service *service;
	struct http *http;
	const struct caller *caller;
	char *const *envp;
	int64_t unix_ms; /* when the request came, since 1970 */
	struct request request;
	struct panel panel;
	/* ours, while we render for others too */
	const struct journey *journey;
	struct picture picture; /* what became of it */
	bool upload;            /* a PUT */
	bool again;             /* Grafana was busy for somebody else */
	bool shared;            /* somebody else's render answered */
};

struct service *
service_open(const struct settings *settings, FILE *complaints)
{
	struct service *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->settings = settings;
	/* the store first: the state is in it */
	s->store = store_open(settings, complaints);
	if (s->store != NULL) {
		s->state = state_open(settings, complaints);
		s->metrics = metrics_open(settings, complaints);
		s->health = health_open(settings);
		s->flight = flight_open(
		    sizeof(struct picture), settings->reuse_seconds * 1000);
	}
	if (s->metrics != NULL)
		s->pictures = pictures_open(settings, s->store, s->metrics);
	if (s->state == NULL || s->pictures == NULL || s->flight == NULL ||
	    s->health == NULL) {
		service_close(s);
		return NULL;
	}
	return s;
}

void
service_close(struct service *s)
{
	if (s == NULL)
		return;
	flight_close(s->flight);
	state_close(s->state);
	pictures_close(s->pictures);
	health_close(s->health);
	metrics_close(s->metrics);
	store_close(s->store);
	free(s);
}

void
service_stop(struct service *s)
{
	pictures_stop(s->pictures);
}

size_t
service_body_max(const struct service *s, char *const envp[])
{
	if (s->settings->uploads && request_is(envp, "PUT"))
		return (size_t)s->settings->max_image_bytes;
	return REQUEST_BODY_MAX;
}

/* The web server's word for who asks, if it is an address. */
static const char *
client_address(char *const envp[])
{
	const char *address = request_variable(envp, "REMOTE_ADDR");
	struct in6_addr room;

	if (address == NULL || (inet_pton(AF_INET, address, &room) != 1 &&
				   inet_pton(AF_INET6, address, &room) != 1))
		return NULL;
	return address;
}

/*
 * What a picture depends on.  The credential is part of it: nobody gets an
 * image through the rights of somebody else who happened to ask at the same
 * moment.
 */
static bool
make_key(unsigned char key[FLIGHT_KEY_BYTES], const struct visit *v)
{
	struct buf b;
	bool ok;

	buf_init(&b, SIZE_MAX / 2);
	ok = buf_printf(&b, "%s\n%s\n%s", v->request.authorization,
		 v->panel.origin->url, buf_str(&v->panel.target)) &&
	     digest_make(key, b.bytes, b.len);
	buf_free(&b);
	return ok;
}

/* Nobody waits for this picture any more: neither our caller nor others. */
static bool
is_unwanted(void *arg)
{
	const struct visit *v = arg;

	return caller_gone(v->caller) && !flight_wanted(v->journey);
}

/* What our picture is to others who wait for the same. */
static enum worth
worth_of(const struct visit *v, const struct picture *p)
{
	switch (p->outcome) {
	case OUTCOME_OK:
		return WORTH_KEEPING;
	case OUTCOME_BUSY:
	case OUTCOME_INTERNAL:
		return WORTH_NOTHING;
	case OUTCOME_SLOW:
		/* our time was over, or our caller gone: theirs need not be;
		 * libcurl may be a few milliseconds early */
		return caller_left_ms(v->caller) <= 100 ||
			       caller_gone(v->caller)
			   ? WORTH_NOTHING
			   : WORTH_SHARING;
	default:
		return WORTH_SHARING;
	}
}

static enum worth
go(void *arg, void *result, const struct journey *journey)
{
	struct visit *v = arg;
	struct picture *p = result;
	unsigned char digest[DIGEST_BYTES] = { 0 };
	struct picture_order order = {
		.panel = &v->panel,
		.authorization = v->request.authorization,
		.forwarded_for = client_address(v->envp),
		.caller = v->caller,
		.again = v->again,
		.cancelled = is_unwanted,
		.arg = v,
	};

	v->journey = journey;
	digest_make(
	    digest, v->request.authorization, strlen(v->request.authorization));
	memcpy(&order.credential, digest, sizeof(order.credential));
	pictures_make(v->service->pictures, p, &order, v->http);
	p->unix_ms = v->unix_ms;
	return worth_of(v, p);
}

static bool
is_still_kept(void *arg, const void *result)
{
	const struct visit *v = arg;

	return pictures_renew(
	    v->service->pictures, result, v->http, caller_left_ms(v->caller));
}

/* Who rendered for us had no time left for a busy Grafana.  We may. */
static bool
has_patience(const struct visit *v)
{
	return v->picture.outcome == OUTCOME_GRAFANA_BUSY &&
	       caller_left_ms(v->caller) > v->picture.retry_seconds * 1000;
}

static enum outcome
make_picture(struct visit *v, struct problem *p)
{
	struct flight_job job = {
		.go = go,
		.good = is_still_kept,
		.arg = v,
		.caller = v->caller,
	};
	unsigned char key[FLIGHT_KEY_BYTES];
	enum landing landing;

	if (!make_key(key, v))
		return problem_set(p, OUTCOME_INTERNAL, "There is no memory.");
	do {
		landing = flight_do(v->service->flight, key, &job, &v->picture);
		v->again = landing == LANDED_SHARED && has_patience(v);
	} while (v->again);
	switch (landing) {
	case LANDED_LATE:
		return problem_set_default(p, OUTCOME_SLOW);
	case LANDED_GONE:
		return problem_set(p, OUTCOME_SLOW,
		    "The caller went away before the answer came.");
	case LANDED_SHARED:
		v->shared = true;
		v->picture.render_ms = -1;
		/* the picture shows the times of that request */
		if (v->picture.outcome == OUTCOME_OK &&
		    v->picture.unix_ms != v->unix_ms &&
		    !panel_recount(
			&v->panel, v->service->settings, v->picture.unix_ms))
			return problem_set(
			    p, OUTCOME_INTERNAL, "There is no memory.");
		break;
	case LANDED_OWN:
		break;
	}
	return v->picture.outcome;
}

/* Somebody else's picture, to be kept under its own name.  Who may send one is
 * the web server's to say. */
static void
keep_upload(struct visit *v, struct body *body)
{
	struct picture *p = &v->picture;
	char name[REQUEST_NAME_MAX + 1];

	p->outcome = request_upload_name(name, v->envp, &p->problem);
	if (p->outcome == OUTCOME_OK)
		p->outcome = request_upload_body(v->envp, body, &p->problem);
	if (p->outcome == OUTCOME_OK)
		pictures_keep(v->service->pictures, p, name, &body->bytes,
		    v->http, v->caller);
}

/* The client has gone: nobody else waits for what a short link leads to. */
static bool
is_gone(void *arg)
{
	const struct visit *v = arg;

	return caller_gone(v->caller);
}

/* Find the panel behind a short link.  Two requests by short links, or by its
 * own address, then share its render. */
static enum outcome
follow_short_link(struct visit *v)
{
	struct picture *p = &v->picture;
	struct short_link link = {
		.authorization = v->request.authorization,
		.forwarded_for = client_address(v->envp),
		.left_ms = caller_left_ms(v->caller),
		.unix_ms = v->unix_ms,
		.cancelled = is_gone,
		.arg = v,
		.retry_seconds = REPLY_RETRY_SECONDS,
	};
	enum outcome o;

	o = short_link_follow(
	    &v->panel, &link, v->http, v->service->settings, &p->problem);
	p->retry_seconds = link.retry_seconds;
	return o;
}

static void
save_panel(struct visit *v, const struct body *body)
{
	struct picture *p = &v->picture;

	p->outcome = request_read(&v->request, v->envp, body, &p->problem);
	if (p->outcome == OUTCOME_OK)
		p->outcome = panel_check(&v->panel, v->request.url,
		    v->service->settings, v->unix_ms, &p->problem);
	if (p->outcome == OUTCOME_OK && v->panel.short_link)
		p->outcome = follow_short_link(v);
	if (p->outcome == OUTCOME_OK)
		p->outcome = make_picture(v, &p->problem);
}

static int
status_of(const struct visit *v)
{
	enum outcome o = v->picture.outcome;

	return v->upload ? outcome_upload_status(o) : outcome_status(o);
}

static void
reply_picture(struct buf *b, const struct visit *v)
{
	const struct picture *p = &v->picture;
	char expires[RETENTION_DAY_ROOM];
	struct buf address;
	struct saved saved = {
		.panel = buf_str(&v->panel.link),
		.width = p->size.width,
		.height = p->size.height,
		.bytes = p->bytes,
		.expires = expires,
	};

	buf_init(&address, REPLY_MAX);
	buf_printf(&address, "%s/%s", v->service->settings->public_url, p->key);
	saved.address = buf_str(&address);
	retention_expires(
	    expires, v->service->settings, p->key, (time_t)(v->unix_ms / 1000));
	reply_saved(b, &saved, v->upload);
	/* no address is worse than no reply */
	b->failed = b->failed || address.failed;
	buf_free(&address);
}

static void
reply(struct buf *b, const struct visit *v)
{
	struct refusal refusal = {
		.outcome = v->picture.outcome,
		.status = status_of(v),
		.why = v->picture.problem.why,
		.accept = request_variable(v->envp, "HTTP_ACCEPT"),
		.methods = v->service->settings->uploads ? "POST, PUT" : "POST",
		.retry_seconds = v->picture.retry_seconds,
	};

	if (v->picture.outcome == OUTCOME_SAVED)
		reply_picture(b, v);
	else
		reply_refused(b, &refusal);
}

static void
record(const struct visit *v)
{
	const struct picture *p = &v->picture;
	bool saved = p->outcome == OUTCOME_SAVED;
	char who[STATE_WHO_ROOM];
	struct buf panel;

	state_who(v->service->state, who, v->request.authorization);
	buf_init(&panel, SIZE_MAX / 2);
	if (v->panel.path_len > 0) {
		buf_puts(&panel, v->panel.origin->url);
		buf_add(&panel, buf_str(&v->panel.target), v->panel.path_len);
	}
	log_visit(&(struct visit_record){
	    .outcome = p->outcome,
	    .status = status_of(v),
	    .panel = buf_str(&panel),
	    .panel_len = panel.len,
	    .image = saved ? strchr(p->key, '/') + 1 : "",
	    .bytes = saved ? p->bytes : 0,
	    .render_ms = p->render_ms,
	    .total_ms = now_ms() - v->caller->start_ms,
	    .shared = v->shared,
	    .client = request_variable(v->envp, "REMOTE_ADDR"),
	    .who = who,
	    .problem = &p->problem,
	});
	buf_free(&panel);
}

/* Before nothing can be saved any more. */
static void
warn_of_little_room(struct service *s)
{
	int64_t min = s->settings->min_free_bytes;
	int64_t left = min == 0 ? -1 : store_free_bytes(s->store);

	if (left >= 0 && left / 2 < min && log_warning_due(&s->warned_ms))
		log_warning("The store's file system has less than twice "
			    "min_free_bytes left. Make room, or set "
			    "keep_days.");
}

static void
tell_health(struct service *s, struct http *http, struct buf *b)
{
	size_t count = s->settings->grafana_count;
	const char **words = calloc(count, sizeof(*words));
	struct health_reply w = {
		.store = store_health(s->store, http),
		.grafana_count = count,
		.grafana = s->settings->grafana,
		.words = words,
		.sandbox = sandbox_level(),
		.retry_seconds = REPLY_RETRY_SECONDS,
	};

	if (words == NULL) {
		b->failed = true;
		return;
	}
	w.ok = health_of_grafana(s->health, http, words) &&
	       strcmp(w.store, "ok") == 0;
	reply_health(b, &w);
	free(words);
}

/* How the service is, or what it has done. */
static void
tell(struct service *s, struct http *http, enum request_about about,
    struct buf *b)
{
	struct buf text;

	if (about == ABOUT_HEALTH) {
		tell_health(s, http, b);
		return;
	}
	buf_init(&text, REPLY_MAX);
	metrics_write(s->metrics, &text, store_free_bytes(s->store));
	reply_text(b, "text/plain; version=0.0.4; charset=utf-8", &text);
	buf_free(&text);
}

void
service_answer(struct service *s, struct http *http,
    const struct caller *caller, char *const envp[], struct body *body,
    struct buf *b)
{
	struct visit v = {
		.service = s,
		.http = http,
		.caller = caller,
		.envp = envp,
		.unix_ms = unix_time_ms(),
		.upload = s->settings->uploads && request_is(envp, "PUT"),
		.picture = { .render_ms = -1 },
	};

	if (request_about(envp) != ABOUT_NOTHING) {
		tell(s, http, request_about(envp), b);
		return;
	}
	metrics_request_begins(s->metrics);
	if (v.upload)
		keep_upload(&v, body);
	else
		save_panel(&v, body);
	if (v.picture.outcome == OUTCOME_OK)
		v.picture.outcome = OUTCOME_SAVED;
	reply(b, &v);
	if (b->failed)
		v.picture.outcome = problem_set(&v.picture.problem,
		    OUTCOME_INTERNAL, "There is no memory for the reply.");
	metrics_request_ends(s->metrics, v.picture.outcome,
	    now_ms() - caller->start_ms, v.shared);
	record(&v);
	if (v.picture.outcome == OUTCOME_SAVED)
		warn_of_little_room(s);
	panel_free(&v.panel);
	request_free(&v.request);
}
