/* SPDX-License-Identifier: Apache-2.0 */
#include "store/synced.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>

#define FILES 4096 /* a power of two */

struct identity {
	uint64_t inode;
	int64_t made_seconds;
	uint32_t made_nanoseconds;
	uint32_t major, minor; /* of its device */
};

struct synced {
	pthread_mutex_t lock; /* guards all below */
	struct identity files[FILES];
};

struct synced *
synced_open(void)
{
	struct synced *s = calloc(1, sizeof(*s));

	if (s != NULL)
		pthread_mutex_init(&s->lock, NULL);
	return s;
}

void
synced_close(struct synced *s)
{
	if (s == NULL)
		return;
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static bool
identify(struct identity *id, int fd)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &st) != 0 ||
	    (st.stx_mask & STATX_BTIME) == 0)
		return false;
	*id = (struct identity){ st.stx_ino, st.stx_btime.tv_sec,
		st.stx_btime.tv_nsec, st.stx_dev_major, st.stx_dev_minor };
	return true;
}

static bool
same(const struct identity *a, const struct identity *b)
{
	return a->inode == b->inode && a->made_seconds == b->made_seconds &&
	       a->made_nanoseconds == b->made_nanoseconds &&
	       a->major == b->major && a->minor == b->minor;
}

/* File systems count inodes up: neighbours do not push one another out. */
static struct identity *
place_of(struct synced *s, const struct identity *id)
{
	return &s->files[id->inode % FILES];
}

void
synced_add(struct synced *s, int fd)
{
	struct identity id;

	if (!identify(&id, fd))
		return;
	pthread_mutex_lock(&s->lock);
	*place_of(s, &id) = id;
	pthread_mutex_unlock(&s->lock);
}

bool
synced_has(struct synced *s, int fd)
{
	struct identity id;
	bool has;

	if (!identify(&id, fd))
		return false;
	pthread_mutex_lock(&s->lock);
	has = same(place_of(s, &id), &id);
	pthread_mutex_unlock(&s->lock);
	return has;
}
