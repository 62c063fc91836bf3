/* SPDX-License-Identifier: Apache-2.0 */
/* An interposer that can be told apart in a chain: its address is NAME(inner address). */
#include "lsbench/plugin.h"

struct wrap_options {
	int64_t depth;
	uint64_t size; /* the same name as an option of what it wraps: the outer one wins */
};

struct lsb_transport {
	const struct lsb_host *host;
	const struct lsb_transport_ops *ops;
	struct lsb_transport *inner;
	const struct wrap_options *options;
};

static const struct lsb_option options[] = {
	{ .name = "depth",
	  .type = LSB_OPT_INT,
	  .def = "1",
	  .min = 1,
	  .max = 4,
	  .offset = offsetof(struct wrap_options, depth),
	  .help = "does nothing" },
	{ .name = "size",
	  .type = LSB_OPT_SIZE,
	  .def = "1B",
	  .offset = offsetof(struct wrap_options, size),
	  .help = "does nothing" },
	{ 0 },
};

static int wrap_open(const struct lsb_host *host, const void *own, const struct lsb_world *world,
		     struct lsb_transport **out, struct lsb_error *err)
{
	const struct lsb_inner *inner;
	struct lsb_transport *t;
	int rc = host->inner(host->context, &inner, err);

	if (rc)
		return rc;
	t = host->alloc(host->context, sizeof(*t), 8);
	if (!t)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory");
	t->host = host;
	t->ops = inner->ops;
	t->options = own;
	rc = t->ops->open(inner->host, inner->options, world, &t->inner, err);
	if (rc) {
		host->free(host->context, t);
		return rc;
	}
	*out = t;
	return LSB_OK;
}

static int wrap_address(struct lsb_transport *t, void *to, size_t *bytes, struct lsb_error *err)
{
	char inner[LSB_ADDRESS_MAX], *text = to;
	size_t n = sizeof(inner);
	const int rc = t->ops->address(t->inner, inner, &n, err);

	if (rc)
		return rc;
	*bytes = (size_t)snprintf(text, LSB_ADDRESS_MAX, NAME "(%.*s)", (int)n, inner);
	return LSB_OK;
}

static int wrap_connect(struct lsb_transport *t, const struct lsb_span *addresses, uint64_t deadline_ns,
			struct lsb_error *err)
{
	return t->ops->connect(t->inner, addresses, deadline_ns, err);
}

static int wrap_isend(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b,
		      uint32_t *request, struct lsb_error *err)
{
	return t->ops->isend(t->inner, peer, tag, b, request, err);
}

static int wrap_irecv(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b,
		      uint32_t *request, struct lsb_error *err)
{
	return t->ops->irecv(t->inner, peer, tag, b, request, err);
}

static int wrap_wait_any(struct lsb_transport *t, const uint32_t *requests, size_t n, uint64_t deadline_ns,
			 struct lsb_completion *done, size_t *n_done, struct lsb_error *err)
{
	return t->ops->wait_any(t->inner, requests, n, deadline_ns, done, n_done, err);
}

static int wrap_barrier(struct lsb_transport *t, uint64_t deadline_ns, struct lsb_error *err)
{
	return t->ops->barrier(t->inner, deadline_ns, err);
}

static void wrap_close(struct lsb_transport *t)
{
	if (!t)
		return;
	t->ops->close(t->inner);
	t->host->free(t->host->context, t);
}

static const struct lsb_transport_ops ops = {
	.struct_size = sizeof(ops),
	.mem_caps = 1u << LSB_MEM_HOST,
	.open = wrap_open,
	.address = wrap_address,
	.connect = wrap_connect,
	.isend = wrap_isend,
	.irecv = wrap_irecv,
	.wait_any = wrap_wait_any,
	.barrier = wrap_barrier,
	.close = wrap_close,
};

LSB_EXPORT const struct lsb_plugin lsb_plugin_v1 = {
	LSB_PLUGIN_HEADER,
	.kind = LSB_TRANSPORT,
	.flags = LSB_PLUGIN_INTERPOSER | LSB_PLUGIN_GLOBAL,
	.name = NAME,
	.version = "1.0",
	.summary = "Wraps another transport",
	.options = options,
	.options_size = sizeof(struct wrap_options),
	.ops = { .transport = &ops },
};
