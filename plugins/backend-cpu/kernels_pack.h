/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How weights and activations lie in memory, the same for every instruction set.
 *
 * A panel is LSB_PANEL (16) rows. Quantised types are cut along k into blocks of
 * 32 (256 for k-quants), each block as
 *
 *	head	16 fp16 d, [16 fp16 m], k-quants: 8 x (16 scales, 16 mins or second scales), one byte each
 *	subs	1 (k-quants: 8) times 16 rows x 32 quants
 *
 * and the quants of a sub-block, unsigned and without their offset, as 64-byte
 * vectors whose lane r (4 bytes) belongs to row r, so that one 4-byte broadcast
 * of activations meets 16 rows. With w[j] the bytes k = 4j..4j+3 of a row:
 *
 *	high	0, 1 or 2 vectors of bits above the nibble. One bit: bit j of a byte belongs to w[j].
 *		Two bits: bits 2j of vector h belong to w[4h + j].
 *	low	4 vectors; vector j has w[j] in the low and w[4 + j] in the high nibbles.
 *		8-bit types instead: 8 vectors, vector j is w[j].
 *
 * A weight is d * (q - offset), d * q + m, or d * scale * q - dmin * min. F32, F16
 * and BF16 panels are [k][16] elements.
 */
#ifndef LSB_CPU_KERNELS_PACK_H
#define LSB_CPU_KERNELS_PACK_H

#include <float.h>

#include "kernels.h"

enum {
	LSB_SUB = 32,	      /* quants of a row in a sub-block; also the activations' block */
	LSB_HEAD_SCALES = 64, /* offset of a k-quant's scales in the head */
	LSB_VEC = 64,	      /* bytes of 16 rows x 4 quants */
};

struct lsb_layout {
	uint32_t type;
	uint32_t subs;	      /* sub-blocks in a block: 1, or 8 for k-quants */
	uint32_t head_bytes;  /* before the first sub-block */
	uint32_t sub_bytes;   /* one sub-block of 16 rows */
	uint32_t block_bytes; /* head and all sub-blocks */
	uint32_t file_bytes;  /* one row's block in the file */
	uint32_t high;	      /* vectors of high bits */
	uint32_t offset;      /* subtracted from the stored quant; 0 when the block has m */
};

/*
 * 32 activations, one cache line: x[k] is about d * q[k]. The sums undo what the
 * weights' offsets add: a dot product that starts at neg8 is one of (w - 8).
 */
struct lsb_act_block {
	int8_t q[LSB_SUB];
	float d;	  /* amax / 127 */
	float sum;	  /* d * sum(q) */
	int32_t neg8;	  /* -8 * sum(q): Q4_0 */
	int32_t neg16;	  /* Q5_0 */
	int32_t neg128;	  /* Q8_0 */
	int32_t neg32[2]; /* -32 * the sum of each half: Q6_K */
	int32_t reserved;
};

/*
 * Blocks whose largest magnitude lies outside become zeros with that magnitude's
 * scale: too small for 127 / amax to be finite, or infinite or NaN (which then
 * shows in the results).
 */
#define LSB_ACT_MIN 1e-30f
#define LSB_ACT_MAX FLT_MAX

_Static_assert(sizeof(struct lsb_act_block) == 64, "an activation block is one cache line");

/* NULL for F32, F16 and BF16, which have none. */
const struct lsb_layout *lsb_layout_find(uint32_t type);

/* The operations of struct lsb_kernels that all instruction sets share. */
enum lsb_act lsb_panel_act_kind(uint32_t type);
size_t lsb_panel_bytes(uint32_t type, size_t cols);
void lsb_panel_pack(uint32_t type, size_t cols, const void *rows, size_t row_bytes, size_t n, void *panel);
void lsb_panel_unpack_row(uint32_t type, size_t cols, const void *panel, size_t row, float *out);
/* An odd number of cache lines: rows a power of two apart would all compete for one set of the cache. */
size_t lsb_act_bytes(enum lsb_act kind, size_t cols);

/* Weights k..k+n-1 of a row, dequantised; k and n are multiples of the type's block. */
void lsb_panel_unpack(uint32_t type, const void *panel, size_t row, size_t k, size_t n, float *out);
/* The 32 stored quants of `row` in a sub-block. */
void lsb_panel_quants(const struct lsb_layout *l, const uint8_t *sub, size_t row, uint8_t *q);

/* The reference path, also for tables without one of their own: any type on fp32 activations, summed in
 * double. */
void lsb_plain_matmul_f32(uint32_t type, size_t cols, const void *panels, size_t panel0, size_t panel1,
			  const void *act, size_t n_tokens, float *y, size_t ldy);

/* Defined only where LSB_KERNELS_X86 is set; not to be called before the processor was asked. */
extern const struct lsb_kernels lsb_table_avx2, lsb_table_avx512, lsb_table_avx512_bf16;

#endif
