/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The launch that stands for a point is never among those given up before, in whatever order launches come.
 */
#include <check.h>
#include <stdlib.h>

#include "measure/keep.h"

enum { LAUNCHES = 9 };

/* Repeated values and ties of the middle two are frequent on purpose. */
START_TEST(the_median_launch_was_never_given_up)
{
	double values[LAUNCHES];
	int kept[LAUNCHES];
	const size_t n = 1 + (size_t)_i % LAUNCHES;

	srand((unsigned)_i);
	for (size_t i = 0; i < n; i++) {
		values[i] = rand() % 6;
		kept[i] = 1;
		for (size_t k = 0; k <= i; k++)
			kept[k] = kept[k] && lsb_may_be_median(values, i + 1, k, n - i - 1);
		ck_assert(kept[lsb_median_member(values, i + 1)]); /* also if nothing more comes */
	}
}
END_TEST

START_TEST(launches_are_given_up_as_soon_as_they_are_out_of_reach)
{
	const double values[] = { 1, 2, 3, 4, 5 };

	for (size_t i = 0; i < 5; i++) {
		ck_assert_int_eq(lsb_may_be_median(values, 5, i, 0), i == 2);
		ck_assert_int_eq(lsb_may_be_median(values, 5, i, 1), i >= 1 && i <= 3);
		ck_assert_int_eq(lsb_may_be_median(values, 5, i, 4), 1);
	}
	ck_assert_uint_eq(lsb_median_member(values, 5), 2);
	ck_assert_uint_eq(lsb_median_member(values, 4), 1);
	ck_assert_uint_eq(lsb_median_member(values, 1), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("keep");
	TCase *tc = tcase_create("keep");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, the_median_launch_was_never_given_up, 0, 500);
	tcase_add_test(tc, launches_are_given_up_as_soon_as_they_are_out_of_reach);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
