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
	struct buf authorization; /* ours: the client's is in it */
};

/*
 * Read them.  The clock starts here.  false, with *why set to a constant
 * sentence, when something is wrong or missing; deadline_ms is set even then.
 * They are the caller's, and freed with options_free() in either case.
 */
bool options_read(struct options *, int argc, char *argv[], const char **why);
void options_free(struct options *);

#endif
