/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels for processors with AVX-512 (F, BW, DQ, VL) and VNNI: Cascade Lake,
 * Zen 4 and later.
 *
 * A matrix product keeps one fp32 vector of 16 rows per token, and one int32
 * vector per token for the sub-block at hand; each weight vector is unpacked in
 * registers and met by a broadcast of every token's four activations. With 12
 * tokens that is near 8 of 11 multiply cycles in vpdpbusd; with one it is bound
 * by the weights' bytes.
 */
#include "kernels_traits.h"

/* Quants k = 4j..4j+3 of 16 rows, unsigned, from a sub-block's vectors (kernels_pack.h). */
INLINE __m512i load_quants(uint32_t type, const uint8_t *sub, int j)
{
	const int high = high_vectors(type);
	const __m512i nibble = _mm512_set1_epi8(15);
	__m512i q, h;

	if (type == LSB_TYPE_Q8_0)
		return _mm512_loadu_si512(sub + j * LSB_VEC);
	q = _mm512_loadu_si512(sub + (high + j % 4) * LSB_VEC);
	q = _mm512_and_si512(j < 4 ? q : _mm512_srli_epi16(q, 4), nibble);
	if (high == 1) { /* bit j to bit 4 */
		h = _mm512_loadu_si512(sub);
		h = j < 4 ? _mm512_slli_epi16(h, 4 - j) : _mm512_srli_epi16(h, j - 4);
		q = _mm512_ternarylogic_epi32(q, h, _mm512_set1_epi8(0x10), 0xf8); /* q | (h & 0x10) */
	}
	if (high == 2) { /* bits 2 (j % 4) to bits 4 */
		h = _mm512_loadu_si512(sub + j / 4 * LSB_VEC);
		h = j % 4 < 2 ? _mm512_slli_epi16(h, 4 - 2 * (j % 4)) : _mm512_srli_epi16(h, 2 * (j % 4) - 4);
		q = _mm512_ternarylogic_epi32(q, h, _mm512_set1_epi8(0x30), 0xf8);
	}
	return q;
}

INLINE __m512i broadcast_4(const int8_t *p)
{
	int32_t x;

	memcpy(&x, p, sizeof(x));
	return _mm512_set1_epi32(x);
}

/* 16 one-byte scales of a k-quant's head as fp32. */
INLINE __m512 load_scales(const uint8_t *p, int is_signed)
{
	const __m128i bytes = _mm_loadu_si128((const __m128i *)p);

	return _mm512_cvtepi32_ps(is_signed ? _mm512_cvtepi8_epi32(bytes) : _mm512_cvtepu8_epi32(bytes));
}

/* Token t's activations; three tokens share a pointer, so that twelve need four registers and one for the
 * step. */
INLINE const struct lsb_act_block *token(const char *const *third, size_t step, size_t t)
{
	return (const struct lsb_act_block *)(third[t / 3] + t % 3 * step);
}

/* Ask for line j of the share at `ahead`, at last for what is left: out of order, the processor's own
 * prefetching would lose its thread. */
INLINE void fetch_line(uint32_t type, size_t n, const uint8_t *ahead, size_t j)
{
	if (LSB_VEC * j < share_bytes(type))
		fetch_weights(ahead + LSB_VEC * j, n);
	if (j == 7 && share_bytes(type) > LSB_VEC * 8)
		fetch_weights(ahead + LSB_VEC * 8, n);
}

/* acc[t] += one sub-block, its quants j0..j1-1 having the row factors d; `ahead` as in fetch_line. */
INLINE void dot_part(uint32_t type, size_t n, const uint8_t *sub, int j0, int j1, __m512 d,
		     const uint8_t *ahead, const char *const *act, size_t step, __m512 *acc)
{
	__m512i dot[12];

	UNROLL
	for (size_t t = 0; t < n; t++)
		dot[t] = _mm512_set1_epi32(dot_start(type, token(act, step, t), j0 / 4));
	UNROLL
	for (int j = j0; j < j1; j++) {
		const __m512i q = load_quants(type, sub, j);

		fetch_line(type, n, ahead, (size_t)j);
		UNROLL
		for (size_t t = 0; t < n; t++)
			dot[t] = _mm512_dpbusd_epi32(dot[t], q, broadcast_4(token(act, step, t)->q + 4 * j));
	}
	UNROLL
	for (size_t t = 0; t < n; t++)
		acc[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[t]),
					 _mm512_mul_ps(d, _mm512_set1_ps(token(act, step, t)->d)), acc[t]);
}

/* acc[t] += sub-block `s` of the block at `w`. */
INLINE void dot_sub(uint32_t type, size_t n, const uint8_t *w, size_t s, const char *const *act, size_t step,
		    __m512 *acc)
{
	const uint8_t *scales = w + LSB_HEAD_SCALES + 32 * s,
		      *sub = w + head_bytes(type) + s * sub_bytes(type);
	const uint8_t *ahead = w + s * share_bytes(type);
	const __m512 d = v16_load_f16((const uint16_t *)w).v;
	__m512 m;

	if (type == LSB_TYPE_Q6_K) {
		dot_part(type, n, sub, 0, 4, _mm512_mul_ps(d, load_scales(scales, 1)), ahead, act, step, acc);
		dot_part(type, n, sub, 4, 8, _mm512_mul_ps(d, load_scales(scales + 16, 1)), ahead, act, step,
			 acc);
		return;
	}
	dot_part(type, n, sub, 0, 8, is_k_quant(type) ? _mm512_mul_ps(d, load_scales(scales, 0)) : d, ahead,
		 act, step, acc);
	if (!has_min(type))
		return;
	m = v16_load_f16((const uint16_t *)(w + 32)).v;
	if (is_k_quant(type))
		m = _mm512_sub_ps(_mm512_setzero_ps(), _mm512_mul_ps(m, load_scales(scales + 16, 0)));
	UNROLL
	for (size_t t = 0; t < n; t++)
		acc[t] = _mm512_fmadd_ps(m, _mm512_set1_ps(token(act, step, t)->sum), acc[t]);
}

/* One panel, n tokens; n and type are constants where this is inlined. */
INLINE void dot_tile(uint32_t type, size_t n, size_t cols, const uint8_t *w, const char *act, size_t step,
		     float *y, size_t ldy)
{
	const char *third[4];
	__m512 acc[12];

	UNROLL
	for (size_t i = 0; i < 4; i++)
		third[i] = act + (3 * i < n ? 3 * i * step : 0);
	UNROLL
	for (size_t t = 0; t < n; t++)
		acc[t] = _mm512_setzero_ps();
	for (size_t k = 0; k < cols; k += LSB_SUB * subs_of(type), w += block_bytes(type)) {
		for (size_t s = 0; s < subs_of(type); s++) {
			dot_sub(type, n, w, s, third, step, acc);
			UNROLL
			for (size_t i = 0; i < 4; i++)
				third[i] += sizeof(struct lsb_act_block);
		}
	}
	UNROLL
	for (size_t t = 0; t < n; t++)
		_mm512_storeu_ps(y + t * ldy, acc[t]);
}

#if LSB_FEW_TILES /* a sanitizer's build, which takes minutes otherwise; tiles do not change results */
#define TILES(X) X(12) X(1)
#else
#define TILES(X) X(12) X(8) X(6) X(4) X(3) X(2) X(1)
#endif

#define RUN_TILES(n)                                                                                         \
	for (; t + (n) <= n_tokens; t += (n))                                                                \
		dot_tile(type, (n), cols, panel, act + t * step, step, y + t * ldy, ldy);

INLINE void dot_panel(uint32_t type, size_t cols, const uint8_t *panel, const char *act, size_t n_tokens,
		      float *y, size_t ldy)
{
	const size_t step = lsb_act_bytes(LSB_ACT_I8, cols);
	size_t t = 0;

	TILES(RUN_TILES)
}

/* As store_act_block in kernels_plain.c, bit for bit. */
static void store_act_block(const float *x, struct lsb_act_block *b)
{
	const __m512 x0 = _mm512_loadu_ps(x), x1 = _mm512_loadu_ps(x + 16);
	const __m512i bits = _mm512_set1_epi32(0x7fffffff);
	const __m512i max = _mm512_max_epu32(_mm512_and_si512(_mm512_castps_si512(x0), bits),
					     _mm512_and_si512(_mm512_castps_si512(x1), bits));
	const float amax =
		_mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128((int)_mm512_reduce_max_epu32(max))));
	const float inverse = amax >= LSB_ACT_MIN && amax <= LSB_ACT_MAX ? 127.0f / amax : 0.0f;
	const __m512 scale = _mm512_set1_ps(inverse);
	__m512i q0 = _mm512_setzero_si512(), q1 = q0;
	int32_t sum[2];

	if (inverse > 0.0f) {
		q0 = _mm512_cvtps_epi32(_mm512_mul_ps(x0, scale));
		q1 = _mm512_cvtps_epi32(_mm512_mul_ps(x1, scale));
	}
	_mm_storeu_si128((__m128i *)b->q, _mm512_cvtepi32_epi8(q0));
	_mm_storeu_si128((__m128i *)(b->q + 16), _mm512_cvtepi32_epi8(q1));
	sum[0] = _mm512_reduce_add_epi32(q0);
	sum[1] = _mm512_reduce_add_epi32(q1);
	b->d = amax / 127.0f;
	b->sum = b->d * (float)(sum[0] + sum[1]);
	b->neg8 = -8 * (sum[0] + sum[1]);
	b->neg16 = -16 * (sum[0] + sum[1]);
	b->neg128 = -128 * (sum[0] + sum[1]);
	b->neg32[0] = -32 * sum[0];
	b->neg32[1] = -32 * sum[1];
	b->reserved = 0;
}

static uint64_t read_all(const void *p, size_t bytes)
{
	const char *from = p;
	__m512i sum[8];
	uint64_t rest = 0, lanes[8];
	size_t i = 0;

	UNROLL
	for (size_t j = 0; j < 8; j++)
		sum[j] = _mm512_setzero_si512();
	for (; i + 512 <= bytes; i += 512) {
		UNROLL
		for (size_t j = 0; j < 8; j++)
			sum[j] = _mm512_add_epi64(sum[j], _mm512_loadu_si512(from + i + 64 * j));
	}
	for (; i + 8 <= bytes; i += 8) {
		uint64_t word;

		memcpy(&word, from + i, sizeof(word));
		rest += word;
	}
	UNROLL
	for (size_t j = 1; j < 8; j++)
		sum[0] = _mm512_add_epi64(sum[0], sum[j]);
	_mm512_storeu_si512(lanes, sum[0]);
	for (size_t j = 0; j < 8; j++)
		rest += lanes[j];
	return rest;
}

#include "kernels_table.h"

#include "kernels_bf16.h"

const struct lsb_kernels lsb_table_avx512 = KERNEL_TABLE("avx512", lsb_panel_act_kind, act_store, matmul);
const struct lsb_kernels lsb_table_avx512_bf16 =
	KERNEL_TABLE("avx512", act_kind_bf16, act_store_bf16, matmul_bf16);
