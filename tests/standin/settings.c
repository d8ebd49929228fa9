/* SPDX-License-Identifier: Apache-2.0 */
#include "settings.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "request.h"

struct settings settings;

static const char usage[] =
    "usage: grafana-standin [--port N] [--token T]... [--basic "
    "USER:PASSWORD]...\n"
    "\t[--sub-path /PATH] [--anonymous] [--login 302|401] [--delay MS]\n"
    "\t[--now SECONDS] [--panel FILE] [--answers FOLDER]\n";

static void
base64(const char *in, char *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned group;
	size_t i, j, len;

	len = strlen(in);
	for (i = 0; i < len; i += 3) {
		group = 0;
		for (j = 0; j < 3; j++)
			group = group << 8 |
				(i + j < len ? (unsigned char)in[i + j] : 0);
		for (j = 0; j < 4; j++)
			*out++ = i + j > len
				     ? '='
				     : digits[group >> (18 - 6 * j) & 63];
	}
	*out = '\0';
}

static void
accept_value(const char *scheme, const char *user, const char *secret)
{
	char plain[512], *value;

	if (settings.accepted_count == SETTINGS_ACCEPTED_MOST ||
	    strlen(secret) > 400) {
		fprintf(stderr, "standin: too many or too long tokens\n");
		exit(EX_USAGE);
	}
	value = settings.accepted[settings.accepted_count++];
	if (strcmp(scheme, "Bearer") == 0) {
		snprintf(value, SETTINGS_ACCEPTED_LEN, "Bearer %s", secret);
		return;
	}
	snprintf(plain, sizeof(plain), "%s%s", user, secret);
	snprintf(value, SETTINGS_ACCEPTED_LEN, "Basic ");
	base64(plain, value + 6);
}

/* Grafana takes a token as the password of "api_key", too. */
static void
accept_token(const char *token)
{
	accept_value("Bearer", "", token);
	accept_value("Basic", "api_key:", token);
}

static long
number_option(const char *text, long most)
{
	long n;

	if (!number_parse(text, &n) || n < 0 || n > most) {
		fprintf(stderr, "standin: %s is not 0 to %ld\n", text, most);
		exit(EX_USAGE);
	}
	return n;
}

static void
one_option(int option)
{
	switch (option) {
	case 'p':
		settings.port = (int)number_option(optarg, 65535);
		break;
	case 't':
		accept_token(optarg);
		break;
	case 'b':
		accept_value("Basic", "", optarg);
		break;
	case 's':
		snprintf(settings.sub_path, sizeof(settings.sub_path), "%s",
		    strcmp(optarg, "/") == 0 ? "" : optarg);
		break;
	case 'a':
		settings.anonymous = true;
		break;
	case 'l':
		settings.login_401 = number_option(optarg, 999) == 401;
		break;
	case 'd':
		settings.delay_ms = number_option(optarg, 3600000);
		break;
	case 'f':
		settings.panel = optarg;
		break;
	case 'w':
		settings.answers = optarg;
		break;
	case 'n':
		settings.now = number_option(optarg, 253402300799);
		break;
	default:
		fputs(usage, option == 'h' ? stdout : stderr);
		exit(option == 'h' ? EX_OK : EX_USAGE);
	}
}

void
settings_read(int argc, char **argv)
{
	static const struct option options[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "token", required_argument, NULL, 't' },
		{ "basic", required_argument, NULL, 'b' },
		{ "sub-path", required_argument, NULL, 's' },
		{ "anonymous", no_argument, NULL, 'a' },
		{ "login", required_argument, NULL, 'l' },
		{ "delay", required_argument, NULL, 'd' },
		{ "now", required_argument, NULL, 'n' },
		{ "panel", required_argument, NULL, 'f' },
		{ "answers", required_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	for (;;) {
		option = getopt_long(argc, argv, "", options, NULL);
		if (option == -1)
			break;
		one_option(option);
	}
	if (optind < argc)
		one_option('?');
	if (settings.sub_path[0] != '\0' && settings.sub_path[0] != '/') {
		fprintf(stderr, "standin: --sub-path begins with a slash\n");
		exit(EX_USAGE);
	}
	if (settings.accepted_count == 0)
		accept_token("glsa_standin");
}
