/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/options.h"

#include "base/clock.h"
#include "base/timed_io.h"
#include "net/http.h"
#include "server/request.h"

#include <fcntl.h>
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

/*
 * If this argument is that option, its value, which may be the next one.  NULL
 * when it is another one, or the value is missing.
 */
static const char *
value_of(const char *name, int *i, int argc, char *argv[])
{
	size_t len = strlen(name);

	if (strncmp(argv[*i], name, len) != 0)
		return NULL;
	if (argv[*i][len] == '=')
		return argv[*i] + len + 1;
	if (argv[*i][len] != '\0' || *i + 1 == argc)
		return NULL;
	return argv[++*i];
}

static bool
take_arguments(struct arguments *a, int argc, char *argv[])
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
	const char *value;
	size_t k;
	int i;

	for (i = 0; i < argc; i++) {
		value = NULL;
		for (k = 0; k < sizeof(known) / sizeof(known[0]); k++) {
			value = value_of(known[k].name, &i, argc, argv);
			if (value == NULL)
				continue;
			*known[k].to = value;
			break;
		}
		if (value != NULL)
			continue;
		if (argv[i][0] == '-' || a->operand != NULL)
			return false;
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

/* A constant sentence, NULL when it is there. */
static const char *
find_token(struct options *o, const char *file)
{
	const char *token = getenv("GRAFANA_TOKEN");

	if (file != NULL)
		return read_token_file(
			   &o->authorization, file, o->client.deadline_ms)
			   ? NULL
			   : "No Grafana token can be read from the file of "
			     "--token-file. See whether it is there for you to "
			     "read, and holds the token alone.";
	if (token == NULL || *token == '\0')
		return "There is no token. Put it into GRAFANA_TOKEN, or into "
		       "a file and name that with --token-file.";
	if (!take_token(&o->authorization, token, strlen(token)))
		return "GRAFANA_TOKEN has characters that no Grafana token "
		       "has. Check that it is pasted whole and without quotes.";
	return NULL;
}

static const char *
find_service(struct options *o, const char *url)
{
	const char *why;

	if (url == NULL)
		url = getenv("GRAFANA_IMAGES_SERVICE");
	if (url == NULL || *url == '\0')
		return "There is no service. Name its address with --service "
		       "or in GRAFANA_IMAGES_SERVICE, such as "
		       "https://grafana.example.com/grafana-images.";
	if (!origin_parse(&o->client.service, url, &why))
		return "The service's address is none. Give one such as "
		       "https://grafana.example.com/grafana-images.";
	return NULL;
}

/* Certificates are in a file, and reading a file does not wait. */
static bool
is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool
options_read(struct options *o, int argc, char *argv[], const char **why)
{
	struct arguments a = { 0 };
	bool known = take_arguments(&a, argc, argv);
	int64_t seconds, now = now_ms(), print_ms;
	bool timely = read_timeout(&seconds, a.timeout);

	memset(o, 0, sizeof(*o));
	buf_init(&o->authorization, REQUEST_CREDENTIAL_MAX + 16);
	print_ms = seconds * 100;
	if (print_ms > PRINT_MS_MAX)
		print_ms = PRINT_MS_MAX;
	o->deadline_ms = now + seconds * 1000;
	o->client.deadline_ms = o->deadline_ms - print_ms;
	o->client.ca_file = a.ca_file;
	o->operand = a.operand;
	*why = NULL;
	if (!known)
		*why = "An argument is not known, lacks its value, or is one "
		       "too many. See grafana-images(8).";
	else if (!timely)
		*why = "--timeout is a whole number of seconds from 1 to "
		       "86400.";
	else if (a.ca_file != NULL && !is_file(a.ca_file))
		*why = "What --ca-file names is no file, or cannot be read.";
	if (*why == NULL)
		*why = find_service(o, a.service);
	if (*why == NULL)
		*why = find_token(o, a.token_file);
	o->client.authorization = buf_str(&o->authorization);
	return *why == NULL;
}

void
options_free(struct options *o)
{
	origin_free(&o->client.service);
	buf_free(&o->authorization);
}
