/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The matrix product of decoding: up to 32 tokens, every weight read once.
 *
 * A block owns a range of inputs (a split) and walks over tiles of 16 outputs; its
 * warps share a tile's inputs, 64 at a time in turn, and their sums meet in shared
 * memory once a tile. Each lane streams its own bytes of the weights through a ring
 * in shared memory with asynchronous copies, several units ahead and across the
 * borders of tiles, so that the memory never waits for arithmetic; the first units
 * are on their way before the kernel ahead has ended.
 */
#ifndef LSB_CUDA_MULTIPLY_CUH
#define LSB_CUDA_MULTIPLY_CUH

#include "forms.cuh"

enum {
	ONE_SPLIT_K = 4096, /* most inputs of a split of one token */
	ALONE_BYTES = 116 << 10,
	SUM_LD = 20 /* of a column of 16 sums: keeps the lanes of a store in different banks */,
	SUM_BYTES = 8 * SUM_LD * 4
};

/* Bytes between rows of activations in shared memory: rows begin 16 banks apart. */
static inline __host__ __device__ uint32_t shared_row(uint32_t split_k)
{
	return split_k * 2 + 64;
}

/* Two sets of sums let a warp go on to the next tile while others still add this one's; of large ones there
 * is one. */
static inline __host__ __device__ constexpr int sum_sets(int nt)
{
	return nt > 2 ? 1 : 2;
}

template <class F, int NT>
static __device__ __forceinline__ void store_sums(float *to, const float sum[NT][4], uint32_t g, uint32_t t)
{
#pragma unroll
	for (int i = 0; i < NT; i++) {
		float *at = to + i * (SUM_BYTES / 4) + 2 * t * SUM_LD + g;

		at[0] = sum[i][0];
		at[SUM_LD] = sum[i][1];
		at[8] = sum[i][2];
		at[SUM_LD + 8] = sum[i][3];
	}
}

/* The sum over warps, in order. */
template <int WARPS, int NT>
static __device__ __forceinline__ float add_warps(const float *sums, uint32_t column, uint32_t row)
{
	float v = 0.0f;

	sums += column / 8 * (SUM_BYTES / 4) + column % 8 * SUM_LD + row;
#pragma unroll
	for (int w = 0; w < WARPS; w++)
		v += sums[w * NT * (SUM_BYTES / 4)];
	return v;
}

template <class F, int NT, bool GATED>
static __device__ __forceinline__ void finish_tile(const struct cuda_product &p, const float *sums,
						   uint32_t tile, uint32_t split)
{
	const uint32_t rows = GATED ? 8 : 16;

#pragma unroll 1
	for (uint32_t i = threadIdx.x; i < p.n * rows; i += F::THREADS) {
		const uint32_t r = i % rows, column = i / rows;
		const float v = add_warps<F::WARPS, NT>(sums, column, r);

		if (GATED) {
			const float up = add_warps<F::WARPS, NT>(sums, column, r + 8);
			const uint32_t at = tile * 8 + r;

			if (at < p.m.rows)
				((typename F::elem *)p.act)[(uint64_t)column * p.ld_act + at] =
					to_elem<typename F::elem>(silu(v, up));
		} else {
			const uint32_t at = tile_row(tile, r / 8, p.m.pair) + r % 8;

			if (p.m.pair ? tile * 8 + r % 8 < p.m.rows : at < p.m.rows)
				p.y[split * p.split_stride + (uint64_t)column * p.ldy + at] = v;
		}
	}
}

/* Activations of this split to shared memory; also what is padding there is zero in global memory. */
template <class F>
static __device__ __forceinline__ void load_inputs(const struct cuda_product &p, unsigned char *shared,
						   uint32_t k0, uint32_t n_k)
{
	const uint32_t row = shared_row(p.split_k), vectors = n_k / 8;

	for (uint32_t token = threadIdx.x / 32; token < p.n; token += F::WARPS) {
		const unsigned char *from = (const unsigned char *)p.x + ((uint64_t)token * p.ldx + k0) * 2;

#pragma unroll 8
		for (uint32_t v = threadIdx.x % 32; v < vectors; v += 32)
			*(uint4 *)(shared + token * row + v * 16) = *(const uint4 *)(from + v * 16);
	}
}

/* Those of one token, asked for all at once. */
template <int THREADS> struct one_input {
	enum { EACH = ONE_SPLIT_K / 8 / THREADS };
	uint4 v[EACH];

	__device__ __forceinline__ void load(const struct cuda_product &p, uint32_t k0, uint32_t n_k)
	{
		const uint4 *x = (const uint4 *)((const unsigned char *)p.x + k0 * 2);

#pragma unroll
		for (uint32_t i = 0; i < EACH; i++)
			if (threadIdx.x + i * THREADS < n_k / 8)
				v[i] = x[threadIdx.x + i * THREADS];
	}
	__device__ __forceinline__ void keep(unsigned char *shared, uint32_t n_k) const
	{
#pragma unroll
		for (uint32_t i = 0; i < EACH; i++)
			if (threadIdx.x + i * THREADS < n_k / 8)
				((uint4 *)shared)[threadIdx.x + i * THREADS] = v[i];
	}
};

template <class F, int NT, bool GATED, int DEPTH>
__global__ void __launch_bounds__(F::THREADS, NT == 1 ? 2 : 1) multiply(const struct cuda_product p)
{
	extern __shared__ __align__(128) unsigned char shared[];
	enum { STAGES = FULL_OR_LEAN(DEPTH, LEAN_STAGES) };
	enum { STAGE_BYTES = F::THREADS * F::LANE_BYTES, SET = F::WARPS * NT * (SUM_BYTES / 4) };
	enum { TURN_BYTES = F::WARPS * F::UNIT_BYTES, TURN_INPUTS = F::WARPS * CUDA_UNIT_K * 2 };
	const uint32_t thread = threadIdx.x, warp = thread / 32, g = thread % 32 / 4, t = thread % 4;
	const uint32_t split = blockIdx.y, step = gridDim.x, first = blockIdx.x;
	const uint32_t tiles = p.m.pair ? (p.m.rows + 7) / 8 : (p.m.rows + 15) / 16;
	const uint32_t unit0 = split * (p.split_k / CUDA_UNIT_K);
	const uint32_t rest = p.m.k / CUDA_UNIT_K - unit0, most = p.split_k / CUDA_UNIT_K;
	const uint32_t units = rest < most ? rest : most;
	const uint32_t turns = units > warp ? (units - warp + F::WARPS - 1) / F::WARPS : 0;
	float *sums = (float *)(shared + STAGES * STAGE_BYTES);
	unsigned char *inputs = (unsigned char *)(sums + sum_sets(NT) * SET);
	const F form(p.m, thread);
	uint32_t ahead_tile = turns ? first : tiles, ahead = 0, stage = 0, set = 0;
	const unsigned char *from = form.locate(p.m, first, unit0 + warp, thread);

	auto fetch = [&](uint32_t to) {
		if (ahead_tile < tiles) {
			form.fetch(shared + to * STAGE_BYTES, from, thread);
			from += TURN_BYTES;
			if (++ahead == turns) {
				ahead = 0;
				ahead_tile += step;
				from = form.locate(p.m, ahead_tile, unit0 + warp, thread);
			}
		}
		copy_commit();
	};

	let_next_start();
#pragma unroll
	for (uint32_t i = 0; i < STAGES - 1; i++)
		fetch(i);
	wait_for_inputs();
	if (NT == 1 && p.n == 1) {
		struct one_input<F::THREADS> x;

		x.load(p, unit0 * CUDA_UNIT_K, units * CUDA_UNIT_K);
		x.keep(inputs, units * CUDA_UNIT_K);
	} else {
		load_inputs<F>(p, inputs, unit0 * CUDA_UNIT_K, units * CUDA_UNIT_K);
	}
	__syncthreads();

	/* Columns beyond n repeat the last one; nobody looks at what becomes of them. */
	const unsigned char *own[NT];

#pragma unroll
	for (int i = 0; i < NT; i++) {
		const uint32_t column = i * 8 + g < p.n ? i * 8 + g : p.n - 1;

		own[i] = inputs + column * shared_row(p.split_k) + warp * CUDA_UNIT_K * 2 + t * 16;
	}
	for (uint32_t tile = first; tile < tiles; tile += step) {
		float sum[NT][4] = {};
		uint32_t at = 0;

		for (uint32_t turn = 0; turn < turns; turn++, at += TURN_INPUTS) {
			struct operands o;

			copy_wait<STAGES - 2>();
			form.take(shared + stage * STAGE_BYTES, thread, &o);
			fetch(stage == 0 ? STAGES - 1 : stage - 1);
			stage = stage + 1 == STAGES ? 0 : stage + 1;
#pragma unroll
			for (int i = 0; i < NT; i++)
#pragma unroll
				for (int b = 0; b < 2; b++) {
					const uint4 x = *(const uint4 *)(own[i] + at + b * 64);

					tensor_product<typename F::elem>(sum[i], o.a[b][0], x.x, x.y);
					tensor_product<typename F::elem>(sum[i], o.a[b][1], x.z, x.w);
				}
		}
		store_sums<F, NT>(sums + set * SET + warp * NT * (SUM_BYTES / 4), sum, g, t);
		__syncthreads();
		finish_tile<F, NT, GATED>(p, sums + set * SET, tile, split);
		if (sum_sets(NT) == 2)
			set ^= 1;
		else
			__syncthreads();
	}
}

/* Shared memory of a kernel of n tokens; host's view of F's figures. */
template <class F, int NT, int DEPTH> static size_t shared_bytes(uint32_t n, uint32_t split_k)
{
	const size_t warps = cuda_is_lean() ? (size_t)LEAN_WARPS : (size_t)F::FULL_WARPS;
	const size_t stages = cuda_is_lean() ? (size_t)LEAN_STAGES : (size_t)DEPTH;

	const size_t bytes = stages * warps * 32 * F::LANE_BYTES +
			     (size_t)sum_sets(NT) * warps * NT * SUM_BYTES + (size_t)n * shared_row(split_k);

	/* More than half of a multiprocessor's: the next product, begun early, would be in the way of the
	 * short kernels between (measured: 498 instead of 390 tokens/s of a 3B model). */
	return cuda_is_lean() || bytes > ALONE_BYTES ? bytes : (size_t)ALONE_BYTES;
}

/* Blocks of a product: one a multiprocessor, as many for each split. */
static inline dim3 blocks_of(const struct cuda_product *p)
{
	const uint32_t tiles = p->m.pair ? (p->m.rows + 7) / 8 : (p->m.rows + 15) / 16;
	const uint32_t blocks = p->sms < p->splits ? 1 : p->sms / p->splits;

	return dim3(blocks < tiles ? blocks : tiles, p->splits);
}

template <class F, int NT, bool GATED, int DEPTH>
static cudaError_t run(const struct cuda_product *p, cudaStream_t stream)
{
	return launch(multiply<F, NT, GATED, DEPTH>, blocks_of(p),
		      32u * (cuda_is_lean() ? (unsigned)LEAN_WARPS : (unsigned)F::FULL_WARPS),
		      shared_bytes<F, NT, DEPTH>(p->n, p->split_k), stream, *p);
}

template <class F> static cudaError_t multiply_form(const struct cuda_product *p, cudaStream_t stream)
{
	if (p->n == 1)
		return p->act ? run<F, 1, true, F::ONE>(p, stream) : run<F, 1, false, F::ONE>(p, stream);
	if (p->n <= 8)
		return p->act ? run<F, 1, true, F::FEW>(p, stream) : run<F, 1, false, F::FEW>(p, stream);
	if (p->n <= 16)
		return run<F, 2, false, F::MANY>(p, stream);
	return run<F, 4, false, F::MANY>(p, stream);
}

template <class F, int NT, bool GATED, int DEPTH> static cudaError_t prepare_kernel(uint32_t n)
{
	const size_t bytes = shared_bytes<F, NT, DEPTH>(n, cuda_split_k(CUDA_FORM_F16, n));

	return cudaFuncSetAttribute(multiply<F, NT, GATED, DEPTH>,
				    cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes);
}

template <class F> static cudaError_t prepare_form(void)
{
	cudaError_t rc = prepare_kernel<F, 1, true, F::ONE>(1);

	if (rc == cudaSuccess)
		rc = prepare_kernel<F, 1, false, F::ONE>(1);
	if (rc == cudaSuccess)
		rc = prepare_kernel<F, 1, true, F::FEW>(8);
	if (rc == cudaSuccess)
		rc = prepare_kernel<F, 1, false, F::FEW>(8);
	if (rc == cudaSuccess)
		rc = prepare_kernel<F, 2, false, F::MANY>(16);
	if (rc == cudaSuccess)
		rc = prepare_kernel<F, 4, false, F::MANY>(32);
	return rc;
}

/* Each form in a file of its own, so that they compile side by side. */
cudaError_t multiply_rows(const struct cuda_product *p, cudaStream_t stream);
cudaError_t multiply_four(const struct cuda_product *p, cudaStream_t stream);
cudaError_t multiply_five(const struct cuda_product *p, cudaStream_t stream);
cudaError_t multiply_more(const struct cuda_product *p, cudaStream_t stream);
cudaError_t prepare_rows(void);
cudaError_t prepare_four(void);
cudaError_t prepare_five(void);
cudaError_t prepare_more(void);

#endif
