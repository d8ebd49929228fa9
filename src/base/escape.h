/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESCAPE_H
#define ESCAPE_H

#include <stddef.h>

/*
 * Text from outside, made fit for a line that people or programs read.
 */

/*
 * One line of printable ASCII: a quote or a backslash gets a backslash before
 * it, every other byte that is not printable becomes \xNN.  What does not fit
 * is left out, an escape never cut in half.  Returns the length without the
 * NUL; "room" is at least 1.
 */
size_t escape_printable(char *to, size_t room, const char *bytes, size_t len);

#endif
