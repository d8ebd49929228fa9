/* SPDX-License-Identifier: Apache-2.0 */
#include "series.h"

#include <math.h>

static const struct subject subjects[SUBJECTS] = {
	{ "HTTP requests", " req/s", 120, 940,
	    { "checkout", "catalogue", "search", "accounts" }, 0 },
	{ "CPU usage", "%", 8, 86, { "web-1", "web-2", "web-3", "db-1" }, 0 },
	{ "Response time", " ms", 20, 480, { "p99", "p90", "p50" }, 1 },
	{ "Memory in use", " GiB", 2, 27, { "db-1", "cache-1", "web-1" }, 0 },
	{ "Network traffic", " MB/s", 4, 110, { "eth0 in", "eth0 out" }, 0 },
	{ "Disk I/O", " MB/s", 1, 64, { "nvme0 read", "nvme0 write", "sda" },
	    0 },
	{ "Failed requests", "%", 0.1, 4.6, { "5xx", "4xx", "timeouts" }, 0 },
	{ "Jobs in queue", "", 20, 780, { "mail", "images", "reports" }, 0 },
};

const struct subject *
subject_of(int panel)
{
	unsigned n;

	n = panel > 0 ? (unsigned)panel - 1 : 0;
	return &subjects[n % SUBJECTS];
}

size_t
subject_count(const struct subject *s)
{
	size_t n;

	n = 0;
	while (n < SERIES_MOST && s->names[n] != NULL)
		n++;
	return n;
}

uint64_t
hash_bytes(const void *bytes, size_t len, uint64_t start)
{
	const unsigned char *p;
	uint64_t h;
	size_t i;

	p = bytes;
	h = start ^ 0xcbf29ce484222325U;
	for (i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3U;
	return h;
}

/* A number in 0..1 for each whole number, the same for ever. */
static double
dice(uint64_t seed, int64_t n)
{
	uint64_t h;

	h = seed + (uint64_t)n * 0x9e3779b97f4a7c15U;
	h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9U;
	h = (h ^ h >> 27) * 0x94d049bb133111ebU;
	h ^= h >> 31;
	return (double)(h >> 11) / 9007199254740992.0;
}

/* Between two dice, without a corner. */
static double
noise(uint64_t seed, double x)
{
	double left, part;

	left = floor(x);
	part = x - left;
	part = part * part * part * (part * (part * 6 - 15) + 10);
	return dice(seed, (int64_t)left) * (1 - part) +
	       dice(seed, (int64_t)left + 1) * part - 0.5;
}

/* Now and then something happens, to all series at once. */
static double
incident(uint64_t seed, double x)
{
	double slot, at, distance, sum;
	int i;

	sum = 0;
	slot = floor(x);
	for (i = -1; i <= 1; i++) {
		at = slot + i + 0.2 + 0.6 * dice(seed, (int64_t)slot + i);
		distance = (x - at) / (x < at ? 0.02 : 0.07);
		sum += exp(-distance * distance);
	}
	return sum;
}

double
series_value(const struct subject *s, uint64_t seed, size_t series,
    double seconds, double window)
{
	uint64_t own;
	double base, x, y, span, count;

	own = seed * 31 + series * 0x5851f42d4c957f2dU;
	span = exp2(floor(log2(window)));
	x = seconds / span;
	count = (double)subject_count(s);
	base = 0.16 + 0.56 * (count - 1 - (double)series) / count;
	y = base + 0.10 * dice(own, -1);
	y += 0.34 * noise(own, x * 3) + 0.16 * noise(own + 1, x * 9);
	y += 0.07 * noise(own + 2, x * 27) + 0.022 * noise(own + 3, x * 90);
	y += 0.10 * noise(seed, x * 2);
	y += 0.17 * dice(own, -2) * incident(seed, x * 1.2);
	if (y < 0.02)
		y = 0.02 + 0.02 * dice(own, (int64_t)(x * 96));
	return s->low + (s->high - s->low) * y;
}
