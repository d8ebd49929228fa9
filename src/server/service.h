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

/* From now on nobody waits for a turn to render: those who do are answered
 * "stopping".  What is being rendered is finished. */
void service_stop(struct service *);

/* How much of this request's body to read, in bytes; more is too large. */
size_t service_body_max(const struct service *, char *const envp[]);

/*
 * Answer one request.  "envp" is borrowed, and so is "body", in which an upload
 * is cleaned: a copy would need as much memory again.  "reply" is the caller's,
 * initialised with REPLY_MAX, and receives a whole response; when it has failed
 * there was no memory, and reply_last_word is to be sent.  May be called by
 * several threads at once, each with its own struct http.
 */
void service_answer(struct service *, struct http *, const struct caller *,
    char *const envp[], struct body *, struct buf *reply);

#endif
