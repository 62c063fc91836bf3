/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const isa_names[N_ISAS] = { "plain", "avx2", "avx512" };
const uint32_t types[N_TYPES] = { LSB_TYPE_F32,	 LSB_TYPE_F16,	LSB_TYPE_BF16, LSB_TYPE_Q4_0,
				  LSB_TYPE_Q4_1, LSB_TYPE_Q5_0, LSB_TYPE_Q5_1, LSB_TYPE_Q8_0,
				  LSB_TYPE_Q4_K, LSB_TYPE_Q5_K, LSB_TYPE_Q6_K };

const struct lsb_kernels *isa_or_skip(int i)
{
	const struct lsb_kernels *k = lsb_kernels_find(isa_names[i]);

	if (!k)
		printf("skipped: this processor or build has no %s kernels\n", isa_names[i]);
	return k;
}

/* splitmix64's output function on a counter. */
float random_value(uint64_t seed, uint64_t i)
{
	uint64_t z = seed * 0x9e3779b97f4a7c15u + i * 0xbf58476d1ce4e5b9u + 0x94d049bb133111ebu;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	z ^= z >> 31;
	return (float)(int32_t)(z >> 32) / 2147483648.0f;
}

void random_fill(uint64_t seed, float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = random_value(seed, i);
}

void *aligned_bytes(size_t n)
{
	const size_t rounded = (n + 63) / 64 * 64;
	void *p = aligned_alloc(64, rounded ? rounded : 64);

	if (!p)
		abort();
	return memset(p, 0xa5, rounded);
}

struct matrix matrix_make(const struct lsb_kernels *k, uint32_t type, size_t rows, size_t cols, uint64_t seed)
{
	const size_t row_bytes = cols / lsb_type_block(type) * lsb_type_bytes(type);
	struct matrix m = { .type = type, .rows = rows, .cols = cols };

	m.n_panels = (rows + LSB_PANEL - 1) / LSB_PANEL;
	m.file = aligned_bytes(rows * row_bytes);
	m.values = aligned_bytes(rows * cols * sizeof(float));
	m.panels = aligned_bytes(m.n_panels * k->panel_bytes(type, cols));
	random_fill(seed, m.values, rows * cols);
	lsb_quantize(type, m.values, m.file, rows * cols);
	lsb_dequantize(type, m.file, m.values, rows * cols);
	for (size_t p = 0; p < m.n_panels; p++) {
		const size_t first = p * LSB_PANEL, left = rows - first;

		k->pack(type, cols, m.file + first * row_bytes, row_bytes,
			left < LSB_PANEL ? left : LSB_PANEL, m.panels + p * k->panel_bytes(type, cols));
	}
	return m;
}

void matrix_free(struct matrix *m)
{
	free(m->file);
	free(m->values);
	free(m->panels);
}

void *activations_make(const struct lsb_kernels *k, enum lsb_act kind, const float *x, size_t cols, size_t n)
{
	const size_t bytes = k->act_bytes(kind, cols);
	char *act = aligned_bytes(n * bytes);

	for (size_t t = 0; t < n; t++)
		k->act_store(kind, x + t * cols, cols, act + t * bytes);
	return act;
}
