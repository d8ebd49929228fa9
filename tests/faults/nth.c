/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For LD_PRELOAD: the k-th call that can fail does, once or from then on, or
 * each with some odds.  A write can fail in two ways, each counted: wholly, and
 * by writing only half.
 *
 * The file that NTH names is mapped as a struct control, which whoever tests
 * writes: so counting begins and ends when it says, not at the program's start.
 * Functions are those that the program, libfcgi, libcurl and the C library's
 * own parts call by name; with NTH_KEEPS_MALLOC (a sanitizer's build) memory
 * is left alone.  So is epoll: the kernel has no reason to fail what is asked
 * of it here, and without it nobody can be accepted any more.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

struct control {
	atomic_long armed;   /* counting? */
	atomic_long fail;    /* which one fails, from 1; 0: none */
	atomic_long forever; /* and all after it */
	atomic_long count;   /* so far */
	atomic_long failed;  /* how many did */
	char name[40];       /* of the first that did */
	atomic_long odds;    /* of any to fail, in a million */
	atomic_long named;   /* are there no nameless files? */
	atomic_long memory;  /* does nothing fail but for want of memory? */
};

static struct control none, *control = &none;

/* Random enough, and needs no state but the call's number: Steele, Lea, Flood,
 * "Fast Splittable Pseudorandom Number Generators", 2014 (SplitMix64). */
static bool
has_bad_luck(long n)
{
	unsigned long z = (unsigned long)n * 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (long)((z ^ z >> 31) % 1000000) < atomic_load(&control->odds);
}

static bool
is_chosen(long n)
{
	long fail = atomic_load(&control->fail);

	return fail != 0 &&
	       (n == fail || (n > fail && atomic_load(&control->forever) != 0));
}

static bool
hit(const char *name, int errnum)
{
	long n;

	if (atomic_load(&control->armed) == 0 ||
	    (errnum != ENOMEM && atomic_load(&control->memory) != 0))
		return false;
	n = atomic_fetch_add(&control->count, 1) + 1;
	if (!is_chosen(n) && !has_bad_luck(n))
		return false;
	if (atomic_fetch_add(&control->failed, 1) == 0)
		snprintf(control->name, sizeof(control->name), "%s", name);
	errno = errnum;
	return true;
}

/* Other libraries' constructors may come before ours. */
static void
find(void **function, const char *name)
{
	if (*function == NULL)
		*function = dlsym(RTLD_NEXT, name);
}

#define EXPORT __attribute__((visibility("default")))

/* A function that fails with "errnum" by returning "bad". */
/* clang-format off */
#define CALLS(X) \
	X(int, -1, EIO, fsync, (int a), (a)) \
	X(int, -1, EIO, fchmod, (int a, mode_t b), (a, b)) \
	X(int, -1, EIO, fstat, (int a, struct stat *b), (a, b)) \
	X(int, -1, EIO, fstatvfs, (int a, struct statvfs *b), (a, b)) \
	X(int, -1, EIO, futimens, (int a, const struct timespec b[2]), (a, b)) \
	X(int, -1, ENOSPC, linkat, (int a, const char *b, int c, const char *d, int e), (a, b, c, d, e)) \
	X(int, -1, EIO, unlinkat, (int a, const char *b, int c), (a, b, c)) \
	X(int, -1, EIO, faccessat, (int a, const char *b, int c, int d), (a, b, c, d)) \
	X(int, -1, ENOLCK, flock, (int a, int b), (a, b)) \
	X(int, -1, ENOSPC, mkdirat, (int a, const char *b, mode_t c), (a, b, c)) \
	X(ssize_t, -1, EIO, read, (int a, void *b, size_t c), (a, b, c)) \
	X(ssize_t, -1, EIO, writev, (int a, const struct iovec *b, int c), (a, b, c)) \
	X(int, -1, EMFILE, socket, (int a, int b, int c), (a, b, c)) \
	X(int, -1, EMFILE, socketpair, (int a, int b, int c, int d[2]), (a, b, c, d)) \
	X(int, -1, EMFILE, eventfd, (unsigned a, int b), (a, b)) \
	X(int, -1, ENOBUFS, accept4, (int a, struct sockaddr *b, socklen_t *c, int d), (a, b, c, d)) \
	X(int, -1, ECONNREFUSED, connect, (int a, const struct sockaddr *b, socklen_t c), (a, b, c)) \
	X(int, -1, ENOBUFS, bind, (int a, const struct sockaddr *b, socklen_t c), (a, b, c)) \
	X(int, -1, ENOBUFS, getsockname, (int a, struct sockaddr *b, socklen_t *c), (a, b, c)) \
	X(int, -1, ENOBUFS, getpeername, (int a, struct sockaddr *b, socklen_t *c), (a, b, c)) \
	X(int, -1, ENOBUFS, setsockopt, (int a, int b, int c, const void *d, socklen_t e), (a, b, c, d, e)) \
	X(int, -1, ENOBUFS, getsockopt, (int a, int b, int c, void *d, socklen_t *e), (a, b, c, d, e)) \
	X(ssize_t, -1, EPIPE, send, (int a, const void *b, size_t c, int d), (a, b, c, d)) \
	X(ssize_t, -1, EPIPE, sendto, (int a, const void *b, size_t c, int d, const struct sockaddr *e, socklen_t f), (a, b, c, d, e, f)) \
	X(ssize_t, -1, EPIPE, sendmsg, (int a, const struct msghdr *b, int c), (a, b, c)) \
	X(ssize_t, -1, ECONNRESET, recv, (int a, void *b, size_t c, int d), (a, b, c, d)) \
	X(ssize_t, -1, ECONNRESET, recvfrom, (int a, void *b, size_t c, int d, struct sockaddr *e, socklen_t *f), (a, b, c, d, e, f)) \
	X(ssize_t, -1, ECONNRESET, recvmsg, (int a, struct msghdr *b, int c), (a, b, c)) \
	X(int, -1, ENOMEM, poll, (struct pollfd *a, nfds_t b, int c), (a, b, c)) \
	X(ssize_t, -1, EAGAIN, getrandom, (void *a, size_t b, unsigned c), (a, b, c)) \
	X(int, EAI_MEMORY, ENOMEM, getaddrinfo, (const char *a, const char *b, const struct addrinfo *c, struct addrinfo **d), (a, b, c, d)) \
	X(int, EAGAIN, EAGAIN, pthread_create, (pthread_t *a, const pthread_attr_t *b, void *(*c)(void *), void *d), (a, b, c, d))
/* clang-format on */

#define X(type, bad, errnum, name, parameters, arguments)                      \
	static type(*real_##name) parameters;                                  \
	EXPORT type name parameters                                            \
	{                                                                      \
		find((void **)&real_##name, #name);                            \
		return hit(#name, errnum) ? (bad) : real_##name arguments;     \
	}
CALLS(X)
#undef X

static ssize_t (*real_write)(int, const void *, size_t);

EXPORT ssize_t
write(int fd, const void *bytes, size_t len)
{
	find((void **)&real_write, "write");
	if (hit("write", ENOSPC))
		return -1;
	if (len > 1 && hit("half a write", errno))
		len /= 2;
	return real_write(fd, bytes, len);
}

static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);

EXPORT ssize_t
pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	find((void **)&real_pwrite, "pwrite");
	if (hit("pwrite", ENOSPC))
		return -1;
	if (len > 1 && hit("half a pwrite", errno))
		len /= 2;
	return real_pwrite(fd, bytes, len, at);
}

static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);

EXPORT int
open(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	find((void **)&real_pwrite, "pwrite");
	find((void **)&real_open, "open");
	return hit("open", EMFILE) ? -1 : real_open(path, flags, mode);
}

EXPORT int
openat(int folder, const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	find((void **)&real_openat, "openat");
	if ((flags & O_TMPFILE) == O_TMPFILE &&
	    atomic_load(&control->named) != 0) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return hit("openat", EMFILE) ? -1
				     : real_openat(folder, path, flags, mode);
}

static int (*real_fcntl)(int, int, ...);

EXPORT int
fcntl(int fd, int cmd, ...)
{
	va_list ap;
	void *what; /* or a number, which takes no more room */

	va_start(ap, cmd);
	what = va_arg(ap, void *);
	va_end(ap);
	find((void **)&real_fcntl, "fcntl");
	return hit("fcntl", EINVAL) ? -1 : real_fcntl(fd, cmd, what);
}

#ifndef NTH_KEEPS_MALLOC
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);

EXPORT void *
malloc(size_t size)
{
	return hit("malloc", ENOMEM) ? NULL : __libc_malloc(size);
}

EXPORT void *
calloc(size_t n, size_t size)
{
	return hit("calloc", ENOMEM) ? NULL : __libc_calloc(n, size);
}

EXPORT void *
realloc(void *p, size_t size)
{
	return hit("realloc", ENOMEM) ? NULL : __libc_realloc(p, size);
}
#endif

__attribute__((constructor)) static void
map(void)
{
	const char *path = getenv("NTH");
	void *p;
	int fd;

#define X(type, bad, errnum, name, parameters, arguments)                      \
	find((void **)&real_##name, #name);
	CALLS(X)
#undef X
	find((void **)&real_write, "write");
	find((void **)&real_open, "open");
	find((void **)&real_openat, "openat");
	find((void **)&real_fcntl, "fcntl");
	if (path == NULL)
		return;
	fd = real_open(path, O_RDWR | O_CLOEXEC);
	p = mmap(
	    NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		abort();
	control = p;
	close(fd);
}
