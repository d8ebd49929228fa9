/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grafana's manners.
 *
 * It answers 200 with a picture where others answer with an error, and 302 to
 * its login page where others answer 401.  Read in the sources of Grafana 6 to
 * 13: pkg/api/render.go, pkg/services/rendering, pkg/services/contexthandler.
 */
#include "grafana/render.h"

#include "base/sha256.h"
#include "grafana/status.h"

#include <inttypes.h>
#include <string.h>

/* A picture made this long before the answer is a file, not a render.  Proxies
 * write the Date themselves, and clocks differ by hours. */
#define FRESH_SECONDS 86400

const struct http_peer render_peer = { "Grafana", "the setting \"grafana\"",
	"tls_ca_file", "Ask whoever runs this service to" };

/* Pictures that Grafana ships (public/img) and sends with status 200. */
static const struct {
	const char *sha256;
	size_t bytes;
	enum outcome means;
} shipped[] = {
	/* rendering_plugin_not_installed.png: since 7.4; 6.x */
	{ "02923f5883878de815eb8cb64ab06fe0"
	  "073362744cfdcaed134744d563392af8",
	    9095, OUTCOME_NO_RENDERER },
	{ "95b4015f908326dea0069d7f6aa8fd18"
	  "856b2e46092922eab595e66081fe7f14",
	    3651, OUTCOME_NO_RENDERER },
	/* rendering_limit_dark.png, rendering_limit_light.png */
	{ "8af5c59b9cd29655bb166b0449fc5d7b"
	  "dd74afb0e756c35af6dbbf4b9a1c6b65",
	    3859, OUTCOME_GRAFANA_BUSY },
	{ "967b67a952d5cf1d5ddf4774faa9c16c"
	  "1725f62b763b1552f27a629c55b80d39",
	    11847, OUTCOME_GRAFANA_BUSY },
	/* rendering_error_dark.png, rendering_error_light.png */
	{ "af1a5ca17fc27b17e030c0f3b2f85f0e"
	  "480a07ab6f12a26edcbe0d5aa6ba2100",
	    3161, OUTCOME_UPSTREAM },
	{ "d1593b71c2f13b697887c4cccc4bde03"
	  "45613edda3bd96a29c471e9613c64a8c",
	    10768, OUTCOME_UPSTREAM },
	/* rendering_timeout_dark.png, rendering_timeout_light.png */
	{ "beea44a00d5a65dda51f444501de2c36"
	  "0a27f10d547bc939d8f9bfd98691f431",
	    3382, OUTCOME_UPSTREAM },
	{ "e5c26d42fee4d58de578fb53f7354a9d"
	  "4bdda0fa4222d5c5249310906f0680b3",
	    10877, OUTCOME_UPSTREAM },
};

/* A picture is known to mean something else than a panel. */
static enum outcome
refuse_picture(struct problem *p, enum outcome means)
{
	if (means == OUTCOME_UPSTREAM)
		return problem_set(p, means,
		    "Grafana sent its picture of an error instead of the "
		    "panel. Look at Grafana's log.");
	return problem_set_default(p, means);
}

/* A digest costs as much as a tenth of checking the picture. */
static bool
may_be_known(const struct http_response *a, const struct settings *settings)
{
	size_t i;

	for (i = 0; i < sizeof(shipped) / sizeof(shipped[0]); i++)
		if (shipped[i].bytes == a->body.len)
			return true;
	return settings->wrong_picture_count > 0;
}

static enum outcome
judge_picture(const struct http_response *a, const struct settings *settings,
    struct problem *p)
{
	unsigned char digest[DIGEST_BYTES];
	char hex[DIGEST_HEX_ROOM];
	size_t i;

	if (!may_be_known(a, settings))
		return OUTCOME_OK;
	if (!digest_make(digest, a->body.bytes, a->body.len))
		return problem_set(
		    p, OUTCOME_INTERNAL, "SHA-256 does not work.");
	/* the administrator's list first: it may correct the shipped one */
	for (i = 0; i < settings->wrong_picture_count; i++)
		if (memcmp(digest, settings->wrong_pictures[i].sha256,
			DIGEST_BYTES) == 0)
			return refuse_picture(
			    p, settings->wrong_pictures[i].means);
	digest_hex(hex, digest);
	for (i = 0; i < sizeof(shipped) / sizeof(shipped[0]); i++)
		if (strcmp(hex, shipped[i].sha256) == 0)
			return refuse_picture(p, shipped[i].means);
	return OUTCOME_OK;
}

/* A render's file was made for this answer; a placeholder's when Grafana was
 * installed. */
static bool
is_stale(const struct http_response *a)
{
	static const char png[] = "\x89PNG\r\n\x1a\n";

	return a->date != -1 && a->last_modified != -1 &&
	       a->date - a->last_modified > FRESH_SECONDS && a->body.len >= 8 &&
	       memcmp(a->body.bytes, png, 8) == 0;
}

static enum outcome
refuse_file(const struct http_response *a, struct problem *p)
{
	unsigned char digest[DIGEST_BYTES];
	char hex[DIGEST_HEX_ROOM] = "unknown";

	if (digest_make(digest, a->body.bytes, a->body.len))
		digest_hex(hex, digest);
	return problem_set(p, OUTCOME_UPSTREAM,
	    "Grafana sent a file that is %" PRId64 " hours old instead of a "
	    "fresh picture of the panel. If the clocks of Grafana and of the "
	    "proxy before it differ by as much, set them. If the picture means "
	    "something, name it in the setting \"wrong_pictures\": its SHA-256 "
	    "is %s.",
	    (a->date - a->last_modified) / 3600, hex);
}

/* A page of HTML where a picture was asked for: Grafana has none below
 * /render/. */
static bool
is_page(const struct http_response *a)
{
	size_t i;

	for (i = 0; i < a->body.len && i < 512; i++)
		if (strchr(" \t\r\n", a->body.bytes[i]) == NULL)
			return a->body.bytes[i] == '<';
	return false;
}

static enum outcome
refuse_page(const struct origin *origin, struct problem *p)
{
	return problem_set(p, OUTCOME_NOT_A_PNG,
	    "Instead of a picture came an HTML page. It may be the login page "
	    "of something in front of Grafana. Ask whoever runs this service "
	    "to let it reach Grafana itself, by the setting: grafana = %s via "
	    "http://ADDRESS:3000.",
	    origin->url);
}

enum outcome
render_classify_end(
    enum http_end end, const struct http_response *a, struct problem *p)
{
	switch (end) {
	case HTTP_WHOLE:
		problem_set_detail(p, NULL);
		return OUTCOME_OK;
	case HTTP_SLOW:
		return http_problem_set(p, OUTCOME_SLOW, a,
		    "Grafana took too long to render the panel. Ask for a "
		    "shorter time range, or try again later.");
	case HTTP_CANCELLED:
		return http_problem_set(p, OUTCOME_SLOW, a,
		    "The caller went away before the answer came.");
	case HTTP_TOO_BIG:
		/* of an error's page the status is enough */
		if (a->status != 200)
			return OUTCOME_OK;
		return http_problem_set(p, OUTCOME_TOO_BIG, a,
		    "The image has more bytes than this service takes. Ask "
		    "for a smaller width, height or scale.");
	case HTTP_NO_MEMORY:
		return http_problem_set(
		    p, OUTCOME_INTERNAL, a, "There is no memory.");
	case HTTP_BAD_IP:
		http_problem_set(p, OUTCOME_UPSTREAM, a, "");
		return problem_set(p, OUTCOME_UPSTREAM,
		    "Grafana's name leads to %s, an IP address that no "
		    "Grafana has. Ask whoever runs this service to look at "
		    "the name's DNS entry.",
		    a->refused_ip);
	default:
		return http_problem(p,
		    http_end_is_slow(end) ? OUTCOME_SLOW : OUTCOME_UPSTREAM,
		    end, a, &render_peer);
	}
}

enum outcome
render_panel(struct http_response *a, const struct render *r, struct http *http,
    const struct settings *settings, struct problem *p)
{
	const struct http_header headers[] = {
		{ "Accept", "image/png" },
		{ "Authorization", r->authorization },
		{ "X-Grafana-Org-Id",
		    panel_org_id(r->panel, r->authorization) },
		{ "X-Forwarded-For", r->forwarded_for },
		{ NULL, NULL },
	};
	struct http_request request = {
		.origin = r->panel->origin,
		.method = "GET",
		.target = buf_str(&r->panel->target),
		.headers = headers,
		.max_ms = settings->render_seconds * 1000,
		.cancelled = r->cancelled,
		.arg = r->arg,
		.arrives = r->arrives,
		.arrives_arg = r->arrives_arg,
	};
	enum outcome o;

	if (request.max_ms > r->left_ms)
		request.max_ms = r->left_ms;
	request.max_wait_ms = r->left_ms - request.max_ms;
	o = render_classify_end(http_send(http, &request, a), a, p);
	p->upstream = a->status;
	if (o == OUTCOME_OK)
		o = status_classify(a, r->panel->origin, p);
	if (o == OUTCOME_OK)
		o = judge_picture(a, settings, p);
	if (o == OUTCOME_OK && is_stale(a))
		return refuse_file(a, p);
	if (o == OUTCOME_OK && is_page(a))
		return refuse_page(r->panel->origin, p);
	return o;
}
