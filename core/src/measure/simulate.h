/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run that nobody made: the real scheduler, stages that take given times, links
 * that need given times, and the ledger that would come of it.
 *
 * Follows the stage loop (node/stage.c): a first stage hands out a step when it is
 * free and the scheduler has one, looks for ids when a step begins, and blocks for
 * them only when nothing can start; a later stage takes steps as they come. Where
 * replicas share out the requests, claims and grants take their time (simulate_share.c),
 * and answering them none. What is left out: the plans, which are sent ahead and are
 * never what is waited for.
 *
 * Ranks of one machine slow each other down while they compute. Pure.
 */
#ifndef LSB_SIMULATE_H
#define LSB_SIMULATE_H

#include <stddef.h>
#include <stdint.h>

#include "lsbench/types.h"

/* A step as its cost sees it. */
struct lsb_sim_step {
	uint32_t lane;
	uint32_t tokens, outputs;
	int needs_ids;	  /* of all steps of its lane before it */
	double positions; /* sum of its tokens' positions */
};

/* Every token gives an id; else the step is a chunk of prompts. */
int lsb_sim_is_decode(const struct lsb_sim_step *step);

/* Times in seconds, as functions of `user`. */
struct lsb_sim_costs {
	const void *user;
	/* of a step on `stage`, alone on its machine */
	double (*step_s)(const void *user, uint32_t stage, const struct lsb_sim_step *step);
	/* from the hand-over of a message of hidden states (or of ids) of `step` to its arrival */
	double (*hidden_s)(const void *user, const struct lsb_sim_step *step);
	double (*ids_s)(const void *user, const struct lsb_sim_step *step);
	/* time that such a message occupies its link; the next one waits. NULL: none */
	double (*hidden_drain_s)(const void *user, const struct lsb_sim_step *step);
	double claim_s;	 /* of a claim or a grant between first stages */
	double own_s[2]; /* own work for a step: of first stages, of later ones */
	double wake_s;	 /* from an arrival to going on */
};

struct lsb_sim_setup {
	uint32_t stages, replicas;
	uint32_t batch, in_flight, chunk;
	int is_continuous;	    /* batching */
	uint32_t ranks_per_machine; /* that slow each other down; 0: all share one machine */
	int is_async;		    /* the backend computes beside the rank's thread */
	/* Request i: its prompt and the tokens that it gives, and when it arrives. */
	const uint32_t *prompt_tok, *new_tok; /* [n_requests], all at least 1 */
	const double
		*arrival_s; /* [n_requests] since the run began, not descending; NULL: all are there then */
	size_t n_requests;
	int may_stop;	/* answers may end anywhere, as far as the scheduler knows */
	int is_dynamic; /* replicas claim requests as node/dispatch.h says; else request i is replica i %
			   replicas' */
	/* share by which each other computing rank of the machine slows a step: of decode steps, of chunks */
	double contention[2];
	double cores;  /* of a machine; 0: any number */
	double demand; /* cores that a computing rank keeps busy */
	struct lsb_sim_costs costs;
	/* Told of each step as it ends, in the order of ends; NULL: not. */
	void (*ended)(void *watcher, uint32_t rank, const struct lsb_sim_step *step, double t0_s,
		      double t1_s);
	void *watcher;
};

/* As the ledger of a real rank (measure/ledger.h), over its own pipeline's run. */
struct lsb_sim_rank {
	double compute_s, wait_s, transfer_s, overhead_s;
	double idle_s; /* of first stages: nothing on its way, and no request there; later ones wait then */
	uint64_t steps;
};

struct lsb_sim_result {
	double run_s;		    /* from the start to the last answer complete */
	double generated_tok;	    /* of all requests */
	double ttft_s, e2e_s;	    /* means over requests, from their arrival */
	struct lsb_sim_rank *ranks; /* [replicas * stages], rank = replica * stages + stage; owned */
};

/* LSB_EINVAL for a setup that cannot run, LSB_ENOMEM. On success free the result. */
int lsb_simulate(const struct lsb_sim_setup *setup, struct lsb_sim_result *out, struct lsb_error *err);
void lsb_sim_result_free(struct lsb_sim_result *result);

#endif
