/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the program was started decides what it is: a CGI program, a FastCGI
 * responder, or a command.
 */
#include "base/version.h"
#include "cmd/commands.h"
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

static const char usage[] =
    "usage: grafana-images [-c FILE]          as a FastCGI responder, the\n"
    "                                         listening socket on descriptor "
    "0\n"
    "       grafana-images [-c FILE] check    say what the settings are\n"
    "       grafana-images [-c FILE] purge [--dry-run]\n"
    "                                         remove what is no longer kept\n"
    "       grafana-images [-c FILE] remove ADDRESS...\n"
    "                                         take images back\n"
    "       grafana-images post [OPTION...] IMAGE_URL\n"
    "                                         have a running service save a "
    "panel\n"
    "       grafana-images sensu [OPTION...]  as a Sensu mutator\n"
    "       grafana-images --help | --version\n"
    "\n"
    "Saves pictures of Grafana panels and answers with their public address.\n"
    "The settings are in " SETTINGS_FILE " unless -c names another file.\n"
    "Started by a web server as a CGI program it answers one request.\n"
    "More in grafana-images(8).\n";

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

static int __attribute__((format(printf, 1, 2))) misused(const char *why, ...)
{
	va_list ap;

	/* last, where a terminal shows it */
	fprintf(stderr, "%s\ngrafana-images: ", usage);
	va_start(ap, why);
	vfprintf(stderr, why, ap);
	va_end(ap);
	fputs("\n", stderr);
	return EX_USAGE;
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
		return misused("\"%s\" is no command", argv[0]);
	status = command->run(file, argc - 1, argv + 1);
	if (status == EX_USAGE && !command->is_client)
		return misused(
		    "those are not the arguments of \"%s\"", argv[0]);
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
		return misused("-c needs a FILE");
	if (argc == 1 && strcmp(argv[0], "--help") == 0) {
		fputs(usage, stdout);
		return EX_OK;
	}
	if (argc == 1 && strcmp(argv[0], "--version") == 0) {
		puts("grafana-images " VERSION);
		return EX_OK;
	}
	if (argc > 0)
		return run_command(file, argc, argv);
	if (!fastcgi_is_listening())
		return misused(
		    "standard input is no listening socket: a command is "
		    "missing, or spawn-fcgi or a systemd socket has to start "
		    "this");
	/* before the sandbox, which leaves no way to an abstract socket */
	notify_open();
	return serve(file, fastcgi_serve);
}
