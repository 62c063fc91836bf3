/* SPDX-License-Identifier: Apache-2.0 */
/* Summaries with known samples: which points pair, what is said of them, what gates. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure/compare.h"

enum { LAUNCHES = 10 };

/* A point with LAUNCHES samples around `run_s`, each 0.2 % from the next; round i of all points alike. */
static json_t *point(const char *id, const char *case_, const char *values, double run_s)
{
	json_t *run = json_array(), *rate = json_array(), *rounds = json_array();
	json_t *label = *values ? json_sprintf("%s %s", case_, values) : json_string(case_), *p;

	for (int i = 0; i < LAUNCHES; i++) {
		const double s = run_s * (1 + 0.002 * ((i * 7) % LAUNCHES));

		json_array_append_new(run, json_real(s));
		json_array_append_new(rate, json_real(100 / s));
		json_array_append_new(rounds, json_integer(i));
	}
	p = json_pack("{s:s, s:s, s:o, s:s, s:[], s:i, s:o, s:s, s:b, s:i, s:i, s:{s:s}}", "id", id, "case",
		      case_, "label", label, "status", "ok", "flags", "launches", LAUNCHES, "rounds", rounds,
		      "launcher", "local", "pinned", 1, "in_flight", 2, "stages", 2, "outputs", "sha256",
		      "aa");
	json_object_set_new(p, "metrics",
			    json_pack("{s:{s:f, s:o}, s:{s:f, s:o}, s:{s:f}, s:{s:f}}", "run_s", "median",
				      run_s, "samples", run, "tokens_per_s", "median", 100 / run_s, "samples",
				      rate, "generated_tokens", "median", 100.0, "prompt_tokens", "median",
				      500.0));
	json_object_set_new(p, "params",
			    json_pack("{s:s, s:s, s:s, s:s, s:s}", "model", "m", "transport", "tcp", "batch",
				      "1", "reps", "10", "workload", "w"));
	return p;
}

static void set_param(json_t *p, const char *key, const char *value)
{
	json_object_set_new(json_object_get(p, "params"), key, json_string(value));
}

static json_t *summary_of(json_t *a, json_t *b)
{
	json_t *points = json_array();

	json_array_append_new(points, a);
	if (b)
		json_array_append_new(points, b);
	return json_pack("{s:o}", "points", points);
}

static json_t *header_of(const char *lsbench, const char *plugin)
{
	return json_pack("{s:s, s:s, s:{s:s, s:{s:s}}}", "suite", "s", "version", "0.1.0", "provenance",
			 "lsbench", lsbench, "plugins", "/somewhere/lsbench-backend-x.so", plugin);
}

static const char *const metrics[] = { "run_s", "tokens_per_s" };

static json_t *compared(const struct lsb_compare_run *a, const struct lsb_compare_run *b,
			const struct lsb_compare_options *options)
{
	struct lsb_error err = { 0 };
	json_t *out = NULL;

	ck_assert_msg(lsb_compare_runs(a, b, options, &out, &err) == LSB_OK, "%s", err.msg);
	return out;
}

/* Within one summary, which is given up. */
static json_t *within(json_t *summary, const struct lsb_compare_options *options)
{
	json_t *header = header_of("1", "2"), *out;
	const struct lsb_compare_run run = { "dir", header, summary, NULL };

	out = compared(&run, NULL, options);
	json_decref(header);
	json_decref(summary);
	return out;
}

static const json_t *pair_of(const json_t *comparison, size_t i)
{
	return json_array_get(json_object_get(comparison, "pairs"), i);
}

static const char *verdict_of(const json_t *comparison, size_t i, const char *metric)
{
	return json_string_value(json_object_get(
		json_object_get(json_object_get(pair_of(comparison, i), "metrics"), metric), "verdict"));
}

static json_int_t counted(const json_t *comparison, const char *what)
{
	return json_integer_value(json_object_get(json_object_get(comparison, "verdicts"), what));
}

/* --- two runs --------------------------------------------------------------------------- */

START_TEST(points_of_two_runs_pair_by_id_and_what_else_differs_is_told)
{
	json_t *a = summary_of(point("01", "one", "nodes=1", 1.0), point("02", "one", "nodes=2", 1.0)),
	       *b = summary_of(point("01", "renamed", "nodes=1", 1.3), point("03", "new", "", 1.0)),
	       *ha = header_of("abc", "same"), *hb = header_of("def", "same"), *c, *differences;
	const struct lsb_compare_run ra = { "a", ha, a, NULL }, rb = { "b", hb, b, NULL };
	const struct lsb_compare_options options = { .metrics = metrics, .n_metrics = 2 };

	c = compared(&ra, &rb, &options);
	ck_assert_uint_eq(json_array_size(json_object_get(c, "pairs")), 1);
	ck_assert_str_eq(verdict_of(c, 0, "run_s"), "slower");
	ck_assert_str_eq(verdict_of(c, 0, "tokens_per_s"), "slower");
	ck_assert_int_eq(counted(c, "slower"), 2);
	ck_assert_int_eq(counted(c, "slower_beyond_threshold"), 2);
	ck_assert_str_eq(json_string_value(json_array_get(json_object_get(c, "only_a"), 0)), "one nodes=2");
	ck_assert_str_eq(json_string_value(json_array_get(json_object_get(c, "only_b"), 0)), "new");
	differences = json_object_get(c, "differences");
	ck_assert_uint_eq(json_array_size(differences), 1); /* the program; not the plugin, not the folder */
	ck_assert_str_eq(json_string_value(json_object_get(json_array_get(differences, 0), "what")),
			 "lsbench");
	json_decref(c);
	json_decref(a);
	json_decref(b);
	json_decref(ha);
	json_decref(hb);
}
END_TEST

START_TEST(a_run_against_itself_shows_no_difference)
{
	json_t *a = summary_of(point("01", "one", "", 1.0), NULL), *h = header_of("abc", "same"), *c;
	const struct lsb_compare_run run = { "a", h, a, NULL };
	const struct lsb_compare_options options = { .metrics = metrics, .n_metrics = 2 };

	c = compared(&run, &run, &options);
	ck_assert_int_eq(counted(c, "no_difference"), 2);
	ck_assert_int_eq(counted(c, "slower"), 0);
	ck_assert_uint_eq(json_array_size(json_object_get(c, "differences")), 0);
	json_decref(c);
	json_decref(a);
	json_decref(h);
}
END_TEST

START_TEST(a_threshold_fails_only_what_is_slower_by_more)
{
	static const struct {
		double run_s, threshold;
		int fails;
	} cases[] = { { 1.10, 0.05, 1 }, { 1.10, 0.15, 0 }, { 1.10, 0, 1 }, { 0.80, 0, 0 }, { 1.005, 0, 0 } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct lsb_compare_options options = { .first = "one",
							     .second = "two",
							     .metrics = metrics,
							     .n_metrics = 2,
							     .threshold = cases[i].threshold };
		json_t *c = within(
			summary_of(point("01", "one", "", 1.0), point("02", "two", "", cases[i].run_s)),
			&options);

		ck_assert_int_eq(counted(c, "slower_beyond_threshold"), cases[i].fails ? 2 : 0);
		json_decref(c);
	}
}
END_TEST

/* --- one run ------------------------------------------------------------------------------- */

START_TEST(an_axis_pairs_points_that_differ_in_it_alone)
{
	json_t *a = point("01", "one", "batch=1 transport=tcp", 1.0),
	       *b = point("02", "one", "batch=1 transport=mpi", 0.8),
	       *c = point("03", "one", "batch=2 transport=mpi", 0.5), *summary = summary_of(a, b), *out;
	const struct lsb_compare_options options = { .axis = "transport",
						     .metrics = metrics,
						     .n_metrics = 1 };

	set_param(b, "transport", "mpi");
	set_param(b, "transport.eager", "1MiB"); /* an option of it is of the axis */
	set_param(b, "reps", "20");		 /* no factor */
	set_param(c, "transport", "mpi");
	set_param(c, "batch", "2");
	json_array_append_new(json_object_get(summary, "points"), c);
	out = within(summary, &options);
	ck_assert_uint_eq(json_array_size(json_object_get(out, "pairs")), 1);
	ck_assert_str_eq(verdict_of(out, 0, "run_s"), "faster");
	ck_assert_str_eq(json_string_value(json_object_get(pair_of(out, 0), "what")),
			 "one batch=1: transport mpi against tcp");
	json_decref(out);
}
END_TEST

/*
 * Three sets of one plugin, as `sweep.transport = plain, slow, slower` makes them, and its baseline's twin.
 */
static json_t *named_sets(void)
{
	static const char *const names[] = { "plain", "slow", "slower" }, *const delays[] = { NULL, "1ms",
											      "2ms" };
	json_t *points = json_array();

	for (size_t i = 0; i < 3; i++) {
		char id[3] = { '0', (char)('1' + i), '\0' }, values[64];
		json_t *p;

		(void)snprintf(values, sizeof(values), "batch=1 transport=%s", names[i]);
		p = point(id, "one", values, 1.0 + (double)i);
		if (delays[i])
			set_param(p, "transport.delay", delays[i]);
		json_array_append_new(points, p);
	}
	return json_pack("{s:o}", "points", points);
}

START_TEST(named_sets_of_one_plugin_are_values_of_its_axis)
{
	static const struct {
		const char *axis;
		size_t pairs;
		const char *what;
	} cases[] = { { "transport", 2, "one batch=1: transport slow against plain" },
		      { "transport=slower,plain", 1, "one batch=1: transport plain against slower" },
		      { "transport=tcp", 2, "one batch=1: transport slow against plain" },
		      { "transport.delay", 2,
			"one batch=1 transport=slow: transport.delay 1ms against the default" } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct lsb_compare_options options = { .axis = cases[i].axis,
							     .metrics = metrics,
							     .n_metrics = 1 };
		json_t *out = within(named_sets(), &options);

		ck_assert_uint_eq(json_array_size(json_object_get(out, "pairs")), cases[i].pairs);
		ck_assert_str_eq(json_string_value(json_object_get(pair_of(out, 0), "what")), cases[i].what);
		json_decref(out);
	}
}
END_TEST

START_TEST(options_tell_what_differs_where_names_do_not)
{
	json_t *a = point("01", "one", "transport.delay=1ms", 1.0),
	       *b = point("02", "one", "transport.delay=2ms", 2.0), *out;
	const struct lsb_compare_options options = { .axis = "transport",
						     .metrics = metrics,
						     .n_metrics = 1 };

	set_param(a, "transport.delay", "1ms");
	set_param(b, "transport.delay", "2ms");
	set_param(b, "transport.nodelay", "yes");
	out = within(summary_of(a, b), &options);
	ck_assert_uint_eq(json_array_size(json_object_get(out, "pairs")), 1);
	ck_assert_str_eq(json_string_value(json_object_get(pair_of(out, 0), "what")),
			 "one: transport tcp delay=2ms nodelay=yes against tcp delay=1ms");
	ck_assert_str_eq(verdict_of(out, 0, "run_s"), "slower");
	json_decref(out);
}
END_TEST

START_TEST(values_of_an_axis_choose_the_baseline)
{
	json_t *a = point("01", "one", "batch=1", 1.0), *b = point("02", "one", "batch=2", 0.8),
	       *c = point("03", "one", "batch=4", 0.5), *summary = summary_of(a, b), *out;
	const struct lsb_compare_options options = { .axis = "batch=4,1",
						     .metrics = metrics,
						     .n_metrics = 1 };

	set_param(b, "batch", "2");
	set_param(c, "batch", "4");
	json_array_append_new(json_object_get(summary, "points"), c);
	out = within(summary, &options);
	ck_assert_uint_eq(json_array_size(json_object_get(out, "pairs")), 1);
	ck_assert_str_eq(json_string_value(json_object_get(json_object_get(pair_of(out, 0), "a"), "id")),
			 "03");
	ck_assert_str_eq(json_string_value(json_object_get(json_object_get(pair_of(out, 0), "b"), "id")),
			 "01");
	ck_assert_str_eq(verdict_of(out, 0, "run_s"), "slower");
	json_decref(out);
}
END_TEST

START_TEST(cases_pair_by_their_sweep_values)
{
	json_t *summary = summary_of(point("01", "one", "batch=1", 1.0), point("02", "one", "batch=2", 1.0)),
	       *out;
	const struct lsb_compare_options options = {
		.first = "one", .second = "two", .metrics = metrics, .n_metrics = 1
	};

	json_array_append_new(json_object_get(summary, "points"), point("03", "two", "batch=2", 2.0));
	json_array_append_new(json_object_get(summary, "points"), point("04", "two", "batch=8", 2.0));
	out = within(summary, &options);
	ck_assert_uint_eq(json_array_size(json_object_get(out, "pairs")), 1);
	ck_assert_str_eq(json_string_value(json_object_get(json_object_get(pair_of(out, 0), "a"), "id")),
			 "02");
	json_decref(out);
}
END_TEST

/* --- no verdict -------------------------------------------------------------------------------- */

static json_t *two(json_t *b)
{
	const struct lsb_compare_options options = {
		.first = "one", .second = "two", .metrics = metrics, .n_metrics = 2
	};

	return within(summary_of(point("01", "one", "", 1.0), b), &options);
}

START_TEST(points_that_differ_in_launcher_pinning_or_waiting_get_no_verdict)
{
	static const char *const reasons[] = { "launched by local and by mpirun", "pinned in A only",
					       "transport.wait is the default and poll" };

	for (size_t i = 0; i < 3; i++) {
		json_t *b = point("02", "two", "", 2.0), *out;

		if (i == 0)
			json_object_set_new(b, "launcher", json_string("mpirun"));
		else if (i == 1)
			json_object_set_new(b, "pinned", json_false());
		else
			set_param(b, "transport.wait", "poll");
		out = two(b);
		ck_assert_str_eq(verdict_of(out, 0, "run_s"), "unknown");
		ck_assert_ptr_nonnull(strstr(
			json_string_value(json_object_get(pair_of(out, 0), "confounded")), reasons[i]));
		ck_assert_int_eq(counted(out, "slower"), 0);
		ck_assert_int_eq(counted(out, "unknown"), 2);
		json_decref(out);
	}
}
END_TEST

static void tell_wait(json_t *p, const char *mode)
{
	json_object_set_new(p, "ranks", json_pack("[{s:{s:s}}]", "transport", "wait", mode));
}

START_TEST(wait_modes_are_those_that_ranks_tell_not_those_that_suites_write)
{
	json_t *a = point("01", "one", "", 1.0), *b = point("02", "two", "", 2.0), *out;
	const struct lsb_compare_options options = {
		.first = "one", .second = "two", .metrics = metrics, .n_metrics = 2
	};

	set_param(b, "transport.wait", "hybrid"); /* what the other has by default */
	tell_wait(a, "hybrid");
	tell_wait(b, "hybrid");
	out = within(summary_of(a, b), &options);
	ck_assert(json_is_null(json_object_get(pair_of(out, 0), "confounded")));
	json_decref(out);

	a = point("01", "one", "", 1.0);
	b = point("02", "two", "", 2.0);
	tell_wait(a, "hybrid"); /* the defaults of two plugins */
	tell_wait(b, "block");
	out = within(summary_of(a, b), &options);
	ck_assert_str_eq(json_string_value(json_object_get(pair_of(out, 0), "confounded")),
			 "transport.wait is hybrid and block");
	json_decref(out);
}
END_TEST

START_TEST(unequal_work_leaves_rates_and_takes_times)
{
	json_t *b = point("02", "two", "", 2.0), *out;

	json_object_set_new(json_object_get(json_object_get(b, "metrics"), "generated_tokens"), "median",
			    json_real(101));
	out = two(b);
	ck_assert_str_eq(verdict_of(out, 0, "run_s"), "unknown");
	ck_assert_str_eq(verdict_of(out, 0, "tokens_per_s"), "slower");
	json_decref(out);
}
END_TEST

START_TEST(answers_that_differ_are_told_where_the_same_was_asked)
{
	json_t *b = point("02", "two", "", 0.5), *out;

	json_object_set_new(json_object_get(b, "outputs"), "sha256", json_string("bb"));
	out = two(json_incref(b));
	ck_assert(json_is_false(json_object_get(pair_of(out, 0), "outputs_equal")));
	ck_assert_int_eq(counted(out, "outputs_differ"), 1);
	json_decref(out);
	set_param(b, "model", "another");
	out = two(b);
	ck_assert(json_is_null(json_object_get(pair_of(out, 0), "outputs_equal")));
	ck_assert_int_eq(counted(out, "outputs_differ"), 0);
	json_decref(out);
}
END_TEST

/* Ten rounds carry 25 comparisons; of 30, launches are compared as samples. */
START_TEST(rounds_too_few_for_the_family_are_compared_as_samples)
{
	const struct lsb_compare_options options = {
		.first = "one", .second = "two", .metrics = metrics, .n_metrics = 1
	};

	for (int n = 2; n <= 30; n += 28) {
		json_t *summary = summary_of(point("x", "none", "", 1.0), NULL), *out;
		const json_t *metric;

		for (int i = 0; i < n; i++) {
			char id[8], values[16];

			snprintf(id, sizeof(id), "a%d", i);
			snprintf(values, sizeof(values), "batch=%d", i);
			json_array_append_new(json_object_get(summary, "points"),
					      point(id, "one", values, 1.0));
			id[0] = 'b';
			json_array_append_new(json_object_get(summary, "points"),
					      point(id, "two", values, 1.5));
		}
		out = within(summary, &options);
		ck_assert_int_eq(counted(out, "slower"), n);
		metric = json_object_get(json_object_get(pair_of(out, 0), "metrics"), "run_s");
		ck_assert_int_eq(json_integer_value(json_object_get(metric, "pairs")), n == 2 ? LAUNCHES : 0);
		json_decref(out);
	}
}
END_TEST

START_TEST(a_point_that_fails_now_is_told)
{
	json_t *b = point("02", "two", "", 1.0), *out;

	json_object_set_new(b, "status", json_string("failed"));
	json_object_clear(json_object_get(b, "metrics"));
	out = two(b);
	ck_assert_int_eq(counted(out, "broken"), 1);
	ck_assert_int_eq(counted(out, "unknown"), 2);
	json_decref(out);
}
END_TEST

START_TEST(names_that_mean_nothing_are_refused)
{
	static const struct {
		struct lsb_compare_options options;
		const char *says;
	} bad[] = { { { .axis = "colour", .metrics = metrics, .n_metrics = 1 },
		      "no point has a factor 'colour'" },
		    { { .axis = "batch", .metrics = metrics, .n_metrics = 1 },
		      "no two points differ in 'batch' alone" },
		    { { .axis = "=1,2", .metrics = metrics, .n_metrics = 1 }, "is not KEY" },
		    { { .first = "one", .second = "nobody", .metrics = metrics, .n_metrics = 1 },
		      "no point or case is called 'nobody'" } };
	json_t *summary = summary_of(point("01", "one", "", 1.0), NULL), *header = header_of("1", "2"), *out;
	const struct lsb_compare_run run = { "dir", header, summary, NULL };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct lsb_error err = { 0 };

		ck_assert_int_eq(lsb_compare_runs(&run, NULL, &bad[i].options, &out, &err), LSB_ESUITE);
		ck_assert_msg(strstr(err.msg, bad[i].says) != NULL, "%s", err.msg);
	}
	json_decref(summary);
	json_decref(header);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("compare");
	TCase *tc = tcase_create("compare");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, points_of_two_runs_pair_by_id_and_what_else_differs_is_told);
	tcase_add_test(tc, a_run_against_itself_shows_no_difference);
	tcase_add_test(tc, a_threshold_fails_only_what_is_slower_by_more);
	tcase_add_test(tc, an_axis_pairs_points_that_differ_in_it_alone);
	tcase_add_test(tc, named_sets_of_one_plugin_are_values_of_its_axis);
	tcase_add_test(tc, options_tell_what_differs_where_names_do_not);
	tcase_add_test(tc, values_of_an_axis_choose_the_baseline);
	tcase_add_test(tc, cases_pair_by_their_sweep_values);
	tcase_add_test(tc, points_that_differ_in_launcher_pinning_or_waiting_get_no_verdict);
	tcase_add_test(tc, wait_modes_are_those_that_ranks_tell_not_those_that_suites_write);
	tcase_add_test(tc, unequal_work_leaves_rates_and_takes_times);
	tcase_add_test(tc, answers_that_differ_are_told_where_the_same_was_asked);
	tcase_add_test(tc, rounds_too_few_for_the_family_are_compared_as_samples);
	tcase_add_test(tc, a_point_that_fails_now_is_told);
	tcase_add_test(tc, names_that_mean_nothing_are_refused);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
