/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of lsb_predictor share; nobody else includes it. */
#ifndef LSB_PREDICT_PARTS_H
#define LSB_PREDICT_PARTS_H

#include "measure/predict.h"
#include "measure/simulate.h"
#include "measure/step_model.h"

/* Messages that were waited for. */
struct lsb_message_sample {
	double bytes, seconds, weight;
	int is_ids;
};

/* One point of the journal, as its launches went. */
struct lsb_measured {
	const char *id, *label; /* the header's */
	char *engine, *link;	/* what must be equal for steps, for messages to compare; owned */
	uint32_t stages, replicas, batch, in_flight, chunk, prompts, max_new;
	int stops_at_length, is_async, is_continuous, is_dynamic;
	uint64_t seed;
	uint32_t ranks_per_machine;	/* 0: all share one */
	uint32_t *layers;		/* [stages], owned */
	uint32_t *prompt_tok, *new_tok; /* [prompts], owned */
	double *arrival_s;		/* [prompts], owned; NULL: all are there when the run begins */
	/* A link made worse by transport-fault: seconds each message takes at least, bytes a second or 0. */
	double delay_s, bytes_per_s;
	int is_slowed, is_partly_slowed; /* the latter: not all links alike */
	/* medians over launches */
	double run_least_s, run_most_s;	       /* over launches */
	double e2e_s, e2e_least_s, e2e_most_s; /* of each launch's mean end-to-end latency */
	double run_s, tokens_per_s, own_s[2], wake_s, demand, hidden_bytes;
	double head_layers, layer_macs, head_macs;
	struct lsb_step_sample *samples; /* owned */
	size_t n_samples;
	struct lsb_message_sample *messages; /* owned */
	size_t n_messages;
	size_t n_launches;
};

struct lsb_predictor {
	json_t *header, *launches;
	struct lsb_measured *points; /* those with launches, in the journal's order */
	size_t n_points, base;
	double cores;
};

/* All that predictions need, fitted. */
struct lsb_model {
	struct lsb_step_model step;
	/* a message: latency + bytes x byte_s; ids */
	double latency_s, byte_s, ids_s;
	double wake_s[2]; /* of plain links, of slowed ones */
	double own_alone_s, own_first_s,
		own_later_s; /* a step's own work: one stage; first, later of several */
	double own_stage_s;  /* more on a first stage for each stage beyond two */
	double demand, hidden_bytes;
	int has_link; /* messages were measured */
	/* what was seen */
	double tokens_max, stages_max, in_flight_max, batch_min, batch_max, delay_max, ranks_max;
	size_t n_points;
};

/* --- predict_data.c --- */

/* Fill *out from the journal's point; 0 when it has no launch that can be used, 1, or LSB_ENOMEM. */
int lsb_measured_read(const json_t *point, const json_t *launches, struct lsb_measured *out);
void lsb_measured_free(struct lsb_measured *m);

/* --- predict_break_even.c --- */

/* The launches that stand for the points, which is what reports keep whole. New reference. */
json_t *lsb_median_launches(const json_t *launches);

/* --- predict_fit.c --- */

/* From all points of the base's engine but `without` (an index, or SIZE_MAX). */
int lsb_model_fit(const struct lsb_predictor *p, size_t base, size_t without, struct lsb_model *out,
		  struct lsb_error *err);

/* --- predict_run.c --- */

/* A run of `base`'s requests under `model`; what `settings` leaves open is as at `base`. */
struct lsb_plan_of_run {
	struct lsb_sim_setup setup;
	const struct lsb_model *model;
	uint32_t *layers, *prompt_tok, *new_tok; /* owned */
	double *arrival_s;			 /* owned; NULL: none arrives later */
	double latency_s, bytes_per_s;		 /* of its links beyond what was measured */
	int replaces_link, is_slowed;
	/* what if: see gains */
	int free_link, free_overhead, balanced;
};

int lsb_run_plan(const struct lsb_measured *base, const struct lsb_model *model, double cores,
		 const struct lsb_predict_settings *settings, struct lsb_plan_of_run *out,
		 struct lsb_error *err);
int lsb_run_simulate(struct lsb_plan_of_run *run, struct lsb_sim_result *out, struct lsb_error *err);
void lsb_run_free(struct lsb_plan_of_run *run);
/* What tells such a run from another: its length, or where requests arrive meanwhile their mean latency. */
double lsb_run_judged_s(const struct lsb_plan_of_run *run, const struct lsb_sim_result *result);

#endif
