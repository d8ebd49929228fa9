/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PEERS_H
#define PEERS_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>

/*
 * Who may speak FastCGI over TCP: this machine, and the addresses of a list.
 *
 * Whoever may connect may say anything about who asks, so this stands before
 * the first byte is read.  A unix socket's mode does that work; TCP has none.
 */
struct peers;

/*
 * The addresses of FCGI_WEB_SERVER_ADDRS (FastCGI specification 3.2), commas
 * between them; here IPv6 ones too.  NULL or "" is none.  NULL when the list is
 * wrong, which is said on "complaints".
 */
struct peers *peers_open(const char *list, FILE *complaints);
void peers_close(struct peers *);

/* May it?  An IPv4 address inside an IPv6 one (RFC 4291, 2.5.5.2) is what it
 * is. */
bool peers_check(const struct peers *, const struct sockaddr *);

/* The address as people write it, without the port. */
#define PEERS_ADDRESS_ROOM 64
void peers_name(char name[PEERS_ADDRESS_ROOM], const struct sockaddr *);

#endif
