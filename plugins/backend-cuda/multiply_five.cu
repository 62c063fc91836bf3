/* SPDX-License-Identifier: Apache-2.0 */
/* Products with matrices of five-bit values. */
#include "multiply.cuh"

cudaError_t multiply_five(const struct cuda_product *p, cudaStream_t stream)
{
	return p->m.form == CUDA_FORM_P5M ? multiply_form<form_packed<5, true>>(p, stream)
					  : multiply_form<form_packed<5, false>>(p, stream);
}

cudaError_t prepare_five(void)
{
	const cudaError_t rc = prepare_form<form_packed<5, true>>();

	return rc == cudaSuccess ? prepare_form<form_packed<5, false>>() : rc;
}
