/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "grafana-images sensu": a mutator for Sensu, classic and Go.
 *
 * Sensu hands the event to the handler only if its mutator ends with 0 and
 * prints nothing but the event; else the alert is lost.  So whatever happens
 * here, the whole event comes out, with the picture or without.  --timeout
 * bounds the asking for the picture, never the copying of the event: when that
 * is slow, it is for Sensu to say how long it waits.
 */
#include "cmd/commands.h"

#include "base/clock.h"
#include "base/timed_io.h"
#include "cmd/help.h"
#include "cmd/options.h"
#include "cmd/sensu_event.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define EVENT_MAX (64U << 20) /* bytes; a larger one is only copied */
#define PIECE     65536
#define STILL_MS  1000 /* between two looks whether a late event is whole */
#define TRIES     3 /* at a call that fails: the kernel may lack memory once */

/* Not a buf: that lets go of what it has when there is no memory for more. */
struct input {
	char *bytes;
	size_t len;
	size_t room;
	bool whole; /* the event ends here */
	bool late;  /* but not in time to ask for its picture */
};

/*
 * Copying
 */

static ssize_t
read_some(void *to, size_t room, int64_t until_ms)
{
	ssize_t n;
	int tries = 0;

	do
		n = stream_read(STDIN_FILENO, to, room, until_ms);
	while (n < 0 && errno != ETIMEDOUT && ++tries < TRIES);
	return n;
}

/* false: nobody takes it any more. */
static bool
print(const char *bytes, size_t len)
{
	struct pollfd p = { .fd = STDOUT_FILENO, .events = POLLOUT };
	int failures = 0;
	ssize_t n;

	while (len > 0 && failures < TRIES) {
		n = write(STDOUT_FILENO, bytes, len);
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
			failures = 0;
		} else if (n < 0 && errno == EAGAIN)
			poll(&p, 1, -1); /* it is shared, and non-blocking */
		else if (n == 0 || errno != EINTR)
			failures++;
	}
	return len == 0;
}

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

/*
 * To the event's end, however long that takes.  An event that is whole by
 * itself is not waited on for ever: another process may hold the pipe open.
 */
static void
read_input(struct input *in, int64_t late_ms)
{
	int64_t until_ms = late_ms;
	ssize_t n;

	while (make_room(in)) {
		n = read_some(
		    in->bytes + in->len, in->room - in->len, until_ms);
		if (n > 0) {
			in->len += (size_t)n;
			continue;
		}
		if (n == 0 || errno != ETIMEDOUT) {
			in->whole = n == 0;
			break;
		}
		if (event_is_whole(in->bytes, in->len)) {
			in->whole = true;
			break;
		}
		until_ms = now_ms() + STILL_MS;
	}
	in->late = now_ms() >= late_ms;
}

/* What was not read: there was too much of it, or no memory. */
static void
copy_rest(void)
{
	char piece[8192];
	ssize_t n;

	do
		n = read_some(piece, sizeof(piece), NO_DEADLINE);
	while (n > 0 && print(piece, (size_t)n));
}

/*
 * The picture
 */

/* The new text for the event; empty when there is none. */
static void
ask(const struct options *o, const struct event *e, struct buf *insertion)
{
	struct buf url, address, why;

	buf_init(&url, EVENT_MAX * 2);
	buf_init(&address, CLIENT_ADDRESS_MAX);
	buf_init(&why, PIECE);
	if (event_add_time(e->image, &url) &&
	    client_save(&o->client, url.bytes, &address, &why) == EX_OK &&
	    !event_insertion(e, address.bytes, insertion))
		buf_reset(insertion);
	buf_free(&url);
	buf_free(&address);
	buf_free(&why);
}

static void
mutate(const struct options *o, const struct input *in)
{
	struct event e;
	struct buf new;

	buf_init(&new, PIECE);
	if (event_find(&e, in->bytes, in->len))
		ask(o, &e, &new);
	if (new.len == 0)
		print(in->bytes, in->len);
	else if (print(in->bytes, e.at) && print(new.bytes, new.len))
		print(in->bytes + e.end, in->len - e.end);
	event_free(&e);
	buf_free(&new);
}

/*
 * Sensu reads both streams as one: not a word, whoever wants to say it.  Where
 * /dev/null cannot be had, what is only open for reading takes none either.
 */
static void
be_silent(void)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	dup2(fd < 0 ? STDIN_FILENO : fd, STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int
sensu_run(const char *file, int argc, char *argv[])
{
	bool help = argc == 1 && strcmp(argv[0], "--help") == 0;
	struct input in = { 0 };
	struct options o;
	bool able;

	(void)file;
	be_silent();
	able = options_read(&o, argc, argv) && o.operand == NULL;
	if (!help || !isatty(STDIN_FILENO))
		read_input(&in, o.client.deadline_ms);
	if (help && in.len == 0)
		fputs(help_of("sensu"), stdout); /* there is no event to lose */
	else if (able && in.whole && !in.late)
		mutate(&o, &in);
	else if (print(in.bytes, in.len) && !in.whole)
		copy_rest();
	free(in.bytes);
	options_free(&o);
	return EX_OK;
}
