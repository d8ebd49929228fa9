/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http.h"

#include "tap.h"

#include <ctype.h>
#include <string.h>

static const struct http_peer service = { "Grafana", "the setting \"grafana\"",
	"tls_ca_file", "Ask whoever runs this service to" };
static const struct http_peer client = { "The service", "--service",
	"--ca-file", "" };

static const char *
why(enum http_end end, const struct http_peer *peer)
{
	static struct problem p;
	struct http_response r;

	http_response_init(&r, 0);
	http_problem(&p, OUTCOME_UPSTREAM, end, &r, peer);
	http_response_free(&r);
	return p.why;
}

/* Whole sentences: the last has its full stop, and nothing was cut off or
 * left to be filled in. */
static bool
is_whole(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len < PROBLEM_WHY_ROOM - 1 && text[len - 1] == '.' &&
	       strpbrk(text, "%\n") == NULL && strstr(text, "  ") == NULL &&
	       strstr(text, "..") == NULL;
}

static void
sentences(void)
{
	const char *text;
	int end;

	test ("every end has whole sentences that begin with who was asked") {
		for (end = HTTP_WHOLE; end < HTTP_END_COUNT; end++) {
			text = why((enum http_end)end, &service);
			check(is_whole(text));
			check(strncmp(text, "Grafana ", 8) == 0);
			text = why((enum http_end)end, &client);
			check(is_whole(text));
			check(strncmp(text, "The service ", 12) == 0);
			check(strstr(text, "Grafana") == NULL);
			check(strstr(text, "Ask ") == NULL);
		}
	}
	test ("advice names the setting, and whom to ask") {
		check_str(why(HTTP_SPEAKS_TLS, &service),
		    "Grafana speaks TLS at its address, and was asked without. "
		    "Ask whoever runs this service to begin its address in the "
		    "setting \"grafana\" with https://.");
		check_str(why(HTTP_CERT_UNKNOWN_CA, &client),
		    "The service has a certificate of a CA that is not trusted "
		    "here. Name the CA's certificate in --ca-file.");
		check_str(why(HTTP_CERT_BAD, &client),
		    "The service has a certificate that does not verify.");
	}
}

static void
details(void)
{
	struct problem p = { .why = "before", .detail = "before" };
	struct http_response r;

	test ("the log has what libcurl said, and errno, escaped") {
		http_response_init(&r, 0);
		snprintf(r.words, sizeof(r.words), "127.0.0.1:1: it\nbroke");
		r.errnum = 111;
		check(http_problem(&p, OUTCOME_UPSTREAM, HTTP_REFUSED, &r,
			  &service) == OUTCOME_UPSTREAM);
		check_str(p.detail, "127.0.0.1:1: it\\x0abroke");
		check(p.errnum == 111);
		http_response_free(&r);
	}
}

int
main(void)
{
	sentences();
	details();
	return tap_done();
}
