/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stdbool.h>

/*
 * Tells the service manager that started us how we are, by the protocol of
 * sd_notify(3): one datagram to the socket that $NOTIFY_SOCKET names.  Where
 * nobody wants to know, none of these does anything.
 */

/* Once, before any thread and any sandbox: later only a send is needed. */
void notify_open(void);

/* Requests are served from now on.  False when the manager, which waits for
 * this, cannot be told; errno says why. */
bool notify_ready(void);

/* No more of them.  Safe in a signal handler: it never waits. */
void notify_stopping(void);

#endif
