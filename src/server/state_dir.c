/* SPDX-License-Identifier: Apache-2.0 */
#include "server/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_BYTES 32

struct state {
	unsigned char key[KEY_BYTES];
};

/* The folder, made if missing; -1 and errno when that fails. */
static int
open_folder(const char *path)
{
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return -1;
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool
read_key(unsigned char key[KEY_BYTES], int folder)
{
	int fd = openat(folder, "key", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	bool ok;

	if (fd < 0)
		return false;
	ok = read(fd, key, KEY_BYTES) == KEY_BYTES;
	if (!ok)
		errno = EINVAL;
	close(fd);
	return ok;
}

/*
 * Beside first and then by link(2), which refuses a name that is taken: of
 * several processes that start at once one key wins, whole.
 */
static bool
write_key(const unsigned char key[KEY_BYTES], int folder)
{
	unsigned long long random;
	char name[32];
	bool ok;
	int fd;

	/* not the process's number: containers may share the folder */
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return false;
	snprintf(name, sizeof(name), "key.%016llx", random);
	fd = openat(folder, name,
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return false;
	ok = write(fd, key, KEY_BYTES) == KEY_BYTES && fsync(fd) == 0;
	ok = close(fd) == 0 && ok;
	ok = ok &&
	     (linkat(folder, name, folder, "key", 0) == 0 || errno == EEXIST);
	unlinkat(folder, name, 0);
	return ok;
}

static bool
share_key(unsigned char key[KEY_BYTES], const char *path)
{
	int folder = open_folder(path), errnum;
	bool ok;

	if (folder < 0)
		return false;
	ok = read_key(key, folder) ||
	     (errno == ENOENT && write_key(key, folder) &&
		 read_key(key, folder));
	errnum = errno;
	close(folder);
	errno = errnum;
	return ok;
}

/* The folder's path: set, or inside a store that is a folder; NULL: none. */
static char *
folder_path(const struct settings *settings)
{
	char *path;

	if (settings->state != NULL)
		return strdup(settings->state);
	if (settings_store_is_s3(settings))
		return NULL;
	return asprintf(&path, "%s/.state", settings->store) < 0 ? NULL : path;
}

struct state *
state_open(const struct settings *settings, FILE *complaints)
{
	struct state *s = calloc(1, sizeof(*s));
	char *path;

	if (s == NULL || getrandom(s->key, KEY_BYTES, 0) != KEY_BYTES) {
		free(s);
		return NULL;
	}
	path = folder_path(settings);
	if (path != NULL && !share_key(s->key, path)) {
		fprintf(complaints,
		    "grafana-images: warning: state = %s: cannot be used: %s; "
		    "each process keeps its own\n",
		    path,
		    errno == EINVAL
			? "the file \"key\" in it is damaged, remove it"
			: strerrordesc_np(errno));
		if (getrandom(s->key, KEY_BYTES, 0) != KEY_BYTES) {
			free(s);
			s = NULL;
		}
	}
	free(path);
	return s;
}

void
state_close(struct state *s)
{
	if (s != NULL)
		explicit_bzero(s, sizeof(*s));
	free(s);
}

void
state_who(
    const struct state *s, char who[STATE_WHO_ROOM], const char *credential)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned len;
	int i;

	who[0] = '\0';
	if (credential == NULL || HMAC(EVP_sha256(), s->key, KEY_BYTES,
				      (const unsigned char *)credential,
				      strlen(credential), mac, &len) == NULL)
		return;
	for (i = 0; i < STATE_WHO_LEN / 2; i++)
		snprintf(who + 2 * i, 3, "%02x", mac[i]);
}

int
state_open_file(const struct settings *settings, const char *name)
{
	char *path = folder_path(settings);
	int folder = -1, fd = -1, errnum;

	errno = ENOENT;
	if (path != NULL)
		folder = open_folder(path);
	if (folder >= 0)
		fd = openat(folder, name,
		    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	errnum = errno;
	if (folder >= 0)
		close(folder);
	free(path);
	errno = errnum;
	return fd;
}

int
state_lock(const struct settings *settings, const char *name)
{
	int fd = state_open_file(settings, name), errnum;

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
		errnum = errno;
		close(fd);
		fd = -1;
		errno = errnum;
	}
	return fd;
}
