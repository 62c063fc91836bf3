/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One rank of one launch, from job to result: plugins opened, stage loaded,
 * peers connected, passes run. The phases of method.md section 1, each timed.
 */
#ifndef LSB_SESSION_H
#define LSB_SESSION_H

#include <jansson.h>

#include "base/address.h"
#include "node/clock_exchange.h"
#include "node/control.h"
#include "node/counters.h"
#include "node/linkbench.h"
#include "node/peaks.h"
#include "node/requests.h"
#include "node/stage.h"

/* Times in seconds, on the rank's clock. */
struct lsb_phases {
	double spawn_s, load_s, preprocess_s, connect_s, warmup_s, run_s;
};

struct lsb_session {
	struct lsb_job job;
	struct lsb_control *control;
	struct lsb_stage_status *status;
	struct lsb_loaded *backend, *transport, *workload;
	struct lsb_backend *backend_handle;
	struct lsb_transport *transport_handle;
	struct lsb_workload *workload_handle;
	struct lsb_world world; /* these two live as long as the handles */
	struct lsb_place place;
	char bind_address[LSB_ADDRESS_TEXT];
	char *model; /* path, or random:...; owned */
	struct lsb_backend_info info;
	uint32_t stage, first_layer, context;
	struct lsb_recorder recorder;
	struct lsb_stage *loop;
	struct lsb_requests requests;
	struct lsb_clock_exchange clocks;
	int compares_clocks;		  /* some pair of neighbours does not share a clock */
	struct lsb_linkbench_setup links; /* lives as long as the next */
	struct lsb_linkbench *linkbench;  /* of kind = link, whose launches have no stage loop */
	struct lsb_phases phases;
	int is_bereft; /* another replica was lost: no barrier will ever end, and no peaks are told */
	uint64_t run_t0_ns, run_t1_ns;
	double record_ns;  /* cost of one step record */
	double cpu_s;	   /* processor time of this process in the run, all threads */
	double runqueue_s; /* in the run, ready to run but without a core; -1: not known */
	struct lsb_peaks peaks;
	double energy_j;	      /* of this machine in the run; 0: not known */
	uint64_t peak_memory_bytes;   /* VmHWM when the run ended */
	struct lsb_counters counters; /* of the backend's device, in the run */
	struct lsb_wire_counters wire;
};

/* Each phase leaves what it opened in the session; lsb_session_close gives everything back. [main] */
int lsb_session_plugins(struct lsb_session *s, struct lsb_error *err);
int lsb_session_load(struct lsb_session *s, struct lsb_error *err);
int lsb_session_connect(struct lsb_session *s, const char *addresses, size_t length, struct lsb_error *err);
int lsb_session_run(struct lsb_session *s, struct lsb_error *err);
void lsb_session_close(struct lsb_session *s);

/* The RESULT frame's object (docs/journal.md, RANK); a new reference, NULL without memory. */
json_t *lsb_session_result(const struct lsb_session *s);
/* The FAILURE frame's object, likewise. */
json_t *lsb_session_failure(const char *phase, int code, const char *message);

#endif
