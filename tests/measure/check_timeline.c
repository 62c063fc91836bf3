/* SPDX-License-Identifier: Apache-2.0 */
/* Timelines of whole runs: bars that fill the window, in order, and carry their step. Spans below them. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "measure/timeline.h"
#include "turns.h"

enum { STEPS = 40 };

static struct turns turns;
static struct lsb_timeline timeline;

static int build(size_t first, size_t n)
{
	turns_make(&turns, 3, STEPS, 20000, 0);
	return lsb_timeline_build(turns.ranks, 2, turns.t0, turns.t1, first, n, &timeline, NULL);
}

/* Bars lie in the window one behind the other; seconds of each part. */
static void check_bars(const struct lsb_timeline_rank *rank, double seconds[LSB_PARTS])
{
	double at = timeline.from_s;

	memset(seconds, 0, LSB_PARTS * sizeof(*seconds));
	for (size_t i = 0; i < rank->n; i++) {
		const struct lsb_timeline_bar *bar = &rank->bars[i];

		ck_assert_double_ge(bar->from_s, at - 1e-12);
		ck_assert_double_gt(bar->to_s, bar->from_s);
		at = bar->to_s;
		seconds[bar->part] += bar->to_s - bar->from_s;
		ck_assert_int_eq(bar->step != LSB_NO_STEP, bar->part == LSB_PART_COMPUTE);
	}
	ck_assert_double_le(at, timeline.to_s + 1e-12);
}

START_TEST(all_steps_are_the_whole_run)
{
	double seconds[LSB_PARTS];

	ck_assert_int_eq(build(0, STEPS + 100), 0);
	ck_assert_uint_eq(timeline.n_steps, STEPS);
	ck_assert_uint_eq(timeline.all_steps, STEPS);
	ck_assert_double_eq(timeline.from_s, 0);
	ck_assert_double_eq(timeline.to_s, timeline.run_s);
	for (size_t rank = 0; rank < 2; rank++) {
		check_bars(&timeline.ranks[rank], seconds);
		ck_assert_double_eq_tol(seconds[LSB_PART_COMPUTE], (double)turns.computed[rank] * 1e-9,
					1e-11);
		ck_assert_double_eq_tol(seconds[LSB_PART_WAIT], (double)turns.waited[rank] * 1e-9, 1e-11);
		ck_assert_double_eq_tol(seconds[LSB_PART_TRANSFER], (double)turns.transferred[rank] * 1e-9,
					1e-11);
		ck_assert_double_eq_tol(seconds[LSB_PART_OVERHEAD], (double)turns.own[rank] * 1e-9, 1e-11);
	}
	lsb_timeline_free(&timeline);
}
END_TEST

/* A window in the middle: both ranks compute exactly its steps in it. */
START_TEST(a_window_holds_its_steps_on_every_rank)
{
	const size_t first = (size_t)_i, n = 5;

	ck_assert_int_eq(build(first, n), 0);
	ck_assert_uint_eq(timeline.n_steps, first + n > STEPS ? STEPS - first : n);
	for (size_t rank = 0; rank < 2; rank++) {
		double seconds[LSB_PARTS];
		size_t found = 0;

		check_bars(&timeline.ranks[rank], seconds);
		for (size_t i = 0; i < timeline.ranks[rank].n; i++) {
			const struct lsb_timeline_bar *bar = &timeline.ranks[rank].bars[i];

			if (bar->part != LSB_PART_COMPUTE)
				continue;
			ck_assert_uint_eq(bar->step, first + found);
			ck_assert_uint_eq(bar->tokens, bar->step ? 1 : 12);
			found++;
		}
		ck_assert_uint_eq(found, timeline.n_steps);
	}
	lsb_timeline_free(&timeline);
}
END_TEST

START_TEST(steps_that_are_not_there_are_refused)
{
	ck_assert_int_eq(build(STEPS, 1), LSB_EINVAL);
	ck_assert_ptr_null(timeline.ranks);
	ck_assert_int_eq(build(0, 0), LSB_EINVAL);
	ck_assert_int_eq(lsb_timeline_build(turns.ranks, 2, turns.t1, turns.t0, 0, 1, &timeline, NULL),
			 LSB_EINVAL);
	turns.ranks[0].n = 0;
	ck_assert_int_eq(lsb_timeline_build(turns.ranks, 2, turns.t0, turns.t1, 0, 1, &timeline, NULL),
			 LSB_EINVAL);
}
END_TEST

/* --- spans, against a map of single nanoseconds -------------------------------------------- */

enum { WIDE = 200 };

static void draw_spans(struct lsb_spans *spans, char *map)
{
	const int n = rand() % 12;

	memset(map, 0, WIDE);
	for (int i = 0; i < n; i++) {
		const uint64_t from = (uint64_t)rand() % WIDE, to = (uint64_t)rand() % WIDE;

		ck_assert_int_eq(lsb_spans_add(spans, from, to), 0);
		for (uint64_t k = from; k < to; k++)
			map[k] = 1;
	}
	lsb_spans_merge(spans);
}

static void check_spans(const struct lsb_spans *spans, const char *map)
{
	for (uint64_t k = 0; k < WIDE; k++)
		ck_assert_uint_eq(lsb_spans_under(spans, k, k + 1), (uint64_t)map[k]);
	for (size_t i = 1; i < spans->n; i++)
		ck_assert_uint_ge(spans->list[i].from, spans->list[i - 1].to);
}

START_TEST(spans_unite_and_subtract_as_sets_do)
{
	struct lsb_spans a = { 0 }, b = { 0 };
	char of_a[WIDE], of_b[WIDE];

	srand((unsigned)_i);
	draw_spans(&a, of_a);
	draw_spans(&b, of_b);
	check_spans(&a, of_a);
	ck_assert_int_eq(lsb_spans_subtract(&a, &b), 0);
	for (int k = 0; k < WIDE; k++)
		of_a[k] = of_a[k] && !of_b[k];
	check_spans(&a, of_a);
	ck_assert_int_eq(lsb_spans_unite(&a, &b), 0);
	for (int k = 0; k < WIDE; k++)
		of_a[k] = of_a[k] || of_b[k];
	check_spans(&a, of_a);
	lsb_spans_free(&a);
	lsb_spans_free(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("timeline");
	TCase *tc = tcase_create("timeline");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, all_steps_are_the_whole_run);
	tcase_add_loop_test(tc, a_window_holds_its_steps_on_every_rank, 0, STEPS);
	tcase_add_test(tc, steps_that_are_not_there_are_refused);
	tcase_add_loop_test(tc, spans_unite_and_subtract_as_sets_do, 0, 200);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
