/* SPDX-License-Identifier: Apache-2.0 */
/* Which launches a search for the knee makes. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "launch/search.h"

enum { RUNGS = 8, REPS = 3 };

static json_t *header;
static double shares[RUNGS][REPS];
static uint32_t rounds[RUNGS][REPS];
static struct lsb_searched points[RUNGS];
static size_t n_launched;

static void set_up(void)
{
	json_t *list = json_array();

	for (int i = 0; i < RUNGS; i++) {
		json_array_append_new(list,
				      json_pack("{s:s, s:{s:o, s:s, s:s, s:s}}", "case", "load", "params",
						"arrivals", json_sprintf("fixed:%d/s", i + 1), "slo.ttft",
						"1s", "slo.share", "0.9", "search", "knee"));
		for (int k = 0; k < REPS; k++) {
			shares[i][k] = NAN;
			rounds[i][k] = 0;
		}
		points[i] = (struct lsb_searched){ shares[i], rounds[i], REPS, 0 };
	}
	header = json_pack("{s:o}", "points", list);
	n_launched = 0;
}

static void tear_down(void)
{
	json_decref(header);
}

/* Make up to `most` launches of rungs of which those below `good` keep the limits; NAN: it failed. */
static void run(size_t good, size_t most)
{
	size_t point;
	uint32_t round;

	while (n_launched < most && lsb_search_next(header, points, RUNGS, &point, &round)) {
		ck_assert_uint_lt(round, REPS);
		ck_assert_uint_eq(rounds[point][round], 0);
		rounds[point][round] = 1;
		shares[point][round] = point < good ? 0.95 : 0.2;
		n_launched++;
	}
}

static uint32_t launches_of(size_t point)
{
	uint32_t n = 0;

	for (size_t i = 0; i < REPS; i++)
		n += rounds[point][i];
	return n;
}

START_TEST(both_ends_of_the_bracket_have_all_repetitions_and_few_others_any)
{
	for (size_t good = 0; good <= RUNGS; good++) {
		size_t n_probed = 0;

		tear_down();
		set_up();
		run(good, SIZE_MAX);
		for (size_t i = 0; i < RUNGS; i++) {
			const int is_end = i + 1 == good || i == good;

			ck_assert_uint_eq(launches_of(i), is_end ? REPS : launches_of(i) ? 1 : 0);
			n_probed += launches_of(i) > 0;
		}
		ck_assert_uint_le(n_probed, 4); /* of 8 */
	}
}
END_TEST

START_TEST(a_search_that_goes_on_later_makes_the_same_launches)
{
	uint32_t whole[RUNGS], n;

	run(5, SIZE_MAX);
	for (size_t i = 0; i < RUNGS; i++)
		whole[i] = launches_of(i);
	n = (uint32_t)n_launched;
	tear_down();
	set_up();
	for (size_t i = 1; i <= n; i++)
		run(5, i); /* what was launched is all that is known */
	for (size_t i = 0; i < RUNGS; i++)
		ck_assert_uint_eq(launches_of(i), whole[i]);
}
END_TEST

START_TEST(repetitions_that_show_otherwise_move_the_bracket)
{
	size_t point;
	uint32_t round;

	/* the first launch of every rate up to 6 kept the limits by luck; more show that 5 is too many */
	while (lsb_search_next(header, points, RUNGS, &point, &round)) {
		rounds[point][round] = 1;
		shares[point][round] = point < 4 || (point < 6 && round == 0) ? 0.95 : 0.2;
		ck_assert_uint_le(++n_launched, RUNGS * REPS);
	}
	ck_assert_uint_eq(launches_of(3), REPS);
	ck_assert_uint_eq(launches_of(4), REPS);
}
END_TEST

START_TEST(a_rate_whose_launches_fail_is_tried_again_and_then_counts_as_too_much)
{
	size_t point;
	uint32_t round;

	while (lsb_search_next(header, points, RUNGS, &point, &round)) {
		rounds[point][round] = 1;
		if (point < 3)
			shares[point][round] = 0.95;
		ck_assert_uint_le(++n_launched, RUNGS * REPS);
	}
	ck_assert_uint_eq(launches_of(2), REPS);
	ck_assert_uint_eq(launches_of(3), REPS);
}
END_TEST

START_TEST(points_that_are_not_searched_are_passed_over)
{
	json_t *point;
	size_t i, which;
	uint32_t round;

	json_array_foreach(json_object_get(header, "points"), i, point)
	{
		json_object_set_new(json_object_get(point, "params"), "search", json_string("none"));
	}
	ck_assert_int_eq(lsb_search_next(header, points, RUNGS, &which, &round), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("search");
	TCase *tc = tcase_create("search");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, both_ends_of_the_bracket_have_all_repetitions_and_few_others_any);
	tcase_add_test(tc, a_search_that_goes_on_later_makes_the_same_launches);
	tcase_add_test(tc, repetitions_that_show_otherwise_move_the_bracket);
	tcase_add_test(tc, a_rate_whose_launches_fail_is_tried_again_and_then_counts_as_too_much);
	tcase_add_test(tc, points_that_are_not_searched_are_passed_over);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
