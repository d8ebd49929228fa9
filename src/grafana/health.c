/* SPDX-License-Identifier: Apache-2.0 */
#include "grafana/health.h"

#include "base/clock.h"
#include "grafana/answer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define ASK_AGAIN_MS 5000
#define PATIENCE_MS  2000 /* for all of them */
#define ANSWER_MAX   65536

struct health {
	const struct settings *settings;
	pthread_mutex_t lock; /* guards all below; held while one asks, so that
				 others do not ask as well */
	int64_t *asked_ms;    /* of each Grafana; 0: never */
	const char **words;
};

struct health *
health_open(const struct settings *settings)
{
	struct health *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return NULL;
	h->settings = settings;
	pthread_mutex_init(&h->lock, NULL);
	h->asked_ms = calloc(settings->grafana_count, sizeof(*h->asked_ms));
	h->words = calloc(settings->grafana_count, sizeof(*h->words));
	if (h->asked_ms == NULL || h->words == NULL) {
		health_close(h);
		return NULL;
	}
	return h;
}

void
health_close(struct health *h)
{
	if (h == NULL)
		return;
	pthread_mutex_destroy(&h->lock);
	free(h->asked_ms);
	free(h->words);
	free(h);
}

/* Grafana's own JSON (its HTTP API, "Health API"), or another's page? */
static const char *
health_word(const struct http_response *a)
{
	const char *json = buf_str(&a->body);
	char database[16];

	if (!answer_member(
		json, a->body.len, "database", database, sizeof(database)))
		return "is not reached: something in front of it answers";
	if (a->status != 200 || strcmp(database, "ok") != 0)
		return "answers, but not as a healthy Grafana";
	return "ok";
}

const char *
health_ask(const struct origin *origin, struct http *http, int64_t max_ms)
{
	const struct http_header headers[] = {
		{ "Accept", "application/json" },
		{ NULL, NULL },
	};
	const struct http_request request = {
		.origin = origin,
		.method = "GET",
		.target = "/api/health",
		.headers = headers,
		.max_ms = max_ms,
	};
	struct http_response response;
	const char *word;
	enum http_end end;

	http_response_init(&response, ANSWER_MAX);
	end = http_send(http, &request, &response);
	if (end != HTTP_WHOLE)
		word = http_end_phrase(end);
	else
		word = health_word(&response);
	http_response_free(&response);
	return word;
}

bool
health_of_grafana(struct health *h, struct http *http, const char **words)
{
	size_t i, count = h->settings->grafana_count;
	int64_t until;
	bool ok = false;

	pthread_mutex_lock(&h->lock);
	/* one that hangs leaves the others their share */
	until = now_ms() + PATIENCE_MS;
	for (i = 0; i < count; i++) {
		if (h->asked_ms[i] == 0 ||
		    now_ms() - h->asked_ms[i] >= ASK_AGAIN_MS) {
			h->words[i] = health_ask(&h->settings->grafana[i], http,
			    (until - now_ms()) / (int64_t)(count - i));
			h->asked_ms[i] = now_ms();
		}
		words[i] = h->words[i];
		ok = ok || strcmp(words[i], "ok") == 0;
	}
	pthread_mutex_unlock(&h->lock);
	return ok;
}
