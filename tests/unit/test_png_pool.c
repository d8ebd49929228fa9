/* SPDX-License-Identifier: Apache-2.0 */
#include "image/png_pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include "base/clock.h"
#include "png_make.h"
#include "tap.h"

#define UPLOADS 6
#define SAVES   3

static const struct png_limits limits = { 40000000 };
static struct png_pool *pool;

/* Small files: one that inflates to 119 MB, one to a hundred bytes. */
static struct buf large, small;

static atomic_int uploads_done;

/* Pages of this process: 0, all of its addresses; 1, those in memory. */
static long
pages(int which)
{
	long n[2] = { 0, 0 };
	FILE *f = fopen("/proc/self/statm", "re");

	if (f == NULL || fscanf(f, "%ld %ld", &n[0], &n[1]) != 2)
		abort();
	fclose(f);
	return n[which];
}

static long
megabytes(int which)
{
	return pages(which) * sysconf(_SC_PAGESIZE) / 1048576;
}

static enum outcome
clean(enum png_from from, const struct buf *file)
{
	struct problem problem = { 0 };
	struct png_size size;
	struct buf image;
	enum outcome o;

	exact_add(&image, file->bytes, file->len);
	o = png_pool_clean(
	    pool, from, INT64_MAX, &image, &size, &limits, &problem);
	buf_free(&image);
	return o;
}

static void
make(struct buf *b, const struct shape *shape, size_t raw_bytes)
{
	void *raw = calloc(1, raw_bytes);
	struct buf z;

	if (raw == NULL)
		abort();
	buf_init(&z, 1 << 28);
	buf_init(b, 1 << 24);
	zlib_add(&z, raw, raw_bytes);
	signature_add(b);
	ihdr_add(b, shape);
	chunk_add(b, "IDAT", z.bytes, z.len);
	chunk_add(b, "IEND", NULL, 0);
	buf_free(&z);
	free(raw);
}

static void *
upload(void *unused)
{
	(void)unused;
	if (clean(PNG_FROM_UPLOAD, &large) != OUTCOME_OK)
		abort();
	atomic_fetch_add(&uploads_done, 1);
	return NULL;
}

/* Many uploads wait; how many of them are checked while one save waits? */
static int
uploads_before_a_save(void)
{
	int before = 0, most = 0, i;
	pthread_t threads[UPLOADS];

	atomic_store(&uploads_done, 0);
	for (i = 0; i < UPLOADS; i++)
		if (pthread_create(&threads[i], NULL, upload, NULL) != 0)
			abort();
	while (png_pool_waiting(pool, PNG_FROM_UPLOAD) +
		   atomic_load(&uploads_done) <
	       UPLOADS - 1)
		sched_yield();
	for (i = 0; i < SAVES; i++) {
		before = atomic_load(&uploads_done);
		if (clean(PNG_FROM_RENDER, &small) != OUTCOME_OK)
			abort();
		before = atomic_load(&uploads_done) - before;
		most = before > most ? before : most;
	}
	for (i = 0; i < UPLOADS; i++)
		pthread_join(threads[i], NULL);
	return most;
}

static void
on_cores(int count)
{
	cpu_set_t all, some;
	size_t i;

	if (sched_getaffinity(0, sizeof(all), &all) != 0)
		abort();
	CPU_ZERO(&some);
	for (i = 0; i < CPU_SETSIZE && CPU_COUNT(&some) < count; i++)
		if (CPU_ISSET(i, &all))
			CPU_SET(i, &some);
	sched_setaffinity(0, sizeof(some), &some);
	pool = png_pool_open();
	sched_setaffinity(0, sizeof(all), &all);
	if (pool == NULL)
		abort();
}

static void
late_test(void)
{
	struct problem problem = { 0 };
	struct png_size size;
	struct buf image;
	pthread_t thread;

	if (pthread_create(&thread, NULL, upload, NULL) != 0)
		abort();
	exact_add(&image, small.bytes, small.len);
	/* until the upload is being checked */
	while (png_pool_clean(pool, PNG_FROM_RENDER, now_ms(), &image, &size,
		   &limits, &problem) == OUTCOME_OK)
		sched_yield();
	check(*problem.why != '\0');
	pthread_join(thread, NULL);
	buf_free(&image);
}

int
main(void)
{
	static const struct shape huge = { 8000, 3700, 8, 6, 0 };
	static const struct shape tiny = { 5, 5, 8, 6, 0 };
	static const struct shape big = { 4000, 3000, 8, 6, 0 }; /* 46 MiB */
	struct buf file;
	long before;
	int i;

	make(&large, &huge, (8000 * 4 + 1) * 3700);
	make(&small, &tiny, (5 * 4 + 1) * 5);
	make(&file, &big, (4000 * 4 + 1) * 3000);
	test ("a pool takes no memory before it is used, nor addresses") {
		before = megabytes(0);
		on_cores(CPU_SETSIZE);
		check(megabytes(0) - before < 1);
	}
	test ("and then as much as an image needs") {
		before = megabytes(0);
		check(clean(PNG_FROM_RENDER, &small) == OUTCOME_OK);
		check(megabytes(0) - before < 16);
	}
	test ("a huge image's memory is given back after some small ones") {
		check(clean(PNG_FROM_RENDER, &file) == OUTCOME_OK);
		before = megabytes(1);
		for (i = 0; i < 20; i++)
			check(clean(PNG_FROM_RENDER, &small) == OUTCOME_OK);
		check(before - megabytes(1) > 30);
		png_pool_close(pool);
	}
	test ("a save waits for one upload's check at most, even on one core") {
		on_cores(1);
		check(uploads_before_a_save() <= 2);
	}
	test ("whose turn has not come in time is slow") {
		late_test();
		png_pool_close(pool);
	}
	test ("on two cores uploads have one check, and saves the other") {
		on_cores(2);
		check(uploads_before_a_save() <= 2);
		png_pool_close(pool);
	}
	png_pool_close(NULL);
	buf_free(&large);
	buf_free(&small);
	buf_free(&file);
	return tap_done();
}
