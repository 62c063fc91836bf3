/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clocks of ranks that never saw each other: offsets and drifts that were put in are found, within the error
 * told.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "measure/clock.h"
#include "turns.h"

#define SECOND 1000000000.0
enum { BATCHES = 4 };

/* A rank's true clock: what it shows when rank 0's shows t. */
struct truth {
	double offset_ns, drift;
};

static uint64_t shows(const struct truth *clock, double t)
{
	return (uint64_t)llround(t + clock->offset_ns + clock->drift * t);
}

/* One exchange at time t of rank 0's clock: flights out and back, as the two ranks stamp it. */
static json_t *exchange(const struct truth *lower, const struct truth *upper, double t, double out,
			double back)
{
	const uint64_t a = shows(lower, t), b = shows(upper, t + out), c = shows(upper, t + out + 5000);
	const uint64_t d = shows(lower, t + out + 5000 + back);
	const double offset = (((double)b - (double)a) + ((double)c - (double)d)) / 2;

	return json_pack("[I, I, I]", (json_int_t)(a + (d - a) / 2), (json_int_t)llround(offset),
			 (json_int_t)((d - a) - (c - b)));
}

static json_t *rank(const char *clock_id)
{
	return json_pack("{s:s}", "clock_id", clock_id);
}

/* Samples before (at 1 s) and after (at 1 s + run_s) in the lower of two ranks; flights of up to 20 us. */
static void add_samples(json_t *lower_rank, const struct truth *lower, const struct truth *upper,
			double run_s)
{
	json_t *samples = json_array();

	for (int i = 0; i < 2 * BATCHES; i++) {
		const double t = SECOND + (i < BATCHES ? 0 : run_s * SECOND) + i * 1e6;

		json_array_append_new(
			samples, exchange(lower, upper, t, 10000 + rand() % 10000, 10000 + rand() % 10000));
	}
	json_object_set_new(lower_rank, "clock", json_pack("{s:o}", "samples", samples));
}

START_TEST(offsets_and_drifts_of_a_chain_are_found_within_the_error_told)
{
	struct truth truth[5] = { { 0, 0 } };
	json_t *ranks = json_array();
	struct lsb_clock *clocks;

	srand((unsigned)_i);
	for (int r = 0; r < 5; r++) {
		char boot[8] = { 'm', (char)('0' + r), 0 };

		if (r) {
			truth[r].offset_ns = (rand() % 2000001 - 1000000) * 1e6; /* up to 1000 s */
			truth[r].offset_ns = fabs(truth[r].offset_ns);
			truth[r].drift = (rand() % 201 - 100) * 1e-6; /* up to 100 ppm */
		}
		json_array_append_new(ranks, rank(boot));
	}
	for (int r = 0; r < 4; r++)
		add_samples(json_array_get(ranks, (size_t)r), &truth[r], &truth[r + 1], 10);
	clocks = lsb_clocks_fit(ranks);
	ck_assert_ptr_nonnull(clocks);
	for (int r = 1; r < 5; r++) {
		ck_assert_int_eq(clocks[r].is_shared, 0);
		ck_assert_int_eq(clocks[r].is_known, 1);
		ck_assert_uint_gt(clocks[r].error_ns, clocks[r - 1].error_ns);
		/* The error is of microseconds, as the flights were, and holds over the whole run. */
		ck_assert_uint_lt(clocks[r].error_ns, (uint64_t)r * 60000);
		for (double t = 1.01 * SECOND; t < 11 * SECOND; t += 0.5 * SECOND) {
			const double found = (double)lsb_clock_align(&clocks[r], shows(&truth[r], t));

			ck_assert_double_le(fabs(found - t), (double)clocks[r].error_ns);
		}
	}
	free(clocks);
	json_decref(ranks);
}
END_TEST

START_TEST(equal_ids_share_a_clock_if_the_exchanges_allow_it)
{
	const struct truth same = { 0, 0 }, shifted = { 1e9, 0 };
	const int differ = _i == 1;
	json_t *ranks = json_pack("[o, o]", rank("one"), rank("one"));
	struct lsb_clock *clocks;

	add_samples(json_array_get(ranks, 0), &same, differ ? &shifted : &same, 1);
	clocks = lsb_clocks_fit(ranks);
	ck_assert_int_eq(clocks[1].is_shared, !differ);
	ck_assert_uint_eq(lsb_clock_align(&clocks[1], 5), differ ? lsb_clock_align(&clocks[1], 5) : 5);
	if (differ)
		ck_assert_double_eq_tol((double)(clocks[1].own_ns - clocks[1].root_ns), 1e9, 20000);
	else
		ck_assert_uint_eq(clocks[1].error_ns, 0);
	free(clocks);
	json_decref(ranks);
}
END_TEST

START_TEST(without_samples_only_equal_ids_share_a_clock)
{
	json_t *ranks = json_pack("[o, o, o]", rank("one"), rank("one"), rank("two"));
	struct lsb_clock *clocks = lsb_clocks_fit(ranks);

	ck_assert_int_eq(clocks[1].is_shared, 1);
	ck_assert_int_eq(clocks[2].is_shared, 0);
	ck_assert_int_eq(clocks[2].is_known, 0);
	ck_assert_uint_eq(lsb_clock_align(&clocks[2], 12345), 12345);
	free(clocks);
	json_decref(ranks);
}
END_TEST

/* Samples come from another process. */
START_TEST(nonsense_samples_are_none)
{
	json_t *ranks = json_pack("[{s:s, s:{s:[[i,i,i],[i,i],i,s,[i,i,i]]}}, {s:s}]", "clock_id", "a",
				  "clock", "samples", -1, 0, 0, 1, 2, 3, "x", 10, 0, -5, "clock_id", "b");
	struct lsb_clock *clocks;

	ck_assert_ptr_nonnull(ranks);
	clocks = lsb_clocks_fit(ranks);
	ck_assert_int_eq(clocks[1].is_known, 0);
	free(clocks);
	json_decref(ranks);
}
END_TEST

/* The ledger of a run whose second rank has a clock of its own is that of one clock, within the error. */
START_TEST(ledger_of_aligned_records_is_that_of_one_clock)
{
	static struct turns one, two;
	const struct truth root = { 0, 0 }, other = { 77e9, 0 };
	json_t *ranks = json_pack("[o, o]", rank("one"), rank("two"));
	struct lsb_rank_records *aligned;
	struct lsb_clock *clocks;
	double error;

	add_samples(json_array_get(ranks, 0), &root, &other, 10);
	turns_make(&one, 5, 20, 500000, 0);
	turns_make(&two, 5, 20, 500000, INT64_C(77000000000));
	clocks = lsb_clocks_fit(ranks);
	ck_assert_int_eq(lsb_records_align(two.ranks, 2, clocks, &aligned, NULL), 0);
	error = (double)clocks[1].error_ns * 1e-9;
	ck_assert_double_lt(error, 500000e-9);
	for (size_t k = 0; k < 2; k++) {
		struct lsb_ledger a, b;

		ck_assert_int_eq(lsb_ledger_close(one.ranks, 2, k, one.t0, one.t1, &a, NULL), 0);
		ck_assert_int_eq(lsb_ledger_close(aligned, 2, k, one.t0, one.t1, &b, NULL), 0);
		ck_assert_double_eq_tol(a.compute_s, b.compute_s, 2 * error);
		ck_assert_double_eq_tol(a.wait_s, b.wait_s, 22 * error);
		ck_assert_double_eq_tol(a.transfer_s, b.transfer_s, 22 * error);
		ck_assert_double_gt(b.transfer_s, 10 * 500000e-9);
		ck_assert_double_eq(b.wait_transfer_s, 0);
	}
	free(aligned);
	free(clocks);
	json_decref(ranks);
}
END_TEST

/* Its neighbours have nobody to compare with, and need nobody where they say that they have one clock. */
START_TEST(a_lost_rank_between_takes_no_shared_clock_away)
{
	json_t *ranks = json_pack("[n, o, n, o, o]", rank("one"), rank("one"), rank("two"));
	struct lsb_clock *clocks = lsb_clocks_fit(ranks);

	ck_assert_int_eq(clocks[1].is_shared, 1); /* the first that there is stands for rank 0 */
	ck_assert_int_eq(clocks[3].is_shared, 1);
	ck_assert_int_eq(clocks[4].is_known, 0);
	free(clocks);
	json_decref(ranks);
}
END_TEST

START_TEST(clocks_survive_the_journal)
{
	const struct lsb_clock clocks[] = {
		{ .rate = 1, .is_shared = 1, .is_known = 1 },
		{ .own_ns = 77000000001, .root_ns = 5, .rate = 1.00001, .error_ns = 1234, .is_known = 1 },
		{ .rate = 1, .is_shared = 1 }, /* lost: not in the journal */
		{ .rate = 1 },
	};
	json_t *line = json_pack("{s:[{}, {}, n, {}], s:[o, o, o]}", "ranks", "clocks",
				 lsb_clock_json(0, &clocks[0], 0), lsb_clock_json(1, &clocks[1], 3),
				 lsb_clock_json(3, &clocks[3], 0));
	struct lsb_clock *back;

	ck_assert_ptr_nonnull(line);
	back = lsb_clocks_of(line);
	for (size_t r = 0; r < 4; r++)
		for (uint64_t t = 77000000000; t < 78000000000; t += 123456789)
			ck_assert_uint_eq(lsb_clock_align(&back[r], t), lsb_clock_align(&clocks[r], t));
	ck_assert_uint_eq(back[1].error_ns, 1234);
	ck_assert_int_eq(back[3].is_known, 0);
	free(back);
	json_decref(line);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("clock");
	TCase *tc = tcase_create("clock");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, offsets_and_drifts_of_a_chain_are_found_within_the_error_told, 0, 50);
	tcase_add_loop_test(tc, equal_ids_share_a_clock_if_the_exchanges_allow_it, 0, 2);
	tcase_add_test(tc, without_samples_only_equal_ids_share_a_clock);
	tcase_add_test(tc, nonsense_samples_are_none);
	tcase_add_test(tc, ledger_of_aligned_records_is_that_of_one_clock);
	tcase_add_test(tc, a_lost_rank_between_takes_no_shared_clock_away);
	tcase_add_test(tc, clocks_survive_the_journal);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
