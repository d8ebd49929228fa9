/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DIGEST_H
#define DIGEST_H

#include <stdbool.h>
#include <stddef.h>

/* SHA-256 (FIPS 180-4), by libcrypto. */
#define DIGEST_BYTES    32
#define DIGEST_HEX_ROOM (2 * DIGEST_BYTES + 1)

/* false only when libcrypto cannot. */
bool digest_make(
    unsigned char digest[DIGEST_BYTES], const void *bytes, size_t len);

/* As 64 lower-case digits. */
void digest_hex(
    char hex[DIGEST_HEX_ROOM], const unsigned char digest[DIGEST_BYTES]);

#endif
