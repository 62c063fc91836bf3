/* SPDX-License-Identifier: Apache-2.0 */
/* Peaks of a machine pooled over the points of a run, and what they must not be pooled with. */
#include <check.h>
#include <stdlib.h>

#include "crafted_run.h"
#include "measure/pool.h"
#include "measure/summary.h"

/* Set a peak of rank `k` in launch `i`. */
static void set_peak(size_t i, size_t k, const char *name, double value)
{
	json_t *rank = json_array_get(json_object_get(run_launch(i), "ranks"), k);

	json_object_set_new(rank, name, json_real(value));
}

/* What the pool says of rank 0 of header point `entry`, whose first launch is `first`. */
static double pooled(size_t entry, size_t first, const char *name)
{
	json_t *pool = lsb_pool_collect(run_header, run_launches);
	json_t *own = json_pack("[O]", run_launch(first));
	json_t *peaks =
		lsb_pool_peaks(pool, json_array_get(json_object_get(run_header, "points"), entry), own);
	const double value = json_number_value(json_object_get(json_array_get(peaks, 0), name));

	json_decref(peaks);
	json_decref(own);
	json_decref(pool);
	return value;
}

START_TEST(what_a_rank_can_do_alone_is_the_largest_that_any_point_saw)
{
	set_peak(0, 0, "read_bandwidth_alone", 3e9); /* one node's launch was disturbed */
	set_peak(6, 1, "matmul_peak_alone", 15e9);   /* two nodes' second rank had the machine to itself */
	ck_assert_double_eq(pooled(0, 0, "read_bandwidth_alone"), 8e9);
	ck_assert_double_eq(pooled(0, 0, "matmul_peak_alone"), 15e9);
}
END_TEST

START_TEST(all_at_once_is_pooled_among_as_many_ranks_alone)
{
	set_peak(6, 1, "read_bandwidth_all", 5e9);
	ck_assert_double_eq(pooled(1, 6, "read_bandwidth_all"), 5e9);
	ck_assert_double_eq(pooled(0, 0, "read_bandwidth_all"), 8e9);
}
END_TEST

START_TEST(other_threads_hosts_and_failed_launches_are_not_pooled)
{
	json_t *two = json_array_get(json_object_get(run_header, "points"), 1);

	set_peak(6, 0, "read_bandwidth_alone", 20e9);
	json_object_set_new(two, "threads", json_integer(2));
	ck_assert_double_eq(pooled(0, 0, "read_bandwidth_alone"), 8e9);
	json_object_set_new(two, "threads", json_integer(1));
	json_object_set_new(json_array_get(json_object_get(run_launch(6), "ranks"), 0), "host",
			    json_string("there"));
	ck_assert_double_eq(pooled(0, 0, "read_bandwidth_alone"), 8e9);
	json_object_set_new(json_array_get(json_object_get(run_launch(6), "ranks"), 0), "host",
			    json_string("here"));
	ck_assert_double_eq(pooled(0, 0, "read_bandwidth_alone"), 20e9);
	json_object_set_new(run_launch(6), "status", json_string("failed"));
	ck_assert_double_eq(pooled(0, 0, "read_bandwidth_alone"), 8e9);
}
END_TEST

START_TEST(a_roofline_stands_on_the_pool)
{
	const json_t *decode;

	set_peak(0, 0, "read_bandwidth_alone", 1e9);
	run_summarise();
	decode = json_object_get(json_object_get(lsb_summary_point(run_summary, "one"), "bounds"), "decode");
	/* 24 GB at 8 GB/s, not at 1 */
	ck_assert_double_eq_tol(json_number_value(json_object_get(decode, "bytes_s")), 3, 1e-9);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pool");
	TCase *tc = tcase_create("pool");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, run_set_up, run_tear_down);
	tcase_add_test(tc, what_a_rank_can_do_alone_is_the_largest_that_any_point_saw);
	tcase_add_test(tc, all_at_once_is_pooled_among_as_many_ranks_alone);
	tcase_add_test(tc, other_threads_hosts_and_failed_launches_are_not_pooled);
	tcase_add_test(tc, a_roofline_stands_on_the_pool);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
