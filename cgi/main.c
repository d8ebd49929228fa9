/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the program was started decides what it is: a CGI program, a FastCGI
 * responder, or a command.
 */
#include "base/escape.h"
#include "base/version.h"
#include "cmd/commands.h"
#include "cmd/help.h"
#include "config/settings.h"
#include "gateway.h"
#include "memory.h"
#include "net/http.h"
#include "sd_notify.h"
#include "server/sandbox.h"
#include "server/service.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

extern char **environ;

static const struct command {
	const char *name;
	int (*run)(const char *file, int argc, char *argv[]);
	bool is_client; /* reads no settings, has its own words */
} commands[] = {
	{ "check", check_run, false },
	{ "purge", purge_run, false },
	{ "remove", remove_run, false },
	{ "post", post_run, true },
	{ "sensu", sensu_run, true },
};

/*
 * Before anything is opened: descriptors 0 to 2 exist, so that nothing else
 * gets their numbers; no token gets into a core file; and what the kernel
 * would end us for is an error code instead.
 */
static void
settle(void)
{
	struct rlimit none = { 0, 0 };
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	umask(022);
	/* libcurl would write the keys of our connections there */
	unsetenv("SSLKEYLOGFILE");
	/* libfcgi's, ms: how long it waits for a peer to close first */
	setenv("LIBFCGI_OS_CLOSE_POLL_TIMEOUT", "100", 0);
	/* memory follows the requests in flight, not the number of threads */
	mallopt(M_ARENA_MAX, 2);
	/* a panel's memory is used again at once: to give each back to the
	 * kernel and take it anew costs as much as checking the panel */
	mallopt(M_MMAP_THRESHOLD, MEMORY_MAPPED);
	mallopt(M_TRIM_THRESHOLD, 4 * 1024 * 1024);
}

/* Everything from settings to an open service, and the way back. */
static int
serve(
    const char *file, int (*gateway)(struct service *, const struct settings *))
{
	struct settings settings;
	struct http_options options;
	struct service *service = NULL;
	int status = EX_CONFIG;

	if (!settings_load(&settings, file, environ, stderr))
		goto out;
	/* the store is not needed at start: a bucket can only be named wrongly,
	 * and a folder can come later */
	status = settings_store_is_s3(&settings) ? EX_CONFIG : EX_OSERR;
	options = settings_http_options(&settings);
	if (!http_start(&options, stderr)) {
		status = EX_CONFIG;
		goto out;
	}
	errno = 0;
	service = service_open(&settings, stderr);
	if (service == NULL && errno == ENOMEM)
		fputs("grafana-images: there is no memory to start with\n",
		    stderr);
	if (service != NULL)
		status = sandbox_enter(&settings, stderr)
			     ? gateway(service, &settings)
			     : EX_CONFIG;
	service_close(service);
	http_stop();
out:
	settings_free(&settings);
	return status;
}

static int
run_cgi(void)
{
	int status = serve(NULL, plain_serve);

	/* the request still gets an answer that a program can read */
	if (status == EX_CONFIG || status == EX_OSERR)
		plain_refuse();
	return status;
}

/* "text" is the help that fits. */
static int __attribute__((format(printf, 2, 3)))
misused(const char *text, const char *why, ...)
{
	va_list ap;

	/* last, where a terminal shows it */
	fprintf(stderr, "%s\ngrafana-images: ", text);
	va_start(ap, why);
	vfprintf(stderr, why, ap);
	va_end(ap);
	fputs("\n", stderr);
	return EX_USAGE;
}

/* Which argument is wrong?  There is one option that any of these takes. */
static int
misused_command(int argc, char *argv[])
{
	int wrong = argc > 2 && strcmp(argv[1], "--dry-run") == 0 ? 2 : 1;
	char shown[256];

	if (argc == 1)
		return misused(
		    help_of(argv[0]), "\"%s\" lacks its argument", argv[0]);
	escape_printable(
	    shown, sizeof(shown), argv[wrong], strlen(argv[wrong]));
	return misused(
	    help_of(argv[0]), "\"%s\" does not take \"%s\"", argv[0], shown);
}

static const struct command *
command_named(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(name, commands[i].name) == 0)
			return &commands[i];
	return NULL;
}

static int
run_command(const char *file, int argc, char *argv[])
{
	const struct command *command = command_named(argv[0]);
	int status;

	if (command == NULL)
		return misused(help(), "\"%s\" is no command", argv[0]);
	/* sensu's is its own to print, where it has no event */
	if (argc == 2 && strcmp(argv[1], "--help") == 0 &&
	    command->run != sensu_run) {
		fputs(help_of(argv[0]), stdout);
		return EX_OK;
	}
	status = command->run(file, argc - 1, argv + 1);
	if (status == EX_USAGE && !command->is_client)
		return misused_command(argc, argv);
	return status;
}

/* A client takes its arguments as they are: sensu copies its input whatever
 * they say, also "-c" without a file. */
static bool
is_client(int argc, char *argv[])
{
	const struct command *command;

	command = argc > 0 ? command_named(argv[0]) : NULL;
	return command != NULL && command->is_client;
}

/* Take "-c FILE" out of the arguments, but for a client's; false: no FILE. */
static bool
take_file(const char **file, int *argc, char *argv[])
{
	int from, to = 0;

	*file = NULL;
	for (from = 0; from < *argc; from++) {
		if (is_client(to, argv) || strcmp(argv[from], "-c") != 0) {
			argv[to++] = argv[from];
			continue;
		}
		if (++from == *argc)
			return false;
		*file = argv[from];
	}
	*argc = to;
	return true;
}

int
main(int argc, char *argv[])
{
	const char *file;

	settle();
	/* a web server makes arguments of a stranger's query string (RFC 3875,
	 * 4.4): as a CGI program we have none */
	if (getenv("GATEWAY_INTERFACE") != NULL)
		return run_cgi();
	argc -= argc > 0;
	argv++;
	if (!take_file(&file, &argc, argv))
		return misused(help(), "-c needs a FILE");
	if (argc == 1 && strcmp(argv[0], "--help") == 0) {
		fputs(help(), stdout);
		return EX_OK;
	}
	if (argc == 1 && strcmp(argv[0], "--version") == 0) {
		puts("grafana-images " VERSION);
		return EX_OK;
	}
	if (argc > 0)
		return run_command(file, argc, argv);
	if (!fastcgi_is_listening())
		return misused(help(),
		    "standard input is no listening socket: a command is "
		    "missing, or spawn-fcgi or a systemd socket has to start "
		    "this");
	/* before the sandbox, which leaves no way to an abstract socket */
	notify_open();
	return serve(file, fastcgi_serve);
}
