/* SPDX-License-Identifier: Apache-2.0 */
#include "sd_notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Set before there is a second thread, and then only read.  Not connected: a
 * manager that made its socket anew, under the same name, is still reached; but
 * to an abstract one, which the sandbox lets nothing connect to later. */
static int manager_fd = -1;
static int open_errnum; /* why there is none, though somebody waits */
static struct sockaddr_un manager;
static socklen_t manager_len;

static bool
tell(const char *state, int flags)
{
	size_t len = strlen(state);

	errno = open_errnum;
	if (manager_fd < 0)
		return open_errnum == 0;
	return sendto(manager_fd, state, len, flags | MSG_NOSIGNAL,
		   (const struct sockaddr *)&manager,
		   manager_len) == (ssize_t)len;
}

void
notify_open(void)
{
	const char *name = getenv("NOTIFY_SOCKET");
	size_t len = name == NULL ? 0 : strlen(name);

	if (len == 0)
		return;
	open_errnum = EAFNOSUPPORT;
	if (*name != '/' && *name != '@')
		return;
	open_errnum = ENAMETOOLONG;
	if (len >= sizeof(manager.sun_path))
		return;
	manager.sun_family = AF_UNIX;
	memcpy(manager.sun_path, name, len);
	manager_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	/* an abstract name begins with a NUL and has none at its end */
	if (*name == '@')
		manager.sun_path[0] = '\0';
	else
		manager_len++;
	manager_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	open_errnum = manager_fd < 0 ? errno : 0;
	/* where that fails, so will the send, which says why */
	if (manager_fd >= 0 && *name == '@')
		(void)connect(
		    manager_fd, (const struct sockaddr *)&manager, manager_len);
}

bool
notify_ready(void)
{
	return tell("READY=1\n", 0);
}

void
notify_stopping(void)
{
	(void)tell("STOPPING=1\n", MSG_DONTWAIT);
}
