/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport-mpi: stage links over MPI. This file is what lsbench sees of it:
 * options, open, connect and close (mpi_transport.h has the rest).
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "lsbench/plugin.h"
#include "mpi_transport.h"
#include "transport-common/checks.h"

static const struct lsb_option options[] = {
	WAIT_OPTION(
		struct mpi_options,
		"how to wait for a message: nap between looks (MPI cannot sleep until one comes), look all "
		"the time, or look for `spin` and then nap"),
	WAIT_OPTION_SPIN(struct mpi_options),
	{ .name = "nap",
	  .type = LSB_OPT_TIME,
	  .def = "100us",
	  .unit = "s",
	  .min = 1e3,
	  .max = 1e8,
	  .offset = offsetof(struct mpi_options, nap_ns),
	  .help = "longest nap between two looks; naps start at 5us and double" },
	{ .name = "via",
	  .type = LSB_OPT_CHOICE,
	  .choices = "auto|shm|tcp",
	  .def = "auto",
	  .offset = offsetof(struct mpi_options, via),
	  .help = "what carries the messages: the library's own choice, its shared memory (ranks of one "
		  "machine), or its TCP" },
	{ 0 },
};

enum { HELLO_MAGIC = 0x4d42534c }; /* "LSBM" */

static void release(struct lsb_transport *t)
{
	const struct lsb_host *host = t->host;

	host->free(host->context, t->indices);
	host->free(host->context, t->statuses);
	host->free(host->context, t->asked);
	host->free(host->context, t->requests);
	host->free(host->context, t);
}

static void mpi_close(struct lsb_transport *t)
{
	int together;

	if (!t)
		return;
	together = t->settled && !t->broken.code && t->barrier == MPI_REQUEST_NULL;
	if (t->connected && !mpi_drop_requests(t))
		together = 0;
	mpi_library_close(t, together);
	release(t);
}

static int allocate(struct lsb_transport *t, struct lsb_error *err)
{
	const struct lsb_host *host = t->host;
	const size_t n = t->world->max_requests;

	t->requests = host->alloc(host->context, n * sizeof(*t->requests), 64);
	t->asked = host->alloc(host->context, n * sizeof(*t->asked), 64);
	t->statuses = host->alloc(host->context, n * sizeof(*t->statuses), 64);
	t->indices = host->alloc(host->context, n * sizeof(*t->indices), 64);
	if (!t->requests || !t->asked || !t->statuses || !t->indices)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %zu requests", n);
	t->free_request = MPI_NONE;
	for (uint32_t i = (uint32_t)n; i-- > 0;) {
		t->requests[i].mpi = MPI_REQUEST_NULL;
		t->requests[i].next = t->free_request;
		t->free_request = i;
	}
	return LSB_OK;
}

static int mpi_open(const struct lsb_host *host, const void *opts, const struct lsb_world *world,
		    struct lsb_transport **out, struct lsb_error *err)
{
	struct lsb_transport *t;
	int rc = world_check(world, err);

	if (rc)
		return rc;
	if (world->max_message_bytes > INT_MAX)
		return lsb_fail(
			err, LSB_EINVAL, 0,
			"messages of up to %llu bytes are more than MPI counts (%d): use a smaller chunk "
			"or batch",
			(unsigned long long)world->max_message_bytes, INT_MAX);
	rc = mpi_launched(world, err);
	if (rc)
		return rc;
	t = host->alloc(host->context, sizeof(*t), 64);
	if (!t)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the transport");
	t->host = host;
	t->options = opts;
	t->world = world;
	t->comm = MPI_COMM_NULL;
	t->barrier = MPI_REQUEST_NULL;
	t->counters.struct_size = sizeof(t->counters);
	rc = allocate(t, err);
	if (rc == LSB_OK)
		rc = mpi_library_open(t, err);
	if (rc) {
		release(t);
		return rc;
	}
	*out = t;
	return LSB_OK;
}

/* Nobody needs to be told: MPI finds its ranks. */
static int mpi_address(struct lsb_transport *t, void *to, size_t *bytes, struct lsb_error *err)
{
	(void)t;
	(void)to;
	(void)err;
	*bytes = 0;
	return LSB_OK;
}

static struct lsb_buf view(struct mpi_hello *h)
{
	return (struct lsb_buf){ .ptr = h, .bytes = sizeof(*h), .mem = LSB_MEM_HOST, .device = -1 };
}

/* Wait for one message of the hello; what it was for the message on failure. */
static int finish_hello(struct lsb_transport *t, uint32_t request, int32_t peer, uint64_t deadline_ns,
			struct lsb_error *err)
{
	struct lsb_completion done;
	size_t n = 0;
	const int rc = mpi_wait_any(t, &request, 1, deadline_ns, &done, &n, err);

	if (rc == LSB_ETIMEDOUT)
		return lsb_fail(err, LSB_ETIMEDOUT, 0, "rank %d has not answered over MPI in time", peer);
	return rc ? rc : done.status;
}

static int check_hello(const struct lsb_transport *t, int32_t peer, struct lsb_error *err)
{
	const struct mpi_hello *h = &t->hello_in;

	if (h->magic == HELLO_MAGIC && h->rank == peer && h->size == t->world->size &&
	    h->max_tag == t->world->max_tag)
		return LSB_OK;
	return lsb_fail(err, LSB_EPEER, 0, "what answers over MPI as rank %d of %d says it is rank %d of %d",
			peer, t->world->size, h->rank, h->size);
}

/* One hello each way with every peer in turn: MPI libraries connect at the first message. */
static int greet(struct lsb_transport *t, uint64_t deadline_ns, struct lsb_error *err)
{
	const int32_t size = t->world->size, rank = t->world->rank;
	const struct lsb_buf out = view(&t->hello_out), in = view(&t->hello_in);

	t->hello_out = (struct mpi_hello){ HELLO_MAGIC, rank, size, t->world->max_tag };
	for (int32_t step = 1; step < size; step++) {
		const int32_t to = (rank + step) % size, from = (rank + size - step) % size;
		uint32_t sent, received;
		int rc;

		t->hello_in = (struct mpi_hello){ 0 };
		rc = mpi_irecv(t, from, 0, &in, &received, err);

		if (rc == LSB_OK)
			rc = mpi_isend(t, to, 0, &out, &sent, err);
		if (rc == LSB_OK)
			rc = finish_hello(t, received, from, deadline_ns, err);
		if (rc == LSB_OK)
			rc = finish_hello(t, sent, to, deadline_ns, err);
		if (rc == LSB_OK)
			rc = check_hello(t, from, err);
		if (rc)
			return rc;
	}
	return LSB_OK;
}

static int mpi_connect(struct lsb_transport *t, const struct lsb_span *addresses, uint64_t deadline_ns,
		       struct lsb_error *err)
{
	int rc;

	for (int32_t i = 0; i < t->world->size; i++)
		if (addresses[i].bytes)
			return lsb_fail(err, LSB_EPEER, 0, "rank %d has an address of another transport", i);
	t->connected = 1;
	rc = greet(t, deadline_ns, err);
	/* A failed hello leaves MPI holding on to memory that is gone: nothing more is asked of it. */
	if (rc && t->broken.code == LSB_OK && err)
		t->broken = *err;
	t->counters = (struct lsb_wire_counters){ .struct_size = sizeof(t->counters) };
	return rc;
}

/* Payload alone: what MPI puts around it, nobody can tell. */
static int mpi_counters(struct lsb_transport *t, struct lsb_wire_counters *out, struct lsb_error *err)
{
	(void)err;
	return counters_tell(&t->counters, out);
}

static uint32_t mpi_mem_caps_here(const struct lsb_transport *t)
{
	return t->mem_caps;
}

static const struct lsb_transport_ops ops = {
	.struct_size = sizeof(ops),
	.mem_caps = 1u << LSB_MEM_HOST | 1u << LSB_MEM_PINNED
#ifdef LSB_MPI_QUERIES_CUDA
		    | 1u << LSB_MEM_CUDA
#endif
	,
#if defined(OPEN_MPI)
	.flags = LSB_TRANSPORT_NEEDS_MPIRUN | LSB_TRANSPORT_SPEAKS_PMIX,
#elif defined(MPICH_VERSION)
	.flags = LSB_TRANSPORT_NEEDS_MPIRUN | LSB_TRANSPORT_SPEAKS_PMI2,
#else
	.flags = LSB_TRANSPORT_NEEDS_MPIRUN,
#endif
	.open = mpi_open,
	.address = mpi_address,
	.connect = mpi_connect,
	.isend = mpi_isend,
	.irecv = mpi_irecv,
	.wait_any = mpi_wait_any,
	.barrier = mpi_barrier,
	.close = mpi_close,
	.progress = mpi_progress,
	.counters = mpi_counters,
	.mem_caps_here = mpi_mem_caps_here,
};

LSB_EXPORT const struct lsb_plugin lsb_plugin_v1 = {
	LSB_PLUGIN_HEADER,
	.kind = LSB_TRANSPORT,
	.flags = LSB_PLUGIN_GLOBAL,
	.name = "mpi",
	.version = "1.0",
#ifdef OPEN_MPI
	.summary = "Stage links over MPI (built with Open MPI)",
#elif defined(MPICH_VERSION)
	.summary = "Stage links over MPI (built with MPICH)",
#else
	.summary = "Stage links over MPI",
#endif
	.options = options,
	.options_size = sizeof(struct mpi_options),
	.ops = { .transport = &ops },
};
