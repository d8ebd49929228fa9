/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/sensu_event.h"
#include "base/json_lexer.h"

#include <stdlib.h>
#include <string.h>

/*
 * The members that matter, a tree
 */

enum node {
	NONE,
	ROOT,
	CLIENT,
	CHECK,
	CHECK_IMAGE,
	CHECK_ADDRESS,
	CHECK_META,
	CHECK_NOTES,
	NOTES_IMAGE,
	NOTES_ADDRESS,
	ENTITY,
	ENTITY_META,
	ENTITY_NOTES,
	ENTITY_IMAGE,
	NODES
};

static const struct {
	enum node parent;
	const char *name;
} tree[NODES] = {
	[CLIENT] = { ROOT, "client" },
	[CHECK] = { ROOT, "check" },
	[CHECK_IMAGE] = { CHECK, "graph_image" },
	[CHECK_ADDRESS] = { CHECK, "graph_image_url" },
	[CHECK_META] = { CHECK, "metadata" },
	[CHECK_NOTES] = { CHECK_META, "annotations" },
	[NOTES_IMAGE] = { CHECK_NOTES, "graph_image" },
	[NOTES_ADDRESS] = { CHECK_NOTES, "graph_image_url" },
	[ENTITY] = { ROOT, "entity" },
	[ENTITY_META] = { ENTITY, "metadata" },
	[ENTITY_NOTES] = { ENTITY_META, "annotations" },
	[ENTITY_IMAGE] = { ENTITY_NOTES, "graph_image" },
};

#define TREE_DEPTH 4 /* objects in one another, the event itself included */
#define NAME_ROOM  32

/* From the event to the address; 0 (NONE) ends each. */
static const unsigned char classic_path[] = { CHECK, CHECK_ADDRESS, 0 };
static const unsigned char go_path[] = { CHECK, CHECK_META, CHECK_NOTES,
	NOTES_ADDRESS, 0 };

/* What was found of one of them; SCAN_BROKEN, which is 0: it is not there. */
struct found {
	struct scan_piece piece; /* the whole value */
	bool has_members;
};

struct search {
	struct scan scan;
	struct found found[NODES];
	enum node open[TREE_DEPTH]; /* the known objects we are in */
	size_t known;               /* how many */
	enum node next;             /* whose value comes */
	enum node last;             /* whose value, a container, may be open */
};

static bool
is_there(const struct search *s, enum node n)
{
	return s->found[n].piece.kind != SCAN_BROKEN;
}

static enum node
node_of(const struct search *s, const struct scan_piece *key)
{
	enum node parent = s->open[s->known - 1];
	char name[NAME_ROOM];
	size_t len;
	int n;

	if (!scan_decode(&s->scan, key, name, sizeof(name), &len))
		return NONE;
	for (n = ROOT + 1; n < NODES; n++)
		if (tree[n].parent == parent && strlen(tree[n].name) == len &&
		    memcmp(tree[n].name, name, len) == 0)
			return (enum node)n;
	return NONE;
}

static bool
take_key(struct search *s, const struct scan_piece *key)
{
	s->found[s->open[s->known - 1]].has_members = true;
	s->next = node_of(s, key);
	/* readers differ in which of two they believe: hands off */
	return s->next == NONE || !is_there(s, s->next);
}

/* A member of a known object, or the event itself. */
static void
take_value(struct search *s, const struct scan_piece *p)
{
	enum node n = s->next;
	bool inside = false;
	int i;

	s->next = NONE;
	s->last = n;
	if (n == NONE)
		return;
	s->found[n].piece = *p;
	for (i = ROOT; i < NODES; i++)
		inside = inside || tree[i].parent == n;
	if (p->kind == SCAN_OBJECT && inside)
		s->open[s->known++] = n;
}

static void
take_end(struct search *s, const struct scan_piece *p)
{
	if (s->scan.depth < s->known)
		s->last = s->open[--s->known];
	if (s->scan.depth == s->known)
		s->found[s->last].piece.end = p->end;
}

/* Read all of it: only a text that is whole to its end is changed. */
static bool
search(struct search *s, const char *text, size_t len)
{
	struct scan_piece p;
	size_t depth;

	memset(s, 0, sizeof(*s));
	scan_init(&s->scan, text, len);
	s->next = ROOT;
	for (;;) {
		depth = s->scan.depth;
		p = scan_next(&s->scan);
		switch (p.kind) {
		case SCAN_BROKEN:
			return false;
		case SCAN_END:
			return s->found[ROOT].piece.kind == SCAN_OBJECT;
		case SCAN_KEY:
			if (depth == s->known && !take_key(s, &p))
				return false;
			break;
		case SCAN_OBJECT_END:
		case SCAN_ARRAY_END:
			take_end(s, &p);
			break;
		default:
			if (depth == s->known)
				take_value(s, &p);
			break;
		}
	}
}

/*
 * What follows from it
 */

/* The string there, a copy; NULL when it is none, empty, or has a NUL in it. */
static char *
string_of(const struct search *s, enum node n)
{
	const struct scan_piece *p = &s->found[n].piece;
	size_t room = p->end - p->start, len;
	char *to;

	if (p->kind != SCAN_STRING)
		return NULL;
	to = malloc(room);
	if (to == NULL)
		return NULL;
	if (scan_decode(&s->scan, p, to, room, &len) && len > 0 &&
	    strlen(to) == len)
		return to;
	free(to);
	return NULL;
}

/* Follow the path as far as it goes, and see what is to be made there. */
static bool
locate(struct event *e, const struct search *s)
{
	const struct found *parent = &s->found[ROOT], *here;
	size_t i, len;

	for (len = 0; e->path[len] != NONE; len++)
		;
	for (i = 0; i < len; i++) {
		here = &s->found[e->path[i]];
		e->missing = len - i;
		e->at = here->piece.start;
		e->end = here->piece.end;
		if (here->piece.kind == SCAN_BROKEN) {
			e->at = e->end = parent->piece.start + 1;
			e->named = true;
			e->comma = parent->has_members;
			return true;
		}
		if (i == len - 1 || here->piece.kind == SCAN_NULL)
			return true;
		if (here->piece.kind != SCAN_OBJECT)
			return false;
		parent = here;
	}
	return false;
}

bool
event_find(struct event *e, const char *text, size_t len)
{
	struct search s;

	memset(e, 0, sizeof(*e));
	if (!search(&s, text, len))
		return false;
	if (is_there(&s, ENTITY) && !is_there(&s, CLIENT)) {
		e->path = go_path;
		e->image = string_of(&s, NOTES_IMAGE);
		if (e->image == NULL)
			e->image = string_of(&s, ENTITY_IMAGE);
	} else {
		e->path = classic_path;
		e->image = string_of(&s, CHECK_IMAGE);
	}
	if (e->image != NULL && locate(e, &s))
		return true;
	event_free(e);
	return false;
}

bool
event_is_whole(const char *text, size_t len)
{
	struct scan scan;
	struct scan_piece p;
	bool is_object;

	scan_init(&scan, text, len);
	p = scan_next(&scan);
	is_object = p.kind == SCAN_OBJECT;
	while (is_object && p.kind != SCAN_BROKEN && p.kind != SCAN_END)
		p = scan_next(&scan);
	return p.kind == SCAN_END;
}

void
event_free(struct event *e)
{
	free(e->image);
	memset(e, 0, sizeof(*e));
}

bool
event_insertion(const struct event *e, const char *address, struct buf *b)
{
	size_t len = strlen((const char *)e->path), i;
	size_t first = len - e->missing;

	for (i = first; i < len; i++) {
		if (i > first)
			buf_puts(b, "{");
		if (i > first || e->named)
			buf_printf(b, "\"%s\":", tree[e->path[i]].name);
	}
	buf_printf(b, "\"%s\"", address);
	for (i = first + 1; i < len; i++)
		buf_puts(b, "}");
	return buf_puts(b, e->comma ? "," : "");
}

/* Has the query a parameter of that name? */
static bool
has_parameter(const char *query, size_t len, const char *name)
{
	size_t name_len = strlen(name), at = 0;

	while (at < len) {
		if (len - at >= name_len &&
		    memcmp(query + at, name, name_len) == 0 &&
		    (len - at == name_len || query[at + name_len] == '=' ||
			query[at + name_len] == '&'))
			return true;
		while (at < len && query[at] != '&')
			at++;
		at++;
	}
	return false;
}

bool
event_add_time(const char *image, struct buf *b)
{
	size_t len = strcspn(image, "#"), path = strcspn(image, "?#");
	const char *query = path < len ? image + path + 1 : image + len;
	size_t query_len = len - (size_t)(query - image);
	const char *join = path == len ? "?" : query_len == 0 ? "" : "&";

	if (has_parameter(query, query_len, "from"))
		return buf_puts(b, image);
	if (query_len > 0 && image[len - 1] == '&')
		join = "";
	buf_add(b, image, len);
	buf_printf(b, "%sfrom=now-6h", join);
	if (!has_parameter(query, query_len, "to"))
		buf_puts(b, "&to=now");
	return buf_puts(b, image + len);
}
