/* SPDX-License-Identifier: Apache-2.0 */
/* Over TCP a responder is for its web servers only. */
#include "fcgi_allow.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "tap.h"

static char *said;
static size_t said_len;

static struct peers *
read_list(const char *list)
{
	struct peers *p;
	FILE *f;

	free(said);
	said = NULL;
	f = open_memstream(&said, &said_len);
	p = peers_open(list, f);
	fclose(f);
	return p;
}

/* The address as accept(2) fills it in. */
static struct sockaddr_storage
from(const char *text)
{
	struct sockaddr_storage s = { 0 };
	struct sockaddr_in four = { .sin_family = AF_INET };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, text, &four.sin_addr) == 1)
		memcpy(&s, &four, sizeof(four));
	else if (inet_pton(AF_INET6, text, &six.sin6_addr) == 1)
		memcpy(&s, &six, sizeof(six));
	return s;
}

static bool
may(const struct peers *p, const char *text)
{
	struct sockaddr_storage s = from(text);

	return peers_check(p, (struct sockaddr *)&s);
}

static bool
is_named(const char *text, const char *name)
{
	struct sockaddr_storage s = from(text);
	char found[PEERS_ADDRESS_ROOM];

	peers_name(found, (struct sockaddr *)&s);
	return strcmp(found, name) == 0;
}

int
main(void)
{
	static const char *const wrong[] = { ",", "192.0.2.7,", "192.0.2",
		"192.0.2.0/24", "web1.example.com", "192.0.2.7:9000",
		"192.0.2.7 192.0.2.8", "0.0.0.0", "::", "::ffff:0.0.0.0",
		"fe80::1%eth0", " ",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb" };
	struct peers *p;
	size_t i;

	test ("without a list only this machine may connect") {
		p = read_list(NULL);
		check(may(p, "127.0.0.1") && may(p, "127.1.2.3"));
		check(may(p, "::1") && may(p, "::ffff:127.0.0.1"));
		check(!may(p, "192.0.2.7") && !may(p, "::ffff:192.0.2.7"));
		check(!may(p, "2001:db8::7") && !may(p, "::"));
		check(!may(p, "126.0.0.1") && !may(p, "::127.0.0.1"));
		check(!may(p, "0.0.0.0") && !may(p, "::ffff:0.0.0.0"));
		peers_close(p);
		p = read_list("");
		check(may(p, "127.0.0.1") && !may(p, "192.0.2.7"));
		peers_close(p);
	}
	test ("who is on the list may, and nobody else") {
		p = read_list("192.0.2.7, 2001:db8::7 ,\t198.51.100.1");
		check(p != NULL && said_len == 0);
		check(may(p, "192.0.2.7") && may(p, "198.51.100.1"));
		check(may(p, "2001:db8::7") && may(p, "127.0.0.1"));
		check(!may(p, "192.0.2.8") && !may(p, "2001:db8::8"));
		peers_close(p);
	}
	test ("an IPv4 address is the same one inside an IPv6 one") {
		p = read_list("192.0.2.7,::ffff:192.0.2.8");
		check(may(p, "::ffff:192.0.2.7") && may(p, "192.0.2.8"));
		check(!may(p, "::ffff:192.0.2.9") && !may(p, "::192.0.2.7"));
		peers_close(p);
		check(is_named("::ffff:192.0.2.7", "192.0.2.7"));
		check(is_named("2001:db8::7", "2001:db8::7"));
	}
	test ("what has no such address may not") {
		struct sockaddr_storage none = { .ss_family = AF_UNIX };

		p = read_list("192.0.2.7");
		check(!peers_check(p, (struct sockaddr *)&none));
		peers_close(p);
	}
	test ("a list that is none is refused in words") {
		for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
			p = read_list(wrong[i]);
			check(p == NULL);
			check(strstr(said, "FCGI_WEB_SERVER_ADDRS") != NULL);
			check(strstr(said, "is no machine's address") != NULL);
			peers_close(p);
		}
	}
	free(said);
	return tap_done();
}
