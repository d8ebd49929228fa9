/* SPDX-License-Identifier: Apache-2.0 */
/* The folder with several processes in it, and on file systems with limits. */
#include "store/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"
#include "tree.h"

#define DAY       "2026-11-24"
#define PROCESSES 6
#define FILES     23 /* prime: each order has all of them */
#define LEN       20000
#define SKIPPED   77

static char root[] = "/tmp/test_folder_crowd.XXXXXX", path[64];
static struct problem problem;

static const char *
at(const char *name)
{
	static char paths[4][160];
	static unsigned n;

	n++;
	snprintf(paths[n % 4], sizeof(paths[0]), "%s/%s", path, name);
	return paths[n % 4];
}

static void
elsewhere(void)
{
	static unsigned n;

	snprintf(path, sizeof(path), "%s/store%u", root, n++);
}

/* "length" bytes that belong to the number. */
static enum outcome
put_length(struct folder *f, int number, size_t length)
{
	static char bytes[1 << 20];
	char name[16];

	memset(bytes, 'a' + number % 26, length);
	snprintf(name, sizeof(name), "%d", number);
	return folder_put(f,
	    &(struct folder_file){ DAY, name, bytes, length, true }, 0,
	    &problem);
}

static enum outcome
put(struct folder *f, int number)
{
	return put_length(f, number, LEN);
}

/* Regular files in a folder, all of them whole; -1 when one is not. */
static int
whole_files(const char *name)
{
	DIR *d = opendir(name);
	struct dirent *e;
	struct stat st;
	int n = 0;

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		if (fstatat(dirfd(d), e->d_name, &st, 0) != 0 ||
		    !S_ISREG(st.st_mode) || st.st_size != LEN ||
		    (st.st_mode & 07777) != 0644 || st.st_nlink != 1)
			n = -1000;
		n++;
	}
	if (d != NULL)
		closedir(d);
	return n < 0 ? -1 : n;
}

/* Run that in a process of its own; its status. */
static int
apart(int (*run)(void))
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(run());
	if (pid > 0)
		waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Put all shared numbers, in another order each, and some of one's own. */
static int
put_many(int process)
{
	struct folder *f = folder_open(path, stdout);
	int i, bad = f == NULL;

	for (i = 0; i < FILES && !bad; i++)
		bad = put(f, (i * (2 * process + 1)) % FILES) != OUTCOME_OK ||
		      put(f, 1000 + process * FILES + i) != OUTCOME_OK;
	folder_close(f);
	return bad;
}

/* All let go at one moment; true when all went well. */
static bool
crowd(void)
{
	bool ok = true;
	int go[2], i, status;
	char c;

	if (pipe(go) != 0)
		return false;
	fflush(stdout);
	for (i = 0; i < PROCESSES; i++)
		if (fork() == 0) {
			close(go[1]);
			_exit(read(go[0], &c, 1) == 0 ? put_many(i) : 1);
		}
	close(go[0]);
	close(go[1]);
	while (wait(&status) > 0)
		ok = ok && status == 0;
	return ok;
}

/*
 * File systems that cannot do what others can, by a filter on system calls:
 * where the argument "which" has the bits "flag", the call says "errnum".
 */
static bool
forbid(int call, unsigned which, unsigned flag, int errnum)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    (unsigned)offsetof(struct seccomp_data, args) + 8 * which),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, flag, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)errnum),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

#define NAMELESS_FLAG 020000000 /* O_TMPFILE without O_DIRECTORY */

/* NFS and others: no nameless files. */
static int
without_nameless(void)
{
	struct folder *f;
	struct stat st;
	bool ok;

	if (!forbid(SYS_openat, 2, NAMELESS_FLAG, EOPNOTSUPP))
		return SKIPPED;
	f = folder_open(path, stdout);
	ok = f != NULL && put(f, 1) == OUTCOME_OK && put(f, 1) == OUTCOME_OK &&
	     whole_files(at(DAY)) == 1 && stat(at(".partial"), &st) == 0 &&
	     (st.st_mode & 07777) == 0700 && whole_files(at(".partial")) == 0;
	folder_close(f);
	return !ok;
}

static int
crowd_without_nameless(void)
{
	if (!forbid(SYS_openat, 2, NAMELESS_FLAG, EOPNOTSUPP))
		return SKIPPED;
	return !crowd();
}

/* No /proc: nameless files cannot be named. */
static int
without_proc(void)
{
	struct folder *f;
	bool ok;

	if (!forbid(SYS_linkat, 4, AT_SYMLINK_FOLLOW, ENOENT))
		return SKIPPED;
	f = folder_open(path, stdout);
	ok = f != NULL && put(f, 1) == OUTCOME_OK &&
	     whole_files(at(DAY)) == 1 && whole_files(at(".partial")) == 0;
	folder_close(f);
	return !ok;
}

static bool
mount_small(const char *options)
{
	return mkdir(path, 0711) == 0 && unshare(CLONE_NEWNS) == 0 &&
	       mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("tmpfs", path, "tmpfs", 0, options) == 0;
}

/* Full by bytes: what does not fit leaves nothing, what fits is saved. */
static int
full(void)
{
	struct folder *f;
	bool ok;

	if (!mount_small("size=256k"))
		return SKIPPED;
	f = folder_open(path, stdout);
	ok = f != NULL && put_length(f, 1, 1 << 20) == OUTCOME_STORE_FULL &&
	     problem.errnum == ENOSPC && *problem.why != '\0' &&
	     whole_files(at(DAY)) == 0 && put(f, 2) == OUTCOME_OK &&
	     whole_files(at(DAY)) == 1;
	folder_close(f);
	return !ok;
}

static int
full_without_nameless(void)
{
	struct folder *f;
	bool ok;

	if (!mount_small("size=256k") ||
	    !forbid(SYS_openat, 2, NAMELESS_FLAG, EOPNOTSUPP))
		return SKIPPED;
	f = folder_open(path, stdout);
	ok = f != NULL && put_length(f, 1, 1 << 20) == OUTCOME_STORE_FULL &&
	     whole_files(at(DAY)) == 0 && whole_files(at(".partial")) == 0 &&
	     put(f, 2) == OUTCOME_OK && whole_files(at(DAY)) == 1;
	folder_close(f);
	return !ok;
}

/* Full by files: not even the day's folder. */
static int
no_inodes(void)
{
	struct folder *f;
	bool ok;

	if (!mount_small("size=1m,nr_inodes=1"))
		return SKIPPED;
	f = folder_open(path, stdout);
	ok = f != NULL && put(f, 1) == OUTCOME_STORE_FULL;
	folder_close(f);
	return !ok;
}

static int
read_only(void)
{
	struct folder *f;
	bool ok;

	if (!mount_small("size=1m"))
		return SKIPPED;
	f = folder_open(path, stdout);
	if (f == NULL ||
	    mount("none", path, NULL, MS_REMOUNT | MS_RDONLY, NULL) != 0)
		return SKIPPED;
	ok = put(f, 1) == OUTCOME_STORE_FAILED && problem.errnum == EROFS;
	folder_close(f);
	return !ok;
}

static const struct {
	int (*run)(void);
	const char *phrase, *skipped;
} machines[] = {
	{ without_nameless,
	    "without nameless files one is written in .partial and linked",
	    "nameless files cannot be forbidden # SKIP" },
	{ without_proc, "without /proc a file is saved all the same",
	    "naming files cannot be forbidden # SKIP" },
	{ crowd_without_nameless, "many processes need no nameless files",
	    "nameless files cannot be forbidden to many # SKIP" },
	{ full, "a full file system is store-full and keeps no part of a file",
	    "a full file system cannot be mounted # SKIP" },
	{ full_without_nameless, "nor does a full one without nameless files",
	    "a full one without nameless files cannot be mounted # SKIP" },
	{ no_inodes, "a file system that has no more files is store-full",
	    "a file system without files cannot be mounted # SKIP" },
	{ read_only, "a file system that became read-only is store-failed",
	    "a read-only file system cannot be mounted # SKIP" },
};

int
main(void)
{
	int status;
	size_t i;

	if (!tap_has_proc() || !tap_can_mount())
		return 0;
	umask(022);
	if (mkdtemp(root) == NULL)
		return 1;
	test ("processes that save the same and other files get all of them") {
		elsewhere();
		check(crowd());
		check(whole_files(at(DAY)) == FILES * (PROCESSES + 1));
		check(access(at(".partial"), F_OK) != 0);
	}
	for (i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
		elsewhere();
		status = apart(machines[i].run);
		test (status == SKIPPED ? machines[i].skipped
					: machines[i].phrase) {
			check(status == 0 || status == SKIPPED);
			if (machines[i].run == crowd_without_nameless &&
			    status == 0)
				check(whole_files(at(DAY)) ==
					  FILES * (PROCESSES + 1) &&
				      whole_files(at(".partial")) == 0);
		}
	}
	tree_remove(root);
	return tap_done();
}
