/* SPDX-License-Identifier: Apache-2.0 */
#include "grafana/relative_time.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DIGITS_MAX 9 /* of NUMBER: no overflow, whatever the unit */

static int
days_in(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30,
		31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return month == 1 && leap ? 29 : days[month];
}

/* The same day and time of an earlier month. */
static bool
months_before(int64_t now_ms, int64_t months, int64_t *ms)
{
	time_t seconds = (time_t)(now_ms / 1000);
	struct tm tm;
	int64_t month;
	int last;

	if (gmtime_r(&seconds, &tm) == NULL)
		return false;
	month = (int64_t)tm.tm_year * 12 + tm.tm_mon - months;
	/* before 1970, and no negative remainders */
	if (month < (int64_t)70 * 12)
		return false;
	tm.tm_year = (int)(month / 12);
	tm.tm_mon = (int)(month % 12);
	last = days_in(tm.tm_year + 1900, tm.tm_mon);
	if (tm.tm_mday > last)
		tm.tm_mday = last;
	*ms = (int64_t)timegm(&tm) * 1000 + now_ms % 1000;
	return true;
}

bool
relative_time(const char *text, int64_t now_unix_ms, int64_t *unix_ms)
{
	static const struct {
		char unit;
		int64_t seconds, months;
	} units[] = {
		{ 's', 1, 0 },
		{ 'm', 60, 0 },
		{ 'h', 3600, 0 },
		{ 'd', 86400, 0 },
		{ 'w', (int64_t)7 * 86400, 0 },
		{ 'M', 0, 1 },
		{ 'y', 0, 12 },
	};
	int64_t number, ms = -1; /* of a unit that is none */
	size_t digits, i;

	if (strcmp(text, "now") == 0) {
		*unix_ms = now_unix_ms;
		return true;
	}
	if (strncmp(text, "now-", 4) != 0)
		return false;
	text += 4;
	digits = strspn(text, "0123456789");
	if (digits == 0 || digits > DIGITS_MAX || text[digits] == '\0' ||
	    text[digits + 1] != '\0')
		return false;
	number = strtoll(text, NULL, 10);
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (units[i].unit != text[digits])
			continue;
		ms = now_unix_ms - number * units[i].seconds * 1000;
		if (units[i].months > 0 &&
		    !months_before(now_unix_ms, number * units[i].months, &ms))
			return false;
	}
	if (ms < 0)
		return false;
	*unix_ms = ms;
	return true;
}
