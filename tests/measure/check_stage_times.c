/* SPDX-License-Identifier: Apache-2.0 */
/* Records of known steps and messages, and the lines that they must come to. */
#include <check.h>
#include <stdlib.h>

#include "measure/stage_times.h"

#define MS 1000000u

static json_t *two_ranks(const char *host_a, const char *host_b)
{
	return json_pack("[{s:s, s:s}, {s:s, s:s}]", "boot_id", "", "host", host_a, "boot_id", "", "host",
			 host_b);
}

static struct lsb_record step(unsigned from_ms, unsigned to_ms, unsigned tokens, unsigned outputs,
			      unsigned positions)
{
	return (struct lsb_record){ .kind = LSB_REC_COMPUTE,
				    .t0_ns = (uint64_t)from_ms * MS,
				    .t1_ns = (uint64_t)to_ms * MS,
				    .aux = tokens,
				    .aux2 = outputs,
				    .bytes = positions,
				    .peer = -1 };
}

static double at(const json_t *times, size_t rank, const char *key, size_t line, size_t column)
{
	const json_t *lines = json_object_get(json_array_get(times, rank), key);

	return json_number_value(json_array_get(json_array_get(lines, line), column));
}

static size_t n_lines(const json_t *times, size_t rank, const char *key)
{
	return json_array_size(json_object_get(json_array_get(times, rank), key));
}

/* Rank 0: a chunk of 64, then decode steps of 1, 2 and 6 ms; rank 1 computes from 10 to 13 ms. */
static json_t *times_of(json_t *ranks)
{
	const struct lsb_record first[] = { step(0, 10, 64, 1, 2016), step(10, 11, 1, 1, 64),
					    step(11, 13, 1, 1, 65), step(13, 19, 1, 1, 66) };
	const struct lsb_record second[] = { step(10, 13, 64, 1, 2016) };
	const struct lsb_rank_records records[] = { { 0, first, 4, 0 }, { 1, second, 1, 0 } };
	json_t *times = lsb_stage_times(ranks, records, 2);

	json_decref(ranks);
	ck_assert_uint_eq(json_array_size(times), 2);
	return times;
}

START_TEST(steps_of_one_size_make_one_line)
{
	json_t *times = times_of(two_ranks("a", "a"));
	static const double decode[] = { 1, 1, 65, 3, 0.002, 0.003 };
	static const double chunk[] = { 64, 1, 2016, 1, 0.010, 0.010 };

	ck_assert_uint_eq(n_lines(times, 0, "steps"), 2);
	for (size_t i = 0; i < 6; i++) { /* lines by kind: chunks, then decode steps */
		ck_assert_double_eq_tol(at(times, 0, "steps", 0, i), chunk[i], 1e-9);
		ck_assert_double_eq_tol(at(times, 0, "steps", 1, i), decode[i], 1e-9);
	}
	json_decref(times);
}
END_TEST

START_TEST(ranks_of_one_machine_are_told_how_busy_the_others_were_and_those_of_two_are_not)
{
	json_t *shared = times_of(two_ranks("a", "a")), *apart = times_of(two_ranks("a", "b"));

	/* the decode steps of 1 and 2 ms lie under rank 1's step, the one of 6 ms does not */
	ck_assert_double_eq_tol(at(shared, 0, "steps", 1, LSB_STEP_BUSY), 2.0 / 3, 1e-9);
	ck_assert_double_eq_tol(at(shared, 0, "steps", 0, LSB_STEP_BUSY), 0, 1e-9);
	ck_assert_double_eq_tol(at(shared, 1, "steps", 0, LSB_STEP_BUSY), 1, 1e-9);
	ck_assert_double_eq_tol(at(apart, 0, "steps", 1, LSB_STEP_BUSY), 0, 1e-9);
	json_decref(shared);
	json_decref(apart);
}
END_TEST

static struct lsb_record message(uint32_t kind, unsigned from_ms, unsigned to_ms, int32_t peer, uint32_t n,
				 uint64_t arrived_ms)
{
	return (struct lsb_record){ .kind = kind,
				    .t0_ns = (uint64_t)from_ms * MS,
				    .t1_ns = (uint64_t)to_ms * MS,
				    .peer = peer,
				    .tag = LSB_TAG_HIDDEN,
				    .sequence = n,
				    .bytes = 1000,
				    .aux = arrived_ms * MS };
}

/* Only a message that was waited for before it was sent shows what the link needs. */
START_TEST(a_message_counts_from_its_send_to_its_arrival_where_the_receiver_was_there_first)
{
	const struct lsb_record first[] = { message(LSB_REC_SEND, 10, 11, 1, 0, 0),
					    message(LSB_REC_SEND, 20, 21, 1, 1, 0),
					    step(0, 10, 1, 1, 0),
					    { .kind = LSB_REC_SCHEDULE, .t0_ns = 0, .t1_ns = 9 * MS },
					    { .kind = LSB_REC_SCHEDULE, .t0_ns = 0, .t1_ns = MS } };
	const struct lsb_record second[] = { message(LSB_REC_BLOCK, 5, 14, 0, 0, 13),
					     message(LSB_REC_BLOCK, 25, 28, 0, 1, 26),
					     message(LSB_REC_BLOCK, 5, 14, 0, 7, 13) /* nobody sent it */ };
	const struct lsb_rank_records records[] = { { 0, first, 5, 0 }, { 1, second, 3, 0 } };
	json_t *ranks = two_ranks("a", "a"), *times = lsb_stage_times(ranks, records, 2);
	const json_t *rank = json_array_get(times, 0);

	ck_assert_uint_eq(n_lines(times, 1, "messages"), 1);
	ck_assert_uint_eq(n_lines(times, 0, "messages"), 0);
	ck_assert_double_eq(at(times, 1, "messages", 0, LSB_MESSAGE_TAG), LSB_TAG_HIDDEN);
	ck_assert_double_eq(at(times, 1, "messages", 0, LSB_MESSAGE_BYTES), 1000);
	ck_assert_double_eq(at(times, 1, "messages", 0, LSB_MESSAGE_COUNT), 1);
	ck_assert_double_eq_tol(at(times, 1, "messages", 0, LSB_MESSAGE_MEDIAN_S), 0.003, 1e-9);
	ck_assert_double_eq_tol(json_number_value(json_object_get(json_array_get(times, 1), "wake_s")), 0.001,
				1e-9);
	ck_assert_double_eq_tol(json_number_value(json_object_get(rank, "own_s")), 0.001, 1e-9);
	ck_assert_double_eq_tol(json_number_value(json_object_get(rank, "hidden_bytes")), 2000, 1e-9);
	json_decref(times);
	json_decref(ranks);
}
END_TEST

/* Blocked in a ticket from 4 to 13 ms, of which the device is at the step until 12. */
START_TEST(own_work_beside_a_device_s_steps_is_not_counted)
{
	struct lsb_record records[] = { step(0, 1, 0, 0, 0), step(1, 4, 0, 0, 0), step(2, 12, 1, 1, 64),
					step(4, 13, 0, 0, 0) };
	const struct lsb_rank_records rank = { 0, records, 4, 0 };
	json_t *ranks = two_ranks("a", "a"), *times;

	records[0].kind = records[1].kind = LSB_REC_SCHEDULE; /* the first is the start itself */
	records[3].kind = LSB_REC_TICKET;
	times = lsb_stage_times(ranks, &rank, 1);
	ck_assert_double_eq_tol(json_number_value(json_object_get(json_array_get(times, 0), "own_s")),
				0.001 + 0.001, 1e-9);
	json_decref(times);
	json_decref(ranks);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stage_times");
	TCase *tc = tcase_create("stage_times");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, steps_of_one_size_make_one_line);
	tcase_add_test(tc, own_work_beside_a_device_s_steps_is_not_counted);
	tcase_add_test(tc, ranks_of_one_machine_are_told_how_busy_the_others_were_and_those_of_two_are_not);
	tcase_add_test(tc, a_message_counts_from_its_send_to_its_arrival_where_the_receiver_was_there_first);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
