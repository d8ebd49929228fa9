/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ADDRESS_H
#define ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/*
 * Which addresses are connected to, whatever a name leads to.
 *
 * From IANA's special-purpose address registries (RFC 6890) those that no
 * Grafana and no object store has.  Hermetic.
 */

/*
 * May a connection to that address be made?  Loopback, private and public
 * addresses: yes.  This network, link-local and so the metadata services of
 * clouds, multicast, reserved, and all of these inside IPv6's embedded forms:
 * no.
 */
bool address_allowed(const struct sockaddr *);

/* Is the host of a URL that very address, as a literal ("[…]" for IPv6)? */
bool address_is(const struct sockaddr *, const char *host);

#endif
