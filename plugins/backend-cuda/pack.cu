/* SPDX-License-Identifier: Apache-2.0 */
/* Weights into place: from file formats, from the generator of random: models; and back to 16-bit rows. */
#include "forms.cuh"
#include "raw.cuh"

enum { PACK_THREADS = 256 };

/* Where row `row` of the matrix (or of its second half) stands: tile, half and row of eight. */
struct packed_row {
	uint32_t tile, h, g;
};

static __device__ __forceinline__ struct packed_row place_of(const struct cuda_matrix &m, uint32_t row,
							     int second)
{
	if (m.pair)
		return { row / 8, (uint32_t)second, row % 8 };
	return { row / 16, row % 16 / 8, row % 8 };
}

/* One thread packs what one lane uses of one row in one unit: 2 blocks of 8 elements. */
template <int BITS, bool MIN>
static __device__ void pack_lane(unsigned char *unit, uint32_t h, uint32_t g, uint32_t t, uint32_t b,
				 const struct raw_code c[8])
{
	typedef planes<BITS, MIN> at;
	const uint32_t lane = 4 * g + t;
	__half *scale = (__half *)(unit + at::SCALES_AT + at::scale_at(g, t));

	if (BITS == 8) {
		for (int i = 0; i < 8; i++)
			unit[512 * h + lane * 16 + 8 * b + i] = (unsigned char)c[i].code;
	} else {
		uint32_t low = 0;

		for (int j = 0; j < 4; j++)
			low |= (uint32_t)(c[2 * j].code & 15) << (4 * j) | (uint32_t)(c[2 * j + 1].code & 15)
										   << (16 + 4 * j);
		((uint32_t *)unit)[lane * 4 + 2 * h + b] = low;
	}
	if (MIN) {
		scale[2 * (2 * h + b)] = __float2half_rn(c[0].scale);
		scale[2 * (2 * h + b) + 1] = __float2half_rn(c[0].minimum);
	} else {
		scale[2 * h + b] = __float2half_rn(c[0].scale);
	}
}

/* Bits above the low four, of both blocks. Byte h of each half of a lane's word for five bits; word h for
 * six. */
template <int BITS>
static __device__ void pack_high(unsigned char *high, uint32_t lane, uint32_t h,
				 const struct raw_code c[2][8])
{
	uint32_t word = 0;

	for (int b = 0; b < 2; b++)
		for (int i = 0; i < 8; i++)
			word |= (uint32_t)(c[b][i].code >> 4)
				<< (i % 2 * 16 + (BITS == 5 ? 4 * b + i / 2 : 8 * b + i / 2 * 2));
	if (BITS == 5) {
		high[lane * 4 + h] = (unsigned char)word;
		high[lane * 4 + 2 + h] = (unsigned char)(word >> 16);
	} else {
		((uint32_t *)high)[lane * 2 + h] = word;
	}
}

template <int BITS, bool MIN>
__global__ void pack(const struct cuda_matrix m, unsigned char *w, uint32_t type, const uint8_t *raw,
		     uint64_t row_bytes, uint32_t row0, uint32_t n_rows, int second)
{
	const uint32_t units = m.k / CUDA_UNIT_K;
	const uint64_t i = (uint64_t)blockIdx.x * PACK_THREADS + threadIdx.x;
	const uint32_t t = (uint32_t)(i % 4), unit = (uint32_t)(i / 4 % units);
	const uint64_t row = i / 4 / units;

	if (row >= n_rows)
		return;
	const struct packed_row to = place_of(m, row0 + (uint32_t)row, second);
	unsigned char *at = w + ((uint64_t)to.tile * units + unit) * planes<BITS, MIN>::BYTES;
	struct raw_code c[2][8] = {};

	for (uint32_t b = 0; b < 2; b++) {
		const uint64_t k = (uint64_t)unit * CUDA_UNIT_K + b * 32 + 8 * t;

		if (k >= m.cols)
			continue;
		for (uint32_t j = 0; j < 8; j++)
			c[b][j] = raw_read(type, raw + row * row_bytes, k + j);
		pack_lane<BITS, MIN>(at, to.h, to.g, t, b, c[b]);
	}
	if (BITS == 5 || BITS == 6)
		pack_high<BITS>(at + planes<BITS, MIN>::HIGH_AT, 4 * to.g + t, to.h, c);
}

template <class T>
__global__ void pack_rows(const struct cuda_matrix m, T *w, uint32_t type, const uint8_t *raw,
			  uint64_t row_bytes, uint32_t row0, uint32_t n_rows, int second)
{
	const uint64_t i = (uint64_t)blockIdx.x * PACK_THREADS + threadIdx.x, row = i / m.cols,
		       k = i % m.cols;

	if (row < n_rows)
		w[(row0 + row + (second ? m.pair : 0)) * m.k + k] =
			to_elem<T>(raw_value(type, raw + row * row_bytes, k));
}

cudaError_t cuda_pack(const struct cuda_matrix *m, void *w, uint32_t type, const void *raw,
		      uint64_t row_bytes, uint32_t row0, uint32_t n_rows, int second, cudaStream_t stream)
{
	const int packed = m->form >= CUDA_FORM_P4;
	const uint64_t threads = (uint64_t)n_rows * (packed ? 4 * (m->k / CUDA_UNIT_K) : m->cols);
	const unsigned blocks = (unsigned)((threads + PACK_THREADS - 1) / PACK_THREADS);
	const uint8_t *from = (const uint8_t *)raw;
	unsigned char *to = (unsigned char *)w;

	switch (m->form) {
	case CUDA_FORM_F16:
		pack_rows<<<blocks, PACK_THREADS, 0, stream>>>(*m, (__half *)w, type, from, row_bytes, row0,
							       n_rows, second);
		break;
	case CUDA_FORM_BF16:
		pack_rows<<<blocks, PACK_THREADS, 0, stream>>>(*m, (__nv_bfloat16 *)w, type, from, row_bytes,
							       row0, n_rows, second);
		break;
	case CUDA_FORM_F32:
		pack_rows<<<blocks, PACK_THREADS, 0, stream>>>(*m, (float *)w, type, from, row_bytes, row0,
							       n_rows, second);
		break;
	case CUDA_FORM_P4:
		pack<4, false><<<blocks, PACK_THREADS, 0, stream>>>(*m, to, type, from, row_bytes, row0,
								    n_rows, second);
		break;
	case CUDA_FORM_P4M:
		pack<4, true><<<blocks, PACK_THREADS, 0, stream>>>(*m, to, type, from, row_bytes, row0,
								   n_rows, second);
		break;
	case CUDA_FORM_P5:
		pack<5, false><<<blocks, PACK_THREADS, 0, stream>>>(*m, to, type, from, row_bytes, row0,
								    n_rows, second);
		break;
	case CUDA_FORM_P5M:
		pack<5, true><<<blocks, PACK_THREADS, 0, stream>>>(*m, to, type, from, row_bytes, row0,
								   n_rows, second);
		break;
	case CUDA_FORM_P6:
		pack<6, false><<<blocks, PACK_THREADS, 0, stream>>>(*m, to, type, from, row_bytes, row0,
								    n_rows, second);
		break;
	default:
		pack<8, false><<<blocks, PACK_THREADS, 0, stream>>>(*m, to, type, from, row_bytes, row0,
								    n_rows, second);
		break;
	}
	return cudaGetLastError();
}

/* --- random models: the same bits as core/model/random.c --------------------------------- */

static __device__ __forceinline__ uint32_t mix32(uint32_t x)
{
	x = (x ^ x >> 16) * 0x7feb352du;
	x = (x ^ x >> 15) * 0x846ca68bu;
	return x ^ x >> 16;
}

template <class T>
__global__ void generate(const struct cuda_matrix m, T *w, const uint64_t *keys, float scale, uint32_t row0,
			 uint32_t n_rows, int second)
{
	const uint64_t i = (uint64_t)blockIdx.x * PACK_THREADS + threadIdx.x, row = i / m.cols;
	const uint32_t k = (uint32_t)(i % m.cols);

	if (row >= n_rows)
		return;
	const uint64_t key = keys[row];
	const uint32_t h = mix32(mix32((uint32_t)key + k) ^ (uint32_t)(key >> 32));
	const uint32_t pairs = (h & 0x00ff00ffu) + (h >> 8 & 0x00ff00ffu);
	const int32_t sum = (int32_t)((pairs & 0xffffu) + (pairs >> 16)) - 510;

	w[(row0 + row + (second ? m.pair : 0)) * m.k + k] =
		to_elem<T>(__fadd_rn(0.0f, __fmul_rn(scale, (float)sum)));
}

cudaError_t cuda_generate(const struct cuda_matrix *m, void *w, uint32_t type, const uint64_t *keys,
			  float spread, uint32_t row0, uint32_t n_rows, int second, cudaStream_t stream)
{
	const float scale = spread / sqrtf(4.0f * 65535.0f / 12.0f);
	const unsigned blocks = (unsigned)(((uint64_t)n_rows * m->cols + PACK_THREADS - 1) / PACK_THREADS);

	(void)type;
	if (m->form == CUDA_FORM_F16)
		generate<<<blocks, PACK_THREADS, 0, stream>>>(*m, (__half *)w, keys, scale, row0, n_rows,
							      second);
	else if (m->form == CUDA_FORM_BF16)
		generate<<<blocks, PACK_THREADS, 0, stream>>>(*m, (__nv_bfloat16 *)w, keys, scale, row0,
							      n_rows, second);
	else
		generate<<<blocks, PACK_THREADS, 0, stream>>>(*m, (float *)w, keys, scale, row0, n_rows,
							      second);
	return cudaGetLastError();
}

/* --- back to 16-bit rows ------------------------------------------------------------------ */

/* A warp a unit. */
template <int BITS, bool MIN> __global__ void unpack(const struct cuda_matrix m, __half *out)
{
	typedef form_packed<BITS, MIN> form;
	typedef planes<BITS, MIN> at;
	const uint32_t units = m.k / CUDA_UNIT_K, tiles = m.pair ? (m.rows + 7) / 8 : (m.rows + 15) / 16;
	const uint64_t i = (uint64_t)blockIdx.x * (PACK_THREADS / 32) + threadIdx.x / 32;
	const uint32_t tile = (uint32_t)(i / units), unit = (uint32_t)(i % units);
	const uint32_t lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
	const unsigned char *from = (const unsigned char *)m.w + i * at::BYTES;
	const unsigned char *scales = from + at::SCALES_AT + at::scale_at(g, t);
	typename form::lane l = {};
	struct operands o;

	if (tile >= tiles)
		return;
	*(uint4 *)l.low = *(const uint4 *)(from + lane * 16);
	if (BITS == 8)
		*(uint4 *)(l.low + (BITS == 8 ? 4 : 0)) = *(const uint4 *)(from + 512 + lane * 16);
	if (BITS == 5)
		l.high[0] = *(const uint32_t *)(from + at::HIGH_AT + lane * 4);
	if (BITS == 6)
		*(uint2 *)l.high = *(const uint2 *)(from + at::HIGH_AT + lane * 8);
	if (MIN)
		*(uint4 *)l.scales = *(const uint4 *)scales;
	else
		*(uint2 *)l.scales = *(const uint2 *)scales;
	form::expand(l, &o);
#pragma unroll
	for (int h = 0; h < 2; h++)
#pragma unroll
		for (int b = 0; b < 2; b++) {
			const uint4 v =
				make_uint4(o.a[b][0][h], o.a[b][0][2 + h], o.a[b][1][h], o.a[b][1][2 + h]);
			const uint64_t row = tile_row(tile, h, m.pair) + g;

			*(uint4 *)(out + row * m.k + unit * CUDA_UNIT_K + b * 32 + 8 * t) = v;
		}
}

cudaError_t cuda_unpack(const struct cuda_matrix *m, void *out, cudaStream_t stream)
{
	const uint64_t tiles = m->pair ? (m->rows + 7) / 8 : (m->rows + 15) / 16,
		       units = tiles * (m->k / CUDA_UNIT_K);
	const unsigned blocks = (unsigned)((units + PACK_THREADS / 32 - 1) / (PACK_THREADS / 32));
	__half *to = (__half *)out;

	switch (m->form) {
	case CUDA_FORM_P4:
		unpack<4, false><<<blocks, PACK_THREADS, 0, stream>>>(*m, to);
		break;
	case CUDA_FORM_P4M:
		unpack<4, true><<<blocks, PACK_THREADS, 0, stream>>>(*m, to);
		break;
	case CUDA_FORM_P5:
		unpack<5, false><<<blocks, PACK_THREADS, 0, stream>>>(*m, to);
		break;
	case CUDA_FORM_P5M:
		unpack<5, true><<<blocks, PACK_THREADS, 0, stream>>>(*m, to);
		break;
	case CUDA_FORM_P6:
		unpack<6, false><<<blocks, PACK_THREADS, 0, stream>>>(*m, to);
		break;
	case CUDA_FORM_P8:
		unpack<8, false><<<blocks, PACK_THREADS, 0, stream>>>(*m, to);
		break;
	default:
		return cudaErrorInvalidValue;
	}
	return cudaGetLastError();
}
