/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TALLY_H
#define TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "request.h"

/* What happened so far.  Requests below /standin/ do not count. */
struct tally {
	uint64_t requests;
	uint64_t renders; /* requests below /render/, refused ones included */
	uint64_t dashboards;        /* asked of the API */
	uint64_t frontend_settings; /* the same */
	uint64_t short_links;       /* requests below /goto/ */
	uint64_t in_flight;         /* renders that are not wholly answered */
	uint64_t held;              /* of them, waiting for /standin/release */
	uint64_t aborted; /* renders whose client left before the end */
	uint64_t most_in_flight;
	uint64_t connections; /* open now, the asker's own included */
	uint64_t accepted;    /* connections, ever */
};

extern struct tally tally;

/* A number that somebody waits for. */
struct wait {
	uint64_t *counter; /* NULL: for nothing */
	uint64_t number;
	bool at_most; /* instead of at least */
};

/* "held=3" or "in_flight_at_most=0" in a query; false when there is none. */
bool wait_parse(struct wait *, struct span query);
bool wait_over(const struct wait *);

void tally_short_link(const struct request *);
void tally_render_begin(const struct request *);
void tally_render_end(bool aborted);
void tally_reset(void); /* what is going on now stays counted */
void tally_json(struct buf *);
void tally_requests_json(struct buf *); /* the last 100 of these */

void json_text(struct buf *, const char *bytes, size_t len);

#endif
