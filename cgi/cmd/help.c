/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/help.h"

#include "config/settings.h"

#include <string.h>

#define SETTINGS_OPTION                                                        \
	"  -c FILE             the settings, instead of " SETTINGS_FILE "\n"
#define DRY_RUN_OPTION "  --dry-run           only say what would be removed\n"
#define CLIENT_OPTIONS                                                         \
	"  --service URL       the service, such as\n"                         \
	"                      https://grafana.example.com/grafana-images;\n"  \
	"                      else GRAFANA_IMAGES_SERVICE names it\n"         \
	"  --token-file FILE   a file with a Grafana token; else it is in\n"   \
	"                      GRAFANA_TOKEN\n"                                \
	"  --timeout SECONDS   how long it may take, 1 to 86400 (55)\n"        \
	"  --ca-file FILE      certificates to trust, instead of the "         \
	"system's\n"

static const char program[] =
    "usage: grafana-images [-c FILE]\n"
    "           as a FastCGI responder, the listening socket on descriptor 0\n"
    "       grafana-images [-c FILE] check\n"
    "           say what the settings are\n"
    "       grafana-images [-c FILE] purge [--dry-run]\n"
    "           remove what is no longer kept\n"
    "       grafana-images [-c FILE] remove ADDRESS...\n"
    "           take images back\n"
    "       grafana-images post [OPTION...] IMAGE_URL\n"
    "           have a running service save a panel\n"
    "       grafana-images sensu [OPTION...]\n"
    "           pass an event of Sensu on, with its panel's picture\n"
    "       grafana-images [COMMAND] --help | --version\n"
    "\n"
    "Saves pictures of Grafana panels and answers with their public address.\n"
    "Started by a web server as a CGI program it answers one request.\n"
    "\n" SETTINGS_OPTION "\n"
    "Of purge:\n" DRY_RUN_OPTION "\n"
    "Of post and sensu, which read no settings:\n" CLIENT_OPTIONS "\n"
    "More in grafana-images(8).\n";

static const struct {
	const char *name;
	const char *text;
} commands[] = {
	{ "check", "usage: grafana-images [-c FILE] check\n"
		   "\n"
		   "Says what is wrong with the settings, or prints them and "
		   "asks each\n"
		   "Grafana and the store.\n"
		   "\n" SETTINGS_OPTION },
	{ "purge",
	    "usage: grafana-images [-c FILE] purge [--dry-run]\n"
	    "\n"
	    "Removes the images that keep_days and keep_bytes no longer keep.\n"
	    "\n" SETTINGS_OPTION DRY_RUN_OPTION },
	{ "remove",
	    "usage: grafana-images [-c FILE] remove ADDRESS...\n"
	    "\n"
	    "Takes images back, by their public address or the file's name.\n"
	    "\n" SETTINGS_OPTION },
	{ "post", "usage: grafana-images post [OPTION...] IMAGE_URL\n"
		  "\n"
		  "Has a running service save the panel at IMAGE_URL, and "
		  "prints the\n"
		  "picture's address.\n"
		  "\n" CLIENT_OPTIONS },
	{ "sensu",
	    "usage: grafana-images sensu [OPTION...] <EVENT\n"
	    "\n"
	    "A mutator for Sensu: prints the event, with the address of its\n"
	    "panel's picture. Whatever fails, the event comes out.\n"
	    "\n" CLIENT_OPTIONS },
};

const char *
help(void)
{
	return program;
}

const char *
help_of(const char *command)
{
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(command, commands[i].name) == 0)
			return commands[i].text;
	return NULL;
}
