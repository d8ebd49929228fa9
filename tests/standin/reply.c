/* SPDX-License-Identifier: Apache-2.0 */
#include "reply.h"

#include <string.h>
#include <time.h>

#include "picture.h"

static const struct {
	int status;
	const char *reason;
} reasons[] = {
	{ 200, "OK" },
	{ 204, "No Content" },
	{ 206, "Partial Content" },
	{ 301, "Moved Permanently" },
	{ 302, "Found" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 429, "Too Many Requests" },
	{ 500, "Internal Server Error" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
};

void
reply_init(struct reply *r)
{
	memset(r, 0, sizeof(*r));
	buf_init(&r->head, REPLY_MOST);
	buf_init(&r->own, REPLY_MOST);
}

void
reply_free(struct reply *r)
{
	picture_drop(r->picture);
	buf_free(&r->head);
	buf_free(&r->own);
}

void
reply_reset(struct reply *r)
{
	struct buf head;

	/* a large body's memory would stay with each connection */
	buf_free(&r->own);
	picture_drop(r->picture);
	buf_reset(&r->head);
	head = r->head;
	reply_init(r);
	r->head = head;
}

void
reply_part(struct reply *r, const void *bytes, size_t len)
{
	if (r->count == 0)
		r->count = 1; /* the head's place */
	/* writev() only reads, but its type cannot say so */
	memcpy(&r->parts[r->count].iov_base, &bytes, sizeof(bytes));
	r->parts[r->count].iov_len = len;
	r->count++;
}

size_t
reply_body_len(const struct reply *r)
{
	size_t len;
	int i;

	len = 0;
	for (i = 1; i < r->count; i++)
		len += r->parts[i].iov_len;
	return len;
}

void
reply_use_own(struct reply *r)
{
	r->count = 0;
	reply_part(r, buf_str(&r->own), r->own.len);
}

void
reply_flatten(struct reply *r)
{
	struct buf whole;
	int i;

	buf_init(&whole, REPLY_MOST);
	for (i = 1; i < r->count; i++)
		buf_add(&whole, r->parts[i].iov_base, r->parts[i].iov_len);
	buf_free(&r->own);
	r->own = whole;
	reply_use_own(r);
}

void
http_date(int64_t seconds, char out[32])
{
	struct tm tm;
	time_t t;

	t = (time_t)seconds;
	out[0] = '\0';
	if (gmtime_r(&t, &tm) != NULL)
		(void)strftime(out, 32, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

const char *
reply_now(void)
{
	static char text[32];
	static time_t last;
	time_t now;

	now = time(NULL);
	if (now != last)
		http_date(now, text);
	last = now;
	return text;
}

void
reply_head(struct reply *r, int status, const char *date)
{
	const char *reason;
	size_t i;

	reason = "Something Else";
	for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			reason = reasons[i].reason;
	buf_printf(&r->head, "HTTP/1.1 %d %s\r\n", status, reason);
	if (date == NULL || date[0] != '\0')
		buf_printf(&r->head, "Date: %s\r\n",
		    date == NULL ? reply_now() : date);
}

void
reply_seal(struct reply *r)
{
	if (r->count == 0 || r->no_body)
		r->count = 1;
	r->parts[0].iov_base = r->head.bytes;
	r->parts[0].iov_len = r->head.len;
	r->total = r->head.len + reply_body_len(r);
}

void
reply_own(struct reply *r, int status, const char *type)
{
	reply_head(r, status, NULL);
	buf_printf(&r->head,
	    "Content-Type: %s\r\nContent-Length: %zu\r\n"
	    "Cache-Control: no-store\r\n"
	    "X-Content-Type-Options: nosniff\r\n\r\n",
	    type, r->own.len);
	reply_use_own(r);
	reply_seal(r);
}

void
reply_text(struct reply *r, int status, const char *type, const char *text)
{
	buf_reset(&r->own);
	buf_puts(&r->own, text);
	reply_own(r, status, type);
}
