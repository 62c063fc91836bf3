/* SPDX-License-Identifier: Apache-2.0 */
#include "null_hash.h"

#include <string.h>

uint64_t null_mix(uint64_t a, uint64_t b)
{
	uint64_t x = a ^ (b + 0x9e3779b97f4a7c15u);

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static float element(uint64_t value, size_t i)
{
	if (i < NULL_ROW_LEAST)
		return (float)(value >> (16 * i) & 0xffff) * 0x1p-16f;
	return (float)(null_mix(value, i) >> 40) * 0x1p-24f;
}

static uint64_t first_16_bits(float x)
{
	return x >= 0.0f && x < 1.0f ? (uint64_t)(x * 0x1p16f) : 0;
}

uint64_t null_row_read(const float *row, size_t n)
{
	uint64_t value = 0, wrong = 0;

	for (size_t i = 0; i < NULL_ROW_LEAST; i++)
		value |= first_16_bits(row[i]) << (16 * i);
	for (size_t i = 0; i < n; i++) {
		const float expected = element(value, i);

		if (memcmp(&row[i], &expected, sizeof(expected)) != 0)
			wrong = null_mix(wrong, i + 1);
	}
	return wrong ? null_mix(value, wrong) : value;
}

void null_row_write(float *row, size_t n, uint64_t value)
{
	for (size_t i = 0; i < n; i++)
		row[i] = element(value, i);
}

uint64_t null_layer(uint64_t value, uint32_t layer, uint64_t *memory)
{
	*memory = null_mix(*memory, value);
	return null_mix(null_mix(value, layer), *memory);
}

int32_t null_pick(uint64_t value)
{
	return (int32_t)(' ' + value % 95);
}
