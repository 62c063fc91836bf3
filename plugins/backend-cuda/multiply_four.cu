/* SPDX-License-Identifier: Apache-2.0 */
/* Products with matrices of four-bit values. */
#include "multiply.cuh"

cudaError_t multiply_four(const struct cuda_product *p, cudaStream_t stream)
{
	return p->m.form == CUDA_FORM_P4M ? multiply_form<form_packed<4, true>>(p, stream)
					  : multiply_form<form_packed<4, false>>(p, stream);
}

cudaError_t prepare_four(void)
{
	const cudaError_t rc = prepare_form<form_packed<4, true>>();

	return rc == cudaSuccess ? prepare_form<form_packed<4, false>>() : rc;
}
