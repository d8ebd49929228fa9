/* SPDX-License-Identifier: Apache-2.0 */
#include "server/door.h"

#include "server/request.h"

#include <stddef.h>
#include <string.h>

/* What has an address of its own: the last part of PATH_INFO.  One that is not
 * served is refused with the method that it would have. */
static const struct address {
	const char *name;
	enum door get;
	const char *methods;
} addresses[] = {
	{ "health", DOOR_HEALTH, "GET, HEAD" },
	{ "metrics", DOOR_METRICS, "GET, HEAD" },
	{ "share", DOOR_NONE, "POST" },
	{ "now", DOOR_NONE, "GET, HEAD" },
	{ "command", DOOR_NONE, "POST" },
};

static const struct address *
find_address(const char *part, size_t len)
{
	size_t i;

	for (i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
		if (strlen(addresses[i].name) == len &&
		    memcmp(addresses[i].name, part, len) == 0)
			return &addresses[i];
	return NULL;
}

/*
 * The last part of the path that is such a name, and whether nothing but
 * slashes follows it.  Some servers have the service's own path in front, so
 * the first part need not be it.
 */
static const struct address *
address_of(const char *path, bool *is_whole)
{
	const struct address *found = NULL, *a;
	size_t len;

	*is_whole = false;
	for (path += strspn(path, "/"); *path != '\0';
	     path += strspn(path, "/")) {
		len = strcspn(path, "/");
		a = find_address(path, len);
		*is_whole = a != NULL;
		if (a != NULL)
			found = a;
		path += len;
	}
	return found;
}

static bool
ends_in_png(const char *path)
{
	size_t len = strlen(path);

	return len >= 4 && strcmp(path + len - 4, ".png") == 0;
}

/* Is there a member of that name, with or without a value, in the query? */
static bool
query_has(const char *query, const char *name)
{
	size_t len = strlen(name);

	for (; query != NULL && *query != '\0'; query += strcspn(query, "&")) {
		query += *query == '&';
		if (strncmp(query, name, len) == 0 &&
		    memchr("=&", query[len], 3) != NULL)
			return true;
	}
	return false;
}

/* What a GET of the service's own address asks for. */
static enum door
door_by_query(const char *query)
{
	if (query_has(query, "health"))
		return DOOR_HEALTH;
	if (query_has(query, "metrics"))
		return DOOR_METRICS;
	return DOOR_NONE;
}

struct way_in
door_find(char *const envp[], bool uploads)
{
	struct way_in way = { DOOR_NONE, uploads ? "POST, PUT" : "POST" };
	bool get = request_is(envp, "GET") || request_is(envp, "HEAD");
	const char *path = request_variable(envp, "PATH_INFO");
	const struct address *address;
	bool is_whole;

	if (path == NULL)
		path = "";
	address = address_of(path, &is_whole);
	if (address != NULL) {
		way.methods = address->methods;
		if (get && is_whole)
			way.door = address->get;
	} else if (uploads && request_is(envp, "PUT")) {
		way.door = DOOR_PUT;
	} else if (!ends_in_png(path)) {
		/* an upload's address is for uploads alone */
		if (request_is(envp, "POST"))
			way.door = DOOR_POST;
		else if (get)
			way.door = door_by_query(
			    request_variable(envp, "QUERY_STRING"));
	}
	return way;
}
