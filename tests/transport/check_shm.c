/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport-shm: ranks are threads of this process, or driven in turn by one; deaths are in `lsbench check`.
 */
#include "../../plugins/transport-shm/shm.h"
#include "ranks.h"

#define SHM LSB_BINARY_DIR "/plugins/lsbench-transport-shm.so"
#define MS UINT64_C(1000000)

static struct shm_options options;
static struct ranks ranks;

static void setup(uint32_t how, uint64_t ring)
{
	options = (struct shm_options){ .wait = { .how = how, .spin_ns = 50000 }, .ring_bytes = ring };
}

static void start(int32_t size)
{
	const struct lsb_plugin *plugin = testhost_plugin(SHM);

	ck_assert_uint_eq(plugin->options_size, sizeof(options));
	ranks_start(&ranks, plugin, &options, size);
}

static void fill(uint8_t *to, size_t n, uint32_t salt)
{
	uint32_t x = salt * 2654435761u + 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525u + 1013904223u;
		to[i] = (uint8_t)(x >> 24);
	}
}

/*
 * Each rank sends to all others messages of many sizes, the largest far beyond the ring, and checks what
 * comes.
 */
static const size_t sizes[] = { 0, 1, 31, 32, 33, 4000, 4064, 4065, 100003, 3000000 };

enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

static void exchange(struct ranks *r, int32_t rank)
{
	for (size_t s = 0; s < SIZES; s++) {
		uint8_t *out[RANKS_MAX] = { 0 }, *in[RANKS_MAX] = { 0 }, *wanted = malloc(sizes[s] + 1);
		uint32_t sent[RANKS_MAX], received[RANKS_MAX];

		for (int32_t peer = 0; peer < r->size; peer++) {
			if (peer == rank)
				continue;
			out[peer] = malloc(sizes[s] + 1);
			in[peer] = calloc(1, sizes[s] + 1);
			fill(out[peer], sizes[s], (uint32_t)(rank * 10 + peer));
			received[peer] = ranks_receive(r, rank, peer, (uint32_t)s, in[peer], sizes[s]);
		}
		ck_assert_int_eq(r->ops->barrier(r->t[rank], AHEAD(60 * SECOND), &r->err[rank]), LSB_OK);
		for (int32_t peer = 0; peer < r->size; peer++)
			if (peer != rank)
				sent[peer] = ranks_send(r, rank, peer, (uint32_t)s, out[peer], sizes[s]);
		for (int32_t peer = 0; peer < r->size; peer++) {
			if (peer == rank)
				continue;
			ck_assert_uint_eq(ranks_finish(r, rank, received[peer]), sizes[s]);
			ranks_finish(r, rank, sent[peer]);
			fill(wanted, sizes[s], (uint32_t)(peer * 10 + rank));
			ck_assert_int_eq(memcmp(in[peer], wanted, sizes[s]), 0);
			ck_assert_uint_eq(in[peer][sizes[s]], 0);
			free(out[peer]);
			free(in[peer]);
		}
		free(wanted);
	}
}

/* wait, ring */
static const uint64_t modes[][2] = { { WAIT_BLOCK, 4096 },
				     { WAIT_POLL, 4096 },
				     { WAIT_HYBRID, 4100 },
				     { WAIT_HYBRID, 1 << 20 } };

START_TEST(messages_of_all_sizes_cross_both_ways_between_all_ranks)
{
	setup((uint32_t)modes[_i][0], modes[_i][1]);
	start(3);
	ranks_parallel(&ranks, exchange);
	ranks_close(&ranks);
}
END_TEST

START_TEST(many_messages_keep_order_within_a_tag_and_none_between_tags)
{
	enum { MESSAGES = 60 };
	uint32_t out[MESSAGES], in[MESSAGES], received[MESSAGES];

	setup(WAIT_BLOCK, 1 << 20);
	start(2);
	for (uint32_t i = 0; i < MESSAGES; i++) /* receives tag by tag, sends in turns */
		received[i] = ranks_receive(&ranks, 1, 0, i / 20, &in[i], sizeof(in[i]));
	for (uint32_t i = 0; i < MESSAGES; i++) {
		out[i] = i % 3 * 20 + i / 3;
		ranks_finish(&ranks, 0, ranks_send(&ranks, 0, 1, i % 3, &out[i], sizeof(out[i])));
	}
	for (uint32_t i = 0; i < MESSAGES; i++) {
		ck_assert_uint_eq(ranks_finish(&ranks, 1, received[i]), sizeof(in[i]));
		ck_assert_uint_eq(in[i], i);
	}
	ranks_close(&ranks);
}
END_TEST

START_TEST(arrival_is_when_the_sender_put_it_in_not_when_it_was_found)
{
	struct lsb_completion done = { 0 };
	uint64_t before, after;
	uint8_t out = 7, in = 0;
	uint32_t received;

	setup(WAIT_HYBRID, 1 << 20);
	start(2);
	received = ranks_receive(&ranks, 1, 0, 1, &in, 1);
	before = testhost_now(NULL);
	ranks_finish(&ranks, 0, ranks_send(&ranks, 0, 1, 1, &out, 1));
	after = testhost_now(NULL);
	nanosleep(&(struct timespec){ .tv_nsec = 20 * 1000 * 1000 }, NULL);
	ck_assert_int_eq(ranks_wait(&ranks, 1, received, 0, &done), LSB_OK);
	ck_assert(done.arrived_ns >= before && done.arrived_ns <= after);
	ranks_close(&ranks);
}
END_TEST

START_TEST(message_sent_before_the_end_is_read_after_it)
{
	uint8_t out = 7, in = 0, other;
	const struct lsb_buf b = { .ptr = &other, .bytes = 1, .mem = LSB_MEM_HOST, .device = -1 };
	uint32_t received;

	setup(WAIT_BLOCK, 4096);
	start(2);
	ranks_finish(&ranks, 0, ranks_send(&ranks, 0, 1, 1, &out, 1));
	ranks.ops->close(ranks.t[0]);
	ranks.t[0] = NULL;
	ranks.ops->progress(ranks.t[1]);
	received = ranks_receive(&ranks, 1, 0, 1, &in, 1);
	ranks_finish(&ranks, 1, received);
	ck_assert_uint_eq(in, 7);
	ck_assert_int_eq(ranks.ops->irecv(ranks.t[1], 0, 1, &b, &received, &ranks.err[1]), LSB_EPEER);
	ck_assert_ptr_nonnull(strstr(ranks.err[1].msg, "rank 0 has ended"));
	ranks_close(&ranks);
}
END_TEST

START_TEST(deadline_is_kept_and_loses_nothing_in_every_wait_mode)
{
	struct lsb_completion done;
	uint8_t out = 7, in = 0;
	uint32_t received;
	uint64_t until;

	setup((uint32_t)_i, 4096);
	start(2);
	received = ranks_receive(&ranks, 1, 0, 1, &in, 1);
	ck_assert_int_eq(ranks_wait(&ranks, 1, received, 0, &done), LSB_ETIMEDOUT);
	until = AHEAD(70 * MS); /* beyond one slice of sleep */
	ck_assert_int_eq(ranks_wait(&ranks, 1, received, 70 * MS, &done), LSB_ETIMEDOUT);
	ck_assert_uint_ge(testhost_now(NULL), until);
	ranks_finish(&ranks, 0, ranks_send(&ranks, 0, 1, 1, &out, 1));
	ranks_finish(&ranks, 1, received);
	ck_assert_int_eq(ranks.ops->barrier(ranks.t[0], AHEAD(10 * MS), &ranks.err[0]), LSB_ETIMEDOUT);
	ck_assert_int_eq(ranks.ops->barrier(ranks.t[1], AHEAD(20 * SECOND), &ranks.err[1]), LSB_OK);
	ck_assert_int_eq(ranks.ops->barrier(ranks.t[0], AHEAD(20 * SECOND), &ranks.err[0]), LSB_OK);
	ranks_close(&ranks);
}
END_TEST

START_TEST(rank_of_another_launch_is_refused)
{
	setup(WAIT_HYBRID, 4096);
	ranks_init(&ranks, testhost_plugin(SHM), &options, 2);
	ranks.world[1].nonce[3] ^= 1;
	ranks.connect_ns = SECOND;
	ranks_open(&ranks);
	ranks_connect(&ranks);
	ck_assert_int_eq(ranks.rc[0], LSB_EPEER);
	ck_assert_ptr_nonnull(strstr(ranks.err[0].msg, "another launch"));
	ck_assert_int_ne(ranks.rc[1], LSB_OK);
	ranks_close(&ranks);
}
END_TEST

START_TEST(rank_that_never_joins_is_named_at_the_deadline)
{
	setup(WAIT_HYBRID, 4096);
	ranks_init(&ranks, testhost_plugin(SHM), &options, 3);
	ranks_open(&ranks);
	ck_assert_int_eq(ranks.ops->connect(ranks.t[0], ranks.spans, AHEAD(100 * MS), &ranks.err[0]),
			 LSB_ETIMEDOUT);
	ck_assert_ptr_nonnull(strstr(ranks.err[0].msg, "rank 1 has not joined"));
	ranks_close(&ranks);
}
END_TEST

START_TEST(addresses_that_are_none_are_refused)
{
	struct lsb_span wrong[2];
	uint8_t noise[LSB_ADDRESS_MAX];

	setup(WAIT_HYBRID, 4096);
	for (int kind = 0; kind < 3; kind++) {
		ranks_init(&ranks, testhost_plugin(SHM), &options, 2);
		ranks_open(&ranks);
		memset(noise, 0xff, sizeof(noise));
		if (kind == 2) { /* a process and descriptor that are not there */
			memcpy(noise, ranks.address[1], ranks.spans[1].bytes);
			memset(noise + 16, 0x7f, 8);
		}
		wrong[0] = ranks.spans[0];
		wrong[1] = (struct lsb_span){ noise, kind ? ranks.spans[1].bytes : 7 };
		ck_assert_int_eq(ranks.ops->connect(ranks.t[0], wrong, AHEAD(SECOND), &ranks.err[0]),
				 LSB_EPEER);
		ranks_close(&ranks);
	}
}
END_TEST

START_TEST(ranks_of_several_machines_are_refused)
{
	setup(WAIT_HYBRID, 4096);
	ranks_init(&ranks, testhost_plugin(SHM), &options, 2);
	ranks.world[0].host_count = 2;
	ck_assert_int_eq(ranks.ops->open(&ranks.host, &options, &ranks.world[0], &ranks.t[0], &ranks.err[0]),
			 LSB_EUNAVAIL);
}
END_TEST

/* What a peer's program could write by mistake: lengths and counts that lie. */
START_TEST(ring_with_nonsense_in_it_breaks_the_link_and_nothing_else)
{
	struct lsb_completion done;
	struct shm_segment *segment;
	struct lsb_wire_counters wire = { .struct_size = sizeof(wire) };
	uint8_t in[16];
	uint32_t received;

	setup(WAIT_HYBRID, 4096);
	start(2);
	segment = ranks.t[1]->mine;
	memset((uint8_t *)&segment->rings[2], 0xee, 64); /* bytes of ring 0 */
	atomic_store(&segment->rings[0].head, _i ? UINT64_C(1) << 40 : 64);
	received = ranks_receive(&ranks, 1, 0, 1, in, sizeof(in));
	ck_assert_int_eq(ranks_wait(&ranks, 1, received, SECOND, &done), LSB_EPROTO);
	ck_assert_int_eq(ranks.ops->counters(ranks.t[1], &wire, &ranks.err[1]), LSB_OK);
	ck_assert_uint_eq(wire.messages_received, 0);
	ranks_close(&ranks);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("shm");
	TCase *tc = tcase_create("shm");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 100);
	tcase_add_loop_test(tc, messages_of_all_sizes_cross_both_ways_between_all_ranks, 0, 4);
	tcase_add_test(tc, many_messages_keep_order_within_a_tag_and_none_between_tags);
	tcase_add_test(tc, arrival_is_when_the_sender_put_it_in_not_when_it_was_found);
	tcase_add_test(tc, message_sent_before_the_end_is_read_after_it);
	tcase_add_loop_test(tc, deadline_is_kept_and_loses_nothing_in_every_wait_mode, 0, 3);
	tcase_add_test(tc, rank_of_another_launch_is_refused);
	tcase_add_test(tc, rank_that_never_joins_is_named_at_the_deadline);
	tcase_add_test(tc, addresses_that_are_none_are_refused);
	tcase_add_test(tc, ranks_of_several_machines_are_refused);
	tcase_add_loop_test(tc, ring_with_nonsense_in_it_breaks_the_link_and_nothing_else, 0, 2);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
