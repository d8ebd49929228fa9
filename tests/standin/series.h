/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERIES_H
#define SERIES_H

#include <stddef.h>
#include <stdint.h>

enum { SERIES_MOST = 4, SUBJECTS = 8 };

/* What a panel shows: made up, but of the kind that people watch. */
struct subject {
	const char *title;
	const char *unit;               /* after a number, with its space */
	double low, high;               /* the values stay about here */
	const char *names[SERIES_MOST]; /* NULL after the last */
	int ordered;                    /* each lies above the next */
};

/* Panel numbers count from 1. */
const struct subject *subject_of(int panel);
size_t subject_count(const struct subject *);

/* FNV-1a, for seeds and the cache. */
uint64_t hash_bytes(const void *, size_t, uint64_t start);

/* The value of one series at a time.  The window (to - from) decides which
 * detail there is, so that a minute is as lively as a month. */
double series_value(const struct subject *, uint64_t seed, size_t series,
    double seconds, double window);

#endif
