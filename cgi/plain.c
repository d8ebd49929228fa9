/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain CGI (RFC 3875): one request from the environment and standard input.
 */
#include "gateway.h"

#include "reply.h"
#include "request.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

extern char **environ;

#define DRAIN_MAX  1048576 /* bytes of a body that nobody wants */
#define SILENCE_MS 4000    /* a server that stops in the middle is given up */

static bool
write_whole(const char *bytes, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = write(STDOUT_FILENO, bytes, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

/*
 * How much to read: a server need not close standard input after the body
 * (RFC 3875, 4.2).  SIZE_MAX, until the end, where it does not say.
 */
static size_t
announced(void)
{
	const char *length = getenv("CONTENT_LENGTH");

	if (length == NULL && !request_is(environ, "POST") &&
	    !request_is(environ, "PUT"))
		return 0; /* else a server is waited for that sends nothing */
	if (length == NULL || *length == '\0' ||
	    length[strspn(length, "0123456789")] != '\0')
		return SIZE_MAX;
	return strtoull(length, NULL, 10);
}

/* Read the body, and what is more than "max" away: a server that finds its
 * pipe closed may cut our answer off. */
static void
read_body(
    struct body *body, struct buf *b, size_t max, const struct caller *caller)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	size_t left = announced();
	size_t drained = 0;
	char piece[8192];
	ssize_t n;

	while (left > 0 && drained <= DRAIN_MAX && !body->no_memory) {
		body->late = caller_left_ms(caller) <= 0;
		if (body->late)
			break;
		if (poll(&p, 1, SILENCE_MS) <= 0) {
			body->broken = true;
			break;
		}
		n = read(STDIN_FILENO, piece,
		    left < sizeof(piece) ? left : sizeof(piece));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			body->broken = n < 0;
			break;
		}
		left -= left == SIZE_MAX ? 0 : (size_t)n;
		if (body->over)
			drained += (size_t)n;
		else if ((size_t)n > max - b->len)
			body->over = true;
		else if (!buf_add(b, piece, (size_t)n))
			body->no_memory = true;
	}
	body->bytes = buf_str(b);
	body->len = b->len;
}

int
plain_serve(struct service *service, const struct settings *settings)
{
	/* what a server does with our standard input and output when its client
	 * goes away differs: it ends us if it wants to */
	struct caller caller = caller_from_now(-1, settings->answer_seconds);
	struct http *http = http_open(settings);
	size_t max = service_body_max(service, environ);
	struct body body = { 0 };
	struct buf bytes, reply;
	bool ok = false;

	if (http == NULL) {
		plain_refuse();
		return EX_OSERR;
	}
	buf_init(&bytes, max);
	buf_init(&reply, REPLY_MAX);
	read_body(&body, &bytes, max, &caller);
	service_answer(service, http, &caller, environ, &body, &reply);
	if (reply.failed)
		plain_refuse();
	else
		ok = write_whole(reply.bytes, reply.len);
	buf_free(&bytes);
	buf_free(&reply);
	http_close(http);
	return ok ? EX_OK : EX_IOERR;
}

void
plain_refuse(void)
{
	struct refusal refusal = {
		.outcome = OUTCOME_INTERNAL,
		.status = outcome_status(OUTCOME_INTERNAL),
		.accept = getenv("HTTP_ACCEPT"),
	};
	struct buf reply;

	buf_init(&reply, REPLY_MAX);
	reply_refused(&reply, &refusal);
	if (reply.failed)
		(void)!write_whole(reply_last_word, strlen(reply_last_word));
	else
		(void)!write_whole(reply.bytes, reply.len);
	buf_free(&reply);
}
