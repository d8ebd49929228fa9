/* SPDX-License-Identifier: Apache-2.0 */
#include "server/state_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"
#include "tree.h"

#define TOKEN     "Bearer glsa_Ab1"
#define KEY_BYTES 32

static char root[] = "/tmp/test_state.XXXXXX", path[128], key_path[160];
static struct settings settings;
static char *said; /* by the last who() */

/* Another folder, not made yet. */
static void
elsewhere(void)
{
	static unsigned n;

	snprintf(path, sizeof(path), "%s/%u", root, n++);
	snprintf(key_path, sizeof(key_path), "%s/key", path);
	settings.state = path;
}

/* Open, ask for the name, close. */
static const char *
who(const char *credential)
{
	static char names[64][STATE_WHO_ROOM];
	static unsigned n;
	char *name = names[n++ % 64];
	FILE *complaints;
	struct state *s;
	size_t room;

	free(said);
	complaints = open_memstream(&said, &room);
	s = state_open(&settings, complaints);
	fclose(complaints);
	name[0] = '\0';
	if (check(s != NULL))
		state_who(s, name, credential);
	state_close(s);
	return name;
}

static unsigned
entries(const char *folder)
{
	DIR *d = opendir(folder);
	struct dirent *e;
	unsigned n = 0;

	while (d != NULL && (e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	if (d != NULL)
		closedir(d);
	return n;
}

static void
write_file(const char *name, const char *bytes, size_t len)
{
	FILE *f = fopen(name, "we");

	if (f == NULL || fwrite(bytes, 1, len, f) != len)
		abort();
	fclose(f);
}

static void
naming(void)
{
	const char *a = "", *b = "";

	elsewhere();
	test ("a credential's name is 8 lower-case hex digits") {
		a = who(TOKEN);
		check(strlen(a) == STATE_WHO_LEN);
		check(strspn(a, "0123456789abcdef") == STATE_WHO_LEN);
		check_str(said, "");
	}
	test ("it is the same each time the state is opened") {
		check_str(who(TOKEN), a);
	}
	test ("another credential has another name") {
		check(strcmp(who("Bearer glsa_Ab2"), a) != 0);
		check(strcmp(who("Basic glsa_Ab1"), a) != 0);
		check(strcmp(who(""), a) != 0);
	}
	test ("no credential has no name") {
		check_str(who(NULL), "");
	}
	test ("another key gives another name") {
		elsewhere();
		b = who(TOKEN);
		check(strlen(b) == STATE_WHO_LEN);
		check(strcmp(a, b) != 0);
	}
	test ("the name is the start of an HMAC-SHA-256 with that key") {
		unsigned char key[KEY_BYTES], mac[EVP_MAX_MD_SIZE];
		char wanted[STATE_WHO_ROOM];
		FILE *f = fopen(key_path, "re");
		unsigned len;

		if (check(f != NULL &&
			  fread(key, 1, KEY_BYTES, f) == KEY_BYTES)) {
			HMAC(EVP_sha256(), key, KEY_BYTES,
			    (const unsigned char *)TOKEN, strlen(TOKEN), mac,
			    &len);
			snprintf(wanted, sizeof(wanted), "%02x%02x%02x%02x",
			    mac[0], mac[1], mac[2], mac[3]);
			check_str(b, wanted);
		}
		if (f != NULL)
			fclose(f);
	}
}

static void
files(void)
{
	struct stat st;
	char store[160];

	test ("the folder is 0700, the key in it 0600, whole and alone") {
		elsewhere();
		who(TOKEN);
		check(stat(path, &st) == 0 && (st.st_mode & 07777) == 0700);
		check(stat(key_path, &st) == 0 && (st.st_mode & 07777) == 0600);
		check(st.st_size == KEY_BYTES && st.st_nlink == 1);
		check(entries(path) == 1);
	}
	test ("without a setting it is .state in the store") {
		elsewhere();
		snprintf(store, sizeof(store), "%s/.state", path);
		settings.state = NULL;
		settings.store = path;
		check(mkdir(path, 0711) == 0);
		who(TOKEN);
		check_str(said, "");
		check(stat(store, &st) == 0 && (st.st_mode & 07777) == 0700);
		check(entries(path) == 0);
	}
	test ("with a bucket there is none, and no warning") {
		char bucket[] = "s3://bucket";
		const char *a = "", *b = "";

		settings.store = bucket;
		a = who(TOKEN);
		check_str(said, "");
		b = who(TOKEN);
		check(strlen(a) == STATE_WHO_LEN && strcmp(a, b) != 0);
	}
	test ("what a crash left beside the key is no obstacle") {
		char left[160];

		elsewhere();
		check(mkdir(path, 0700) == 0);
		snprintf(
		    left, sizeof(left), "%s/key.%ld", path, (long)getpid());
		write_file(left, "x", 1);
		check_str(who(TOKEN), who(TOKEN));
		check_str(said, "");
	}
}

/* A warning that names the folder, and names all the same. */
static void
check_warned(void)
{
	const char *a = who(TOKEN), *b;

	check(strstr(said, "warning: state = ") != NULL);
	check(strstr(said, path) != NULL);
	check(strchr(said, '\n') == said + strlen(said) - 1);
	b = who(TOKEN);
	check(strlen(a) == STATE_WHO_LEN && strlen(b) == STATE_WHO_LEN);
	check(strcmp(a, b) != 0);
}

static void
warnings(void)
{
	char away[192];
	struct stat st;

	test ("a file in the folder's place is a warning") {
		elsewhere();
		write_file(path, "", 0);
		check_warned();
	}
	test ("a folder that cannot be made is a warning") {
		elsewhere();
		strncat(path, "/a/b", sizeof(path) - strlen(path) - 1);
		check_warned();
	}
	test ("a key that was cut off is a warning") {
		elsewhere();
		check(mkdir(path, 0700) == 0);
		write_file(key_path, "0123456789abcdef0123456789abcde", 31);
		check_warned();
	}
	test ("a key that is a link is a warning, and not followed") {
		elsewhere();
		check(mkdir(path, 0700) == 0);
		snprintf(away, sizeof(away), "%s/away", root);
		check(symlink(away, key_path) == 0);
		check_warned();
		check(stat(away, &st) != 0);
		write_file(away, "0123456789abcdef0123456789abcdef", 32);
		check_warned();
	}
	test ("a key that is a folder is a warning") {
		elsewhere();
		check(mkdir(path, 0700) == 0 && mkdir(key_path, 0700) == 0);
		check_warned();
	}
}

/* Several processes, let go at one moment, tell their name for the token. */
static void
start_at_once(int count)
{
	char first[STATE_WHO_LEN], other[STATE_WHO_LEN], c;
	int go[2], names[2], i;

	if (!check(pipe(go) == 0 && pipe(names) == 0))
		return;
	for (i = 0; i < count; i++)
		if (fork() == 0) {
			close(go[1]);
			if (read(go[0], &c, 1) == 0 &&
			    write(names[1], who(TOKEN), STATE_WHO_LEN) < 0)
				_exit(1);
			_exit(*said != '\0');
		}
	close(go[0]);
	close(go[1]);
	close(names[1]);
	check(read(names[0], first, STATE_WHO_LEN) == STATE_WHO_LEN);
	while (read(names[0], other, STATE_WHO_LEN) == STATE_WHO_LEN)
		check(memcmp(first, other, STATE_WHO_LEN) == 0);
	close(names[0]);
	while (wait(&i) > 0)
		check(i == 0);
}

int
main(void)
{
	int round;

	umask(022);
	if (mkdtemp(root) == NULL)
		return 1;
	naming();
	files();
	warnings();
	test ("processes that start at once share one key, without a word") {
		for (round = 0; round < 30; round++) {
			elsewhere();
			start_at_once(8);
			check(entries(path) == 1);
		}
	}
	free(said);
	tree_remove(root);
	return tap_done();
}
