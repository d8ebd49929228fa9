/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ANSWER_H
#define ANSWER_H

#include <stdbool.h>
#include <stddef.h>

/*
 * What Grafana's JSON says: that of an error, or of its health.  Hermetic.
 *
 *	{"message": "Dashboard not found", "traceID": ""}
 *	{"message": "Unauthorized", "messageId": "session.token.rotate", …}
 *	{"database": "ok", "version": "12.3.0", "commit": "…"}
 */

/* More is none of these. */
#define ANSWER_BYTES_MAX 65536

/*
 * The string that a member of the object says, cut to "room"; false and ""
 * when the text is no JSON object, or has no such string.
 */
bool answer_member(
    const char *json, size_t len, const char *name, char *to, size_t room);

/*
 * What a boolean member of the object says, in *value; false when the text is
 * no JSON object, or has no such boolean.  For texts of any length.
 */
bool answer_flag(const char *json, size_t len, const char *name, bool *value);

/* Is it an error that Grafana itself made, and no page of what stands in front
 * of it? */
bool answer_is_error(const char *json, size_t len);

#endif
