/* SPDX-License-Identifier: Apache-2.0 */
/* fault:tcp makes the network worse by what it was told, and touches nothing else. Bounds are lower ones. */
#include "../../plugins/transport-fault/emulate.h"
#include "../../plugins/transport-fault/misfortune.h"
#include "../../plugins/transport-tcp/tcp.h"
#include "ranks.h"

#define FAULT LSB_BINARY_DIR "/plugins/lsbench-transport-fault.so"
#define TCP LSB_BINARY_DIR "/plugins/lsbench-transport-tcp.so"
#define MS UINT64_C(1000000)

/* As in fault.h; the descriptor's options_size guards against drift. */
struct fault_options {
	uint64_t delay_ns, jitter_ns, bandwidth;
	int64_t drop_after, from_rank, seed;
	int64_t drop_at, truncate_at, corrupt_at, reset_at, fail_at, only_tag;
	uint32_t fail_op, reserved;
};

static struct fault_options options;
static const struct tcp_options tcp_options = { .wait = { .how = WAIT_HYBRID, .spin_ns = 50000 },
						.nodelay = 1 };
static struct lsb_inner inner, outer;
static struct lsb_host tcp_host, inner_host; /* what the wrapped plugins are opened with */
static struct ranks ranks;

static void setup(void)
{
	options = (struct fault_options){ .drop_after = -1, .from_rank = -1, .seed = 1, .only_tag = -1 };
}

/* Open and connect ranks of fault:tcp or, in a chain, of fault:fault:tcp. */
static void start_chain(int32_t size, int chained)
{
	const struct lsb_plugin *fault = testhost_plugin(FAULT);

	ck_assert_uint_eq(fault->options_size, sizeof(options));
	ck_assert_uint_ne(fault->flags & LSB_PLUGIN_INTERPOSER, 0);
	tcp_host = testhost(NULL);
	inner = (struct lsb_inner){ .struct_size = sizeof(inner),
				    .name = "tcp",
				    .ops = testhost_plugin(TCP)->ops.transport,
				    .options = &tcp_options,
				    .host = &tcp_host };
	inner_host = testhost(&inner);
	outer = (struct lsb_inner){ .struct_size = sizeof(outer),
				    .name = "fault",
				    .ops = fault->ops.transport,
				    .options = &options,
				    .host = &inner_host };
	ranks_init(&ranks, fault, &options, size);
	ranks.host = testhost(chained ? &outer : &inner);
	ranks_open(&ranks);
	ranks_connect(&ranks);
	for (int32_t i = 0; i < size; i++)
		ck_assert_msg(ranks.rc[i] == LSB_OK, "%s", ranks.err[i].msg);
}

static void start(int32_t size)
{
	start_chain(size, 0);
}

START_TEST(emulated_link_adds_delay_and_serialises_at_its_bandwidth)
{
	const struct fault_rules rules = { .delay_ns = 1000, .bandwidth = 1000000000 };
	struct fault_link link = { 0 };

	ck_assert_uint_eq(fault_link_send(&link, &rules, 100, 500), 100 + 500 + 1000);
	ck_assert_uint_eq(fault_link_send(&link, &rules, 200, 500), 100 + 500 + 500 + 1000);
	ck_assert_uint_eq(fault_link_send(&link, &rules, 9000, 1), 9000 + 1 + 1000);
}
END_TEST

START_TEST(emulated_jitter_stays_in_range_and_order_and_repeats_with_its_seed)
{
	const struct fault_rules rules = { .delay_ns = 1000, .jitter_ns = 500, .seed = 3 };
	struct fault_link link = { 0 }, again = { 0 };
	uint64_t last = 0, least = UINT64_MAX, most = 0;

	for (uint64_t now = 0; now < 1000000; now += 1000) {
		const uint64_t at = fault_link_send(&link, &rules, now, 8);

		ck_assert_uint_eq(at, fault_link_send(&again, &rules, now, 8));
		ck_assert_uint_ge(at, now + 1000);
		ck_assert_uint_le(at, now + 1500);
		ck_assert_uint_ge(at, last);
		least = at - now < least ? at - now : least;
		most = at - now > most ? at - now : most;
		last = at;
	}
	ck_assert_uint_lt(least, 1050);
	ck_assert_uint_gt(most, 1450);
}
END_TEST

START_TEST(delay_is_seen_by_the_receiver_and_not_by_the_sender)
{
	struct lsb_completion done;
	uint8_t out = 7, in = 0;
	uint32_t received, sent;
	uint64_t begun;

	setup();
	options.delay_ns = 100 * MS;
	start(2);
	received = ranks_receive(&ranks, 1, 0, 1, &in, 1);
	begun = testhost_now(NULL);
	sent = ranks_send(&ranks, 0, 1, 1, &out, 1);
	ranks_finish(&ranks, 0,
		     sent); /* the sender never waits for the delay: both are driven by this thread */
	/* A look in between ends at once, unless this thread was held up for the whole delay. */
	if (ranks_wait(&ranks, 1, received, 0, &done) == LSB_ETIMEDOUT)
		ck_assert_int_eq(ranks_wait(&ranks, 1, received, 60 * SECOND, &done), LSB_OK);
	ck_assert_uint_ge(testhost_now(NULL) - begun, 100 * MS);
	ck_assert_uint_ge(done.arrived_ns, begun + 100 * MS);
	ck_assert_uint_eq(in, 7);
	ranks_close(&ranks);
}
END_TEST

START_TEST(fault_wraps_a_fault_that_wraps_tcp)
{
	uint8_t out = 7, in = 0;
	uint32_t received, sent;
	uint64_t begun;

	setup();
	options.delay_ns = 20 * MS;
	start_chain(2, 1);
	received = ranks_receive(&ranks, 1, 0, 1, &in, 1);
	begun = testhost_now(NULL);
	sent = ranks_send(&ranks, 0, 1, 1, &out, 1);
	ranks_finish(&ranks, 0, sent);
	ranks_finish(&ranks, 1, received);
	ck_assert_uint_ge(testhost_now(NULL) - begun, 20 * MS);
	ck_assert_uint_eq(in, 7);
	ranks_close(&ranks);
}
END_TEST

/* A receiver that comes late finds the message there: a delay is no service time. */
START_TEST(delay_that_has_passed_while_nobody_looked_costs_nothing)
{
	struct lsb_completion done;
	uint8_t out = 7, in = 0;
	uint32_t received;

	setup();
	options.delay_ns = 20 * MS;
	start(2);
	received = ranks_receive(&ranks, 1, 0, 1, &in, 1);
	ranks_finish(&ranks, 0, ranks_send(&ranks, 0, 1, 1, &out, 1));
	nanosleep(&(struct timespec){ .tv_nsec = 40 * 1000 * 1000 }, NULL);
	ck_assert_int_eq(ranks_wait(&ranks, 1, received, 0, &done), LSB_OK);
	ranks_close(&ranks);
}
END_TEST

START_TEST(delayed_messages_keep_their_order)
{
	enum { MESSAGES = 20 };
	uint8_t out[MESSAGES], in[MESSAGES];
	uint32_t received[MESSAGES], sent[MESSAGES];
	uint64_t begun;

	setup();
	options.delay_ns = 50 * MS;
	start(2);
	for (int i = 0; i < MESSAGES; i++) {
		received[i] = ranks_receive(&ranks, 1, 0, 1 + (uint32_t)i % 2, &in[i], 1);
		out[i] = (uint8_t)i;
	}
	begun = testhost_now(NULL);
	for (int i = 0; i < MESSAGES; i++)
		sent[i] = ranks_send(&ranks, 0, 1, 1 + (uint32_t)i % 2, &out[i], 1);
	for (int i = 0; i < MESSAGES; i++)
		ranks_finish(&ranks, 1, received[i]);
	ck_assert_uint_ge(testhost_now(NULL) - begun, 50 * MS);
	ck_assert_mem_eq(in, out, MESSAGES);
	for (int i = 0; i < MESSAGES; i++)
		ranks_finish(&ranks, 0, sent[i]);
	ranks_close(&ranks);
}
END_TEST

START_TEST(bandwidth_bounds_the_rate_of_a_link)
{
	static uint8_t out[4][100000], in[4][100000];
	uint32_t received[4];
	uint64_t begun;

	setup();
	options.bandwidth = 4000000;
	start(2);
	for (int i = 0; i < 4; i++)
		received[i] = ranks_receive(&ranks, 1, 0, 1, in[i], sizeof(in[i]));
	begun = testhost_now(NULL);
	for (int i = 0; i < 4; i++) {
		memset(out[i], i + 1, sizeof(out[i]));
		ranks_send(&ranks, 0, 1, 1, out[i], sizeof(out[i]));
	}
	for (int i = 0; i < 4; i++) {
		struct lsb_completion done;

		while (ranks_wait(&ranks, 1, received[i], MS, &done) == LSB_ETIMEDOUT)
			ranks.ops->progress(ranks.t[0]);
		ck_assert_uint_ge(testhost_now(NULL) - begun, 25 * MS * (uint64_t)(i + 1));
	}
	ck_assert_mem_eq(in, out, sizeof(in));
	ranks_close(&ranks);
}
END_TEST

START_TEST(dropped_messages_are_taken_and_never_come)
{
	struct lsb_completion done;
	uint8_t out = 7, in = 0;
	uint32_t received;

	setup();
	options.drop_after = 2;
	options.from_rank = 0;
	start(2);
	for (int i = 0; i < 3; i++) {
		received = ranks_receive(&ranks, 1, 0, 1, &in, 1);
		ranks_finish(&ranks, 0, ranks_send(&ranks, 0, 1, 1, &out, 1));
		if (i < 2)
			ranks_finish(&ranks, 1, received);
	}
	ck_assert_int_eq(ranks_wait(&ranks, 1, received, 50 * MS, &done), LSB_ETIMEDOUT);
	for (int i = 0; i < 5; i++) { /* the other way is whole */
		received = ranks_receive(&ranks, 0, 1, 1, &in, 1);
		ranks_send(&ranks, 1, 0, 1, &out, 1);
		ranks_finish(&ranks, 0, received);
	}
	ranks_close(&ranks);
}
END_TEST

START_TEST(fate_strikes_the_message_it_was_told_and_no_other)
{
	const struct fault_misfortune m = {
		.drop_after = 7, .drop_at = 2, .truncate_at = 3, .corrupt_at = 4, .reset_at = 5
	};
	const enum fault_fate fates[] = { FAULT_PASSES,	   FAULT_DROPPED, FAULT_TRUNCATED,
					  FAULT_CORRUPTED, FAULT_RESET,	  FAULT_PASSES,
					  FAULT_PASSES,	   FAULT_DROPPED, FAULT_DROPPED };
	const struct fault_misfortune none = { .drop_after = -1 };

	for (uint64_t n = 1; n <= 9; n++) {
		ck_assert_int_eq(fault_fate_of(&m, n), fates[n - 1]);
		ck_assert_int_eq(fault_fate_of(&none, n), FAULT_PASSES);
	}
	ck_assert_int_eq(fault_fate_of(&none, UINT64_MAX), FAULT_PASSES);
}
END_TEST

START_TEST(call_that_fails_is_the_one_that_was_told)
{
	struct fault_misfortune m = { .drop_after = -1, .fail_at = 3, .fail_op = FAULT_OP_IRECV };

	for (int call = 1; call < 6; call++) {
		ck_assert_int_eq(fault_call_fails(&m, FAULT_OP_ISEND), 0);
		ck_assert_int_eq(fault_call_fails(&m, FAULT_OP_IRECV), call == 3);
	}
}
END_TEST

/* Three messages of 100 bytes, the second of which meets its fate; how many bytes come each time. */
static void three_messages(uint8_t in[3][100], uint64_t bytes[3])
{
	static uint8_t out[3][100];

	for (int i = 0; i < 3; i++) {
		const uint32_t received = ranks_receive(&ranks, 1, 0, 1, in[i], 100);
		uint32_t sent;

		memset(out[i], i + 1, 100);
		memset(in[i], 0, 100);
		sent = ranks_send(&ranks, 0, 1, 1, out[i], 100);
		bytes[i] = ranks_finish(&ranks, 1, received);
		ck_assert_uint_eq(ranks_finish(&ranks, 0, sent), 100); /* the sender knows nothing */
		ck_assert_int_eq(out[i][50], i + 1);		       /* and its bytes are untouched */
	}
}

START_TEST(truncated_message_arrives_as_its_first_half)
{
	uint8_t in[3][100];
	uint64_t bytes[3];

	setup();
	options.truncate_at = 2;
	start(2);
	three_messages(in, bytes);
	ck_assert_uint_eq(bytes[0], 100);
	ck_assert_uint_eq(bytes[1], 50);
	ck_assert_uint_eq(bytes[2], 100);
	ck_assert_uint_eq(in[1][49], 2);
	ck_assert_uint_eq(in[1][50], 0);
	ranks_close(&ranks);
}
END_TEST

START_TEST(corrupted_message_differs_in_one_bit)
{
	uint8_t in[3][100];
	uint64_t bytes[3];
	int wrong = 0;

	setup();
	options.corrupt_at = 2;
	start(2);
	three_messages(in, bytes);
	for (int i = 0; i < 3; i++)
		for (int k = 0; k < 100; k++)
			wrong += __builtin_popcount(in[i][k] ^ (unsigned)(i + 1)) * (i == 1 ? 1 : 100);
	ck_assert_int_eq(wrong, 1);
	ck_assert_uint_eq(bytes[1], 100);
	ranks_close(&ranks);
}
END_TEST

START_TEST(only_messages_of_the_tag_are_counted_and_touched)
{
	struct lsb_completion done;
	uint8_t out = 7, in = 0;
	uint32_t received;

	setup();
	options.drop_at = 1;
	options.only_tag = 2;
	start(2);
	received = ranks_receive(&ranks, 1, 0, 1, &in, 1);
	ranks_finish(&ranks, 0, ranks_send(&ranks, 0, 1, 1, &out, 1));
	ranks_finish(&ranks, 1, received);
	received = ranks_receive(&ranks, 1, 0, 2, &in, 1);
	ranks_finish(&ranks, 0, ranks_send(&ranks, 0, 1, 2, &out, 1));
	ck_assert_int_eq(ranks_wait(&ranks, 1, received, 50 * MS, &done), LSB_ETIMEDOUT);
	ranks_finish(&ranks, 0, ranks_send(&ranks, 0, 1, 2, &out, 1));
	ranks_finish(&ranks, 1, received); /* the next one of that tag takes its place */
	ranks_close(&ranks);
}
END_TEST

START_TEST(reset_breaks_the_sender_and_is_noticed_by_the_other_rank)
{
	const struct lsb_buf b = { .ptr = &ranks, .bytes = 1, .mem = LSB_MEM_HOST, .device = -1 };
	struct lsb_completion done;
	uint8_t in;
	uint32_t received, request;

	setup();
	options.reset_at = 1;
	options.from_rank = 0;
	start(2);
	received = ranks_receive(&ranks, 1, 0, 1, &in, 1);
	for (int i = 0; i < 2; i++) { /* it lasts */
		ck_assert_int_eq(ranks.ops->isend(ranks.t[0], 1, 1, &b, &request, &ranks.err[0]), LSB_EPEER);
		ck_assert_ptr_nonnull(strstr(ranks.err[0].msg, "reset at message 1"));
	}
	ck_assert_int_eq(ranks.ops->barrier(ranks.t[0], AHEAD(SECOND), &ranks.err[0]), LSB_EPEER);
	ck_assert_int_eq(ranks_wait(&ranks, 1, received, 20 * SECOND, &done), LSB_EPEER);
	ranks_close(&ranks);
}
END_TEST

START_TEST(failed_call_is_an_error_of_the_operation_and_lasts)
{
	struct lsb_completion done;
	uint8_t in;
	uint32_t received;

	setup();
	options.fail_at = 2;
	options.fail_op = FAULT_OP_WAIT_ANY;
	options.from_rank = 1;
	start(2);
	received = ranks_receive(&ranks, 1, 0, 1, &in, 1);
	ck_assert_int_eq(ranks_wait(&ranks, 1, received, 0, &done), LSB_ETIMEDOUT);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(ranks_wait(&ranks, 1, received, 0, &done), LSB_EIO);
		ck_assert_ptr_nonnull(strstr(ranks.err[1].msg, "call 2 of wait_any"));
	}
	received = ranks_receive(&ranks, 0, 1, 1, &in, 1);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(ranks_wait(&ranks, 0, received, 0, &done), LSB_ETIMEDOUT);
	ranks_close(&ranks);
}
END_TEST

START_TEST(death_of_a_peer_comes_through)
{
	struct lsb_completion done = { 0 };
	uint8_t in;
	uint32_t received;

	setup();
	options.delay_ns = MS;
	start(2);
	received = ranks_receive(&ranks, 0, 1, 1, &in, 1);
	ranks.ops->close(ranks.t[1]);
	ranks.t[1] = NULL;
	ck_assert_int_eq(ranks_wait(&ranks, 0, received, 60 * SECOND, &done), LSB_EPEER);
	ck_assert_ptr_nonnull(strstr(ranks.err[0].msg, "rank 1"));
	ranks_close(&ranks);
}
END_TEST

START_TEST(fault_without_something_to_wrap_is_refused)
{
	setup();
	ranks_init(&ranks, testhost_plugin(FAULT), &options, 1);
	ck_assert_int_eq(ranks.ops->open(&ranks.host, &options, &ranks.world[0], &ranks.t[0], &ranks.err[0]),
			 LSB_EINVAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fault");
	TCase *tc = tcase_create("fault");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, emulated_link_adds_delay_and_serialises_at_its_bandwidth);
	tcase_add_test(tc, emulated_jitter_stays_in_range_and_order_and_repeats_with_its_seed);
	tcase_add_test(tc, delay_is_seen_by_the_receiver_and_not_by_the_sender);
	tcase_add_test(tc, fault_wraps_a_fault_that_wraps_tcp);
	tcase_add_test(tc, delay_that_has_passed_while_nobody_looked_costs_nothing);
	tcase_add_test(tc, delayed_messages_keep_their_order);
	tcase_add_test(tc, bandwidth_bounds_the_rate_of_a_link);
	tcase_add_test(tc, dropped_messages_are_taken_and_never_come);
	tcase_add_test(tc, fate_strikes_the_message_it_was_told_and_no_other);
	tcase_add_test(tc, call_that_fails_is_the_one_that_was_told);
	tcase_add_test(tc, truncated_message_arrives_as_its_first_half);
	tcase_add_test(tc, corrupted_message_differs_in_one_bit);
	tcase_add_test(tc, only_messages_of_the_tag_are_counted_and_touched);
	tcase_add_test(tc, reset_breaks_the_sender_and_is_noticed_by_the_other_rank);
	tcase_add_test(tc, failed_call_is_an_error_of_the_operation_and_lasts);
	tcase_add_test(tc, death_of_a_peer_comes_through);
	tcase_add_test(tc, fault_without_something_to_wrap_is_refused);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
