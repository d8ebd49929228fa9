/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of settings, and reading it from a file and the environment.
 *
 * A new setting is one row here, one member in settings.h and one item in the
 * manual.
 */
#include "config/settings.h"

#include "base/buf.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX   "GRAFANA_IMAGES_"
#define ZONES    "/usr/share/zoneinfo"
#define ZONE_MAX 64 /* bytes of a time zone's name; the longest has 32 */

enum kind {
	NUMBER,
	CHOICE,
	WORD,
	SECRET,
	PATH,
	CERTIFICATES,
	STORE,
	GRAFANA,
	ADDRESS,
	PICTURES,
	ZONE
};

struct row {
	const char *name;
	enum kind kind;
	size_t at;            /* where in struct settings */
	const char *initial;  /* the default as text; NULL: required */
	int64_t least, most;  /* NUMBER only */
	const char *no, *yes; /* CHOICE only */
};

#define AT(member) offsetof(struct settings, member)

/* clang-format off */
static const struct row table[] = {
	{ "grafana", GRAFANA, AT(grafana), NULL, 0, 0, NULL, NULL },
	{ "public_url", ADDRESS, AT(public_url), NULL, 0, 0, NULL, NULL },
	{ "store", STORE, AT(store), "/var/lib/grafana-images/saved-images", 0, 0, NULL, NULL },
	{ "s3_endpoint", ADDRESS, AT(s3_endpoint), "", 0, 0, NULL, NULL },
	{ "s3_region", WORD, AT(s3_region), "", 0, 0, NULL, NULL },
	{ "s3_access_key_id", SECRET, AT(s3_access_key_id), "", 0, 0, NULL, NULL },
	{ "s3_secret_access_key_file", PATH, AT(s3_secret_access_key_file), "", 0, 0, NULL, NULL },
	{ "s3_style", CHOICE, AT(s3_virtual_style), "path", 0, 0, "path", "virtual" },
	{ "s3_acl", WORD, AT(s3_acl), "", 0, 0, NULL, NULL },
	{ "state", PATH, AT(state), "", 0, 0, NULL, NULL },
	{ "workers", NUMBER, AT(workers), "64", 1, 4096, NULL, NULL },
	{ "max_renders", NUMBER, AT(max_renders), "16", 1, 4096, NULL, NULL },
	{ "answer_seconds", NUMBER, AT(answer_seconds), "50", 1, 600, NULL, NULL },
	{ "wait_seconds", NUMBER, AT(wait_seconds), "20", 0, 600, NULL, NULL },
	{ "connect_seconds", NUMBER, AT(connect_seconds), "3", 1, 60, NULL, NULL },
	{ "render_seconds", NUMBER, AT(render_seconds), "45", 1, 600, NULL, NULL },
	{ "reuse_seconds", NUMBER, AT(reuse_seconds), "5", 0, 3600, NULL, NULL },
	{ "max_image_bytes", NUMBER, AT(max_image_bytes), "16777216", 1024, 1073741824, NULL, NULL },
	{ "max_image_pixels", NUMBER, AT(max_image_pixels), "40000000", 1, 1000000000, NULL, NULL },
	{ "keep_days", NUMBER, AT(keep_days), "0", 0, 36500, NULL, NULL },
	{ "keep_bytes", NUMBER, AT(keep_bytes), "0", 0, INT64_MAX, NULL, NULL },
	{ "min_free_bytes", NUMBER, AT(min_free_bytes), "268435456", 0, INT64_MAX, NULL, NULL },
	{ "uploads", CHOICE, AT(uploads), "off", 0, 0, "off", "on" },
	{ "tz", ZONE, AT(tz), "", 0, 0, NULL, NULL },
	{ "preflight", CHOICE, AT(preflight), "on", 0, 0, "off", "on" },
	{ "wrong_pictures", PICTURES, AT(wrong_pictures), "", 0, 0, NULL, NULL },
	{ "tls_ca_file", CERTIFICATES, AT(tls_ca_file), "", 0, 0, NULL, NULL },
	{ "sandbox", CHOICE, AT(sandbox), "on", 0, 0, "off", "on" },
};
/* clang-format on */

#define ROWS (sizeof(table) / sizeof(table[0]))

/* What wrong_pictures may say that a picture means. */
static const enum outcome meanings[] = { OUTCOME_NO_RENDERER,
	OUTCOME_GRAFANA_BUSY, OUTCOME_TOKEN_REFUSED, OUTCOME_FORBIDDEN,
	OUTCOME_NOT_FOUND, OUTCOME_UPSTREAM };

/* Where a value was written, for the complaint about it. */
struct source {
	const char *file;     /* NULL: the environment */
	const char *variable; /* in the environment */
	unsigned line;        /* in the file */
	bool *given;          /* of each row: there was a value, good or bad */
	unsigned *lines;      /* of each row: its line in the file, 0: none */
	FILE *complaints;
};

/*
 * One line on what is wrong.  The value is a stranger's only when the
 * administrator pasted something odd: control bytes become '?'.
 */
static bool __attribute__((format(printf, 4, 5)))
complain(const struct source *from, const char *name, const char *value,
    const char *format, ...)
{
	struct buf text;
	const char *p;
	va_list ap;
	char why[1024];

	va_start(ap, format);
	vsnprintf(why, sizeof(why), format, ap);
	va_end(ap);
	buf_init(&text, 65536);
	buf_puts(&text, "grafana-images: ");
	if (from->file != NULL)
		buf_printf(&text, "%s:%u: ", from->file, from->line);
	else if (from->variable != NULL)
		buf_printf(&text, "environment: %s: ", from->variable);
	if (name != NULL)
		buf_puts(&text, name);
	if (value != NULL)
		buf_printf(&text, " = %s", value);
	buf_printf(&text, "%s%s", name != NULL ? ": " : "", why);
	for (p = buf_str(&text); *p != '\0'; p++)
		fputc((unsigned char)*p < 0x20 || *p == 0x7f ? '?' : *p,
		    from->complaints);
	fputc('\n', from->complaints);
	buf_free(&text);
	return false;
}

static bool
no_memory(const struct source *from)
{
	return complain(from, NULL, NULL, "there is no memory");
}

static bool
read_number(int64_t *to, const struct row *row, const char *value,
    const struct source *from)
{
	long long n;

	errno = 0;
	n = strtoll(value, NULL, 10);
	if (*value == '\0' || value[strspn(value, "0123456789")] != '\0' ||
	    errno != 0 || n < row->least || n > row->most) {
		if (row->most == INT64_MAX)
			return complain(from, row->name, value,
			    "a whole number, 0 or more, is allowed");
		return complain(from, row->name, value,
		    "a whole number from %" PRId64 " to %" PRId64 " is allowed",
		    row->least, row->most);
	}
	*to = n;
	return true;
}

static bool
read_choice(bool *to, const struct row *row, const char *value,
    const struct source *from)
{
	if (strcmp(value, row->yes) != 0 && strcmp(value, row->no) != 0)
		return complain(from, row->name, value,
		    "\"%s\" or \"%s\" is allowed", row->no, row->yes);
	*to = strcmp(value, row->yes) == 0;
	return true;
}

/* Replace a string; "" makes it NULL, which is "not set". */
static bool
read_text(char **to, const char *value, const struct source *from)
{
	char *copy = NULL;

	if (*value != '\0') {
		copy = strdup(value);
		if (copy == NULL)
			return no_memory(from);
	}
	free(*to);
	*to = copy;
	return true;
}

/* What becomes part of a signature or a header. */
static bool
read_word(char **to, const struct row *row, const char *value,
    const struct source *from)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz0123456789-_";

	if (value[strspn(value, plain)] != '\0')
		return complain(from, row->name, value,
		    "a word of letters, digits, - and _ is allowed");
	return read_text(to, value, from);
}

static bool
read_path(char **to, const struct row *row, const char *value,
    const struct source *from)
{
	size_t len = strlen(value);
	char *path;
	bool ok;

	if (len > 0 && value[0] != '/')
		return complain(from, row->name, value,
		    "a path that begins with \"/\" is allowed");
	while (len > 1 && value[len - 1] == '/')
		len--;
	path = strndup(value, len);
	ok = path != NULL ? read_text(to, path, from) : no_memory(from);
	free(path);
	return ok;
}

/* What is in it is looked at when it is used. */
static bool
read_certificates(char **to, const struct row *row, const char *value,
    const struct source *from)
{
	if (!read_path(to, row, value, from))
		return false;
	if (*to == NULL || access(*to, R_OK) == 0)
		return true;
	return complain(from, row->name, value,
	    "a file of certificates in PEM form is allowed; it cannot be "
	    "read: %s",
	    strerrordesc_np(errno));
}

static bool
ends_in(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	return len > n && strcmp(text + len - n, end) == 0;
}

/* Does this machine's time zone database have it?  Names that are only links
 * may have no file of their own; tzdata.zi has their lines ("L TARGET NAME").
 */
static bool
zone_is_known(const char *name)
{
	char path[128], line[256], end[80];
	bool known = false;
	struct stat st;
	FILE *f;

	if (access(ZONES, X_OK) != 0)
		return true; /* no database: nothing can be said */
	snprintf(path, sizeof(path), ZONES "/%s", name);
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
		return true;
	f = fopen(ZONES "/tzdata.zi", "re");
	snprintf(end, sizeof(end), " %s\n", name);
	while (f != NULL && !known && fgets(line, sizeof(line), f) != NULL)
		known = line[0] == 'L' && ends_in(line, end);
	if (f != NULL)
		fclose(f);
	return known;
}

/* A name of the IANA's time zone database; an unknown one would be UTC without
 * a word. */
static bool
read_zone(char **to, const struct row *row, const char *value,
    const struct source *from)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz0123456789_+-/";
	size_t len = strlen(value);
	bool ok = value[strspn(value, plain)] == '\0' && len <= ZONE_MAX;

	if (len > 0)
		ok = ok && isalpha((unsigned char)*value) &&
		     value[len - 1] != '/' && strstr(value, "//") == NULL &&
		     zone_is_known(value);
	if (!ok)
		return complain(from, row->name, value,
		    "the IANA name of a time zone, such as Europe/Berlin, is "
		    "allowed");
	return read_text(to, value, from);
}

/* A segment of the path that some server or proxy would take out. */
static bool
has_dots(const char *path)
{
	size_t len;

	for (; *path != '\0'; path += len + (path[len] == '/')) {
		len = strcspn(path, "/");
		if ((len == 1 && path[0] == '.') ||
		    (len == 2 && path[0] == '.' && path[1] == '.'))
			return true;
	}
	return false;
}

/*
 * A folder, or s3://BUCKET[/PREFIX] of the characters that need no encoding in
 * a signed request.
 */
static bool
read_store(char **to, const struct row *row, const char *value,
    const struct source *from)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz0123456789._~-/";
	const char *bucket = value + 5;
	size_t len = strlen(value);
	char *whole;
	bool ok;

	if (*value == '\0')
		return complain(from, row->name, value,
		    "a folder or s3://BUCKET/PREFIX is allowed");
	if (strncmp(value, "s3://", 5) != 0)
		return read_path(to, row, value, from);
	if (*bucket == '\0' || *bucket == '/' ||
	    bucket[strspn(bucket, plain)] != '\0' || strstr(bucket, "//") ||
	    has_dots(bucket))
		return complain(from, row->name, value,
		    "s3://BUCKET/PREFIX of letters, digits and ._~-/ "
		    "is allowed");
	whole = strndup(value, len - (value[len - 1] == '/'));
	ok = whole != NULL ? read_text(to, whole, from) : no_memory(from);
	free(whole);
	return ok;
}

static bool
read_address(char **to, const struct row *row, const char *value,
    const struct source *from)
{
	struct place place;
	const char *why;
	char *url;
	bool ok;

	if (*value == '\0' && row->initial != NULL)
		return read_text(to, value, from);
	if (!place_parse(&place, value, &why)) {
		place_free(&place);
		return complain(from, row->name, value,
		    "an address such as https://grafana.example.com/%s is "
		    "allowed; %s",
		    row->initial == NULL ? "saved-images" : "", why);
	}
	url = place_url(&place);
	place_free(&place);
	ok = url != NULL ? read_text(to, url, from) : no_memory(from);
	free(url);
	return ok;
}

/*
 * The next item of a comma-separated list, blanks round it cut off, as a
 * string of the caller's; NULL at the end (and *list with it) or, with *list
 * still set, when there is no memory.
 */
static char *
next_item(const char **list)
{
	const char *p = *list;
	size_t len;

	if (p == NULL)
		return NULL;
	p += strspn(p, " \t");
	len = strcspn(p, ",");
	*list = p[len] == ',' ? p + len + 1 : NULL;
	while (len > 0 && (p[len - 1] == ' ' || p[len - 1] == '\t'))
		len--;
	return strndup(p, len);
}

static void
forget_grafana(struct settings *s)
{
	size_t i;

	for (i = 0; i < s->grafana_count; i++)
		origin_free(&s->grafana[i]);
	free(s->grafana);
	s->grafana = NULL;
	s->grafana_count = 0;
}

static void
forget_pictures(struct settings *s)
{
	free(s->wrong_pictures);
	s->wrong_pictures = NULL;
	s->wrong_picture_count = 0;
}

/* Room for one more in an array of the settings; NULL when there is no memory.
 */
static void *
one_more(void *array, size_t count, size_t size)
{
	void **items = array, *more = realloc(*items, (count + 1) * size);

	if (more == NULL)
		return NULL;
	*items = more;
	return (char *)more + count * size;
}

/* Takes an item into the settings, or says why not: NULL for want of memory. */
typedef bool take_item(struct settings *, const char *item, const char **why);

static bool
take_grafana(struct settings *s, const char *item, const char **why)
{
	struct origin *o = one_more(&s->grafana, s->grafana_count, sizeof(*o));
	size_t i;

	if (o == NULL)
		return false;
	s->grafana_count++;
	if (!origin_parse(o, item, why))
		return false;
	for (i = 0; i + 1 < s->grafana_count; i++)
		if (strcmp(s->grafana[i].url, o->url) == 0) {
			*why = "the base is that of an earlier one";
			return false;
		}
	return true;
}

static bool
read_digest(unsigned char digest[DIGEST_BYTES], const char *hex)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *d;
	size_t i;

	for (i = 0; i < 2 * DIGEST_BYTES; i++) {
		d = hex[i] == '\0' ? NULL : strchr(digits, hex[i]);
		if (d == NULL)
			return false;
		digest[i / 2] =
		    (unsigned char)(digest[i / 2] << 4 | ((d - digits) & 0xf));
	}
	return hex[i] == '=';
}

static bool
read_picture(struct wrong_picture *p, const char *item)
{
	size_t i;

	memset(p, 0, sizeof(*p));
	if (!read_digest(p->sha256, item) ||
	    !outcome_by_word(item + 2 * DIGEST_BYTES + 1, &p->means))
		return false;
	for (i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (meanings[i] == p->means)
			return true;
	return false;
}

static bool
take_picture(struct settings *s, const char *item, const char **why)
{
	struct wrong_picture *p =
	    one_more(&s->wrong_pictures, s->wrong_picture_count, sizeof(*p));

	if (p == NULL)
		return false;
	s->wrong_picture_count++;
	*why = "the digest or the outcome is wrong";
	return read_picture(p, item);
}

static bool
read_list(struct settings *s, const struct row *row, const char *value,
    const struct source *from, take_item *take, const char *allowed)
{
	const char *list = value, *why;
	char *item;
	bool ok = true;

	while (ok && list != NULL) {
		item = next_item(&list);
		why = NULL;
		ok = item != NULL && take(s, item, &why);
		if (!ok && why == NULL)
			no_memory(from);
		else if (!ok)
			complain(from, row->name, value,
			    "a list of %s, with commas between, is allowed; "
			    "in \"%s\" %s",
			    allowed, item, why);
		free(item);
	}
	return ok;
}

static bool
read_grafana(struct settings *s, const struct row *row, const char *value,
    const struct source *from)
{
	forget_grafana(s);
	return read_list(s, row, value, from, take_grafana,
	    "ADDRESS or \"ADDRESS via ADDRESS\"");
}

static bool
read_pictures(struct settings *s, const struct row *row, const char *value,
    const struct source *from)
{
	forget_pictures(s);
	return *value == '\0' ||
	       read_list(s, row, value, from, take_picture,
		   "SHA256=OUTCOME, the outcome one of no-renderer, "
		   "grafana-busy, token-refused, forbidden, not-found, "
		   "upstream");
}

static bool
read_value(struct settings *s, const struct row *row, const char *value,
    const struct source *from)
{
	void *to = (char *)s + row->at;

	if (from->given != NULL)
		from->given[row - table] = true;
	switch (row->kind) {
	case NUMBER:
		return read_number(to, row, value, from);
	case CHOICE:
		return read_choice(to, row, value, from);
	case WORD:
		return read_word(to, row, value, from);
	case SECRET:
		return read_text(to, value, from);
	case PATH:
		return read_path(to, row, value, from);
	case CERTIFICATES:
		return read_certificates(to, row, value, from);
	case STORE:
		return read_store(to, row, value, from);
	case ADDRESS:
		return read_address(to, row, value, from);
	case GRAFANA:
		return read_grafana(s, row, value, from);
	case PICTURES:
		return read_pictures(s, row, value, from);
	case ZONE:
		return read_zone(to, row, value, from);
	}
	return false;
}

static const struct row *
find_row(const char *name)
{
	size_t i;

	for (i = 0; i < ROWS; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

static char *
trim(char *s)
{
	size_t len;

	s += strspn(s, " \t\r\n");
	for (len = strlen(s); len > 0 && strchr(" \t\r\n", s[len - 1]); len--)
		s[len - 1] = '\0';
	return s;
}

/* Cut a comment off: "#" at the start, or after a blank. */
static void
uncomment(char *line)
{
	char *p;

	for (p = line; (p = strchr(p, '#')) != NULL; p++)
		if (p == line || p[-1] == ' ' || p[-1] == '\t') {
			*p = '\0';
			return;
		}
}

/* Of a name given twice nobody knows which is meant: programs differ. */
static bool
is_the_first(
    const struct row *row, const char *value, const struct source *from)
{
	unsigned *line = &from->lines[row - table];

	if (*line == 0) {
		*line = from->line;
		return true;
	}
	return complain(from, row->name, row->kind == SECRET ? NULL : value,
	    "line %u has this setting already; keep one of the two", *line);
}

static bool
read_line(struct settings *s, char *line, const struct source *from)
{
	const struct row *row;
	char *name, *equals;

	uncomment(line);
	name = trim(line);
	if (*name == '\0')
		return true;
	equals = strchr(name, '=');
	if (equals == NULL)
		return complain(from, name, NULL,
		    "a line is \"name = value\", or begins with \"#\"");
	*equals = '\0';
	name = trim(name);
	row = find_row(name);
	if (row == NULL)
		return complain(from, name, NULL,
		    "there is no setting of that name; grafana-images(8) "
		    "lists them");
	return is_the_first(row, trim(equals + 1), from) &&
	       read_value(s, row, trim(equals + 1), from);
}

static bool
read_file(
    struct settings *s, const char *file, bool required, struct source from)
{
	FILE *f = fopen(file, "re");
	char *line = NULL;
	size_t room = 0;
	ssize_t len;
	bool ok = true;

	from.file = file;
	if (f == NULL && errno == ENOENT && !required)
		return true;
	if (f == NULL) {
		/* nothing can be said of what is missing in it */
		memset(from.given, true, ROWS * sizeof(*from.given));
		fprintf(from.complaints,
		    "grafana-images: %s: cannot be read: %s\n", file,
		    strerrordesc_np(errno));
		return false;
	}
	while ((len = getline(&line, &room, f)) >= 0) {
		from.line++;
		if (strlen(line) != (size_t)len)
			ok = complain(&from, NULL, NULL,
			    "a zero byte; this must be a text file");
		else
			ok = read_line(s, line, &from) && ok;
	}
	if (ferror(f)) {
		memset(from.given, true, ROWS * sizeof(*from.given));
		fprintf(from.complaints,
		    "grafana-images: %s: cannot be read: %s\n", file,
		    strerrordesc_np(errno));
		ok = false;
	}
	free(line);
	fclose(f);
	return ok;
}

static bool
read_variable(struct settings *s, const char *variable, struct source from)
{
	char name[64], *copy = strdup(variable), *value;
	const struct row *row = NULL;
	bool ok = true;
	size_t i;

	if (copy == NULL)
		return no_memory(&from);
	value = strchr(copy, '=');
	*value++ = '\0';
	from.variable = copy;
	for (i = 0; i + 1 < sizeof(name) && copy[i] != '\0'; i++)
		/* upper case only: one variable for each setting */
		name[i] = islower((unsigned char)copy[i])
			      ? '?'
			      : (char)tolower((unsigned char)copy[i]);
	name[i] = '\0';
	if (strcmp(copy, PREFIX "SERVICE") == 0)
		goto out; /* the clients' setting: post and sensu */
	row = find_row(name + strlen(PREFIX));
	if (row == NULL)
		complain(&from, NULL, NULL,
		    "warning: there is no setting of that name");
	else
		ok = read_value(s, row, trim(value), &from);
out:
	free(copy);
	return ok;
}

static bool
set_defaults(struct settings *s, FILE *complaints)
{
	struct source from = { .complaints = complaints };
	bool ok = true;
	size_t i;

	memset(s, 0, sizeof(*s));
	for (i = 0; i < ROWS; i++)
		if (table[i].initial != NULL)
			ok =
			    read_value(s, &table[i], table[i].initial, &from) &&
			    ok;
	return ok;
}

/*
 * A bucket
 */

/* The region that an endpoint signs for, where its host's name tells. */
static char *
region_of(const char *host)
{
	const char *end = strstr(host, ".amazonaws.com"), *start = end;

	if (ends_in(host, ".r2.cloudflarestorage.com"))
		return strdup("auto");
	if (end == NULL || strncmp(host, "s3.", 3) != 0)
		return strdup("us-east-1");
	while (start > host && start[-1] != '.')
		start--;
	if (start == host) /* s3.amazonaws.com */
		return strdup("us-east-1");
	return strndup(start, (size_t)(end - start));
}

/* Amazon's own where only a region is set; the region that goes with it. */
static bool
complete_s3(struct settings *s, FILE *complaints)
{
	struct source from = { .complaints = complaints };
	struct place place;
	const char *why;
	bool ok;

	if (!settings_store_is_s3(s))
		return true;
	if (s->s3_endpoint == NULL && s->s3_region != NULL &&
	    asprintf(&s->s3_endpoint, "https://s3.%s.amazonaws.com%s",
		s->s3_region,
		strncmp(s->s3_region, "cn-", 3) == 0 ? ".cn" : "") < 0) {
		s->s3_endpoint = NULL;
		return no_memory(&from);
	}
	if (s->s3_endpoint == NULL || s->s3_region != NULL)
		return true;
	ok = place_parse(&place, s->s3_endpoint, &why);
	if (ok)
		s->s3_region = region_of(place.host);
	place_free(&place);
	return s->s3_region != NULL || no_memory(&from);
}

/* Was that given, or at least tried?  What was refused has been complained of
 * already. */
static bool
is_said(const bool *given, const char *name, const char *value, bool ok)
{
	return value != NULL || (!ok && given[find_row(name) - table]);
}

static bool
s3_is_whole(const struct settings *s, const bool *given, bool ok,
    const char *file, FILE *complaints)
{
	bool id, secret;

	if (!settings_store_is_s3(s))
		return true;
	if (!is_said(given, "s3_endpoint", s->s3_endpoint, ok) &&
	    !is_said(given, "s3_region", s->s3_region, ok)) {
		fprintf(complaints,
		    "grafana-images: %s: the setting \"s3_endpoint\" is "
		    "missing, which store = %s needs; add the line: "
		    "s3_endpoint = https://s3.example.com, or, for Amazon's, "
		    "s3_region = eu-central-1\n",
		    file, s->store);
		return false;
	}
	id = is_said(given, "s3_access_key_id", s->s3_access_key_id, ok);
	secret = is_said(given, "s3_secret_access_key_file",
	    s->s3_secret_access_key_file, ok);
	if (id == secret)
		return true;
	fprintf(complaints,
	    "grafana-images: %s: the setting \"%s\" is missing: "
	    "s3_access_key_id and s3_secret_access_key_file go together, or "
	    "both come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in "
	    "the environment\n",
	    file, id ? "s3_secret_access_key_file" : "s3_access_key_id");
	return false;
}

/* What no line can be blamed for: there is none. */
static bool
is_whole(const bool *given, const char *file, FILE *complaints)
{
	static const char *const needed[][2] = {
		{ "grafana", "https://grafana.example.com" },
		{ "public_url", "https://grafana.example.com/saved-images" },
	};
	bool ok = true;
	size_t i;

	for (i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!given[find_row(needed[i][0]) - table]) {
			fprintf(complaints,
			    "grafana-images: %s: the setting \"%s\" is "
			    "missing; add the line: %s = %s\n",
			    file, needed[i][0], needed[i][0], needed[i][1]);
			ok = false;
		}
	return ok;
}

bool
settings_load(
    struct settings *s, const char *file, char *const envp[], FILE *complaints)
{
	bool given[ROWS] = { false };
	unsigned lines[ROWS] = { 0 };
	struct source from = {
		.complaints = complaints, .given = given, .lines = lines
	};
	const char *path = file == NULL ? SETTINGS_FILE : file;
	bool ok = set_defaults(s, complaints), whole;

	ok = read_file(s, path, file != NULL, from) && ok;
	for (; *envp != NULL; envp++)
		if (strncmp(*envp, PREFIX, strlen(PREFIX)) == 0 &&
		    strchr(*envp, '=') != NULL)
			ok = read_variable(s, *envp, from) && ok;
	whole = is_whole(given, path, complaints);
	whole = s3_is_whole(s, given, ok, path, complaints) && whole;
	return ok && whole && complete_s3(s, complaints);
}

/* Where that row's string is. */
static char **
text_at(struct settings *s, const struct row *row)
{
	void *at = (char *)s + row->at;

	return at;
}

void
settings_free(struct settings *s)
{
	size_t i;

	for (i = 0; i < ROWS; i++)
		switch (table[i].kind) {
		case WORD:
		case SECRET:
		case PATH:
		case CERTIFICATES:
		case STORE:
		case ADDRESS:
		case ZONE:
			free(*text_at(s, &table[i]));
			break;
		default:
			break;
		}
	forget_grafana(s);
	forget_pictures(s);
	memset(s, 0, sizeof(*s));
}

static void
print_grafana(const struct settings *s, FILE *out)
{
	size_t i;
	char *via;

	for (i = 0; i < s->grafana_count; i++) {
		via = place_url(&s->grafana[i].via);
		fprintf(out, "%s%s", i > 0 ? ", " : "", s->grafana[i].url);
		if (via != NULL && strcmp(via, s->grafana[i].url) != 0)
			fprintf(out, " via %s", via);
		free(via);
	}
}

static void
print_pictures(const struct settings *s, FILE *out)
{
	size_t i, j;

	for (i = 0; i < s->wrong_picture_count; i++) {
		fputs(i > 0 ? ", " : "", out);
		for (j = 0; j < DIGEST_BYTES; j++)
			fprintf(out, "%02x", s->wrong_pictures[i].sha256[j]);
		fprintf(out, "=%s", outcome_word(s->wrong_pictures[i].means));
	}
}

static void
print_value(const struct settings *s, const struct row *row, FILE *out)
{
	const void *at = (const char *)s + row->at;
	const char *text;

	switch (row->kind) {
	case NUMBER:
		fprintf(out, "%" PRId64, *(const int64_t *)at);
		break;
	case CHOICE:
		fputs(*(const bool *)at ? row->yes : row->no, out);
		break;
	case GRAFANA:
		print_grafana(s, out);
		break;
	case PICTURES:
		print_pictures(s, out);
		break;
	default:
		text = *(char *const *)at;
		if (text != NULL)
			fputs(row->kind == SECRET ? "********" : text, out);
		else if (strcmp(row->name, "state") == 0 &&
			 !settings_store_is_s3(s))
			fprintf(out, "%s/.state", s->store);
	}
}

void
settings_print(const struct settings *s, FILE *out)
{
	size_t i;

	for (i = 0; i < ROWS; i++) {
		fprintf(out, "%s = ", table[i].name);
		print_value(s, &table[i], out);
		fputc('\n', out);
	}
}

/* In quotes, and no value can end them. */
static void
print_quoted(const struct settings *s, const struct row *row, FILE *out)
{
	char *value = NULL, *p;
	size_t len;
	FILE *f = open_memstream(&value, &len);

	fputc('"', out);
	if (f != NULL) {
		print_value(s, row, f);
		fclose(f);
	}
	for (p = value; p != NULL && *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			fputc('\\', out);
		fputc(*p, out);
	}
	fputc('"', out);
	free(value);
}

void
settings_print_line(const struct settings *s, FILE *out)
{
	size_t i;

	for (i = 0; i < ROWS; i++) {
		fprintf(out, " %s=", table[i].name);
		print_quoted(s, &table[i], out);
	}
}

bool
settings_row(size_t i, struct settings_row *r)
{
	if (i >= ROWS)
		return false;
	r->name = table[i].name;
	r->initial = table[i].initial == NULL ? "required" : table[i].initial;
	r->bounds[0] = '\0';
	if (table[i].kind == NUMBER && table[i].most != INT64_MAX)
		snprintf(r->bounds, sizeof(r->bounds), "%" PRId64 "-%" PRId64,
		    table[i].least, table[i].most);
	return true;
}

bool
settings_store_is_s3(const struct settings *s)
{
	return strncmp(s->store, "s3://", 5) == 0;
}

struct http_options
settings_http_options(const struct settings *s)
{
	return (struct http_options){
		.ca_file = s->tls_ca_file,
		.ca_name = "tls_ca_file",
		.connect_ms = s->connect_seconds * 1000,
	};
}
