/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport-fault: another transport, with a worse network. `transport =
 * fault:tcp` wraps tcp; any transport that sends host memory will do.
 *
 * How a message is delayed. Nothing holds the sender up, and the delay must not
 * depend on how often either end calls in. So the sender hands every message to
 * the inner transport at once, together with a stamp: a small message under a tag
 * of its own that says when the emulated link (emulate.h) delivers it. The
 * receiver has both, but does not tell before that time: for the receiver, the
 * message is on its way until then. Ranks of one machine share a clock, so the
 * stamp is a time; between machines it counts from when the message was found.
 *
 * A delay is a lower bound: what the inner transport needs runs at the same time,
 * and shows only where it is longer. A send is complete when the inner one is; the
 * emulated queue behind it has no bound.
 *
 * `drop_after` makes a link go silent: later messages are taken and never sent.
 * Wire counters are the inner transport's, stamps included.
 */
#include <string.h>
#include <time.h>

#include "emulate.h"
#include "lsbench/plugin.h"

struct fault_options {
	uint64_t delay_ns, jitter_ns, bandwidth;
	int64_t drop_after, from_rank, seed;
};

static const struct lsb_option options[] = {
	{ .name = "delay",
	  .type = LSB_OPT_TIME,
	  .def = "0",
	  .unit = "s",
	  .max = 60e9,
	  .offset = offsetof(struct fault_options, delay_ns),
	  .help = "time each message is on its way at least" },
	{ .name = "jitter",
	  .type = LSB_OPT_TIME,
	  .def = "0",
	  .unit = "s",
	  .max = 60e9,
	  .offset = offsetof(struct fault_options, jitter_ns),
	  .help = "random extra delay of each message, uniform from 0; messages stay in order" },
	{ .name = "bandwidth",
	  .type = LSB_OPT_SIZE,
	  .def = "0",
	  .unit = "B/s",
	  .offset = offsetof(struct fault_options, bandwidth),
	  .help = "bytes a second of each link and direction; 0: no limit" },
	{ .name = "drop_after",
	  .type = LSB_OPT_INT,
	  .def = "-1",
	  .min = -1,
	  .max = 1e15,
	  .offset = offsetof(struct fault_options, drop_after),
	  .help = "each link loses all messages after so many; -1: none" },
	{ .name = "from_rank",
	  .type = LSB_OPT_INT,
	  .def = "-1",
	  .min = -1,
	  .max = 1 << 20,
	  .offset = offsetof(struct fault_options, from_rank),
	  .help = "only messages that this rank sends are touched; -1: those of all" },
	{ .name = "seed",
	  .type = LSB_OPT_INT,
	  .def = "1",
	  .offset = offsetof(struct fault_options, seed),
	  .help = "of the jitter" },
	{ 0 },
};

enum { STAMP_BYTES = 24, SPIN_NS = 60 * 1000, NAP_NS = 200 * 1000 };

/* One message: two of the inner transport's. */
struct request {
	struct lsb_buf data, stamp; /* views that the inner transport holds on to */
	uint32_t inner[2];	    /* its requests: data, stamp */
	uint32_t left;		    /* bit i: inner[i] is not complete */
	uint32_t is_live, is_send;
	int32_t status;
	int32_t peer;
	uint64_t bytes;
	uint64_t found_ns;   /* when both were complete; arrival where the inner transport tells it */
	uint64_t arrived_ns; /* 0: unknown */
	uint8_t bytes_of_stamp[STAMP_BYTES];
};

struct lsb_transport {
	const struct lsb_host *host;
	const struct fault_options *options;
	const struct lsb_world *world;
	const struct lsb_transport_ops *ops; /* the inner transport's */
	struct lsb_transport *inner;
	struct lsb_world inner_world;
	struct fault_rules rules;
	struct fault_link *links;	/* [size], to each peer */
	struct request *requests;	/* [max_requests] */
	uint32_t *asked;		/* [2 * max_requests], inner requests of a wait */
	struct lsb_completion *answers; /* [2 * max_requests] */
};

static uint64_t now_ns(const struct lsb_transport *t)
{
	return t->host->now_ns(t->host->context);
}

/* --- stamps: when the message is delivered, how long that is from its start, the sender's host ----- */

static void put_u64(uint8_t *to, uint64_t value)
{
	for (int i = 0; i < 8; i++)
		to[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get_u64(const uint8_t *from)
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++)
		value |= (uint64_t)from[i] << (8 * i);
	return value;
}

/* When a received message may be told of, from its stamp. */
static uint64_t due_ns(const struct lsb_transport *t, const struct request *r)
{
	const uint64_t hold = get_u64(r->bytes_of_stamp + 8);
	const uint64_t sender = get_u64(r->bytes_of_stamp + 16);

	if (sender == (uint64_t)(uint32_t)t->world->host)
		return get_u64(r->bytes_of_stamp);
	return hold ? (r->arrived_ns ? r->arrived_ns : r->found_ns) + hold : 0;
}

/* --- life ----------------------------------------------------------------------------- */

static void fault_close(struct lsb_transport *t)
{
	const struct lsb_host *host;

	if (!t)
		return;
	host = t->host;
	if (t->inner)
		t->ops->close(t->inner);
	host->free(host->context, t->answers);
	host->free(host->context, t->asked);
	host->free(host->context, t->requests);
	host->free(host->context, t->links);
	host->free(host->context, t);
}

static int allocate(struct lsb_transport *t, struct lsb_error *err)
{
	const struct lsb_host *host = t->host;
	const size_t n = t->world->max_requests;

	t->links = host->alloc(host->context, (size_t)t->world->size * sizeof(*t->links), 64);
	t->requests = host->alloc(host->context, n * sizeof(*t->requests), 64);
	t->asked = host->alloc(host->context, 2 * n * sizeof(*t->asked), 64);
	t->answers = host->alloc(host->context, 2 * n * sizeof(*t->answers), 64);
	if (!t->links || !t->requests || !t->asked || !t->answers)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %zu delayed messages", n);
	return LSB_OK;
}

static int fault_open(const struct lsb_host *host, const void *opts, const struct lsb_world *world,
		      struct lsb_transport **out, struct lsb_error *err)
{
	const struct lsb_inner *inner;
	struct lsb_transport *t;
	int rc = host->inner(host->context, &inner, err);

	if (rc)
		return rc;
	t = host->alloc(host->context, sizeof(*t), 64);
	if (!t)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for transport fault");
	t->host = host;
	t->options = opts;
	t->world = world;
	t->ops = inner->ops;
	t->inner_world = *world;
	t->inner_world.struct_size = sizeof(t->inner_world);
	t->inner_world.max_requests = 2 * world->max_requests;
	t->inner_world.max_tag = 2 * world->max_tag + 1;
	if (t->inner_world.max_message_bytes < STAMP_BYTES)
		t->inner_world.max_message_bytes = STAMP_BYTES;
	t->rules =
		(struct fault_rules){ .delay_ns = t->options->delay_ns,
				      .jitter_ns = t->options->jitter_ns,
				      .bandwidth = t->options->bandwidth,
				      .seed = (uint64_t)t->options->seed * 1000003u + (uint32_t)world->rank };
	if (!(t->ops->mem_caps & 1u << LSB_MEM_HOST) || t->inner_world.max_tag > LSB_TAG_MAX ||
	    world->max_requests > 1u << 24)
		rc = lsb_fail(err, LSB_EINVAL, 0,
			      "transport fault cannot wrap '%s' here: it needs host memory and tags to %u",
			      inner->name, t->inner_world.max_tag);
	if (rc == LSB_OK)
		rc = allocate(t, err);
	if (rc == LSB_OK)
		rc = t->ops->open(inner->host, inner->options, &t->inner_world, &t->inner, err);
	if (rc) {
		fault_close(t);
		return rc;
	}
	*out = t;
	return LSB_OK;
}

static int fault_address(struct lsb_transport *t, void *to, size_t *bytes, struct lsb_error *err)
{
	return t->ops->address(t->inner, to, bytes, err);
}

static int fault_connect(struct lsb_transport *t, const struct lsb_span *addresses, uint64_t deadline_ns,
			 struct lsb_error *err)
{
	return t->ops->connect(t->inner, addresses, deadline_ns, err);
}

/* --- messages -------------------------------------------------------------------------- */

static int request_take(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b,
			struct request **out, struct lsb_error *err)
{
	uint32_t i = 0;

	if (peer < 0 || peer >= t->world->size || peer == t->world->rank || tag > t->world->max_tag)
		return lsb_fail(err, LSB_EINVAL, 0,
				"rank %d cannot exchange messages with rank %d under tag %u", t->world->rank,
				peer, tag);
	while (i < t->world->max_requests && t->requests[i].is_live)
		i++;
	if (i == t->world->max_requests)
		return lsb_fail(err, LSB_EINVAL, 0, "more than %u messages are pending",
				t->world->max_requests);
	*out = &t->requests[i];
	memset(*out, 0, sizeof(**out));
	(*out)->peer = peer;
	(*out)->data = *b;
	(*out)->bytes = b->bytes;
	(*out)->stamp = (struct lsb_buf){
		.ptr = (*out)->bytes_of_stamp, .bytes = STAMP_BYTES, .mem = LSB_MEM_HOST, .device = -1
	};
	return LSB_OK;
}

static int fault_isend(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b,
		       uint32_t *request, struct lsb_error *err)
{
	const int touched = t->options->from_rank < 0 || t->options->from_rank == t->world->rank;
	const uint64_t now = now_ns(t);
	struct request *r = NULL;
	uint64_t deliver = now;
	int rc = request_take(t, peer, tag, b, &r, err);

	if (rc)
		return rc;
	r->is_send = 1;
	*request = (uint32_t)(r - t->requests);
	if (touched && t->options->drop_after >= 0 &&
	    t->links[peer].messages >= (uint64_t)t->options->drop_after) {
		r->is_live = 1;
		return LSB_OK;
	}
	if (touched)
		deliver = fault_link_send(&t->links[peer], &t->rules, now, b->bytes);
	put_u64(r->bytes_of_stamp, deliver);
	put_u64(r->bytes_of_stamp + 8, deliver - now);
	put_u64(r->bytes_of_stamp + 16, (uint32_t)t->world->host);
	rc = t->ops->isend(t->inner, peer, t->world->max_tag + 1 + tag, &r->stamp, &r->inner[1], err);
	if (rc == LSB_OK)
		rc = t->ops->isend(t->inner, peer, tag, &r->data, &r->inner[0], err);
	if (rc)
		return rc;
	r->is_live = 1;
	r->left = 3;
	return LSB_OK;
}

static int fault_irecv(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b,
		       uint32_t *request, struct lsb_error *err)
{
	struct request *r = NULL;
	int rc = request_take(t, peer, tag, b, &r, err);

	if (rc)
		return rc;
	*request = (uint32_t)(r - t->requests);
	rc = t->ops->irecv(t->inner, peer, t->world->max_tag + 1 + tag, &r->stamp, &r->inner[1], err);
	if (rc == LSB_OK)
		rc = t->ops->irecv(t->inner, peer, tag, &r->data, &r->inner[0], err);
	if (rc)
		return rc;
	r->is_live = 1;
	r->left = 3;
	return LSB_OK;
}

/* Note what the inner transport has completed. */
static void take_answers(struct lsb_transport *t, const uint32_t *requests, size_t n, size_t n_answers)
{
	for (size_t a = 0; a < n_answers; a++) {
		const struct lsb_completion *c = &t->answers[a];

		for (size_t i = 0; i < 2 * n; i++) {
			struct request *r = &t->requests[requests[i / 2]];
			const uint32_t part = i % 2;

			if (!(r->left & 1u << part) || r->inner[part] != c->request)
				continue;
			r->left &= ~(1u << part);
			if (c->status != LSB_OK)
				r->status = c->status;
			if (part == 0) {
				r->bytes = c->bytes;
				r->arrived_ns = c->arrived_ns;
			}
			if (r->left == 0)
				r->found_ns = now_ns(t);
			break;
		}
	}
}

/*
 * Hand over what is complete and due. Returns when the next complete one is due
 * (UINT64_MAX: none is held), and what still has to come in t->asked, *n_asked.
 */
static uint64_t hand_over(struct lsb_transport *t, const uint32_t *requests, size_t n,
			  struct lsb_completion *done, size_t *n_done, size_t *n_asked)
{
	const uint64_t now = now_ns(t);
	uint64_t next = UINT64_MAX;

	*n_done = *n_asked = 0;
	for (size_t i = 0; i < n; i++) {
		struct request *r = &t->requests[requests[i]];
		uint64_t due = 0;

		for (uint32_t part = 0; part < 2; part++)
			if (r->left & 1u << part)
				t->asked[(*n_asked)++] = r->inner[part];
		if (r->left)
			continue;
		if (!r->is_send && r->status == LSB_OK)
			due = due_ns(t, r);
		if (due > now) {
			next = due < next ? due : next;
			continue;
		}
		if (due > r->found_ns) /* it was here, and held: now is when it arrives */
			r->arrived_ns = due;
		done[(*n_done)++] = (struct lsb_completion){ .status = r->status,
							     .request = requests[i],
							     .bytes = r->bytes,
							     .arrived_ns = r->arrived_ns };
		r->is_live = 0;
	}
	return next;
}

/* Let time pass until `until_ns`, without leaving the inner transport's other messages alone for long. */
static void nap(struct lsb_transport *t, uint64_t until_ns)
{
	const uint64_t now = now_ns(t);
	uint64_t ns = until_ns > now ? until_ns - now : 0;

	if (LSB_HAS(t->ops, progress))
		t->ops->progress(t->inner);
	if (ns <= SPIN_NS)
		return;
	ns = ns - SPIN_NS < NAP_NS ? ns - SPIN_NS : NAP_NS;
	(void)nanosleep(&(struct timespec){ .tv_nsec = (long)ns }, NULL);
}

static int fault_wait_any(struct lsb_transport *t, const uint32_t *requests, size_t n, uint64_t deadline_ns,
			  struct lsb_completion *done, size_t *n_done, struct lsb_error *err)
{
	for (size_t i = 0; i < n; i++)
		if (requests[i] >= t->world->max_requests || !t->requests[requests[i]].is_live)
			return lsb_fail(err, LSB_EINVAL, 0, "request %u is not pending", requests[i]);
	for (int first = 1;; first = 0) {
		size_t n_asked, n_answers = 0;
		const uint64_t next = hand_over(t, requests, n, done, n_done, &n_asked);
		const uint64_t until = next < deadline_ns ? next : deadline_ns;
		int rc = LSB_ETIMEDOUT;

		if (*n_done)
			return LSB_OK;
		if (!first && now_ns(t) >= deadline_ns)
			return LSB_ETIMEDOUT;
		if (n_asked)
			rc = t->ops->wait_any(t->inner, t->asked, n_asked, deadline_ns ? until : 0,
					      t->answers, &n_answers, err);
		else if (deadline_ns)
			nap(t, until);
		take_answers(t, requests, n, n_answers);
		if (rc != LSB_OK && rc != LSB_ETIMEDOUT) {
			hand_over(t, requests, n, done, n_done, &n_asked);
			return rc;
		}
	}
}

static int fault_barrier(struct lsb_transport *t, uint64_t deadline_ns, struct lsb_error *err)
{
	return t->ops->barrier(t->inner, deadline_ns, err);
}

static void fault_progress(struct lsb_transport *t)
{
	if (LSB_HAS(t->ops, progress))
		t->ops->progress(t->inner);
}

static int fault_counters(struct lsb_transport *t, struct lsb_wire_counters *out, struct lsb_error *err)
{
	if (!LSB_HAS(t->ops, counters))
		return lsb_fail(err, LSB_EUNAVAIL, 0, "the wrapped transport counts nothing");
	return t->ops->counters(t->inner, out, err);
}

static const struct lsb_transport_ops ops = {
	.struct_size = sizeof(ops),
	.mem_caps = 1u << LSB_MEM_HOST,
	.flags = LSB_TRANSPORT_SEES_ARRIVAL,
	.open = fault_open,
	.address = fault_address,
	.connect = fault_connect,
	.isend = fault_isend,
	.irecv = fault_irecv,
	.wait_any = fault_wait_any,
	.barrier = fault_barrier,
	.close = fault_close,
	.progress = fault_progress,
	.counters = fault_counters,
};

LSB_EXPORT const struct lsb_plugin lsb_plugin_v1 = {
	LSB_PLUGIN_HEADER,
	.kind = LSB_TRANSPORT,
	.flags = LSB_PLUGIN_INTERPOSER,
	.name = "fault",
	.version = "1.0",
	.summary = "Delays, slows or loses the messages of another transport (fault:tcp)",
	.options = options,
	.options_size = sizeof(struct fault_options),
	.ops = { .transport = &ops },
};
