/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of cuDNN's backend API that attention needs, declared here as its reference
 * has it ("cuDNN Graph Library", cudnn_graph.h of cuDNN 9: names and numbers stay the
 * same over its releases), since its headers are not part of the CUDA toolkit.
 *
 * Everything is a descriptor: made, given attributes, finished, and then part of another
 * one or run.
 */
#ifndef LSB_CUDA_DNN_ABI_H
#define LSB_CUDA_DNN_ABI_H

#include <cuda_runtime_api.h>
#include <stddef.h>
#include <stdint.h>

/* Status codes: 0 is success. Handles and descriptors are pointers to something of the library's own. */
struct dnn_calls {
	size_t (*cudnnGetVersion)(void); /* 9.19.0 is 91900 */
	void (*cudnnGetLastErrorString)(char *message, size_t most);
	int (*cudnnCreate)(void **handle);
	int (*cudnnDestroy)(void *handle);
	int (*cudnnSetStream)(void *handle, cudaStream_t stream);
	int (*cudnnBackendCreateDescriptor)(int type, void **descriptor);
	int (*cudnnBackendDestroyDescriptor)(void *descriptor);
	int (*cudnnBackendSetAttribute)(void *descriptor, int name, int type, int64_t n, const void *values);
	int (*cudnnBackendGetAttribute)(void *descriptor, int name, int type, int64_t most, int64_t *n,
					void *values);
	int (*cudnnBackendFinalize)(void *descriptor);
	int (*cudnnBackendExecute)(void *handle, void *plan, void *variant_pack);
};

/* cudnnBackendDescriptorType_t */
enum {
	DNN_POINTWISE = 0,
	DNN_ENGINECFG = 3,
	DNN_ENGINEHEUR = 4,
	DNN_EXECUTION_PLAN = 5,
	DNN_OPERATION_POINTWISE = 13,
	DNN_OPERATIONGRAPH = 15,
	DNN_VARIANT_PACK = 16,
	DNN_TENSOR = 17,
	DNN_MATMUL = 18,
	DNN_OPERATION_MATMUL = 19,
	DNN_REDUCTION = 21,
	DNN_OPERATION_REDUCTION = 22,
	DNN_OPERATION_PAGED_CACHE_LOAD = 35,
};

/* cudnnBackendAttributeType_t */
enum {
	DNN_TYPE_HANDLE = 0,
	DNN_TYPE_DATA_TYPE = 1,
	DNN_TYPE_BOOLEAN = 2,
	DNN_TYPE_INT64 = 3,
	DNN_TYPE_VOID_PTR = 6,
	DNN_TYPE_HEUR_MODE = 8,
	DNN_TYPE_POINTWISE_MODE = 14,
	DNN_TYPE_DESCRIPTOR = 15,
	DNN_TYPE_REDUCTION_OPERATOR = 18,
};

/* cudnnBackendAttributeName_t */
enum {
	DNN_ATTR_POINTWISE_MODE = 0,
	DNN_ATTR_POINTWISE_MATH_PREC = 1,
	DNN_ATTR_POINTWISE_AXIS = 9,
	DNN_ATTR_ENGINEHEUR_MODE = 200,
	DNN_ATTR_ENGINEHEUR_OPERATION_GRAPH = 201,
	DNN_ATTR_ENGINEHEUR_RESULTS = 202,
	DNN_ATTR_EXECUTION_PLAN_HANDLE = 400,
	DNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG = 401,
	DNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE = 402,
	DNN_ATTR_OPERATION_POINTWISE_DESC = 750,
	DNN_ATTR_OPERATION_POINTWISE_X = 751,
	DNN_ATTR_OPERATION_POINTWISE_B = 752,
	DNN_ATTR_OPERATION_POINTWISE_Y = 753,
	DNN_ATTR_OPERATION_POINTWISE_T = 758,
	DNN_ATTR_OPERATIONGRAPH_HANDLE = 800,
	DNN_ATTR_OPERATIONGRAPH_OPS = 801,
	DNN_ATTR_TENSOR_BYTE_ALIGNMENT = 900,
	DNN_ATTR_TENSOR_DATA_TYPE = 901,
	DNN_ATTR_TENSOR_DIMENSIONS = 902,
	DNN_ATTR_TENSOR_STRIDES = 903,
	DNN_ATTR_TENSOR_UNIQUE_ID = 906,
	DNN_ATTR_TENSOR_IS_VIRTUAL = 907,
	DNN_ATTR_TENSOR_IS_BY_VALUE = 908,
	DNN_ATTR_TENSOR_RAGGED_OFFSET = 913,
	DNN_ATTR_VARIANT_PACK_UNIQUE_IDS = 1000,
	DNN_ATTR_VARIANT_PACK_DATA_POINTERS = 1001,
	DNN_ATTR_VARIANT_PACK_WORKSPACE = 1003,
	DNN_ATTR_MATMUL_COMP_TYPE = 1500,
	DNN_ATTR_OPERATION_MATMUL_A = 1520,
	DNN_ATTR_OPERATION_MATMUL_B = 1521,
	DNN_ATTR_OPERATION_MATMUL_C = 1522,
	DNN_ATTR_OPERATION_MATMUL_DESC = 1523,
	DNN_ATTR_OPERATION_MATMUL_M_OVERRIDE = 1525,
	DNN_ATTR_OPERATION_MATMUL_N_OVERRIDE = 1526,
	DNN_ATTR_OPERATION_MATMUL_K_OVERRIDE = 1527,
	DNN_ATTR_REDUCTION_OPERATOR = 1600,
	DNN_ATTR_REDUCTION_COMP_TYPE = 1601,
	DNN_ATTR_OPERATION_REDUCTION_X = 1610,
	DNN_ATTR_OPERATION_REDUCTION_Y = 1611,
	DNN_ATTR_OPERATION_REDUCTION_DESC = 1612,
	DNN_ATTR_OPERATION_PAGED_CACHE_LOAD_CONTAINER = 1950,
	DNN_ATTR_OPERATION_PAGED_CACHE_LOAD_Y = 1951,
	DNN_ATTR_OPERATION_PAGED_CACHE_LOAD_SEQUENCE = 1952,
	DNN_ATTR_OPERATION_PAGED_CACHE_LOAD_PAGE_TABLE = 1953,
};

/* cudnnDataType_t */
enum { DNN_FLOAT = 0, DNN_HALF = 2, DNN_INT32 = 4, DNN_BFLOAT16 = 9, DNN_BOOLEAN = 11 };

/* cudnnPointwiseMode_t */
enum {
	DNN_ADD = 0,
	DNN_MUL = 1,
	DNN_DIV = 6,
	DNN_SUB = 9,
	DNN_EXP = 13,
	DNN_LOG = 15,
	DNN_CMP_GE = 303,
	DNN_CMP_LT = 304,
	DNN_LOGICAL_AND = 400,
	DNN_GEN_INDEX = 501,
	DNN_BINARY_SELECT = 601,
};

/* cudnnReduceTensorOp_t, cudnnBackendHeurMode_t */
enum { DNN_REDUCE_ADD = 0, DNN_REDUCE_MAX = 3 };
enum { DNN_HEUR_FALLBACK = 2, DNN_HEUR_A = 3 };

#endif
