/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each try is made in a child that has confined itself, as whom a stranger
 * would find there.
 */
#include "server/sandbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <pthread.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"
#include "tree.h"

static char root[] = "/tmp/test_sandbox.XXXXXX", store[64], state[64];
static struct origin grafana = { .via.port = 3000 };
static struct settings settings = { .grafana = &grafana,
	.grafana_count = 1,
	.store = store,
	.state = state,
	.sandbox = true };
static int day; /* a folder of the store's */
static bool as_nobody;

/* How a child ended: what "try" returned, minus the signal, or 1000 when it
 * could not be confined. */
static int
confined(int (*try)(void))
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (pid == 0 && as_nobody && setuid(65534) != 0)
		_exit(255);
	if (pid == 0)
		_exit(sandbox_enter(&settings, stderr) ? try() & 0xff : 255);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1000;
	if (WIFSIGNALED(status))
		return -WTERMSIG(status);
	return WEXITSTATUS(status) == 255 ? 1000 : WEXITSTATUS(status);
}

/* 0, or errno. */
static int
opens(const char *path, int flags)
{
	return open(path, flags | O_CLOEXEC, 0600) < 0 ? errno : 0;
}

static int
try_exec(void)
{
	execl("/bin/true", "true", (char *)NULL);
	return errno;
}

static int
try_ptrace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 ? errno : 0;
}

static int
try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid < 0 ? errno : 0;
}

static int
try_unknown(void)
{
	return syscall(100000) < 0 ? errno : 0;
}

static int
try_keyring(void)
{
	return syscall(SYS_keyctl, 0, 0, 0, 0, 0) < 0 ? errno : 0;
}

static int
try_dump(void)
{
	return prctl(PR_SET_DUMPABLE, 1) < 0 ? errno : 0;
}

static int
try_kill(void)
{
	return kill(getppid(), 0) < 0 ? errno : 0;
}

static int
try_abort(void)
{
	abort();
}

static int
try_packets(void)
{
	return socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0) < 0 ? errno : 0;
}

static int
try_netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_AUDIT) < 0
		   ? errno
		   : 0;
}

static int
try_sockets(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0 ||
	       socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0 ||
	       socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0) < 0 ||
	       socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE) < 0;
}

static int
makes(int type, int protocol)
{
	return socket(AF_INET, type | SOCK_CLOEXEC, protocol) < 0 ? errno : 0;
}

static int
try_mptcp(void)
{
	return makes(SOCK_STREAM, IPPROTO_MPTCP);
}

static int
try_raw(void)
{
	return makes(SOCK_RAW, IPPROTO_ICMP);
}

/* To a port that may not be connected to. */
static int
try_fastopen(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(25),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&a,
		   sizeof(a)) < 0
		   ? errno
		   : 0;
}

static int
try_mode(void)
{
	return fchmodat(AT_FDCWD, root, 0777, 0) < 0 ? errno : 0;
}

static int
try_time(void)
{
	return utimensat(AT_FDCWD, root, NULL, 0) < 0 ? errno : 0;
}

static int
try_signal(void)
{
	return fcntl(day, F_SETSIG, SIGKILL) < 0 ? errno : 0;
}

static int
connects(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ? errno : 0;
}

static int
try_grafana(void)
{
	int e = connects(3000);

	return e == ECONNREFUSED ? 0 : e;
}

static int
try_mail(void)
{
	return connects(25);
}

static int
try_listen(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return listen(fd, 1) < 0 ? errno : 0;
}

static int
try_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
		return 0;
	return mprotect(p, 4096, PROT_READ | PROT_EXEC) < 0 ? errno : 0;
}

/* What was written into the store, as a file and as code. */
static int
try_file_code(int prot)
{
	static const char code[] = "\xc3";
	int fd = openat(day, "code", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *p;

	if (fd < 0 || write(fd, code, sizeof(code)) != sizeof(code))
		return 1;
	p = mmap(NULL, 4096, prot, MAP_PRIVATE, fd, 0);
	unlinkat(day, "code", 0);
	if (prot & PROT_EXEC)
		return p == MAP_FAILED ? errno : 0;
	return mprotect(p, 4096, PROT_READ | PROT_EXEC) < 0 ? errno : 0;
}

static int
try_mapped_code(void)
{
	return try_file_code(PROT_READ | PROT_EXEC);
}

static int
try_protected_code(void)
{
	return try_file_code(PROT_READ);
}

static int
try_pkey_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return syscall(SYS_pkey_mprotect, p, 4096, PROT_READ | PROT_EXEC, -1) <
		       0
		   ? errno
		   : 0;
}

/* errno of a file of the store's that is given that mode. */
static int
sets_mode(mode_t mode)
{
	int fd = openat(day, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return fchmod(fd, mode) < 0 ? errno : 0;
}

static int
try_setuid(void)
{
	return sets_mode(04644);
}

static int
try_setgid(void)
{
	return sets_mode(02644);
}

static int
try_executable(void)
{
	return sets_mode(0755);
}

static int
try_open_setuid(void)
{
	return openat(day, "s", O_WRONLY | O_CREAT | O_CLOEXEC, 04755) < 0
		   ? errno
		   : 0;
}

static int
try_mkdir_shared(void)
{
	return mkdirat(day, "s", 02777) < 0 ? errno : 0;
}

static int
reaches(int socket_of, const struct sockaddr_un *to, socklen_t len)
{
	return connect(socket_of, (const struct sockaddr *)to, len) < 0 ? errno
									: 0;
}

static struct sockaddr_un abstract = { .sun_family = AF_UNIX },
			  named = { .sun_family = AF_UNIX };

static int
try_abstract(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return reaches(fd, &abstract, sizeof(abstract));
}

static int
try_named(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return reaches(fd, &named, sizeof(named));
}

static int
try_tmp(void)
{
	return opens(root, O_TMPFILE | O_WRONLY);
}

static int
try_home(void)
{
	return opens("/root", O_RDONLY | O_DIRECTORY);
}

static int
try_proc(void)
{
	return opens("/proc/self/environ", O_RDONLY);
}

static int
try_above(void)
{
	return openat(day, "../../above", O_WRONLY | O_CREAT, 0600) < 0 ? errno
									: 0;
}

static int
try_shadow(void)
{
	return opens("/etc/shadow", O_RDONLY);
}

static int
try_etc_write(void)
{
	return opens("/etc/hosts", O_WRONLY);
}

static int
try_etc(void)
{
	return opens("/etc/nsswitch.conf", O_RDONLY);
}

static int
try_device(void)
{
	return mknodat(day, "null", S_IFCHR | 0600, 0x103) < 0 ? errno : 0;
}

static int
try_link(void)
{
	return symlinkat("/etc", day, "link") < 0 ? errno : 0;
}

/* What storing does, both ways. */
static int
try_store(void)
{
	int fd = openat(day, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fd < 0 || write(fd, "x", 1) != 1 || fchmod(fd, 0644) != 0 ||
	    fsync(fd) != 0 ||
	    linkat(AT_FDCWD, path, day, "a", AT_SYMLINK_FOLLOW) != 0)
		return errno;
	if (mkdirat(day, "../other", 0711) != 0 ||
	    linkat(day, "a", day, "../other/b", 0) != 0 ||
	    unlinkat(day, "a", 0) != 0 || unlinkat(day, "../other/b", 0) != 0)
		return errno;
	return fsync(day) == 0 ? 0 : errno;
}

static int
try_state(void)
{
	char path[80];

	snprintf(path, sizeof(path), "%s/counters", state);
	return opens(path, O_RDWR | O_CREAT);
}

static void *
nothing(void *arg)
{
	return arg;
}

static int
try_thread(void)
{
	pthread_t t;

	return pthread_create(&t, NULL, nothing, NULL) != 0 ||
	       pthread_join(t, NULL) != 0;
}

static int
try_level(void)
{
	return strcmp(sandbox_level(), "landlock+seccomp");
}

/* An older kernel, or a container's: neither way to a filter works. */
static int
try_without_seccomp(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	char *said = NULL;
	size_t len;
	FILE *complaints = open_memstream(&said, &len);
	int rc;

	seccomp_rule_add(filter, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(seccomp), 0);
	seccomp_rule_add(filter, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(prctl), 1,
	    SCMP_CMP(0, SCMP_CMP_MASKED_EQ, UINT64_MAX, PR_SET_SECCOMP));
	if (seccomp_load(filter) != 0 || sandbox_enter(&settings, complaints))
		return 1;
	fclose(complaints);
	rc = strstr(said, "sandbox = on: this kernel does not let the process "
			  "confine itself: Invalid argument; ") == NULL;
	return rc + (strcmp(sandbox_level(), "off") != 0);
}

/* The same without Landlock: seccomp alone will have to do. */
static int
try_without_landlock(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS),
	    SCMP_SYS(landlock_create_ruleset), 0);
	return seccomp_load(filter) != 0 || !sandbox_enter(&settings, stderr) ||
	       strcmp(sandbox_level(), "seccomp") != 0;
}

/* The same as confined(), but the child confines itself. */
static int
unconfined(int (*try)(void))
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(try() & 0xff);
	return waitpid(pid, &status, 0) == pid ? status : -1;
}

static void
try_calls(void)
{
	test ("a program that is run ends the process") {
		check(confined(try_exec) == -SIGSYS);
	}
	test ("so does tracing") {
		check(confined(try_ptrace) == -SIGSYS);
	}
	test ("no process can be made, but threads can") {
		check(confined(try_fork) == ENOSYS);
		check(confined(try_thread) == 0);
	}
	test ("an unknown call is an error, as is one that serving does not "
	      "make") {
		check(confined(try_unknown) == ENOSYS);
		check(confined(try_keyring) == ENOSYS);
		check(confined(try_dump) == ENOSYS);
		check(confined(try_kill) == ENOSYS);
	}
	test ("abort() still ends the process as it should") {
		check(confined(try_abort) == -SIGABRT);
	}
	test ("memory is never both written and run") {
		check(confined(try_code) == ENOSYS);
	}
	test ("nothing is run that was not there at start: no file, either") {
		check(confined(try_mapped_code) == ENOSYS);
		check(confined(try_protected_code) == ENOSYS);
		check(confined(try_pkey_code) == ENOSYS);
	}
}

static void
try_network(void)
{
	test ("sockets of the kinds that are needed can be made, no others") {
		check(confined(try_sockets) == 0);
		check(confined(try_packets) == ENOSYS);
		check(confined(try_netlink) == ENOSYS);
	}
	test ("nor those that Landlock does not know the ports of") {
		check(confined(try_mptcp) == ENOSYS);
		check(confined(try_raw) == ENOSYS);
		check(confined(try_fastopen) == ENOSYS);
	}
	test ("nobody is sent a signal by way of a file") {
		check(confined(try_signal) == ENOSYS);
	}
	test ("Grafana's port can be connected to, another cannot") {
		check(confined(try_grafana) == 0);
		check(confined(try_mail) == EACCES);
	}
	test ("nobody can be listened to") {
		check(confined(try_listen) == ENOSYS);
	}
}

static int
landlock_abi(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
}

/* Sockets of others, as desktops and containers have them. */
static void
try_local_sockets(void)
{
	int one = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int two = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(
	    abstract.sun_path + 1, sizeof(abstract.sun_path) - 1, "%s", root);
	snprintf(named.sun_path, sizeof(named.sun_path), "%s/socket", root);
	check(bind(one, (struct sockaddr *)&abstract, sizeof(abstract)) == 0 &&
	      listen(one, 8) == 0);
	check(bind(two, (struct sockaddr *)&named, sizeof(named)) == 0 &&
	      listen(two, 8) == 0);
	test ("a socket in a folder can be connected to, as for names") {
		check(confined(try_named) == 0);
	}
	test ("an abstract one cannot, where the kernel can forbid it") {
		check(confined(try_abstract) ==
		      (landlock_abi() >= 6 ? EPERM : 0));
	}
	close(one);
	close(two);
}

/* A store that comes later, where it is to be. */
static int
try_late_store(void)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/late", root);
	if (mkdir(path, 0711) != 0)
		return errno;
	snprintf(path, sizeof(path), "%s/late/store", root);
	if (mkdir(path, 0711) != 0)
		return errno;
	return opens(path, O_TMPFILE | O_WRONLY);
}

static int
try_beside_root(void)
{
	return opens("/var/tmp", O_TMPFILE | O_WRONLY);
}

static void
try_missing_store(void)
{
	char late[96];

	snprintf(late, sizeof(late), "%s/late/store", root);
	settings.store = late;
	test ("a store that is missing at start may come later, in its place") {
		check(confined(try_late_store) == 0);
		check(confined(try_home) == EACCES);
	}
	snprintf(late, sizeof(late), "/nosuch-store");
	test ("but the root folder is never opened for it") {
		check(confined(try_beside_root) == EACCES);
	}
	settings.store = store;
}

static void
try_modes(void)
{
	test ("files get the mode of images, and never more") {
		check(confined(try_setuid) == ENOSYS);
		check(confined(try_setgid) == ENOSYS);
		check(confined(try_executable) == ENOSYS);
		check(confined(try_open_setuid) == ENOSYS);
		check(confined(try_mkdir_shared) == ENOSYS);
	}
}

static void
try_files(void)
{
	test ("pictures can be stored, with and without a name at first") {
		check(confined(try_store) == 0);
	}
	test ("the state can be written") {
		check(confined(try_state) == 0);
	}
	test ("nothing else can be written") {
		check(confined(try_tmp) == EACCES);
		check(confined(try_above) == EACCES);
		check(confined(try_etc_write) == EACCES);
	}
	test ("nor can modes and times of what is not open be changed") {
		check(confined(try_mode) == ENOSYS);
		check(confined(try_time) == ENOSYS);
	}
	test ("no links and no devices can be made in the store") {
		check(confined(try_link) == ENOSYS);
		check(confined(try_device) == ENOSYS);
	}
	test ("configuration can be read, secrets cannot") {
		check(confined(try_etc) == 0);
		as_nobody = geteuid() == 0;
		check(confined(try_shadow) == EACCES);
		as_nobody = false;
		check(confined(try_home) == EACCES);
		check(confined(try_proc) == EACCES);
	}
}

static void
try_levels(void)
{
	test ("the level says what is in force") {
		check(confined(try_level) == 0);
	}
	test ("without Landlock it is seccomp alone") {
		check(unconfined(try_without_landlock) == 0);
	}
	test ("without seccomp the process is not confined, and says so") {
		check(unconfined(try_without_seccomp) == 0);
	}
	test ("sandbox = off confines nothing") {
		settings.sandbox = false;
		check(confined(try_etc_write) == (geteuid() == 0 ? 0 : EACCES));
		check_str(sandbox_level(), "off");
	}
}

int
main(void)
{
	struct rlimit none = { 0, 0 };
	char folder[96];

	if (!tap_has_proc())
		return 0;
	/* those that are ended leave no core */
	setrlimit(RLIMIT_CORE, &none);
	if (UNCONFINED) {
		puts("1..0 # skip a sanitizer cannot be confined");
		return 0;
	}
	settings.sandbox = true;
	if (mkdtemp(root) == NULL)
		return 99;
	snprintf(store, sizeof(store), "%s/store", root);
	snprintf(state, sizeof(state), "%s/state", root);
	if (mkdir(store, 0711) != 0 || mkdir(state, 0700) != 0)
		return 99;
	snprintf(folder, sizeof(folder), "%s/2026-11-24", store);
	if (mkdir(folder, 0711) != 0)
		return 99;
	day = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	try_calls();
	try_network();
	try_local_sockets();
	try_files();
	try_modes();
	try_missing_store();
	try_levels();
	tree_remove(root);
	return tap_done();
}
