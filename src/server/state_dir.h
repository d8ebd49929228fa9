/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STATE_H
#define STATE_H

#include <stdio.h>

#include "config/settings.h"

/*
 * What the processes of one service share: a folder, mode 0700, and in it the
 * key that names credentials in the log without telling them.
 *
 * Without the folder (a bucket as the store, or it cannot be made: a warning)
 * each process has a key of its own.
 */
struct state;

/* Hex digits of a credential's name, and a NUL. */
#define STATE_WHO_LEN  8
#define STATE_WHO_ROOM (STATE_WHO_LEN + 1)

/* NULL only when there is no memory or no randomness. */
struct state *state_open(const struct settings *, FILE *complaints);
void state_close(struct state *);

/*
 * A name for the credential: the same as long as the key lives, and of no use
 * to who reads it (HMAC-SHA-256, cut off).  "" for NULL.
 */
void state_who(
    const struct state *, char who[STATE_WHO_ROOM], const char *credential);

/* A file of that name in the folder, open for reading and writing and made if
 * missing; -1 and errno when there is none. */
int state_open_file(const struct settings *, const char *name);

/*
 * Take a lock of the service's by its name: a descriptor that holds it until
 * it is closed.  -1 and errno: EWOULDBLOCK when another process has it, else
 * there is no folder for it, or it knows no locks.
 */
int state_lock(const struct settings *, const char *name);

#endif
