/* SPDX-License-Identifier: Apache-2.0 */
/* The graph of operations that attention is to cuDNN, and a plan to run it. */
#ifndef LSB_CUDA_DNN_PLAN_H
#define LSB_CUDA_DNN_PLAN_H

#include "dnn.h"
#include "dnn_abi.h"

/* Tensors that a run of a plan is told the memory of; their numbers are their names in the library. */
enum dnn_given {
	DNN_Q = 1,
	DNN_K,
	DNN_V,
	DNN_OUT,
	DNN_QUERIES,
	DNN_POSITIONS,
	DNN_SLOT,
	DNN_Q_AT,
	DNN_OUT_AT,
	DNN_SCALE, /* by value, as the next two: host memory */
	DNN_PADDED,
	DNN_AHEAD,
	DNN_GIVEN, /* one more than the last */
};

/*
 * A plan for `runs` runs into *plan, and the work space that it needs. A status of the
 * library's, and in `why` what it would not do.
 */
int dnn_plan_make(const struct dnn_calls *call, void *handle, const struct cuda_dnn_shape *shape,
		  uint32_t runs, enum cuda_elem out, void **plan, int64_t *workspace_bytes, char *why,
		  size_t room);

#endif
