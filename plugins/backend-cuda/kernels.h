/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels of backend-cuda as its C files see them: what each computes, over
 * which device memory, enqueued on a stream. None allocates or synchronises.
 *
 * Weights. A matrix maps `k` inputs to rows outputs. Inputs are padded with
 * zeros to a multiple of CUDA_UNIT_K. 16-bit and fp32 matrices stay row-major,
 * so that cuBLASLt can read them too. Quantised ones are packed into units of 16
 * rows x 64 inputs whose bytes lie in the order in which the lanes of a warp use
 * them as operands of a 16x8x16 tensor-core product: each lane copies and reads
 * its own bytes, so no barrier stands between memory and arithmetic. A unit has
 * planes: low bits, further bits, scales; forms.cuh tells their layout.
 *
 * Activations are rows of 16-bit floats (fp32 for fp32 matrices), as long as the
 * matrix's padded `k`, what is beyond the true length being zero.
 *
 * Sums that several blocks share, one for each range of inputs, leave as `splits`
 * partial results; the kernel that reads them adds them up in order. So results
 * never depend on timing, and on the shape of a step only through `splits`.
 *
 * Every kernel may start before the one ahead of it on the stream has ended
 * (programmatic dependent launch): it fetches weights, then waits, and only then
 * reads what others wrote.
 */
#ifndef LSB_CUDA_KERNELS_H
#define LSB_CUDA_KERNELS_H

#include <cuda_runtime_api.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	CUDA_UNIT_K = 64,
	CUDA_TILE_ROWS = 16,
	CUDA_SMALL_TOKENS = 32, /* of one cuda_gemm call */
	CUDA_HIDDEN_MAX = 16384,
	CUDA_HEAD_MAX = 256,
	CUDA_CHUNK_LEAST = 256, /* positions that one block of decode attention takes at least */
	CUDA_GROUP_MAX = 16,	/* query heads of a KV head */
};

/* Element of activations and KV caches. */
enum cuda_elem { CUDA_F16, CUDA_BF16, CUDA_F32 };

/* How a matrix lies in device memory. P: packed, with its bits; M: with a minimum beside each scale. */
enum cuda_form {
	CUDA_FORM_F16,
	CUDA_FORM_BF16,
	CUDA_FORM_F32,
	CUDA_FORM_P4,
	CUDA_FORM_P4M,
	CUDA_FORM_P5,
	CUDA_FORM_P5M,
	CUDA_FORM_P6,
	CUDA_FORM_P8,
	CUDA_FORMS,
};

/* Whether launches may overlap, and which shapes of kernels fit: by the device's compute capability, told
 * once. */
void cuda_kernels_for(int major, int minor);
int cuda_overlaps(void);
int cuda_is_lean(void); /* less shared memory than Hopper's */

/* The form of a tensor type (core/model's number); CUDA_FORMS when there is none. */
enum cuda_form cuda_form_of(uint32_t type, int bf16_ok);
enum cuda_elem cuda_form_elem(enum cuda_form form);
/* Bytes of `rows` x `k` (both padded) in a form; fits 64 bits for all that core/model lets through. */
uint64_t cuda_form_bytes(enum cuda_form form, uint64_t rows, uint64_t k);

/* Rows of a matrix: `rows` outputs; with `pair`, two matrices of `rows` each whose rows take turns in tiles,
 * 8 and 8, the second one's output standing `pair` (>= rows, a multiple of 8) further on. */
struct cuda_matrix {
	const void *w;
	enum cuda_form form;
	uint32_t rows, pair;
	uint32_t cols, k; /* true and padded inputs */
};

/*
 * y[s][t][r] = partial sums of W x, splits s, tokens t < n <= CUDA_SMALL_TOKENS,
 * outputs r. With `act`: act[t][r] = silu(gate) * up instead, for a pair and one
 * split; elements as x's.
 */
struct cuda_product {
	struct cuda_matrix m;
	const void *x; /* [n][ldx] */
	uint32_t ldx, n;
	uint32_t splits, split_k; /* split_k: inputs of each, a multiple of CUDA_UNIT_K */
	float *y;		  /* [splits][...][ldy] */
	uint64_t split_stride;	  /* floats between splits */
	uint32_t ldy;
	void *act;
	uint32_t ld_act;
	uint32_t sms;  /* multiprocessors of the device */
	int invariant; /* sums are made in one order, however many tokens there are */
};

cudaError_t cuda_multiply(const struct cuda_product *p, cudaStream_t stream);
/* Allow the kernels their shared memory; once a device. */
cudaError_t cuda_multiply_prepare(void);
/* Most inputs of a split for n tokens, by what fits into shared memory. */
uint32_t cuda_split_k(enum cuda_form form, uint32_t n);

/* Dequantise rows of a packed matrix to 16-bit row-major out[rows + pair][k]. */
cudaError_t cuda_unpack(const struct cuda_matrix *m, void *out, cudaStream_t stream);

/*
 * File-format rows (of core/model's `type`, row_bytes apart) into place: row i of
 * `raw` becomes row `row0` + i of the matrix, or of its second half.
 */
cudaError_t cuda_pack(const struct cuda_matrix *m, void *w, uint32_t type, const void *raw,
		      uint64_t row_bytes, uint32_t row0, uint32_t n_rows, int second, cudaStream_t stream);
/* The same from the generator of random: models, for 16-bit and fp32 types; keys[n_rows]. */
cudaError_t cuda_generate(const struct cuda_matrix *m, void *w, uint32_t type, const uint64_t *keys,
			  float spread, uint32_t row0, uint32_t n_rows, int second, cudaStream_t stream);

/* --- around the matrices --------------------------------------------------- */

/* One token of a step, as the device has it. */
struct cuda_token {
	int32_t id;
	uint32_t slot, position;
	uint32_t flags;
};

struct cuda_sampling {
	float temperature, top_p;
	uint32_t top_k, position;
	uint64_t seed, request;
};

/* Where a step's results go: page-locked host memory that the device writes. */
struct cuda_result {
	uint64_t started_ns, ended_ns; /* device clock */
	uint64_t done;		       /* the ticket's number, last */
};

/* What a step needs that changes from step to step: copied to the device before it. */
struct cuda_step {
	struct cuda_result *result;
	int32_t *ids;	 /* page-locked, [n_outputs] */
	const float *in; /* hidden states, NULL on the first stage */
	float *out;	 /* NULL on the last */
	uint64_t number;
};

/* x[n][hidden] from the embedding (raw rows of `type`) or from step->in; stamps the start. */
cudaError_t cuda_begin(const struct cuda_step *step, const struct cuda_token *tokens, uint32_t n,
		       uint32_t hidden, const void *embed, uint32_t type, uint64_t row_bytes, float *x,
		       cudaStream_t stream);

/* Sums that wait to be added to the residual stream. */
struct cuda_pending {
	const float *y; /* [splits][n][ld]; NULL: none */
	uint32_t splits, ld;
	uint64_t split_stride;
};

/* x += pending, then act = rms_norm(x) * w. With `rows`: act[i] is that of token rows[i], and x stays as it
 * is. */
cudaError_t cuda_norm(float *x, const struct cuda_pending *add, const float *w, float eps, uint32_t hidden,
		      const uint32_t *rows, uint32_t n, enum cuda_elem elem, void *act, uint32_t ld_act,
		      cudaStream_t stream);

/* act = silu(gate) * up, of gate_up[splits][n][ld], up standing `pair` after gate. */
cudaError_t cuda_silu(const struct cuda_pending *gate_up, uint32_t pair, uint32_t ffn, uint32_t n,
		      enum cuda_elem elem, void *act, uint32_t ld_act, cudaStream_t stream);

/* to[i][r] = the sum over splits. */
cudaError_t cuda_reduce(const struct cuda_pending *from, uint32_t rows, uint32_t n, float *to,
			cudaStream_t stream);

/* step->out = x + pending. */
cudaError_t cuda_give(const struct cuda_step *step, const float *x, const struct cuda_pending *add,
		      uint32_t hidden, uint32_t n, cudaStream_t stream);

/* ids of logits[n][vocab] into step->ids; work: n * cuda_sample_bytes(vocab), zeroed once. */
cudaError_t cuda_sample(const struct cuda_step *step, const float *logits, uint32_t vocab,
			const struct cuda_sampling *sampling, uint32_t first, uint32_t n, void *work,
			cudaStream_t stream);
uint64_t cuda_sample_bytes(uint32_t vocab);

/* Stamp the end and tell the host. */
cudaError_t cuda_finish(const struct cuda_step *step, cudaStream_t stream);

/* --- attention ------------------------------------------------------------------ */

struct cuda_kv {
	void *keys, *values; /* of one layer: [slot][kv head][position][dim], dim: head_dim rounded up to 8 */
	enum cuda_elem elem; /* CUDA_F16 or CUDA_BF16 */
	uint32_t context, dim;
};

struct cuda_attention {
	struct cuda_kv kv;
	const struct cuda_token *tokens; /* [n] */
	struct cuda_pending qkv;	 /* rows: q, k, v; not summed */
	const float *cos_sin;		 /* [context][rope_dim / 2][2] */
	uint32_t heads, kv_heads, head_dim, rope_dim;
	uint32_t n;
	void *out; /* [n][ld_out] of out_elem */
	enum cuda_elem out_elem;
	uint32_t ld_out;
	/* Of cuda_attend: */
	uint32_t chunk;	   /* positions of a split; 0: as many splits as keep the device busy */
	uint32_t splits;   /* most */
	int appended;	   /* keys and values are in the cache already */
	float *partial;	   /* [n][heads][splits][dim + 2] */
	uint32_t *arrived; /* [n][kv_heads], zero */
	/* Of cuda_attend_many: */
	void *q;		       /* [n][heads][head_dim] of kv.elem, rotated */
	const uint32_t *order;	       /* [n] tokens by slot, then position */
	const struct cuda_tile *tiles; /* [n_tiles] */
	uint32_t n_tiles;
};

/* Consecutive tokens of one slot: at most CUDA_TILE_QUERIES / (heads / kv_heads). */
enum { CUDA_TILE_QUERIES = 64 };
struct cuda_tile {
	uint32_t first; /* in `order` */
	uint32_t n, slot, position;
};

/* Decoding: tokens of distinct slots, or of any with `appended`. Rotates, appends, attends. */
cudaError_t cuda_attend(const struct cuda_attention *a, cudaStream_t stream);
/* Rotate queries into q (NULL: not wanted) and keys, and append keys and values to the cache. */
cudaError_t cuda_append(const struct cuda_attention *a, cudaStream_t stream);
/* Prompts, after cuda_append: tensor cores over tiles of queries. */
cudaError_t cuda_attend_many(const struct cuda_attention *a, cudaStream_t stream);
cudaError_t cuda_attend_prepare(void);

/* --- measuring ---------------------------------------------------------------------- */

/* Read `bytes` at p once; *sum keeps the reads alive. */
cudaError_t cuda_read_all(const void *p, uint64_t bytes, uint32_t sms, uint64_t *sum, cudaStream_t stream);
/* Fill n 16-bit elements with values around 0, so that a matrix product runs as on real data. */
cudaError_t cuda_fill(void *p, uint64_t n, enum cuda_elem elem, cudaStream_t stream);

#ifdef __cplusplus
}
#endif
#endif
