/* SPDX-License-Identifier: Apache-2.0 */
#include "server/deadline.h"

#include "base/clock.h"

#include <poll.h>

struct caller
caller_from_now(int fd, int64_t seconds)
{
	struct caller c = { .fd = fd, .start_ms = now_ms() };

	c.deadline_ms = c.start_ms + seconds * 1000;
	return c;
}

int64_t
caller_left_ms(const struct caller *c)
{
	return c->deadline_ms - now_ms();
}

bool
caller_gone(const struct caller *c)
{
	struct pollfd p = { .fd = c->fd };

	if (c->half)
		p.events = POLLRDHUP;
	return c->fd >= 0 && poll(&p, 1, 0) > 0;
}
