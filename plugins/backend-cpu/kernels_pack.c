/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File-format rows into panels, and back. Plain C, used once at load (and by
 * the reference path and the embedding look-up), so clarity comes first; the
 * word-wise scatter still packs 0.5 (Q6_K) to 3.6 (Q8_0) GB of file a second on a
 * Zen 4 core.
 */
#include "kernels_pack.h"

#include <string.h>

#include "model.h"

#define LAYOUT(t, n_subs, head, n_high, low, file, off)                                                      \
	{                                                                                                    \
		.type = (t), .subs = (n_subs), .head_bytes = (head), .sub_bytes = (n_high)*LSB_VEC + (low),  \
		.block_bytes = (head) + (n_subs) * ((n_high)*LSB_VEC + (low)), .file_bytes = (file),         \
		.high = (n_high), .offset = (off)                                                            \
	}

/* k-quants: fp16 d and dmin, then 8 x (16 + 16) scales. Q6_K has no dmin; its place keeps vectors aligned. */
enum { K_HEAD = LSB_HEAD_SCALES + 8 * 32, NIBBLES = 4 * LSB_VEC, BYTES = 8 * LSB_VEC };

static const struct lsb_layout layouts[] = {
	LAYOUT(LSB_TYPE_Q4_0, 1, 32, 0, NIBBLES, 18, 8),
	LAYOUT(LSB_TYPE_Q4_1, 1, 64, 0, NIBBLES, 20, 0),
	LAYOUT(LSB_TYPE_Q5_0, 1, 32, 1, NIBBLES, 22, 16),
	LAYOUT(LSB_TYPE_Q5_1, 1, 64, 1, NIBBLES, 24, 0),
	LAYOUT(LSB_TYPE_Q8_0, 1, 32, 0, BYTES, 34, 128),
	LAYOUT(LSB_TYPE_Q4_K, 8, K_HEAD, 0, NIBBLES, 144, 0),
	LAYOUT(LSB_TYPE_Q5_K, 8, K_HEAD, 1, NIBBLES, 176, 0),
	LAYOUT(LSB_TYPE_Q6_K, 8, K_HEAD, 2, NIBBLES, 210, 32),
};

/* One row's block as read from the file. */
struct file_block {
	uint16_t d, m; /* fp16 */
	uint8_t scales[8][2];
	uint8_t q[256]; /* stored quants */
};

const struct lsb_layout *lsb_layout_find(uint32_t type)
{
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		if (layouts[i].type == type)
			return &layouts[i];
	return NULL;
}

static size_t element_bytes(uint32_t type)
{
	return type == LSB_TYPE_F32 ? 4 : 2;
}

static size_t round_up_64(size_t n)
{
	return (n + 63) / 64 * 64;
}

enum lsb_act lsb_panel_act_kind(uint32_t type)
{
	return lsb_layout_find(type) ? LSB_ACT_I8 : LSB_ACT_F32;
}

size_t lsb_panel_bytes(uint32_t type, size_t cols)
{
	const struct lsb_layout *l = lsb_layout_find(type);

	if (!l)
		return round_up_64(LSB_PANEL * element_bytes(type) * cols);
	return round_up_64(cols / (LSB_SUB * l->subs) * l->block_bytes);
}

size_t lsb_act_bytes(enum lsb_act kind, size_t cols)
{
	const size_t bytes = kind == LSB_ACT_I8	    ? cols / LSB_SUB * sizeof(struct lsb_act_block)
			     : kind == LSB_ACT_BF16 ? round_up_64(cols * sizeof(uint16_t))
						    : round_up_64(cols * sizeof(float));

	return bytes | 64;
}

static uint16_t load_u16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint32_t load_u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* n bytes of two nibbles each: the low ones become q[0..n-1], the high ones q[n..2n-1]. */
static void split_nibbles(const uint8_t *from, size_t n, uint8_t *q)
{
	for (size_t i = 0; i < n; i++) {
		q[i] = from[i] & 15;
		q[n + i] = from[i] >> 4;
	}
}

/* Q5_0, Q5_1: bit i of `bits` is bit 4 of quant i. */
static void add_fifth_bits(uint32_t bits, uint8_t *q)
{
	for (size_t i = 0; i < 32; i++)
		q[i] |= (bits >> i & 1) << 4;
}

/* Q4_K, Q5_K: eight 6-bit scales and eight 6-bit mins in 12 bytes. */
static void read_k_scales(const uint8_t *s, uint8_t scales[8][2])
{
	for (size_t j = 0; j < 4; j++) {
		scales[j][0] = s[j] & 63;
		scales[j][1] = s[4 + j] & 63;
		scales[4 + j][0] = (s[8 + j] & 15) | (s[j] >> 6) << 4;
		scales[4 + j][1] = s[8 + j] >> 4 | (s[4 + j] >> 6) << 4;
	}
}

static void read_q45_k(const uint8_t *p, int has_fifth, struct file_block *b)
{
	const uint8_t *high = p + 16, *low = has_fifth ? high + 32 : high;

	b->d = load_u16(p);
	b->m = load_u16(p + 2);
	read_k_scales(p + 4, b->scales);
	for (size_t g = 0; g < 4; g++)
		split_nibbles(low + 32 * g, 32, b->q + 64 * g);
	if (!has_fifth)
		return;
	for (size_t i = 0; i < 256; i++) /* bit g of high[k] belongs to sub-block g */
		b->q[i] |= (high[i % 32] >> (i / 32) & 1) << 4;
}

static void read_q6_k(const uint8_t *p, struct file_block *b)
{
	for (size_t half = 0; half < 2; half++) {
		const uint8_t *low = p + 64 * half, *high = p + 128 + 32 * half;
		uint8_t *q = b->q + 128 * half;

		split_nibbles(low, 64, q);
		for (size_t i = 0; i < 128; i++)
			q[i] |= (high[i % 32] >> (i / 32 * 2) & 3) << 4;
	}
	memcpy(b->scales, p + 192, 16);
	b->d = load_u16(p + 208);
	b->m = 0;
}

static void read_block(uint32_t type, const uint8_t *p, struct file_block *b)
{
	b->d = load_u16(p);
	b->m = 0;
	switch (type) {
	case LSB_TYPE_Q4_0:
		split_nibbles(p + 2, 16, b->q);
		break;
	case LSB_TYPE_Q4_1:
		b->m = load_u16(p + 2);
		split_nibbles(p + 4, 16, b->q);
		break;
	case LSB_TYPE_Q5_0:
		split_nibbles(p + 6, 16, b->q);
		add_fifth_bits(load_u32(p + 2), b->q);
		break;
	case LSB_TYPE_Q5_1:
		b->m = load_u16(p + 2);
		split_nibbles(p + 8, 16, b->q);
		add_fifth_bits(load_u32(p + 4), b->q);
		break;
	case LSB_TYPE_Q8_0:
		for (size_t i = 0; i < 32; i++)
			b->q[i] = p[2 + i] ^ 0x80;
		break;
	case LSB_TYPE_Q6_K:
		read_q6_k(p, b);
		break;
	default:
		read_q45_k(p, type == LSB_TYPE_Q5_K, b);
	}
}

/* 32 quants of `row` into lane `row` of a sub-block's vectors. */
static void scatter_quants(const struct lsb_layout *l, const uint8_t *q, size_t row, uint8_t *sub)
{
	uint32_t w[8], high[2] = { 0, 0 };
	uint8_t *low = sub + l->high * LSB_VEC;

	memcpy(w, q, sizeof(w));
	if (l->sub_bytes == BYTES) {
		for (size_t j = 0; j < 8; j++)
			memcpy(sub + j * LSB_VEC + 4 * row, &w[j], 4);
		return;
	}
	for (size_t j = 0; j < 4; j++) {
		const uint32_t both = (w[j] & 0x0f0f0f0f) | (w[4 + j] & 0x0f0f0f0f) << 4;

		memcpy(low + j * LSB_VEC + 4 * row, &both, 4);
	}
	for (size_t j = 0; l->high && j < 8; j++) {
		if (l->high == 1)
			high[0] |= (w[j] >> 4 & 0x01010101) << j;
		else
			high[j / 4] |= (w[j] >> 4 & 0x03030303) << (j % 4 * 2);
	}
	for (size_t h = 0; h < l->high; h++)
		memcpy(sub + h * LSB_VEC + 4 * row, &high[h], 4);
}

void lsb_panel_quants(const struct lsb_layout *l, const uint8_t *sub, size_t row, uint8_t *q)
{
	const uint8_t *low = sub + l->high * LSB_VEC + 4 * row;
	uint32_t w[8], high[2] = { 0, 0 };

	if (l->sub_bytes == BYTES) {
		for (size_t j = 0; j < 8; j++)
			memcpy(q + 4 * j, sub + j * LSB_VEC + 4 * row, 4);
		return;
	}
	for (size_t h = 0; h < l->high; h++)
		high[h] = load_u32(sub + h * LSB_VEC + 4 * row);
	for (size_t j = 0; j < 8; j++) {
		w[j] = load_u32(low + j % 4 * LSB_VEC) >> (j / 4 * 4) & 0x0f0f0f0f;
		if (l->high == 1)
			w[j] |= (high[0] >> j & 0x01010101) << 4;
		else
			w[j] |= (high[j / 4] >> (j % 4 * 2) & 0x03030303) << 4;
	}
	memcpy(q, w, sizeof(w));
}

static void pack_quantised(const struct lsb_layout *l, size_t cols, const uint8_t *from, size_t row,
			   uint8_t *panel)
{
	const size_t blocks = cols / (LSB_SUB * l->subs);
	struct file_block b;

	for (size_t i = 0; i < blocks; i++, from += l->file_bytes, panel += l->block_bytes) {
		read_block(l->type, from, &b);
		memcpy(panel + 2 * row, &b.d, 2);
		if (l->head_bytes > 32)
			memcpy(panel + 32 + 2 * row, &b.m, 2);
		for (size_t j = 0; j < l->subs; j++) {
			uint8_t *scales = panel + LSB_HEAD_SCALES + 32 * j + row;

			if (l->subs > 1) {
				scales[0] = b.scales[j][0];
				scales[16] = b.scales[j][1];
			}
			scatter_quants(l, b.q + LSB_SUB * j, row, panel + l->head_bytes + j * l->sub_bytes);
		}
	}
}

void lsb_panel_pack(uint32_t type, size_t cols, const void *rows, size_t row_bytes, size_t n, void *panel)
{
	const struct lsb_layout *l = lsb_layout_find(type);
	const size_t size = element_bytes(type);

	memset(panel, 0, lsb_panel_bytes(type, cols));
	for (size_t r = 0; r < n && r < LSB_PANEL; r++) {
		const uint8_t *from = (const uint8_t *)rows + r * row_bytes;
		uint8_t *to = (uint8_t *)panel + r * size;

		if (l) {
			pack_quantised(l, cols, from, r, panel);
			continue;
		}
		for (size_t k = 0; k < cols; k++)
			memcpy(to + k * LSB_PANEL * size, from + k * size, size);
	}
}

/* Products of d with a scale and a quant are exact in fp32, so each weight is rounded once, as in the file's
 * definition. */
static void unpack_sub(const struct lsb_layout *l, const uint8_t *block, size_t j, size_t row, float *out)
{
	const uint8_t *scales = block + LSB_HEAD_SCALES + 32 * j + row;
	const float d = lsb_f16_to_f32(load_u16(block + 2 * row));
	float ds[2] = { d, d }, m = 0.0f; /* of each half of the sub-block */
	uint8_t q[LSB_SUB];

	if (l->head_bytes > 32)
		m = lsb_f16_to_f32(load_u16(block + 32 + 2 * row));
	if (l->type == LSB_TYPE_Q6_K) {
		ds[0] = d * (int8_t)scales[0];
		ds[1] = d * (int8_t)scales[16];
	} else if (l->subs > 1) {
		ds[0] = ds[1] = d * scales[0];
		m = -(m * scales[16]);
	}
	lsb_panel_quants(l, block + l->head_bytes + j * l->sub_bytes, row, q);
	for (size_t k = 0; k < LSB_SUB; k++) {
		const float v = ds[k / 16] * (float)((int)q[k] - (int)l->offset);

		out[k] = l->offset ? v : v + m;
	}
}

void lsb_panel_unpack(uint32_t type, const void *panel, size_t row, size_t k, size_t n, float *out)
{
	const struct lsb_layout *l = lsb_layout_find(type);
	const uint8_t *p = panel;

	if (l) {
		for (size_t i = 0; i < n; i += LSB_SUB) {
			const size_t sub = (k + i) / LSB_SUB;

			unpack_sub(l, p + sub / l->subs * l->block_bytes, sub % l->subs, row, out + i);
		}
		return;
	}
	for (size_t i = 0; i < n; i++) {
		const uint8_t *at = p + ((k + i) * LSB_PANEL + row) * element_bytes(type);
		uint32_t bits = type == LSB_TYPE_F32 ? load_u32(at) : (uint32_t)load_u16(at) << 16;

		if (type == LSB_TYPE_F16)
			out[i] = lsb_f16_to_f32(load_u16(at));
		else
			memcpy(&out[i], &bits, sizeof(bits));
	}
}

void lsb_panel_unpack_row(uint32_t type, size_t cols, const void *panel, size_t row, float *out)
{
	lsb_panel_unpack(type, panel, row, 0, cols, out);
}
