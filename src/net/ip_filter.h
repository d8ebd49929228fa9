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
 *
 * Of an IPv6 address that embeds an IPv4 one (mapped, NAT64's 64:ff9b::/96 of
 * RFC 6052, 6to4 of RFC 3056) the one inside decides: networks without IPv4 see
 * all of the IPv4 internet through these.
 */

/*
 * May a connection to that address be made?  Loopback, private and public
 * addresses: yes.  This network, link-local and so the metadata services of
 * clouds, multicast, reserved, and all of these inside of IPv6: no.
 */
bool address_allowed(const struct sockaddr *);

/* The address as text; "?" for one of another family. */
#define ADDRESS_TEXT_ROOM 46 /* INET6_ADDRSTRLEN */
void address_print(char to[ADDRESS_TEXT_ROOM], const struct sockaddr *);

/* Is the host of a URL that very address, as a literal ("[…]" for IPv6)? */
bool address_is(const struct sockaddr *, const char *host);

#endif
