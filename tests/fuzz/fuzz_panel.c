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
static struct settings settings = { .grafana = origins, .grafana_count = 3 };

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
	promise(strncmp(target, "/render/", 8) == 0);
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
	o = panel_check(&panel, url, &settings, &p);
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
		if (panel.link.len > 0)
			check_place(buf_str(&panel.link), &panel.origin->base);
	}
	panel_free(&panel);
	free(url);
	return 0;
}
