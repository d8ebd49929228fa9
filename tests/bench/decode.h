/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DECODE_H
#define DECODE_H

#include <stdbool.h>
#include <stddef.h>

/* All pixels, by libpng.  Apart from the rest: its header has the same
 * guard as ours. */
bool decode(const unsigned char *bytes, size_t len);

#endif
