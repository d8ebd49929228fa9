/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FastCGI over libfcgi, which reads and writes the records; accepting,
 * deadlines and stopping are ours.
 *
 * Why an accept of our own: libfcgi's has no deadline, so that a peer which
 * connects and says nothing holds a worker for ever; it ends the caller's loop
 * on EMFILE; and a signal reaches one of its threads only.
 *
 * Workers wait in one epoll for the listener (EPOLLONESHOT: a connection wakes
 * one of them, not all) and for the descriptor that says stop.
 */
#include "gateway.h"

#include "base/clock.h"
#include "base/sanitized.h"
#include "body.h"
#include "fcgi_allow.h"
#include "sd_notify.h"
#include "server/access_log.h"
#include "server/response.h"
#include "server/sandbox.h"

#include <errno.h>
#include <fcgiapp.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#define LISTENER        0
#define OUT_OF_FILES_MS 50 /* until the next look after EMFILE */
#define FILES_FOR_ALL   64 /* descriptors that no worker holds */

/* A sanitizer's frames are larger. */
#if SANITIZED
#define STACK_BYTES (1024 * 1024)
#else
#define STACK_BYTES (128 * 1024)
#endif

struct responder {
	struct service *service;
	const struct settings *settings;
	struct peers *peers;       /* who may connect over TCP; NULL: no TCP */
	_Atomic int64_t warned_ms; /* when a stranger was last told of */
	int epoll;
};

struct worker {
	pthread_t thread;
	struct responder *responder;
	struct http *http; /* its own */
};

static int stop_fd = -1;
static atomic_bool stopping;

static void
on_stop(int sig)
{
	uint64_t one = 1;
	int errnum = errno;

	(void)sig;
	atomic_store(&stopping, true);
	(void)!write(stop_fd, &one, sizeof(one));
	notify_stopping();
	errno = errnum;
}

bool
fastcgi_is_listening(void)
{
	socklen_t len = sizeof(int);
	int listening = 0;

	return getsockopt(LISTENER, SOL_SOCKET, SO_ACCEPTCONN, &listening,
		   &len) == 0 &&
	       listening != 0;
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
 * One request
 */

static void
read_body(struct intake *in, FCGX_Stream *from)
{
	char piece[2048];
	int n;

	do
		n = read_piece(piece, sizeof(piece), from);
	while (n > 0 && intake_take(in, piece, (size_t)n));
	in->body.no_memory = in->body.no_memory || n < 0;
	in->body.broken = FCGX_GetError(from) != 0;
	explicit_bzero(piece, sizeof(piece));
}

static void
answer(const struct responder *r, struct http *http,
    const struct caller *caller, FCGX_Request *request)
{
	struct intake in;
	struct buf reply;

	intake_init(&in, service_body_max(r->service, request->envp), caller);
	intake_expect(&in, request_announced(request->envp));
	buf_init(&reply, REPLY_MAX);
	read_body(&in, request->in);
	service_answer(
	    r->service, http, caller, request->envp, &in.body, &reply);
	if (reply.failed)
		FCGX_PutStr(reply_last_word, (int)strlen(reply_last_word),
		    request->out);
	else
		FCGX_PutStr(reply.bytes, (int)reply.len, request->out);
	intake_free(&in);
	buf_free(&reply);
}

static void
set_deadlines(int fd)
{
	struct timeval t = { .tv_sec = SILENCE_MS / 1000 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
}

/*
 * A connection serves one request and is closed by us: one that a server keeps
 * open would hold this worker while it is idle.  libfcgi is told to keep it,
 * because its own close waits for the peer.
 */
static void
serve_connection(const struct responder *r, struct http *http, int fd)
{
	struct caller caller = caller_from_now(fd, r->settings->answer_seconds);
	FCGX_Request request;

	caller.half = r->peers != NULL;
	set_deadlines(fd);
	if (FCGX_InitRequest(&request, -1, 0) != 0) {
		close(fd);
		return;
	}
	request.ipcFd = fd;
	request.keepConnection = 1;
	/* libfcgi takes silence, or any other record, for the end of the
	 * variables: the body would be waited for as long again */
	if (accept_request(&request) == 0 && FCGX_GetError(request.in) == 0) {
		answer(r, http, &caller, &request);
		request.keepConnection = 1;
		FCGX_Finish_r(&request);
	}
	/* a failed accept has closed it already */
	if (request.ipcFd == fd)
		close(fd);
	request.ipcFd = -1;
	FCGX_Free(&request, 0);
}

/*
 * Workers
 */

static void
wait_for_files(int epoll)
{
	struct epoll_event e;

	/* ends early when told to stop */
	epoll_wait(epoll, &e, 1, OUT_OF_FILES_MS);
}

static void
rearm(int epoll)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLONESHOT,
		.data.fd = LISTENER };

	epoll_ctl(epoll, EPOLL_CTL_MOD, LISTENER, &e);
}

static void
warn_of_stranger(struct responder *r, const struct sockaddr *address)
{
	char name[PEERS_ADDRESS_ROOM], text[256];

	/* he can come as often as he likes */
	if (!log_warning_due(&r->warned_ms))
		return;
	peers_name(name, address);
	snprintf(text, sizeof(text),
	    "A connection from %s was closed unread. If that is a web server "
	    "of yours, add it to FCGI_WEB_SERVER_ADDRS.",
	    name);
	log_warning(text);
}

/* A connection, or -1 with errno; over TCP from those who may only. */
static int
accept_peer(struct responder *r)
{
	struct sockaddr_storage address = { 0 };
	socklen_t len = sizeof(address);
	int fd =
	    accept4(LISTENER, (struct sockaddr *)&address, &len, SOCK_CLOEXEC);

	if (fd < 0 || r->peers == NULL ||
	    peers_check(r->peers, (struct sockaddr *)&address))
		return fd;
	close(fd);
	warn_of_stranger(r, (struct sockaddr *)&address);
	errno = EACCES;
	return -1;
}

/* The next connection; -1 when told to stop. */
static int
next_connection(struct responder *r)
{
	struct epoll_event e;
	int epoll = r->epoll;
	int fd, n;

	for (;;) {
		n = epoll_wait(epoll, &e, 1, -1);
		/* what waits in the backlog is for who holds the socket next */
		if (atomic_load(&stopping))
			return -1;
		if (n <= 0)
			continue;
		fd = accept_peer(r);
		if (fd < 0 && (errno == EMFILE || errno == ENFILE ||
				  errno == ENOBUFS || errno == ENOMEM))
			wait_for_files(epoll);
		rearm(epoll);
		if (fd >= 0)
			return fd;
	}
}

static void *
work(void *arg)
{
	const struct worker *w = arg;
	int fd;

	while ((fd = next_connection(w->responder)) >= 0)
		serve_connection(w->responder, w->http, fd);
	return NULL;
}

/*
 * Start and stop
 */

/*
 * A worker holds the server's connection, Grafana's, two of libcurl's own and,
 * now and then, a file; or, instead of that, a bucket's connection.
 */
static bool
raise_file_limit(const struct settings *settings)
{
	rlim_t twice = settings_store_is_s3(settings) ? 10 : 9;
	rlim_t need = (rlim_t)settings->workers * twice / 2 + FILES_FOR_ALL;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= need)
		return true;
	limit.rlim_cur = limit.rlim_max < need ? limit.rlim_max : need;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max >= need)
		return true;
	fprintf(stderr,
	    "grafana-images: workers = %lld needs %llu open files, and %llu "
	    "are allowed: lower workers, or raise the limit (ulimit -n, "
	    "LimitNOFILE=)\n",
	    (long long)settings->workers, (unsigned long long)need,
	    (unsigned long long)limit.rlim_max);
	return false;
}

static bool
is_tcp(void)
{
	int family = AF_UNSPEC;
	socklen_t len = sizeof(family);

	return getsockopt(LISTENER, SOL_SOCKET, SO_DOMAIN, &family, &len) ==
		   0 &&
	       (family == AF_INET || family == AF_INET6);
}

static bool
prepare(struct responder *r)
{
	struct epoll_event listener = { .events = EPOLLIN | EPOLLONESHOT,
		.data.fd = LISTENER };
	struct epoll_event stop = { .events = EPOLLIN };
	struct sigaction action = { .sa_handler = on_stop };
	int flags = fcntl(LISTENER, F_GETFL);

	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->epoll < 0 || stop_fd < 0 || flags < 0)
		return false;
	/* several processes may share the listener: another may be quicker */
	if (fcntl(LISTENER, F_SETFL, flags | O_NONBLOCK) != 0)
		return false;
	stop.data.fd = stop_fd;
	/* before FCGX_Init(), which takes the signals that nobody has */
	return sigaction(SIGTERM, &action, NULL) == 0 &&
	       sigaction(SIGINT, &action, NULL) == 0 &&
	       sigaction(SIGHUP, &action, NULL) == 0 && FCGX_Init() == 0 &&
	       epoll_ctl(r->epoll, EPOLL_CTL_ADD, LISTENER, &listener) == 0 &&
	       epoll_ctl(r->epoll, EPOLL_CTL_ADD, stop_fd, &stop) == 0;
}

/* A manager that is not told ends us when it has waited long enough. */
static void
say_that_we_serve(void)
{
	if (!notify_ready())
		fprintf(stderr,
		    "grafana-images: cannot say to NOTIFY_SOCKET that it "
		    "serves: %s\n",
		    strerrordesc_np(errno));
}

/* How many could be started; all, or errno says why not. */
static size_t
start_workers(struct worker *workers, size_t count, struct responder *r)
{
	struct http_options options = settings_http_options(r->settings);
	pthread_attr_t attributes;
	size_t i;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	for (i = 0; i < count; i++) {
		workers[i].responder = r;
		workers[i].http = http_open(&options);
		errno = ENOMEM;
		if (workers[i].http == NULL)
			break;
		errno = pthread_create(
		    &workers[i].thread, &attributes, work, &workers[i]);
		if (errno != 0) {
			http_close(workers[i].http);
			break;
		}
	}
	pthread_attr_destroy(&attributes);
	return i;
}

static void
join_workers(struct worker *workers, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		pthread_join(workers[i].thread, NULL);
		http_close(workers[i].http);
	}
}

/* Start all of them, or say that it cannot be done and stop those that run. */
static int
run(struct responder *r)
{
	size_t count = (size_t)r->settings->workers, started = 0;
	struct worker *workers = calloc(count, sizeof(*workers));
	struct pollfd stop = { .fd = stop_fd, .events = POLLIN };

	if (workers != NULL)
		started = start_workers(workers, count, r);
	if (started < count) {
		fprintf(stderr,
		    "grafana-images: %zu of %zu workers can be started: %s; "
		    "lower workers, or raise the limit (TasksMax=)\n",
		    started, count, strerrordesc_np(errno));
		on_stop(0);
	} else {
		say_that_we_serve();
	}
	/* the descriptor stays readable: each worker sees it, and so do we */
	while (poll(&stop, 1, -1) < 0)
		;
	/* where nobody else holds the socket, a web server is refused at once
	 * and can ask elsewhere, instead of waiting for our end */
	dup2(STDERR_FILENO, LISTENER);
	service_stop(r->service);
	join_workers(workers, started);
	free(workers);
	return started == count ? EX_OK : EX_OSERR;
}

int
fastcgi_serve(struct service *service, const struct settings *settings)
{
	struct responder r = { .service = service, .settings = settings };
	int status = EX_OSERR;

	if (!raise_file_limit(settings))
		return EX_CONFIG;
	if (is_tcp()) {
		r.peers = peers_open(getenv("FCGI_WEB_SERVER_ADDRS"), stderr);
		if (r.peers == NULL)
			return EX_CONFIG;
	}
	if (prepare(&r)) {
		/* before the first request, which may be waiting */
		log_start(settings, sandbox_level());
		status = run(&r);
	} else {
		fprintf(stderr,
		    "grafana-images: cannot set up the responder: %s\n",
		    strerrordesc_np(errno));
	}
	peers_close(r.peers);
	return status;
}
