/* SPDX-License-Identifier: Apache-2.0 */
/* Links: the LogGP fit on a line that is known, and metrics and summary of crafted rows. */
#include <check.h>
#include <math.h>

#include "base/base.h"
#include "measure/derive.h"
#include "measure/links.h"
#include "measure/loggp.h"

static double number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

/* A row of a rank: latency `us` at `bytes`. */
static json_t *row(int to, int bytes, double us, double bandwidth)
{
	return json_pack("{s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f}", "to", to, "bytes", bytes,
			 "latency_mean_s", us * 1e-6, "latency_p50_s", us * 1e-6, "latency_p99_s", 2e-6 * us,
			 "send_s", 1e-6, "bandwidth_bps", bandwidth, "messages_per_s", bandwidth / bytes);
}

/* Two ranks and three sizes; the second direction is `extra_us` slower. */
static json_t *ranks_of(double extra_us)
{
	json_t *ranks = json_array();

	for (int r = 0; r < 2; r++) {
		json_t *rows = json_array();

		for (int i = 0; i < 3; i++)
			json_array_append_new(
				rows, row(1 - r, 1 << (5 * i), 10 + i + r * extra_us, 1e6 * (1 << (5 * i))));
		json_array_append_new(ranks, json_pack("{s:i, s:f, s:f, s:o}", "rank", r, "run_s", 0.5 + r,
						       "connect_s", 0.1, "links", rows));
	}
	return ranks;
}

START_TEST(fit_finds_the_line_that_made_the_times)
{
	struct lsb_loggp_sample samples[12];
	struct lsb_loggp fit;

	for (int i = 0; i < 12; i++)
		samples[i] = (struct lsb_loggp_sample){ .bytes = pow(4, i),
							.latency_s = 5e-6 + (pow(4, i) - 1) * 2e-10,
							.send_s = 1.5e-6,
							.messages_per_s = 5e5 };
	ck_assert_int_eq(lsb_loggp_fit(samples, 12, &fit), 0);
	ck_assert_double_eq_tol(fit.start_s, 5e-6, 1e-12);
	ck_assert_double_eq_tol(fit.gap_per_byte_s, 2e-10, 1e-16);
	ck_assert_double_eq_tol(fit.overhead_s, 1.5e-6, 1e-15);
	ck_assert_double_eq_tol(fit.latency_s, 2e-6, 1e-12);
	ck_assert_double_eq_tol(fit.gap_s, 2e-6, 1e-15);
	ck_assert_double_lt(fit.residual, 1e-6);
	/* one time twice what the line says is half off: the residual tells */
	samples[6].latency_s *= 2;
	ck_assert_int_eq(lsb_loggp_fit(samples, 12, &fit), 0);
	ck_assert_double_gt(fit.residual, 0.1);
}
END_TEST

START_TEST(fit_of_two_sizes_or_of_no_time_is_refused)
{
	const struct lsb_loggp_sample two[] = { { 1, 1e-6, 0, 0 }, { 8, 2e-6, 0, 0 }, { 8, 2e-6, 0, 0 } };
	const struct lsb_loggp_sample none[] = { { 1, 0, 0, 0 }, { 8, 2e-6, 0, 0 }, { 64, 3e-6, 0, 0 } };
	struct lsb_loggp fit;

	ck_assert_int_eq(lsb_loggp_fit(two, 3, &fit), -1);
	ck_assert_int_eq(lsb_loggp_fit(none, 3, &fit), -1);
	ck_assert_int_eq(lsb_loggp_fit(none, 0, &fit), -1);
}
END_TEST

START_TEST(a_rank_s_link_and_loggp_have_one_line)
{
	json_t *rank = json_pack("{s:{s:[{s:i, s:f}, {s:i, s:f}, {s:i, s:f}]}}", "link", "sizes", "bytes", 1,
				 "one_way_s", 5e-6, "bytes", 4096, "one_way_s", 9e-6, "bytes", 65536,
				 "one_way_s", 5e-5);
	const struct lsb_loggp_sample samples[] = { { 1, 5e-6, 0, 0 },
						    { 4096, 9e-6, 0, 0 },
						    { 65536, 5e-5, 0, 0 } };
	struct lsb_link_line line;
	struct lsb_loggp fit;

	ck_assert_int_eq(lsb_derive_link(rank, &line), 0);
	ck_assert_int_eq(lsb_loggp_fit(samples, 3, &fit), 0);
	/* of the first byte the one counts the gap, the other does not */
	ck_assert_double_eq_tol(line.latency_s + 1 / line.bandwidth, fit.start_s, 1e-12);
	ck_assert_double_eq_tol(1 / line.bandwidth, fit.gap_per_byte_s, 1e-16);
	ck_assert_double_eq_tol(line.residual, fit.residual, 1e-9);
	json_decref(rank);
}
END_TEST

START_TEST(a_link_whose_latency_hides_its_bandwidth_is_its_latency)
{
	json_t *rank = json_pack("{s:{s:[{s:i, s:f}, {s:i, s:f}, {s:i, s:f}]}}", "link", "sizes", "bytes", 1,
				 "one_way_s", 0.01604, "bytes", 4096, "one_way_s", 0.01602, "bytes", 65536,
				 "one_way_s", 0.016);
	struct lsb_link_line line;

	ck_assert_int_eq(lsb_derive_link(rank, &line), 0);
	ck_assert_double_eq_tol(line.latency_s, 0.01602, 1e-9);
	ck_assert(isinf(line.bandwidth));
	json_decref(rank);
	/* smaller ones that take longer, by more than noise: no line at all */
	rank = json_pack("{s:{s:[{s:i, s:f}, {s:i, s:f}]}}", "link", "sizes", "bytes", 1, "one_way_s", 9e-6,
			 "bytes", 4096, "one_way_s", 5e-6);
	ck_assert_int_eq(lsb_derive_link(rank, &line), -1);
	json_decref(rank);
}
END_TEST

START_TEST(metrics_are_means_over_both_directions)
{
	json_t *ranks = ranks_of(4), *metrics = json_object();
	struct lsb_error err;

	ck_assert_int_eq(lsb_links_measure(ranks, metrics, &err), LSB_OK);
	ck_assert_double_eq_tol(number(metrics, "latency_1_s"), 12e-6, 1e-12);
	ck_assert_double_eq_tol(number(metrics, "latency_1024_s"), 14e-6, 1e-12);
	ck_assert_double_eq_tol(number(metrics, "latency_s"), 12e-6, 1e-12);
	ck_assert_double_eq_tol(number(metrics, "bandwidth_bps"), 1024e6, 1);
	ck_assert_double_eq_tol(number(metrics, "messages_per_s"), 1e6, 1e-3);
	ck_assert_double_eq_tol(number(metrics, "run_s"), 1.5, 1e-12);
	json_decref(ranks);
	json_decref(metrics);
}
END_TEST

START_TEST(a_rank_without_its_rows_is_refused)
{
	json_t *ranks = ranks_of(0), *metrics = json_object();
	struct lsb_error err;

	json_array_remove(json_object_get(json_array_get(ranks, 1), "links"), 2);
	ck_assert_int_eq(lsb_links_measure(ranks, metrics, &err), LSB_EPEER);
	json_array_append_new(json_object_get(json_array_get(ranks, 1), "links"), row(0, 7, 1, 1));
	ck_assert_int_eq(lsb_links_measure(ranks, metrics, &err), LSB_EPEER);
	json_object_del(json_array_get(ranks, 0), "links");
	ck_assert_int_eq(lsb_links_measure(ranks, metrics, &err), LSB_EPEER);
	json_decref(ranks);
	json_decref(metrics);
}
END_TEST

START_TEST(summary_has_every_direction_with_its_interval)
{
	json_t *launches = json_array(), *links, *size;

	for (int i = 0; i < 7; i++)
		json_array_append_new(launches, json_pack("{s:o}", "ranks", ranks_of(i)));
	links = lsb_links_summary(launches);
	ck_assert_uint_eq(json_array_size(links), 2);
	ck_assert_int_eq((int)number(json_array_get(links, 1), "from"), 1);
	ck_assert_int_eq((int)number(json_array_get(links, 1), "to"), 0);
	size = json_array_get(json_object_get(json_array_get(links, 1), "sizes"), 0);
	/* 10 to 16 us; of 7 values the exact interval is the first and the last */
	ck_assert_double_eq_tol(number(json_object_get(size, "latency_s"), "median"), 13e-6, 1e-12);
	ck_assert_double_eq_tol(json_number_value(json_array_get(
					json_object_get(json_object_get(size, "latency_s"), "ci95"), 0)),
				10e-6, 1e-12);
	ck_assert_int_eq((int)number(json_object_get(size, "latency_s"), "n"), 7);
	ck_assert(json_is_object(json_object_get(json_array_get(links, 0), "loggp")));
	json_decref(links);
	json_array_clear(launches);
	links = lsb_links_summary(launches);
	ck_assert(json_is_null(links));
	json_decref(links);
	json_decref(launches);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("links");
	TCase *all = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(all, fit_finds_the_line_that_made_the_times);
	tcase_add_test(all, fit_of_two_sizes_or_of_no_time_is_refused);
	tcase_add_test(all, a_rank_s_link_and_loggp_have_one_line);
	tcase_add_test(all, a_link_whose_latency_hides_its_bandwidth_is_its_latency);
	tcase_add_test(all, metrics_are_means_over_both_directions);
	tcase_add_test(all, a_rank_without_its_rows_is_refused);
	tcase_add_test(all, summary_has_every_direction_with_its_interval);
	suite_add_tcase(suite, all);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
