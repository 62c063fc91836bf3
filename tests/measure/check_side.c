/* SPDX-License-Identifier: Apache-2.0 */
/* Summaries with known samples: what is put side by side, and in which words. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "measure/side.h"

enum { LAUNCHES = 8 };

static json_t *metric(double median)
{
	json_t *samples = json_array();

	for (int i = 0; i < LAUNCHES; i++)
		json_array_append_new(samples, json_real(median * (1 + 0.001 * ((i * 3) % LAUNCHES))));
	return json_pack("{s:f, s:o}", "median", median, "samples", samples);
}

/*
 * A point over one of the suite's transports: `plugin` is what the factor holds, `set` what the sweep says.
 */
static json_t *point(const char *id, const char *case_, const char *set, const char *plugin)
{
	json_t *rounds = json_array();

	for (int i = 0; i < LAUNCHES; i++)
		json_array_append_new(rounds, json_integer(i));
	return json_pack("{s:s, s:s, s:o, s:s, s:[], s:i, s:o, s:s, s:b, s:{}, s:{s:s}, s:{s:s, s:s, s:s}}",
			 "id", id, "case", case_, "label", json_sprintf("%s transport=%s", case_, set),
			 "status", "ok", "flags", "launches", LAUNCHES, "rounds", rounds, "launcher",
			 "mpirun", "pinned", 1, "metrics", "outputs", "sha256", "aa", "params", "model", "m",
			 "case_kind", case_, "transport", plugin);
}

static json_t *run_point(const char *id, const char *set, const char *plugin, double tokens_per_s)
{
	json_t *p = point(id, "pipeline", set, plugin);

	json_object_set_new(json_object_get(p, "metrics"), "tokens_per_s", metric(tokens_per_s));
	return p;
}

static json_t *link_point(const char *id, const char *set, const char *plugin, double small_s, double large_s)
{
	json_t *p = point(id, "link", set, plugin), *metrics = json_object_get(p, "metrics");

	json_object_set_new(metrics, "latency_1_s", metric(small_s));
	json_object_set_new(metrics, "latency_1024_s", metric(large_s));
	json_object_set_new(metrics, "bandwidth_1024_bps", metric(1e9));
	json_object_set_new(p, "links",
			    json_pack("[{s:[{s:i}, {s:i}]}]", "sizes", "bytes", 1, "bytes", 1024));
	return p;
}

static json_t *summary_of(json_t *points, const char *axis)
{
	json_t *header = json_pack("{s:s, s:s, s:s?}", "suite", "s", "version", "0", "compare", axis),
	       *summary = json_pack("{s:o}", "points", points);

	json_object_set_new(summary, "side_by_side", lsb_side_by_side(header, summary, NULL));
	json_decref(header);
	return summary;
}

static const json_t *pairs_of(const json_t *summary)
{
	return json_object_get(json_object_get(summary, "side_by_side"), "pairs");
}

static const char *said(const json_t *list, size_t i)
{
	return json_string_value(json_object_get(json_array_get(list, i), "text"));
}

START_TEST(a_suite_that_compares_nothing_has_nothing_side_by_side)
{
	json_t *summary = summary_of(json_pack("[o]", run_point("01", "tcp", "tcp", 40)), NULL);

	ck_assert(json_is_null(json_object_get(summary, "side_by_side")));
	json_decref(summary);
}
END_TEST

START_TEST(two_sets_of_one_plugin_are_told_apart_and_named_as_the_suite_does)
{
	json_t *summary = summary_of(json_pack("[o, o, o]", run_point("01", "tcp", "tcp", 40),
					       run_point("02", "mpi_shm", "mpi", 50),
					       run_point("03", "mpi_tcp", "mpi", 30)),
				     "transport"),
	       *list = json_array();

	ck_assert_uint_eq(json_array_size(pairs_of(summary)), 2);
	lsb_side_findings(summary, list);
	ck_assert_uint_eq(json_array_size(list), 2);
	ck_assert_msg(strstr(said(list, 0), "pipeline: transport mpi_shm against tcp: faster; 1.25 times"),
		      "%s", said(list, 0));
	ck_assert_ptr_nonnull(strstr(said(list, 0), "(medians: 50 against 40)"));
	ck_assert_ptr_nonnull(strstr(said(list, 0), "token by token the same answers"));
	ck_assert_msg(strstr(said(list, 1), "transport mpi_tcp against tcp: slower; 0.75 times"), "%s",
		      said(list, 1));
	json_decref(list);
	json_decref(summary);
}
END_TEST

START_TEST(links_are_compared_by_size_behind_the_runs)
{
	json_t *summary = summary_of(json_pack("[o, o, o, o]", link_point("01", "tcp", "tcp", 1e-5, 2e-5),
					       link_point("02", "shm", "shm", 5e-6, 2e-5),
					       run_point("03", "tcp", "tcp", 40),
					       run_point("04", "shm", "shm", 40)),
				     "transport"),
	       *list = json_array(), *metrics;

	metrics = json_object_get(json_array_get(pairs_of(summary), 0), "metrics");
	ck_assert_uint_eq(json_object_size(metrics), 3); /* none of runs, none that no point has */
	lsb_side_findings(summary, list);
	ck_assert_uint_eq(json_array_size(list), 2);
	ck_assert_msg(strstr(said(list, 0), "pipeline: transport shm against tcp: no difference seen"), "%s",
		      said(list, 0));
	ck_assert_msg(strstr(said(list, 1),
			     "latency faster at 1 of 2 sizes, no difference seen at 1 of 2 sizes "
			     "(1 B: 0.5 times [0.5, 0.5], 1 KiB: 1 times [1, 1]); bandwidth no "
			     "difference seen at 1 of 1 sizes"),
		      "%s", said(list, 1));
	json_decref(list);
	json_decref(summary);
}
END_TEST

START_TEST(what_other_answers_give_and_what_is_confounded_is_said)
{
	json_t *other = run_point("02", "shm", "shm", 50), *local = run_point("03", "loop", "loop", 50),
	       *summary, *list = json_array();

	json_object_set_new(other, "outputs", json_pack("{s:s}", "sha256", "bb"));
	json_object_set_new(local, "launcher", json_string("local"));
	summary = summary_of(json_pack("[o, o, o]", run_point("01", "tcp", "tcp", 40), other, local),
			     "transport");
	lsb_side_findings(summary, list);
	ck_assert_ptr_nonnull(strstr(said(list, 0), "other answers, so neither can stand for the other"));
	ck_assert_ptr_nonnull(
		strstr(said(list, 1), "no verdict, they differ in more than that: launched by"));
	json_decref(list);
	json_decref(summary);
}
END_TEST

START_TEST(an_axis_that_no_point_has_is_told_with_the_reason)
{
	json_t *summary = summary_of(json_pack("[o]", run_point("01", "tcp", "tcp", 40)), "batch");

	ck_assert_uint_eq(json_array_size(pairs_of(summary)), 0);
	ck_assert_ptr_nonnull(
		strstr(json_string_value(json_object_get(json_object_get(summary, "side_by_side"), "reason")),
		       "'batch'"));
	json_decref(summary);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("side");
	TCase *tc = tcase_create("side");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, a_suite_that_compares_nothing_has_nothing_side_by_side);
	tcase_add_test(tc, two_sets_of_one_plugin_are_told_apart_and_named_as_the_suite_does);
	tcase_add_test(tc, links_are_compared_by_size_behind_the_runs);
	tcase_add_test(tc, what_other_answers_give_and_what_is_confounded_is_said);
	tcase_add_test(tc, an_axis_that_no_point_has_is_told_with_the_reason);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
