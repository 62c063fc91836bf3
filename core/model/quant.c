/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tensor types: their table, the float formats and the 32-element blocks.
 *
 * A block of Qx_0 is one fp16 scale d and values d * (q - middle); one of Qx_1
 * adds an fp16 minimum, d * q + m. Four low bits of elements 0..15 are in the
 * low halves of 16 bytes and those of 16..31 in the high halves; the fifth bits
 * of Q5 are in one 32-bit word. Plain C: this is the truth that kernels are
 * tested against, and products and sums are rounded one by one.
 */
#include "quant.h"

#include <float.h>
#include <math.h>
#include <stddef.h>

#include "model.h"

enum { BLOCK = 32, HALF = BLOCK / 2 };

static void decode_f32(const uint8_t *from, float *to, uint64_t n)
{
	memcpy(to, from, n * sizeof(*to));
}

static void encode_f32(const float *from, uint8_t *to, uint64_t n)
{
	memcpy(to, from, n * sizeof(*from));
}

static void decode_f16(const uint8_t *from, float *to, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		to[i] = quant_load_f16(from + 2 * i);
}

static void encode_f16(const float *from, uint8_t *to, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		quant_store_f16(to + 2 * i, from[i]);
}

static void decode_bf16(const uint8_t *from, float *to, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		uint16_t h;
		uint32_t bits;

		memcpy(&h, from + 2 * i, sizeof(h));
		bits = (uint32_t)h << 16;
		memcpy(to + i, &bits, sizeof(bits));
	}
}

static void encode_bf16(const float *from, uint8_t *to, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		uint32_t bits;
		uint16_t h;

		memcpy(&bits, from + i, sizeof(bits));
		if ((bits & 0x7fffffffu) > 0x7f800000u)
			h = (uint16_t)(bits >> 16 | 0x40u); /* stays a NaN when its low bits go */
		else
			h = (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
		memcpy(to + 2 * i, &h, sizeof(h));
	}
}

static void decode_q4_0(const uint8_t *from, float *to, uint64_t n)
{
	for (uint64_t b = 0; b < n; b++, from += 18, to += BLOCK) {
		const float d = quant_load_f16(from);

		for (int i = 0; i < HALF; i++) {
			to[i] = d * (float)((from[2 + i] & 15) - 8);
			to[HALF + i] = d * (float)((from[2 + i] >> 4) - 8);
		}
	}
}

static void decode_q4_1(const uint8_t *from, float *to, uint64_t n)
{
	for (uint64_t b = 0; b < n; b++, from += 20, to += BLOCK) {
		const float d = quant_load_f16(from), m = quant_load_f16(from + 2);

		for (int i = 0; i < HALF; i++) {
			to[i] = d * (float)(from[4 + i] & 15) + m;
			to[HALF + i] = d * (float)(from[4 + i] >> 4) + m;
		}
	}
}

/* The two values, 0..31, that byte i of a Q5 block holds. */
static inline void take_5_bits(const uint8_t *nibbles, uint32_t high, int i, int32_t *lo, int32_t *hi)
{
	*lo = (int32_t)((nibbles[i] & 15u) | (high >> i & 1u) << 4);
	*hi = (int32_t)((uint32_t)(nibbles[i] >> 4) | (high >> (HALF + i) & 1u) << 4);
}

static void decode_q5_0(const uint8_t *from, float *to, uint64_t n)
{
	for (uint64_t b = 0; b < n; b++, from += 22, to += BLOCK) {
		const float d = quant_load_f16(from);
		uint32_t high;

		memcpy(&high, from + 2, sizeof(high));
		for (int i = 0; i < HALF; i++) {
			int32_t q0, q1;

			take_5_bits(from + 6, high, i, &q0, &q1);
			to[i] = d * (float)(q0 - 16);
			to[HALF + i] = d * (float)(q1 - 16);
		}
	}
}

static void decode_q5_1(const uint8_t *from, float *to, uint64_t n)
{
	for (uint64_t b = 0; b < n; b++, from += 24, to += BLOCK) {
		const float d = quant_load_f16(from), m = quant_load_f16(from + 2);
		uint32_t high;

		memcpy(&high, from + 4, sizeof(high));
		for (int i = 0; i < HALF; i++) {
			int32_t q0, q1;

			take_5_bits(from + 8, high, i, &q0, &q1);
			to[i] = d * (float)q0 + m;
			to[HALF + i] = d * (float)q1 + m;
		}
	}
}

static void decode_q8_0(const uint8_t *from, float *to, uint64_t n)
{
	for (uint64_t b = 0; b < n; b++, from += 34, to += BLOCK) {
		const float d = quant_load_f16(from);

		for (int i = 0; i < BLOCK; i++)
			to[i] = d * (float)(int8_t)from[2 + i];
	}
}

/* --- the other way ------------------------------------------------------------------- */

/* The element farthest from zero, with its sign: it gets the code that reaches farther. */
static float farthest(const float *x)
{
	float most = 0.0f;

	for (int i = 0; i < BLOCK; i++)
		if (fabsf(x[i]) > fabsf(most))
			most = x[i];
	return most;
}

static void range(const float *x, float *lo, float *hi)
{
	*lo = *hi = x[0];
	for (int i = 1; i < BLOCK; i++) {
		*lo = x[i] < *lo ? x[i] : *lo;
		*hi = x[i] > *hi ? x[i] : *hi;
	}
}

/* Of a scale; 0 for one so small that its inverse is not finite. */
static inline float inverse(float d)
{
	return fabsf(d) >= FLT_MIN ? 1.0f / d : 0.0f;
}

/* Codes 0..top of (x - base) / d, where middle is 0 or the code of zero. */
static void codes(const float *x, float base, float d, float middle, int32_t top, uint8_t *q)
{
	const float id = inverse(d);

	for (int i = 0; i < BLOCK; i++)
		q[i] = (uint8_t)quant_clamp((int32_t)((x[i] - base) * id + middle + 0.5f), 0, top);
}

static void put_4_bits(const uint8_t *q, uint8_t *to)
{
	for (int i = 0; i < HALF; i++)
		to[i] = (uint8_t)((q[i] & 15) | q[HALF + i] << 4);
}

static void put_5th_bits(const uint8_t *q, uint8_t *to)
{
	uint32_t high = 0;

	for (int i = 0; i < BLOCK; i++)
		high |= (uint32_t)(q[i] >> 4) << i;
	memcpy(to, &high, sizeof(high));
}

static void encode_q4_0(const float *from, uint8_t *to, uint64_t n)
{
	for (uint64_t b = 0; b < n; b++, from += BLOCK, to += 18) {
		const float d = farthest(from) / -8.0f;
		uint8_t q[BLOCK];

		codes(from, 0.0f, d, 8.0f, 15, q);
		quant_store_f16(to, d);
		put_4_bits(q, to + 2);
	}
}

static void encode_q4_1(const float *from, uint8_t *to, uint64_t n)
{
	for (uint64_t b = 0; b < n; b++, from += BLOCK, to += 20) {
		float lo, hi;
		uint8_t q[BLOCK];

		range(from, &lo, &hi);
		codes(from, lo, (hi - lo) / 15.0f, 0.0f, 15, q);
		quant_store_f16(to, (hi - lo) / 15.0f);
		quant_store_f16(to + 2, lo);
		put_4_bits(q, to + 4);
	}
}

static void encode_q5_0(const float *from, uint8_t *to, uint64_t n)
{
	for (uint64_t b = 0; b < n; b++, from += BLOCK, to += 22) {
		const float d = farthest(from) / -16.0f;
		uint8_t q[BLOCK];

		codes(from, 0.0f, d, 16.0f, 31, q);
		quant_store_f16(to, d);
		put_5th_bits(q, to + 2);
		put_4_bits(q, to + 6);
	}
}

static void encode_q5_1(const float *from, uint8_t *to, uint64_t n)
{
	for (uint64_t b = 0; b < n; b++, from += BLOCK, to += 24) {
		float lo, hi;
		uint8_t q[BLOCK];

		range(from, &lo, &hi);
		codes(from, lo, (hi - lo) / 31.0f, 0.0f, 31, q);
		quant_store_f16(to, (hi - lo) / 31.0f);
		quant_store_f16(to + 2, lo);
		put_5th_bits(q, to + 4);
		put_4_bits(q, to + 8);
	}
}

static void encode_q8_0(const float *from, uint8_t *to, uint64_t n)
{
	for (uint64_t b = 0; b < n; b++, from += BLOCK, to += 34) {
		float most = 0.0f, id;

		for (int i = 0; i < BLOCK; i++) {
			const float a = fabsf(from[i]);

			most = a > most ? a : most;
		}
		id = inverse(most / 127.0f);
		quant_store_f16(to, most / 127.0f);
		for (int i = 0; i < BLOCK; i++)
			to[2 + i] = (uint8_t)(int8_t)quant_clamp(quant_round(from[i] * id), -127, 127);
	}
}

/* --- the table ------------------------------------------------------------------------ */

static const struct format {
	const char *name;
	uint32_t type;
	uint32_t block, bytes; /* elements, bytes */
	void (*decode)(const uint8_t *from, float *to, uint64_t n);
	void (*encode)(const float *from, uint8_t *to, uint64_t n);
} formats[] = {
	{ "f32", LSB_TYPE_F32, 1, 4, decode_f32, encode_f32 },
	{ "f16", LSB_TYPE_F16, 1, 2, decode_f16, encode_f16 },
	{ "bf16", LSB_TYPE_BF16, 1, 2, decode_bf16, encode_bf16 },
	{ "q4_0", LSB_TYPE_Q4_0, BLOCK, 18, decode_q4_0, encode_q4_0 },
	{ "q4_1", LSB_TYPE_Q4_1, BLOCK, 20, decode_q4_1, encode_q4_1 },
	{ "q5_0", LSB_TYPE_Q5_0, BLOCK, 22, decode_q5_0, encode_q5_0 },
	{ "q5_1", LSB_TYPE_Q5_1, BLOCK, 24, decode_q5_1, encode_q5_1 },
	{ "q8_0", LSB_TYPE_Q8_0, BLOCK, 34, decode_q8_0, encode_q8_0 },
	{ "q4_k", LSB_TYPE_Q4_K, LSB_QUANT_K, 144, lsb_decode_q4_k, lsb_encode_q4_k },
	{ "q5_k", LSB_TYPE_Q5_K, LSB_QUANT_K, 176, lsb_decode_q5_k, lsb_encode_q5_k },
	{ "q6_k", LSB_TYPE_Q6_K, LSB_QUANT_K, 210, lsb_decode_q6_k, lsb_encode_q6_k },
};

static const struct format *find(uint32_t type)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (formats[i].type == type)
			return &formats[i];
	return NULL;
}

const char *lsb_type_name(uint32_t type)
{
	const struct format *f = find(type);

	return f ? f->name : NULL;
}

uint32_t lsb_type_block(uint32_t type)
{
	const struct format *f = find(type);

	return f ? f->block : 0;
}

uint32_t lsb_type_bytes(uint32_t type)
{
	const struct format *f = find(type);

	return f ? f->bytes : 0;
}

void lsb_dequantize(uint32_t type, const void *from, float *to, uint64_t n)
{
	const struct format *f = find(type);

	if (f)
		f->decode(from, to, n / f->block);
}

void lsb_quantize(uint32_t type, const float *from, void *to, uint64_t n)
{
	const struct format *f = find(type);

	if (f)
		f->encode(from, to, n / f->block);
}

float lsb_f16_to_f32(uint16_t h)
{
	return quant_f16_to_f32(h);
}

uint16_t lsb_f32_to_f16(float f)
{
	return quant_f32_to_f16(f);
}
