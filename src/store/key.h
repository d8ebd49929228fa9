/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NAME_H
#define NAME_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/*
 * What things in a store are called.  A name decides what a file may be; only
 * a regular file of such a name is an image.
 */
#define NAME_UPLOADS "uploads" /* the folder of what was PUT */
#define NAME_ROOM    72        /* for the longest name of an image, and a NUL */

/* "YYYY-MM-DD", a day that exists; *day is then its number, 0 in 1970. */
bool name_is_day(const char *, int64_t *day);

/* In a day's folder: a SHA-256 in lower-case hex, and ".png". */
bool name_is_image(const char *);
/* In the folder of uploads: 1 to 64 of 0-9A-Za-z_- and ".png". */
bool name_is_upload(const char *);
/* In the store itself, as the older program left it: 32 digits and ".png". */
bool name_is_older(const char *);

/* Write a name that somebody else chose: on one line, nothing in it that a
 * terminal would obey. */
void name_print(FILE *, const char *);

#endif
