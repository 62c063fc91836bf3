/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One step through this stage's layers and the head.
 *
 * Every thread of the pool runs step_job from beginning to end. Per-token work
 * (norms, RoPE, activation quantisation) is split by a fixed share of the tile's
 * tokens, so that a thread may go from one such part to the next without
 * meeting the others; matrix rows and attention are claimed. A barrier stands
 * wherever one thread reads what others wrote.
 */
#include "cpu.h"
#include "sample.h"

#include <math.h>
#include <string.h>

enum {
	TILE_BYTES =
		8 << 20, /* of buffers that grow with the tile: they should stay in the last-level cache */
	TILE_MOST = 256,
	TILE_LEAST = 16,
	LOGIT_BYTES = 16 << 20, /* of logits at a time; more outputs go in several groups */
	FETCH_BYTES = 4 << 10,	/* of keys: attention asks for the rest itself */
};

/* --- open and close --------------------------------------------------------- */

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* Bytes of an activation row of `kind` that fit every matrix of this stage; 0: none uses it. */
static size_t act_most(const struct lsb_backend *b, enum lsb_act kind)
{
	const struct cpu_weights *w = &b->weights;
	size_t bytes = 0;

	for (uint32_t i = 0; i < w->n_layers; i++) {
		const struct cpu_layer *l = &w->layers[i];
		const struct cpu_matrix *all[] = { &l->qkv, &l->o, &l->gate_up, &l->down };

		for (size_t j = 0; j < sizeof(all) / sizeof(all[0]); j++)
			if (all[j]->kinds & (1u << kind))
				bytes = larger(bytes, b->k->act_bytes(kind, all[j]->cols));
	}
	if (w->head.kinds & (1u << kind))
		bytes = larger(bytes, b->k->act_bytes(kind, w->head.cols));
	return bytes;
}

/* Output columns that each kind of buffer needs, over all layers. */
struct widths {
	size_t qkv, y, gate_up, act[LSB_ACTS];
};

static struct widths widths_of(const struct lsb_backend *b)
{
	struct widths n = { .act = { act_most(b, LSB_ACT_F32), act_most(b, LSB_ACT_I8),
				     act_most(b, LSB_ACT_BF16) } };

	for (uint32_t i = 0; i < b->weights.n_layers; i++) {
		const struct cpu_layer *l = &b->weights.layers[i];

		n.qkv = larger(n.qkv, l->qkv.panels * LSB_PANEL);
		n.y = larger(n.y, larger(l->o.panels, l->down.panels) * LSB_PANEL);
		n.gate_up = larger(n.gate_up, l->gate_up.panels * LSB_PANEL);
	}
	return n;
}

static int scratch_open(struct lsb_backend *b, struct lsb_error *err)
{
	struct cpu_forward *f = &b->forward;
	const size_t columns = larger(b->hp.hidden, (size_t)b->hp.heads * b->hp.head_dim);
	int rc = cpu_alloc(b, b->place.threads, sizeof(*f->scratch), 1, &f->scratch, "the threads' buffers",
			   err);

	for (uint32_t i = 0; i < b->place.threads && !rc; i++) {
		struct cpu_scratch *s = &f->scratch[i];

		rc = cpu_alloc(b, columns, sizeof(float), 1, &s->row, "a thread's row", err);
		if (!rc)
			rc = cpu_alloc(b, b->k->attention_work(b->place.context, b->hp.head_dim), 1, 1,
				       &s->attention, "a thread's attention scores", err);
		if (!rc && b->last)
			rc = cpu_alloc(b, b->hp.vocab, 2, sizeof(*s->sample), &s->sample, "sampling", err);
	}
	return rc;
}

static int rope_open(struct lsb_backend *b, struct lsb_error *err)
{
	const size_t half = b->hp.rope_dim / 2;
	struct cpu_forward *f = &b->forward;
	int rc = cpu_alloc(b, half, sizeof(*f->rope_freq), 1, &f->rope_freq, "RoPE frequencies", err);

	if (!rc)
		rc = cpu_alloc(b, b->place.max_tokens, half, 2 * sizeof(float), &f->cos_sin, "RoPE angles",
			       err);
	for (size_t i = 0; i < half && !rc; i++) {
		f->rope_freq[i] = b->hp.rope_scale * pow(b->hp.rope_base, -2.0 * (double)i / b->hp.rope_dim);
		if (b->weights.rope_factors)
			f->rope_freq[i] /= b->weights.rope_factors[i];
	}
	return rc;
}

static int head_open(struct lsb_backend *b, struct lsb_error *err)
{
	const size_t columns = b->weights.head.panels * LSB_PANEL;
	struct cpu_forward *f = &b->forward;

	if (!b->last)
		return LSB_OK;
	f->logit_rows = LOGIT_BYTES / (columns * sizeof(float));
	if (f->logit_rows == 0)
		f->logit_rows = 1;
	if (f->logit_rows > b->plan.tile)
		f->logit_rows = b->plan.tile; /* the activations of a group go where a tile's do */
	if (f->logit_rows > b->place.max_outputs)
		f->logit_rows = larger(b->place.max_outputs, 1);
	return cpu_alloc(b, f->logit_rows, columns, sizeof(float), &f->logits, "the logits", err);
}

int cpu_forward_open(struct lsb_backend *b, struct lsb_error *err)
{
	const size_t q_dim = (size_t)b->hp.heads * b->hp.head_dim;
	const struct widths n = widths_of(b);
	const size_t token_bytes = (n.qkv + 2 * q_dim + n.y + n.gate_up) * sizeof(float) +
				   n.act[LSB_ACT_F32] + n.act[LSB_ACT_I8] + n.act[LSB_ACT_BF16];
	struct cpu_forward *f = &b->forward;
	size_t tile = TILE_BYTES / token_bytes;
	int rc;

	tile = tile > TILE_MOST ? TILE_MOST : larger(tile, TILE_LEAST);
	if (tile > b->place.max_tokens)
		tile = b->place.max_tokens;
	b->plan.tile = tile;
	rc = cpu_alloc(b, b->place.max_tokens, b->hp.hidden, sizeof(float), &f->x, "hidden states", err);
	if (!rc)
		rc = cpu_alloc(b, tile, n.qkv, sizeof(float), &f->qkv, "queries, keys and values", err);
	if (!rc)
		rc = cpu_alloc(b, tile, q_dim, sizeof(float), &f->q, "queries", err);
	if (!rc)
		rc = cpu_alloc(b, tile, q_dim, sizeof(float), &f->attended, "attention's result", err);
	if (!rc)
		rc = cpu_alloc(b, tile, n.y, sizeof(float), &f->y, "a matrix product", err);
	if (!rc)
		rc = cpu_alloc(b, tile, n.gate_up, sizeof(float), &f->gate_up, "the feed-forward layer", err);
	for (uint32_t kind = 0; kind < LSB_ACTS && !rc; kind++)
		if (n.act[kind])
			rc = cpu_alloc(b, tile, n.act[kind], 1, &f->act[kind], "activations", err);
	if (!rc)
		rc = rope_open(b, err);
	if (!rc)
		rc = head_open(b, err);
	return rc ? rc : scratch_open(b, err);
}

void cpu_forward_close(struct lsb_backend *b)
{
	struct cpu_forward *f = &b->forward;
	void *const owned[] = { f->x, f->cos_sin,  f->rope_freq, f->qkv,   f->q,
				f->y, f->attended, f->gate_up,	 f->logits };

	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		cpu_free(b, owned[i]);
	for (uint32_t kind = 0; kind < LSB_ACTS; kind++)
		cpu_free(b, f->act[kind]);
	for (uint32_t i = 0; f->scratch && i < b->place.threads; i++) {
		cpu_free(b, f->scratch[i].row);
		cpu_free(b, f->scratch[i].attention);
		cpu_free(b, f->scratch[i].sample);
	}
	cpu_free(b, f->scratch);
}

/* --- parts of a layer --------------------------------------------------------- */

/* One thread's view of the tile it works on. */
struct lane {
	struct lsb_backend *b;
	const struct lsb_kernels *k;
	struct cpu_forward *f;
	struct cpu_scratch *s;
	uint32_t worker;
	size_t tile;	  /* number */
	size_t token0, n; /* of the tile, within the step */
	size_t from, to;  /* this thread's share, within the tile */
};

static void lane_tile(struct lane *a, size_t tile)
{
	const size_t left = a->f->step->batch.n_tokens - tile * a->b->plan.tile;

	a->tile = tile;
	a->token0 = tile * a->b->plan.tile;
	a->n = left < a->b->plan.tile ? left : a->b->plan.tile;
	cpu_share(a->n, a->worker, cpu_pool_threads(a->b->pool), &a->from, &a->to);
}

/* x[cols] of the tile's token `t`, in every kind of activation that `m` multiplies. */
static void store_activation(const struct lane *a, const struct cpu_matrix *m, const float *x, size_t t)
{
	for (enum lsb_act kind = LSB_ACT_F32; kind < LSB_ACTS; kind++)
		if (m->kinds & (1u << kind))
			a->k->act_store(kind, x, m->cols,
					a->f->act[kind] + t * a->k->act_bytes(kind, m->cols));
}

void cpu_forward_multiply(struct lsb_backend *b, const struct cpu_matrix *m, size_t n, float *y)
{
	const size_t ldy = m->panels * LSB_PANEL;
	size_t from, to;

	while (cpu_pool_claim_run(b->pool, m->panels, &from, &to)) {
		size_t base = 0; /* the part's first panel within the matrix */

		for (uint32_t i = 0; i < m->n_parts; i++) {
			const struct cpu_part *p = &m->part[i];
			const size_t lo = from > base ? from : base;
			const size_t hi = to < base + p->panels ? to : base + p->panels;

			if (lo < hi)
				b->k->matmul(p->type, p->kind, p->cols, p->data, lo - base, hi - base,
					     b->forward.act[p->kind], n, y + lo * LSB_PANEL, ldy);
			base += p->panels;
		}
	}
	cpu_pool_barrier(b->pool);
}

static void norm_and_store(const struct lane *a, const float *norm, const struct cpu_matrix *m)
{
	const struct lsb_hparams *hp = &a->b->hp;

	for (size_t t = a->from; t < a->to; t++) {
		a->k->rms_norm(a->f->x + (a->token0 + t) * hp->hidden, norm, hp->hidden, hp->norm_eps,
			       a->s->row);
		store_activation(a, m, a->s->row, t);
	}
}

static void add_y(const struct lane *a, size_t ldy)
{
	const size_t hidden = a->b->hp.hidden;

	for (size_t t = a->from; t < a->to; t++)
		a->k->add(a->f->x + (a->token0 + t) * hidden, a->f->y + t * ldy, hidden);
}

/* Where a KV head's queries (or their results) of a sorted row begin. */
static size_t query_offset(const struct lane *a, size_t kv_head, size_t row)
{
	return (kv_head * a->b->plan.tile + row) * a->b->gqa * a->b->hp.head_dim;
}

/* Turn queries and keys, file keys and values in the cache, and sort queries by KV head and slot. */
static void rope_and_cache(const struct lane *a, const struct cpu_layer *l, size_t layer)
{
	const struct lsb_hparams *hp = &a->b->hp;
	const struct lsb_token *tokens = a->f->step->batch.tokens + a->token0;
	const size_t ldy = l->qkv.panels * LSB_PANEL, dim = hp->head_dim, group = a->b->gqa * dim;

	for (size_t t = a->from; t < a->to; t++) {
		float *q = a->f->qkv + t * ldy;
		float *k = q + cpu_matrix_column(&l->qkv, 1);
		const float *v = q + cpu_matrix_column(&l->qkv, 2);
		const float *cos_sin = a->f->cos_sin + (a->token0 + t) * hp->rope_dim;
		const size_t at = tokens[t].position * dim;

		a->k->rope(q, hp->heads, dim, hp->rope_dim, cos_sin);
		a->k->rope(k, hp->kv_heads, dim, hp->rope_dim, cos_sin);
		for (size_t h = 0; h < hp->kv_heads; h++) {
			a->k->to_f16(k + h * dim, dim, cpu_kv_keys(&a->b->kv, layer, tokens[t].slot, h) + at);
			a->k->to_f16(v + h * dim, dim,
				     cpu_kv_values(&a->b->kv, layer, tokens[t].slot, h) + at);
			memcpy(a->f->q + query_offset(a, h, a->b->plan.row[a->token0 + t]), q + h * group,
			       group * sizeof(float));
		}
	}
}

/* Ask for the keys with which a unit of attention begins. */
static void fetch_keys(const struct lane *a, size_t layer, uint32_t slot, size_t head)
{
	const char *keys = (const char *)cpu_kv_keys(&a->b->kv, layer, slot, head);
	const size_t bytes = a->b->kv.head_stride * sizeof(uint16_t);

	for (size_t i = 0; i < bytes && i < FETCH_BYTES; i += CPU_LINE)
		__builtin_prefetch(keys + i, 0, 2); /* to the second-level cache */
}

static void attend(const struct lane *a, size_t layer)
{
	const struct lsb_hparams *hp = &a->b->hp;
	const struct cpu_plan *plan = &a->b->plan;
	const struct cpu_piece *pieces = plan->pieces + plan->tile_pieces[a->tile];
	const size_t n = (plan->tile_pieces[a->tile + 1] - plan->tile_pieces[a->tile]) * hp->kv_heads;
	const float scale = 1.0f / sqrtf((float)hp->head_dim);
	const size_t threads = cpu_pool_threads(a->b->pool);
	size_t claimed;

	while (cpu_pool_claim(a->b->pool, n, &claimed)) {
		const size_t unit =
			n - 1 - claimed; /* a chunk's later pieces see more positions: largest first */
		const struct cpu_piece *p = &pieces[unit / hp->kv_heads];
		const size_t head = unit % hp->kv_heads, at = query_offset(a, head, p->row);

		if (unit >= threads) /* what this thread likely claims next */
			fetch_keys(a, layer, pieces[(unit - threads) / hp->kv_heads].slot,
				   (unit - threads) % hp->kv_heads);
		a->k->attention(a->f->q + at, hp->head_dim, (size_t)p->n * a->b->gqa,
				plan->last + (a->token0 + p->row) * a->b->gqa,
				cpu_kv_keys(&a->b->kv, layer, p->slot, head),
				cpu_kv_values(&a->b->kv, layer, p->slot, head), hp->head_dim, hp->head_dim,
				scale, a->f->attended + at, hp->head_dim, a->s->attention);
	}
	cpu_pool_barrier(a->b->pool);
}

static void store_attended(const struct lane *a, const struct cpu_matrix *o)
{
	const size_t group = a->b->gqa * a->b->hp.head_dim;

	for (size_t t = a->from; t < a->to; t++) {
		for (size_t h = 0; h < a->b->hp.kv_heads; h++)
			memcpy(a->s->row + h * group,
			       a->f->attended + query_offset(a, h, a->b->plan.row[a->token0 + t]),
			       group * sizeof(float));
		store_activation(a, o, a->s->row, t);
	}
}

static void gate_and_store(const struct lane *a, const struct cpu_layer *l)
{
	const size_t ldy = l->gate_up.panels * LSB_PANEL;

	for (size_t t = a->from; t < a->to; t++) {
		float *gate = a->f->gate_up + t * ldy;

		a->k->silu_mul(gate, gate + cpu_matrix_column(&l->gate_up, 1), l->down.cols, gate);
		store_activation(a, &l->down, gate, t);
	}
}

/* False when the step is abandoned; then for all threads. */
static bool layer_tile(struct lane *a, size_t layer)
{
	const struct cpu_layer *l = &a->b->weights.layers[layer];
	const struct lsb_host *host = a->b->host;
	struct cpu_pool *pool = a->b->pool;

	if (a->worker == 0 && host->progress && host->progress(host->context) != LSB_OK)
		a->f->canceled = true;
	norm_and_store(a, l->attn_norm, &l->qkv);
	cpu_pool_barrier(pool);
	if (a->f->canceled)
		return false;
	cpu_forward_multiply(a->b, &l->qkv, a->n, a->f->qkv);
	rope_and_cache(a, l, layer);
	cpu_pool_barrier(pool);
	attend(a, layer);
	store_attended(a, &l->o);
	cpu_pool_barrier(pool);
	cpu_forward_multiply(a->b, &l->o, a->n, a->f->y);
	add_y(a, l->o.panels * LSB_PANEL);
	norm_and_store(a, l->ffn_norm, &l->gate_up);
	cpu_pool_barrier(pool);
	cpu_forward_multiply(a->b, &l->gate_up, a->n, a->f->gate_up);
	gate_and_store(a, l);
	cpu_pool_barrier(pool);
	cpu_forward_multiply(a->b, &l->down, a->n, a->f->y);
	add_y(a, l->down.panels * LSB_PANEL);
	return true;
}

/* --- before and after the layers --------------------------------------------- */

static void begin_tile(const struct lane *a)
{
	const struct lsb_hparams *hp = &a->b->hp;
	const struct cpu_part *embed = &a->b->weights.embed.part[0];

	for (size_t t = a->token0 + a->from; t < a->token0 + a->to; t++) {
		const struct lsb_token *token = &a->f->step->batch.tokens[t];
		float *x = a->f->x + t * hp->hidden, *cos_sin = a->f->cos_sin + t * hp->rope_dim;

		if (a->b->first)
			a->k->unpack_row(embed->type, embed->cols,
					 embed->data + (uint32_t)token->id / LSB_PANEL * embed->panel_bytes,
					 (uint32_t)token->id % LSB_PANEL, x);
		else
			memcpy(x, (const float *)a->f->step->in.ptr + t * hp->hidden,
			       hp->hidden * sizeof(float));
		for (size_t i = 0; i < hp->rope_dim / 2; i++) {
			const double angle = token->position * a->f->rope_freq[i];

			cos_sin[2 * i] = (float)cos(angle);
			cos_sin[2 * i + 1] = (float)sin(angle);
		}
	}
}

static void end_tile(const struct lane *a)
{
	const size_t hidden = a->b->hp.hidden, from = (a->token0 + a->from) * hidden;

	memcpy((float *)a->f->step->out.ptr + from, a->f->x + from,
	       (a->to - a->from) * hidden * sizeof(float));
}

/* Outputs [first, first + n) of the step: logits, then ids. */
static void head_group(const struct lane *a, size_t first, size_t n)
{
	const struct cpu_ticket *step = a->f->step;
	const struct cpu_matrix *head = &a->b->weights.head;
	const struct lsb_hparams *hp = &a->b->hp;
	const uint32_t *outputs = a->b->plan.outputs + first;
	size_t from, to, i;

	cpu_share(n, a->worker, cpu_pool_threads(a->b->pool), &from, &to);
	for (i = from; i < to; i++) {
		a->k->rms_norm(a->f->x + (size_t)outputs[i] * hp->hidden, a->b->weights.out_norm, hp->hidden,
			       hp->norm_eps, a->s->row);
		store_activation(a, head, a->s->row, i);
	}
	cpu_pool_barrier(a->b->pool);
	cpu_forward_multiply(a->b, head, n, a->f->logits);
	while (cpu_pool_claim(a->b->pool, n, &i)) {
		const float *logits = a->f->logits + i * head->panels * LSB_PANEL;

		if (step->logits)
			memcpy(step->logits + (first + i) * hp->vocab, logits, hp->vocab * sizeof(float));
		step->ids[first + i] = lsb_sample(logits, hp->vocab, &step->batch.sampling[first + i],
						  step->batch.tokens[outputs[i]].position, a->s->sample);
	}
	cpu_pool_barrier(a->b->pool);
}

static void step_job(void *arg, uint32_t worker)
{
	struct lsb_backend *b = arg;
	struct lane a = {
		.b = b,
		.k = b->k,
		.f = &b->forward,
		.s = &b->forward.scratch[worker],
		.worker = worker,
	};
	const size_t tiles = b->plan.n_tiles, outputs = b->last ? b->forward.step->batch.n_outputs : 0;

	for (size_t tile = 0; tile < tiles; tile++) {
		lane_tile(&a, tile);
		begin_tile(&a);
	}
	for (size_t layer = 0; layer < b->weights.n_layers; layer++)
		for (size_t tile = 0; tile < tiles; tile++) {
			lane_tile(&a, tile);
			if (!layer_tile(&a, layer))
				return;
		}
	for (size_t tile = 0; tile < tiles && !b->last; tile++) {
		lane_tile(&a, tile);
		end_tile(&a);
	}
	cpu_pool_barrier(b->pool);
	for (size_t first = 0; first < outputs; first += b->forward.logit_rows)
		head_group(&a, first,
			   outputs - first < b->forward.logit_rows ? outputs - first : b->forward.logit_rows);
}

int cpu_forward_run(struct lsb_backend *b, const struct cpu_ticket *step)
{
	b->forward.step = step;
	b->forward.canceled = false;
	cpu_pool_run(b->pool, step_job, b);
	return b->forward.canceled ? LSB_ECANCELED : LSB_OK;
}
