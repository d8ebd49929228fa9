/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OUTCOME_H
#define OUTCOME_H

#include <stdbool.h>

/*
 * What can become of a request.
 *
 * This is the one list: replies, log lines, metrics and the manual all come
 * from it.  Each row is: name, HTTP status, the word that programs see, the
 * title and the advice that people see when nothing more exact is known.
 */
/* clang-format off */
#define OUTCOMES(X) \
	X(SAVED,         200, "saved",         "Saved", \
	    "The image is kept.") \
	X(METHOD,        405, "method",        "That method is not allowed here", \
	    "Send a POST.") \
	X(MALFORMED,     400, "malformed",     "The request cannot be understood", \
	    "Send JSON such as {\"imageUrl\": \"https://grafana.example.com/d/UID?viewPanel=5\"}.") \
	X(TOO_LARGE,     413, "too-large",     "The request is too large", \
	    "Send at most 65,536 bytes.") \
	X(NO_TOKEN,      401, "no-token",      "There is no usable Grafana token in the request", \
	    "Send the header \"Authorization: Bearer TOKEN\" with a Grafana service account token.") \
	X(NOT_ALLOWED,   403, "not-allowed",   "That address is not allowed", \
	    "Copy the address of a panel from Grafana.") \
	X(TOKEN_REFUSED, 401, "token-refused", "Grafana refused the token", \
	    "Check that the token is whole, has not expired and belongs to this Grafana.") \
	X(FORBIDDEN,     403, "forbidden",     "Grafana does not let this token see the panel", \
	    "Give the token's account the right to view the dashboard.") \
	X(NOT_FOUND,     404, "not-found",     "Grafana does not know that panel", \
	    "Check the address, and that the token belongs to the panel's organisation.") \
	X(NO_RENDERER,   502, "no-renderer",   "Grafana has no image renderer installed", \
	    "Ask whoever runs Grafana to install the image renderer.") \
	X(GRAFANA_BUSY,  503, "grafana-busy",  "Grafana is rendering too many images at once", \
	    "Try again in a few seconds.") \
	X(BUSY,          503, "busy",          "Too many panels are waiting to be rendered", \
	    "Try again in a few seconds.") \
	X(UPSTREAM,      502, "upstream",      "There is no picture from Grafana", \
	    "Open the panel in Grafana; the service's log has the reason.") \
	X(NOT_A_PNG,     502, "not-a-png",     "The answer is not a PNG image", \
	    "Open the panel in Grafana; if it shows there, look at the image renderer's log.") \
	X(TOO_BIG,       502, "too-big",       "The image is too big", \
	    "Ask for a smaller width, height or scale.") \
	X(SLOW,          504, "slow",          "It took too long", \
	    "Ask for a shorter time range, or try again later.") \
	X(EXISTS,        409, "exists",        "Another image has that name", \
	    "Choose another name.") \
	X(STORE_FULL,    507, "store-full",    "There is no room to keep the image", \
	    "Ask whoever runs this service to make room, or to set keep_days.") \
	X(STORE_FAILED,  500, "store-failed",  "The image could not be kept", \
	    "Ask whoever runs this service to look at its log.") \
	X(STOPPING,      503, "stopping",      "The service is being restarted", \
	    "Try again in a few seconds.") \
	X(INTERNAL,      500, "internal",      "Something went wrong in this service", \
	    "Ask whoever runs this service to look at its log.")
/* clang-format on */

/* A stage returns OUTCOME_OK when the request may go on; the others are ends.
 */
enum outcome {
	OUTCOME_OK = -1,
#define X(name, status, word, title, advice) OUTCOME_##name,
	OUTCOMES(X)
#undef X
	    OUTCOME_COUNT
};

/*
 * Why something failed: for the caller and the log.
 *
 * A value, copied with the result that it belongs to; nobody has to free it.
 * Both texts are one line of printable characters.
 */
#define PROBLEM_WHY_ROOM    1024
#define PROBLEM_DETAIL_ROOM 256

struct problem {
	/* what is wrong and what to do; "" where the outcome's own title and
	 * advice say it all */
	char why[PROBLEM_WHY_ROOM];
	/* a library's or another program's words, for the log only; or "" */
	char detail[PROBLEM_DETAIL_ROOM];
	int errnum;   /* errno at that moment, or 0 */
	int upstream; /* the HTTP status that Grafana answered, or 0 */
};

/*
 * Note why, and return the outcome:
 *
 *	return problem_set(p, OUTCOME_SLOW, "It took %d s. Ask later.", n);
 *
 * A sentence says what is wrong with the thing's own name in it, and what to
 * do.  A text that came from outside goes through escape_printable() first, and
 * must not be a secret, a query or a body.
 */
enum outcome problem_set(struct problem *, enum outcome, const char *format,
    ...) __attribute__((format(printf, 3, 4)));

/* The same, and keep errno for the log. */
enum outcome problem_set_errno(struct problem *, enum outcome,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The outcome's own title and advice say it all. */
enum outcome problem_set_default(struct problem *, enum outcome);

/* The same, and keep errno for the log. */
enum outcome problem_set_default_errno(struct problem *, enum outcome);

/* Words for the log, made printable; NULL: none. */
void problem_set_detail(struct problem *, const char *words);

int outcome_status(enum outcome);

/* The status when an image was sent to be kept: there the client is to blame
 * for a bad one. */
int outcome_upload_status(enum outcome);
const char *outcome_word(enum outcome);
const char *outcome_title(enum outcome);
const char *outcome_advice(enum outcome);

/* The outcome with that word; false and nothing changed when there is none. */
bool outcome_by_word(const char *word, enum outcome *);

#endif
