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
	uint32_t split_k, splits = cuda_splits_of(p->b, &g->part[0], n, &split_k);
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
				.invariant = p->b->options.invariant != 0,
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

	n = cuda_lt_tokens(n);
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

	if (cuda_is_small(p->b, g, n))
		return multiply_small(p, g, x, ldx, n, p->f->y, out, NULL, 0);
	*out = sums(p->f->y, 1, g->width, n);
	return multiply_large(p, g, x, ldx, n, p->f->y, g->width, 0);
}

/* To be added to the residual stream: now, or by the next norm. */
static int multiply_into_x(struct pass *p, const struct cuda_group *g, const void *x, uint32_t ldx)
{
	const uint32_t n = p->shape->n;

	if (cuda_is_small(p->b, g, n))
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

/* Long runs of a slot's tokens, by cuDNN. */
static int attend_runs(const struct pass *p, const struct cuda_attention *a)
{
	const struct cuda_dnn_step step = {
		.q = a->q,
		.keys = a->kv.keys,
		.values = a->kv.values,
		.out = a->out,
		.out_elem = a->out_elem,
		.runs = (const struct cuda_runs *)(const void *)(p->f->told + p->shape->runs_at),
		.n_runs = p->shape->n_runs,
	};

	return cuda_dnn_attend(p->f->dnn, &step, p->err);
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
		a.splits = cuda_attention_splits(p->b, a.n, &a.chunk);
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
	if (!rc && p->shape->n_runs)
		rc = attend_runs(p, &a);
	if (!rc && a.n_tiles)
		rc = check(p, cuda_attend_many(&a, f->stream), "attention failed");
	return rc;
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
	if (m->pair && m->form != CUDA_FORM_F32 && n <= 8 && cuda_splits_of(p->b, m, n, &split_k) == 1 &&
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
	if (cuda_splits_of(p->b, &head->part[0], n, &split_k) == 1 && head->width == vocab) {
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
	const struct cuda_shape shape = cuda_shape_of(n, b->last ? n : 0, 0, 0, true);
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

int cuda_graphs_open(struct lsb_backend *b, struct lsb_error *err)
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
