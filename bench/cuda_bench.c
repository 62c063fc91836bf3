/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda_bench.h"

struct cudaDeviceProp cuda_bench_open(cudaStream_t *stream)
{
	struct cudaDeviceProp prop;

	OK(cudaGetDeviceProperties(&prop, 0));
	cuda_kernels_for(prop.major, prop.minor);
	OK(cudaStreamCreate(stream));
	return prop;
}

static int by_value(const void *a, const void *b)
{
	const float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

double cuda_bench_time(cudaStream_t stream, int rounds, void (*work)(const void *what, cudaStream_t stream),
		       const void *what)
{
	cudaEvent_t start, end;
	float ms[CUDA_BENCH_ROUNDS];

	OK(cudaEventCreate(&start));
	OK(cudaEventCreate(&end));
	for (int round = -1; round < rounds; round++) {
		OK(cudaEventRecord(start, stream));
		work(what, stream);
		OK(cudaEventRecord(end, stream));
		OK(cudaEventSynchronize(end));
		if (round >= 0)
			OK(cudaEventElapsedTime(&ms[round], start, end));
	}
	OK(cudaEventDestroy(start));
	OK(cudaEventDestroy(end));
	qsort(ms, (size_t)rounds, sizeof(ms[0]), by_value);
	return ms[rounds / 2];
}
