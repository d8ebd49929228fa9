/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DOOR_H
#define DOOR_H

#include <stdbool.h>

/*
 * The ways in: which of them a request takes, by its method, path and query.
 *
 * Hermetic.  A web server lets others ask by one door than by another, so
 * nothing that lies below one door's path leads through another.
 */
enum door {
	DOOR_NONE, /* the outcome is "method" */
	DOOR_POST,
	DOOR_PUT,
	DOOR_HEALTH,
	DOOR_METRICS,
};

struct way_in {
	enum door door;
	const char *methods; /* of that address, for the header Allow */
};

/* The variables are those of RFC 3875; "uploads" is the setting. */
struct way_in door_find(char *const envp[], bool uploads);

#endif
