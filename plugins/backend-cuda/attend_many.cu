/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention of prompts: tiles of 64 queries (tokens times the query heads of one KV
 * head) against 64 positions at a time, both products on tensor cores, with a
 * running maximum so that scores never leave registers (Dao 2023, "FlashAttention-2").
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

/* Two 8x8 blocks of a matrix in shared memory, transposed: lane l < 16 points to row l. */
static __device__ __forceinline__ void load_transposed(const void *row, uint32_t *b0, uint32_t *b1)
{
	asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
		     : "=r"(*b0), "=r"(*b1)
		     : "r"((uint32_t)__cvta_generic_to_shared(row)));
}

/* Vectors of POSITIONS positions from `from` on; zero beyond `to` and beyond the cache's width. */
template <class T, int DIM>
static __device__ void load_positions(const T *cache, uint32_t dim, uint32_t from, uint32_t to, T *shared)
{
	enum { CHUNKS = DIM / 8, LD = DIM + 8 };

	for (uint32_t i = threadIdx.x; i < POSITIONS * CHUNKS; i += THREADS) {
		const uint32_t p = i / CHUNKS, c = i % CHUNKS;
		uint4 v = make_uint4(0, 0, 0, 0);

		if (from + p < to && c * 8 < dim)
			v = *(const uint4 *)(cache + (uint64_t)(from + p) * dim + c * 8);
		*(uint4 *)(shared + p * LD + c * 8) = v;
	}
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

template <class T, int DIM>
__global__ void __launch_bounds__(THREADS) attend_many(const struct cuda_attention a)
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
	const uint64_t base = kv_at(a, tile.slot, kv_head);
	const float scale = 1.4426950408889634f * rsqrtf((float)a.head_dim);
	uint32_t q[STEPS][4];
	float out[DIM / 8][4] = {}, most[2] = { -INFINITY, -INFINITY }, sum[2] = { 0.0f, 0.0f };

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

		__syncthreads();
		load_positions<T, DIM>((const T *)a.kv.keys + base, a.kv.dim, from, length, keys);
		load_positions<T, DIM>((const T *)a.kv.values + base, a.kv.dim, from, length, values);
		__syncthreads();
#pragma unroll
		for (int n = 0; n < POSITIONS / 8; n++)
#pragma unroll
			for (int s = 0; s < STEPS; s++) {
				const T *k = keys + (n * 8 + g) * LD + s * 16 + 2 * t;

				tensor_product<T>(score[n], q[s], *(const uint32_t *)k,
						  *(const uint32_t *)(k + 8));
			}
#pragma unroll
		for (int r = 0; r < 2; r++) {
			float next = most[r];

#pragma unroll
			for (int n = 0; n < POSITIONS / 8; n++)
#pragma unroll
				for (int i = 0; i < 2; i++) {
					float *s = &score[n][2 * r + i];

					*s = from + n * 8 + 2 * t + i <= row[r].position ? *s * scale
											 : -INFINITY;
					next = fmaxf(next, *s);
				}
			next = fmaxf(next, __shfl_xor_sync(0xffffffffu, next, 1));
			next = fmaxf(next, __shfl_xor_sync(0xffffffffu, next, 2));
			const float keep = exp2f(most[r] - next);

			sum[r] *= keep;
#pragma unroll
			for (int d = 0; d < DIM / 8; d++) {
				out[d][2 * r] *= keep;
				out[d][2 * r + 1] *= keep;
			}
#pragma unroll
			for (int n = 0; n < POSITIONS / 8; n++)
#pragma unroll
				for (int i = 0; i < 2; i++) {
					score[n][2 * r + i] = exp2f(score[n][2 * r + i] - next);
					sum[r] += score[n][2 * r + i];
				}
			most[r] = next;
		}
#pragma unroll
		for (int n = 0; n < POSITIONS / 16; n++) {
			const uint32_t p[4] = { pack2<T>(score[2 * n][0], score[2 * n][1]),
						pack2<T>(score[2 * n][2], score[2 * n][3]),
						pack2<T>(score[2 * n + 1][0], score[2 * n + 1][1]),
						pack2<T>(score[2 * n + 1][2], score[2 * n + 1][3]) };

#pragma unroll
			for (int d = 0; d < DIM / 8; d++) {
				uint32_t b0, b1;

				load_transposed(values + (n * 16 + lane % 16) * LD + d * 8, &b0, &b1);
				tensor_product<T>(out[d], p, b0, b1);
			}
		}
	}
#pragma unroll
	for (int r = 0; r < 2; r++) {
		sum[r] += __shfl_xor_sync(0xffffffffu, sum[r], 1);
		sum[r] += __shfl_xor_sync(0xffffffffu, sum[r], 2);
		if (!row[r].there)
			continue;
#pragma unroll
		for (int d = 0; d < DIM / 8; d++)
#pragma unroll
			for (int i = 0; i < 2; i++)
				if (d * 8 + 2 * t + i < a.head_dim)
					store_out(a, row[r].token,
						  row[r].head * a.head_dim + d * 8 + 2 * t + i,
						  out[d][2 * r + i] / sum[r]);
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
