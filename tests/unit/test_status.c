/* SPDX-License-Identifier: Apache-2.0 */
#include "grafana/status.h"

#include <string.h>

#include "tap.h"

#define ERROR "{\"message\": \"no\", \"traceID\": \"\"}"
#define PAGE  "<!DOCTYPE html><title>Log In</title>"
#define FRONT "in front of Grafana"
#define OWN   ""

/* An answer, what it means, and words that the sentence has; OWN: it is
 * Grafana's, and the outcome's own words do. */
static const struct {
	const char *name;
	int status;
	const char *body, *location;
	long retry_after;
	const char *word, *says;
} answers[] = {
	{ "a token refused by Grafana's API", 401, ERROR, "", -1,
	    "token-refused", OWN },
	{ "a right that Grafana refuses", 403, ERROR, "", -1, "forbidden",
	    OWN },
	{ "a JSON 404", 404, ERROR, "", -1, "not-found", OWN },
	{ "Go's 404", 404, "404 page not found\n", "", -1, "not-found", OWN },
	{ "another organisation's 404", 404, "Not found", "", -1, "not-found",
	    OWN },
	{ "the login, by its path", 302, "", "/g/login?redirectTo=x", -1,
	    "token-refused", OWN },
	{ "the login, by its address", 302, "",
	    "https://grafana.example.com/g/login", -1, "token-refused", OWN },
	{ "the login of an identity provider that Grafana chose", 302, "",
	    "/g/login/generic_oauth", -1, "token-refused", OWN },
	{ "the login behind via", 302, "", "http://127.0.0.1:3000/g/login", -1,
	    "token-refused", OWN },
	{ "a failed render", 500, "<title>Grafana</title>Rendering failed.", "",
	    -1, "upstream", "failed to render" },
	{ "a bad parameter", 400, "<title>Grafana</title>", "", -1, "upstream",
	    "theme" },
	{ "too many requests", 429, ERROR, "", -1, "grafana-busy", OWN },
	{ "a proxy's 503 that says when", 503, PAGE, "", 7, "grafana-busy",
	    OWN },

	{ "an OAuth proxy's page", 403, PAGE, "", -1, "forbidden", FRONT },
	{ "a firewall's page", 403, "<title>Access denied</title>", "", -1,
	    "forbidden", FRONT },
	{ "a web server's password", 401,
	    "<title>401 Authorization Required</title>", "", -1,
	    "token-refused", FRONT },
	{ "a cloud's login", 401, "Invalid IAP credentials: empty token", "",
	    -1, "token-refused", FRONT },
	{ "JSON of another program", 401, "{\"error\": \"no\"}", "", -1,
	    "token-refused", FRONT },
	{ "an empty 403", 403, "", "", -1, "forbidden", FRONT },
	{ "an ingress without a route", 404, "default backend - 404", "", -1,
	    "not-found", FRONT },
	{ "an identity provider", 302, "",
	    "https://login.example.net/authorize", -1, "upstream",
	    "https://login.example.net/authorize" },
	{ "a login proxy on the same host", 302, "", "/oauth2/sign_in", -1,
	    "upstream", "/oauth2/sign_in" },
	{ "https instead of http", 301, "", "http://grafana.example.com/g/x",
	    -1, "upstream", "root_url" },
	{ "a path that only begins like the login", 302, "", "/g/logins", -1,
	    "upstream", "/g/logins" },
	{ "a redirect without a place", 302, "", "", -1, "upstream", FRONT },
	{ "a token that nginx finds too large", 400,
	    "<title>400 Request Header Or Cookie Too Large</title>", "", -1,
	    "upstream", "larger than it takes" },
	{ "an address that nginx finds too long", 414,
	    "<title>414 Request-URI Too Large</title>", "", -1, "upstream",
	    "fewer variables" },
	{ "a header that is too large", 431, "", "", -1, "upstream", FRONT },
	{ "a bad gateway", 502, PAGE, "", -1, "upstream", FRONT },
	{ "a gateway that did not wait", 504, PAGE, "", -1, "upstream",
	    "in time" },
	{ "a 503 for ever", 503, PAGE, "", -1, "upstream", FRONT },
	{ "a method refused", 405, "", "", -1, "upstream", FRONT },
	{ "an answer without content", 204, "", "", -1, "upstream", FRONT },
	{ "a rewritten answer", 203, PAGE, "", -1, "upstream", FRONT },
};

static struct origin origin;

static void
check_answer(size_t i)
{
	struct http_response a;
	struct problem p = { 0 };
	enum outcome o;

	http_response_init(&a, 65536);
	a.status = answers[i].status;
	a.retry_after = answers[i].retry_after;
	buf_puts(&a.body, answers[i].body);
	snprintf(a.location, sizeof(a.location), "%s", answers[i].location);
	o = status_classify(&a, &origin, &p);
	check_str(outcome_word(o), answers[i].word);
	if (*answers[i].says == '\0')
		check_str(p.why, "");
	else
		check(strstr(p.why, answers[i].says) != NULL);
	/* what to do about it */
	if (strstr(p.why, FRONT) != NULL && a.status != 502 && a.status != 504)
		check(strstr(p.why, "grafana = https://grafana.example.com/g "
				    "via http://") != NULL);
	http_response_free(&a);
}

int
main(void)
{
	const char *why;
	size_t i;

	if (!origin_parse(&origin,
		"https://grafana.example.com/g via http://127.0.0.1:3000/g",
		&why))
		return 1;
	for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		test (answers[i].name)
			check_answer(i);
	origin_free(&origin);
	return tap_done();
}
