/* SPDX-License-Identifier: Apache-2.0 */
#include "route.h"

#include <string.h>

#include "api.h"
#include "control.h"
#include "refusal.h"
#include "render.h"
#include "reply.h"
#include "request.h"
#include "settings.h"
#include "short_link.h"

static bool
let_in(const struct request *request)
{
	struct span value;
	int i;

	if (settings.anonymous)
		return true;
	if (!request_header(request, "Authorization", &value))
		return false;
	for (i = 0; i < settings.accepted_count; i++)
		if (span_is(value, settings.accepted[i]))
			return true;
	return false;
}

static void
refuse(struct reply *r, const struct request *request)
{
	refusal_make(
	    r, request, settings.login_401 ? REFUSAL_401 : REFUSAL_302, -1);
}

static void
render(struct reply *r, const struct request *request, struct span path)
{
	r->render = true;
	tally_render_begin(request);
	if (let_in(request))
		render_answer(r, request, path);
	else
		refuse(r, request);
}

static void
short_link(struct reply *r, const struct request *request, struct span key)
{
	tally_short_link(request);
	if (let_in(request))
		short_link_answer(r, request, key);
	else
		refuse(r, request);
}

void
route(struct reply *r, const struct request *request)
{
	struct span path;

	path = request->path;
	r->no_body = request->no_body;
	if (span_skip(&path, "/standin/")) {
		control_answer(r, request, path);
		return;
	}
	tally.requests++;
	if (!span_skip(&path, settings.sub_path) ||
	    (path.len > 0 && path.at[0] != '/'))
		refusal_make(r, request, REFUSAL_301, -1);
	else if (span_is(path, "/api/health"))
		api_health(r);
	else if (span_is(path, "/login"))
		reply_text(r, 200, "text/html; charset=UTF-8", login_page);
	else if (span_skip(&path, "/render/"))
		render(r, request, path);
	else if (span_skip(&path, "/goto/"))
		short_link(r, request, path);
	else if (!span_skip(&path, "/api/"))
		refusal_make(r, request, REFUSAL_404, -1);
	else if (let_in(request))
		api_answer(r, request, path);
	else
		refuse(r, request);
}
