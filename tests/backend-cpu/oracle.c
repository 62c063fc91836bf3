/* SPDX-License-Identifier: Apache-2.0 */
#include "oracle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

struct matrix {
	size_t rows, cols;
	float *w; /* [rows][cols] */
};

struct oracle {
	struct lsb_hparams hp;
	struct matrix (*layers)[LSB_LAYER_ROLES]; /* [layers] */
	struct matrix embed, out_norm, head, factors;
};

static struct matrix load(const struct lsb_model *m, enum lsb_role role, int32_t layer)
{
	const struct lsb_tensor *t = lsb_model_tensor(m, role, layer);
	struct matrix out = { .rows = t->rows, .cols = t->cols };
	void *raw;

	if (!t->rows)
		return out;
	raw = malloc(t->bytes);
	out.w = malloc(t->rows * t->cols * sizeof(float));
	if (!raw || !out.w || lsb_model_read(m, t, 0, t->bytes, raw, NULL))
		abort();
	for (size_t r = 0; r < t->rows; r++)
		lsb_dequantize(t->type, (char *)raw + r * t->row_bytes, out.w + r * t->cols, t->cols);
	free(raw);
	return out;
}

struct oracle *oracle_open(const char *model)
{
	struct oracle *o = calloc(1, sizeof(*o));
	struct lsb_model *m;

	if (!o || lsb_model_open(model, &m, NULL)) {
		free(o);
		return NULL;
	}
	o->hp = *lsb_model_hparams(m);
	o->layers = calloc(o->hp.layers, sizeof(*o->layers));
	for (uint32_t l = 0; l < o->hp.layers; l++)
		for (int role = 0; role < LSB_LAYER_ROLES; role++)
			o->layers[l][role] = load(m, (enum lsb_role)role, (int32_t)l);
	o->embed = load(m, LSB_ROLE_EMBED, -1);
	o->out_norm = load(m, LSB_ROLE_OUT_NORM, -1);
	o->head = load(m, LSB_ROLE_HEAD, -1);
	o->factors = load(m, LSB_ROLE_ROPE_FREQS, -1);
	lsb_model_close(m);
	return o;
}

void oracle_close(struct oracle *o)
{
	if (!o)
		return;
	for (uint32_t l = 0; l < o->hp.layers; l++)
		for (int role = 0; role < LSB_LAYER_ROLES; role++)
			free(o->layers[l][role].w);
	free(o->layers);
	free(o->embed.w);
	free(o->out_norm.w);
	free(o->head.w);
	free(o->factors.w);
	free(o);
}

uint32_t oracle_vocabulary(const struct oracle *o)
{
	return o->hp.vocab;
}

static void apply(const struct matrix *m, const double *x, double *y)
{
	for (size_t r = 0; r < m->rows; r++) {
		double sum = 0.0;

		for (size_t c = 0; c < m->cols; c++)
			sum += m->w[r * m->cols + c] * x[c];
		y[r] = sum;
	}
}

static void normalise(const double *x, const struct matrix *w, double eps, double *out)
{
	double sum = 0.0;

	for (size_t i = 0; i < w->cols; i++)
		sum += x[i] * x[i];
	for (size_t i = 0; i < w->cols; i++)
		out[i] = x[i] / sqrt(sum / (double)w->cols + eps) * w->w[i];
}

static void rotate(const struct oracle *o, double *x, size_t heads, size_t position)
{
	for (size_t h = 0; h < heads; h++)
		for (size_t i = 0; i < o->hp.rope_dim / 2; i++) {
			double *pair = x + h * o->hp.head_dim + 2 * i, a = pair[0], b = pair[1];
			double angle = (double)position * o->hp.rope_scale *
				       pow(o->hp.rope_base, -2.0 * (double)i / o->hp.rope_dim);

			if (o->factors.w)
				angle /= o->factors.w[i];
			pair[0] = a * cos(angle) - b * sin(angle);
			pair[1] = a * sin(angle) + b * cos(angle);
		}
}

/* q[n][heads * dim] over k and v [n][kv_heads * dim], causal. */
static void attend(const struct lsb_hparams *hp, const double *q, const double *k, const double *v, size_t n,
		   double *out)
{
	const size_t dim = hp->head_dim, q_dim = hp->heads * dim, kv_dim = hp->kv_heads * dim;
	double *p = calloc(n, sizeof(*p));

	for (size_t t = 0; t < n; t++)
		for (size_t h = 0; h < hp->heads; h++) {
			const size_t kv = h / (hp->heads / hp->kv_heads) * dim;
			double most = -INFINITY, sum = 0.0;

			for (size_t s = 0; s <= t; s++) {
				p[s] = 0.0;
				for (size_t i = 0; i < dim; i++)
					p[s] += q[t * q_dim + h * dim + i] * k[s * kv_dim + kv + i];
				p[s] /= sqrt((double)dim);
				most = fmax(most, p[s]);
			}
			for (size_t s = 0; s <= t; s++)
				sum += p[s] = exp(p[s] - most);
			for (size_t i = 0; i < dim; i++) {
				double mixed = 0.0;

				for (size_t s = 0; s <= t; s++)
					mixed += p[s] / sum * v[s * kv_dim + kv + i];
				out[t * q_dim + h * dim + i] = mixed;
			}
		}
	free(p);
}

static void run_layer(const struct oracle *o, const struct matrix *w, double *x, size_t n)
{
	const struct lsb_hparams *hp = &o->hp;
	const size_t q_dim = (size_t)hp->heads * hp->head_dim, kv_dim = (size_t)hp->kv_heads * hp->head_dim;
	double *normed = calloc(hp->hidden, sizeof(double)), *y = calloc(hp->hidden, sizeof(double));
	double *gate = calloc(hp->ffn, sizeof(double)), *up = calloc(hp->ffn, sizeof(double));
	double *q = calloc(n * q_dim, sizeof(double)), *mixed = calloc(n * q_dim, sizeof(double));
	double *k = calloc(n * kv_dim, sizeof(double)), *v = calloc(n * kv_dim, sizeof(double));

	for (size_t t = 0; t < n; t++) {
		normalise(x + t * hp->hidden, &w[LSB_ROLE_ATTN_NORM], hp->norm_eps, normed);
		apply(&w[LSB_ROLE_Q], normed, q + t * q_dim);
		apply(&w[LSB_ROLE_K], normed, k + t * kv_dim);
		apply(&w[LSB_ROLE_V], normed, v + t * kv_dim);
		rotate(o, q + t * q_dim, hp->heads, t);
		rotate(o, k + t * kv_dim, hp->kv_heads, t);
	}
	attend(hp, q, k, v, n, mixed);
	for (size_t t = 0; t < n; t++) {
		double *xt = x + t * hp->hidden;

		apply(&w[LSB_ROLE_O], mixed + t * q_dim, y);
		for (size_t i = 0; i < hp->hidden; i++)
			xt[i] += y[i];
		normalise(xt, &w[LSB_ROLE_FFN_NORM], hp->norm_eps, normed);
		apply(&w[LSB_ROLE_GATE], normed, gate);
		apply(&w[LSB_ROLE_UP], normed, up);
		for (size_t i = 0; i < hp->ffn; i++)
			gate[i] = gate[i] / (1.0 + exp(-gate[i])) * up[i];
		apply(&w[LSB_ROLE_DOWN], gate, y);
		for (size_t i = 0; i < hp->hidden; i++)
			xt[i] += y[i];
	}
	free(normed);
	free(y);
	free(gate);
	free(up);
	free(q);
	free(mixed);
	free(k);
	free(v);
}

void oracle_run(const struct oracle *o, const int32_t *ids, size_t n, double *logits)
{
	const size_t hidden = o->hp.hidden;
	double *x = calloc(n * hidden, sizeof(*x)), *normed = calloc(hidden, sizeof(*normed));

	for (size_t t = 0; t < n; t++)
		for (size_t i = 0; i < hidden; i++)
			x[t * hidden + i] = o->embed.w[(size_t)ids[t] * hidden + i];
	for (uint32_t l = 0; l < o->hp.layers; l++)
		run_layer(o, o->layers[l], x, n);
	for (size_t t = 0; t < n; t++) {
		normalise(x + t * hidden, &o->out_norm, o->hp.norm_eps, normed);
		apply(&o->head, normed, logits + t * o->hp.vocab);
	}
	free(x);
	free(normed);
}

uint64_t oracle_stage_bytes(const char *model, uint32_t first_layer, uint32_t n_layers, int first, int last)
{
	struct lsb_model *m;
	uint64_t bytes = 0;

	if (lsb_model_open(model, &m, NULL))
		return 0;
	for (uint32_t l = first_layer; l < first_layer + n_layers; l++)
		for (int role = 0; role < LSB_LAYER_ROLES; role++)
			bytes += lsb_model_tensor(m, (enum lsb_role)role, (int32_t)l)->bytes;
	bytes += lsb_model_tensor(m, LSB_ROLE_ROPE_FREQS, -1)->bytes;
	if (first)
		bytes += lsb_model_tensor(m, LSB_ROLE_EMBED, -1)->bytes;
	if (last)
		bytes += lsb_model_tensor(m, LSB_ROLE_OUT_NORM, -1)->bytes;
	if (last && !(first && lsb_model_hparams(m)->tied))
		bytes += lsb_model_tensor(m, LSB_ROLE_HEAD, -1)->bytes;
	lsb_model_close(m);
	return bytes;
}
