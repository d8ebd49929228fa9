/* SPDX-License-Identifier: Apache-2.0 */
/* Which way in a request takes, and what is refused at each. */
#include "server/door.h"
#include "tap.h"

#include <stdio.h>

static const struct {
	const char *method, *path, *query;
	enum door door;
	const char *allow, *phrase;
} ways[] = {
	{ "POST", NULL, "", DOOR_POST, "POST, PUT", "a POST saves" },
	{ "POST", "/g/images", "", DOOR_POST, "POST, PUT",
	    "whatever path the server says" },
	{ "POST", NULL, "health", DOOR_POST, "POST, PUT",
	    "a query makes no other door of a POST" },
	{ "GET", NULL, "health", DOOR_HEALTH, "POST, PUT",
	    "health by the query" },
	{ "HEAD", NULL, "a&metrics", DOOR_METRICS, "POST, PUT",
	    "metrics by the query" },
	{ "GET", NULL, "healthy", DOOR_NONE, "POST, PUT",
	    "but not by half of a name" },
	{ "GET", "/health", "", DOOR_HEALTH, "GET, HEAD",
	    "health by the path" },
	{ "GET", "/g/metrics", "", DOOR_METRICS, "GET, HEAD",
	    "metrics by the path" },
	{ "GET", "/metrics", "health", DOOR_METRICS, "GET, HEAD",
	    "where the path names one, the query does not count" },
	{ "GET", "//health/", "", DOOR_HEALTH, "GET, HEAD",
	    "slashes more change nothing" },
	{ "POST", "/health", "", DOOR_NONE, "GET, HEAD",
	    "nothing is saved where monitors ask" },
	{ "POST", "/health/", "", DOOR_NONE, "GET, HEAD",
	    "nor with a slash more" },
	{ "POST", "/metrics/x", "", DOOR_NONE, "GET, HEAD", "nor below it" },
	{ "PUT", "/metrics/x.png", "", DOOR_NONE, "GET, HEAD",
	    "nor is anything uploaded there" },
	{ "GET", "/metrics/x.png", "", DOOR_NONE, "GET, HEAD",
	    "nor are metrics told below it" },
	{ "PUT", "/health", "", DOOR_NONE, "GET, HEAD", "nor at it" },
	{ "PUT", "/x.png", "", DOOR_PUT, "POST, PUT", "a PUT uploads" },
	{ "PUT", "/health.png", "", DOOR_PUT, "POST, PUT",
	    "whatever its name" },
	{ "POST", "/x.png", "", DOOR_NONE, "POST, PUT",
	    "no panel is saved at an upload's address" },
	{ "GET", "/x.png", "metrics", DOOR_NONE, "POST, PUT",
	    "nor are metrics told there" },
	{ "GET", "/share", "", DOOR_NONE, "POST", "share is for POST" },
	{ "POST", "/share", "", DOOR_NONE, "POST", "and is not there yet" },
	{ "PUT", "/share/x.png", "", DOOR_NONE, "POST",
	    "nothing is uploaded below share" },
	{ "GET", "/command", "", DOOR_NONE, "POST", "so is command" },
	{ "PUT", "/command/x.png", "", DOOR_NONE, "POST",
	    "nothing is uploaded below command" },
	{ "POST", "/now/cpu.png", "", DOOR_NONE, "GET, HEAD",
	    "now is for GET" },
	{ "PUT", "/now/cpu.png", "", DOOR_NONE, "GET, HEAD",
	    "nothing is uploaded below now" },
	{ "POST", "/now/cpu", "", DOOR_NONE, "GET, HEAD",
	    "and nothing is saved there" },
	{ "DELETE", NULL, "", DOOR_NONE, "POST, PUT",
	    "other methods are none" },
	{ "get", NULL, "health", DOOR_NONE, "POST, PUT",
	    "methods are upper case" },
};

int
main(void)
{
	char method[32], path[64], query[64];
	char *envp[] = { method, query, path, NULL };
	struct way_in way;
	size_t i;

	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		test (ways[i].phrase) {
			snprintf(method, sizeof(method), "REQUEST_METHOD=%s",
			    ways[i].method);
			snprintf(query, sizeof(query), "QUERY_STRING=%s",
			    ways[i].query);
			snprintf(path, sizeof(path), "PATH_INFO=%s",
			    ways[i].path == NULL ? "" : ways[i].path);
			way = door_find(envp, true);
			check(way.door == ways[i].door);
			check_str(way.methods, ways[i].allow);
		}
	test ("without uploads a PUT is refused, and only POST is named") {
		snprintf(method, sizeof(method), "REQUEST_METHOD=PUT");
		snprintf(path, sizeof(path), "PATH_INFO=/x.png");
		way = door_find(envp, false);
		check(way.door == DOOR_NONE);
		check_str(way.methods, "POST");
	}
	return tap_done();
}
