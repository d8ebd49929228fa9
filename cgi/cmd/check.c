/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "grafana-images check": the settings, and what they name, looked at before
 * they are used.
 */
#include "cmd/commands.h"

#include "cmd/web_user.h"
#include "grafana/health.h"
#include "grafana/panel_url.h"
#include "grafana/render.h"
#include "grafana/renderer.h"
#include "net/http.h"
#include "store/folder.h"
#include "store/folder_problem.h"
#include "store/s3.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define PATIENCE_SECONDS 10
#define MADE_UP          "Bearer glsa_grafana-images-check-made-up"

extern char **environ;

static unsigned warnings; /* said so far */

static void __attribute__((format(printf, 1, 2))) warn(const char *format, ...)
{
	va_list ap;

	warnings++;
	fputs("grafana-images: warning: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
}

/*
 * Addresses
 */

static void
warn_if_open(const char *name, const struct place *place, const char *risk)
{
	char *url;

	if (strcmp(place->scheme, "http") != 0 || place_is_loopback(place))
		return;
	url = place_url(place);
	warn("%s: %s is not encrypted, %s; use https://", name,
	    url == NULL ? "" : url, risk);
	free(url);
}

/* Nobody but the readers of a chat would notice. */
static void
look_up(const struct place *place)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	char host[256];
	size_t len = strlen(place->host);
	int rc;

	if (place->host[0] == '[' || len >= sizeof(host))
		return;
	memcpy(host, place->host, len + 1);
	rc = getaddrinfo(host, NULL, &hints, &found);
	if (rc != 0)
		warn("public_url: the name %s cannot be looked up: %s; the "
		     "addresses in replies will not open",
		    host, gai_strerror(rc));
	else
		freeaddrinfo(found);
}

static void
check_addresses(const struct settings *s)
{
	struct place place;
	const char *why;
	size_t i;

	for (i = 0; i < s->grafana_count; i++)
		warn_if_open(
		    "grafana", &s->grafana[i].via, "and tokens go there");
	if (place_parse(&place, s->public_url, &why)) {
		warn_if_open("public_url", &place,
		    "and callers send their tokens to that host");
		look_up(&place);
	}
	place_free(&place);
	if (s->s3_endpoint != NULL) {
		if (place_parse(&place, s->s3_endpoint, &why))
			warn_if_open(
			    "s3_endpoint", &place, "and the images go there");
		place_free(&place);
	}
	if (s->render_seconds > s->answer_seconds)
		warn("render_seconds = %lld is cut to answer_seconds = %lld",
		    (long long)s->render_seconds, (long long)s->answer_seconds);
}

/*
 * Each Grafana
 */

/* A render with a token that nobody has: whoever gets a picture needs none.
 * false when no answer came at all. */
static bool
ask_with_made_up_token(
    const struct settings *s, const struct origin *origin, struct http *http)
{
	struct panel panel = { .origin = origin };
	struct render r = { .panel = &panel,
		.authorization = MADE_UP,
		.left_ms = PATIENCE_SECONDS * 1000 };
	struct problem p = { 0 };
	struct http_response answer;
	enum outcome o = OUTCOME_INTERNAL;
	int status;

	buf_init(&panel.target, 256);
	http_response_init(&answer, (size_t)s->max_image_bytes);
	if (buf_puts(&panel.target, "/render/d-solo/grafana-images-check"
				    "?panelId=1&width=1000&height=500"))
		o = render_panel(&answer, &r, http, s, &p);
	status = answer.status;
	if (o == OUTCOME_OK || o == OUTCOME_TOO_BIG || o == OUTCOME_NO_RENDERER)
		warn("%s accepts a made-up token: anonymous access is on, and "
		     "whoever may use this service sees what anonymous "
		     "visitors see; turn [auth.anonymous] off",
		    origin->url);
	if (o == OUTCOME_NO_RENDERER)
		warn("%s: %s. %s", origin->url, outcome_title(o),
		    outcome_advice(o));
	/* its own refusal is the right answer, and has no sentence */
	else if (o != OUTCOME_OK && o != OUTCOME_TOO_BIG &&
		 !((o == OUTCOME_TOKEN_REFUSED || o == OUTCOME_FORBIDDEN) &&
		     *p.why == '\0'))
		warn("%s: %s%s%s%s%s", origin->url,
		    *p.why == '\0' ? outcome_title(o) : p.why,
		    *p.why == '\0' ? ". " : "",
		    *p.why == '\0' ? outcome_advice(o) : "",
		    *p.detail == '\0' ? "" : " ", p.detail);
	http_response_free(&answer);
	panel_free(&panel);
	return status != 0;
}

static void
check_grafana(
    const struct settings *s, const struct origin *origin, struct http *http)
{
	const char *health;

	if (!ask_with_made_up_token(s, origin, http))
		return;
	health = health_ask(origin, http, PATIENCE_SECONDS * 1000);
	if (strcmp(health, "ok") != 0)
		warn("%s: Grafana %s (asked for /api/health)", origin->url,
		    health);
	/* for signed-in users only: often there is no answer */
	if (renderer_ask(origin, MADE_UP, PATIENCE_SECONDS * 1000, http) ==
	    RENDERER_MISSING)
		warn("%s: Grafana has no image renderer. Install "
		     "grafana-image-renderer, and name it in Grafana's "
		     "setting [rendering] server_url.",
		    origin->url);
}

/*
 * The store
 */

static void
check_folder(const struct settings *s)
{
	struct web_user user = { 0 };
	char barred[PATH_MAX];
	int64_t free_bytes;

	if (!folder_would_open(s->store))
		warn("store = %s: this user cannot write there: %s; %s",
		    s->store, strerrordesc_np(errno),
		    folder_problem_advice(errno));
	free_bytes = path_free_bytes(s->store);
	if (free_bytes >= 0 && free_bytes < s->min_free_bytes)
		warn("store = %s: the file system has %lld bytes left, and "
		     "min_free_bytes = %lld: make room, or set keep_days",
		    s->store, (long long)free_bytes,
		    (long long)s->min_free_bytes);
	else if (free_bytes == 0)
		warn("store = %s: the file system is full: make room, or set "
		     "keep_days",
		    s->store);
	web_user_find(&user);
	if (!web_user_may_enter(&user, s->store, barred, sizeof(barred)))
		warn("store = %s: %s cannot enter %s, so that no image opens: "
		     "chmod o+x %s",
		    s->store, user.name, barred, barred);
}

/* One small object there and back; it stays only if it cannot be removed. */
static void
try_bucket(const struct settings *s, struct bucket *bucket, struct http *http)
{
	struct problem p = { 0 };
	const char *step;

	if (bucket_try(bucket, &step, http, PATIENCE_SECONDS * 1000, &p) ==
	    OUTCOME_OK)
		return;
	warn("store = %s: an object cannot be %s: %s%s%s", s->store, step,
	    p.why, *p.detail == '\0' ? "" : " ", p.detail);
}

/* What no setting can say of itself. */
static int
look_outside(const struct settings *s, struct bucket *bucket)
{
	struct http_options options = settings_http_options(s);
	struct http *http = http_open(&options);
	size_t i;

	if (http == NULL) {
		fputs("grafana-images: there is no memory\n", stderr);
		return EX_OSERR;
	}
	if (bucket != NULL)
		try_bucket(s, bucket, http);
	else
		check_folder(s);
	for (i = 0; i < s->grafana_count; i++)
		check_grafana(s, &s->grafana[i], http);
	http_close(http);
	return EX_OK;
}

/* What the settings warn of counts, too. */
static bool
load(struct settings *settings, const char *file)
{
	char *said = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&said, &len);
	bool ok;

	if (f == NULL)
		return settings_load(settings, file, environ, stderr);
	ok = settings_load(settings, file, environ, f);
	fclose(f);
	if (said != NULL)
		fputs(said, stderr);
	if (len > 0)
		warnings++;
	free(said);
	return ok;
}

int
check_run(const char *file, int argc, char *argv[])
{
	struct settings settings;
	struct http_options options;
	struct bucket *bucket = NULL;
	int status = EX_CONFIG;

	(void)argv;
	if (argc > 0)
		return EX_USAGE;
	if (!load(&settings, file))
		goto out;
	/* without it root looks, too: nothing is changed in a folder */
	(void)owner_become(&settings);
	if (settings_store_is_s3(&settings)) {
		bucket = bucket_open(&settings, stderr);
		if (bucket == NULL)
			goto out;
	}
	options = settings_http_options(&settings);
	if (!http_start(&options, stderr))
		goto out;
	settings_print(&settings, stdout);
	fflush(stdout);
	check_addresses(&settings);
	status = look_outside(&settings, bucket);
	if (status == EX_OK && warnings == 0)
		puts("no problems found");
	http_stop();
out:
	bucket_close(bucket);
	settings_free(&settings);
	return status;
}
