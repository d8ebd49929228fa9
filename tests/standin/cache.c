/* SPDX-License-Identifier: Apache-2.0 */
/* The pictures drawn last, so that the same panel costs nothing. */
#include "view.h"

#include <string.h>

#include "picture.h"
#include "series.h"

enum { ENTRIES = 64 };

struct entry {
	struct view view;
	struct picture *picture; /* NULL while the place is free */
	uint64_t hash;
	uint64_t used; /* the higher, the later */
};

static struct entry entries[ENTRIES];
static uint64_t uses;

static struct entry *
entry_find(const struct view *v, uint64_t hash)
{
	size_t i;

	for (i = 0; i < ENTRIES; i++)
		if (entries[i].picture != NULL && entries[i].hash == hash &&
		    memcmp(&entries[i].view, v, sizeof(*v)) == 0)
			return &entries[i];
	return NULL;
}

static struct entry *
entry_oldest(void)
{
	struct entry *oldest;
	size_t i;

	oldest = &entries[0];
	for (i = 1; i < ENTRIES; i++)
		if (entries[i].used < oldest->used)
			oldest = &entries[i];
	return oldest;
}

struct picture *
cache_picture(const struct view *v)
{
	struct entry *e;
	struct picture *p;
	uint64_t hash;

	hash = hash_bytes(v, sizeof(*v), 0);
	e = entry_find(v, hash);
	if (e == NULL) {
		p = view_draw(v);
		if (p == NULL)
			return NULL;
		e = entry_oldest();
		picture_drop(e->picture);
		e->picture = p;
		e->hash = hash;
		memcpy(&e->view, v, sizeof(*v));
	}
	e->used = ++uses;
	return picture_keep(e->picture);
}

void
cache_free(void)
{
	size_t i;

	for (i = 0; i < ENTRIES; i++) {
		picture_drop(entries[i].picture);
		entries[i].picture = NULL;
	}
}
