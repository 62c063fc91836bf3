/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport-tcp: stage links over TCP sockets. This file is what lsbench sees
 * of it: options, open and close, and the start of messages (tcp.h has the rest).
 */
#include <errno.h>
#include <sodium.h>
#include <unistd.h>

#include "lsbench/plugin.h"
#include "tcp.h"
#include "transport-common/checks.h"

enum { MEM_CAPS = 1u << LSB_MEM_HOST | 1u << LSB_MEM_PINNED };

static const struct lsb_option options[] = {
	WAIT_OPTION(struct tcp_options,
		    "how to wait for a message: sleep, look all the time, or look for `spin` and then sleep"),
	WAIT_OPTION_SPIN(struct tcp_options),
	{ .name = "buffer",
	  .type = LSB_OPT_SIZE,
	  .def = "0",
	  .unit = "B",
	  .max = 1u << 30,
	  .offset = offsetof(struct tcp_options, buffer_bytes),
	  .help = "socket buffer each way; 0 leaves it to the kernel, which then adapts it" },
	{ .name = "nodelay",
	  .type = LSB_OPT_BOOL,
	  .def = "yes",
	  .offset = offsetof(struct tcp_options, nodelay),
	  .help = "send small messages at once (TCP_NODELAY)" },
	{ 0 },
};

static void tcp_close(struct lsb_transport *t)
{
	const struct lsb_host *host;

	if (!t)
		return;
	host = t->host;
	for (int32_t peer = 0; t->links && peer < t->world->size; peer++) {
		struct tcp_link *l = &t->links[peer];

		/* Only between messages, as what is cut short cannot be followed by anything. */
		if (l->fd >= 0 && !l->lost && !l->sends.head)
			(void)tcp_link_send_own(t, l, TCP_TAG_GOODBYE);
		if (l->fd >= 0)
			close(l->fd);
		host->free(host->context, l->stage);
	}
	if (t->listener >= 0)
		close(t->listener);
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
		struct tcp_link *l = &t->links[peer];

		l->fd = -1;
		l->peer = peer;
		queue_init(&l->sends);
		queue_init(&l->receives);
		if (peer == t->world->rank)
			continue;
		l->stage = host->alloc(host->context, TCP_STAGE_BYTES, 4096);
		if (!l->stage)
			return lsb_fail(err, LSB_ENOMEM, 0, "no memory for links with %zu ranks", size - 1);
	}
	if (!t->links || !t->polled)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for links with %zu ranks", size - 1);
	return requests_open(&t->requests, host, t->world->max_requests + (uint32_t)size + 1, err);
}

static int tcp_open(const struct lsb_host *host, const void *opts, const struct lsb_world *world,
		    struct lsb_transport **out, struct lsb_error *err)
{
	struct lsb_transport *t;
	int rc = world_check(world, err);

	if (rc)
		return rc;
	if (sodium_init() < 0)
		return lsb_fail(err, LSB_EUNAVAIL, 0,
				"libsodium does not start: the system has no random numbers");
	t = host->alloc(host->context, sizeof(*t), 64);
	if (!t)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the transport");
	t->host = host;
	t->options = opts;
	t->world = world;
	t->listener = -1;
	t->counters.struct_size = sizeof(t->counters);
	rc = allocate(t, err);
	if (rc == LSB_OK)
		rc = tcp_listen(t, err);
	if (rc) {
		tcp_close(t);
		return rc;
	}
	*out = t;
	return LSB_OK;
}

static int tcp_address_of(struct lsb_transport *t, void *to, size_t *bytes, struct lsb_error *err)
{
	(void)err;
	*bytes = tcp_address_format(&t->address, to);
	return LSB_OK;
}

/* After the mesh is up there is nothing to listen for. */
static int tcp_connect_all(struct lsb_transport *t, const struct lsb_span *addresses, uint64_t deadline_ns,
			   struct lsb_error *err)
{
	const int rc = tcp_connect(t, addresses, deadline_ns, err);

	if (rc)
		return rc;
	close(t->listener);
	t->listener = -1;
	t->connected = 1;
	return LSB_OK;
}

/* The checks that isend and irecv share, and a request on success. */
static int begin(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b,
		 struct request **out, struct lsb_error *err)
{
	const int rc = message_check(t->world, t->connected ? MEM_CAPS : 0, peer, tag, b, err);

	if (rc)
		return rc;
	if (t->links[peer].fd < 0 || t->links[peer].lost)
		return lsb_fail(err, LSB_EPEER, 0, "rank %d has ended", peer);
	return request_take(&t->requests, b, tag, out, err);
}

static int tcp_isend(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b,
		     uint32_t *request, struct lsb_error *err)
{
	struct request *r = NULL;
	struct tcp_link *l;
	int rc = message_check_size(t->world, b->bytes, err);

	if (rc == LSB_OK)
		rc = begin(t, peer, tag, b, &r, err);
	if (rc)
		return rc;
	l = &t->links[peer];
	tcp_header_format(&(struct tcp_header){ .tag = tag, .bytes = b->bytes }, r->header);
	queue_push(&l->sends, r);
	*request = request_number(&t->requests, r);
	if (l->sends.head == r)
		(void)tcp_link_send(t, l); /* a failure ends the request, and is told with it */
	return LSB_OK;
}

static int tcp_irecv(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b,
		     uint32_t *request, struct lsb_error *err)
{
	struct request *r = NULL;
	struct tcp_link *l;
	const int rc = begin(t, peer, tag, b, &r, err);

	if (rc)
		return rc;
	l = &t->links[peer];
	queue_push(&l->receives, r);
	*request = request_number(&t->requests, r);
	if (l->parked) {
		l->parked = 0;
		l->hung_up = 0;
		(void)tcp_link_drain(t, l);
	}
	return LSB_OK;
}

static int tcp_counters(struct lsb_transport *t, struct lsb_wire_counters *out, struct lsb_error *err)
{
	(void)err;
	return counters_tell(&t->counters, out);
}

static const struct lsb_transport_ops ops = {
	.struct_size = sizeof(ops),
	.mem_caps = MEM_CAPS,
	.flags = LSB_TRANSPORT_SEES_ARRIVAL,
	.open = tcp_open,
	.address = tcp_address_of,
	.connect = tcp_connect_all,
	.isend = tcp_isend,
	.irecv = tcp_irecv,
	.wait_any = tcp_wait_any,
	.barrier = tcp_barrier,
	.close = tcp_close,
	.progress = tcp_progress,
	.counters = tcp_counters,
};

LSB_EXPORT const struct lsb_plugin lsb_plugin_v1 = {
	LSB_PLUGIN_HEADER,
	.kind = LSB_TRANSPORT,
	.name = "tcp",
	.version = "1.0",
	.summary = "Stage links over TCP sockets, one per pair of ranks",
	.options = options,
	.options_size = sizeof(struct tcp_options),
	.ops = { .transport = &ops },
};
