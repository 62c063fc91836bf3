/* SPDX-License-Identifier: Apache-2.0 */
/* What transport-tcp promises of messages between healthy ranks, in each wait mode. */
#include "../../plugins/transport-tcp/tcp.h"
#include "ranks.h"

#define PLUGIN LSB_BINARY_DIR "/plugins/lsbench-transport-tcp.so"

static const struct tcp_options modes[] = {
	{ .wait.how = WAIT_BLOCK, .nodelay = 1 },
	{ .wait.how = WAIT_POLL, .nodelay = 1 },
	{ .wait = { .how = WAIT_HYBRID, .spin_ns = 50000 }, .nodelay = 1 },
	{ .wait = { .how = WAIT_HYBRID, .spin_ns = 50000 },
	  .nodelay = 1,
	  .buffer_bytes = 4096 }, /* partial writes */
};

enum { MODES = sizeof(modes) / sizeof(modes[0]) };

static struct ranks ranks;

static void start(int32_t size, int mode)
{
	ranks_start(&ranks, testhost_plugin(PLUGIN), &modes[mode], size);
}

/* Bytes that depend on a seed and their place, so that a shifted or swapped payload shows. */
static void fill(uint8_t *data, size_t bytes, uint32_t seed)
{
	for (size_t i = 0; i < bytes; i++)
		data[i] = (uint8_t)((i * 2654435761u + seed * 40503u) >> 11);
}

static void check_filled(const uint8_t *data, size_t bytes, uint32_t seed)
{
	for (size_t i = 0; i < bytes; i++)
		if (data[i] != (uint8_t)((i * 2654435761u + seed * 40503u) >> 11))
			ck_abort_msg("byte %zu of message %u is wrong", i, seed);
}

START_TEST(messages_match_by_peer_and_tag_whatever_the_order_of_posting)
{
	uint8_t out[3] = { 10, 20, 30 }, in[3] = { 0 };
	uint32_t received[3], sent[3];

	start(3, _i);
	received[0] = ranks_receive(&ranks, 0, 1, 7, &in[0], 1);
	received[1] = ranks_receive(&ranks, 0, 1, 3, &in[1], 1);
	received[2] = ranks_receive(&ranks, 0, 2, 7, &in[2], 1);
	sent[2] = ranks_send(&ranks, 2, 0, 7, &out[2], 1);
	sent[1] = ranks_send(&ranks, 1, 0, 3, &out[1], 1);
	sent[0] = ranks_send(&ranks, 1, 0, 7, &out[0], 1);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(ranks_finish(&ranks, 0, received[i]), 1);
	ck_assert_mem_eq(in, out, 3);
	ranks_finish(&ranks, 1, sent[0]);
	ranks_finish(&ranks, 1, sent[1]);
	ranks_finish(&ranks, 2, sent[2]);
	ranks_close(&ranks);
}
END_TEST

START_TEST(messages_of_one_tag_arrive_in_order_many_in_flight)
{
	enum { MESSAGES = 100, BYTES = 3000 };
	static uint8_t out[MESSAGES][BYTES], in[MESSAGES][BYTES];
	uint32_t received[MESSAGES], sent[MESSAGES];

	start(2, _i);
	for (uint32_t i = 0; i < MESSAGES; i++) {
		received[i] = ranks_receive(&ranks, 1, 0, i % 2, in[i], BYTES);
		fill(out[i], BYTES, i);
	}
	for (uint32_t i = 0; i < MESSAGES; i++)
		sent[i] = ranks_send(&ranks, 0, 1, i % 2, out[i], BYTES - i);
	for (uint32_t i = 0; i < MESSAGES; i++) {
		struct lsb_completion done;

		while (ranks_wait(&ranks, 1, received[i], SECOND / 1000, &done) == LSB_ETIMEDOUT)
			ranks.ops->progress(ranks.t[0]);
		ck_assert_int_eq(done.status, LSB_OK);
		ck_assert_uint_eq(done.bytes, BYTES - i);
		check_filled(in[i], BYTES - i, i);
	}
	for (uint32_t i = 0; i < MESSAGES; i++)
		ranks_finish(&ranks, 0, sent[i]);
	ranks_close(&ranks);
}
END_TEST

/* Sizes around every boundary of the reader: stage, guess, header. */
static const size_t sizes[] = { 0,    1,    15,	  16,	 17,	1007,  1008,  1024,  1025,
				8191, 8192, 8193, 65535, 65536, 65537, 69632, 69648, 199000 };

enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

static void swap_sizes(struct ranks *r, int32_t rank)
{
	static uint8_t out[2][SIZES][200000], in[2][SIZES][200000];
	uint32_t received[SIZES], sent[SIZES];

	for (uint32_t i = 0; i < SIZES; i++) {
		received[i] = ranks_receive(r, rank, !rank, 1 + i % 3, in[rank][i], 200000 - i * 2);
		fill(out[rank][i], sizes[i], i + 100 * (uint32_t)rank);
	}
	r->rc[rank] = r->ops->barrier(r->t[rank], AHEAD(60 * SECOND), &r->err[rank]);
	for (uint32_t i = 0; i < SIZES; i++)
		sent[i] = ranks_send(r, rank, !rank, 1 + i % 3, out[rank][i], sizes[i]);
	for (uint32_t i = 0; i < SIZES; i++) {
		ck_assert_uint_eq(ranks_finish(r, rank, received[i]), sizes[i]);
		check_filled(in[rank][i], sizes[i], i + 100 * (uint32_t)!rank);
	}
	for (uint32_t i = 0; i < SIZES; i++)
		ranks_finish(r, rank, sent[i]);
}

START_TEST(messages_of_all_sizes_pass_both_ways_at_once)
{
	start(2, _i);
	ranks_parallel(&ranks, swap_sizes);
	ck_assert_int_eq(ranks.rc[0], LSB_OK);
	ck_assert_int_eq(ranks.rc[1], LSB_OK);
	ranks_close(&ranks);
}
END_TEST

enum { HUGE_BYTES = 64 << 20 };

static void swap_huge(struct ranks *r, int32_t rank)
{
	uint8_t *out = malloc(HUGE_BYTES), *in = malloc(HUGE_BYTES);
	uint32_t received, sent;

	fill(out, HUGE_BYTES, (uint32_t)rank);
	received = ranks_receive(r, rank, !rank, 1, in, HUGE_BYTES);
	ck_assert_int_eq(r->ops->barrier(r->t[rank], AHEAD(60 * SECOND), &r->err[rank]), LSB_OK);
	sent = ranks_send(r, rank, !rank, 1, out, HUGE_BYTES);
	ck_assert_uint_eq(ranks_finish(r, rank, received), HUGE_BYTES);
	check_filled(in, HUGE_BYTES, (uint32_t)!rank);
	ranks_finish(r, rank, sent);
	free(in);
	free(out);
}

START_TEST(messages_of_64_mib_pass_both_ways_at_once)
{
	start(2, _i);
	ranks_parallel(&ranks, swap_huge);
	ranks_close(&ranks);
}
END_TEST

START_TEST(message_that_nobody_asked_for_waits_and_blocks_nobody)
{
	uint8_t out[4] = { 1, 2, 3, 4 }, in[4] = { 0 }, in_late[4];
	uint32_t sent, other, late;

	start(3, _i);
	ranks_send(&ranks, 1, 0, 5, out, 4);
	sent = ranks_send(&ranks, 1, 0, 6, out + 1, 3);
	other = ranks_receive(&ranks, 0, 2, 1, in, 1);
	ranks_send(&ranks, 2, 0, 1, out + 3, 1);
	ck_assert_uint_eq(ranks_finish(&ranks, 0, other), 1);
	ck_assert_uint_eq(in[0], 4);
	late = ranks_receive(&ranks, 0, 1, 6, in_late, 4);
	ck_assert_int_eq(ranks_wait(&ranks, 0, late, SECOND / 50, &(struct lsb_completion){ 0 }),
			 LSB_ETIMEDOUT);
	ck_assert_uint_eq(ranks_finish(&ranks, 0, ranks_receive(&ranks, 0, 1, 5, in, 4)), 4);
	ck_assert_mem_eq(in, out, 4);
	ck_assert_uint_eq(ranks_finish(&ranks, 0, late), 3);
	ck_assert_mem_eq(in_late, out + 1, 3);
	ranks_finish(&ranks, 1, sent);
	ranks_close(&ranks);
}
END_TEST

START_TEST(wait_keeps_requests_pending_past_its_deadline)
{
	struct lsb_completion done;
	uint8_t out = 9, in = 0;
	uint32_t received;
	uint64_t begun;

	start(2, _i);
	received = ranks_receive(&ranks, 0, 1, 1, &in, 1);
	ck_assert_int_eq(ranks_wait(&ranks, 0, received, 0, &done), LSB_ETIMEDOUT);
	begun = testhost_now(NULL);
	ck_assert_int_eq(ranks_wait(&ranks, 0, received, SECOND / 20, &done), LSB_ETIMEDOUT);
	ck_assert_uint_ge(testhost_now(NULL) - begun, SECOND / 20);
	ranks_send(&ranks, 1, 0, 1, &out, 1);
	ranks_finish(&ranks, 0, received);
	ck_assert_uint_eq(in, 9);
	ck_assert_int_eq(ranks_wait(&ranks, 0, received, 0, &done), LSB_EINVAL);
	ranks_close(&ranks);
}
END_TEST

START_TEST(arrival_lies_between_the_send_and_the_completion_or_is_unknown)
{
	struct lsb_completion done;
	uint8_t out = 9, in = 0;
	uint32_t received;
	uint64_t begun;

	start(2, _i);
	for (int i = 0; i < 50; i++) {
		received = ranks_receive(&ranks, 0, 1, 1, &in, 1);
		begun = testhost_now(NULL);
		ranks_finish(&ranks, 1, ranks_send(&ranks, 1, 0, 1, &out, 1));
		ck_assert_int_eq(ranks_wait(&ranks, 0, received, 60 * SECOND, &done), LSB_OK);
		if (done.arrived_ns == 0)
			continue;
		ck_assert_uint_ge(done.arrived_ns, begun);
		ck_assert_uint_le(done.arrived_ns, testhost_now(NULL));
	}
	ranks_close(&ranks);
}
END_TEST

/* The receiver looks away for 5 ms while the message comes: it cannot know when. */
START_TEST(arrival_is_unknown_for_what_came_while_nobody_looked)
{
	struct lsb_completion done;
	uint8_t out = 9, in = 0;
	uint32_t received;

	start(2, _i);
	received = ranks_receive(&ranks, 0, 1, 1, &in, 1);
	ck_assert_int_eq(ranks_wait(&ranks, 0, received, SECOND / 1000, &done), LSB_ETIMEDOUT);
	ranks_finish(&ranks, 1, ranks_send(&ranks, 1, 0, 1, &out, 1));
	nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	ck_assert_int_eq(ranks_wait(&ranks, 0, received, 60 * SECOND, &done), LSB_OK);
	ck_assert_uint_eq(done.arrived_ns, 0);
	ranks_close(&ranks);
}
END_TEST

static int arrived[RANKS_MAX]; /* of ranks at the barrier; __atomic */

static void pass_barriers(struct ranks *r, int32_t rank)
{
	for (int round = 1; round <= 50; round++) {
		__atomic_add_fetch(&arrived[rank], 1, __ATOMIC_SEQ_CST);
		ck_assert_int_eq(r->ops->barrier(r->t[rank], AHEAD(60 * SECOND), &r->err[rank]), LSB_OK);
		for (int32_t i = 0; i < r->size; i++)
			ck_assert_int_ge(__atomic_load_n(&arrived[i], __ATOMIC_SEQ_CST), round);
	}
}

START_TEST(barrier_returns_only_when_all_ranks_have_arrived)
{
	start(2 + _i % 3, _i % MODES);
	ranks_parallel(&ranks, pass_barriers);
	ranks_close(&ranks);
}
END_TEST

START_TEST(barrier_that_timed_out_is_taken_up_again)
{
	start(2, _i);
	ck_assert_int_eq(ranks.ops->barrier(ranks.t[0], AHEAD(SECOND / 100), &ranks.err[0]), LSB_ETIMEDOUT);
	ck_assert_int_eq(ranks.ops->barrier(ranks.t[1], AHEAD(60 * SECOND), &ranks.err[1]), LSB_OK);
	ck_assert_int_eq(ranks.ops->barrier(ranks.t[0], AHEAD(60 * SECOND), &ranks.err[0]), LSB_OK);
	ranks_close(&ranks);
}
END_TEST

START_TEST(counters_count_headers_payload_and_messages)
{
	struct lsb_wire_counters c = { .struct_size = sizeof(c) };
	uint8_t out[100] = { 0 }, in[100];
	uint32_t received, sent;

	start(2, _i);
	received = ranks_receive(&ranks, 1, 0, 1, in, 100);
	sent = ranks_send(&ranks, 0, 1, 1, out, 100);
	ranks_finish(&ranks, 0, sent);
	ranks_finish(&ranks, 1, received);
	ck_assert_int_eq(ranks.ops->counters(ranks.t[0], &c, &ranks.err[0]), LSB_OK);
	ck_assert_uint_eq(c.bytes_sent, 116);
	ck_assert_uint_eq(c.messages_sent, 1);
	ck_assert_uint_eq(c.bytes_received, 0);
	ck_assert_uint_eq(c.system_calls, 1);
	ck_assert_int_eq(ranks.ops->counters(ranks.t[1], &c, &ranks.err[1]), LSB_OK);
	ck_assert_uint_eq(c.bytes_received, 116);
	ck_assert_uint_eq(c.messages_received, 1);
	ranks_close(&ranks);
}
END_TEST

START_TEST(misuse_is_refused_and_breaks_nothing)
{
	struct lsb_buf b = { .ptr = &(int){ 0 }, .bytes = 4, .mem = LSB_MEM_HOST, .device = -1 };
	struct lsb_buf device = b;
	struct lsb_error *err = &ranks.err[0];
	uint8_t out = 1, in = 0;
	uint32_t request, received;

	start(2, 2);
	device.mem = LSB_MEM_CUDA;
	ck_assert_int_eq(ranks.ops->isend(ranks.t[0], 0, 1, &b, &request, err), LSB_EINVAL);
	ck_assert_int_eq(ranks.ops->isend(ranks.t[0], 2, 1, &b, &request, err), LSB_EINVAL);
	ck_assert_int_eq(ranks.ops->isend(ranks.t[0], 1, 17, &b, &request, err), LSB_EINVAL);
	ck_assert_int_eq(ranks.ops->irecv(ranks.t[0], -1, 1, &b, &request, NULL), LSB_EINVAL);
	ck_assert_int_eq(ranks.ops->irecv(ranks.t[0], 1, 1, &device, &request, err), LSB_EINVAL);
	b.bytes = (UINT64_C(1) << 30) + 1;
	ck_assert_int_eq(ranks.ops->isend(ranks.t[0], 1, 1, &b, &request, err), LSB_EINVAL);
	ck_assert_int_eq(ranks_wait(&ranks, 0, 12345, 0, &(struct lsb_completion){ 0 }), LSB_EINVAL);
	received = ranks_receive(&ranks, 1, 0, 1, &in, 1);
	ranks_send(&ranks, 0, 1, 1, &out, 1);
	ranks_finish(&ranks, 1, received);
	ranks_close(&ranks);
}
END_TEST

START_TEST(world_of_one_connects_and_passes_its_barrier)
{
	start(1, _i);
	ck_assert_int_eq(ranks.ops->barrier(ranks.t[0], AHEAD(60 * SECOND), &ranks.err[0]), LSB_OK);
	ranks_close(&ranks);
	ranks.ops->close(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tcp_messages");
	TCase *tc = tcase_create("messages");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 100);
	tcase_add_loop_test(tc, messages_match_by_peer_and_tag_whatever_the_order_of_posting, 0, MODES);
	tcase_add_loop_test(tc, messages_of_one_tag_arrive_in_order_many_in_flight, 0, MODES);
	tcase_add_loop_test(tc, messages_of_all_sizes_pass_both_ways_at_once, 0, MODES);
	tcase_add_loop_test(tc, messages_of_64_mib_pass_both_ways_at_once, 0, 1);
	tcase_add_loop_test(tc, messages_of_64_mib_pass_both_ways_at_once, 2, 3);
	tcase_add_loop_test(tc, message_that_nobody_asked_for_waits_and_blocks_nobody, 0, MODES);
	tcase_add_loop_test(tc, wait_keeps_requests_pending_past_its_deadline, 0, MODES);
	tcase_add_loop_test(tc, arrival_lies_between_the_send_and_the_completion_or_is_unknown, 0, MODES);
	tcase_add_loop_test(tc, arrival_is_unknown_for_what_came_while_nobody_looked, 0, MODES);
	tcase_add_loop_test(tc, barrier_returns_only_when_all_ranks_have_arrived, 0, 12);
	tcase_add_loop_test(tc, barrier_that_timed_out_is_taken_up_again, 0, MODES);
	tcase_add_loop_test(tc, counters_count_headers_payload_and_messages, 0, MODES);
	tcase_add_loop_test(tc, world_of_one_connects_and_passes_its_barrier, 0, MODES);
	tcase_add_test(tc, misuse_is_refused_and_breaks_nothing);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
