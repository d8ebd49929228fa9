/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "grafana-images check": the settings, looked at before they are used.
 */
#include "cmd/commands.h"

#include "grafana/panel_url.h"
#include "grafana/render.h"
#include "net/http.h"
#include "store/folder.h"
#include "store/folder_problem.h"
#include "store/s3.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define PATIENCE_SECONDS 10

extern char **environ;

static void
warn_if_open(const char *name, const struct place *place)
{
	char *url;

	if (strcmp(place->scheme, "http") != 0 || place_is_loopback(place))
		return;
	url = place_url(place);
	fprintf(stderr,
	    "grafana-images: warning: %s: %s is not encrypted, and tokens go "
	    "there; use https://\n",
	    name, url == NULL ? "" : url);
	free(url);
}

static void
warn_of_addresses(const struct settings *s)
{
	struct place place;
	const char *why;
	size_t i;

	for (i = 0; i < s->grafana_count; i++)
		warn_if_open("grafana", &s->grafana[i].via);
	if (place_parse(&place, s->public_url, &why))
		warn_if_open("public_url", &place);
	place_free(&place);
	if (s->s3_endpoint != NULL) {
		if (place_parse(&place, s->s3_endpoint, &why))
			warn_if_open("s3_endpoint", &place);
		place_free(&place);
	}
}

/* A render with a token that nobody has: whoever gets a picture needs none. */
static void
ask(const struct settings *s, const struct origin *origin, struct http *http)
{
	struct panel panel = { .origin = origin };
	struct render r = { .panel = &panel,
		.authorization = "Bearer glsa_grafana-images-check-made-up",
		.left_ms = PATIENCE_SECONDS * 1000 };
	struct problem p = { 0 };
	struct http_response answer;
	enum outcome o = OUTCOME_INTERNAL;

	buf_init(&panel.target, 256);
	http_response_init(&answer, (size_t)s->max_image_bytes);
	if (buf_puts(&panel.target, "/render/d-solo/grafana-images-check"
				    "?panelId=1&width=1000&height=500"))
		o = render_panel(&answer, &r, http, s, &p);
	if (answer.status == 200 && (answer.cut || *answer.words == '\0'))
		fprintf(stderr,
		    "grafana-images: warning: %s accepts a made-up token: "
		    "anonymous access is on, and whoever may use this service "
		    "sees what anonymous visitors see; turn [auth.anonymous] "
		    "off\n",
		    origin->url);
	else if (o != OUTCOME_TOKEN_REFUSED && o != OUTCOME_FORBIDDEN)
		fprintf(stderr, "grafana-images: warning: %s: %s. %s%s%s\n",
		    origin->url, outcome_title(o),
		    *p.why == '\0' ? outcome_advice(o) : p.why,
		    *p.detail == '\0' ? "" : " ",
		    *p.detail == '\0' ? "" : p.detail);
	http_response_free(&answer);
	panel_free(&panel);
}

static void
try_folder(const struct settings *s)
{
	if (!folder_would_open(s->store))
		fprintf(stderr,
		    "grafana-images: warning: store = %s: this user cannot "
		    "write there: %s; %s\n",
		    s->store, strerrordesc_np(errno),
		    folder_problem_advice(errno));
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
	fprintf(stderr,
	    "grafana-images: warning: store = %s: an object cannot be %s: "
	    "%s%s%s\n",
	    s->store, step, p.why, *p.detail == '\0' ? "" : " ",
	    *p.detail == '\0' ? "" : p.detail);
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
		try_folder(s);
	for (i = 0; i < s->grafana_count; i++)
		ask(s, &s->grafana[i], http);
	http_close(http);
	return EX_OK;
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
	if (!settings_load(&settings, file, environ, stderr))
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
	warn_of_addresses(&settings);
	status = look_outside(&settings, bucket);
	http_stop();
out:
	bucket_close(bucket);
	settings_free(&settings);
	return status;
}
