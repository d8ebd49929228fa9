/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Put files into the bucket of the settings in the environment, by so many
 * threads: the part of the service that speaks to the store, and nothing else.
 *
 *	s3_put THREADS <LIST    lines of "KEY FILE"
 */
#include "store/s3.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX 100000

extern char **environ;

static struct settings settings;
static struct bucket *bucket;
static struct line {
	char key[128];
	char file[256];
} * lines;
static size_t count;
static atomic_size_t next, failed;

static bool
read_file(struct buf *b, const char *file)
{
	FILE *f = fopen(file, "re");
	char piece[65536];
	size_t n;

	buf_reset(b);
	if (f == NULL)
		return false;
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		buf_add(b, piece, n);
	fclose(f);
	return !b->failed;
}

static void *
work(void *arg)
{
	struct http_options options = settings_http_options(&settings);
	struct http *http = http_open(&options);
	struct problem p = { 0 };
	struct buf b;
	size_t i;

	buf_init(&b, SIZE_MAX / 2);
	while ((i = atomic_fetch_add(&next, 1)) < count) {
		if (read_file(&b, lines[i].file) &&
		    bucket_put(bucket, lines[i].key, &b, http, 50000, &p) ==
			OUTCOME_OK)
			continue;
		atomic_fetch_add(&failed, 1);
		fprintf(stderr, "%s: %s\n", lines[i].key, p.why);
	}
	buf_free(&b);
	http_close(http);
	return arg;
}

int
main(int argc, char *argv[])
{
	struct http_options options;
	pthread_t threads[256];
	long n = argc > 1 ? strtol(argv[1], NULL, 10) : 0, i;

	lines = calloc(LINES_MAX, sizeof(*lines));
	while (lines != NULL && count < LINES_MAX &&
	       scanf("%127s %255s", lines[count].key, lines[count].file) == 2)
		count++;
	if (n < 1 || n > 256 || lines == NULL ||
	    !settings_load(&settings, "/dev/null", environ, stderr))
		return 64;
	options = settings_http_options(&settings);
	if (!http_start(&options, stderr))
		return 64;
	bucket = bucket_open(&settings, stderr);
	if (bucket == NULL)
		return 78;
	for (i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, work, NULL) != 0)
			return 71;
	for (i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	bucket_close(bucket);
	http_stop();
	settings_free(&settings);
	free(lines);
	return failed > 0;
}
