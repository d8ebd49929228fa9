/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_TRANSFER_H
#define HTTP_TRANSFER_H

#include <curl/curl.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "net/http.h"

/*
 * The inside of net/http, for its own files only: one transfer by libcurl.
 */

#define HTTP_SOCKETS_MAX 16

struct http {
	CURL *easy;
	int64_t connect_ms;
	int sockets[HTTP_SOCKETS_MAX]; /* open ones; 0: none */
	/* of the transfer under way */
	char words[CURL_ERROR_SIZE]; /* libcurl's */
	char ips[128];               /* with ports: those connected to */
	char certificate[256];       /* that did not verify: who, by whom */
	int certificate_depth;       /* 0: the server's own */
	bool tls_began;              /* its handshake */
};

/* What the callbacks of one transfer share. */
struct transfer {
	struct http *http;
	const struct http_request *request;
	struct http_response *response;
	int64_t max_ms;      /* libcurl's timeout now */
	int64_t max_wait_ms; /* how much that may still grow */
	bool few;            /* beside it */
	int64_t looked_ms;   /* whether it is still wanted */
	bool connecting; /* a connection was made, or tried: none was kept */
	bool asked;      /* a connection was there */
	bool has_socket; /* one was made; else errnum says why not */
	int errnum;
	const char *broken; /* what makes the kept connection useless */
	unsigned header_lines;
	size_t header_bytes;
	size_t announced; /* bytes of the body; 0 if it was not said */
	bool length_said; /* even if 0 */
	bool body_began;
	int64_t retry_date; /* Retry-After's, -1: none */
	/* why a callback ended it */
	bool contradicted; /* by another length, or none (RFC 9112, 6.3) */
	bool ip_refused;
	bool too_big;
	bool no_memory;
	bool cancelled;
	bool flooded;
};

/* The options of a new handle: the callbacks, and what no request changes. */
bool http_transfer_options(struct http *);

/* Those of one transfer. */
bool http_transfer_begin(struct transfer *);

/* The response's, once all its headers are there. */
void http_transfer_end(struct transfer *);

/* Which end it is.  memory_failed: libcurl wanted memory and had none. */
enum http_end http_end_of(
    const struct transfer *, CURLcode, bool memory_failed);

/* TLS: the certificates that are trusted, one store for all handles. */
bool http_tls_start(const struct http_options *, FILE *complaints);
void http_tls_stop(void);
bool http_tls_options(struct http *);
enum http_end http_tls_end(const struct http *, CURLcode);

#endif
