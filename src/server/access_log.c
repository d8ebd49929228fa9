/* SPDX-License-Identifier: Apache-2.0 */
#include "server/access_log.h"

#include "base/clock.h"
#include "base/escape.h"
#include "base/version.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What may come from outside is cut to this, escaped: the line stays whole. */
#define QUOTED_MAX 700

#define WAIT_MS    1000
#define STOPPED_MS 10000

#define WARN_EVERY_MS 60000

/* Of an image's name: the whole name is a key to it. */
#define IMAGE_DIGITS 12

struct line {
	char *text;
	size_t len;
};

static void __attribute__((format(printf, 2, 3)))
add(struct line *l, const char *format, ...)
{
	size_t room = LOG_LINE_MAX - 1 - l->len;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(l->text + l->len, room, format, ap);
	va_end(ap);
	/* what does not fit is left out whole: no half pair at the end */
	if (n > 0 && (size_t)n < room)
		l->len += (size_t)n;
	l->text[l->len] = '\0';
}

/* name="value", escaped: quotes, backslashes, controls, and beyond ASCII. */
static void
add_quoted(struct line *l, const char *name, const char *value, size_t len)
{
	char escaped[QUOTED_MAX + 1];

	escape_printable(escaped, sizeof(escaped), value, len);
	add(l, " %s=\"%s\"", name, escaped);
}

static void
add_time(struct line *l)
{
	struct timespec t;
	char text[32];
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &t);
	if (gmtime_r(&t.tv_sec, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		return;
	add(l, "ts=%s.%03ldZ", text, t.tv_nsec / 1000000);
}

/* The sentence, and what a library or errno said, and Grafana's status. */
static void
add_why(struct line *l, enum outcome o, const struct problem *p)
{
	const char *errnum = p->errnum == 0 ? NULL : strerrordesc_np(p->errnum);
	const char *why = *p->why == '\0' ? outcome_title(o) : p->why;
	char text[QUOTED_MAX];
	int n;

	n = snprintf(text, sizeof(text), "%s%s%s%s%s", why,
	    *p->detail == '\0' ? "" : " | ", p->detail,
	    errnum == NULL ? "" : " | ", errnum == NULL ? "" : errnum);
	if (n > 0 && (size_t)n < sizeof(text) && p->upstream != 0)
		snprintf(text + n, sizeof(text) - (size_t)n,
		    " | Grafana answered %d", p->upstream);
	add_quoted(l, "why", text, strlen(text));
}

size_t
log_format(char text[LOG_LINE_MAX], const struct visit_record *v)
{
	struct line l = { .text = text };
	const char *client = v->client == NULL ? "" : v->client;
	int digits = (int)strcspn(v->image, ".");

	add_time(&l);
	add(&l, " outcome=%s status=%d", outcome_word(v->outcome), v->status);
	add_quoted(&l, "panel", v->panel, v->panel_len);
	add(&l, " image=%.*s bytes=%zu",
	    digits < IMAGE_DIGITS ? digits : IMAGE_DIGITS, v->image, v->bytes);
	if (v->render_ms >= 0)
		add(&l, " render_ms=%" PRId64, v->render_ms);
	else
		add(&l, " render_ms=");
	add(&l, " total_ms=%" PRId64 " shared=%d", v->total_ms, v->shared);
	add_quoted(&l, "client", client, strnlen(client, 64));
	add(&l, " who=%s pid=%ld", v->who, (long)getpid());
	if (v->outcome != OUTCOME_SAVED)
		add_why(&l, v->outcome, v->problem);
	else
		add(&l, " why=");
	text[l.len++] = '\n';
	return l.len;
}

/*
 * One write: lines of several threads and processes do not mix.  If nobody
 * takes it, there is nobody to tell: a reader that has stopped is waited for
 * now and then, and does not stop us, too.  The lock is for the moment between
 * looking whether there is room and filling it.
 */
static void
write_line(const char *line, size_t len)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static int64_t stopped_ms; /* when it was last waited for in vain */
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
	bool patient;

	pthread_mutex_lock(&lock);
	patient = stopped_ms == 0 || now_ms() - stopped_ms > STOPPED_MS;
	if (poll(&p, 1, patient ? WAIT_MS : 0) == 0)
		stopped_ms = now_ms();
	else
		(void)!write(STDERR_FILENO, line, len);
	pthread_mutex_unlock(&lock);
}

void
log_visit(const struct visit_record *v)
{
	char line[LOG_LINE_MAX];
	size_t len = log_format(line, v);

	write_line(line, len);
}

void
log_warning(const char *sentence)
{
	char text[LOG_LINE_MAX];
	struct line l = { .text = text };

	add_time(&l);
	add_quoted(&l, "warning", sentence, strlen(sentence));
	add(&l, " pid=%ld", (long)getpid());
	text[l.len++] = '\n';
	write_line(text, l.len);
}

bool
log_warning_due(_Atomic int64_t *last_ms)
{
	int64_t last = atomic_load(last_ms), now = now_ms();

	return (last == 0 || now - last >= WARN_EVERY_MS) &&
	       atomic_compare_exchange_strong(last_ms, &last, now);
}

void
log_start(const struct settings *settings, const char *sandbox)
{
	char text[LOG_LINE_MAX], *all = NULL, *p, *end;
	struct line l = { .text = text };
	size_t len = 0;
	FILE *f = open_memstream(&all, &len);

	if (f == NULL)
		return;
	add_time(&l);
	fprintf(f, "%s start=" VERSION " pid=%ld in_force=%s", text,
	    (long)getpid(), sandbox);
	settings_print_line(settings, f);
	fputc('\n', f);
	if (fclose(f) == 0) {
		for (p = all, end = all + len - 1; p < end; p++)
			if ((unsigned char)*p < 0x20)
				*p = '?';
		write_line(all, len);
	}
	free(all);
}
