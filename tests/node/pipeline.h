/* SPDX-License-Identifier: Apache-2.0 */
/* A whole pipeline in one test process: a thread a stage, backend-null, queues.h between them. */
#ifndef LSB_TEST_PIPELINE_H
#define LSB_TEST_PIPELINE_H

#include "node/stage.h"
#include "queues.h"

enum { LAYERS = 8, PROMPT_MAX = 23, NEW_MAX = 6, PROMPTS_MAX = 12 };

struct pipeline {
	/* the test's */
	uint32_t stages, in_flight, batch, chunk, prompts, max_new;
	uint32_t passes;      /* over the same rings; 0: one */
	int async, staged;    /* backend-null's `async` and `mem = fake` */
	int64_t fail_at_step; /* of the backend, all ranks; -1: none */
	uint64_t fail_at;     /* queues.h; UINT64_MAX: none */
	int32_t fail_rank;
	enum queues_fault fault;
	uint32_t cancel_rank; /* stage + 1 that is cancelled from the start; 0: none */
	uint64_t timeout_ns;  /* 0: long */
	uint32_t continuous;  /* batching */
	uint64_t every_ns;    /* request i arrives at i times this */
	/* what came of it */
	int rc[QUEUES_RANKS_MAX];
	struct lsb_error err[QUEUES_RANKS_MAX];
	int32_t ids[PROMPTS_MAX][NEW_MAX];
	uint32_t n_ids[PROMPTS_MAX];
	uint64_t tokens_told; /* to the sink */
	struct lsb_recorder recorders[QUEUES_RANKS_MAX];
	uint64_t operations[QUEUES_RANKS_MAX];
	int unposted;
	const char *path;
};

/* Prompt `i`: its tokens into `tokens`, their number back. */
uint32_t pipeline_prompt(uint32_t i, int32_t tokens[PROMPT_MAX]);
/* The ids that prompt `i` must give, computed here, without batch, chunk or stage. */
void pipeline_answer(uint32_t i, uint32_t n, int32_t *ids);

/* Run it; pipeline_free afterwards. */
void pipeline_run(struct pipeline *p);
void pipeline_free(struct pipeline *p);

#endif
