/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STATUS_H
#define STATUS_H

#include <stdbool.h>

#include "base/outcome.h"
#include "net/http.h"
#include "net/url.h"

/*
 * What the status of an answer means, and whose answer it is: Grafana's, or
 * that of a login proxy, a firewall or an ingress in front of it.  Hermetic.
 *
 * Grafana's own answers have marks: a JSON error with a "message", a 404 in
 * plain text, a redirect to its login (pkg/api, pkg/middleware, pkg/web of
 * Grafana 6 to 13).
 */

/* OUTCOME_OK for 200; else what it means, in sentences. */
enum outcome status_classify(
    const struct http_response *, const struct origin *, struct problem *);

/* A redirect to the login of this Grafana? */
bool status_is_login(const struct http_response *, const struct origin *);

#endif
