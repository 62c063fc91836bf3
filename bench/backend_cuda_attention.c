/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention of prompts alone, one layer: rotating and appending keys and values, then every
 * query over all before it, by the own kernel and by cuDNN, all prompts in one step.
 *
 *	bench_cuda_attention [tokens=512] [prompts=1] [heads=32] [kv_heads=8] [head=128]
 *
 * A line each: milliseconds (median over rounds, by events) and TFLOP/s of the causal half,
 * or why there is no cuDNN.
 */
#include <string.h>

#include "cuda_bench.h"
#include "dnn.h"
#include "rig.h"

enum { ROUNDS = CUDA_BENCH_ROUNDS, REPEATS = 8 };

struct sizes {
	uint32_t tokens; /* of a prompt */
	uint32_t prompts, heads, kv_heads, head;
};

static void *take(size_t bytes)
{
	void *p;

	OK(cudaMalloc(&p, bytes));
	OK(cudaMemset(p, 0, bytes));
	return p;
}

static void *give(const void *from, size_t bytes)
{
	void *p = take(bytes);

	OK(cudaMemcpy(p, from, bytes, cudaMemcpyHostToDevice));
	return p;
}

/* Prompts of one slot each, one behind the other, cut into tiles. */
static void describe(const struct sizes *s, struct cuda_attention *a)
{
	const uint32_t n = s->prompts * s->tokens, most = CUDA_TILE_QUERIES / (s->heads / s->kv_heads);
	struct cuda_token *tokens = calloc(n, sizeof(*tokens));
	uint32_t *order = calloc(n, sizeof(*order));
	struct cuda_tile *tiles = calloc(n, sizeof(*tiles));

	for (uint32_t i = 0; i < n; i++) {
		const uint32_t slot = i / s->tokens, at = i % s->tokens;

		tokens[i] = (struct cuda_token){ .slot = slot, .position = at };
		order[i] = i;
		if (at % most == 0)
			tiles[a->n_tiles++] =
				(struct cuda_tile){ .first = i,
						    .n = s->tokens - at < most ? s->tokens - at : most,
						    .slot = slot,
						    .position = at };
	}
	a->tokens = give(tokens, n * sizeof(*tokens));
	a->order = give(order, n * sizeof(*order));
	a->tiles = give(tiles, a->n_tiles * sizeof(*tiles));
	free(tokens);
	free(order);
	free(tiles);
}

static struct cuda_attention prepare(const struct sizes *s, cudaStream_t stream)
{
	const uint32_t dim = (s->head + 7) / 8 * 8, width = (s->heads + 2 * s->kv_heads) * s->head;
	const uint32_t n = s->prompts * s->tokens;
	const size_t cache = ((size_t)n * s->kv_heads + CUDA_RUN_SLACK) * dim * 2, sums = (size_t)n * width;
	struct cuda_attention a = {
		.kv = { .keys = take(cache), .values = take(cache), .context = s->tokens, .dim = dim },
		.qkv = { .splits = 1, .ld = width, .split_stride = sums },
		.heads = s->heads,
		.kv_heads = s->kv_heads,
		.head_dim = s->head,
		.rope_dim = s->head,
		.n = n,
		.out = take((size_t)n * s->heads * s->head * 2),
		.ld_out = s->heads * s->head,
		.q = take(((size_t)n + CUDA_RUN_SLACK) * s->heads * s->head * 2),
	};
	void *values = take(sums * sizeof(float)),
	     *angles = take((size_t)s->tokens * s->head * sizeof(float));

	/* Pairs of 16-bit values read as floats: small numbers of both signs, which is all it takes. */
	OK(cuda_fill(values, sums * 2, CUDA_BF16, stream));
	OK(cuda_fill(angles, (size_t)s->tokens * s->head * 2, CUDA_BF16, stream));
	a.qkv.y = values;
	a.cos_sin = angles;
	describe(s, &a);
	return a;
}

/* Who attends after the append: cuDNN if `step` is given. */
struct way {
	const struct cuda_attention *a;
	struct cuda_dnn *dnn;
	struct cuda_dnn_step step;
};

static void attend(const struct way *w, cudaStream_t stream)
{
	struct lsb_error err;

	OK(cuda_append(w->a, stream));
	if (!w->dnn) {
		OK(cuda_attend_many(w->a, stream));
	} else if (cuda_dnn_attend(w->dnn, &w->step, &err)) {
		fprintf(stderr, "%s\n", err.msg);
		exit(1);
	}
}

static void repeat(const void *way, cudaStream_t stream)
{
	for (int i = 0; i < REPEATS; i++)
		attend(way, stream);
}

static void measure(const struct way *w, const struct sizes *s, cudaStream_t stream)
{
	const double ms = cuda_bench_time(stream, ROUNDS, repeat, w) / REPEATS;

	printf("attention of %u x %u tokens, %u heads of %u, %u KV heads%s: %.4f ms, %.1f TFLOP/s\n",
	       s->prompts, s->tokens, s->heads, s->head, s->kv_heads, w->dnn ? ", cuDNN" : "", ms,
	       2e-9 * s->prompts * s->tokens * s->tokens * s->heads * s->head / ms);
}

/* The same by cuDNN, each prompt as a run. */
static int open_dnn(const struct sizes *s, const struct cuda_attention *a, struct way *w, cudaStream_t stream)
{
	const struct cuda_dnn_shape shape = { .heads = s->heads,
					      .kv_heads = s->kv_heads,
					      .head_dim = s->head,
					      .slots = s->prompts,
					      .context = s->tokens,
					      .tokens = s->prompts * s->tokens,
					      .runs = s->prompts,
					      .ld_out = a->ld_out,
					      .elem = CUDA_F16,
					      .outs = 1 << CUDA_F16 };
	struct cuda_runs runs = { 0 };
	struct lsb_error err;
	const char *brief;

	if (cuda_dnn_open(rig_host(), &shape, stream, &w->dnn, &brief, &err)) {
		printf("%s\n", err.msg);
		return -1;
	}
	for (uint32_t i = 0; i <= CUDA_RUNS_MOST; i++) {
		const uint32_t row = (i < s->prompts ? i : s->prompts) * s->tokens;

		runs.q_at[i] = runs.out_at[i] = (int32_t)(row * a->ld_out);
		if (i < s->prompts) {
			runs.queries[i] = runs.positions[i] = (int32_t)s->tokens;
			runs.slot[i] = (int32_t)i;
		}
	}
	w->step = (struct cuda_dnn_step){ .q = a->q,
					  .keys = a->kv.keys,
					  .values = a->kv.values,
					  .out = a->out,
					  .out_elem = a->out_elem,
					  .runs = give(&runs, sizeof(runs)),
					  .n_runs = s->prompts };
	return 0;
}

int main(int argc, char **argv)
{
	struct sizes s = { .tokens = 512, .prompts = 1, .heads = 32, .kv_heads = 8, .head = 128 };
	const struct {
		const char *name;
		uint32_t *to;
	} numbers[] = { { "tokens=", &s.tokens },
			{ "prompts=", &s.prompts },
			{ "heads=", &s.heads },
			{ "kv_heads=", &s.kv_heads },
			{ "head=", &s.head } };
	struct cuda_attention a;
	struct way own = { .a = &a }, cudnn = { .a = &a };
	cudaStream_t stream;

	for (int i = 1; i < argc; i++)
		for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]); k++)
			if (strncmp(argv[i], numbers[k].name, strlen(numbers[k].name)) == 0)
				*numbers[k].to =
					(uint32_t)strtoul(argv[i] + strlen(numbers[k].name), NULL, 10);
	if (!s.tokens || !s.prompts || s.prompts > CUDA_RUNS_MOST || !s.kv_heads || !s.heads ||
	    s.heads % s.kv_heads || s.heads / s.kv_heads > CUDA_GROUP_MAX || !s.head || s.head % 2 ||
	    s.head > CUDA_HEAD_MAX) {
		fprintf(stderr,
			"usage: bench_cuda_attention [tokens=N] [prompts=1..%d] [heads=N] [kv_heads=N] "
			"[head=N]\n",
			CUDA_RUNS_MOST);
		return 2;
	}
	(void)cuda_bench_open(&stream);
	OK(cuda_attend_prepare());
	a = prepare(&s, stream);
	OK(cudaStreamSynchronize(stream));
	measure(&own, &s, stream);
	if (open_dnn(&s, &a, &cudnn, stream) == 0) {
		measure(&cudnn, &s, stream);
		cuda_dnn_close(cudnn.dnn);
	}
	return 0;
}
