/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel_data.h"

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_MAX = 1003 };
static const size_t lengths[] = { 1, 2, 15, 16, 17, 64, 96, 100, 576, 1003 };
enum { N_LENGTHS = sizeof(lengths) / sizeof(lengths[0]) };

static float x[N_MAX], w[N_MAX], out[N_MAX];

static double ulp_of(double v)
{
	return nextafterf((float)fabs(v), INFINITY) - (float)fabs(v);
}

START_TEST(rms_norm_is_within_rounding_of_double_precision)
{
	const struct lsb_kernels *k = isa_or_skip(_i);

	for (size_t i = 0; k && i < N_LENGTHS; i++) {
		const size_t n = lengths[i];
		double sum = 0.0;

		random_fill(11, x, n);
		random_fill(12, w, n);
		k->rms_norm(x, w, n, 1e-5f, out);
		for (size_t j = 0; j < n; j++)
			sum += (double)x[j] * x[j];
		for (size_t j = 0; j < n; j++) {
			const double want = x[j] / sqrt(sum / (double)n + 1e-5f) * w[j];

			/*
			 * two products, and the sum of n squares held in at least 16 partial sums, halved by
			 * the root
			 */
			ck_assert_double_eq_tol(out[j], want,
						fabs(want) * (4.0 + (double)n / 32.0) * FLT_EPSILON);
		}
	}
}
END_TEST

START_TEST(rope_turns_adjacent_pairs_and_leaves_the_rest)
{
	static const size_t dims[] = { 64, 80, 96, 100, 128, 6 };
	const struct lsb_kernels *k = isa_or_skip(_i);

	for (size_t i = 0; k && i < 6; i++) {
		const size_t head = dims[i], rot = head - (i % 2) * 4, heads = 3;
		float cs[128], before[3 * 128];

		for (size_t j = 0; j < rot / 2; j++) {
			cs[2 * j] = cosf((float)j * 0.37f + 0.1f);
			cs[2 * j + 1] = sinf((float)j * 0.37f + 0.1f);
		}
		random_fill(13, x, heads * head);
		memcpy(before, x, heads * head * sizeof(float));
		k->rope(x, heads, head, rot, cs);
		for (size_t j = 0; j < heads * head; j++) {
			const size_t d = j % head, c = d / 2 * 2;
			const double a = before[j - d % 2], b = before[j - d % 2 + 1];
			double want = before[j];

			if (d < rot)
				want = d % 2 ? a * cs[c + 1] + b * cs[c] : a * cs[c] - b * cs[c + 1];
			ck_assert_double_eq_tol(x[j], want, d < rot ? 2.0 * FLT_EPSILON : 1e-30);
		}
	}
}
END_TEST

static double silu(double g)
{
	return g / (1.0 + exp(-g));
}

START_TEST(silu_is_within_four_ulp_over_the_whole_range)
{
	const struct lsb_kernels *k = isa_or_skip(_i);

	if (!k)
		return;
	for (float base = -87.0f; base < 120.0f; base += 7.3f) {
		for (size_t i = 0; i < N_MAX; i++) {
			x[i] = base + 8.0f * random_value(14, i);
			w[i] = 1.0f;
		}
		k->silu_mul(x, w, N_MAX, out);
		for (size_t i = 0; i < N_MAX; i++) {
			const double want = silu(x[i]);

			/*
			 * 2 of exp, half each of the sum and the quotient, and the product with 1; where exp
			 * overflows the result is 0 instead of at most 89 exp(-88.7)
			 */
			ck_assert_double_eq_tol(out[i], want, 4.0 * ulp_of(want) + 3e-37);
		}
	}
}
END_TEST

START_TEST(silu_of_extremes_stays_defined)
{
	static const float gate[] = { 0.0f, -0.0f, 1e30f, -1e30f, INFINITY, -104.5f, 89.0f, 1e-40f, NAN };
	static const float ones[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	const struct lsb_kernels *k = isa_or_skip(_i);

	if (!k)
		return;
	k->silu_mul(gate, ones, 9, out);
	for (size_t i = 0; i < 8; i++)
		ck_assert(gate[i] == INFINITY ? out[i] == INFINITY
					      : fabs(out[i] - (double)(gate[i] > 0 ? silu(gate[i]) : 0)) <=
								1e-6 * fabs(gate[i]) + 1e-37 ||
							fabs(out[i]) < 1e-37);
	ck_assert(isnan(out[8]));
}
END_TEST

START_TEST(silu_may_write_over_its_gate)
{
	const struct lsb_kernels *k = isa_or_skip(_i);

	if (!k)
		return;
	random_fill(15, x, N_MAX);
	random_fill(16, w, N_MAX);
	k->silu_mul(x, w, N_MAX, out);
	k->silu_mul(x, w, N_MAX, x);
	ck_assert_mem_eq(x, out, sizeof(out));
}
END_TEST

START_TEST(add_adds_and_stops_at_the_end)
{
	const struct lsb_kernels *k = isa_or_skip(_i);

	for (size_t i = 0; k && i < N_LENGTHS - 1; i++) {
		const size_t n = lengths[i];

		random_fill(17, x, N_MAX);
		random_fill(18, w, N_MAX);
		k->add(x, w, n);
		for (size_t j = 0; j < N_MAX; j++)
			ck_assert(x[j] == (j < n ? random_value(17, j) + w[j] : random_value(17, j)));
	}
}
END_TEST

START_TEST(halves_are_rounded_to_nearest_even)
{
	const struct lsb_kernels *k = isa_or_skip(_i);
	uint16_t h[N_MAX];

	if (!k)
		return;
	for (size_t i = 0; i < N_MAX; i++)
		x[i] = ldexpf(random_value(19, i), (int)(i % 50) - 30);
	x[0] = 1.0f + 1.0f / 2048.0f; /* ties */
	x[1] = 1.0f + 3.0f / 2048.0f;
	x[2] = 65520.0f; /* rounds to infinity */
	x[3] = 65519.0f;
	x[4] = -0.0f;
	k->to_f16(x, N_MAX, h);
	for (size_t i = 0; i < N_MAX; i++)
		ck_assert_uint_eq(h[i], lsb_f32_to_f16(x[i]));
	ck_assert_uint_eq(h[0], 0x3c00);
	ck_assert_uint_eq(h[1], 0x3c02);
	ck_assert_uint_eq(h[2], 0x7c00);
	ck_assert_uint_eq(h[3], 0x7bff);
}
END_TEST

START_TEST(read_all_sums_every_word)
{
	const struct lsb_kernels *k = isa_or_skip(_i);
	uint64_t *p = aligned_bytes(64 * 100), want = 0;

	for (size_t i = 0; i < 800; i++) {
		p[i] = i * i * 0x9e3779b97f4a7c15u;
		want += p[i];
	}
	if (k)
		ck_assert_uint_eq(k->read_all(p, 64 * 100), want);
	free(p);
}
END_TEST

/*
 * What one machine computes, another must: no table may differ in what activations it makes of equal numbers.
 */
START_TEST(int8_activations_have_the_same_bytes_in_every_instruction_set)
{
	const struct lsb_kernels *k = isa_or_skip(_i), *plain = lsb_kernels_plain();
	const size_t cols = 960;
	void *want, *got;

	if (!k)
		return;
	for (size_t i = 0; i < cols; i++)
		x[i] = ldexpf(random_value(20, i), (int)(i / 32 * 9) - 130);
	memset(x + 64, 0, 32 * sizeof(float));
	for (size_t i = 0; i < 32; i++) /* ties: 0.5 and 1.5 of a step */
		x[96 + i] = i == 0 ? 127.0f : (float)i + 0.5f;
	want = activations_make(plain, LSB_ACT_I8, x, cols, 1);
	got = activations_make(k, LSB_ACT_I8, x, cols, 1);
	ck_assert_mem_eq(got, want, cols / 32 * 64);
	free(want);
	free(got);
}
END_TEST

START_TEST(avx2_and_avx512_give_the_same_bits)
{
	const struct lsb_kernels *a = isa_or_skip(1), *b = isa_or_skip(2);
	static float oa[N_MAX], ob[N_MAX];

	if (!a || !b)
		return;
	for (size_t i = 0; i < N_MAX; i++) {
		x[i] = 20.0f * random_value(21, i);
		w[i] = random_value(22, i);
	}
	a->silu_mul(x, w, N_MAX, oa);
	b->silu_mul(x, w, N_MAX, ob);
	ck_assert_mem_eq(oa, ob, sizeof(oa));
	a->rms_norm(x, w, N_MAX, 1e-5f, oa);
	b->rms_norm(x, w, N_MAX, 1e-5f, ob);
	ck_assert_mem_eq(oa, ob, sizeof(oa));
	memcpy(oa, x, sizeof(oa));
	memcpy(ob, x, sizeof(ob));
	a->rope(oa, 9, 100, 100, w);
	b->rope(ob, 9, 100, 100, w);
	ck_assert_mem_eq(oa, ob, sizeof(oa));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kernels_elementwise");
	TCase *tc = tcase_create("elementwise");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, rms_norm_is_within_rounding_of_double_precision, 0, N_ISAS);
	tcase_add_loop_test(tc, rope_turns_adjacent_pairs_and_leaves_the_rest, 0, N_ISAS);
	tcase_add_loop_test(tc, silu_is_within_four_ulp_over_the_whole_range, 0, N_ISAS);
	tcase_add_loop_test(tc, silu_of_extremes_stays_defined, 0, N_ISAS);
	tcase_add_loop_test(tc, silu_may_write_over_its_gate, 0, N_ISAS);
	tcase_add_loop_test(tc, add_adds_and_stops_at_the_end, 0, N_ISAS);
	tcase_add_loop_test(tc, halves_are_rounded_to_nearest_even, 0, N_ISAS);
	tcase_add_loop_test(tc, read_all_sums_every_word, 0, N_ISAS);
	tcase_add_loop_test(tc, int8_activations_have_the_same_bytes_in_every_instruction_set, 0, N_ISAS);
	tcase_add_test(tc, avx2_and_avx512_give_the_same_bits);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
