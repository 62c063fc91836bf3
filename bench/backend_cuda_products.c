/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The matrix products of a decode step alone: how near each comes to the read
 * bandwidth, over copies of the matrix that no cache holds.
 *
 *	bench_cuda_products [form=f16] [n=1]
 *
 * One line a shape: microseconds a product, TB/s, and percent of the bandwidth that
 * a plain read of the same memory reaches. Products follow each other in one CUDA
 * graph as they do in a step, so that each may begin before the last one's end.
 */
#include <string.h>

#include "cuda_bench.h"

enum { COPIES_MOST = 256, ROUNDS = 7 };

static const struct {
	const char *name;
	uint32_t rows, cols;
	int pair;
} shapes[] = {
	{ "8B q k v", 6144, 4096, 0 }, { "8B o", 4096, 4096, 0 },	{ "8B gate up", 14336, 4096, 1 },
	{ "8B down", 4096, 14336, 0 }, { "8B head", 128256, 4096, 0 },	{ "3B q k v", 9600, 3200, 0 },
	{ "3B o", 3200, 3200, 0 },     { "3B gate up", 8640, 3200, 1 }, { "3B down", 3200, 8640, 0 },
};

static const char *const forms[CUDA_FORMS] = { "f16", "bf16", "f32", "p4", "p4m", "p5", "p5m", "p6", "p8" };

static void launch(const void *graph, cudaStream_t stream)
{
	OK(cudaGraphLaunch(*(const cudaGraphExec_t *)graph, stream));
}

static double seconds(cudaGraphExec_t graph, cudaStream_t stream)
{
	return 1e-3 * cuda_bench_time(stream, ROUNDS, launch, &graph);
}

struct bench {
	cudaStream_t stream;
	uint32_t sms, n;
	enum cuda_form form;
	void *memory;
	uint64_t bytes;
	uint64_t *sum;
};

static double read_seconds(const struct bench *b, uint64_t bytes)
{
	cudaGraphExec_t exec;
	cudaGraph_t graph;
	double s;

	OK(cudaStreamBeginCapture(b->stream, cudaStreamCaptureModeThreadLocal));
	OK(cuda_read_all(b->memory, bytes, b->sms, b->sum, b->stream));
	OK(cudaStreamEndCapture(b->stream, &graph));
	OK(cudaGraphInstantiate(&exec, graph, 0));
	s = seconds(exec, b->stream);
	OK(cudaGraphExecDestroy(exec));
	OK(cudaGraphDestroy(graph));
	return s;
}

static void run(const struct bench *b, size_t shape)
{
	const uint32_t rows = shapes[shape].rows, k = (shapes[shape].cols + 63) / 64 * 64;
	const uint32_t pair = shapes[shape].pair ? rows : 0, all = pair ? 2 * rows : rows;
	const uint32_t most = cuda_split_k(b->form, b->n), splits = (k + most - 1) / most;
	const uint64_t bytes = cuda_form_bytes(b->form, all, k);
	const uint32_t copies = b->bytes / bytes < COPIES_MOST ? (uint32_t)(b->bytes / bytes) : COPIES_MOST;
	struct cuda_product p = {
		.m = { .form = b->form, .rows = rows, .pair = pair, .cols = shapes[shape].cols, .k = k },
		.ldx = k,
		.n = b->n,
		.splits = splits,
		.split_k = ((k + splits - 1) / splits + 63) / 64 * 64,
		.split_stride = (uint64_t)b->n * all,
		.ldy = all,
		.ld_act = rows,
		.sms = b->sms
	};
	cudaGraphExec_t exec;
	cudaGraph_t graph;
	void *x;
	double s;

	OK(cudaMalloc(&x, (size_t)b->n * k * 4));
	OK(cudaMemset(x, 0, (size_t)b->n * k * 4));
	OK(cudaMalloc((void **)&p.y, (size_t)splits * b->n * all * 4));
	p.x = x;
	if (pair && splits == 1 && b->n <= 8)
		p.act = p.y;
	OK(cudaStreamBeginCapture(b->stream, cudaStreamCaptureModeThreadLocal));
	for (uint32_t i = 0; i < copies; i++) {
		p.m.w = (const char *)b->memory + i * bytes;
		OK(cuda_multiply(&p, b->stream));
	}
	OK(cudaStreamEndCapture(b->stream, &graph));
	OK(cudaGraphInstantiate(&exec, graph, 0));
	s = seconds(exec, b->stream);
	printf("%-10s %6u x %5u %-4s n %2u: %8.2f us %6.3f TB/s %5.1f %%\n", shapes[shape].name, all,
	       shapes[shape].cols, forms[b->form], b->n, 1e6 * s / copies, 1e-12 * (double)bytes * copies / s,
	       100.0 * read_seconds(b, bytes * copies) / s);
	fflush(stdout);
	OK(cudaGraphExecDestroy(exec));
	OK(cudaGraphDestroy(graph));
	OK(cudaFree(x));
	OK(cudaFree(p.y));
}

int main(int argc, char **argv)
{
	struct bench b = { .n = 1, .form = CUDA_FORM_F16, .bytes = (uint64_t)4 << 30 };
	struct cudaDeviceProp prop;

	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "n=", 2) == 0)
			b.n = (uint32_t)strtoul(argv[i] + 2, NULL, 10);
		for (int f = 0; strncmp(argv[i], "form=", 5) == 0 && f < CUDA_FORMS; f++)
			if (strcmp(argv[i] + 5, forms[f]) == 0)
				b.form = (enum cuda_form)f;
	}
	if (b.n == 0 || b.n > CUDA_SMALL_TOKENS) {
		fprintf(stderr, "usage: bench_cuda_products [form=NAME] [n=1..%d]\n", CUDA_SMALL_TOKENS);
		return 2;
	}
	prop = cuda_bench_open(&b.stream);
	b.sms = (uint32_t)prop.multiProcessorCount;
	OK(cuda_multiply_prepare());
	OK(cudaMalloc(&b.memory, b.bytes));
	OK(cudaMalloc((void **)&b.sum, 8));
	OK(cuda_fill(b.memory, b.bytes / 2, CUDA_F16, b.stream));
	printf("# %s, plain read %.3f TB/s\n", prop.name,
	       1e-12 * (double)b.bytes / read_seconds(&b, b.bytes));
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		run(&b, i);
	return 0;
}
