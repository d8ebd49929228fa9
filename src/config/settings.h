/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/outcome.h"
#include "base/sha256.h"
#include "net/http.h"
#include "net/url.h"

/*
 * Everything that an administrator can choose.
 *
 * Read whole at start, from a file of "name = value" lines and then from the
 * environment, which overrides it; const from then on.  The table of names,
 * defaults, bounds and help is in settings.c; the manual is held against it.
 */
#define SETTINGS_FILE "/etc/grafana-images.conf"

/* A picture that is not a panel, and what it means when Grafana sends it. */
struct wrong_picture {
	unsigned char sha256[DIGEST_BYTES];
	enum outcome means;
};

struct settings {
	struct origin *grafana; /* grafana_count of them, at least one */
	size_t grafana_count;
	char *public_url; /* no slash at the end */
	char *store;      /* no slash at the end */
	/* NULL: not set, here and below; for a bucket these two are */
	char *s3_endpoint;
	char *s3_region;
	char *s3_access_key_id;
	char *s3_secret_access_key_file;
	char *s3_acl;
	char *state;
	char *tls_ca_file;
	char *tz; /* an IANA name */
	struct wrong_picture *wrong_pictures;
	size_t wrong_picture_count;
	bool s3_virtual_style;
	bool uploads;
	bool preflight;
	bool sandbox;
	int64_t workers;
	int64_t max_renders;
	int64_t answer_seconds;
	int64_t wait_seconds;
	int64_t connect_seconds;
	int64_t render_seconds;
	int64_t reuse_seconds;
	int64_t max_image_bytes;
	int64_t max_image_pixels;
	int64_t keep_days;
	int64_t keep_bytes;
	int64_t min_free_bytes;
};

/*
 * Read the settings.  "file" is what -c named, or NULL for SETTINGS_FILE if
 * there is one.  Every fault is said on "complaints", a line each, and makes
 * this return false; warnings are said there too.  The settings are the
 * caller's and are freed with settings_free(), also after a failure.
 */
bool settings_load(
    struct settings *, const char *file, char *const envp[], FILE *complaints);
void settings_free(struct settings *);

/* The effective settings, "name = value" a line, secrets masked. */
void settings_print(const struct settings *, FILE *);

/* The same on one line, as logfmt: name="value". */
void settings_print_line(const struct settings *, FILE *);

/* One row of the table, for the manual's test: its name, its default as text
 * ("" for none, "required"), and its bounds ("" where it has none).  false when
 * there are no more rows. */
struct settings_row {
	const char *name;
	const char *initial;
	char bounds[64];
};
bool settings_row(size_t index, struct settings_row *);

/* Is the store a bucket (s3://…) and not a folder? */
bool settings_store_is_s3(const struct settings *);

/* How this program asks other servers. */
struct http_options settings_http_options(const struct settings *);

#endif
