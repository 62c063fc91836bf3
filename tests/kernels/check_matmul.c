/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel_data.h"

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const size_t shapes[] = { 32, 96, 256, 512, 576, 1536, 3200, 8640 };
enum { N_SHAPES = sizeof(shapes) / sizeof(shapes[0]), ROWS = 43, TOKENS = 33 };

/* y of all panels and tokens; rows padded to LSB_PANEL. */
static float *product(const struct lsb_kernels *k, enum lsb_act kind, const struct matrix *m, const void *act,
		      size_t n)
{
	const size_t ldy = m->n_panels * LSB_PANEL;
	float *y = aligned_bytes(n * ldy * sizeof(float));

	k->matmul(m->type, kind, m->cols, m->panels, 0, m->n_panels, act, n, y, ldy);
	return y;
}

/*
 * How far y may be from the exact product of the dequantised weights with x.
 * fp32 sums: each of cols/2 + 1 additions in a row rounds to half an ulp of a
 * partial sum that is at most sum|w x|. int8 activations: each |x - d q| is at
 * most d/2 = amax/254 more, times |w|; BF16 ones: each is at most 2^-9 |x| off.
 * All are worst cases, so exceeding them is an error and not bad luck.
 */
static double tolerance(enum lsb_act kind, const float *w, const float *x, size_t cols)
{
	double sum = 0.0, quantisation = 0.0;

	for (size_t b = 0; b < cols; b += 32) {
		const size_t end = b + 32 < cols ? b + 32 : cols;
		double amax = 0.0, weights = 0.0;

		for (size_t i = b; i < end; i++) {
			sum += fabs((double)w[i] * x[i]);
			weights += fabs((double)w[i]);
			amax = fmax(amax, fabs((double)x[i]));
		}
		quantisation += weights * amax / 254.0 * 1.0001;
	}
	/* Weights with an offset or a minimum enter as two larger terms that cancel: hence the factor. */
	return (kind == LSB_ACT_I8     ? quantisation
		: kind == LSB_ACT_BF16 ? sum / 512.0
				       : 0.0) +
	       sum * (double)cols * FLT_EPSILON * (kind == LSB_ACT_F32 ? 0.5 : 4.0) + 1e-30;
}

static void check_against_double(const struct lsb_kernels *k, enum lsb_act kind, uint32_t type, size_t cols)
{
	enum { N = 5 };
	struct matrix m = matrix_make(k, type, ROWS, cols, 1);
	float *x = aligned_bytes(N * cols * sizeof(float)), *y;
	void *act;

	random_fill(2, x, N * cols);
	act = activations_make(k, kind, x, cols, N);
	y = product(k, kind, &m, act, N);
	for (size_t t = 0; t < N; t++) {
		for (size_t r = 0; r < ROWS; r++) {
			const float *w = m.values + r * cols, *xt = x + t * cols;
			double want = 0.0;

			for (size_t i = 0; i < cols; i++)
				want += (double)w[i] * xt[i];
			ck_assert_double_eq_tol(y[t * m.n_panels * LSB_PANEL + r], want,
						tolerance(kind, w, xt, cols));
		}
	}
	free(act);
	free(x);
	free(y);
	matrix_free(&m);
}

START_TEST(products_agree_with_double_precision_on_dequantised_weights)
{
	const struct lsb_kernels *k = isa_or_skip(_i / N_TYPES);
	const uint32_t type = types[_i % N_TYPES];

	for (size_t i = 0; k && i < N_SHAPES; i++)
		if (shapes[i] % lsb_type_block(type) == 0)
			check_against_double(k, k->act_kind(type), type, shapes[i]);
}
END_TEST

START_TEST(fp32_activations_work_with_every_type)
{
	const struct lsb_kernels *k = isa_or_skip(_i / N_TYPES);

	if (k)
		check_against_double(k, LSB_ACT_F32, types[_i % N_TYPES], 768);
}
END_TEST

static void check_invariance(const struct lsb_kernels *k, uint32_t type, size_t cols)
{
	const enum lsb_act kind = k->act_kind(type);
	const size_t bytes = k->act_bytes(kind, cols);
	struct matrix m = matrix_make(k, type, ROWS, cols, 3);
	const size_t ldy = m.n_panels * LSB_PANEL;
	float *x = aligned_bytes(TOKENS * cols * sizeof(float));
	float *alone = aligned_bytes(TOKENS * ldy * sizeof(float));
	float *y = aligned_bytes(TOKENS * ldy * sizeof(float));
	char *act;

	random_fill(4, x, TOKENS * cols);
	act = activations_make(k, kind, x, cols, TOKENS);
	for (size_t t = 0; t < TOKENS; t++) /* one token, one panel at a time */
		for (size_t p = 0; p < m.n_panels; p++)
			k->matmul(type, kind, cols, m.panels, p, p + 1, act + t * bytes, 1,
				  alone + t * ldy + p * LSB_PANEL, ldy);
	for (size_t n = 1; n <= TOKENS; n++) {
		const size_t first = TOKENS - n;

		memset(y, 0xa5, TOKENS * ldy * sizeof(float));
		k->matmul(type, kind, cols, m.panels, 0, m.n_panels, act + first * bytes, n, y, ldy);
		ck_assert_mem_eq(y, alone + first * ldy, n * ldy * sizeof(float));
	}
	free(act);
	free(x);
	free(alone);
	free(y);
	matrix_free(&m);
}

START_TEST(a_token_has_the_same_bits_alone_and_among_up_to_33)
{
	const struct lsb_kernels *k = isa_or_skip(_i / N_TYPES);
	const uint32_t type = types[_i % N_TYPES];

	for (size_t i = 0; k && i < N_SHAPES; i++)
		if (shapes[i] % lsb_type_block(type) == 0 && shapes[i] <= 1536)
			check_invariance(k, type, shapes[i]);
}
END_TEST

START_TEST(odd_column_counts_of_unquantised_types_work)
{
	const struct lsb_kernels *k = isa_or_skip(_i / 3);

	if (!k)
		return;
	check_against_double(k, LSB_ACT_F32, types[_i % 3], 1);
	check_against_double(k, LSB_ACT_F32, types[_i % 3], 101);
	check_invariance(k, types[_i % 3], 101);
}
END_TEST

/* Quantised types have exact integer dots and one prescribed order of fused operations. */
START_TEST(int8_products_have_the_same_bits_in_every_instruction_set)
{
	enum { N = 7 };
	const struct lsb_kernels *plain = lsb_kernels_plain(), *k = isa_or_skip(1 + _i / N_TYPES);
	const uint32_t type = types[_i % N_TYPES];
	const size_t cols = 1536;
	struct matrix m;
	float *x, *want, *got;
	void *act;

	if (!k || k->act_kind(type) != LSB_ACT_I8)
		return;
	m = matrix_make(plain, type, ROWS, cols, 5);
	x = aligned_bytes(N * cols * sizeof(float));
	random_fill(6, x, N * cols);
	act = activations_make(plain, LSB_ACT_I8, x, cols, N);
	want = product(plain, LSB_ACT_I8, &m, act, N);
	got = product(k, LSB_ACT_I8, &m, act, N);
	ck_assert_mem_eq(got, want, N * m.n_panels * LSB_PANEL * sizeof(float));
	free(act);
	free(x);
	free(want);
	free(got);
	matrix_free(&m);
}
END_TEST

START_TEST(fp32_products_have_the_same_bits_in_avx2_and_avx512)
{
	const struct lsb_kernels *a = isa_or_skip(1), *b = isa_or_skip(2);
	struct matrix m;
	float x[301], *ya, *yb;

	if (!a || !b)
		return;
	m = matrix_make(a, types[_i], ROWS, 301, 7);
	random_fill(8, x, 301);
	ya = product(a, LSB_ACT_F32, &m, x, 1);
	yb = product(b, LSB_ACT_F32, &m, x, 1);
	ck_assert_mem_eq(ya, yb, m.n_panels * LSB_PANEL * sizeof(float));
	free(ya);
	free(yb);
	matrix_free(&m);
}
END_TEST

/*
 * The largest dot products there are: every quant and activation at its limit, where 16-bit sums would
 * overflow.
 */
START_TEST(extreme_quants_do_not_saturate)
{
	const struct lsb_kernels *k = isa_or_skip(_i / N_TYPES), *plain = lsb_kernels_plain();
	const uint32_t type = types[_i % N_TYPES];
	const size_t cols = 512, row_bytes = cols / lsb_type_block(type) * lsb_type_bytes(type);
	uint8_t *file, *panel;
	float x[2 * 512], want[2 * LSB_PANEL], got[2 * LSB_PANEL];
	void *act, *act_f32;

	if (!k || k->act_kind(type) != LSB_ACT_I8)
		return;
	file = aligned_bytes(LSB_PANEL * row_bytes);
	panel = aligned_bytes(k->panel_bytes(type, cols));
	for (size_t i = 0; i < LSB_PANEL * row_bytes; i++) /* rows of all ones, all zeros, and 0x80 */
		file[i] = i / row_bytes % 3 == 0 ? 0xff : i / row_bytes % 3 == 1 ? 0x00 : 0x80;
	for (size_t i = 0; i < LSB_PANEL * row_bytes; i += lsb_type_bytes(type)) { /* d = m = 1.0 */
		uint8_t *d = file + i + (type == LSB_TYPE_Q6_K ? 208 : 0);

		memcpy(d, "\x00\x3c", 2);
		if (lsb_type_bytes(type) % 4 == 0)
			memcpy(d + 2, "\x00\x3c", 2);
	}
	k->pack(type, cols, file, row_bytes, LSB_PANEL, panel);
	for (size_t i = 0; i < cols; i++) {
		x[i] = 127.0f;
		x[cols + i] = -127.0f;
	}
	act = activations_make(k, LSB_ACT_I8, x, cols, 2);
	act_f32 = activations_make(plain, LSB_ACT_F32, x, cols, 2);
	plain->matmul(type, LSB_ACT_F32, cols, panel, 0, 1, act_f32, 2, want, LSB_PANEL);
	k->matmul(type, LSB_ACT_I8, cols, panel, 0, 1, act, 2, got, LSB_PANEL);
	for (size_t i = 0; i < 2 * LSB_PANEL; i++)
		ck_assert_float_eq_tol(got[i], want[i], fabsf(want[i]) * 1e-5f + 1e-5f);
	free(act);
	free(act_f32);
	free(file);
	free(panel);
}
END_TEST

START_TEST(a_nan_or_infinity_in_the_activations_shows_in_the_product)
{
	const struct lsb_kernels *k = isa_or_skip(_i / N_TYPES);
	const uint32_t type = types[_i % N_TYPES];
	const float bad[] = { NAN, -NAN, INFINITY, -INFINITY };
	struct matrix m;
	float x[256];

	if (!k)
		return;
	m = matrix_make(k, type, LSB_PANEL, 256, 9);
	for (size_t i = 0; i < 4; i++) {
		float *y;
		void *act;

		random_fill(10, x, 256);
		x[77] = bad[i];
		act = activations_make(k, k->act_kind(type), x, 256, 1);
		y = product(k, k->act_kind(type), &m, act, 1);
		ck_assert(!isfinite(y[3]));
		free(act);
		free(y);
	}
	matrix_free(&m);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kernels_matmul");
	TCase *tc = tcase_create("matmul");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, products_agree_with_double_precision_on_dequantised_weights, 0,
			    N_ISAS * N_TYPES);
	tcase_add_loop_test(tc, fp32_activations_work_with_every_type, 0, N_ISAS * N_TYPES);
	tcase_add_loop_test(tc, a_token_has_the_same_bits_alone_and_among_up_to_33, 0, N_ISAS * N_TYPES);
	tcase_add_loop_test(tc, odd_column_counts_of_unquantised_types_work, 0, N_ISAS * 3);
	tcase_add_loop_test(tc, int8_products_have_the_same_bits_in_every_instruction_set, 0, 2 * N_TYPES);
	tcase_add_loop_test(tc, fp32_products_have_the_same_bits_in_avx2_and_avx512, 0, 3);
	tcase_add_loop_test(tc, extreme_quants_do_not_saturate, 0, N_ISAS * N_TYPES);
	tcase_add_loop_test(tc, a_nan_or_infinity_in_the_activations_shows_in_the_product, 0,
			    N_ISAS * N_TYPES);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
