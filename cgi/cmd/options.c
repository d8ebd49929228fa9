/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/options.h"

#include "base/clock.h"
#include "base/escape.h"
#include "base/timed_io.h"
#include "net/http.h"
#include "server/request.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TIMEOUT_SECONDS     55 /* beyond the service's own 50 */
#define TIMEOUT_SECONDS_MAX 86400
#define PRINT_MS_MAX        1000 /* kept back for printing, at most */

/* The arguments as they stand; NULL: not there. */
struct arguments {
	const char *service;
	const char *token_file;
	const char *timeout;
	const char *ca_file;
	const char *settings; /* "-c FILE" goes with every command; not read */
	const char *operand;
};

/* What is wrong; false, for the caller to return. */
static bool __attribute__((format(printf, 2, 3)))
refuse(struct options *o, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(o->why, sizeof(o->why), format, ap);
	va_end(ap);
	return false;
}

/* An argument that is wrong, by its name alone: what stands behind "=", or in
 * the query of an address, may be a secret. */
static bool
refuse_argument(struct options *o, const char *argument, const char *what)
{
	char name[64];

	escape_printable(name, sizeof(name), argument, strcspn(argument, "=?"));
	return refuse(o,
	    "The argument \"%s\" %s. \"grafana-images post --help\" has the "
	    "list.",
	    name, what);
}

/* Is this argument that option, as "--name", or as "--name=value"? */
static bool
is_option(const char *argument, const char *name)
{
	size_t len = strlen(name);

	return strncmp(argument, name, len) == 0 &&
	       (argument[len] == '\0' || argument[len] == '=');
}

static bool
take_arguments(struct options *o, struct arguments *a, int argc, char *argv[])
{
	const struct {
		const char *name;
		const char **to;
	} known[] = {
		{ "--service", &a->service },
		{ "--token-file", &a->token_file },
		{ "--timeout", &a->timeout },
		{ "--ca-file", &a->ca_file },
		{ "-c", &a->settings },
	};
	const size_t n = sizeof(known) / sizeof(known[0]);
	const char *value;
	size_t k;
	int i;

	for (i = 0; i < argc; i++) {
		for (k = 0; k < n && !is_option(argv[i], known[k].name); k++)
			;
		if (k < n) {
			value = strchr(argv[i], '=');
			if (value == NULL && i + 1 == argc)
				return refuse_argument(
				    o, argv[i], "lacks its value");
			*known[k].to = value == NULL ? argv[++i] : value + 1;
		} else if (argv[i][0] == '-')
			return refuse_argument(o, argv[i], "is not known");
		else if (a->operand != NULL)
			return refuse_argument(o, argv[i], "is one too many");
		else
			a->operand = argv[i];
	}
	return true;
}

static bool
read_timeout(int64_t *seconds, const char *text)
{
	*seconds = TIMEOUT_SECONDS;
	if (text == NULL)
		return true;
	if (strlen(text) > 5 || *text == '\0' ||
	    text[strspn(text, "0123456789")] != '\0' ||
	    strtol(text, NULL, 10) < 1 ||
	    strtol(text, NULL, 10) > TIMEOUT_SECONDS_MAX)
		return false;
	*seconds = strtol(text, NULL, 10);
	return true;
}

/*
 * The token
 */

/* Blanks around it belong to the file; what no token has would belong to a
 * header of its own (RFC 9110, 11.2: token68). */
static bool
take_token(struct buf *authorization, const char *text, size_t len)
{
	size_t i;

	while (len > 0 && memchr(" \t\r\n", text[0], 4) != NULL) {
		text++;
		len--;
	}
	while (len > 0 && memchr(" \t\r\n", text[len - 1], 4) != NULL)
		len--;
	for (i = 0; i < len; i++)
		if (text[i] == '\0' || strchr(REQUEST_TOKEN68, text[i]) == NULL)
			return false;
	return len > 0 && len <= REQUEST_CREDENTIAL_MAX &&
	       buf_puts(authorization, "Bearer ") &&
	       buf_add(authorization, text, len);
}

static bool
read_token_file(
    struct buf *authorization, const char *path, int64_t deadline_ms)
{
	char text[REQUEST_CREDENTIAL_MAX + 256];
	size_t len = 0;
	ssize_t n = -1;
	bool ok;
	/* not waiting for somebody to open the other end of a named pipe */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return false;
	while (len < sizeof(text)) {
		n = stream_read(
		    fd, text + len, sizeof(text) - len, deadline_ms);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	close(fd);
	ok = n == 0 && take_token(authorization, text, len);
	explicit_bzero(text, sizeof(text));
	return ok;
}

static bool
find_token(struct options *o, const char *file)
{
	const char *token = getenv("GRAFANA_TOKEN");

	if (file != NULL)
		return read_token_file(
			   &o->authorization, file, o->client.deadline_ms) ||
		       refuse(o,
			   "No Grafana token can be read from the file of "
			   "--token-file. See whether it is there for you to "
			   "read, and holds the token alone.");
	if (token == NULL || *token == '\0')
		return refuse(o,
		    "No Grafana token is given. Put it into GRAFANA_TOKEN, or "
		    "into a file and name that with --token-file.");
	return take_token(&o->authorization, token, strlen(token)) ||
	       refuse(o,
		   "GRAFANA_TOKEN has characters that no Grafana token has. "
		   "Check that it is pasted whole and without quotes.");
}

/* The value is not shown: people put passwords into addresses. */
static bool
find_service(struct options *o, const char *url)
{
	const char *name = "--service", *unused;

	if (url == NULL) {
		url = getenv("GRAFANA_IMAGES_SERVICE");
		name = "GRAFANA_IMAGES_SERVICE";
	}
	if (url == NULL || *url == '\0')
		return refuse(o,
		    "No service address is given. Name it with --service or "
		    "in GRAFANA_IMAGES_SERVICE, such as "
		    "https://grafana.example.com/grafana-images.");
	return origin_parse(&o->client.service, url, &unused) ||
	       refuse(o,
		   "%s is not a service address. It must begin with http:// or "
		   "https:// and a host, and hold no user name, query or "
		   "fragment, such as "
		   "https://grafana.example.com/grafana-images.",
		   name);
}

/* Certificates are in a file, and reading a file does not wait. */
static bool
is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool
options_read(struct options *o, int argc, char *argv[])
{
	struct arguments a = { 0 };
	int64_t seconds, now = now_ms(), print_ms;
	bool known, timely;

	memset(o, 0, sizeof(*o));
	buf_init(&o->authorization, REQUEST_CREDENTIAL_MAX + 16);
	known = take_arguments(o, &a, argc, argv);
	timely = read_timeout(&seconds, a.timeout);
	print_ms = seconds * 100;
	if (print_ms > PRINT_MS_MAX)
		print_ms = PRINT_MS_MAX;
	o->deadline_ms = now + seconds * 1000;
	o->client.deadline_ms = o->deadline_ms - print_ms;
	o->client.ca_file = a.ca_file;
	o->operand = a.operand;
	if (!known)
		return false;
	if (!timely)
		return refuse(o,
		    "--timeout must be a whole number of seconds from 1 to "
		    "86400.");
	if (a.ca_file != NULL && !is_file(a.ca_file))
		return refuse(
		    o, "What --ca-file names is no file, or cannot be read.");
	if (!find_service(o, a.service) || !find_token(o, a.token_file))
		return false;
	o->client.authorization = buf_str(&o->authorization);
	return true;
}

void
options_free(struct options *o)
{
	origin_free(&o->client.service);
	buf_free(&o->authorization);
}
