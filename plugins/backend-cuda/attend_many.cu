/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention of prompts: tiles of 64 queries (tokens times the query heads of one KV
 * head) against 64 positions at a time, both products on tensor cores, with a
 * running maximum so that scores never leave registers (Dao 2023, "FlashAttention-2").
 * Values are fetched while scores are computed, the next keys while values are used.
 */
#include "attention.cuh"

enum { THREADS = 128, POSITIONS = 64, APPEND_THREADS = 256 };

/* --- appending ------------------------------------------------------------------ */

template <class T> __global__ void append(const struct cuda_attention a)
{
	const uint32_t token = blockIdx.x, pairs = a.head_dim / 2;
	const uint32_t n_q = a.q ? a.heads * pairs : 0;

	let_next_start();
	wait_for_inputs();
	const struct cuda_token at = a.tokens[token];

	for (uint32_t i = threadIdx.x; i < n_q + a.kv_heads * pairs; i += APPEND_THREADS) {
		const uint32_t head = i / pairs, d = i % pairs * 2;

		if (i < n_q) {
			const float2 q = head_pair(a, token, at.position, head, d, true);

			((uint32_t *)a.q)[((uint64_t)token * a.heads + head) * pairs + d / 2] =
				pack2<T>(q.x, q.y);
		} else {
			uint32_t k, v;

			append_pair<T>(a, token, at, (i - n_q) / pairs, (i - n_q) % pairs * 2, &k, &v);
		}
	}
}

cudaError_t cuda_append(const struct cuda_attention *a, cudaStream_t stream)
{
	if (a->kv.elem == CUDA_BF16)
		return launch(append<__nv_bfloat16>, dim3(a->n), APPEND_THREADS, 0, stream, *a);
	return launch(append<__half>, dim3(a->n), APPEND_THREADS, 0, stream, *a);
}

/* --- attending -------------------------------------------------------------------- */

/* Four 8x8 blocks of a matrix in shared memory: lane l points to row l % 8 of block l / 8. */
static __device__ __forceinline__ void load_blocks(const void *row, uint32_t b[4])
{
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
		     : "=r"(b[0]), "=r"(b[1]), "=r"(b[2]), "=r"(b[3])
		     : "r"((uint32_t)__cvta_generic_to_shared(row)));
}

static __device__ __forceinline__ void load_transposed(const void *row, uint32_t b[4])
{
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
		     : "=r"(b[0]), "=r"(b[1]), "=r"(b[2]), "=r"(b[3])
		     : "r"((uint32_t)__cvta_generic_to_shared(row)));
}

/* 2^x, within 2 ulp. */
static __device__ __forceinline__ float power_of_two(float x)
{
	float y;

	asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
	return y;
}

/* Two probabilities: in [0, 1], so no range to keep to. */
template <class T> static __device__ __forceinline__ uint32_t pack_shares(float lo, float hi);
template <> __device__ __forceinline__ uint32_t pack_shares<__half>(float lo, float hi)
{
	const __half2 h = __floats2half2_rn(lo, hi);

	return *reinterpret_cast<const uint32_t *>(&h);
}
template <> __device__ __forceinline__ uint32_t pack_shares<__nv_bfloat16>(float lo, float hi)
{
	return pack2<__nv_bfloat16>(lo, hi);
}

/* Begin to fetch vectors of POSITIONS positions from `from` on; zero beyond `to` and beyond the cache's
 * width. */
template <class T, int DIM>
static __device__ __forceinline__ void fetch_positions(const T *cache, uint32_t dim, uint32_t from,
						       uint32_t to, T *shared)
{
	enum { CHUNKS = DIM / 8, LD = DIM + 8 };

#pragma unroll
	for (uint32_t i = threadIdx.x; i < POSITIONS * CHUNKS; i += THREADS) {
		const uint32_t p = i / CHUNKS, c = i % CHUNKS;
		T *const at = shared + p * LD + c * 8;

		if (from + p < to && c * 8 < dim)
			copy_async<16>(at, cache + (uint64_t)(from + p) * dim + c * 8);
		else
			*(uint4 *)at = make_uint4(0, 0, 0, 0);
	}
	copy_commit();
}

/* A row of queries: its token (order's index), head and last position; `there`: not padding. */
struct query {
	uint32_t token, head, position;
	bool there;
};

static __device__ __forceinline__ struct query query_of(const struct cuda_attention &a,
							const struct cuda_tile &tile, uint32_t kv_head,
							uint32_t row)
{
	const uint32_t gqa = a.heads / a.kv_heads, i = row / gqa;
	const bool there = i < tile.n;

	return { there ? a.order[tile.first + i] : 0, kv_head * gqa + row % gqa,
		 tile.position + (there ? i : 0), there };
}

/* Scores of a warp's 16 queries against the positions in `keys`. */
template <class T, int DIM>
static __device__ __forceinline__ void multiply_keys(const uint32_t q[DIM / 16][4], const T *keys,
						     float score[POSITIONS / 8][4])
{
	enum { LD = DIM + 8 };
	const uint32_t lane = threadIdx.x % 32;
	const T *const row = keys + (lane / 16 * 8 + lane % 8) * LD + lane / 8 % 2 * 8;

#pragma unroll
	for (int s = 0; s < DIM / 16; s++)
#pragma unroll
		for (int n = 0; n < POSITIONS / 8; n += 2) {
			uint32_t b[4];

			load_blocks(row + n * 8 * LD + s * 16, b);
			tensor_product<T>(score[n], q[s], b[0], b[1]);
			tensor_product<T>(score[n + 1], q[s], b[2], b[3]);
		}
}

/* out += the shares times the vectors in `values`. */
template <class T, int DIM>
static __device__ __forceinline__ void multiply_values(const float share[POSITIONS / 8][4], const T *values,
						       float out[DIM / 8][4])
{
	enum { LD = DIM + 8 };
	const uint32_t lane = threadIdx.x % 32;
	const T *const row = values + lane % 16 * LD + lane / 16 * 8;

#pragma unroll
	for (int n = 0; n < POSITIONS / 16; n++) {
		const uint32_t p[4] = { pack_shares<T>(share[2 * n][0], share[2 * n][1]),
					pack_shares<T>(share[2 * n][2], share[2 * n][3]),
					pack_shares<T>(share[2 * n + 1][0], share[2 * n + 1][1]),
					pack_shares<T>(share[2 * n + 1][2], share[2 * n + 1][3]) };

#pragma unroll
		for (int d = 0; d < DIM / 8; d += 2) {
			uint32_t b[4];

			load_transposed(row + n * 16 * LD + d * 8, b);
			tensor_product<T>(out[d], p, b[0], b[1]);
			tensor_product<T>(out[d + 1], p, b[2], b[3]);
		}
	}
}

/*
 * Scores of row r (of a lane's two) become shares of the largest one so far; what was
 * summed up before shrinks accordingly. most: the largest, unscaled.
 */
template <int DIM>
static __device__ __forceinline__ void weigh(int r, float scale, float score[POSITIONS / 8][4], float *most,
					     float *sum, float out[DIM / 8][4])
{
	float next = *most, keep;

#pragma unroll
	for (int n = 0; n < POSITIONS / 8; n++)
		next = fmaxf(next, fmaxf(score[n][2 * r], score[n][2 * r + 1]));
	next = fmaxf(next, __shfl_xor_sync(0xffffffffu, next, 1));
	next = fmaxf(next, __shfl_xor_sync(0xffffffffu, next, 2));
	keep = power_of_two((*most - next) * scale);
	*sum *= keep;
#pragma unroll
	for (int d = 0; d < DIM / 8; d++) {
		out[d][2 * r] *= keep;
		out[d][2 * r + 1] *= keep;
	}
#pragma unroll
	for (int n = 0; n < POSITIONS / 8; n++)
#pragma unroll
		for (int i = 2 * r; i < 2 * r + 2; i++) {
			score[n][i] = power_of_two(fmaf(score[n][i], scale, -next * scale));
			*sum += score[n][i];
		}
	*most = next;
}

template <class T, int DIM>
__global__ void __launch_bounds__(THREADS, DIM <= 64 ? 3 : 1) attend_many(const struct cuda_attention a)
{
	extern __shared__ __align__(16) unsigned char shared[];
	enum { LD = DIM + 8, STEPS = DIM / 16 };
	T *const keys = (T *)shared, *const values = keys + POSITIONS * LD;
	const uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
	const uint32_t kv_head = blockIdx.y;

	let_next_start();
	wait_for_inputs();
	/* The longest tiles first: the last position's is usually at the end. */
	const struct cuda_tile tile = a.tiles[gridDim.x - 1 - blockIdx.x];
	const struct query row[2] = { query_of(a, tile, kv_head, warp * 16 + g),
				      query_of(a, tile, kv_head, warp * 16 + g + 8) };
	const uint32_t length = tile.position + tile.n;
	const T *const all_keys = (const T *)a.kv.keys + kv_at(a, tile.slot, kv_head);
	const T *const all_values = (const T *)a.kv.values + kv_at(a, tile.slot, kv_head);
	const float scale = 1.4426950408889634f * rsqrtf((float)a.head_dim); /* powers are of two */
	uint32_t q[STEPS][4];
	float out[DIM / 8][4] = {}, most[2] = { -INFINITY, -INFINITY }, sum[2] = { 0.0f, 0.0f };

	fetch_positions<T, DIM>(all_keys, a.kv.dim, 0, length, keys);
#pragma unroll
	for (int s = 0; s < STEPS; s++)
#pragma unroll
		for (int i = 0; i < 4; i++) {
			const struct query &r = row[i % 2];
			const uint32_t d = s * 16 + i / 2 * 8 + 2 * t;

			q[s][i] = r.there && d < a.head_dim
					  ? *(const uint32_t *)((const T *)a.q +
								((uint64_t)r.token * a.heads + r.head) *
									a.head_dim +
								d)
					  : 0;
		}
	for (uint32_t from = 0; from < length; from += POSITIONS) {
		float score[POSITIONS / 8][4] = {};

		copy_wait<0>();
		__syncthreads(); /* keys are there, and nobody uses the last values any more */
		fetch_positions<T, DIM>(all_values, a.kv.dim, from, length, values);
		multiply_keys<T, DIM>(q, keys, score);
		__syncthreads();
		if (from + POSITIONS < length)
			fetch_positions<T, DIM>(all_keys, a.kv.dim, from + POSITIONS, length, keys);
		else
			copy_commit();
		if (from + POSITIONS > tile.position + 1) /* some positions are ahead of some query */
#pragma unroll
			for (int n = 0; n < POSITIONS / 8; n++)
#pragma unroll
				for (int i = 0; i < 4; i++)
					if (from + n * 8 + 2 * t + i % 2 > row[i / 2].position)
						score[n][i] = -INFINITY;
#pragma unroll
		for (int r = 0; r < 2; r++)
			weigh<DIM>(r, scale, score, &most[r], &sum[r], out);
		copy_wait<1>();
		__syncthreads();
		multiply_values<T, DIM>(score, values, out);
	}
#pragma unroll
	for (int r = 0; r < 2; r++) {
		sum[r] += __shfl_xor_sync(0xffffffffu, sum[r], 1);
		sum[r] += __shfl_xor_sync(0xffffffffu, sum[r], 2);
		if (!row[r].there)
			continue;
#pragma unroll
		for (int d = 0; d < DIM / 8; d++)
			if (d * 8 + 2 * t < a.head_dim)
				store_pair(a, row[r].token, row[r].head * a.head_dim + d * 8 + 2 * t,
					   out[d][2 * r] / sum[r], out[d][2 * r + 1] / sum[r]);
	}
}

template <int DIM> static constexpr size_t shared_bytes(void)
{
	return 2 * POSITIONS * (DIM + 8) * 2;
}

template <class T, int DIM> static cudaError_t run(const struct cuda_attention *a, cudaStream_t stream)
{
	return launch(attend_many<T, DIM>, dim3(a->n_tiles, a->kv_heads), THREADS, shared_bytes<DIM>(),
		      stream, *a);
}

template <class T> static cudaError_t choose(const struct cuda_attention *a, cudaStream_t stream)
{
	if (a->head_dim <= 64)
		return run<T, 64>(a, stream);
	if (a->head_dim <= 80)
		return run<T, 80>(a, stream);
	if (a->head_dim <= 96)
		return run<T, 96>(a, stream);
	if (a->head_dim <= 112)
		return run<T, 112>(a, stream);
	if (a->head_dim <= 128)
		return run<T, 128>(a, stream);
	return run<T, 256>(a, stream);
}

cudaError_t cuda_attend_many(const struct cuda_attention *a, cudaStream_t stream)
{
	return a->kv.elem == CUDA_BF16 ? choose<__nv_bfloat16>(a, stream) : choose<__half>(a, stream);
}

/* Wide heads take more shared memory than a kernel has unasked; devices without it refuse heads beyond 128.
 */
cudaError_t cuda_attend_prepare(void)
{
	const cudaFuncAttribute most = cudaFuncAttributeMaxDynamicSharedMemorySize;
	const cudaError_t rc = cudaFuncSetAttribute(attend_many<__half, 256>, most, (int)shared_bytes<256>());

	return rc ? rc
		  : cudaFuncSetAttribute(attend_many<__nv_bfloat16, 256>, most, (int)shared_bytes<256>());
}
