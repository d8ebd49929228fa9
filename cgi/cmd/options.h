/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "cmd/service_client.h"

/*
 * What the clients, post and sensu, are told: by arguments, and by
 * GRAFANA_TOKEN and GRAFANA_IMAGES_SERVICE in the environment.
 */
struct options {
	struct client client;
	const char *operand; /* what is no option; NULL: nothing */
	int64_t deadline_ms; /* when all must be over, printing included; the
			      * client's own leaves time for that */
	char why[512];       /* what is wrong, a line of printable ASCII */
	struct buf authorization; /* ours: the client's is in it */
};

/*
 * Read them.  The clock starts here.  false, with a sentence in "why", when
 * something is wrong or missing; deadline_ms is set even then.  They are the
 * caller's, and freed with options_free() in either case.
 */
bool options_read(struct options *, int argc, char *argv[]);
void options_free(struct options *);

#endif
