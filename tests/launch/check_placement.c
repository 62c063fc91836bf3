/* SPDX-License-Identifier: Apache-2.0 */
/* Which processors ranks get; and what makes a run another one, so that it cannot be resumed. */
#include <check.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "launch/header.h"
#include "launch/placement.h"

START_TEST(ranks_get_disjoint_cores_before_siblings)
{
	/* four cores of two threads: one of each first */
	uint32_t listed[] = { 0, 2, 4, 6, 1, 3, 5, 7 }, cpus[10];
	const struct lsb_machine m = { listed, 8, 4 };

	ck_assert_int_eq(lsb_place_ranks(&m, 2, 2, cpus), 0);
	ck_assert_uint_eq(cpus[0], 0);
	ck_assert_uint_eq(cpus[1], 2);
	ck_assert_uint_eq(cpus[2], 4);
	ck_assert_uint_eq(cpus[3], 6);
	ck_assert_int_eq(lsb_place_ranks(&m, 5, 1, cpus), 1);
	ck_assert_uint_eq(cpus[4], 1);
	ck_assert_int_eq(lsb_place_ranks(&m, 5, 2, cpus), 1);
	ck_assert_uint_eq(cpus[8], 0); /* from the front again */
}
END_TEST

START_TEST(machine_lists_each_allowed_processor_once)
{
	struct lsb_machine m;
	cpu_set_t allowed, seen;

	CPU_ZERO(&seen);
	ck_assert_int_eq(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
	ck_assert_int_eq(lsb_machine_read(&m, NULL), 0);
	ck_assert_int_eq(m.n_cpus, CPU_COUNT(&allowed));
	ck_assert_uint_le(m.n_cores, m.n_cpus);
	ck_assert_uint_ge(m.n_cores, 1);
	for (uint32_t i = 0; i < m.n_cpus; i++) {
		ck_assert(CPU_ISSET(m.cpus[i], &allowed));
		ck_assert(!CPU_ISSET(m.cpus[i], &seen));
		CPU_SET(m.cpus[i], &seen);
	}
	lsb_machine_free(&m);
}
END_TEST

START_TEST(machine_respects_the_affinity_mask)
{
	struct lsb_machine m;
	cpu_set_t allowed;
	int first = 0;

	ck_assert_int_eq(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
	while (!CPU_ISSET(first, &allowed))
		first++;
	CPU_ZERO(&allowed);
	CPU_SET(first, &allowed);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(allowed), &allowed), 0);
	ck_assert_int_eq(lsb_machine_read(&m, NULL), 0);
	ck_assert_uint_eq(m.n_cpus, 1);
	ck_assert_uint_eq(m.n_cores, 1);
	ck_assert_int_eq((int)m.cpus[0], first);
	lsb_machine_free(&m);
}
END_TEST

static json_t *sample_header(void)
{
	return json_loads(
		"{\"suite_sha256\":\"a\",\"order_seed\":1,\"started\":\"then\",\"points\":[{\"id\":\"x\"}],"
		"\"provenance\":{\"lsbench\":\"l\",\"plugins\":{\"/p.so\":\"1\"},\"models\":{\"m\":\"2\"},"
		"\"data\":{}}}",
		0, NULL);
}

START_TEST(run_begun_at_another_time_may_be_resumed)
{
	json_t *before = sample_header(), *now = sample_header();

	json_object_set_new(now, "started", json_string("now"));
	ck_assert_int_eq(lsb_header_compare(before, now, NULL), 0);
	json_decref(before);
	json_decref(now);
}
END_TEST

static const struct change {
	const char *folder, *key, *value, *words;
} changes[] = {
	{ NULL, "suite_sha256", "\"b\"", "the suite's text" },
	{ NULL, "points", "[{\"id\":\"y\"}]", "the points" },
	{ NULL, "order_seed", "2", "seed" },
	{ "provenance", "lsbench", "\"k\"", "the lsbench program" },
	{ "provenance", "plugins", "{\"/p.so\":\"9\"}", "plugin '/p.so'" },
	{ "provenance", "plugins", "{\"/p.so\":\"1\",\"/q.so\":\"1\"}", "plugin '/q.so'" },
	{ "provenance", "plugins", "{}", "plugin '/p.so'" },
	{ "provenance", "models", "{\"m\":\"3\"}", "model 'm'" },
	{ "provenance", "data", "{\"d.jsonl\":\"3\"}", "data file 'd.jsonl'" },
};

START_TEST(resume_of_a_changed_run_is_refused_naming_the_change)
{
	const struct change *c = &changes[_i];
	json_t *before = sample_header(), *now = sample_header();
	json_t *in = c->folder ? json_object_get(now, c->folder) : now;
	struct lsb_error err = { 0 };

	json_object_set_new(in, c->key, json_loads(c->value, JSON_DECODE_ANY, NULL));
	ck_assert_int_eq(lsb_header_compare(before, now, &err), LSB_EIO);
	ck_assert_msg(strstr(err.msg, c->words) != NULL, "%s", err.msg);
	json_decref(before);
	json_decref(now);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("placement");
	TCase *tc = tcase_create("placement"), *header = tcase_create("header");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, ranks_get_disjoint_cores_before_siblings);
	tcase_add_test(tc, machine_lists_each_allowed_processor_once);
	tcase_add_test(tc, machine_respects_the_affinity_mask);
	tcase_add_test(header, run_begun_at_another_time_may_be_resumed);
	tcase_add_loop_test(header, resume_of_a_changed_run_is_refused_naming_the_change, 0,
			    LSB_COUNT(changes));
	suite_add_tcase(suite, tc);
	suite_add_tcase(suite, header);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
