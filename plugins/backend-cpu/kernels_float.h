/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matrix products of F32, F16 and BF16 panels with fp32 activations; see
 * kernels_simd.h. Each (row, token) has two sums, of even and of odd k, added
 * at the end, however many tokens share a pass over the weights.
 */
#ifndef LSB_CPU_KERNELS_FLOAT_H
#define LSB_CPU_KERNELS_FLOAT_H

#include "kernels_pack.h"
#include "kernels_simd.h"
#include "model.h"

INLINE struct v16 load_weights(uint32_t type, const uint8_t *panel, size_t k)
{
	if (type == LSB_TYPE_F32)
		return v16_load((const float *)panel + k * LSB_PANEL);
	if (type == LSB_TYPE_F16)
		return v16_load_f16((const uint16_t *)panel + k * LSB_PANEL);
	return v16_load_bf16((const uint16_t *)panel + k * LSB_PANEL);
}

/* One panel, n tokens (a constant where this is inlined) whose activations are x_step floats apart. */
INLINE void float_tile(uint32_t type, size_t n, size_t cols, const uint8_t *panel, const float *x,
		       size_t x_step, float *y, size_t ldy)
{
	const size_t row = LSB_PANEL * (type == LSB_TYPE_F32 ? sizeof(float) : sizeof(uint16_t));
	struct v16 even[8], odd[8];
	size_t k = 0;

	UNROLL
	for (size_t t = 0; t < n; t++)
		even[t] = odd[t] = v16_set1(0.0f);
	for (; k + 2 <= cols; k += 2) {
		const struct v16 w0 = load_weights(type, panel, k), w1 = load_weights(type, panel, k + 1);

		UNROLL
		for (size_t i = 0; i < 2 * row; i += 64)
			fetch_weights(panel + k * row + i, n);
		UNROLL
		for (size_t t = 0; t < n; t++) {
			even[t] = v16_fma(w0, v16_set1(x[t * x_step + k]), even[t]);
			odd[t] = v16_fma(w1, v16_set1(x[t * x_step + k + 1]), odd[t]);
		}
	}
	if (k < cols) {
		const struct v16 w0 = load_weights(type, panel, k);

		UNROLL
		for (size_t t = 0; t < n; t++)
			even[t] = v16_fma(w0, v16_set1(x[t * x_step + k]), even[t]);
	}
	UNROLL
	for (size_t t = 0; t < n; t++)
		v16_store(y + t * ldy, v16_add(even[t], odd[t]));
}

INLINE void float_panel(uint32_t type, size_t cols, const uint8_t *panel, const float *x, size_t x_step,
			size_t n_tokens, float *y, size_t ldy)
{
	size_t t = 0;

#if defined(__AVX512F__)
	for (; t + 8 <= n_tokens; t += 8)
		float_tile(type, 8, cols, panel, x + t * x_step, x_step, y + t * ldy, ldy);
	for (; t + 4 <= n_tokens; t += 4)
		float_tile(type, 4, cols, panel, x + t * x_step, x_step, y + t * ldy, ldy);
#else
	for (; type == LSB_TYPE_F32 && t + 3 <= n_tokens;
	     t += 3) /* widening halves takes the registers of one more */
		float_tile(type, 3, cols, panel, x + t * x_step, x_step, y + t * ldy, ldy);
#endif
	for (; t + 2 <= n_tokens; t += 2)
		float_tile(type, 2, cols, panel, x + t * x_step, x_step, y + t * ldy, ldy);
	if (t < n_tokens)
		float_tile(type, 1, cols, panel, x + t * x_step, x_step, y + t * ldy, ldy);
}

static void matmul_float(uint32_t type, size_t cols, const uint8_t *panels, size_t panel0, size_t panel1,
			 const float *x, size_t n_tokens, float *y, size_t ldy)
{
	const size_t x_step = lsb_act_bytes(LSB_ACT_F32, cols) / sizeof(float);
	const size_t bytes = lsb_panel_bytes(type, cols);

	for (size_t p = panel0; p < panel1; p++, y += LSB_PANEL) {
		if (type == LSB_TYPE_F32)
			float_panel(LSB_TYPE_F32, cols, panels + p * bytes, x, x_step, n_tokens, y, ldy);
		else if (type == LSB_TYPE_F16)
			float_panel(LSB_TYPE_F16, cols, panels + p * bytes, x, x_step, n_tokens, y, ldy);
		else
			float_panel(LSB_TYPE_BF16, cols, panels + p * bytes, x, x_step, n_tokens, y, ldy);
	}
}

#endif
