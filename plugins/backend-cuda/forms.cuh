/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the forms of kernels.h lie in memory, and how a lane makes tensor-core
 * operands of them.
 *
 * A unit is 16 rows x 64 inputs, that is two blocks of 32 inputs. In each block a
 * lane 4 g + t uses inputs 8 t to 8 t + 7 of rows g and g + 8. The tensor core
 * wants other columns, but as a sum does not mind the order of its terms, the
 * activations are given to it in the same order: the first four of the eight make
 * one product, the last four another.
 *
 * Packed forms. Word 2 h + b of the low plane has the low four bits of row
 * g + 8 h, block b, so that a mask gives two values 16 bits apart: those of inputs
 * (0, 1), (2, 3), (4, 5), (6, 7) begin at bits 0, 4, 8, 12 and at 16 more. Fifth
 * bits: of (h, b, pair j), bit 8 h + 4 b + j and 16 more. Fifth and sixth: of (b,
 * j), bits 8 b + 2 j and 16 more of word h. Eight-bit values are bytes in order,
 * 128 too large. A value becomes fp16 by or-ing it into the mantissa of 1024.
 */
#ifndef LSB_CUDA_FORMS_CUH
#define LSB_CUDA_FORMS_CUH

#include "device.cuh"

#if __CUDA_ARCH__ >= 900 || !defined(__CUDA_ARCH__)
#define FULL_OR_LEAN(full, lean) (full)
#else
#define FULL_OR_LEAN(full, lean) (lean)
#endif
#if __CUDA_ARCH__ >= 800 || !defined(__CUDA_ARCH__)
enum { LEAN_STAGES = 3 };
#else
enum { LEAN_STAGES = 2 };
#endif
enum { LEAN_WARPS = 8 };

/* Operands of two blocks: [block][product][register]. */
struct operands {
	uint32_t a[2][2][4];
};

static __device__ __forceinline__ __half2 as_half2(uint32_t w)
{
	return *reinterpret_cast<__half2 *>(&w);
}
static __device__ __forceinline__ uint32_t as_word(__half2 h)
{
	return *reinterpret_cast<uint32_t *>(&h);
}
/* The low or the high half of a word, twice. */
static __device__ __forceinline__ uint32_t low_twice(uint32_t w)
{
	return __byte_perm(w, 0, 0x1010);
}
static __device__ __forceinline__ uint32_t high_twice(uint32_t w)
{
	return __byte_perm(w, 0, 0x3232);
}

/* (w & mask) | bits in one instruction; the compiler makes two of it. */
static __device__ __forceinline__ uint32_t and_or(uint32_t w, uint32_t mask, uint32_t bits)
{
	uint32_t d;

	asm("lop3.b32 %0, %1, %2, %3, 0xea;" : "=r"(d) : "r"(w), "r"(mask), "r"(bits));
	return d;
}

/* First row of half `h` of a tile. */
static __host__ __device__ __forceinline__ uint32_t tile_row(uint32_t tile, uint32_t h, uint32_t pair)
{
	return pair ? tile * 8 + h * pair : tile * 16 + h * 8;
}

/* --- 16-bit rows ----------------------------------------------------------------- */

/*
 * A unit's rows are 128 bytes each. Eight lanes copy one row, so that memory is read
 * in whole lines; lane (g, t) then reads 16 bytes of rows g and g + 8. In shared memory
 * the eight pieces of a row change places by row, so that no two of the lanes that are
 * served together meet in a bank.
 */
template <class T> struct form_rows {
	typedef T elem;
	enum { FULL_WARPS = 8, WARPS = FULL_OR_LEAN(FULL_WARPS, LEAN_WARPS) };
	/* Stages of the ring, by what activations of 1, of up to 8 and of more tokens leave. */
	enum { ONE = 8, FEW = 8, MANY = 5 };
	enum { THREADS = WARPS * 32, LANE_BYTES = 64 };
	enum { UNIT_BYTES = CUDA_UNIT_K * 2 }; /* from a unit of a row to the next */

	uint64_t half;			 /* bytes from rows 0-7 of a tile to rows 8-15 */
	uint32_t four;			 /* bytes of four rows */
	uint32_t to_even, to_odd, from0; /* in a stage, of this lane */

	static __device__ __forceinline__ uint32_t piece(uint32_t row, uint32_t i)
	{
		return row * 128 + (i ^ ((row & 1) << 2 | (row >> 1 & 3))) * 16;
	}

	__device__ __forceinline__ form_rows(const struct cuda_matrix &m, uint32_t thread)
	{
		const uint32_t warp = thread / 32, lane = thread % 32;

		half = (uint64_t)(m.pair ? m.pair : 8) * m.k * 2;
		four = 8 * m.k;
		to_even = warp * 2048 + piece(lane / 8, lane % 8);
		to_odd = warp * 2048 + piece(lane / 8 + 4, lane % 8);
		from0 = warp * 2048 + piece(lane / 4, lane % 4);
	}

	__device__ __forceinline__ const unsigned char *locate(const struct cuda_matrix &m, uint32_t tile,
							       uint32_t unit, uint32_t thread) const
	{
		const uint32_t lane = thread % 32;

		return (const unsigned char *)m.w +
		       ((uint64_t)(tile_row(tile, 0, m.pair) + lane / 8) * m.k + unit * CUDA_UNIT_K) * 2 +
		       lane % 8 * 16;
	}

	__device__ __forceinline__ void fetch(unsigned char *stage, const unsigned char *from,
					      uint32_t thread) const
	{
		(void)thread;
		copy_async<16>(stage + to_even, from);
		copy_async<16>(stage + to_odd, from + four);
		copy_async<16>(stage + to_even + 1024, from + half);
		copy_async<16>(stage + to_odd + 1024, from + half + four);
	}

	__device__ __forceinline__ void take(const unsigned char *stage, uint32_t thread,
					     struct operands *o) const
	{
		(void)thread;
		__syncwarp(); /* other lanes' copies are read, and what they read before may be overwritten
				 after */
#pragma unroll
		for (uint32_t h = 0; h < 2; h++)
#pragma unroll
			for (uint32_t b = 0; b < 2; b++) {
				const uint4 v = *(const uint4 *)(stage + ((from0 ^ (b * 64)) + h * 1024));

				o->a[b][0][h] = v.x;
				o->a[b][0][2 + h] = v.y;
				o->a[b][1][h] = v.z;
				o->a[b][1][2 + h] = v.w;
			}
	}
};

/* --- packed ------------------------------------------------------------------------ */

/* Bytes and offsets of the planes of a unit; scales are fp16, (scale, minimum) pairs with MIN. */
template <int BITS, bool MIN> struct planes {
	enum {
		LOW = BITS == 8 ? 1024 : 512,
		HIGH = BITS == 5   ? 128
		       : BITS == 6 ? 256
				   : 0,
		SCALES = MIN || BITS == 6 ? 128 : 64,
		HIGH_AT = LOW,
		SCALES_AT = LOW + HIGH,
		BYTES = LOW + HIGH + SCALES,
		SCALE_BYTES = MIN ? 16 : 8, /* a lane's */
		HIGH_BYTES = HIGH / 32,
		LANE_BYTES = LOW / 32 + HIGH_BYTES + SCALE_BYTES,
	};
	/* Where the scales of lane 4 g + t begin: shared by t, but in halves with scales for 16 inputs each.
	 */
	static __host__ __device__ __forceinline__ uint32_t scale_at(uint32_t g, uint32_t t)
	{
		return BITS == 6 ? (g * 2 + t / 2) * 8 : g * SCALE_BYTES;
	}
};

template <int BITS, bool MIN> struct form_packed {
	typedef __half elem;
	typedef planes<BITS, MIN> at;
	enum { FULL_WARPS = 16, WARPS = FULL_OR_LEAN(FULL_WARPS, LEAN_WARPS) };
	enum { THREADS = WARPS * 32, LANE_BYTES = at::LANE_BYTES };
	enum { ONE = 6, FEW = LANE_BYTES > 32 ? 4 : LANE_BYTES > 24 ? 5 : 6, MANY = FEW };
	enum { HIGH_AT = THREADS * at::LOW / 32, SCALES_AT = HIGH_AT + THREADS * at::HIGH_BYTES };

	enum { UNIT_BYTES = at::BYTES };

	uint32_t high, scale; /* where this lane's further bits and scales are, from its low bits */

	__device__ __forceinline__ form_packed(const struct cuda_matrix &m, uint32_t thread)
	{
		const uint32_t lane = thread % 32;

		(void)m;
		high = at::HIGH_AT + lane * at::HIGH_BYTES - lane * 16;
		scale = at::SCALES_AT + at::scale_at(lane / 4, lane % 4) - lane * 16;
	}

	__device__ __forceinline__ const unsigned char *locate(const struct cuda_matrix &m, uint32_t tile,
							       uint32_t unit, uint32_t thread) const
	{
		return (const unsigned char *)m.w +
		       ((uint64_t)tile * (m.k / CUDA_UNIT_K) + unit) * at::BYTES + thread % 32 * 16;
	}

	__device__ __forceinline__ void fetch(unsigned char *stage, const unsigned char *from,
					      uint32_t thread) const
	{
		copy_async<16>(stage + thread * 16, from);
		if (BITS == 8)
			copy_async<16>(stage + (THREADS + thread) * 16, from + 512);
		if (BITS == 5)
			copy_async<4>(stage + HIGH_AT + thread * 4, from + high);
		if (BITS == 6)
			copy_async<8>(stage + HIGH_AT + thread * 8, from + high);
		copy_async<at::SCALE_BYTES>(stage + SCALES_AT + thread * at::SCALE_BYTES, from + scale);
	}

	/* Eight values as four pairs of fp16, exact integers less the type's middle. `high`: bits 0.. as told
	 * above. */
	static __device__ __forceinline__ void integers(uint32_t low, uint32_t high, __half2 v[4])
	{
		enum { MIDDLE = MIN ? 0 : BITS == 4 ? 8 : BITS == 5 ? 16 : 32 };
		const __half2 one = __float2half2_rn(1024.0f + MIDDLE), sixteenth = __float2half2_rn(0.0625f);
		const __half2 sixteen = __float2half2_rn(-64.0f - MIDDLE);

#pragma unroll
		for (int j = 0; j < 4; j += 2) {
			const uint32_t w = low >> (4 * j);
			uint32_t even = and_or(w, 0x000f000fu, 0x64006400u),
				 odd = and_or(w, 0x00f000f0u, 0x64006400u);

			if (BITS == 5) {
				even = and_or(high << (4 - j), 0x00100010u, even);
				odd = and_or(high << (7 - j), 0x01000100u, odd);
			}
			if (BITS == 6) {
				even = and_or(high << (4 - 2 * j), 0x00300030u, even);
				odd = and_or(high << (6 - 2 * j), 0x03000300u, odd);
			}
			v[j] = __hsub2(as_half2(even), one);
			v[j + 1] = __hfma2(as_half2(odd), sixteenth, sixteen);
		}
	}

	static __device__ __forceinline__ void bytes(uint32_t w0, uint32_t w1, __half2 v[4])
	{
		const __half2 base = __float2half2_rn(1152.0f);

		v[0] = __hsub2(as_half2(__byte_perm(w0, 0x64646464u, 0x4140)), base);
		v[1] = __hsub2(as_half2(__byte_perm(w0, 0x64646464u, 0x4342)), base);
		v[2] = __hsub2(as_half2(__byte_perm(w1, 0x64646464u, 0x4140)), base);
		v[3] = __hsub2(as_half2(__byte_perm(w1, 0x64646464u, 0x4342)), base);
	}

	/* The parts of a lane's bytes. */
	struct lane {
		uint32_t low[BITS == 8 ? 8 : 4], high[2], scales[MIN ? 4 : 2];
	};

	static __device__ __forceinline__ void expand(const struct lane &l, struct operands *o)
	{
#pragma unroll
		for (int h = 0; h < 2; h++)
#pragma unroll
			for (int b = 0; b < 2; b++) {
				const uint32_t pair = MIN ? l.scales[2 * h + b] : l.scales[h];
				const __half2 scale =
					as_half2(MIN || b == 0 ? low_twice(pair) : high_twice(pair));
				__half2 v[4];

				if (BITS == 8)
					bytes(l.low[4 * h + 2 * b], l.low[4 * h + 2 * b + 1], v);
				else
					integers(l.low[2 * h + b],
						 BITS == 5 ? l.high[0] >> (8 * h + 4 * b)
							   : l.high[h] >> (8 * b),
						 v);
#pragma unroll
				for (int j = 0; j < 4; j++) {
					v[j] = MIN ? __hfma2(v[j], scale, as_half2(high_twice(pair)))
						   : __hmul2(v[j], scale);
					o->a[b][j / 2][2 * (j % 2) + h] = as_word(v[j]);
				}
			}
	}

	static __device__ __forceinline__ void take(const unsigned char *stage, uint32_t thread,
						    struct operands *o)
	{
		struct lane l = {};

		*(uint4 *)l.low = *(const uint4 *)(stage + thread * 16);
		if (BITS == 8)
			*(uint4 *)(l.low + (BITS == 8 ? 4 : 0)) =
				*(const uint4 *)(stage + (THREADS + thread) * 16);
		if (BITS == 5)
			l.high[0] = *(const uint32_t *)(stage + HIGH_AT + thread * 4);
		if (BITS == 6)
			*(uint2 *)l.high = *(const uint2 *)(stage + HIGH_AT + thread * 8);
		if (MIN)
			*(uint4 *)l.scales = *(const uint4 *)(stage + SCALES_AT + thread * 16);
		else
			*(uint2 *)l.scales = *(const uint2 *)(stage + SCALES_AT + thread * 8);
		expand(l, o);
	}
};

#endif
