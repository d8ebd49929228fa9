/* SPDX-License-Identifier: Apache-2.0 */
#include "conn.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "reply.h"
#include "request.h"
#include "route.h"
#include "timer.h"

enum {
	READ_BYTES = 16384,
	IN_MOST = REQUEST_HEAD_MOST * 2,
	BODY_MOST = 1 << 20,
	SEND_MOST = 256 << 10, /* at one go: others want to be served, too */
};

enum state {
	STATE_READING, /* a request, or for one to come */
	STATE_HELD,    /* until /standin/release */
	STATE_WAITING, /* until a counter is there, or the timer */
	STATE_DELAYED, /* until the timer; or for ever */
	STATE_SENDING,
	STATE_PAUSED, /* between two pieces, until the timer */
	STATE_CLOSED, /* until the end of this round */
};

struct conn {
	TAILQ_ENTRY(conn) link;    /* in one of the lists below */
	TAILQ_ENTRY(conn) waiting; /* in held or waiters */
	int epoll, fd;
	enum state state;
	uint32_t watched; /* events */
	struct timer timer;
	struct buf in;
	size_t skip; /* bytes of a request's body still to be ignored */
	bool last;   /* close after this answer */
	struct reply reply;
	uint64_t sent, allowed;
};

TAILQ_HEAD(conns, conn);
static struct conns all = TAILQ_HEAD_INITIALIZER(all);
static struct conns closed = TAILQ_HEAD_INITIALIZER(closed);
static struct conns held = TAILQ_HEAD_INITIALIZER(held);
static struct conns waiters = TAILQ_HEAD_INITIALIZER(waiters);

static void
watch(struct conn *c, uint32_t events)
{
	struct epoll_event event;

	if (c->watched == events)
		return;
	event.events = events;
	event.data.ptr = c;
	(void)epoll_ctl(c->epoll, EPOLL_CTL_MOD, c->fd, &event);
	c->watched = events;
}

void
conn_open(int epoll, int fd)
{
	struct epoll_event event;
	struct conn *c;

	c = calloc(1, sizeof(*c));
	if (c == NULL) {
		close(fd);
		return;
	}
	c->epoll = epoll;
	c->fd = fd;
	c->watched = EPOLLIN;
	buf_init(&c->in, IN_MOST);
	reply_init(&c->reply);
	event.events = EPOLLIN;
	event.data.ptr = c;
	TAILQ_INSERT_TAIL(&all, c, link);
	tally.connections++;
	tally.accepted++;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		conn_event(c, EPOLLERR);
}

/* Out of the state it is in, and of what belongs to that. */
static void
leave_state(struct conn *c)
{
	timer_clear(&c->timer);
	if (c->state == STATE_HELD) {
		TAILQ_REMOVE(&held, c, waiting);
		tally.held--;
	} else if (c->state == STATE_WAITING) {
		TAILQ_REMOVE(&waiters, c, waiting);
	}
}

static void
conn_close(struct conn *c, bool reset)
{
	struct linger linger;

	if (c->state == STATE_CLOSED)
		return;
	if (c->state != STATE_READING && c->reply.render)
		tally_render_end(true);
	leave_state(c);
	c->state = STATE_CLOSED;
	linger.l_onoff = 1;
	linger.l_linger = 0;
	if (reset)
		(void)setsockopt(
		    c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(c->fd);
	tally.connections--;
	TAILQ_REMOVE(&all, c, link);
	TAILQ_INSERT_TAIL(&closed, c, link);
}

/* The whole answer, or all of it that was to be sent, is on its way. */
static void
finish(struct conn *c)
{
	enum reply_end end;

	end = c->reply.end;
	if (c->reply.render)
		tally_render_end(false);
	leave_state(c);
	c->state = STATE_READING;
	if (end != END_KEEP || c->last) {
		conn_close(c, end == END_RESET);
		return;
	}
	reply_reset(&c->reply);
	watch(c, EPOLLIN);
}

/* What is to be sent from "at" on, at most "most" bytes. */
static int
gather(const struct reply *r, uint64_t at, uint64_t most,
    struct iovec out[REPLY_PARTS])
{
	struct iovec *o;
	uint64_t begin, skip;
	size_t len;
	int i, n;

	n = 0;
	begin = 0;
	for (i = 0; i < r->count && most > 0; i++) {
		len = r->parts[i].iov_len;
		if (len == 0)
			continue;
		skip = at > begin ? at - begin : 0;
		if (skip >= len && i == r->count - 1)
			skip %= len; /* the last part again */
		begin += len;
		if (skip >= len)
			continue;
		o = &out[n++];
		o->iov_base = (char *)r->parts[i].iov_base + skip;
		o->iov_len = len - skip < most ? len - skip : most;
		most -= o->iov_len;
		at += o->iov_len;
	}
	return n;
}

static uint64_t
sendable(const struct conn *c)
{
	uint64_t most;

	most = c->reply.total - c->sent;
	if (c->reply.piece_bytes > 0 && c->allowed - c->sent < most)
		most = c->allowed - c->sent;
	return most;
}

static void
pause_sending(struct conn *c)
{
	c->state = STATE_PAUSED;
	watch(c, EPOLLIN);
	if (!timer_set(&c->timer, c->reply.piece_ms))
		conn_close(c, false);
}

static void
send_more(struct conn *c)
{
	struct iovec parts[REPLY_PARTS];
	struct msghdr message;
	uint64_t most, before;
	ssize_t n;

	memset(&message, 0, sizeof(message));
	message.msg_iov = parts;
	before = c->sent;
	while (c->sent < c->reply.total && c->sent - before < SEND_MOST) {
		most = sendable(c);
		if (most == 0) {
			pause_sending(c);
			return;
		}
		message.msg_iovlen =
		    (size_t)gather(&c->reply, c->sent, most, parts);
		n = sendmsg(c->fd, &message, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			conn_close(c, false);
			return;
		}
		if (n < 0)
			break;
		c->sent += (uint64_t)n;
	}
	if (c->sent == c->reply.total)
		finish(c);
	else
		watch(c, EPOLLIN | EPOLLOUT);
}

static void
begin_sending(struct conn *c)
{
	leave_state(c);
	c->state = STATE_SENDING;
	c->sent = 0;
	c->allowed = c->reply.paced_from + c->reply.piece_bytes;
	send_more(c);
}

/* Before the first byte, but after anything that held it up. */
static void
begin_delay(struct conn *c)
{
	leave_state(c);
	c->state = STATE_DELAYED;
	if (c->reply.start == START_NEVER)
		return;
	if (c->reply.first_ms <= 0)
		begin_sending(c);
	else if (!timer_set(&c->timer, (uint64_t)c->reply.first_ms))
		conn_close(c, false);
}

static void
begin_answer(struct conn *c)
{
	switch (c->reply.start) {
	case START_HELD:
		c->state = STATE_HELD;
		tally.held++;
		TAILQ_INSERT_TAIL(&held, c, waiting);
		break;
	case START_WAIT:
		c->state = STATE_WAITING;
		TAILQ_INSERT_TAIL(&waiters, c, waiting);
		if (!timer_set(&c->timer, (uint64_t)c->reply.first_ms))
			conn_close(c, false);
		break;
	default:
		begin_delay(c);
		break;
	}
}

static void
consume(struct conn *c, size_t len)
{
	if (len == 0)
		return;
	c->in.len -= len;
	memmove(c->in.bytes, c->in.bytes + len, c->in.len);
}

/* Takes one request off what was read.  False when there is none yet. */
static bool
next_request(struct conn *c)
{
	struct request request;
	size_t len;

	if (c->skip > 0) {
		len = c->skip < c->in.len ? c->skip : c->in.len;
		consume(c, len);
		c->skip -= len;
	}
	len = request_whole(c->in.bytes, c->in.len);
	if (c->skip > 0 || (len == 0 && c->in.len < REQUEST_HEAD_MOST))
		return false;
	c->last = true;
	if (len == 0 || len > REQUEST_HEAD_MOST ||
	    !request_parse(&request, c->in.bytes, len) ||
	    request.body_len > BODY_MOST) {
		reply_text(&c->reply, 400, "text/plain", "Bad Request\n");
		buf_reset(&c->in);
		begin_answer(c);
		return true;
	}
	c->last = request.last;
	c->skip = request.body_len;
	route(&c->reply, &request);
	consume(c, len);
	begin_answer(c);
	return true;
}

static void
go_on(struct conn *c)
{
	while (c->state == STATE_READING && next_request(c))
		continue;
}

static void
receive(struct conn *c)
{
	static char bytes[READ_BYTES];
	ssize_t n;

	n = recv(c->fd, bytes, sizeof(bytes), 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* the client left; or it sends more and more while it is answered */
	if (n <= 0 || !buf_add(&c->in, bytes, (size_t)n))
		conn_close(c, false);
	else
		go_on(c);
}

void
conn_event(struct conn *c, uint32_t events)
{
	if (c->state == STATE_CLOSED)
		return;
	if (events & (EPOLLERR | EPOLLHUP)) {
		conn_close(c, false);
		return;
	}
	if (events & EPOLLIN)
		receive(c);
	if (events & EPOLLOUT && c->state == STATE_SENDING) {
		send_more(c);
		go_on(c);
	}
}

/* The counter is there, or it took too long. */
static void
end_waiting(struct conn *c)
{
	struct reply *r;

	r = &c->reply;
	tally_json(&r->own);
	reply_own(r, wait_over(&r->wait) ? 200 : 504, "application/json");
	begin_sending(c);
	go_on(c);
}

void
conn_timer(struct timer *t)
{
	struct conn *c;

	c = (struct conn *)(void *)((char *)t - offsetof(struct conn, timer));
	switch (c->state) {
	case STATE_DELAYED:
		begin_sending(c);
		break;
	case STATE_PAUSED:
		c->allowed += c->reply.piece_bytes;
		c->state = STATE_SENDING;
		send_more(c);
		break;
	case STATE_WAITING:
		end_waiting(c);
		break;
	default:
		break;
	}
	go_on(c);
}

long
conn_release(long count)
{
	struct conn *c;
	long released;

	for (released = 0; released < count; released++) {
		c = TAILQ_FIRST(&held);
		if (c == NULL)
			break;
		/* not sent from here: conn_round() does, outside of any
		 * other answer */
		leave_state(c);
		c->state = STATE_DELAYED;
		if (!timer_set(&c->timer, (uint64_t)c->reply.first_ms))
			conn_close(c, false);
	}
	return released;
}

void
conn_round(void)
{
	struct conn *c, *next;

	for (c = TAILQ_FIRST(&waiters); c != NULL; c = next) {
		next = TAILQ_NEXT(c, waiting);
		if (wait_over(&c->reply.wait))
			end_waiting(c);
	}
	for (c = TAILQ_FIRST(&closed); c != NULL; c = TAILQ_FIRST(&closed)) {
		TAILQ_REMOVE(&closed, c, link);
		reply_free(&c->reply);
		buf_free(&c->in);
		free(c);
	}
}

void
conn_close_all(void)
{
	struct conn *c;

	for (c = TAILQ_FIRST(&all); c != NULL; c = TAILQ_FIRST(&all))
		conn_close(c, false);
	conn_round();
}
