/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PACK_H
#define PACK_H

struct plan;
struct reply;
struct request;

/* Makes the whole reply out of the picture that is its body already. */
void pack(struct reply *, const struct request *, const struct plan *);

/* When it begins, how fast it goes, where it ends; for any reply. */
void pack_timing(struct reply *, const struct plan *);

#endif
