/* SPDX-License-Identifier: Apache-2.0 */
#include "records.h"

#include <string.h>

#define VERSION_1      1
#define HEADER         sizeof(((struct records *)NULL)->header)
#define CONTENT_MAX    65528 /* of a record, and a multiple of 8 */
#define MANAGEMENT_MAX 4096
#define CANT_MPX_CONN  1

/* The types of records (8). */
enum {
	BEGIN_REQUEST = 1,
	END_REQUEST = 3,
	PARAMS = 4,
	STDIN = 5,
	GET_VALUES = 9,
	GET_VALUES_RESULT = 10,
	UNKNOWN_TYPE = 11,
};

void
records_init(struct records *r)
{
	memset(r, 0, sizeof(*r));
	buf_init(&r->variables, RECORDS_HEAD_MAX);
	buf_init(&r->management, MANAGEMENT_MAX);
	buf_init(&r->answer, 4 * MANAGEMENT_MAX);
}

void
records_free(struct records *r)
{
	buf_free(&r->variables);
	buf_free(&r->management);
	buf_free(&r->answer);
}

static void
add_header(struct buf *b, unsigned type, unsigned request, size_t len)
{
	char header[HEADER] = { VERSION_1, (char)type, (char)(request >> 8),
		(char)request, (char)(len >> 8), (char)len, 0, 0 };

	buf_add(b, header, sizeof(header));
}

bool
records_head(const struct records *r, struct buf *b)
{
	size_t at, len;

	add_header(b, BEGIN_REQUEST, r->request, sizeof(r->begin));
	buf_add(b, r->begin, sizeof(r->begin));
	for (at = 0; at < r->variables.len; at += len) {
		len = r->variables.len - at;
		if (len > CONTENT_MAX)
			len = CONTENT_MAX;
		add_header(b, PARAMS, r->request, len);
		buf_add(b, r->variables.bytes + at, len);
	}
	add_header(b, PARAMS, r->request, 0);
	return !b->failed;
}

static unsigned
type_of(const struct records *r)
{
	return r->header[1];
}

static unsigned
request_of(const struct records *r)
{
	return (unsigned)r->header[2] << 8 | r->header[3];
}

static void
give_up(struct records *r)
{
	r->state = RECORDS_ABORTED;
}

/* A name's or value's length (3.4); false: it is not whole. */
static bool
take_length(const unsigned char **at, const unsigned char *end, size_t *len)
{
	const unsigned char *p = *at;

	if (p == end || (*p >> 7 != 0 && end - p < 4))
		return false;
	if (*p >> 7 == 0) {
		*len = *p;
		*at = p + 1;
	} else {
		*len = (size_t)(p[0] & 0x7f) << 24 | (size_t)p[1] << 16 |
		       (size_t)p[2] << 8 | p[3];
		*at = p + 4;
	}
	return true;
}

/* Our limits, of those that are asked for (4.1). */
static void
add_value(struct buf *b, const unsigned char *name, size_t len)
{
	static const struct {
		const char *name;
		char value;
	} values[] = {
		{ "FCGI_MAX_CONNS", '1' },
		{ "FCGI_MAX_REQS", '1' },
		{ "FCGI_MPXS_CONNS", '0' },
	};
	size_t i;

	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (strlen(values[i].name) == len &&
		    memcmp(values[i].name, name, len) == 0) {
			buf_printf(b, "%c%c", (int)len, 1);
			buf_add(b, name, len);
			buf_add(b, &values[i].value, 1);
		}
}

static void
answer_values(struct records *r)
{
	const unsigned char *at =
	    (const unsigned char *)buf_str(&r->management);
	const unsigned char *end = at + r->management.len;
	size_t name, value;
	struct buf values;

	buf_init(&values, MANAGEMENT_MAX);
	while (take_length(&at, end, &name) && take_length(&at, end, &value) &&
	       name <= (size_t)(end - at) &&
	       value <= (size_t)(end - at) - name) {
		add_value(&values, at, name);
		at += name + value;
	}
	add_header(&r->answer, GET_VALUES_RESULT, 0, values.len);
	buf_add(&r->answer, buf_str(&values), values.len);
	buf_free(&values);
}

static void
answer_management(struct records *r)
{
	char unknown[8] = { (char)type_of(r) };

	if (type_of(r) == GET_VALUES) {
		answer_values(r);
		return;
	}
	add_header(&r->answer, UNKNOWN_TYPE, 0, sizeof(unknown));
	buf_add(&r->answer, unknown, sizeof(unknown));
}

/* A request that is multiplexed with ours (5.5): we do not do that. */
static void
refuse_other(struct records *r)
{
	char body[8] = { 0, 0, 0, 0, CANT_MPX_CONN };

	add_header(&r->answer, END_REQUEST, request_of(r), sizeof(body));
	buf_add(&r->answer, body, sizeof(body));
}

/* Is it a record that may stand here? */
static bool
is_fitting(const struct records *r)
{
	unsigned type = type_of(r);

	if (r->header[0] != VERSION_1)
		return false;
	if (type == BEGIN_REQUEST)
		return request_of(r) != 0 &&
		       r->content_left == sizeof(r->begin);
	if (request_of(r) == 0 ||
	    (r->request != 0 && request_of(r) != r->request))
		return true;
	return type == (r->state == RECORDS_HEAD ? PARAMS : STDIN) &&
	       r->request != 0;
}

/* The header is whole. */
static void
begin_record(struct records *r)
{
	r->content_left = (size_t)r->header[4] << 8 | r->header[5];
	r->padding_left = r->header[6];
	if (!is_fitting(r)) {
		give_up(r);
		return;
	}
	buf_reset(&r->management);
	if (type_of(r) == BEGIN_REQUEST && r->request == 0)
		r->request = request_of(r);
	else if (type_of(r) == BEGIN_REQUEST)
		refuse_other(r);
}

/* Some of its content. */
static void
take_content(struct records *r, const char *bytes, size_t len)
{
	if (request_of(r) == 0) {
		/* what is too long for us has nothing that we know */
		if (!r->management.failed)
			buf_add(&r->management, bytes, len);
	} else if (request_of(r) != r->request) {
		return;
	} else if (type_of(r) == BEGIN_REQUEST) {
		memcpy(
		    r->begin + sizeof(r->begin) - r->content_left, bytes, len);
	} else if (type_of(r) == PARAMS) {
		if (!buf_add(&r->variables, bytes, len))
			give_up(r);
	} else if (!intake_take(r->body, bytes, len)) {
		r->state = RECORDS_WHOLE;
	}
}

/* Content and padding are there. */
static void
end_record(struct records *r)
{
	bool empty = r->header[4] == 0 && r->header[5] == 0;

	r->header_len = 0;
	if (request_of(r) == 0)
		answer_management(r);
	else if (request_of(r) == r->request && empty &&
		 type_of(r) != BEGIN_REQUEST)
		r->state =
		    r->state == RECORDS_HEAD ? RECORDS_BODY : RECORDS_WHOLE;
	if (r->answer.failed)
		give_up(r);
}

/* A step, of at most "len" bytes; how many. */
static size_t
take_some(struct records *r, const char *bytes, size_t len)
{
	size_t *left = &r->content_left, n;

	if (r->header_len < HEADER) {
		r->header[r->header_len++] = (unsigned char)*bytes;
		if (r->header_len == HEADER)
			begin_record(r);
		n = 1;
	} else {
		if (r->content_left == 0)
			left = &r->padding_left;
		n = len < *left ? len : *left;
		if (left == &r->content_left)
			take_content(r, bytes, n);
		*left -= n;
	}
	if (r->header_len == HEADER && r->content_left == 0 &&
	    r->padding_left == 0 && r->state < RECORDS_WHOLE)
		end_record(r);
	return n;
}

size_t
records_take(struct records *r, const char *bytes, size_t len)
{
	size_t used = 0;

	while (used < len && (r->state == RECORDS_HEAD ||
				 (r->state == RECORDS_BODY && r->body != NULL)))
		used += take_some(r, bytes + used, len - used);
	return used;
}
