/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_H
#define CONTROL_H

struct reply;
struct request;
struct span;

/* Answers /standin/REST: what a test looks at and pulls. */
void control_answer(struct reply *, const struct request *, struct span rest);

#endif
