/* SPDX-License-Identifier: Apache-2.0 */
/* Whole runs with ranks that only talk: what is launched, journaled, resumed. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "launch/run.h"
#include "wire/journal.h"

static char folder[] = "/tmp/lsb-run-XXXXXX";
static char out[64], journal[96];

static void set_up(void)
{
	ck_assert_ptr_nonnull(mkdtemp(folder));
	(void)snprintf(out, sizeof(out), "%s/results", folder);
	(void)snprintf(journal, sizeof(journal), "%s/journal.jsonl", out);
}

static void tear_down(void)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -r '%s'", folder);
	ck_assert_int_eq(system(command), 0);
}

/* Read a suite and prepare it as if plugins had been asked. */
static void prepare(const char *text, struct lsb_suite **suite, struct lsb_prepared *p)
{
	const struct lsb_suite_request request = { .path = "test.ini" };
	struct lsb_diagnostics findings = { 0 };
	const int rc = lsb_suite_parse(&request, text, strlen(text), suite, &findings);

	lsb_diagnostics_print(&findings, stderr);
	ck_assert_int_eq(rc, 0);
	lsb_diagnostics_free(&findings);
	*p = (struct lsb_prepared){ .suite = *suite,
				    .folders = strdup("/nowhere"),
				    .n_points = (*suite)->n_points };
	p->points = calloc(p->n_points, sizeof(*p->points));
	p->provenance = json_pack("{s:s, s:{}, s:{}, s:{}}", "lsbench", "x", "plugins", "models", "data");
	for (size_t i = 0; i < p->n_points; i++) {
		struct lsb_prepared_point *point = &p->points[i];

		point->point = &(*suite)->points[i];
		point->context = 100;
		point->max_records = 100;
		point->layers = calloc(point->point->stages, sizeof(*point->layers));
		point->cpus = calloc(point->point->nodes, sizeof(*point->cpus));
		for (uint32_t k = 0; k < point->point->stages; k++)
			point->layers[k] = 1;
	}
}

static int run_prepared(const struct lsb_prepared *p, int is_resumed, struct lsb_run_result *result,
			struct lsb_error *err)
{
	static char *argv[] = { "lsbench", "test.ini" };
	const struct lsb_run_request request = {
		.prepared = p,
		.argc = 2,
		.argv = argv,
		.program = LSB_BINARY_DIR "/tests/launch/fake_node",
		.folder = out,
		.is_resumed = is_resumed,
		.is_quiet = 1,
	};

	return lsb_run(&request, result, err);
}

static void run(const char *text, int is_resumed, struct lsb_run_result *result)
{
	struct lsb_error err = { 0 };
	struct lsb_prepared p;
	struct lsb_suite *suite;

	prepare(text, &suite, &p);
	ck_assert_msg(run_prepared(&p, is_resumed, result, &err) == 0, "%s", err.msg);
	lsb_prepared_free(&p);
	lsb_suite_free(suite);
}

/* How many launches of a case have a status. */
static int count(const char *case_name, const char *status)
{
	json_t *lines, *point;
	size_t i;
	int n = 0;

	ck_assert_int_eq(lsb_journal_read(journal, NULL, &lines, NULL, NULL), 0);
	json_array_foreach(json_object_get(json_array_get(lines, 0), "points"), i, point)
	{
		if (strcmp(json_string_value(json_object_get(point, "case")), case_name) != 0)
			continue;
		for (size_t k = 1; k < json_array_size(lines); k++) {
			const json_t *line = json_array_get(lines, k);

			n += json_equal(json_object_get(line, "point"), json_object_get(point, "id")) &&
			     strcmp(json_string_value(json_object_get(line, "status")), status) == 0;
		}
	}
	json_decref(lines);
	return n;
}

#define SUITE(reps)                                                                                          \
	"[suite]\nname = t\n[defaults]\nprompts = 1\nwarmup = 0\nreps = " #reps "\n[case good]\n"            \
	"model = random:nothing:0\nsweep.nodes = 1, 2\n"

START_TEST(every_point_is_launched_in_every_round)
{
	struct lsb_run_result result;
	json_t *lines;

	run(SUITE(3), 0, &result);
	ck_assert_uint_eq(result.n_launched, 6);
	ck_assert_uint_eq(result.n_failed, 0);
	ck_assert_int_eq(count("good", "ok"), 6);
	ck_assert_int_eq(lsb_journal_read(journal, NULL, &lines, NULL, NULL), 0);
	for (size_t i = 1; i < json_array_size(lines); i++) {
		const json_t *line = json_array_get(lines, i);

		ck_assert_int_eq(json_integer_value(json_object_get(line, "launch")), (json_int_t)i - 1);
		ck_assert_double_eq_tol(
			json_number_value(json_object_get(json_object_get(line, "metrics"), "tokens_per_s")),
			1.0, 1e-6);
	}
	json_decref(lines);
}
END_TEST

START_TEST(point_that_fails_twice_is_left_and_the_others_go_on)
{
	struct lsb_run_result result;

	run(SUITE(4) "[case bad]\nmodel = random:die-run:1\nnodes = 2\n"
		     "[case odd]\nmodel = random:waive:0\nnodes = 1\n",
	    0, &result);
	ck_assert_int_eq(count("good", "ok"), 8);
	ck_assert_int_eq(count("bad", "failed"), 2);
	ck_assert_int_eq(count("odd", "waived"), 1);
	ck_assert_uint_eq(result.n_failed, 1);
	ck_assert_uint_eq(result.n_waived, 1);
	ck_assert_int_eq(result.code, 0);
}
END_TEST

START_TEST(run_of_wrong_models_alone_says_so)
{
	struct lsb_run_result result;

	run("[suite]\nname = t\n[defaults]\nprompts = 1\nreps = 2\n[case bad]\nmodel = random:fail-model:0\n",
	    0, &result);
	ck_assert_uint_eq(result.n_failed, 1);
	ck_assert_int_eq(result.code, LSB_EMODEL);
}
END_TEST

START_TEST(run_cut_anywhere_is_resumed_without_repeating)
{
	struct lsb_run_result result;
	struct lsb_error err;
	char *text;
	size_t bytes, end = 0;

	run(SUITE(2), 0, &result);
	ck_assert_int_eq(lsb_file_read(journal, 1 << 20, &text, &bytes, &err), 0);
	for (int lines = 0; lines < 5; lines++) {
		end = (size_t)((char *)memchr(text + end, '\n', bytes - end) - text) + 1;
		/* `lines` launches are whole, the next one is torn */
		ck_assert_int_eq(lsb_file_write(journal, text, end + (bytes - end) / 3, &err), 0);
		run(SUITE(2), 1, &result);
		ck_assert_uint_le(result.n_launched, 4 - (size_t)lines);
		ck_assert_int_eq(count("good", "ok"), 4);
	}
	free(text);
}
END_TEST

/* Ranks that only talk are as fast every time: 6 rounds have an interval, and it has no width. */
#define OPEN_SUITE                                                                                           \
	"[suite]\nname = t\n[defaults]\nkind = strong\nprompts = 1\nwarmup = 0\nreps = 2\nmax_reps = 9\n"    \
	"[case good]\nmodel = random:nothing:0\nsweep.nodes = 1, 2\n"

START_TEST(rounds_go_on_beyond_reps_until_the_interval_is_narrow)
{
	struct lsb_run_result result;

	run(OPEN_SUITE, 0, &result);
	ck_assert_uint_eq(result.n_launched, 12);
	ck_assert_int_eq(count("good", "ok"), 12);
}
END_TEST

START_TEST(resumed_run_goes_on_exactly_as_far)
{
	struct lsb_run_result result;
	struct lsb_error err;
	char *text;
	size_t bytes, end = 0;

	run(OPEN_SUITE, 0, &result);
	ck_assert_int_eq(lsb_file_read(journal, 1 << 20, &text, &bytes, &err), 0);
	for (int lines = 0; lines <= 12; lines++) {
		end = (size_t)((char *)memchr(text + end, '\n', bytes - end) - text) + 1;
		if (lines % 3)
			continue;
		ck_assert_int_eq(lsb_file_write(journal, text, end, &err), 0);
		run(OPEN_SUITE, 1, &result);
		ck_assert_uint_eq(result.n_launched, 12 - (size_t)lines);
		ck_assert_int_eq(count("good", "ok"), 12);
	}
	free(text);
}
END_TEST

START_TEST(resume_of_another_suite_is_refused)
{
	struct lsb_run_result result;
	struct lsb_error err = { 0 };
	struct lsb_prepared p;
	struct lsb_suite *suite;

	run(SUITE(1), 0, &result);
	prepare(SUITE(2), &suite, &p);
	ck_assert_int_eq(run_prepared(&p, 1, &result, &err), LSB_EIO);
	ck_assert_ptr_nonnull(strstr(err.msg, "the suite's text"));
	ck_assert_int_eq(run_prepared(&p, 0, &result, &err), LSB_EIO);
	ck_assert_ptr_nonnull(strstr(err.msg, "already holds a run"));
	ck_assert_int_eq(count("good", "ok"), 2);
	lsb_prepared_free(&p);
	lsb_suite_free(suite);
}
END_TEST

START_TEST(point_that_cannot_be_prepared_is_journaled_and_not_launched)
{
	struct lsb_run_result result;
	struct lsb_error err;
	struct lsb_prepared p;
	struct lsb_suite *suite;

	prepare(SUITE(3), &suite, &p);
	p.points[0].code = LSB_EPLUGIN;
	p.points[0].reason = strdup("no such plugin");
	ck_assert_int_eq(run_prepared(&p, 0, &result, &err), 0);
	ck_assert_uint_eq(result.n_launched, 3);
	ck_assert_uint_eq(result.n_failed, 1);
	ck_assert_int_eq(count("good", "failed"), 1);
	lsb_prepared_free(&p);
	lsb_suite_free(suite);
}
END_TEST

START_TEST(model_that_changed_since_its_digest_is_not_measured)
{
	struct lsb_run_result result;
	struct lsb_error err;
	struct lsb_prepared p;
	struct lsb_suite *suite;

	prepare(SUITE(3), &suite, &p);
	(void)snprintf(p.points[0].model_state, sizeof(p.points[0].model_state), "another file");
	ck_assert_int_eq(run_prepared(&p, 0, &result, &err), 0);
	ck_assert_uint_eq(result.n_launched, 3);
	ck_assert_uint_eq(result.n_failed, 1);
	ck_assert_int_eq(count("good", "failed"), 2);
	lsb_prepared_free(&p);
	lsb_suite_free(suite);
}
END_TEST

START_TEST(absurd_numbers_in_a_journal_do_no_harm)
{
	struct lsb_run_result result;
	struct lsb_error err;
	struct lsb_prepared p;
	struct lsb_suite *suite;
	FILE *file;

	prepare(SUITE(3), &suite, &p);
	ck_assert_int_eq(run_prepared(&p, 0, &result, &err), 0);
	file = fopen(journal, "ae");
	ck_assert_ptr_nonnull(file);
	(void)fprintf(file,
		      "{\"launch\":9223372036854775807,\"point\":\"%s\",\"round\":-5,\"status\":\"ok\"}\n",
		      p.points[0].point->id);
	(void)fclose(file);
	ck_assert_msg(run_prepared(&p, 1, &result, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(result.n_launched, 0);
	lsb_prepared_free(&p);
	lsb_suite_free(suite);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("run");
	TCase *tc = tcase_create("run");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 100);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, every_point_is_launched_in_every_round);
	tcase_add_test(tc, point_that_fails_twice_is_left_and_the_others_go_on);
	tcase_add_test(tc, run_of_wrong_models_alone_says_so);
	tcase_add_test(tc, run_cut_anywhere_is_resumed_without_repeating);
	tcase_add_test(tc, rounds_go_on_beyond_reps_until_the_interval_is_narrow);
	tcase_add_test(tc, resumed_run_goes_on_exactly_as_far);
	tcase_add_test(tc, resume_of_another_suite_is_refused);
	tcase_add_test(tc, point_that_cannot_be_prepared_is_journaled_and_not_launched);
	tcase_add_test(tc, model_that_changed_since_its_digest_is_not_measured);
	tcase_add_test(tc, absurd_numbers_in_a_journal_do_no_harm);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
