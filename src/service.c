/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole journey of a request, top to bottom: the only file that knows the
 * order of the stages.
 */
#include "service.h"

#include "checker.h"
#include "log.h"
#include "panel.h"
#include "render.h"
#include "reply.h"
#include "state.h"
#include "store.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_SECONDS 5 /* what a caller is told when nothing better is known  \
			 */

struct service {
	const struct settings *settings;
	struct store *store;
	struct state *state;
	struct checker *checker;
};

/* All that belongs to one request, on the stack of the thread that serves it.
 */
struct visit {
	struct service *service;
	struct http *http;
	const struct caller *caller;
	char *const *envp;
	struct request request;
	struct panel panel;
	struct stored stored;
	struct png_size size;
	size_t bytes;      /* of the image as kept */
	int64_t render_ms; /* -1: Grafana was not asked */
	long retry_seconds;
	struct problem problem;
};

struct service *
service_open(const struct settings *settings, FILE *complaints)
{
	struct service *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->settings = settings;
	s->store = store_open(settings, complaints);
	if (s->store != NULL) {
		s->state = state_open(settings, complaints);
		s->checker = checker_open();
	}
	if (s->state == NULL || s->checker == NULL) {
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
	checker_close(s->checker);
	state_close(s->state);
	store_close(s->store);
	free(s);
}

size_t
service_body_max(const struct service *s, char *const envp[])
{
	(void)s;
	(void)envp;
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

/* Ask Grafana; what came is in "answer". */
static enum outcome
render(struct visit *v, struct http_answer *answer)
{
	struct render r = {
		.panel = &v->panel,
		.authorization = v->request.authorization,
		.forwarded_for = client_address(v->envp),
		.caller = v->caller,
	};
	int64_t start = http_now_ms();
	enum outcome o;

	o = render_panel(
	    answer, &r, v->http, v->service->settings, &v->problem);
	v->render_ms = http_now_ms() - start;
	if (answer->retry_after > 0)
		v->retry_seconds = answer->retry_after;
	return o;
}

/* Check what came, and keep the picture that is in it. */
static enum outcome
check_and_keep(struct visit *v, const struct buf *image)
{
	struct service *s = v->service;
	struct png_limits limits = {
		.pixels = (uint64_t)s->settings->max_image_pixels,
	};
	struct buf clean;
	enum outcome o;

	buf_init(&clean, image->len + 1024);
	o = checker_clean(
	    s->checker, &clean, &v->size, image, &limits, &v->problem);
	if (o == OUTCOME_SAVED)
		o = store_put(s->store, &v->stored, &clean, &v->problem);
	v->bytes = clean.len;
	buf_free(&clean);
	return o;
}

static enum outcome
render_and_keep(struct visit *v)
{
	struct http_answer answer;
	enum outcome o;

	http_answer_init(
	    &answer, (size_t)v->service->settings->max_image_bytes);
	o = render(v, &answer);
	if (o == OUTCOME_SAVED)
		o = check_and_keep(v, &answer.body);
	http_answer_free(&answer);
	return o;
}

static enum outcome
visit(struct visit *v, const struct body *body)
{
	enum outcome o;

	o = request_read(&v->request, v->envp, body, &v->problem);
	if (o == OUTCOME_SAVED)
		o = panel_check(&v->panel, v->request.url, v->service->settings,
		    &v->problem);
	if (o == OUTCOME_SAVED)
		o = render_and_keep(v);
	return o;
}

static void
reply(struct buf *b, const struct visit *v, enum outcome o)
{
	struct saved saved = {
		.address = v->stored.address,
		.panel = buf_str(&v->panel.link),
		.width = v->size.width,
		.height = v->size.height,
		.bytes = v->bytes,
	};
	struct refusal refusal = {
		.outcome = o,
		.why = v->problem.why,
		.accept = request_variable(v->envp, "HTTP_ACCEPT"),
		.methods = "POST",
		.retry_seconds = v->retry_seconds,
	};

	if (o == OUTCOME_SAVED)
		reply_saved(b, &saved, false);
	else
		reply_refused(b, &refusal);
}

static void
record(const struct visit *v, enum outcome o)
{
	const struct settings *settings = v->service->settings;
	int64_t start =
	    v->caller->deadline_ms - settings->answer_seconds * 1000;
	char who[STATE_WHO_ROOM];
	struct buf panel;

	state_who(v->service->state, who, v->request.authorization);
	buf_init(&panel, 65536 * 4);
	if (v->panel.path_len > 0) {
		buf_puts(&panel, v->panel.origin->url);
		buf_add(&panel, buf_str(&v->panel.target), v->panel.path_len);
	}
	log_visit(&(struct visit_record){
	    .outcome = o,
	    .status = outcome_status(o),
	    .panel = buf_str(&panel),
	    .panel_len = panel.len,
	    .image = o == OUTCOME_SAVED ? STORED_DIGEST(&v->stored) : "",
	    .bytes = o == OUTCOME_SAVED ? v->bytes : 0,
	    .render_ms = v->render_ms,
	    .total_ms = http_now_ms() - start,
	    .client = request_variable(v->envp, "REMOTE_ADDR"),
	    .who = who,
	    .problem = &v->problem,
	});
	buf_free(&panel);
}

void
service_answer(struct service *s, struct http *http,
    const struct caller *caller, char *const envp[], const struct body *body,
    struct buf *b)
{
	struct visit v = {
		.service = s,
		.http = http,
		.caller = caller,
		.envp = envp,
		.render_ms = -1,
		.retry_seconds = RETRY_SECONDS,
	};
	enum outcome o = visit(&v, body);

	reply(b, &v, o);
	record(&v, o);
	free(v.stored.address);
	panel_free(&v.panel);
	request_free(&v.request);
}
