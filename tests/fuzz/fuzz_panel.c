/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The address of a panel.  Whatever is taken, the address that is then asked
 * for, read by a second parser (RFC 3986, by hand), is of the configured
 * place, and below its path.
 */
#include "fuzz.h"

#include "grafana/panel_url.h"

#include <string.h>

static struct origin origins[3];
#define MOMENT 1795881600000 /* of the request */

static char zone[] = "Europe/Berlin";
static struct settings settings = {
	.tz = zone, .grafana = origins, .grafana_count = 3
};

static void
begin(void)
{
	static const char *const texts[] = { "https://grafana.example.com",
		"http://g.example:3000/sub/grafana",
		"https://inner.example via http://127.0.0.1:3001/x" };
	const char *why;
	size_t i;

	for (i = 0; i < 3 && origins[i].url == NULL; i++)
		promise(origin_parse(&origins[i], texts[i], &why));
}

/* Only what an address may have, and no way up or out of the path. */
static void
check_path(const char *target)
{
	static const char *const never[] = { "//", "/./", "/../", "/.?", "/..?",
		"%2f", "%2F", "%5c", "%5C", "%00", "\\", "#" };
	size_t path = strcspn(target, "?"), i;
	char *copy = text_of((const uint8_t *)target, path + 1);
	const char *p;

	for (p = target; *p != '\0'; p++)
		promise(*p > 0x20 && *p < 0x7f);
	for (i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		promise(strstr(copy, never[i]) == NULL);
	promise(strncmp(target, "/render/", 8) == 0 ||
		strncmp(target, "/goto/", 6) == 0);
	free(copy);
}

/* "scheme://authority/path": the authority ends at the first "/", and nothing
 * of it may be read as a user or another host. */
static void
check_place(const char *url, const struct place *place)
{
	const char *p = url + strlen(place->scheme);
	size_t len;

	promise(strncmp(url, place->scheme, strlen(place->scheme)) == 0);
	promise(strncmp(p, "://", 3) == 0);
	p += 3;
	len = strcspn(p, "/?#\\@");
	promise(p[len] == '/' || p[len] == '\0');
	promise(len == strlen(place->authority) &&
		strncmp(p, place->authority, len) == 0);
	promise(strncmp(p + len, place->path, strlen(place->path)) == 0);
}

/* For people: only what RFC 3986 allows, its escapes whole. */
static void
check_link(const char *link)
{
	static const char plain[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	    "-._~!$&()*+,=:@/?%[]"; /* brackets in the base's host only */
	static const char hex[] = "0123456789abcdefABCDEF";
	const char *p;

	promise(link[strspn(link, plain)] == '\0');
	for (p = strchr(link, '%'); p != NULL; p = strchr(p + 1, '%'))
		promise(p[1] != '\0' && strchr(hex, p[1]) != NULL &&
			p[2] != '\0' && strchr(hex, p[2]) != NULL);
}

/* What is logged: nothing that begins a query is in it. */
static void
check_logged(const char *target, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		promise(strchr("?&=;#", target[i]) == NULL);
}

/* What Grafana's API is asked by. */
static void
check_names(const struct panel *panel)
{
	static const char digits[] = "0123456789";

	promise(panel->number[strspn(panel->number, digits)] == '\0');
	promise(panel->org_id[strspn(panel->org_id, digits)] == '\0');
	promise(panel->one_panel || *panel->number == '\0');
	promise(panel->uid[strcspn(panel->uid, "/?#&%.")] == '\0');
}

/* A sentence: printable, on one line. */
static void
check_sentence(const char *why)
{
	for (; *why != '\0'; why++)
		promise(*why >= 0x20 && *why < 0x7f);
}

/* No parameter of that name. */
static void
check_dropped(const char *target, const char *name)
{
	const char *p = strchr(target, '?');
	size_t len = strlen(name);

	for (; p != NULL; p = strchr(p, '&')) {
		p++;
		promise(strncmp(p, name, len) != 0 ||
			(p[len] != '=' && p[len] != '&' && p[len] != '\0'));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char *url = text_of(bytes, len);
	struct problem p = { 0 };
	struct panel panel;
	enum outcome o;
	struct buf sent;

	begin();
	o = panel_check(&panel, url, &settings, MOMENT, &p);
	promise(o == OUTCOME_OK || o == OUTCOME_MALFORMED ||
		o == OUTCOME_NOT_ALLOWED);
	if (o == OUTCOME_OK) {
		promise(panel.origin >= origins && panel.origin < origins + 3);
		check_path(buf_str(&panel.target));
		check_dropped(buf_str(&panel.target), "auth_token");
		check_dropped(buf_str(&panel.target), "targetOrgId");
		promise(panel.path_len == strcspn(buf_str(&panel.target), "?"));
		buf_init(&sent, SIZE_MAX / 2);
		buf_printf(
		    &sent, "%s%s", panel.origin->url, buf_str(&panel.target));
		check_place(buf_str(&sent), &panel.origin->base);
		buf_free(&sent);
		check_logged(buf_str(&panel.target), panel.path_len);
		check_link(buf_str(&panel.link));
		check_names(&panel);
		if (panel.link.len > 0)
			check_place(buf_str(&panel.link), &panel.origin->base);
	}
	if (o != OUTCOME_OK)
		check_sentence(p.why);
	panel_free(&panel);
	free(url);
	return 0;
}
