/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention of decoding: one query position a sequence, bound by reading the KV
 * cache, or at short ones by latency.
 *
 * A block takes the query heads of one KV head and a range of positions (a split).
 * Keys and values of earlier steps do not depend on the kernel ahead: the first of
 * them are fetched before it has ended. Then the block rotates its queries; the block
 * of the newest position also rotates and stores that key and value. Groups of lanes
 * each hold a whole vector, eight elements a lane, and take positions in turn with a
 * running maximum (Milakov and Gimelshein 2018); groups meet in registers and shared
 * memory, splits in global memory, where the last block of a sequence's head to arrive
 * adds them up in order.
 */
#include "attention.cuh"

enum { AT_ONCE = 4, CHUNK_LEAST = CUDA_CHUNK_LEAST };

template <class T> static __device__ __forceinline__ void unpack8(uint4 w, float v[8])
{
	const uint32_t words[4] = { w.x, w.y, w.z, w.w };

#pragma unroll
	for (int i = 0; i < 4; i++) {
		const float2 f = unpack2<T>(words[i]);

		v[2 * i] = f.x;
		v[2 * i + 1] = f.y;
	}
}

/* exp2(a - b) for a running maximum that may be -infinity still. */
static __device__ __forceinline__ float rescale(float a, float b)
{
	return a == -INFINITY ? 0.0f : exp2f(a - b);
}

/* Keys and values of AT_ONCE positions, eight elements a lane. */
struct vectors {
	uint4 k[AT_ONCE], v[AT_ONCE];
};

/* LANES hold one vector; HEADS query heads at most. */
template <class T, int LANES, int HEADS> struct attend_state {
	float most[HEADS], sum[HEADS], out[HEADS][8];

	__device__ __forceinline__ void clear(void)
	{
#pragma unroll
		for (int h = 0; h < HEADS; h++) {
			most[h] = -INFINITY;
			sum[h] = 0.0f;
#pragma unroll
			for (int i = 0; i < 8; i++)
				out[h][i] = 0.0f;
		}
	}

	/* Take up to AT_ONCE positions, `stride` apart; those at or beyond `to` count nothing. */
	__device__ __forceinline__ void take(const float q[HEADS][8], const struct vectors &x,
					     uint32_t position, uint32_t stride, uint32_t to)
	{
		float score[AT_ONCE][HEADS];

#pragma unroll
		for (int u = 0; u < AT_ONCE; u++) {
			float key[8];

			unpack8<T>(x.k[u], key);
#pragma unroll
			for (int h = 0; h < HEADS; h++) {
				float s = 0.0f;

#pragma unroll
				for (int i = 0; i < 8; i++)
					s = fmaf(q[h][i], key[i], s);
#pragma unroll
				for (int i = LANES / 2; i > 0; i >>= 1)
					s += __shfl_xor_sync(0xffffffffu, s, i);
				score[u][h] = position + u * stride < to ? s : -INFINITY;
			}
		}
#pragma unroll
		for (int h = 0; h < HEADS; h++) {
			float next = most[h];

#pragma unroll
			for (int u = 0; u < AT_ONCE; u++)
				next = fmaxf(next, score[u][h]);
			scale(h, rescale(most[h], next));
#pragma unroll
			for (int u = 0; u < AT_ONCE; u++) {
				score[u][h] = rescale(score[u][h], next);
				sum[h] += score[u][h];
			}
			most[h] = next;
		}
#pragma unroll
		for (int u = 0; u < AT_ONCE; u++) {
			float value[8];

			unpack8<T>(x.v[u], value);
#pragma unroll
			for (int h = 0; h < HEADS; h++)
#pragma unroll
				for (int i = 0; i < 8; i++)
					out[h][i] = fmaf(score[u][h], value[i], out[h][i]);
		}
	}

	__device__ __forceinline__ void scale(int h, float by)
	{
		sum[h] *= by;
#pragma unroll
		for (int i = 0; i < 8; i++)
			out[h][i] *= by;
	}

	/* The groups of a warp become one. */
	__device__ __forceinline__ void join(void)
	{
#pragma unroll
		for (int far = LANES; far < 32; far <<= 1)
#pragma unroll
			for (int h = 0; h < HEADS; h++) {
				const float next = fmaxf(most[h], __shfl_xor_sync(0xffffffffu, most[h], far));

				scale(h, rescale(most[h], next));
				most[h] = next;
				sum[h] += __shfl_xor_sync(0xffffffffu, sum[h], far);
#pragma unroll
				for (int i = 0; i < 8; i++)
					out[h][i] += __shfl_xor_sync(0xffffffffu, out[h][i], far);
			}
	}

	/* Most, sum and vector of each head; this lane's elements begin at 8 * sub. */
	__device__ __forceinline__ void store(float *parts, uint32_t stride, uint32_t sub) const
	{
#pragma unroll
		for (int h = 0; h < HEADS; h++) {
			float *part = parts + h * stride;

			if (sub == 0) {
				part[0] = most[h];
				part[1] = sum[h];
			}
#pragma unroll
			for (int i = 0; i < 8; i++)
				part[2 + sub * 8 + i] = out[h][i];
		}
	}
};

/* Most, sum and vector of `n` parts that lie `stride` apart, combined in order: element d. */
static __device__ __forceinline__ float combine(const float *parts, uint32_t n, uint32_t stride, uint32_t d,
						float *most, float *sum)
{
	float v = 0.0f;

	*most = -INFINITY;
	*sum = 0.0f;
#pragma unroll 8
	for (uint32_t i = 0; i < n; i++)
		*most = fmaxf(*most, parts[i * stride]);
#pragma unroll 8
	for (uint32_t i = 0; i < n; i++) {
		const float keep = rescale(parts[i * stride], *most);

		*sum = fmaf(keep, parts[i * stride + 1], *sum);
		v = fmaf(keep, parts[i * stride + 2 + d], v);
	}
	return v;
}

/* What a block works on. */
struct job {
	struct cuda_token at;
	uint32_t token, kv_head, head0, heads; /* query heads head0.. of one KV head */
	uint32_t split, used, from, to, length;
};

template <int HEADS> static __device__ __forceinline__ struct job job_of(const struct cuda_attention &a)
{
	const uint32_t gqa = a.heads / a.kv_heads, sets = (gqa + HEADS - 1) / HEADS;
	const uint32_t in_group = blockIdx.x % sets * HEADS;
	struct job j = { a.tokens[blockIdx.y], blockIdx.y, blockIdx.x / sets };
	uint32_t chunk = a.chunk;

	j.head0 = j.kv_head * gqa + in_group;
	j.heads = gqa - in_group < HEADS ? gqa - in_group : HEADS;
	j.length = j.at.position + 1;
	if (!chunk) {
		chunk = ((j.length + a.splits - 1) / a.splits + 15) / 16 * 16;
		chunk = chunk < CHUNK_LEAST ? (uint32_t)CHUNK_LEAST : chunk;
	}
	j.split = blockIdx.z;
	j.used = (j.length + chunk - 1) / chunk;
	j.from = j.split * chunk;
	j.to = j.from + chunk < j.length ? j.from + chunk : j.length;
	return j;
}

/* As many as find room, in registers and shared memory, beside a block of a product. */
template <int LANES, int HEADS> static constexpr __host__ __device__ int warps_of(void)
{
	return LANES <= 16 && HEADS <= 4 ? 8 : 4;
}

/* Queries, rotated and scaled, and the newest key and value, to shared memory; these to the cache too. */
template <class T, int HEADS, int WIDTH>
static __device__ __forceinline__ void prepare(const struct cuda_attention &a, const struct job &j,
					       float queries[HEADS][WIDTH], uint32_t newest[2][WIDTH / 2])
{
	/* Scores are powers of two: log2(e) goes into the scale. */
	const float scale = 1.4426950408889634f * rsqrtf((float)a.head_dim);
	const bool append = !a.appended && j.to == j.length;

	for (uint32_t i = threadIdx.x; i < (HEADS + 1) * WIDTH / 2; i += blockDim.x) {
		const uint32_t h = i / (WIDTH / 2), d = i % (WIDTH / 2) * 2;
		float2 q = make_float2(0.0f, 0.0f);

		if (h == HEADS) {
			if (append && d < a.head_dim)
				append_pair<T>(a, j.token, j.at, j.kv_head, d, &newest[0][d / 2],
					       &newest[1][d / 2]);
			else if (append)
				newest[0][d / 2] = newest[1][d / 2] = 0;
			continue;
		}
		if (h < j.heads && d < a.head_dim)
			q = head_pair(a, j.token, j.at.position, j.head0 + h, d, true);
		queries[h][d] = q.x * scale;
		queries[h][d + 1] = q.y * scale;
	}
}

/* Splits of a head: the last block to arrive adds them up. */
static __device__ void combine_splits(const struct cuda_attention &a, const struct job &j, uint32_t part)
{
	__shared__ uint32_t last;

	__threadfence();
	__syncthreads();
	if (threadIdx.x == 0) {
		uint32_t *arrived = a.arrived + (uint64_t)j.token * gridDim.x + blockIdx.x;

		last = atomicAdd(arrived, 1u) == j.used - 1;
		if (last)
			*arrived = 0;
	}
	__syncthreads();
	if (!last)
		return;
	__threadfence();
	for (uint32_t i = threadIdx.x; i < j.heads * a.head_dim; i += blockDim.x) {
		const uint32_t head = j.head0 + i / a.head_dim, d = i % a.head_dim;
		float most, sum;
		const float v = combine(a.partial + ((uint64_t)j.token * a.heads + head) * a.splits * part,
					j.used, part, d, &most, &sum);

		store_out(a, j.token, head * a.head_dim + d, v / sum);
	}
}

/* The parts of all warps, [WARPS][HEADS][PART], together: the answer, or what this split adds to it. */
template <int HEADS, int WARPS, int PART>
static __device__ __forceinline__ void leave(const struct cuda_attention &a, const struct job &j,
					     const float *parts)
{
	const uint32_t part = a.kv.dim + 2;

	for (uint32_t i = threadIdx.x; i < j.heads * a.head_dim; i += WARPS * 32) {
		const uint32_t h = i / a.head_dim, d = i % a.head_dim;
		float most, sum;
		const float v = combine(parts + h * PART, WARPS, HEADS * PART, d, &most, &sum);

		if (j.used == 1) {
			store_out(a, j.token, (j.head0 + h) * a.head_dim + d, v / sum);
			continue;
		}
		float *to =
			a.partial + (((uint64_t)j.token * a.heads + j.head0 + h) * a.splits + j.split) * part;

		if (d == 0) {
			to[0] = most;
			to[1] = sum;
		}
		to[2 + d] = v;
	}
	if (j.used > 1)
		combine_splits(a, j, part);
}

template <class T, int LANES, int HEADS>
__global__ void __launch_bounds__(warps_of<LANES, HEADS>() * 32) attend(const struct cuda_attention a)
{
	enum { WARPS = warps_of<LANES, HEADS>(), THREADS = WARPS * 32 };
	enum { WIDTH = LANES * 8, GROUPS = THREADS / LANES, PART = WIDTH + 2 };
	__shared__ float queries[HEADS][WIDTH], parts[WARPS][HEADS][PART];
	__shared__ __align__(16) uint32_t newest[2][WIDTH / 2];

	let_next_start();
	/* Tokens were told before the step's first kernel. */
	const struct job j = job_of<HEADS>(a);
	const uint32_t lane = threadIdx.x % 32, sub = lane % LANES, group = threadIdx.x / LANES;
	const uint64_t base = kv_at(a, j.at.slot, j.kv_head) + sub * 8;
	const T *const keys = (const T *)a.kv.keys + base, *const values = (const T *)a.kv.values + base;
	/* Positions below are of earlier steps. */
	const uint32_t old = a.appended || j.to < j.length ? j.to : j.length - 1;
	const bool inside = sub * 8 < a.kv.dim;
	struct vectors next;

	auto fetch = [&](uint32_t p) {
#pragma unroll
		for (int u = 0; u < AT_ONCE; u++) {
			const uint32_t at = p + u * GROUPS;
			const bool there = inside && at < old;

			next.k[u] = there ? *(const uint4 *)(keys + (uint64_t)at * a.kv.dim)
					  : make_uint4(0, 0, 0, 0);
			next.v[u] = there ? *(const uint4 *)(values + (uint64_t)at * a.kv.dim)
					  : make_uint4(0, 0, 0, 0);
		}
	};

	if (j.split < j.used && !a.appended)
		fetch(j.from + group);
	wait_for_inputs();
	if (j.split >= j.used)
		return;
	if (a.appended)
		fetch(j.from + group);
	prepare<T, HEADS, WIDTH>(a, j, queries, newest);
	__syncthreads();

	struct attend_state<T, LANES, HEADS> state;
	float q[HEADS][8];

#pragma unroll
	for (int h = 0; h < HEADS; h++)
#pragma unroll
		for (int i = 0; i < 8; i++)
			q[h][i] = queries[h][sub * 8 + i];
	state.clear();
	/* All lanes of a warp go round equally often. */
	for (uint32_t p = j.from; p < j.to; p += GROUPS * AT_ONCE) {
		struct vectors x = next;

		if (p + GROUPS * AT_ONCE < j.to)
			fetch(p + GROUPS * AT_ONCE + group);
#pragma unroll
		for (int u = 0; u < AT_ONCE; u++)
			if (inside && p + group + u * GROUPS == old && old < j.to) {
				x.k[u] = *(const uint4 *)&newest[0][sub * 4];
				x.v[u] = *(const uint4 *)&newest[1][sub * 4];
			}
		state.take(q, x, p + group, GROUPS, j.to);
	}
	state.join();
	if (threadIdx.x % 32 < LANES)
		state.store(parts[threadIdx.x / 32][0], PART, sub);
	__syncthreads();
	leave<HEADS, WARPS, PART>(a, j, &parts[0][0][0]);
}

template <class T, int LANES, int HEADS>
static cudaError_t run(const struct cuda_attention *a, cudaStream_t stream)
{
	const uint32_t gqa = a->heads / a->kv_heads, sets = (gqa + HEADS - 1) / HEADS;

	return launch(attend<T, LANES, HEADS>, dim3(a->kv_heads * sets, a->n, a->splits),
		      warps_of<LANES, HEADS>() * 32, 0, stream, *a);
}

/* Few sequences: more blocks of fewer heads are done sooner, and find room in registers beside a product's.
 */
template <class T, int LANES>
static cudaError_t choose_heads(const struct cuda_attention *a, cudaStream_t stream)
{
	const uint32_t gqa = a->heads / a->kv_heads;

	if (gqa == 1 || (gqa <= 4 && a->n <= 2))
		return run<T, LANES, 1>(a, stream);
	if (gqa == 2 || (gqa <= 4 && a->n <= 4))
		return run<T, LANES, 2>(a, stream);
	if (gqa <= 4)
		return run<T, LANES, 4>(a, stream);
	return run<T, LANES, 8>(a, stream);
}

template <class T> static cudaError_t choose_lanes(const struct cuda_attention *a, cudaStream_t stream)
{
	if (a->head_dim <= 64)
		return choose_heads<T, 8>(a, stream);
	if (a->head_dim <= 128)
		return choose_heads<T, 16>(a, stream);
	return choose_heads<T, 32>(a, stream);
}

cudaError_t cuda_attend(const struct cuda_attention *a, cudaStream_t stream)
{
	return a->kv.elem == CUDA_BF16 ? choose_lanes<__nv_bfloat16>(a, stream)
				       : choose_lanes<__half>(a, stream);
}
