/* SPDX-License-Identifier: Apache-2.0 */
/* What both kinds of attention share: the vectors of a token out of the sums of q, k and v, rotated. */
#ifndef LSB_CUDA_ATTENTION_CUH
#define LSB_CUDA_ATTENTION_CUH

#include "device.cuh"

/* Elements d and d + 1 (d even) of head `head` of a token's q, k, v row, rotated by its position if asked. */
static __device__ __forceinline__ float2 head_pair(const struct cuda_attention &a, uint32_t token,
						   uint32_t position, uint32_t head, uint32_t d, bool rotate)
{
	const uint32_t at = head * a.head_dim + d;
	const float x = pending_sum(a.qkv, token, at), y = pending_sum(a.qkv, token, at + 1);

	if (!rotate || d >= a.rope_dim)
		return make_float2(x, y);
	const float2 turn = ((const float2 *)a.cos_sin)[(uint64_t)position * (a.rope_dim / 2) + d / 2];

	return make_float2(x * turn.x - y * turn.y, x * turn.y + y * turn.x);
}

/* Where a slot's KV head begins, in elements. */
static __device__ __forceinline__ uint64_t kv_at(const struct cuda_attention &a, uint32_t slot,
						 uint32_t kv_head)
{
	return ((uint64_t)slot * a.kv_heads + kv_head) * a.kv.context * a.kv.dim;
}

/* Key and value d, d + 1 of a token into the cache; and to *key and *value. */
template <class T>
static __device__ __forceinline__ void append_pair(const struct cuda_attention &a, uint32_t token,
						   const struct cuda_token &at, uint32_t kv_head, uint32_t d,
						   uint32_t *key, uint32_t *value)
{
	const uint64_t to = kv_at(a, at.slot, kv_head) + (uint64_t)at.position * a.kv.dim + d;
	const float2 k = head_pair(a, token, at.position, a.heads + kv_head, d, true);
	const float2 v = head_pair(a, token, at.position, a.heads + a.kv_heads + kv_head, d, false);

	*key = pack2<T>(k.x, k.y);
	*value = pack2<T>(v.x, v.y);
	*(uint32_t *)((T *)a.kv.keys + to) = *key;
	*(uint32_t *)((T *)a.kv.values + to) = *value;
}

static __device__ __forceinline__ void store_out(const struct cuda_attention &a, uint32_t token, uint32_t at,
						 float v)
{
	const uint64_t i = (uint64_t)token * a.ld_out + at;

	if (a.out_elem == CUDA_F16)
		((__half *)a.out)[i] = to_elem<__half>(v);
	else if (a.out_elem == CUDA_BF16)
		((__nv_bfloat16 *)a.out)[i] = to_elem<__nv_bfloat16>(v);
	else
		((float *)a.out)[i] = v;
}

/* Likewise of elements `at` and `at` + 1, at even. */
static __device__ __forceinline__ void store_pair(const struct cuda_attention &a, uint32_t token, uint32_t at,
						  float v, float w)
{
	const uint64_t i = ((uint64_t)token * a.ld_out + at) / 2;

	if (a.out_elem == CUDA_F16)
		((uint32_t *)a.out)[i] = pack2<__half>(v, w);
	else if (a.out_elem == CUDA_BF16)
		((uint32_t *)a.out)[i] = pack2<__nv_bfloat16>(v, w);
	else
		((float2 *)a.out)[i] = make_float2(v, w);
}

#endif
