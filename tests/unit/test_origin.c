/* SPDX-License-Identifier: Apache-2.0 */
#include "net/url.h"

#include <stdlib.h>

#include "tap.h"

static const char none[] = ""; /* why is "" when there is nothing to say */

static const struct {
	const char *text, *scheme, *host;
	unsigned port;
	const char *authority, *path, *phrase;
} good[] = {
	{ "https://g.example", "https", "g.example", 443, "g.example", "",
	    "https without a port has 443" },
	{ "http://g.example", "http", "g.example", 80, "g.example", "",
	    "http without a port has 80" },
	{ "http://g.example:3000", "http", "g.example", 3000, "g.example:3000",
	    "", "a port of its own is part of the authority" },
	{ "https://g.example:443", "https", "g.example", 443, "g.example", "",
	    "the scheme's own port is left out of the authority" },
	{ "http://g.example:443", "http", "g.example", 443, "g.example:443", "",
	    "the other scheme's port is kept" },
	{ "http://g.example:65535", "http", "g.example", 65535,
	    "g.example:65535", "", "the largest port is one" },
	{ "HTTPS://G.Example", "https", "g.example", 443, "g.example", "",
	    "scheme and host are made lower case" },
	{ "https://g.example/", "https", "g.example", 443, "g.example", "",
	    "a slash at the end is cut off" },
	{ "https://g.example/Grafana//", "https", "g.example", 443, "g.example",
	    "/Grafana", "all slashes at the end are, the path's case stays" },
	{ "https://g.example/a/b.c_d-e", "https", "g.example", 443, "g.example",
	    "/a/b.c_d-e", "a path may have several parts" },
	{ "http://127.0.0.1:3000", "http", "127.0.0.1", 3000, "127.0.0.1:3000",
	    "", "an IPv4 address is a host" },
	{ "http://[::1]:3000", "http", "[::1]", 3000, "[::1]:3000", "",
	    "an IPv6 address keeps its brackets" },
	{ "http://[FD12::A]", "http", "[fd12::a]", 80, "[fd12::a]", "",
	    "an IPv6 address is made lower case" },
	{ "http://[::ffff:10.0.0.1]", "http", "[::ffff:10.0.0.1]", 80,
	    "[::ffff:10.0.0.1]", "", "an embedded IPv4 address is one too" },
	{ "https://xn--4ca.example", "https", "xn--4ca.example", 443,
	    "xn--4ca.example", "", "a name in its ASCII form is one" },
	{ "http://grafana_1", "http", "grafana_1", 80, "grafana_1", "",
	    "an underscore, as containers have, is taken" },
};

#define FOR(fault) "an address is refused for " fault

static const struct {
	const char *text, *phrase;
} bad[] = {
	{ "", FOR("being empty") },
	{ "g.example", FOR("no scheme") },
	{ "//g.example", FOR("no scheme, but slashes") },
	{ "/grafana", FOR("a path only") },
	{ "https://", FOR("no host") },
	{ "ftp://g.example", FOR("another scheme") },
	{ "file:///etc/passwd", FOR("a file") },
	{ "https://u@g.example", FOR("a user") },
	{ "https://u:p@g.example", FOR("a password") },
	{ "https://@g.example", FOR("an empty user") },
	{ "https://g.example?x=1", FOR("a query") },
	{ "https://g.example?", FOR("an empty query") },
	{ "https://g.example/#x", FOR("a fragment") },
	{ "https://g.example#", FOR("an empty fragment") },
	{ "https://g.example:0", FOR("port 0") },
	{ "https://g.example:65536", FOR("a port that is too large") },
	{ "https://g.example:-1", FOR("a negative port") },
	{ "https://g.example:80a", FOR("a port with a letter") },
	{ "https://g.example:80:80", FOR("two ports") },
	{ "https://g%2eexample", FOR("an escape in the host") },
	{ "https://g.example/%41", FOR("an escape in the path") },
	{ "https://g.example\\x", FOR("a backslash") },
	{ "https://g.example/a b", FOR("a blank in the path") },
	{ "https://g.exa\x01mple", FOR("a control in the host") },
	{ "https://g.example/\n", FOR("a newline") },
	{ "https://gr\xc3\xa4"
	  "f.example",
	    FOR("a host beyond ASCII") },
	{ "https://[g.example]", FOR("brackets round a name") },
	{ "https://[127.0.0.1]", FOR("brackets round an IPv4 address") },
	{ "https://[::1", FOR("a bracket that does not close") },
	{ "https://[::1]x", FOR("letters after the bracket") },
	{ "https://[fe80::1%25eth0]", FOR("a zone") },
	{ "https://g|h", FOR("a host that is no name") },
	{ "https://g~h", FOR("another host that is none") },
	{ "https://g,h", FOR("a comma in the host") },
};

static void
places(void)
{
	struct place p;
	const char *why;
	char *url;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		test (good[i].phrase) {
			why = none;
			if (!check(place_parse(&p, good[i].text, &why)))
				printf("#   %s: %s\n", good[i].text, why);
			else {
				check_str(p.scheme, good[i].scheme);
				check_str(p.host, good[i].host);
				check(p.port == good[i].port);
				check_str(p.authority, good[i].authority);
				check_str(p.path, good[i].path);
			}
			place_free(&p);
			check(p.host == NULL && p.path == NULL);
			place_free(&p);
		}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		test (bad[i].phrase) {
			why = none;
			check(!place_parse(&p, bad[i].text, &why));
			check(*why != '\0');
			place_free(&p);
		}
	test ("a place is written as it is compared") {
		place_parse(&p, "HTTPS://G.example:443/Grafana/", &why);
		url = place_url(&p);
		check(url != NULL);
		check_str(url == NULL ? "" : url, "https://g.example/Grafana");
		free(url);
		place_free(&p);
	}
}

static const struct {
	const char *text, *url, *via, *phrase;
} origins[] = {
	{ "https://g.example/x/", "https://g.example/x", "https://g.example/x",
	    "without \"via\" we connect to the base" },
	{ "https://g.example via http://127.0.0.1:3000", "https://g.example",
	    "http://127.0.0.1:3000", "\"via\" is where we connect" },
	{ "https://g.example/x via http://h/y/", "https://g.example/x",
	    "http://h/y", "each has a path of its own" },
	{ "https://g.example \t via\t http://[::1]", "https://g.example",
	    "http://[::1]", "blanks and tabs round \"via\" do not matter" },
	{ "https://g.example ", "https://g.example", "https://g.example",
	    "a blank at the end does not matter" },
	{ "https://g.example http://h", NULL, NULL,
	    "two addresses without \"via\" are refused" },
	{ "https://g.example via", NULL, NULL,
	    "\"via\" without an address is refused" },
	{ "https://g.example via ", NULL, NULL,
	    "\"via\" with a blank only is refused" },
	{ "https://g.example viahttp://h", NULL, NULL,
	    "\"via\" without a blank after it is refused" },
	{ "https://g.example VIA http://h", NULL, NULL,
	    "\"VIA\" is not \"via\"" },
	{ "https://g.example via h:3000", NULL, NULL,
	    "\"via\" without a scheme is refused" },
	{ "https://g.example via http://u@h", NULL, NULL,
	    "\"via\" with a user is refused" },
	{ "https://g.example via http://h via http://i", NULL, NULL,
	    "a second \"via\" is refused" },
	{ "g.example via http://h", NULL, NULL,
	    "a bad base is refused also with a good \"via\"" },
	{ "via http://h", NULL, NULL, "\"via\" without a base is refused" },
};

static void
both(void)
{
	struct origin o;
	const char *why;
	char *via;
	bool ok;
	size_t i;

	for (i = 0; i < sizeof(origins) / sizeof(origins[0]); i++)
		test (origins[i].phrase) {
			why = none;
			ok = origin_parse(&o, origins[i].text, &why);
			check(ok == (origins[i].url != NULL));
			if (ok && origins[i].url != NULL) {
				via = place_url(&o.via);
				check_str(o.url, origins[i].url);
				check_str(
				    via == NULL ? "" : via, origins[i].via);
				free(via);
			} else if (!ok) {
				check(*why != '\0');
			}
			origin_free(&o);
			origin_free(&o);
		}
}

static const struct {
	const char *location, *url, *phrase;
} follows[] = {
	{ "/login", "https://g.example/login",
	    "an absolute path stays on the host" },
	{ "/x/login?redirect=%2Fx", "https://g.example/x/login",
	    "the query is left out" },
	{ "https://g.example/x/login/", "https://g.example/x/login",
	    "the slash at the end too" },
	{ "HTTPS://G.EXAMPLE:443/login", "https://g.example/login",
	    "a whole address is brought into our form" },
	{ "http://g.example/login", "http://g.example/login",
	    "another scheme is another place" },
	{ "https://g.example:8443/login", "https://g.example:8443/login",
	    "another port is another place" },
	{ "//evil.example/login", "https://evil.example/login",
	    "two slashes lead to another host" },
	{ "https://evil.example", "https://evil.example",
	    "a whole address may lead to another host" },
	{ "/x/../login", "https://g.example/login", "dots are followed" },
	{ "https://u@g.example/login", NULL, "a user leads nowhere" },
	{ "ftp://g.example/login", NULL, "another protocol leads nowhere" },
	{ "javascript:alert(1)", NULL, "a script leads nowhere" },
	{ "https://", NULL, "an address without a host leads nowhere" },
	{ "https://gr\xc3\xa4"
	  "f.example/",
	    NULL, "a host beyond ASCII leads nowhere" },
};

static void
following(void)
{
	struct place from, to;
	const char *why;
	char *url;
	bool ok;
	size_t i;

	if (!place_parse(&from, "https://g.example/x", &why))
		return;
	for (i = 0; i < sizeof(follows) / sizeof(follows[0]); i++)
		test (follows[i].phrase) {
			ok = place_follow(&to, &from, follows[i].location);
			check(ok == (follows[i].url != NULL));
			url = ok ? place_url(&to) : NULL;
			check_str(url == NULL ? "-" : url,
			    follows[i].url == NULL ? "-" : follows[i].url);
			free(url);
			place_free(&to);
		}
	place_free(&from);
}

static void
loopback(void)
{
	static const struct {
		const char *url;
		bool is;
	} rows[] = {
		{ "http://127.0.0.1:3000", true },
		{ "http://127.255.255.254", true },
		{ "http://[::1]:3000", true },
		{ "http://[0:0:0:0:0:0:0:1]", true },
		{ "http://localhost", true },
		{ "http://LOCALHOST:3000", true },
		{ "http://128.0.0.1", false },
		{ "http://10.0.0.1", false },
		{ "http://[::2]", false },
		{ "http://localhost.evil.example", false },
		{ "http://127.0.0.1.evil.example", false },
	};
	struct place p;
	const char *why;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		test (rows[i].is ? "this machine's own address is loopback"
				 : "another machine's address is not") {
			check(place_parse(&p, rows[i].url, &why));
			if (!check(place_is_loopback(&p) == rows[i].is))
				printf("#   %s\n", rows[i].url);
			place_free(&p);
		}
}

int
main(void)
{
	places();
	both();
	following();
	loopback();
	return tap_done();
}
