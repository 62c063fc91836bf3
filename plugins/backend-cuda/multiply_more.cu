/* SPDX-License-Identifier: Apache-2.0 */
/* Products with matrices of six- and eight-bit values. */
#include "multiply.cuh"

cudaError_t multiply_more(const struct cuda_product *p, cudaStream_t stream)
{
	return p->m.form == CUDA_FORM_P6 ? multiply_form<form_packed<6, false>>(p, stream)
					 : multiply_form<form_packed<8, false>>(p, stream);
}

cudaError_t prepare_more(void)
{
	const cudaError_t rc = prepare_form<form_packed<6, false>>();

	return rc == cudaSuccess ? prepare_form<form_packed<8, false>>() : rc;
}
