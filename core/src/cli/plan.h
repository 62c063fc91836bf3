/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `lsbench plan`: what is known of a point before it runs. For plan*.c alone.
 */
#ifndef LSB_CLI_PLAN_H
#define LSB_CLI_PLAN_H

#include <jansson.h>

#include "suite/suite.h"

/* Where an estimate of time comes from. */
struct lsb_plan_rate {
	double macs_per_s; /* multiply-accumulates a second of one thread; 0: not known */
	const char *basis; /* a sentence */
};

/* All sizes are of one launch. */
struct lsb_plan_facts {
	char waived[512]; /* why this cannot run here; "" if it can */
	const char *launcher,
		*why_launcher; /* who would start it; how auto came to that, NULL if it is named */
	uint32_t *layers;      /* [stages], owned; NULL for kind = link, or when waived */
	double *stage_mac;     /* [stages], owned: multiply-accumulates of an average request */
	char model_name[128];
	uint32_t prompt_min_tok, prompt_max_tok;
	double prompt_mean_tok, generated_mean_tok;
	uint32_t generated_min_tok, generated_max_tok;
	uint32_t prompts_cut; /* requests whose prompt the workload's limits shorten */
	int64_t cut_max_new;  /* the workload's longest answer, if longer than the point's max_new; else 0 */
	uint64_t kv_bytes_per_layer; /* of a rank's cache */
	uint64_t memory_bytes;	     /* of all ranks on this machine, at least; 0: not this machine's */
	uint64_t context;	     /* positions of a slot */
	uint64_t wanted_context;     /* longest prompt and answer together */
	uint64_t model_context;	     /* what the model was trained for */
	double mac;		     /* all requests */
	double arrivals_s;	     /* until the last request arrives; of arrivals = trace not known, 0 */
	double seconds;		     /* of computing, or of arriving if that is longer; -1: not known */
};

/*
 * Work out the facts of `p` from the inspection's answer `reply`
 * (plugin/inspect.h). LSB_ESUITE when the split does not fit the model,
 * LSB_EPLUGIN when the answer is incomplete. The caller frees.
 */
int lsb_plan_facts_find(const struct lsb_point *p, const json_t *reply, const struct lsb_plan_rate *rate,
			struct lsb_plan_facts *out, struct lsb_error *err);
void lsb_plan_facts_free(struct lsb_plan_facts *facts);

/* facts[n_points]. */
void lsb_plan_print_text(const struct lsb_suite *suite, const struct lsb_plan_facts *facts,
			 const struct lsb_plan_rate *rate, int origins);
int lsb_plan_print_json(const struct lsb_suite *suite, const struct lsb_plan_facts *facts,
			const struct lsb_plan_rate *rate, int origins, struct lsb_error *err);

#endif
