/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening socket: connections are accepted and read here, by one thread
 * that waits for all of them at once, so that no connection that is slow, or
 * says nothing, holds a thread.  What is whole goes to the workers.
 *
 * Why an accept of our own: libfcgi's has no deadline, ends the caller's loop
 * on EMFILE, and a signal reaches one of its threads only.
 */
#include "gateway.h"

#include "base/clock.h"
#include "fcgi_allow.h"
#include "sd_notify.h"
#include "server/access_log.h"
#include "server/sandbox.h"
#include "workers.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
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
#define OUT_OF_FILES_MS 50   /* until the next look after EMFILE */
#define LOOK_MS         250  /* how often those that wait are looked at */
#define HEAD_MS         5000 /* until the variables are whole */
#define FILES_FOR_ALL   64   /* descriptors that no worker holds */
#define READING_MAX     256  /* connections beside workers' and parked ones */
#define DRAIN_MS        2000 /* for a body that is not wanted, in all */
#define DRAIN_MAX       1048576 /* bytes of it */
#define PIECE           16384
#define EVENTS          64
#define ACCEPT_MAX      8 /* at one go: other processes may be idle */

struct listener {
	struct service *service;
	const struct settings *settings;
	struct peers *peers;       /* who may connect over TCP; NULL: no TCP */
	_Atomic int64_t warned_ms; /* when a stranger was last told of */
	struct workers *workers;
	int epoll;
	int nudge;  /* eventfd: look at "answered" and "connections" */
	bool armed; /* the socket is looked at */
	bool stopped;
	int64_t rearm_ms; /* not before, after EMFILE */
	int64_t looked_ms;
	size_t connections_max;
	atomic_size_t connections; /* of all exchanges */
	struct exchange *reading;  /* those that are read, or drained */
	pthread_mutex_t lock;      /* guards "answered" */
	struct exchange *answered; /* before all of it was read */
	char piece[PIECE];
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
 * Connections
 */

static void
watch(struct listener *l, struct exchange *x)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = x };

	/* on no memory its silence ends it */
	epoll_ctl(l->epoll, EPOLL_CTL_ADD, x->caller.fd, &e);
	x->watched = true;
	x->prev = NULL;
	x->next = l->reading;
	if (x->next != NULL)
		x->next->prev = x;
	l->reading = x;
}

static void
unwatch(struct listener *l, struct exchange *x)
{
	if (!x->watched)
		return;
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, x->caller.fd, NULL);
	if (x->prev == NULL)
		l->reading = x->next;
	else
		x->prev->next = x->next;
	if (x->next != NULL)
		x->next->prev = x->prev;
	x->prev = x->next = NULL;
	x->watched = false;
}

static void
nudge(struct listener *l)
{
	uint64_t one = 1;

	(void)!write(l->nudge, &one, sizeof(one));
}

/* In any thread. */
static void
end(struct listener *l, struct exchange *x)
{
	exchange_free(x);
	if (atomic_fetch_sub(&l->connections, 1) == 1 && atomic_load(&stopping))
		nudge(l);
}

static void
end_reading(struct listener *l, struct exchange *x)
{
	unwatch(l, x);
	end(l, x);
}

/*
 * The workers' part is over.  A connection that is closed while something in it
 * is unread is broken for its peer, which then may not see the answer: it is
 * read on for a while, without a thread of its own.
 */
static void
on_answered(void *arg, struct exchange *x)
{
	struct listener *l = arg;

	if (x->is_read) {
		end(l, x);
		return;
	}
	/* the rest of an upload is nobody's body any more */
	if (x->has_body)
		intake_free(&x->body);
	x->has_body = false;
	shutdown(x->caller.fd, SHUT_WR);
	pthread_mutex_lock(&l->lock);
	x->next = l->answered;
	l->answered = x;
	pthread_mutex_unlock(&l->lock);
	nudge(l);
}

static void
take_answered(struct listener *l)
{
	struct exchange *x, *next;
	uint64_t count;

	(void)!read(l->nudge, &count, sizeof(count));
	pthread_mutex_lock(&l->lock);
	x = l->answered;
	l->answered = NULL;
	pthread_mutex_unlock(&l->lock);
	for (; x != NULL; x = next) {
		next = x->next;
		x->draining = true;
		x->last_ms = now_ms();
		fcntl(x->caller.fd, F_SETFL, O_NONBLOCK);
		watch(l, x);
	}
}

static void
drain(struct listener *l, struct exchange *x)
{
	ssize_t n = recv(x->caller.fd, l->piece, PIECE, 0);

	if (n > 0)
		x->drained += (size_t)n;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) ||
	    x->drained > DRAIN_MAX)
		end_reading(l, x);
}

/* The listener's part is over. */
static void
submit(struct listener *l, struct exchange *x)
{
	unwatch(l, x);
	workers_submit(l->workers, x);
}

/* The body is whole, or will never be. */
static void
end_body(struct listener *l, struct exchange *x)
{
	struct body *body = &x->body.body;

	x->is_read = x->records.state == RECORDS_WHOLE && !body->over &&
		     !body->late && !body->no_memory;
	x->needs = request_take_body(x->request, body);
	x->parked_bytes = body->bytes.len;
	/* what it said is in the request now */
	intake_free(&x->body);
	x->has_body = false;
	submit(l, x);
}

/* The variables are whole.  false: they are wrong, or there is no memory. */
static bool
open_request(struct listener *l, struct exchange *x)
{
	struct buf head;

	buf_init(&head, 2 * RECORDS_HEAD_MAX);
	if (records_head(&x->records, &head))
		x->fastcgi = fastcgi_open(&head, x->caller.fd);
	buf_free(&head);
	buf_free(&x->records.variables);
	if (x->fastcgi != NULL)
		x->request = request_open(l->service, &x->caller,
		    fastcgi_variables(x->fastcgi), workers_wake, x);
	if (x->request == NULL)
		return false;
	x->needs = request_begin(x->request);
	/* an upload is read by its worker: it may be large */
	x->is_upload = request_is_upload(x->request);
	if (x->needs == NEEDS_BODY && !x->is_upload) {
		intake_init(&x->body, request_body_max(x->request), &x->caller);
		x->has_body = true;
		x->records.body = &x->body;
	}
	return true;
}

/* Send what the records say; a peer that does not read it gets nothing. */
static void
send_answers(struct exchange *x)
{
	struct buf *answer = &x->records.answer;

	if (answer->len == 0)
		return;
	(void)!send(x->caller.fd, answer->bytes, answer->len, 0);
	buf_reset(answer);
}

/* How many bytes are there; *broken says whether more can come. */
static size_t
look_at_bytes(struct listener *l, struct exchange *x, bool *broken)
{
	/* looked at first, because what is behind the variables of an upload is
	 * for libfcgi to read */
	ssize_t n = recv(x->caller.fd, l->piece, PIECE, MSG_PEEK);

	*broken = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
	if (n <= 0)
		return 0;
	x->last_ms = now_ms();
	return (size_t)n;
}

/* Use the bytes as far as they are ours.  false: it is the workers' now, or
 * over. */
static bool
use_bytes(struct listener *l, struct exchange *x, size_t len)
{
	size_t used = records_take(&x->records, l->piece, len);
	bool goes_on = true;

	if (x->records.state == RECORDS_BODY && !x->has_body) {
		goes_on = open_request(l, x);
		if (goes_on && x->has_body)
			used += records_take(
			    &x->records, l->piece + used, len - used);
	}
	recv(x->caller.fd, l->piece, used, 0);
	explicit_bzero(l->piece, len);
	send_answers(x);
	if (!goes_on)
		end_reading(l, x);
	else if (x->request != NULL && (x->needs != NEEDS_BODY || x->is_upload))
		submit(l, x);
	else
		return true;
	return false;
}

enum reading {
	READ_ON,    /* there may be more */
	READ_LATER, /* not now */
	READ_ENDED, /* it is the workers' now, or over */
};

static enum reading
read_some(struct listener *l, struct exchange *x)
{
	bool broken;
	size_t len = look_at_bytes(l, x, &broken);

	if (len > 0 && !use_bytes(l, x, len))
		return READ_ENDED;
	broken = broken || x->records.state == RECORDS_ABORTED;
	if (broken && !x->has_body) {
		end_reading(l, x);
		return READ_ENDED;
	}
	if (broken || (x->has_body && x->records.state == RECORDS_WHOLE)) {
		x->body.body.broken = broken;
		end_body(l, x);
		return READ_ENDED;
	}
	/* what did not fill the piece was all */
	return len == PIECE ? READ_ON : READ_LATER;
}

static enum reading
read_exchange(struct listener *l, struct exchange *x)
{
	enum reading reading;

	do
		reading = read_some(l, x);
	while (reading == READ_ON);
	return reading;
}

static void
begin(struct listener *l, int fd)
{
	struct exchange *x = calloc(1, sizeof(*x));

	if (x == NULL) {
		close(fd);
		return;
	}
	atomic_fetch_add(&l->connections, 1);
	x->workers = l->workers;
	x->caller = caller_from_now(fd, l->settings->answer_seconds);
	x->caller.half = l->peers != NULL;
	x->last_ms = x->caller.start_ms;
	records_init(&x->records);
	/* most have come whole */
	if (read_exchange(l, x) == READ_LATER)
		watch(l, x);
}

/* Is it too slow? */
static void
look_at(struct listener *l, struct exchange *x, int64_t now)
{
	int64_t silent_ms = now - x->last_ms;

	if (x->has_body &&
	    (silent_ms >= SILENCE_MS || intake_is_late(&x->body))) {
		x->body.body.broken = silent_ms >= SILENCE_MS;
		end_body(l, x);
	} else if (!x->has_body &&
		   (silent_ms >= (x->draining ? DRAIN_MS : SILENCE_MS) ||
		       (!x->draining && now - x->caller.start_ms >= HEAD_MS))) {
		end_reading(l, x);
	}
}

static void
look_at_all(struct listener *l)
{
	struct exchange *x, *next;
	int64_t now = now_ms();

	if (now - l->looked_ms < LOOK_MS)
		return;
	l->looked_ms = now;
	/* nor is one forgotten whose nudge could not be written */
	take_answered(l);
	for (x = l->reading; x != NULL; x = next) {
		next = x->next;
		look_at(l, x, now);
	}
	workers_sweep(l->workers);
}

/*
 * The socket
 */

static void
warn_of_stranger(struct listener *l, const struct sockaddr *address)
{
	char name[PEERS_ADDRESS_ROOM], text[256];

	/* he can come as often as he likes */
	if (!log_warning_due(&l->warned_ms))
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
accept_peer(struct listener *l)
{
	struct sockaddr_storage address = { 0 };
	socklen_t len = sizeof(address);
	int fd = accept4(LISTENER, (struct sockaddr *)&address, &len,
	    SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0 || l->peers == NULL ||
	    peers_check(l->peers, (struct sockaddr *)&address))
		return fd;
	close(fd);
	warn_of_stranger(l, (struct sockaddr *)&address);
	errno = EACCES;
	return -1;
}

/* A connection wakes us once; then others may be quicker. */
static void
arm_again(struct listener *l)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLONESHOT,
		.data.ptr = &stopping };

	if (l->armed || l->stopped || now_ms() < l->rearm_ms ||
	    atomic_load(&l->connections) >= l->connections_max)
		return;
	l->armed = epoll_ctl(l->epoll, EPOLL_CTL_MOD, LISTENER, &e) == 0;
}

static void
accept_some(struct listener *l)
{
	int fd, n;

	l->armed = false;
	for (n = 0; n < ACCEPT_MAX; n++) {
		fd = accept_peer(l);
		if (fd < 0 && errno != EACCES)
			break;
		if (fd >= 0)
			begin(l, fd);
	}
	if (n < ACCEPT_MAX && (errno == EMFILE || errno == ENFILE ||
				  errno == ENOBUFS || errno == ENOMEM))
		l->rearm_ms = now_ms() + OUT_OF_FILES_MS;
}

/* What waits in the backlog is for the process that holds the socket next;
 * where none does, a web server is refused at once and can ask elsewhere,
 * instead of waiting for our end. */
static void
stop(struct listener *l)
{
	l->stopped = true;
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, LISTENER, NULL);
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, stop_fd, NULL);
	dup2(STDERR_FILENO, LISTENER);
	service_stop(l->service);
	workers_stop(l->workers);
}

/* How long to wait for something to happen; -1: until it does. */
static int
patience(const struct listener *l)
{
	if (!l->armed && !l->stopped)
		return OUT_OF_FILES_MS;
	return atomic_load(&l->connections) > 0 ? LOOK_MS : -1;
}

static void
handle(struct listener *l, void *event)
{
	if (event == &stop_fd)
		return;
	if (event == l)
		take_answered(l);
	else if (event == &stopping)
		accept_some(l);
	else if (((struct exchange *)event)->draining)
		drain(l, event);
	else
		read_exchange(l, event);
}

static void
listen_until_stopped(struct listener *l)
{
	struct epoll_event events[EVENTS];
	int i, n;

	while (!l->stopped || atomic_load(&l->connections) > 0) {
		arm_again(l);
		n = epoll_wait(l->epoll, events, EVENTS, patience(l));
		if (atomic_load(&stopping) && !l->stopped) {
			stop(l);
			continue;
		}
		for (i = 0; i < n; i++)
			handle(l, events[i].data.ptr);
		look_at_all(l);
	}
}

/*
 * Start and stop
 */

/*
 * A worker holds the server's connection, Grafana's, two of libcurl's own and,
 * now and then, a file; or, instead of that, a bucket's connection.  What is
 * left is for requests that are parked: a connection each.
 */
static bool
raise_file_limit(const struct settings *settings, size_t *parked_max)
{
	rlim_t twice = settings_store_is_s3(settings) ? 10 : 9;
	rlim_t need = (rlim_t)settings->workers * twice / 2 + FILES_FOR_ALL;
	rlim_t all = need + READING_MAX + PARKED_MAX;
	struct rlimit limit;

	*parked_max = PARKED_MAX;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= all)
		return true;
	limit.rlim_cur = limit.rlim_max < all ? limit.rlim_max : all;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max >= all)
		return true;
	*parked_max = limit.rlim_max < need + READING_MAX
			  ? 0
			  : (size_t)(limit.rlim_max - need - READING_MAX);
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
add(struct listener *l, int fd, uint32_t what, void *event)
{
	struct epoll_event e = { .events = what, .data.ptr = event };

	return epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e) == 0;
}

static bool
prepare(struct listener *l)
{
	struct sigaction action = { .sa_handler = on_stop };
	int flags = fcntl(LISTENER, F_GETFL);

	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->nudge = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->epoll < 0 || l->nudge < 0 || stop_fd < 0 || flags < 0)
		return false;
	/* several processes may share the listener: another may be quicker */
	if (fcntl(LISTENER, F_SETFL, flags | O_NONBLOCK) != 0)
		return false;
	/* before libfcgi, which takes the signals that nobody has */
	return sigaction(SIGTERM, &action, NULL) == 0 &&
	       sigaction(SIGINT, &action, NULL) == 0 &&
	       sigaction(SIGHUP, &action, NULL) == 0 && fastcgi_init() &&
	       add(l, LISTENER, EPOLLIN | EPOLLONESHOT, &stopping) &&
	       add(l, stop_fd, EPOLLIN, &stop_fd) &&
	       add(l, l->nudge, EPOLLIN, l);
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

static int
run(struct listener *l, size_t parked_max)
{
	l->armed = true;
	l->connections_max =
	    (size_t)l->settings->workers + parked_max + READING_MAX;
	l->workers = workers_open(
	    l->service, l->settings, parked_max, on_answered, l, stderr);
	if (l->workers == NULL)
		return EX_OSERR;
	say_that_we_serve();
	listen_until_stopped(l);
	workers_close(l->workers);
	return EX_OK;
}

int
fastcgi_serve(struct service *service, const struct settings *settings)
{
	static struct listener l;
	int status = EX_OSERR;
	size_t parked_max;

	l.service = service;
	l.settings = settings;
	pthread_mutex_init(&l.lock, NULL);
	if (!raise_file_limit(settings, &parked_max))
		return EX_CONFIG;
	if (is_tcp()) {
		l.peers = peers_open(getenv("FCGI_WEB_SERVER_ADDRS"), stderr);
		if (l.peers == NULL)
			return EX_CONFIG;
	}
	if (prepare(&l)) {
		/* before the first request, which may be waiting */
		log_start(settings, sandbox_level());
		status = run(&l, parked_max);
	} else {
		fprintf(stderr,
		    "grafana-images: cannot set up the responder: %s\n",
		    strerrordesc_np(errno));
	}
	peers_close(l.peers);
	return status;
}
