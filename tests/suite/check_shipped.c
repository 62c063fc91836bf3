/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The suites of the tree parse, say what their names promise, and docs/suites.md agrees with the key table.
 */
#include "parse.h"
#include "suite/baseline.h"

static struct lsb_suite *read_shipped(const char *name)
{
	struct lsb_diagnostics d = { 0 };
	struct lsb_suite *suite;
	char path[4096];

	snprintf(path, sizeof(path), "%s/suites/%s.ini", LSB_SOURCE_DIR, name);
	if (lsb_suite_read(path, NULL, 0, NULL, &suite, &d)) {
		lsb_diagnostics_print(&d, stderr);
		ck_abort_msg("%s does not parse", path);
	}
	ck_assert_str_eq(suite->name, name);
	return suite;
}

/* Every point of more than one node has both one-node baselines. */
static void both_baselines_are_there(const struct lsb_suite *suite)
{
	for (size_t i = 0; i < suite->n_points; i++) {
		const struct lsb_baselines b = lsb_baselines_find(suite->points, suite->n_points, i);

		if (suite->points[i].nodes == 1)
			continue;
		ck_assert_int_ge(b.equal_batch, 0);
		ck_assert_int_ge(b.equal_concurrency, 0);
		ck_assert_int_ge(b.batch_one, 0);
	}
}

START_TEST(strong_scaling_is_the_same_work_on_one_and_two_nodes)
{
	struct lsb_suite *suite = read_shipped("strong_scaling");
	const struct lsb_point *one = &suite->points[0], *two = &suite->points[1];

	ck_assert_uint_eq(one->nodes, 1);
	ck_assert_uint_eq(two->nodes, 2);
	ck_assert_uint_eq(one->prompts, 5);
	ck_assert_uint_eq(two->prompts, 5);
	ck_assert_int_eq(two->stop, LSB_STOP_LENGTH);
	ck_assert_uint_eq(two->threads, 1);
	ck_assert_uint_ge(two->reps, 6);
	both_baselines_are_there(suite);
	ck_assert_int_ge(lsb_baselines_find(suite->points, suite->n_points, 1).equal_cores, 0);
	lsb_suite_free(suite);
}
END_TEST

START_TEST(weak_scaling_is_five_prompts_a_node)
{
	struct lsb_suite *suite = read_shipped("weak_scaling");

	ck_assert_uint_eq(suite->points[0].prompts, 5);
	ck_assert_uint_eq(suite->points[1].prompts, 10);
	ck_assert_uint_eq(suite->points[1].distinct, 5);
	both_baselines_are_there(suite);
	lsb_suite_free(suite);
}
END_TEST

START_TEST(batch_sweep_has_one_node_at_each_batch)
{
	struct lsb_suite *suite = read_shipped("batch_sweep");

	ck_assert_uint_eq(suite->n_points, 7);
	both_baselines_are_there(suite);
	lsb_suite_free(suite);
}
END_TEST

/* One token behind a prompt, one prompt token before an answer, and as many requests as a batch. */
START_TEST(llama_bench_has_the_points_of_the_other_tools)
{
	struct lsb_suite *suite = read_shipped("llama_bench");

	ck_assert_str_eq(suite->points[0].case_name, "pp512");
	ck_assert_uint_eq(suite->points[0].max_new, 1);
	ck_assert_uint_ge(suite->points[0].chunk, 512);
	ck_assert_str_eq(suite->points[1].case_name, "tg128");
	ck_assert_uint_eq(suite->points[1].max_new, 128);
	for (size_t i = 0; i < suite->n_points; i++) {
		const struct lsb_point *p = &suite->points[i];

		ck_assert_str_eq(p->workload.name, "synthetic");
		ck_assert_int_eq(p->stop, LSB_STOP_LENGTH);
		ck_assert_uint_ge(p->reps, 6);
		if (strcmp(p->case_name, "batched") == 0)
			ck_assert_uint_eq(p->prompts, p->batch);
	}
	lsb_suite_free(suite);
}
END_TEST

/* A ladder of rates with limits: few of its points are launched. */
START_TEST(knee_searches_among_rates_that_differ_in_nothing_else)
{
	struct lsb_suite *suite = read_shipped("knee");

	ck_assert_uint_ge(suite->n_points, 8);
	for (size_t i = 0; i < suite->n_points; i++) {
		const struct lsb_point *p = &suite->points[i];

		ck_assert_str_eq(p->search, "knee");
		ck_assert_ptr_eq(strstr(p->arrivals, "poisson:"), p->arrivals);
		ck_assert_uint_gt(p->slo_ttft_ns, 0);
		ck_assert_uint_ge(p->reps, 6);
		ck_assert_uint_eq(p->batch, suite->points[0].batch);
	}
	lsb_suite_free(suite);
}
END_TEST

/* How many articles a point of the summarize workload asks for. */
static unsigned long articles_of(const struct lsb_point *p)
{
	for (size_t i = 0; i < p->workload.n_options; i++)
		if (strcmp(p->workload.options[i].name, "limit") == 0)
			return strtoul(p->workload.options[i].value, NULL, 10);
	ck_abort_msg("%s does not say how many articles it asks for", p->label);
}

/* Replicas against one, at each way of batching; whoever comes under load is asked for limits. */
START_TEST(data_parallel_sets_replicas_beside_one_that_batches_alike)
{
	struct lsb_suite *suite = read_shipped("data_parallel");

	ck_assert_uint_eq(suite->n_points, 12);
	for (size_t i = 0; i < suite->n_points; i++) {
		const struct lsb_baselines b = lsb_baselines_find(suite->points, suite->n_points, i);
		const struct lsb_point *p = &suite->points[i];

		ck_assert_uint_eq(p->stages, 1);
		ck_assert_uint_ge(p->reps, 6);
		if (p->kind == LSB_CASE_INFER) {
			ck_assert_uint_gt(p->slo_ttft_ns, 0);
			continue;
		}
		ck_assert_int_eq(p->kind, LSB_CASE_REPLICA);
		ck_assert_int_ge(b.equal_batch, 0);
		ck_assert_uint_eq(suite->points[b.equal_batch].replicas, 1);
		ck_assert_int_eq(suite->points[b.equal_batch].batching, p->batching);
		ck_assert_int_ge(b.batch_one, 0);
		/* dealt out in turn, each of two replicas gets each article as often */
		ck_assert_uint_eq(articles_of(p) % 2, 1);
		ck_assert_uint_eq(p->prompts % (2 * articles_of(p)), 0);
	}
	lsb_suite_free(suite);
}
END_TEST

/* Whatever the batching, the same requests as of the one at a time that it is held against. */
START_TEST(continuous_batching_has_both_ways_at_one_batch)
{
	struct lsb_suite *suite = read_shipped("continuous_batching");
	const struct lsb_point *alone = &suite->points[0];
	uint32_t pairs = 0;

	ck_assert_str_eq(suite->report.compare, "batching");
	ck_assert_uint_eq(alone->batch, 1);
	for (size_t i = 0; i < suite->n_points; i++) {
		const struct lsb_point *p = &suite->points[i];

		ck_assert_int_eq(lsb_baselines_find(suite->points, suite->n_points, i).batch_one, 0);
		ck_assert_uint_ge(p->prompts, 3 * p->batch);
		ck_assert_uint_ge(p->reps, 6);
		for (size_t k = 0; k < i; k++)
			pairs += p->batch == suite->points[k].batch &&
				 p->batching != suite->points[k].batching;
	}
	ck_assert_uint_ge(pairs, 2);
	lsb_suite_free(suite);
}
END_TEST

START_TEST(smoke_is_small)
{
	struct lsb_suite *suite = read_shipped("smoke");

	ck_assert_uint_le(suite->n_points, 2);
	ck_assert_uint_le(suite->points[0].reps, 2);
	lsb_suite_free(suite);
}
END_TEST

START_TEST(links_measures_every_wait_mode_with_and_without_pauses)
{
	struct lsb_suite *suite = read_shipped("links");

	ck_assert_uint_eq(suite->n_points, 6);
	for (size_t i = 0; i < suite->n_points; i++) {
		ck_assert_int_eq(suite->points[i].kind, LSB_CASE_LINK);
		ck_assert_uint_ge(suite->points[i].n_sizes, 4);
		ck_assert_uint_ge(suite->points[i].reps, 6);
		ck_assert_int_eq(suite->points[i].gap_ns > 0, i >= 3);
	}
	ck_assert_uint_eq(suite->points[0].sizes[0], 1);
	ck_assert_uint_eq(suite->points[0].sizes[suite->points[0].n_sizes - 1], 1u << 20);
	lsb_suite_free(suite);
}
END_TEST

/* Each transport over the link and in the pipeline, all with the same wait mode. */
START_TEST(transports_differ_in_nothing_else)
{
	struct lsb_suite *suite = read_shipped("transports");
	size_t n_links = 0, n_pipelines = 0, n_mpi = 0;

	ck_assert_str_eq(suite->report.compare, "transport");
	for (size_t i = 0; i < suite->n_points; i++) {
		const struct lsb_point *p = &suite->points[i];

		ck_assert_uint_ge(p->reps, 8); /* pairs enough for three comparisons (docs/compare.md) */
		n_links += p->kind == LSB_CASE_LINK;
		n_pipelines += p->kind == LSB_CASE_STRONG && p->nodes == 2;
		n_mpi += strcmp(p->transport.name, "mpi") == 0;
		for (size_t k = 0; k < p->n_values; k++)
			if (strcmp(p->values[k].key, "transport.wait") == 0)
				ck_assert_str_eq(p->values[k].value, "hybrid");
		if (p->kind == LSB_CASE_STRONG && p->nodes == 2) {
			const struct lsb_baselines b = lsb_baselines_find(suite->points, suite->n_points, i);

			ck_assert_int_ge(b.equal_batch, 0);
			ck_assert_int_ge(b.equal_concurrency, 0);
			ck_assert_int_eq(b.batch_one, (ptrdiff_t)i);
		}
	}
	ck_assert_uint_eq(n_links, 4);
	ck_assert_uint_eq(n_pipelines, 4);
	ck_assert_uint_eq(n_mpi, 4);
	lsb_suite_free(suite);
}
END_TEST

START_TEST(the_reference_holds_the_key_table)
{
	struct lsb_error err;
	char *page = NULL, *table = NULL;
	size_t bytes;
	FILE *out = open_memstream(&table, &bytes);

	lsb_suite_print_keys(out);
	fclose(out);
	ck_assert_msg(lsb_file_read(LSB_SOURCE_DIR "/docs/suites.md", 1 << 20, &page, &bytes, &err) == LSB_OK,
		      "%s", err.msg);
	ck_assert_msg(strstr(page, table) != NULL,
		      "docs/suites.md must hold what `lsbench describe suite` prints; now that is\n%s",
		      table);
	free(page);
	free(table);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("shipped");
	TCase *tc = tcase_create("all");

	tcase_add_test(tc, strong_scaling_is_the_same_work_on_one_and_two_nodes);
	tcase_add_test(tc, weak_scaling_is_five_prompts_a_node);
	tcase_add_test(tc, batch_sweep_has_one_node_at_each_batch);
	tcase_add_test(tc, llama_bench_has_the_points_of_the_other_tools);
	tcase_add_test(tc, knee_searches_among_rates_that_differ_in_nothing_else);
	tcase_add_test(tc, data_parallel_sets_replicas_beside_one_that_batches_alike);
	tcase_add_test(tc, continuous_batching_has_both_ways_at_one_batch);
	tcase_add_test(tc, smoke_is_small);
	tcase_add_test(tc, transports_differ_in_nothing_else);
	tcase_add_test(tc, links_measures_every_wait_mode_with_and_without_pauses);
	tcase_add_test(tc, the_reference_holds_the_key_table);
	suite_add_tcase(s, tc);
	return run_tests(s);
}
