/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stand-in for Grafana: it draws panels, and behaves well or badly as it is
 * asked to.  One thread, one epoll; README.md says what it can do.
 */
#include <arpa/inet.h>
#include <cairo.h>
#include <errno.h>
#include <fontconfig/fontconfig.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "conn.h"
#include "settings.h"
#include "tally.h"
#include "timer.h"
#include "view.h"

enum { BACKLOG = 4096, EVENTS = 256, FILES = 65536 };

static int epoll, listener, signals;

static void
need(int good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "standin: ");
	perror(what);
	exit(EX_OSERR);
}

static void
raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max < FILES ? limit.rlim_max : FILES;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void
listen_here(void)
{
	struct sockaddr_in address;
	socklen_t len;
	int one;

	one = 1;
	len = sizeof(address);
	memset(&address, 0, sizeof(address));
	address.sin_family = AF_INET;
	address.sin_port = htons((uint16_t)settings.port);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener =
	    socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	need(listener >= 0, "socket");
	(void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	need(bind(listener, (struct sockaddr *)&address, len) == 0, "bind");
	need(listen(listener, BACKLOG) == 0, "listen");
	need(getsockname(listener, (struct sockaddr *)&address, &len) == 0,
	    "getsockname");
	settings.port = ntohs(address.sin_port);
	snprintf(settings.root, sizeof(settings.root), "http://127.0.0.1:%d",
	    settings.port);
}

static void
add(int *fd)
{
	struct epoll_event event;

	event.events = EPOLLIN;
	event.data.ptr = fd;
	need(epoll_ctl(epoll, EPOLL_CTL_ADD, *fd, &event) == 0, "epoll_ctl");
}

static void
accept_all(void)
{
	int fd, one;

	one = 1;
	for (;;) {
		fd =
		    accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		(void)setsockopt(
		    fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		conn_open(epoll, fd);
	}
}

static void
serve(void)
{
	struct epoll_event events[EVENTS];
	struct timer *due;
	int i, n;

	for (;;) {
		n = epoll_wait(epoll, events, EVENTS, timer_wait_ms());
		need(n >= 0 || errno == EINTR, "epoll_wait");
		for (i = 0; i < n; i++) {
			if (events[i].data.ptr == &signals)
				return;
			if (events[i].data.ptr == &listener)
				accept_all();
			else
				conn_event(
				    events[i].data.ptr, events[i].events);
		}
		for (due = timer_due(); due != NULL; due = timer_due())
			conn_timer(due);
		conn_round();
	}
}

int
main(int argc, char **argv)
{
	sigset_t stop;

	settings_read(argc, argv);
	raise_files();
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	signals = signalfd(-1, &stop, SFD_CLOEXEC);
	need(epoll >= 0 && signals >= 0, "epoll");
	listen_here();
	add(&listener);
	add(&signals);
	printf("listening on %s%s\n", settings.root, settings.sub_path);
	need(fflush(stdout) == 0, "stdout");
	serve();
	conn_close_all();
	close(listener);
	close(signals);
	close(epoll);
	tally_reset();
	timer_free();
	cache_free();
	cairo_debug_reset_static_data();
	FcFini(); /* cairo's own library; a clean end shows real leaks */
	return EX_OK;
}
