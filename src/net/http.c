/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl, held to what asking Grafana and an object store needs.
 *
 * The options and their reasons were measured with libcurl 7.88; each that
 * closes something says what.
 */
#include "net/http.h"

#include "base/clock.h"
#include "net/http_transfer.h"

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define FEW 64 /* transfers: see http_transfer_begin() */

static atomic_int transfers; /* under way */

/*
 * libcurl's memory: the C library's, and it is noted when there is none.  For
 * libcurl 7.88 says the same of a header line that is too long.
 */

static _Thread_local bool memory_failed;

static void *
noted(void *memory)
{
	if (memory == NULL)
		memory_failed = true;
	return memory;
}

static void *
get_memory(size_t size)
{
	return noted(malloc(size));
}

static void *
resize_memory(void *memory, size_t size)
{
	return noted(realloc(memory, size));
}

static void *
get_zeroed_memory(size_t count, size_t size)
{
	return noted(calloc(count, size));
}

static char *
copy_string(const char *s)
{
	return noted(strdup(s));
}

/*
 * Life
 */

bool
http_start(const struct http_options *options, FILE *complaints)
{
	if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, get_memory, free,
		resize_memory, copy_string, get_zeroed_memory) != CURLE_OK) {
		fputs("grafana-images: libcurl cannot be set up\n", complaints);
		return false;
	}
	return http_tls_start(options, complaints);
}

void
http_stop(void)
{
	http_tls_stop();
	curl_global_cleanup();
}

/* What memory was missing for may be half done in libcurl's handle, which then
 * refuses the next request, too: that one begins with a new handle. */
static void
drop_handle(struct http *h)
{
	curl_easy_cleanup(h->easy);
	h->easy = NULL;
}

static bool
have_handle(struct http *h)
{
	if (h->easy != NULL)
		return true;
	h->easy = curl_easy_init();
	if (h->easy != NULL && !http_transfer_options(h))
		drop_handle(h);
	return h->easy != NULL;
}

struct http *
http_open(const struct http_options *options)
{
	struct http *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return NULL;
	h->connect_ms = options->connect_ms;
	if (!have_handle(h)) {
		http_close(h);
		return NULL;
	}
	return h;
}

void
http_close(struct http *h)
{
	if (h == NULL)
		return;
	curl_easy_cleanup(h->easy);
	free(h);
}

void
http_response_init(struct http_response *r, size_t max_bytes)
{
	memset(r, 0, sizeof(*r));
	buf_init(&r->body, max_bytes);
	buf_init(&r->whole_location, SIZE_MAX / 2);
	r->date = r->last_modified = -1;
	r->retry_after = -1;
}

void
http_response_free(struct http_response *r)
{
	buf_free(&r->body);
	buf_free(&r->whole_location);
}

void
http_response_reset(struct http_response *r)
{
	struct buf body = r->body, location = r->whole_location;

	http_response_init(r, body.limit);
	r->body = body;
	r->whole_location = location;
	buf_reset(&r->body);
	buf_reset(&r->whole_location);
}

/*
 * A request, as libcurl takes it
 */

struct message {
	struct buf url;    /* scheme, host and port; without the target */
	struct buf target; /* via's path before the request's */
	struct curl_slist *connect_to;
	struct curl_slist *headers;
};

static void
message_init(struct message *m)
{
	memset(m, 0, sizeof(*m));
	buf_init(&m->url, SIZE_MAX / 2);
	buf_init(&m->target, SIZE_MAX / 2);
}

static void
message_free(struct message *m)
{
	buf_free(&m->url);
	buf_free(&m->target);
	curl_slist_free_all(m->connect_to);
	curl_slist_free_all(m->headers);
}

static bool
add_line(struct curl_slist **list, const char *before, const char *between,
    const char *after)
{
	struct curl_slist *longer = NULL;
	struct buf line;

	buf_init(&line, SIZE_MAX / 2);
	if (buf_printf(&line, "%s%s%s", before, between, after))
		longer = curl_slist_append(*list, line.bytes);
	buf_free(&line);
	if (longer != NULL)
		*list = longer;
	return longer != NULL;
}

static bool
add_headers(struct message *m, const struct http_request *r)
{
	const struct http_header *h;

	if (!add_line(&m->headers, "Host", ": ", r->origin->base.authority))
		return false;
	for (h = r->headers; h != NULL && h->name != NULL; h++)
		if (h->value != NULL &&
		    !add_line(&m->headers, h->name, ": ", h->value))
			return false;
	/* else 1 MB and more wait for a "100 Continue", up to a second where
	 * the peer sends none */
	return add_line(&m->headers, "Expect", ":", "");
}

/* The base's host, reached by via's scheme, host, port and path. */
static bool
message_write(struct message *m, const struct http_request *r)
{
	const struct place *base = &r->origin->base, *via = &r->origin->via;
	char port[16];

	snprintf(port, sizeof(port), ":%u", via->port);
	/* "::HOST:PORT": whatever the URL says, connect there */
	return buf_printf(&m->url, "%s://%s:%u/", via->scheme, base->host,
		   base->port) &&
	       buf_printf(&m->target, "%s%s", via->path, r->target) &&
	       add_line(&m->connect_to, "::", via->host, port) &&
	       add_headers(m, r);
}

#define SET(option, value)                                                     \
	(ok = curl_easy_setopt(e, option, value) == CURLE_OK && ok)

static bool
set_message(CURL *e, const struct message *m, const struct http_request *r)
{
	bool ok = true;

	SET(CURLOPT_URL, m->url.bytes);
	/* not by the URL: libcurl takes that apart and puts it together, and
	 * sent it without its query when memory was missing for that */
	SET(CURLOPT_REQUEST_TARGET, m->target.bytes);
	SET(CURLOPT_CONNECT_TO, m->connect_to);
	SET(CURLOPT_HTTPHEADER, m->headers);
	SET(CURLOPT_CUSTOMREQUEST, r->method);
	/* else the body of its answer is waited for */
	if (strcmp(r->method, "HEAD") == 0)
		SET(CURLOPT_NOBODY, 1L);
	/* not CURLOPT_UPLOAD, which reads by callback: this takes no copy */
	if (r->body != NULL) {
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body->len);
		SET(CURLOPT_POSTFIELDS, buf_str(r->body));
	}
	return ok;
}

/* Nothing of it stays in the handle: the next one may go elsewhere. */
static void
unset_message(CURL *e)
{
	bool ok = true;

	SET(CURLOPT_URL, NULL);
	SET(CURLOPT_REQUEST_TARGET, NULL);
	SET(CURLOPT_CONNECT_TO, NULL);
	SET(CURLOPT_HTTPHEADER, NULL);
	SET(CURLOPT_CUSTOMREQUEST, NULL);
	SET(CURLOPT_POSTFIELDS, NULL);
	SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)-1);
	SET(CURLOPT_HTTPGET, 1L); /* nor NOBODY; after POSTFIELDS, a POST */
	(void)ok;
}

/*
 * Sending
 */

static int64_t
smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* What the log is to have of an end. */
static void
write_words(const struct transfer *t, CURLcode rc)
{
	const struct http *h = t->http;
	const char *words = t->broken != NULL ? t->broken : h->words;

	if (*words == '\0' && rc != CURLE_OK)
		words = curl_easy_strerror(rc);
	snprintf(t->response->words, sizeof(t->response->words), "%s%s%s%s",
	    h->ips, *h->ips == '\0' || *words == '\0' ? "" : ": ", words,
	    h->certificate);
}

static enum http_end
transfer(struct transfer *t, int64_t left_ms, bool fresh)
{
	CURL *e = t->http->easy;
	enum http_end end;
	long status = 0;
	bool ok;
	CURLcode rc;

	t->max_ms = left_ms;
	t->max_wait_ms = t->request->max_wait_ms;
	ok = http_transfer_begin(t);
	SET(CURLOPT_FRESH_CONNECT, (long)fresh);
	SET(CURLOPT_TIMEOUT_MS, (long)left_ms);
	SET(CURLOPT_CONNECTTIMEOUT_MS,
	    (long)smaller(left_ms, t->http->connect_ms));
	if (!ok)
		return HTTP_NO_MEMORY;
	memory_failed = false;
	rc = curl_easy_perform(e);
	http_transfer_end(t);
	curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &status);
	t->response->status = (int)status;
	end = http_end_of(t, rc, memory_failed);
	if (end != HTTP_WHOLE)
		write_words(t, rc);
	return end;
}
#undef SET

/*
 * Was it a kept connection that failed, before a byte of the answer?  Servers
 * close connections that nothing is asked on, and that crosses the next
 * request.  libcurl asks again by itself, but five times in the life of a
 * handle, and the sixth time fails.  What is no HTTP is the rest of something
 * that came unasked.
 */
static bool
may_ask_again(const struct transfer *t, enum http_end end)
{
	if (t->connecting || t->header_lines > 0 ||
	    strcmp(t->request->method, "POST") == 0)
		return false;
	return t->broken != NULL || end == HTTP_BROKEN ||
	       end == HTTP_NO_ANSWER || end == HTTP_SPEAKS_NO_HTTP;
}

static enum http_end
send_message(struct http *h, const struct http_request *r,
    struct http_response *response)
{
	int64_t until_ms = now_ms() + r->max_ms, left_ms;
	bool few = atomic_fetch_add(&transfers, 1) < FEW, fresh = false;
	enum http_end end;

	for (;; fresh = true) {
		struct transfer t = { .http = h,
			.request = r,
			.response = response,
			.few = few };

		left_ms = until_ms - now_ms();
		end = HTTP_SLOW;
		if (left_ms <= 0)
			break;
		end = transfer(&t, left_ms, fresh);
		if (fresh || !may_ask_again(&t, end))
			break;
		http_response_reset(response);
	}
	atomic_fetch_sub(&transfers, 1);
	return end;
}

enum http_end
http_send(struct http *h, const struct http_request *r,
    struct http_response *response)
{
	enum http_end end = HTTP_NO_MEMORY;
	struct message m;

	if (!have_handle(h))
		return HTTP_NO_MEMORY;
	message_init(&m);
	if (message_write(&m, r) && set_message(h->easy, &m, r))
		end = send_message(h, r, response);
	unset_message(h->easy);
	message_free(&m);
	if (end == HTTP_NO_MEMORY)
		drop_handle(h);
	return end;
}
