/* SPDX-License-Identifier: Apache-2.0 */
#include "parse.h"
#include "suite/baseline.h"

#define HEAD "[defaults]\nmodel = m.gguf\nstop = length\n"

static void baselines_are(const struct lsb_suite *suite, const char *label, const char *batch,
			  const char *concurrency, const char *cores, const char *one)
{
	const char *const wanted[] = { batch, concurrency, cores, one };
	size_t p = 0;

	while (p < suite->n_points && strcmp(suite->points[p].label, label) != 0)
		p++;
	ck_assert_uint_lt(p, suite->n_points);
	{
		const struct lsb_baselines b = lsb_baselines_find(suite->points, suite->n_points, p);
		const ptrdiff_t found[] = { b.equal_batch, b.equal_concurrency, b.equal_cores, b.batch_one };

		for (size_t i = 0; i < 4; i++)
			ck_assert_str_eq(found[i] < 0 ? "none" : suite->points[found[i]].label, wanted[i]);
	}
}

START_TEST(strong_scaling_has_three_one_node_baselines)
{
	struct lsb_suite *suite = parse(HEAD "kind = strong\n[case p]\nsweep.nodes = 1, 2, 4\n"
					     "[case conc : p]\nnodes = 1\nbatch = 2\n"
					     "[case cores : p]\nnodes = 1\nthreads = 2\n");

	baselines_are(suite, "p nodes=2", "p nodes=1", "conc", "cores", "p nodes=2");
	baselines_are(suite, "p nodes=4", "p nodes=1", "none", "none", "p nodes=4");
	baselines_are(suite, "p nodes=1", "p nodes=1", "p nodes=1", "p nodes=1", "p nodes=1");
	lsb_suite_free(suite);
}
END_TEST

START_TEST(weak_scaling_compares_with_the_prompts_of_one_node)
{
	struct lsb_suite *suite =
		parse(HEAD "kind = weak\nprompts = ${= nodes*5}\n[case p]\nsweep.nodes = 1, 2\n"
			   "[case all]\nnodes = 1\nprompts = 10\n");

	baselines_are(suite, "p nodes=2", "p nodes=1", "none", "none", "p nodes=2");
	baselines_are(suite, "all", "all", "all", "all", "all");
	lsb_suite_free(suite);
}
END_TEST

START_TEST(batches_compare_with_batch_one_and_with_one_node_at_the_same_batch)
{
	struct lsb_suite *suite = parse(HEAD "kind = batch\n[case p]\nnodes = 2\nsweep.batch = 1, 2, 4\n"
					     "[case one : p]\nnodes = 1\nsweep.batch = 1, 2, 4, 8\n");

	baselines_are(suite, "p batch=1", "one batch=1", "one batch=2", "none", "p batch=1");
	baselines_are(suite, "p batch=4", "one batch=4", "one batch=8", "none", "p batch=1");
	baselines_are(suite, "one batch=8", "one batch=8", "one batch=8", "one batch=8", "one batch=1");
	lsb_suite_free(suite);
}
END_TEST

START_TEST(replicas_compare_with_one_node_that_has_all_their_sequences_at_once)
{
	struct lsb_suite *suite = parse(HEAD "kind = replica\nbatch = 4\n[case p]\nsweep.replicas = 1, 2\n"
					     "[case wide]\nreplicas = 1\nbatch = 8\n");

	baselines_are(suite, "p replicas=2", "p replicas=1", "wide", "none", "none");
	lsb_suite_free(suite);
}
END_TEST

/* With one slot there is no difference, so either may be the batch 1 of both. */
START_TEST(baselines_batch_alike)
{
	struct lsb_suite *suite =
		parse(HEAD "kind = replica\n[case one]\nreplicas = 1\n"
			   "[case groups]\nreplicas = 1\nbatch = 4\n"
			   "[case slots : groups]\nbatching = continuous\nsweep.replicas = 1, 2\n"
			   "[case alone]\nreplicas = 2\nbatch = 8\nbatching = continuous\n"
			   "[case alone_groups]\nreplicas = 1\nbatch = 8\n");

	baselines_are(suite, "slots replicas=2", "slots replicas=1", "none", "none", "none");
	baselines_are(suite, "slots replicas=1", "slots replicas=1", "slots replicas=1", "slots replicas=1",
		      "one");
	baselines_are(suite, "alone", "none", "none", "none", "none");
	lsb_suite_free(suite);
}
END_TEST

START_TEST(another_question_is_no_baseline)
{
	static const char *const keys[] = { "max_new = 3",	  "stop = eos",	     "model = n.gguf",
					    "seed = 2",		  "chunk = 7",	     "workload.words = 3",
					    "backend.isa = avx2", "prompts = 3",     "threads = 3",
					    "warmup = 2",	  "temperature = 1", "distinct = 2",
					    "context = 99",	  "batch = 3",	     "top_k = 3",
					    "top_p = 0.5" };
	char text[256];
	struct lsb_suite *suite;

	snprintf(text, sizeof(text), HEAD "[case two]\nnodes = 2\n[case one]\n%s\n", keys[_i]);
	suite = parse(text);
	baselines_are(suite, "two", "none", "none", "none", "two");
	lsb_suite_free(suite);
}
END_TEST

START_TEST(transport_and_launcher_do_not_matter_to_one_node)
{
	struct lsb_suite *suite =
		parse(HEAD "[case two]\nnodes = 2\ntransport = mpi\nlauncher = mpirun\n[case one]\n");

	baselines_are(suite, "two", "one", "none", "none", "two");
	lsb_suite_free(suite);
}
END_TEST

START_TEST(baseline_key_names_the_case_or_none)
{
	struct lsb_suite *suite = parse(HEAD "[case p]\nsweep.nodes = 1, 2\nbaseline = q\n[case q]\n"
					     "[case r : p]\nbaseline = none\n");

	baselines_are(suite, "p nodes=2", "q", "none", "none", "p nodes=2");
	baselines_are(suite, "r nodes=2", "none", "none", "none", "r nodes=2");
	lsb_suite_free(suite);
}
END_TEST

START_TEST(own_case_comes_first)
{
	struct lsb_suite *suite = parse(HEAD "[case a]\nsweep.nodes = 1, 2\n[case b]\nsweep.nodes = 1, 2\n");

	baselines_are(suite, "a nodes=2", "a nodes=1", "none", "none", "a nodes=2");
	baselines_are(suite, "b nodes=2", "b nodes=1", "none", "none", "b nodes=2");
	lsb_suite_free(suite);
}
END_TEST

START_TEST(links_have_no_baseline)
{
	struct lsb_suite *suite = parse("[case l]\nkind = link\nnodes = 2\n");

	baselines_are(suite, "l", "none", "none", "none", "none");
	lsb_suite_free(suite);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("baseline");
	TCase *tc = tcase_create("all");

	tcase_add_test(tc, strong_scaling_has_three_one_node_baselines);
	tcase_add_test(tc, weak_scaling_compares_with_the_prompts_of_one_node);
	tcase_add_test(tc, batches_compare_with_batch_one_and_with_one_node_at_the_same_batch);
	tcase_add_test(tc, replicas_compare_with_one_node_that_has_all_their_sequences_at_once);
	tcase_add_test(tc, baselines_batch_alike);
	tcase_add_loop_test(tc, another_question_is_no_baseline, 0, 16);
	tcase_add_test(tc, transport_and_launcher_do_not_matter_to_one_node);
	tcase_add_test(tc, baseline_key_names_the_case_or_none);
	tcase_add_test(tc, own_case_comes_first);
	tcase_add_test(tc, links_have_no_baseline);
	suite_add_tcase(s, tc);
	return run_tests(s);
}
