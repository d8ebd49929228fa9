/* SPDX-License-Identifier: Apache-2.0 */
#include "fastcgi.h"

#include <errno.h>
#include <fcgiapp.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define PIPE_BYTES  65536 /* that a pipe holds by itself (pipe(7)) */
#define SHORT_BYTES 4096  /* of a response that needs no thread to wait */

struct fastcgi {
	FCGX_Request request;
};

bool
fastcgi_init(void)
{
	return FCGX_Init() == 0;
}

/*
 * libfcgi asserts that there is memory, which would end all requests for want
 * of a few bytes for one.  While one of its functions runs that can ask for
 * memory, a failed assertion comes back here instead and costs that connection
 * (and what the library had just allocated: at most one buffer of 8 KB).
 */
static _Thread_local jmp_buf *asserted;

void __assert_fail(const char *, const char *, unsigned, const char *)
    __attribute__((noreturn));

/* assert(3)'s own, in the C library's place; it takes no lock before. */
__attribute__((visibility("default"))) void
__assert_fail(const char *assertion, const char *file, unsigned line,
    const char *function)
{
	if (asserted != NULL)
		longjmp(*asserted, 1);
	fprintf(stderr, "grafana-images: %s:%u: %s: \"%s\" does not hold\n",
	    file, line, function, assertion);
	abort();
}

static int
accept_request(FCGX_Request *request)
{
	jmp_buf here;
	int rc = -1;

	if (setjmp(here) == 0) {
		asserted = &here;
		rc = FCGX_Accept_r(request);
	}
	asserted = NULL;
	return rc;
}

/*
 * What has come of the body, at least a byte; 0 at its end, -1 when there was
 * no memory.  FCGX_GetStr() would wait until the piece is full, for as long as
 * a byte comes now and then.
 */
static int
read_piece(char *piece, int room, FCGX_Stream *in)
{
	jmp_buf here;
	int n = -1, first, more;

	if (setjmp(here) == 0) {
		asserted = &here;
		first = FCGX_GetChar(in);
		piece[0] = (char)first;
		more = (int)(in->stop - in->rdNext);
		if (more > room - 1)
			more = room - 1;
		n = first == EOF ? 0 : 1 + FCGX_GetStr(piece + 1, more, in);
	}
	asserted = NULL;
	return n;
}

/*
 * libfcgi reads from a descriptor, and waits for what does not come.  So it
 * gets the variables, when they are whole, from a pipe that never blocks.  One
 * does for all: it is empty when they were right, and else closed.
 */
static int feed[2] = { -1, -1 };

static void
close_feed(void)
{
	if (feed[0] >= 0)
		close(feed[0]);
	if (feed[1] >= 0)
		close(feed[1]);
	feed[0] = feed[1] = -1;
}

static bool
fill_feed(const struct buf *head)
{
	if (feed[1] < 0 && pipe2(feed, O_CLOEXEC | O_NONBLOCK) != 0)
		return false;
	if (head->len > PIPE_BYTES &&
	    fcntl(feed[1], F_SETPIPE_SZ, (int)head->len) < 0)
		return false;
	return write(feed[1], head->bytes, head->len) == (ssize_t)head->len;
}

struct fastcgi *
fastcgi_open(const struct buf *head, int fd)
{
	struct fastcgi *f = calloc(1, sizeof(*f));
	FCGX_Request *r;
	bool ok;

	if (f == NULL)
		return NULL;
	r = &f->request;
	FCGX_InitRequest(r, -1, 0);
	ok = fill_feed(head);
	if (ok) {
		r->ipcFd = feed[0];
		r->keepConnection = 1;
		ok = accept_request(r) == 0 && FCGX_GetError(r->in) == 0;
		/* libfcgi closes what it does not like */
		if (r->ipcFd < 0)
			feed[0] = -1;
	}
	r->ipcFd = fd;
	if (ok)
		return f;
	close_feed();
	fastcgi_close(f);
	return NULL;
}

void
fastcgi_close(struct fastcgi *f)
{
	if (f == NULL)
		return;
	f->request.ipcFd = -1;
	FCGX_Free(&f->request, 0);
	free(f);
}

char *const *
fastcgi_variables(const struct fastcgi *f)
{
	return f->request.envp;
}

/* From now on a thread waits for the peer, for a silence at most. */
static void
wait_for_peer(int fd)
{
	struct timeval t = { .tv_sec = SILENCE_MS / 1000 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
	fcntl(fd, F_SETFL, 0);
}

void
fastcgi_read_body(struct fastcgi *f, struct intake *in)
{
	char piece[2048];
	int n;

	wait_for_peer(f->request.ipcFd);
	do
		n = read_piece(piece, sizeof(piece), f->request.in);
	while (n > 0 && intake_take(in, piece, (size_t)n));
	in->body.no_memory = in->body.no_memory || n < 0;
	in->body.broken = FCGX_GetError(f->request.in) != 0;
	explicit_bzero(piece, sizeof(piece));
}

void
fastcgi_answer(struct fastcgi *f, const char *bytes, size_t len)
{
	/* what is short fits into the socket, in which nothing was sent */
	if (len > SHORT_BYTES)
		wait_for_peer(f->request.ipcFd);
	FCGX_PutStr(bytes, (int)len, f->request.out);
	FCGX_FClose(f->request.err);
	FCGX_FClose(f->request.out);
}
