/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport-fault: another transport, with a worse network. `transport =
 * fault:tcp` wraps tcp; any transport that sends host memory will do. This file is
 * what lsbench sees of it: options, open and close (fault.h has the rest).
 */
#include <errno.h>
#include <sys/stat.h>

#include "fault.h"
#include "lsbench/plugin.h"

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
	{ .name = "drop_at",
	  .type = LSB_OPT_INT,
	  .def = "0",
	  .max = 1e15,
	  .offset = offsetof(struct fault_options, drop_at),
	  .help = "each link loses this one message, counted from 1; 0: none" },
	{ .name = "truncate_at",
	  .type = LSB_OPT_INT,
	  .def = "0",
	  .max = 1e15,
	  .offset = offsetof(struct fault_options, truncate_at),
	  .help = "each link delivers only the first half of this message; 0: none" },
	{ .name = "corrupt_at",
	  .type = LSB_OPT_INT,
	  .def = "0",
	  .max = 1e15,
	  .offset = offsetof(struct fault_options, corrupt_at),
	  .help = "each link flips a bit in the middle of this message; 0: none" },
	{ .name = "reset_at",
	  .type = LSB_OPT_INT,
	  .def = "0",
	  .max = 1e15,
	  .offset = offsetof(struct fault_options, reset_at),
	  .help = "instead of taking this message of a link, the sender loses all its links; 0: none" },
	{ .name = "fail_at",
	  .type = LSB_OPT_INT,
	  .def = "0",
	  .max = 1e15,
	  .offset = offsetof(struct fault_options, fail_at),
	  .help = "which call of `fail_op` fails, on each rank or on `from_rank`; 0: none" },
	{ .name = "fail_op",
	  .type = LSB_OPT_CHOICE,
	  .choices = FAULT_OP_WORDS,
	  .def = "isend",
	  .offset = offsetof(struct fault_options, fail_op),
	  .help = "the operation whose `fail_at`-th call fails" },
	{ .name = "only_tag",
	  .type = LSB_OPT_INT,
	  .def = "-1",
	  .min = -1,
	  .max = LSB_TAG_MAX,
	  .offset = offsetof(struct fault_options, only_tag),
	  .help = "only messages with this tag are touched and counted; -1: all" },
	{ .name = "from_rank",
	  .type = LSB_OPT_INT,
	  .def = "-1",
	  .min = -1,
	  .max = 1 << 20,
	  .offset = offsetof(struct fault_options, from_rank),
	  .help = "only messages and calls of this rank are touched; -1: those of all" },
	{ .name = "seed",
	  .type = LSB_OPT_INT,
	  .def = "1",
	  .offset = offsetof(struct fault_options, seed),
	  .help = "of the jitter" },
	{ 0 },
};

/* --- what goes wrong ------------------------------------------------------------------- */

int fault_call(struct lsb_transport *t, enum fault_op op, struct lsb_error *err)
{
	const int here = t->options->from_rank < 0 || t->options->from_rank == t->world->rank;

	if (here && t->broken.code == LSB_OK && fault_call_fails(&t->misfortune, op))
		lsb_fail(&t->broken, LSB_EIO, EIO, "call %lld of %s failed, as transport.fail_at asked for",
			 (long long)t->options->fail_at, fault_op_name(op));
	if (t->broken.code && err)
		*err = t->broken;
	return t->broken.code;
}

int fault_reset(struct lsb_transport *t, int32_t peer, struct lsb_error *err)
{
	t->ops->close(t->inner);
	t->inner = NULL;
	lsb_fail(&t->broken, LSB_EPEER, ECONNRESET,
		 "the link with rank %d was reset at message %lld, as transport.reset_at asked for", peer,
		 (long long)t->options->reset_at);
	if (err)
		*err = t->broken;
	return t->broken.code;
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
	for (uint32_t i = 0; t->requests && i < t->world->max_requests; i++)
		host->free(host->context, t->requests[i].corrupted);
	host->free(host->context, t->sent);
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
	t->sent = host->alloc(host->context, (size_t)t->world->size * sizeof(*t->sent), 64);
	t->requests = host->alloc(host->context, n * sizeof(*t->requests), 64);
	t->asked = host->alloc(host->context, 2 * n * sizeof(*t->asked), 64);
	t->answers = host->alloc(host->context, 2 * n * sizeof(*t->answers), 64);
	if (!t->links || !t->sent || !t->requests || !t->asked || !t->answers)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %zu delayed messages", n);
	return LSB_OK;
}

/* This rank's machine and, as a machine may have several monotonic clocks, its time namespace. */
static uint64_t clock_of(const struct lsb_world *world)
{
	struct stat space;

	if (stat("/proc/self/ns/time", &space))
		space.st_ino = 0; /* a kernel without them */
	return (uint64_t)(uint32_t)world->host << 32 | (uint32_t)space.st_ino;
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
	t->clock = clock_of(world);
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
	t->misfortune = (struct fault_misfortune){ .drop_after = t->options->drop_after,
						   .drop_at = t->options->drop_at,
						   .truncate_at = t->options->truncate_at,
						   .corrupt_at = t->options->corrupt_at,
						   .reset_at = t->options->reset_at,
						   .fail_at = t->options->fail_at,
						   .fail_op = (enum fault_op)t->options->fail_op };
	if (!(t->ops->mem_caps & 1u << LSB_MEM_HOST) || t->inner_world.max_tag > LSB_TAG_MAX ||
	    world->max_requests > 1u << 24)
		rc = lsb_fail(err, LSB_EINVAL, 0,
			      "transport fault cannot wrap '%s' here: it needs host memory and tags to %u",
			      inner->name, t->inner_world.max_tag);
	if (rc == LSB_OK)
		rc = fault_call(t, FAULT_OP_OPEN, err);
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
	const int rc = fault_call(t, FAULT_OP_CONNECT, err);

	return rc ? rc : t->ops->connect(t->inner, addresses, deadline_ns, err);
}

static int fault_barrier(struct lsb_transport *t, uint64_t deadline_ns, struct lsb_error *err)
{
	const int rc = fault_call(t, FAULT_OP_BARRIER, err);

	return rc ? rc : t->ops->barrier(t->inner, deadline_ns, err);
}

static void fault_progress(struct lsb_transport *t)
{
	if (t->inner && LSB_HAS(t->ops, progress))
		t->ops->progress(t->inner);
}

/* A transport that counts nothing leaves all at 0: absent. */
static int fault_counters(struct lsb_transport *t, struct lsb_wire_counters *out, struct lsb_error *err)
{
	return t->inner && LSB_HAS(t->ops, counters) ? t->ops->counters(t->inner, out, err) : LSB_OK;
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
	.summary = "Delays, slows, loses or spoils the messages of another transport (fault:tcp)",
	.options = options,
	.options_size = sizeof(struct fault_options),
	.ops = { .transport = &ops },
};
