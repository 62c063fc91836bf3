/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of requests, and the highest rate that keeps them. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "crafted.h"
#include "measure/knee.h"
#include "measure/slo.h"
#include "measure/summary.h"

#define MS 1000000ll

/* --- limits --------------------------------------------------------------------- */

static json_t *limited(const char *ttft, const char *tpot, const char *e2e)
{
	return json_pack("{s:i, s:{s:s, s:s, s:s, s:s}}", "prompts", 5, "params", "slo.ttft", ttft,
			 "slo.tpot", tpot, "slo.e2e", e2e, "slo.share", "0.9");
}

/* A request whose tokens came at `first` and then every `every` ms, arrived at 100 ms. */
static json_t *request(int tokens, int first, int every, const char *finish)
{
	return json_pack("{s:i, s:s, s:I, s:I, s:I}", "generated_tokens", tokens, "finish", finish,
			 "arrival_ns", (json_int_t)(100 * MS), "first_ns", (json_int_t)((100 + first) * MS),
			 "last_ns", (json_int_t)((100 + first + (tokens - 1) * every) * MS));
}

static double metric(const json_t *metrics, const char *name)
{
	const json_t *value = json_object_get(metrics, name);

	ck_assert_msg(json_is_number(value), "%s is not there", name);
	return json_number_value(value);
}

START_TEST(goodput_counts_requests_that_keep_every_limit)
{
	json_t *ranks = json_pack("[{s:[o, o, o]}, {s:[o, o]}]", "requests",
				  request(11, 200, 50, "length"),	 /* at both limits: kept */
				  request(11, 201, 10, "length"),	 /* first token late */
				  request(11, 10, 51, "stop"),		 /* then too slow */
				  "requests", request(1, 50, 0, "stop"), /* no time between tokens */
				  request(3, 1, 1, "failed"));
	json_t *point = limited("200ms", "50ms", "0"), *metrics = json_pack("{s:f}", "run_s", 4.0);

	lsb_slo_measure(point, ranks, metrics);
	ck_assert_double_eq_tol(metric(metrics, "goodput_rps"), 2 / 4.0, 1e-12);
	ck_assert_double_eq_tol(metric(metrics, "slo_share"), 2 / 5.0, 1e-12);
	ck_assert_double_eq_tol(metric(metrics, "slo_ttft_share"), 3 / 5.0, 1e-12);
	ck_assert_double_eq_tol(metric(metrics, "slo_tpot_share"), 3 / 5.0, 1e-12);
	ck_assert_ptr_null(json_object_get(metrics, "slo_e2e_share"));
	json_decref(point);
	json_decref(ranks);
	json_decref(metrics);
}
END_TEST

START_TEST(without_limits_there_is_no_goodput)
{
	json_t *ranks = json_pack("[{s:[o]}]", "requests", request(3, 1, 1, "stop"));
	json_t *point = limited("0", "0", "0"), *metrics = json_pack("{s:f}", "run_s", 4.0),
	       *old = json_object();

	lsb_slo_measure(point, ranks, metrics);
	lsb_slo_measure(old, ranks, metrics); /* of a journal from before there were limits */
	ck_assert_uint_eq(json_object_size(metrics), 1);
	json_decref(point);
	json_decref(old);
	json_decref(ranks);
	json_decref(metrics);
}
END_TEST

START_TEST(a_point_s_rate_is_that_of_its_arrivals)
{
	static const struct {
		const char *arrivals;
		double rate;
	} rates[] = {
		{ "fixed:5/s", 5 }, { "poisson:0.25/s", 0.25 }, { "closed", 0 }, { "burst:10:1000ns", 0 }
	};

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		json_t *point = json_pack("{s:{s:s}}", "params", "arrivals", rates[i].arrivals);

		ck_assert_double_eq(lsb_offered_rate(point), rates[i].rate);
		json_decref(point);
	}
}
END_TEST

/* --- bisection -------------------------------------------------------------------- */

/* Probe ladders of `n` rungs of which the first `good` keep the limits, until the bracket is narrow. */
static struct lsb_bracket search(size_t n, size_t good, size_t *probes)
{
	struct lsb_rung rungs[64];
	struct lsb_bracket b;

	for (size_t i = 0; i < n; i++)
		rungs[i] = (struct lsb_rung){ (double)(i + 1), NAN, 0 };
	for (*probes = 0;; (*probes)++) {
		b = lsb_bracket_find(rungs, n, 0.9);
		if (b.probe < 0)
			return b;
		ck_assert_int_lt(b.probe, (ptrdiff_t)n);
		ck_assert(isnan(rungs[b.probe].share)); /* nothing is asked for twice */
		rungs[b.probe].share = (size_t)b.probe < good ? 0.95 : 0.5;
	}
}

START_TEST(bisection_finds_every_knee_in_few_probes)
{
	for (size_t n = 1; n <= 64; n++)
		for (size_t good = 0; good <= n; good++) {
			size_t probes;
			const struct lsb_bracket b = search(n, good, &probes);

			ck_assert_int_eq(b.meets, (ptrdiff_t)good - 1);
			ck_assert_int_eq(b.fails, good < n ? (ptrdiff_t)good : -1);
			ck_assert_uint_le(probes, (size_t)ceil(log2((double)n + 1)));
		}
}
END_TEST

START_TEST(a_lower_rate_that_fails_counts_before_a_higher_one_that_does_not)
{
	const struct lsb_rung rungs[] = { { 1, 0.99, 0 }, { 2, 0.80, 0 }, { 3, 0.95, 0 }, { 4, 0.5, 0 } };
	const struct lsb_bracket b = lsb_bracket_find(rungs, 4, 0.9);

	ck_assert_int_eq(b.meets, 0);
	ck_assert_int_eq(b.fails, 1);
	ck_assert_int_eq(b.probe, -1);
}
END_TEST

START_TEST(a_rate_that_cannot_be_run_fails)
{
	const struct lsb_rung rungs[] = { { 1, 0.99, 0 }, { 2, NAN, 1 } };
	const struct lsb_bracket b = lsb_bracket_find(rungs, 2, 0.9);

	ck_assert_int_eq(b.meets, 0);
	ck_assert_int_eq(b.fails, 1);
}
END_TEST

/* --- summaries ---------------------------------------------------------------------- */

enum { RATES = 4 };

static const char *const ids[RATES] = { "a", "b", "c", "d" };
static json_t *header, *launches;

/* Points at 1, 2, 3 and 4 requests a second, written in another order. */
static void set_up(void)
{
	static const int order[RATES] = { 2, 0, 3, 1 };
	struct crafted points[RATES];

	for (int i = 0; i < RATES; i++)
		points[i] = (struct crafted){ ids[order[i]], "load", "infer", 1,    1, 1, 5, 6,
					      NULL,	     NULL,   NULL,    NULL, 0 };
	header = crafted_header(points, RATES);
	for (int i = 0; i < RATES; i++) {
		json_t *params = json_object_get(json_array_get(json_object_get(header, "points"), (size_t)i),
						 "params");

		json_object_set_new(params, "arrivals", json_sprintf("poisson:%d/s", order[i] + 1));
		json_object_set_new(params, "slo.ttft", json_string("200ms"));
		json_object_set_new(params, "slo.share", json_string("0.9"));
		json_object_set_new(params, "search", json_string("knee"));
	}
	launches = json_array();
}

static void tear_down(void)
{
	json_decref(header);
	json_decref(launches);
}

static void add(int rate, int n, double share)
{
	const struct crafted point = { ids[rate - 1], "load", "infer", 1,    1, 1, 5, 6,
				       NULL,	      NULL,   NULL,    NULL, 0 };

	for (int i = 0; i < n; i++) {
		const struct crafted_launch l = { i, 10, 9, 100, 100 };
		json_t *launch = crafted_ok(&point, (int)json_array_size(launches), &l);

		json_object_set_new(json_object_get(launch, "metrics"), "slo_share", json_real(share));
		json_array_append_new(launches, launch);
	}
}

static json_t *summarise(void)
{
	json_t *summary;
	struct lsb_error err = { 0 };

	ck_assert_msg(lsb_summary_build(header, launches, &summary, &err) == 0, "%s", err.msg);
	return summary;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

START_TEST(a_knee_has_its_bracket_and_says_why)
{
	json_t *summary;
	const json_t *knee, *finding = NULL, *next;
	size_t i;

	add(2, 6, 0.94);
	add(3, 6, 0.4);
	add(1, 1, 0.99);
	summary = summarise();
	ck_assert_uint_eq(json_array_size(json_object_get(summary, "knees")), 1);
	knee = json_array_get(json_object_get(summary, "knees"), 0);
	ck_assert_str_eq(text_of(knee, "meets"), "b");
	ck_assert_str_eq(text_of(knee, "fails"), "c");
	ck_assert_double_eq(json_number_value(json_object_get(knee, "rate")), 2);
	ck_assert_double_eq(json_number_value(json_object_get(knee, "ceiling")), 3);
	ck_assert(json_is_true(json_object_get(knee, "is_closed")));
	ck_assert_str_eq(json_string_value(json_array_get(json_object_get(knee, "points"), 0)), "a");
	/* what bisection left out is no failure, and what it only probed is whole */
	ck_assert_str_eq(text_of(lsb_summary_point(summary, "d"), "status"), "skipped");
	ck_assert_ptr_nonnull(strstr(text_of(lsb_summary_point(summary, "d"), "reason"), "not needed"));
	ck_assert_str_eq(text_of(lsb_summary_point(summary, "a"), "status"), "ok");
	ck_assert_ptr_nonnull(strstr(text_of(lsb_summary_point(summary, "a"), "reason"), "probe"));
	json_array_foreach(json_object_get(json_object_get(summary, "findings"), "summary"), i, next)
	{
		ck_assert_ptr_null(strstr(text_of(next, "text"), "is skipped"));
		if (strstr(text_of(next, "text"), "the knee is between 2 and 3 requests/s: at 2, 94 %"))
			finding = next;
	}
	ck_assert_ptr_nonnull(finding);
	ck_assert(json_is_true(
		json_object_get(json_object_get(lsb_summary_point(summary, "b"), "slo"), "met")));
	ck_assert(json_is_false(
		json_object_get(json_object_get(lsb_summary_point(summary, "c"), "slo"), "met")));
	json_decref(summary);
}
END_TEST

START_TEST(a_rate_at_which_the_queue_grows_is_no_knee)
{
	json_t *summary, *launch;
	const json_t *knee;
	size_t i;

	add(1, 6, 0.99);
	add(2, 6, 0.99);
	json_array_foreach(launches, i, launch)
	{
		json_object_set_new(json_object_get(launch, "metrics"), "queue_growth",
				    json_real(i < 6 ? 0.01 : 0.3));
	}
	summary = summarise();
	knee = json_array_get(json_object_get(summary, "knees"), 0);
	ck_assert_str_eq(text_of(knee, "meets"), "a");
	ck_assert_str_eq(text_of(knee, "fails"), "b");
	ck_assert(json_is_false(
		json_object_get(json_object_get(lsb_summary_point(summary, "b"), "slo"), "met")));
	json_decref(summary);
}
END_TEST

START_TEST(a_search_that_was_cut_short_says_so)
{
	json_t *summary;
	const json_t *knee;

	add(2, 1, 0.94);
	summary = summarise();
	knee = json_array_get(json_object_get(summary, "knees"), 0);
	ck_assert(json_is_false(json_object_get(knee, "is_closed")));
	ck_assert_str_eq(text_of(lsb_summary_point(summary, "b"), "status"), "incomplete");
	json_decref(summary);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("knee");
	TCase *tc = tcase_create("knee"), *runs = tcase_create("runs");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, goodput_counts_requests_that_keep_every_limit);
	tcase_add_test(tc, without_limits_there_is_no_goodput);
	tcase_add_test(tc, a_point_s_rate_is_that_of_its_arrivals);
	tcase_add_test(tc, bisection_finds_every_knee_in_few_probes);
	tcase_add_test(tc, a_lower_rate_that_fails_counts_before_a_higher_one_that_does_not);
	tcase_add_test(tc, a_rate_that_cannot_be_run_fails);
	tcase_add_checked_fixture(runs, set_up, tear_down);
	tcase_add_test(runs, a_knee_has_its_bracket_and_says_why);
	tcase_add_test(runs, a_rate_at_which_the_queue_grows_is_no_knee);
	tcase_add_test(runs, a_search_that_was_cut_short_says_so);
	suite_add_tcase(suite, tc);
	suite_add_tcase(suite, runs);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
