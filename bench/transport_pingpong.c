/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport-tcp against a bare socket: what does the transport cost?
 *
 *	bench_transport [--wait block|poll|hybrid]... [--rounds N] [--pin A,B] [PLUGIN.so]
 *
 * Two processes on this machine are joined twice, by a bare TCP socket and by
 * the plugin, both with TCP_NODELAY and the same wait mode. For each size, rounds
 * of the two alternate, so that what disturbs the machine disturbs both. Printed
 * are the medians over rounds, and the median of the rounds' ratios:
 *
 *	latency		half a round trip; the bare side sends no header at all
 *	bandwidth	WINDOW messages on their way, then a one-byte reply
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../plugins/transport-tcp/tcp.h"
#include "testhost.h"

enum { WINDOW = 64, ROUNDS_MAX = 1001, LARGEST = 4 << 20, REPLY_TAG = 2 };

static const size_t latency_sizes[] = { 1, 64, 1024, 4096, 16384, 65536 };
static const size_t bandwidth_sizes[] = { 4096, 65536, 1 << 20, 4 << 20 };

struct end {
	int rank;
	int fd; /* the bare socket */
	uint32_t wait;
	const struct lsb_transport_ops *ops;
	struct lsb_transport *transport;
	uint8_t *buffer; /* [LARGEST], and one byte for replies */
};

static void die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static uint64_t now_ns(void)
{
	return testhost_now(NULL);
}

/* --- the bare socket ------------------------------------------------------------------- */

static void bare_send(const struct end *e, size_t bytes)
{
	for (size_t sent = 0; sent < bytes;) {
		const ssize_t n = send(e->fd, e->buffer + sent, bytes - sent, MSG_NOSIGNAL);

		if (n <= 0)
			die("send");
		sent += (size_t)n;
	}
}

static void bare_receive(const struct end *e, size_t bytes)
{
	const uint64_t begun = e->wait == TCP_WAIT_HYBRID ? now_ns() : 0;
	int flags = e->wait == TCP_WAIT_BLOCK ? MSG_WAITALL : MSG_DONTWAIT;

	for (size_t got = 0; got < bytes;) {
		const ssize_t n = recv(e->fd, e->buffer + got, bytes - got, flags);

		if (n == 0 || (n < 0 && errno != EAGAIN))
			die("recv");
		if (n > 0)
			got += (size_t)n;
		else if (e->wait == TCP_WAIT_HYBRID && now_ns() - begun > 50000)
			flags = MSG_WAITALL;
	}
}

/* --- the plugin ------------------------------------------------------------------------ */

static void check(int rc, const struct lsb_error *err)
{
	if (rc == LSB_OK)
		return;
	fprintf(stderr, "transport: %s\n", err->msg);
	exit(EXIT_FAILURE);
}

static void wait_all(const struct end *e, uint32_t *requests, size_t n)
{
	struct lsb_completion done[WINDOW];
	struct lsb_error err;

	while (n > 0) {
		size_t n_done;

		check(e->ops->wait_any(e->transport, requests, n, now_ns() + 20000000000u, done, &n_done,
				       &err),
		      &err);
		for (size_t i = 0; i < n_done; i++)
			for (size_t k = 0; k < n; k++)
				if (requests[k] == done[i].request) {
					requests[k] = requests[--n];
					break;
				}
	}
}

static uint32_t start(const struct end *e, int sends, uint32_t tag, size_t bytes)
{
	const struct lsb_buf b = { .ptr = e->buffer, .bytes = bytes, .mem = LSB_MEM_HOST, .device = -1 };
	struct lsb_error err;
	uint32_t request = 0;

	check((sends ? e->ops->isend : e->ops->irecv)(e->transport, !e->rank, tag, &b, &request, &err), &err);
	return request;
}

/* --- one round, by either; `e->rank` 0 times it ------------------------------------------ */

static double bare_latency(const struct end *e, size_t bytes, int trips)
{
	const uint64_t t0 = now_ns();

	for (int i = 0; i < trips; i++) {
		if (e->rank == 0)
			bare_send(e, bytes);
		bare_receive(e, bytes);
		if (e->rank == 1)
			bare_send(e, bytes);
	}
	return (double)(now_ns() - t0) / trips / 2e3;
}

static double plugin_latency(const struct end *e, size_t bytes, int trips)
{
	uint32_t receive = start(e, 0, 1, bytes);
	const uint64_t t0 = now_ns();

	for (int i = 0; i < trips; i++) {
		uint32_t both[2];

		both[1] = receive;
		if (e->rank == 0) {
			both[0] = start(e, 1, 1, bytes);
			wait_all(e, both, 2);
			if (i + 1 < trips)
				receive = start(e, 0, 1, bytes);
		} else {
			wait_all(e, both + 1, 1);
			if (i + 1 < trips) /* before the peer may send again */
				receive = start(e, 0, 1, bytes);
			both[0] = start(e, 1, 1, bytes);
			wait_all(e, both, 1);
		}
	}
	return (double)(now_ns() - t0) / trips / 2e3;
}

static double bare_bandwidth(const struct end *e, size_t bytes, int windows)
{
	const uint64_t t0 = now_ns();

	for (int w = 0; w < windows; w++) {
		for (int i = 0; i < WINDOW; i++)
			(e->rank ? bare_receive : bare_send)(e, bytes);
		(e->rank ? bare_send : bare_receive)(e, 1);
	}
	return (double)bytes * WINDOW * windows / (double)(now_ns() - t0);
}

static double plugin_bandwidth(const struct end *e, size_t bytes, int windows)
{
	const uint64_t t0 = now_ns();
	uint32_t requests[WINDOW], reply;

	for (int w = 0; w < windows; w++) {
		for (int i = 0; i < WINDOW; i++)
			requests[i] = start(e, e->rank == 0, 1, bytes);
		if (e->rank == 0) {
			reply = start(e, 0, REPLY_TAG, 1);
			wait_all(e, requests, WINDOW);
		} else {
			wait_all(e, requests, WINDOW);
			reply = start(e, 1, REPLY_TAG, 1);
		}
		wait_all(e, &reply, 1);
	}
	return (double)bytes * WINDOW * windows / (double)(now_ns() - t0);
}

static int ascending(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, int n)
{
	qsort(values, (size_t)n, sizeof(*values), ascending);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static void compare(const struct end *e, int latency, size_t bytes, int rounds)
{
	static double bare[ROUNDS_MAX], plugin[ROUNDS_MAX], ratio[ROUNDS_MAX];
	const int repeats = latency	      ? (bytes > 8192 ? 100 : 200)
			    : bytes > 1 << 20 ? 1
			    : bytes > 65536   ? 4
					      : 30;

	for (int r = -1; r < rounds; r++) { /* round -1 warms up */
		const int at = r < 0 ? 0 : r;

		bare[at] = (latency ? bare_latency : bare_bandwidth)(e, bytes, repeats);
		plugin[at] = (latency ? plugin_latency : plugin_bandwidth)(e, bytes, repeats);
		ratio[at] = plugin[at] / bare[at];
	}
	if (e->rank == 0) {
		printf("%-9s %8zu B  bare %9.2f %s  tcp %9.2f %s  ratio %.3f\n",
		       latency ? "latency" : "bandwidth", bytes, median(bare, rounds),
		       latency ? "us" : "GB/s", median(plugin, rounds), latency ? "us" : "GB/s",
		       median(ratio, rounds));
		fflush(stdout);
	}
}

/* --- setting up ---------------------------------------------------------------------------- */

/* Swap `bytes` with the other process over the bare socket. */
static void swap(const struct end *e, const void *mine, void *theirs, size_t bytes)
{
	if (send(e->fd, mine, bytes, 0) != (ssize_t)bytes ||
	    recv(e->fd, theirs, bytes, MSG_WAITALL) != (ssize_t)bytes)
		die("exchange of addresses");
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (cpu >= 0 && sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

static void run(struct end *e, const char *file, int rounds)
{
	static const char *const names[] = { "block", "poll", "hybrid" };
	struct tcp_options options = { .wait = e->wait, .nodelay = 1, .spin_ns = 50000 };
	const struct lsb_world world = { .struct_size = sizeof(world),
					 .rank = e->rank,
					 .size = 2,
					 .host_count = 1,
					 .max_requests = 2 * WINDOW,
					 .max_tag = REPLY_TAG,
					 .max_message_bytes = LARGEST,
					 .nonce = "ping-pong bench",
					 .bind_address = "127.0.0.1" };
	const struct lsb_host host = testhost(NULL);
	uint8_t address[2][LSB_ADDRESS_MAX] = { { 0 } };
	struct lsb_span spans[2];
	struct lsb_error err = { 0 };
	size_t bytes = 0;

	e->ops = testhost_plugin(file)->ops.transport;
	check(e->ops->open(&host, &options, &world, &e->transport, &err), &err);
	check(e->ops->address(e->transport, address[e->rank], &bytes, &err), &err);
	swap(e, address[e->rank], address[!e->rank], LSB_ADDRESS_MAX);
	for (int i = 0; i < 2; i++)
		spans[i] = (struct lsb_span){ address[i], bytes };
	check(e->ops->connect(e->transport, spans, now_ns() + 5000000000u, &err), &err);
	if (e->rank == 0)
		printf("wait = %s\n", names[e->wait]);
	for (size_t i = 0; i < sizeof(latency_sizes) / sizeof(latency_sizes[0]); i++)
		compare(e, 1, latency_sizes[i], rounds);
	for (size_t i = 0; i < sizeof(bandwidth_sizes) / sizeof(bandwidth_sizes[0]); i++)
		compare(e, 0, bandwidth_sizes[i], rounds);
	e->ops->close(e->transport);
}

/* A connected pair of TCP sockets on loopback. */
static void tcp_pair(int fds[2])
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t bytes = sizeof(at);
	const int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (listener < 0 || bind(listener, (struct sockaddr *)&at, bytes) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&at, &bytes))
		die("listen");
	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fds[0], (struct sockaddr *)&at, bytes))
		die("connect");
	fds[1] = accept(listener, NULL, NULL);
	for (int i = 0; i < 2; i++)
		if (setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)))
			die("TCP_NODELAY");
	close(listener);
}

static int compare_mode(uint32_t wait_mode, const char *file, int rounds, const int cpus[2])
{
	struct end e = { .wait = wait_mode };
	int fds[2], status = 0;
	pid_t child;

	tcp_pair(fds);
	fflush(stdout);
	child = fork();
	if (child < 0)
		die("fork");
	e.rank = child == 0;
	e.fd = fds[e.rank];
	close(fds[!e.rank]);
	pin(cpus[e.rank]);
	e.buffer = testhost_alloc(NULL, LARGEST, 4096);
	run(&e, file, rounds);
	if (e.rank)
		_exit(EXIT_SUCCESS);
	close(e.fd);
	free(e.buffer);
	waitpid(child, &status, 0);
	return status != 0;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = { { "wait", required_argument, NULL, 'w' },
					       { "rounds", required_argument, NULL, 'r' },
					       { "pin", required_argument, NULL, 'p' },
					       { 0 } };
	const char *file = LSB_BINARY_DIR "/plugins/lsbench-transport-tcp.so";
	int rounds = 41, modes = 0, failed = 0, cpus[2] = { -1, -1 }, option;

	while ((option = getopt_long(argc, argv, "", longs, NULL)) >= 0) {
		if (option == 'r')
			rounds = atoi(optarg);
		else if (option == 'p' && sscanf(optarg, "%d,%d", &cpus[0], &cpus[1]) == 2)
			continue;
		else if (option == 'w' && strchr("bph", optarg[0]))
			modes |= 1 << (optarg[0] == 'b' ? 0 : optarg[0] == 'p' ? 1 : 2);
		else
			rounds = 0;
	}
	if (rounds < 1 || rounds > ROUNDS_MAX) {
		fprintf(stderr,
			"usage: %s [--wait block|poll|hybrid]... [--rounds 1..%d] [--pin A,B] [PLUGIN.so]\n",
			argv[0], ROUNDS_MAX);
		return 2;
	}
	if (optind < argc)
		file = argv[optind];
	for (uint32_t mode = 0; mode < 3; mode++)
		if (modes == 0 || modes & 1 << mode)
			failed |= compare_mode(mode, file, rounds, cpus);
	return failed;
}
