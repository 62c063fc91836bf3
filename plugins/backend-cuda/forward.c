/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels of one step, in order, on one stream.
 *
 * Up to CUDA_SMALL_TOKENS tokens (or with `invariant`), a layer is: norm, q k v,
 * attention, o, norm, gate and up, down. Sums of a matrix's splits stay apart and
 * are added up where they are read: by attention, SwiGLU or, for o and down, by the
 * next norm, which also adds them to the residual stream x. With more tokens
 * cuBLASLt leaves one sum, and adds o and down to x itself.
 */
#include "cuda.h"

#include <math.h>
#include <string.h>

enum {
	SPLITS_MOST = 32, /* of a sequence's positions, in attention */
	INVARIANT_CHUNK = 256,
	UNPACK_TOKENS = CUDA_SMALL_TOKENS + 1, /* the least that cuBLASLt gets */
};

/* --- shapes --------------------------------------------------------------------- */

struct cuda_shape cuda_shape_of(uint32_t n, uint32_t n_outputs, uint32_t n_tiles, bool distinct)
{
	struct cuda_shape s = { .n = n, .n_outputs = n_outputs, .n_tiles = n_tiles, .distinct = distinct };

	s.tokens_at = cuda_round_up(sizeof(struct cuda_step), 64);
	s.rows_at = s.tokens_at + n * sizeof(struct cuda_token);
	s.sampling_at = cuda_round_up(s.rows_at + n_outputs * sizeof(uint32_t), 64);
	s.order_at = s.sampling_at + n_outputs * sizeof(struct cuda_sampling);
	s.tiles_at = s.order_at + (n_tiles ? n * sizeof(uint32_t) : 0);
	s.bytes = s.tiles_at + n_tiles * sizeof(struct cuda_tile);
	return s;
}

/* Inputs of a split, and how many there are, for a matrix of padded width k. */
static uint32_t splits_of(const struct lsb_backend *b, const struct cuda_matrix *m, uint32_t n,
			  uint32_t *split_k)
{
	const uint32_t most = cuda_split_k(m->form, b->options.invariant ? CUDA_SMALL_TOKENS : n);
	const uint32_t splits = (m->k + most - 1) / most;

	*split_k = (uint32_t)cuda_round_up((m->k + splits - 1) / splits, CUDA_UNIT_K);
	return (m->k + *split_k - 1) / *split_k;
}

static bool is_small(const struct lsb_backend *b, const struct cuda_group *g, uint32_t n)
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

		most = larger(most, splits_of(b, &g->part[i], n, &split_k));
	}
	return (is_small(b, g, n) ? most : 1) * n * g->width;
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

static int kv_open(struct lsb_backend *b, struct lsb_error *err)
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
	return cuda_take(b, f->kv_bytes, &f->kv, "the KV cache", err);
}

/* Splits of positions in decode attention, for n tokens. */
static uint32_t attention_splits(const struct lsb_backend *b, uint32_t n, uint32_t *chunk)
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
	const uint32_t tokens = b->place.max_tokens, sets = (b->gqa + 7) / 8;
	uint32_t chunk, splits = attention_splits(b, tokens, &chunk);
	/* Splits of n tokens are rounded up from 2 blocks a multiprocessor: n times that is at most this. */
	const uint64_t most =
		b->options.invariant ? (uint64_t)tokens * splits : tokens + 2ull * b->device.sms + 1;
	int rc = cuda_take(b, most * b->hp.heads * (f->kv_dim + 2) * sizeof(float), &f->attention_partial,
			   "attention's parts", err);
	if (!rc)
		rc = cuda_take(b, (uint64_t)tokens * b->hp.kv_heads * sets * sizeof(uint32_t),
			       &f->attention_arrived, "attention's counters", err);
	if (!rc)
		rc = cuda_take(b, (uint64_t)tokens * b->hp.heads * b->hp.head_dim * 2, &f->q, "queries", err);
	return rc;
}

static int buffers_open(struct lsb_backend *b, struct lsb_error *err)
{
	struct cuda_forward *f = &b->forward;
	const uint64_t tokens = b->place.max_tokens, size = b->keep_f32 ? 4 : 2;
	uint64_t unpacked = 0;
	int rc;

	for (uint32_t i = 0; i < b->weights.n_layers; i++) {
		const struct cuda_layer *l = &b->weights.layers[i];
		const struct cuda_group *all[] = { &l->qkv, &l->o, &l->gate_up, &l->down };

		for (size_t j = 0; j < sizeof(all) / sizeof(all[0]); j++) {
			f->y_floats = larger(f->y_floats, sums_most(b, all[j], b->place.max_tokens));
			unpacked = larger(unpacked, unpacked_of(all[j]));
		}
	}
	if (b->last)
		f->y_floats = larger(f->y_floats, sums_most(b, &b->weights.head, CUDA_SMALL_TOKENS));
	f->ld_x = (uint32_t)cuda_round_up(b->hp.hidden, CUDA_UNIT_K);
	f->ld_o = (uint32_t)cuda_round_up((size_t)b->hp.heads * b->hp.head_dim, CUDA_UNIT_K);
	f->ld_h = (uint32_t)cuda_round_up(b->hp.ffn, CUDA_UNIT_K);
	rc = cuda_take(b, tokens * b->hp.hidden * sizeof(float), &f->x, "hidden states", err);
	if (!rc)
		rc = cuda_take(b, larger(tokens, b->place.max_outputs) * f->ld_x * size, &f->act_x,
			       "activations", err);
	if (!rc)
		rc = cuda_take(b, tokens * f->ld_o * size, &f->act_o, "activations", err);
	if (!rc)
		rc = cuda_take(b, tokens * f->ld_h * size, &f->act_h, "activations", err);
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
		rc = cuda_take(
			b,
			cuda_shape_of(b->place.max_tokens, b->place.max_outputs, b->place.max_tokens, false)
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

static int graphs_open(struct lsb_backend *b, struct lsb_error *err);

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
		rc = kv_open(b, err);
	if (!rc)
		rc = rope_open(b, err);
	if (!rc)
		rc = attention_open(b, err);
	if (!rc)
		rc = buffers_open(b, err);
	if (!rc && !b->options.invariant && !b->keep_f32)
		rc = cuda_lt_open(b->host, &f->lt, err);
	if (!rc)
		rc = cuda_check(b, cudaDeviceSynchronize(), "the device failed while it was prepared", err);
	if (!rc && b->options.graphs)
		rc = graphs_open(b, err);
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
	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		cudaFree(owned[i]);
	if (f->stream)
		cudaStreamDestroy(f->stream);
	*f = (struct cuda_forward){ 0 };
}

/* --- matrices --------------------------------------------------------------------- */

/* A step under way. */
struct pass {
	struct lsb_backend *b;
	struct cuda_forward *f;
	const struct cuda_shape *shape;
	const struct cuda_step *step; /* on the device, as all below */
	const struct cuda_token *tokens;
	struct cuda_pending pending; /* sums not yet added to x */
	struct lsb_error *err;
};

static int check(const struct pass *p, cudaError_t rc, const char *what)
{
	return cuda_check(p->b, rc, what, p->err);
}

static struct cuda_pending sums(const float *y, uint32_t splits, uint32_t width, uint32_t n)
{
	return (struct cuda_pending){
		.y = y, .splits = splits, .ld = width, .split_stride = (uint64_t)n * width
	};
}

/* Own kernels, CUDA_SMALL_TOKENS at a time. All parts of a group get as many splits as the most split one. */
static int multiply_small(const struct pass *p, const struct cuda_group *g, const void *x, uint32_t ldx,
			  uint32_t n, float *y, struct cuda_pending *out, void *act, uint32_t ld_act)
{
	const size_t size = g->elem == CUDA_F32 ? 4 : 2;
	uint32_t split_k, splits = splits_of(p->b, &g->part[0], n, &split_k);
	int rc = LSB_OK;

	*out = sums(y, splits, g->width, n);
	for (uint32_t i = 0; i < g->n_parts && !rc; i++)
		for (uint32_t t = 0; t < n && !rc; t += CUDA_SMALL_TOKENS) {
			const struct cuda_product product = {
				.m = g->part[i],
				.x = (const unsigned char *)x + (size_t)t * ldx * size,
				.ldx = ldx,
				.n = n - t < CUDA_SMALL_TOKENS ? n - t : CUDA_SMALL_TOKENS,
				.splits = splits,
				.split_k = split_k,
				.y = y + (size_t)t * g->width + g->out_at[i],
				.split_stride = out->split_stride,
				.ldy = g->width,
				.act = act,
				.ld_act = ld_act,
				.sms = p->b->device.sms,
			};

			rc = check(p, cuda_multiply(&product, p->f->stream), "a matrix product failed");
		}
	return rc;
}

/* cuBLASLt; quantised parts as fp16. With `add` into c instead of y. */
static int multiply_large(const struct pass *p, const struct cuda_group *g, const void *x, uint32_t ldx,
			  uint32_t n, float *c, uint32_t ldc, int add)
{
	int rc = LSB_OK;

	for (uint32_t i = 0; i < g->n_parts && !rc; i++) {
		const struct cuda_matrix *m = &g->part[i];
		struct cuda_lt_product q = { .w = m->w,
					     .x = x,
					     .c = c + g->out_at[i],
					     .rows = m->pair ? m->pair + m->rows : m->rows,
					     .k = m->k,
					     .n = n,
					     .ldx = ldx,
					     .ldc = ldc,
					     .elem = g->elem,
					     .add = add };

		if (m->form >= CUDA_FORM_P4) {
			q.w = p->f->unpacked;
			rc = check(p, cuda_unpack(m, p->f->unpacked, p->f->stream),
				   "weights cannot be unpacked");
		}
		if (!rc)
			rc = cuda_lt_multiply(p->f->lt, &q, p->f->stream, p->err);
	}
	return rc;
}

static int multiply(const struct pass *p, const struct cuda_group *g, const void *x, uint32_t ldx,
		    struct cuda_pending *out)
{
	const uint32_t n = p->shape->n;

	if (is_small(p->b, g, n))
		return multiply_small(p, g, x, ldx, n, p->f->y, out, NULL, 0);
	*out = sums(p->f->y, 1, g->width, n);
	return multiply_large(p, g, x, ldx, n, p->f->y, g->width, 0);
}

/* To be added to the residual stream: now, or by the next norm. */
static int multiply_into_x(struct pass *p, const struct cuda_group *g, const void *x, uint32_t ldx)
{
	const uint32_t n = p->shape->n;

	if (is_small(p->b, g, n))
		return multiply_small(p, g, x, ldx, n, p->f->y, &p->pending, NULL, 0);
	return multiply_large(p, g, x, ldx, n, p->f->x, p->b->hp.hidden, 1);
}

/* --- a layer -------------------------------------------------------------------------- */

static int norm(struct pass *p, const float *w, const struct cuda_group *next)
{
	const struct cuda_forward *f = p->f;
	const int rc = check(p,
			     cuda_norm(f->x, &p->pending, w, p->b->hp.norm_eps, p->b->hp.hidden, NULL,
				       p->shape->n, next->elem, f->act_x, f->ld_x, f->stream),
			     "a norm failed");

	p->pending.y = NULL;
	return rc;
}

static int attend(const struct pass *p, uint32_t layer, const struct cuda_pending *qkv,
		  enum cuda_elem out_elem)
{
	const struct cuda_forward *f = p->f;
	const struct lsb_hparams *hp = &p->b->hp;
	unsigned char *keys = (unsigned char *)f->kv + 2 * layer * f->kv_half;
	struct cuda_attention a = {
		.kv = { .keys = keys,
			.values = keys + f->kv_half,
			.elem = p->b->options.kv == CUDA_KV_BF16 ? CUDA_BF16 : CUDA_F16,
			.context = p->b->place.context,
			.dim = f->kv_dim },
		.tokens = p->tokens,
		.qkv = *qkv,
		.cos_sin = f->cos_sin,
		.heads = hp->heads,
		.kv_heads = hp->kv_heads,
		.head_dim = hp->head_dim,
		.rope_dim = hp->rope_dim,
		.n = p->shape->n,
		.out = f->act_o,
		.out_elem = out_elem,
		.ld_out = f->ld_o,
		.partial = f->attention_partial,
		.arrived = f->attention_arrived,
	};
	int rc = LSB_OK;

	if (p->shape->distinct) {
		a.splits = attention_splits(p->b, a.n, &a.chunk);
		a.appended = p->b->options.invariant != 0; /* a slot may have several tokens */
		if (a.appended)
			rc = check(p, cuda_append(&a, f->stream), "the KV cache cannot be appended to");
		return rc ? rc : check(p, cuda_attend(&a, f->stream), "attention failed");
	}
	a.q = f->q;
	a.order = (const uint32_t *)(const void *)(f->told + p->shape->order_at);
	a.tiles = (const struct cuda_tile *)(const void *)(f->told + p->shape->tiles_at);
	a.n_tiles = p->shape->n_tiles;
	rc = check(p, cuda_append(&a, f->stream), "the KV cache cannot be appended to");
	return rc ? rc : check(p, cuda_attend_many(&a, f->stream), "attention failed");
}

static int feed_forward(const struct pass *p, const struct cuda_layer *l)
{
	const struct cuda_forward *f = p->f;
	const struct cuda_matrix *m = &l->gate_up.part[0];
	const uint32_t n = p->shape->n, pair = m->pair ? m->pair : l->gate_up.out_at[1];
	struct cuda_pending out;
	uint32_t split_k;
	int rc;

	/* One split of few tokens: SwiGLU is done where the sums are made. */
	if (m->pair && m->form != CUDA_FORM_F32 && n <= 8 && splits_of(p->b, m, n, &split_k) == 1 &&
	    !p->b->options.invariant && l->down.elem == l->gate_up.elem)
		return multiply_small(p, &l->gate_up, f->act_x, f->ld_x, n, f->y, &out, f->act_h, f->ld_h);
	rc = multiply(p, &l->gate_up, f->act_x, f->ld_x, &out);
	return rc ? rc
		  : check(p,
			  cuda_silu(&out, pair, p->b->hp.ffn, n, l->down.elem, f->act_h, f->ld_h, f->stream),
			  "SwiGLU failed");
}

static int run_layer(struct pass *p, uint32_t layer)
{
	const struct cuda_layer *l = &p->b->weights.layers[layer];
	const struct cuda_forward *f = p->f;
	struct cuda_pending qkv;
	int rc = norm(p, l->attn_norm, &l->qkv);

	if (!rc)
		rc = multiply(p, &l->qkv, f->act_x, f->ld_x, &qkv);
	if (!rc)
		rc = attend(p, layer, &qkv, l->o.elem);
	if (!rc)
		rc = multiply_into_x(p, &l->o, f->act_o, f->ld_o);
	if (!rc)
		rc = norm(p, l->ffn_norm, &l->gate_up);
	if (!rc)
		rc = feed_forward(p, l);
	if (!rc)
		rc = multiply_into_x(p, &l->down, f->act_h, f->ld_h);
	return rc;
}

/* --- the head --------------------------------------------------------------------------- */

/* Outputs [first, first + n): logits, then ids. */
static int run_outputs(struct pass *p, uint32_t first, uint32_t n)
{
	const struct cuda_forward *f = p->f;
	const struct cuda_group *head = &p->b->weights.head;
	const uint32_t vocab = p->b->hp.vocab;
	const uint32_t *rows = (const uint32_t *)(const void *)(f->told + p->shape->rows_at);
	const struct cuda_sampling *sampling =
		(const struct cuda_sampling *)(const void *)(f->told + p->shape->sampling_at);
	float *logits = f->logits + (size_t)first * vocab;
	struct cuda_pending out;
	uint32_t split_k;
	int rc = check(p,
		       cuda_norm(f->x, &p->pending, p->b->weights.out_norm, p->b->hp.norm_eps,
				 p->b->hp.hidden, rows + first, n, head->elem, f->act_x, f->ld_x, f->stream),
		       "the last norm failed");

	if (rc)
		return rc;
	if (splits_of(p->b, &head->part[0], n, &split_k) == 1 && head->width == vocab) {
		rc = multiply_small(p, head, f->act_x, f->ld_x, n, logits, &out, NULL, 0);
	} else {
		rc = multiply_small(p, head, f->act_x, f->ld_x, n, f->y, &out, NULL, 0);
		if (!rc)
			rc = check(p, cuda_reduce(&out, vocab, n, logits, f->stream),
				   "logits cannot be added up");
	}
	return rc ? rc
		  : check(p,
			  cuda_sample(p->step, logits, vocab, sampling + first, first, n, f->sample_work,
				      f->stream),
			  "sampling failed");
}

static int run_end(struct pass *p, float *logits_to)
{
	const struct cuda_forward *f = p->f;
	const struct lsb_hparams *hp = &p->b->hp;
	const uint32_t n = p->shape->n_outputs;
	int rc = LSB_OK;

	if (!p->b->last)
		rc = check(p, cuda_give(p->step, f->x, &p->pending, hp->hidden, p->shape->n, f->stream),
			   "hidden states cannot be handed on");
	if (n > CUDA_SMALL_TOKENS && p->pending.y) /* before the first of several groups takes y */
		rc = norm(p, p->b->weights.out_norm, &p->b->weights.head);
	for (uint32_t first = 0; first < n && !rc; first += CUDA_SMALL_TOKENS)
		rc = run_outputs(p, first, n - first < CUDA_SMALL_TOKENS ? n - first : CUDA_SMALL_TOKENS);
	if (!rc && logits_to)
		rc = check(p,
			   cudaMemcpyAsync(logits_to, f->logits, (size_t)n * hp->vocab * sizeof(float),
					   cudaMemcpyDeviceToHost, f->stream),
			   "logits cannot be copied");
	return rc ? rc : check(p, cuda_finish(p->step, f->stream), "the step cannot be finished");
}

/* All kernels of a step whose description is on the device. */
static int enqueue(struct lsb_backend *b, const struct cuda_shape *shape, float *logits_to,
		   struct lsb_error *err)
{
	struct cuda_forward *f = &b->forward;
	const struct cuda_weights *w = &b->weights;
	struct pass p = {
		.b = b,
		.f = f,
		.shape = shape,
		.step = (const struct cuda_step *)(const void *)f->told,
		.tokens = (const struct cuda_token *)(const void *)(f->told + shape->tokens_at),
		.err = err,
	};
	int rc = check(&p,
		       cuda_begin(p.step, p.tokens, shape->n, b->hp.hidden, b->first ? w->embed : NULL,
				  w->embed_type, w->embed_row_bytes, f->x, f->stream),
		       "a step cannot begin");

	for (uint32_t l = 0; l < w->n_layers && !rc; l++)
		rc = run_layer(&p, l);
	return rc ? rc : run_end(&p, logits_to);
}

/* --- graphs ------------------------------------------------------------------------------- */

/* The graph of a decode step of n tokens; all of them give output on the last stage. */
static int graph_make(struct lsb_backend *b, uint32_t n, struct lsb_error *err)
{
	struct cuda_forward *f = &b->forward;
	const struct cuda_shape shape = cuda_shape_of(n, b->last ? n : 0, 0, true);
	cudaGraph_t graph = NULL;
	cudaError_t rc = cudaStreamBeginCapture(f->stream, cudaStreamCaptureModeThreadLocal);
	int failed = LSB_OK;

	if (!rc) {
		failed = enqueue(b, &shape, NULL, err);
		rc = cudaStreamEndCapture(f->stream, &graph);
	}
	if (!rc && !failed)
		rc = cudaGraphInstantiate(&f->graphs[n], graph, 0);
	if (!rc && !failed)
		rc = cudaGraphUpload(f->graphs[n], f->stream);
	if (graph)
		cudaGraphDestroy(graph);
	return failed ? failed : cuda_check(b, rc, "a decode step cannot be made a graph", err);
}

/* Before the timed part: one for each number of sequences there can be. */
static int graphs_open(struct lsb_backend *b, struct lsb_error *err)
{
	uint32_t most = b->place.slots < b->place.max_tokens ? b->place.slots : b->place.max_tokens;
	int rc = LSB_OK;

	if (b->last && most > b->place.max_outputs)
		most = b->place.max_outputs;
	if (most > CUDA_SMALL_TOKENS)
		most = CUDA_SMALL_TOKENS;
	for (uint32_t n = 1; n <= most && !rc; n++)
		rc = graph_make(b, n, err);
	return rc ? rc
		  : cuda_check(b, cudaStreamSynchronize(b->forward.stream), "graphs cannot be uploaded", err);
}

int cuda_forward_run(struct lsb_backend *b, const struct cuda_shape *shape, const void *told,
		     float *logits_to, struct lsb_error *err)
{
	struct cuda_forward *f = &b->forward;
	const bool decode = shape->distinct && !logits_to && shape->n <= CUDA_SMALL_TOKENS &&
			    f->graphs[shape->n] && shape->n_outputs == (b->last ? shape->n : 0);
	int rc =
		cuda_check(b, cudaMemcpyAsync(f->told, told, shape->bytes, cudaMemcpyHostToDevice, f->stream),
			   "a step cannot be described to the device", err);

	if (rc)
		return rc;
	if (decode)
		return cuda_check(b, cudaGraphLaunch(f->graphs[shape->n], f->stream),
				  "a step cannot be launched", err);
	return enqueue(b, shape, logits_to, err);
}
