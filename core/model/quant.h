/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside core/model: how one tensor type is coded. Blocks are those of GGML's
 * files, little-endian; `n` counts blocks.
 */
#ifndef LSB_QUANT_H
#define LSB_QUANT_H

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "model files are little-endian and read without conversion"
#endif

enum { LSB_QUANT_K = 256 /* elements of a k-quant's block */ };

/* Both are inline so that loops over whole rows become vector code. */
static inline float quant_f16_to_f32(uint16_t h)
{
	const uint32_t sign = (uint32_t)(h & 0x8000u) << 16, rest = h & 0x7fffu;
	const float tiny = (float)(int32_t)rest * 0x1p-24f; /* subnormals; no f32 subnormal arises */
	uint32_t bits, tiny_bits;
	float f;

	memcpy(&tiny_bits, &tiny, sizeof(bits));
	bits = (rest << 13) + (112u << 23);
	bits = rest >= 0x7c00u ? (rest << 13) | 0x7f800000u : bits;
	bits = rest < 0x0400u ? tiny_bits : bits;
	bits |= sign;
	memcpy(&f, &bits, sizeof(f));
	return f;
}

static inline uint16_t quant_f32_to_f16(float f)
{
	uint32_t bits, sign, rest, half, tiny_bits, half_one;
	const float one_half = 0.5f;
	float magnitude, tiny;

	memcpy(&bits, &f, sizeof(bits));
	sign = bits >> 16 & 0x8000u;
	rest = bits & 0x7fffffffu;
	memcpy(&magnitude, &rest, sizeof(rest));
	/* Half's last place is 2^-24, the unit of f16 subnormals: the addition rounds to it. */
	tiny = magnitude + one_half;
	memcpy(&tiny_bits, &tiny, sizeof(tiny));
	memcpy(&half_one, &one_half, sizeof(half_one));
	half = (rest - (112u << 23) + 0xfffu + (rest >> 13 & 1u)) >> 13;
	half = rest < 0x38800000u ? tiny_bits - half_one : half;
	half = rest >= 0x47800000u ? 0x7c00u : half;
	half = rest > 0x7f800000u ? 0x7e00u : half;
	return (uint16_t)(sign | half);
}

static inline float quant_load_f16(const uint8_t *p)
{
	uint16_t h;

	memcpy(&h, p, sizeof(h));
	return quant_f16_to_f32(h);
}

static inline void quant_store_f16(uint8_t *p, float f)
{
	const uint16_t h = quant_f32_to_f16(f);

	memcpy(p, &h, sizeof(h));
}

/* Nearest integer, halves away from zero; |v| < 2^31. */
static inline int32_t quant_round(float v)
{
	const int32_t whole = (int32_t)v;
	const float rest = v - (float)whole;

	return whole + (rest >= 0.5f) - (rest <= -0.5f);
}

static inline int32_t quant_clamp(int32_t v, int32_t lo, int32_t hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

void lsb_decode_q4_k(const uint8_t *from, float *to, uint64_t n);
void lsb_decode_q5_k(const uint8_t *from, float *to, uint64_t n);
void lsb_decode_q6_k(const uint8_t *from, float *to, uint64_t n);
void lsb_encode_q4_k(const float *from, uint8_t *to, uint64_t n);
void lsb_encode_q5_k(const float *from, uint8_t *to, uint64_t n);
void lsb_encode_q6_k(const float *from, uint8_t *to, uint64_t n);

#endif
