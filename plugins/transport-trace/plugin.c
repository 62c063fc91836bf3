/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport-trace: another transport, written down. `transport = trace:tcp` keeps
 * every operation with time, size, peer and tag in a list of bounded length, and
 * writes it when the rank closes: logs/LAUNCH.RANK.trace.tcp.json in the results
 * folder. In a chain (trace:fault:tcp, fault:trace:tcp) it sees what passes at its place.
 *
 * It costs two readings of the clock and a store for each call, and passes
 * everything on: requests, memory and registrations are the inner transport's own.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "events.h"
#include "lsbench/plugin.h"

struct trace_options {
	int64_t events;
	uint32_t progress, reserved;
};

static const struct lsb_option options[] = {
	{ .name = "events",
	  .type = LSB_OPT_INT,
	  .def = "200000",
	  .min = 1,
	  .max = 1e7,
	  .offset = offsetof(struct trace_options, events),
	  .help = "how many events are kept, of 64 bytes each; later ones are counted only" },
	{ .name = "progress",
	  .type = LSB_OPT_BOOL,
	  .def = "no",
	  .offset = offsetof(struct trace_options, progress),
	  .help = "keep the calls from inside a backend's step too, of which there is one a layer" },
	{ 0 },
};

struct lsb_transport {
	const struct lsb_host *host;
	const struct trace_options *options;
	const struct lsb_transport_ops *ops; /* the inner transport's */
	struct lsb_transport *inner;
	int32_t rank;
	const char *inner_name;
	struct trace_events events;
	char path[4096];
};

static uint64_t now_ns(const struct lsb_transport *t)
{
	return t->host->now_ns(t->host->context);
}

/* --- life ----------------------------------------------------------------------------- */

static void complain(const struct lsb_transport *t, const char *what, int error)
{
	char line[4400];

	(void)snprintf(line, sizeof(line), "%s '%s': %s", what, t->path, strerror(error));
	t->host->log(t->host->context, LSB_LOG_ERROR, line);
}

static void write_file(const struct lsb_transport *t)
{
	FILE *file = fopen(t->path, "we");
	int failed;

	if (!file) {
		complain(t, "cannot create the trace", errno);
		return;
	}
	failed = trace_write(&t->events, file, t->rank, t->inner_name);
	if (fclose(file) || failed)
		complain(t, "cannot write the whole trace", errno);
}

static void trace_close(struct lsb_transport *t)
{
	const struct lsb_host *host;

	if (!t)
		return;
	host = t->host;
	if (t->inner) {
		t->ops->close(t->inner);
		write_file(t);
	}
	host->free(host->context, t->events.events);
	host->free(host->context, t->events.pending);
	host->free(host->context, t);
}

static int allocate(struct lsb_transport *t, const struct lsb_world *world, struct lsb_error *err)
{
	const struct lsb_host *host = t->host;
	struct trace_events *e = &t->events;

	e->max = (size_t)t->options->events;
	e->max_pending = world->max_requests;
	e->events = host->alloc(host->context, e->max * sizeof(*e->events), 64);
	e->pending = host->alloc(host->context, e->max_pending * sizeof(*e->pending), 64);
	if (!e->events || !e->pending)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for a trace of %zu events", e->max);
	for (size_t i = 0; i < e->max; i++) /* touched now, not in the timed part */
		e->events[i].peer = -1;
	return LSB_OK;
}

static int trace_open(const struct lsb_host *host, const void *opts, const struct lsb_world *world,
		      struct lsb_transport **out, struct lsb_error *err)
{
	const struct lsb_inner *inner;
	struct lsb_transport *t;
	char name[80];
	int rc = host->inner(host->context, &inner, err);

	if (rc)
		return rc;
	if (!LSB_HAS(host, file_path))
		return lsb_fail(err, LSB_EUNAVAIL, 0, "this lsbench gives its plugins no place for files");
	t = host->alloc(host->context, sizeof(*t), 64);
	if (!t)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for transport trace");
	t->host = host;
	t->options = opts;
	t->ops = inner->ops;
	t->inner_name = inner->name;
	t->rank = world->rank;
	(void)snprintf(name, sizeof(name), "trace.%s.json", inner->name);
	rc = host->file_path(host->context, name, t->path, sizeof(t->path), err);
	if (rc == LSB_OK)
		rc = allocate(t, world, err);
	if (rc == LSB_OK)
		rc = t->ops->open(inner->host, inner->options, world, &t->inner, err);
	if (rc) {
		t->inner = NULL;
		trace_close(t);
		return rc;
	}
	*out = t;
	return LSB_OK;
}

static int trace_address(struct lsb_transport *t, void *to, size_t *bytes, struct lsb_error *err)
{
	return t->ops->address(t->inner, to, bytes, err);
}

static int trace_connect(struct lsb_transport *t, const struct lsb_span *addresses, uint64_t deadline_ns,
			 struct lsb_error *err)
{
	const uint64_t t0 = now_ns(t);
	const int rc = t->ops->connect(t->inner, addresses, deadline_ns, err);

	trace_add(&t->events, TRACE_CONNECT, t0, now_ns(t))->status = rc;
	return rc;
}

/* --- messages -------------------------------------------------------------------------- */

static int begin(struct lsb_transport *t, int is_send, int32_t peer, uint32_t tag, const struct lsb_buf *b,
		 uint32_t *request, struct lsb_error *err)
{
	const uint64_t t0 = now_ns(t);
	const int rc = (is_send ? t->ops->isend : t->ops->irecv)(t->inner, peer, tag, b, request, err);
	struct trace_event *e = trace_add(&t->events, is_send ? TRACE_ISEND : TRACE_IRECV, t0, now_ns(t));

	e->peer = peer;
	e->tag = tag;
	e->bytes = b->bytes;
	e->status = rc;
	if (rc == LSB_OK)
		trace_begin(&t->events, &(struct trace_pending){ .t0_ns = t0,
								 .bytes = b->bytes,
								 .request = *request,
								 .tag = tag,
								 .peer = peer,
								 .is_send = (uint32_t)is_send });
	return rc;
}

static int trace_isend(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b,
		       uint32_t *request, struct lsb_error *err)
{
	return begin(t, 1, peer, tag, b, request, err);
}

static int trace_irecv(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b,
		       uint32_t *request, struct lsb_error *err)
{
	return begin(t, 0, peer, tag, b, request, err);
}

static int trace_wait_any(struct lsb_transport *t, const uint32_t *requests, size_t n, uint64_t deadline_ns,
			  struct lsb_completion *done, size_t *n_done, struct lsb_error *err)
{
	const uint64_t t0 = now_ns(t);
	uint64_t t1;
	int rc;

	*n_done = 0;
	rc = t->ops->wait_any(t->inner, requests, n, deadline_ns, done, n_done, err);
	t1 = now_ns(t);
	trace_wait(&t->events, t0, t1, n, *n_done, rc);
	for (size_t i = 0; i < *n_done && i < n; i++)
		trace_end(&t->events, done[i].request, t1, done[i].bytes, done[i].arrived_ns, done[i].status);
	return rc;
}

static int trace_barrier(struct lsb_transport *t, uint64_t deadline_ns, struct lsb_error *err)
{
	const uint64_t t0 = now_ns(t);
	const int rc = t->ops->barrier(t->inner, deadline_ns, err);

	trace_add(&t->events, TRACE_BARRIER, t0, now_ns(t))->status = rc;
	return rc;
}

static void trace_progress(struct lsb_transport *t)
{
	const uint64_t t0 = t->options->progress ? now_ns(t) : 0;

	if (!LSB_HAS(t->ops, progress))
		return;
	t->ops->progress(t->inner);
	if (t->options->progress)
		(void)trace_add(&t->events, TRACE_PROGRESS, t0, now_ns(t));
}

/* --- passed on ------------------------------------------------------------------------- */

static int trace_buf_register(struct lsb_transport *t, struct lsb_buf *b, struct lsb_error *err)
{
	return LSB_HAS(t->ops, buf_register) ? t->ops->buf_register(t->inner, b, err) : LSB_OK;
}

static void trace_buf_unregister(struct lsb_transport *t, struct lsb_buf *b)
{
	if (LSB_HAS(t->ops, buf_unregister))
		t->ops->buf_unregister(t->inner, b);
}

/* A transport that counts nothing leaves all at 0: absent. */
static int trace_counters(struct lsb_transport *t, struct lsb_wire_counters *out, struct lsb_error *err)
{
	return LSB_HAS(t->ops, counters) ? t->ops->counters(t->inner, out, err) : LSB_OK;
}

static uint32_t trace_mem_caps_here(const struct lsb_transport *t)
{
	return LSB_HAS(t->ops, mem_caps_here) ? t->ops->mem_caps_here(t->inner) : t->ops->mem_caps;
}

static const struct lsb_transport_ops ops = {
	.struct_size = sizeof(ops),
	.mem_caps = 1u << LSB_MEM_HOST | 1u << LSB_MEM_PINNED | 1u << LSB_MEM_CUDA,
	.flags = LSB_TRANSPORT_SEES_ARRIVAL,
	.open = trace_open,
	.address = trace_address,
	.connect = trace_connect,
	.isend = trace_isend,
	.irecv = trace_irecv,
	.wait_any = trace_wait_any,
	.barrier = trace_barrier,
	.close = trace_close,
	.buf_register = trace_buf_register,
	.buf_unregister = trace_buf_unregister,
	.progress = trace_progress,
	.counters = trace_counters,
	.mem_caps_here = trace_mem_caps_here,
};

LSB_EXPORT const struct lsb_plugin lsb_plugin_v1 = {
	LSB_PLUGIN_HEADER,
	.kind = LSB_TRANSPORT,
	.flags = LSB_PLUGIN_INTERPOSER,
	.name = "trace",
	.version = "1.0",
	.summary = "Writes down every operation of another transport, as Chrome trace events (trace:tcp)",
	.options = options,
	.options_size = sizeof(struct trace_options),
	.ops = { .transport = &ops },
};
