/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels in plain C: what the fast ones are tested against, and what runs
 * on a processor without AVX2. Sums of fp32 values are held in double, so this
 * is also the more exact of the three; only the int8 matrix product follows the
 * fast ones operation by operation (and gives their bits).
 */
#include "kernels_pack.h"

#include <math.h>
#include <string.h>

#include "model.h"

static float fp16_at(const uint8_t *p)
{
	uint16_t h;

	memcpy(&h, p, sizeof(h));
	return lsb_f16_to_f32(h);
}

/* The largest |x| by its bits, so that a NaN is larger than all numbers and stays seen. */
static float max_abs(const float *x, size_t n)
{
	uint32_t max = 0;
	float out;

	for (size_t i = 0; i < n; i++) {
		uint32_t bits;

		memcpy(&bits, &x[i], sizeof(bits));
		bits &= 0x7fffffff;
		if (bits > max)
			max = bits;
	}
	memcpy(&out, &max, sizeof(out));
	return out;
}

static void store_act_block(const float *x, struct lsb_act_block *b)
{
	const float amax = max_abs(x, LSB_SUB);
	const float inverse = amax >= LSB_ACT_MIN && amax <= LSB_ACT_MAX ? 127.0f / amax : 0.0f;
	int32_t sum[2] = { 0, 0 };

	memset(b, 0, sizeof(*b));
	for (size_t k = 0; k < LSB_SUB && inverse > 0.0f; k++) {
		b->q[k] = (int8_t)lrintf(x[k] * inverse);
		sum[k / 16] += b->q[k];
	}
	b->d = amax / 127.0f;
	b->sum = b->d * (float)(sum[0] + sum[1]);
	b->neg8 = -8 * (sum[0] + sum[1]);
	b->neg16 = -16 * (sum[0] + sum[1]);
	b->neg128 = -128 * (sum[0] + sum[1]);
	b->neg32[0] = -32 * sum[0];
	b->neg32[1] = -32 * sum[1];
}

static void act_store(enum lsb_act kind, const float *x, size_t cols, void *act)
{
	struct lsb_act_block *b = act;

	if (kind == LSB_ACT_F32) {
		memcpy(act, x, cols * sizeof(float));
		return;
	}
	for (size_t i = 0; i < cols / LSB_SUB; i++)
		store_act_block(x + i * LSB_SUB, &b[i]);
}

/* What the integer dot products of a 16-row sub-block need: quants, and the two factors of each half and row.
 */
struct sub_block {
	uint8_t q[LSB_PANEL][LSB_SUB];
	float d[2][LSB_PANEL]; /* equal but for Q6_K */
	float m[LSB_PANEL];
};

static void read_sub(const struct lsb_layout *l, const uint8_t *block, size_t j, struct sub_block *s)
{
	for (size_t r = 0; r < LSB_PANEL; r++) {
		const uint8_t *scales = block + LSB_HEAD_SCALES + 32 * j + r;
		const float d = fp16_at(block + 2 * r);

		lsb_panel_quants(l, block + l->head_bytes + j * l->sub_bytes, r, s->q[r]);
		s->d[0][r] = s->d[1][r] = d;
		s->m[r] = l->offset ? 0.0f : fp16_at(block + 32 + 2 * r);
		if (l->type == LSB_TYPE_Q6_K) {
			s->d[0][r] = d * (int8_t)scales[0];
			s->d[1][r] = d * (int8_t)scales[16];
		} else if (l->subs > 1) {
			s->d[0][r] = s->d[1][r] = d * scales[0];
			s->m[r] = -(s->m[r] * scales[16]);
		}
	}
}

static int32_t dot(const uint8_t *q, const int8_t *a, size_t n, int32_t from)
{
	for (size_t k = 0; k < n; k++)
		from += q[k] * a[k];
	return from;
}

/* y[r] += one sub-block's part for one token. The order of the fused operations is the contract between all
 * files. */
static void add_sub(const struct lsb_layout *l, const struct sub_block *s, const struct lsb_act_block *a,
		    float *y)
{
	const int32_t neg = l->offset == 8 ? a->neg8 : l->offset == 16 ? a->neg16 : l->offset ? a->neg128 : 0;

	for (size_t r = 0; r < LSB_PANEL; r++) {
		if (l->type == LSB_TYPE_Q6_K) {
			for (size_t h = 0; h < 2; h++) {
				const int32_t i = dot(s->q[r] + 16 * h, a->q + 16 * h, 16, a->neg32[h]);

				y[r] = fmaf((float)i, s->d[h][r] * a->d, y[r]);
			}
			continue;
		}
		y[r] = fmaf((float)dot(s->q[r], a->q, LSB_SUB, neg), s->d[0][r] * a->d, y[r]);
		if (!l->offset)
			y[r] = fmaf(s->m[r], a->sum, y[r]);
	}
}

static void matmul_i8(const struct lsb_layout *l, size_t cols, const uint8_t *panel,
		      const struct lsb_act_block *act, size_t n_tokens, float *y, size_t ldy)
{
	const size_t n_subs = cols / LSB_SUB, step = lsb_act_bytes(LSB_ACT_I8, cols) / sizeof(*act);
	struct sub_block s;

	for (size_t t = 0; t < n_tokens; t++)
		memset(y + t * ldy, 0, LSB_PANEL * sizeof(float));
	for (size_t i = 0; i < n_subs; i++) {
		read_sub(l, panel + i / l->subs * l->block_bytes, i % l->subs, &s);
		for (size_t t = 0; t < n_tokens; t++)
			add_sub(l, &s, &act[t * step + i], y + t * ldy);
	}
}

static double dot_f32(const float *w, const float *x, size_t n)
{
	double sum[4] = { 0.0, 0.0, 0.0, 0.0 };

	for (size_t k = 0; k < n; k++)
		sum[k % 4] += (double)w[k] * (double)x[k];
	return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

void lsb_plain_matmul_f32(uint32_t type, size_t cols, const void *panels, size_t panel0, size_t panel1,
			  const void *act, size_t n_tokens, float *y, size_t ldy)
{
	enum { TILE = 16, CHUNK = 256 }; /* CHUNK: a multiple of every type's block */
	const size_t step = lsb_act_bytes(LSB_ACT_F32, cols) / sizeof(float);
	const size_t bytes = lsb_panel_bytes(type, cols);
	const float *x = act;
	float w[CHUNK];

	for (size_t r = 0; r < (panel1 - panel0) * LSB_PANEL; r++) {
		const char *panel = (const char *)panels + (panel0 + r / LSB_PANEL) * bytes;

		for (size_t t0 = 0; t0 < n_tokens; t0 += TILE) {
			const size_t n = n_tokens - t0 < TILE ? n_tokens - t0 : TILE;
			double sum[TILE] = { 0.0 };

			for (size_t k = 0; k < cols; k += CHUNK) {
				const size_t n_k = cols - k < CHUNK ? cols - k : CHUNK;

				lsb_panel_unpack(type, panel, r % LSB_PANEL, k, n_k, w);
				for (size_t t = 0; t < n; t++)
					sum[t] += dot_f32(w, x + (t0 + t) * step + k, n_k);
			}
			for (size_t t = 0; t < n; t++)
				y[(t0 + t) * ldy + r] = (float)sum[t];
		}
	}
}

static void matmul(uint32_t type, enum lsb_act kind, size_t cols, const void *panels, size_t panel0,
		   size_t panel1, const void *act, size_t n_tokens, float *y, size_t ldy)
{
	const struct lsb_layout *l = lsb_layout_find(type);
	const size_t bytes = lsb_panel_bytes(type, cols);

	if (kind == LSB_ACT_F32) {
		lsb_plain_matmul_f32(type, cols, panels, panel0, panel1, act, n_tokens, y, ldy);
		return;
	}
	for (size_t p = panel0; p < panel1; p++)
		matmul_i8(l, cols, (const uint8_t *)panels + p * bytes, act, n_tokens,
			  y + (p - panel0) * LSB_PANEL, ldy);
}

static void rms_norm(const float *x, const float *w, size_t n, float eps, float *out)
{
	double sum = 0.0;

	for (size_t i = 0; i < n; i++)
		sum += (double)x[i] * x[i];
	const float scale = (float)(1.0 / sqrt(sum / (double)n + eps));

	for (size_t i = 0; i < n; i++)
		out[i] = x[i] * scale * w[i];
}

static void rope(float *x, size_t n_heads, size_t head_dim, size_t rope_dim, const float *cs)
{
	for (size_t h = 0; h < n_heads; h++, x += head_dim) {
		for (size_t i = 0; i + 1 < rope_dim; i += 2) {
			const float a = x[i], b = x[i + 1];

			x[i] = a * cs[i] - b * cs[i + 1];
			x[i + 1] = a * cs[i + 1] + b * cs[i];
		}
	}
}

static void silu_mul(const float *gate, const float *up, size_t n, float *out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (float)(gate[i] / (1.0 + exp(-(double)gate[i]))) * up[i];
}

static void add(float *x, const float *y, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] += y[i];
}

static void to_f16(const float *x, size_t n, uint16_t *out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = lsb_f32_to_f16(x[i]);
}

static double dot_f16(const float *q, const uint16_t *k, size_t n)
{
	double sum = 0.0;

	for (size_t d = 0; d < n; d++)
		sum += (double)q[d] * lsb_f16_to_f32(k[d]);
	return sum;
}

/* One query, straight from the definition: all scores, their maximum, the weighted mean of V. */
static void attend(const float *q, size_t n_pos, const uint16_t *k, const uint16_t *v, size_t kv_stride,
		   size_t head_dim, float scale, float *out, double *sum_v, float *p)
{
	float max = -INFINITY;
	double sum = 0.0;

	for (size_t i = 0; i < n_pos; i++) {
		p[i] = (float)(scale * dot_f16(q, k + i * kv_stride, head_dim));
		if (!(p[i] <= max))
			max = p[i];
	}
	for (size_t d = 0; d < head_dim; d++)
		sum_v[d] = 0.0;
	for (size_t i = 0; i < n_pos; i++) {
		const double w = exp((double)p[i] - max);

		sum += w;
		for (size_t d = 0; d < head_dim; d++)
			sum_v[d] += w * lsb_f16_to_f32(v[i * kv_stride + d]);
	}
	for (size_t d = 0; d < head_dim; d++)
		out[d] = (float)(sum_v[d] / sum);
}

static void attention(const float *q, size_t q_stride, size_t n_q, const uint32_t *last, const uint16_t *k,
		      const uint16_t *v, size_t kv_stride, size_t head_dim, float scale, float *out,
		      size_t out_stride, void *work)
{
	double *sum_v = work; /* [head_dim], then scores [positions] */

	for (size_t i = 0; i < n_q; i++)
		attend(q + i * q_stride, (size_t)last[i] + 1, k, v, kv_stride, head_dim, scale,
		       out + i * out_stride, sum_v, (float *)(sum_v + head_dim));
}

static size_t attention_work(size_t positions, size_t head_dim)
{
	return head_dim * sizeof(double) + positions * sizeof(float);
}

static uint64_t read_all(const void *p, size_t bytes)
{
	const uint64_t *word = p;
	uint64_t sum[4] = { 0, 0, 0, 0 };

	for (size_t i = 0; i < bytes / sizeof(*word); i++)
		sum[i % 4] += word[i];
	return sum[0] + sum[1] + sum[2] + sum[3];
}

const struct lsb_kernels *lsb_kernels_plain(void)
{
	static const struct lsb_kernels table = {
		.name = "plain",
		.act_kind = lsb_panel_act_kind,
		.panel_bytes = lsb_panel_bytes,
		.pack = lsb_panel_pack,
		.unpack_row = lsb_panel_unpack_row,
		.act_bytes = lsb_act_bytes,
		.act_store = act_store,
		.matmul = matmul,
		.rms_norm = rms_norm,
		.rope = rope,
		.silu_mul = silu_mul,
		.add = add,
		.to_f16 = to_f16,
		.attention = attention,
		.attention_work = attention_work,
		.read_all = read_all,
	};

	return &table;
}
