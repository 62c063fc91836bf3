/* SPDX-License-Identifier: Apache-2.0 */
/* Products with matrices of four-bit values. */
#include "multiply_one.cuh"

cudaError_t multiply_four(const struct cuda_product *p, cudaStream_t stream)
{
	if (is_for_one(p))
		return p->m.form == CUDA_FORM_P4M ? multiply_codes<form_codes<4, true>>(p, stream)
						  : multiply_codes<form_codes<4, false>>(p, stream);
	return p->m.form == CUDA_FORM_P4M ? multiply_form<form_packed<4, true>>(p, stream)
					  : multiply_form<form_packed<4, false>>(p, stream);
}

cudaError_t prepare_four(void)
{
	cudaError_t rc = prepare_form<form_packed<4, true>>();

	if (rc == cudaSuccess)
		rc = prepare_form<form_packed<4, false>>();
	if (rc == cudaSuccess)
		rc = prepare_codes<form_codes<4, true>>();
	return rc == cudaSuccess ? prepare_codes<form_codes<4, false>>() : rc;
}
