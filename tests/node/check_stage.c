/* SPDX-License-Identifier: Apache-2.0 */
/* The stage loop: equal ids whatever the shape of the pipeline, and every failure is an error. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "pipeline.h"

static struct pipeline plain(void)
{
	return (struct pipeline){ .stages = 1,
				  .in_flight = 1,
				  .batch = 1,
				  .chunk = 4,
				  .prompts = 5,
				  .max_new = 4,
				  .fail_at_step = -1,
				  .fail_at = UINT64_MAX };
}

/* Run `p`, whose ranks must all end well with the ids that their prompts must give. */
static void expect_answers(struct pipeline *p)
{
	pipeline_run(p);
	for (uint32_t i = 0; i < p->stages; i++) {
		ck_assert_msg(p->rc[i] == LSB_OK, "stage %u of %u: %s", i, p->stages, p->err[i].msg);
		ck_assert_uint_eq(p->recorders[i].lost, 0);
	}
	ck_assert_int_eq(p->unposted, 0);
	for (uint32_t i = 0; i < p->prompts; i++) {
		int32_t ids[NEW_MAX];

		pipeline_answer(i, p->max_new, ids);
		ck_assert_uint_eq(p->n_ids[i], p->max_new);
		ck_assert_msg(memcmp(ids, p->ids[i], p->max_new * sizeof(*ids)) == 0,
			      "prompt %u: stages %u, in_flight %u, batch %u, chunk %u", i, p->stages,
			      p->in_flight, p->batch, p->chunk);
	}
	ck_assert_uint_eq(p->tokens_told, (uint64_t)p->prompts * p->max_new * (p->passes ? p->passes : 1));
	pipeline_free(p);
}

static void sweep(struct pipeline p)
{
	static const uint32_t chunks[] = { 1, 5, 64 };

	for (p.stages = 1; p.stages <= 4; p.stages++)
		for (p.in_flight = 1; p.in_flight <= 4; p.in_flight++)
			for (p.batch = 1; p.batch <= 3; p.batch++)
				for (size_t i = 0; i < LSB_COUNT(chunks); i++) {
					p.chunk = chunks[i];
					expect_answers(&p);
				}
}

START_TEST(ids_do_not_depend_on_stages_groups_batch_or_chunk)
{
	sweep(plain());
}
END_TEST

START_TEST(an_asynchronous_backend_with_two_tickets_gives_the_same_ids)
{
	struct pipeline p = plain();

	p.async = 1;
	sweep(p);
}
END_TEST

START_TEST(staged_memory_gives_the_same_ids_and_is_reported)
{
	struct pipeline p = plain();

	p.staged = 1;
	p.chunk = 5;
	p.batch = 2;
	p.in_flight = 2;
	for (p.stages = 2; p.stages <= 4; p.stages++)
		for (p.async = 0; p.async < 2; p.async++) {
			expect_answers(&p);
			ck_assert_str_eq(p.path, "staged");
		}
}
END_TEST

START_TEST(rings_outlive_a_pass)
{
	struct pipeline p = plain();

	p.passes = 3;
	p.batch = 2;
	p.in_flight = 3;
	for (p.stages = 1; p.stages <= 4; p.stages++)
		expect_answers(&p);
	ck_assert_str_eq(p.path, "direct");
}
END_TEST

START_TEST(one_new_token_more_lanes_than_groups_and_no_prompts_end)
{
	struct pipeline p = plain();

	p.max_new = 1;
	for (p.stages = 1; p.stages <= 3; p.stages++) {
		p.in_flight = 4;
		p.batch = 4;
		for (p.prompts = 0; p.prompts <= 3; p.prompts++)
			expect_answers(&p);
	}
}
END_TEST

/* A rank's intervals that must not overlap do not, and cover all of its pass; a first stage alone idles. */
static void expect_closed_records(struct pipeline *asked)
{
	struct pipeline p = *asked;

	pipeline_run(&p);
	for (uint32_t rank = 0; rank < p.stages; rank++) {
		const struct lsb_recorder *r = &p.recorders[rank];
		uint64_t end = 0;
		uint32_t computed = 0, idled = 0;

		ck_assert_int_eq(p.rc[rank], LSB_OK);
		for (size_t i = 0; i < r->n; i++) {
			const struct lsb_record *record = &r->records[i];

			ck_assert_uint_le(record->t0_ns, record->t1_ns);
			computed += record->kind == LSB_REC_COMPUTE;
			if (record->kind != LSB_REC_COMPUTE && record->kind != LSB_REC_BLOCK &&
			    record->kind != LSB_REC_SCHEDULE && record->kind != LSB_REC_IDLE)
				continue;
			idled += record->kind == LSB_REC_IDLE;
			if (end)
				ck_assert_uint_eq(record->t0_ns, end);
			end = record->t1_ns;
		}
		ck_assert_uint_gt(computed, 0);
		if (rank || !p.every_ns)
			ck_assert_uint_eq(idled, 0);
	}
	pipeline_free(&p);
}

START_TEST(records_of_a_rank_are_a_closed_sequence)
{
	struct pipeline p = plain();

	p.in_flight = 2;
	p.batch = 2;
	for (p.every_ns = 0; p.every_ns <= 20000000; p.every_ns += 20000000)
		for (p.stages = 1; p.stages <= 3; p.stages += 2)
			expect_closed_records(&p);
}
END_TEST

START_TEST(continuous_batching_and_arrivals_change_no_id)
{
	for (uint32_t i = 0; i < 8; i++) {
		struct pipeline p = plain();

		p.continuous = 1;
		p.every_ns = i & 1 ? 1000000 : 0;
		p.async = (i & 2) != 0;
		p.in_flight = 1 + (i & 1);
		p.batch = i & 4 ? 3 : 2;
		p.prompts = PROMPTS_MAX;
		for (p.stages = 1; p.stages <= 3; p.stages++)
			expect_answers(&p);
	}
}
END_TEST

/* All ranks of a failed run have an error with a message, and nobody hangs. */
static void expect_failure(struct pipeline *p)
{
	pipeline_run(p);
	for (uint32_t i = 0; i < p->stages; i++) {
		ck_assert_msg(p->rc[i] < 0 && p->rc[i] >= LSB_ESUITE, "stage %u: %d", i, p->rc[i]);
		ck_assert_str_ne(p->err[i].msg, "");
	}
	pipeline_free(p);
}

START_TEST(a_transport_error_in_any_operation_is_an_error_of_the_pass)
{
	struct pipeline p = plain();
	uint64_t operations[QUEUES_RANKS_MAX];

	p.stages = 3;
	p.in_flight = 2;
	p.batch = 2;
	p.prompts = 2;
	p.max_new = 2;
	expect_answers(&p);
	memcpy(operations, p.operations, sizeof(operations));
	for (p.fail_rank = 0; p.fail_rank < (int32_t)p.stages; p.fail_rank++)
		for (p.fail_at = 0; p.fail_at < operations[p.fail_rank]; p.fail_at++) {
			p.fault = p.fail_at % 2 ? QUEUES_FAIL : QUEUES_FAIL_SILENTLY;
			memset(p.rc, 0, sizeof(p.rc));
			pipeline_run(&p);
			/* With other timing this run may have had fewer operations. */
			if (p.operations[p.fail_rank] > p.fail_at) {
				ck_assert_int_eq(p.rc[p.fail_rank], LSB_EIO);
				ck_assert_str_ne(p.err[p.fail_rank].msg, "");
			}
			pipeline_free(&p);
		}
}
END_TEST

START_TEST(a_status_that_is_none_and_a_count_too_high_blame_the_plugin)
{
	struct pipeline p = plain();

	p.stages = 2;
	p.fault = QUEUES_NO_STATUS;
	/* Operation 3 of stage 1 posts a receive. */
	p.fail_rank = 1;
	p.fail_at = 3;
	expect_failure(&p);
	ck_assert_int_eq(p.rc[1], LSB_EPLUGIN);
	ck_assert_ptr_nonnull(strstr(p.err[1].msg, "queues"));
	p.fault = QUEUES_BAD_COUNT;
	/* After its receives (window of 3, and one plan more) the first operation is a wait. */
	p.fail_at = 7;
	memset(p.rc, 0, sizeof(p.rc));
	expect_failure(&p);
	ck_assert_int_eq(p.rc[1], LSB_EPLUGIN);
}
END_TEST

START_TEST(a_step_that_fails_is_an_error_and_leaves_no_step_behind)
{
	struct pipeline p = plain();

	p.in_flight = 2;
	p.fail_at_step = 3;
	for (p.stages = 1; p.stages <= 3; p.stages++)
		for (p.async = 0; p.async < 2; p.async++) {
			int failed = 0;

			memset(p.rc, 0, sizeof(p.rc));
			expect_failure(&p);
			for (uint32_t i = 0; i < p.stages; i++)
				failed += p.rc[i] == LSB_EDEVICE;
			ck_assert_int_ge(failed, 1);
		}
}
END_TEST

START_TEST(a_cancelled_rank_ends_with_its_status)
{
	struct pipeline p = plain();

	p.stages = 3;
	for (p.cancel_rank = 1; p.cancel_rank <= p.stages; p.cancel_rank++) {
		memset(p.rc, 0, sizeof(p.rc));
		expect_failure(&p);
		ck_assert_int_eq(p.rc[p.cancel_rank - 1], LSB_ECANCELED);
	}
	p.stages = p.cancel_rank = 1;
	memset(p.rc, 0, sizeof(p.rc));
	expect_failure(&p);
	ck_assert_int_eq(p.rc[0], LSB_ECANCELED);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stage");
	TCase *tcase = tcase_create("stage");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 100);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, ids_do_not_depend_on_stages_groups_batch_or_chunk);
	tcase_add_test(tcase, an_asynchronous_backend_with_two_tickets_gives_the_same_ids);
	tcase_add_test(tcase, staged_memory_gives_the_same_ids_and_is_reported);
	tcase_add_test(tcase, rings_outlive_a_pass);
	tcase_add_test(tcase, one_new_token_more_lanes_than_groups_and_no_prompts_end);
	tcase_add_test(tcase, records_of_a_rank_are_a_closed_sequence);
	tcase_add_test(tcase, continuous_batching_and_arrivals_change_no_id);
	tcase_add_test(tcase, a_transport_error_in_any_operation_is_an_error_of_the_pass);
	tcase_add_test(tcase, a_status_that_is_none_and_a_count_too_high_blame_the_plugin);
	tcase_add_test(tcase, a_step_that_fails_is_an_error_and_leaves_no_step_behind);
	tcase_add_test(tcase, a_cancelled_rank_ends_with_its_status);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
