/* SPDX-License-Identifier: Apache-2.0 */
/* What all kernels share: launching, element types, tensor-core products, copies that do not wait. */
#ifndef LSB_CUDA_DEVICE_CUH
#define LSB_CUDA_DEVICE_CUH

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <stdint.h>

#include "kernels.h"

/* Wait until all that the kernels ahead wrote can be read. Every block calls it before it touches their data.
 */
static __device__ __forceinline__ void wait_for_inputs(void)
{
#if __CUDA_ARCH__ >= 900
	asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

/* The next kernel's blocks may take what room is left, and fetch their weights. */
static __device__ __forceinline__ void let_next_start(void)
{
#if __CUDA_ARCH__ >= 900
	asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

static __device__ __forceinline__ uint64_t device_ns(void)
{
	uint64_t t;

	asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(t));
	return t;
}

/* Launch so that the kernel may overlap the one ahead; older devices know no such thing and run in order. */
template <class... P, class... A>
static cudaError_t launch(void (*kernel)(P...), dim3 grid, unsigned threads, size_t shared,
			  cudaStream_t stream, A... args)
{
	cudaLaunchAttribute overlap = {};
	cudaLaunchConfig_t config = {};

	overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
	overlap.val.programmaticStreamSerializationAllowed = 1;
	config.gridDim = grid;
	config.blockDim = dim3(threads);
	config.dynamicSmemBytes = shared;
	config.stream = stream;
	config.attrs = &overlap;
	config.numAttrs = cuda_overlaps() ? 1 : 0;
	return cudaLaunchKernelEx(&config, kernel, static_cast<P>(args)...);
}

/* --- elements ---------------------------------------------------------------- */

template <class T> __device__ __forceinline__ T to_elem(float v);
template <> __device__ __forceinline__ float to_elem<float>(float v)
{
	return v;
}
/* Beyond fp16's range: its largest value, not infinity. */
template <> __device__ __forceinline__ __half to_elem<__half>(float v)
{
	return __float2half_rn(fminf(fmaxf(v, -65504.0f), 65504.0f));
}
template <> __device__ __forceinline__ __nv_bfloat16 to_elem<__nv_bfloat16>(float v)
{
	return __float2bfloat16_rn(v);
}

static __device__ __forceinline__ float from_elem(float v)
{
	return v;
}
static __device__ __forceinline__ float from_elem(__half v)
{
	return __half2float(v);
}
static __device__ __forceinline__ float from_elem(__nv_bfloat16 v)
{
	return __bfloat162float(v);
}

/* Two elements of a 32-bit word. */
template <class T> __device__ __forceinline__ float2 unpack2(uint32_t w);
template <> __device__ __forceinline__ float2 unpack2<__half>(uint32_t w)
{
	return __half22float2(*reinterpret_cast<__half2 *>(&w));
}
template <> __device__ __forceinline__ float2 unpack2<__nv_bfloat16>(uint32_t w)
{
	return make_float2(__uint_as_float(w << 16), __uint_as_float(w & 0xffff0000u));
}

template <class T> __device__ __forceinline__ uint32_t pack2(float lo, float hi)
{
	const T a = to_elem<T>(lo), b = to_elem<T>(hi);

	return (uint32_t) * reinterpret_cast<const uint16_t *>(&a) |
	       (uint32_t) * reinterpret_cast<const uint16_t *>(&b) << 16;
}

static __device__ __forceinline__ float warp_sum(float v)
{
#pragma unroll
	for (int i = 16; i > 0; i >>= 1)
		v += __shfl_xor_sync(0xffffffffu, v, i);
	return v;
}

static __device__ __forceinline__ float silu(float gate, float up)
{
	return gate / (1.0f + expf(-gate)) * up;
}

/* Sum over splits of element `at` of row `row`. */
static __device__ __forceinline__ float pending_sum(const struct cuda_pending &p, uint32_t row, uint32_t at)
{
	const float *y = p.y + (uint64_t)row * p.ld + at;
	float sum = y[0];

	for (uint32_t s = 1; s < p.splits; s++)
		sum += y[s * p.split_stride];
	return sum;
}

/* --- tensor cores -------------------------------------------------------------- */

/*
 * c[16x8] += a[16x16] b[16x8]. Lane 4 g + t holds of `a` rows g (a0, a2) and g + 8
 * (a1, a3), columns 2t, 2t+1 (a0, a1) and 2t+8, 2t+9 (a2, a3); of `b` the same
 * columns as rows (b0, b1) of column g; of `c` columns 2t, 2t+1 of rows g (c0, c1)
 * and g + 8 (c2, c3). (PTX ISA, "Matrix Fragments for mma.m16n8k16".)
 */
template <class T>
static __device__ __forceinline__ void tensor_product(float c[4], const uint32_t a[4], uint32_t b0,
						      uint32_t b1);

template <>
__device__ __forceinline__ void tensor_product<__half>(float c[4], const uint32_t a[4], uint32_t b0,
						       uint32_t b1)
{
#if __CUDA_ARCH__ >= 800
	asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
	    "{%0,%1,%2,%3};"
	    : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
	    : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else
	asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
	    : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
	    : "r"(a[0]), "r"(a[1]), "r"(b0));
	asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
	    : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
	    : "r"(a[2]), "r"(a[3]), "r"(b1));
#endif
}

/* sm_75 has none for bf16: such matrices are kept as fp16 there, and the KV cache too. */
template <>
__device__ __forceinline__ void tensor_product<__nv_bfloat16>(float c[4], const uint32_t a[4], uint32_t b0,
							      uint32_t b1)
{
#if __CUDA_ARCH__ >= 800
	asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
	    "{%0,%1,%2,%3};"
	    : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
	    : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else
	__trap();
#endif
}

/* --- copies from global to shared memory ------------------------------------------ */

template <int BYTES> static __device__ __forceinline__ void copy_async(void *to, const void *from)
{
#if __CUDA_ARCH__ >= 800
	const uint32_t at = (uint32_t)__cvta_generic_to_shared(to);

	if (BYTES == 16)
		asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(at), "l"(from) : "memory");
	else
		asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(at), "l"(from), "n"(BYTES)
			     : "memory");
#else
	if (BYTES == 16)
		*(uint4 *)to = *(const uint4 *)from;
	else if (BYTES == 8)
		*(uint2 *)to = *(const uint2 *)from;
	else
		*(uint32_t *)to = *(const uint32_t *)from;
#endif
}

static __device__ __forceinline__ void copy_commit(void)
{
#if __CUDA_ARCH__ >= 800
	asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

/* Until no more than `LEFT` of this thread's committed groups are on their way. */
template <int LEFT> static __device__ __forceinline__ void copy_wait(void)
{
#if __CUDA_ARCH__ >= 800
	asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
#endif
}

#endif
