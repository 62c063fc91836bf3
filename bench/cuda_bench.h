/* SPDX-License-Identifier: Apache-2.0 */
/* What the CUDA micro-benchmarks share: calls that must not fail, the device, and times by events. */
#ifndef CUDA_BENCH_H
#define CUDA_BENCH_H

#include <stdio.h>
#include <stdlib.h>

#include "kernels.h"

#define OK(call)                                                                                             \
	do {                                                                                                 \
		const cudaError_t rc_ = (call);                                                              \
		if (rc_ != cudaSuccess) {                                                                    \
			fprintf(stderr, "%s: %s\n", #call, cudaGetErrorString(rc_));                         \
			exit(1);                                                                             \
		}                                                                                            \
	} while (0)

/* The first device, for which kernels are chosen, and a stream on it. */
struct cudaDeviceProp cuda_bench_open(cudaStream_t *stream);

enum { CUDA_BENCH_ROUNDS = 15 };
/*
 * Milliseconds that `work`, which puts something onto `stream`, takes there: the median
 * of `rounds` (CUDA_BENCH_ROUNDS at the most) after one that does not count.
 */
double cuda_bench_time(cudaStream_t stream, int rounds, void (*work)(const void *what, cudaStream_t stream),
		       const void *what);

#endif
