/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_H
#define API_H

struct reply;
struct request;
struct span;

/* Answers /api/REST: what chat bots ask before they ask for a panel. */
void api_answer(struct reply *, const struct request *, struct span rest);
void api_health(struct reply *);

/* By UID or slug; NULL when it has no name of its own. */
const char *dashboard_title(const char *uid);

/* 8, or as many as a UID such as "many25" says; 0: there is none. */
int dashboard_panels(const char *uid);

#endif
