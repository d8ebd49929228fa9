/* SPDX-License-Identifier: Apache-2.0 */
#include "base/timed_io.h"

#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

/* Until there is something to do; false: it is too late. */
static bool
wait_for(int fd, short events, int64_t deadline_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t left;
	int n;

	do {
		left = deadline_ms - now_ms();
		if (left < 0)
			left = 0;
		n = poll(&p, 1, left > INT_MAX ? INT_MAX : (int)left);
	} while (n < 0 && errno == EINTR);
	/* the kernel had no memory to wait with: the call itself can tell */
	return n != 0;
}

static bool
again(void)
{
	return errno == EINTR || errno == EAGAIN;
}

ssize_t
stream_read(int fd, void *to, size_t room, int64_t deadline_ms)
{
	ssize_t n;

	do {
		/* late is late, also for who never stops sending */
		if (now_ms() >= deadline_ms ||
		    !wait_for(fd, POLLIN, deadline_ms)) {
			errno = ETIMEDOUT;
			return -1;
		}
		n = read(fd, to, room);
	} while (n < 0 && again());
	return n;
}

bool
stream_write(int fd, const void *bytes, size_t len, int64_t deadline_ms)
{
	const char *from = bytes;
	ssize_t n;

	while (len > 0) {
		if (!wait_for(fd, POLLOUT, deadline_ms))
			return false;
		/* so many are taken at once by a pipe that poll() calls
		 * writable (pipe(7)); with more it would block */
		n = write(fd, from, len < PIPE_BUF ? len : PIPE_BUF);
		if (n < 0 && !again())
			return false;
		if (n > 0) {
			from += n;
			len -= (size_t)n;
		}
	}
	return true;
}
