/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_H
#define SERVICE_H

#include <stdio.h>

#include "base/buf.h"
#include "config/settings.h"
#include "net/http.h"
#include "server/deadline.h"
#include "server/request.h"

/*
 * The whole journey of a request.
 *
 * The ways in (cgi/) meet the rest of the program here, and only by data: the
 * variables and the body's bytes go in, a whole CGI response comes out.
 */
struct service;

/* NULL when the service cannot work; complaints say why, but for ENOMEM in
 * errno.  A store that is a folder may come later.  The settings are borrowed
 * until service_close(). */
struct service *service_open(const struct settings *, FILE *complaints);
void service_close(struct service *);

/* From now on no request waits for a permit to render: those that do are
 * answered "stopping".  What is being rendered is finished. */
void service_stop(struct service *);

/*
 * One request.  It goes from one thread to another, and is in one thread's hand
 * at a time.  Each step says what it needs next; only NEEDS_WORKER and
 * NEEDS_HEALTH may take long.
 */
struct request_context;

enum request_needs {
	NEEDS_HEALTH,  /* service_health() is the answer */
	NEEDS_METRICS, /* service_metrics() is the answer */
	NEEDS_BODY,    /* request_take_body() */
	NEEDS_WORKER,  /* request_work() */
	NEEDS_LEADER,  /* "wake" will be, or has been, called: then
			  request_resume() */
	NEEDS_REPLY,   /* request_reply() */
};

/* The caller and the variables are borrowed.  "wake" may be called by any
 * thread; without it the request never needs a leader.  NULL on no memory. */
struct request_context *request_open(struct service *, const struct caller *,
    char *const envp[], void (*wake)(void *arg), void *arg);
void request_close(struct request_context *);

/* What the head says.  What can be refused by it is refused at once. */
enum request_needs request_begin(struct request_context *);

/* Of what it is after that. */
bool request_is_upload(const struct request_context *);
uint64_t request_credential(const struct request_context *);
size_t request_body_max(const struct request_context *); /* more is too large */

/* An upload's body is borrowed until the reply, and cleaned where it is: a copy
 * would need as much memory again. */
enum request_needs request_take_body(struct request_context *, struct body *);
enum request_needs request_work(struct request_context *, struct http *);
enum request_needs request_resume(struct request_context *);

/* Wait for the leader no more: true, and "wake" will not be called; false: it
 * has been, or is being, called. */
bool request_leave(struct request_context *);

/* Why one that waits is given up. */
enum request_refusal {
	REFUSED_BUSY,
	REFUSED_STOPPING,
	REFUSED_LATE, /* its time is over */
	REFUSED_GONE, /* its caller went away */
};
enum request_needs request_refuse(
    struct request_context *, enum request_refusal);

/*
 * The whole response, and a line in the log.  "reply" is the caller's,
 * initialised with REPLY_MAX; when it has failed there was no memory, and
 * reply_last_word is to be sent.
 */
void request_reply(struct request_context *, struct buf *reply);
void service_health(struct service *, struct http *, struct buf *reply);
void service_metrics(struct service *, struct buf *reply);

#endif
