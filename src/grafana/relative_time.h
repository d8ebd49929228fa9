/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELATIVE_TIME_H
#define RELATIVE_TIME_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Which moment is "now-6h"?
 *
 * Grafana's relative times (packages/grafana-data, datetime/datemath.ts) of the
 * forms "now" and "now-NUMBER" with one of the units s m h d w M y; months and
 * years are those of the calendar, in UTC, and a day that a month does not have
 * is its last one.  Hermetic.  Times are in milliseconds since 1970.
 *
 * false, and nothing in *unix_ms, for any other form ("now/d", "now+1h", a time
 * of its own) and for a moment before 1970.
 */
bool relative_time(const char *text, int64_t now_unix_ms, int64_t *unix_ms);

#endif
