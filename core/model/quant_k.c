/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The k-quants: blocks of 256 elements whose sub-blocks have scales of their
 * own, themselves quantised.
 *
 * Q4_K, Q5_K: 8 sub-blocks of 32, value = (d * scale) * q - (dmin * min), with
 * 6-bit scales and minima packed into 12 bytes. Q6_K: 16 sub-blocks of 16,
 * value = (d * scale) * (q - 32), with 8-bit scales.
 *
 * Encoding takes each sub-block's own range and rounds to nearest; it does not
 * search for scales of least error as tools that make model files do.
 */
#include "quant.h"

#include <math.h>

enum { SUB = 32, SUBS = 8, SUB6 = 16, SUBS6 = 16, SCALES = 12 };

/*
 * Scale and minimum j of the 12 bytes: bytes 0..3 hold scales 0..3 in six bits
 * and the top bits of scales 4..7, bytes 4..7 the same of the minima, bytes
 * 8..11 the low four bits of scales and minima 4..7.
 */
static void get_scale_min(const uint8_t *s, int j, int32_t *scale, int32_t *min)
{
	if (j < 4) {
		*scale = s[j] & 63;
		*min = s[j + 4] & 63;
	} else {
		*scale = (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
		*min = s[j + 4] >> 4 | (s[j] >> 6) << 4;
	}
}

static void put_scale_min(uint8_t *s, int j, int32_t scale, int32_t min)
{
	if (j < 4) {
		s[j] = (uint8_t)((s[j] & 0xc0) | scale);
		s[j + 4] = (uint8_t)((s[j + 4] & 0xc0) | min);
	} else {
		s[j + 4] = (uint8_t)((scale & 15) | (min & 15) << 4);
		s[j - 4] = (uint8_t)((s[j - 4] & 63) | (scale >> 4) << 6);
		s[j] = (uint8_t)((s[j] & 63) | (min >> 4) << 6);
	}
}

/* Sub-blocks 2p and 2p + 1 share 32 bytes: low halves, high halves. `high` is NULL for Q4_K. */
static void decode_pairs(const uint8_t *head, const uint8_t *high, const uint8_t *nibbles, float *to)
{
	const float d = quant_load_f16(head), dmin = quant_load_f16(head + 2);

	for (int j = 0; j < SUBS; j++) {
		const uint8_t *q = nibbles + j / 2 * SUB;
		const int shift = j % 2 * 4;
		int32_t scale, min;
		float step, base;

		get_scale_min(head + 4, j, &scale, &min);
		step = d * (float)scale;
		base = dmin * (float)min;
		for (int i = 0; i < SUB; i++) {
			const int fifth = high ? (high[i] >> j & 1) << 4 : 0;

			to[j * SUB + i] = step * (float)((q[i] >> shift & 15) | fifth) - base;
		}
	}
}

void lsb_decode_q4_k(const uint8_t *from, float *to, uint64_t n)
{
	for (uint64_t b = 0; b < n; b++, from += 144, to += LSB_QUANT_K)
		decode_pairs(from, NULL, from + 16, to);
}

void lsb_decode_q5_k(const uint8_t *from, float *to, uint64_t n)
{
	for (uint64_t b = 0; b < n; b++, from += 176, to += LSB_QUANT_K)
		decode_pairs(from, from + 16, from + 48, to);
}

/*
 * Codes 0..top of a whole block into q[256], scales into head (16 bytes). The
 * codes are rounded against the scales as stored, so their error is not added.
 */
static void encode_pairs(const float *x, int32_t top, uint8_t *head, uint8_t *q)
{
	float steps[SUBS], bases[SUBS], most_step = 0.0f, most_base = 0.0f;
	float d, dmin;

	for (int j = 0; j < SUBS; j++) {
		float lo = 0.0f, hi = x[j * SUB]; /* a minimum is subtracted, so it cannot be above 0 */

		for (int i = 0; i < SUB; i++) {
			lo = x[j * SUB + i] < lo ? x[j * SUB + i] : lo;
			hi = x[j * SUB + i] > hi ? x[j * SUB + i] : hi;
		}
		steps[j] = (hi - lo) / (float)top;
		bases[j] = -lo;
		most_step = steps[j] > most_step ? steps[j] : most_step;
		most_base = bases[j] > most_base ? bases[j] : most_base;
	}
	quant_store_f16(head, most_step / 63.0f);
	quant_store_f16(head + 2, most_base / 63.0f);
	d = quant_load_f16(head);
	dmin = quant_load_f16(head + 2);
	memset(head + 4, 0, SCALES);
	for (int j = 0; j < SUBS; j++) {
		const int32_t scale = d > 0.0f ? quant_clamp(quant_round(steps[j] / d), 0, 63) : 0;
		const int32_t min = dmin > 0.0f ? quant_clamp(quant_round(bases[j] / dmin), 0, 63) : 0;
		const float base = dmin * (float)min;
		const float inverse = d > 0.0f && scale > 0 ? 1.0f / (d * (float)scale) : 0.0f;

		put_scale_min(head + 4, j, scale, min);
		for (int i = 0; i < SUB; i++) {
			const int32_t code = quant_round((x[j * SUB + i] + base) * inverse);

			q[j * SUB + i] = (uint8_t)quant_clamp(code, 0, top);
		}
	}
}

static void put_nibbles(const uint8_t *q, uint8_t *to)
{
	for (int p = 0; p < SUBS / 2; p++)
		for (int i = 0; i < SUB; i++)
			to[p * SUB + i] =
				(uint8_t)((q[2 * p * SUB + i] & 15) | (q[(2 * p + 1) * SUB + i] & 15) << 4);
}

void lsb_encode_q4_k(const float *from, uint8_t *to, uint64_t n)
{
	for (uint64_t b = 0; b < n; b++, from += LSB_QUANT_K, to += 144) {
		uint8_t q[LSB_QUANT_K];

		encode_pairs(from, 15, to, q);
		put_nibbles(q, to + 16);
	}
}

void lsb_encode_q5_k(const float *from, uint8_t *to, uint64_t n)
{
	for (uint64_t b = 0; b < n; b++, from += LSB_QUANT_K, to += 176) {
		uint8_t q[LSB_QUANT_K];

		encode_pairs(from, 31, to, q);
		for (int i = 0; i < SUB; i++) {
			uint32_t high = 0;

			for (int j = 0; j < SUBS; j++)
				high |= (uint32_t)(q[j * SUB + i] >> 4) << j;
			to[16 + i] = (uint8_t)high;
		}
		put_nibbles(q, to + 48);
	}
}

/*
 * A Q6_K block is 128 bytes of low nibbles, 64 of high bit pairs, 16 scales, d.
 * Each half of the block, 128 elements, has 64 and 32 of those bytes: element
 * 32 g + i (g = 0..3) has its nibble in byte 32 (g % 2) + i, low half for
 * g < 2, and its bit pair in byte i, bits 2g and 2g + 1.
 */
void lsb_decode_q6_k(const uint8_t *from, float *to, uint64_t n)
{
	for (uint64_t b = 0; b < n; b++, from += 210, to += LSB_QUANT_K) {
		const int8_t *scales = (const int8_t *)from + 192;
		const float d = quant_load_f16(from + 208);

		for (int g = 0; g < 8; g++) {
			const uint8_t *low = from + g / 4 * 64 + g % 2 * 32, *high = from + 128 + g / 4 * 32;

			for (int i = 0; i < 32; i++) {
				const int nibble = low[i] >> (g % 4 / 2 * 4) & 15;
				const int pair = high[i] >> (g % 4 * 2) & 3;
				const float step = d * (float)scales[(g * 32 + i) / SUB6];

				to[g * 32 + i] = step * (float)((nibble | pair << 4) - 32);
			}
		}
	}
}

static void pack_q6_k(const uint8_t *q, uint8_t *to)
{
	memset(to, 0, 192);
	for (int g = 0; g < 8; g++) {
		uint8_t *low = to + g / 4 * 64 + g % 2 * 32, *high = to + 128 + g / 4 * 32;

		for (int i = 0; i < 32; i++) {
			low[i] |= (uint8_t)((q[g * 32 + i] & 15) << (g % 4 / 2 * 4));
			high[i] |= (uint8_t)(q[g * 32 + i] >> 4 << (g % 4 * 2));
		}
	}
}

void lsb_encode_q6_k(const float *from, uint8_t *to, uint64_t n)
{
	for (uint64_t b = 0; b < n; b++, from += LSB_QUANT_K, to += 210) {
		float steps[SUBS6], most = 0.0f, d;
		uint8_t q[LSB_QUANT_K];

		for (int j = 0; j < SUBS6; j++) {
			float extreme = 0.0f; /* with its sign: -32 reaches farther than 31 */

			for (int i = 0; i < SUB6; i++)
				if (fabsf(from[j * SUB6 + i]) > fabsf(extreme))
					extreme = from[j * SUB6 + i];
			steps[j] = extreme / -32.0f;
			if (fabsf(steps[j]) > fabsf(most))
				most = steps[j];
		}
		quant_store_f16(to + 208, most / -128.0f);
		d = quant_load_f16(to + 208);
		for (int j = 0; j < SUBS6; j++) {
			const int32_t scale =
				d != 0.0f ? quant_clamp(quant_round(steps[j] / d), -128, 127) : 0;
			const float inverse = scale ? 1.0f / (d * (float)scale) : 0.0f;

			to[192 + j] = (uint8_t)(int8_t)scale;
			for (int i = 0; i < SUB6; i++) {
				const float code = from[j * SUB6 + i] * inverse;

				q[j * SUB6 + i] = (uint8_t)(quant_clamp(quant_round(code), -32, 31) + 32);
			}
		}
		pack_q6_k(q, to);
	}
}
