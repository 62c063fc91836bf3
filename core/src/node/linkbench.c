/* SPDX-License-Identifier: Apache-2.0 */
#include "node/linkbench.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"

enum {
	SMALL_BYTES = 8192,    /* OSU's border between its two sets of constants */
	SENT_BYTES = 16 << 20, /* distinct bytes to send, at most */
	ACK_BYTES = 4,
	BUFFER_ALIGN = 4096,
};

struct lsb_linkbench {
	const struct lsb_linkbench_setup *setup;
	struct lsb_link_row *rows; /* [(size - 1) * n_sizes] */
	uint32_t n_rows;
	int32_t peer;
	uint32_t bytes, n_sent;		    /* of the current test; distinct buffers that are sent from */
	unsigned char *out;		    /* [n_sent][bytes] */
	unsigned char *in;		    /* [LSB_LINK_WINDOW][bytes] */
	uint32_t expected[LSB_LINK_WINDOW]; /* which of the peer's buffers came last into each of `in`; ~0u:
					       none */
	unsigned char ack[2][ACK_BYTES];    /* to send, to receive */
	double *rounds;			    /* [setup->iterations] seconds */
	uint32_t requests[LSB_LINK_REQUESTS];
	struct lsb_completion done[LSB_LINK_REQUESTS];
	struct lsb_buf views[LSB_LINK_REQUESTS]; /* stay put until their request completes */
	uint32_t n_requests;
};

/* --- payload --- */

/* Byte `at` of buffer `which`: differs between buffers, and does not repeat within a page. */
static unsigned char payload(uint32_t which, uint32_t at)
{
	return (unsigned char)(at * 131u + (at >> 8) * 17u + which * 29u + 7u);
}

static void fill(struct lsb_linkbench *b)
{
	for (uint32_t w = 0; w < b->n_sent; w++)
		for (uint32_t i = 0; i < b->bytes; i++)
			b->out[(size_t)w * b->bytes + i] = payload(w, i);
	for (uint32_t w = 0; w < LSB_LINK_WINDOW; w++) {
		for (uint32_t i = 0; i < b->bytes; i++)
			b->in[(size_t)w * b->bytes + i] = (unsigned char)~payload(w % b->n_sent, i);
		b->expected[w] = ~0u;
	}
}

static int verify(const struct lsb_linkbench *b, struct lsb_error *err)
{
	for (uint32_t w = 0; w < LSB_LINK_WINDOW; w++) {
		if (b->expected[w] == ~0u)
			continue;
		for (uint32_t i = 0; i < b->bytes; i++)
			if (b->in[(size_t)w * b->bytes + i] != payload(b->expected[w], i))
				return lsb_fail(
					err, LSB_EIO, 0,
					"byte %u of a message of %u from rank %d arrived changed: the "
					"link, or transport '%s', corrupts data",
					i, b->bytes, b->peer, b->setup->transport->plugin.name);
	}
	return LSB_OK;
}

/* --- messages --- */

static int post(struct lsb_linkbench *b, int is_send, uint32_t tag, void *ptr, uint32_t bytes,
		struct lsb_error *err)
{
	const struct lsb_transport_ops *ops = &b->setup->transport->ops.transport;
	struct lsb_buf *view = &b->views[b->n_requests];
	uint32_t request = 0;
	int rc;

	*view = (struct lsb_buf){ .ptr = ptr, .bytes = bytes, .mem = LSB_MEM_HOST, .device = -1 };
	rc = (is_send ? ops->isend : ops->irecv)(b->setup->handle, b->peer, tag, view, &request, err);
	if (rc)
		return lsb_plugin_result(b->setup->transport, is_send ? "isend" : "irecv", rc, err);
	b->requests[b->n_requests++] = request;
	return LSB_OK;
}

/* Until all pending requests are complete. Views of what is left need not move: nothing reads them here. */
static int finish(struct lsb_linkbench *b, struct lsb_error *err)
{
	const struct lsb_transport_ops *ops = &b->setup->transport->ops.transport;
	const uint64_t deadline = lsb_now_ns() + b->setup->timeout_ns;

	while (b->n_requests) {
		size_t n = 0;
		int rc = ops->wait_any(b->setup->handle, b->requests, b->n_requests, deadline, b->done, &n,
				       err);

		if (rc)
			return lsb_plugin_result(b->setup->transport, "wait_any", rc, err);
		for (size_t i = 0; i < n; i++) {
			uint32_t at = 0;

			if (b->done[i].status)
				return lsb_fail(err, b->done[i].status, 0,
						"a message between rank %d and rank %d failed",
						b->setup->rank, b->peer);
			while (at < b->n_requests && b->requests[at] != b->done[i].request)
				at++;
			if (at == b->n_requests)
				return lsb_fail(err, LSB_EPLUGIN, 0,
						"transport '%s' completed a request that is not pending",
						b->setup->transport->plugin.name);
			b->requests[at] = b->requests[--b->n_requests];
		}
	}
	return LSB_OK;
}

static int barrier(struct lsb_linkbench *b, struct lsb_error *err)
{
	*err = (struct lsb_error){ 0 };
	return lsb_plugin_result(b->setup->transport, "barrier",
				 b->setup->transport->ops.transport.barrier(
					 b->setup->handle, lsb_now_ns() + b->setup->timeout_ns, err),
				 err);
}

/* A stage that computes: the processor is busy, and nothing is asked of the transport. */
static void compute(uint64_t gap_ns)
{
	const uint64_t end = lsb_now_ns() + gap_ns;

	while (gap_ns && lsb_now_ns() < end)
		continue;
}

static unsigned char *in_slot(struct lsb_linkbench *b, uint32_t i)
{
	return b->in + (size_t)(i % LSB_LINK_WINDOW) * b->bytes;
}

static unsigned char *out_slot(struct lsb_linkbench *b, uint32_t i)
{
	return b->out + (size_t)(i % b->n_sent) * b->bytes;
}

/* --- ping-pong --- */

static uint32_t count_rounds(const struct lsb_linkbench *b)
{
	const uint32_t n = b->setup->iterations;

	return b->bytes <= SMALL_BYTES ? n : (n + 9) / 10;
}

/* The side that begins, and keeps time: `skip` rounds, then `n` timed ones. */
static int ping(struct lsb_linkbench *b, uint32_t skip, uint32_t n, double *in_send_s, struct lsb_error *err)
{
	double sending_ns = 0;

	for (uint32_t i = 0; i < skip + n; i++) {
		uint64_t t0, t1;
		int rc = post(b, 0, LSB_LINK_TAG, in_slot(b, i), b->bytes, err);

		if (rc)
			return rc;
		compute(b->setup->gap_ns);
		t0 = lsb_now_ns();
		rc = post(b, 1, LSB_LINK_TAG, out_slot(b, i), b->bytes, err);
		t1 = lsb_now_ns();
		if (rc == LSB_OK)
			rc = finish(b, err);
		if (rc)
			return rc;
		if (i >= skip) {
			b->rounds[i - skip] = (double)(lsb_now_ns() - t0) * 1e-9;
			sending_ns += (double)(t1 - t0);
		}
		b->expected[i % LSB_LINK_WINDOW] = i % b->n_sent;
	}
	*in_send_s = sending_ns * 1e-9 / n;
	return LSB_OK;
}

/* The other side. Its receive of the next round is posted before the answer that allows it. */
static int pong(struct lsb_linkbench *b, uint32_t rounds, struct lsb_error *err)
{
	for (uint32_t i = 0; i < rounds; i++) {
		int rc = finish(b, err);

		if (rc)
			return rc;
		b->expected[i % LSB_LINK_WINDOW] = i % b->n_sent;
		if (i + 1 < rounds)
			rc = post(b, 0, LSB_LINK_TAG, in_slot(b, i + 1), b->bytes, err);
		compute(b->setup->gap_ns);
		if (rc == LSB_OK)
			rc = post(b, 1, LSB_LINK_TAG, out_slot(b, i), b->bytes, err);
		if (rc)
			return rc;
	}
	return finish(b, err);
}

static int compare_times(const void *a, const void *b)
{
	const double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

/* Rounds to one-way times. */
static void summarise(struct lsb_linkbench *b, uint32_t n, struct lsb_link_row *row)
{
	const double gap_s = (double)b->setup->gap_ns * 1e-9; /* the peer's, inside the round */
	double sum = 0;

	for (uint32_t i = 0; i < n; i++) {
		b->rounds[i] = (b->rounds[i] - gap_s) / 2;
		sum += b->rounds[i];
	}
	qsort(b->rounds, n, sizeof(*b->rounds), compare_times);
	row->rounds = n;
	row->mean_s = sum / n;
	row->least_s = b->rounds[0];
	row->most_s = b->rounds[n - 1];
	row->p50_s = b->rounds[(n - 1) / 2];
	row->p99_s = b->rounds[(size_t)(n - 1) * 99 / 100];
}

/* --- windows --- */

static uint32_t count_windows(const struct lsb_linkbench *b)
{
	const uint32_t n = (b->setup->iterations + 99) / 100;

	return b->bytes <= SMALL_BYTES ? n : (n + 4) / 5;
}

static int stream(struct lsb_linkbench *b, uint32_t skip, uint32_t n, double *seconds, struct lsb_error *err)
{
	uint64_t t0 = 0;

	for (uint32_t w = 0; w < skip + n; w++) {
		int rc = post(b, 0, LSB_LINK_TAG_ACK, b->ack[1], ACK_BYTES, err);

		if (w == skip)
			t0 = lsb_now_ns();
		for (uint32_t i = 0; i < LSB_LINK_WINDOW && rc == LSB_OK; i++)
			rc = post(b, 1, LSB_LINK_TAG, out_slot(b, i), b->bytes, err);
		if (rc == LSB_OK)
			rc = finish(b, err);
		if (rc)
			return rc;
	}
	*seconds = (double)(lsb_now_ns() - t0) * 1e-9;
	return LSB_OK;
}

static int post_window(struct lsb_linkbench *b, struct lsb_error *err)
{
	int rc = LSB_OK;

	for (uint32_t i = 0; i < LSB_LINK_WINDOW && rc == LSB_OK; i++)
		rc = post(b, 0, LSB_LINK_TAG, in_slot(b, i), b->bytes, err);
	return rc;
}

/* The receives of the next window are posted before the answer that allows it. */
static int drain(struct lsb_linkbench *b, uint32_t windows, struct lsb_error *err)
{
	for (uint32_t w = 0; w < windows; w++) {
		int rc = finish(b, err);

		if (rc == LSB_OK && w + 1 < windows)
			rc = post_window(b, err);
		if (rc == LSB_OK)
			rc = post(b, 1, LSB_LINK_TAG_ACK, b->ack[0], ACK_BYTES, err);
		if (rc)
			return rc;
	}
	for (uint32_t i = 0; i < LSB_LINK_WINDOW; i++)
		b->expected[i] = i % b->n_sent;
	return finish(b, err);
}

/* --- tests --- */

/* One size between this rank and b->peer, from either side; every rank comes to the barriers. */
static int test_latency(struct lsb_linkbench *b, int begins, int is_part, struct lsb_link_row *row,
			struct lsb_error *err)
{
	const uint32_t n = count_rounds(b), skip = (n + 99) / 100;
	int rc = LSB_OK;

	if (is_part)
		fill(b);
	if (is_part && !begins)
		rc = post(b, 0, LSB_LINK_TAG, in_slot(b, 0), b->bytes, err);
	if (rc == LSB_OK)
		rc = barrier(b, err);
	if (rc || !is_part)
		return rc;
	if (!begins) {
		rc = pong(b, skip + n, err);
	} else {
		rc = ping(b, skip, n, &row->send_s, err);
		if (rc == LSB_OK)
			summarise(b, n, row);
	}
	return rc ? rc : verify(b, err);
}

static int test_bandwidth(struct lsb_linkbench *b, int begins, int is_part, struct lsb_link_row *row,
			  struct lsb_error *err)
{
	const uint32_t n = count_windows(b), skip = (n + 9) / 10;
	double seconds = 0;
	int rc = LSB_OK;

	if (is_part && !begins) {
		fill(b);
		rc = post_window(b, err);
	}
	if (rc == LSB_OK)
		rc = barrier(b, err);
	if (rc || !is_part)
		return rc;
	if (!begins) {
		rc = drain(b, skip + n, err);
		return rc ? rc : verify(b, err);
	}
	rc = stream(b, skip, n, &seconds, err);
	if (rc == LSB_OK && seconds > 0) {
		row->windows = n;
		row->messages_per_s = (double)n * LSB_LINK_WINDOW / seconds;
		row->bytes_per_s = row->messages_per_s * b->bytes;
	}
	return rc;
}

static int test_pair(struct lsb_linkbench *b, int32_t from, int32_t to, struct lsb_error *err)
{
	const struct lsb_linkbench_setup *s = b->setup;
	const int begins = s->rank == from, is_part = begins || s->rank == to;

	b->peer = begins ? to : from;
	for (uint32_t i = 0; i < s->n_sizes; i++) {
		struct lsb_link_row row = { .peer = to, .bytes = s->sizes[i] };
		int rc;

		if (atomic_load_explicit(&s->status->cancelled, memory_order_relaxed))
			return lsb_fail(err, LSB_ECANCELED, 0, "the launch is over");
		b->bytes = s->sizes[i];
		b->n_sent = SENT_BYTES / b->bytes;
		if (b->n_sent > LSB_LINK_WINDOW)
			b->n_sent = LSB_LINK_WINDOW;
		rc = test_latency(b, begins, is_part, &row, err);
		if (rc == LSB_OK && !s->gap_ns)
			rc = test_bandwidth(b, begins, is_part, &row, err);
		if (rc)
			return rc;
		if (begins)
			b->rows[b->n_rows++] = row;
		atomic_fetch_add_explicit(&s->status->steps, 1, memory_order_relaxed);
	}
	return LSB_OK;
}

int lsb_linkbench_open(const struct lsb_linkbench_setup *setup, struct lsb_linkbench **out,
		       struct lsb_error *err)
{
	struct lsb_linkbench *b = calloc(1, sizeof(*b));
	size_t largest = 1;

	*out = NULL;
	for (uint32_t i = 0; i < setup->n_sizes; i++)
		largest = setup->sizes[i] > largest ? setup->sizes[i] : largest;
	if (b) {
		b->setup = setup;
		b->rows = calloc((size_t)setup->n_sizes * (size_t)setup->size, sizeof(*b->rows));
		b->rounds = calloc(setup->iterations, sizeof(*b->rounds));
		b->out = aligned_alloc(BUFFER_ALIGN, SENT_BYTES);
		b->in = aligned_alloc(BUFFER_ALIGN, (largest * LSB_LINK_WINDOW + BUFFER_ALIGN - 1) /
							    BUFFER_ALIGN * BUFFER_ALIGN);
	}
	if (!b || !b->rows || !b->rounds || !b->out || !b->in) {
		lsb_linkbench_close(b);
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for windows of %d messages of %zu bytes",
				(int)LSB_LINK_WINDOW, largest);
	}
	*out = b;
	return LSB_OK;
}

int lsb_linkbench_run(struct lsb_linkbench *b, struct lsb_error *err)
{
	int rc = LSB_OK;

	for (int32_t from = 0; from < b->setup->size && rc == LSB_OK; from++)
		for (int32_t to = 0; to < b->setup->size && rc == LSB_OK; to++)
			if (from != to)
				rc = test_pair(b, from, to, err);
	return rc;
}

const struct lsb_link_row *lsb_linkbench_rows(const struct lsb_linkbench *b, uint32_t *n)
{
	*n = b->n_rows;
	return b->rows;
}

void lsb_linkbench_close(struct lsb_linkbench *b)
{
	if (!b)
		return;
	free(b->rows);
	free(b->rounds);
	free(b->out);
	free(b->in);
	free(b);
}
