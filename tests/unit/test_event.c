/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/sensu_event.h"

#include <json-c/json.h>
#include <stdlib.h>

#include "tap.h"

#define ADDRESS "https://g.example/saved-images/2026-11-22/0.png"
#define URL     "\"https://g.example/d/x\""
#define ADDED   "\"graph_image_url\":\"" ADDRESS "\""

/* The event with the address, as the mutator prints it; the text itself when
 * nothing is to be done. */
static const char *
mutated(const char *text, size_t len)
{
	static struct buf out = { .limit = 16 << 20 };
	struct event e;

	buf_reset(&out);
	if (event_find(&e, text, len)) {
		buf_add(&out, text, e.at);
		event_insertion(&e, ADDRESS, &out);
		buf_add(&out, text + e.end, len - e.end);
	} else
		buf_add(&out, text, len);
	event_free(&e);
	return buf_str(&out);
}

static const char *
image_of(const char *text)
{
	static char image[256];
	struct event e;

	snprintf(image, sizeof(image), "%s",
	    event_find(&e, text, strlen(text)) ? e.image : "none");
	event_free(&e);
	return image;
}

#define BECOMES(text, wanted) check_str(mutated(text, strlen(text)), wanted)
#define STAYS(text)           BECOMES(text, text)

static void
load(struct buf *b, const char *path)
{
	FILE *f = fopen(path, "r");
	char piece[4096];
	size_t n;

	buf_init(b, 1 << 20);
	while (f != NULL && (n = fread(piece, 1, sizeof(piece), f)) > 0)
		buf_add(b, piece, n);
	if (f != NULL)
		fclose(f);
}

/* The text with ADDED and a comma put in behind "behind". */
static void
expect(struct buf *to, const char *text, const char *behind)
{
	const char *at = strstr(text, behind);

	buf_init(to, 1 << 20);
	if (!check(at != NULL))
		return;
	at += strlen(behind);
	buf_add(to, text, (size_t)(at - text));
	buf_puts(to, ADDED ",");
	buf_puts(to, at);
}

static void
samples(void)
{
	struct buf text, wanted;

	test ("a classic event gets the address and keeps every byte") {
		load(&text, "tests/sensu/sensu-classic-event.json");
		expect(&wanted, buf_str(&text), "\"check\": {");
		BECOMES(buf_str(&text), buf_str(&wanted));
		check_str(image_of(buf_str(&text)),
		    "https://grafana.example.org/render/d-solo/AAy9r_bmk/"
		    "storage/?panelId=8&var-server=db-07&width=1000&height="
		    "500");
		buf_free(&text);
		buf_free(&wanted);
	}
	test ("a Sensu Go event gets the address and keeps every byte") {
		load(&text, "tests/sensu/sensu-go-event.json");
		expect(&wanted, buf_str(&text), "\"annotations\": {");
		BECOMES(buf_str(&text), buf_str(&wanted));
		check_str(image_of(buf_str(&text)),
		    "https://grafana.example.org/render/d-solo/AAy9r_bmk/"
		    "storage/?panelId=8&var-server=db-07&width=1000&height="
		    "500");
		buf_free(&text);
		buf_free(&wanted);
	}
}

static void
classic(void)
{
	test ("an older address is replaced, whatever it was") {
		BECOMES("{\"check\":{\"graph_image_url\" : \"old\" ,"
			"\"graph_image\":" URL "}}",
		    "{\"check\":{\"graph_image_url\" : \"" ADDRESS "\" ,"
		    "\"graph_image\":" URL "}}");
		BECOMES("{\"check\":{\"graph_image\":" URL
			",\"graph_image_url\":{\"a\":[1,{}]}}}",
		    "{\"check\":{\"graph_image\":" URL
		    ",\"graph_image_url\":\"" ADDRESS "\"}}");
		BECOMES("{\"check\":{\"graph_image\":" URL
			",\"graph_image_url\":[[],[2]],\"z\":[3]}}",
		    "{\"check\":{\"graph_image\":" URL
		    ",\"graph_image_url\":\"" ADDRESS "\",\"z\":[3]}}");
		BECOMES("{\"check\":{\"graph_image_url\":null,"
			"\"graph_image\":" URL "}}",
		    "{\"check\":{\"graph_image_url\":\"" ADDRESS "\","
		    "\"graph_image\":" URL "}}");
	}
	test ("escapes in names and addresses are understood") {
		BECOMES("{\"\\u0063heck\":{\"\\u0067raph_image\":"
			"\"\\u0068ttps:\\/\\/g\"}}",
		    "{\"\\u0063heck\":{" ADDED ",\"\\u0067raph_image\":"
		    "\"\\u0068ttps:\\/\\/g\"}}");
		check_str(image_of("{\"check\":{\"graph_image\":"
				   "\"https:\\/\\/g?a=1\\u0026b=2\"}}"),
		    "https://g?a=1&b=2");
	}
	test ("only the member of the check itself is one") {
		STAYS("{\"graph_image\":" URL "}");
		STAYS("{\"check\":{\"x\":{\"graph_image\":" URL "}}}");
		STAYS("{\"check\":{\"x\":[{\"graph_image\":" URL "}]}}");
		STAYS("{\"check\":[{\"graph_image\":" URL "}]}");
		STAYS("[{\"check\":{\"graph_image\":" URL "}}]");
		STAYS("{\"x\":{\"check\":{\"graph_image\":" URL "}}}");
		STAYS("{\"check\":{\"graph_image\\u0000\":" URL "}}");
		STAYS("{\"check\":{\"Graph_image\":" URL "}}");
		STAYS("{\"client\":{},\"check\":{\"metadata\":{"
		      "\"annotations\":{\"graph_image\":" URL "}}}}");
	}
	test ("with a client it is classic, whatever else is there") {
		BECOMES("{\"client\":{},\"entity\":{},\"check\":{"
			"\"graph_image\":" URL "}}",
		    "{\"client\":{},\"entity\":{},\"check\":{" ADDED
		    ",\"graph_image\":" URL "}}");
	}
}

#define CHECK_NOTE                                                             \
	"\"check\":{\"metadata\":{\"annotations\":{\"graph_image\":" URL "}}}"
#define ENTITY_NOTE                                                            \
	"\"entity\":{\"metadata\":{\"annotations\":{\"graph_image\":" URL "}}" \
	"}"

static void
go(void)
{
	test ("an annotation of the check comes before one of the entity") {
		check_str(image_of("{\"check\":{\"metadata\":{\"annotations\":{"
				   "\"graph_image\":\"c\"}}}," ENTITY_NOTE "}"),
		    "c");
		check_str(image_of("{\"check\":{\"metadata\":{\"annotations\":{"
				   "\"graph_image\":\"\"}}}," ENTITY_NOTE "}"),
		    "https://g.example/d/x");
	}
	test ("objects are made where they are missing") {
		BECOMES("{" ENTITY_NOTE ",\"check\":{}}",
		    "{" ENTITY_NOTE ",\"check\":{\"metadata\":{"
		    "\"annotations\":{" ADDED "}}}}");
		BECOMES("{" ENTITY_NOTE ",\"check\":{ \"a\":1}}",
		    "{" ENTITY_NOTE ",\"check\":{\"metadata\":{"
		    "\"annotations\":{" ADDED "}}, \"a\":1}}");
		BECOMES("{" ENTITY_NOTE ",\"check\":{\"metadata\":{}}}",
		    "{" ENTITY_NOTE ",\"check\":{\"metadata\":{"
		    "\"annotations\":{" ADDED "}}}}");
		BECOMES("{" ENTITY_NOTE
			",\"check\":{\"metadata\":{\"annotations\":{ }}}}",
		    "{" ENTITY_NOTE ",\"check\":{\"metadata\":{"
		    "\"annotations\":{" ADDED " }}}}");
		BECOMES("{" ENTITY_NOTE "}",
		    "{\"check\":{\"metadata\":{\"annotations\":{" ADDED
		    "}}}," ENTITY_NOTE "}");
	}
	test ("objects are made where null stands for them") {
		BECOMES("{" ENTITY_NOTE ",\"check\":{\"metadata\":{"
			"\"annotations\": null , \"a\":1}}}",
		    "{" ENTITY_NOTE ",\"check\":{\"metadata\":{"
		    "\"annotations\": {" ADDED "} , \"a\":1}}}");
		BECOMES("{" ENTITY_NOTE ",\"check\":{\"metadata\":null}}",
		    "{" ENTITY_NOTE ",\"check\":{\"metadata\":{"
		    "\"annotations\":{" ADDED "}}}}");
		BECOMES("{\"check\":null," ENTITY_NOTE "}",
		    "{\"check\":{\"metadata\":{\"annotations\":{" ADDED
		    "}}}," ENTITY_NOTE "}");
	}
	test ("anything else in their place is left alone") {
		STAYS("{" ENTITY_NOTE ",\"check\":1}");
		STAYS("{" ENTITY_NOTE ",\"check\":[]}");
		STAYS("{" ENTITY_NOTE ",\"check\":{\"metadata\":\"x\"}}");
		STAYS("{" ENTITY_NOTE
		      ",\"check\":{\"metadata\":{\"annotations\":[null]}}}");
		STAYS("{" ENTITY_NOTE
		      ",\"check\":{\"metadata\":{\"annotations\":true}}}");
	}
	test ("an older address is replaced") {
		BECOMES("{\"entity\":{},\"check\":{\"metadata\":{"
			"\"annotations\":{\"graph_image\":" URL
			",\"graph_image_url\":\"old\"}}}}",
		    "{\"entity\":{},\"check\":{\"metadata\":{"
		    "\"annotations\":{\"graph_image\":" URL
		    ",\"graph_image_url\":\"" ADDRESS "\"}}}}");
	}
	test ("the attribute of classic Sensu means nothing in Sensu Go") {
		STAYS("{\"entity\":{},\"check\":{\"graph_image\":" URL "}}");
	}
}

static void
hostile(void)
{
	test ("what is no event stays as it is") {
		STAYS("");
		STAYS("null");
		STAYS("[]");
		STAYS("\"check\"");
		STAYS("{}");
		STAYS("{\"check\":null}");
		STAYS("{\"check\":{}}");
		STAYS("{\"entity\":null}");
		STAYS("{\"check\":{\"graph_image\":" URL "}");
		STAYS("{\"check\":{\"graph_image\":" URL "}}}");
		STAYS("{\"check\":{\"graph_image\":" URL ",}}");
		STAYS("\xef\xbb\xbf{\"check\":{\"graph_image\":" URL "}}");
	}
	test ("what is no address stays as it is") {
		STAYS("{\"check\":{\"graph_image\":null}}");
		STAYS("{\"check\":{\"graph_image\":1}}");
		STAYS("{\"check\":{\"graph_image\":\"\"}}");
		STAYS("{\"check\":{\"graph_image\":{}}}");
		STAYS("{\"check\":{\"graph_image\":[" URL "]}}");
		STAYS("{\"check\":{\"graph_image\":\"http:\\u0000\"}}");
		STAYS("{\"check\":{\"graph_image\":\"\\ud800\"}}");
	}
	test ("who says twice what matters is left alone") {
		STAYS("{\"check\":{\"graph_image\":" URL ",\"graph_image\":" URL
		      "}}");
		STAYS("{\"check\":{\"graph_image\":" URL "},\"check\":{}}");
		STAYS(
		    "{\"check\":{\"graph_image\":" URL "},\"\\u0063heck\":1}");
		STAYS("{\"check\":{\"graph_image\":" URL
		      ",\"graph_image_url\":1,\"graph_image_url\":2}}");
	}
}

/* Is that JSON, for another reader, with the address where it belongs? */
static bool
has_address(const char *text)
{
	static const char *const paths[] = { "/check/graph_image_url",
		"/check/metadata/annotations/graph_image_url" };
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *root, *at;
	bool has = false;
	size_t i;

	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	root = json_tokener_parse_ex(tokener, text, (int)strlen(text) + 1);
	for (i = 0; i < 2; i++)
		if (root != NULL && json_pointer_get(root, paths[i], &at) == 0)
			has = has ||
			      strcmp(json_object_get_string(at), ADDRESS) == 0;
	json_object_put(root);
	json_tokener_free(tokener);
	return has;
}

/* Every way to cut the text, and many to spoil a byte of it. */
static bool
holds_out(const char *path)
{
	static const char spoil[] = "\"}],\\\x01";
	struct buf text;
	const char *out;
	bool ok = true;
	size_t i, k;
	char was;

	load(&text, path);
	ok = has_address(mutated(buf_str(&text), text.len));
	for (i = 0; i < text.len - 1; i++)
		ok = ok && strlen(mutated(text.bytes, i)) == i;
	for (i = 0; i < text.len; i++) {
		was = text.bytes[i];
		for (k = 0; k < sizeof(spoil) - 1; k++) {
			text.bytes[i] = spoil[k];
			out = mutated(text.bytes, text.len);
			ok = ok &&
			     (strcmp(out, text.bytes) == 0 || has_address(out));
		}
		text.bytes[i] = was;
	}
	buf_free(&text);
	return ok;
}

static void
spoilt(void)
{
	test ("however an event is cut or spoilt, no broken one comes of it") {
		check(holds_out("tests/sensu/sensu-classic-event.json"));
		check(holds_out("tests/sensu/sensu-go-event.json"));
	}
}

static const char *
timed(const char *image)
{
	static struct buf b;

	buf_free(&b);
	buf_init(&b, 4096);
	event_add_time(image, &b);
	return buf_str(&b);
}

static void
time_range(void)
{
	test ("the last six hours are added where no time is named") {
		check_str(
		    timed("https://g/d/x"), "https://g/d/x?from=now-6h&to=now");
		check_str(timed("https://g/d/x?"),
		    "https://g/d/x?from=now-6h&to=now");
		check_str(timed("https://g/d/x?a=1"),
		    "https://g/d/x?a=1&from=now-6h&to=now");
		check_str(timed("https://g/d/x?a=1&"),
		    "https://g/d/x?a=1&from=now-6h&to=now");
		check_str(timed("https://g/d/x?var-from=1&xfrom=2&fromx=3"),
		    "https://g/d/x?var-from=1&xfrom=2&fromx=3"
		    "&from=now-6h&to=now");
	}
	test ("a time that is named stays") {
		check_str(timed("https://g/d/x?from=1&to=2"),
		    "https://g/d/x?from=1&to=2");
		check_str(timed("https://g/d/x?a&from=now-1h"),
		    "https://g/d/x?a&from=now-1h");
		check_str(timed("https://g/d/x?to=now-1m"),
		    "https://g/d/x?to=now-1m&from=now-6h");
	}
	test ("the time goes before a fragment, and one there is none") {
		check_str(timed("https://g/d/x#sensu.io.graphic"),
		    "https://g/d/x?from=now-6h&to=now#sensu.io.graphic");
		check_str(timed("https://g/d/x?a=1#?from=1"),
		    "https://g/d/x?a=1&from=now-6h&to=now#?from=1");
	}
}

int
main(void)
{
	samples();
	classic();
	go();
	hostile();
	spoilt();
	time_range();
	return tap_done();
}
