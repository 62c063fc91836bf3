/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of exact and drawn lengths: what a suite may write, and what comes of it. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lengths.h"
#include "plugin/loader.h"

enum { MANY = 20000, CEILING = 1 << 20 };

static struct lsb_error err;

static struct lsb_lengths parsed(const char *text)
{
	struct lsb_lengths lengths;

	ck_assert_msg(lsb_lengths_parse("pp", text, CEILING, &lengths, &err) == LSB_OK, "%s", err.msg);
	return lengths;
}

START_TEST(a_number_is_always_that_length)
{
	const struct lsb_lengths lengths = parsed("512");

	for (uint64_t i = 0; i < 100; i++)
		ck_assert_uint_eq(lsb_lengths_at(&lengths, i, 1, i), 512);
}
END_TEST

START_TEST(a_list_comes_in_its_order_and_again)
{
	const struct lsb_lengths lengths = parsed(" list 128\t1 4096 ");
	static const uint32_t wanted[] = { 128, 1, 4096, 128, 1 };

	for (uint64_t i = 0; i < 5; i++)
		ck_assert_uint_eq(lsb_lengths_at(&lengths, 7, 1, i), wanted[i]);
}
END_TEST

START_TEST(a_range_reaches_both_ends_evenly)
{
	const struct lsb_lengths lengths = parsed("3..7");
	unsigned seen[8] = { 0 };

	for (uint64_t i = 0; i < MANY; i++) {
		const uint32_t length = lsb_lengths_at(&lengths, 1, 1, i);

		ck_assert_uint_ge(length, 3);
		ck_assert_uint_le(length, 7);
		seen[length]++;
	}
	for (uint32_t length = 3; length <= 7; length++) /* 5 standard deviations of a share of 1/5 */
		ck_assert_double_eq_tol(seen[length], MANY / 5.0, 5 * sqrt(MANY * 0.2 * 0.8));
}
END_TEST

/* Bounds that cut next to nothing off, so that the moments are the distribution's own. */
static const struct {
	const char *text;
	double mean, sd, median;
} moments[] = {
	{ "normal 500 50 1..1000", 500, 50, 500 },
	/* median of a lognormal: mean / sqrt(1 + sd^2 / mean^2) */
	{ "lognormal 500 250 1..100000", 500, 250, 447.2136 },
};

static int ascending(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

START_TEST(drawn_lengths_have_the_moments_that_were_asked_for)
{
	const struct lsb_lengths lengths = parsed(moments[_i].text);
	static uint32_t drawn[MANY];
	double sum = 0, squares = 0, mean;

	for (uint64_t i = 0; i < MANY; i++) {
		drawn[i] = lsb_lengths_at(&lengths, 42, 1, i);
		sum += drawn[i];
	}
	mean = sum / MANY;
	for (size_t i = 0; i < MANY; i++)
		squares += (drawn[i] - mean) * (drawn[i] - mean);
	qsort(drawn, MANY, sizeof(*drawn), ascending);
	ck_assert_double_eq_tol(mean, moments[_i].mean, 5 * moments[_i].sd / sqrt(MANY));
	ck_assert_double_eq_tol(sqrt(squares / MANY), moments[_i].sd, 0.05 * moments[_i].sd);
	ck_assert_double_eq_tol(drawn[MANY / 2], moments[_i].median, 0.03 * moments[_i].median);
}
END_TEST

START_TEST(bounds_hold_even_where_they_are_narrow)
{
	static const char *const texts[] = { "normal 500 400 490..510", "lognormal 100 10000 1..100" };

	for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++) {
		const struct lsb_lengths lengths = parsed(texts[k]);

		for (uint64_t i = 0; i < MANY; i++) {
			const uint32_t length = lsb_lengths_at(&lengths, 1, 1, i);

			ck_assert_uint_ge(length, lengths.least);
			ck_assert_uint_le(length, lengths.most);
		}
	}
}
END_TEST

START_TEST(without_bounds_a_length_is_cut_at_four_deviations)
{
	const struct lsb_lengths lengths = parsed("normal 100 50");

	ck_assert_uint_eq(lengths.least, 1);
	ck_assert_uint_eq(lengths.most, 300);
}
END_TEST

START_TEST(a_length_depends_on_seed_stream_and_index_alone)
{
	const struct lsb_lengths lengths = parsed("1..1000000");
	size_t n_seed = 0, n_stream = 0, n_next = 0;

	for (uint64_t i = 0; i < 1000; i++) {
		const uint32_t length = lsb_lengths_at(&lengths, 1, 1, i);

		ck_assert_uint_eq(lsb_lengths_at(&lengths, 1, 1, i), length);
		n_seed += lsb_lengths_at(&lengths, 2, 1, i) == length;
		n_stream += lsb_lengths_at(&lengths, 1, 2, i) == length;
		n_next += lsb_lengths_at(&lengths, 1, 1, i + 1) == length;
	}
	ck_assert_uint_lt(n_seed + n_stream + n_next, 5);
}
END_TEST

static const char *const wrong[] = {
	"",
	"0",
	"-5",
	"1048577",
	"99999999999999999999999",
	"12x",
	"7..3",
	"0..4",
	"3..",
	"..3",
	"normal",
	"normal 5",
	"normal 5 0",
	"normal 5 1 9..12",
	"normal 5 1 1..9 2",
	"lognormal 0 1",
	"list",
	"list 1 0",
	"list 1,2",
	"pareto 5 1",
	"5 6",
};

START_TEST(what_is_no_length_is_refused_with_the_option_and_the_words_that_are)
{
	struct lsb_lengths lengths;

	ck_assert_int_eq(lsb_lengths_parse("pp", wrong[_i], CEILING, &lengths, &err), LSB_EINVAL);
	ck_assert_ptr_eq(strstr(err.msg, "pp = "), err.msg);
	ck_assert_msg(strstr(err.msg, "LO..HI, normal MEAN SD") != NULL, "%s", err.msg);
}
END_TEST

START_TEST(text_without_end_is_refused)
{
	struct lsb_lengths lengths;
	static char text[4096];

	memset(text, '1', sizeof(text) - 1);
	ck_assert_int_eq(lsb_lengths_parse("pp", text, CEILING, &lengths, &err), LSB_EINVAL);
	strcpy(text, "list");
	for (size_t i = 0; i < 65; i++)
		strcat(text, " 1");
	ck_assert_int_eq(lsb_lengths_parse("pp", text, CEILING, &lengths, &err), LSB_EINVAL);
	ck_assert_msg(strstr(err.msg, "64") != NULL, "%s", err.msg);
}
END_TEST

/* --- the plugin ------------------------------------------------------------- */

static int open_with(const struct lsb_setting *settings, size_t n, struct lsb_loaded **loaded,
		     struct lsb_workload **w)
{
	ck_assert_msg(lsb_plugin_load(LSB_WORKLOAD, "synthetic", LSB_BINARY_DIR "/plugins", loaded, &err) ==
			      LSB_OK,
		      "%s", err.msg);
	ck_assert_msg(lsb_loaded_configure(*loaded, settings, n, NULL, &err) == LSB_OK, "%s", err.msg);
	return (*loaded)->ops.workload.open(&(*loaded)->host, (*loaded)->options, w, &err);
}

START_TEST(requests_have_the_lengths_and_say_them_in_their_ids)
{
	const struct lsb_setting settings[] = { { "pp", "512", "test" }, { "tg", "list 128 7", "test" } };
	struct lsb_request request = { .struct_size = sizeof(request) };
	struct lsb_loaded *loaded;
	struct lsb_workload *w;

	ck_assert_int_eq(open_with(settings, 2, &loaded, &w), LSB_OK);
	ck_assert_uint_eq(loaded->ops.workload.count(w), 1024);
	ck_assert_int_eq(loaded->ops.workload.get(w, 3, &request, &err), LSB_OK);
	ck_assert_uint_eq(request.prompt_tokens, 512);
	ck_assert_uint_eq(request.max_new, 7);
	ck_assert_ptr_null(request.text);
	ck_assert_str_eq(request.id, "3-pp512-tg7");
	ck_assert_int_eq(loaded->ops.workload.get(w, 1024, &request, &err), LSB_EINVAL);
	loaded->ops.workload.close(w);
	lsb_loaded_free(loaded);
}
END_TEST

START_TEST(without_tg_the_case_says_how_many_new_tokens)
{
	struct lsb_request request = { .struct_size = sizeof(request) };
	struct lsb_loaded *loaded;
	struct lsb_workload *w;

	ck_assert_int_eq(open_with(NULL, 0, &loaded, &w), LSB_OK);
	ck_assert_int_eq(loaded->ops.workload.get(w, 0, &request, &err), LSB_OK);
	ck_assert_uint_eq(request.prompt_tokens, 512);
	ck_assert_uint_eq(request.max_new, 0);
	loaded->ops.workload.close(w);
	lsb_loaded_free(loaded);
}
END_TEST

START_TEST(a_wrong_length_leaves_nothing_open)
{
	const struct lsb_setting settings[] = { { "tg", "twelve", "test" } };
	struct lsb_loaded *loaded;
	struct lsb_workload *w;

	ck_assert_int_eq(open_with(settings, 1, &loaded, &w), LSB_EINVAL);
	ck_assert_ptr_eq(strstr(err.msg, "tg = twelve"), err.msg);
	lsb_loaded_free(loaded);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("synthetic");
	TCase *tc = tcase_create("synthetic");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, a_number_is_always_that_length);
	tcase_add_test(tc, a_list_comes_in_its_order_and_again);
	tcase_add_test(tc, a_range_reaches_both_ends_evenly);
	tcase_add_loop_test(tc, drawn_lengths_have_the_moments_that_were_asked_for, 0,
			    sizeof(moments) / sizeof(moments[0]));
	tcase_add_test(tc, bounds_hold_even_where_they_are_narrow);
	tcase_add_test(tc, without_bounds_a_length_is_cut_at_four_deviations);
	tcase_add_test(tc, a_length_depends_on_seed_stream_and_index_alone);
	tcase_add_loop_test(tc, what_is_no_length_is_refused_with_the_option_and_the_words_that_are, 0,
			    sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_test(tc, text_without_end_is_refused);
	tcase_add_test(tc, requests_have_the_lengths_and_say_them_in_their_ids);
	tcase_add_test(tc, without_tg_the_case_says_how_many_new_tokens);
	tcase_add_test(tc, a_wrong_length_leaves_nothing_open);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
