/* SPDX-License-Identifier: Apache-2.0 */
#include "server/sandbox.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *level = "off";

const char *
sandbox_level(void)
{
	return level;
}

/*
 * Landlock
 *
 * Headers and kernels differ in age: what is newer than Debian 12's headers is
 * written out here, and what is newer than the kernel is left out at run time.
 */

struct ruleset {
	uint64_t files; /* struct landlock_ruleset_attr */
	uint64_t net;
	uint64_t scoped;
};

struct port_rule {
	uint64_t allowed; /* struct landlock_net_port_attr */
	uint64_t port;
};

enum {
	RULE_NET_PORT = 2, /* LANDLOCK_RULE_NET_PORT */
	BIND_TCP = 1,      /* LANDLOCK_ACCESS_NET_… */
	CONNECT_TCP = 2,
	TRUNCATE = 1 << 14, /* LANDLOCK_ACCESS_FS_… */
	IOCTL_DEV = 1 << 15,
	SCOPE_ABSTRACT_UNIX_SOCKET = 1, /* LANDLOCK_SCOPE_… */
	SCOPE_SIGNAL = 2,
	PORT_DNS = 53,
	PORT_HTTPS = 443,
};

#define READING (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* REFER: to link from one folder to another, which storing without O_TMPFILE
 * does */
#define WRITING                                                                \
	(READING | LANDLOCK_ACCESS_FS_WRITE_FILE |                             \
	    LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR |        \
	    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REFER |        \
	    (uint64_t)TRUNCATE)

/* A kernel's version of Landlock; negative: it has none. */
static int
landlock_version(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);
}

/* All rights that this version knows: what is not allowed below is not. */
static struct ruleset
all_of(int version)
{
	struct ruleset all = { .files = (1ULL << 14) - 1 };

	if (version >= 3)
		all.files |= TRUNCATE;
	if (version >= 4)
		all.net = BIND_TCP | CONNECT_TCP;
	if (version >= 5)
		all.files |= IOCTL_DEV;
	if (version >= 6)
		all.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
	return all;
}

/* What is not there needs no rule. */
static bool
allow_folder(
    int rules, const struct ruleset *all, const char *path, uint64_t rights)
{
	struct landlock_path_beneath_attr rule = {
		.allowed_access = rights & all->files,
		.parent_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC),
	};
	bool ok;

	if (rule.parent_fd < 0)
		return true;
	ok = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH,
		 &rule, 0) == 0;
	close(rule.parent_fd);
	return ok;
}

/*
 * Folders and not files: a rule is bound to what stands there now, and
 * resolv.conf is replaced by another file under its name.  Where it is a link,
 * the folder that it leads to counts, too.
 */
static bool
allow_reading(int rules, const struct ruleset *all)
{
	static const char *const folders[] = { "/etc", "/usr", "/lib", "/lib64",
		"/run/systemd/resolve", "/run/resolvconf",
		"/run/NetworkManager" };
	char *resolv = realpath("/etc/resolv.conf", NULL);
	char *slash = resolv == NULL ? NULL : strrchr(resolv, '/');
	bool ok = true;
	size_t i;

	for (i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		ok = allow_folder(rules, all, folders[i], READING) && ok;
	if (slash != NULL && slash != resolv) {
		*slash = '\0';
		ok = allow_folder(rules, all, resolv, READING) && ok;
	}
	free(resolv);
	return ok;
}

/*
 * A store that cannot be written yet may come as another folder under the same
 * name, made anew or mounted: then the rule is for what it will be in.  Never
 * for the root folder: that would be no confinement.
 */
static bool
allow_store(int rules, const struct ruleset *all, const char *store)
{
	bool ready = access(store, W_OK | X_OK) == 0;
	char *parent = ready ? NULL : strdup(store), *slash = NULL;
	bool ok = allow_folder(rules, all, store, WRITING);

	if (ready || parent == NULL)
		return ok;
	do {
		slash = strrchr(parent, '/');
		if (slash != NULL)
			*slash = '\0';
	} while (slash != NULL && *parent != '\0' && access(parent, F_OK) != 0);
	if (*parent != '\0')
		ok = allow_folder(rules, all, parent, WRITING) && ok;
	free(parent);
	return ok;
}

static bool
allow_writing(
    int rules, const struct ruleset *all, const struct settings *settings)
{
	bool ok = true;

	if (!settings_store_is_s3(settings))
		ok = allow_store(rules, all, settings->store);
	if (settings->state != NULL)
		ok = allow_folder(rules, all, settings->state, WRITING) && ok;
	return ok;
}

static bool
allow_port(int rules, unsigned port)
{
	struct port_rule rule = { CONNECT_TCP, port };

	return syscall(SYS_landlock_add_rule, rules, RULE_NET_PORT, &rule, 0) ==
	       0;
}

static unsigned
bucket_port(const struct settings *settings)
{
	unsigned port = PORT_HTTPS;
	struct place place;
	const char *why;

	if (settings->s3_endpoint == NULL)
		return port;
	if (place_parse(&place, settings->s3_endpoint, &why))
		port = place.port;
	place_free(&place);
	return port;
}

static bool
allow_connecting(
    int rules, const struct ruleset *all, const struct settings *settings)
{
	bool ok = true;
	size_t i;

	if (all->net == 0)
		return true;
	for (i = 0; i < settings->grafana_count; i++)
		ok = allow_port(rules, settings->grafana[i].via.port) && ok;
	if (settings_store_is_s3(settings))
		ok = allow_port(rules, bucket_port(settings)) && ok;
	return allow_port(rules, PORT_DNS) && ok;
}

/* false: there is none of it in force, which seccomp has to do without. */
static bool
enter_landlock(const struct settings *settings)
{
	int version = landlock_version(), rules;
	struct ruleset all = all_of(version);
	bool ok;

	/* the first one forbids to link from folder to folder, always */
	if (version < 2)
		return false;
	/* an older kernel takes a longer struct if the rest of it is 0 */
	rules = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);
	if (rules < 0)
		return false;
	ok = allow_reading(rules, &all) &&
	     allow_writing(rules, &all, settings) &&
	     allow_connecting(rules, &all, settings) &&
	     syscall(SYS_landlock_restrict_self, rules, 0) == 0;
	close(rules);
	return ok;
}

/*
 * seccomp
 */

/* Those that serving, the C library, libcurl and OpenSSL make.  A name that
 * this machine's kind does not have is skipped. */
static const char *const allowed[] = {
	/* files */
	"access", "close", "dup", "dup2", "dup3", "faccessat", "faccessat2",
	"fallocate", "fdatasync", "flock", "fstat", "fstatfs", "fsync",
	"ftruncate", "getcwd", "getdents64", "linkat", "lseek", "lstat",
	"newfstatat", "pread64", "pwrite64", "read", "readlink", "readlinkat",
	"readv", "renameat", "renameat2", "stat", "statfs", "statx", "unlink",
	"unlinkat", "write", "writev",
	/* sockets; which kinds can be made is below */
	"accept", "accept4", "bind", "connect", "getpeername", "getsockname",
	"getsockopt", "recvfrom", "recvmmsg", "recvmsg", "setsockopt",
	"shutdown",
	/* waiting */
	"clock_nanosleep", "epoll_create1", "epoll_ctl", "epoll_pwait",
	"epoll_pwait2", "epoll_wait", "eventfd2", "nanosleep", "pipe", "pipe2",
	"poll", "ppoll", "pselect6", "select",
	/* memory and threads; new ones are below */
	"brk", "exit", "exit_group", "futex", "get_robust_list", "madvise",
	"membarrier", "mremap", "msync", "munmap", "rseq", "sched_getaffinity",
	"sched_yield", "set_robust_list", "set_tid_address",
	/* signals */
	"restart_syscall", "rt_sigaction", "rt_sigpending", "rt_sigprocmask",
	"rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "sigaltstack",
	/* who and when */
	"clock_getres", "clock_gettime", "getegid", "geteuid", "getgid",
	"getpid", "getppid", "getrandom", "getrusage", "gettid", "gettimeofday",
	"getuid", "sysinfo", "time", "times", "uname"
};

/* Nobody makes these by mistake: whoever does has taken the process over. */
static const char *const deadly[] = { "bpf", "delete_module", "execve",
	"execveat", "finit_module", "init_module", "kexec_file_load",
	"kexec_load", "mount", "move_mount", "open_by_handle_at", "pivot_root",
	"process_vm_readv", "process_vm_writev", "ptrace", "setns", "umount2",
	"unshare", "userfaultfd" };

static bool
add_names(scmp_filter_ctx filter, uint32_t action, const char *const names[],
    size_t count)
{
	size_t i;
	int number;

	for (i = 0; i < count; i++) {
		number = seccomp_syscall_resolve_name(names[i]);
		/* below 0: another kind of machine has it */
		if (number >= 0 &&
		    seccomp_rule_add(filter, action, number, 0) != 0)
			return false;
	}
	return true;
}

/* A call that is allowed when all of that holds. */
struct narrow {
	int number;
	unsigned count;
	struct scmp_arg_cmp when[3];
};

#define ALL UINT64_MAX
#define IS(argument, mask, value)                                              \
	SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, mask, value)
/* Its lower bits are the type, the others SOCK_CLOEXEC and the like. */
#define MAKES(family, type, protocol)                                          \
	{                                                                      \
		SCMP_SYS(socket), 3,                                           \
		{                                                              \
			IS(0, ALL, family), IS(1, 0xf, type),                  \
			    IS(2, ALL, protocol)                               \
		}                                                              \
	}

static bool
add_narrow(scmp_filter_ctx filter)
{
	const struct narrow rules[] = {
		/* threads, not processes; clone3() hides its flags in memory,
		 * and libc takes clone() where it is not there */
		{ SCMP_SYS(clone), 1, { IS(0, CLONE_THREAD, CLONE_THREAD) } },
		{ SCMP_SYS(tgkill), 1, { IS(0, ALL, (uint64_t)getpid()) } },
		/* no more code than there is: what is in a file of the store
		 * could be run as well; see load_late_libraries() */
		{ SCMP_SYS(mmap), 1, { IS(2, PROT_EXEC, 0) } },
		{ SCMP_SYS(mprotect), 1, { IS(2, PROT_EXEC, 0) } },
		/* images, and no file or folder that others may write or that
		 * lends its rights.  The C library sends a mode of 0 where no
		 * file is made */
		{ SCMP_SYS(fchmod), 1, { IS(1, ALL, 0644) } },
		{ SCMP_SYS(open), 1, { IS(2, ~0644 & 07777, 0) } },
		{ SCMP_SYS(openat), 1, { IS(3, ~0644 & 07777, 0) } },
		{ SCMP_SYS(mkdir), 1, { IS(1, ~0755 & 07777, 0) } },
		{ SCMP_SYS(mkdirat), 1, { IS(2, ~0755 & 07777, 0) } },
		/* Landlock knows the ports of plain TCP: not those of MPTCP,
		 * nor of a packet that is sent while connecting */
		{ SCMP_SYS(socket), 1, { IS(0, ALL, AF_UNIX) } },
		MAKES(AF_INET, SOCK_STREAM, 0),
		MAKES(AF_INET, SOCK_STREAM, IPPROTO_TCP),
		MAKES(AF_INET, SOCK_DGRAM, 0),
		MAKES(AF_INET, SOCK_DGRAM, IPPROTO_UDP),
		MAKES(AF_INET6, SOCK_STREAM, 0),
		MAKES(AF_INET6, SOCK_STREAM, IPPROTO_TCP),
		MAKES(AF_INET6, SOCK_DGRAM, 0),
		MAKES(AF_INET6, SOCK_DGRAM, IPPROTO_UDP),
		/* getaddrinfo() asks which kinds of addresses we have */
		{ SCMP_SYS(socket), 2,
		    { IS(0, ALL, AF_NETLINK), IS(2, ALL, NETLINK_ROUTE) } },
		{ SCMP_SYS(socketpair), 1, { IS(0, ALL, AF_UNIX) } },
		{ SCMP_SYS(sendto), 1, { IS(3, MSG_FASTOPEN, 0) } },
		{ SCMP_SYS(sendmsg), 1, { IS(2, MSG_FASTOPEN, 0) } },
		{ SCMP_SYS(sendmmsg), 1, { IS(3, MSG_FASTOPEN, 0) } },
		/* of an open file, not of a path */
		{ SCMP_SYS(utimensat), 1, { IS(1, ALL, 0) } },
		/* flags, locks, a pipe's size; not who gets a file's signals */
		{ SCMP_SYS(fcntl), 1,
		    { SCMP_CMP(1, SCMP_CMP_LE, F_SETLKW, 0) } },
		{ SCMP_SYS(fcntl), 1, { IS(1, ALL, F_SETPIPE_SZ) } },
		{ SCMP_SYS(fcntl), 1, { IS(1, ALL, F_OFD_GETLK) } },
		{ SCMP_SYS(fcntl), 1, { IS(1, ALL, F_OFD_SETLK) } },
		{ SCMP_SYS(fcntl), 1, { IS(1, ALL, F_OFD_SETLKW) } },
		{ SCMP_SYS(fcntl), 1, { IS(1, ALL, F_DUPFD_CLOEXEC) } },
		/* our own limits */
		{ SCMP_SYS(prlimit64), 1, { IS(0, ALL, 0) } },
		{ SCMP_SYS(ioctl), 1, { IS(1, ALL, FIONREAD) } },
		{ SCMP_SYS(ioctl), 1, { IS(1, ALL, FIONBIO) } },
		{ SCMP_SYS(ioctl), 1, { IS(1, ALL, TCGETS) } },
	};
	size_t i;

	/* a number below 0: another kind of machine has it */
	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].number >= 0 &&
		    seccomp_rule_add_array(filter, SCMP_ACT_ALLOW,
			rules[i].number, rules[i].count, rules[i].when) != 0)
			return false;
	return true;
}

/* 0, or an errno. */
static int
enter_seccomp(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int rc = ENOMEM;

	if (filter == NULL)
		return rc;
	/* the kernel's own word for what is wrong */
	seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1);
	/* a tree instead of a list: it is walked at each call */
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (add_names(filter, SCMP_ACT_ALLOW, allowed,
		sizeof(allowed) / sizeof(allowed[0])) &&
	    add_names(filter, SCMP_ACT_KILL_PROCESS, deadly,
		sizeof(deadly) / sizeof(deadly[0])) &&
	    add_narrow(filter))
		rc = -seccomp_load(filter);
	seccomp_release(filter);
	return rc;
}

/*
 * Libraries that libc would load when it first needs them, and cannot once we
 * are confined.  One that cannot be loaded is as if it were not installed, now
 * as later: names are looked up by the others.
 */
static void
load_library(const char *name, size_t len)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	char file[96];

	if (len == 0 || len > 64 || strspn(name, plain) < len)
		return;
	snprintf(file, sizeof(file), "libnss_%.*s.so.2", (int)len, name);
	/* for as long as the process lives */
	(void)dlopen(file, RTLD_NOW);
}

/* nsswitch.conf(5): "hosts: files mdns4_minimal [NOTFOUND=return] dns". */
static void
load_name_services(const char *line)
{
	size_t len;

	line += strspn(line, " \t");
	if (strncmp(line, "hosts", 5) != 0)
		return;
	line += 5 + strspn(line + 5, " \t");
	if (*line != ':')
		return;
	for (line++; *line != '\0' && *line != '#'; line += len) {
		len = strspn(line, " \t\r\n");
		if (len > 0)
			continue;
		if (*line == '[') {
			len = strcspn(line, "]");
			len += line[len] == ']';
			continue;
		}
		len = strcspn(line, " \t\r\n[#");
		load_library(line, len);
	}
}

static void
load_late_libraries(void)
{
	FILE *f = fopen("/etc/nsswitch.conf", "re");
	char *line = NULL;
	size_t room = 0;

	while (f != NULL && getline(&line, &room, f) > 0)
		load_name_services(line);
	free(line);
	if (f != NULL)
		fclose(f);
	/* to end a thread: where it is missing then, libc ends the process */
	(void)dlopen("libgcc_s.so.1", RTLD_NOW);
}

bool
sandbox_enter(const struct settings *settings, FILE *complaints)
{
	bool landlock = false;
	int rc = 0;

	if (!settings->sandbox || UNCONFINED)
		return true;
	load_late_libraries();
	/* both need it, and no program could be run with more than we have */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		rc = errno;
	if (rc == 0) {
		landlock = enter_landlock(settings);
		rc = enter_seccomp();
	}
	if (rc != 0) {
		fprintf(complaints,
		    "grafana-images: sandbox = on: this kernel does not let "
		    "the process confine itself: %s; allow seccomp (in a "
		    "container: its seccomp profile), or set sandbox = off\n",
		    strerrordesc_np(rc));
		return false;
	}
	level = landlock ? "landlock+seccomp" : "seccomp";
	return true;
}
