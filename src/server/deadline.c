/* SPDX-License-Identifier: Apache-2.0 */
#include "server/deadline.h"

#include "base/clock.h"

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

struct pollfd
caller_poll(const struct caller *c)
{
	struct pollfd p = { .fd = c->fd };

	if (c->half)
		p.events = POLLRDHUP;
	return p;
}

bool
caller_gone(const struct caller *c)
{
	struct pollfd p = caller_poll(c);

	return c->fd >= 0 && poll(&p, 1, 0) > 0;
}
