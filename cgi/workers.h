/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WORKERS_H
#define WORKERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "body.h"
#include "config/settings.h"
#include "fastcgi.h"
#include "records.h"
#include "server/service.h"

/*
 * The threads that answer requests, and the requests that wait for one.
 *
 * Workers render and save: settings->workers of them.  One credential never has
 * more than three quarters of them (one at least).  What it asks beyond that,
 * and what finds no free worker, is parked: it holds memory and its connection,
 * and no thread.  So are requests that wait for another's render.
 *
 * Three more threads do what never waits for a worker: one refuses and answers
 * from another's render, one asks for the health, one tells the metrics.
 */
struct workers;

/* At most so many requests are parked in one process, and so many bytes of
 * their bodies; more are refused. */
#define PARKED_MAX       4096
#define PARKED_BYTES_MAX ((size_t)64 * 1024 * 1024)

/*
 * One request, and the connection on which it came.  Until workers_submit() it
 * is the listener's, from then on the workers'.
 */
struct exchange {
	struct exchange *prev, *next; /* in one queue at a time */
	struct workers *workers;
	struct caller caller; /* caller.fd is the connection */
	struct records records;
	struct intake body;
	bool is_upload;
	bool has_body; /* "body" is initialised */
	bool is_read;  /* nothing of the request is left in the connection */
	struct fastcgi *fastcgi;
	struct request_context *request;
	enum request_needs needs;
	/* the listener's, while it reads or drains */
	bool watched, draining; /* in its epoll; only to be read away */
	int64_t last_ms;
	size_t drained;
	/* the workers' */
	struct account *account; /* its credential's */
	size_t parked_bytes;
	bool working, parked, following, woken;
	bool refused;
	enum request_refusal why;
	unsigned long looked; /* at its connection, in that sweep */
	size_t look;
};

/* All of a request that is over, or never began; closes the connection. */
void exchange_free(struct exchange *);

/*
 * Start the threads.  "parked_max" is at most PARKED_MAX.  "over" takes back,
 * in a thread of the workers', an exchange that was answered.  NULL when they
 * cannot be started; complaints say why.
 */
struct workers *workers_open(struct service *, const struct settings *,
    size_t parked_max, void (*over)(void *arg, struct exchange *), void *arg,
    FILE *complaints);

/* No exchange may be in hand.  Ends the threads. */
void workers_close(struct workers *);

/* Do what it needs; it is not the caller's any more. */
void workers_submit(struct workers *, struct exchange *);

/* For request_open(), with the exchange: its leader has finished. */
void workers_wake(void *arg);

/* Look after the parked ones, now and then: those whose time is over, or whose
 * client has gone, are given up. */
void workers_sweep(struct workers *);

/* From now on no request waits for a worker: those that do are "stopping". */
void workers_stop(struct workers *);

#endif
