/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

enum { SETTINGS_ACCEPTED_MOST = 128, SETTINGS_ACCEPTED_LEN = 1024 };

/* What the command line said; written before the first request only. */
struct settings {
	int port;           /* really listened on */
	char root[64];      /* http://127.0.0.1:PORT */
	char sub_path[128]; /* "" or "/grafana" */
	bool anonymous;
	bool login_401; /* refuse as Grafana before 10 did */
	long delay_ms;
	const char *panel;   /* a PNG that each picture is; NULL: drawn */
	const char *answers; /* a folder of answers of the API, or NULL */
	int64_t now; /* the time at the right edge of charts; 0: the clock's */

	/* values of Authorization that are let in, as they are sent */
	char accepted[SETTINGS_ACCEPTED_MOST][SETTINGS_ACCEPTED_LEN];
	int accepted_count;
};

extern struct settings settings;

/* Reads the command line, or ends the process with a word why. */
void settings_read(int argc, char **argv);

#endif
