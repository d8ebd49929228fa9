/* SPDX-License-Identifier: Apache-2.0 */
#include "server/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

static char line[LOG_LINE_MAX + 1];
static size_t len;
static struct problem problem;
static struct visit_record good = {
	.outcome = OUTCOME_SAVED,
	.status = 200,
	.panel = "https://g.example/render/d-solo/U/s?panelId=5&var-x=secret",
	.panel_len = 35,
	.image = "0123456789abcdef0123456789abcdef.png",
	.bytes = 30273,
	.render_ms = 812,
	.total_ms = 830,
	.client = "192.0.2.1",
	.who = "1a2b3c4d",
	.problem = &problem,
};

static void
format(const struct visit_record *v)
{
	memset(line, '~', sizeof(line));
	len = log_format(line, v);
	check(len > 0 && len <= LOG_LINE_MAX && line[len] == '~');
	check(memchr(line, '\n', len) == line + len - 1);
	line[len] = '\0';
}

/* What follows the time, its process put in: the format's own order. */
static void
check_line(const char *before_pid, const char *after_pid)
{
	char wanted[LOG_LINE_MAX];

	snprintf(wanted, sizeof(wanted), "%s%ld%s\n", before_pid,
	    (long)getpid(), after_pid);
	check_str(strchr(line, ' ') == NULL ? line : strchr(line, ' '), wanted);
}

static void
fields(void)
{
	struct visit_record v = good;
	struct tm tm = { 0 };
	char *end;
	time_t now = time(NULL), then;

	test ("a saved image is a line of all fields in their order") {
		format(&v);
		check_line(
		    " outcome=saved status=200"
		    " panel=\"https://g.example/render/d-solo/U/s\""
		    " image=0123456789ab bytes=30273 render_ms=812 total_ms=830"
		    " shared=0 client=\"192.0.2.1\" who=1a2b3c4d pid=",
		    " why=");
	}
	test ("of an upload's name there are no more digits, and no .png") {
		v.image = "abc.png";
		format(&v);
		check(strstr(line, " image=abc bytes=") != NULL);
		v.image = "0123456789abcdef.png";
		format(&v);
		check(strstr(line, " image=0123456789ab bytes=") != NULL);
	}
	test ("the time is now, in UTC, with milliseconds") {
		end = strptime(line, "ts=%Y-%m-%dT%H:%M:%S", &tm);
		check(end != NULL && end[0] == '.' && end[4] == 'Z' &&
		      end[5] == ' ' &&
		      strspn(end == NULL ? "" : end + 1, "0123456789") == 3);
		then = timegm(&tm);
		check(then >= now - 1 && then <= time(NULL));
	}
	test ("the query of a panel is not in the line") {
		check(strchr(line, '?') == NULL);
		check(strstr(line, "secret") == NULL);
	}
	test ("what is not known is empty, all fields are there") {
		v = (struct visit_record){ .outcome = OUTCOME_METHOD,
			.status = 405,
			.panel = "",
			.image = "",
			.render_ms = -1,
			.who = "",
			.problem = &problem };
		format(&v);
		check_line(" outcome=method status=405 panel=\"\" image= "
			   "bytes=0 render_ms= total_ms=0 shared=0 client=\"\""
			   " who= pid=",
		    " why=\"That method is not allowed here\"");
	}
	test ("somebody else's render is shared=1") {
		v.shared = true;
		format(&v);
		check(strstr(line, " shared=1 ") != NULL);
	}
	test ("the status is that which was answered") {
		v = good;
		v.status = 201;
		format(&v);
		check(strstr(line, " outcome=saved status=201 ") != NULL);
	}
}

static void
reasons(void)
{
	struct visit_record v = good;

	v.outcome = OUTCOME_UPSTREAM;
	v.status = 502;
	test ("why is the sentence that the caller got") {
		problem = (struct problem){ .why = "It \"broke\". Try again." };
		format(&v);
		check(strstr(line, " why=\"It \\\"broke\\\". Try again.\"\n") !=
		      NULL);
	}
	test ("and a library's words, and errno's, and Grafana's status") {
		problem = (struct problem){ .why = "No.",
			.detail = "Timeout was reached",
			.errnum = ENOSPC,
			.upstream = 504 };
		format(&v);
		check(strstr(line, " why=\"No. | Timeout was reached | No "
				   "space left on device | Grafana answered "
				   "504\"\n") != NULL);
	}
	test ("without a sentence it is the outcome's title") {
		problem = (struct problem){ .upstream = 302 };
		format(&v);
		check(strstr(line, " why=\"There is no picture from Grafana | "
				   "Grafana answered 302\"\n") != NULL);
	}
	problem = (struct problem){ 0 };
}

static const struct {
	const char *raw;
	size_t len;
	const char *escaped, *phrase;
} escapes[] = {
	{ "a\" b=\"c", 7, "a\\\" b=\\\"c", "a quote cannot end a value" },
	{ "a\\", 2, "a\\\\", "a backslash at the end cannot either" },
	{ "a\nts=1", 6, "a\\x0ats=1", "a newline cannot begin a line" },
	{ "a\r\t", 3, "a\\x0d\\x09", "a return and a tab are escaped" },
	{ "\x1b[2J", 4, "\\x1b[2J", "an escape sequence reaches no terminal" },
	{ "a\0b", 3, "a\\x00b", "a NUL does not end the line" },
	{ "\x7f", 1, "\\x7f", "a delete is escaped" },
	{ "\xc3\xa9\x80\xff", 4, "\\xc3\\xa9\\x80\\xff",
	    "bytes beyond ASCII are escaped" },
	{ "a b=c", 5, "a b=c", "blanks and = are safe in quotes" },
	{ "%s%n", 4, "%s%n", "percent signs are text" },
};

static void
escaping(void)
{
	struct visit_record v = good;
	char wanted[128];
	size_t i;

	for (i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++)
		test (escapes[i].phrase) {
			v.panel = escapes[i].raw;
			v.panel_len = escapes[i].len;
			v.client = escapes[i].raw;
			format(&v);
			snprintf(wanted, sizeof(wanted),
			    " panel=\"%s\" image=", escapes[i].escaped);
			check(strstr(line, wanted) != NULL);
			snprintf(wanted, sizeof(wanted), " client=\"%.*s",
			    (int)strcspn(escapes[i].escaped, "\\"),
			    escapes[i].escaped);
			check(strstr(line, wanted) != NULL);
			if (!tap_held)
				printf("#   %s", line);
		}
}

/* Every byte that there is, many times over, wherever something can come in:
 * one line, whole to its last field, all its quotes paired. */
static void
limits(void)
{
	static char flood[70001];
	struct visit_record v = good;
	size_t quotes, i;
	int c;

	test ("a line is whole and at most 2,048 bytes, whatever comes in") {
		v.outcome = OUTCOME_NOT_ALLOWED;
		v.panel = v.client = flood;
		v.panel_len = sizeof(flood) - 1;
		v.bytes = SIZE_MAX;
		v.render_ms = v.total_ms = INT64_MAX;
		problem =
		    (struct problem){ .errnum = ENAMETOOLONG, .upstream = 599 };
		for (c = 0; c < 4 * 256; c++) {
			/* four ways in which an escape meets the end */
			memset(flood, c / 4, sizeof(flood) - 1);
			memset(flood, 'x', (size_t)(c % 4));
			memcpy(problem.why, flood, sizeof(problem.why) - 1);
			memcpy(
			    problem.detail, flood, sizeof(problem.detail) - 1);
			format(&v);
			for (i = 0, quotes = 0; i < len; i++)
				if (line[i] == '\\')
					i++;
				else
					quotes += line[i] == '"';
			check(quotes == 6);
			check(strstr(line, " why=\"") != NULL);
			check(line[len - 2] == '"');
			check(len > 500);
		}
		problem = (struct problem){ 0 };
	}
}

static void
writing(void)
{
	char got[2 * LOG_LINE_MAX];
	int saved = dup(STDERR_FILENO), p[2];
	ssize_t n;

	test ("a line goes to standard error in one write") {
		/* O_DIRECT: what is read at once was written at once */
		if (!check(pipe2(p, O_DIRECT | O_NONBLOCK) == 0))
			return;
		dup2(p[1], STDERR_FILENO);
		log_visit(&good);
		dup2(saved, STDERR_FILENO);
		n = read(p[0], got, sizeof(got));
		check(n > 100 && got[n - 1] == '\n');
		check(n > 3 && memcmp(got, "ts=", 3) == 0);
		check(read(p[0], got, sizeof(got)) < 0 && errno == EAGAIN);
	}
	test ("a line that nobody takes ends nothing") {
		signal(SIGPIPE, SIG_IGN);
		close(p[0]);
		dup2(p[1], STDERR_FILENO);
		log_visit(&good);
		close(STDERR_FILENO);
		log_visit(&good);
		dup2(saved, STDERR_FILENO);
		close(p[1]);
	}
	close(saved);
}

int
main(void)
{
	fields();
	reasons();
	escaping();
	limits();
	writing();
	return tap_done();
}
