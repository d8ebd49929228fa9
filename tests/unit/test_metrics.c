/* SPDX-License-Identifier: Apache-2.0 */
#include "server/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"
#include "tree.h"

#define FILE_NAME "metrics.1"

static char root[] = "/tmp/test_metrics.XXXXXX", path[128];
static struct settings settings;
static char *said; /* by the last open_metrics() */
static struct buf text;

/* Another folder, not made yet. */
static void
elsewhere(void)
{
	static unsigned n;

	snprintf(path, sizeof(path), "%s/%u", root, n++);
	settings.state = path;
}

static struct metrics *
open_metrics(void)
{
	struct metrics *m;
	FILE *complaints;
	size_t room;

	free(said);
	complaints = open_memstream(&said, &room);
	m = metrics_open(&settings, complaints);
	fclose(complaints);
	if (m == NULL)
		abort();
	return m;
}

static const char *
write_metrics(struct metrics *m)
{
	buf_free(&text);
	buf_init(&text, 1024 * 1024);
	metrics_write(m, &text, 1000000);
	return buf_str(&text);
}

/* The value of the sample that is written so, "(none)" when there is none. */
static const char *
sample(struct metrics *m, const char *name)
{
	static char value[32], start[128];
	const char *p = write_metrics(m);

	snprintf(start, sizeof(start), "\ngrafana_images_%s ", name);
	p = strstr(p, start);
	if (p == NULL)
		return "(none)";
	p += strlen(start);
	snprintf(value, sizeof(value), "%.*s", (int)strcspn(p, "\n"), p);
	return value;
}

static unsigned long long
number(struct metrics *m, const char *name)
{
	return strtoull(sample(m, name), NULL, 10);
}

static unsigned long long
saved(struct metrics *m)
{
	return number(m, "requests_total{outcome=\"saved\"}");
}

/* One whole request, with its render. */
static void
count_one(struct metrics *m)
{
	metrics_request_begins(m);
	metrics_render_begins(m);
	metrics_render_ends(m);
	metrics_rendered(m, OUTCOME_SAVED, 10);
	metrics_saved(m, 100);
	metrics_request_ends(m, OUTCOME_SAVED, 20, true);
}

static void
check_counted(struct metrics *m, unsigned long long count)
{
	check(saved(m) == count);
	check(number(m, "renders_total{outcome=\"saved\"}") == count);
	check(number(m, "request_seconds_count") == count);
	check(number(m, "render_seconds_bucket{le=\"0.01\"}") == count);
	check(number(m, "shared_total") == count);
	check(number(m, "saved_bytes_total") == 100 * count);
	check(number(m, "requests_in_flight") == 0);
	check(number(m, "renders_in_flight") == 0);
	check(metrics_in_flight(m) == 0);
}

/*
 * The text
 */

/* Each line is a sample of the TYPE that was last named, or HELP and TYPE of
 * another one. */
static void
check_lines(const char *p)
{
	char line[256], name[128] = "", type[32] = "";
	size_t len;

	for (; *p != '\0'; p += len + 1) {
		len = strcspn(p, "\n");
		if (!check(p[len] == '\n' && len < sizeof(line)))
			return;
		snprintf(line, sizeof(line), "%.*s", (int)len, p);
		if (strncmp(line, "# HELP ", 7) == 0) {
			check(sscanf(line, "# HELP %127s", name) == 1);
			check(line[len - 1] == '.');
			type[0] = '\0';
		} else if (strncmp(line, "# TYPE ", 7) == 0) {
			snprintf(
			    type, sizeof(type), "%s", line + 8 + strlen(name));
			check(strncmp(line + 7, name, strlen(name)) == 0);
		} else {
			check(type[0] != '\0');
			check(strncmp(line, name, strlen(name)) == 0);
			check(strchr(line, ' ') == strrchr(line, ' '));
		}
		if (!tap_held)
			printf("#   %s\n", line);
	}
}

static void
format(void)
{
	struct metrics *m;
	char name[128];
	int i;

	elsewhere();
	m = open_metrics();
	test ("every sample follows the HELP and the TYPE of its name") {
		check_str(said, "");
		check_lines(write_metrics(m));
	}
	test ("at first every counter is there, and 0") {
		for (i = 0; i < OUTCOME_COUNT; i++) {
			snprintf(name, sizeof(name),
			    "requests_total{outcome=\"%s\"}",
			    outcome_word((enum outcome)i));
			check_str(sample(m, name), "0");
			snprintf(name, sizeof(name),
			    "renders_total{outcome=\"%s\"}",
			    outcome_word((enum outcome)i));
			check_str(sample(m, name), "0");
		}
		check_str(sample(m, "request_seconds_sum"), "0.000");
		check_counted(m, 0);
	}
	test ("what is not known of the store is not told") {
		check_str(sample(m, "store_free_bytes"), "1000000");
		buf_reset(&text);
		metrics_write(m, &text, -1);
		check(strstr(buf_str(&text), "images_store") == NULL);
		check_lines(buf_str(&text));
	}
	metrics_close(m);
}

static void
times(void)
{
	static const int64_t took[] = { -1, 0, 5, 6, 10, 1000, 1005, 50000,
		50001, 600000 };
	struct metrics *m;
	size_t i;

	elsewhere();
	m = open_metrics();
	for (i = 0; i < sizeof(took) / sizeof(took[0]); i++) {
		metrics_request_begins(m);
		metrics_request_ends(m, OUTCOME_SLOW, took[i], false);
	}
	test ("a bucket holds what took as long as its bound, or less") {
		check_str(
		    sample(m, "request_seconds_bucket{le=\"0.005\"}"), "3");
		check_str(
		    sample(m, "request_seconds_bucket{le=\"0.01\"}"), "5");
		check_str(sample(m, "request_seconds_bucket{le=\"0.5\"}"), "5");
		check_str(sample(m, "request_seconds_bucket{le=\"1\"}"), "6");
		check_str(sample(m, "request_seconds_bucket{le=\"50\"}"), "8");
	}
	test ("what took longer than all bounds is counted too") {
		check_str(
		    sample(m, "request_seconds_bucket{le=\"+Inf\"}"), "10");
		check_str(sample(m, "request_seconds_count"), "10");
	}
	test ("the sum is in seconds") {
		check_str(sample(m, "request_seconds_sum"), "702.027");
	}
	test ("requests are no renders") {
		check_str(sample(m, "render_seconds_count"), "0");
	}
	metrics_close(m);
}

/*
 * Processes
 */

/* A process that counts so often once "go" is closed. */
static pid_t
start_counting(const int go[2], int count)
{
	pid_t pid = fork();
	struct metrics *m;
	char c;

	if (pid != 0)
		return pid;
	close(go[1]);
	m = open_metrics();
	if (read(go[0], &c, 1) != 0)
		_exit(1);
	while (count-- > 0)
		count_one(m);
	metrics_close(m);
	_exit(*said != '\0');
}

static void
at_once(void)
{
	unsigned long long now = 0, before = 0;
	struct metrics *m;
	int go[2], i, status;
	pid_t pid;

	elsewhere();
	m = open_metrics();
	if (!check(pipe(go) == 0))
		return;
	for (i = 0; i < 8; i++)
		start_counting(go, 5000);
	close(go[0]);
	close(go[1]);
	test ("no reading is below one before, while others count") {
		while ((pid = waitpid(-1, &status, WNOHANG)) >= 0) {
			check(pid == 0 || status == 0);
			now = saved(m);
			check(now >= before);
			before = now;
		}
	}
	test ("eight processes that count at once lose nothing") {
		check_counted(m, 40000);
	}
	metrics_close(m);
	test ("counters stay when no process is left") {
		m = open_metrics();
		check_counted(m, 40000);
		metrics_close(m);
	}
}

/* A process that has three requests and two renders in flight and stays so. */
static pid_t
start_holding(void)
{
	struct metrics *m;
	int told[2], i;
	pid_t pid;
	char c;

	if (pipe(told) != 0 || (pid = fork()) < 0)
		abort();
	if (pid == 0) {
		m = open_metrics();
		count_one(m);
		for (i = 0; i < 3; i++)
			metrics_request_begins(m);
		for (i = 0; i < 2; i++)
			metrics_render_begins(m);
		if (write(told[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(told[1]);
	if (read(told[0], &c, 1) != 1)
		abort();
	close(told[0]);
	return pid;
}

static void
end_it(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void
killed(void)
{
	struct metrics *m, *next;
	pid_t first, second;

	elsewhere();
	m = open_metrics();
	first = start_holding();
	second = start_holding();
	metrics_request_begins(m);
	test ("what is in flight is told for all processes together") {
		check(metrics_in_flight(m) == 7);
		check_str(sample(m, "requests_in_flight"), "7");
		check_str(sample(m, "renders_in_flight"), "4");
	}
	test ("what a killed process had in flight does not count") {
		end_it(first);
		check_str(sample(m, "requests_in_flight"), "4");
		check_str(sample(m, "renders_in_flight"), "2");
	}
	test ("what it had counted stays") {
		check_str(sample(m, "shared_total"), "2");
		check_str(sample(m, "request_seconds_count"), "2");
	}
	test ("the process in its place begins with nothing in flight") {
		next = open_metrics();
		check(metrics_in_flight(m) == 4);
		metrics_request_begins(next);
		check(
		    metrics_in_flight(m) == 5 && metrics_in_flight(next) == 5);
		metrics_request_ends(next, OUTCOME_SAVED, 1, false);
		check(metrics_in_flight(m) == 4);
		metrics_close(next);
	}
	end_it(second);
	metrics_request_ends(m, OUTCOME_SAVED, 1, false);
	test ("when all is over, nothing is in flight") {
		check(metrics_in_flight(m) == 0);
		check_str(sample(m, "requests_in_flight"), "0");
		check_str(sample(m, "renders_in_flight"), "0");
	}
	metrics_close(m);
}

/* More processes than there are places: theirs alone know what they do. */
static void
crowd(void)
{
	static struct metrics *all[600];
	size_t i, n = sizeof(all) / sizeof(all[0]);

	elsewhere();
	for (i = 0; i < n; i++)
		all[i] = open_metrics();
	test ("of however many processes each tells its own requests") {
		for (i = 0; i < n; i++)
			metrics_request_begins(all[i]);
		check(metrics_in_flight(all[0]) == 512);
		check(metrics_in_flight(all[n - 1]) == 513);
	}
	test ("nothing is in flight when all of them are idle") {
		for (i = 0; i < n; i++)
			metrics_request_ends(all[i], OUTCOME_SAVED, 1, false);
		check(metrics_in_flight(all[0]) == 0);
		check(metrics_in_flight(all[n - 1]) == 0);
		check(saved(all[0]) == n);
	}
	test ("a place that becomes free is taken again") {
		metrics_close(all[7]);
		all[7] = open_metrics();
		metrics_request_begins(all[7]);
		check(metrics_in_flight(all[0]) == 1);
	}
	for (i = 0; i < n; i++)
		metrics_close(all[i]);
}

/*
 * Where they cannot be shared
 */

/* A warning or none, and counters of its own. */
static void
check_alone(bool warned)
{
	struct metrics *m = open_metrics(), *other;

	check((strstr(said, "warning: metrics cannot be shared: ") != NULL) ==
	      warned);
	check(warned == (strchr(said, '\n') != NULL));
	other = open_metrics();
	count_one(m);
	check_counted(m, 1);
	check_counted(other, 0);
	metrics_request_begins(m);
	check(metrics_in_flight(m) == 1 && metrics_in_flight(other) == 0);
	metrics_close(m);
	metrics_close(other);
}

static void
alone(void)
{
	char name[192], bucket[] = "s3://bucket";
	FILE *f;

	test ("with a bucket each process counts for itself, silently") {
		settings.state = NULL;
		settings.store = bucket;
		check_alone(false);
	}
	test ("where the folder cannot be made it does so with a warning") {
		elsewhere();
		strncat(path, "/a/b", sizeof(path) - strlen(path) - 1);
		check_alone(true);
	}
	test ("a folder in the file's place is a warning") {
		elsewhere();
		snprintf(name, sizeof(name), "%s/" FILE_NAME, path);
		check(mkdir(path, 0700) == 0 && mkdir(name, 0700) == 0);
		check_alone(true);
	}
	test ("a link in the file's place is a warning, and not followed") {
		elsewhere();
		snprintf(name, sizeof(name), "%s/" FILE_NAME, path);
		check(mkdir(path, 0700) == 0);
		check(symlink("elsewhere", name) == 0);
		check_alone(true);
		snprintf(name, sizeof(name), "%s/elsewhere", path);
		check(access(name, F_OK) != 0);
	}
	test ("a file that was cut off is made whole again") {
		elsewhere();
		snprintf(name, sizeof(name), "%s/" FILE_NAME, path);
		check(mkdir(path, 0700) == 0);
		f = fopen(name, "we");
		check(f != NULL && fclose(f) == 0);
		metrics_close(open_metrics());
		check_str(said, "");
	}
}

/* In a process of its own: what goes wrong here is death by a signal. */
static void
in_a_child(void (*what)(void))
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		tap_held = true;
		what();
		fflush(stdout);
		_exit(!tap_held);
	}
	waitpid(pid, &status, 0);
	check(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
on_a_full_disk(void)
{
	if (!check(mkdir(path, 0700) == 0 && unshare(CLONE_NEWNS) == 0 &&
		   mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
		   mount("t", path, "tmpfs", 0, "size=4k,mode=700") == 0))
		return;
	check_alone(true);
	check(strstr(said, "No space left on device") != NULL);
}

static void
with_a_limit(void)
{
	struct rlimit limit = { 1024, 1024 };

	signal(SIGXFSZ, SIG_IGN);
	if (check(setrlimit(RLIMIT_FSIZE, &limit) == 0))
		check_alone(true);
}

static void
no_room(void)
{
	elsewhere();
	test ("where files may not grow it warns, and serves all the same") {
		fflush(stdout);
		in_a_child(with_a_limit);
	}
	if (geteuid() != 0)
		return; /* mounting is for root */
	elsewhere();
	test ("on a full disk it warns, and serves all the same") {
		fflush(stdout);
		in_a_child(on_a_full_disk);
	}
}

int
main(void)
{
	struct rlimit files;

	if (!tap_has_proc() || !tap_can_mount())
		return 0;
	/* crowd() holds one for each */
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return 1;
	files.rlim_cur = files.rlim_max < 1024 ? files.rlim_max : 1024;
	setrlimit(RLIMIT_NOFILE, &files);
	if (mkdtemp(root) == NULL)
		return 1;
	format();
	times();
	at_once();
	killed();
	crowd();
	alone();
	no_room();
	free(said);
	buf_free(&text);
	tree_remove(root);
	return tap_done();
}
