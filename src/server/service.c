/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole journey of a request, top to bottom: the only file that knows the
 * order of the stages.
 */
#include "server/service.h"

#include "base/clock.h"
#include "base/escape.h"
#include "grafana/health.h"
#include "grafana/panel_url.h"
#include "grafana/short_link.h"
#include "server/access_log.h"
#include "server/door.h"
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
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct service {
	const struct settings *settings;
	struct store *store;
	struct pictures *pictures;
	struct singleflight *singleflight;
	struct state *state;
	struct metrics *metrics;
	struct health *health;
	_Atomic int64_t warned_ms; /* when little room was last warned of */
};

/* All that belongs to one request. */
struct request_context {
	struct service *service;
	const struct caller *caller;
	char *const *envp;
	int64_t unix_ms; /* when the request came, since 1970 */
	struct way_in way;
	struct request request;
	struct panel panel;
	char upload_name[REQUEST_NAME_MAX + 1];
	uint64_t credential; /* a number for it */
	unsigned char key[SINGLEFLIGHT_KEY_BYTES];
	struct call *call; /* that it leads, or NULL */
	struct follower follower;
	void (*wake)(void *wake_arg);
	void *wake_arg;
	struct picture picture; /* what became of it */
	struct body *body;      /* an upload's, borrowed */
	bool cached;            /* "picture" is a copy that may be too old */
	bool again;             /* Grafana was busy for the leader */
	bool shared;            /* another request's render answered */
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
		s->singleflight = singleflight_open(
		    sizeof(struct picture), settings->reuse_seconds * 1000);
	}
	if (s->metrics != NULL)
		s->pictures = pictures_open(settings, s->store, s->metrics);
	if (s->state == NULL || s->pictures == NULL ||
	    s->singleflight == NULL || s->health == NULL) {
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
	singleflight_close(s->singleflight);
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
 * What a picture depends on.  The credential is part of it: no caller gets an
 * image through the rights of another that happened to ask at the same moment.
 */
static bool
make_key(struct request_context *c)
{
	struct buf b;
	bool ok;

	buf_init(&b, SIZE_MAX / 2);
	ok = buf_printf(&b, "%s\n%s\n%s", c->request.authorization,
		 c->panel.origin->url, buf_str(&c->panel.target)) &&
	     digest_make(c->key, b.bytes, b.len);
	buf_free(&b);
	return ok;
}

/*
 * The life of a request.  Each of these says what it needs next.
 */

/* It ends here: c->picture says how.  What follows it learns of it. */
static enum request_needs
end(struct request_context *c, enum call_share share)
{
	struct call *call = c->call;

	c->call = NULL;
	if (call != NULL)
		singleflight_finish(
		    c->service->singleflight, call, &c->picture, share);
	return NEEDS_REPLY;
}

/* Lead, follow, or use what was just saved. */
static enum request_needs
join(struct request_context *c)
{
	enum call_role role = singleflight_join(
	    c->service->singleflight, c->key, &c->follower, &c->call);

	c->cached = role == CALL_CACHED;
	return role == CALL_FOLLOWS ? NEEDS_LEADER : NEEDS_WORKER;
}

static enum request_needs
join_by_panel(struct request_context *c)
{
	if (make_key(c))
		return join(c);
	c->picture.outcome = problem_set(
	    &c->picture.problem, OUTCOME_INTERNAL, "There is no memory.");
	return NEEDS_REPLY;
}

static void
wake(struct follower *f)
{
	struct request_context *c =
	    (struct request_context *)(void *)((char *)f -
					       offsetof(struct request_context,
						   follower));

	c->wake(c->wake_arg);
}

struct request_context *
request_open(struct service *s, const struct caller *caller, char *const envp[],
    void (*wake_function)(void *arg), void *arg)
{
	struct request_context *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->service = s;
	c->caller = caller;
	c->envp = envp;
	c->wake = wake_function;
	c->wake_arg = arg;
	c->unix_ms = unix_time_ms();
	c->follower.wake = wake_function == NULL ? NULL : wake;
	c->follower.result = &c->picture;
	c->picture.render_ms = -1;
	c->picture.retry_seconds = REPLY_RETRY_SECONDS;
	return c;
}

/* A number for the credential: the same for the same one.  Uploads have none
 * of their own and are counted as one. */
static uint64_t
number_of(const struct request_context *c)
{
	unsigned char digest[DIGEST_BYTES] = { 0 };
	const char *credential = c->request.authorization;
	uint64_t number;

	if (credential != NULL)
		digest_make(digest, credential, strlen(credential));
	memcpy(&number, digest, sizeof(number));
	return number;
}

/* Which method, and where: web servers send here what does not belong. */
static enum outcome
refuse_method(struct request_context *c)
{
	const char *method = request_variable(c->envp, "REQUEST_METHOD");
	const char *path = request_variable(c->envp, "PATH_INFO");
	struct problem *p = &c->picture.problem;
	char shown_method[24], shown_path[128];

	method = method == NULL ? "" : method;
	path = path == NULL || *path == '\0' ? "this address" : path;
	escape_printable(
	    shown_method, sizeof(shown_method), method, strlen(method));
	escape_printable(shown_path, sizeof(shown_path), path, strlen(path));
	if (strcmp(method, "PUT") == 0 && !c->service->settings->uploads)
		return problem_set(p, OUTCOME_METHOD,
		    "PUT is not allowed at %s: this service takes no uploads "
		    "(its setting \"uploads\" is off). Send a POST.",
		    shown_path);
	return problem_set(p, OUTCOME_METHOD,
	    "%s is not allowed at %s. Allowed: %s.", shown_method, shown_path,
	    c->way.methods);
}

enum request_needs
request_begin(struct request_context *c)
{
	struct picture *p = &c->picture;
	const struct settings *settings = c->service->settings;

	c->way = door_find(c->envp, settings->uploads);
	switch (c->way.door) {
	case DOOR_HEALTH:
		return NEEDS_HEALTH;
	case DOOR_METRICS:
		return NEEDS_METRICS;
	case DOOR_POST:
		p->outcome = request_head(&c->request, c->envp, &p->problem);
		break;
	case DOOR_PUT:
		p->outcome = request_upload_head(c->upload_name, c->envp,
		    (size_t)settings->max_image_bytes, &p->problem);
		break;
	case DOOR_NONE:
		p->outcome = refuse_method(c);
		break;
	}
	metrics_request_begins(c->service->metrics);
	c->credential = number_of(c);
	return p->outcome == OUTCOME_OK ? NEEDS_BODY : NEEDS_REPLY;
}

bool
request_is_upload(const struct request_context *c)
{
	return c->way.door == DOOR_PUT;
}

size_t
request_body_max(const struct request_context *c)
{
	if (request_is_upload(c))
		return (size_t)c->service->settings->max_image_bytes;
	return REQUEST_BODY_MAX;
}

uint64_t
request_credential(const struct request_context *c)
{
	return c->credential;
}

enum request_needs
request_take_body(struct request_context *c, struct body *body)
{
	struct picture *p = &c->picture;

	if (request_is_upload(c)) {
		c->body = body;
		p->outcome = request_upload_body(c->envp, body, &p->problem);
		return p->outcome == OUTCOME_OK ? NEEDS_WORKER : NEEDS_REPLY;
	}
	p->outcome = request_body(&c->request, c->envp, body, &p->problem);
	if (p->outcome == OUTCOME_OK)
		p->outcome = panel_check(&c->panel, c->request.url,
		    c->service->settings, c->unix_ms, &p->problem);
	if (p->outcome != OUTCOME_OK)
		return NEEDS_REPLY;
	/* Grafana says which panel that is */
	return c->panel.short_link ? NEEDS_WORKER : join_by_panel(c);
}

/* No caller waits for this picture any more: neither ours nor others. */
static bool
is_unwanted(void *arg)
{
	const struct request_context *c = arg;

	return caller_gone(c->caller) && !singleflight_is_followed(c->call);
}

/* What our picture is to others that wait for the same. */
static enum call_share
share_of(const struct request_context *c)
{
	switch (c->picture.outcome) {
	case OUTCOME_OK:
		return CACHE;
	case OUTCOME_BUSY:
	case OUTCOME_INTERNAL:
		return NO_SHARE;
	case OUTCOME_SLOW:
		/* our time was over, or our caller gone: theirs need not be;
		 * libcurl may be a few milliseconds early */
		return caller_left_ms(c->caller) <= 100 ||
			       caller_gone(c->caller)
			   ? NO_SHARE
			   : SHARE;
	default:
		return SHARE;
	}
}

/* Another request's picture answers: it shows the times of that request. */
static enum request_needs
share(struct request_context *c)
{
	struct picture *p = &c->picture;

	c->shared = true;
	p->render_ms = -1;
	if (p->outcome == OUTCOME_OK && p->unix_ms != c->unix_ms &&
	    !panel_recount(&c->panel, c->service->settings, p->unix_ms))
		p->outcome = problem_set(
		    &p->problem, OUTCOME_INTERNAL, "There is no memory.");
	return NEEDS_REPLY;
}

/* The client has gone: no other waits for what a short link leads to. */
static bool
is_gone(void *arg)
{
	const struct request_context *c = arg;

	return caller_gone(c->caller);
}

/* Find the panel behind a short link.  Two requests by short links, or by its
 * own address, then share its render. */
static enum outcome
follow_short_link(struct request_context *c, struct http *http)
{
	struct picture *p = &c->picture;
	struct short_link link = {
		.authorization = c->request.authorization,
		.forwarded_for = client_address(c->envp),
		.left_ms = caller_left_ms(c->caller),
		.unix_ms = c->unix_ms,
		.cancelled = is_gone,
		.arg = c,
		.retry_seconds = REPLY_RETRY_SECONDS,
	};
	enum outcome o;

	o = short_link_follow(
	    &c->panel, &link, http, c->service->settings, &p->problem);
	p->retry_seconds = link.retry_seconds;
	return o;
}

/* Use what was just saved, if it is still there. */
static enum request_needs
reuse(struct request_context *c, struct http *http)
{
	c->cached = false;
	if (pictures_renew(c->service->pictures, &c->picture, http,
		caller_left_ms(c->caller)))
		return share(c);
	singleflight_forget(c->service->singleflight, c->key);
	return join(c);
}

enum request_needs
request_work(struct request_context *c, struct http *http)
{
	struct picture_order order = {
		.panel = &c->panel,
		.authorization = c->request.authorization,
		.credential = c->credential,
		.forwarded_for = client_address(c->envp),
		.caller = c->caller,
		.again = c->again,
		.cancelled = is_unwanted,
		.arg = c,
	};

	if (request_is_upload(c)) {
		pictures_keep(c->service->pictures, &c->picture, c->upload_name,
		    &c->body->bytes, http, c->caller);
		return NEEDS_REPLY;
	}
	if (c->panel.short_link) {
		c->picture.outcome = follow_short_link(c, http);
		return c->picture.outcome == OUTCOME_OK ? join_by_panel(c)
							: NEEDS_REPLY;
	}
	if (c->cached)
		return reuse(c, http);
	pictures_make(c->service->pictures, &c->picture, &order, http);
	c->picture.unix_ms = c->unix_ms;
	return end(c, share_of(c));
}

enum request_needs
request_resume(struct request_context *c)
{
	/* the leader had no time left for a busy Grafana; we may have */
	c->again = c->follower.shared &&
		   c->picture.outcome == OUTCOME_GRAFANA_BUSY &&
		   caller_left_ms(c->caller) > c->picture.retry_seconds * 1000;
	if (!c->follower.shared || c->again)
		return join(c);
	return share(c);
}

bool
request_leave(struct request_context *c)
{
	return singleflight_leave(c->service->singleflight, &c->follower);
}

enum request_needs
request_refuse(struct request_context *c, enum request_refusal why)
{
	struct picture *p = &c->picture;

	switch (why) {
	case REFUSED_BUSY:
		p->outcome = problem_set_default(&p->problem, OUTCOME_BUSY);
		break;
	case REFUSED_STOPPING:
		p->outcome = problem_set_default(&p->problem, OUTCOME_STOPPING);
		break;
	case REFUSED_LATE:
		p->outcome = problem_set_default(&p->problem, OUTCOME_SLOW);
		break;
	case REFUSED_GONE:
		p->outcome = problem_set(&p->problem, OUTCOME_SLOW,
		    "The caller went away before the answer came.");
		break;
	}
	return end(c, why == REFUSED_STOPPING ? SHARE : NO_SHARE);
}

static int
status_of(const struct request_context *c)
{
	enum outcome o = c->picture.outcome;

	return request_is_upload(c) ? outcome_upload_status(o)
				    : outcome_status(o);
}

static void
reply_picture(struct buf *b, const struct request_context *c)
{
	const struct picture *p = &c->picture;
	char expires[RETENTION_DAY_ROOM];
	struct buf address;
	struct saved saved = {
		.panel = buf_str(&c->panel.link),
		.width = p->size.width,
		.height = p->size.height,
		.bytes = p->bytes,
		.expires = expires,
	};

	buf_init(&address, REPLY_MAX);
	buf_printf(&address, "%s/%s", c->service->settings->public_url, p->key);
	saved.address = buf_str(&address);
	retention_expires(
	    expires, c->service->settings, p->key, (time_t)(c->unix_ms / 1000));
	reply_saved(b, &saved, request_is_upload(c));
	/* no address is worse than no reply */
	b->failed = b->failed || address.failed;
	buf_free(&address);
}

static void
reply(struct buf *b, const struct request_context *c)
{
	struct refusal refusal = {
		.outcome = c->picture.outcome,
		.status = status_of(c),
		.why = c->picture.problem.why,
		.accept = request_variable(c->envp, "HTTP_ACCEPT"),
		.methods = c->way.methods,
		.retry_seconds = c->picture.retry_seconds,
	};

	if (c->picture.outcome == OUTCOME_SAVED)
		reply_picture(b, c);
	else
		reply_refused(b, &refusal);
}

static void
record(const struct request_context *c)
{
	const struct picture *p = &c->picture;
	bool saved = p->outcome == OUTCOME_SAVED;
	char who[STATE_WHO_ROOM];
	struct buf panel;

	state_who(c->service->state, who, c->request.authorization);
	buf_init(&panel, SIZE_MAX / 2);
	if (c->panel.path_len > 0) {
		buf_puts(&panel, c->panel.origin->url);
		buf_add(&panel, buf_str(&c->panel.target), c->panel.path_len);
	}
	log_visit(&(struct visit_record){
	    .outcome = p->outcome,
	    .status = status_of(c),
	    .panel = buf_str(&panel),
	    .panel_len = panel.len,
	    .image = saved ? strchr(p->key, '/') + 1 : "",
	    .bytes = saved ? p->bytes : 0,
	    .render_ms = p->render_ms,
	    .total_ms = now_ms() - c->caller->start_ms,
	    .shared = c->shared,
	    .client = request_variable(c->envp, "REMOTE_ADDR"),
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

void
service_health(struct service *s, struct http *http, struct buf *b)
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

void
service_metrics(struct service *s, struct buf *b)
{
	struct buf text;

	buf_init(&text, REPLY_MAX);
	metrics_write(s->metrics, &text, store_free_bytes(s->store));
	reply_text(b, "text/plain; version=0.0.4; charset=utf-8", &text);
	buf_free(&text);
}

void
request_reply(struct request_context *c, struct buf *b)
{
	struct picture *p = &c->picture;

	if (p->outcome == OUTCOME_OK)
		p->outcome = OUTCOME_SAVED;
	reply(b, c);
	if (b->failed)
		p->outcome = problem_set(&p->problem, OUTCOME_INTERNAL,
		    "There is no memory for the reply.");
	metrics_request_ends(c->service->metrics, p->outcome,
	    now_ms() - c->caller->start_ms, c->shared);
	record(c);
	if (p->outcome == OUTCOME_SAVED)
		warn_of_little_room(c->service);
}

void
request_close(struct request_context *c)
{
	if (c == NULL)
		return;
	panel_free(&c->panel);
	request_free(&c->request);
	free(c);
}
