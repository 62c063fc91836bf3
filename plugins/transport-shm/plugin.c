/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport-shm: stage links through shared memory, for ranks of one machine. This
 * file is what lsbench sees of it: options, open and close, and the start of
 * messages (shm.h has the rest).
 */
#include "lsbench/plugin.h"
#include "shm.h"
#include "transport-common/checks.h"

enum { MEM_CAPS = 1u << LSB_MEM_HOST | 1u << LSB_MEM_PINNED };

static const struct lsb_option options[] = {
	WAIT_OPTION(struct shm_options,
		    "how to wait for a message: sleep, look all the time, or look for `spin` and then sleep"),
	WAIT_OPTION_SPIN(struct shm_options),
	{ .name = "ring",
	  .type = LSB_OPT_SIZE,
	  .def = "1MiB",
	  .unit = "B",
	  .min = 4096,
	  .max = 1u << 30,
	  .offset = offsetof(struct shm_options, ring_bytes),
	  .help = "memory of each direction between two ranks; larger messages go through by pieces" },
	{ 0 },
};

static void shm_close(struct lsb_transport *t)
{
	const struct lsb_host *host;

	if (!t)
		return;
	host = t->host;
	shm_leave(t);
	host->free(host->context, t->polled);
	requests_close(&t->requests, host);
	host->free(host->context, t->links);
	host->free(host->context, t);
}

static int allocate(struct lsb_transport *t, struct lsb_error *err)
{
	const struct lsb_host *host = t->host;
	const size_t size = (size_t)t->world->size;

	t->links = host->alloc(host->context, size * sizeof(*t->links), 64);
	t->polled = host->alloc(host->context, size * sizeof(*t->polled), 64);
	for (int32_t peer = 0; t->links && peer < t->world->size; peer++) {
		t->links[peer].peer = peer;
		t->links[peer].pidfd = -1;
		queue_init(&t->links[peer].sends);
		queue_init(&t->links[peer].receives);
	}
	if (!t->links || !t->polled)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for links with %zu ranks", size - 1);
	return requests_open(&t->requests, host, t->world->max_requests, err);
}

static int shm_open_rank(const struct lsb_host *host, const void *opts, const struct lsb_world *world,
			 struct lsb_transport **out, struct lsb_error *err)
{
	struct lsb_transport *t;
	int rc = world_check(world, err);

	if (rc)
		return rc;
	if (world->host_count > 1)
		return lsb_fail(
			err, LSB_EUNAVAIL, 0,
			"transport shm joins ranks of one machine, and these are on %d: use tcp or mpi",
			world->host_count);
	t = host->alloc(host->context, sizeof(*t), 64);
	if (!t)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the transport");
	t->host = host;
	t->options = opts;
	t->world = world;
	t->fd = -1;
	t->counters.struct_size = sizeof(t->counters);
	rc = allocate(t, err);
	if (rc == LSB_OK)
		rc = shm_segment_make(t, err);
	if (rc) {
		shm_close(t);
		return rc;
	}
	*out = t;
	return LSB_OK;
}

static int shm_connect(struct lsb_transport *t, const struct lsb_span *addresses, uint64_t deadline_ns,
		       struct lsb_error *err)
{
	const int rc = shm_join(t, addresses, deadline_ns, err);

	t->connected = rc == LSB_OK;
	return rc;
}

/* The checks that isend and irecv share, and a request on success. */
static int begin(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b,
		 struct request **out, struct lsb_error *err)
{
	const int rc = message_check(t->world, t->connected ? MEM_CAPS : 0, peer, tag, b, err);

	if (rc)
		return rc;
	if (t->links[peer].gone)
		return lsb_fail(err, LSB_EPEER, 0, "rank %d has ended", peer);
	return request_take(&t->requests, b, tag, out, err);
}

static int shm_isend(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b,
		     uint32_t *request, struct lsb_error *err)
{
	struct request *r = NULL;
	struct shm_link *l;
	int rc = message_check_size(t->world, b->bytes, err);

	if (rc == LSB_OK)
		rc = begin(t, peer, tag, b, &r, err);
	if (rc)
		return rc;
	l = &t->links[peer];
	queue_push(&l->sends, r);
	*request = request_number(&t->requests, r);
	if (l->sends.head == r)
		(void)shm_link_send(t, l);
	return LSB_OK;
}

static int shm_irecv(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b,
		     uint32_t *request, struct lsb_error *err)
{
	struct request *r = NULL;
	const int rc = begin(t, peer, tag, b, &r, err);

	if (rc)
		return rc;
	queue_push(&t->links[peer].receives, r);
	*request = request_number(&t->requests, r);
	return LSB_OK;
}

static int shm_counters(struct lsb_transport *t, struct lsb_wire_counters *out, struct lsb_error *err)
{
	(void)err;
	return counters_tell(&t->counters, out);
}

static const struct lsb_transport_ops ops = {
	.struct_size = sizeof(ops),
	.mem_caps = MEM_CAPS,
	.flags = LSB_TRANSPORT_SEES_ARRIVAL,
	.open = shm_open_rank,
	.address = shm_address,
	.connect = shm_connect,
	.isend = shm_isend,
	.irecv = shm_irecv,
	.wait_any = shm_wait_any,
	.barrier = shm_barrier,
	.close = shm_close,
	.progress = shm_progress,
	.counters = shm_counters,
};

LSB_EXPORT const struct lsb_plugin lsb_plugin_v1 = {
	LSB_PLUGIN_HEADER,
	.kind = LSB_TRANSPORT,
	.name = "shm",
	.version = "1.0",
	.summary = "Stage links through shared memory, for ranks of one machine",
	.options = options,
	.options_size = sizeof(struct shm_options),
	.ops = { .transport = &ops },
};
