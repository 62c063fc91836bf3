/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of plausibility, each broken once in a crafted journal, and the test of nodes beside each other. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "crafted_run.h"
#include "measure/summary.h"

/* The reason for which rule `name` fires on point `id`; NULL when it does not. */
static const char *fired(const char *name, const char *id)
{
	const json_t *check, *one;
	size_t i, k;

	json_array_foreach(run_findings("checks"), i, check)
	{
		if (strcmp(json_string_value(json_object_get(check, "name")), name) != 0)
			continue;
		json_array_foreach(json_object_get(check, "fired"), k, one)
		{
			if (strcmp(json_string_value(json_object_get(one, "point")), id) == 0)
				return json_string_value(json_object_get(one, "reason"));
		}
		return NULL;
	}
	ck_abort_msg("no rule is called %s", name);
	return NULL;
}

static void assert_fires(const char *name, const char *id, const char *flag, const char *words)
{
	const json_t *reasons = json_object_get(lsb_summary_point(run_summary, id), "flag_reasons");
	const char *why = fired(name, id), *flagged = json_string_value(json_object_get(reasons, flag));

	ck_assert_msg(why != NULL, "%s does not fire", name);
	ck_assert_msg(strstr(why, words) != NULL, "%s: %s", name, why);
	ck_assert_msg(flagged && strstr(flagged, words), "%s: no flag with its reason", flag);
}

static size_t n_fired(void)
{
	const json_t *check;
	size_t i, n = 0;

	json_array_foreach(run_findings("checks"), i, check)
	{
		n += json_array_size(json_object_get(check, "fired"));
	}
	return n;
}

/* --- plausibility: each mistake of the hand-made reports --- */

START_TEST(a_sound_run_breaks_no_rule)
{
	run_summarise();
	ck_assert_uint_eq(n_fired(), 0);
}
END_TEST

/* Its "102.5 %". */
START_TEST(an_efficiency_above_one_needs_a_cause)
{
	run_set_metric(6, "run_s", 7.8);
	run_set_metric(6, "tokens_per_s", 250 / 7.8);
	run_set_metric(6, "replay_s", 7.7);
	run_set_ledger(6, "compute_s", 5.5);
	run_summarise();
	assert_fires("efficiency_above_one", "two", "implausible", "parts of the model may stay in caches");
	run_set_ledger(6, "compute_s", 8);
	run_summarise();
	assert_fires("efficiency_above_one", "two", "implausible", "no cause is known");
}
END_TEST

START_TEST(a_speedup_above_its_bound_is_implausible)
{
	run_set_metric(6, "replay_s", 10.5);
	run_summarise();
	assert_fires("speedup_above_bound", "two", "implausible", "the bound of its own schedule");
}
END_TEST

/* "Communication" that was start-up and waiting. */
START_TEST(transfer_that_the_link_does_not_explain_is_named)
{
	run_set_rank(6, "messages_received", 1000);
	run_set_rank(6, "bytes_received", 1000000);
	run_set_metric(6, "communication_s", 1.89);
	run_summarise();
	assert_fires("transfer_explained", "two", "unexplained_transfer", "processes that were not running");
}
END_TEST

/* Wake-ups as late as the link's own slow messages, on a machine that others use. */
START_TEST(transfer_that_late_wake_ups_explain_is_not_unexplained)
{
	json_t *link, *size;

	run_set_rank(6, "messages_received", 1000);
	run_set_rank(6, "bytes_received", 1000000);
	run_set_metric(6, "communication_s", 1.89);
	link = json_object_get(json_array_get(json_object_get(run_launch(6), "ranks"), 0), "link");
	size = json_array_get(json_object_get(link, "sizes"), 0);
	json_object_set_new(size, "one_way_p99_s",
			    json_real(1e-3)); /* 1 s for all, of which 3 times is more */
	run_summarise();
	ck_assert_ptr_null(fired("transfer_explained", "two"));
	json_object_set_new(size, "one_way_p99_s", json_real(5e-4));
	run_summarise();
	ck_assert_ptr_nonnull(fired("transfer_explained", "two"));
}
END_TEST

/* Less than 5 % of the run beyond what the link needs. */
START_TEST(a_little_transfer_is_not_unexplained)
{
	run_set_rank(6, "messages_received", 1000);
	run_set_rank(6, "bytes_received", 1000000);
	run_set_metric(6, "communication_s", 0.5);
	run_summarise();
	ck_assert_ptr_null(fired("transfer_explained", "two"));
}
END_TEST

/* The report's own figures: 1.89 s for 252 tokens, 2.12 s for 505. */
START_TEST(communication_that_does_not_grow_is_start_up_or_waiting)
{
	const struct crafted points[] = {
		CRAFTED_TWO, { "more", "pipeline", "strong", 2, 1, 2, 10, 6, NULL, NULL, NULL, NULL, 0 }
	};

	json_array_clear(run_launches);
	json_decref(run_header);
	run_header = crafted_header(points, 2);
	run_add(&points[0], 12.22, 12, 250);
	run_add(&points[1], 24.67, 24, 500);
	run_set_metric(0, "communication_s", 1.89);
	run_set_metric(6, "communication_s", 2.12);
	run_summarise();
	assert_fires("communication_grows", "more", "unexplained_transfer", "do not grow with what is sent");
}
END_TEST

/* Every rank read the whole checkpoint. */
START_TEST(a_rank_that_reads_the_whole_model_is_implausible)
{
	run_set_rank(6, "load_bytes", 96 << 20);
	run_summarise();
	assert_fires("load_shrinks", "two", "implausible", "holds a part of the model");
}
END_TEST

/* 2.68 s to 3.22 s for half the layers. */
START_TEST(loading_longer_though_less_is_read_is_implausible)
{
	run_set_metric(0, "load_s", 2.68);
	run_set_metric(6, "load_s", 3.22);
	run_summarise();
	assert_fires("load_shrinks", "two", "implausible", "something else than reading");
}
END_TEST

/* What opening the device takes is in it. */
START_TEST(loading_longer_onto_a_device_is_not)
{
	json_t *launch, *rank;
	size_t i, k;

	json_array_foreach(run_launches, i, launch)
	{
		json_array_foreach(json_object_get(launch, "ranks"), k, rank)
		{
			json_object_set_new(rank, "backend", json_pack("{s:s}", "device_id", "GPU-0"));
		}
	}
	run_set_metric(0, "load_s", 2.68);
	run_set_metric(6, "load_s", 3.22);
	run_summarise();
	ck_assert_ptr_null(fired("load_shrinks", "two"));
}
END_TEST

START_TEST(a_latency_that_is_inverse_throughput_is_implausible)
{
	run_set_metric(6, "e2e_mean_s", 2);
	run_summarise();
	assert_fires("latency_measured", "two", "implausible", "inverse throughput");
}
END_TEST

/* 32.5 as the mean of rates beside an aggregate of 32.23. */
START_TEST(a_mean_of_rates_is_no_rate)
{
	run_set_metric(6, "tokens_per_s", 25.25);
	run_summarise();
	assert_fires("ratio_of_totals", "two", "implausible", "not the tokens of a launch by its time");
}
END_TEST

/* 1 / mean latency = 2.05 a second, where 15 requests took 22.16 s. */
START_TEST(a_request_rate_from_latencies_is_no_rate)
{
	run_set_metric(6, "requests_per_s", 2.05);
	run_summarise();
	assert_fires("ratio_of_totals", "two", "implausible",
		     "not the completed requests of a launch by its time");
}
END_TEST

/* "1.00 samples/s", which nobody measured. */
START_TEST(a_baseline_that_nobody_measured_gives_no_ratio)
{
	for (int i = 0; i < 6; i++)
		json_array_remove(run_launches, 0);
	run_summarise();
	assert_fires("baseline_measured", "two", "no_baseline", "there is no speedup");
	ck_assert(json_is_null(json_object_get(
		json_object_get(lsb_summary_point(run_summary, "two"), "scaling"), "speedup")));
}
END_TEST

/* 5 of 10 lost, "100 % success". */
START_TEST(lost_requests_are_counted)
{
	run_set_metric(6, "success_rate", 0.4);
	run_summarise();
	ck_assert_ptr_nonnull(fired("nothing_lost", "two"));
	ck_assert_ptr_nonnull(strstr(fired("nothing_lost", "two"), "3 of 5 requests were lost"));
	ck_assert_ptr_nonnull(json_object_get(
		json_object_get(lsb_summary_point(run_summary, "two"), "flag_reasons"), "failed_requests"));
}
END_TEST

START_TEST(tokens_that_do_not_reconcile_are_implausible)
{
	json_t *work;

	run_set_metric(6, "generated_tokens", 249);
	run_set_metric(6, "tokens_per_s", 24.9);
	run_summarise();
	assert_fires("tokens_reconcile", "two", "implausible", "249 tokens were generated where 250");
	run_set_metric(6, "generated_tokens", 250);
	run_set_metric(6, "tokens_per_s", 25);
	for (size_t i = 6; i < 12; i++) {
		work = json_object_get(json_array_get(json_object_get(run_launch(i), "work"), 1), "decode");
		json_object_set_new(work, "tokens", json_real(244));
	}
	run_summarise();
	assert_fires("tokens_reconcile", "two", "implausible", "the ranks computed");
}
END_TEST

START_TEST(speedups_of_one_kind_have_one_formula)
{
	const json_t *scaling, *point;
	size_t i;

	run_summarise();
	json_array_foreach(json_object_get(run_summary, "points"), i, point)
	{
		scaling = json_object_get(point, "scaling");
		ck_assert_str_eq(json_string_value(json_object_get(scaling, "formula")),
				 "S = run_s(1) / run_s(p); E = S / p");
	}
	ck_assert_ptr_null(fired("one_formula", "one"));
}
END_TEST

/* --- nodes beside each other --- */

static const json_t *comparison(void)
{
	const json_t *symmetry = json_object_get(lsb_summary_point(run_summary, "two"), "symmetry");

	return json_array_get(json_object_get(symmetry, "comparisons"), 0);
}

/* Stage 1 of launch i computes `factor` times as long as stage 0. */
static void slow_stage(size_t i, double factor)
{
	json_t *work =
		json_object_get(json_array_get(json_object_get(run_launch(6 + i), "work"), 1), "decode");

	json_object_set_new(work, "compute_s", json_real(5 * factor));
}

/* "9.4 % slower" from means of few and one cold sample. */
START_TEST(one_slow_launch_makes_no_slower_node)
{
	slow_stage(0, 1.6);
	run_summarise();
	ck_assert_str_eq(json_string_value(json_object_get(comparison(), "verdict")), "no difference seen");
	ck_assert_ptr_null(fired("symmetry_tested", "two"));
}
END_TEST

START_TEST(a_node_that_is_slower_in_every_launch_is_called_so)
{
	for (size_t i = 0; i < 6; i++)
		slow_stage(i, 1.1 + 0.01 * (double)i);
	run_summarise();
	ck_assert_str_eq(json_string_value(json_object_get(comparison(), "verdict")), "slower");
	ck_assert_double_le(json_number_value(json_object_get(comparison(), "p_adjusted")), 0.05);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("plausible");
	TCase *tc = tcase_create("plausible");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, run_set_up, run_tear_down);
	tcase_add_test(tc, a_sound_run_breaks_no_rule);
	tcase_add_test(tc, an_efficiency_above_one_needs_a_cause);
	tcase_add_test(tc, a_speedup_above_its_bound_is_implausible);
	tcase_add_test(tc, transfer_that_the_link_does_not_explain_is_named);
	tcase_add_test(tc, transfer_that_late_wake_ups_explain_is_not_unexplained);
	tcase_add_test(tc, a_little_transfer_is_not_unexplained);
	tcase_add_test(tc, communication_that_does_not_grow_is_start_up_or_waiting);
	tcase_add_test(tc, a_rank_that_reads_the_whole_model_is_implausible);
	tcase_add_test(tc, loading_longer_though_less_is_read_is_implausible);
	tcase_add_test(tc, loading_longer_onto_a_device_is_not);
	tcase_add_test(tc, a_latency_that_is_inverse_throughput_is_implausible);
	tcase_add_test(tc, a_mean_of_rates_is_no_rate);
	tcase_add_test(tc, a_request_rate_from_latencies_is_no_rate);
	tcase_add_test(tc, a_baseline_that_nobody_measured_gives_no_ratio);
	tcase_add_test(tc, lost_requests_are_counted);
	tcase_add_test(tc, tokens_that_do_not_reconcile_are_implausible);
	tcase_add_test(tc, speedups_of_one_kind_have_one_formula);
	tcase_add_test(tc, one_slow_launch_makes_no_slower_node);
	tcase_add_test(tc, a_node_that_is_slower_in_every_launch_is_called_so);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
