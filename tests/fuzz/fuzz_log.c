/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line of the log with any panel and any client in it: one line still, of
 * printable ASCII, and a reader of logfmt finds the members that there are.
 */
#include "fuzz.h"

#include "server/access_log.h"

#include <string.h>

static const char *const names[] = { "ts", "outcome", "status", "panel",
	"image", "bytes", "render_ms", "total_ms", "shared", "client", "who",
	"pid", "why" };

/* Past name=value; NULL when it is not that. */
static const char *
skip_member(const char *p, const char *end, const char *name)
{
	size_t len = strlen(name);

	if ((size_t)(end - p) <= len || memcmp(p, name, len) != 0 ||
	    p[len] != '=')
		return NULL;
	p += len + 1;
	if (p < end && *p == '"') {
		for (p++; p < end && *p != '"'; p++)
			if (*p == '\\')
				p++;
		return p < end ? p + 1 : NULL;
	}
	while (p < end && *p != ' ' && *p != '"' && *p != '\n')
		p++;
	return p;
}

static void
check_line(const char *line, size_t len)
{
	const char *p = line, *end = line + len - 1;
	size_t i;

	promise(len > 0 && len <= LOG_LINE_MAX && line[len - 1] == '\n');
	for (i = 0; i + 1 < len; i++)
		promise(line[i] >= 0x20 && line[i] < 0x7f);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		promise(i == 0 || *p++ == ' ');
		p = skip_member(p, end, names[i]);
		promise(p != NULL);
	}
	promise(p == end);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char *text = text_of(bytes, len), line[LOG_LINE_MAX];
	struct problem p = { .errnum = (int)(len % 140),
		.upstream = (int)(len % 3) * 200 };
	struct visit_record v = { .outcome =
				      (enum outcome)(len % OUTCOME_COUNT),
		.status = 200,
		.panel = text,
		.panel_len = len,
		.image = "0123456789abcdef",
		.render_ms = (int)(len % 2) - 1,
		.client = text,
		.who = "01234567",
		.problem = &p };

	problem_set_detail(&p, text);
	snprintf(p.why, sizeof(p.why), "%s", text);
	check_line(line, log_format(line, &v));
	free(text);
	return 0;
}
