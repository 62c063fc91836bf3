/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport-loop: messages from a process to itself.
 *
 * It is the smallest transport that keeps all of transport.h's promises, and the
 * template for yours. It needs nothing but the SDK's headers:
 *
 *	cc -std=c11 -shared -fPIC -fvisibility=hidden -I<prefix>/include \
 *	   transport_loop.c -o lsbench-transport-loop.so
 *	lsbench check ./lsbench-transport-loop.so
 *
 * To make your own: (1) choose a name, and put it into the file's name, into
 * .name at the bottom, and into this comment; (2) decide what options users get;
 * (3) decide what a rank's address is; (4) write isend, irecv and wait_any; (5)
 * fill in the two tables at the end. What is optional can be left out.
 *
 * lsbench itself never sends from a rank to itself; this transport serves tests
 * with a world of one rank, whose only peer is rank 0.
 */
#include <string.h>
#include <threads.h>

#include "lsbench/plugin.h"

/*
 * (2) Options. lsbench fills this struct from the table: it parses, checks the
 * range, reports mistakes with file and line, and prints the table for
 * `lsbench describe transport-loop`. Every transport offers `wait`.
 */
struct loop_options {
	uint32_t wait;
	uint32_t reserved;
};

enum { WAIT_BLOCK = 0, WAIT_POLL = 1, WAIT_HYBRID = 2 }; /* as in `choices` */

static const struct lsb_option options[] = {
	{ .name = "wait",
	  .type = LSB_OPT_CHOICE,
	  .choices = "block|poll|hybrid",
	  .def = "hybrid",
	  .offset = offsetof(struct loop_options, wait),
	  .help = "whether waiting sleeps or spins" },
	{ 0 },
};

/*
 * A request is a small integer to lsbench; here it is an index into a table that
 * is as large as world.max_requests, so that nothing allocates once open is done.
 */
enum state { FREE = 0, SENDING, RECEIVING, DONE };

struct request {
	enum state state;
	uint32_t tag;
	uint64_t order; /* of posting: messages of a tag match in this order */
	struct lsb_buf buf;
	struct lsb_completion completion;
};

/* (4) The handle: whatever the plugin needs; lsbench only passes it back. */
struct lsb_transport {
	const struct lsb_host *host;
	const struct loop_options *options;
	const struct lsb_world *world; /* lives as long as the handle */
	struct request *requests;      /* [world->max_requests] */
	uint64_t posted;
	int connected;
};

/* [main] Reserve everything here: on failure nothing may be left behind. */
static int loop_open(const struct lsb_host *host, const void *opts, const struct lsb_world *world,
		     struct lsb_transport **out, struct lsb_error *err)
{
	struct lsb_transport *t;

	/* An error is a sentence: what failed, on what, why, and what to do about it. */
	if (world->size != 1)
		return lsb_fail(
			err, LSB_EUNAVAIL, 0,
			"transport loop joins one process with itself, not %d ranks: use transport = tcp",
			world->size);
	t = host->alloc(host->context, sizeof(*t), 64);
	if (!t)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for transport loop");
	t->host = host;
	t->options = opts;
	t->world = world;
	t->requests = host->alloc(host->context, world->max_requests * sizeof(*t->requests), 64);
	if (!t->requests) {
		host->free(host->context, t);
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %u requests", world->max_requests);
	}
	*out = t;
	return LSB_OK;
}

/*
 * (3) [main] At most LSB_ADDRESS_MAX bytes that mean something to our own connect
 * on the other ranks: a host and a port, a memory key. lsbench hands them round.
 */
static int loop_address(struct lsb_transport *t, void *to, size_t *bytes, struct lsb_error *err)
{
	(void)t;
	(void)err;
	memcpy(to, "loop", 4);
	*bytes = 4;
	return LSB_OK;
}

/*
 * [main] addresses[world->size]. A transport over a network proves here that each
 * peer knows world->nonce, and gives up at the deadline, saying who is missing.
 */
static int loop_connect(struct lsb_transport *t, const struct lsb_span *addresses, uint64_t deadline_ns,
			struct lsb_error *err)
{
	(void)deadline_ns;
	if (addresses[0].bytes != 4 || memcmp(addresses[0].ptr, "loop", 4) != 0)
		return lsb_fail(err, LSB_EPEER, 0, "the address of rank 0 is none of transport loop");
	t->connected = 1;
	return LSB_OK;
}

/* What isend and irecv share. [rank, hot]: no allocation, lock, log or I/O but the message's own. */
static int loop_post(struct lsb_transport *t, enum state state, int32_t peer, uint32_t tag,
		     const struct lsb_buf *b, uint32_t *request, struct lsb_error *err)
{
	uint32_t i = 0;

	if (!t->connected || peer != 0 || tag > t->world->max_tag || b->mem != LSB_MEM_HOST)
		return lsb_fail(err, LSB_EINVAL, 0,
				"transport loop cannot exchange memory of kind %u with rank %d", b->mem,
				peer);
	while (i < t->world->max_requests && t->requests[i].state != FREE)
		i++;
	if (i == t->world->max_requests)
		return lsb_fail(err, LSB_EINVAL, 0, "more than %u messages are pending",
				t->world->max_requests);
	t->requests[i] = (struct request){ .state = state, .tag = tag, .order = t->posted++, .buf = *b };
	*request = i;
	return LSB_OK;
}

static int loop_isend(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b,
		      uint32_t *request, struct lsb_error *err)
{
	return loop_post(t, SENDING, peer, tag, b, request, err);
}

static int loop_irecv(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b,
		      uint32_t *request, struct lsb_error *err)
{
	return loop_post(t, RECEIVING, peer, tag, b, request, err);
}

/* The oldest pending request of `state` and `tag`; NULL if there is none. */
static struct request *oldest(struct lsb_transport *t, enum state state, uint32_t tag)
{
	struct request *found = NULL;

	for (uint32_t i = 0; i < t->world->max_requests; i++) {
		struct request *r = &t->requests[i];

		if (r->state == state && r->tag == tag && (!found || r->order < found->order))
			found = r;
	}
	return found;
}

static void finish(struct lsb_transport *t, struct request *r, int status, uint64_t bytes)
{
	r->state = DONE;
	r->completion = (struct lsb_completion){
		.status = status,
		.request = (uint32_t)(r - t->requests),
		.bytes = bytes,
		.arrived_ns = t->host->now_ns(t->host->context),
	};
}

/*
 * Match sends with receives, oldest first. A message that is longer than its
 * receive is an error of the receive; a shorter one is fine, and tells its length.
 */
static void loop_progress(struct lsb_transport *t)
{
	for (uint32_t i = 0; i < t->world->max_requests; i++) {
		const uint32_t tag = t->requests[i].tag;
		struct request *to, *from;

		if (t->requests[i].state != SENDING)
			continue;
		from = oldest(t, SENDING, tag);
		to = oldest(t, RECEIVING, tag);
		if (!to)
			continue;
		if (from->buf.bytes > to->buf.bytes) {
			finish(t, to, LSB_EINVAL, 0);
		} else {
			if (from->buf.bytes > 0)
				memcpy(to->buf.ptr, from->buf.ptr, from->buf.bytes);
			finish(t, to, LSB_OK, from->buf.bytes);
		}
		finish(t, from, LSB_OK, from->buf.bytes);
		i = UINT32_MAX; /* look from the start: this may have been one of several */
	}
}

/* Hand over those of `requests` that are done, and forget them. */
static int collect(struct lsb_transport *t, const uint32_t *requests, size_t n, struct lsb_completion *done,
		   size_t *n_done, struct lsb_error *err)
{
	*n_done = 0;
	for (size_t i = 0; i < n; i++) {
		struct request *r;

		if (requests[i] >= t->world->max_requests || t->requests[requests[i]].state == FREE)
			return lsb_fail(err, LSB_EINVAL, 0, "request %u is not pending", requests[i]);
		r = &t->requests[requests[i]];
		if (r->state != DONE)
			continue;
		done[(*n_done)++] = r->completion;
		r->state = FREE;
	}
	return LSB_OK;
}

/*
 * [rank, hot] Return as soon as one is complete; LSB_ETIMEDOUT, and all stay
 * pending, once the deadline has passed. A deadline of 0 looks once. Alone in the
 * process there is nobody to wait for, so this only lets the time pass.
 */
static int loop_wait_any(struct lsb_transport *t, const uint32_t *requests, size_t n, uint64_t deadline_ns,
			 struct lsb_completion *done, size_t *n_done, struct lsb_error *err)
{
	for (;;) {
		int rc;

		loop_progress(t);
		rc = collect(t, requests, n, done, n_done, err);
		if (rc || *n_done)
			return rc;
		if (t->host->now_ns(t->host->context) >= deadline_ns)
			return LSB_ETIMEDOUT;
		if (t->options->wait != WAIT_POLL)
			thrd_sleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
	}
}

static int loop_barrier(struct lsb_transport *t, uint64_t deadline_ns, struct lsb_error *err)
{
	(void)t;
	(void)deadline_ns;
	(void)err;
	return LSB_OK;
}

/* [main] Give everything back, whatever is still pending; NULL is fine. */
static void loop_close(struct lsb_transport *t)
{
	const struct lsb_host *host;

	if (!t)
		return;
	host = t->host;
	host->free(host->context, t->requests);
	host->free(host->context, t);
}

/*
 * (5) The table. What is not named is NULL and means "not supported"; there are no
 * stubs. mem_caps says which memory isend and irecv take without a copy.
 */
static const struct lsb_transport_ops ops = {
	.struct_size = sizeof(ops),
	.mem_caps = 1u << LSB_MEM_HOST,
	.flags = LSB_TRANSPORT_SEES_ARRIVAL,
	.open = loop_open,
	.address = loop_address,
	.connect = loop_connect,
	.isend = loop_isend,
	.irecv = loop_irecv,
	.wait_any = loop_wait_any,
	.barrier = loop_barrier,
	.close = loop_close,
	.progress = loop_progress,
};

/* The one symbol that the file exports, and all that lsbench reads before it calls anything. */
LSB_EXPORT const struct lsb_plugin lsb_plugin_v1 = {
	LSB_PLUGIN_HEADER,
	.kind = LSB_TRANSPORT,
	.name = "loop",
	.version = "1.0",
	.summary = "Messages of one process to itself (tests, and a template for authors)",
	.options = options,
	.options_size = sizeof(struct loop_options),
	.ops = { .transport = &ops },
};
