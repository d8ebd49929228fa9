/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "grafana-images post": for Nagios, Icinga, cron and people.
 */
#include "cmd/commands.h"

#include "base/timed_io.h"
#include "cmd/options.h"

#include <sysexits.h>
#include <unistd.h>

#define SENTENCE_MAX 8192

static int
complain(const struct options *o, const char *sentence, int code)
{
	struct buf line;

	buf_init(&line, SENTENCE_MAX);
	if (buf_printf(&line, "grafana-images: %s\n", sentence))
		stream_write(
		    STDERR_FILENO, line.bytes, line.len, o->deadline_ms);
	buf_free(&line);
	return code;
}

static int
save(const struct options *o)
{
	struct buf address, why;
	int code;

	buf_init(&address, CLIENT_ADDRESS_MAX + 1);
	buf_init(&why, SENTENCE_MAX - 256);
	code = client_save(&o->client, o->operand, &address, &why);
	if (code != EX_OK && why.len > 0)
		complain(o, why.bytes, code);
	if (code == EX_OK && !(buf_puts(&address, "\n") &&
				 stream_write(STDOUT_FILENO, address.bytes,
				     address.len, o->deadline_ms)))
		code = complain(o,
		    "The picture is saved, but its address could not be "
		    "printed.",
		    EX_UNAVAILABLE);
	buf_free(&address);
	buf_free(&why);
	return code;
}

int
post_run(const char *file, int argc, char *argv[])
{
	struct options o;
	int code;

	(void)file;
	if (!options_read(&o, argc, argv))
		code = complain(&o, o.why, EX_USAGE);
	else if (o.operand == NULL)
		code = complain(&o,
		    "The address of a panel is missing: grafana-images post "
		    "[--service URL] [--token-file FILE] [--timeout SECONDS] "
		    "[--ca-file FILE] IMAGE_URL",
		    EX_USAGE);
	else
		code = save(&o);
	options_free(&o);
	return code;
}
