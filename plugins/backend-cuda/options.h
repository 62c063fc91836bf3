/* SPDX-License-Identifier: Apache-2.0 */
/* What the option table of backend-cuda fills. */
#ifndef LSB_CUDA_OPTIONS_H
#define LSB_CUDA_OPTIONS_H

#include <stdint.h>

enum { CUDA_KV_FP16, CUDA_KV_BF16 };
#define CUDA_KV_CHOICES "fp16|bf16"

enum { CUDA_ATTENTION_AUTO, CUDA_ATTENTION_OWN, CUDA_ATTENTION_CUDNN };
#define CUDA_ATTENTION_CHOICES "auto|own|cudnn"

struct cuda_options {
	int64_t device;	    /* ordinal, -1: by the rank on its host */
	uint32_t kv;	    /* CUDA_KV_* */
	uint32_t invariant; /* results depend on neither batch nor chunk */
	uint32_t graphs;    /* decode steps as CUDA graphs */
	uint32_t profile;   /* NVTX ranges */
	uint32_t chat;	    /* enum lsb_chat */
	uint32_t attention; /* CUDA_ATTENTION_* */
};

#endif
