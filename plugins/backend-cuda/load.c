/* SPDX-License-Identifier: Apache-2.0 */
/*
 * This stage's weights: laid out, then read and packed.
 *
 * Layout first: every matrix of the stage gets its place in one arena of device
 * memory, whose size is then known exactly. Threads then claim groups of rows, read
 * them (or have core/model make them) into page-locked memory, and copy and pack
 * them on streams of their own. 16-bit and fp32 matrices of random: models are made
 * on the device, from the same counters.
 */
#include "cuda.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

enum {
	GROUP_BYTES = 8 << 20, /* of the file, read at once */
	READERS_MOST = 16,
	ALIGN = 256,
};

/* --- layout ---------------------------------------------------------------- */

static enum cuda_form form_of(const struct lsb_backend *b, uint32_t type)
{
	const enum cuda_form form = cuda_form_of(type, b->device.major == 0 || b->device.major >= 8);

	return form == CUDA_FORM_F32 && !b->keep_f32 ? CUDA_FORM_F16 : form;
}

bool cuda_weights_all_f32(const struct lsb_model *m)
{
	static const enum lsb_role roles[] = { LSB_ROLE_Q,    LSB_ROLE_K,  LSB_ROLE_V,	 LSB_ROLE_O,
					       LSB_ROLE_GATE, LSB_ROLE_UP, LSB_ROLE_DOWN };

	for (uint32_t l = 0; l < lsb_model_hparams(m)->layers; l++)
		for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
			if (lsb_model_tensor(m, roles[i], (int32_t)l)->type != LSB_TYPE_F32)
				return false;
	return lsb_model_tensor(m, LSB_ROLE_HEAD, -1)->type == LSB_TYPE_F32;
}

bool cuda_weights_any_f32_o(const struct lsb_model *m)
{
	for (uint32_t l = 0; l < lsb_model_hparams(m)->layers; l++)
		if (lsb_model_tensor(m, LSB_ROLE_O, (int32_t)l)->type == LSB_TYPE_F32)
			return true;
	return false;
}

static struct cuda_matrix matrix_of(enum cuda_form form, uint32_t rows, uint32_t pair, uint64_t cols)
{
	return (struct cuda_matrix){ .form = form,
				     .rows = rows,
				     .pair = pair,
				     .cols = (uint32_t)cols,
				     .k = (uint32_t)cuda_round_up(cols, CUDA_UNIT_K) };
}

/* Matrices of one form become one, one upon the other; gate and up take turns. */
static int group_describe(const struct lsb_backend *b, const enum lsb_role *roles, uint32_t n, int32_t layer,
			  struct cuda_group *g, struct lsb_error *err)
{
	const struct lsb_tensor *t[CUDA_PARTS] = { NULL };
	enum cuda_form form[CUDA_PARTS];
	bool same = true;

	*g = (struct cuda_group){ 0 };
	for (uint32_t i = 0; i < n; i++) {
		const char *name;

		t[i] = lsb_model_tensor(b->model, roles[i], layer);
		form[i] = form_of(b, t[i]->type);
		name = lsb_type_name(t[i]->type);
		if (form[i] == CUDA_FORMS)
			return lsb_fail(err, LSB_EMODEL, 0,
					"model: layer %d has a matrix of type %s (%u), which backend-cuda "
					"cannot multiply",
					layer, name ? name : "unknown", t[i]->type);
		same = same && form[i] == form[0];
	}
	if (same) {
		const bool gated = n == 2;
		uint32_t rows = (uint32_t)t[0]->rows;

		for (uint32_t i = 1; i < n && !gated; i++)
			rows += (uint32_t)t[i]->rows;
		g->part[0] =
			matrix_of(form[0], rows, gated ? (uint32_t)cuda_round_up(rows, 8) : 0, t[0]->cols);
		g->n_parts = 1;
		g->width = gated ? 2 * g->part[0].pair : (uint32_t)cuda_round_up(rows, 4);
		g->elem = cuda_form_elem(form[0]);
		return LSB_OK;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (form[i] == CUDA_FORM_BF16) /* one kind of activations for all */
			form[i] = CUDA_FORM_F16;
		g->part[i] = matrix_of(form[i], (uint32_t)t[i]->rows, 0, t[i]->cols);
		g->out_at[i] = g->width;
		g->width += (uint32_t)(n == 2 ? cuda_round_up(t[i]->rows, 8) : t[i]->rows);
	}
	g->width = (uint32_t)cuda_round_up(g->width, 4);
	g->n_parts = n;
	g->elem = CUDA_F16;
	return LSB_OK;
}

static const enum lsb_role qkv_roles[] = { LSB_ROLE_Q, LSB_ROLE_K, LSB_ROLE_V };
static const enum lsb_role o_roles[] = { LSB_ROLE_O }, down_roles[] = { LSB_ROLE_DOWN };
static const enum lsb_role gate_up_roles[] = { LSB_ROLE_GATE, LSB_ROLE_UP }, head_roles[] = { LSB_ROLE_HEAD };

static int layer_describe(const struct lsb_backend *b, int32_t layer, struct cuda_layer *l,
			  struct lsb_error *err)
{
	int rc = group_describe(b, qkv_roles, 3, layer, &l->qkv, err);

	if (!rc)
		rc = group_describe(b, o_roles, 1, layer, &l->o, err);
	if (!rc)
		rc = group_describe(b, gate_up_roles, 2, layer, &l->gate_up, err);
	if (!rc)
		rc = group_describe(b, down_roles, 1, layer, &l->down, err);
	return rc;
}

static uint64_t matrix_bytes(const struct cuda_matrix *m)
{
	const uint64_t rows = m->pair ? 2ull * m->pair : cuda_round_up(m->rows, CUDA_TILE_ROWS);

	return cuda_round_up(cuda_form_bytes(m->form, rows, m->k), ALIGN);
}

static uint64_t group_bytes(const struct cuda_group *g)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < g->n_parts; i++)
		bytes += matrix_bytes(&g->part[i]);
	return bytes;
}

static uint64_t group_macs(const struct cuda_group *g)
{
	uint64_t macs = 0;

	for (uint32_t i = 0; i < g->n_parts; i++)
		macs += (uint64_t)g->part[i].rows * (g->part[i].pair ? 2 : 1) * g->part[i].cols;
	return macs;
}

int cuda_weights_cost(const struct lsb_backend *b, int32_t layer, uint64_t *bytes, uint64_t *macs,
		      struct lsb_error *err)
{
	struct cuda_layer l;
	int rc;

	if (layer < 0) {
		rc = group_describe(b, head_roles, 1, -1, &l.o, err);
		if (rc)
			return rc;
		*bytes = group_bytes(&l.o) + b->hp.hidden * sizeof(float);
		*macs = group_macs(&l.o);
		return LSB_OK;
	}
	rc = layer_describe(b, layer, &l, err);
	if (rc)
		return rc;
	*bytes = group_bytes(&l.qkv) + group_bytes(&l.o) + group_bytes(&l.gate_up) + group_bytes(&l.down) +
		 2ull * b->hp.hidden * sizeof(float);
	*macs = group_macs(&l.qkv) + group_macs(&l.o) + group_macs(&l.gate_up) + group_macs(&l.down);
	return LSB_OK;
}

static void place_group(struct cuda_group *g, unsigned char *arena, uint64_t *used)
{
	for (uint32_t i = 0; i < g->n_parts; i++) {
		if (arena)
			g->part[i].w = arena + *used;
		*used += matrix_bytes(&g->part[i]);
	}
}

static void place_vector(float **v, size_t n, unsigned char *arena, uint64_t *used)
{
	if (arena)
		*v = (float *)(void *)(arena + *used);
	*used += cuda_round_up(n * sizeof(float), ALIGN);
}

/* The embedding can be the head's matrix itself where that keeps the file's rows. */
static bool shares_embedding(const struct lsb_backend *b)
{
	const struct cuda_matrix *m = &b->weights.head.part[0];

	return b->first && b->last && b->hp.tied && m->form <= CUDA_FORM_F32 && m->k == m->cols &&
	       m->form == cuda_form_of(b->weights.embed_type, 1);
}

/* Gives every tensor its place: with arena NULL to learn the size, then to set the pointers. */
static uint64_t place_all(struct lsb_backend *b, unsigned char *arena)
{
	struct cuda_weights *w = &b->weights;
	uint64_t used = 0;

	for (uint32_t i = 0; i < w->n_layers; i++) {
		struct cuda_layer *l = &w->layers[i];

		place_vector(&l->attn_norm, b->hp.hidden, arena, &used);
		place_vector(&l->ffn_norm, b->hp.hidden, arena, &used);
		place_group(&l->qkv, arena, &used);
		place_group(&l->o, arena, &used);
		place_group(&l->gate_up, arena, &used);
		place_group(&l->down, arena, &used);
	}
	if (b->last) {
		place_vector(&w->out_norm, b->hp.hidden, arena, &used);
		place_group(&w->head, arena, &used);
	}
	if (b->first && shares_embedding(b)) {
		w->embed = w->head.part[0].w;
	} else if (b->first) {
		if (arena)
			w->embed = arena + used;
		used += cuda_round_up(b->hp.vocab * w->embed_row_bytes, ALIGN);
	}
	return used;
}

/* --- reading ---------------------------------------------------------------- */

/* A tensor and where it goes: rows from row0 on of a matrix (or of its second half), or as they are. */
struct piece {
	const struct lsb_tensor *tensor;
	struct cuda_matrix m;
	uint32_t row0;
	int second;
	bool raw;
	uint64_t first_group, group_rows;
};

struct reading {
	struct lsb_backend *b;
	struct piece *pieces;
	size_t n_pieces;
	_Atomic uint64_t next_group, load_bytes;
	uint64_t n_groups;
	pthread_mutex_t lock; /* of code and error */
	_Atomic bool failed;
	int code;
	struct lsb_error *error;
};

/* What one thread reads through. */
struct reader {
	cudaStream_t stream;
	void *pinned, *staged; /* GROUP_BYTES or a row, whichever is more */
};

static bool made_on_device(const struct lsb_backend *b, const struct piece *p)
{
	return lsb_model_is_random(b->model) &&
	       (p->tensor->type == LSB_TYPE_F32 || p->tensor->type == LSB_TYPE_F16 ||
		p->tensor->type == LSB_TYPE_BF16) &&
	       cuda_form_of(p->tensor->type, 1) == p->m.form;
}

static int read_group(struct reading *r, const struct reader *reader, const struct piece *p, uint64_t group,
		      struct lsb_error *err)
{
	const struct lsb_tensor *t = p->tensor;
	const uint64_t first = group * p->group_rows, left = t->rows - first;
	const uint32_t n = (uint32_t)(left < p->group_rows ? left : p->group_rows);
	const uint32_t row0 = p->row0 + (uint32_t)first;
	cudaError_t rc;

	if (made_on_device(r->b, p)) {
		const float spread = lsb_model_random_keys(r->b->model, t, first, n, reader->pinned);

		rc = cudaMemcpyAsync(reader->staged, reader->pinned, n * sizeof(uint64_t),
				     cudaMemcpyHostToDevice, reader->stream);
		if (!rc)
			rc = cuda_generate(&p->m, (void *)p->m.w, t->type, reader->staged, spread, row0, n,
					   p->second, reader->stream);
	} else {
		const int failed = lsb_model_read(r->b->model, t, first * t->row_bytes, n * t->row_bytes,
						  reader->pinned, err);

		if (failed)
			return failed;
		rc = cudaMemcpyAsync(p->raw ? (unsigned char *)p->m.w + first * t->row_bytes : reader->staged,
				     reader->pinned, n * t->row_bytes, cudaMemcpyHostToDevice,
				     reader->stream);
		if (!rc && !p->raw)
			rc = cuda_pack(&p->m, (void *)p->m.w, t->type, reader->staged, t->row_bytes, row0, n,
				       p->second, reader->stream);
	}
	if (!rc)
		rc = cudaStreamSynchronize(reader->stream);
	r->load_bytes += n * t->row_bytes;
	return cuda_check(r->b, rc, "the weights cannot be loaded", err);
}

static void reading_failed(struct reading *r, int code, const struct lsb_error *err)
{
	pthread_mutex_lock(&r->lock);
	if (!r->code) {
		r->code = code;
		if (r->error)
			*r->error = *err;
	}
	pthread_mutex_unlock(&r->lock);
	r->failed = true;
}

static void *read_job(void *arg)
{
	struct reading *r = arg;
	struct reader reader = { 0 };
	struct lsb_error err = { 0 };
	uint64_t group;
	size_t piece = 0, bytes = GROUP_BYTES;
	cudaError_t rc = cudaSetDevice(r->b->device.ordinal);

	for (size_t i = 0; i < r->n_pieces; i++)
		if (r->pieces[i].tensor->row_bytes > bytes)
			bytes = r->pieces[i].tensor->row_bytes;
	if (!rc)
		rc = cudaStreamCreateWithFlags(&reader.stream, cudaStreamNonBlocking);
	if (!rc)
		rc = cudaHostAlloc(&reader.pinned, bytes, cudaHostAllocDefault);
	if (!rc)
		rc = cudaMalloc(&reader.staged, bytes);
	if (rc)
		reading_failed(r, cuda_check(r->b, rc, "buffers for loading cannot be had", &err), &err);
	while (!r->failed && (group = r->next_group++) < r->n_groups) {
		int failed;

		while (piece + 1 < r->n_pieces && group >= r->pieces[piece + 1].first_group)
			piece++;
		failed =
			read_group(r, &reader, &r->pieces[piece], group - r->pieces[piece].first_group, &err);
		if (failed)
			reading_failed(r, failed, &err);
	}
	cudaFree(reader.staged);
	cudaFreeHost(reader.pinned);
	if (reader.stream)
		cudaStreamDestroy(reader.stream);
	return NULL;
}

static void add_piece(struct reading *r, const struct lsb_tensor *t, const struct cuda_matrix *m,
		      uint32_t row0, int second, bool raw)
{
	struct piece *p = &r->pieces[r->n_pieces++];
	uint64_t groups;

	*p = (struct piece){ .tensor = t, .m = *m, .row0 = row0, .second = second, .raw = raw };
	p->group_rows = made_on_device(r->b, p) ? GROUP_BYTES / sizeof(uint64_t) : GROUP_BYTES / t->row_bytes;
	if (p->group_rows == 0)
		p->group_rows = 1;
	groups = (t->rows + p->group_rows - 1) / p->group_rows;
	p->first_group = r->n_groups;
	r->n_groups += groups;
}

static void add_group(struct reading *r, const struct cuda_group *g, const enum lsb_role *roles, uint32_t n,
		      int32_t layer)
{
	uint32_t row = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct lsb_tensor *t = lsb_model_tensor(r->b->model, roles[i], layer);
		const bool gated = g->n_parts == 1 && g->part[0].pair;

		if (g->n_parts > 1)
			add_piece(r, t, &g->part[i], 0, 0, false);
		else
			add_piece(r, t, &g->part[0], gated ? 0 : row, gated && i == 1, false);
		row += (uint32_t)t->rows;
	}
}

static void add_all(struct reading *r)
{
	struct lsb_backend *b = r->b;
	const struct cuda_weights *w = &b->weights;

	for (uint32_t i = 0; i < w->n_layers; i++) {
		const int32_t layer = (int32_t)(b->place.first_layer + i);

		add_group(r, &w->layers[i].qkv, qkv_roles, 3, layer);
		add_group(r, &w->layers[i].o, o_roles, 1, layer);
		add_group(r, &w->layers[i].gate_up, gate_up_roles, 2, layer);
		add_group(r, &w->layers[i].down, down_roles, 1, layer);
	}
	if (b->last)
		add_group(r, &w->head, head_roles, 1, -1);
	if (b->first && !(b->last && w->embed == w->head.part[0].w)) {
		const struct lsb_tensor *t = lsb_model_tensor(b->model, LSB_ROLE_EMBED, -1);
		struct cuda_matrix m = matrix_of(cuda_form_of(t->type, 1), (uint32_t)t->rows, 0, t->cols);

		m.k = m.cols;
		m.w = w->embed;
		add_piece(r, t, &m, 0, 0, true);
	}
}

static uint32_t reader_count(void)
{
	cpu_set_t cpus;
	int n = 1;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		n = CPU_COUNT(&cpus);
	return n < 1 ? 1 : n > READERS_MOST ? READERS_MOST : (uint32_t)n;
}

static int read_matrices(struct lsb_backend *b, struct lsb_error *err)
{
	struct reading r = { .b = b, .error = err };
	const uint32_t n = reader_count();
	pthread_t threads[READERS_MOST];
	uint32_t started = 0;
	int rc = cuda_host_alloc(b, (size_t)b->weights.n_layers * 7 + 2, sizeof(*r.pieces), &r.pieces,
				 "the list of tensors", err);

	if (rc)
		return rc;
	pthread_mutex_init(&r.lock, NULL);
	add_all(&r);
	while (started + 1 < n && pthread_create(&threads[started], NULL, read_job, &r) == 0)
		started++;
	read_job(&r);
	while (started)
		pthread_join(threads[--started], NULL);
	pthread_mutex_destroy(&r.lock);
	b->weights.load_bytes += r.load_bytes;
	cuda_host_free(b, r.pieces);
	return r.code;
}

static int read_vector(struct lsb_backend *b, enum lsb_role role, int32_t layer, float *to, bool on_host,
		       struct lsb_error *err)
{
	const struct lsb_tensor *t = lsb_model_tensor(b->model, role, layer);
	float *values = NULL;
	void *raw = NULL;
	int rc = cuda_host_alloc(b, t->bytes, 1, &raw, "a norm", err);

	if (!rc)
		rc = cuda_host_alloc(b, t->cols, sizeof(float), &values, "a norm", err);
	if (!rc)
		rc = lsb_model_read(b->model, t, 0, t->bytes, raw, err);
	if (!rc) {
		lsb_dequantize(t->type, raw, values, t->cols);
		b->weights.load_bytes += t->bytes;
		if (on_host)
			memcpy(to, values, t->cols * sizeof(float));
		else
			rc = cuda_check(
				b, cudaMemcpy(to, values, t->cols * sizeof(float), cudaMemcpyHostToDevice),
				"a norm cannot be copied", err);
	}
	cuda_host_free(b, values);
	cuda_host_free(b, raw);
	return rc;
}

static int read_vectors(struct lsb_backend *b, struct lsb_error *err)
{
	struct cuda_weights *w = &b->weights;
	int rc = LSB_OK;

	for (uint32_t i = 0; i < w->n_layers && !rc; i++) {
		const int32_t layer = (int32_t)(b->place.first_layer + i);

		rc = read_vector(b, LSB_ROLE_ATTN_NORM, layer, w->layers[i].attn_norm, false, err);
		if (!rc)
			rc = read_vector(b, LSB_ROLE_FFN_NORM, layer, w->layers[i].ffn_norm, false, err);
	}
	if (!rc && b->last)
		rc = read_vector(b, LSB_ROLE_OUT_NORM, -1, w->out_norm, false, err);
	if (!rc && lsb_model_tensor(b->model, LSB_ROLE_ROPE_FREQS, -1)->rows > 0) {
		rc = cuda_host_alloc(b, b->hp.rope_dim / 2, sizeof(float), &w->rope_factors, "RoPE factors",
				     err);
		if (!rc)
			rc = read_vector(b, LSB_ROLE_ROPE_FREQS, -1, w->rope_factors, true, err);
	}
	return rc;
}

int cuda_weights_load(struct lsb_backend *b, struct lsb_error *err)
{
	const struct lsb_tensor *embed = lsb_model_tensor(b->model, LSB_ROLE_EMBED, -1);
	struct cuda_weights *w = &b->weights;
	int rc = cuda_host_alloc(b, b->place.n_layers, sizeof(*w->layers), &w->layers, "the list of layers",
				 err);

	if (rc)
		return rc;
	w->n_layers = b->place.n_layers;
	w->embed_type = embed->type;
	w->embed_row_bytes = embed->row_bytes;
	for (uint32_t i = 0; i < w->n_layers && !rc; i++)
		rc = layer_describe(b, (int32_t)(b->place.first_layer + i), &w->layers[i], err);
	if (!rc && b->last)
		rc = group_describe(b, head_roles, 1, -1, &w->head, err);
	if (rc)
		return rc;
	w->arena_bytes = place_all(b, NULL);
	rc = cuda_kv_plan(b, err);
	if (!rc)
		rc = cuda_need(b, w->arena_bytes, b->forward.kv_bytes, err);
	if (!rc)
		rc = cuda_take(b, w->arena_bytes, &w->arena, "the weights", err);
	if (rc)
		return rc;
	place_all(b, w->arena);
	rc = read_vectors(b, err);
	if (!rc)
		rc = read_matrices(b, err);
	return rc;
}

void cuda_weights_free(struct lsb_backend *b)
{
	cudaFree(b->weights.arena);
	b->weights.arena = NULL;
	cuda_host_free(b, b->weights.layers);
	cuda_host_free(b, b->weights.rope_factors);
	b->weights.layers = NULL;
	b->weights.rope_factors = NULL;
}
