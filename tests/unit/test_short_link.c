/* SPDX-License-Identifier: Apache-2.0 */
/* Where a redirect of Grafana leads, in the base's own words. */
#include "grafana/short_link.h"

#include <stdlib.h>

#include "tap.h"

#define SUB     "https://tools.example.com/grafana"
#define VIA     "https://grafana.example.com via http://127.0.0.1:3000"
#define VIA_SUB SUB " via http://127.0.0.1:3000"
#define INNER   "https://grafana.example.com via http://127.0.0.1:3000/inner"

static const struct {
	const char *origin, *location, *url, *phrase;
} redirects[] = {
	{ SUB, SUB "/d/U/s?a=b&c=d#e", SUB "/d/U/s?a=b&c=d#e",
	    "an address below the base stays as it is" },
	{ SUB, "HTTPS://TOOLS.example.com/grafana/d/U", SUB "/d/U",
	    "scheme and host may be in any case" },
	{ SUB, "/grafana/d/U?a=b", SUB "/d/U?a=b",
	    "a path that has the sub-path is below the base" },
	{ SUB, "//tools.example.com/grafana/d/U", SUB "/d/U",
	    "a host without a scheme has the scheme that is there" },
	{ SUB, "/d/U", "https://tools.example.com/d/U",
	    "a path above the sub-path is for the check to refuse" },
	{ SUB, "/grafanax/d/U", "https://tools.example.com/grafanax/d/U",
	    "as is one that only begins like it" },
	{ VIA_SUB, "/d/U?a=b", SUB "/d/U?a=b",
	    "a Grafana that knows nothing of the sub-path is behind \"via\"" },
	{ VIA_SUB, "/grafana/d/U", SUB "/d/U", "one that knows it, too" },
	{ VIA, "http://127.0.0.1:3000/d/U?a=b",
	    "https://grafana.example.com/d/U?a=b",
	    "an address of \"via\" is that of the base" },
	{ VIA_SUB, "http://127.0.0.1:3000/d/U", SUB "/d/U",
	    "also below a sub-path" },
	{ INNER, "/inner/d/U", "https://grafana.example.com/d/U",
	    "the longer path of base and \"via\" is meant" },
	{ INNER, "/d/U", "https://grafana.example.com/d/U",
	    "a path of the base has no such part" },
	{ VIA, "http://localhost:3000/d/U", "http://localhost:3000/d/U",
	    "a root_url that was never set stays, to be refused" },
	{ VIA, "https://grafana.example.com.evil.example/d/U",
	    "https://grafana.example.com.evil.example/d/U",
	    "a host that begins like the base stays, to be refused" },
	{ VIA, "https://grafana.example.com@evil.example/d/U",
	    "https://grafana.example.com@evil.example/d/U",
	    "the base as a user stays, to be refused" },
	{ VIA, "https://grafana.example.com:8443/d/U",
	    "https://grafana.example.com:8443/d/U",
	    "another port stays, to be refused" },
	{ VIA, "d/U", "d/U", "a path without a slash is no address" },
	{ VIA, "javascript:alert(1)", "javascript:alert(1)",
	    "what is no address stays, to be refused" },
};

int
main(void)
{
	struct origin origin;
	const char *why;
	struct buf url;
	size_t i;

	for (i = 0; i < sizeof(redirects) / sizeof(redirects[0]); i++)
		test (redirects[i].phrase) {
			buf_init(&url, 65536);
			check(origin_parse(&origin, redirects[i].origin, &why));
			check(short_link_address(
			    &url, &origin, redirects[i].location));
			check_str(buf_str(&url), redirects[i].url);
			origin_free(&origin);
			buf_free(&url);
		}
	return tap_done();
}
