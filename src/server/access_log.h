/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/outcome.h"
#include "config/settings.h"

/*
 * One line for each request, in logfmt, on standard error.
 *
 * Never in it: tokens, query strings, bodies.  What came from outside is
 * quoted and escaped, so that no caller can write a line of its own.
 */
#define LOG_LINE_MAX 2048 /* bytes, the newline included */

struct visit_record {
	enum outcome outcome;
	int status;        /* as answered */
	const char *panel; /* without its query; "" unknown */
	size_t panel_len;
	const char *image;           /* its name; 12 digits are logged */
	size_t bytes;                /* of the image as kept, 0: none */
	int64_t render_ms, total_ms; /* render_ms -1: Grafana was not asked */
	bool shared;                 /* somebody else's render answered */
	const char *client;          /* address, or NULL */
	const char *who;             /* state_who() */
	const struct problem *problem;
};

void log_visit(const struct visit_record *);

/* One line that begins with the same time: a sentence for who runs the service,
 * constant but for addresses. */
void log_warning(const char *sentence);

/* May that be warned of now?  Once a minute: *last_ms says when it last was, 0
 * never. */
bool log_warning_due(_Atomic int64_t *last_ms);

/* One line at start: the version, and the effective settings, secrets masked.
 */
void log_start(const struct settings *, const char *sandbox);

/* Put the line into "line", and return its length: log_visit() without the
 * writing, for tests. */
size_t log_format(char line[LOG_LINE_MAX], const struct visit_record *);

#endif
