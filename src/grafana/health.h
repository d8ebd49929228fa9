/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HEALTH_H
#define HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/settings.h"
#include "net/http.h"

/*
 * Does Grafana answer?  Asked for ?health, at most every few seconds however
 * often that is asked.
 */
struct health;

/* NULL when there is no memory.  The settings are borrowed. */
struct health *health_open(const struct settings *);
void health_close(struct health *);

/*
 * What is known of each Grafana, in the settings' order, as constant words:
 * "ok" or what is wrong.  "words" has room for all of them.  true when one
 * answers. May be called by several threads at once, each with its own struct
 * http.
 */
bool health_of_grafana(struct health *, struct http *, const char **words);

/* Ask one now: "ok", or a constant phrase that goes on after its name. */
const char *health_ask(const struct origin *, struct http *, int64_t max_ms);

#endif
