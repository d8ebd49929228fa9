/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REFUSAL_H
#define REFUSAL_H

struct reply;
struct request;

/* Answers without a picture, in the words of Grafana. */
enum refusal {
	REFUSAL_400,
	REFUSAL_401,
	REFUSAL_302,
	REFUSAL_302_ELSEWHERE,
	REFUSAL_302_OTHER,
	REFUSAL_301,
	REFUSAL_403,
	REFUSAL_404,
	REFUSAL_404_LOGIN,
	REFUSAL_429,
	REFUSAL_500,
	REFUSAL_503,
	REFUSAL_204,
};

extern const char login_page[];

/* The argument is the Retry-After of a 429, none when negative. */
void refusal_make(
    struct reply *, const struct request *, enum refusal, long argument);

#endif
