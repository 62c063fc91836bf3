/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sixteen fp32 lanes, as one 512-bit register or two 256-bit ones.
 *
 * What is written against this header (kernels_float.h, kernels_attention.h,
 * kernels_ops.h) does the same operations in the same order on both, and so
 * gives the same bits. Included by one file per instruction set, after
 * <immintrin.h>; everything is static, so nothing compiled for a newer processor
 * can be linked into common code.
 */
#ifndef LSB_CPU_KERNELS_SIMD_H
#define LSB_CPU_KERNELS_SIMD_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

#if defined(__AVX512F__)

struct v16 {
	__m512 v;
};

#define V16_UNARY(name, op)                                                                                  \
	INLINE struct v16 v16_##name(struct v16 a)                                                           \
	{                                                                                                    \
		return (struct v16){ _mm512_##op(a.v) };                                                     \
	}
#define V16_BINARY(name, op)                                                                                 \
	INLINE struct v16 v16_##name(struct v16 a, struct v16 b)                                             \
	{                                                                                                    \
		return (struct v16){ _mm512_##op(a.v, b.v) };                                                \
	}
#define V16_TERNARY(name, op)                                                                                \
	INLINE struct v16 v16_##name(struct v16 a, struct v16 b, struct v16 c)                               \
	{                                                                                                    \
		return (struct v16){ _mm512_##op(a.v, b.v, c.v) };                                           \
	}

INLINE struct v16 v16_set1(float x)
{
	return (struct v16){ _mm512_set1_ps(x) };
}

INLINE struct v16 v16_load(const float *p)
{
	return (struct v16){ _mm512_loadu_ps(p) };
}

INLINE void v16_store(float *p, struct v16 a)
{
	_mm512_storeu_ps(p, a.v);
}

INLINE struct v16 v16_from_f16(__m256i halves)
{
	return (struct v16){ _mm512_cvtph_ps(halves) };
}

INLINE struct v16 v16_load_bf16(const uint16_t *p)
{
	const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));

	return (struct v16){ _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16)) };
}

INLINE void v16_store_f16(uint16_t *p, struct v16 a)
{
	_mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT));
}

INLINE __m256 v16_low(struct v16 a)
{
	return _mm512_castps512_ps256(a.v);
}

INLINE __m256 v16_high(struct v16 a)
{
	return _mm512_extractf32x8_ps(a.v, 1);
}

/* (x0, x1) pairs: swapped; the first of each twice; the second of each twice. */
INLINE struct v16 v16_swap_pairs(struct v16 a)
{
	return (struct v16){ _mm512_permute_ps(a.v, 0xb1) };
}

/* 2^n of whole numbers n in [-126, 127]. */
INLINE struct v16 v16_exp2_int(struct v16 n)
{
	const __m512i biased = _mm512_add_epi32(_mm512_cvtps_epi32(n.v), _mm512_set1_epi32(127));

	return (struct v16){ _mm512_castsi512_ps(_mm512_slli_epi32(biased, 23)) };
}

/* Lanes i < n of a, `other` elsewhere. */
INLINE struct v16 v16_first(struct v16 a, size_t n, struct v16 other)
{
	return (struct v16){ _mm512_mask_mov_ps(other.v, (__mmask16)((1u << n) - 1), a.v) };
}

V16_UNARY(even_twice, moveldup_ps)
V16_UNARY(odd_twice, movehdup_ps)

#else

struct v16 {
	__m256 lo, hi;
};

#define V16_UNARY(name, op)                                                                                  \
	INLINE struct v16 v16_##name(struct v16 a)                                                           \
	{                                                                                                    \
		return (struct v16){ _mm256_##op(a.lo), _mm256_##op(a.hi) };                                 \
	}
#define V16_BINARY(name, op)                                                                                 \
	INLINE struct v16 v16_##name(struct v16 a, struct v16 b)                                             \
	{                                                                                                    \
		return (struct v16){ _mm256_##op(a.lo, b.lo), _mm256_##op(a.hi, b.hi) };                     \
	}
#define V16_TERNARY(name, op)                                                                                \
	INLINE struct v16 v16_##name(struct v16 a, struct v16 b, struct v16 c)                               \
	{                                                                                                    \
		return (struct v16){ _mm256_##op(a.lo, b.lo, c.lo), _mm256_##op(a.hi, b.hi, c.hi) };         \
	}

INLINE struct v16 v16_set1(float x)
{
	const __m256 v = _mm256_set1_ps(x);

	return (struct v16){ v, v };
}

INLINE struct v16 v16_load(const float *p)
{
	return (struct v16){ _mm256_loadu_ps(p), _mm256_loadu_ps(p + 8) };
}

INLINE void v16_store(float *p, struct v16 a)
{
	_mm256_storeu_ps(p, a.lo);
	_mm256_storeu_ps(p + 8, a.hi);
}

INLINE struct v16 v16_from_f16(__m256i halves)
{
	return (struct v16){ _mm256_cvtph_ps(_mm256_castsi256_si128(halves)),
			     _mm256_cvtph_ps(_mm256_extracti128_si256(halves, 1)) };
}

INLINE __m256 bf16_half(const uint16_t *p)
{
	const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));

	return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

INLINE struct v16 v16_load_bf16(const uint16_t *p)
{
	return (struct v16){ bf16_half(p), bf16_half(p + 8) };
}

INLINE void v16_store_f16(uint16_t *p, struct v16 a)
{
	_mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(a.lo, _MM_FROUND_TO_NEAREST_INT));
	_mm_storeu_si128((__m128i *)(p + 8), _mm256_cvtps_ph(a.hi, _MM_FROUND_TO_NEAREST_INT));
}

INLINE __m256 v16_low(struct v16 a)
{
	return a.lo;
}

INLINE __m256 v16_high(struct v16 a)
{
	return a.hi;
}

INLINE struct v16 v16_swap_pairs(struct v16 a)
{
	return (struct v16){ _mm256_permute_ps(a.lo, 0xb1), _mm256_permute_ps(a.hi, 0xb1) };
}

INLINE __m256 exp2_int_half(__m256 n)
{
	const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));

	return _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
}

INLINE struct v16 v16_exp2_int(struct v16 n)
{
	return (struct v16){ exp2_int_half(n.lo), exp2_int_half(n.hi) };
}

INLINE struct v16 v16_first(struct v16 a, size_t n, struct v16 other)
{
	const __m256i count = _mm256_set1_epi32((int)n), lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
	const __m256 lo = _mm256_castsi256_ps(_mm256_cmpgt_epi32(count, lane));
	const __m256 hi =
		_mm256_castsi256_ps(_mm256_cmpgt_epi32(count, _mm256_add_epi32(lane, _mm256_set1_epi32(8))));

	return (struct v16){ _mm256_blendv_ps(other.lo, a.lo, lo), _mm256_blendv_ps(other.hi, a.hi, hi) };
}

V16_UNARY(even_twice, moveldup_ps)
V16_UNARY(odd_twice, movehdup_ps)

#endif

V16_BINARY(add, add_ps)
V16_BINARY(sub, sub_ps)
V16_BINARY(mul, mul_ps)
V16_BINARY(div, div_ps)
V16_BINARY(max, max_ps) /* the second when either is NaN */
V16_BINARY(min, min_ps)
V16_TERNARY(fma, fmadd_ps)	      /* a * b + c, rounded once */
V16_TERNARY(fnma, fnmadd_ps)	      /* c - a * b */
V16_TERNARY(fma_sub_add, fmaddsub_ps) /* a * b - c in even lanes, + c in odd ones */

INLINE struct v16 v16_load_f16(const uint16_t *p)
{
	return v16_from_f16(_mm256_loadu_si256((const __m256i *)p));
}

INLINE struct v16 v16_load_n(const float *p, size_t n)
{
	float all[16] = { 0.0f };

	memcpy(all, p, n * sizeof(float));
	return v16_load(all);
}

INLINE void v16_store_n(float *p, size_t n, struct v16 a)
{
	float all[16];

	v16_store(all, a);
	memcpy(p, all, n * sizeof(float));
}

INLINE struct v16 v16_load_f16_n(const uint16_t *p, size_t n)
{
	uint16_t all[16] = { 0 };

	memcpy(all, p, n * sizeof(uint16_t));
	return v16_load_f16(all);
}

/*
 * Ask for the weights PREFETCH_AHEAD bytes behind `p`, of which the line at `p`
 * is multiplied by n tokens: the processor's own prefetching comes too late while
 * products keep the core busy or another rank the memory. With few tokens memory
 * is the limit, and lines come to the first-level cache; with more, only to the
 * second: 24 lines of 64 bytes underway to the first in 100 ns are 15 GB/s. One
 * token reads faster without.
 */
INLINE void fetch_weights(const void *p, size_t n)
{
	enum { PREFETCH_AHEAD = 4096, FEW = 4 };
	const char *line = (const char *)p + PREFETCH_AHEAD;

	if (n > FEW)
		_mm_prefetch(line, _MM_HINT_T1);
	else if (n > 1)
		_mm_prefetch(line, _MM_HINT_T0);
}

/* Sum of the lanes, always in this order. */
INLINE float v16_sum(struct v16 a)
{
	const __m256 x = _mm256_add_ps(v16_low(a), v16_high(a));
	__m128 y = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));

	y = _mm_add_ps(y, _mm_movehl_ps(y, y));
	return _mm_cvtss_f32(_mm_add_ss(y, _mm_movehdup_ps(y)));
}

INLINE float v16_max_lane(struct v16 a)
{
	const __m256 x = _mm256_max_ps(v16_low(a), v16_high(a));
	__m128 y = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));

	y = _mm_max_ps(y, _mm_movehl_ps(y, y));
	return _mm_cvtss_f32(_mm_max_ss(y, _mm_movehdup_ps(y)));
}

/*
 * exp within 1 ulp; 0 below -104, infinity above 89, NaN of NaN. x = n ln2 + r
 * with |r| <= ln2 / 2 and exp(r) = 1 + r + r^2 q(r), q of degree 4 fitted for the
 * least relative error (3e-9). 2^n is two factors, so that n = 128 and
 * denormals come out right.
 */
INLINE struct v16 v16_exp(struct v16 x)
{
	const struct v16 one = v16_set1(1.0f), round = v16_set1(0x1.8p23f);
	struct v16 n, half, r, p;

	x = v16_min(v16_set1(89.0f), v16_max(v16_set1(-104.0f), x));
	n = v16_sub(v16_fma(x, v16_set1(0x1.715476p0f), round), round);
	r = v16_fnma(n, v16_set1(0.693359375f), x); /* ln2 in two parts: 9 bits, and the rest */
	r = v16_fnma(n, v16_set1(-2.12194440e-4f), r);
	p = v16_fma(r, v16_set1(0x1.6a23cep-10f), v16_set1(0x1.123a20p-7f));
	p = v16_fma(r, p, v16_set1(0x1.5558f2p-5f));
	p = v16_fma(r, p, v16_set1(0x1.555492p-3f));
	p = v16_fma(r, p, v16_set1(0x1.fffffcp-2f));
	p = v16_fma(r, p, one);
	p = v16_fma(r, p, one);
	half = v16_sub(v16_fma(n, v16_set1(0.5f), round), round);
	return v16_mul(v16_mul(p, v16_exp2_int(half)), v16_exp2_int(v16_sub(n, half)));
}

#endif
