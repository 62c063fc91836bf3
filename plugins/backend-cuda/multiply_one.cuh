/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The matrix product of decoding one token with a matrix of four- or five-bit codes, on Hopper: where the
 * instructions that make operands of codes would run short before the memory does, and
 * matrices are so small that what precedes and follows their reading counts.
 *
 * The tensor core multiplies eight columns, and there is one token. So its columns are
 * the eight blocks of a chunk of four units, each having the activations of its own
 * block and zeros for the others: a lane gets the sums of one unit's two blocks, and
 * scales those alone (codes.cuh).
 *
 * A block's units are cut into as many equal ranges as it has warps. Each warp copies
 * its own, chunk by chunk, into a ring in shared memory, writes the sums of tiles that
 * it has all of, and leaves those of others for the end, the only place where warps
 * wait for each other.
 */
#ifndef LSB_CUDA_MULTIPLY_ONE_CUH
#define LSB_CUDA_MULTIPLY_ONE_CUH

#include "codes.cuh"
#include "multiply.cuh"

enum {
	ONE_WARPS = 8,
	ONE_THREADS = ONE_WARPS * 32,
	ONE_RING_BYTES = 160 << 10, /* of all warps */
	ONE_EARLY_BYTES = 40 << 10  /* asked for before the inputs, which queue behind them */
};

/* What a block works on: `all` units, counted through its tiles, `units` of each. */
struct share {
	uint32_t tile0, unit0, units, all; /* unit0: of a row, where the split begins */

	__device__ __forceinline__ share(const struct cuda_product &p)
	{
		const uint32_t tiles = p.m.pair ? (p.m.rows + 7) / 8 : (p.m.rows + 15) / 16;
		const uint32_t each = tiles / gridDim.x,
			       more = tiles % gridDim.x; /* `more` blocks have one more */
		const uint32_t most = p.split_k / CUDA_UNIT_K, rest = p.m.k / CUDA_UNIT_K;

		tile0 = blockIdx.x * each + min(blockIdx.x, more);
		unit0 = blockIdx.y * most;
		units = min(rest - unit0, most);
		all = (each + (blockIdx.x < more)) * units;
	}

	/* Where the range of warp w begins. */
	__device__ __forceinline__ uint32_t start(uint32_t w) const
	{
		return all * w / ONE_WARPS;
	}
};

/* A warp's ring of chunks. */
template <class F> struct ring {
	enum {
		UNITS = 4, /* of a chunk: eight blocks, for eight columns */
		BYTES = UNITS * F::UNIT_BYTES,
		CHUNKS = ONE_RING_BYTES / (ONE_WARPS * BYTES),
		EARLY = ONE_EARLY_BYTES / (ONE_WARPS * BYTES),
	};
	unsigned char chunk[CHUNKS][BYTES];
};

/* What all warps share. */
template <class F> struct workplace {
	struct ring<F> rings[ONE_WARPS];
	float sums[ONE_WARPS][2][CUDA_TILE_ROWS]; /* of a range's first tile and of its last */
};

/* A place in a warp's range, going on by chunks, which end with a tile and with the range. */
template <class F> struct place {
	uint32_t at, end, tile, unit, units; /* tile: of the block's; unit: of the tile's */

	__device__ __forceinline__ place(const struct share &s, uint32_t w)
	    : at(s.start(w)), end(s.start(w + 1)), tile(at / s.units), unit(at - tile * s.units),
	      units(s.units)
	{
	}

	/* Units of this chunk. */
	__device__ __forceinline__ uint32_t length(void) const
	{
		return min(min(units - unit, end - at), (uint32_t)ring<F>::UNITS);
	}

	__device__ __forceinline__ void pass(uint32_t n)
	{
		at += n;
		unit += n;
		if (unit == units) {
			unit = 0;
			tile++;
		}
	}
};

/* A warp's chunks on their way. */
template <class F> struct chunks_ahead {
	struct place<F> ahead;
	const unsigned char *from; /* of the next chunk, this lane's first piece */
	uint32_t skip;		   /* bytes between a tile's units of this split and the next tile's */

	__device__ __forceinline__ chunks_ahead(const struct cuda_product &p, const struct share &s,
						const struct place<F> &begin)
	    : ahead(begin)
	{
		const uint32_t row = p.m.k / CUDA_UNIT_K;
		const uint64_t unit = (uint64_t)(s.tile0 + ahead.tile) * row + s.unit0 + ahead.unit;

		from = (const unsigned char *)p.m.w + unit * F::UNIT_BYTES + threadIdx.x % 32 * 16;
		skip = (row - s.units) * F::UNIT_BYTES;
	}

	__device__ __forceinline__ void fetch(unsigned char *chunk)
	{
		const uint32_t n = ahead.length(), lane = threadIdx.x % 32;

#pragma unroll
		for (uint32_t i = 0; i < ring<F>::BYTES; i += 512)
			if (i + lane * 16 < n * F::UNIT_BYTES)
				copy_async<16>(chunk + i + lane * 16, from + i);
		copy_commit();
		from += n * F::UNIT_BYTES;
		ahead.pass(n);
		if (ahead.unit == 0)
			from += skip;
	}
};

/* Eight activations to shared memory, even pairs before odd ones; their block's sum to its first lane. */
template <class F>
static __device__ __forceinline__ void keep_eight(uint4 x, uint32_t at, unsigned char *inputs,
						  float *of_blocks)
{
	const float2 a = unpack2<__half>(x.x), b = unpack2<__half>(x.y);
	const float2 c = unpack2<__half>(x.z), d = unpack2<__half>(x.w);
	const uint32_t quad = 15u << (threadIdx.x % 32 & 28);
	float sum = ((a.x + a.y) + (b.x + b.y)) + ((c.x + c.y) + (d.x + d.y));

	*(uint4 *)(inputs + at * 16) = make_uint4(x.x, x.z, x.y, x.w);
	sum += __shfl_xor_sync(quad, sum, 1);
	sum += __shfl_xor_sync(quad, sum, 2);
	if (at % 4 == 0)
		of_blocks[at / 4] = sum * F::PER_BLOCK;
}

/* sum[h] += rows g + 8 h of a chunk of n units, beginning with unit `unit` of its tile. */
template <class F>
static __device__ __forceinline__ void add_chunk(float sum[2], const unsigned char *chunk, uint32_t n,
						 uint32_t unit, const unsigned char *inputs,
						 const float *of_blocks)
{
	const uint32_t lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
	const uint4 own =
		*(const uint4 *)(inputs + unit * CUDA_UNIT_K * 2 + (g < 2 * n ? g : 0) * 64 + t * 16);
	float even[4] = {}, odd[4] = {};

#pragma unroll
	for (uint32_t i = 0; i < ring<F>::UNITS; i++) {
		if (i >= n)
			break;
		const F codes(chunk + i * F::UNIT_BYTES, lane);

#pragma unroll
		for (uint32_t b = 0; b < 2; b++) {
			const __half2 mine = __float2half2_rn(g == 2 * i + b ? 1.0f : 0.0f);
			uint32_t a[4], c[4];

			codes.operands(b, a, c);
			tensor_product<__half>(even, a, as_word(__hmul2(as_half2(own.x), mine)),
					       as_word(__hmul2(as_half2(own.y), mine)));
			tensor_product<__half>(odd, c, as_word(__hmul2(as_half2(own.z), mine)),
					       as_word(__hmul2(as_half2(own.w), mine)));
		}
	}
	if (t >= n)
		return;
	const typename F::scaling scales(chunk + t * F::UNIT_BYTES, g);
	const float2 block = *(const float2 *)(of_blocks + (unit + t) * 2);

#pragma unroll
	for (int h = 0; h < 2; h++) {
		sum[h] = scales.add(sum[h], 0, h, even[2 * h], odd[2 * h], block.x);
		sum[h] = scales.add(sum[h], 1, h, even[2 * h + 1], odd[2 * h + 1], block.y);
	}
}

/* Rows g and g + 8 of a tile. */
template <class F, bool GATED>
static __device__ __forceinline__ void put(const struct cuda_product &p, uint32_t tile, uint32_t g,
					   const float sum[2])
{
	const uint32_t row = tile_row(tile, 0, p.m.pair) + g, row8 = tile_row(tile, 1, p.m.pair) + g;
	const float low = sum[0] / F::UNIT, high = sum[1] / F::UNIT;
	float *y = p.y + blockIdx.y * p.split_stride;

	if (GATED) {
		if (row < p.m.rows)
			((__half *)p.act)[row] = to_elem<__half>(silu(low, high));
		return;
	}
	if (row < p.m.rows)
		y[row] = low;
	if (p.m.pair ? row < p.m.rows : row8 < p.m.rows)
		y[row8] = high;
}

/* A warp's sums of a tile: out, if it had all of it, else to shared memory. */
template <class F, bool GATED>
static __device__ __forceinline__ void leave_tile(const struct cuda_product &p, const struct share &s,
						  uint32_t tile, float sum[2], struct workplace<F> *shared)
{
	const uint32_t w = threadIdx.x / 32, g = threadIdx.x % 32 / 4, begin = s.start(w),
		       first = tile * s.units;
	const bool own = begin <= first && s.start(w + 1) >= first + s.units;

#pragma unroll
	for (int h = 0; h < 2; h++) { /* the units' sums meet in every lane */
		sum[h] += __shfl_xor_sync(0xffffffffu, sum[h], 1);
		sum[h] += __shfl_xor_sync(0xffffffffu, sum[h], 2);
	}
	if (threadIdx.x % 4 == 0 && own) {
		put<F, GATED>(p, s.tile0 + tile, g, sum);
	} else if (threadIdx.x % 4 == 0) {
		shared->sums[w][begin < first][g] = sum[0];
		shared->sums[w][begin < first][g + 8] = sum[1];
	}
	sum[0] = sum[1] = 0.0f;
}

/* Tiles that several warps had a part in: their sums, in order. Eight lanes for each border between warps. */
template <class F, bool GATED>
static __device__ __forceinline__ void put_shared(const struct cuda_product &p, const struct share &s,
						  const struct workplace<F> *shared)
{
	const uint32_t g = threadIdx.x % 8;
	uint32_t w = threadIdx.x / 8 + 1;

	if (w >= ONE_WARPS)
		return;
	const uint32_t border = s.start(w), before = s.start(w - 1);
	const uint32_t tile = border / s.units, first = tile * s.units;

	/* The first border within a tile. */
	if (border == first || border == s.all || before > first)
		return;
	const float *own = shared->sums[w - 1][before < first];
	float sum[2] = { own[g], own[g + 8] };

	for (; w < ONE_WARPS && s.start(w) < first + s.units; w++) {
		if (s.start(w) == s.start(w + 1))
			continue;
		sum[0] += shared->sums[w][0][g];
		sum[1] += shared->sums[w][0][g + 8];
	}
	put<F, GATED>(p, s.tile0 + tile, g, sum);
}

template <class F, bool GATED>
__global__ void __launch_bounds__(ONE_THREADS, 2) multiply_one(const struct cuda_product p)
{
	extern __shared__ __align__(128) unsigned char memory[];
	enum { CHUNKS = ring<F>::CHUNKS, UNITS = ring<F>::UNITS, EARLY = ring<F>::EARLY };
	struct workplace<F> *shared = (struct workplace<F> *)memory;
	unsigned char *inputs = memory + sizeof(*shared);
	float *of_blocks = (float *)(inputs + p.split_k * 2);
	struct ring<F> *own = &shared->rings[threadIdx.x / 32];
	const struct share s(p);
	struct place<F> at(s, threadIdx.x / 32);
	struct chunks_ahead<F> weights(p, s, at);
	struct one_input<ONE_THREADS> x;

	let_next_start();
#pragma unroll 1
	for (uint32_t c = 0; c < EARLY; c++)
		weights.fetch(own->chunk[c]);
	wait_for_inputs();
	x.load(p, s.unit0 * CUDA_UNIT_K, s.units * CUDA_UNIT_K);
#pragma unroll 1
	for (uint32_t c = EARLY; c < CHUNKS; c++)
		weights.fetch(own->chunk[c]);
#pragma unroll
	for (uint32_t i = 0; i < one_input<ONE_THREADS>::EACH; i++)
		if (threadIdx.x + i * ONE_THREADS < s.units * (CUDA_UNIT_K / 8))
			keep_eight<F>(x.v[i], threadIdx.x + i * ONE_THREADS, inputs, of_blocks);
	__syncthreads();

	float sum[2] = {};

	for (uint32_t c = 0; at.at < at.end; c = c + 1 == CHUNKS ? 0 : c + 1) {
		const uint32_t n = at.length(), tile = at.tile;

		copy_wait<CHUNKS - 1>();
		__syncwarp(); /* other lanes' copies are read */
		if (n == UNITS)
			add_chunk<F>(sum, own->chunk[c], UNITS, at.unit, inputs, of_blocks);
		else
			add_chunk<F>(sum, own->chunk[c], n, at.unit, inputs, of_blocks);
		__syncwarp(); /* and may be overwritten */
		weights.fetch(own->chunk[c]);
		at.pass(n);
		if (at.unit == 0 || at.at == at.end)
			leave_tile<F, GATED>(p, s, tile, sum, shared);
	}
	__syncthreads();
	put_shared<F, GATED>(p, s, shared);
}

template <class F> static size_t one_bytes(uint32_t split_k)
{
	const size_t bytes = sizeof(struct workplace<F>) + split_k * 2 + split_k / 32 * sizeof(float);

	return bytes > ALONE_BYTES ? bytes : (size_t)ALONE_BYTES;
}

template <class F, bool GATED> static cudaError_t run_one(const struct cuda_product *p, cudaStream_t stream)
{
	return launch(multiply_one<F, GATED>, blocks_of(p), ONE_THREADS, one_bytes<F>(p->split_k), stream,
		      *p);
}

/* Not where there is less shared memory than Hopper's. */
static inline bool is_for_one(const struct cuda_product *p)
{
	return p->n == 1 && !p->invariant && !cuda_is_lean();
}

template <class F> static cudaError_t multiply_codes(const struct cuda_product *p, cudaStream_t stream)
{
	return p->act ? run_one<F, true>(p, stream) : run_one<F, false>(p, stream);
}

template <class F> static cudaError_t prepare_codes(void)
{
	const cudaFuncAttribute most = cudaFuncAttributeMaxDynamicSharedMemorySize;
	const int bytes = (int)one_bytes<F>(ONE_SPLIT_K);
	cudaError_t rc = cudaSuccess;

	if (!cuda_is_lean())
		rc = cudaFuncSetAttribute(multiply_one<F, true>, most, bytes);
	if (rc == cudaSuccess && !cuda_is_lean())
		rc = cudaFuncSetAttribute(multiply_one<F, false>, most, bytes);
	return rc;
}

#endif
