/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arithmetic of a Llama layer on one core, once per instruction set.
 *
 * One table of functions for each of plain C, AVX2(+FMA+F16C) and
 * AVX-512(+VNNI), chosen at run time. None allocates, none knows threads, slots
 * or steps: callers split panels, heads or tokens over threads.
 *
 * Batch-invariance. A result for one token never depends on which other tokens
 * are in the call, on how the caller split rows, or on how many positions the
 * caller passed at once: each (row, token) has one fp32 accumulator (or a fixed
 * set, reduced in a fixed order) over k ascending. All files are compiled with
 * -ffp-contract=off; fused operations are written as such. Results may differ
 * between instruction sets, within the tolerances that tests/kernels states.
 *
 * Packed matrices. A weight matrix [rows][cols] is repacked at load into panels
 * of LSB_PANEL rows; rows beyond the end are zero. A panel of `type` and `cols`
 * is panel_bytes(type, cols) long and panels follow each other. Panels are
 * 64-byte aligned when the matrix is.
 *
 * Activations. Block-quantised and k-quant types multiply int8 activations
 * (32-element blocks with an fp32 scale); F32, F16 and BF16 types multiply fp32
 * ones, and BF16 types BF16 ones where the processor has instructions for it. act_kind(type) tells; an
 * activation row of `cols` is followed by the next after act_bytes(kind, cols), a multiple of 64. In every
 * table LSB_ACT_F32 works with quantised types too, by one plain routine that sums in double: the reference
 * path
 * (`activations = fp32`). Their int8 products have the same bits in all tables.
 */
#ifndef LSB_CPU_KERNELS_H
#define LSB_CPU_KERNELS_H

#include <stddef.h>
#include <stdint.h>

enum { LSB_PANEL = 16 };

enum lsb_act {
	LSB_ACT_F32 = 0, /* float[cols] */
	LSB_ACT_I8 = 1,	 /* opaque: int8 quants, scales, sums */
	LSB_ACT_BF16 = 2,
	LSB_ACTS = 3
};

struct lsb_kernels {
	const char *name; /* "plain", "avx2", "avx512" */

	/* --- weights ----------------------------------------------------- */
	enum lsb_act (*act_kind)(uint32_t type);
	size_t (*panel_bytes)(uint32_t type, size_t cols);
	/* `n` <= LSB_PANEL file-format rows, row_bytes apart, into one panel. cols is a multiple of the
	 * type's block. */
	void (*pack)(uint32_t type, size_t cols, const void *rows, size_t row_bytes, size_t n, void *panel);
	/* Row `row` (0..15) of a panel, dequantised: out[cols]. Exactly lsb_dequantize's values. */
	void (*unpack_row)(uint32_t type, size_t cols, const void *panel, size_t row, float *out);

	/* --- activations ------------------------------------------------- */
	size_t (*act_bytes)(enum lsb_act kind, size_t cols);
	/* One token: x[cols] to an activation row. */
	void (*act_store)(enum lsb_act kind, const float *x, size_t cols, void *act);

	/*
	 * y[t * ldy + r] = sum_k W[r][k] * a[t][k] for rows of panels [panel0, panel1)
	 * (r counts from panel0's first row) and tokens 0..n_tokens-1, whose
	 * activation rows are act_bytes apart at `act`. Writes LSB_PANEL values per
	 * panel and token: y has room for padded rows.
	 */
	void (*matmul)(uint32_t type, enum lsb_act kind, size_t cols, const void *panels, size_t panel0,
		       size_t panel1, const void *act, size_t n_tokens, float *y, size_t ldy);

	/* --- element-wise, one token each -------------------------------- */
	/* out[i] = x[i] / sqrt(mean(x^2) + eps) * w[i]; the mean in fixed order. */
	void (*rms_norm)(const float *x, const float *w, size_t n, float eps, float *out);
	/* Rotate adjacent pairs (x[2i], x[2i+1]) of the first rope_dim values of each head; cs =
	 * [rope_dim/2][cos, sin]. */
	void (*rope)(float *x, size_t n_heads, size_t head_dim, size_t rope_dim, const float *cs);
	/* out[i] = gate[i] / (1 + exp(-gate[i])) * up[i]; out may be gate. exp is our own, within 2 ulp. */
	void (*silu_mul)(const float *gate, const float *up, size_t n, float *out);
	/* x[i] += y[i] */
	void (*add)(float *x, const float *y, size_t n);
	void (*to_f16)(const float *x, size_t n, uint16_t *out); /* round to nearest even */

	/*
	 * Attention of one KV head for one slot. K and V are fp16, each position's
	 * vector kv_stride elements after the one before. Queries: n_q of them,
	 * q[i * q_stride], each head_dim long, each attending to positions
	 * 0..last[i] (inclusive); they may be heads of one GQA group and/or tokens
	 * of one chunk: each query's result is independent of the others.
	 * out[i * out_stride] gets softmax(scale * q.K) V, fp32. Positions are taken in
	 * ascending blocks of fixed size from 0, so a result depends on neither n_q
	 * nor chunking. head_dim is even and at most 256. `work` has attention_work(max last + 1, head_dim)
	 * bytes.
	 */
	void (*attention)(const float *q, size_t q_stride, size_t n_q, const uint32_t *last,
			  const uint16_t *k, const uint16_t *v, size_t kv_stride, size_t head_dim,
			  float scale, float *out, size_t out_stride, void *work);
	size_t (*attention_work)(size_t positions, size_t head_dim);

	/* Sum of all 64-byte words read, for measuring read bandwidth: reads `bytes` at `p` once. */
	uint64_t (*read_all)(const void *p, size_t bytes);
};

/* NULL when this processor (or build) lacks the instruction set. */
const struct lsb_kernels *lsb_kernels_plain(void);
const struct lsb_kernels *lsb_kernels_avx2(void);
const struct lsb_kernels *lsb_kernels_avx512(void);

/* "auto" (best there is), "plain", "avx2", "avx512"; NULL when not available here. */
const struct lsb_kernels *lsb_kernels_find(const char *name);

#endif
