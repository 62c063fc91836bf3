/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What another setting would give, from what a run has measured.
 *
 * A predictor holds all points of a journal that one engine computed (same model,
 * backend and its options, threads): from them come the time of a step
 * (step_model.h) and of a message. A prediction is the run that the real scheduler
 * would make of them (simulate.h). How far that can be trusted is measured too:
 * each point is left out in turn and predicted from the others. Pure.
 */
#ifndef LSB_PREDICT_H
#define LSB_PREDICT_H

#include <jansson.h>
#include <stdint.h>

#include "lsbench/types.h"

struct lsb_predictor;

/* What is to be other than at the base point; 0 (NULL, negative for a link): as there. */
struct lsb_predict_settings {
	uint32_t stages, replicas;
	uint32_t batch;
	uint32_t in_flight; /* 0: as at the base point, one group a stage if it is so there */
	uint32_t chunk, prompts, max_new;
	const char *arrivals;	/* as the case key (schedule/arrivals.h); NULL: as at the base point */
	const uint32_t *layers; /* [stages]; NULL: the base point's, or for other stages even shares */
	/* Of a link, in place of what was measured: seconds, bytes a second (0: any number). */
	double latency_s, bytes_per_s;
	int has_latency, has_bandwidth;
	int apart; /* each rank has a machine of its own */
};

/*
 * `header` is a journal's first line, `launches` an array of all others; both are
 * kept. `base` is a point's id, or the start of its label; NULL: the first point
 * that can be predicted from. `cores` of the machine, 0 when it is not known.
 * LSB_ESUITE when there is no such point, LSB_EINVAL when nothing was measured that
 * predictions need (a journal of an older lsbench).
 */
int lsb_predictor_open(const json_t *header, const json_t *launches, const char *base, double cores,
		       struct lsb_predictor **out, struct lsb_error *err);
void lsb_predictor_close(struct lsb_predictor *predictor);

/* Pipelines side by side at the base point. */
uint32_t lsb_predictor_replicas(const struct lsb_predictor *predictor);
/* Layers of the whole model at the base point, and what a layer and the head compute per token. */
uint32_t lsb_predictor_layers(const struct lsb_predictor *predictor);
void lsb_predictor_macs(const struct lsb_predictor *predictor, double *layer, double *head);
/* Mean tokens of a request at the base point. */
void lsb_predictor_work(const struct lsb_predictor *predictor, double *prompt_tok, double *generated_tok);

/*
 * The run under `settings`: *out is a new object, PREDICTION of docs/predict.md.
 * LSB_EINVAL for settings that cannot be.
 */
int lsb_predict(const struct lsb_predictor *predictor, const struct lsb_predict_settings *settings,
		json_t **out, struct lsb_error *err);

/* Every point of this engine predicted from the others: HOLDOUT of docs/predict.md. */
int lsb_predict_holdout(const struct lsb_predictor *predictor, json_t **out, struct lsb_error *err);

#endif
