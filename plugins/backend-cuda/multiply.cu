/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products with 16-bit and fp32 matrices, and the choice among all forms.
 *
 * fp32 matrices are for checking: plain fused multiply-adds, a warp a row.
 */
#include "multiply.cuh"

#include "model.h"

static int overlaps, lean;

void cuda_kernels_for(int major, int minor)
{
	(void)minor;
	overlaps = major >= 9;
	lean = major < 9;
}

int cuda_overlaps(void)
{
	return overlaps;
}

int cuda_is_lean(void)
{
	return lean;
}

enum cuda_form cuda_form_of(uint32_t type, int bf16_ok)
{
	switch (type) {
	case LSB_TYPE_F32:
		return CUDA_FORM_F32;
	case LSB_TYPE_F16:
		return CUDA_FORM_F16;
	case LSB_TYPE_BF16:
		return bf16_ok ? CUDA_FORM_BF16 : CUDA_FORM_F16;
	case LSB_TYPE_Q4_0:
		return CUDA_FORM_P4;
	case LSB_TYPE_Q4_1:
	case LSB_TYPE_Q4_K:
		return CUDA_FORM_P4M;
	case LSB_TYPE_Q5_0:
		return CUDA_FORM_P5;
	case LSB_TYPE_Q5_1:
	case LSB_TYPE_Q5_K:
		return CUDA_FORM_P5M;
	case LSB_TYPE_Q6_K:
		return CUDA_FORM_P6;
	case LSB_TYPE_Q8_0:
		return CUDA_FORM_P8;
	default:
		return CUDA_FORMS;
	}
}

enum cuda_elem cuda_form_elem(enum cuda_form form)
{
	return form == CUDA_FORM_F32 ? CUDA_F32 : form == CUDA_FORM_BF16 ? CUDA_BF16 : CUDA_F16;
}

uint64_t cuda_form_bytes(enum cuda_form form, uint64_t rows, uint64_t k)
{
	static const uint32_t unit[CUDA_FORMS] = {
		2048,
		2048,
		4096,
		planes<4, false>::BYTES,
		planes<4, true>::BYTES,
		planes<5, false>::BYTES,
		planes<5, true>::BYTES,
		planes<6, false>::BYTES,
		planes<8, false>::BYTES,
	};

	return rows / CUDA_TILE_ROWS * (k / CUDA_UNIT_K) * unit[form];
}

uint32_t cuda_split_k(enum cuda_form form, uint32_t n)
{
	if (form == CUDA_FORM_F32)
		return 1u << 30;
	if (cuda_is_lean())
		return n <= 8 ? 1024 : n <= 16 ? 512 : 128;
	return n <= 8 ? 4096 : n <= 16 ? 2048 : 1024;
}

cudaError_t multiply_rows(const struct cuda_product *p, cudaStream_t stream)
{
	return p->m.form == CUDA_FORM_BF16 ? multiply_form<form_rows<__nv_bfloat16>>(p, stream)
					   : multiply_form<form_rows<__half>>(p, stream);
}

cudaError_t prepare_rows(void)
{
	const cudaError_t rc = prepare_form<form_rows<__nv_bfloat16>>();

	return rc == cudaSuccess ? prepare_form<form_rows<__half>>() : rc;
}

enum { F32_WARPS = 8, F32_TOKENS = 8 };

__global__ void __launch_bounds__(F32_WARPS * 32) multiply_f32(const struct cuda_product p)
{
	const uint32_t lane = threadIdx.x % 32, row = blockIdx.x * F32_WARPS + threadIdx.x / 32;
	const uint32_t rows = p.m.pair ? p.m.pair + p.m.rows : p.m.rows;
	const float *w = (const float *)p.m.w + (uint64_t)row * p.m.k;

	let_next_start();
	wait_for_inputs();
	if (row >= rows)
		return;
	for (uint32_t t0 = 0; t0 < p.n; t0 += F32_TOKENS) {
		float sum[F32_TOKENS] = {};

		for (uint32_t k = lane * 4; k < p.m.k; k += 128) {
			const float4 a = *(const float4 *)(w + k);

#pragma unroll
			for (uint32_t i = 0; i < F32_TOKENS; i++) {
				if (t0 + i >= p.n)
					break;
				const float4 x = *(const float4 *)((const float *)p.x +
								   (uint64_t)(t0 + i) * p.ldx + k);

				sum[i] = fmaf(a.x, x.x,
					      fmaf(a.y, x.y, fmaf(a.z, x.z, fmaf(a.w, x.w, sum[i]))));
			}
		}
#pragma unroll
		for (uint32_t i = 0; i < F32_TOKENS; i++) {
			const float v = warp_sum(sum[i]);

			if (lane == 0 && t0 + i < p.n)
				p.y[(uint64_t)(t0 + i) * p.ldy + row] = v;
		}
	}
}

cudaError_t cuda_multiply(const struct cuda_product *p, cudaStream_t stream)
{
	const uint32_t rows = p->m.pair ? p->m.pair + p->m.rows : p->m.rows;

	switch (p->m.form) {
	case CUDA_FORM_F16:
	case CUDA_FORM_BF16:
		return multiply_rows(p, stream);
	case CUDA_FORM_P4:
	case CUDA_FORM_P4M:
		return multiply_four(p, stream);
	case CUDA_FORM_P5:
	case CUDA_FORM_P5M:
		return multiply_five(p, stream);
	case CUDA_FORM_F32:
		return launch(multiply_f32, dim3((rows + F32_WARPS - 1) / F32_WARPS), F32_WARPS * 32, 0,
			      stream, *p);
	default:
		return multiply_more(p, stream);
	}
}

cudaError_t cuda_multiply_prepare(void)
{
	cudaError_t rc = prepare_rows();

	if (rc == cudaSuccess)
		rc = prepare_four();
	if (rc == cudaSuccess)
		rc = prepare_five();
	return rc == cudaSuccess ? prepare_more() : rc;
}
