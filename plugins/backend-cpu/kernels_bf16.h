/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matrix products of BF16 panels with BF16 activations, for processors with
 * AVX512_BF16: twice the products of fp32 a cycle. Part of kernels_avx512.c, of
 * which only these functions may use the extension.
 *
 * vdpbf16ps adds two products, of neighbouring k, to each of 16 fp32 sums. A
 * panel's [k][16] elements have one vector for two k, which one permutation turns
 * into pairs. Each (row, token) has one sum over ascending k.
 */
#ifndef LSB_CPU_KERNELS_BF16_H
#define LSB_CPU_KERNELS_BF16_H

#include "kernels_pack.h"
#include "kernels_simd.h"

#define WITH_BF16 __attribute__((target("avx512bf16")))

/* Lane r of the result: elements r of the first 16 and of the second. */
WITH_BF16 INLINE __m512bh load_pairs(const uint8_t *p)
{
	static const uint16_t order[32] = { 0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
					    8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31 };

	return (__m512bh)_mm512_permutexvar_epi16(_mm512_loadu_si512(order), _mm512_loadu_si512(p));
}

/* One panel, n tokens (a constant where this is inlined) whose activations are `step` bytes apart. */
WITH_BF16 INLINE void bf16_tile(size_t n, size_t cols, const uint8_t *panel, const char *act, size_t step,
				float *y, size_t ldy)
{
	__m512 acc[12];

	UNROLL
	for (size_t t = 0; t < n; t++)
		acc[t] = _mm512_setzero_ps();
	for (size_t k = 0; k < cols; k += 2, panel += 64, act += 4) { /* an odd end is padded with zeros */
		const __m512bh w = load_pairs(panel);

		fetch_weights(panel, n);
		UNROLL
		for (size_t t = 0; t < n; t++)
			acc[t] = _mm512_dpbf16_ps(acc[t], w,
						  (__m512bh)broadcast_4((const int8_t *)act + t * step));
	}
	UNROLL
	for (size_t t = 0; t < n; t++)
		_mm512_storeu_ps(y + t * ldy, acc[t]);
}

WITH_BF16 static void matmul_bf16(uint32_t type, enum lsb_act kind, size_t cols, const void *panels,
				  size_t panel0, size_t panel1, const void *act, size_t n_tokens, float *y,
				  size_t ldy)
{
	const size_t step = lsb_act_bytes(LSB_ACT_BF16, cols), bytes = lsb_panel_bytes(type, cols);

	if (kind != LSB_ACT_BF16) {
		matmul(type, kind, cols, panels, panel0, panel1, act, n_tokens, y, ldy);
		return;
	}
	for (size_t p = panel0; p < panel1; p++, y += LSB_PANEL) {
		const uint8_t *panel = (const uint8_t *)panels + p * bytes;
		size_t t = 0;

#define RUN_BF16(n)                                                                                          \
	for (; t + (n) <= n_tokens; t += (n))                                                                \
		bf16_tile((n), cols, panel, (const char *)act + t * step, step, y + t * ldy, ldy);
		TILES(RUN_BF16)
	}
}

/* Rounded to nearest even; a row is padded with zeros to whole vectors. */
WITH_BF16 static void act_store_bf16(enum lsb_act kind, const float *x, size_t cols, void *act)
{
	char *to = act;

	if (kind != LSB_ACT_BF16) {
		act_store(kind, x, cols, act);
		return;
	}
	for (size_t i = 0; i < cols; i += 32, to += 64) {
		const size_t n = cols - i;
		const __mmask16 low = n < 16 ? (__mmask16)((1u << n) - 1) : 0xffff;
		const __mmask16 high = n < 16 ? 0 : n < 32 ? (__mmask16)((1u << (n - 16)) - 1) : 0xffff;

		_mm512_storeu_si512(to, (__m512i)_mm512_cvtne2ps_pbh(
						_mm512_maskz_loadu_ps(high, x + i + (n < 16 ? 0 : 16)),
						_mm512_maskz_loadu_ps(low, x + i)));
	}
}

static enum lsb_act act_kind_bf16(uint32_t type)
{
	return type == LSB_TYPE_BF16 ? LSB_ACT_BF16 : lsb_panel_act_kind(type);
}

#endif
