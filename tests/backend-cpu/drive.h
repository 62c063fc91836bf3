/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drives the built backend-cpu plugin through its table alone: one process,
 * one or more stages one after the other, hidden states handed on by pointer.
 */
#ifndef LSB_TEST_DRIVE_H
#define LSB_TEST_DRIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lsbench/plugin.h"
#include "options.h"

enum { PIPE_STAGES = 4 };

struct pipe_spec {
	const char *model;
	struct cpu_options options;
	uint32_t stages, threads;	  /* 0: 1 */
	uint32_t layers;		  /* of the model; 0: ask it */
	uint32_t slots, context;	  /* 0: 4, 128 */
	uint32_t max_tokens, max_outputs; /* 0: 64, max_tokens */
	uint32_t n_cpus;
	const uint32_t *cpus;
};

struct pipe {
	uint32_t stages;
	struct lsb_backend *stage[PIPE_STAGES];
	struct lsb_buf hidden[PIPE_STAGES]; /* between stage i and i + 1 */
	struct lsb_backend_info info;	    /* of stage 0 */
};

/* The plugin's table, loaded once from the build folder; NULL (with a message on stderr) if it does not load.
 */
const struct lsb_backend_ops *drive_ops(void);
const struct lsb_host *drive_host(void);

/* What lsb_host.progress answers from its n-th call from now on: LSB_ECANCELED; 0: never. */
void drive_cancel_after(int calls);

/* Open a pipeline; layers as even as can be. Returns an lsb_status; on failure nothing is left open. */
int pipe_open(const struct pipe_spec *spec, struct pipe *p, struct lsb_error *err);
void pipe_close(struct pipe *p);

/* One step through all stages. `logits` [outputs][vocabulary] and `sampling` (NULL: greedy) may be NULL. */
int pipe_step(struct pipe *p, const struct lsb_token *tokens, uint32_t n, const struct lsb_sampling *sampling,
	      int32_t *ids, float *logits, struct lsb_error *err);

#endif
