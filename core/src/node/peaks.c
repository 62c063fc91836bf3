/* SPDX-License-Identifier: Apache-2.0 */
#include "node/peaks.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/base.h"
#include "measure/record.h"

enum {
	READ_BUDGET_NS = 40 * 1000 * 1000,
	MATMUL_BUDGET_NS = 20 * 1000 * 1000,
	LINK_BUDGET_NS = 250 * 1000 * 1000, /* of all pairs together ... */
	PAIR_BUDGET_NS = 10 * 1000 * 1000,  /* ... but of each at least this */
	WARM_ROUNDS = 3,
	ROUNDS_MAX = 200,
	SLICE_NS = 50 * 1000 * 1000, /* longest wait between looks at `cancelled` */
	LARGE_BYTES = 1 << 20,
	MIDDLE_BYTES = 1 << 16,
};

static int barrier(const struct lsb_peaks_setup *s, struct lsb_error *err)
{
	if (!s->transport)
		return LSB_OK;
	*err = (struct lsb_error){ 0 };
	return lsb_plugin_result(
		s->transport, "barrier",
		s->transport->ops.transport.barrier(s->transport_handle, lsb_now_ns() + s->timeout_ns, err),
		err);
}

/* --- the device --- */

/* A peak that cannot be measured (no memory to read over, say) is left out, and the log says why. */
static void measure(const struct lsb_peaks_setup *s, enum lsb_peak what, uint64_t budget_ns, double *value)
{
	const struct lsb_host *host = &s->backend->host;
	struct lsb_error err = { 0 };
	int rc;

	if (!LSB_HAS(&s->backend->ops.backend, measure))
		return;
	rc = lsb_plugin_result(
		s->backend, "measure",
		s->backend->ops.backend.measure(s->backend_handle, what, budget_ns, value, &err), &err);
	if (rc == LSB_OK)
		return;
	*value = 0;
	if (rc != LSB_EUNAVAIL)
		host->log(host->context, LSB_LOG_WARN, err.msg);
}

/* Each rank in turn, then all at once: what sharing a machine costs. */
static int measure_device(const struct lsb_peaks_setup *s, struct lsb_peaks *out, struct lsb_error *err)
{
	int rc = LSB_OK;

	for (int32_t turn = 0; turn < s->size && rc == LSB_OK; turn++) {
		rc = barrier(s, err);
		if (rc == LSB_OK && turn == s->rank) {
			measure(s, LSB_PEAK_READ, READ_BUDGET_NS, &out->read_alone);
			measure(s, LSB_PEAK_MATMUL, MATMUL_BUDGET_NS, &out->matmul_alone);
		}
	}
	if (rc == LSB_OK)
		rc = barrier(s, err);
	if (rc == LSB_OK)
		measure(s, LSB_PEAK_READ, READ_BUDGET_NS, &out->read_all);
	if (rc == LSB_OK)
		rc = barrier(s, err);
	if (rc == LSB_OK)
		measure(s, LSB_PEAK_MATMUL, MATMUL_BUDGET_NS, &out->matmul_all);
	return rc;
}

/* --- the link --- */

/* Both ends of one exchange. */
struct probe {
	const struct lsb_peaks_setup *s;
	struct lsb_peaks *peaks;
	int32_t peer;
	struct lsb_buf views[LSB_PROBE_BUFFERS]; /* of the buffers, as long as a message */
};

static int begin(struct probe *p, int sends, int which, uint64_t bytes, uint32_t *request,
		 struct lsb_error *err)
{
	const struct lsb_transport_ops *ops = &p->s->transport->ops.transport;
	struct lsb_buf *view = &p->views[which];

	*view = p->peaks->buffers[which];
	view->bytes = bytes;
	*err = (struct lsb_error){ 0 };
	return lsb_plugin_result(p->s->transport, sends ? "isend" : "irecv",
				 (sends ? ops->isend : ops->irecv)(p->s->transport_handle, p->peer,
								   LSB_TAG_PROBE, view, request, err),
				 err);
}

/* Until this one is complete; *bytes: of the message. */
static int finish(struct probe *p, uint32_t request, uint64_t *bytes, struct lsb_error *err)
{
	const uint64_t deadline_ns = lsb_now_ns() + p->s->timeout_ns;
	struct lsb_completion done = { 0 };
	size_t n_done = 0;
	int rc;

	do {
		*err = (struct lsb_error){ 0 };
		rc = p->s->transport->ops.transport.wait_any(p->s->transport_handle, &request, 1,
							     lsb_now_ns() + SLICE_NS, &done, &n_done, err);
		if (atomic_load_explicit(&p->s->status->cancelled, memory_order_relaxed))
			return lsb_fail(err, LSB_ECANCELED, 0, "the run was ended from outside");
	} while (rc == LSB_ETIMEDOUT && lsb_now_ns() < deadline_ns);
	rc = lsb_plugin_result(p->s->transport, "wait_any", rc, err);
	if (rc == LSB_OK && (n_done != 1 || done.status != LSB_OK))
		rc = lsb_fail(err, done.status ? done.status : LSB_EPLUGIN, 0,
			      "a message to measure the link to rank %d failed", p->peer);
	*bytes = done.bytes;
	return rc;
}

/* One message there and back. */
static int round_trip(struct probe *p, uint64_t bytes, uint64_t *took_ns, struct lsb_error *err)
{
	const uint64_t t0 = lsb_now_ns();
	uint32_t answer, question;
	uint64_t got = 0, ignored;
	int rc = begin(p, 0, 1, bytes, &answer, err);

	if (rc == LSB_OK)
		rc = begin(p, 1, 0, bytes, &question, err);
	if (rc == LSB_OK)
		rc = finish(p, answer, &got, err);
	*took_ns = lsb_now_ns() - t0;
	if (rc == LSB_OK)
		rc = finish(p, question, &ignored, err);
	if (rc == LSB_OK && got != bytes)
		rc = lsb_fail(err, LSB_EPROTO, 0, "rank %d answered %llu bytes with %llu", p->peer,
			      (unsigned long long)bytes, (unsigned long long)got);
	return rc;
}

static int by_time(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Rounds of one size for about `budget_ns`, at least one. */
static int probe_size(struct probe *p, struct lsb_probe_size *size, uint64_t budget_ns, struct lsb_error *err)
{
	uint64_t *times = calloc(ROUNDS_MAX, sizeof(*times)), end_ns = 0;
	uint32_t n = 0;
	int rc = times ? LSB_OK : lsb_fail(err, LSB_ENOMEM, 0, "no memory for the times of a link");

	for (uint32_t i = 0; rc == LSB_OK && n < ROUNDS_MAX; i++) {
		uint64_t took_ns;

		if (i == 0)
			end_ns = lsb_now_ns() + budget_ns;
		rc = round_trip(p, size->bytes, &took_ns, err);
		if (rc == LSB_OK && (i >= WARM_ROUNDS || lsb_now_ns() >= end_ns))
			times[n++] = took_ns;
		if (n && lsb_now_ns() >= end_ns)
			break;
	}
	if (rc == LSB_OK && n) {
		qsort(times, n, sizeof(*times), by_time);
		size->rounds = n;
		size->one_way_s = (double)times[n / 2] * 1e-9 / 2;
		size->one_way_p99_s = (double)times[n - 1 - n / 100] * 1e-9 / 2;
	}
	free(times);
	return rc;
}

/* All sizes; a message of no bytes tells the peer that that was all. */
static int ask(struct probe *p, uint64_t budget_ns, struct lsb_error *err)
{
	uint32_t request;
	uint64_t ignored;
	int rc = LSB_OK;

	for (uint32_t i = 0; i < p->peaks->n_sizes && rc == LSB_OK; i++)
		rc = probe_size(p, &p->peaks->sizes[i], budget_ns / p->peaks->n_sizes, err);
	if (rc == LSB_OK)
		rc = begin(p, 1, 0, 0, &request, err);
	return rc ? rc : finish(p, request, &ignored, err);
}

/*
 * Send back what comes, each time with the next receive posted before, since no transport holds the unasked.
 */
static int answer(struct probe *p, uint32_t request, struct lsb_error *err)
{
	int rc, at = 0;

	for (;;) {
		uint32_t next, back;
		uint64_t bytes, ignored;

		rc = finish(p, request, &bytes, err);
		if (rc || bytes == 0)
			return rc;
		if (bytes > p->peaks->buffers[at].bytes)
			return lsb_fail(err, LSB_EPROTO, 0, "rank %d sent more than was asked for", p->peer);
		rc = begin(p, 0, !at, p->peaks->buffers[!at].bytes, &next, err);
		if (rc == LSB_OK)
			rc = begin(p, 1, at, bytes, &back, err);
		if (rc == LSB_OK)
			rc = finish(p, back, &ignored, err);
		if (rc)
			return rc;
		request = next;
		at = !at;
	}
}

static void add_size(struct lsb_peaks *peaks, uint64_t bytes)
{
	uint32_t at = peaks->n_sizes;

	for (uint32_t i = 0; i < peaks->n_sizes; i++)
		if (peaks->sizes[i].bytes == bytes)
			return;
	for (; at && peaks->sizes[at - 1].bytes > bytes; at--)
		peaks->sizes[at] = peaks->sizes[at - 1];
	peaks->sizes[at] = (struct lsb_probe_size){ .bytes = bytes };
	peaks->n_sizes++;
}

/* The smallest, the run's own two, and two that show the bandwidth; in memory like the run's. */
static int open_probe(const struct lsb_peaks_setup *s, struct lsb_peaks *out, struct lsb_error *err)
{
	uint64_t largest;

	add_size(out, 1);
	add_size(out, lsb_stage_hidden_bytes(s->loop, s->batch));
	add_size(out, lsb_stage_hidden_bytes(s->loop, s->max_tokens));
	add_size(out, MIDDLE_BYTES);
	add_size(out, LARGE_BYTES);
	largest = out->sizes[out->n_sizes - 1].bytes;
	for (; out->n_buffers < LSB_PROBE_BUFFERS; out->n_buffers++) {
		int rc;

		*err = (struct lsb_error){ 0 };
		rc = lsb_plugin_result(s->backend, "buf_alloc",
				       s->backend->ops.backend.buf_alloc(s->backend_handle,
									 lsb_stage_wire_mem(s->loop), largest,
									 &out->buffers[out->n_buffers], err),
				       err);
		if (rc)
			return rc;
	}
	return LSB_OK;
}

/* Neighbours in a pipeline, one pair after the other; all others wait. */
static int measure_links(const struct lsb_peaks_setup *s, struct lsb_peaks *out, struct lsb_error *err)
{
	const int32_t stages = (int32_t)s->stages, n_pairs = s->size / stages * (stages - 1);
	const uint64_t fair_ns = n_pairs ? LINK_BUDGET_NS / (uint64_t)n_pairs : 0;
	const uint64_t budget_ns = fair_ns > PAIR_BUDGET_NS ? fair_ns : PAIR_BUDGET_NS;
	int rc = n_pairs ? open_probe(s, out, err) : LSB_OK;

	for (int32_t first = 0; first + 1 < s->size && rc == LSB_OK; first++) {
		struct probe p = { .s = s, .peaks = out, .peer = s->rank == first ? first + 1 : first };
		const int asks = s->rank == first, answers = s->rank == first + 1;
		uint32_t request = 0;

		if (first % stages == stages - 1) /* the next rank is another replica's */
			continue;
		if (answers)
			rc = begin(&p, 0, 0, out->buffers[0].bytes, &request, err);
		if (rc == LSB_OK)
			rc = barrier(s, err);
		if (rc == LSB_OK && asks) {
			out->peer = p.peer;
			rc = ask(&p, budget_ns, err);
		} else if (rc == LSB_OK && answers) {
			rc = answer(&p, request, err);
		}
	}
	return rc;
}

int lsb_peaks_measure(const struct lsb_peaks_setup *setup, struct lsb_peaks *out, struct lsb_error *err)
{
	const int rc = measure_device(setup, out, err);

	out->peer = -1;
	return rc || !setup->transport ? rc : measure_links(setup, out, err);
}

void lsb_peaks_free(const struct lsb_peaks_setup *setup, struct lsb_peaks *peaks)
{
	while (peaks->n_buffers)
		setup->backend->ops.backend.buf_free(setup->backend_handle,
						     &peaks->buffers[--peaks->n_buffers]);
}

static void tell(json_t *rank, const char *key, double value)
{
	if (value > 0)
		json_object_set_new(rank, key, json_real(value));
}

void lsb_peaks_tell(const struct lsb_peaks *peaks, json_t *rank)
{
	json_t *sizes;

	tell(rank, "read_bandwidth_alone", peaks->read_alone);
	tell(rank, "read_bandwidth_all", peaks->read_all);
	tell(rank, "matmul_peak_alone", peaks->matmul_alone);
	tell(rank, "matmul_peak_all", peaks->matmul_all);
	if (!peaks->n_sizes || !peaks->sizes[0].rounds)
		return;
	sizes = json_array();
	for (uint32_t i = 0; i < peaks->n_sizes; i++)
		if (peaks->sizes[i].rounds)
			json_array_append_new(sizes,
					      json_pack("{s:I, s:I, s:f, s:f}", "bytes",
							(json_int_t)peaks->sizes[i].bytes, "rounds",
							(json_int_t)peaks->sizes[i].rounds, "one_way_s",
							peaks->sizes[i].one_way_s, "one_way_p99_s",
							peaks->sizes[i].one_way_p99_s));
	json_object_set_new(rank, "link", json_pack("{s:i, s:o}", "peer", (int)peaks->peer, "sizes", sizes));
}
