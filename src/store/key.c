/* SPDX-License-Identifier: Apache-2.0 */
#include "store/key.h"

#include <string.h>
#include <time.h>

#define HEX "0123456789abcdef"

/* From least to most of these characters, and ".png". */
static bool
is_png(const char *name, const char *of, size_t least, size_t most)
{
	size_t n = strspn(name, of);

	return n >= least && n <= most && strcmp(name + n, ".png") == 0;
}

bool
name_is_image(const char *name)
{
	return is_png(name, HEX, 64, 64);
}

bool
name_is_upload(const char *name)
{
	return is_png(name,
	    "0123456789abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ_-",
	    1, 64);
}

bool
name_is_older(const char *name)
{
	return is_png(name, HEX, 32, 32);
}

bool
name_is_day(const char *name, int64_t *day)
{
	static const char form[] = "dddd-dd-dd";
	struct tm tm = { 0 };
	int y, m, d;
	size_t i;

	for (i = 0; i < sizeof(form); i++)
		if (form[i] == 'd' ? name[i] < '0' || name[i] > '9'
				   : name[i] != form[i])
			return false;
	/* NOLINTNEXTLINE(cert-err34-c): so few digits fit */
	if (sscanf(name, "%4d-%2d-%2d", &y, &m, &d) != 3)
		return false;
	tm.tm_year = y - 1900;
	tm.tm_mon = m - 1;
	tm.tm_mday = d;
	/* a multiple of a day's seconds, also before 1970 */
	*day = timegm(&tm) / 86400;
	/* timegm() made February 30th a day in March */
	return tm.tm_mon == m - 1 && tm.tm_mday == d;
}

void
name_print(FILE *to, const char *name)
{
	const unsigned char *p = (const unsigned char *)name;

	for (; *p != '\0'; p++)
		if (*p < 0x20 || *p >= 0x7f || *p == '\\')
			fprintf(to, "\\x%02x", *p);
		else
			fputc(*p, to);
}
