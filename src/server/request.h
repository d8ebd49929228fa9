/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REQUEST_H
#define REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/outcome.h"
#include "config/settings.h"

/*
 * What a web server hands over, read: the credential, and which panel.
 *
 * Hermetic.  The variables are those of RFC 3875 (CGI/1.1) as name=value
 * strings; FastCGI's parameters have the same shape.
 */
#define REQUEST_BODY_MAX       65536 /* bytes of a POST */
#define REQUEST_CREDENTIAL_MAX 16384 /* bytes after the scheme */

/* All that a credential may be made of (RFC 9110, 11.2: token68). */
#define REQUEST_TOKEN68                                                        \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ"                                           \
	"abcdefghijklmnopqrstuvwxyz0123456789-._~+/="

/* The body as it came. */
struct body {
	struct buf bytes;
	bool over;      /* there was more than the limit */
	bool broken;    /* the web server went away in the middle */
	bool late;      /* it did not come in time */
	bool no_memory; /* to read all of it */
};

struct request {
	char *url;           /* as asked for; ours to free */
	char *authorization; /* "Bearer …" or "Basic …"; wiped when freed */
};

/* A variable's value, or NULL. */
const char *request_variable(char *const envp[], const char *name);

/* How long the web server says that the body is, in bytes; SIZE_MAX when it
 * does not say. */
size_t request_announced(char *const envp[]);

/*
 * Read a POST: OUTCOME_OK when it is as it should be, else what is wrong with
 * the first of credentials, announced length and body.  First the head, before
 * any of the body is read, then the body.  The request is the caller's and is
 * freed with request_free(), also after a failure.
 */
enum outcome request_head(
    struct request *, char *const envp[], struct problem *);
enum outcome request_body(struct request *, char *const envp[],
    const struct body *, struct problem *);
void request_free(struct request *);

/* Is that the method? */
bool request_is(char *const envp[], const char *method);

/*
 * Before an upload's body is read: the name that it is to have, the last
 * segment of PATH_INFO without its ".png".  OUTCOME_OK, OUTCOME_MALFORMED,
 * OUTCOME_NOT_ALLOWED for a page of another site, or OUTCOME_TOO_BIG when more
 * than "max" bytes are announced.
 */
#define REQUEST_NAME_MAX 64
enum outcome request_upload_head(char name[REQUEST_NAME_MAX + 1],
    char *const envp[], size_t max, struct problem *);

/* OUTCOME_OK when all of an upload's body came, else what is wrong. */
enum outcome request_upload_body(
    char *const envp[], const struct body *, struct problem *);

#endif
