/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONN_H
#define CONN_H

#include <stdint.h>

struct conn;
struct timer;

/* Takes a new socket, also when it fails. */
void conn_open(int epoll, int fd);

void conn_event(struct conn *, uint32_t events);
void conn_timer(struct timer *);

/* After each round: answers those who wait for a counter, and gives back what
 * was closed in it. */
void conn_round(void);

/* Lets the oldest of the held renders go on; how many there were. */
long conn_release(long count);

void conn_close_all(void);

#endif
