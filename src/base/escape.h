/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESCAPE_H
#define ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

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

/*
 * One line of UTF-8 that people read: controls, characters that turn the
 * direction of writing round or cannot be seen, and bytes that are no UTF-8
 * become "?", double quotes single ones.  What does not fit is cut between two
 * characters, and ends in "...".  "room" is at least 4.
 */
void escape_for_people(char *to, size_t room, const char *bytes, size_t len);

/*
 * A text as it stands between the quotes of a string of JSON (RFC 8259).  Bytes
 * beyond ASCII stay as they are.  false when the buffer has failed.
 */
bool escape_json(struct buf *, const char *text);

/*
 * The character that a text begins with (RFC 3629): its bytes, and its number
 * in *c; 0: it is no UTF-8.
 */
size_t utf8_read(const char *bytes, size_t len, uint32_t *c);

#endif
