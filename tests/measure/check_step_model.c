/* SPDX-License-Identifier: Apache-2.0 */
/* Fits against known models: what went in must come out. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "measure/step_model.h"

enum { ROOM = 400 };

/* What makes the samples: f is no straight line, as of real kernels. */
struct truth {
	double fixed_s, position_s, head_layers, contention[2];
};

static double layer_s(double tokens)
{
	return 0.001 * (tokens <= 1   ? 1
			: tokens <= 2 ? 1.7
			: tokens <= 4 ? 2.4
			: tokens <= 8 ? 4
				      : tokens / 3);
}

static double alone_s(const struct truth *t, const struct lsb_step_sample *s)
{
	return t->fixed_s + s->layers * (layer_s(s->tokens) + t->position_s * s->positions) +
	       (s->is_last && s->outputs > 0 ? t->head_layers * layer_s(s->outputs) : 0);
}

/* Decode steps and chunks of one node and of two, alone and beside each other. */
static size_t make(const struct truth *t, struct lsb_step_sample *out)
{
	static const double tokens[] = { 1, 2, 4, 8, 64 };
	static const struct {
		double layers;
		int is_last;
	} stages[] = { { 30, 1 }, { 16, 0 }, { 14, 1 }, { 10, 0 } };
	size_t n = 0;

	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++)
		for (size_t k = 0; k < 5; k++)
			for (int busy = 0; busy < (i ? 3 : 1); busy++)
				for (int depth = 1; depth <= 2; depth++) {
					struct lsb_step_sample s = {
						.layers = stages[i].layers,
						.is_last = stages[i].is_last,
						.tokens = tokens[k],
						.outputs = k < 4 ? tokens[k] : 0,
						.positions = tokens[k] * depth * (k < 4 ? 200 : 40),
						.busy = busy * 0.45,
						.weight = 1,
					};

					s.seconds = alone_s(t, &s) * (1 + t->contention[k == 4] * s.busy);
					out[n++] = s;
				}
	return n;
}

static const struct truth truths[] = { { 0, 0, 2, { 0, 0 } },
				       { 0.002, 0, 3, { 0.3, 0.1 } },
				       { 0.0005, 1e-6, 0, { 0, 0.4 } },
				       { 0, 2e-6, 1.5, { 0.7, 0.7 } } };

START_TEST(a_model_that_made_the_samples_is_found_again)
{
	const struct truth *t = &truths[_i];
	struct lsb_step_sample samples[ROOM];
	const size_t n = make(t, samples);
	struct lsb_step_model m;

	ck_assert_int_eq(lsb_step_model_fit(samples, n, 1, &m, NULL), 0);
	ck_assert_double_lt(m.residual, 0.002);
	for (size_t i = 0; i < n; i++) {
		const struct lsb_step_sample *s = &samples[i];

		ck_assert_double_eq_tol(
			lsb_step_model_s(&m, s->layers, s->is_last, s->tokens, s->outputs, s->positions) /
				alone_s(t, s),
			1, 0.01);
	}
	ck_assert_double_eq_tol(m.contention[0], t->contention[0], 0.01);
	ck_assert_double_eq_tol(m.contention[1], t->contention[1], 0.01);
	ck_assert_double_eq_tol(m.head_layers, t->head_layers, 0.05);
	/* other layers than any that were seen */
	ck_assert_double_eq_tol(lsb_step_model_s(&m, 5, 1, 4, 4, 1200) /
					alone_s(t, &(struct lsb_step_sample){ .layers = 5,
									      .is_last = 1,
									      .tokens = 4,
									      .outputs = 4,
									      .positions = 1200 }),
				1, 0.02);
}
END_TEST

START_TEST(a_disturbed_launch_does_not_pull)
{
	struct lsb_step_sample samples[ROOM];
	const size_t n = make(&truths[1], samples);
	struct lsb_step_model m;

	for (size_t i = 0; i < n; i += 5)
		samples[i].seconds *= 2.5;
	ck_assert_int_eq(lsb_step_model_fit(samples, n, 1, &m, NULL), 0);
	for (size_t i = 1; i < n; i += 5)
		ck_assert_double_eq_tol(lsb_step_model_s(&m, samples[i].layers, samples[i].is_last,
							 samples[i].tokens, samples[i].outputs,
							 samples[i].positions) /
						alone_s(&truths[1], &samples[i]),
					1, 0.02);
}
END_TEST

START_TEST(between_sizes_that_were_seen_a_layer_lies_on_their_line_and_beyond_them_too)
{
	struct lsb_step_sample samples[3] = { { 1, 0, 2, 0, 0, 0, 0.010, 1 },
					      { 1, 0, 4, 0, 0, 0, 0.014, 1 },
					      { 1, 0, 8, 0, 0, 0, 0.030, 1 } };
	struct lsb_step_model m;

	ck_assert_int_eq(lsb_step_model_fit(samples, 3, 0, &m, NULL), 0);
	ck_assert_double_eq_tol(lsb_step_model_s(&m, 1, 0, 3, 0, 0), 0.012, 1e-4);
	ck_assert_double_eq_tol(lsb_step_model_s(&m, 1, 0, 6, 0, 0), 0.022, 1e-4);
	ck_assert_double_eq_tol(lsb_step_model_s(&m, 1, 0, 10, 0, 0), 0.038, 2e-4);
	ck_assert_double_eq_tol(lsb_step_model_s(&m, 1, 0, 1, 0, 0), 0.010,
				1e-4); /* not less than the least */
}
END_TEST

/* One node alone cannot tell head from layers: then their sizes say. */
START_TEST(a_head_that_no_sample_tells_from_layers_weighs_what_its_bytes_say)
{
	struct lsb_step_sample sample = { 10, 1, 1, 1, 0, 0, 0.012, 1 };
	struct lsb_step_model m;

	ck_assert_int_eq(lsb_step_model_fit(&sample, 1, 2, &m, NULL), 0);
	ck_assert_double_eq_tol(m.head_layers, 2, 0.01);
	ck_assert_double_eq_tol(lsb_step_model_s(&m, 10, 1, 1, 1, 0), 0.012, 1e-5);
	ck_assert_double_eq_tol(lsb_step_model_s(&m, 10, 0, 1, 1, 0), 0.010, 2e-4);
}
END_TEST

/* More sizes than knots: neighbours share one, and the line still runs through them. */
START_TEST(any_number_of_sizes_fits)
{
	struct lsb_step_sample samples[ROOM];
	struct lsb_step_model m;

	for (size_t i = 0; i < ROOM; i++)
		samples[i] = (struct lsb_step_sample){ 4, 0, 1.0 + (double)i * 3, 0, 0, 0, 0, 1 };
	for (size_t i = 0; i < ROOM; i++)
		samples[i].seconds = 4 * 0.0001 * (5 + samples[i].tokens);
	ck_assert_int_eq(lsb_step_model_fit(samples, ROOM, 0, &m, NULL), 0);
	ck_assert_uint_lt(m.n_knots, LSB_STEP_KNOTS);
	for (size_t i = 0; i < ROOM; i += 7)
		ck_assert_double_eq_tol(
			lsb_step_model_s(&m, 4, 0, samples[i].tokens, 0, 0) / samples[i].seconds, 1, 0.01);
	ck_assert_int_eq(lsb_step_model_fit(samples, 0, 0, &m, NULL), LSB_EINVAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("step_model");
	TCase *tc = tcase_create("step_model");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, a_model_that_made_the_samples_is_found_again, 0,
			    sizeof(truths) / sizeof(truths[0]));
	tcase_add_test(tc, a_disturbed_launch_does_not_pull);
	tcase_add_test(tc, between_sizes_that_were_seen_a_layer_lies_on_their_line_and_beyond_them_too);
	tcase_add_test(tc, a_head_that_no_sample_tells_from_layers_weighs_what_its_bytes_say);
	tcase_add_test(tc, any_number_of_sizes_fits);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
