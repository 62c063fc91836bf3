/* SPDX-License-Identifier: Apache-2.0 */
#include "transport_speed.h"

#include <getopt.h>

enum { ROUNDS_MAX = 1001 };

static const size_t latency_sizes[] = { 1, 64, 1024, 4096, 16384, 65536 };
static const size_t bandwidth_sizes[] = { 65536, 262144, 1 << 20, 4 << 20 };

_Noreturn void speed_die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

uint64_t speed_now(void)
{
	return testhost_now(NULL);
}

/* --- the plugin ------------------------------------------------------------------------ */

static void check(int rc, const struct lsb_error *err)
{
	if (rc == LSB_OK)
		return;
	fprintf(stderr, "transport: %s\n", err->msg);
	exit(EXIT_FAILURE);
}

static void wait_all(const struct speed *s, uint32_t *requests, size_t n)
{
	struct lsb_completion done[WINDOW];
	struct lsb_error err;

	while (n > 0) {
		size_t n_done;

		check(s->ops->wait_any(s->transport, requests, n, UINT64_MAX, done, &n_done, &err), &err);
		for (size_t i = 0; i < n_done; i++)
			for (size_t k = 0; k < n; k++)
				if (requests[k] == done[i].request) {
					requests[k] = requests[--n];
					break;
				}
	}
}

static uint32_t start(const struct speed *s, int sends, uint32_t tag, size_t bytes)
{
	const struct lsb_buf b = {
		.ptr = sends ? s->out : s->in, .bytes = bytes, .mem = LSB_MEM_HOST, .device = -1
	};
	struct lsb_error err;
	uint32_t request = 0;

	check((sends ? s->ops->isend : s->ops->irecv)(s->transport, !s->rank, tag, &b, &request, &err), &err);
	return request;
}

static void wait_one(const struct speed *s, uint32_t request)
{
	wait_all(s, &request, 1);
}

/* --- one round, by either; rank 0 times it ------------------------------------------------- */

static double bare_latency(struct speed *s, size_t bytes, int trips)
{
	const uint64_t t0 = speed_now();

	for (int i = 0; i < trips; i++) {
		if (s->rank == 0)
			s->bare_send(s, bytes);
		s->bare_receive(s, bytes);
		if (s->rank == 1)
			s->bare_send(s, bytes);
	}
	return (double)(speed_now() - t0) / trips / 2e3;
}

/* Each receive is posted before its sender may send, as the contract wants it. */
static double plugin_latency(struct speed *s, size_t bytes, int trips)
{
	uint32_t receive = start(s, 0, 1, bytes);
	const uint64_t t0 = speed_now();

	for (int i = 0; i < trips; i++) {
		uint32_t send = s->rank == 0 ? start(s, 1, 1, bytes) : 0;

		wait_one(s, receive);
		if (i + 1 < trips)
			receive = start(s, 0, 1, bytes);
		if (s->rank == 1)
			send = start(s, 1, 1, bytes);
		wait_one(s, send);
	}
	return (double)(speed_now() - t0) / trips / 2e3;
}

static double bare_bandwidth(struct speed *s, size_t bytes, int windows)
{
	const uint64_t t0 = speed_now();

	for (int w = 0; w < windows; w++) {
		if (s->bare_window)
			s->bare_window(s, bytes);
		else
			for (int i = 0; i < WINDOW; i++)
				(s->rank ? s->bare_receive : s->bare_send)(s, bytes);
		(s->rank ? s->bare_send : s->bare_receive)(s, 1);
	}
	return (double)bytes * WINDOW * windows / (double)(speed_now() - t0);
}

static double plugin_bandwidth(struct speed *s, size_t bytes, int windows)
{
	const uint64_t t0 = speed_now();

	for (int w = 0; w < windows; w++) {
		uint32_t reply = s->rank ? 0 : start(s, 0, REPLY_TAG, 1);

		for (int i = 0; i < WINDOW; i++)
			s->requests[i] = start(s, s->rank == 0, 1, bytes);
		wait_all(s, s->requests, WINDOW);
		if (s->rank)
			reply = start(s, 1, REPLY_TAG, 1);
		wait_one(s, reply);
	}
	return (double)bytes * WINDOW * windows / (double)(speed_now() - t0);
}

/* One message each way by either side, with its payload looked at. */
static void prove(struct speed *s, size_t bytes)
{
	for (int side = 0; side < 2; side++) {
		memset(s->out, 1 + side + 2 * s->rank, bytes);
		memset(s->in, 0, bytes);
		(void)(side ? plugin_latency : bare_latency)(s, bytes, 1);
		for (size_t i = 0; i < bytes; i++)
			if (s->in[i] != 1 + side + 2 * !s->rank) {
				fprintf(stderr, "%zu bytes arrived altered %s\n", bytes,
					side ? "through the plugin" : "on the bare side");
				exit(EXIT_FAILURE);
			}
	}
}

/* --- comparing ---------------------------------------------------------------------------- */

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

static void compare(struct speed *s, int latency, size_t bytes)
{
	static double bare[ROUNDS_MAX], plugin[ROUNDS_MAX], ratio[ROUNDS_MAX];
	double (*const on_bare)(struct speed *, size_t, int) = latency ? bare_latency : bare_bandwidth;
	double (*const on_plugin)(struct speed *, size_t, int) = latency ? plugin_latency : plugin_bandwidth;
	const int repeats = latency	     ? (bytes > 8192 ? 100 : 300)
			    : bytes > 262144 ? 1
			    : bytes > 65536  ? 4
					     : 16;

	prove(s, bytes);
	for (int r = -1; r < s->rounds; r++) { /* round -1 warms up */
		const int at = r < 0 ? 0 : r;

		if (r % 2)
			bare[at] = on_bare(s, bytes, repeats);
		plugin[at] = on_plugin(s, bytes, repeats);
		if (r % 2 == 0)
			bare[at] = on_bare(s, bytes, repeats);
		ratio[at] = plugin[at] / bare[at];
	}
	if (s->rank == 0) {
		printf("%-9s %8zu B  bare %9.3f %s  %s %9.3f %s  ratio %.4f\n",
		       latency ? "latency" : "bandwidth", bytes, median(bare, s->rounds),
		       latency ? "us" : "GB/s", s->plugin_name, median(plugin, s->rounds),
		       latency ? "us" : "GB/s", median(ratio, s->rounds));
		fflush(stdout);
	}
}

void speed_compare(struct speed *s)
{
	for (size_t i = 0; !s->bandwidth_only && i < sizeof(latency_sizes) / sizeof(latency_sizes[0]); i++)
		compare(s, 1, latency_sizes[i]);
	for (size_t i = 0; !s->latency_only && i < sizeof(bandwidth_sizes) / sizeof(bandwidth_sizes[0]); i++)
		compare(s, 0, bandwidth_sizes[i]);
}

/* --- setting up ---------------------------------------------------------------------------- */

void speed_open(struct speed *s, const char *file, const void *options,
		void (*swap)(struct speed *s, const void *mine, void *theirs))
{
	static struct lsb_host host;
	static struct lsb_world world;
	const struct lsb_plugin *plugin = testhost_plugin(file);
	uint8_t address[2][LSB_ADDRESS_MAX] = { { 0 } };
	struct lsb_span spans[2] = { { 0 } };
	struct lsb_error err = { 0 };
	size_t bytes = 0;

	host = testhost(NULL);
	world = (struct lsb_world){ .struct_size = sizeof(world),
				    .rank = s->rank,
				    .size = 2,
				    .host_count = 1,
				    .max_requests = 2 * WINDOW,
				    .max_tag = REPLY_TAG,
				    .max_message_bytes = LARGEST,
				    .nonce = "ping-pong bench",
				    .bind_address = "127.0.0.1" };
	if ((plugin->flags & LSB_PLUGIN_GLOBAL) && !dlopen(file, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL))
		speed_die(file);
	s->out = testhost_alloc(NULL, LARGEST, 4096);
	s->in = testhost_alloc(NULL, LARGEST, 4096);
	if (!s->out || !s->in)
		speed_die("memory");
	s->ops = plugin->ops.transport;
	check(s->ops->open(&host, options, &world, &s->transport, &err), &err);
	check(s->ops->address(s->transport, address[s->rank], &bytes, &err), &err);
	if (swap)
		swap(s, address[s->rank], address[!s->rank]);
	for (int i = 0; i < 2; i++)
		spans[i] = (struct lsb_span){ address[i], bytes };
	check(s->ops->connect(s->transport, spans, speed_now() + 20000000000u, &err), &err);
}

void speed_close(struct speed *s)
{
	struct lsb_error err = { 0 };

	check(s->ops->barrier(s->transport, speed_now() + 20000000000u, &err), &err);
	s->ops->close(s->transport);
	free(s->out);
	free(s->in);
}

const char *speed_arguments(struct speed *s, int argc, char **argv, const char *file)
{
	static const struct option longs[] = { { "wait", required_argument, NULL, 'w' },
					       { "rounds", required_argument, NULL, 'r' },
					       { "latency", no_argument, NULL, 'l' },
					       { "bandwidth", no_argument, NULL, 'b' },
					       { 0 } };
	int option, wrong = 0;

	s->wait = (struct wait_options){ .how = WAIT_HYBRID, .spin_ns = 50000 };
	s->rounds = 21;
	while ((option = getopt_long(argc, argv, "", longs, NULL)) >= 0) {
		if (option == 'r')
			s->rounds = atoi(optarg);
		else if (option == 'l')
			s->latency_only = 1;
		else if (option == 'b')
			s->bandwidth_only = 1;
		else if (option == 'w' && optarg[0] && strchr("bph", optarg[0]))
			s->wait.how = optarg[0] == 'b'	 ? WAIT_BLOCK
				      : optarg[0] == 'p' ? WAIT_POLL
							 : WAIT_HYBRID;
		else
			wrong = 1;
	}
	if (wrong || s->rounds < 1 || s->rounds > ROUNDS_MAX) {
		fprintf(stderr,
			"usage: %s [--wait block|poll|hybrid] [--rounds 1..%d] [--latency | --bandwidth] "
			"[PLUGIN.so]\n",
			argv[0], ROUNDS_MAX);
		exit(2);
	}
	return optind < argc ? argv[optind] : file;
}
