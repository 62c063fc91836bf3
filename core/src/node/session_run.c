/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run phase of a rank: clocks compared, warm-up, the timed pass with what is
 * counted around it, and what is measured after it.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/base.h"
#include "node/energy.h"
#include "node/runqueue.h"
#include "node/session_parts.h"

enum { WARMUP_TOKENS = 4 /* new tokens of each warm-up request */ };

/* All ranks have arrived here, within `limit_ns`. */
static int barrier(struct lsb_session *s, uint64_t limit_ns, struct lsb_error *err)
{
	if (!s->transport)
		return LSB_OK;
	*err = (struct lsb_error){ 0 };
	return lsb_plugin_result(
		s->transport, "barrier",
		s->transport->ops.transport.barrier(s->transport_handle, lsb_now_ns() + limit_ns, err), err);
}

/* Compare clocks with neighbours that have others; all ranks begin within `limit_ns`. */
static int exchange_clocks(struct lsb_session *s, uint64_t limit_ns, struct lsb_error *err)
{
	int rc;

	if (!s->compares_clocks)
		return LSB_OK;
	s->clocks.timeout_ns = limit_ns;
	rc = lsb_clock_exchange_post(&s->clocks, err);
	if (rc == LSB_OK)
		rc = barrier(s, limit_ns, err);
	return rc ? rc : lsb_clock_exchange_run(&s->clocks, err);
}

/* Processor time of this process so far, in seconds. */
static double cpu_seconds(void)
{
	struct timespec now;

	return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now)
		       ? 0
		       : (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/*
 * The scheduler of a first stage: it has this replica's requests, or where all are
 * shared out room for them and those that it begins with.
 */
static int open_scheduler(struct lsb_session *s, int shares, struct lsb_scheduler **out,
			  struct lsb_error *err)
{
	struct lsb_scheduler_limits limits = lsb_session_scheduler_limits(s);
	int rc;

	limits.room = shares ? s->requests.n : 0;
	rc = lsb_scheduler_open(&limits, s->requests.sequences, shares ? 0 : s->requests.n, out, err);
	if (rc == LSB_OK && shares)
		lsb_dispatch_begin(lsb_stage_dispatch(s->loop), *out);
	return rc;
}

/*
 * One pass over this replica's requests, or through what the first stage sends; all
 * begin within `limit_ns`. `shares`: first stages share out all requests meanwhile.
 */
static int run_pass(struct lsb_session *s, int shares, uint64_t limit_ns, struct lsb_error *err)
{
	struct lsb_scheduler *scheduler = NULL;
	struct lsb_energy before, after;
	struct lsb_counters counted;
	struct lsb_runqueue waited, waits;
	uint64_t arrived_ns;
	double cpu_s;
	int rc = LSB_OK;

	if (lsb_session_is_first_stage(s))
		rc = open_scheduler(s, shares, &scheduler, err);
	lsb_counters_read(s->backend, s->backend_handle, &counted);
	arrived_ns = lsb_now_ns();
	if (rc == LSB_OK)
		rc = barrier(s, limit_ns, err);
	if (rc == LSB_OK) {
		lsb_recorder_reset(&s->recorder);
		lsb_energy_read(LSB_ENERGY_FOLDER, &before);
		lsb_runqueue_read(LSB_RUNQUEUE_FOLDER, &waited);
		cpu_s = cpu_seconds();
		s->run_t0_ns = lsb_now_ns();
		rc = lsb_stage_pass(s->loop,
				    &(struct lsb_pass){ .scheduler = scheduler,
							.sink = &s->requests.sink,
							.shares = shares,
							.t0_ns = s->run_t0_ns,
							.since_ns = arrived_ns },
				    err);
		s->run_t1_ns = lsb_now_ns();
		s->cpu_s = cpu_seconds() - cpu_s;
		lsb_runqueue_read(LSB_RUNQUEUE_FOLDER, &waits);
		s->runqueue_s = lsb_runqueue_between(&waited, &waits, s->run_t1_ns - s->run_t0_ns);
		lsb_energy_read(LSB_ENERGY_FOLDER, &after);
		s->energy_j = lsb_energy_between(&before, &after);
		lsb_counters_read(s->backend, s->backend_handle, &s->counters);
		lsb_counters_since(&counted, &s->counters);
	}
	lsb_scheduler_close(scheduler);
	return rc;
}

static struct lsb_peaks_setup peaks_setup(const struct lsb_session *s)
{
	const struct lsb_scheduler_limits limits = lsb_session_scheduler_limits(s);

	return (struct lsb_peaks_setup){
		.backend = s->backend,
		.transport = s->transport,
		.backend_handle = s->backend_handle,
		.transport_handle = s->transport_handle,
		.loop = s->loop,
		.status = s->status,
		.rank = s->job.rank,
		.size = s->job.size,
		.stages = s->job.stages,
		.batch = s->job.batch,
		.max_tokens = lsb_scheduler_max_tokens(&limits),
		.timeout_ns = s->job.timeout_ns,
	};
}

static int measure_peaks(struct lsb_session *s, struct lsb_error *err)
{
	const struct lsb_peaks_setup setup = peaks_setup(s);

	return lsb_peaks_measure(&setup, &s->peaks, err);
}

void lsb_session_free_peaks(struct lsb_session *s)
{
	const struct lsb_peaks_setup setup = peaks_setup(s);

	lsb_peaks_free(&setup, &s->peaks);
}

/* Peak resident memory of this process so far; 0 if the system does not tell. */
static uint64_t peak_resident_bytes(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	unsigned long long kib = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "VmHWM: %llu kB", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib * 1024;
}

static int read_counters(struct lsb_session *s, struct lsb_error *err)
{
	if (!s->transport || !LSB_HAS(&s->transport->ops.transport, counters))
		return LSB_OK;
	s->wire.struct_size = sizeof(s->wire);
	*err = (struct lsb_error){ 0 };
	return lsb_plugin_result(s->transport, "counters",
				 s->transport->ops.transport.counters(s->transport_handle, &s->wire, err),
				 err);
}

static int run_links(struct lsb_session *s, struct lsb_error *err)
{
	int rc;

	lsb_control_phase(s->control, "run");
	s->run_t0_ns = lsb_now_ns();
	rc = lsb_linkbench_run(s->linkbench, err);
	s->run_t1_ns = lsb_now_ns();
	s->phases.run_s = (double)(s->run_t1_ns - s->run_t0_ns) * 1e-9;
	s->peak_memory_bytes = peak_resident_bytes();
	if (rc == LSB_OK)
		rc = read_counters(s, err);
	return rc ? rc : barrier(s, s->job.timeout_ns, err);
}

/* Note whose requests were served by another replica. */
static void leave_to_others(struct lsb_session *s)
{
	const int32_t replica = s->job.rank / (int32_t)s->job.stages;

	for (uint32_t i = 0; i < s->requests.n; i++)
		s->requests.answers[i].is_others =
			lsb_dispatch_owner(lsb_stage_dispatch(s->loop), i) != replica;
}

/*
 * Several replicas run on their own, and one may be lost. The controller knows
 * when all others have ended their runs, and whether what follows, which takes all
 * ranks, can be.
 */
static int await_replicas(struct lsb_session *s, struct lsb_error *err)
{
	char *text = NULL;
	size_t length;
	json_t *told;
	int rc;

	if (s->job.replicas == 1)
		return LSB_OK;
	rc = lsb_control_send(s->control, LSB_FRAME_RAN, "{}", 2, err);
	if (rc == LSB_OK)
		rc = lsb_control_expect(s->control, LSB_FRAME_FINISH, s->job.timeout_ns, &text, &length, err);
	if (rc)
		return rc;
	told = json_loadb(text, length, 0, NULL);
	s->is_bereft = json_integer_value(json_object_get(told, "lost")) != 0;
	json_decref(told);
	free(text);
	return LSB_OK;
}

/*
 * What takes all ranks: clocks compared again, peaks of machine and links, and a last
 * barrier, before which nobody hangs up. The runs are over by then: a replica that is
 * lost here costs the others their peaks, not their results.
 */
static int measure_together(struct lsb_session *s, struct lsb_error *err)
{
	int rc = exchange_clocks(s, s->job.timeout_ns, err);

	if (rc == LSB_OK && s->job.measure_peaks) {
		lsb_control_phase(s->control, "peaks");
		rc = measure_peaks(s, err);
	}
	if (rc == LSB_OK)
		rc = barrier(s, s->job.timeout_ns, err);
	if (rc != LSB_EPEER || s->job.replicas == 1)
		return rc;
	s->backend->host.log(s->backend->host.context, LSB_LOG_WARN,
			     "peaks are not measured: a rank was lost after its run");
	s->is_bereft = 1;
	return LSB_OK;
}

int lsb_session_run(struct lsb_session *s, struct lsb_error *err)
{
	uint64_t t0;
	int rc;

	if (lsb_session_is_link(s))
		return run_links(s, err);
	/* All were ready a moment ago; of replicas, each ends a pass at its own time. */
	lsb_control_phase(s->control, "clocks");
	rc = exchange_clocks(s, s->job.stall_ns, err);
	t0 = lsb_now_ns();
	lsb_host_set_progress(lsb_stage_progress, s->loop);
	if (rc == LSB_OK && s->job.warmup) {
		lsb_control_phase(s->control, "warmup");
		lsb_requests_warmup(&s->requests, s->job.warmup, WARMUP_TOKENS);
		rc = run_pass(s, 0, s->job.stall_ns, err);
		lsb_requests_rewind(&s->requests);
		s->phases.warmup_s = lsb_session_seconds_since(t0);
	}
	if (rc == LSB_OK) {
		lsb_control_phase(s->control, "run");
		rc = run_pass(s, lsb_session_shares(s), s->job.warmup ? s->job.timeout_ns : s->job.stall_ns,
			      err);
		s->phases.run_s = (double)(s->run_t1_ns - s->run_t0_ns) * 1e-9;
	}
	lsb_host_set_progress(NULL, NULL);
	s->peak_memory_bytes = peak_resident_bytes();
	if (rc) /* in its phase */
		return rc;
	if (lsb_session_shares(s))
		leave_to_others(s);
	lsb_control_phase(s->control, "report");
	rc = read_counters(s, err);
	if (rc == LSB_OK)
		rc = await_replicas(s, err);
	if (rc == LSB_OK && !s->is_bereft)
		rc = measure_together(s, err);
	if (rc) /* likewise */
		return rc;
	lsb_control_phase(s->control, "report");
	return lsb_session_is_first_stage(s)
		       ? lsb_requests_judge(&s->requests, s->workload, s->workload_handle, s->backend,
					    s->backend_handle, err)
		       : LSB_OK;
}
