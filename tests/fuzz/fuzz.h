/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * A target takes any bytes and ends the process when a promise does not hold.
 * libFuzzer feeds it ("make fuzz T=panel"), and replay.c what is in corpus/:
 * seeds, and all that was ever found.
 */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

#define promise(that)                                                          \
	((that) ? (void)0                                                      \
		: (fprintf(stderr, "%s:%d: this does not hold: %s\n",          \
		       __FILE__, __LINE__, #that),                             \
		      abort()))

/* The bytes as a string of one's own. */
static inline char *
text_of(const uint8_t *bytes, size_t len)
{
	char *text = malloc(len + 1);
	size_t i;

	if (text == NULL)
		abort();
	for (i = 0; i < len; i++)
		text[i] = (char)bytes[i];
	text[len] = '\0';
	return text;
}

#endif
