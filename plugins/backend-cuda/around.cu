/* SPDX-License-Identifier: Apache-2.0 */
/* What stands between matrices: embedding, norms, SwiGLU, sums of splits, hand-over; and measuring loads. */
#include "raw.cuh"

enum { WIDE = 512, NARROW = 256, NORM_VECTORS = CUDA_HIDDEN_MAX / 4 / WIDE, AHEAD = 4 };

/* The sum over a block of WIDE, the same in all threads; in a fixed order. */
static __device__ float block_sum(float v)
{
	__shared__ float of_warp[WIDE / 32];
	float sum = 0.0f;

	v = warp_sum(v);
	if (threadIdx.x % 32 == 0)
		of_warp[threadIdx.x / 32] = v;
	__syncthreads();
#pragma unroll
	for (uint32_t w = 0; w < WIDE / 32; w++)
		sum += of_warp[w];
	return sum;
}

/* Four consecutive sums of splits. */
static __device__ __forceinline__ float4 pending_four(const struct cuda_pending &p, uint32_t row, uint32_t at)
{
	const float *y = p.y + (uint64_t)row * p.ld + at;
	float4 sum = *(const float4 *)y;

	for (uint32_t s = 1; s < p.splits; s++) {
		const float4 v = *(const float4 *)(y + s * p.split_stride);

		sum.x += v.x;
		sum.y += v.y;
		sum.z += v.z;
		sum.w += v.w;
	}
	return sum;
}

static __device__ __forceinline__ float4 plus(float4 a, float4 b)
{
	return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}

/* --- the beginning ----------------------------------------------------------- */

__global__ void begin(const struct cuda_step *step, const struct cuda_token *tokens, uint32_t hidden,
		      const uint8_t *embed, uint32_t type, uint64_t row_bytes, float *x)
{
	const uint32_t token = blockIdx.x;

	let_next_start();
	wait_for_inputs();
	if (token == 0 && threadIdx.x == 0)
		step->result->started_ns = device_ns();
	if (embed) {
		const uint8_t *row = embed + (uint64_t)tokens[token].id * row_bytes;

		for (uint32_t i = threadIdx.x; i < hidden; i += blockDim.x)
			x[(uint64_t)token * hidden + i] = raw_value(type, row, i);
	} else {
		const float4 *from = (const float4 *)(step->in + (uint64_t)token * hidden);
		float4 *to = (float4 *)(x + (uint64_t)token * hidden);

		/* It may be host memory: all that a thread reads is asked for at once. */
		for (uint32_t first = threadIdx.x; first < hidden / 4; first += AHEAD * NARROW) {
			float4 v[AHEAD];

#pragma unroll
			for (uint32_t j = 0; j < AHEAD; j++)
				if (first + j * NARROW < hidden / 4)
					v[j] = from[first + j * NARROW];
#pragma unroll
			for (uint32_t j = 0; j < AHEAD; j++)
				if (first + j * NARROW < hidden / 4)
					to[first + j * NARROW] = v[j];
		}
	}
}

cudaError_t cuda_begin(const struct cuda_step *step, const struct cuda_token *tokens, uint32_t n,
		       uint32_t hidden, const void *embed, uint32_t type, uint64_t row_bytes, float *x,
		       cudaStream_t stream)
{
	begin<<<n, NARROW, 0, stream>>>(step, tokens, hidden, (const uint8_t *)embed, type, row_bytes, x);
	return cudaGetLastError();
}

/* --- norm ----------------------------------------------------------------------- */

template <class T> static __device__ __forceinline__ void store_four(T *to, float4 v);
template <> __device__ __forceinline__ void store_four<float>(float *to, float4 v)
{
	*(float4 *)to = v;
}
template <> __device__ __forceinline__ void store_four<__half>(__half *to, float4 v)
{
	*(uint2 *)to = make_uint2(pack2<__half>(v.x, v.y), pack2<__half>(v.z, v.w));
}
template <> __device__ __forceinline__ void store_four<__nv_bfloat16>(__nv_bfloat16 *to, float4 v)
{
	*(uint2 *)to = make_uint2(pack2<__nv_bfloat16>(v.x, v.y), pack2<__nv_bfloat16>(v.z, v.w));
}

/* VECTORS: of four values, a thread's. Norm weights do not depend on the kernel ahead: they are fetched
 * first. All that follows is asked for at once, and nothing is stored before: a chain of a few reads is most
 * of what this kernel takes. */
template <class T, int VECTORS>
__global__ void __launch_bounds__(WIDE)
	norm(float *x, const struct cuda_pending add, const float *w, float eps, uint32_t hidden,
	     const uint32_t *rows, T *act, uint32_t ld_act)
{
	enum { AT_ONCE = VECTORS <= 2 ? 4 : 1 };
	float4 v[VECTORS], weight[VECTORS], y[VECTORS][AT_ONCE];
	float sum = 0.0f;

	let_next_start();
#pragma unroll
	for (int i = 0; i < VECTORS; i++) {
		const uint32_t at = (threadIdx.x + i * WIDE) * 4;

		if (at < hidden)
			weight[i] = *(const float4 *)(w + at);
	}
	wait_for_inputs();
	const uint32_t token = rows ? rows[blockIdx.x] : blockIdx.x;
	float *const own = x + (uint64_t)token * hidden;
	const float *const pending = add.y + (uint64_t)token * add.ld;

#pragma unroll
	for (int i = 0; i < VECTORS; i++) {
		const uint32_t at = (threadIdx.x + i * WIDE) * 4;

		if (at >= hidden)
			continue;
		v[i] = *(const float4 *)(own + at);
#pragma unroll
		for (uint32_t s = 0; s < AT_ONCE; s++)
			if (add.y && s < add.splits)
				y[i][s] = *(const float4 *)(pending + at + s * add.split_stride);
	}
#pragma unroll
	for (int i = 0; i < VECTORS; i++) {
		const uint32_t at = (threadIdx.x + i * WIDE) * 4;

		if (at >= hidden)
			continue;
		if (add.y) {
			float4 all = y[i][0];

#pragma unroll
			for (uint32_t s = 1; s < AT_ONCE; s++)
				if (s < add.splits)
					all = plus(all, y[i][s]);
#pragma unroll 4
			for (uint32_t s = AT_ONCE; s < add.splits; s++)
				all = plus(all, *(const float4 *)(pending + at + s * add.split_stride));
			v[i] = plus(v[i], all);
			if (!rows)
				*(float4 *)(own + at) = v[i];
		}
		sum += v[i].x * v[i].x + v[i].y * v[i].y + v[i].z * v[i].z + v[i].w * v[i].w;
	}
	const float scale = rsqrtf(block_sum(sum) / (float)hidden + eps);

#pragma unroll
	for (int i = 0; i < VECTORS; i++) {
		const uint32_t at = (threadIdx.x + i * WIDE) * 4;

		if (at < hidden)
			store_four(act + (uint64_t)blockIdx.x * ld_act + at,
				   make_float4(v[i].x * scale * weight[i].x, v[i].y * scale * weight[i].y,
					       v[i].z * scale * weight[i].z, v[i].w * scale * weight[i].w));
	}
}

template <class T>
static cudaError_t norm_as(float *x, const struct cuda_pending *add, const float *w, float eps,
			   uint32_t hidden, const uint32_t *rows, uint32_t n, void *act, uint32_t ld_act,
			   cudaStream_t stream)
{
	if (hidden <= 8 * WIDE)
		return launch(norm<T, 2>, dim3(n), WIDE, 0, stream, x, *add, w, eps, hidden, rows, (T *)act,
			      ld_act);
	return launch(norm<T, NORM_VECTORS>, dim3(n), WIDE, 0, stream, x, *add, w, eps, hidden, rows,
		      (T *)act, ld_act);
}

cudaError_t cuda_norm(float *x, const struct cuda_pending *add, const float *w, float eps, uint32_t hidden,
		      const uint32_t *rows, uint32_t n, enum cuda_elem elem, void *act, uint32_t ld_act,
		      cudaStream_t stream)
{
	switch (elem) {
	case CUDA_F16:
		return norm_as<__half>(x, add, w, eps, hidden, rows, n, act, ld_act, stream);
	case CUDA_BF16:
		return norm_as<__nv_bfloat16>(x, add, w, eps, hidden, rows, n, act, ld_act, stream);
	default:
		return norm_as<float>(x, add, w, eps, hidden, rows, n, act, ld_act, stream);
	}
}

/* --- element-wise ------------------------------------------------------------------ */

template <class T>
__global__ void gate(const struct cuda_pending gate_up, uint32_t pair, uint32_t ffn, T *act, uint32_t ld_act)
{
	const uint32_t at = (blockIdx.x * NARROW + threadIdx.x) * 4, token = blockIdx.y;

	let_next_start();
	wait_for_inputs();
	if (at + 4 <= ffn) {
		const float4 g = pending_four(gate_up, token, at),
			     u = pending_four(gate_up, token, pair + at);

		store_four(act + (uint64_t)token * ld_act + at,
			   make_float4(silu(g.x, u.x), silu(g.y, u.y), silu(g.z, u.z), silu(g.w, u.w)));
		return;
	}
	for (uint32_t i = at; i < ffn; i++)
		act[(uint64_t)token * ld_act + i] = to_elem<T>(
			silu(pending_sum(gate_up, token, i), pending_sum(gate_up, token, pair + i)));
}

cudaError_t cuda_silu(const struct cuda_pending *gate_up, uint32_t pair, uint32_t ffn, uint32_t n,
		      enum cuda_elem elem, void *act, uint32_t ld_act, cudaStream_t stream)
{
	const dim3 grid((ffn + 4 * NARROW - 1) / (4 * NARROW), n);

	switch (elem) {
	case CUDA_F16:
		return launch(gate<__half>, grid, NARROW, 0, stream, *gate_up, pair, ffn, (__half *)act,
			      ld_act);
	case CUDA_BF16:
		return launch(gate<__nv_bfloat16>, grid, NARROW, 0, stream, *gate_up, pair, ffn,
			      (__nv_bfloat16 *)act, ld_act);
	default:
		return launch(gate<float>, grid, NARROW, 0, stream, *gate_up, pair, ffn, (float *)act,
			      ld_act);
	}
}

__global__ void reduce(const struct cuda_pending from, uint32_t rows, float *to)
{
	const uint32_t at = blockIdx.x * NARROW + threadIdx.x;

	let_next_start();
	wait_for_inputs();
	if (at < rows)
		to[(uint64_t)blockIdx.y * rows + at] = pending_sum(from, blockIdx.y, at);
}

cudaError_t cuda_reduce(const struct cuda_pending *from, uint32_t rows, uint32_t n, float *to,
			cudaStream_t stream)
{
	return launch(reduce, dim3((rows + NARROW - 1) / NARROW, n), NARROW, 0, stream, *from, rows, to);
}

__global__ void give(const struct cuda_step *step, const float *x, const struct cuda_pending add,
		     uint32_t hidden)
{
	const uint32_t at = (blockIdx.x * NARROW + threadIdx.x) * 4;
	const uint64_t row = (uint64_t)blockIdx.y * hidden;

	let_next_start();
	wait_for_inputs();
	if (at >= hidden)
		return;
	float4 v = *(const float4 *)(x + row + at);

	if (add.y)
		v = plus(v, pending_four(add, blockIdx.y, at));
	*(float4 *)(step->out + row + at) = v;
	__threadfence_system();
}

cudaError_t cuda_give(const struct cuda_step *step, const float *x, const struct cuda_pending *add,
		      uint32_t hidden, uint32_t n, cudaStream_t stream)
{
	return launch(give, dim3((hidden + 4 * NARROW - 1) / (4 * NARROW), n), NARROW, 0, stream, step, x,
		      *add, hidden);
}

/* --- the end ------------------------------------------------------------------------- */

__global__ void finish(const struct cuda_step *step)
{
	volatile struct cuda_result *result = step->result;

	wait_for_inputs();
	result->ended_ns = device_ns();
	__threadfence_system();
	result->done = step->number;
}

cudaError_t cuda_finish(const struct cuda_step *step, cudaStream_t stream)
{
	return launch(finish, dim3(1), 1, 0, stream, step);
}

/* --- measuring ------------------------------------------------------------------------- */

__global__ void __launch_bounds__(512) read_all(const uint4 *p, uint64_t n, uint64_t *sum)
{
	const uint64_t threads = (uint64_t)gridDim.x * blockDim.x;
	uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
	uint32_t x = 0;

	for (; i + 7 * threads < n; i += 8 * threads) {
		uint4 v[8];

#pragma unroll
		for (int j = 0; j < 8; j++)
			v[j] = __ldcs(p + i + j * threads);
#pragma unroll
		for (int j = 0; j < 8; j++)
			x ^= v[j].x ^ v[j].y ^ v[j].z ^ v[j].w;
	}
	for (; i < n; i += threads)
		x ^= p[i].x ^ p[i].y ^ p[i].z ^ p[i].w;
	if (x == 0x9e3779b9u) /* hardly ever: what was read has to be looked at */
		*sum = x;
}

cudaError_t cuda_read_all(const void *p, uint64_t bytes, uint32_t sms, uint64_t *sum, cudaStream_t stream)
{
	read_all<<<sms * 4, 512, 0, stream>>>((const uint4 *)p, bytes / 16, sum);
	return cudaGetLastError();
}

template <class T> __global__ void fill(T *p, uint64_t n)
{
	for (uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n;
	     i += (uint64_t)gridDim.x * blockDim.x) {
		uint32_t h = (uint32_t)i * 0x7feb352du;

		h = (h ^ h >> 15) * 0x846ca68bu;
		p[i] = to_elem<T>((float)(h >> 16) * 0x1p-15f - 1.0f);
	}
}

cudaError_t cuda_fill(void *p, uint64_t n, enum cuda_elem elem, cudaStream_t stream)
{
	if (elem == CUDA_BF16)
		fill<<<1024, NARROW, 0, stream>>>((__nv_bfloat16 *)p, n);
	else
		fill<<<1024, NARROW, 0, stream>>>((__half *)p, n);
	return cudaGetLastError();
}
