/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this machine can do, measured after the run by the ranks that ran it: read
 * bandwidth and matrix peak, each rank alone and all at once, and the link to the
 * next stage. Bounds stand beside the run's figures because of these.
 *
 * All ranks go through it at the same time; nothing of it is in any metric.
 */
#ifndef LSB_PEAKS_H
#define LSB_PEAKS_H

#include <jansson.h>

#include "lsbench/backend.h"
#include "lsbench/transport.h"
#include "node/stage.h"
#include "plugin/loader.h"

enum { LSB_PROBE_SIZES = 5, LSB_PROBE_BUFFERS = 2 };

/* Messages of one size to the next stage and back. */
struct lsb_probe_size {
	uint64_t bytes;
	uint32_t rounds;      /* timed; 0: this size was not measured */
	double one_way_s;     /* half of the median round */
	double one_way_p99_s; /* half of the 99th percentile; below 100 rounds of the slowest */
};

struct lsb_peaks {
	double read_alone, read_all;	 /* B/s; 0: not measured */
	double matmul_alone, matmul_all; /* multiply-accumulates a second; 0: not measured */
	int32_t peer;			 /* the next stage's rank that the link was measured with; -1: none */
	struct lsb_probe_size sizes[LSB_PROBE_SIZES];
	uint32_t n_sizes;
	/* Until the transport is closed, messages may arrive in these. */
	struct lsb_buf buffers[LSB_PROBE_BUFFERS];
	uint32_t n_buffers;
};

/* Who measures what with whom. */
struct lsb_peaks_setup {
	const struct lsb_loaded *backend, *transport; /* transport NULL: one rank */
	struct lsb_backend *backend_handle;
	struct lsb_transport *transport_handle;
	const struct lsb_stage *loop;
	const struct lsb_stage_status *status; /* whether the run was ended from outside */
	int32_t rank, size;
	uint32_t stages, batch, max_tokens; /* sequences of a decode step, tokens of the largest one */
	uint64_t timeout_ns;		    /* of each wait for a peer */
};

/*
 * Measure. What the backend or the transport cannot do is left out; only a broken
 * transport is an error. Pairs of stages take turns, a quarter of a second together.
 */
int lsb_peaks_measure(const struct lsb_peaks_setup *setup, struct lsb_peaks *out, struct lsb_error *err);

/* Give the buffers back: after the transport's close, before the backend's. */
void lsb_peaks_free(const struct lsb_peaks_setup *setup, struct lsb_peaks *peaks);

/* Add to a RANK object what was measured (docs/journal.md). */
void lsb_peaks_tell(const struct lsb_peaks *peaks, json_t *rank);

#endif
