/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/run.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/base.h"
#include "launch/header.h"
#include "launch/keep.h"
#include "launch/progress.h"
#include "launch/results.h"
#include "launch/search.h"
#include "launch/standing.h"
#include "measure/environment.h"

struct run {
	const struct lsb_run_request *request;
	const struct lsb_prepared *prepared;
	struct lsb_results results;
	struct lsb_controller *controller;
	struct lsb_progress progress;
	struct lsb_kept kept;
	struct lsb_order_slot *slots; /* all launches of the suite, in order */
	size_t n_slots;
	struct lsb_standings standings;
	json_t *header;
	int64_t next_launch;
	struct lsb_run_result *result;
};

/* Delete step records that keep_records = median will not keep, up to `left` more launches to come. */
static void prune_records(const struct run *r, size_t point, size_t left)
{
	if (strcmp(r->prepared->points[point].point->keep_records, "median") == 0)
		lsb_kept_prune(&r->kept, point, left, r->results.folder);
}

/* Take over what an earlier run has done. */
static int replay(struct run *r, const json_t *lines, struct lsb_error *err)
{
	int rc = LSB_OK;

	for (size_t i = 1; i < json_array_size(lines); i++) {
		const json_t *line = json_array_get(lines, i);
		const char *id = json_string_value(json_object_get(line, "point"));
		const int64_t launch = json_integer_value(json_object_get(line, "launch"));

		if (launch >= r->next_launch && launch < INT64_MAX)
			r->next_launch = launch + 1;
		for (size_t k = 0; id && k < r->prepared->n_points && rc == LSB_OK; k++) {
			if (strcmp(r->prepared->points[k].point->id, id) != 0)
				continue;
			lsb_standing_note(&r->standings.points[k], line);
			rc = lsb_kept_note(&r->kept, k, line, err);
		}
	}
	for (size_t k = 0; k < r->prepared->n_points && rc == LSB_OK; k++)
		prune_records(r, k, lsb_standing_left(&r->standings.points[k]));
	return rc;
}

/* --- one launch --- */

static void on_progress(void *user, const struct lsb_launch_progress *now)
{
	lsb_progress_show(user, now);
}

static int journal_outcome(struct run *r, const struct lsb_order_slot *slot, const char *started,
			   struct lsb_outcome *o, struct lsb_error *err)
{
	const struct lsb_point *point = r->prepared->points[slot->point].point;
	const int keeps = strcmp(point->keep_records, "none") != 0;
	json_t *line = json_pack("{s:I, s:s, s:I, s:s}", "launch", (json_int_t)r->next_launch, "point",
				 point->id, "round", (json_int_t)slot->round, "started", started);
	json_t *records = NULL;
	struct lsb_standing *standing = &r->standings.points[slot->point];
	struct lsb_error why = { 0 };
	int rc = LSB_OK;

	if (!line)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for a line of the journal");
	if (o->ranks) {
		json_object_set(line, "ranks", o->ranks);
		if (lsb_measure_launch(json_array_get(json_object_get(r->header, "points"), slot->point),
				       o->ranks, o->records, o->n_records, o->lost, line, &why)) {
			o->status = LSB_LAUNCH_FAILED;
			o->code = why.code;
			(void)snprintf(o->reason, sizeof(o->reason), "its figures cannot be used: %s",
				       why.msg);
		}
		if (json_array_size(o->lost))
			json_object_set(line, "lost", o->lost);
		if (keeps)
			rc = lsb_results_write_records(&r->results, r->next_launch, o, &records, err);
	}
	json_object_set_new(line, "status", json_string(lsb_launch_status_name(o->status)));
	json_object_set_new(line, "reason", *o->reason ? json_string(o->reason) : json_null());
	if (o->status != LSB_LAUNCH_OK) {
		json_object_set_new(line, "code", json_integer(o->code));
		json_object_set_new(line, "rank", o->rank >= 0 ? json_integer(o->rank) : json_null());
	}
	json_object_set_new(line, "records", records ? records : json_null());
	if (o->oversubscribed)
		json_object_set_new(line, "oversubscribed", json_true());
	if (rc == LSB_OK)
		rc = lsb_journal_append(&r->results.journal, line, err);
	if (rc == LSB_OK)
		rc = lsb_kept_note(&r->kept, slot->point, line, err);
	if (rc == LSB_OK)
		lsb_standing_note(standing, line);
	json_decref(line);
	if (rc)
		return rc;
	prune_records(r, slot->point, lsb_standing_left(standing));
	lsb_progress_end(&r->progress, o->status, standing->rates[slot->round], o->reason);
	r->next_launch++;
	return LSB_OK;
}

/* Start all ranks of a point and see them to their end. */
static int launch_ranks(struct run *r, const struct lsb_order_slot *slot, struct lsb_outcome *o,
			struct lsb_error *err)
{
	const struct lsb_prepared_point *prepared = &r->prepared->points[slot->point];
	const struct lsb_point *point = prepared->point;
	struct lsb_job *jobs = calloc(point->nodes, sizeof(*jobs));
	char *prefix = lsb_format("%s/logs/%lld", r->results.folder, (long long)r->next_launch);
	struct lsb_launch what = {
		.launcher = prepared->launcher,
		.site = &point->site,
		.pmi = prepared->pmi,
		.hosts = (const char *const *)point->hosts,
		.digests = r->prepared->provenance,
		.program = r->request->program ? r->request->program : "/proc/self/exe",
		.jobs = jobs,
		.size = (int32_t)point->nodes,
		.log_prefix = prefix,
		.timeout_ns = point->timeout_ns,
		.stall_ns = point->stall_timeout_ns,
		.on_progress = on_progress,
		.user = &r->progress,
	};
	/* Ranks may have another working folder than this process. */
	char *folder = realpath(r->results.folder, NULL);
	char *files = folder ? lsb_format("%s/logs/%lld", folder, (long long)r->next_launch) : NULL;
	uint8_t nonce[16];
	int rc;

	if (jobs && prefix) {
		randombytes_buf(nonce, sizeof(nonce));
		for (uint32_t i = 0; i < point->nodes; i++) {
			lsb_prepared_job(r->prepared, prepared, i, nonce, &jobs[i]);
			jobs[i].measure_peaks = slot->round == 0;
			jobs[i].files = files;
		}
		rc = lsb_controller_launch(r->controller, &what, o, err);
	} else {
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for a launch of %u ranks", point->nodes);
	}
	free(jobs);
	free(prefix);
	free(folder);
	free(files);
	return rc;
}

/* Whether the model is no longer the file whose digest the journal has. */
static int has_changed(const struct lsb_prepared_point *p)
{
	char now[LSB_FILE_STATE];

	return p->point->kind != LSB_CASE_LINK &&
	       lsb_provenance_model_state(p->point->model, p->point->base, now) == LSB_OK &&
	       strcmp(now, p->model_state) != 0;
}

static int run_slot(struct run *r, const struct lsb_order_slot *slot, struct lsb_error *err)
{
	const struct lsb_prepared_point *prepared = &r->prepared->points[slot->point];
	struct lsb_outcome o = { .rank = -1 };
	char started[32];
	int rc = LSB_OK;

	lsb_time_text(started);
	lsb_progress_begin(&r->progress, slot->point, prepared->point->label, slot->round,
			   slot->round < prepared->point->reps ? prepared->point->reps
							       : prepared->point->max_reps);
	if (lsb_controller_interrupts(r->controller)) {
		o.status = LSB_LAUNCH_INTERRUPTED;
		(void)snprintf(o.reason, sizeof(o.reason), "interrupted before it began");
	} else if (prepared->code) {
		o.status = prepared->code == LSB_EUNAVAIL ? LSB_LAUNCH_WAIVED : LSB_LAUNCH_FAILED;
		o.code = prepared->code;
		(void)snprintf(o.reason, sizeof(o.reason), "%s", prepared->reason);
		r->standings.points[slot->point].is_over = 1;
	} else if (has_changed(prepared)) {
		o.status = LSB_LAUNCH_FAILED;
		o.code = LSB_EMODEL;
		(void)snprintf(o.reason, sizeof(o.reason),
			       "model: '%s' has changed since the run began: start a new run",
			       prepared->point->model);
	} else {
		rc = launch_ranks(r, slot, &o, err);
		r->result->n_launched++;
	}
	if (rc == LSB_OK)
		rc = journal_outcome(r, slot, started, &o, err);
	if (o.status == LSB_LAUNCH_INTERRUPTED)
		r->result->interrupted = 1;
	lsb_outcome_free(&o);
	return rc;
}

/* --- the run --- */

/* All launches of the suite, in their order; those beyond `reps` among them. */
static int plan_slots(struct run *r, struct lsb_error *err)
{
	const struct lsb_suite *suite = r->prepared->suite;
	const size_t n = suite->n_points;
	const enum lsb_order order = n && strcmp(suite->points[0].order, "sequential") == 0
					     ? LSB_ORDER_SEQUENTIAL
					     : LSB_ORDER_INTERLEAVED;
	uint32_t *reps = calloc(n + 1, sizeof(*reps));
	size_t *scratch = calloc(n + 1, sizeof(*scratch)), total = 0;
	int rc = LSB_OK;

	for (size_t i = 0; reps && i < n; i++) {
		reps[i] = suite->points[i].max_reps;
		total += reps[i];
	}
	r->slots = calloc(total + 1, sizeof(*r->slots));
	if (!reps || !scratch || !r->slots)
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for %zu launches", total);
	else if (n)
		r->n_slots = lsb_order_launches(order, suite->points[0].seed, reps, n, scratch, r->slots);
	free(reps);
	free(scratch);
	return rc;
}

/* What report and reader want to know of where this was measured. */
static int write_environment(struct run *r, struct lsb_error *err)
{
	static const char *const copied[] = { "argv",	      "suite",	    "suite_text",
					      "suite_sha256", "order_seed", "gated" };
	json_t *environment = NULL;
	int rc = lsb_environment_collect(&environment, err);

	if (rc)
		return rc;
	json_object_set_new(json_object_get(environment, "libraries"), "libuv",
			    json_string(uv_version_string()));
	for (size_t i = 0; i < LSB_COUNT(copied); i++)
		json_object_set(environment, copied[i], json_object_get(r->header, copied[i]));
	rc = lsb_results_write_json(&r->results, "environment.json", environment, err);
	json_decref(environment);
	return rc;
}

static int open_results(struct run *r, struct lsb_error *err)
{
	const char *folder = r->request->folder;
	json_t *lines = NULL;
	size_t whole;
	char *path;
	int rc;

	if (!r->request->is_resumed) {
		rc = lsb_results_create(folder, &r->results, err);
		if (rc == LSB_OK)
			rc = write_environment(r, err);
		return rc ? rc : lsb_journal_append(&r->results.journal, r->header, err);
	}
	rc = lsb_results_resume(folder, &r->results, &lines, &whole, err);
	if (rc)
		return rc;
	rc = lsb_header_compare(json_array_get(lines, 0), r->header, err);
	path = lsb_results_path(&r->results, "journal.jsonl");
	if (rc == LSB_OK)
		rc = path ? lsb_journal_continue(path, whole, &r->results.journal, err)
			  : lsb_fail(err, LSB_ENOMEM, 0, "no memory for a path");
	if (rc == LSB_OK)
		rc = replay(r, lines, err);
	free(path);
	json_decref(lines);
	return rc;
}

/* What the search for knees asks for, launch by launch. */
static int run_searches(struct run *r, struct lsb_error *err)
{
	const size_t n = r->prepared->n_points;
	struct lsb_searched *searched = calloc(n + 1, sizeof(*searched));
	struct lsb_order_slot slot;
	int rc = searched ? LSB_OK : lsb_fail(err, LSB_ENOMEM, 0, "no memory to search");

	for (;;) {
		for (size_t i = 0; rc == LSB_OK && i < n; i++) {
			const struct lsb_standing *s = &r->standings.points[i];

			searched[i] =
				(struct lsb_searched){ s->shares, s->rounds, s->point->reps, s->is_over };
		}
		if (rc || r->result->interrupted ||
		    !lsb_search_next(r->header, searched, n, &slot.point, &slot.round))
			break;
		lsb_progress_expect(&r->progress, slot.point);
		rc = run_slot(r, &slot, err);
	}
	free(searched);
	return rc;
}

static int run_slots(struct run *r, struct lsb_error *err)
{
	int rc = LSB_OK;

	for (size_t i = 0; i < r->n_slots; i++)
		if (lsb_standings_need(&r->standings, &r->slots[i]) &&
		    (r->prepared->points[r->slots[i].point].code == LSB_OK ||
		     r->progress.left[r->slots[i].point] == 0))
			lsb_progress_expect(&r->progress, r->slots[i].point);
	for (size_t i = 0; i < r->n_slots && rc == LSB_OK && !r->result->interrupted; i++) {
		const struct lsb_order_slot *slot = &r->slots[i];
		const int is_extra = slot->round >= r->prepared->points[slot->point].point->reps;
		const int was_needed = !is_extra && !r->standings.points[slot->point].rounds[slot->round];

		if (i == 0 || r->slots[i - 1].round != slot->round)
			lsb_standings_decide(&r->standings, slot->round);
		if (is_extra && lsb_standings_need(&r->standings, slot))
			lsb_progress_expect(&r->progress, slot->point);
		if (lsb_standings_need(&r->standings, slot))
			rc = run_slot(r, slot, err);
		else if (was_needed && r->progress.left[slot->point])
			lsb_progress_skip(&r->progress, slot->point);
	}
	if (rc == LSB_OK && !r->result->interrupted)
		rc = run_searches(r, err);
	if (lsb_controller_interrupts(r->controller))
		r->result->interrupted = 1;
	for (size_t i = 0; i < r->prepared->n_points && rc == LSB_OK && !r->result->interrupted; i++)
		prune_records(r, i, 0);
	return rc;
}

/* Count points by how they ended. */
static void judge(struct run *r)
{
	struct lsb_run_result *out = r->result;
	size_t n_common = 0;

	for (size_t i = 0; i < r->prepared->n_points; i++) {
		const struct lsb_standing *s = &r->standings.points[i];

		if (s->is_over && s->code == LSB_EUNAVAIL) {
			out->n_waived++;
		} else if (s->code) {
			out->n_failed++;
			n_common += out->code == 0 || out->code == s->code;
			out->code = s->code;
		}
	}
	if (n_common < r->prepared->n_points)
		out->code = LSB_OK;
}

int lsb_run(const struct lsb_run_request *request, struct lsb_run_result *out, struct lsb_error *err)
{
	struct run r = { .request = request,
			 .prepared = request->prepared,
			 .result = out,
			 .results = { .lock_fd = -1, .journal.fd = -1 } };
	const uint64_t seed = request->prepared->n_points ? request->prepared->suite->points[0].seed : 0;
	json_t *gated = NULL;
	int rc;

	*out = (struct lsb_run_result){ 0 };
	if (sodium_init() < 0)
		return lsb_fail(err, LSB_EUNAVAIL, 0, "libsodium does not work here");
	rc = lsb_run_gate(request->prepared, &gated, err);
	if (rc)
		return rc;
	r.header = lsb_header_build(request->prepared, seed, request->argc, request->argv, gated);
	json_decref(gated);
	if (!r.header)
		rc = lsb_fail(err, LSB_ESUITE, 0, "the suite or the command line is not UTF-8");
	if (rc == LSB_OK)
		rc = lsb_standings_open(&r.standings, request->prepared->suite, err);
	if (rc == LSB_OK)
		rc = plan_slots(&r, err);
	if (rc == LSB_OK)
		rc = lsb_kept_open(&r.kept, request->prepared->n_points, err);
	if (rc == LSB_OK)
		rc = lsb_progress_open(&r.progress, request->prepared->n_points, request->is_quiet, err);
	if (rc == LSB_OK)
		rc = lsb_controller_open(&r.controller, err); /* from here on a signal cuts nothing in two */
	if (rc == LSB_OK)
		rc = open_results(&r, err);
	if (rc == LSB_OK)
		rc = run_slots(&r, err);
	lsb_controller_close(r.controller);
	if (rc == LSB_OK)
		judge(&r);
	lsb_results_close(&r.results);
	lsb_progress_close(&r.progress);
	lsb_standings_close(&r.standings);
	free(r.slots);
	lsb_kept_close(&r.kept);
	json_decref(r.header);
	return rc;
}
