/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random models: real shapes, the same bytes however they are read, weights
 * that keep activations near 1.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

static struct lsb_model *open_model(const char *spec)
{
	struct lsb_error err = { 0 };
	struct lsb_model *m = NULL;

	ck_assert_msg(lsb_model_open(spec, &m, &err) == LSB_OK, "%s: %s", spec, err.msg);
	return m;
}

static uint8_t *read_all(const struct lsb_model *m, const struct lsb_tensor *t)
{
	uint8_t *data = malloc(t->bytes);
	struct lsb_error err;

	ck_assert_int_eq(lsb_model_read(m, t, 0, t->bytes, data, &err), LSB_OK);
	return data;
}

/* Bytes of the two copies of tensor `role` of layer `layer`, compared. */
static int equal(const char *spec_a, const char *spec_b, enum lsb_role role, int32_t layer)
{
	struct lsb_model *a = open_model(spec_a), *b = open_model(spec_b);
	const struct lsb_tensor *t = lsb_model_tensor(a, role, layer);
	uint8_t *x = read_all(a, t), *y = read_all(b, lsb_model_tensor(b, role, layer));
	const int same = !memcmp(x, y, t->bytes);

	free(x);
	free(y);
	lsb_model_close(a);
	lsb_model_close(b);
	return same;
}

START_TEST(rows_do_not_depend_on_how_they_are_read)
{
	static const char *const specs[] = { "random:tiny:f32", "random:tiny:q8_0:5", "random:tiny:q4_1",
					     "random:small:q4_k", "random:small:q6_k" };
	struct lsb_model *m = open_model(specs[_i]);
	const struct lsb_tensor *t = lsb_model_tensor(m, LSB_ROLE_DOWN, 3);
	uint8_t *whole = read_all(m, t), *parts = calloc(1, t->bytes);
	struct lsb_error err;

	for (uint64_t end = t->rows, n = 1; end > 0; n = n % 7 + 1) { /* backwards, 1 to 7 rows at a time */
		const uint64_t k = n < end ? n : end;

		end -= k;
		ck_assert_int_eq(lsb_model_read(m, t, end * t->row_bytes, k * t->row_bytes,
						parts + end * t->row_bytes, &err),
				 LSB_OK);
	}
	ck_assert_mem_eq(whole, parts, t->bytes);
	free(whole);
	free(parts);
	lsb_model_close(m);
}
END_TEST

START_TEST(equal_seeds_give_equal_weights_and_others_do_not)
{
	ck_assert(equal("random:tiny:q8_0:7", "random:tiny:q8_0:7", LSB_ROLE_Q, 1));
	ck_assert(equal("random:tiny", "random:tiny:f16:0", LSB_ROLE_Q, 1));
	ck_assert(!equal("random:tiny:q8_0:7", "random:tiny:q8_0:8", LSB_ROLE_Q, 1));
}
END_TEST

START_TEST(layers_and_roles_differ)
{
	struct lsb_model *m = open_model("random:tiny:f32");
	uint8_t *first = read_all(m, lsb_model_tensor(m, LSB_ROLE_K, 0));
	uint8_t *next = read_all(m, lsb_model_tensor(m, LSB_ROLE_K, 1));
	uint8_t *value = read_all(m, lsb_model_tensor(m, LSB_ROLE_V, 0));

	ck_assert_mem_ne(first, next, 256);
	ck_assert_mem_ne(first, value, 256);
	ck_assert_mem_ne(first, first + 256, 256); /* rows too */
	free(first);
	free(next);
	free(value);
	lsb_model_close(m);
}
END_TEST

/* The generator's own definition is frozen: other backends and later versions must give these. */
START_TEST(first_weights_are_the_known_ones)
{
	static const float known[4] = { 0x1.29ea4p-4f, 0x1.83fb7cp-6f, -0x1.c943d2p-5f, 0x1.22fc9ep-4f };
	struct lsb_model *m = open_model("random:tiny:f32:1");
	float row[64];
	struct lsb_error err;

	ck_assert_int_eq(lsb_model_read(m, lsb_model_tensor(m, LSB_ROLE_GATE, 2), 256, 256, row, &err),
			 LSB_OK);
	for (int i = 0; i < 4; i++)
		ck_assert_msg(row[i] == known[i], "%d: %a", i, (double)row[i]);
	lsb_model_close(m);
}
END_TEST

START_TEST(weights_have_variance_one_over_columns)
{
	struct lsb_model *m = open_model("random:small:f32");
	const struct lsb_tensor *t = lsb_model_tensor(m, LSB_ROLE_DOWN, 0);
	uint8_t *data = read_all(m, t);
	const uint64_t n = t->rows * t->cols;
	double sum = 0.0, squares = 0.0;

	for (uint64_t i = 0; i < n; i++) {
		float x;

		memcpy(&x, data + 4 * i, sizeof(x));
		sum += (double)x;
		squares += (double)x * (double)x;
	}
	ck_assert_double_lt(fabs(sum / (double)n), 5.0 / sqrt((double)n * (double)t->cols));
	ck_assert_double_eq_tol(squares / (double)n * (double)t->cols, 1.0, 0.01);
	free(data);
	lsb_model_close(m);
}
END_TEST

START_TEST(norms_are_f32_near_one)
{
	struct lsb_model *m = open_model("random:tiny:q4_0");
	const struct lsb_tensor *t = lsb_model_tensor(m, LSB_ROLE_FFN_NORM, 2);
	float norm[64];
	struct lsb_error err;

	ck_assert_uint_eq(t->type, LSB_TYPE_F32);
	ck_assert_int_eq(lsb_model_read(m, t, 0, t->bytes, norm, &err), LSB_OK);
	for (int i = 0; i < 64; i++)
		ck_assert_float_eq_tol(norm[i], 1.0f, 0.4f);
	lsb_model_close(m);
}
END_TEST

START_TEST(tied_head_reads_the_embedding)
{
	struct lsb_model *m = open_model("random:tiny:q8_0");
	uint8_t *embed = read_all(m, lsb_model_tensor(m, LSB_ROLE_EMBED, -1));
	uint8_t *head = read_all(m, lsb_model_tensor(m, LSB_ROLE_HEAD, -1));

	ck_assert_uint_eq(lsb_model_hparams(m)->tied, 1);
	ck_assert_mem_eq(embed, head, lsb_model_tensor(m, LSB_ROLE_HEAD, -1)->bytes);
	free(embed);
	free(head);
	lsb_model_close(m);
}
END_TEST

/* Parameters of the real models, as published; the shapes must add up to them. */
static const struct {
	const char *spec;
	double parameters;
} published[] = {
	{ "random:smollm2-135m", 134.515e6 }, { "random:openllama-3b", 3.426e9 },
	{ "random:llama-2-7b", 6.738e9 },     { "random:llama-3.2-1b", 1.236e9 },
	{ "random:llama-3.1-8b", 8.030e9 },
};

START_TEST(shapes_add_up_to_the_published_parameters)
{
	struct lsb_model *m = open_model(published[_i].spec);
	const struct lsb_hparams *hp = lsb_model_hparams(m);
	double n = 0.0;

	for (int role = LSB_ROLE_EMBED; role <= (hp->tied ? LSB_ROLE_OUT_NORM : LSB_ROLE_HEAD); role++) {
		const struct lsb_tensor *t = lsb_model_tensor(m, (enum lsb_role)role, -1);

		n += (double)t->rows * (double)t->cols;
	}
	for (int role = 0; role < LSB_LAYER_ROLES; role++) {
		const struct lsb_tensor *t = lsb_model_tensor(m, (enum lsb_role)role, 0);

		n += (double)hp->layers * (double)t->rows * (double)t->cols;
	}
	ck_assert_double_eq_tol(n / published[_i].parameters, 1.0, 0.001);
	ck_assert_str_eq(lsb_model_name(m), published[_i].spec + strlen("random:"));
	lsb_model_close(m);
}
END_TEST

START_TEST(random_models_have_no_metadata)
{
	struct lsb_model *m = open_model("random:tiny:F16");
	int64_t value;
	double real;

	ck_assert_int_eq(lsb_model_is_random(m), 1);
	ck_assert_uint_eq(lsb_model_hparams(m)->vocab, 512);
	ck_assert_ptr_null(lsb_model_string(m, "general.architecture", NULL));
	ck_assert_int_eq(lsb_model_int(m, "llama.block_count", &value), -1);
	ck_assert_int_eq(lsb_model_float(m, "llama.rope.freq_base", &real), -1);
	ck_assert_uint_eq(lsb_model_array(m, "tokenizer.ggml.tokens"), 0);
	ck_assert_ptr_null(lsb_model_array_string(m, "tokenizer.ggml.tokens", 0).ptr);
	ck_assert_uint_eq(lsb_model_tensor(m, LSB_ROLE_ROPE_FREQS, -1)->rows, 0);
	lsb_model_close(m);
}
END_TEST

static const struct {
	const char *spec, *fragment;
} wrong[] = {
	{ "random:", "no such shape" },
	{ "random:tinny", "did you mean 'tiny'" },
	{ "random:llama-3.1-7b", "did you mean 'llama-3.1-8b'" },
	{ "random:x",
	  "known: tiny, small, smollm2-135m, openllama-3b, llama-2-7b, llama-3.2-1b, llama-3.1-8b" },
	{ "random:tiny:q9", "'q9' is no tensor type; known: f32, f16" },
	{ "random:tiny:q4_k", "no whole number of q4_k blocks of 256" },
	{ "random:openllama-3b:q6_k", "rows of 3200 elements" },
	{ "random:tiny:f16:-1", "seed '-1'" },
	{ "random:tiny:f16:18446744073709551616", "seed '18446744073709551616'" },
	{ "random:tiny:f16:", "seed ''" },
	{ "random:tiny:f16:1:2", "is not random:NAME" },
};

START_TEST(wrong_spec_is_refused_and_says_why)
{
	struct lsb_error err = { 0 };
	struct lsb_model *m = NULL;

	ck_assert_int_eq(lsb_model_open(wrong[_i].spec, &m, &err), LSB_EMODEL);
	ck_assert_msg(!strncmp(err.msg, "model: ", 7) && strstr(err.msg, wrong[_i].fragment), "%s", err.msg);
}
END_TEST

START_TEST(part_of_a_row_is_refused)
{
	struct lsb_model *m = open_model("random:tiny");
	const struct lsb_tensor *t = lsb_model_tensor(m, LSB_ROLE_Q, 0);
	struct lsb_error err;
	uint8_t row[256];

	ck_assert_int_eq(lsb_model_read(m, t, 2, t->row_bytes, row, &err), LSB_EINVAL);
	ck_assert_int_eq(lsb_model_read(m, t, 0, t->row_bytes - 2, row, &err), LSB_EINVAL);
	lsb_model_close(m);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("random");
	TCase *tc = tcase_create("models");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, rows_do_not_depend_on_how_they_are_read, 0, 5);
	tcase_add_test(tc, equal_seeds_give_equal_weights_and_others_do_not);
	tcase_add_test(tc, layers_and_roles_differ);
	tcase_add_test(tc, first_weights_are_the_known_ones);
	tcase_add_test(tc, weights_have_variance_one_over_columns);
	tcase_add_test(tc, norms_are_f32_near_one);
	tcase_add_test(tc, tied_head_reads_the_embedding);
	tcase_add_loop_test(tc, shapes_add_up_to_the_published_parameters, 0,
			    sizeof(published) / sizeof(published[0]));
	tcase_add_test(tc, random_models_have_no_metadata);
	tcase_add_loop_test(tc, wrong_spec_is_refused_and_says_why, 0, sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_test(tc, part_of_a_row_is_refused);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
