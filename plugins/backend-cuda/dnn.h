/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention of long prompts by cuDNN, which is opened at run time: a machine without it
 * uses the own kernel.
 *
 * A plan is made for a shape, not for lengths: how many queries and positions each run of
 * a step has, in which slot it is and where its rows begin stands in device memory. The
 * KV cache is read where it is, as pages as long as a slot; queries and outputs are rows
 * of the step's buffers. So one plan for each number of runs (rounded up to a power of
 * two) serves all steps, and all plans are made at open: the first in half a second to
 * a whole one, the others in 40 ms each.
 */
#ifndef LSB_CUDA_DNN_H
#define LSB_CUDA_DNN_H

#include <stdint.h>

#include <cuda_runtime_api.h>

#include "kernels.h"
#include "lsbench/host.h"

struct cuda_dnn;

enum {
	CUDA_RUN_LEAST = 256, /* tokens; the own kernel is as fast on fewer */
	CUDA_RUNS_MOST = 8,   /* of a step; the own kernel takes the others */
	CUDA_RUN_SLACK = 128, /* rows that may be read behind the last query or position: those of a tile */
};

/* Consecutive tokens of one slot that are consecutive rows of a step too, as cuDNN reads it. Unused: zero. */
struct cuda_runs {
	_Alignas(64) int32_t queries[CUDA_RUNS_MOST];
	_Alignas(64) int32_t positions[CUDA_RUNS_MOST]; /* with those of earlier steps */
	_Alignas(64) int32_t slot[CUDA_RUNS_MOST];
	_Alignas(64)
		int32_t q_at[CUDA_RUNS_MOST + 1]; /* elements; unused runs begin where the last one ends */
	_Alignas(64) int32_t out_at[CUDA_RUNS_MOST + 1];
};

struct cuda_dnn_shape {
	uint32_t heads, kv_heads, head_dim; /* head_dim: a multiple of 8 */
	uint32_t slots, context;	    /* of the cache: [slots][kv_heads][context][head_dim] */
	uint32_t tokens;		    /* most of a run */
	uint32_t runs;			    /* most of a step: at most CUDA_RUNS_MOST */
	uint32_t ld_out;
	enum cuda_elem elem; /* of queries and cache: 16 bits */
	int outs;	     /* elements of outputs that are asked for: 1 << CUDA_F16 | 1 << CUDA_BF16 */
};

/* LSB_EUNAVAIL: "cuDNN attention cannot be used: ..."; *brief: why in a few words, for the report. */
int cuda_dnn_open(const struct lsb_host *host, const struct cuda_dnn_shape *shape, cudaStream_t stream,
		  struct cuda_dnn **out, const char **brief, struct lsb_error *err);
void cuda_dnn_close(struct cuda_dnn *d);
/* As its releases are numbered: 9.19.0 is 91900. */
size_t cuda_dnn_version(const struct cuda_dnn *d);

/* Of one layer, all memory the device's; keys and values of the runs' tokens have been appended. */
struct cuda_dnn_step {
	const void *q; /* [tokens][heads][head_dim] */
	const void *keys, *values;
	void *out; /* [tokens][ld_out] */
	enum cuda_elem out_elem;
	const struct cuda_runs *runs;
	uint32_t n_runs;
};

/* Rows of other tokens stay as they are. */
int cuda_dnn_attend(struct cuda_dnn *d, const struct cuda_dnn_step *step, struct lsb_error *err);

#endif
