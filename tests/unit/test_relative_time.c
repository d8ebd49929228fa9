/* SPDX-License-Identifier: Apache-2.0 */
#include "grafana/relative_time.h"

#include <inttypes.h>
#include <stdlib.h>

#include "tap.h"

#define NOV_28  1795881600000 /* 2026-11-28T16:00:00Z */
#define MAR_31  1774915200123 /* 2026-03-31T00:00:00.123Z */
#define FEB_29  1835438400000 /* 2028-02-29T12:00:00Z */
#define NO_TIME (-1)

static const struct {
	const char *text;
	int64_t now, moment;
	const char *phrase;
} forms[] = {
	{ "now", NOV_28, NOV_28, "now is this moment" },
	{ "now-0h", NOV_28, NOV_28, "no hours ago, too" },
	{ "now-1s", NOV_28, NOV_28 - 1000, "a second" },
	{ "now-5m", NOV_28, NOV_28 - 300000, "minutes" },
	{ "now-6h", NOV_28, NOV_28 - 21600000, "hours" },
	{ "now-2d", NOV_28, NOV_28 - 172800000, "days" },
	{ "now-1w", NOV_28, NOV_28 - 604800000, "a week" },
	{ "now-1M", NOV_28, 1793203200000, "the 28th of the month before" },
	{ "now-12M", NOV_28, 1764345600000, "twelve months are a year" },
	{ "now-1y", NOV_28, 1764345600000, "a year" },
	{ "now-1M", MAR_31, 1772236800123,
	    "a day that February does not have is its last, and the "
	    "milliseconds stay" },
	{ "now-13M", MAR_31, 1740700800123, "across a year" },
	{ "now-1y", FEB_29, 1803816000000, "February 29th, a year ago" },
	{ "now-4y", FEB_29, 1709208000000, "four years ago" },
	{ "now-007h", NOV_28, NOV_28 - 25200000, "zeros before a number" },
	{ "now-56y", NOV_28, 28656000000, "the year 1970" },
	{ "now-57y", NOV_28, NO_TIME, "the year before it is none" },
	{ "now-999999999s", NOV_28, 795881601000, "nine digits" },
	{ "now-9999999999s", NOV_28, NO_TIME, "ten digits are none" },
	{ "now-999999999w", NOV_28, NO_TIME, "ages ago is none" },
	{ "now-999999999y", NOV_28, NO_TIME,
	    "a year that no clock has is none" },
	{ "now-999999999M", NOV_28, NO_TIME, "a month that none has is none" },
	{ "now-h", NOV_28, NO_TIME, "no number is none" },
	{ "now-6", NOV_28, NO_TIME, "no unit is none" },
	{ "now-6H", NOV_28, NO_TIME, "a unit in upper case is none" },
	{ "now-6Q", NOV_28, NO_TIME, "a quarter is none" },
	{ "now-6h ", NOV_28, NO_TIME, "a blank after it is none" },
	{ "now-6hh", NOV_28, NO_TIME, "two units are none" },
	{ "now-6h/h", NOV_28, NO_TIME, "a rounded one is none" },
	{ "now/d", NOV_28, NO_TIME, "today is none" },
	{ "now+1h", NOV_28, NO_TIME, "the future is none" },
	{ "now-1h-1m", NOV_28, NO_TIME, "two spans are none" },
	{ "now--1h", NOV_28, NO_TIME, "two signs are none" },
	{ "now-1.5h", NOV_28, NO_TIME, "a fraction is none" },
	{ "Now", NOV_28, NO_TIME, "another case is none" },
	{ "nowx", NOV_28, NO_TIME, "a word that begins with it is none" },
	{ "", NOV_28, NO_TIME, "nothing is none" },
	{ "1795881600000", NOV_28, NO_TIME, "a moment of its own is none" },
	{ "2026-11-28T16:00:00Z", NOV_28, NO_TIME, "a date is none" },
};

int
main(void)
{
	int64_t moment;
	size_t i;
	bool is;

	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		test (forms[i].phrase) {
			moment = NO_TIME;
			is =
			    relative_time(forms[i].text, forms[i].now, &moment);
			check(is == (forms[i].moment != NO_TIME));
			if (!check(moment == forms[i].moment))
				printf("#   %s: %" PRId64 "\n", forms[i].text,
				    moment);
		}
	return tap_done();
}
