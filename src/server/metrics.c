/* SPDX-License-Identifier: Apache-2.0 */
#include "server/metrics.h"

#include "base/version.h"
#include "server/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Another layout is another file: processes of two versions may run at once.
 * So with the size of "struct counters", this changes too. */
#define LAYOUT        "1"
#define LAYOUT_BYTES  4688
#define PROCESSES_MAX 512

/* Upper bounds in milliseconds; what is above them all is in +Inf alone. */
static const int64_t bounds_ms[] = { 5, 10, 25, 50, 100, 250, 500, 1000, 2500,
	5000, 10000, 25000, 50000 };

#define BOUNDS (sizeof(bounds_ms) / sizeof(bounds_ms[0]))

struct histogram {
	_Atomic uint64_t counts[BOUNDS + 1]; /* not cumulative */
	_Atomic uint64_t sum_ms;
};

struct gauges {
	_Atomic uint32_t requests;
	_Atomic uint32_t renders;
};

/* The file.  All zero is a good beginning. */
struct counters {
	_Atomic uint64_t requests[OUTCOME_COUNT];
	_Atomic uint64_t renders[OUTCOME_COUNT];
	_Atomic uint64_t shared;
	_Atomic uint64_t saved_bytes;
	struct histogram request;
	struct histogram render;
	struct gauges in_flight[PROCESSES_MAX];
};

_Static_assert(sizeof(struct counters) == LAYOUT_BYTES, "see LAYOUT");

struct metrics {
	const struct settings *settings;
	struct counters *counters;
	struct gauges *mine; /* one of counters->in_flight, or "spare" */
	struct gauges spare; /* when all of those are taken */
	int fd;              /* -1: counters are this process's own */
};

/*
 * The place of a process is locked as one byte of the file, by its number; the
 * lock belongs to the open file (fcntl(2), open file description locks) and
 * ends with the process, however that ends.
 */
static bool
lock_place(int fd, int place)
{
	struct flock lock = { .l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = place,
		.l_len = 1 };

	return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

static bool
is_alive(const struct metrics *m, int place)
{
	struct flock lock = { .l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = place,
		.l_len = 1 };

	if (m->mine == &m->counters->in_flight[place])
		return true;
	return m->fd >= 0 && fcntl(m->fd, F_OFD_GETLK, &lock) == 0 &&
	       lock.l_type != F_UNLCK;
}

/* A place of our own; what a killed process left in it is forgotten.  Without
 * one (there are more processes, or no locks here) only we know of ours. */
static void
take_place(struct metrics *m)
{
	int place = 0;

	while (m->fd >= 0 && place < PROCESSES_MAX && !lock_place(m->fd, place))
		place++;
	m->mine = &m->spare;
	if (place < PROCESSES_MAX)
		m->mine = &m->counters->in_flight[place];
	atomic_store(&m->mine->requests, 0);
	atomic_store(&m->mine->renders, 0);
}

/* Room on the disk first: writing to a mapped page that finds none is death by
 * SIGBUS. */
static void *
map_file(int fd)
{
	void *p;

	if (fd < 0)
		return MAP_FAILED;
	errno = posix_fallocate(fd, 0, sizeof(struct counters));
	if (errno != 0)
		return MAP_FAILED;
	p = mmap(NULL, sizeof(struct counters), PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	return p;
}

struct metrics *
metrics_open(const struct settings *settings, FILE *complaints)
{
	struct metrics *m = calloc(1, sizeof(*m));
	void *p;

	if (m == NULL)
		return NULL;
	m->settings = settings;
	m->fd = state_open_file(settings, "metrics." LAYOUT);
	p = map_file(m->fd);
	/* for a bucket there is no folder to share */
	if (p == MAP_FAILED &&
	    (settings->state != NULL || !settings_store_is_s3(settings)))
		fprintf(complaints,
		    "grafana-images: warning: metrics cannot be shared: %s; "
		    "each process counts for itself\n",
		    strerrordesc_np(errno));
	if (p == MAP_FAILED && m->fd >= 0) {
		close(m->fd);
		m->fd = -1;
	}
	if (p == MAP_FAILED)
		p = mmap(NULL, sizeof(struct counters), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		free(m);
		return NULL;
	}
	m->counters = p;
	take_place(m);
	return m;
}

void
metrics_close(struct metrics *m)
{
	if (m == NULL)
		return;
	munmap(m->counters, sizeof(*m->counters));
	if (m->fd >= 0)
		close(m->fd);
	free(m);
}

/*
 * Counting
 */

static void
observe(struct histogram *h, int64_t ms)
{
	size_t i;

	for (i = 0; i < BOUNDS && ms > bounds_ms[i]; i++)
		;
	atomic_fetch_add(&h->counts[i], 1);
	atomic_fetch_add(&h->sum_ms, ms < 0 ? 0 : (uint64_t)ms);
}

void
metrics_request_begins(struct metrics *m)
{
	atomic_fetch_add(&m->mine->requests, 1);
}

void
metrics_request_ends(
    struct metrics *m, enum outcome o, int64_t took_ms, bool shared)
{
	atomic_fetch_sub(&m->mine->requests, 1);
	atomic_fetch_add(&m->counters->requests[o], 1);
	if (shared)
		atomic_fetch_add(&m->counters->shared, 1);
	observe(&m->counters->request, took_ms);
}

void
metrics_render_begins(struct metrics *m)
{
	atomic_fetch_add(&m->mine->renders, 1);
}

void
metrics_render_ends(struct metrics *m)
{
	atomic_fetch_sub(&m->mine->renders, 1);
}

void
metrics_rendered(struct metrics *m, enum outcome o, int64_t took_ms)
{
	atomic_fetch_add(&m->counters->renders[o], 1);
	observe(&m->counters->render, took_ms);
}

void
metrics_saved(struct metrics *m, uint64_t bytes)
{
	atomic_fetch_add(&m->counters->saved_bytes, bytes);
}

/*
 * Telling
 */

static void
add_up(struct metrics *m, uint64_t *requests, uint64_t *renders)
{
	uint32_t a, b;
	int i;

	/* 0 unless it is what we count in */
	*requests = atomic_load(&m->spare.requests);
	*renders = atomic_load(&m->spare.renders);
	for (i = 0; i < PROCESSES_MAX; i++) {
		a = atomic_load(&m->counters->in_flight[i].requests);
		b = atomic_load(&m->counters->in_flight[i].renders);
		if ((a != 0 || b != 0) && is_alive(m, i)) {
			*requests += a;
			*renders += b;
		}
	}
}

uint64_t
metrics_in_flight(struct metrics *m)
{
	uint64_t requests, renders;

	add_up(m, &requests, &renders);
	return requests;
}

static void
head(struct buf *b, const char *name, const char *type, const char *help)
{
	buf_printf(b,
	    "# HELP grafana_images_%s %s\n# TYPE grafana_images_%s %s\n", name,
	    help, name, type);
}

static void
write_outcomes(struct buf *b, const char *name, const char *help,
    _Atomic uint64_t counts[OUTCOME_COUNT])
{
	int i;

	head(b, name, "counter", help);
	for (i = 0; i < OUTCOME_COUNT; i++)
		buf_printf(b, "grafana_images_%s{outcome=\"%s\"} %" PRIu64 "\n",
		    name, outcome_word((enum outcome)i),
		    atomic_load(&counts[i]));
}

static void
write_histogram(
    struct buf *b, const char *name, const char *help, struct histogram *h)
{
	uint64_t sum_ms = atomic_load(&h->sum_ms), count = 0;
	size_t i;

	head(b, name, "histogram", help);
	for (i = 0; i < BOUNDS; i++) {
		count += atomic_load(&h->counts[i]);
		buf_printf(b,
		    "grafana_images_%s_bucket{le=\"%g\"} %" PRIu64 "\n", name,
		    (double)bounds_ms[i] / 1000, count);
	}
	count += atomic_load(&h->counts[BOUNDS]);
	buf_printf(b,
	    "grafana_images_%s_bucket{le=\"+Inf\"} %" PRIu64 "\n"
	    "grafana_images_%s_sum %" PRIu64 ".%03" PRIu64 "\n"
	    "grafana_images_%s_count %" PRIu64 "\n",
	    name, count, name, sum_ms / 1000, sum_ms % 1000, name, count);
}

static void
write_one(struct buf *b, const char *name, const char *type, const char *help,
    uint64_t value)
{
	head(b, name, type, help);
	buf_printf(b, "grafana_images_%s %" PRIu64 "\n", name, value);
}

void
metrics_write(struct metrics *m, struct buf *b, int64_t free_bytes)
{
	struct counters *c = m->counters;
	uint64_t requests, renders;

	add_up(m, &requests, &renders);
	head(b, "build_info", "gauge", "The version that runs.");
	buf_puts(b, "grafana_images_build_info{version=\"" VERSION "\"} 1\n");
	write_outcomes(b, "requests_total", "Requests, by what became of them.",
	    c->requests);
	write_outcomes(b, "renders_total",
	    "Renders asked of Grafana, by what came; saved: a picture.",
	    c->renders);
	write_histogram(
	    b, "request_seconds", "From a request to its answer.", &c->request);
	write_histogram(b, "render_seconds",
	    "From asking Grafana to the last byte of its answer.", &c->render);
	write_one(b, "requests_in_flight", "gauge",
	    "Requests being answered now.", requests);
	write_one(b, "renders_in_flight", "gauge",
	    "Renders that Grafana is asked for now.", renders);
	write_one(b, "shared_total", "counter",
	    "Requests answered by somebody else's render.",
	    atomic_load(&c->shared));
	write_one(b, "saved_bytes_total", "counter",
	    "Bytes of images that were saved.", atomic_load(&c->saved_bytes));
	if (free_bytes < 0)
		return;
	write_one(b, "store_free_bytes", "gauge",
	    "What the store's file system has left.", (uint64_t)free_bytes);
	write_one(b, "store_min_free_bytes", "gauge",
	    "With less than this nothing is saved (min_free_bytes).",
	    (uint64_t)m->settings->min_free_bytes);
}
