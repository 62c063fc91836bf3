/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matrix products by cuBLASLt, which is opened at run time: a machine without it
 * loads this plugin all the same, and is told what is missing.
 */
#ifndef LSB_CUDA_LIBS_H
#define LSB_CUDA_LIBS_H

#include <stdint.h>

#include <cuda_runtime_api.h>

#include "kernels.h"
#include "lsbench/host.h"

struct cuda_lt;

/* LSB_EUNAVAIL: "libcublas not found". */
int cuda_lt_open(const struct lsb_host *host, struct cuda_lt **out, struct lsb_error *err);
void cuda_lt_close(struct cuda_lt *lt);
/* As its releases are numbered: 13.0.2 is 130002. */
size_t cuda_lt_version(const struct cuda_lt *lt);

/*
 * So many tokens a product of n tokens is made for, n or a little more, that there are
 * few shapes to plan. x and c have that many rows; what is beyond n means nothing.
 */
uint32_t cuda_lt_tokens(uint32_t n);

/* c[n][ldc] (fp32) = x[n][ldx] times w[rows][k] transposed, of 16-bit elements; plus what c held if `add`. */
struct cuda_lt_product {
	const void *w, *x;
	float *c;
	uint32_t rows, k, n, ldx, ldc;
	enum cuda_elem elem;
	int add;
};

int cuda_lt_multiply(struct cuda_lt *lt, const struct cuda_lt_product *p, cudaStream_t stream,
		     struct lsb_error *err);

#endif
