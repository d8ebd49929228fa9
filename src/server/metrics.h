/* SPDX-License-Identifier: Apache-2.0 */
#ifndef METRICS_H
#define METRICS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/outcome.h"
#include "config/settings.h"

/*
 * Counters of all processes of one service, for Prometheus.
 *
 * They are atomics in a file of the state folder that every process maps, so a
 * process that ends takes nothing with it.  What is in flight is counted for
 * each process apart, in a place that a lock shows to be alive: what a killed
 * one left does not count.  Without the folder each process counts for itself.
 */
struct metrics;

/* NULL only when there is no memory. */
struct metrics *metrics_open(const struct settings *, FILE *complaints);
void metrics_close(struct metrics *);

void metrics_request_begins(struct metrics *);
void metrics_request_ends(
    struct metrics *, enum outcome, int64_t took_ms, bool shared);
void metrics_render_begins(struct metrics *);
void metrics_render_ends(struct metrics *);
/* How long it took and what came of it, once that is checked. */
void metrics_rendered(struct metrics *, enum outcome, int64_t took_ms);
void metrics_saved(struct metrics *, uint64_t bytes);

/* How many requests are in flight, in all processes. */
uint64_t metrics_in_flight(struct metrics *);

/*
 * Everything in Prometheus' text format, version 0.0.4.  "free_bytes" is what
 * the store's file system has left, -1 where that cannot be told.
 */
void metrics_write(struct metrics *, struct buf *, int64_t free_bytes);

#endif
