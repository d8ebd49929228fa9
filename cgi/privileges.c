/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/commands.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool
owner_become(const struct settings *settings)
{
	struct stat st;

	if (geteuid() != 0 || settings_store_is_s3(settings) ||
	    stat(settings->store, &st) != 0 || st.st_uid == 0)
		return true;
	if (setgroups(1, &st.st_gid) == 0 && setgid(st.st_gid) == 0 &&
	    setuid(st.st_uid) == 0)
		return true;
	fprintf(stderr, "grafana-images: cannot become the owner of %s: %s\n",
	    settings->store, strerrordesc_np(errno));
	return false;
}
