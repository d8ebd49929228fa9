/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTE_H
#define ROUTE_H

struct reply;
struct request;

/* Makes the whole reply to a request. */
void route(struct reply *, const struct request *);

#endif
