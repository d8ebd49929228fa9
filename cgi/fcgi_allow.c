/* SPDX-License-Identifier: Apache-2.0 */
#include "fcgi_allow.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* Every address as an IPv6 one, IPv4's mapped, so that there is one kind. */
struct peers {
	size_t count;
	struct in6_addr list[];
};

static struct in6_addr
map_v4(struct in_addr four)
{
	struct in6_addr six = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

	memcpy(&six.s6_addr[12], &four, sizeof(four));
	return six;
}

static bool
read_address(struct in6_addr *six, const char *text)
{
	struct in_addr four;

	if (inet_pton(AF_INET, text, &four) == 1)
		*six = map_v4(four);
	else if (inet_pton(AF_INET6, text, six) != 1)
		return false;
	/* "all", some hope; it is nobody's */
	return !IN6_IS_ADDR_UNSPECIFIED(six) &&
	       (!IN6_IS_ADDR_V4MAPPED(six) ||
		   memcmp(&six->s6_addr[12], "\0\0\0\0", 4) != 0);
}

static size_t
count_commas(const char *list)
{
	size_t n = 0;

	while ((list = strchr(list, ',')) != NULL) {
		list++;
		n++;
	}
	return n;
}

/* One address, blanks round it. */
static bool
add(struct peers *p, const char *text, size_t len, FILE *complaints)
{
	char word[INET6_ADDRSTRLEN] = "";

	for (; len > 0 && (*text == ' ' || *text == '\t'); len--)
		text++;
	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		len--;
	if (len < sizeof(word)) {
		memcpy(word, text, len);
		if (read_address(&p->list[p->count], word)) {
			p->count++;
			return true;
		}
	}
	fprintf(complaints,
	    "grafana-images: FCGI_WEB_SERVER_ADDRS: '%.*s' is no machine's "
	    "address; write the web servers' IP addresses, such as "
	    "192.0.2.7,2001:db8::7\n",
	    len < 64 ? (int)len : 64, text);
	return false;
}

struct peers *
peers_open(const char *list, FILE *complaints)
{
	const char *text = list == NULL ? "" : list;
	size_t room = count_commas(text) + 1, len;
	struct peers *p =
	    calloc(1, sizeof(*p) + room * sizeof(struct in6_addr));

	if (p == NULL)
		fputs("grafana-images: there is no memory\n", complaints);
	if (p == NULL || *text == '\0')
		return p;
	for (;; text += len + 1) {
		len = strcspn(text, ",");
		if (!add(p, text, len, complaints)) {
			peers_close(p);
			return NULL;
		}
		if (text[len] == '\0')
			return p;
	}
}

void
peers_close(struct peers *p)
{
	free(p);
}

static bool
address_of(struct in6_addr *six, const struct sockaddr *address)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (address->sa_family == AF_INET) {
		memcpy(&v4, address, sizeof(v4));
		*six = map_v4(v4.sin_addr);
		return true;
	}
	if (address->sa_family != AF_INET6)
		return false;
	memcpy(&v6, address, sizeof(v6));
	*six = v6.sin6_addr;
	return true;
}

static bool
is_loopback(const struct in6_addr *six)
{
	return IN6_IS_ADDR_LOOPBACK(six) ||
	       (IN6_IS_ADDR_V4MAPPED(six) && six->s6_addr[12] == 127);
}

bool
peers_check(const struct peers *p, const struct sockaddr *address)
{
	struct in6_addr six;
	size_t i;

	if (!address_of(&six, address))
		return false;
	if (is_loopback(&six))
		return true;
	for (i = 0; i < p->count; i++)
		if (IN6_ARE_ADDR_EQUAL(&six, &p->list[i]))
			return true;
	return false;
}

void
peers_name(char name[PEERS_ADDRESS_ROOM], const struct sockaddr *address)
{
	struct in6_addr six;

	snprintf(name, PEERS_ADDRESS_ROOM, "?");
	if (!address_of(&six, address))
		return;
	if (IN6_IS_ADDR_V4MAPPED(&six))
		inet_ntop(AF_INET, &six.s6_addr[12], name, PEERS_ADDRESS_ROOM);
	else
		inet_ntop(AF_INET6, &six, name, PEERS_ADDRESS_ROOM);
}
