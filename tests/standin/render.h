/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RENDER_H
#define RENDER_H

struct reply;
struct request;
struct span;
struct view;

/* Answers /render/REST, in the manner that the query asks for. */
void render_answer(struct reply *, const struct request *, struct span rest);

/* The two pictures that Grafana sends in place of a panel. */
void render_placeholder(struct view *, int too_many);

#endif
