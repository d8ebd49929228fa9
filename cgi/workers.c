/* SPDX-License-Identifier: Apache-2.0 */
#include "workers.h"

#include "base/clock.h"
#include "base/sanitized.h"
#include "server/response.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A sanitizer's frames are larger. */
#if SANITIZED
#define STACK_BYTES (1024 * 1024)
#else
#define STACK_BYTES (128 * 1024)
#endif

#define CHAINS   256 /* of accounts */
#define RESERVED 3   /* threads beside the workers */

struct queue {
	struct exchange *first, *last;
};

/* A credential's requests. */
struct account {
	struct account *next; /* in its chain */
	uint64_t credential;
	int working;         /* workers that it has */
	struct queue parked; /* for want of a worker; the oldest first */
	struct account *previous_parked, *next_parked; /* with any */
};

/* A thread with a queue of its own, or one of those that share a queue. */
struct crew {
	struct workers *workers;
	pthread_cond_t called;
	struct queue ready;
	int calls; /* since the last let_go() */
	int idle;  /* threads that wait */
	void (*serve)(struct workers *, struct exchange *, struct http *);
};

struct thread {
	pthread_t id;
	struct crew *crew;
	struct http *http; /* its own */
};

struct workers {
	struct service *service;
	const struct settings *settings;
	void (*over)(void *arg, struct exchange *);
	void *arg;
	struct thread *threads;
	size_t started;
	size_t parked_max;
	struct pollfd *looks; /* a sweep's, one for each that is parked */
	pthread_mutex_t lock; /* guards all below, and parked exchanges */
	struct crew renderers, clerk, health, metrics;
	struct account *chains[CHAINS];
	struct account *parked_accounts;
	struct queue following; /* parked behind another's render */
	size_t parked_count;    /* for either reason */
	size_t parked_bytes;
	int working;
	unsigned long sweeps;
	bool stopping, quit;
};

static void
push(struct queue *q, struct exchange *x)
{
	x->next = NULL;
	x->prev = q->last;
	if (q->last == NULL)
		q->first = x;
	else
		q->last->next = x;
	q->last = x;
}

static void
take_out(struct queue *q, struct exchange *x)
{
	if (x->prev == NULL)
		q->first = x->next;
	else
		x->prev->next = x->next;
	if (x->next == NULL)
		q->last = x->prev;
	else
		x->next->prev = x->prev;
	x->prev = x->next = NULL;
}

void
exchange_free(struct exchange *x)
{
	fastcgi_close(x->fastcgi);
	request_close(x->request);
	if (x->has_body)
		intake_free(&x->body);
	records_free(&x->records);
	if (x->caller.fd >= 0)
		close(x->caller.fd);
	free(x);
}

/*
 * Credentials.  All of these are called under the lock.
 */

static struct account **
chain_of(struct workers *w, uint64_t credential)
{
	return &w->chains[credential % CHAINS];
}

/* The credential's account; NULL on no memory. */
static struct account *
open_account(struct workers *w, uint64_t credential)
{
	struct account **chain = chain_of(w, credential), *a;

	for (a = *chain; a != NULL; a = a->next)
		if (a->credential == credential)
			return a;
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return NULL;
	a->credential = credential;
	a->next = *chain;
	*chain = a;
	return a;
}

/* Free it, when it has nothing any more. */
static void
settle_account(struct workers *w, struct account *a)
{
	struct account **p;

	if (a->working > 0 || a->parked.first != NULL)
		return;
	for (p = chain_of(w, a->credential); *p != a; p = &(*p)->next)
		;
	*p = a->next;
	free(a);
}

static bool
may_work(const struct workers *w, const struct account *a)
{
	int64_t most = w->settings->workers * 3 / 4;

	return w->working < w->settings->workers &&
	       a->working < (most < 1 ? 1 : most);
}

/*
 * Parking
 */

static void
count_parked(struct workers *w, struct exchange *x)
{
	x->parked = true;
	w->parked_count++;
	w->parked_bytes += x->parked_bytes;
}

static void
uncount_parked(struct workers *w, struct exchange *x)
{
	x->parked = false;
	w->parked_count--;
	w->parked_bytes -= x->parked_bytes;
}

static bool
is_full(const struct workers *w, const struct exchange *x)
{
	return w->parked_count >= w->parked_max ||
	       x->parked_bytes > PARKED_BYTES_MAX - w->parked_bytes;
}

/* Its threads are woken by let_go(): one that is woken before would only wait
 * for the lock. */
static void
call(struct crew *crew, struct exchange *x)
{
	push(&crew->ready, x);
	crew->calls++;
}

static void
wake_crew(struct crew *crew, int calls)
{
	for (; calls > 0; calls--)
		pthread_cond_signal(&crew->called);
}

static int
take_calls(struct crew *crew)
{
	int calls = crew->calls < crew->idle ? crew->calls : crew->idle;

	crew->calls = 0;
	return calls;
}

/* Unlock, and wake those that have something to do. */
static void
let_go(struct workers *w)
{
	int renderers = take_calls(&w->renderers);
	int clerk = take_calls(&w->clerk);
	int health = take_calls(&w->health);
	int metrics = take_calls(&w->metrics);

	pthread_mutex_unlock(&w->lock);
	wake_crew(&w->renderers, renderers);
	wake_crew(&w->clerk, clerk);
	wake_crew(&w->health, health);
	wake_crew(&w->metrics, metrics);
}

/* Leave it to the clerk to say why not. */
static void
refuse(struct workers *w, struct exchange *x, enum request_refusal why)
{
	x->refused = true;
	x->why = why;
	call(&w->clerk, x);
}

static void
park_for_worker(struct workers *w, struct exchange *x)
{
	struct account *a = x->account;

	count_parked(w, x);
	push(&a->parked, x);
	if (a->parked.first != x)
		return;
	a->previous_parked = NULL;
	a->next_parked = w->parked_accounts;
	if (a->next_parked != NULL)
		a->next_parked->previous_parked = a;
	w->parked_accounts = a;
}

static void
unpark_from_worker(struct workers *w, struct exchange *x)
{
	struct account *a = x->account;

	uncount_parked(w, x);
	take_out(&a->parked, x);
	if (a->parked.first != NULL)
		return;
	if (a->previous_parked == NULL)
		w->parked_accounts = a->next_parked;
	else
		a->previous_parked->next_parked = a->next_parked;
	if (a->next_parked != NULL)
		a->next_parked->previous_parked = a->previous_parked;
}

static void
start_work(struct workers *w, struct exchange *x)
{
	x->working = true;
	x->account->working++;
	w->working++;
	call(&w->renderers, x);
}

/* It has its worker no more: the oldest that may have it goes on. */
static void
end_work(struct workers *w, struct exchange *x)
{
	struct account *a, *next;

	x->working = false;
	w->working--;
	x->account->working--;
	settle_account(w, x->account);
	x->account = NULL;
	do {
		next = NULL;
		for (a = w->parked_accounts; a != NULL; a = a->next_parked)
			if (may_work(w, a) &&
			    (next == NULL ||
				a->parked.first->caller.start_ms <
				    next->parked.first->caller.start_ms))
				next = a;
		if (next != NULL) {
			x = next->parked.first;
			unpark_from_worker(w, x);
			start_work(w, x);
		}
	} while (next != NULL);
}

/* It needs a worker: at once, or when one is free for it. */
static void
find_worker(struct workers *w, struct exchange *x)
{
	struct account *a = open_account(w, request_credential(x->request));

	x->account = a;
	if (a == NULL) {
		refuse(w, x, REFUSED_BUSY);
	} else if (a->parked.first == NULL && may_work(w, a)) {
		start_work(w, x);
	} else if (w->stopping || is_full(w, x)) {
		x->account = NULL;
		settle_account(w, a);
		refuse(w, x, w->stopping ? REFUSED_STOPPING : REFUSED_BUSY);
	} else {
		park_for_worker(w, x);
	}
}

/* Its leader wakes it, if that has not happened yet. */
static void
wait_for_leader(struct workers *w, struct exchange *x)
{
	if (x->woken) {
		call(&w->clerk, x);
	} else if (is_full(w, x) && request_leave(x->request)) {
		refuse(w, x, REFUSED_BUSY);
	} else {
		count_parked(w, x);
		x->following = true;
		push(&w->following, x);
	}
}

void
workers_submit(struct workers *w, struct exchange *x)
{
	pthread_mutex_lock(&w->lock);
	switch (x->needs) {
	case NEEDS_HEALTH:
		call(&w->health, x);
		break;
	case NEEDS_METRICS:
		call(&w->metrics, x);
		break;
	case NEEDS_REPLY:
		call(&w->clerk, x);
		break;
	case NEEDS_BODY:
	case NEEDS_WORKER:
		find_worker(w, x);
		break;
	case NEEDS_LEADER:
		wait_for_leader(w, x);
		break;
	}
	let_go(w);
}

void
workers_wake(void *arg)
{
	struct exchange *x = arg;
	struct workers *w = x->workers;

	pthread_mutex_lock(&w->lock);
	x->woken = true;
	if (x->following) {
		x->following = false;
		uncount_parked(w, x);
		take_out(&w->following, x);
		call(&w->clerk, x);
	}
	let_go(w);
}

/*
 * Serving
 */

static void
send_reply(struct exchange *x, const struct buf *reply)
{
	if (reply->failed)
		fastcgi_answer(
		    x->fastcgi, reply_last_word, strlen(reply_last_word));
	else
		fastcgi_answer(x->fastcgi, reply->bytes, reply->len);
}

static void
answer(struct workers *w, struct exchange *x, struct http *http)
{
	struct buf reply;

	buf_init(&reply, REPLY_MAX);
	if (x->needs == NEEDS_HEALTH)
		service_health(w->service, http, &reply);
	else if (x->needs == NEEDS_METRICS)
		service_metrics(w->service, &reply);
	else
		request_reply(x->request, &reply);
	send_reply(x, &reply);
	buf_free(&reply);
	if (x->working) {
		pthread_mutex_lock(&w->lock);
		end_work(w, x);
		let_go(w);
	}
	w->over(w->arg, x);
}

/* What takes no time. */
static void
serve_as_clerk(struct workers *w, struct exchange *x, struct http *http)
{
	if (x->refused) {
		x->needs = request_refuse(x->request, x->why);
	} else if (x->woken) {
		x->woken = false;
		x->needs = request_resume(x->request);
	}
	if (x->needs == NEEDS_REPLY)
		answer(w, x, http);
	else
		workers_submit(w, x);
}

/* The rest of a body that is too long to be waited for without a worker. */
static void
read_body(struct exchange *x)
{
	intake_init(&x->body, request_body_max(x->request), &x->caller);
	x->has_body = true;
	intake_expect(
	    &x->body, request_announced(fastcgi_variables(x->fastcgi)));
	fastcgi_read_body(x->fastcgi, &x->body);
	x->is_read = !x->body.body.late && !x->body.body.over;
	x->needs = request_take_body(x->request, &x->body.body);
}

static void
serve_with_worker(struct workers *w, struct exchange *x, struct http *http)
{
	if (x->needs == NEEDS_BODY)
		read_body(x);
	while (x->needs == NEEDS_WORKER)
		x->needs = request_work(x->request, http);
	if (x->needs == NEEDS_REPLY) {
		answer(w, x, http);
		return;
	}
	pthread_mutex_lock(&w->lock);
	end_work(w, x);
	wait_for_leader(w, x);
	let_go(w);
}

static void *
work(void *arg)
{
	struct thread *t = arg;
	struct crew *crew = t->crew;
	struct workers *w = crew->workers;
	struct exchange *x;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		crew->idle++;
		while (crew->ready.first == NULL && !w->quit)
			pthread_cond_wait(&crew->called, &w->lock);
		crew->idle--;
		x = crew->ready.first;
		if (x == NULL)
			break;
		take_out(&crew->ready, x);
		pthread_mutex_unlock(&w->lock);
		crew->serve(w, x, t->http);
		pthread_mutex_lock(&w->lock);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/*
 * Those that are parked
 */

/* Each of them in turn; NULL: from the first on. */
static struct exchange *
next_parked(struct workers *w, struct exchange *x)
{
	struct account *a = w->parked_accounts;

	if (x != NULL && x->next != NULL)
		return x->next;
	if (x != NULL && x->following)
		return NULL;
	if (x != NULL)
		a = x->account->next_parked;
	return a != NULL ? a->parked.first : w->following.first;
}

static void
give_up(struct workers *w, struct exchange *x, enum request_refusal why)
{
	struct account *a = x->account;

	if (x->following) {
		/* else it has been answered at this very moment */
		if (!request_leave(x->request))
			return;
		x->following = false;
		uncount_parked(w, x);
		take_out(&w->following, x);
	} else {
		unpark_from_worker(w, x);
		x->account = NULL;
		settle_account(w, a);
	}
	refuse(w, x, why);
}

/* When the time of one that is parked is over, on now_ms()'s clock. */
static int64_t
end_of(const struct workers *w, const struct exchange *x)
{
	int64_t end = x->caller.start_ms + w->settings->wait_seconds * 1000;

	if (x->following || end > x->caller.deadline_ms)
		return x->caller.deadline_ms;
	return end;
}

/* Which of them to look at; how many. */
static size_t
list_connections(struct workers *w)
{
	struct exchange *x;
	size_t n = 0;

	w->sweeps++;
	for (x = next_parked(w, NULL); x != NULL && n < w->parked_max;
	     x = next_parked(w, x)) {
		x->looked = w->sweeps;
		x->look = n;
		w->looks[n++] = caller_poll(&x->caller);
	}
	return n;
}

void
workers_sweep(struct workers *w)
{
	struct exchange *x, *next;
	int64_t now = now_ms();
	size_t n;

	pthread_mutex_lock(&w->lock);
	n = list_connections(w);
	/* asking the kernel for thousands is not for under the lock */
	pthread_mutex_unlock(&w->lock);
	if (n == 0)
		return;
	if (poll(w->looks, n, 0) < 0)
		n = 0;
	pthread_mutex_lock(&w->lock);
	for (x = next_parked(w, NULL); x != NULL; x = next) {
		next = next_parked(w, x);
		if (n > 0 && x->looked == w->sweeps &&
		    w->looks[x->look].revents != 0)
			give_up(w, x, REFUSED_GONE);
		else if (now >= end_of(w, x))
			give_up(
			    w, x, x->following ? REFUSED_LATE : REFUSED_BUSY);
	}
	let_go(w);
}

void
workers_stop(struct workers *w)
{
	struct exchange *x, *next;

	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	for (x = next_parked(w, NULL); x != NULL && !x->following; x = next) {
		next = next_parked(w, x);
		give_up(w, x, REFUSED_STOPPING);
	}
	let_go(w);
}

/*
 * Start and end
 */

static void
set_up_crew(struct workers *w, struct crew *crew,
    void (*serve)(struct workers *, struct exchange *, struct http *))
{
	crew->workers = w;
	crew->serve = serve;
	pthread_cond_init(&crew->called, NULL);
}

/* How many threads could be started; all, or errno says why not. */
static size_t
start_threads(struct workers *w, size_t count)
{
	struct http_options options = settings_http_options(w->settings);
	struct crew *crews[RESERVED] = { &w->clerk, &w->health, &w->metrics };
	pthread_attr_t attributes;
	struct thread *t;
	size_t i;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	for (i = 0; i < count; i++) {
		t = &w->threads[i];
		t->crew = i < RESERVED ? crews[i] : &w->renderers;
		t->http = http_open(&options);
		errno = ENOMEM;
		if (t->http == NULL)
			break;
		errno = pthread_create(&t->id, &attributes, work, t);
		if (errno != 0) {
			http_close(t->http);
			break;
		}
	}
	pthread_attr_destroy(&attributes);
	return i;
}

struct workers *
workers_open(struct service *service, const struct settings *settings,
    size_t parked_max, void (*over)(void *, struct exchange *), void *arg,
    FILE *complaints)
{
	struct workers *w = calloc(1, sizeof(*w));
	size_t count = (size_t)settings->workers + RESERVED;

	if (w == NULL)
		return NULL;
	w->service = service;
	w->settings = settings;
	w->over = over;
	w->arg = arg;
	w->parked_max = parked_max;
	pthread_mutex_init(&w->lock, NULL);
	set_up_crew(w, &w->renderers, serve_with_worker);
	set_up_crew(w, &w->clerk, serve_as_clerk);
	set_up_crew(w, &w->health, answer);
	set_up_crew(w, &w->metrics, answer);
	w->threads = calloc(count, sizeof(*w->threads));
	w->looks = calloc(parked_max + 1, sizeof(*w->looks));
	errno = ENOMEM;
	if (w->threads != NULL && w->looks != NULL)
		w->started = start_threads(w, count);
	if (w->started == count)
		return w;
	fprintf(complaints,
	    "grafana-images: %zu of %zu workers can be started: %s; "
	    "lower workers, or raise the limit (TasksMax=)\n",
	    w->started < RESERVED ? 0 : w->started - RESERVED, count - RESERVED,
	    strerrordesc_np(errno));
	workers_close(w);
	return NULL;
}

void
workers_close(struct workers *w)
{
	size_t i;

	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	w->quit = true;
	pthread_cond_broadcast(&w->renderers.called);
	pthread_cond_broadcast(&w->clerk.called);
	pthread_cond_broadcast(&w->health.called);
	pthread_cond_broadcast(&w->metrics.called);
	pthread_mutex_unlock(&w->lock);
	for (i = 0; i < w->started; i++) {
		pthread_join(w->threads[i].id, NULL);
		http_close(w->threads[i].http);
	}
	pthread_cond_destroy(&w->renderers.called);
	pthread_cond_destroy(&w->clerk.called);
	pthread_cond_destroy(&w->health.called);
	pthread_cond_destroy(&w->metrics.called);
	pthread_mutex_destroy(&w->lock);
	free(w->looks);
	free(w->threads);
	free(w);
}
