/* SPDX-License-Identifier: Apache-2.0 */
/* How a picture travels: all the ways that HTTP has, and many it has not. */
#include "pack.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "manner.h"
#include "picture.h"
#include "refusal.h"
#include "reply.h"
#include "request.h"

enum { CHUNK_BYTES = 4096, DAY = 86400, PIECES = 20 };

static const size_t bomb_size[2] = { 30000, 30000 };
static const size_t panel_size[2] = { 1000, 500 };
static const unsigned char zeros[65536];
static const unsigned char jpeg[] = { 0xff, 0xd8, 0xff, 0xe0, 0, 16, 'J', 'F',
	'I', 'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0 };

static void
use_text(struct reply *r, const char *text)
{
	buf_reset(&r->own);
	buf_puts(&r->own, text);
	reply_use_own(r);
}

static void
add_chunk(struct buf *b, const void *bytes, size_t len)
{
	buf_printf(b, "%zx\r\n", len);
	buf_add(b, bytes, len);
	buf_puts(b, "\r\n");
}

/* Two parts: the beginning of a PNG, and an IDAT to be sent for ever. */
static void
use_endless(struct reply *r, bool chunked)
{
	struct buf begin, more, whole;
	size_t len;

	buf_init(&begin, 1024);
	buf_init(&more, 16384);
	buf_init(&whole, 32768);
	png_signature(&begin);
	png_header(&begin, panel_size[0], panel_size[1], 8, 6);
	png_chunk(&begin, "IDAT", "\x78\x01", 2);
	png_chunk(&more, "IDAT", zeros, 8192);
	if (chunked)
		add_chunk(&whole, begin.bytes, begin.len);
	else
		buf_add(&whole, begin.bytes, begin.len);
	len = whole.len;
	if (chunked)
		add_chunk(&whole, more.bytes, more.len);
	else
		buf_add(&whole, more.bytes, more.len);
	buf_free(&begin);
	buf_free(&more);
	buf_free(&r->own);
	r->own = whole;
	r->count = 0;
	reply_part(r, whole.bytes, len);
	reply_part(r, whole.bytes + len, whole.len - len);
}

static void
choose_body(struct reply *r, const struct plan *plan)
{
	switch (plan->value[FIELD_ANSWER]) {
	case ANSWER_HTML:
		use_text(r, login_page);
		break;
	case ANSWER_EMPTY:
		use_text(r, "");
		break;
	case ANSWER_PDF:
		use_text(r, "%PDF-1.4\n1 0 obj\n<</Type /Catalog>>\nendobj\n");
		break;
	case ANSWER_JPEG:
		buf_reset(&r->own);
		buf_add(&r->own, jpeg, sizeof(jpeg));
		reply_use_own(r);
		break;
	case ANSWER_BOMB:
	case ANSWER_HIDDEN_BOMB:
		buf_reset(&r->own);
		png_bomb(&r->own,
		    plan->value[FIELD_ANSWER] == ANSWER_BOMB ? bomb_size
							     : panel_size,
		    bomb_size);
		reply_use_own(r);
		break;
	case ANSWER_OVERSIZE:
		reply_part(r, zeros, sizeof(zeros));
		break;
	case ANSWER_ENDLESS:
		use_endless(r, plan->value[FIELD_FRAMING] != FRAMING_CLOSE);
		break;
	default:
		break;
	}
}

static size_t
chunk_len(const char *at)
{
	const unsigned char *p;

	p = (const unsigned char *)at;
	return ((size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 |
		   p[3]) +
	       12;
}

static char *
last_idat(char *png)
{
	char *at, *last;

	last = NULL;
	for (at = png + 8; memcmp(at + 4, "IEND", 4) != 0; at += chunk_len(at))
		if (memcmp(at + 4, "IDAT", 4) == 0)
			last = at;
	return last;
}

/* Chunks that tell things about people, where the standard allows them. */
static void
add_text_chunks(struct reply *r)
{
	static const char text[] = "Comment\0made by somebody";
	static const char itext[] = "Author\0\0\0\0\0somebody else";
	static const char exif[] = "II*\0\x08\0\0\0\0\0\0\0\0";
	struct buf b;
	size_t ihdr_end;

	ihdr_end = 8 + 25;
	buf_init(&b, REPLY_MOST);
	buf_add(&b, r->own.bytes, ihdr_end);
	png_chunk(&b, "tEXt", text, sizeof(text) - 1);
	png_chunk(&b, "eXIf", exif, sizeof(exif));
	png_chunk(&b, "tIME", "\x07\xe9\x0b\x16\x0a\x1e\x0f", 7);
	buf_add(&b, r->own.bytes + ihdr_end, r->own.len - 12 - ihdr_end);
	png_chunk(&b, "iTXt", itext, sizeof(itext) - 1);
	png_chunk(&b, "IEND", "", 0);
	buf_free(&r->own);
	r->own = b;
}

static void
damage_png(struct reply *r, int damage)
{
	char *idat;
	size_t len;

	idat = last_idat(r->own.bytes);
	len = chunk_len(idat) - 12;
	switch (damage) {
	case DAMAGE_TAIL:
		buf_puts(&r->own, "and a few more bytes");
		break;
	case DAMAGE_BAD_CRC:
		idat[8 + len + 3] ^= 1;
		break;
	case DAMAGE_BAD_PIXELS:
		idat[8 + len - 1] ^= 1;
		png_repair((unsigned char *)idat);
		break;
	case DAMAGE_HALF:
		r->own.len /= 2;
		break;
	case DAMAGE_TEXT_CHUNK:
		add_text_chunks(r);
		break;
	default:
		break;
	}
}

static void
gzip_body(struct reply *r)
{
	struct libdeflate_compressor *c;
	struct buf out;
	size_t room;

	reply_flatten(r);
	buf_init(&out, REPLY_MOST);
	c = libdeflate_alloc_compressor(1);
	if (c == NULL)
		return;
	room = libdeflate_gzip_compress_bound(c, r->own.len);
	if (buf_reserve(&out, room))
		out.len = libdeflate_gzip_compress(
		    c, buf_str(&r->own), r->own.len, out.bytes, room);
	libdeflate_free_compressor(c);
	buf_free(&r->own);
	r->own = out;
	reply_use_own(r);
}

static void
chunk_body(struct reply *r)
{
	struct buf out;
	size_t at, piece;

	reply_flatten(r);
	buf_init(&out, REPLY_MOST);
	for (at = 0; at < r->own.len; at += piece) {
		piece = r->own.len - at;
		if (piece > CHUNK_BYTES)
			piece = CHUNK_BYTES;
		add_chunk(&out, r->own.bytes + at, piece);
	}
	buf_puts(&out, "0\r\n\r\n");
	buf_free(&r->own);
	r->own = out;
	reply_use_own(r);
}

static void
add_type(struct reply *r, const struct plan *plan)
{
	const char *type;

	switch (plan->value[FIELD_ANSWER]) {
	case ANSWER_HTML:
		type = "text/html; charset=UTF-8";
		break;
	case ANSWER_PDF:
		type = "application/pdf";
		break;
	case ANSWER_JPEG:
		type = "image/jpeg";
		break;
	default:
		type = "image/png";
		break;
	}
	if (plan->value[FIELD_TYPE] == TYPE_HTML)
		type = "text/html; charset=UTF-8";
	if (plan->value[FIELD_TYPE] == TYPE_PNG)
		type = "image/png";
	buf_printf(&r->head, "Content-Type: %s\r\n", type);
}

static void
add_last_modified(struct reply *r, const struct plan *plan)
{
	char text[32];
	int clock;

	clock = plan->value[FIELD_CLOCK];
	if (clock == CLOCK_RIGHT &&
	    (plan->value[FIELD_ANSWER] == ANSWER_NO_RENDERER ||
		plan->value[FIELD_ANSWER] == ANSWER_TOO_MANY))
		clock = CLOCK_OLD_FILE; /* as old as Grafana's package */
	if (clock == CLOCK_NO_LAST_MODIFIED)
		return;
	http_date(time(NULL) - (clock == CLOCK_OLD_FILE ? 2 * DAY : 0), text);
	buf_printf(&r->head, "Last-Modified: %s\r\n",
	    clock == CLOCK_BAD ? "a while ago" : text);
}

static void
add_framing(struct reply *r, const struct plan *plan, uint64_t len)
{
	int coding, framing;

	coding = plan->value[FIELD_CODING];
	framing = plan->value[FIELD_FRAMING];
	if (coding == CODING_GZIP)
		buf_puts(&r->head, "Content-Encoding: gzip\r\n");
	if (framing == FRAMING_CHUNKED)
		buf_printf(&r->head, "Transfer-Encoding: %schunked\r\n",
		    coding == CODING_TE_GZIP ? "gzip, " : "");
	else if (coding == CODING_TE_GZIP)
		buf_puts(&r->head, "Transfer-Encoding: gzip\r\n");
	if (framing == FRAMING_LENGTH)
		buf_printf(&r->head, "Content-Length: %llu\r\n",
		    (unsigned long long)len);
	if (plan->value[FIELD_HEAD] == HEAD_TWO_LENGTHS)
		buf_printf(&r->head, "Content-Length: %llu\r\n",
		    (unsigned long long)len + 7);
	if (framing == FRAMING_CLOSE) {
		buf_puts(&r->head, "Connection: close\r\n");
		r->end = END_CLOSE;
	}
}

static void
add_head(struct reply *r, const struct request *request,
    const struct plan *plan, uint64_t len)
{
	const char *date;
	int status, clock;

	clock = plan->value[FIELD_CLOCK];
	date = clock == CLOCK_NO_DATE ? "" : clock == CLOCK_BAD ? "soon" : NULL;
	status = plan->value[FIELD_STATUS];
	if (status < 0)
		status = (int)(plan->argument[FIELD_STATUS] % 1000);
	if (plan->value[FIELD_HEAD] == HEAD_EARLY_HINTS)
		buf_puts(&r->head, "HTTP/1.1 103 Early Hints\r\n"
				   "Link: </public/build/app.css>; "
				   "rel=preload\r\n\r\n");
	reply_head(r, status == 0 ? 200 : status, date);
	add_type(r, plan);
	add_framing(r, plan, len);
	add_last_modified(r, plan);
	if (plan->value[FIELD_HEAD] == HEAD_SET_COOKIE)
		buf_puts(&r->head, "Set-Cookie: grafana_session=0123456789; "
				   "Path=/; HttpOnly\r\n");
	buf_printf(&r->head,
	    "Accept-Ranges: bytes\r\nCache-Control: %s\r\n"
	    "X-Content-Type-Options: nosniff\r\nX-Frame-Options: deny\r\n"
	    "X-XSS-Protection: 1; mode=block\r\n\r\n",
	    memmem(request->path.at, request->path.len, "/render/d-solo/", 15)
		? "private"
		: "no-store");
}

/* Heads that make what follows them unreadable. */
static void
spoil_head(struct reply *r, int head)
{
	static const char filler[] =
	    "X-Filler: "
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n";

	if (head == HEAD_NONE || head == HEAD_GARBAGE) {
		buf_reset(&r->head);
		r->end = END_CLOSE;
	}
	if (head == HEAD_GARBAGE) {
		use_text(r, "+OK POP3 server ready\r\n\r\n");
	} else if (head == HEAD_ENDLESS) {
		r->head.len -= 2; /* the empty line */
		r->count = 0;
		reply_part(r, filler, sizeof(filler) - 1);
	} else if (head == HEAD_ENDLESS_1XX) {
		buf_reset(&r->head);
		use_text(r, "HTTP/1.1 103 Early Hints\r\n\r\n");
	}
	reply_seal(r);
	if (head == HEAD_ENDLESS || head == HEAD_ENDLESS_1XX)
		r->total = UINT64_MAX;
}

void
pack(struct reply *r, const struct request *request, const struct plan *asked)
{
	struct plan plan;
	uint64_t len;
	int answer;

	plan = *asked;
	answer = plan.value[FIELD_ANSWER];
	if (answer == ANSWER_OVERSIZE)
		plan.value[FIELD_FRAMING] = FRAMING_LENGTH;
	if (answer == ANSWER_ENDLESS && plan.value[FIELD_FRAMING] == 0)
		plan.value[FIELD_FRAMING] = FRAMING_CHUNKED;
	if (plan.value[FIELD_DAMAGE] != DAMAGE_NONE && answer < ANSWER_HTML) {
		reply_flatten(r);
		damage_png(r, plan.value[FIELD_DAMAGE]);
		reply_use_own(r);
	}
	choose_body(r, &plan);
	if (plan.value[FIELD_CODING] != CODING_NONE && answer < ANSWER_ENDLESS)
		gzip_body(r);
	len = reply_body_len(r);
	if (answer == ANSWER_OVERSIZE)
		len = (uint64_t)plan.argument[FIELD_ANSWER];
	if (plan.value[FIELD_FRAMING] == FRAMING_CHUNKED &&
	    answer != ANSWER_ENDLESS)
		chunk_body(r);
	add_head(r, request, &plan, len);
	spoil_head(r, plan.value[FIELD_HEAD]);
	if (answer == ANSWER_OVERSIZE && !r->no_body)
		r->total = r->head.len + len;
	if (answer == ANSWER_ENDLESS && !r->no_body)
		r->total = UINT64_MAX;
}

static void
cut_reply(struct reply *r, int cut)
{
	if (cut == CUT_NONE)
		return;
	if (cut == CUT_HALF || cut == CUT_RESET)
		r->total = r->head.len + (r->total - r->head.len) / 2;
	else
		r->total = 0;
	r->end =
	    cut == CUT_RESET || cut == CUT_RESET_FIRST ? END_RESET : END_CLOSE;
}

static void
pace_reply(struct reply *r, const struct plan *plan)
{
	int pace;

	pace = plan->value[FIELD_PACE];
	r->paced_from = pace == PACE_DRIP_HEAD ? 0 : r->head.len;
	if (pace == PACE_SLOW_BYTES) {
		r->piece_bytes = (r->total - r->head.len) / PIECES + 1;
		r->piece_ms = (uint64_t)plan->argument[FIELD_PACE] / PIECES + 1;
	} else if (pace != PACE_ALL) {
		r->piece_bytes = 1;
		r->piece_ms = 1000;
	}
}

void
pack_timing(struct reply *r, const struct plan *plan)
{
	if (plan->value[FIELD_DELAY] != 0)
		r->first_ms += plan->argument[FIELD_DELAY];
	r->start = (enum reply_start)plan->value[FIELD_START];
	pace_reply(r, plan);
	cut_reply(r, plan->value[FIELD_CUT]);
}
