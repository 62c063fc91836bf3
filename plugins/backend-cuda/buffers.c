/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What steps of any shape need, taken once: the KV cache, tables, buffers; and the
 * figures that both those sizes and the steps themselves follow from, namely into how
 * many splits a product or attention is cut.
 */
#include "cuda.h"

#include <math.h>

enum {
	SPLITS_MOST = 32, /* of a sequence's positions, in attention */
	INVARIANT_CHUNK = 256,
	UNPACK_TOKENS = CUDA_SMALL_TOKENS + 1, /* the least that cuBLASLt gets */
};

/* --- shapes --------------------------------------------------------------------- */

struct cuda_shape cuda_shape_of(uint32_t n, uint32_t n_outputs, uint32_t n_tiles, uint32_t n_runs,
				bool distinct)
{
	struct cuda_shape s = {
		.n = n, .n_outputs = n_outputs, .n_tiles = n_tiles, .n_runs = n_runs, .distinct = distinct
	};

	s.tokens_at = cuda_round_up(sizeof(struct cuda_step), 64);
	s.rows_at = s.tokens_at + n * sizeof(struct cuda_token);
	s.sampling_at = cuda_round_up(s.rows_at + n_outputs * sizeof(uint32_t), 64);
	s.order_at = s.sampling_at + n_outputs * sizeof(struct cuda_sampling);
	s.tiles_at = s.order_at + (n_tiles ? n * sizeof(uint32_t) : 0);
	s.runs_at = cuda_round_up(s.tiles_at + n_tiles * sizeof(struct cuda_tile), 64);
	s.bytes = s.runs_at + (n_runs ? sizeof(struct cuda_runs) : 0);
	return s;
}

uint32_t cuda_splits_of(const struct lsb_backend *b, const struct cuda_matrix *m, uint32_t n,
			uint32_t *split_k)
{
	const uint32_t most = cuda_split_k(m->form, b->options.invariant ? CUDA_SMALL_TOKENS : n);
	const uint32_t splits = (m->k + most - 1) / most;

	*split_k = (uint32_t)cuda_round_up((m->k + splits - 1) / splits, CUDA_UNIT_K);
	return (m->k + *split_k - 1) / *split_k;
}

bool cuda_is_small(const struct lsb_backend *b, const struct cuda_group *g, uint32_t n)
{
	return n <= CUDA_SMALL_TOKENS || b->options.invariant || g->elem == CUDA_F32;
}

/* --- open and close ---------------------------------------------------------------- */

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Floats of a group's sums for n tokens. */
static uint64_t sums_of(const struct lsb_backend *b, const struct cuda_group *g, uint32_t n)
{
	uint64_t most = 1;

	for (uint32_t i = 0; i < g->n_parts; i++) {
		uint32_t split_k;

		most = larger(most, cuda_splits_of(b, &g->part[i], n, &split_k));
	}
	return (cuda_is_small(b, g, n) ? most : 1) * n * g->width;
}

/* Over all numbers of tokens; sums grow with them but where the number of splits changes. */
static uint64_t sums_most(const struct lsb_backend *b, const struct cuda_group *g, uint32_t tokens)
{
	static const uint32_t at[] = { 8, 16, CUDA_SMALL_TOKENS };
	uint64_t most = sums_of(b, g, tokens);

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		most = larger(most, sums_of(b, g, at[i] < tokens ? at[i] : tokens));
	return most;
}

static uint64_t unpacked_of(const struct cuda_group *g)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < g->n_parts; i++) {
		const struct cuda_matrix *m = &g->part[i];
		const uint64_t rows = m->pair ? 2ull * m->pair : cuda_round_up(m->rows, CUDA_TILE_ROWS);

		if (m->form >= CUDA_FORM_P4)
			bytes = larger(bytes, rows * m->k * 2);
	}
	return bytes;
}

static int rope_open(struct lsb_backend *b, struct lsb_error *err)
{
	const size_t half = b->hp.rope_dim / 2, n = (size_t)b->place.context * half;
	struct cuda_forward *f = &b->forward;
	float *table = NULL;
	int rc = cuda_host_alloc(b, n, 2 * sizeof(float), &table, "RoPE angles", err);

	for (size_t i = 0; i < half && !rc; i++) {
		double freq = b->hp.rope_scale * pow(b->hp.rope_base, -2.0 * (double)i / b->hp.rope_dim);

		if (b->weights.rope_factors)
			freq /= b->weights.rope_factors[i];
		for (size_t p = 0; p < b->place.context; p++) {
			table[(p * half + i) * 2] = (float)cos((double)p * freq);
			table[(p * half + i) * 2 + 1] = (float)sin((double)p * freq);
		}
	}
	if (!rc)
		rc = cuda_take(b, n * 2 * sizeof(float), &f->cos_sin, "RoPE angles", err);
	if (!rc)
		rc = cuda_check(b,
				cudaMemcpy(f->cos_sin, table, n * 2 * sizeof(float), cudaMemcpyHostToDevice),
				"RoPE angles cannot be copied", err);
	cuda_host_free(b, table);
	return rc;
}

int cuda_kv_plan(struct lsb_backend *b, struct lsb_error *err)
{
	struct cuda_forward *f = &b->forward;
	uint64_t elements;

	f->kv_dim = (uint32_t)cuda_round_up(b->hp.head_dim, 8);
	if (__builtin_mul_overflow((uint64_t)b->place.slots * b->place.context,
				   (uint64_t)b->hp.kv_heads * f->kv_dim, &elements) ||
	    __builtin_mul_overflow(elements, (uint64_t)4 * b->place.n_layers, &f->kv_bytes))
		return lsb_fail(err, LSB_ENOMEM, 0,
				"a KV cache of %u slots x %u positions cannot be addressed", b->place.slots,
				b->place.context);
	f->kv_half = elements * 2;
	return LSB_OK;
}

uint32_t cuda_attention_splits(const struct lsb_backend *b, uint32_t n, uint32_t *chunk)
{
	const uint32_t sets = (b->gqa + 7) / 8, blocks = b->hp.kv_heads * sets * n;
	const uint32_t chunks = (b->place.context + CUDA_CHUNK_LEAST - 1) / CUDA_CHUNK_LEAST;
	uint32_t splits = (2 * b->device.sms + blocks - 1) / blocks;

	*chunk = 0;
	if (b->options.invariant) {
		*chunk = (b->place.context + SPLITS_MOST - 1) / SPLITS_MOST;
		*chunk = *chunk < INVARIANT_CHUNK ? INVARIANT_CHUNK : *chunk;
		return (b->place.context + *chunk - 1) / *chunk;
	}
	splits = splits > SPLITS_MOST ? SPLITS_MOST : splits;
	/* More than the context has chunks would only be started to end. */
	return splits < chunks ? splits : chunks;
}

static int attention_open(struct lsb_backend *b, struct lsb_error *err)
{
	struct cuda_forward *f = &b->forward;
	const uint32_t tokens = b->place.max_tokens;
	uint32_t chunk, splits = cuda_attention_splits(b, tokens, &chunk);
	/* Splits of n tokens are rounded up from 2 blocks a multiprocessor: n times that is at most this. */
	const uint64_t most =
		b->options.invariant ? (uint64_t)tokens * splits : tokens + 2ull * b->device.sms + 1;
	int rc = cuda_take(b, most * b->hp.heads * (f->kv_dim + 2) * sizeof(float), &f->attention_partial,
			   "attention's parts", err);
	if (!rc)
		rc = cuda_take(b, (uint64_t)tokens * b->hp.heads * sizeof(uint32_t), &f->attention_arrived,
			       "attention's counters", err);
	if (!rc)
		rc = cuda_take(b, (uint64_t)(tokens + CUDA_RUN_SLACK) * b->hp.heads * b->hp.head_dim * 2,
			       &f->q, "queries", err);
	return rc;
}

/* cuDNN's plans for the stage; *brief: why there are none. */
static int dnn_plans(struct lsb_backend *b, const char **brief, struct lsb_error *err)
{
	struct cuda_forward *f = &b->forward;
	const uint32_t tokens = b->place.max_tokens, runs = tokens / CUDA_RUN_LEAST;
	struct cuda_dnn_shape shape = { .heads = b->hp.heads,
					.kv_heads = b->hp.kv_heads,
					.head_dim = b->hp.head_dim,
					.slots = b->place.slots,
					.context = b->place.context,
					.tokens = tokens,
					.runs = runs < CUDA_RUNS_MOST ? runs : CUDA_RUNS_MOST,
					.ld_out = f->ld_o,
					.elem = b->options.kv == CUDA_KV_BF16 ? CUDA_BF16 : CUDA_F16 };

	if (b->f32_attention) {
		*brief = "fp32 matrices";
		return lsb_fail(err, LSB_EUNAVAIL, 0,
				"cuDNN attention cannot be used: fp32 matrices take fp32 inputs, which it "
				"does not give; set backend.attention = own");
	}
	if (shape.runs > shape.slots)
		shape.runs = shape.slots;
	for (uint32_t i = 0; i < b->weights.n_layers; i++)
		shape.outs |= 1 << b->weights.layers[i].o.elem;
	f->runs_most = shape.runs;
	return cuda_dnn_open(b->host, &shape, f->stream, &f->dnn, brief, err);
}

/* Who attends to long prompts; decided by options, device and library, never by what a run asks. */
static int dnn_open(struct lsb_backend *b, struct lsb_error *err)
{
	const uint32_t wanted = b->options.attention;
	const char *brief = NULL;
	int rc;

	if (wanted == CUDA_ATTENTION_CUDNN && b->options.invariant)
		return lsb_fail(err, LSB_EINVAL, 0,
				"backend.attention = cudnn and backend.invariant = yes cannot both be had: "
				"cuDNN's sums depend on how a prompt is cut");
	if (wanted == CUDA_ATTENTION_OWN || b->options.invariant || b->place.max_tokens < CUDA_RUN_LEAST ||
	    b->place.context < CUDA_RUN_LEAST)
		return LSB_OK;
	if (wanted == CUDA_ATTENTION_AUTO && b->device.major < 9) {
		b->forward.no_dnn = "cuDNN only from 9.0";
		return LSB_OK;
	}
	rc = dnn_plans(b, &brief, err);
	if (rc != LSB_EUNAVAIL || wanted == CUDA_ATTENTION_CUDNN)
		return rc;
	b->forward.no_dnn = brief;
	return LSB_OK;
}

static int buffers_open(struct lsb_backend *b, struct lsb_error *err)
{
	struct cuda_forward *f = &b->forward;
	const uint32_t most = b->place.max_tokens;
	const uint32_t tokens = most > CUDA_SMALL_TOKENS ? cuda_lt_tokens(most) : most;
	const uint64_t size = b->keep_f32 ? 4 : 2;
	uint64_t unpacked = 0;
	int rc;

	for (uint32_t i = 0; i < b->weights.n_layers; i++) {
		const struct cuda_layer *l = &b->weights.layers[i];
		const struct cuda_group *all[] = { &l->qkv, &l->o, &l->gate_up, &l->down };

		for (size_t j = 0; j < sizeof(all) / sizeof(all[0]); j++) {
			f->y_floats = larger(f->y_floats, sums_most(b, all[j], tokens));
			unpacked = larger(unpacked, unpacked_of(all[j]));
		}
	}
	if (b->last)
		f->y_floats = larger(f->y_floats, sums_most(b, &b->weights.head, CUDA_SMALL_TOKENS));
	f->ld_x = (uint32_t)cuda_round_up(b->hp.hidden, CUDA_UNIT_K);
	f->ld_o = (uint32_t)cuda_round_up((size_t)b->hp.heads * b->hp.head_dim, CUDA_UNIT_K);
	f->ld_h = (uint32_t)cuda_round_up(b->hp.ffn, CUDA_UNIT_K);
	rc = cuda_take(b, (uint64_t)tokens * b->hp.hidden * sizeof(float), &f->x, "hidden states", err);
	if (!rc)
		rc = cuda_take(b, larger(tokens, b->place.max_outputs) * f->ld_x * size, &f->act_x,
			       "activations", err);
	if (!rc)
		rc = cuda_take(b, (uint64_t)tokens * f->ld_o * size, &f->act_o, "activations", err);
	if (!rc)
		rc = cuda_take(b, (uint64_t)tokens * f->ld_h * size, &f->act_h, "activations", err);
	if (!rc)
		rc = cuda_take(b, f->y_floats * sizeof(float), &f->y, "sums", err);
	if (!rc && unpacked && b->place.max_tokens >= UNPACK_TOKENS && !b->options.invariant)
		rc = cuda_take(b, unpacked, &f->unpacked, "unpacked weights", err);
	if (!rc && b->last)
		rc = cuda_take(b, (uint64_t)b->place.max_outputs * b->hp.vocab * sizeof(float), &f->logits,
			       "logits", err);
	if (!rc && b->last)
		rc = cuda_take(b, CUDA_SMALL_TOKENS * cuda_sample_bytes(b->hp.vocab), &f->sample_work,
			       "sampling", err);
	if (!rc)
		rc = cuda_take(b,
			       cuda_shape_of(b->place.max_tokens, b->place.max_outputs, b->place.max_tokens,
					     CUDA_RUNS_MOST, false)
				       .bytes,
			       &f->told, "the description of a step", err);
	return rc;
}

static int check_model(const struct lsb_backend *b, struct lsb_error *err)
{
	const struct lsb_hparams *hp = &b->hp;

	if (hp->hidden > CUDA_HIDDEN_MAX || hp->hidden % 4 || hp->head_dim > CUDA_HEAD_MAX ||
	    hp->head_dim % 2 || b->gqa > CUDA_GROUP_MAX)
		return lsb_fail(err, LSB_EMODEL, 0,
				"model: hidden size %u, heads of %u, %u query heads a KV head: backend-cuda "
				"takes hidden "
				"sizes to %d in steps of 4, even heads to %d and groups to %d",
				hp->hidden, hp->head_dim, b->gqa, CUDA_HIDDEN_MAX, CUDA_HEAD_MAX,
				CUDA_GROUP_MAX);
	if (b->options.kv == CUDA_KV_BF16 && b->device.major < 8)
		return lsb_fail(
			err, LSB_EUNAVAIL, 0,
			"kv = bf16 needs compute capability 8.0, device %d (%s) has %d.%d; use kv = fp16",
			b->device.ordinal, b->device.name, b->device.major, b->device.minor);
	return LSB_OK;
}

int cuda_forward_open(struct lsb_backend *b, struct lsb_error *err)
{
	struct cuda_forward *f = &b->forward;
	int rc = check_model(b, err);

	if (!rc)
		rc = cuda_check(b, cudaStreamCreateWithFlags(&f->stream, cudaStreamNonBlocking),
				"no stream can be made", err);
	if (!rc)
		rc = cuda_check(b, cuda_multiply_prepare(), "the kernels cannot be used", err);
	if (!rc && b->hp.head_dim > 128)
		rc = cuda_check(b, cuda_attend_prepare(),
				"attention over heads wider than 128 cannot be used", err);
	if (!rc)
		rc = cuda_take(b, f->kv_bytes + CUDA_RUN_SLACK * f->kv_dim * 2, &f->kv, "the KV cache", err);
	if (!rc)
		rc = rope_open(b, err);
	if (!rc)
		rc = attention_open(b, err);
	if (!rc)
		rc = buffers_open(b, err);
	if (!rc && !b->options.invariant && !b->keep_f32)
		rc = cuda_lt_open(b->host, &f->lt, err);
	if (!rc)
		rc = dnn_open(b, err);
	if (!rc)
		rc = cuda_check(b, cudaDeviceSynchronize(), "the device failed while it was prepared", err);
	if (!rc && b->options.graphs)
		rc = cuda_graphs_open(b, err);
	return rc;
}

void cuda_forward_close(struct lsb_backend *b)
{
	struct cuda_forward *f = &b->forward;
	void *const owned[] = { f->told,
				f->x,
				f->act_x,
				f->act_o,
				f->act_h,
				f->y,
				f->logits,
				f->sample_work,
				f->q,
				f->cos_sin,
				f->kv,
				f->unpacked,
				f->attention_partial,
				f->attention_arrived };

	if (f->stream)
		cudaStreamSynchronize(f->stream);
	for (uint32_t n = 0; n <= CUDA_SMALL_TOKENS; n++)
		if (f->graphs[n])
			cudaGraphExecDestroy(f->graphs[n]);
	cuda_lt_close(f->lt);
	cuda_dnn_close(f->dnn);
	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		cudaFree(owned[i]);
	if (f->stream)
		cudaStreamDestroy(f->stream);
	*f = (struct cuda_forward){ 0 };
}
