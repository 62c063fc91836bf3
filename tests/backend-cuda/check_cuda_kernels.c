/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels against plain C in double precision: matrix products of all types and of
 * odd shapes, attention over head sizes and groups, norms, the generator's bits.
 *
 * Tolerances are relative to the norm of the answer. Products of 16-bit values in
 * fp32 sums: 1e-5. Packed types round scale * code to fp16, 2^-11 at most: 1e-3.
 * Attention rounds keys and values as the reference does, but queries and
 * probabilities to 16 bits in the prompt's kernel: 2e-3 for fp16, 1.5e-2 for bf16.
 */
#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"
#include "model.h"

#define OK(call) ck_assert_msg((call) == cudaSuccess, "%s: %s", #call, cudaGetErrorString(cudaGetLastError()))

static uint32_t sms;
static uint64_t state = 88172645463325252ull;

/* In [-1, 1). */
static float any(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (float)(state >> 40) * 0x1p-23f - 1.0f;
}

static void *device(const void *from, size_t bytes)
{
	void *p;

	OK(cudaMalloc(&p, bytes ? bytes : 1));
	if (from)
		OK(cudaMemcpy(p, from, bytes, cudaMemcpyHostToDevice));
	else
		OK(cudaMemset(p, 0, bytes));
	return p;
}

static void fetch(void *to, const void *from, size_t bytes)
{
	OK(cudaDeviceSynchronize());
	OK(cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToHost));
}

static uint32_t type_of(enum cuda_elem elem)
{
	return elem == CUDA_F16 ? LSB_TYPE_F16 : elem == CUDA_BF16 ? LSB_TYPE_BF16 : LSB_TYPE_F32;
}

static double off_by(const float *got, const double *truth, size_t n)
{
	double off = 0.0, norm = 0.0;

	for (size_t i = 0; i < n; i++) {
		off += (got[i] - truth[i]) * (got[i] - truth[i]);
		norm += truth[i] * truth[i];
	}
	return norm > 0.0 ? sqrt(off / norm) : sqrt(off);
}

/* --- matrices --------------------------------------------------------------------- */

static const uint32_t types[] = { LSB_TYPE_F32,	 LSB_TYPE_F16,	LSB_TYPE_BF16, LSB_TYPE_Q4_0,
				  LSB_TYPE_Q4_1, LSB_TYPE_Q5_0, LSB_TYPE_Q5_1, LSB_TYPE_Q8_0,
				  LSB_TYPE_Q4_K, LSB_TYPE_Q5_K, LSB_TYPE_Q6_K };
enum { TYPES = sizeof(types) / sizeof(types[0]) };

/* Rows and columns; columns are rounded down to the type's block. */
static const struct {
	uint32_t rows, cols, n;
} shapes[] = { { 16, 64, 1 },	  { 100, 576, 1 },   { 1000, 3200, 2 }, { 40, 8640, 1 },  { 264, 4096, 8 },
	       { 72, 14336, 3 },  { 56, 1536, 9 },   { 130, 3200, 16 }, { 48, 8640, 17 }, { 520, 1024, 32 },
	       { 4096, 4096, 1 }, { 3200, 8640, 1 }, { 2200, 1536, 1 } };
enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

struct problem {
	struct cuda_matrix m;
	uint32_t type, rows, n;
	enum cuda_elem elem;
	float *w, *x;  /* [all rows][cols], [n][cols], as dequantised */
	double *truth; /* [n][all rows] */
	void *w_at, *x_at;
	size_t w_bytes;
};

static void make_inputs(struct problem *p)
{
	const uint32_t type = type_of(p->elem), size = lsb_type_bytes(type);
	unsigned char *coded = calloc((size_t)p->n * p->m.k, size);

	p->x = calloc((size_t)p->n * p->m.cols, sizeof(float));
	for (uint32_t t = 0; t < p->n; t++) {
		float *x = p->x + (size_t)t * p->m.cols;

		for (uint32_t i = 0; i < p->m.cols; i++)
			x[i] = any();
		lsb_quantize(type, x, coded + (size_t)t * p->m.k * size, p->m.cols);
		lsb_dequantize(type, coded + (size_t)t * p->m.k * size, x, p->m.cols);
	}
	p->x_at = device(coded, (size_t)p->n * p->m.k * size);
	free(coded);
}

static void make(struct problem *p, uint32_t type, uint32_t rows, uint32_t cols, uint32_t n, int pair)
{
	const enum cuda_form form = cuda_form_of(type, 1);
	const uint32_t all = pair ? 2 * rows : rows,
		       bytes = cols / lsb_type_block(type) * lsb_type_bytes(type);
	unsigned char *raw = calloc(all, bytes);
	void *raw_at;

	*p = (struct problem){ .type = type, .rows = all, .n = n, .elem = cuda_form_elem(form) };
	p->m = (struct cuda_matrix){ .form = form, .rows = rows, .cols = cols, .k = (cols + 63) / 64 * 64 };
	p->m.pair = pair ? (rows + 7) / 8 * 8 : 0;
	p->w = calloc((size_t)all * cols, sizeof(float));
	for (uint32_t r = 0; r < all; r++) {
		for (uint32_t i = 0; i < cols; i++)
			p->w[(size_t)r * cols + i] = any() / sqrtf((float)cols);
		lsb_quantize(type, p->w + (size_t)r * cols, raw + (size_t)r * bytes, cols);
		lsb_dequantize(type, raw + (size_t)r * bytes, p->w + (size_t)r * cols, cols);
	}
	p->w_bytes = cuda_form_bytes(form, pair ? 2 * p->m.pair : (rows + 15) / 16 * 16, p->m.k);
	p->w_at = device(NULL, p->w_bytes);
	p->m.w = p->w_at;
	raw_at = device(raw, (size_t)all * bytes);
	OK(cuda_pack(&p->m, p->w_at, type, raw_at, bytes, 0, rows, 0, 0));
	if (pair)
		OK(cuda_pack(&p->m, p->w_at, type, (char *)raw_at + (size_t)rows * bytes, bytes, 0, rows, 1,
			     0));
	make_inputs(p);
	p->truth = calloc((size_t)n * all, sizeof(double));
	for (uint32_t t = 0; t < n; t++)
		for (uint32_t r = 0; r < all; r++)
			for (uint32_t i = 0; i < cols; i++)
				p->truth[(size_t)t * all + r] +=
					(double)p->w[(size_t)r * cols + i] * p->x[(size_t)t * cols + i];
	OK(cudaDeviceSynchronize());
	cudaFree(raw_at);
	free(raw);
}

static void drop(struct problem *p)
{
	free(p->w);
	free(p->x);
	free(p->truth);
	cudaFree(p->w_at);
	cudaFree(p->x_at);
}

static double tolerance(const struct problem *p)
{
	return p->m.form >= CUDA_FORM_P4 ? 1e-3 : 1e-5;
}

static void check_product(struct problem *p, uint32_t most_k)
{
	const uint32_t width = p->m.pair ? 2 * p->m.pair : p->rows, limit = cuda_split_k(p->m.form, p->n);
	const uint32_t split = most_k < limit ? most_k : limit;
	const uint32_t splits = (p->m.k + split - 1) / split;
	struct cuda_product q = { .m = p->m, .x = p->x_at, .ldx = p->m.k, .n = p->n, .splits = splits };
	float *got = calloc((size_t)splits * p->n * width, sizeof(float));
	float *sum = calloc((size_t)p->n * p->rows, sizeof(float));
	double off;

	q.split_k = p->m.form == CUDA_FORM_F32 ? p->m.k : ((p->m.k + splits - 1) / splits + 63) / 64 * 64;
	q.splits = (p->m.k + q.split_k - 1) / q.split_k;
	q.y = device(NULL, (size_t)splits * p->n * width * sizeof(float));
	OK(cudaMemset(q.y, 0xff,
		      (size_t)splits * p->n * width * sizeof(float))); /* NaN where nobody writes */
	q.split_stride = (uint64_t)p->n * width;
	q.ldy = width;
	q.sms = sms;
	OK(cuda_multiply(&q, 0));
	fetch(got, q.y, (size_t)q.splits * p->n * width * sizeof(float));
	for (uint32_t t = 0; t < p->n; t++)
		for (uint32_t r = 0; r < p->rows; r++)
			for (uint32_t s = 0; s < q.splits; s++)
				sum[(size_t)t * p->rows + r] +=
					got[((size_t)s * p->n + t) * width +
					    (p->m.pair && r >= p->m.rows ? p->m.pair + r - p->m.rows : r)];
	off = off_by(sum, p->truth, (size_t)p->n * p->rows);
	ck_assert_msg(off <= tolerance(p), "%s %ux%u by %u, %u splits, pair %u: off by %g",
		      lsb_type_name(p->type), p->rows, p->m.cols, p->n, q.splits, p->m.pair, off);
	cudaFree(q.y);
	free(got);
	free(sum);
}

START_TEST(products_agree_with_plain_c)
{
	const uint32_t type = types[_i / SHAPES], block = lsb_type_block(type);
	const uint32_t cols = shapes[_i % SHAPES].cols / block * block;
	struct problem p;

	if (!cols)
		return;
	make(&p, type, shapes[_i % SHAPES].rows, cols, shapes[_i % SHAPES].n, _i % 2);
	check_product(&p, 1u << 30);
	if (p.m.form != CUDA_FORM_F32)
		check_product(&p, 1024);
	drop(&p);
}
END_TEST

static double silu(double gate, double up)
{
	return gate / (1.0 + exp(-gate)) * up;
}

/* SwiGLU where the product is made, and as a kernel of its own. */
START_TEST(gated_products_agree_with_plain_c)
{
	const uint32_t type = types[1 + _i % (TYPES - 1)], rows = 100, cols = 1024, n = 5, ld = 128;
	struct problem p;

	make(&p, type, rows, cols, n, 1);
	struct cuda_product q = {
		.m = p.m, .x = p.x_at, .ldx = p.m.k, .n = n, .splits = 1, .split_k = cols, .ld_act = ld
	};
	unsigned char coded[2 * 5 * 128];
	float got[5 * 128], used[5 * 100];
	double truth[5 * 100];

	q.act = device(NULL, sizeof(coded));
	q.sms = sms;
	OK(cuda_multiply(&q, 0));
	fetch(coded, q.act, sizeof(coded));
	lsb_dequantize(type_of(p.elem), coded, got, 5 * 128);
	for (uint32_t t = 0; t < n; t++)
		for (uint32_t r = 0; r < rows; r++) {
			truth[t * rows + r] =
				silu(p.truth[t * 2 * rows + r], p.truth[t * 2 * rows + rows + r]);
			used[t * rows + r] = got[t * ld + r];
		}
	ck_assert_double_le(off_by(used, truth, n * rows), p.elem == CUDA_BF16 ? 4e-3 : 1.5e-3);
	for (uint32_t i = rows; i < ld; i++)
		ck_assert_msg(got[i] == 0.0f, "padding has been written to");
	cudaFree(q.act);
	drop(&p);
}
END_TEST

START_TEST(unpacked_rows_are_the_weights)
{
	const uint32_t type = types[3 + _i % (TYPES - 3)], rows = 72, cols = 768;
	const int pair = _i / (TYPES - 3);
	struct problem p;
	uint16_t *got;
	void *out;

	make(&p, type, rows, cols, 1, pair);
	out = device(NULL, (size_t)2 * 80 * p.m.k * 2);
	got = calloc((size_t)2 * 80 * p.m.k, 2);
	OK(cuda_unpack(&p.m, out, 0));
	fetch(got, out, (size_t)2 * 80 * p.m.k * 2);
	for (uint32_t r = 0; r < p.rows; r++)
		for (uint32_t i = 0; i < cols; i++) {
			const uint32_t at = pair && r >= rows ? p.m.pair + r - rows : r;
			const float w = p.w[(size_t)r * cols + i],
				    g = lsb_f16_to_f32(got[(size_t)at * p.m.k + i]);

			ck_assert_msg(fabsf(g - w) <= 2e-3f * fabsf(w) + 5e-5f,
				      "%s row %u column %u: %g, not %g", lsb_type_name(type), r, i, (double)g,
				      (double)w);
		}
	cudaFree(out);
	free(got);
	drop(&p);
}
END_TEST

START_TEST(generated_weights_have_the_models_bits)
{
	static const char *const names[] = { "random:tiny:f16", "random:tiny:bf16", "random:tiny:f32" };
	struct lsb_model *m;
	const struct lsb_tensor *t;
	struct cuda_matrix to;
	uint64_t *keys, *keys_at;
	unsigned char *expected, *got;
	float spread;
	void *w;

	ck_assert_int_eq(lsb_model_open(names[_i], &m, NULL), LSB_OK);
	t = lsb_model_tensor(m, LSB_ROLE_DOWN, 1);
	to = (struct cuda_matrix){ .form = cuda_form_of(t->type, 1),
				   .rows = (uint32_t)t->rows,
				   .cols = (uint32_t)t->cols,
				   .k = (uint32_t)t->cols };
	keys = calloc(t->rows, sizeof(*keys));
	expected = malloc(t->bytes);
	got = malloc(t->bytes);
	spread = lsb_model_random_keys(m, t, 0, t->rows, keys);
	ck_assert_int_eq(lsb_model_read(m, t, 0, t->bytes, expected, NULL), LSB_OK);
	keys_at = device(keys, t->rows * sizeof(*keys));
	w = device(NULL, t->bytes);
	OK(cuda_generate(&to, w, t->type, keys_at, spread, 0, (uint32_t)t->rows, 0, 0));
	fetch(got, w, t->bytes);
	ck_assert(memcmp(got, expected, t->bytes) == 0);
	cudaFree(keys_at);
	cudaFree(w);
	free(keys);
	free(expected);
	free(got);
	lsb_model_close(m);
}
END_TEST

/* --- attention -------------------------------------------------------------------------- */

enum { CONTEXT = 320, SLOTS = 3 };

/* One slot has a history; then a step of some tokens of each slot. */
static const struct {
	uint32_t head_dim, heads, kv_heads;
} heads[] = { { 64, 9, 3 },  { 64, 4, 4 },  { 80, 4, 2 },   { 96, 5, 1 }, { 100, 3, 3 }, { 128, 8, 2 },
	      { 128, 8, 1 }, { 128, 6, 1 }, { 128, 14, 2 }, { 16, 4, 2 }, { 256, 4, 2 }, { 128, 16, 1 } };
enum { HEADS = sizeof(heads) / sizeof(heads[0]) };

struct scene {
	struct cuda_attention a;
	struct cuda_token tokens[128];
	uint32_t n, width;
	float *qkv, *cos_sin, *keys,
		*values; /* keys, values: rotated, as stored: [slot][kv head][position][dim] */
	double *truth;	 /* [n][heads * head_dim] */
};

static float as_stored(enum cuda_elem elem, float v)
{
	unsigned char coded[4];
	float out;

	lsb_quantize(type_of(elem), &v, coded, 1);
	lsb_dequantize(type_of(elem), coded, &out, 1);
	return out;
}

static void rotate(const struct scene *s, float *v, uint32_t position)
{
	for (uint32_t d = 0; d < s->a.rope_dim; d += 2) {
		const float *turn = s->cos_sin + ((size_t)position * s->a.rope_dim / 2 + d / 2) * 2;
		const float x = v[d], y = v[d + 1];

		v[d] = x * turn[0] - y * turn[1];
		v[d + 1] = x * turn[1] + y * turn[0];
	}
}

static float *stored(const struct scene *s, float *cache, uint32_t slot, uint32_t head, uint32_t position)
{
	return cache + (((size_t)slot * s->a.kv_heads + head) * CONTEXT + position) * s->a.kv.dim;
}

static void append(struct scene *s, uint32_t token)
{
	const struct cuda_token *t = &s->tokens[token];
	float k[CUDA_HEAD_MAX];

	for (uint32_t h = 0; h < s->a.kv_heads; h++) {
		const float *row = s->qkv + (size_t)token * s->width;

		memcpy(k, row + (s->a.heads + h) * s->a.head_dim, s->a.head_dim * sizeof(float));
		rotate(s, k, t->position);
		for (uint32_t d = 0; d < s->a.head_dim; d++) {
			stored(s, s->keys, t->slot, h, t->position)[d] = as_stored(s->a.kv.elem, k[d]);
			stored(s, s->values, t->slot, h, t->position)[d] = as_stored(
				s->a.kv.elem, row[(s->a.heads + s->a.kv_heads + h) * s->a.head_dim + d]);
		}
	}
}

static void attend(struct scene *s, uint32_t token, uint32_t head)
{
	const struct cuda_token *t = &s->tokens[token];
	const uint32_t kv = head / (s->a.heads / s->a.kv_heads), dim = s->a.head_dim;
	double *out = s->truth + ((size_t)token * s->a.heads + head) * dim, p[CONTEXT], most = -INFINITY,
	       sum = 0.0;
	float q[CUDA_HEAD_MAX];

	memcpy(q, s->qkv + (size_t)token * s->width + head * dim, dim * sizeof(float));
	rotate(s, q, t->position);
	for (uint32_t i = 0; i <= t->position; i++) {
		p[i] = 0.0;
		for (uint32_t d = 0; d < dim; d++)
			p[i] += (double)q[d] * stored(s, s->keys, t->slot, kv, i)[d];
		p[i] /= sqrt(dim);
		most = p[i] > most ? p[i] : most;
	}
	for (uint32_t i = 0; i <= t->position; i++)
		sum += exp(p[i] - most);
	for (uint32_t i = 0; i <= t->position; i++)
		for (uint32_t d = 0; d < dim; d++)
			out[d] += exp(p[i] - most) / sum * stored(s, s->values, t->slot, kv, i)[d];
}

static void *cache_on_device(const struct scene *s, const float *cache)
{
	const size_t n = (size_t)SLOTS * s->a.kv_heads * CONTEXT * s->a.kv.dim;
	unsigned char *coded = calloc(n, 2);
	void *at;

	lsb_quantize(type_of(s->a.kv.elem), cache, coded, n);
	at = device(coded, n * 2);
	free(coded);
	return at;
}

/* `each` tokens of slot 0 behind position 200, of slot 1 from 0 on, of slot 2 behind 63. */
static void scene_make(struct scene *s, size_t shape, enum cuda_elem elem, uint32_t each)
{
	static const uint32_t from[SLOTS] = { 200, 0, 63 };
	const uint32_t dim = heads[shape].head_dim, vectors = heads[shape].heads + 2 * heads[shape].kv_heads;
	size_t n;

	*s = (struct scene){ .n = SLOTS * each, .width = vectors * dim };
	s->a.head_dim = dim;
	s->a.heads = heads[shape].heads;
	s->a.kv_heads = heads[shape].kv_heads;
	s->a.rope_dim = dim > 100 ? dim / 2 : dim;
	s->a.kv.elem = elem;
	s->a.kv.dim = (dim + 7) / 8 * 8;
	s->a.kv.context = CONTEXT;
	n = (size_t)SLOTS * s->a.kv_heads * CONTEXT * s->a.kv.dim;
	s->keys = calloc(n, sizeof(float));
	s->values = calloc(n, sizeof(float));
	s->qkv = calloc((size_t)s->n * s->width, sizeof(float));
	s->cos_sin = calloc((size_t)CONTEXT * s->a.rope_dim, sizeof(float));
	s->truth = calloc((size_t)s->n * s->a.heads * dim, sizeof(double));
	for (size_t i = 0; i < (size_t)CONTEXT * s->a.rope_dim / 2; i++) {
		s->cos_sin[2 * i] = cosf((float)i * 0.37f);
		s->cos_sin[2 * i + 1] = sinf((float)i * 0.37f);
	}
	for (size_t i = 0; i < (size_t)s->n * s->width; i++)
		s->qkv[i] = 2.0f * any();
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		for (uint32_t h = 0; h < s->a.kv_heads; h++)
			for (uint32_t p = 0; p < from[slot]; p++)
				for (uint32_t d = 0; d < dim; d++) {
					stored(s, s->keys, slot, h, p)[d] = as_stored(elem, 2.0f * any());
					stored(s, s->values, slot, h, p)[d] = as_stored(elem, any());
				}
	/* Tokens of the slots take turns. */
	for (uint32_t i = 0; i < s->n; i++)
		s->tokens[i] =
			(struct cuda_token){ .slot = i % SLOTS, .position = from[i % SLOTS] + i / SLOTS };
	s->a.kv.keys = cache_on_device(s, s->keys);
	s->a.kv.values = cache_on_device(s, s->values);
	for (uint32_t i = 0; i < s->n; i++)
		append(s, i);
	for (uint32_t i = 0; i < s->n; i++)
		for (uint32_t h = 0; h < s->a.heads; h++)
			attend(s, i, h);
	s->a.n = s->n;
	s->a.tokens = device(s->tokens, sizeof(s->tokens));
	s->a.qkv = (struct cuda_pending){ .y = device(s->qkv, (size_t)s->n * s->width * sizeof(float)),
					  .splits = 1,
					  .ld = s->width };
	s->a.cos_sin = device(s->cos_sin, (size_t)CONTEXT * s->a.rope_dim * sizeof(float));
	s->a.ld_out = s->a.heads * dim;
	s->a.out_elem = CUDA_F32;
	s->a.out = device(NULL, (size_t)s->n * s->a.ld_out * sizeof(float));
}

static void scene_check(struct scene *s, const char *what, double most)
{
	const size_t n = (size_t)s->n * s->a.ld_out;
	float *got = calloc(n, sizeof(float));
	double off;

	fetch(got, s->a.out, n * sizeof(float));
	off = off_by(got, s->truth, n);
	ck_assert_msg(off <= most, "%s, heads of %u, %u over %u, element %d: off by %g", what, s->a.head_dim,
		      s->a.heads, s->a.kv_heads, s->a.kv.elem, off);
	OK(cudaMemset(s->a.out, 0xff, n * sizeof(float)));
	free(got);
}

static void scene_drop(struct scene *s)
{
	void *const on_device[] = { s->a.kv.keys,	s->a.kv.values,	      (void *)s->a.tokens,
				    (void *)s->a.qkv.y, (void *)s->a.cos_sin, s->a.out };

	for (size_t i = 0; i < sizeof(on_device) / sizeof(on_device[0]); i++)
		cudaFree(on_device[i]);
	free(s->keys);
	free(s->values);
	free(s->qkv);
	free(s->cos_sin);
	free(s->truth);
}

START_TEST(decode_attention_agrees_with_plain_c)
{
	const enum cuda_elem elem = _i / HEADS ? CUDA_BF16 : CUDA_F16;
	static const uint32_t splits[] = { 1, 3, 32 };
	struct scene s;

	scene_make(&s, _i % HEADS, elem, 1);
	s.a.partial = device(NULL, (size_t)s.n * s.a.heads * 32 * (s.a.kv.dim + 2) * sizeof(float));
	s.a.arrived = device(NULL, 4096);
	for (size_t i = 0; i < 3; i++) {
		s.a.splits = splits[i];
		OK(cuda_attend(&s.a, 0));
		scene_check(&s, "decode", 1e-5);
	}
	s.a.chunk = 48;
	s.a.splits = (CONTEXT + 47) / 48;
	s.a.appended = 1;
	OK(cuda_attend(&s.a, 0));
	scene_check(&s, "decode, chunks", 1e-5);
	cudaFree(s.a.partial);
	cudaFree(s.a.arrived);
	scene_drop(&s);
}
END_TEST

START_TEST(prompt_attention_agrees_with_plain_c)
{
	const enum cuda_elem elem = _i / HEADS ? CUDA_BF16 : CUDA_F16;
	const uint32_t each = 33,
		       most = CUDA_TILE_QUERIES / (heads[_i % HEADS].heads / heads[_i % HEADS].kv_heads);
	struct cuda_tile tiles[128];
	uint32_t order[128];
	struct scene s;

	scene_make(&s, _i % HEADS, elem, each);
	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		for (uint32_t i = 0; i < each; i++)
			order[slot * each + i] = i * SLOTS + slot;
		for (uint32_t i = 0; i < each; i += most)
			tiles[s.a.n_tiles++] = (struct cuda_tile){ .first = slot * each + i,
								   .n = each - i < most ? each - i : most,
								   .slot = slot,
								   .position = s.tokens[slot].position + i };
	}
	s.a.order = device(order, sizeof(order));
	s.a.tiles = device(tiles, sizeof(tiles));
	s.a.q = device(NULL, (size_t)s.n * s.a.heads * s.a.head_dim * 2);
	OK(cuda_append(&s.a, 0));
	OK(cuda_attend_many(&s.a, 0));
	scene_check(&s, "prompt", elem == CUDA_BF16 ? 1.5e-2 : 2e-3);
	cudaFree((void *)s.a.order);
	cudaFree((void *)s.a.tiles);
	cudaFree(s.a.q);
	scene_drop(&s);
}
END_TEST

/* --- norm ----------------------------------------------------------------------------------- */

START_TEST(norm_adds_what_is_pending_and_normalises)
{
	static const uint32_t sizes[] = { 64, 576, 3200, 4096, 8192 };
	const uint32_t hidden = sizes[_i], n = 3, splits = 4;
	float *x = calloc((size_t)n * hidden, sizeof(float)),
	      *y = calloc((size_t)splits * n * hidden, sizeof(float));
	float *w = calloc(hidden, sizeof(float)), *got = calloc((size_t)n * hidden, sizeof(float));
	double *truth = calloc((size_t)n * hidden, sizeof(double));
	struct cuda_pending add = { .splits = splits, .ld = hidden, .split_stride = (uint64_t)n * hidden };
	float *x_at, *w_at, *act;

	for (size_t i = 0; i < (size_t)n * hidden; i++)
		truth[i] = x[i] = any();
	for (size_t i = 0; i < (size_t)splits * n * hidden; i++) {
		y[i] = any();
		truth[i % ((size_t)n * hidden)] += y[i];
	}
	for (uint32_t i = 0; i < hidden; i++)
		w[i] = any();
	x_at = device(x, (size_t)n * hidden * sizeof(float));
	w_at = device(w, hidden * sizeof(float));
	act = device(NULL, (size_t)n * hidden * sizeof(float));
	add.y = device(y, (size_t)splits * n * hidden * sizeof(float));
	OK(cuda_norm(x_at, &add, w_at, 1e-5f, hidden, NULL, n, CUDA_F32, act, hidden, 0));
	fetch(got, x_at, (size_t)n * hidden * sizeof(float));
	ck_assert_double_le(off_by(got, truth, (size_t)n * hidden), 1e-6);
	for (uint32_t t = 0; t < n; t++) {
		double sum = 0.0, *row = truth + (size_t)t * hidden;

		for (uint32_t i = 0; i < hidden; i++)
			sum += row[i] * row[i];
		for (uint32_t i = 0; i < hidden; i++)
			row[i] = row[i] / sqrt(sum / hidden + 1e-5) * w[i];
	}
	fetch(got, act, (size_t)n * hidden * sizeof(float));
	ck_assert_double_le(off_by(got, truth, (size_t)n * hidden), 1e-6);
	cudaFree(x_at);
	cudaFree(w_at);
	cudaFree(act);
	cudaFree((void *)add.y);
	free(x);
	free(y);
	free(w);
	free(got);
	free(truth);
}
END_TEST

static bool device_ready(void)
{
	struct cudaDeviceProp prop;
	int n = 0;
	const cudaError_t rc = cudaGetDeviceCount(&n);

	if (rc != cudaSuccess || n < 1 || cudaGetDeviceProperties(&prop, 0) != cudaSuccess) {
		printf("waived: no CUDA device (%s)\n", cudaGetErrorString(rc));
		return false;
	}
	printf("%s, %d multiprocessors\n", prop.name, prop.multiProcessorCount);
	sms = (uint32_t)prop.multiProcessorCount;
	cuda_kernels_for(prop.major, prop.minor);
	return cuda_multiply_prepare() == cudaSuccess && cuda_attend_prepare() == cudaSuccess;
}

int main(void)
{
	Suite *suite = suite_create("cuda_kernels");
	TCase *tc = tcase_create("kernels");
	SRunner *runner;
	int failed;

	if (!device_ready())
		return 77;
	tcase_set_timeout(tc, 0);
	tcase_add_loop_test(tc, products_agree_with_plain_c, 0, TYPES * SHAPES);
	tcase_add_loop_test(tc, gated_products_agree_with_plain_c, 0, TYPES - 1);
	tcase_add_loop_test(tc, unpacked_rows_are_the_weights, 0, 2 * (TYPES - 3));
	tcase_add_loop_test(tc, generated_weights_have_the_models_bits, 0, 3);
	tcase_add_loop_test(tc, decode_attention_agrees_with_plain_c, 0, 2 * HEADS);
	tcase_add_loop_test(tc, prompt_attention_agrees_with_plain_c, 0, 2 * HEADS);
	tcase_add_loop_test(tc, norm_adds_what_is_pending_and_normalises, 0, 5);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_set_fork_status(runner, CK_NOFORK); /* one process, one CUDA context */
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
