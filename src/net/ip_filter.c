/* SPDX-License-Identifier: Apache-2.0 */
#include "net/ip_filter.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static bool
v4_allowed(uint32_t a)
{
	static const struct {
		uint32_t net;
		unsigned bits;
	} never[] = {
		{ 0x00000000, 8 },  /* 0/8: this network */
		{ 0xa9fe0000, 16 }, /* 169.254/16: link-local, metadata */
		{ 0xc0000000, 24 }, /* 192.0.0/24: protocol assignments */
		{ 0xc0000200, 24 }, /* 192.0.2/24: documentation */
		{ 0xc0586300, 24 }, /* 192.88.99/24: 6to4 relays, once */
		{ 0xc6120000, 15 }, /* 198.18/15: benchmarks */
		{ 0xc6336400, 24 }, /* 198.51.100/24: documentation */
		{ 0xcb007100, 24 }, /* 203.0.113/24: documentation */
		{ 0xe0000000, 4 },  /* 224/4: multicast */
		{ 0xf0000000, 4 },  /* 240/4: reserved, broadcast */
		/* metadata services of clouds elsewhere */
		{ 0x646464c8, 32 }, /* 100.100.100.200: Alibaba */
		{ 0xa83f8110, 32 }, /* 168.63.129.16: Azure */
	};
	size_t i;

	for (i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		if ((a ^ never[i].net) >> (32 - never[i].bits) == 0)
			return false;
	return true;
}

/* The address in those four bytes. */
static uint32_t
v4_at(const unsigned char *bytes)
{
	uint32_t a;

	memcpy(&a, bytes, sizeof(a));
	return ntohl(a);
}

static bool
v6_allowed(const struct in6_addr *address)
{
	static const struct {
		unsigned char net[16];
		unsigned bits;
	} never[] = {
		{ { 0xfe, 0x80 }, 10 },                /* link-local */
		{ { 0xfe, 0xc0 }, 10 },                /* site-local */
		{ { 0xff }, 8 },                       /* multicast */
		{ { 0x01 }, 64 },                      /* 100::/64: discard */
		{ { 0x01, 0, 0, 0, 0, 0, 0, 1 }, 64 }, /* dummy prefix */
		{ { 0x5f }, 16 },                      /* segment routing */
		{ { 0x20, 0x01, 0, 0x10 }, 28 },       /* ORCHID, once */
		{ { 0x20, 0x01, 0, 0x20 }, 28 },       /* ORCHIDv2 */
		{ { 0x20, 0x01, 0x0d, 0xb8 }, 32 },    /* documentation */
		{ { 0x3f, 0xff }, 20 },                /* documentation */
		{ { 0x20, 0x01, 0, 0 }, 32 },          /* Teredo */
		{ { 0x20, 0x01, 0, 0x02 }, 48 },       /* benchmarks */
		{ { 0x00, 0x64, 0xff, 0x9b, 0, 1 }, 48 }, /* local NAT64 */
		/* metadata services of clouds: Amazon's two, Google's,
		 * Oracle's, Scaleway's */
		{ { 0xfd, 0, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54 }, 128 },
		{ { 0xfd, 0, 0x0e, 0xc2, [15] = 0x23 }, 128 },
		{ { 0xfd, 0x20, 0, 0xce, [14] = 0x02, [15] = 0x54 }, 128 },
		{ { 0xfd, 0, 0, 0xc1, [12] = 0xa9, 0xfe, 0xa9, 0xfe }, 128 },
		{ { 0xfd, 0, 0, 0x42, [15] = 0x42 }, 128 },
	};
	static const unsigned char zeros[16];
	static const unsigned char nat64[12] = { 0, 0x64, 0xff, 0x9b };
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const unsigned char translated[12] = { [8] = 0xff, [9] = 0xff };
	const unsigned char *a = address->s6_addr;
	unsigned whole, rest;
	size_t i;

	if (memcmp(a, zeros, 15) == 0)
		return a[15] == 1; /* ::1, but not :: nor ::/120 */
	if (memcmp(a, mapped, 12) == 0 || memcmp(a, nat64, 12) == 0)
		return v4_allowed(v4_at(a + 12));
	if (a[0] == 0x20 && a[1] == 0x02) /* 6to4 */
		return v4_allowed(v4_at(a + 2));
	/* compatible, translated and ISATAP: a v4 network behind a v6 address,
	 * and nobody's for a server */
	if (memcmp(a, zeros, 12) == 0 || memcmp(a, translated, 12) == 0)
		return false;
	if ((ntohl(address->s6_addr32[2]) & 0xfdffffff) == 0x00005efe)
		return false;
	for (i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
		whole = never[i].bits / 8;
		rest = never[i].bits % 8;
		if (memcmp(a, never[i].net, whole) == 0 &&
		    (rest == 0 ||
			(a[whole] ^ never[i].net[whole]) >> (8 - rest) == 0))
			return false;
	}
	return true;
}

bool
address_allowed(const struct sockaddr *sa)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (sa->sa_family == AF_INET) {
		memcpy(&v4, sa, sizeof(v4));
		return v4_allowed(ntohl(v4.sin_addr.s_addr));
	}
	if (sa->sa_family == AF_INET6) {
		memcpy(&v6, sa, sizeof(v6));
		return v6_allowed(&v6.sin6_addr);
	}
	return false;
}

void
address_print(char to[ADDRESS_TEXT_ROOM], const struct sockaddr *sa)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	const char *text = NULL;

	if (sa->sa_family == AF_INET) {
		memcpy(&v4, sa, sizeof(v4));
		text = inet_ntop(AF_INET, &v4.sin_addr, to, ADDRESS_TEXT_ROOM);
	} else if (sa->sa_family == AF_INET6) {
		memcpy(&v6, sa, sizeof(v6));
		text =
		    inet_ntop(AF_INET6, &v6.sin6_addr, to, ADDRESS_TEXT_ROOM);
	}
	if (text == NULL)
		memcpy(to, "?", 2);
}

bool
address_is(const struct sockaddr *sa, const char *host)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct in6_addr a6;
	struct in_addr a4;
	char bare[64];
	size_t len = strlen(host);

	if (sa->sa_family == AF_INET && inet_pton(AF_INET, host, &a4) == 1) {
		memcpy(&v4, sa, sizeof(v4));
		return v4.sin_addr.s_addr == a4.s_addr;
	}
	if (sa->sa_family != AF_INET6 || host[0] != '[' || len > sizeof(bare))
		return false;
	memcpy(bare, host + 1, len - 2);
	bare[len - 2] = '\0';
	memcpy(&v6, sa, sizeof(v6));
	return inet_pton(AF_INET6, bare, &a6) == 1 &&
	       memcmp(&a6, &v6.sin6_addr, sizeof(a6)) == 0;
}
