/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLIENT_H
#define CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/url.h"

/*
 * The other side of the service: who has a panel's address and wants a
 * picture's.
 */
#define CLIENT_ANSWER_MAX  65536             /* bytes of an answer's body */
#define CLIENT_ADDRESS_MAX 2048              /* bytes of a picture's address */
#define CLIENT_PATH        "/grafana-images" /* where an address has none */

struct client {
	struct origin service;
	const char *authorization; /* "Bearer …" */
	const char *ca_file;       /* NULL: the system's certificates */
	int64_t deadline_ms;       /* on now_ms()'s clock */
};

/*
 * Have the panel saved.  Returns EX_OK with the picture's address, fit to be
 * put into a string of JSON as it is, in "address"; else an exit code
 * of sysexits(3), and in "why" sentences in one line of printable ASCII, unless
 * they are on standard error already (certificates that cannot be used).
 * Sets libcurl up and takes it down again: for a program with one question.
 */
int client_save(const struct client *, const char *image_url,
    struct buf *address, struct buf *why);

/* What an answer means; the judging half of client_save().  Hermetic. */
int client_judge(int status, const char *body, size_t len, struct buf *address,
    struct buf *why);

#endif
