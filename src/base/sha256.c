/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sha256.h"

#include <openssl/evp.h>

bool
digest_make(unsigned char digest[DIGEST_BYTES], const void *bytes, size_t len)
{
	/* EVP takes no NULL for "nothing" */
	return EVP_Digest(bytes == NULL ? "" : bytes, len, digest, NULL,
		   EVP_sha256(), NULL) == 1;
}

void
digest_hex(char hex[DIGEST_HEX_ROOM], const unsigned char digest[DIGEST_BYTES])
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < DIGEST_BYTES; i++) {
		hex[2 * i] = digits[digest[i] >> 4];
		hex[2 * i + 1] = digits[digest[i] & 0xf];
	}
	hex[2 * DIGEST_BYTES] = '\0';
}
