/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CALLER_H
#define CALLER_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Who waits for an answer: the web server's connection, and until when.
 */
struct caller {
	int fd;              /* hung up when nobody waits any more; -1: none */
	bool half;           /* half of it is enough (TCP): see caller_gone() */
	int64_t start_ms;    /* when the request came, on now_ms()'s clock */
	int64_t deadline_ms; /* when the answer must be there */
};

/* A caller from now on, with that many seconds. */
struct caller caller_from_now(int fd, int64_t seconds);

/* Until the deadline; 0 or less when it is over. */
int64_t caller_left_ms(const struct caller *);

/*
 * Has who waited hung up?  Of a Unix socket the kernel tells that apart from
 * "I have said all"; of TCP it does not, until something is sent.
 */
bool caller_gone(const struct caller *);

/* For poll(2) of many at once: an event means that it has. */
struct pollfd caller_poll(const struct caller *);

#endif
