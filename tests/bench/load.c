/* SPDX-License-Identifier: Apache-2.0 */
/*
 * So many clients that ask for panels, each again as soon as it is answered.
 *
 *	load [options] TOKEN PANEL
 *
 * "{}" in PANEL, the address of a panel, becomes another number in each
 * request.  What came of it is one line of JSON; times are in milliseconds.
 */
#include "ask.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "usage: load [options] TOKEN PANEL\n"
    "  -p PORT     of 127.0.0.1, by HTTP\n"
    "  -s SOCKET   a Unix socket, by FastCGI\n"
    "  -g          GET the panel itself, do not POST its address\n"
    "  -c CLIENTS  at one time (1)\n"
    "  -n COUNT    requests in all (as many as clients)\n"
    "  -t SECONDS  for so long instead\n"
    "  -k KINDS    numbers from 0 to below that, in turn; else each is new\n";

struct client {
	int fd; /* -1: not connected */
	double asked_ms;
	struct ask ask;
	size_t sent;
};

static struct {
	struct ask_how how;
	const char *socket; /* NULL: TCP */
	uint16_t port;
	unsigned clients;
	unsigned long count;
	double seconds;
	unsigned long kinds;
} options = { .clients = 1 };

static struct client *clients;
static int epoll;
static double start_ms;
static uint64_t first_number;
static unsigned long asked, answered, failed, broken;
static double *times;
static unsigned statuses[600];

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static bool
is_over(void)
{
	return options.seconds > 0 ? now() - start_ms >= options.seconds * 1e3
				   : asked >= options.count;
}

static void
note(double ms)
{
	if (answered % 65536 == 0)
		times = realloc(times, (answered + 65536) * sizeof(*times));
	if (times == NULL)
		abort();
	times[answered++] = ms;
}

static bool
dial(struct client *c)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons(options.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLET,
		.data.ptr = c };
	bool is_un = options.socket != NULL;
	int one = 1, rc;

	c->fd = socket(is_un ? AF_UNIX : AF_INET,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return false;
	if (is_un) {
		snprintf(
		    un.sun_path, sizeof(un.sun_path), "%s", options.socket);
		rc = connect(c->fd, (struct sockaddr *)&un, sizeof(un));
	} else {
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		rc = connect(c->fd, (struct sockaddr *)&in, sizeof(in));
	}
	return (rc == 0 || errno == EINPROGRESS) &&
	       epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &e) == 0;
}

static void
hang_up(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static void
push(struct client *c)
{
	ssize_t n;

	while (c->sent < c->ask.question_len) {
		n = write(c->fd, c->ask.question + c->sent,
		    c->ask.question_len - c->sent);
		if (n <= 0)
			return;
		c->sent += (size_t)n;
	}
}

/* Ask the next one, if there is one. */
static void
begin(struct client *c)
{
	uint64_t number;

	if (is_over()) {
		hang_up(c);
		return;
	}
	number =
	    options.kinds > 0 ? asked % options.kinds : first_number + asked;
	asked++;
	ask_make(&c->ask, &options.how, number);
	c->sent = 0;
	c->asked_ms = now();
	while (c->fd < 0 && !dial(c)) {
		hang_up(c);
		broken++;
		if (broken > 100000)
			return;
	}
	push(c);
}

static void
end(struct client *c, bool whole)
{
	int status = whole ? c->ask.status : 0;

	note(now() - c->asked_ms);
	failed += !whole || !c->ask.good;
	statuses[status > 0 && status < 600 ? status : 0]++;
	if (!whole || !c->ask.keeps)
		hang_up(c);
	begin(c);
}

static void
pull(struct client *c)
{
	static char piece[262144];
	ssize_t n;

	for (;;) {
		n = read(c->fd, piece, sizeof(piece));
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			end(c, n == 0 && ask_ends(&c->ask));
			return;
		}
		if (ask_take(&c->ask, piece, (size_t)n)) {
			end(c, true);
			return;
		}
	}
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
share(double part)
{
	size_t at = (size_t)((double)answered * part);

	return answered == 0 ? 0 : times[at < answered ? at : answered - 1];
}

static void
report(void)
{
	double seconds = (now() - start_ms) / 1e3;
	const char *comma = "";
	unsigned i;

	qsort(times, answered, sizeof(*times), compare);
	printf("{\"requests\": %lu, \"failed\": %lu, \"seconds\": %.4f, "
	       "\"p50\": %.4f, \"p90\": %.4f, \"p99\": %.4f, \"max\": %.4f, "
	       "\"statuses\": {",
	    answered, failed, seconds, share(.5), share(.9), share(.99),
	    share(1));
	for (i = 0; i < 600; i++)
		if (statuses[i] > 0) {
			printf("%s\"%u\": %u", comma, i, statuses[i]);
			comma = ", ";
		}
	printf("}}\n");
}

static void
run(void)
{
	struct epoll_event events[256];
	struct client *c;
	unsigned i;
	int n;

	start_ms = now();
	for (i = 0; i < options.clients; i++)
		begin(&clients[i]);
	while (answered < asked) {
		n = epoll_wait(epoll, events, 256, -1);
		while (n-- > 0) {
			c = events[n].data.ptr;
			if (c->fd >= 0 && c->sent < c->ask.question_len)
				push(c);
			if (c->fd >= 0 &&
			    (events[n].events & ~(uint32_t)EPOLLOUT) != 0)
				pull(c);
		}
	}
}

static bool
read_options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "p:s:gc:n:t:k:")) != -1)
		if (option == 'p')
			options.port = (uint16_t)strtoul(optarg, NULL, 10);
		else if (option == 's')
			options.socket = optarg;
		else if (option == 'g')
			options.how.get = true;
		else if (option == 'c')
			options.clients = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'n')
			options.count = strtoul(optarg, NULL, 10);
		else if (option == 't')
			options.seconds = strtod(optarg, NULL);
		else if (option == 'k')
			options.kinds = strtoul(optarg, NULL, 10);
		else
			return false;
	if (argc - optind != 2 || options.clients == 0)
		return false;
	options.how.fastcgi = options.socket != NULL;
	options.how.token = argv[optind];
	options.how.panel = argv[optind + 1];
	if (options.count == 0)
		options.count = options.clients;
	return true;
}

int
main(int argc, char **argv)
{
	struct rlimit files = { 65536, 65536 };
	struct timespec t;
	unsigned i;

	if (!read_options(argc, argv)) {
		fputs(usage, stderr);
		return 64;
	}
	setrlimit(RLIMIT_NOFILE, &files);
	clock_gettime(CLOCK_REALTIME, &t);
	first_number = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
	epoll = epoll_create1(EPOLL_CLOEXEC);
	clients = calloc(options.clients, sizeof(*clients));
	if (epoll < 0 || clients == NULL)
		return 71;
	for (i = 0; i < options.clients; i++)
		clients[i].fd = -1;
	run();
	report();
	return 0;
}
