/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct lsb_layout as expressions of the type, for code in which the type is a
 * constant and these must be too.
 */
#ifndef LSB_CPU_KERNELS_TRAITS_H
#define LSB_CPU_KERNELS_TRAITS_H

#include "kernels_pack.h"
#include "kernels_simd.h"
#include "model.h"

INLINE int high_vectors(uint32_t type)
{
	return type == LSB_TYPE_Q6_K
		       ? 2
		       : type == LSB_TYPE_Q5_0 || type == LSB_TYPE_Q5_1 || type == LSB_TYPE_Q5_K;
}

INLINE int is_k_quant(uint32_t type)
{
	return type == LSB_TYPE_Q4_K || type == LSB_TYPE_Q5_K || type == LSB_TYPE_Q6_K;
}

INLINE int has_min(uint32_t type)
{
	return type == LSB_TYPE_Q4_1 || type == LSB_TYPE_Q5_1 || type == LSB_TYPE_Q4_K ||
	       type == LSB_TYPE_Q5_K;
}

INLINE size_t head_bytes(uint32_t type)
{
	return is_k_quant(type) ? LSB_HEAD_SCALES + 8 * 32 : has_min(type) ? 64 : 32;
}

INLINE size_t sub_bytes(uint32_t type)
{
	return (type == LSB_TYPE_Q8_0 ? 8 : 4 + high_vectors(type)) * LSB_VEC;
}

INLINE size_t subs_of(uint32_t type)
{
	return is_k_quant(type) ? 8 : 1;
}

/* From one block to the next. */
INLINE size_t block_bytes(uint32_t type)
{
	return head_bytes(type) + subs_of(type) * sub_bytes(type);
}

/*
 * What is fetched ahead beside each sub-block: an even share, because a k-quant's
 * whole block at once is more lines than a core can have on their way.
 */
INLINE size_t share_bytes(uint32_t type)
{
	return block_bytes(type) / subs_of(type);
}

/* What a dot product of stored quants starts from, so that it comes out as one of (quant - offset). */
INLINE int32_t dot_start(uint32_t type, const struct lsb_act_block *a, int half)
{
	switch (type) {
	case LSB_TYPE_Q4_0:
		return a->neg8;
	case LSB_TYPE_Q5_0:
		return a->neg16;
	case LSB_TYPE_Q8_0:
		return a->neg128;
	case LSB_TYPE_Q6_K:
		return a->neg32[half];
	default:
		return 0;
	}
}

#endif
