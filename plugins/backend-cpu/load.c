/* SPDX-License-Identifier: Apache-2.0 */
/*
 * This stage's weights: laid out, then read and repacked.
 *
 * Layout first: every tensor of the stage gets its place in one arena, whose
 * size is then known exactly. Reading then goes group by group of rows through
 * a small buffer per thread, so that no more than the repacked weights and a few
 * hundred KiB are ever resident, whatever the file's size.
 */
#include "cpu.h"

#include <string.h>
#include <sys/mman.h>

enum { GROUP_BYTES = 256 << 10 /* of the file, read at once; at least a panel's rows */ };

/* --- layout ---------------------------------------------------------------- */

static int part_describe(const struct lsb_backend *b, enum lsb_role role, int32_t layer, struct cpu_part *p,
			 struct lsb_error *err)
{
	const struct lsb_tensor *t = lsb_model_tensor(b->model, role, layer);

	*p = (struct cpu_part){
		.tensor = t,
		.type = t->type,
		.rows = t->rows,
		.cols = t->cols,
		.panels = (t->rows + LSB_PANEL - 1) / LSB_PANEL,
		.panel_bytes = b->k->panel_bytes(t->type, t->cols),
	};
	if (!p->panel_bytes) {
		const char *name = lsb_type_name(t->type);

		return lsb_fail(
			err, LSB_EMODEL, 0,
			"model: layer %d has a matrix of type %s (%u), which backend-cpu cannot multiply",
			layer, name ? name : "unknown", t->type);
	}
	p->kind = b->options.activations == CPU_ACTIVATIONS_FP32 ? LSB_ACT_F32 : b->k->act_kind(t->type);
	return LSB_OK;
}

static int matrix_describe(const struct lsb_backend *b, const enum lsb_role *roles, uint32_t n, int32_t layer,
			   struct cpu_matrix *m, struct lsb_error *err)
{
	*m = (struct cpu_matrix){ .n_parts = n };
	for (uint32_t i = 0; i < n; i++) {
		int rc = part_describe(b, roles[i], layer, &m->part[i], err);

		if (rc)
			return rc;
		m->kinds |= 1u << m->part[i].kind;
		m->panels += m->part[i].panels;
		m->cols = m->part[i].cols;
	}
	return LSB_OK;
}

static int layer_describe(const struct lsb_backend *b, int32_t layer, struct cpu_layer *l,
			  struct lsb_error *err)
{
	static const enum lsb_role qkv[] = { LSB_ROLE_Q, LSB_ROLE_K, LSB_ROLE_V };
	static const enum lsb_role gate_up[] = { LSB_ROLE_GATE, LSB_ROLE_UP };
	static const enum lsb_role o = LSB_ROLE_O, down = LSB_ROLE_DOWN;
	int rc = matrix_describe(b, qkv, 3, layer, &l->qkv, err);

	if (!rc)
		rc = matrix_describe(b, &o, 1, layer, &l->o, err);
	if (!rc)
		rc = matrix_describe(b, gate_up, 2, layer, &l->gate_up, err);
	if (!rc)
		rc = matrix_describe(b, &down, 1, layer, &l->down, err);
	return rc;
}

static size_t vector_bytes(size_t n)
{
	return cpu_round_up(n * sizeof(float), CPU_LINE);
}

static size_t part_bytes(const struct cpu_part *p)
{
	return cpu_round_up(p->panels * p->panel_bytes, CPU_LINE);
}

static size_t matrix_bytes(const struct cpu_matrix *m)
{
	size_t bytes = 0;

	for (uint32_t i = 0; i < m->n_parts; i++)
		bytes += part_bytes(&m->part[i]);
	return bytes;
}

static uint64_t matrix_macs(const struct cpu_matrix *m)
{
	uint64_t macs = 0;

	for (uint32_t i = 0; i < m->n_parts; i++)
		macs += (uint64_t)m->part[i].rows * m->part[i].cols;
	return macs;
}

int cpu_weights_cost(const struct lsb_backend *b, int32_t layer, uint64_t *bytes, uint64_t *macs,
		     struct lsb_error *err)
{
	static const enum lsb_role head = LSB_ROLE_HEAD;
	struct cpu_layer l;
	int rc;

	if (layer < 0) {
		rc = matrix_describe(b, &head, 1, -1, &l.o, err);
		if (rc)
			return rc;
		*bytes = matrix_bytes(&l.o) + vector_bytes(b->hp.hidden);
		*macs = matrix_macs(&l.o);
		return LSB_OK;
	}
	rc = layer_describe(b, layer, &l, err);
	if (rc)
		return rc;
	*bytes = matrix_bytes(&l.qkv) + matrix_bytes(&l.o) + matrix_bytes(&l.gate_up) +
		 matrix_bytes(&l.down) + 2 * vector_bytes(b->hp.hidden);
	*macs = matrix_macs(&l.qkv) + matrix_macs(&l.o) + matrix_macs(&l.gate_up) + matrix_macs(&l.down);
	return LSB_OK;
}

/*
 * Gives every tensor its place. Called twice: with arena NULL to learn the size,
 * then to set the pointers.
 */
static void place_part(struct cpu_part *p, unsigned char *arena, size_t *used)
{
	if (arena)
		p->data = arena + *used;
	*used += part_bytes(p);
}

static void place_matrix(struct cpu_matrix *m, unsigned char *arena, size_t *used)
{
	for (uint32_t i = 0; i < m->n_parts; i++)
		place_part(&m->part[i], arena, used);
}

static void place_vector(float **v, size_t n, unsigned char *arena, size_t *used)
{
	if (arena)
		*v = (float *)(void *)(arena + *used);
	*used += vector_bytes(n);
}

static size_t place_all(struct lsb_backend *b, bool factors, unsigned char *arena)
{
	struct cpu_weights *w = &b->weights;
	size_t used = 0;

	place_matrix(&w->embed, arena, &used);
	for (uint32_t i = 0; i < w->n_layers; i++) {
		struct cpu_layer *l = &w->layers[i];

		place_vector(&l->attn_norm, b->hp.hidden, arena, &used);
		place_matrix(&l->qkv, arena, &used);
		place_matrix(&l->o, arena, &used);
		place_vector(&l->ffn_norm, b->hp.hidden, arena, &used);
		place_matrix(&l->gate_up, arena, &used);
		place_matrix(&l->down, arena, &used);
	}
	if (factors)
		place_vector(&w->rope_factors, b->hp.rope_dim / 2, arena, &used);
	if (!b->last)
		return used;
	place_vector(&w->out_norm, b->hp.hidden, arena, &used);
	if (b->first && b->hp.tied)
		w->head = w->embed; /* one copy serves the lookup and the head */
	else
		place_matrix(&w->head, arena, &used);
	return used;
}

/* --- reading ---------------------------------------------------------------- */

static int read_vector(struct lsb_backend *b, enum lsb_role role, int32_t layer, float *to,
		       struct lsb_error *err)
{
	const struct lsb_tensor *t = lsb_model_tensor(b->model, role, layer);
	void *raw;
	int rc = cpu_alloc(b, t->bytes, 1, 1, &raw, "a norm", err);

	if (rc)
		return rc;
	rc = lsb_model_read(b->model, t, 0, t->bytes, raw, err);
	if (!rc)
		lsb_dequantize(t->type, raw, to, t->cols);
	b->weights.load_bytes += t->bytes;
	cpu_free(b, raw);
	return rc;
}

static int read_vectors(struct lsb_backend *b, struct lsb_error *err)
{
	struct cpu_weights *w = &b->weights;
	int rc = LSB_OK;

	for (uint32_t i = 0; i < w->n_layers && !rc; i++) {
		const int32_t layer = (int32_t)(b->place.first_layer + i);

		rc = read_vector(b, LSB_ROLE_ATTN_NORM, layer, w->layers[i].attn_norm, err);
		if (!rc)
			rc = read_vector(b, LSB_ROLE_FFN_NORM, layer, w->layers[i].ffn_norm, err);
	}
	if (!rc && b->last)
		rc = read_vector(b, LSB_ROLE_OUT_NORM, -1, w->out_norm, err);
	if (!rc && w->rope_factors)
		rc = read_vector(b, LSB_ROLE_ROPE_FREQS, -1, w->rope_factors, err);
	return rc;
}

/* All parts to read, cut into groups of panels that the threads claim. */
struct reading {
	struct lsb_backend *b;
	struct cpu_part **parts;
	size_t *first_group; /* [n_parts + 1] */
	size_t n_parts;
	unsigned char *buffers; /* [threads][buffer_bytes] */
	size_t buffer_bytes;
	atomic_flag failing; /* who sets it writes `error` */
	_Atomic bool failed;
	struct lsb_error *error;
	int code;
};

static size_t group_panels(const struct cpu_part *p)
{
	const size_t panels = GROUP_BYTES / (LSB_PANEL * p->tensor->row_bytes);

	return panels ? panels : 1;
}

static int read_group(struct reading *r, const struct cpu_part *p, size_t group, unsigned char *raw,
		      struct lsb_error *err)
{
	const size_t row_bytes = p->tensor->row_bytes;
	const size_t row0 = group * group_panels(p) * LSB_PANEL;
	const size_t left = p->rows - row0, most = group_panels(p) * LSB_PANEL;
	const size_t rows = left < most ? left : most;
	int rc = lsb_model_read(r->b->model, p->tensor, row0 * row_bytes, rows * row_bytes, raw, err);

	if (rc)
		return rc;
	for (size_t i = 0; i < rows; i += LSB_PANEL)
		r->b->k->pack(p->type, p->cols, raw + i * row_bytes, row_bytes,
			      rows - i < LSB_PANEL ? rows - i : LSB_PANEL,
			      p->data + (row0 + i) / LSB_PANEL * p->panel_bytes);
	r->b->weights.load_bytes += rows * row_bytes;
	return LSB_OK;
}

static void read_job(void *arg, uint32_t worker)
{
	struct reading *r = arg;
	unsigned char *raw = r->buffers + worker * r->buffer_bytes;
	size_t part = 0;

	for (size_t group; !r->failed && cpu_pool_claim(r->b->pool, r->first_group[r->n_parts], &group);) {
		struct lsb_error err = { 0 };
		int rc;

		while (group >= r->first_group[part + 1])
			part++;
		rc = read_group(r, r->parts[part], group - r->first_group[part], raw, &err);
		if (rc && !atomic_flag_test_and_set(&r->failing)) {
			r->code = rc;
			if (r->error)
				*r->error = err;
		}
		if (rc)
			r->failed = true;
	}
}

static void reading_add(struct reading *r, struct cpu_matrix *m)
{
	for (uint32_t i = 0; i < m->n_parts; i++) {
		struct cpu_part *p = &m->part[i];
		const size_t per = group_panels(p), bytes = per * LSB_PANEL * p->tensor->row_bytes;

		r->parts[r->n_parts] = p;
		r->first_group[r->n_parts + 1] = r->first_group[r->n_parts] + (p->panels + per - 1) / per;
		r->n_parts++;
		if (bytes > r->buffer_bytes)
			r->buffer_bytes = cpu_round_up(bytes, CPU_LINE);
	}
}

static int read_matrices(struct lsb_backend *b, struct lsb_error *err)
{
	struct cpu_weights *w = &b->weights;
	const size_t most = (size_t)w->n_layers * 7 + 2;
	struct reading r = { .b = b, .error = err, .failing = ATOMIC_FLAG_INIT };
	int rc = cpu_alloc(b, most, sizeof(*r.parts), 1, &r.parts, "the list of tensors", err);

	if (!rc)
		rc = cpu_alloc(b, most + 1, sizeof(*r.first_group), 1, &r.first_group, "the list of tensors",
			       err);
	if (!rc) {
		reading_add(&r, &w->embed);
		for (uint32_t i = 0; i < w->n_layers; i++) {
			reading_add(&r, &w->layers[i].qkv);
			reading_add(&r, &w->layers[i].o);
			reading_add(&r, &w->layers[i].gate_up);
			reading_add(&r, &w->layers[i].down);
		}
		if (w->head.n_parts && w->head.part[0].data != w->embed.part[0].data)
			reading_add(&r, &w->head);
		rc = cpu_alloc(b, b->place.threads, r.buffer_bytes, 1, &r.buffers, "the read buffers", err);
	}
	if (!rc) {
		cpu_pool_run(b->pool, read_job, &r);
		rc = r.code;
	}
	cpu_free(b, r.buffers);
	cpu_free(b, r.first_group);
	cpu_free(b, r.parts);
	return rc;
}

int cpu_weights_load(struct lsb_backend *b, struct lsb_error *err)
{
	static const enum lsb_role embed = LSB_ROLE_EMBED, head = LSB_ROLE_HEAD;
	const bool factors = lsb_model_tensor(b->model, LSB_ROLE_ROPE_FREQS, -1)->rows > 0;
	struct cpu_weights *w = &b->weights;
	int rc =
		cpu_alloc(b, b->place.n_layers, sizeof(*w->layers), 1, &w->layers, "the list of layers", err);

	if (rc)
		return rc;
	w->n_layers = b->place.n_layers;
	for (uint32_t i = 0; i < w->n_layers && !rc; i++)
		rc = layer_describe(b, (int32_t)(b->place.first_layer + i), &w->layers[i], err);
	if (!rc && b->first)
		rc = matrix_describe(b, &embed, 1, -1, &w->embed, err);
	if (!rc && b->last)
		rc = matrix_describe(b, &head, 1, -1, &w->head, err);
	if (rc)
		return rc;
	w->arena_bytes = place_all(b, factors, NULL);
	rc = cpu_map(w->arena_bytes, true, &w->arena, "the weights", err);
	if (rc)
		return rc;
	place_all(b, factors, w->arena);
	rc = read_vectors(b, err);
	if (!rc)
		rc = read_matrices(b, err);
	return rc;
}

void cpu_weights_free(struct lsb_backend *b)
{
	if (b->weights.arena)
		munmap(b->weights.arena, b->weights.arena_bytes);
	b->weights.arena = NULL;
	cpu_free(b, b->weights.layers);
	b->weights.layers = NULL;
}
