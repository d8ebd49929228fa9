/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECORDS_H
#define RECORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "body.h"

/*
 * The records of one FastCGI connection, as its bytes come in: where the
 * variables end, and where the body does (FastCGI 1.0, 3.3).
 *
 * No thread waits for bytes, so that peers that are slow hold none.  What the
 * variables mean is libfcgi's to say (fastcgi.h): it gets them when they are
 * whole.  Management records (4) and requests that are multiplexed are answered
 * here.  Hermetic.
 */
#define RECORDS_HEAD_MAX (256 * 1024) /* bytes of the variables */

enum records_state {
	RECORDS_HEAD,    /* the variables are not whole yet */
	RECORDS_BODY,    /* they are; the body is not */
	RECORDS_WHOLE,   /* both are */
	RECORDS_ABORTED, /* the server wants no answer, or there is no memory */
};

struct records {
	enum records_state state;
	unsigned request;        /* its number; 0: not begun */
	unsigned char header[8]; /* of the record that is being read */
	size_t header_len;
	size_t content_left, padding_left;
	struct buf variables;   /* the contents of their records */
	unsigned char begin[8]; /* the content of FCGI_BEGIN_REQUEST */
	struct buf management;  /* the content of a management record */
	struct buf answer;      /* records for the peer, to be sent and reset */
	struct intake *body;    /* where the body goes; NULL: it is not read */
};

void records_init(struct records *);
void records_free(struct records *);

/*
 * Take bytes as they came; returns how many were used.  Those behind the end of
 * the variables are left until "body" is set, and when it is full.
 */
size_t records_take(struct records *, const char *bytes, size_t len);

/* Records that begin this request, as libfcgi reads them. */
bool records_head(const struct records *, struct buf *);

#endif
