/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGN_H
#define SIGN_H

#include <stdbool.h>
#include <time.h>

#include "base/buf.h"
#include "net/http.h"

/*
 * AWS's Signature Version 4 for S3: the Authorization header of a request.
 *
 * Source: AWS, "Create a signed AWS API request", and S3's API Reference,
 * "Authenticating Requests: Using the Authorization Header".  Not libcurl's
 * CURLOPT_AWS_SIGV4: 7.88 writes through a null pointer when memory is missing.
 */
struct sign_key {
	const char *region;
	const char *id;
	const char *secret;
};

struct sign_request {
	const char *method;
	const char *target; /* as it is sent: "/path", or "/path?query".  Both
			       are encoded already, once; the query's parts are
			       in order, "name=" where there is no value */
	/* in any order, no name twice, then one without: all are signed.  Host
	 * and x-amz-date are among them */
	const struct http_header *headers;
	const char *date;   /* what x-amz-date says */
	const char *digest; /* of the body, as x-amz-content-sha256 */
};

/* Such as "20130524T000000Z", for x-amz-date; "" for no time that has a year of
 * four digits. */
#define SIGN_DATE_ROOM sizeof("20130524T000000Z")
void sign_date(char date[SIGN_DATE_ROOM], time_t);

/* Adds the header's value to the buffer.  false when there is no memory. */
bool sign_make(
    struct buf *, const struct sign_request *, const struct sign_key *);

#endif
