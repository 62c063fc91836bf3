/* SPDX-License-Identifier: Apache-2.0 */
/* Products with matrices of five-bit values. */
#include "multiply_one.cuh"

cudaError_t multiply_five(const struct cuda_product *p, cudaStream_t stream)
{
	if (is_for_one(p))
		return p->m.form == CUDA_FORM_P5M ? multiply_codes<form_codes<5, true>>(p, stream)
						  : multiply_codes<form_codes<5, false>>(p, stream);
	return p->m.form == CUDA_FORM_P5M ? multiply_form<form_packed<5, true>>(p, stream)
					  : multiply_form<form_packed<5, false>>(p, stream);
}

cudaError_t prepare_five(void)
{
	cudaError_t rc = prepare_form<form_packed<5, true>>();

	if (rc == cudaSuccess)
		rc = prepare_form<form_packed<5, false>>();
	if (rc == cudaSuccess)
		rc = prepare_codes<form_codes<5, true>>();
	return rc == cudaSuccess ? prepare_codes<form_codes<5, false>>() : rc;
}
