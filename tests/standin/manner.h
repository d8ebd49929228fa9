/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MANNER_H
#define MANNER_H

#include <stdbool.h>

#include "base/buf.h"

/* How one render is to be answered: a choice for each field, 0 the good one. */
enum field {
	FIELD_ANSWER,
	FIELD_STATUS,
	FIELD_TYPE,
	FIELD_CLOCK,
	FIELD_CODING,
	FIELD_FRAMING,
	FIELD_DAMAGE,
	FIELD_HEAD,
	FIELD_DELAY,
	FIELD_START,
	FIELD_PACE,
	FIELD_CUT,
	FIELD_SIZE,
	FIELDS
};

enum answer {
	ANSWER_PANEL,
	ANSWER_NO_RENDERER,
	ANSWER_TOO_MANY,
	ANSWER_HTML,
	ANSWER_EMPTY,
	ANSWER_PDF,
	ANSWER_JPEG,
	ANSWER_BOMB,
	ANSWER_HIDDEN_BOMB,
	ANSWER_OVERSIZE,
	ANSWER_ENDLESS,
	ANSWER_REFUSED, /* the first of the refusals, see refusal.h */
};

enum type { TYPE_RIGHT, TYPE_HTML, TYPE_PNG };
enum clock {
	CLOCK_RIGHT,
	CLOCK_FRESH,
	CLOCK_OLD_FILE,
	CLOCK_NO_LAST_MODIFIED,
	CLOCK_NO_DATE,
	CLOCK_BAD
};
enum coding { CODING_NONE, CODING_GZIP, CODING_TE_GZIP };
enum framing { FRAMING_LENGTH, FRAMING_CHUNKED, FRAMING_CLOSE };
enum damage {
	DAMAGE_NONE,
	DAMAGE_TAIL,
	DAMAGE_BAD_CRC,
	DAMAGE_BAD_PIXELS,
	DAMAGE_HALF,
	DAMAGE_TEXT_CHUNK
};
enum head {
	HEAD_RIGHT,
	HEAD_NONE,
	HEAD_TWO_LENGTHS,
	HEAD_SET_COOKIE,
	HEAD_EARLY_HINTS,
	HEAD_ENDLESS,
	HEAD_ENDLESS_1XX,
	HEAD_GARBAGE
};
enum pace { PACE_ALL, PACE_SLOW_BYTES, PACE_DRIP, PACE_DRIP_HEAD };
enum cut { CUT_NONE, CUT_HALF, CUT_RESET, CUT_RESET_FIRST, CUT_NO_ANSWER };

struct plan {
	int value[FIELDS];
	long argument[FIELDS]; /* -1 when none was given */
	int width, height;     /* of FIELD_SIZE */
};

/* Reads "slow-first:2000,chunked".  False, with a sentence in why, when there
 * is no such manner. */
bool plan_parse(struct plan *, const char *manners, struct buf *why);

/* All manners with a line about each, as Markdown. */
void manners_list(struct buf *);

#endif
