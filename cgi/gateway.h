/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_H
#define GATEWAY_H

#include "config/settings.h"
#include "server/service.h"

/*
 * The ways in from a web server.  Both end in service_answer().
 */

/*
 * Serve the FastCGI requests that come to the listening socket on descriptor 0,
 * with settings->workers threads, until SIGTERM, SIGINT or SIGHUP; what is in
 * flight then is finished.  Returns an exit code of sysexits(3).
 */
int fastcgi_serve(struct service *, const struct settings *);

/* Is descriptor 0 a listening socket? */
bool fastcgi_is_listening(void);

/* Answer the one CGI request in the environment and on standard input. */
int plain_serve(struct service *, const struct settings *);

/* The CGI response when there is no service to ask: it could not start. */
void plain_refuse(void);

#endif
