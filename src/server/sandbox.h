/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <stdbool.h>
#include <stdio.h>

#include "base/sanitized.h"
#include "config/settings.h"

/* A sanitizer cannot be confined.  "make coverage" sets it, too: what ran is
 * written down elsewhere. */
#ifndef UNCONFINED
#define UNCONFINED SANITIZED
#endif

/*
 * What a stranger who took this process over could still do with it: next to
 * nothing.
 *
 * Landlock (landlock(7)) leaves it the store and the state to write, the
 * system's configuration and libraries to read, the TCP ports of Grafana, the
 * bucket and DNS to connect to, and no abstract sockets and signals of others.
 * seccomp (seccomp(2)) leaves it the system calls that serving takes: another
 * one is an error, so that a new C library does not end a service, and one that
 * no service ever makes (exec, ptrace and the like) ends it.  Nothing more can
 * be mapped to be run, libraries included.
 */

/*
 * Confine the process for the rest of its life, if the settings say so: after
 * all is open, and before there is a second thread.  With all that the kernel
 * offers; false, and complaints say why, when not even seccomp can be had.
 */
bool sandbox_enter(const struct settings *, FILE *complaints);

/* What is in force: "landlock+seccomp", "seccomp" or "off". */
const char *sandbox_level(void);

#endif
