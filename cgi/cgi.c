/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain CGI (RFC 3875): one request from the environment and standard input.
 */
#include "gateway.h"

#include "base/clock.h"
#include "base/timed_io.h"
#include "body.h"
#include "server/request.h"
#include "server/response.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

extern char **environ;

static bool
send_reply(const char *bytes, size_t len)
{
	return stream_write(STDOUT_FILENO, bytes, len, now_ms() + SILENCE_MS);
}

/*
 * How much to read: a server need not close standard input after the body
 * (RFC 3875, 4.2).  SIZE_MAX, until the end, where it does not say.
 */
static size_t
announced(void)
{
	size_t length = request_announced(environ);

	if (length != SIZE_MAX)
		return length;
	/* without one, a server that sends nothing would be waited for */
	return request_is(environ, "POST") || request_is(environ, "PUT")
		   ? SIZE_MAX
		   : 0;
}

static void
read_body(struct intake *in)
{
	size_t left = announced();
	char piece[8192];
	ssize_t n;

	intake_expect(in, left);
	while (left > 0) {
		n = stream_read(STDIN_FILENO, piece,
		    left < sizeof(piece) ? left : sizeof(piece),
		    now_ms() + SILENCE_MS);
		in->body.broken = n < 0;
		if (n <= 0 || !intake_take(in, piece, (size_t)n))
			break;
		left -= left == SIZE_MAX ? 0 : (size_t)n;
	}
}

/* Do all that the request needs, and have the response in "reply". */
static void
answer(struct service *service, struct http *http,
    struct request_context *request, const struct caller *caller,
    struct buf *reply)
{
	enum request_needs needs = request_begin(request);
	struct intake in;

	intake_init(&in, request_body_max(request), caller);
	/* one that nobody wants, too: with bytes unread in its socket when we
	 * end, Apache's mod_cgid loses our answer */
	read_body(&in);
	if (needs == NEEDS_BODY)
		needs = request_take_body(request, &in.body);
	while (needs == NEEDS_WORKER)
		needs = request_work(request, http);
	if (needs == NEEDS_HEALTH)
		service_health(service, http, reply);
	else if (needs == NEEDS_METRICS)
		service_metrics(service, reply);
	else
		request_reply(request, reply);
	intake_free(&in);
}

int
plain_serve(struct service *service, const struct settings *settings)
{
	/* what a server does with our standard input and output when its client
	 * goes away differs: it ends us if it wants to */
	struct caller caller = caller_from_now(-1, settings->answer_seconds);
	struct http_options options = settings_http_options(settings);
	struct http *http = http_open(&options);
	struct request_context *request =
	    request_open(service, &caller, environ, NULL, NULL);
	int status = EX_OSERR;
	struct buf reply;
	bool ok = false;

	if (http == NULL || request == NULL)
		goto out;
	buf_init(&reply, REPLY_MAX);
	answer(service, http, request, &caller, &reply);
	if (reply.failed)
		(void)!send_reply(reply_last_word, strlen(reply_last_word));
	else
		ok = send_reply(reply.bytes, reply.len);
	buf_free(&reply);
	status = ok ? EX_OK : EX_IOERR;
out:
	request_close(request);
	http_close(http);
	return status;
}

void
plain_refuse(void)
{
	struct refusal refusal = {
		.outcome = OUTCOME_INTERNAL,
		.status = outcome_status(OUTCOME_INTERNAL),
		.why = "",
		.accept = getenv("HTTP_ACCEPT"),
	};
	struct buf reply;

	buf_init(&reply, REPLY_MAX);
	reply_refused(&reply, &refusal);
	if (reply.failed)
		(void)!send_reply(reply_last_word, strlen(reply_last_word));
	else
		(void)!send_reply(reply.bytes, reply.len);
	buf_free(&reply);
}
