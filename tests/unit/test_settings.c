/* SPDX-License-Identifier: Apache-2.0 */
/* Where settings are read from, and what is said about them. */
#include "config/settings.h"

#include "load.h"
#include "tap.h"

#define HEX "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789ABCDEF"

static void
missing_and_many(void)
{
	char line[128];

	test ("without grafana a line names it, the file and what to add") {
		snprintf(line, sizeof(line), "public_url = https://i.example");
		check(!load(line, ""));
		SAID(file, "\"grafana\" is missing", "grafana = https://");
	}
	test ("without public_url a line names it, the file and what to add") {
		snprintf(line, sizeof(line), "grafana = https://g.example");
		check(!load(line, ""));
		SAID(
		    file, "\"public_url\" is missing", "public_url = https://");
	}
	test ("every fault is said, a line each, with its line's number") {
		check(!reads("workers = 0\n\nx = 1\nuploads = no\n"
			     "max_renders = 1"));
		check(strstr(said, ":3: workers = 0: ") != NULL);
		check(strstr(said, ":5: x: ") != NULL);
		check(strstr(said, ":6: uploads = no: ") != NULL);
	}
	test ("a missing setting is said also when another one is wrong") {
		snprintf(line, sizeof(line),
		    "workers = 0\ngrafana = https://g.example");
		check(!load(line, ""));
		check(strstr(said, ":1: workers = 0: ") != NULL);
		check(strstr(said, "\"public_url\" is missing") != NULL);
	}
	test ("so is what a bucket needs") {
		check(!load(LEAST "store = s3://b\nworkers = 0\n", ""));
		check(strstr(said, ":4: workers = 0: ") != NULL);
		check(strstr(said, "\"s3_endpoint\" is missing") != NULL);
	}
	test ("what was refused is not called missing as well") {
		check(!load(
		    LEAST "store = s3://b\ns3_endpoint = minio:9000\n", ""));
		check(strstr(said, "missing") == NULL);
	}
	test ("a file that is not there is said by its name") {
		check(!load_file("/nonexistent/x", ""));
		SAID("/nonexistent/x: cannot be read: No such file");
	}
	test ("a folder in its place is said by its name") {
		check(!load_file(folder, ""));
		SAID(folder, ": cannot be read: Is a directory");
	}
	test ("a zero byte is refused, with its line's number") {
		check(!load_bytes(LEAST "a\0b\n", sizeof(LEAST) + 3, ""));
		SAID(file, ":3: ", "zero byte");
	}
}

static void
environment(void)
{
	test ("the environment overrides the file") {
		check(load(LEAST "workers = 5\n",
		    "GRAFANA_IMAGES_WORKERS=6\nGRAFANA_IMAGES_STORE= /srv/e "));
		check_str(said, "");
		check_str(value_of("workers"), "6");
		check_str(value_of("store"), "/srv/e");
	}
	test ("the environment alone is enough") {
		check(load("", "GRAFANA_IMAGES_GRAFANA=https://g.example\n"
			       "GRAFANA_IMAGES_PUBLIC_URL=https://i.example"));
		check_str(said, "");
	}
	test ("a bad value there is said with the variable's name") {
		check(!load(LEAST, "GRAFANA_IMAGES_WORKERS=0"));
		SAID("environment", "GRAFANA_IMAGES_WORKERS", "workers = 0",
		    "from 1 to 4096");
	}
	test ("an unknown name there is a warning") {
		check(load(LEAST, "GRAFANA_IMAGES_COLOUR=red"));
		SAID("warning", "GRAFANA_IMAGES_COLOUR");
	}
	test ("so is one in lower case: each setting has one variable") {
		check(load(LEAST, "GRAFANA_IMAGES_workers=7"));
		SAID("warning", "GRAFANA_IMAGES_workers");
		check_str(value_of("workers"), "64");
	}
	test ("the clients' own variable is no warning, nor are others") {
		check(load(LEAST,
		    "GRAFANA_IMAGES_SERVICE=http://s\nGRAFANA_TOKEN=x\n"
		    "XGRAFANA_IMAGES_WORKERS=0\nGRAFANA_IMAGES=1"));
		check_str(said, "");
	}
	test ("a # in the environment begins no comment") {
		check(load(LEAST, "GRAFANA_IMAGES_STORE=/srv/a #b"));
		check_str(value_of("store"), "/srv/a #b");
	}
}

static void
twice(void)
{
	test ("a name given twice is a fault that says both lines") {
		check(!reads("workers = 1\n# and\nworkers = 2"));
		SAID(":5: workers = 2: line 3 has");
	}
	test ("also with the same value, and thrice is two faults") {
		check(!reads("workers = 1\nworkers = 1\nworkers = 1"));
		check(strstr(said, ":4: workers = 1: line 3 has") != NULL);
		check(strstr(said, ":5: workers = 1: line 3 has") != NULL);
	}
	test ("a secret given twice is not said") {
		check(!reads("s3_access_key_id = AKIA1\n"
			     "s3_access_key_id = AKIA2"));
		SAID(":4: s3_access_key_id: line 3 has");
		check(strstr(said, "AKIA") == NULL);
	}
	test ("the environment may say once more what the file says") {
		check(load(LEAST "workers = 5\n", "GRAFANA_IMAGES_WORKERS=6"));
		check_str(said, "");
		check(s.workers == 6);
	}
}

static void
printing(void)
{
	char *first;

	test ("a secret is masked when the settings are printed") {
		check(reads("s3_access_key_id = AKIA0123456789"));
		check_str(s.s3_access_key_id, "AKIA0123456789");
		check_str(value_of("s3_access_key_id"), "********");
		check(strstr(printed, "AKIA") == NULL);
	}
	test ("what is printed can be read, and says the same again") {
		check(reads("grafana = https://a.example via http://h:1, "
			    "https://b.example/x\nkeep_days = 3\n"
			    "wrong_pictures = " HEX "=not-found, " HEX
			    "=forbidden\nuploads = on\nstore = /srv/a b"));
		value_of("");
		first = strdup(printed);
		check(load(first, ""));
		check_str(said, "");
		value_of("");
		check_str(printed, first);
		free(first);
	}
	test ("every setting is printed") {
		struct settings_row row;
		size_t i;

		for (i = 0; settings_row(i, &row); i++)
			check(strcmp(value_of(row.name), "(not printed)") != 0);
		check(i == 28);
	}
	test ("a complaint stays one line of text, whatever was pasted") {
		check(!reads("workers = 5\x1b[2J\x7f"));
		SAID("workers = 5?[2J?");
	}
	test ("also in the part of a list that is to blame") {
		check(!reads("grafana = https://a\x1b[2J"));
		check(strchr(said, '\x1b') == NULL);
		check(!reads("wrong_pictures = \x1b[2J"));
		check(strchr(said, '\x1b') == NULL);
	}
	test ("also in a name that is none") {
		check(!reads("x\x1b[2J = 1"));
		check(strchr(said, '\x1b') == NULL);
		check(!reads("x\x1b[2J"));
		check(strchr(said, '\x1b') == NULL);
	}
}

int
main(void)
{
	if (!load_begin())
		return 1;
	missing_and_many();
	environment();
	twice();
	printing();
	load_end();
	return tap_done();
}
