/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Just enough to write tests that prove(1) can run.
 *
 * A test file is a list of sentences about one module.  Each test() below is
 * one sentence; each check() inside it must hold.  A sentence whose checks all
 * held is "ok"; the first that did not is shown with its place and its text.
 *
 *	int
 *	main(void)
 *	{
 *		test("a buffer refuses to outgrow its limit") {
 *			...
 *			check(!buf_add(&b, "x", 1));
 *		}
 *		return tap_done();
 *	}
 */
#ifndef TAP_H
#define TAP_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int tap_count, tap_bad;
static bool tap_held, tap_open;
static const char *tap_name;

static inline void
tap_close(void)
{
	if (tap_open) {
		printf("%sok %d - %s\n", tap_held ? "" : "not ", ++tap_count,
		    tap_name);
		fflush(stdout);
		tap_bad += !tap_held;
		tap_open = false;
	}
}

static inline bool
tap_begin(const char *name)
{
	tap_close();
	tap_name = name;
	tap_held = tap_open = true;
	return true;
}

static inline bool
tap_check(bool held, const char *text, const char *file, int line)
{
	if (!held) {
		tap_held = false;
		printf("# %s:%d: this does not hold: %s\n", file, line, text);
	}
	return held;
}

static inline int
tap_done(void)
{
	tap_close();
	printf("1..%d\n", tap_count);
	return tap_bad != 0;
}

/* For a program that reads /proc, first in its main(): where it is missing,
 * such as in a bare chroot, the program is skipped and says why. */
static inline bool
tap_has_proc(void)
{
	bool has = access("/proc/self/stat", F_OK) == 0;

	if (!has)
		printf("1..0 # SKIP /proc is not mounted: mount -t proc proc "
		       "/proc\n");
	return has;
}

/* The same for one that mounts something: what is mounted in a chroot whose
 * root is no mount point would be seen outside. */
static inline bool
tap_can_mount(void)
{
	struct statx root;
	bool can = statx(AT_FDCWD, "/", 0, STATX_TYPE, &root) == 0 &&
		   (root.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;

	if (!can)
		printf("1..0 # SKIP / is no mount point: mount --bind CHROOT "
		       "CHROOT\n");
	return can;
}

#define test(sentence) if (tap_begin(sentence))
#define check(that)    tap_check((that), #that, __FILE__, __LINE__)
#define check_str(got, wanted)                                                 \
	do {                                                                   \
		const char *got_ = (got), *wanted_ = (wanted);                 \
		if (!check(strcmp(got_, wanted_) == 0))                        \
			printf("#   got:    %s\n#   wanted: %s\n", got_,       \
			    wanted_);                                          \
	} while (0)

#endif
