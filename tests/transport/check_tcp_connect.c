/* SPDX-License-Identifier: Apache-2.0 */
/* Who gets in: the handshake of transport-tcp among peers, strangers and bad networks. */
#include <arpa/inet.h>
#include <poll.h>
#include <sodium.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../plugins/transport-tcp/tcp.h"
#include "ranks.h"

#define PLUGIN LSB_BINARY_DIR "/plugins/lsbench-transport-tcp.so"

static const struct tcp_options plain = { .wait.how = WAIT_BLOCK, .nodelay = 1 };
static struct ranks ranks;

static void prepare(int32_t size)
{
	ranks_init(&ranks, testhost_plugin(PLUGIN), &plain, size);
	ranks_open(&ranks);
}

/* A connection to rank `to` by somebody who is no rank. */
static int knock(int32_t to)
{
	struct tcp_address where;
	int fd;

	ck_assert_int_eq(tcp_address_parse(ranks.spans[to].ptr, ranks.spans[to].bytes, &where), LSB_OK);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&where.endpoint[0], sizeof(struct sockaddr_in)), 0);
	return fd;
}

/* The ranks are connected and a message passes. */
static void check_works(void)
{
	uint8_t out = 42, in = 0;
	uint32_t received;

	for (int32_t i = 0; i < ranks.size; i++)
		ck_assert_msg(ranks.rc[i] == LSB_OK, "connect of rank %d: %s", i, ranks.err[i].msg);
	received = ranks_receive(&ranks, 0, ranks.size - 1, 1, &in, 1);
	ranks_send(&ranks, ranks.size - 1, 0, 1, &out, 1);
	ranks_finish(&ranks, 0, received);
	ck_assert_uint_eq(in, 42);
}

START_TEST(four_ranks_form_a_full_mesh)
{
	uint8_t out[4] = { 1, 2, 3, 4 }, in[4][4] = { { 0 } };
	uint32_t received[4][4];

	prepare(4);
	ranks_connect(&ranks);
	check_works();
	for (int32_t to = 0; to < 4; to++)
		for (int32_t from = 0; from < 4; from++)
			if (to != from)
				received[to][from] = ranks_receive(&ranks, to, from, 1, &in[to][from], 1);
	for (int32_t to = 0; to < 4; to++)
		for (int32_t from = 0; from < 4; from++)
			if (to != from)
				ranks_send(&ranks, from, to, 1, &out[from], 1);
	for (int32_t to = 0; to < 4; to++)
		for (int32_t from = 0; from < 4; from++) {
			if (to == from)
				continue;
			ranks_finish(&ranks, to, received[to][from]);
			ck_assert_uint_eq(in[to][from], out[from]);
		}
	ranks_close(&ranks);
}
END_TEST

START_TEST(wildcard_address_is_reached_through_the_interfaces)
{
	struct tcp_address where;
	int rc;

	ranks_init(&ranks, testhost_plugin(PLUGIN), &plain, 2);
	ranks.world[0].bind_address = "0.0.0.0";
	rc = ranks.ops->open(&ranks.host, &plain, &ranks.world[0], &ranks.t[0], &ranks.err[0]);
	if (rc == LSB_EUNAVAIL)
		return; /* this machine has loopback alone, and the error says so */
	ck_assert_int_eq(rc, LSB_OK);
	ranks.ops->close(ranks.t[0]);
	ranks_open(&ranks);
	ck_assert_int_eq(tcp_address_parse(ranks.spans[0].ptr, ranks.spans[0].bytes, &where), LSB_OK);
	ranks_connect(&ranks);
	check_works();
	ranks_close(&ranks);
}
END_TEST

START_TEST(address_that_is_not_of_this_machine_is_refused)
{
	static const char *const wrong[] = { "192.0.2.1", "no such host", "" };
	struct lsb_error *err = &ranks.err[0];

	ranks_init(&ranks, testhost_plugin(PLUGIN), &plain, 2);
	for (int i = 0; i < 2; i++) {
		ranks.world[0].bind_address = wrong[i];
		ck_assert_int_lt(ranks.ops->open(&ranks.host, &plain, &ranks.world[0], &ranks.t[0], err), 0);
		ck_assert_ptr_null(ranks.t[0]);
		ck_assert_ptr_nonnull(strstr(err->msg, wrong[i]));
	}
}
END_TEST

START_TEST(rank_with_another_nonce_is_refused_and_told)
{
	prepare(2);
	ranks.world[1].nonce[0] ^= 1;
	ranks.connect_ns = 3 * SECOND; /* enough for rank 1 to be told; rank 0 waits it out */
	ranks_connect(&ranks);
	ck_assert_int_eq(ranks.rc[1], LSB_EPEER);
	ck_assert_ptr_nonnull(strstr(ranks.err[1].msg, "secret"));
	ck_assert_int_eq(ranks.rc[0], LSB_ETIMEDOUT);
	ranks_close(&ranks);
}
END_TEST

START_TEST(rank_that_never_comes_is_counted_missing_at_the_deadline)
{
	prepare(3);
	ck_assert_int_eq(ranks.ops->connect(ranks.t[1], ranks.spans, AHEAD(SECOND / 5), &ranks.err[1]),
			 LSB_ETIMEDOUT);
	ck_assert_ptr_nonnull(strstr(ranks.err[1].msg, "2 of 2"));
	ranks_close(&ranks);
}
END_TEST

START_TEST(addresses_of_another_transport_are_refused)
{
	static const struct {
		const char *bytes;
		size_t n;
	} wrong[] = { { "", 0 },
		      { "\1", 1 },
		      { "\1\0", 2 },
		      { "\1\1", 2 },
		      { "\2\1\4aaaaaaaaaaaaaaaaaaa", 22 },
		      { "\1\1\5aaaaaaaaaaaaaaaaaaa", 22 },
		      { "\1\1\4aaaaaaaaaaaaaaaaaaaa", 23 },
		      { "mpi:0", 5 } };

	prepare(2);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		ranks.spans[0] = (struct lsb_span){ wrong[i].bytes, wrong[i].n };
		ck_assert_int_eq(
			ranks.ops->connect(ranks.t[1], ranks.spans, AHEAD(60 * SECOND), &ranks.err[1]),
			LSB_EPEER);
	}
	ranks_close(&ranks);
}
END_TEST

/* --- strangers -------------------------------------------------------------------------------- */

enum { STRANGERS = 200 };

static const char http[] = "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curious\r\n\r\n";

/* What stranger i says; nothing for most. */
static void speak(int fd, int i)
{
	static uint8_t noise[1 << 16];
	struct tcp_hello hello = { .from = 1, .to = 0 };
	uint8_t bytes[TCP_HELLO_BYTES + TCP_PROOF_BYTES] = { 0 };

	tcp_hello_format(&hello, bytes);
	switch (i % 8) {
	case 0:
		(void)send(fd, http, sizeof(http) - 1, MSG_NOSIGNAL);
		break;
	case 1:
		randombytes_buf(noise, sizeof(noise));
		(void)send(fd, noise, sizeof(noise), MSG_NOSIGNAL | MSG_DONTWAIT);
		break;
	case 2: /* a good hello and a wrong proof */
		(void)send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
		break;
	case 3: /* half a hello */
		(void)send(fd, bytes, 20, MSG_NOSIGNAL);
		break;
	default:
		break;
	}
}

START_TEST(strangers_at_the_door_keep_no_peer_out)
{
	int fds[STRANGERS];

	prepare(3);
	for (int i = 0; i < STRANGERS; i++) {
		fds[i] = knock(i % 2);
		speak(fds[i], i);
	}
	ranks_connect(&ranks);
	check_works();
	for (int i = 0; i < STRANGERS; i++)
		close(fds[i]);
	ranks_close(&ranks);
}
END_TEST

static void knock_while_waiting(struct ranks *r, int32_t rank)
{
	int fds[64];

	if (rank == 0) {
		r->rc[0] = r->ops->connect(r->t[0], r->spans, AHEAD(60 * SECOND), &r->err[0]);
		return;
	}
	for (int i = 0; i < 64; i++) {
		fds[i] = knock(0);
		speak(fds[i], i);
	}
	/* Their connections are closed while the rank still waits for its peer. */
	for (int i = 0; i < 64; i++) {
		struct pollfd p = { .fd = fds[i], .events = POLLRDHUP };

		ck_assert_int_eq(poll(&p, 1, 30000), 1);
		close(fds[i]);
	}
	r->rc[1] = r->ops->connect(r->t[1], r->spans, AHEAD(60 * SECOND), &r->err[1]);
}

START_TEST(strangers_are_dropped_within_their_patience_and_peers_still_join)
{
	prepare(2);
	ranks_parallel(&ranks, knock_while_waiting);
	check_works();
	ranks_close(&ranks);
}
END_TEST

/* A stranger who reflects what it hears: proofs are bound to the role, so no echo opens the door. */
static void reflect(struct ranks *r, int32_t rank)
{
	uint8_t bytes[256];
	struct tcp_hello hello = { .from = 1, .to = 0 };
	int fd;

	if (rank == 0) {
		r->rc[0] = r->ops->connect(r->t[0], r->spans, AHEAD(3 * SECOND), &r->err[0]);
		return;
	}
	fd = knock(0);
	tcp_hello_format(&hello, bytes);
	ck_assert_int_eq(send(fd, bytes, TCP_HELLO_BYTES, MSG_NOSIGNAL), TCP_HELLO_BYTES);
	ck_assert_int_eq(recv(fd, bytes, TCP_REPLY_BYTES, MSG_WAITALL), TCP_REPLY_BYTES);
	ck_assert_int_eq(send(fd, bytes + TCP_CHALLENGE_BYTES, TCP_PROOF_BYTES, MSG_NOSIGNAL),
			 TCP_PROOF_BYTES);
	ck_assert_int_le(recv(fd, bytes, sizeof(bytes), 0), 0);
	close(fd);
}

START_TEST(reflected_proof_opens_no_door)
{
	prepare(2);
	ranks_parallel(&ranks, reflect);
	ck_assert_int_eq(ranks.rc[0], LSB_ETIMEDOUT);
	ranks_close(&ranks);
}
END_TEST

/* --- a network that hands on one byte at a time ---------------------------------------------- */

struct proxy {
	int listener;
	struct sockaddr_storage target;
	pthread_t thread;
};

/* Hand on one byte; 0 at the end of the stream. */
static int pass_byte(int from, int to)
{
	uint8_t byte;

	return recv(from, &byte, 1, 0) == 1 && send(to, &byte, 1, MSG_NOSIGNAL) == 1;
}

static void *proxy_main(void *argument)
{
	struct proxy *p = argument;
	const int near = accept(p->listener, NULL, NULL);
	const int far = socket(AF_INET, SOCK_STREAM, 0);
	const int on = 1;
	struct pollfd both[2] = { { .fd = near, .events = POLLIN }, { .fd = far, .events = POLLIN } };
	int open = connect(far, (struct sockaddr *)&p->target, sizeof(struct sockaddr_in)) == 0;

	(void)setsockopt(near, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof(on));
	(void)setsockopt(far, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof(on));
	while (open && poll(both, 2, -1) > 0) {
		if (both[0].revents)
			open &= pass_byte(near, far);
		if (both[1].revents)
			open &= pass_byte(far, near);
	}
	close(near);
	close(far);
	return NULL;
}

START_TEST(one_byte_at_a_time_is_enough)
{
	static uint8_t out[12000], in[12000];
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct tcp_address real, through = { .n = 1 };
	socklen_t bytes = sizeof(at);
	uint32_t received[3];
	struct proxy p;

	prepare(2);
	ck_assert_int_eq(tcp_address_parse(ranks.spans[0].ptr, ranks.spans[0].bytes, &real), LSB_OK);
	p.target = real.endpoint[0];
	p.listener = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(p.listener, (struct sockaddr *)&at, bytes), 0);
	ck_assert_int_eq(listen(p.listener, 1), 0);
	ck_assert_int_eq(getsockname(p.listener, (struct sockaddr *)&at, &bytes), 0);
	memcpy(&through.endpoint[0], &at, sizeof(at));
	ranks.spans[0].bytes = tcp_address_format(&through, ranks.address[0]);
	ck_assert_int_eq(pthread_create(&p.thread, NULL, proxy_main, &p), 0);
	ranks_connect(&ranks);
	check_works();
	randombytes_buf(out, sizeof(out));
	received[0] = ranks_receive(&ranks, 0, 1, 1, in, 11000);
	received[1] = ranks_receive(&ranks, 0, 1, 2, NULL, 0);
	received[2] = ranks_receive(&ranks, 0, 1, 1, in + 11000, 1000);
	ranks_send(&ranks, 1, 0, 1, out, 11000);
	ranks_send(&ranks, 1, 0, 2, NULL, 0);
	ranks_send(&ranks, 1, 0, 1, out + 11000, 1000);
	for (int i = 0; i < 3; i++)
		ranks_finish(&ranks, 0, received[i]);
	ck_assert_mem_eq(in, out, sizeof(out));
	ranks_close(&ranks);
	pthread_join(p.thread, NULL);
	close(p.listener);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tcp_connect");
	TCase *tc = tcase_create("connect");
	SRunner *runner;
	int failed;

	if (sodium_init() < 0)
		return EXIT_FAILURE;
	tcase_set_timeout(tc, 100);
	tcase_add_test(tc, four_ranks_form_a_full_mesh);
	tcase_add_test(tc, wildcard_address_is_reached_through_the_interfaces);
	tcase_add_test(tc, address_that_is_not_of_this_machine_is_refused);
	tcase_add_test(tc, rank_with_another_nonce_is_refused_and_told);
	tcase_add_test(tc, rank_that_never_comes_is_counted_missing_at_the_deadline);
	tcase_add_test(tc, addresses_of_another_transport_are_refused);
	tcase_add_test(tc, strangers_at_the_door_keep_no_peer_out);
	tcase_add_test(tc, strangers_are_dropped_within_their_patience_and_peers_still_join);
	tcase_add_test(tc, reflected_proof_opens_no_door);
	tcase_add_test(tc, one_byte_at_a_time_is_enough);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
