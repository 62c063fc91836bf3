/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The element-wise kernels on sixteen lanes; see kernels_simd.h. Sums run in four
 * vectors of partial sums, joined in a fixed order.
 */
#ifndef LSB_CPU_KERNELS_OPS_H
#define LSB_CPU_KERNELS_OPS_H

#include <math.h>

#include "kernels_simd.h"

static float sum_of_squares(const float *x, size_t n)
{
	struct v16 s[4] = { v16_set1(0.0f), v16_set1(0.0f), v16_set1(0.0f), v16_set1(0.0f) };
	size_t i = 0;

	for (; i + 64 <= n; i += 64) {
		UNROLL
		for (size_t j = 0; j < 4; j++) {
			const struct v16 v = v16_load(x + i + 16 * j);

			s[j] = v16_fma(v, v, s[j]);
		}
	}
	for (; i < n; i += 16) {
		const struct v16 v = n - i < 16 ? v16_load_n(x + i, n - i) : v16_load(x + i);

		s[0] = v16_fma(v, v, s[0]);
	}
	return v16_sum(v16_add(v16_add(s[0], s[1]), v16_add(s[2], s[3])));
}

static void rms_norm(const float *x, const float *w, size_t n, float eps, float *out)
{
	const float scale = 1.0f / sqrtf(sum_of_squares(x, n) / (float)n + eps);
	const struct v16 s = v16_set1(scale);
	size_t i = 0;

	for (; i + 16 <= n; i += 16)
		v16_store(out + i, v16_mul(v16_mul(v16_load(x + i), s), v16_load(w + i)));
	for (; i < n; i++)
		out[i] = x[i] * scale * w[i];
}

/* A pair is fma(a, c, -(b s)), fma(b, c, a s) in the vectors and in the rest alike. */
static void rope(float *x, size_t n_heads, size_t head_dim, size_t rope_dim, const float *cs)
{
	for (size_t h = 0; h < n_heads; h++, x += head_dim) {
		size_t i = 0;

		for (; i + 16 <= rope_dim; i += 16) {
			const struct v16 v = v16_load(x + i), t = v16_load(cs + i);
			const struct v16 cross = v16_mul(v16_swap_pairs(v), v16_odd_twice(t));

			v16_store(x + i, v16_fma_sub_add(v, v16_even_twice(t), cross));
		}
		for (; i + 1 < rope_dim; i += 2) {
			const float a = x[i], b = x[i + 1];

			x[i] = fmaf(a, cs[i], -(b * cs[i + 1]));
			x[i + 1] = fmaf(b, cs[i], a * cs[i + 1]);
		}
	}
}

INLINE struct v16 silu_mul_v16(struct v16 gate, struct v16 up)
{
	const struct v16 e = v16_exp(v16_sub(v16_set1(0.0f), gate));

	return v16_mul(v16_div(gate, v16_add(v16_set1(1.0f), e)), up);
}

static void silu_mul(const float *gate, const float *up, size_t n, float *out)
{
	size_t i = 0;

	for (; i + 16 <= n; i += 16)
		v16_store(out + i, silu_mul_v16(v16_load(gate + i), v16_load(up + i)));
	if (i < n)
		v16_store_n(out + i, n - i,
			    silu_mul_v16(v16_load_n(gate + i, n - i), v16_load_n(up + i, n - i)));
}

static void add(float *x, const float *y, size_t n)
{
	size_t i = 0;

	for (; i + 16 <= n; i += 16)
		v16_store(x + i, v16_add(v16_load(x + i), v16_load(y + i)));
	for (; i < n; i++)
		x[i] += y[i];
}

static void to_f16(const float *x, size_t n, uint16_t *out)
{
	uint16_t last[16];
	size_t i = 0;

	for (; i + 16 <= n; i += 16)
		v16_store_f16(out + i, v16_load(x + i));
	if (i < n) {
		v16_store_f16(last, v16_load_n(x + i, n - i));
		memcpy(out + i, last, (n - i) * sizeof(last[0]));
	}
}

#endif
