/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel tests share: the tables of this machine, seeded numbers, and
 * a quantised matrix as file bytes, as panels, and as the fp32 values that
 * lsb_dequantize gives.
 */
#ifndef LSB_KERNEL_DATA_H
#define LSB_KERNEL_DATA_H

#include <stddef.h>
#include <stdint.h>

#include "kernels.h"
#include "model.h"

enum { N_ISAS = 3, N_TYPES = 11 };
extern const char *const isa_names[N_ISAS];
extern const uint32_t types[N_TYPES];

/* Table `i` of isa_names; NULL, with a message, when this machine lacks it. */
const struct lsb_kernels *isa_or_skip(int i);

/* Uniform in [-1, 1), from a counter: the same on every machine. */
float random_value(uint64_t seed, uint64_t i);
void random_fill(uint64_t seed, float *x, size_t n);

struct matrix {
	uint32_t type;
	size_t rows, cols, n_panels;
	uint8_t *file;	 /* [rows][file row] */
	float *values;	 /* [rows][cols], by lsb_dequantize */
	uint8_t *panels; /* 64-byte aligned */
};

struct matrix matrix_make(const struct lsb_kernels *k, uint32_t type, size_t rows, size_t cols,
			  uint64_t seed);
void matrix_free(struct matrix *m);

/*
 * n bytes, 64-byte aligned, filled with 0xa5 so that what is not written shows; aborts when there is no
 * memory.
 */
void *aligned_bytes(size_t n);

/* n tokens of random activations, stored as rows of the kind. */
void *activations_make(const struct lsb_kernels *k, enum lsb_act kind, const float *x, size_t cols, size_t n);

#endif
