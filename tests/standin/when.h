/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEN_H
#define WHEN_H

#include <stdbool.h>
#include <stdint.h>

/* What Grafana takes for "from" and "to": now-6h, now-1d/d (the rounding is
 * ignored), milliseconds, ISO 8601 in UTC.  Seconds since 1970. */
bool when_parse(const char *text, int64_t now, int64_t *seconds);

#endif
