/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PREFLIGHTS_H
#define PREFLIGHTS_H

#include "base/outcome.h"
#include "grafana/preflight.h"
#include "net/http.h"

/*
 * Dashboards asked for once, for all panels of them and all threads.
 *
 * What Grafana answered is remembered for PREFLIGHTS_SECONDS, but for a refused
 * credential. A thread that wants what another one is asking for waits for it.
 * The credential is part of what is remembered: no request learns of a
 * dashboard through another one's rights.
 */
#define PREFLIGHTS_SECONDS 60
#define PREFLIGHTS_MAX     4096 /* answers; more are not remembered */

struct preflights;

/* NULL when there is no memory. */
struct preflights *preflights_open(void);
void preflights_close(struct preflights *); /* no thread is in it any more */

/* May that panel be rendered?  OUTCOME_OK also when there is no verdict. */
enum outcome preflights_check(struct preflights *, const struct preflight *,
    struct http *, struct problem *);

#endif
