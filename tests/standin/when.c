/* SPDX-License-Identifier: Apache-2.0 */
#include "when.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* 1900 to 2900: where all arithmetic and strftime() are safe. */
static const int64_t earliest = -2208988800, latest = 29348006400;

static int64_t
unit_seconds(char unit)
{
	switch (unit) {
	case 's':
		return 1;
	case 'm':
		return 60;
	case 'h':
		return 3600;
	case 'd':
		return 86400;
	case 'w':
		return 7 * 86400;
	case 'M':
		return 30 * 86400;
	case 'y':
		return 365 * 86400;
	default:
		return 0;
	}
}

static bool
parse_relative(const char *text, int64_t now, int64_t *seconds)
{
	char *unit;
	long count;

	*seconds = now;
	if (*text == '\0' || *text == '/')
		return true;
	errno = 0;
	count = strtol(text, &unit, 10);
	if (errno != 0 || unit == text || labs(count) > 1000000000)
		return false;
	*seconds += count * unit_seconds(*unit);
	return unit_seconds(*unit) != 0;
}

static bool
parse_iso(const char *text, int64_t *seconds)
{
	const char *end;
	struct tm tm;

	memset(&tm, 0, sizeof(tm));
	end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (end == NULL)
		return false;
	*seconds = timegm(&tm);
	return true;
}

bool
when_parse(const char *text, int64_t now, int64_t *seconds)
{
	char *end;
	bool good;

	if (strncmp(text, "now", 3) == 0) {
		good = parse_relative(text + 3, now, seconds);
	} else {
		errno = 0;
		*seconds = strtol(text, &end, 10) / 1000;
		good = errno == 0 && end != text && *end == '\0';
		if (!good)
			good = parse_iso(text, seconds);
	}
	return good && *seconds >= earliest && *seconds <= latest;
}
