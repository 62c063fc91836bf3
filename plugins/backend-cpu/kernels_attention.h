/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention of many queries to one KV head; see kernels_simd.h.
 *
 * Positions are taken in blocks of 32 from 0, with a running maximum and sum per
 * query (Milakov and Gimelshein, "Online normalizer calculation for softmax",
 * 2018). A block of K is transposed to fp32 [dim][position] once, so that
 * scores need no sum across lanes, and a block of V is widened once; both then
 * serve up to GROUP queries, in tiles that keep their sums in registers. Where one
 * tile is all there is (a decode step), the transposed K stays in halves and V is
 * read in place: the same values with half the stores.
 *
 * A query's operations do not depend on its neighbours: a score is one chain
 * over dims, a weighted sum one chain over the query's own positions. Positions
 * beyond a query's last are never multiplied with it, so not even an infinity
 * there can reach it.
 */
#ifndef LSB_CPU_KERNELS_ATTENTION_H
#define LSB_CPU_KERNELS_ATTENTION_H

#include <math.h>

#include "kernels_simd.h"

#if defined(__AVX512F__)
enum { TILE = 6, WIDE = 4 }; /* queries, and vectors of V, whose products fit the registers */
#else
enum { TILE = 2, WIDE = 2 };
#endif

enum {
	POS = 32,     /* positions in a block */
	GROUP = 48,   /* queries that share a block's conversion */
	DIM_MAX = 256 /* largest head */
};

/* One call's state. k, v and sum lie in the caller's work area; dim16 is head_dim rounded up to 16. */
struct attention {
	const float *q; /* [n_q][head_dim], q_stride apart */
	size_t q_stride, head_dim, dim16;
	float scale;
	uint32_t last[GROUP];
	float max[GROUP], total[GROUP];
	float *k;		  /* [head_dim rounded up to 8][POS] */
	float *v;		  /* [POS][dim16] */
	uint16_t *k_halves;	  /* instead of k, as long */
	const uint16_t *v_halves; /* instead of v, v_stride apart */
	size_t v_stride;
	float *sum; /* [GROUP][dim16] */
};

static size_t round_up_16(size_t n)
{
	return (n + 15) / 16 * 16;
}

static size_t attention_work(size_t positions, size_t head_dim)
{
	(void)positions;
	return (2 * POS + GROUP) * round_up_16(head_dim) * sizeof(float) + 64;
}

/* Dims d..d+7 of 16 positions, as 8 vectors of 16 halves. */
INLINE void transpose_8x16(const uint16_t *const rows[16], size_t d, __m256i b[8])
{
	__m256i a[8];

	UNROLL
	for (size_t i = 0; i < 8; i++) /* position i in the low lane, i + 8 in the high one */
		a[i] = _mm256_inserti128_si256(
			_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(rows[i] + d))),
			_mm_loadu_si128((const __m128i *)(rows[i + 8] + d)), 1);
	UNROLL
	for (size_t i = 0; i < 4; i++) {
		b[2 * i] = _mm256_unpacklo_epi16(a[2 * i], a[2 * i + 1]);
		b[2 * i + 1] = _mm256_unpackhi_epi16(a[2 * i], a[2 * i + 1]);
	}
	UNROLL
	for (size_t i = 0; i < 8; i += 4) {
		a[i] = _mm256_unpacklo_epi32(b[i], b[i + 2]);
		a[i + 1] = _mm256_unpackhi_epi32(b[i], b[i + 2]);
		a[i + 2] = _mm256_unpacklo_epi32(b[i + 1], b[i + 3]);
		a[i + 3] = _mm256_unpackhi_epi32(b[i + 1], b[i + 3]);
	}
	UNROLL
	for (size_t i = 0; i < 4; i++) {
		b[2 * i] = _mm256_unpacklo_epi64(a[i], a[i + 4]);
		b[2 * i + 1] = _mm256_unpackhi_epi64(a[i], a[i + 4]);
	}
}

/* The same to row d and column `at` of K in the work area. */
INLINE void put_k(const struct attention *a, int halves, const uint16_t *const rows[16], size_t from,
		  size_t d, size_t at)
{
	__m256i b[8];

	transpose_8x16(rows, from, b);
	UNROLL
	for (size_t i = 0; i < 8; i++) {
		if (halves)
			_mm256_storeu_si256((__m256i *)(a->k_halves + (d + i) * POS + at), b[i]);
		else
			v16_store(a->k + (d + i) * POS + at, v16_from_f16(b[i]));
	}
}

/* n <= 16 positions of K from `k` into columns from `at` of the work area; the other columns become 0. */
INLINE void widen_k(const struct attention *a, int halves, const uint16_t *k, size_t kv_stride, size_t n,
		    size_t at)
{
	static const uint16_t zeros[DIM_MAX];
	const uint16_t *rows[16];
	uint16_t tail[16][8];
	size_t d = 0;

	for (size_t i = 0; i < 16; i++)
		rows[i] = i < n ? k + i * kv_stride : zeros;
	for (; d + 8 <= a->head_dim; d += 8)
		put_k(a, halves, rows, d, d, at);
	if (d == a->head_dim)
		return;
	memset(tail, 0, sizeof(tail));
	for (size_t i = 0; i < 16; i++) {
		memcpy(tail[i], rows[i] + d, (a->head_dim - d) * sizeof(uint16_t));
		rows[i] = tail[i];
	}
	put_k(a, halves, rows, 0, d, at);
}

static void widen_v(const struct attention *a, const uint16_t *v, size_t kv_stride, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const uint16_t *from = v + i * kv_stride;
		float *to = a->v + i * a->dim16;
		size_t d = 0;

		for (; d + 16 <= a->head_dim; d += 16)
			v16_store(to + d, v16_load_f16(from + d));
		if (d < a->head_dim)
			v16_store(to + d, v16_load_f16_n(from + d, a->head_dim - d));
	}
}

/* scores[i][0..POS-1] of n queries (a constant where this is inlined). */
INLINE void score_tile(const struct attention *a, int halves, size_t n, const float *q,
		       float scores[TILE][POS])
{
	struct v16 s[TILE][2];

	UNROLL
	for (size_t i = 0; i < n; i++)
		s[i][0] = s[i][1] = v16_set1(0.0f);
	for (size_t d = 0; d < a->head_dim; d++) {
		const struct v16 k0 = halves ? v16_load_f16(a->k_halves + d * POS) : v16_load(a->k + d * POS);
		const struct v16 k1 =
			halves ? v16_load_f16(a->k_halves + d * POS + 16) : v16_load(a->k + d * POS + 16);

		UNROLL
		for (size_t i = 0; i < n; i++) {
			const struct v16 x = v16_set1(q[i * a->q_stride + d]);

			s[i][0] = v16_fma(x, k0, s[i][0]);
			s[i][1] = v16_fma(x, k1, s[i][1]);
		}
	}
	UNROLL
	for (size_t i = 0; i < n; i++) {
		v16_store(scores[i], s[i][0]);
		v16_store(scores[i] + 16, s[i][1]);
	}
}

/* Scale n scores, the rest of the block to -infinity; returns the maximum of them and `max`. */
INLINE float scale_scores(float *scores, size_t n, float scale, float max)
{
	const struct v16 none = v16_set1(-INFINITY), c = v16_set1(scale);
	const size_t n0 = n < 16 ? n : 16;
	const struct v16 s0 = v16_first(v16_mul(v16_load(scores), c), n0, none);
	const struct v16 s1 = v16_first(v16_mul(v16_load(scores + 16), c), n - n0, none);
	const float block_max = v16_max_lane(v16_max(s0, s1));

	v16_store(scores, s0);
	v16_store(scores + 16, s1);
	return block_max > max ? block_max : max;
}

/* Scores become weights exp(score - max), exactly 0 beyond the query's last position; returns their sum. */
INLINE float weigh(float *scores, float max)
{
	const struct v16 m = v16_set1(max);
	const struct v16 w0 = v16_exp(v16_sub(v16_load(scores), m));
	const struct v16 w1 = v16_exp(v16_sub(v16_load(scores + 16), m));

	v16_store(scores, w0);
	v16_store(scores + 16, w1);
	return v16_sum(v16_add(w0, w1));
}

/*
 * n queries' scores to weights; factor[i] is what their former sums are to be
 * multiplied with. A query without a position here has a factor of exactly 1.
 */
INLINE void soften(struct attention *a, size_t n, size_t first, const size_t *count, float scores[TILE][POS],
		   float factor[16])
{
	for (size_t i = 0; i < 16; i++)
		factor[i] = 0.0f;
	for (size_t i = 0; i < n; i++) {
		float *max = &a->max[first + i];

		if (!count[i])
			continue;
		const float now = scale_scores(scores[i], count[i], a->scale, *max);

		factor[i] = *max - now;
		*max = now;
	}
	v16_store(factor, v16_exp(v16_load(factor)));
	for (size_t i = 0; i < n; i++) {
		float *total = &a->total[first + i];

		if (count[i])
			*total = fmaf(*total, factor[i], weigh(scores[i], a->max[first + i]));
	}
}

/* sum[i][0..16 * wide) = factor[i] * sum + weights of positions [from, to) times V, n queries. */
INLINE void value_tile(const struct attention *a, int halves, size_t n, size_t wide, size_t from, size_t to,
		       size_t d, const float weights[TILE][POS], const float *factor, float *sum)
{
	struct v16 s[TILE][WIDE];

	UNROLL
	for (size_t i = 0; i < n; i++)
		UNROLL
	for (size_t j = 0; j < wide; j++)
		s[i][j] = v16_mul(v16_load(sum + i * a->dim16 + 16 * j), v16_set1(factor[i]));
	for (size_t p = from; p < to; p++) {
		UNROLL
		for (size_t j = 0; j < wide; j++) {
			const struct v16 x = halves ? v16_load_f16(a->v_halves + p * a->v_stride + d + 16 * j)
						    : v16_load(a->v + p * a->dim16 + d + 16 * j);

			UNROLL
			for (size_t i = 0; i < n; i++)
				s[i][j] = v16_fma(v16_set1(weights[i][p]), x, s[i][j]);
		}
	}
	UNROLL
	for (size_t i = 0; i < n; i++)
		UNROLL
	for (size_t j = 0; j < wide; j++)
		v16_store(sum + i * a->dim16 + 16 * j, s[i][j]);
}

INLINE void value_rows(const struct attention *a, int halves, size_t n, size_t from, size_t to,
		       const float weights[TILE][POS], const float *factor, float *sum)
{
	size_t d = 0;

	for (; d + 16 * WIDE <= a->dim16; d += 16 * WIDE)
		value_tile(a, halves, n, WIDE, from, to, d, weights, factor, sum + d);
	for (; d < a->dim16; d += 16)
		value_tile(a, halves, n, 1, from, to, d, weights, factor, sum + d);
}

/* One block of positions for queries [first, first + n) of the group; count[i] positions are query i's. */
INLINE void attend_tile(struct attention *a, int halves, size_t n, size_t first, const size_t *count)
{
	static const float ones[1] = { 1.0f };
	float scores[TILE][POS], factor[16];
	size_t common = POS;

	score_tile(a, halves, n, a->q + first * a->q_stride, scores);
	soften(a, n, first, count, scores, factor);
	for (size_t i = 0; i < n; i++)
		common = count[i] < common ? count[i] : common;
	value_rows(a, halves, n, 0, common, (const float(*)[POS])scores, factor, a->sum + first * a->dim16);
	for (size_t i = 0; i < n; i++)
		if (count[i] > common)
			value_rows(a, halves, 1, common, count[i], (const float(*)[POS])(scores + i), ones,
				   a->sum + (first + i) * a->dim16);
}

INLINE void attend_block(struct attention *a, int halves, size_t n_q, size_t pos0)
{
	for (size_t first = 0; first < n_q;) {
		const size_t left = n_q - first;
		const size_t n = left >= TILE ? TILE : TILE > 3 && left >= 3 ? 3 : left >= 2 ? 2 : 1;
		size_t count[TILE], any = 0;

		for (size_t i = 0; i < n; i++) {
			const size_t end = (size_t)a->last[first + i] + 1;

			count[i] = end <= pos0 ? 0 : end - pos0 < POS ? end - pos0 : POS;
			any |= count[i];
		}
		if (any && n == TILE)
			attend_tile(a, halves, TILE, first, count);
		else if (TILE > 3 && any && n == 3)
			attend_tile(a, halves, 3, first, count);
		else if (any && n == 2)
			attend_tile(a, halves, 2, first, count);
		else if (any)
			attend_tile(a, halves, 1, first, count);
		first += n;
	}
}

/* Ask for the vectors of positions [from, to) while others are worked on; a block is too short for the
 * processor to see it coming. */
INLINE void fetch(const uint16_t *kv, size_t kv_stride, size_t from, size_t to, size_t head_dim)
{
	for (size_t i = from; i < to; i++)
		for (size_t d = 0; d < head_dim; d += 32)
			_mm_prefetch((const char *)(kv + i * kv_stride + d), _MM_HINT_T1);
}

INLINE void attend_group(struct attention *a, int halves, size_t n_q, const uint16_t *k, const uint16_t *v,
			 size_t kv_stride, float *out, size_t out_stride)
{
	size_t end = 0;

	for (size_t i = 0; i < n_q; i++) {
		end = (size_t)a->last[i] + 1 > end ? (size_t)a->last[i] + 1 : end;
		a->max[i] = -INFINITY;
		a->total[i] = 0.0f;
	}
	memset(a->sum, 0, n_q * a->dim16 * sizeof(float));
	for (size_t pos = 0; pos < end; pos += POS) {
		const size_t n = end - pos < POS ? end - pos : POS, n0 = n < 16 ? n : 16;

		fetch(v, kv_stride, pos, pos + n, a->head_dim);
		widen_k(a, halves, k + pos * kv_stride, kv_stride, n0, 0);
		widen_k(a, halves, k + (pos + n0) * kv_stride, kv_stride, n - n0, 16);
		if (halves)
			a->v_halves = v + pos * kv_stride;
		else
			widen_v(a, v + pos * kv_stride, kv_stride, n);
		fetch(k, kv_stride, pos + POS, end < pos + 2 * POS ? end : pos + 2 * POS, a->head_dim);
		attend_block(a, halves, n_q, pos);
	}
	for (size_t i = 0; i < n_q; i++)
		for (size_t d = 0; d < a->head_dim; d++)
			out[i * out_stride + d] = a->sum[i * a->dim16 + d] / a->total[i];
}

static void attention(const float *q, size_t q_stride, size_t n_q, const uint32_t *last, const uint16_t *k,
		      const uint16_t *v, size_t kv_stride, size_t head_dim, float scale, float *out,
		      size_t out_stride, void *work)
{
	float *area = (float *)(((uintptr_t)work + 63) / 64 * 64);
	struct attention a = { .head_dim = head_dim, .dim16 = round_up_16(head_dim), .scale = scale };

	a.q_stride = q_stride;
	a.v_stride = kv_stride;
	a.k = area;
	a.k_halves = (uint16_t *)area;
	a.v = a.k + a.dim16 * POS;
	a.sum = a.v + POS * a.dim16;
	for (size_t first = 0; first < n_q; first += GROUP) {
		const size_t n = n_q - first < GROUP ? n_q - first : GROUP;

		a.q = q + first * q_stride;
		memcpy(a.last, last + first, n * sizeof(a.last[0]));
		if (n <= TILE && head_dim % 16 == 0)
			attend_group(&a, 1, n, k, v, kv_stride, out + first * out_stride, out_stride);
		else
			attend_group(&a, 0, n, k, v, kv_stride, out + first * out_stride, out_stride);
	}
}

#endif
