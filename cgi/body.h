/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INTAKE_H
#define INTAKE_H

#include "base/buf.h"
#include "server/deadline.h"
#include "server/request.h"

/*
 * A request's body as it comes in pieces, over FastCGI as over plain CGI: what
 * is too long is read away for a while, so that the server can finish sending
 * before it reads our answer, and what drips is given up in time.
 */
struct intake {
	struct body body; /* what came */
	size_t drained;
	int64_t start_ms; /* when it was first waited for */
	const struct caller *caller;
};

/* A server that says nothing for so long in the middle of a request is given
 * up. */
#define SILENCE_MS 4000

/*
 * A body that comes more slowly than this is given up: after the first seconds
 * so many bytes for each second more.
 */
#define BODY_GRACE_MS         5000
#define BODY_BYTES_PER_SECOND 1024

/* At most "max" bytes are kept.  Freed with intake_free(), which wipes them. */
void intake_init(struct intake *, size_t max, const struct caller *);

/* So many bytes are announced: room for them is taken at one go, so that none
 * are copied when it grows.  Room that stays empty costs no memory. */
void intake_expect(struct intake *, size_t announced);

void intake_free(struct intake *);

/* A piece of it; false: no more is wanted, and the body says why. */
bool intake_take(struct intake *, const char *piece, size_t len);

/* Note that it is late, if it is: asked while nothing comes. */
bool intake_is_late(struct intake *);

#endif
