/* SPDX-License-Identifier: Apache-2.0 */
/* What transport-tcp does when a peer dies, leaves or misbehaves. */
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../plugins/transport-tcp/tcp.h"
#include "ranks.h"

#define PLUGIN LSB_BINARY_DIR "/plugins/lsbench-transport-tcp.so"

static const struct tcp_options modes[] = {
	{ .wait.how = WAIT_BLOCK, .nodelay = 1 },
	{ .wait.how = WAIT_POLL, .nodelay = 1 },
	{ .wait = { .how = WAIT_HYBRID, .spin_ns = 50000 }, .nodelay = 1 },
};

enum { MODES = sizeof(modes) / sizeof(modes[0]), BIG = 16 << 20 };

static struct ranks ranks;

static void start(int32_t size, int mode)
{
	ranks_start(&ranks, testhost_plugin(PLUGIN), &modes[mode], size);
}

/* The socket of rank `at` to `peer`, through the transport's own structures. */
static int socket_of(int32_t at, int32_t peer)
{
	return ranks.t[at]->links[peer].fd;
}

/* Make rank `who` vanish as a killed process does: the kernel closes its sockets, nobody says goodbye. */
static void kill_rank(int32_t who)
{
	for (int32_t peer = 0; peer < ranks.size; peer++)
		if (peer != who && socket_of(who, peer) >= 0)
			shutdown(socket_of(who, peer), SHUT_RDWR);
}

static void check_names(int32_t at, const char *word)
{
	ck_assert_msg(strstr(ranks.err[at].msg, word) != NULL, "'%s' does not name '%s'", ranks.err[at].msg,
		      word);
}

START_TEST(death_of_the_awaited_peer_fails_the_request_and_names_the_rank)
{
	struct lsb_completion done = { 0 };
	uint8_t in;
	uint32_t received;
	const struct lsb_buf b = { .ptr = &in, .bytes = 1, .mem = LSB_MEM_HOST, .device = -1 };

	start(2, _i);
	received = ranks_receive(&ranks, 0, 1, 1, &in, 1);
	kill_rank(1);
	ck_assert_int_eq(ranks_wait(&ranks, 0, received, 60 * SECOND, &done), LSB_EPEER);
	check_names(0, "rank 1");
	ck_assert_int_eq(done.status, LSB_EPEER);
	ck_assert_uint_eq(done.request, received);
	ck_assert_int_eq(ranks.ops->irecv(ranks.t[0], 1, 1, &b, &received, &ranks.err[0]), LSB_EPEER);
	check_names(0, "rank 1");
	ranks_close(&ranks);
}
END_TEST

START_TEST(death_of_another_peer_leaves_the_other_links_alone)
{
	struct lsb_completion done = { 0 };
	uint8_t in = 0, out = 9, unheard;
	const struct lsb_buf b = { .ptr = &unheard, .bytes = 1, .mem = LSB_MEM_HOST, .device = -1 };
	uint32_t received, lost;

	start(3, _i);
	received = ranks_receive(&ranks, 0, 1, 1, &in, 1);
	lost = ranks_receive(&ranks, 0, 2, 1, &unheard, 1);
	kill_rank(2);
	ck_assert_int_eq(ranks_wait(&ranks, 0, lost, 60 * SECOND, &done), LSB_EPEER);
	check_names(0, "rank 2");
	ck_assert_int_eq(ranks_wait(&ranks, 0, received, SECOND / 10, &done), LSB_ETIMEDOUT);
	ranks_send(&ranks, 1, 0, 1, &out, 1);
	ranks_finish(&ranks, 0, received);
	ck_assert_uint_eq(in, 9);
	ck_assert_int_eq(ranks.ops->isend(ranks.t[0], 2, 1, &b, &lost, &ranks.err[0]), LSB_EPEER);
	check_names(0, "rank 2");
	ranks_finish(&ranks, 0, ranks_send(&ranks, 0, 1, 1, &out, 1));
	ranks_close(&ranks);
}
END_TEST

START_TEST(death_of_a_peer_ends_a_barrier)
{
	start(3, _i);
	kill_rank(2);
	ck_assert_int_eq(ranks.ops->barrier(ranks.t[0], AHEAD(60 * SECOND), &ranks.err[0]), LSB_EPEER);
	check_names(0, "rank 2");
	ranks_close(&ranks);
}
END_TEST

START_TEST(goodbye_of_a_rank_that_nobody_awaits_is_no_failure)
{
	struct lsb_completion done;
	uint8_t out = 5, in = 0;
	uint32_t received;

	start(3, _i);
	received = ranks_receive(&ranks, 0, 1, 1, &in, 1);
	ranks.ops->close(ranks.t[2]);
	ranks.t[2] = NULL;
	ck_assert_int_eq(ranks_wait(&ranks, 0, received, SECOND / 10, &done), LSB_ETIMEDOUT);
	ranks_send(&ranks, 1, 0, 1, &out, 1);
	ranks_finish(&ranks, 0, received);
	ck_assert_uint_eq(in, 5);
	ranks_close(&ranks);
}
END_TEST

START_TEST(messages_sent_before_a_goodbye_are_received_after_it)
{
	static uint8_t out[100000], in[100000];
	struct lsb_completion done;
	uint32_t first, last;

	start(3, _i);
	out[99999] = 7;
	first = ranks_receive(&ranks, 0, 1, 1, in, 1);
	ranks_send(&ranks, 1, 0, 1, out + 99999, 1);
	ranks_send(&ranks, 1, 0, 2, out, sizeof(out));
	ranks.ops->close(ranks.t[1]);
	ranks.t[1] = NULL;
	ranks_finish(&ranks, 0, first);
	ck_assert_uint_eq(in[0], 7);
	first = ranks_receive(&ranks, 0, 2, 1, in, 1);
	ck_assert_int_eq(ranks_wait(&ranks, 0, first, SECOND / 10, &done), LSB_ETIMEDOUT);
	last = ranks_receive(&ranks, 0, 1, 2, in, sizeof(in));
	ck_assert_uint_eq(ranks_finish(&ranks, 0, last), sizeof(in));
	ck_assert_uint_eq(in[99999], 7);
	ranks_close(&ranks);
}
END_TEST

START_TEST(goodbye_of_an_awaited_rank_fails_the_request)
{
	struct lsb_completion done;
	uint8_t in;
	uint32_t received;

	start(2, _i);
	received = ranks_receive(&ranks, 0, 1, 1, &in, 1);
	ranks.ops->close(ranks.t[1]);
	ranks.t[1] = NULL;
	ck_assert_int_eq(ranks_wait(&ranks, 0, received, 60 * SECOND, &done), LSB_EPEER);
	check_names(0, "has ended");
	ranks_close(&ranks);
}
END_TEST

START_TEST(message_longer_than_its_receive_is_an_error_of_the_link)
{
	static uint8_t out[100000], in[100000];
	static const size_t lengths[][2] = { { 11, 10 }, { 9001, 9000 }, { 100000, 70000 }, { 1, 0 } };
	struct lsb_completion done = { 0 };
	uint32_t received;

	start(2, 0);
	received = ranks_receive(&ranks, 0, 1, 1, in, lengths[_i][1]);
	ranks_send(&ranks, 1, 0, 1, out, lengths[_i][0]);
	ck_assert_int_eq(ranks_wait(&ranks, 0, received, 60 * SECOND, &done), LSB_EINVAL);
	ck_assert_int_eq(done.status, LSB_EINVAL);
	check_names(0, "longer than the receive");
	ranks_close(&ranks);
}
END_TEST

/* Bytes that no peer of ours would send, after a good handshake. */
static const struct {
	uint8_t bytes[TCP_HEADER_BYTES];
} malformed[] = {
	{ { 'H', 'T', 'T', 'P', 1 } },			       /* magic */
	{ { 'L', 'S', 'B', 'M', 17 } },			       /* tag above max_tag */
	{ { 'L', 'S', 'B', 'M', 1, 0, 1 } },		       /* reserved */
	{ { 'L', 'S', 'B', 'M', 1, 0, 0, 0, 0, 0, 0, 0, 1 } }, /* 4 GiB: above max_message_bytes */
	{ { 'L', 'S', 'B', 'M', 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255 } },
	{ { 'L', 'S', 'B', 'M', 0xff, 0xff, 0, 0, 1 } }, /* a barrier token with a payload */
};

START_TEST(malformed_header_breaks_the_link_and_names_the_rank)
{
	struct lsb_completion done = { 0 };
	static uint8_t in[10000];
	uint32_t received;

	start(2, 2);
	received = ranks_receive(&ranks, 0, 1, 1, in, _i % 2 ? sizeof(in) : 1);
	ck_assert_int_eq(send(socket_of(1, 0), malformed[_i].bytes, TCP_HEADER_BYTES, 0), TCP_HEADER_BYTES);
	ck_assert_int_eq(ranks_wait(&ranks, 0, received, 60 * SECOND, &done), LSB_EPROTO);
	check_names(0, "rank 1");
	ranks_close(&ranks);
}
END_TEST

/* A real process that is killed in the middle of a large message. */
START_TEST(peer_killed_in_the_middle_of_a_message_is_noticed)
{
	struct lsb_completion done = { 0 };
	uint8_t *big = calloc(1, BIG);
	uint32_t received;
	pid_t child;

	start(2, _i);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		uint32_t request;
		const struct lsb_buf b = { .ptr = big, .bytes = BIG, .mem = LSB_MEM_HOST, .device = -1 };

		close(socket_of(0, 1));
		ranks.ops->isend(ranks.t[1], 0, 1, &b, &request, &ranks.err[1]);
		kill(getpid(), SIGKILL);
	}
	close(socket_of(1, 0)); /* the child alone is rank 1 */
	ranks.t[1]->links[0].fd = -1;
	waitpid(child, NULL, 0);
	received = ranks_receive(&ranks, 0, 1, 1, big, BIG);
	ck_assert_int_eq(ranks_wait(&ranks, 0, received, 60 * SECOND, &done), LSB_EPEER);
	check_names(0, "rank 1");
	ranks_close(&ranks);
	free(big);
}
END_TEST

/* Sends that do not fit the socket are pending when the peer dies. */
START_TEST(death_of_the_receiver_fails_a_pending_send)
{
	struct lsb_completion done = { 0 };
	uint8_t *big = calloc(1, BIG);
	uint32_t sent;

	start(2, _i);
	sent = ranks_send(&ranks, 0, 1, 1, big, BIG);
	ck_assert_int_eq(ranks_wait(&ranks, 0, sent, 0, &done), LSB_ETIMEDOUT);
	kill_rank(1);
	close(socket_of(1, 0));
	ranks.t[1]->links[0].fd = -1;
	ck_assert_int_eq(ranks_wait(&ranks, 0, sent, 60 * SECOND, &done), LSB_EPEER);
	check_names(0, "rank 1");
	ranks_close(&ranks);
	free(big);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tcp_loss");
	TCase *tc = tcase_create("loss");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 100);
	tcase_add_loop_test(tc, death_of_the_awaited_peer_fails_the_request_and_names_the_rank, 0, MODES);
	tcase_add_loop_test(tc, death_of_another_peer_leaves_the_other_links_alone, 0, MODES);
	tcase_add_loop_test(tc, death_of_a_peer_ends_a_barrier, 0, MODES);
	tcase_add_loop_test(tc, goodbye_of_a_rank_that_nobody_awaits_is_no_failure, 0, MODES);
	tcase_add_loop_test(tc, messages_sent_before_a_goodbye_are_received_after_it, 0, MODES);
	tcase_add_loop_test(tc, goodbye_of_an_awaited_rank_fails_the_request, 0, MODES);
	tcase_add_loop_test(tc, message_longer_than_its_receive_is_an_error_of_the_link, 0, 4);
	tcase_add_loop_test(tc, malformed_header_breaks_the_link_and_names_the_rank, 0,
			    sizeof(malformed) / sizeof(malformed[0]));
	tcase_add_loop_test(tc, peer_killed_in_the_middle_of_a_message_is_noticed, 0, MODES);
	tcase_add_loop_test(tc, death_of_the_receiver_fails_a_pending_send, 0, MODES);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
