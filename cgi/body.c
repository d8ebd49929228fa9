/* SPDX-License-Identifier: Apache-2.0 */
#include "body.h"

#include "base/clock.h"

#include <string.h>

#define DRAIN_MAX 1048576 /* bytes of a body that nobody wants */

void
intake_init(struct intake *in, size_t max, const struct caller *caller)
{
	memset(in, 0, sizeof(*in));
	in->caller = caller;
	in->start_ms = now_ms();
	buf_init(&in->body.bytes, max);
}

void
intake_free(struct intake *in)
{
	buf_free(&in->body.bytes);
}

void
intake_expect(struct intake *in, size_t announced)
{
	struct buf *bytes = &in->body.bytes;

	/* more is too large, and read away */
	if (announced <= bytes->limit && !buf_reserve(bytes, announced))
		in->body.no_memory = true;
}

bool
intake_is_late(struct intake *in)
{
	int64_t more_ms = now_ms() - in->start_ms - BODY_GRACE_MS;
	size_t came = in->body.bytes.len + in->drained;

	in->body.late =
	    caller_left_ms(in->caller) <= 0 ||
	    (more_ms > 0 &&
		came < (size_t)more_ms * BODY_BYTES_PER_SECOND / 1000);
	return in->body.late;
}

bool
intake_take(struct intake *in, const char *piece, size_t len)
{
	struct body *body = &in->body;

	if (body->over || len > body->bytes.limit - body->bytes.len) {
		body->over = true;
		in->drained += len;
	} else if (!buf_add(&body->bytes, piece, len)) {
		body->no_memory = true;
	}
	return !intake_is_late(in) && !body->no_memory &&
	       in->drained <= DRAIN_MAX;
}
