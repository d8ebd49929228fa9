/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each stage of a request costs: microseconds of CPU, the median of rounds
 * in which the stages take turns.
 *
 *	stages STORE PANEL.png...
 *
 * One line a stage and panel: panel, bytes, stage, microseconds, and what that
 * is in relation to the stage named last.  STORE is a folder that fills up.
 */
#include "../unit/png_oracle.h"
#include "base/sha256.h"
#include "grafana/panel_url.h"
#include "image/png.h"
#include "server/access_log.h"
#include "server/request.h"
#include "server/response.h"
#include "server/singleflight.h"
#include "store/store.h"

#include <libdeflate.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define ROUNDS   15
#define ROUND_US 20000 /* of each stage in each round, at least */

struct bench {
	struct settings settings;
	struct store *store;
	struct singleflight *singleflight;
	struct png_scratch *scratch;
	struct libdeflate_decompressor *inflater;
	const char *name;
	unsigned char *image;
	size_t len;
	struct buf clean;
	struct png_size size;
	unsigned char *idat; /* all of it, as one run */
	size_t idat_len;
	unsigned char *raw;
	size_t raw_len;
	uint32_t number; /* makes what is saved unique */
};

static struct bench b;

static void
give_up(const char *why)
{
	fprintf(stderr, "stages: %s: %s\n", b.name, why);
	exit(1);
}

static double
cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static uint32_t
be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

/*
 * The stages
 */

static void
png_check(void)
{
	struct png_limits limits = { .pixels = 40000000 };
	struct problem p = { 0 };
	struct buf image;

	/* a copy each time, which a request does not need: it is cleaned where
	 * it is */
	buf_init(&image, b.len);
	buf_add(&image, b.image, b.len);
	if (png_clean(&image, &b.size, &limits, b.scratch, &p) != OUTCOME_OK)
		give_up(p.why);
	buf_free(&image);
}

/* The least that any check must do: inflate, and add up the CRCs. */
static void
inflate_only(void)
{
	size_t used, got;

	libdeflate_crc32(0, b.image, b.len);
	if (libdeflate_zlib_decompress_ex(b.inflater, b.idat, b.idat_len, b.raw,
		b.raw_len, &used, &got) != LIBDEFLATE_SUCCESS)
		give_up("does not inflate");
}

static void
libpng_decode(void)
{
	struct decoded d;

	if (!decoded_init(&d, b.image, b.len))
		give_up("libpng does not take it");
	decoded_free(&d);
}

static void
sha256(void)
{
	unsigned char digest[DIGEST_BYTES];

	digest_make(digest, b.image, b.len);
}

#define PANEL_URL                                                              \
	"https://grafana.example.com/d/cpu-load/cpu-load?orgId=1&from=now-6h"  \
	"&to=now&viewPanel=5&var-host=web-1"

static void
request_parse(void)
{
	static char body_text[] = "{\"imageUrl\": \"" PANEL_URL "\"}";
	static char method[] = "REQUEST_METHOD=POST", length[64],
		    token[] = "HTTP_AUTHORIZATION=Bearer "
			      "glsa_secretsecretsecretsecretsecret01_0badcafe";
	char *envp[] = { method, length, token, NULL };
	struct body body = { .bytes = { .bytes = body_text,
				 .len = sizeof(body_text) - 1 } };
	struct problem p = { 0 };
	struct request r = { 0 };

	snprintf(length, sizeof(length), "CONTENT_LENGTH=%zu", body.bytes.len);
	if (request_head(&r, envp, &p) != OUTCOME_OK ||
	    request_body(&r, envp, &body, &p) != OUTCOME_OK)
		give_up("the request is wrong");
	request_free(&r);
}

static void
panel_check_stage(void)
{
	struct panel panel = { 0 };
	struct problem p = { 0 };

	if (panel_check(&panel, PANEL_URL, &b.settings, 0, &p) != OUTCOME_OK)
		give_up("the address is wrong");
	panel_free(&panel);
}

/* Sharing, when there is nobody to share with. */
static void
share(void)
{
	unsigned char key[SINGLEFLIGHT_KEY_BYTES] = { 0 };
	char result[64] = { 0 };
	struct follower follower = { .result = result };
	struct call *call;

	digest_make(key, &b.number, sizeof(b.number));
	b.number++;
	if (singleflight_join(b.singleflight, key, &follower, &call) !=
	    CALL_LEADS)
		give_up("it does not lead");
	singleflight_finish(b.singleflight, call, result, CACHE);
}

/* A new file each time: the last IDAT byte before its CRC is no matter. */
static void
save(void)
{
	char key[STORE_KEY_ROOM];
	struct problem p = { 0 };

	b.number++;
	memcpy(b.clean.bytes + b.clean.len - 24, &b.number, sizeof(b.number));
	if (store_put(b.store, key, &b.clean, NULL, 0, &p) != OUTCOME_OK)
		give_up("cannot be saved");
}

static void
reply_stage(void)
{
	struct saved saved = { .address = PANEL_URL,
		.panel = PANEL_URL,
		.width = 1000,
		.height = 500,
		.bytes = 30000 };
	struct buf reply;

	buf_init(&reply, REPLY_MAX);
	reply_saved(&reply, &saved, false);
	buf_free(&reply);
}

static void
log_stage(void)
{
	struct problem p = { 0 };
	struct visit_record v = { .outcome = OUTCOME_OK,
		.status = 200,
		.panel = PANEL_URL,
		.panel_len = 52,
		.image = "0123456789ab",
		.client = "192.0.2.7",
		.who = "01234567",
		.problem = &p };
	char line[LOG_LINE_MAX];

	log_format(line, &v);
}

/* "only_first": what a picture has no part in is measured once. */
static const struct stage {
	const char *name;
	void (*run)(void);
	bool only_first;
} stages[] = {
	{ "libpng: full decode", libpng_decode, false },
	{ "libdeflate: inflate and CRC", inflate_only, false },
	{ "PNG check and rewrite", png_check, false },
	{ "SHA-256", sha256, false },
	{ "save, durably", save, false },
	{ "request: JSON and headers", request_parse, true },
	{ "panel: address check", panel_check_stage, true },
	{ "sharing", share, true },
	{ "reply", reply_stage, true },
	{ "log line", log_stage, true },
};
#define STAGE_COUNT (sizeof(stages) / sizeof(stages[0]))

/*
 * Measuring
 */

static double
measure(void (*run)(void))
{
	double start = cpu_us(), end;
	unsigned n = 0;

	do {
		run();
		n++;
		end = cpu_us();
	} while (end - start < ROUND_US);
	return (end - start) / n;
}

static int
compare(const void *a, const void *c)
{
	double x = *(const double *)a, y = *(const double *)c;

	return (x > y) - (x < y);
}

static void
read_panel(const char *path)
{
	FILE *f = fopen(path, "re");
	struct stat st;

	b.name = strrchr(path, '/') == NULL ? path : strrchr(path, '/') + 1;
	if (f == NULL || fstat(fileno(f), &st) != 0)
		give_up("cannot be read");
	b.len = (size_t)st.st_size;
	b.image = malloc(b.len);
	if (b.image == NULL || fread(b.image, 1, b.len, f) != b.len)
		give_up("cannot be read");
	fclose(f);
}

/* The picture as png_clean() leaves it, and its pixels' data as one run. */
static void
prepare_panel(const char *path)
{
	struct png_limits limits = { .pixels = 40000000 };
	struct problem p = { 0 };
	size_t at = 8, used;
	const unsigned char *c;

	read_panel(path);
	buf_init(&b.clean, b.len);
	buf_add(&b.clean, b.image, b.len);
	if (png_clean(&b.clean, &b.size, &limits, b.scratch, &p) != OUTCOME_OK)
		give_up(p.why);
	c = (const unsigned char *)b.clean.bytes;
	while (memcmp(c + at + 4, "IDAT", 4) != 0)
		at += 12 + be32(c + at);
	b.idat_len = be32(c + at);
	b.idat = malloc(b.idat_len);
	/* eight bytes a pixel and a filter byte a row are the most */
	b.raw_len = (size_t)b.size.height * ((size_t)b.size.width * 8 + 1);
	b.raw = malloc(b.raw_len);
	if (b.idat == NULL || b.raw == NULL)
		give_up("no memory");
	memcpy(b.idat, c + at + 8, b.idat_len);
	if (libdeflate_zlib_decompress_ex(b.inflater, b.idat, b.idat_len, b.raw,
		b.raw_len, &used, &b.raw_len) != LIBDEFLATE_SUCCESS)
		give_up("does not inflate");
}

static void
bench_panel(const char *path, bool first)
{
	double us[STAGE_COUNT][ROUNDS];
	size_t i, round;

	prepare_panel(path);
	for (round = 0; round < ROUNDS; round++)
		for (i = 0; i < STAGE_COUNT; i++)
			if (first || !stages[i].only_first)
				us[i][round] = measure(stages[i].run);
	for (i = 0; i < STAGE_COUNT; i++) {
		if (stages[i].only_first && !first)
			continue;
		qsort(us[i], ROUNDS, sizeof(us[i][0]), compare);
		printf("%s\t%zu\t%s\t%.2f\n", b.name, b.len, stages[i].name,
		    us[i][ROUNDS / 2]);
	}
	fflush(stdout);
	buf_free(&b.clean);
	free(b.image);
	free(b.idat);
	free(b.raw);
}

int
main(int argc, char **argv)
{
	char grafana[] = "GRAFANA_IMAGES_GRAFANA=https://grafana.example.com",
	     public_url[] = "GRAFANA_IMAGES_PUBLIC_URL=https://i.example/s",
	     no_limit[] = "GRAFANA_IMAGES_MIN_FREE_BYTES=0", *store;
	char *envp[] = { grafana, public_url, no_limit, NULL, NULL };
	int i;

	/* memory once had is kept: fresh pages would be most of what is
	 * measured, and differ from run to run */
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	if (argc < 3 ||
	    asprintf(&store, "GRAFANA_IMAGES_STORE=%s", argv[1]) < 0) {
		fprintf(stderr, "usage: stages STORE PANEL.png...\n");
		return 64;
	}
	envp[3] = store;
	b.name = "start";
	if (!settings_load(&b.settings, "/dev/null", envp, stderr))
		return 78;
	b.store = store_open(&b.settings, stderr);
	b.singleflight = singleflight_open(64, 5000);
	b.scratch = png_scratch_open();
	b.inflater = libdeflate_alloc_decompressor();
	if (b.store == NULL || b.singleflight == NULL || b.scratch == NULL)
		return 1;
	for (i = 2; i < argc; i++)
		bench_panel(argv[i], i == 2);
	libdeflate_free_decompressor(b.inflater);
	png_scratch_close(b.scratch);
	singleflight_close(b.singleflight);
	store_close(b.store);
	settings_free(&b.settings);
	free(store);
	return 0;
}
