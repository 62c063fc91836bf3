/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tensors as files have them, element by element: for packing and for looking up
 * embeddings. The formats are told in core/model/quant.c and quant_k.c; products
 * and sums are rounded one by one, as there.
 */
#ifndef LSB_CUDA_RAW_CUH
#define LSB_CUDA_RAW_CUH

#include "device.cuh"
#include "model.h"

/* value = scale * (code - middle) + minimum, where middle is the type's. */
struct raw_code {
	int code;
	float scale, minimum;
};

static __device__ __forceinline__ float raw_f16(const uint8_t *p)
{
	return __half2float(__ushort_as_half((uint16_t)(p[0] | p[1] << 8)));
}

/* Scale and minimum j of the twelve bytes of a Q4_K or Q5_K block. */
static __device__ __forceinline__ void raw_scale_min(const uint8_t *s, int j, int *scale, int *min)
{
	if (j < 4) {
		*scale = s[j] & 63;
		*min = s[j + 4] & 63;
	} else {
		*scale = (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
		*min = s[j + 4] >> 4 | (s[j] >> 6) << 4;
	}
}

/* Element `i` of a 32-element block whose 16 bytes hold its low bits. */
static __device__ __forceinline__ int raw_nibble(const uint8_t *p, int i)
{
	return i < 16 ? p[i] & 15 : p[i - 16] >> 4;
}

static __device__ __forceinline__ int raw_fifth(const uint8_t *p, int i)
{
	return (p[i / 8] >> (i % 8) & 1) << 4;
}

static __device__ __forceinline__ struct raw_code raw_pairs(uint32_t type, const uint8_t *row, uint64_t k)
{
	const uint8_t *p = row + k / 256 * (type == LSB_TYPE_Q4_K ? 144 : 176);
	const int j = (int)(k % 256) / 32, i = (int)k % 32;
	const uint8_t *low = p + (type == LSB_TYPE_Q4_K ? 16 : 48);
	int scale, min, code = low[j / 2 * 32 + i] >> (j % 2 * 4) & 15;

	if (type == LSB_TYPE_Q5_K)
		code |= (p[16 + i] >> j & 1) << 4;
	raw_scale_min(p + 4, j, &scale, &min);
	return { code, __fmul_rn(raw_f16(p), (float)scale), -__fmul_rn(raw_f16(p + 2), (float)min) };
}

static __device__ __forceinline__ struct raw_code raw_q6_k(const uint8_t *row, uint64_t k)
{
	const uint8_t *p = row + k / 256 * 210;
	const int half = (int)(k % 256) / 128, quarter = (int)(k % 128) / 32, i = (int)k % 32;
	const int low = p[64 * half + quarter % 2 * 32 + i] >> (quarter / 2 * 4) & 15;
	const int high = p[128 + 32 * half + i] >> (2 * quarter) & 3;
	const int8_t scale = (int8_t)p[192 + 8 * half + 2 * quarter + i / 16];

	return { low | high << 4, __fmul_rn(raw_f16(p + 208), (float)scale), 0.0f };
}

static __device__ __forceinline__ struct raw_code raw_read(uint32_t type, const uint8_t *row, uint64_t k)
{
	const uint64_t b = k / 32;
	const int i = (int)(k % 32);
	const uint8_t *p;

	switch (type) {
	case LSB_TYPE_Q4_0:
		p = row + b * 18;
		return { raw_nibble(p + 2, i), raw_f16(p), 0.0f };
	case LSB_TYPE_Q4_1:
		p = row + b * 20;
		return { raw_nibble(p + 4, i), raw_f16(p), raw_f16(p + 2) };
	case LSB_TYPE_Q5_0:
		p = row + b * 22;
		return { raw_nibble(p + 6, i) | raw_fifth(p + 2, i), raw_f16(p), 0.0f };
	case LSB_TYPE_Q5_1:
		p = row + b * 24;
		return { raw_nibble(p + 8, i) | raw_fifth(p + 4, i), raw_f16(p), raw_f16(p + 2) };
	case LSB_TYPE_Q8_0:
		p = row + b * 34;
		return { (int)(int8_t)p[2 + i] + 128, raw_f16(p), 0.0f };
	case LSB_TYPE_Q6_K:
		return raw_q6_k(row, k);
	default:
		return raw_pairs(type, row, k);
	}
}

/* Element k of a row, as lsb_dequantize gives it. */
static __device__ __forceinline__ float raw_value(uint32_t type, const uint8_t *row, uint64_t k)
{
	int middle = 0;

	switch (type) {
	case LSB_TYPE_F32:
		return ((const float *)row)[k];
	case LSB_TYPE_F16:
		return __half2float(((const __half *)row)[k]);
	case LSB_TYPE_BF16:
		return __bfloat162float(((const __nv_bfloat16 *)row)[k]);
	case LSB_TYPE_Q4_0:
		middle = 8;
		break;
	case LSB_TYPE_Q5_0:
		middle = 16;
		break;
	case LSB_TYPE_Q8_0:
		middle = 128;
		break;
	case LSB_TYPE_Q6_K:
		middle = 32;
		break;
	default:
		break;
	}
	const struct raw_code c = raw_read(type, row, k);

	return __fadd_rn(__fmul_rn(c.scale, (float)(c.code - middle)), c.minimum);
}

#endif
