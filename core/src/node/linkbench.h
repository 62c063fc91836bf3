/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link benchmark of a rank: what the transport alone can do (kind = link).
 *
 * Every ordered pair of ranks in turn, every size in turn: a ping-pong for
 * latency, then windows of messages one way for bandwidth and message rate, with
 * the constants of the OSU micro-benchmarks (100 + 10,000 rounds up to 8 KiB, a
 * tenth of them above; 10 + 100 windows of 64 messages, a fifth above), so that
 * the figures sit beside osu_latency and osu_bw. With a gap both sides compute
 * for that long before each message, which is what decoding looks like.
 *
 * A ring of distinct buffers of plain host memory on either side. What came last
 * into each of them is compared with what was sent after each test, outside the
 * timed part.
 */
#ifndef LSB_LINKBENCH_H
#define LSB_LINKBENCH_H

#include "lsbench/transport.h"
#include "node/stage.h"
#include "plugin/loader.h"

/* Requests of a window, its answer, and a ping-pong's two. */
enum {
	LSB_LINK_WINDOW = 64,
	LSB_LINK_REQUESTS = LSB_LINK_WINDOW + 4,
	LSB_LINK_TAG = 1,
	LSB_LINK_TAG_ACK = 2
};
#define LSB_LINK_BYTES_MAX (16u << 20) /* of a message */

struct lsb_linkbench_setup {
	const struct lsb_loaded *transport;
	struct lsb_transport *handle;
	struct lsb_stage_status *status; /* its steps count tests, so that a watcher sees them go on */
	int32_t rank, size;
	const uint32_t *sizes; /* [n_sizes] bytes, 1 to LSB_LINK_BYTES_MAX */
	uint32_t n_sizes;
	uint32_t iterations; /* rounds of a ping-pong up to 8 KiB; all else follows from it */
	uint64_t gap_ns;     /* 0: messages back to back, and windows too */
	uint64_t timeout_ns; /* of one wait */
};

/* One test that this rank began. Times in seconds, one way: half a round, less the gaps. */
struct lsb_link_row {
	int32_t peer;
	uint32_t bytes, rounds, windows; /* timed; windows 0: no bandwidth was measured */
	double mean_s, p50_s, p99_s, least_s, most_s;
	double send_s;			    /* mean time inside isend */
	double bytes_per_s, messages_per_s; /* of the windows */
};

struct lsb_linkbench;

/* Buffers for all tests; `setup` and its sizes must outlive it. LSB_ENOMEM. [main] */
int lsb_linkbench_open(const struct lsb_linkbench_setup *setup, struct lsb_linkbench **out,
		       struct lsb_error *err);
/* Every rank at about the same time. LSB_EIO when a payload arrived changed. [rank] */
int lsb_linkbench_run(struct lsb_linkbench *b, struct lsb_error *err);
/* What this rank began, in the order of peers and sizes; borrowed. */
const struct lsb_link_row *lsb_linkbench_rows(const struct lsb_linkbench *b, uint32_t *n);
/* After the transport's close: receives may be pending on the buffers until then. NULL is fine. */
void lsb_linkbench_close(struct lsb_linkbench *b);

#endif
