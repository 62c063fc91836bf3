/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packed codes of four and five bits as operands of the tensor core without making
 * weights of them.
 *
 * A mask leaves the bits of a code as the low bits of an fp16 number, and that number
 * is the code times 2^-24, exactly. The tensor core sums a block of 32 inputs; scale,
 * minimum and what the codes are too large by are applied to that sum, in fp32. Codes
 * of odd pairs stand four bits higher, 16 times too large, and have a sum of their own.
 */
#ifndef LSB_CUDA_CODES_CUH
#define LSB_CUDA_CODES_CUH

#include "forms.cuh"

template <int BITS, bool MIN> struct form_codes {
	typedef planes<BITS, MIN> at;
	enum { UNIT_BYTES = at::BYTES };
	static constexpr float UNIT = 0x1p-24f;
	/* What a block's sum of activations is multiplied by, once. */
	static constexpr float PER_BLOCK = (MIN ? 1.0f : BITS == 4 ? 8.0f : 16.0f) * UNIT;

	/* A lane's codes of a unit. */
	uint32_t low[4], high;

	__device__ __forceinline__ form_codes(const unsigned char *unit, uint32_t lane)
	{
		*(uint4 *)low = *(const uint4 *)(unit + lane * 16);
		high = BITS == 5 ? *(const uint32_t *)(unit + at::HIGH_AT + lane * 4) : 0;
	}

	/* Operands of block b: pairs 0 and 2, 1 and 3 of this lane's four. */
	__device__ __forceinline__ void operands(int b, uint32_t even[4], uint32_t odd[4]) const
	{
#pragma unroll
		for (int h = 0; h < 2; h++)
#pragma unroll
			for (int i = 0; i < 2; i++) {
				uint32_t *e = &even[2 * i + h], *o = &odd[2 * i + h];
				const uint32_t w = low[2 * h + b] >> (8 * i);

				*e = w & 0x000f000fu;
				*o = w & 0x00f000f0u;
				if (BITS == 5) {
					const uint32_t fifth = high >> (8 * h + 4 * b + 2 * i);

					*e = and_or(fifth << 4, 0x00100010u, *e);
					*o = and_or(fifth << 7, 0x01000100u, *o);
				}
			}
	}

	/* Scales, and minima, of rows g and g + 8 of a unit. */
	struct scaling {
		uint32_t w[MIN ? 4 : 2];

		__device__ __forceinline__ scaling(const unsigned char *unit, uint32_t g)
		{
			const unsigned char *from = unit + at::SCALES_AT + at::scale_at(g, 0);

			if (MIN)
				*(uint4 *)w = *(const uint4 *)from;
			else
				*(uint2 *)w = *(const uint2 *)from;
		}

		/* sum + what block b gives to row half h: products of even and odd pairs, sum of activations.
		 */
		__device__ __forceinline__ float add(float sum, int b, int h, float even, float odd,
						     float inputs) const
		{
			const float codes = fmaf(odd, 0.0625f, even);

			if (MIN) {
				const float2 s = __half22float2(as_half2(w[(2 * h + b) % (MIN ? 4 : 2)]));

				return fmaf(s.x, codes, fmaf(s.y, inputs, sum));
			}
			const __half2 s = as_half2(w[h]);

			return fmaf(b ? __high2float(s) : __low2float(s), codes - inputs, sum);
		}
	};
};

#endif
