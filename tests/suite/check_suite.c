/* SPDX-License-Identifier: Apache-2.0 */
#include "parse.h"

#define HEAD "[defaults]\nmodel = m.gguf\n"

static void labels_are(const struct lsb_suite *suite, const char *const *labels, size_t n)
{
	ck_assert_uint_eq(suite->n_points, n);
	for (size_t i = 0; i < n; i++)
		ck_assert_str_eq(suite->points[i].label, labels[i]);
}

START_TEST(defaults_fill_what_is_not_written)
{
	struct lsb_suite *suite = parse(HEAD "[case a]\n");
	const struct lsb_point *p = &suite->points[0];

	ck_assert_uint_eq(suite->n_points, 1);
	ck_assert_str_eq(p->case_name, "a");
	ck_assert_str_eq(p->label, "a");
	ck_assert_str_eq(p->base, ".");
	ck_assert_str_eq(p->model, "m.gguf");
	ck_assert_int_eq(p->kind, LSB_CASE_INFER);
	ck_assert_int_eq(p->stop, LSB_STOP_EOS);
	ck_assert_uint_eq(p->nodes, 1);
	ck_assert_uint_eq(p->stages, 1);
	ck_assert_uint_eq(p->replicas, 1);
	ck_assert_uint_eq(p->batch, 1);
	ck_assert_uint_eq(p->in_flight, 1);
	ck_assert_uint_eq(p->prompts, 10);
	ck_assert_uint_eq(p->distinct, 10);
	ck_assert_uint_eq(p->reps, 10);
	ck_assert_uint_eq(p->max_reps, 10);
	ck_assert_uint_eq(p->seed, 1);
	ck_assert_uint_eq(p->timeout_ns, 600000000000u);
	ck_assert_uint_eq(p->stall_timeout_ns, 30000000000u);
	ck_assert_double_eq(p->top_p, 1.0);
	ck_assert_str_eq(p->backend.name, "cpu");
	ck_assert_str_eq(p->transport.name, "tcp");
	ck_assert_str_eq(p->workload.name, "summarize");
	ck_assert_ptr_null(p->split);
	ck_assert_ptr_null(p->hosts);
	ck_assert_str_eq(suite->name, "t");
	ck_assert_str_eq(suite->title, "t");
	ck_assert_str_eq(suite->out, "");
	ck_assert_int_eq(suite->gate.load, LSB_GATE_MARK);
	ck_assert_double_eq(suite->report.noise_floor, 0.02);
	lsb_suite_free(suite);
}
END_TEST

static const struct {
	const char *keys;
	uint32_t nodes, stages, replicas, in_flight;
} shapes[] = {
	{ "nodes = 4\n", 4, 4, 1, 4 },
	{ "stages = 3\n", 3, 3, 1, 3 },
	{ "replicas = 3\n", 3, 1, 3, 1 },
	{ "nodes = 4\nstages = 2\n", 4, 2, 2, 2 },
	{ "nodes = 4\nreplicas = 2\n", 4, 2, 2, 2 },
	{ "stages = 2\nreplicas = 3\n", 6, 2, 3, 2 },
	{ "nodes = 6\nstages = 2\nreplicas = 3\nin_flight = 5\n", 6, 2, 3, 5 },
	{ "kind = replica\nnodes = 4\n", 4, 1, 4, 1 },
	{ "kind = replica\nnodes = 4\nstages = 2\n", 4, 2, 2, 2 },
	{ "kind = replica\nnodes = 4\nreplicas = 2\n", 4, 2, 2, 2 },
};

START_TEST(one_of_nodes_stages_replicas_determines_the_others)
{
	char text[512];
	struct lsb_suite *suite;
	const struct lsb_point *p;

	snprintf(text, sizeof(text), HEAD "[case a]\n%s", shapes[_i].keys);
	suite = parse(text);
	p = &suite->points[0];
	ck_assert_uint_eq(p->nodes, shapes[_i].nodes);
	ck_assert_uint_eq(p->stages, shapes[_i].stages);
	ck_assert_uint_eq(p->replicas, shapes[_i].replicas);
	ck_assert_uint_eq(p->in_flight, shapes[_i].in_flight);
	lsb_suite_free(suite);
}
END_TEST

START_TEST(weak_scaling_repeats_the_prompts_of_the_baseline)
{
	struct lsb_suite *suite =
		parse(HEAD "kind = weak\nprompts = ${= nodes*5}\n[case a]\nsweep.nodes = 1, 2, 4\n");

	ck_assert_uint_eq(suite->n_points, 3);
	for (size_t i = 0; i < 3; i++) {
		ck_assert_uint_eq(suite->points[i].prompts, 5u << i);
		ck_assert_uint_eq(suite->points[i].distinct, 5);
	}
	lsb_suite_free(suite);
}
END_TEST

START_TEST(sweeps_multiply_and_the_last_turns_fastest)
{
	static const char *const labels[] = { "a nodes=1 batch=1",
					      "a nodes=1 batch=2",
					      "a nodes=1 batch=4",
					      "a nodes=2 batch=1",
					      "a nodes=2 batch=2",
					      "a nodes=2 batch=4",
					      "b" };
	struct lsb_suite *suite =
		parse(HEAD "[case a]\nsweep.nodes = 1..2\nsweep.batch = 2^0..2\n[case b]\n");

	labels_are(suite, labels, LSB_COUNT(labels));
	ck_assert_uint_eq(suite->points[5].nodes, 2);
	ck_assert_uint_eq(suite->points[5].batch, 4);
	lsb_suite_free(suite);
}
END_TEST

START_TEST(a_child_inherits_and_overrides_its_parent)
{
	static const char *const labels[] = { "base nodes=1", "base nodes=2", "one", "more nodes=4",
					      "more nodes=8" };
	struct lsb_suite *suite =
		parse("[case one : base]\nnodes = 1\nbatch = 3\n" HEAD
		      "batch = 2\nprompts = 7\n[case base]\nsweep.nodes = 1, 2\nmax_new = 9\n"
		      "[case more:one]\nsweep.nodes = 4, 8\n");

	ck_assert_str_eq(suite->points[0].label, "one");
	ck_assert_uint_eq(suite->points[0].max_new, 9);
	ck_assert_uint_eq(suite->points[0].batch, 3);
	ck_assert_uint_eq(suite->points[0].prompts, 7);
	ck_assert_uint_eq(suite->points[1].batch, 2);
	ck_assert_uint_eq(suite->points[4].batch, 3);
	ck_assert_uint_eq(suite->points[4].nodes, 8);
	ck_assert_str_eq(suite->points[1].label, labels[0]);
	ck_assert_str_eq(suite->points[3].label, labels[3]);
	ck_assert_uint_eq(suite->n_points, LSB_COUNT(labels));
	ck_assert_str_eq(where_of(&suite->points[0], "nodes"), "t.ini:2");
	ck_assert_str_eq(where_of(&suite->points[0], "max_new"), "t.ini:10");
	ck_assert_str_eq(where_of(&suite->points[0], "prompts"), "t.ini:7");
	ck_assert_str_eq(where_of(&suite->points[0], "chunk"), "default");
	lsb_suite_free(suite);
}
END_TEST

START_TEST(overrides_beat_the_file_and_the_special_beats_the_general)
{
	static const char *const sets[] = { "b.batch=5", "batch=3", "a.sweep.nodes=1,2,3",
					    "transport.wait=poll" };
	static const char *const labels[] = { "a nodes=1", "a nodes=2", "a nodes=3", "b" };
	struct lsb_suite *suite =
		parse_with(HEAD "[case a]\nnodes = 4\nbatch = 1\n[case b]\n", sets, 4, NULL);

	labels_are(suite, labels, LSB_COUNT(labels));
	ck_assert_uint_eq(suite->points[0].batch, 3);
	ck_assert_uint_eq(suite->points[3].batch, 5);
	ck_assert_str_eq(where_of(&suite->points[3], "batch"), "--set b.batch=5");
	ck_assert_str_eq(suite->points[3].transport.options[0].value, "poll");
	lsb_suite_free(suite);
}
END_TEST

START_TEST(only_keeps_cases_and_labels_and_no_id_changes)
{
	static const char text[] = HEAD "[case a]\nsweep.nodes = 1, 2\n[case ab]\n[case c]\n";
	struct lsb_suite *all = parse(text), *some = parse_with(text, NULL, 0, "a*"),
			 *one = parse_with(text, NULL, 0, "a nodes=2"),
			 *last = parse_with(text, NULL, 0, "c");

	ck_assert_uint_eq(some->n_points, 3);
	ck_assert_uint_eq(one->n_points, 1);
	ck_assert_str_eq(one->points[0].id, all->points[1].id);
	/* the case named c has the same factors as the one named ab: its id still is its own */
	ck_assert_str_eq(last->points[0].id, all->points[3].id);
	ck_assert_str_ne(all->points[2].id, all->points[3].id);
	lsb_suite_free(all);
	lsb_suite_free(some);
	lsb_suite_free(one);
	lsb_suite_free(last);
}
END_TEST

START_TEST(named_sets_give_plugin_and_options_and_cases_override_them)
{
	struct lsb_suite *suite =
		parse(HEAD "[transport slow]\nplugin = fault:tcp\ndelay = ${= 2*10}ms\nwait = poll\n"
			   "[backend cpu]\nisa = avx2\n"
			   "[case a]\ntransport = slow\ntransport.wait = block\n"
			   "[case b]\nsweep.transport = tcp, slow\nsweep.workload.seed = 1, 2\n");
	const struct lsb_point *p = &suite->points[0];

	ck_assert_str_eq(p->transport.name, "fault:tcp");
	ck_assert_uint_eq(p->transport.n_options, 2);
	ck_assert_str_eq(p->transport.options[0].name, "delay");
	ck_assert_str_eq(p->transport.options[0].value, "20ms");
	ck_assert_str_eq(p->transport.options[0].where, "t.ini:5");
	ck_assert_str_eq(p->transport.options[1].name, "wait");
	ck_assert_str_eq(p->transport.options[1].value, "block");
	ck_assert_str_eq(p->transport.options[1].where, "t.ini:11");
	ck_assert_str_eq(p->backend.name, "cpu");
	ck_assert_str_eq(p->backend.options[0].value, "avx2");
	ck_assert_str_eq(value_of(p, "transport"), "fault:tcp");
	ck_assert_str_eq(value_of(p, "transport.wait"), "block");
	ck_assert_uint_eq(suite->n_points, 5);
	ck_assert_str_eq(suite->points[4].label, "b transport=slow workload.seed=2");
	ck_assert_str_eq(suite->points[4].transport.name, "fault:tcp");
	ck_assert_str_eq(suite->points[4].workload.options[0].value, "2");
	lsb_suite_free(suite);
}
END_TEST

START_TEST(hosts_are_counted_out_by_rank)
{
	struct lsb_suite *suite =
		parse(HEAD "[hosts lab]\nlist = alpha, beta:2\n[case a]\nhosts = lab\nnodes = 3\n"
			   "launcher = ssh\n");
	const struct lsb_point *p = &suite->points[0];

	ck_assert_uint_eq(p->n_hosts, 3);
	ck_assert_str_eq(p->hosts[0], "alpha");
	ck_assert_str_eq(p->hosts[1], "beta");
	ck_assert_str_eq(p->hosts[2], "beta");
	lsb_suite_free(suite);
}
END_TEST

START_TEST(a_split_is_read_with_plus_or_comma)
{
	struct lsb_suite *suite = parse(HEAD "nodes = 2\n[case a]\nsplit = 16, 14\n[case b]\n"
					     "sweep.split = 20+10, auto\n");

	ck_assert_uint_eq(suite->points[0].n_split, 2);
	ck_assert_uint_eq(suite->points[0].split[0], 16);
	ck_assert_uint_eq(suite->points[0].split[1], 14);
	ck_assert_str_eq(value_of(&suite->points[0], "split"), "16+14");
	ck_assert_uint_eq(suite->points[1].split[0], 20);
	ck_assert_ptr_null(suite->points[2].split);
	lsb_suite_free(suite);
}
END_TEST

/* Frozen: results of earlier versions are found by it. */
START_TEST(ids_stay_what_they_are)
{
	struct lsb_suite *suite = parse(HEAD "[case a]\nnodes = 2\nbatch = 4\n");

	ck_assert_str_eq(suite->points[0].id, "fd5b34352a1aa981");
	lsb_suite_free(suite);
}
END_TEST

static const char *const same[] = {
	HEAD "[case a]\nbatch = 4\nnodes = 2\n",
	HEAD "[case other]\nnodes = 2\nbatch = ${= 2*2}\n",
	"[defaults]\nmodel = /else/where/m.gguf\nbatch = 4\n[case a]\nstages = 2\n",
	HEAD "[case a]\nnodes = 2\nbatch = +4\nreps = 3\nmax_reps = 7\norder = sequential\ntimeout = 1h\n"
	     "stall_timeout = 1s\nkeep_records = none\npair_by = none\nbaseline = none\n"
	     "[suite]\ntitle = x\nout = y\nname = z\n",
	HEAD "[case a]\nnodes = 2\nbatch = 4\nseed = 1\ntemperature = 0.0\nin_flight = 2\n",
	HEAD "[backend mine]\nplugin = cpu\n[case a]\nnodes = 2\nbatch = 4\nbackend = mine\n",
};

START_TEST(ids_depend_on_factors_alone)
{
	struct lsb_suite *one = parse(HEAD "[case a]\nnodes = 2\nbatch = 4\n"), *two = parse(same[_i]);

	ck_assert_str_eq(one->points[0].id, two->points[0].id);
	lsb_suite_free(one);
	lsb_suite_free(two);
}
END_TEST

static const char *const different[] = {
	HEAD "[case a]\nnodes = 2\nbatch = 2\n",
	HEAD "[case a]\nnodes = 2\nbatch = 4\nseed = 2\n",
	HEAD "[case a]\nnodes = 2\nbatch = 4\ntransport = mpi\n",
	HEAD "[case a]\nnodes = 2\nbatch = 4\ntransport.wait = poll\n",
	HEAD "[case a]\nnodes = 2\nbatch = 4\nthreads = 2\n",
	HEAD "[case a]\nnodes = 2\nbatch = 4\nmodel = n.gguf\n",
	HEAD "[case a]\nnodes = 2\nbatch = 4\nstop = length\n",
};

START_TEST(every_factor_changes_the_id)
{
	struct lsb_suite *one = parse(HEAD "[case a]\nnodes = 2\nbatch = 4\n"), *two = parse(different[_i]);

	ck_assert_str_ne(one->points[0].id, two->points[0].id);
	lsb_suite_free(one);
	lsb_suite_free(two);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("suite");
	TCase *tc = tcase_create("all");

	tcase_add_test(tc, defaults_fill_what_is_not_written);
	tcase_add_loop_test(tc, one_of_nodes_stages_replicas_determines_the_others, 0, LSB_COUNT(shapes));
	tcase_add_test(tc, weak_scaling_repeats_the_prompts_of_the_baseline);
	tcase_add_test(tc, sweeps_multiply_and_the_last_turns_fastest);
	tcase_add_test(tc, a_child_inherits_and_overrides_its_parent);
	tcase_add_test(tc, overrides_beat_the_file_and_the_special_beats_the_general);
	tcase_add_test(tc, only_keeps_cases_and_labels_and_no_id_changes);
	tcase_add_test(tc, named_sets_give_plugin_and_options_and_cases_override_them);
	tcase_add_test(tc, hosts_are_counted_out_by_rank);
	tcase_add_test(tc, a_split_is_read_with_plus_or_comma);
	tcase_add_test(tc, ids_stay_what_they_are);
	tcase_add_loop_test(tc, ids_depend_on_factors_alone, 0, LSB_COUNT(same));
	tcase_add_loop_test(tc, every_factor_changes_the_id, 0, LSB_COUNT(different));
	suite_add_tcase(s, tc);
	return run_tests(s);
}
