/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Picking the next token, as core/model/sample.c does: candidates in order of
 * logit, then of lower id; top_k and top_p keep a prefix of that order; a draw of
 * the same counter-based generator walks along what is left in order of id.
 *
 * The largest logit is looked for by many blocks an output; the last of them to
 * arrive goes on, alone. Weights are exp((logit - largest) / temperature), at most
 * 1, and are summed as integers of 2^-40, so that no order of addition changes a
 * sum; beside sums in double precision this can move a cut only where they differ
 * in the ninth decimal.
 */
#include "device.cuh"

enum { BLOCKS = 64, THREADS = 512, WARPS = THREADS / 32, BINS = 256 };

/* Largest logit, and the lowest id that has it, as one integer that orders so. NaN is below all. */
typedef unsigned long long u64;

struct sample_work {
	u64 best[BLOCKS];
	uint32_t arrived;
	uint32_t reserved;
};

uint64_t cuda_sample_bytes(uint32_t vocab)
{
	return (sizeof(struct sample_work) + 8ull * vocab + 15) / 16 * 16;
}

static __device__ __forceinline__ uint32_t key_of(float logit)
{
	const uint32_t bits = __float_as_uint(logit + 0.0f);

	if (isnan(logit))
		return 0;
	return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static __device__ __forceinline__ float logit_of(uint32_t key)
{
	return __uint_as_float(key & 0x80000000u ? key & 0x7fffffffu : ~key);
}

static __device__ u64 block_most(u64 v)
{
	__shared__ u64 of_warp[WARPS];

	for (int i = 16; i > 0; i >>= 1) {
		const u64 other = __shfl_xor_sync(0xffffffffu, v, i);

		v = other > v ? other : v;
	}
	__syncthreads();
	if (threadIdx.x % 32 == 0)
		of_warp[threadIdx.x / 32] = v;
	__syncthreads();
	for (int w = 0; w < WARPS; w++)
		v = of_warp[w] > v ? of_warp[w] : v;
	return v;
}

static __device__ u64 block_total(u64 v)
{
	__shared__ u64 of_warp[WARPS];
	u64 sum = 0;

	for (int i = 16; i > 0; i >>= 1)
		v += __shfl_xor_sync(0xffffffffu, v, i);
	__syncthreads();
	if (threadIdx.x % 32 == 0)
		of_warp[threadIdx.x / 32] = v;
	__syncthreads();
	for (int w = 0; w < WARPS; w++)
		sum += of_warp[w];
	return sum;
}

static __device__ __forceinline__ u64 mix64(u64 x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

/* In [0, 1), 24 bits: lsb_uniform's. */
static __device__ __forceinline__ uint32_t uniform_bits(const struct cuda_sampling &s)
{
	return (uint32_t)(mix64(mix64(mix64(s.seed + 0x9e3779b97f4a7c15ull) ^ s.request) ^ s.position) >> 40);
}

/* What is left of an output's candidates: weights in 2^-40, 0 for those cut off. */
struct candidates {
	const float *logits;
	u64 *weights; /* [vocab] */
	uint32_t vocab;
};

/*
 * Keep the shortest prefix whose count (or weight) reaches `goal`: find the key at
 * which it ends byte by byte, then how many of equal keys belong to it, lowest ids
 * first.
 */
static __device__ void cut(const struct candidates &c, int by_weight, u64 goal)
{
	__shared__ u64 bins[BINS];
	__shared__ uint32_t prefix, ties;
	__shared__ u64 left;
	__shared__ int stop;

	if (threadIdx.x == 0) {
		prefix = 0;
		left = goal;
		stop = 0;
	}
	for (int shift = 24; shift >= 0; shift -= 8) {
		for (uint32_t i = threadIdx.x; i < BINS; i += THREADS)
			bins[i] = 0;
		__syncthreads();
		for (uint32_t i = threadIdx.x; i < c.vocab; i += THREADS) {
			const uint32_t key = c.weights[i] ? key_of(c.logits[i]) : 0;

			if ((u64)(key ^ prefix) >> (shift + 8) == 0)
				atomicAdd(&bins[key >> shift & 255u], by_weight ? c.weights[i] : 1ull);
		}
		__syncthreads();
		if (threadIdx.x == 0) {
			int bin = -1;

			for (int b = BINS - 1; b >= 0; b--) {
				if (bins[b] == 0)
					continue;
				if (bin >= 0)
					left -= bins[bin];
				bin = b;
				if (bins[b] >= left)
					break;
			}
			if (bin < 0)
				stop = 1;
			else
				prefix |= (uint32_t)bin << shift;
		}
		__syncthreads();
		if (stop)
			return;
	}
	/* All of `prefix` have one weight. Walk equal keys in order of id, a block's width at a time. */
	if (threadIdx.x == 0)
		ties = 0;
	__syncthreads();
	for (uint32_t i0 = 0; i0 < c.vocab; i0 += THREADS) {
		const uint32_t i = i0 + threadIdx.x;
		const uint32_t key = i < c.vocab && c.weights[i] ? key_of(c.logits[i]) : 0;
		const int equal = i < c.vocab && key == prefix;
		__shared__ uint32_t of_warp[WARPS];
		const uint32_t mask = __ballot_sync(0xffffffffu, equal);
		uint32_t before = __popc(mask & ((1u << threadIdx.x % 32) - 1u));

		if (threadIdx.x % 32 == 0)
			of_warp[threadIdx.x / 32] = (uint32_t)__popc(mask);
		__syncthreads();
		for (uint32_t w = 0; w < threadIdx.x / 32; w++)
			before += of_warp[w];
		before += ties;
		if (i < c.vocab && key < prefix)
			c.weights[i] = 0;
		else if (equal && before > 0 && (by_weight ? before * c.weights[i] : (u64)before) >= left)
			c.weights[i] = 0;
		__syncthreads();
		if (threadIdx.x == 0)
			for (int w = 0; w < WARPS; w++)
				ties += of_warp[w];
		__syncthreads();
	}
}

/* Sums of ids' weights, a contiguous range a thread, then the first id at which the sum exceeds the draw. */
static __device__ uint32_t draw(const struct candidates &c, const struct cuda_sampling &s, uint32_t best)
{
	__shared__ u64 of_thread[THREADS];
	__shared__ uint32_t chosen;
	const uint32_t per = (c.vocab + THREADS - 1) / THREADS;
	const uint32_t from = threadIdx.x * per < c.vocab ? threadIdx.x * per : c.vocab;
	const uint32_t to = from + per < c.vocab ? from + per : c.vocab;
	u64 sum = 0;

	for (uint32_t i = from; i < to; i++)
		sum += c.weights[i];
	of_thread[threadIdx.x] = sum;
	if (threadIdx.x == 0)
		chosen = best;
	__syncthreads();
	u64 total = 0, before = 0;

	for (uint32_t i = 0; i < THREADS; i++) {
		if (i < threadIdx.x)
			before += of_thread[i];
		total += of_thread[i];
	}
	/* floor(u * total), with u = bits / 2^24 and total < 2^63. */
	const u64 bits = uniform_bits(s), goal = (total >> 24) * bits + ((total & 0xffffffull) * bits >> 24);

	if (before <= goal && goal < before + sum) {
		for (uint32_t i = from; i < to; i++) {
			before += c.weights[i];
			if (before > goal) {
				chosen = i;
				break;
			}
		}
	}
	__syncthreads();
	return chosen;
}

static __device__ uint32_t pick(const struct candidates &c, const struct cuda_sampling &s, u64 best)
{
	const uint32_t id = 0xffffffffu - (uint32_t)best;
	const float most = logit_of((uint32_t)(best >> 32));

	if (!(s.temperature > 0.0f) || !isfinite(most) || best >> 32 == 0)
		return best >> 32 == 0 ? 0 : id;
	for (uint32_t i = threadIdx.x; i < c.vocab; i += THREADS) {
		const float logit = c.logits[i];
		const float w = logit > -INFINITY ? expf((logit - most) / s.temperature) : 0.0f;

		c.weights[i] = (u64)__float2ull_rn(w * 0x1p40f);
	}
	__syncthreads();
	if (s.top_k && s.top_k < c.vocab) {
		cut(c, 0, s.top_k);
		__syncthreads();
	}
	if (s.top_p < 1.0f) {
		u64 sum = 0;

		for (uint32_t i = threadIdx.x; i < c.vocab; i += THREADS)
			sum += c.weights[i];
		sum = block_total(sum);
		sum = (u64)((double)s.top_p * (double)sum);
		cut(c, 1, sum ? sum : 1);
		__syncthreads();
	}
	return draw(c, s, id);
}

__global__ void __launch_bounds__(THREADS)
	sample(const struct cuda_step *step, const float *logits, uint32_t vocab,
	       const struct cuda_sampling *sampling, uint32_t first, unsigned char *work, uint64_t work_bytes)
{
	struct sample_work *w = (struct sample_work *)(work + blockIdx.y * work_bytes);
	const struct candidates c = { logits + (uint64_t)blockIdx.y * vocab, (u64 *)(w + 1), vocab };
	__shared__ uint32_t last;
	u64 best = 0;

	let_next_start();
	wait_for_inputs();
	for (uint32_t i = blockIdx.x * THREADS + threadIdx.x; i < vocab; i += BLOCKS * THREADS) {
		const u64 v = (u64)key_of(c.logits[i]) << 32 | (0xffffffffu - i);

		best = v > best ? v : best;
	}
	best = block_most(best);
	if (threadIdx.x == 0) {
		w->best[blockIdx.x] = best;
		__threadfence();
		last = atomicAdd(&w->arrived, 1u) == BLOCKS - 1;
	}
	__syncthreads();
	if (!last)
		return;
	__threadfence();
	best = block_most(threadIdx.x < BLOCKS ? *(volatile u64 *)&w->best[threadIdx.x] : 0);
	const uint32_t id = pick(c, sampling[blockIdx.y], best);

	if (threadIdx.x == 0) {
		w->arrived = 0;
		step->ids[first + blockIdx.y] = (int32_t)id;
		__threadfence_system();
	}
}

cudaError_t cuda_sample(const struct cuda_step *step, const float *logits, uint32_t vocab,
			const struct cuda_sampling *sampling, uint32_t first, uint32_t n, void *work,
			cudaStream_t stream)
{
	const uint64_t bytes = cuda_sample_bytes(vocab);

	return launch(sample, dim3(BLOCKS, n), THREADS, 0, stream, step, logits, vocab, sampling, first,
		      (unsigned char *)work, bytes);
}
