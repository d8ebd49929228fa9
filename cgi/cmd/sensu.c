/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "grafana-images sensu": a mutator for Sensu, classic and Go.
 *
 * Sensu hands the event to the handler only if its mutator ends with 0 in time
 * and prints nothing but the event; else the alert is lost.  So whatever
 * happens here, the event comes out, with the picture or without.
 */
#include "cmd/commands.h"

#include "base/timed_io.h"
#include "cmd/options.h"
#include "cmd/sensu_event.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#define EVENT_MAX (64U << 20) /* bytes; a larger one is only copied */
#define PIECE     65536

/* Not a buf: that lets go of what it has when there is no memory for more. */
struct input {
	char *bytes;
	size_t len;
	size_t room;
	bool whole;
};

static bool
make_room(struct input *in)
{
	size_t room = in->room == 0 ? PIECE : in->room * 2;
	char *bytes;

	if (in->len < in->room)
		return true;
	if (in->room >= EVENT_MAX)
		return false;
	bytes = realloc(in->bytes, room);
	if (bytes == NULL)
		return false;
	in->bytes = bytes;
	in->room = room;
	return true;
}

static void
read_input(struct input *in, int64_t deadline_ms)
{
	ssize_t n;

	while (make_room(in)) {
		n = stream_read(STDIN_FILENO, in->bytes + in->len,
		    in->room - in->len, deadline_ms);
		if (n <= 0) {
			in->whole = n == 0;
			return;
		}
		in->len += (size_t)n;
	}
}

/* What was not read: there was too much of it, or no memory. */
static void
copy_rest(int64_t deadline_ms)
{
	char piece[8192];
	ssize_t n;

	do
		n = stream_read(
		    STDIN_FILENO, piece, sizeof(piece), deadline_ms);
	while (n > 0 &&
	       stream_write(STDOUT_FILENO, piece, (size_t)n, deadline_ms));
}

/* The new text for the event; empty when there is none. */
static void
ask(const struct options *o, const struct event *e, struct buf *insertion)
{
	struct buf url, address, why;

	buf_init(&url, EVENT_MAX * 2);
	buf_init(&address, CLIENT_ADDRESS_MAX);
	buf_init(&why, PIECE);
	if (event_add_time(e->image, &url) &&
	    client_save(&o->client, url.bytes, &address, &why) == EX_OK)
		event_insertion(e, address.bytes, insertion);
	buf_free(&url);
	buf_free(&address);
	buf_free(&why);
}

static void
mutate(const struct options *o, const struct input *in)
{
	int64_t late = o->deadline_ms;
	struct event e;
	struct buf new;

	buf_init(&new, PIECE);
	if (event_find(&e, in->bytes, in->len))
		ask(o, &e, &new);
	if (new.len > 0) {
		if (stream_write(STDOUT_FILENO, in->bytes, e.at, late) &&
		    stream_write(STDOUT_FILENO, new.bytes, new.len, late))
			stream_write(STDOUT_FILENO, in->bytes + e.end,
			    in->len - e.end, late);
	} else
		stream_write(STDOUT_FILENO, in->bytes, in->len, late);
	event_free(&e);
	buf_free(&new);
}

/* Sensu reads both streams as one: not a word, whoever wants to say it. */
static void
be_silent(void)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		close(STDERR_FILENO);
	else {
		dup2(fd, STDERR_FILENO);
		close(fd);
	}
}

int
sensu_run(const char *file, int argc, char *argv[])
{
	struct input in = { 0 };
	struct options o;
	const char *why;
	bool able;

	(void)file;
	be_silent();
	able = options_read(&o, argc, argv, &why) && o.operand == NULL;
	read_input(&in, o.client.deadline_ms);
	if (able && in.whole)
		mutate(&o, &in);
	else {
		stream_write(STDOUT_FILENO, in.bytes, in.len, o.deadline_ms);
		if (!in.whole)
			copy_rest(o.deadline_ms);
	}
	free(in.bytes);
	options_free(&o);
	return EX_OK;
}
