/* SPDX-License-Identifier: Apache-2.0 */
#include "grafana/preflight.h"

#include "grafana/answer.h"
#include "grafana/status.h"

#include <string.h>

bool
preflight_is_possible(const struct panel *panel)
{
	return panel->uid[0] != '\0';
}

/* Only what is Grafana's own is a verdict: what stands in front of it has a 401
 * and a 404, too. */
static enum outcome
classify(
    const struct http_response *a, const struct panel *panel, struct problem *p)
{
	bool own = answer_is_error(buf_str(&a->body), a->body.len);

	p->upstream = a->status;
	switch (a->status) {
	case 401:
		return own ? problem_set_default(p, OUTCOME_TOKEN_REFUSED)
			   : OUTCOME_OK;
	case 403:
		return own ? problem_set_default(p, OUTCOME_FORBIDDEN)
			   : OUTCOME_OK;
	case 404:
		return own ? problem_set(p, OUTCOME_NOT_FOUND,
				 "Grafana has no dashboard with the UID %s. "
				 "Check the address, and that the token "
				 "belongs to the dashboard's organisation.",
				 panel->uid)
			   : OUTCOME_OK;
	default:
		if (status_is_login(a, panel->origin))
			return problem_set_default(p, OUTCOME_TOKEN_REFUSED);
		return OUTCOME_OK;
	}
}

void
preflight_ask(struct preflight_answer *answer, const struct preflight *f,
    struct http *http)
{
	const struct http_header headers[] = {
		{ "Accept", "application/json" },
		{ "Authorization", f->authorization },
		{ "X-Forwarded-For", f->forwarded_for },
		{ "X-Grafana-Org-Id",
		    panel_org_id(f->panel, f->authorization) },
		{ NULL, NULL },
	};
	char target[sizeof("/api/dashboards/uid/") + PANEL_UID_ROOM];
	struct http_request request = {
		.origin = f->panel->origin,
		.method = "GET",
		.target = target,
		.headers = headers,
		.max_ms = f->left_ms < PREFLIGHT_MS ? f->left_ms : PREFLIGHT_MS,
		.cancelled = f->cancelled,
		.arg = f->arg,
	};
	struct http_response a;

	memset(answer, 0, sizeof(*answer));
	answer->outcome = OUTCOME_OK;
	snprintf(
	    target, sizeof(target), "/api/dashboards/uid/%s", f->panel->uid);
	http_response_init(&a, DASHBOARD_BYTES_MAX);
	if (http_send(http, &request, &a) == HTTP_WHOLE) {
		answer->answered = true;
		answer->outcome = classify(&a, f->panel, &answer->problem);
		if (a.status == 200)
			answer->dashboard =
			    dashboard_read(buf_str(&a.body), a.body.len);
	}
	http_response_free(&a);
}

void
preflight_free(struct preflight_answer *answer)
{
	dashboard_unref(answer->dashboard);
	answer->dashboard = NULL;
}

/* Which panels there are, so that the right one can be asked for. */
static enum outcome
no_such_panel(
    const struct dashboard *d, const struct panel *panel, struct problem *p)
{
	struct buf list;

	buf_init(&list, PROBLEM_WHY_ROOM);
	dashboard_list(d, &list);
	problem_set(p, OUTCOME_NOT_FOUND,
	    "The dashboard %s has no panel %s. It has %s.", panel->uid,
	    panel->number, buf_str(&list));
	buf_free(&list);
	p->upstream = 0;
	return OUTCOME_NOT_FOUND;
}

enum outcome
preflight_check(const struct preflight_answer *answer,
    const struct panel *panel, struct problem *p)
{
	if (answer->outcome != OUTCOME_OK) {
		*p = answer->problem;
		return answer->outcome;
	}
	if (answer->dashboard != NULL && panel->one_panel &&
	    dashboard_lacks(
		answer->dashboard, panel->number, strlen(panel->number)))
		return no_such_panel(answer->dashboard, panel, p);
	return OUTCOME_OK;
}
