/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of an instruction set's file: from its dot_panel (one panel of a
 * quantised type, any number of tokens), store_act_block and read_all to a
 * struct lsb_kernels.
 */
#ifndef LSB_CPU_KERNELS_TABLE_H
#define LSB_CPU_KERNELS_TABLE_H

#include "kernels_attention.h"
#include "kernels_float.h"
#include "kernels_ops.h"

#define PANEL_OF(name)                                                                                       \
	static void panel_##name(size_t cols, const uint8_t *panel, const char *act, size_t n_tokens,        \
				 float *y, size_t ldy)                                                       \
	{                                                                                                    \
		dot_panel(LSB_TYPE_##name, cols, panel, act, n_tokens, y, ldy);                              \
	}

PANEL_OF(Q4_0)
PANEL_OF(Q4_1)
PANEL_OF(Q5_0)
PANEL_OF(Q5_1)
PANEL_OF(Q8_0)
PANEL_OF(Q4_K)
PANEL_OF(Q5_K)
PANEL_OF(Q6_K)

typedef void panel_function(size_t cols, const uint8_t *panel, const char *act, size_t n_tokens, float *y,
			    size_t ldy);

static panel_function *find_panel(uint32_t type)
{
	switch (type) {
	case LSB_TYPE_Q4_0:
		return panel_Q4_0;
	case LSB_TYPE_Q4_1:
		return panel_Q4_1;
	case LSB_TYPE_Q5_0:
		return panel_Q5_0;
	case LSB_TYPE_Q5_1:
		return panel_Q5_1;
	case LSB_TYPE_Q8_0:
		return panel_Q8_0;
	case LSB_TYPE_Q4_K:
		return panel_Q4_K;
	case LSB_TYPE_Q5_K:
		return panel_Q5_K;
	default:
		return panel_Q6_K;
	}
}

static void matmul(uint32_t type, enum lsb_act kind, size_t cols, const void *panels, size_t panel0,
		   size_t panel1, const void *act, size_t n_tokens, float *y, size_t ldy)
{
	const struct lsb_layout *l = lsb_layout_find(type);
	const size_t bytes = lsb_panel_bytes(type, cols);

	if (l && kind == LSB_ACT_F32) {
		lsb_plain_matmul_f32(type, cols, panels, panel0, panel1, act, n_tokens, y, ldy);
	} else if (l) {
		panel_function *panel = find_panel(type);

		for (size_t p = panel0; p < panel1; p++, y += LSB_PANEL)
			panel(cols, (const uint8_t *)panels + p * bytes, act, n_tokens, y, ldy);
	} else {
		matmul_float(type, cols, panels, panel0, panel1, act, n_tokens, y, ldy);
	}
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

#define KERNEL_TABLE(title, kind_of, store, multiply)                                                        \
	{                                                                                                    \
		.name = (title), .act_kind = kind_of, .panel_bytes = lsb_panel_bytes,                        \
		.pack = lsb_panel_pack, .unpack_row = lsb_panel_unpack_row, .act_bytes = lsb_act_bytes,      \
		.act_store = store, .matmul = multiply, .rms_norm = rms_norm, .rope = rope,                  \
		.silu_mul = silu_mul, .add = add, .to_f16 = to_f16, .attention = attention,                  \
		.attention_work = attention_work, .read_all = read_all                                       \
	}

#endif
