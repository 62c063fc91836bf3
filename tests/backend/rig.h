/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drives a built backend plugin through its table alone: one process, one or more
 * stages one after the other, hidden states handed on in memory of a kind that the
 * backend asks for.
 */
#ifndef LSB_TEST_RIG_H
#define LSB_TEST_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lsbench/plugin.h"

enum { RIG_STAGES = 4 };

struct rig_spec {
	const char *plugin; /* "cuda" or "cpu" */
	const void *options;
	const char *model;
	uint32_t stages, threads;	  /* 0: 1 */
	uint32_t layers;		  /* of the model; 0: ask it */
	uint32_t slots, context;	  /* 0: 4, 512 */
	uint32_t max_tokens, max_outputs; /* 0: 64, max_tokens */
	uint32_t mem;			  /* enum lsb_mem of hidden states, when there are stages */
	uint32_t n_cpus;
	const uint32_t *cpus;
};

struct rig {
	const struct lsb_backend_ops *ops;
	uint32_t stages;
	struct lsb_backend *stage[RIG_STAGES];
	struct lsb_buf hidden[RIG_STAGES]; /* between stage i and i + 1 */
	struct lsb_backend_info info;	   /* of stage 0 */
	uint64_t ticket;		   /* of the last step, on the last stage */
};

const struct lsb_host *rig_host(void);
/* What lsb_host.progress answers from its n-th call from now on: LSB_ECANCELED; 0: never. */
void rig_cancel_after(int calls);
/*
 * Table of the plugin in $LSB_TEST_BUILD or the build folder; NULL (with a message on stderr) if it does not
 * load.
 */
const struct lsb_backend_ops *rig_ops(const char *plugin);
/* Layers as even as can be. An lsb_status; on failure nothing is left open. */
int rig_open(const struct rig_spec *spec, struct rig *r, struct lsb_error *err);
void rig_close(struct rig *r);

/* One step through all stages; `sampling` NULL: greedy; `logits` may be NULL. */
int rig_step(struct rig *r, const struct lsb_token *tokens, uint32_t n, const struct lsb_sampling *sampling,
	     int32_t *ids, float *logits, struct lsb_error *err);

#endif
