/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels for processors with AVX2, FMA and F16C: Haswell, Zen and later.
 *
 * As kernels_avx512.c, with two differences: a panel is worked off as two halves
 * of 8 rows, and an int8 dot product is pairs in 16 bits (vpmaddubsw, which
 * saturates) widened to 32 before they could overflow.
 */
#include "kernels_traits.h"

enum { ROWS = LSB_PANEL / 2 };

/*
 * How many vectors of pair products fit 16 bits: each is at most 2 * 127 * the
 * largest quant (15, 31, 63; for Q8_0 a magnitude of 128), and 32767 the limit.
 */
INLINE int pairs_that_fit(uint32_t type)
{
	return type == LSB_TYPE_Q8_0 ? 1 : high_vectors(type) == 2 ? 2 : high_vectors(type) == 1 ? 4 : 8;
}

/*
 * Compute a vector at this place. The compiler takes intrinsics for plain additions and puts all of a
 * sub-block's off to its end, with more products waiting for them than there are registers.
 */
#define KEEP_HERE(v) __asm__("" : "+x"(v))

INLINE __m256i load_vec(const uint8_t *p)
{
	return _mm256_loadu_si256((const __m256i *)p);
}

/* Quants k = 4j..4j+3 of 8 rows from a sub-block's vectors (kernels_pack.h): unsigned, but Q8_0's. */
INLINE __m256i load_quants(uint32_t type, const uint8_t *sub, int j)
{
	const int high = high_vectors(type);
	__m256i q, h;

	if (type == LSB_TYPE_Q8_0)
		return _mm256_xor_si256(load_vec(sub + j * LSB_VEC), _mm256_set1_epi8((char)0x80));
	q = load_vec(sub + (high + j % 4) * LSB_VEC);
	q = _mm256_and_si256(j < 4 ? q : _mm256_srli_epi16(q, 4), _mm256_set1_epi8(15));
	if (high == 1) { /* bit j to bit 4 */
		h = load_vec(sub);
		h = j < 4 ? _mm256_slli_epi16(h, 4 - j) : _mm256_srli_epi16(h, j - 4);
		q = _mm256_or_si256(q, _mm256_and_si256(h, _mm256_set1_epi8(0x10)));
	}
	if (high == 2) { /* bits 2 (j % 4) to bits 4 */
		h = load_vec(sub + j / 4 * LSB_VEC);
		h = j % 4 < 2 ? _mm256_slli_epi16(h, 4 - 2 * (j % 4)) : _mm256_srli_epi16(h, 2 * (j % 4) - 4);
		q = _mm256_or_si256(q, _mm256_and_si256(h, _mm256_set1_epi8(0x30)));
	}
	return q;
}

/* Sums of two products each, of quants with a broadcast of four activations. */
INLINE __m256i pair_products(uint32_t type, __m256i q, const int8_t *a)
{
	int32_t four;
	__m256i x;

	memcpy(&four, a, sizeof(four));
	x = _mm256_set1_epi32(four);
	if (type == LSB_TYPE_Q8_0) /* |q| and the activation with q's sign: their product has no third sign */
		return _mm256_maddubs_epi16(_mm256_abs_epi8(q), _mm256_sign_epi8(x, q));
	return _mm256_maddubs_epi16(q, x);
}

INLINE const struct lsb_act_block *token(const char *act, size_t step, size_t t)
{
	return (const struct lsb_act_block *)(act + t * step);
}

/* acc[t] += one sub-block, its quants j0..j1-1 having the row factors d. */
INLINE void dot_part(uint32_t type, size_t n, const uint8_t *sub, int j0, int j1, __m256 d, const char *act,
		     size_t step, __m256 *acc)
{
	const __m256i ones = _mm256_set1_epi16(1);
	__m256i dot[4], pairs[4];

	UNROLL
	for (size_t t = 0; t < n; t++)
		dot[t] = _mm256_set1_epi32(
			type == LSB_TYPE_Q8_0 ? 0 : dot_start(type, token(act, step, t), j0 / 4));
	UNROLL
	for (int j = j0; j < j1; j += pairs_that_fit(type)) {
		UNROLL
		for (int i = j; i < j + pairs_that_fit(type); i++) {
			const __m256i q = load_quants(type, sub, i);

			UNROLL
			for (size_t t = 0; t < n; t++) {
				const __m256i p = pair_products(type, q, token(act, step, t)->q + 4 * i);

				pairs[t] = i == j ? p : _mm256_add_epi16(pairs[t], p);
				KEEP_HERE(pairs[t]);
			}
		}
		UNROLL
		for (size_t t = 0; t < n; t++) {
			dot[t] = _mm256_add_epi32(dot[t], _mm256_madd_epi16(pairs[t], ones));
			KEEP_HERE(dot[t]);
		}
	}
	UNROLL
	for (size_t t = 0; t < n; t++)
		acc[t] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot[t]),
					 _mm256_mul_ps(d, _mm256_set1_ps(token(act, step, t)->d)), acc[t]);
}

/* 8 one-byte scales of a k-quant's head, and 8 halves, as fp32. */
INLINE __m256 load_scales(const uint8_t *p, int is_signed)
{
	const __m128i bytes = _mm_loadl_epi64((const __m128i *)p);

	return _mm256_cvtepi32_ps(is_signed ? _mm256_cvtepi8_epi32(bytes) : _mm256_cvtepu8_epi32(bytes));
}

INLINE __m256 load_halves(const uint8_t *p)
{
	return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}

/* acc[t] += sub-block `s`, rows row0..row0+7, of the block at `w`. */
INLINE void dot_sub(uint32_t type, size_t n, const uint8_t *w, size_t row0, size_t s, const char *act,
		    size_t step, __m256 *acc)
{
	const uint8_t *scales = w + LSB_HEAD_SCALES + 32 * s + row0;
	const uint8_t *sub = w + head_bytes(type) + s * sub_bytes(type) + 4 * row0;
	const __m256 d = load_halves(w + 2 * row0);
	__m256 m;

	if (type == LSB_TYPE_Q6_K) {
		dot_part(type, n, sub, 0, 4, _mm256_mul_ps(d, load_scales(scales, 1)), act, step, acc);
		dot_part(type, n, sub, 4, 8, _mm256_mul_ps(d, load_scales(scales + 16, 1)), act, step, acc);
		return;
	}
	dot_part(type, n, sub, 0, 8, is_k_quant(type) ? _mm256_mul_ps(d, load_scales(scales, 0)) : d, act,
		 step, acc);
	if (!has_min(type))
		return;
	m = load_halves(w + 32 + 2 * row0);
	if (is_k_quant(type))
		m = _mm256_sub_ps(_mm256_setzero_ps(), _mm256_mul_ps(m, load_scales(scales + 16, 0)));
	UNROLL
	for (size_t t = 0; t < n; t++)
		acc[t] = _mm256_fmadd_ps(m, _mm256_set1_ps(token(act, step, t)->sum), acc[t]);
}

/* Half a panel, n <= 4 tokens; n and type are constants where this is inlined. */
INLINE void dot_tile(uint32_t type, size_t n, size_t cols, const uint8_t *w, size_t row0, const char *act,
		     size_t step, float *y, size_t ldy)
{
	__m256 acc[4];

	UNROLL
	for (size_t t = 0; t < n; t++)
		acc[t] = _mm256_setzero_ps();
	for (size_t k = 0; k < cols; k += LSB_SUB * subs_of(type), w += block_bytes(type)) {
		for (size_t s = 0; s < subs_of(type); s++, act += sizeof(struct lsb_act_block)) {
			/* The first half's pass fetches for both. */
			for (size_t i = 0; i < (row0 ? 0 : share_bytes(type)); i += 64)
				fetch_weights(w + s * share_bytes(type) + i, n);
			dot_sub(type, n, w, row0, s, act, step, acc);
		}
	}
	UNROLL
	for (size_t t = 0; t < n; t++)
		_mm256_storeu_ps(y + t * ldy + row0, acc[t]);
}

INLINE void dot_panel(uint32_t type, size_t cols, const uint8_t *panel, const char *act, size_t n_tokens,
		      float *y, size_t ldy)
{
	const size_t step = lsb_act_bytes(LSB_ACT_I8, cols);
	size_t t = 0;

#define RUN_TILES(n)                                                                                         \
	for (; t + (n) <= n_tokens; t += (n))                                                                \
		for (size_t row0 = 0; row0 < LSB_PANEL; row0 += ROWS)                                        \
			dot_tile(type, (n), cols, panel, row0, act + t * step, step, y + t * ldy, ldy);
	RUN_TILES(4)
	RUN_TILES(2)
	RUN_TILES(1)
}

INLINE uint32_t max_lane(__m256i v)
{
	__m128i x = _mm_max_epu32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));

	x = _mm_max_epu32(x, _mm_shuffle_epi32(x, 0x4e));
	return (uint32_t)_mm_cvtsi128_si32(_mm_max_epu32(x, _mm_shuffle_epi32(x, 0xb1)));
}

INLINE int32_t sum_lanes(__m256i v)
{
	__m128i x = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));

	x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0x4e));
	return _mm_cvtsi128_si32(_mm_add_epi32(x, _mm_shuffle_epi32(x, 0xb1)));
}

/* As store_act_block in kernels_plain.c, bit for bit. */
static void store_act_block(const float *x, struct lsb_act_block *b)
{
	const __m256i bits = _mm256_set1_epi32(0x7fffffff);
	__m256i q[4], max = _mm256_setzero_si256();
	float amax, inverse;
	uint32_t top;

	UNROLL
	for (size_t i = 0; i < 4; i++) {
		q[i] = _mm256_and_si256(_mm256_castps_si256(_mm256_loadu_ps(x + 8 * i)), bits);
		max = _mm256_max_epu32(max, q[i]);
	}
	top = max_lane(max);
	memcpy(&amax, &top, sizeof(amax));
	inverse = amax >= LSB_ACT_MIN && amax <= LSB_ACT_MAX ? 127.0f / amax : 0.0f;
	UNROLL
	for (size_t i = 0; i < 4; i++) {
		q[i] = _mm256_setzero_si256();
		if (inverse > 0.0f)
			q[i] = _mm256_cvtps_epi32(
				_mm256_mul_ps(_mm256_loadu_ps(x + 8 * i), _mm256_set1_ps(inverse)));
	}
	b->neg32[0] = -32 * sum_lanes(_mm256_add_epi32(q[0], q[1]));
	b->neg32[1] = -32 * sum_lanes(_mm256_add_epi32(q[2], q[3]));
	max = _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
	max = _mm256_permutevar8x32_epi32(
		max, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)); /* packs works by lane */
	_mm256_storeu_si256((__m256i *)b->q, max);
	b->neg16 = (b->neg32[0] + b->neg32[1]) / 2;
	b->neg8 = b->neg16 / 2;
	b->neg128 = b->neg16 * 8;
	b->d = amax / 127.0f;
	b->sum = b->d * (float)(b->neg8 / -8);
	b->reserved = 0;
}

static uint64_t read_all(const void *p, size_t bytes)
{
	const char *from = p;
	__m256i sum[8];
	uint64_t rest = 0, lanes[4];
	size_t i = 0;

	UNROLL
	for (size_t j = 0; j < 8; j++)
		sum[j] = _mm256_setzero_si256();
	for (; i + 256 <= bytes; i += 256) {
		UNROLL
		for (size_t j = 0; j < 8; j++)
			sum[j] = _mm256_add_epi64(sum[j],
						  _mm256_loadu_si256((const __m256i *)(from + i + 32 * j)));
	}
	for (; i + 8 <= bytes; i += 8) {
		uint64_t word;

		memcpy(&word, from + i, sizeof(word));
		rest += word;
	}
	UNROLL
	for (size_t j = 1; j < 8; j++)
		sum[0] = _mm256_add_epi64(sum[0], sum[j]);
	_mm256_storeu_si256((__m256i *)lanes, sum[0]);
	return rest + lanes[0] + lanes[1] + lanes[2] + lanes[3];
}

#include "kernels_table.h"

const struct lsb_kernels lsb_table_avx2 = KERNEL_TABLE("avx2", lsb_panel_act_kind, act_store, matmul);
