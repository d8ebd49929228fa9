/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMANDS_H
#define COMMANDS_H

#include <stdbool.h>

#include "config/settings.h"

/*
 * What the program does when it is started by a person or a timer.  Each takes
 * what follows its name and returns an exit code of sysexits(3); "file" is the
 * settings file that -c named, or NULL.
 */

/* Say what is wrong with the settings, or print the effective ones and ask
 * Grafana whether strangers may look. */
int check_run(const char *file, int argc, char *argv[]);

/* Remove what the settings no longer keep, or say what that would be. */
int purge_run(const char *file, int argc, char *argv[]);

/* Take images back, each by its address or its name. */
int remove_run(const char *file, int argc, char *argv[]);

/*
 * The clients.  They read no settings and take all that follows their name;
 * post says itself what is wrong with it, and sensu never says anything.
 */

/* Have a panel saved by a running service and print the picture's address. */
int post_run(const char *file, int argc, char *argv[]);

/* A Sensu mutator: pass an event on, with the address of its panel's picture.
 * Always EX_OK. */
int sensu_run(const char *file, int argc, char *argv[]);

/*
 * Take the identity of the store's owner when we are root, so that nothing
 * which the service could not write appears in the store, and no link of its
 * user's leads us to the files of others.  EX_OK also for a bucket, and for
 * root's own store in root's own folders.  EX_NOPERM when that cannot be done,
 * or the way there is not to be trusted: complained of on standard error.
 * EX_NOINPUT and errno when there is no store, and with it no owner.
 */
int owner_become(const struct settings *);

#endif
