/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One rank of a conformance run of a transport that an MPI launcher has to start:
 *
 *	mpirun -n 3 mpi_ranks PLUGIN.so CASE [wait]
 *
 * No controller is there, so rank and size are read from what launchers say, and
 * the transport's own barrier tells when receives are posted. A case that does
 * not hold ends the process with 1 and a line; 0 and "CASE holds" otherwise.
 */
#include <unistd.h>

#include "testhost.h"
#include "transport-common/wait.h"

enum { LARGE = 8 << 20, MANY = 64, SIZE_MAX_RANKS = 16, SHORT = 1000 };

#define SECOND UINT64_C(1000000000)
#define HOLDS(condition, ...)                                                                                \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "rank %d, line %d: ", world.rank, __LINE__);                         \
			fprintf(stderr, __VA_ARGS__);                                                        \
			fputc('\n', stderr);                                                                 \
			_exit(1);                                                                            \
		}                                                                                            \
	} while (0)

/* As in plugins/transport-mpi; the descriptor's options_size guards against drift. */
struct mpi_options {
	struct wait_options wait;
	uint64_t nap_ns;
	uint32_t via, reserved;
};

static struct lsb_host host;
static struct mpi_options options = { .wait = { .how = WAIT_HYBRID, .spin_ns = 50000 }, .nap_ns = 100000 };
static struct lsb_world world = { .struct_size = sizeof(world),
				  .host_count = 1,
				  .max_requests = 2 * MANY * SIZE_MAX_RANKS,
				  .max_tag = 64,
				  .max_message_bytes = 1 << 30,
				  .nonce = "0123456789abcde",
				  .bind_address = "127.0.0.1" };
static const struct lsb_transport_ops *ops;
static struct lsb_transport *t;
static struct lsb_error err;
static uint8_t *out, *in; /* [LARGE] */

static uint64_t ahead(uint64_t ns)
{
	return testhost_now(NULL) + ns;
}

static uint8_t *memory(size_t bytes)
{
	return testhost_alloc(NULL, bytes, 64);
}

static void fill(uint8_t *to, size_t n, uint32_t salt)
{
	uint32_t x = salt * 2654435761u + 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525u + 1013904223u;
		to[i] = (uint8_t)(x >> 24);
	}
}

static int is_filled(const uint8_t *from, size_t n, uint32_t salt)
{
	uint32_t x = salt * 2654435761u + 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525u + 1013904223u;
		if (from[i] != (uint8_t)(x >> 24))
			return 0;
	}
	return 1;
}

/* --- the plugin's operations, which must succeed ----------------------------------------- */

static uint32_t start(int sends, int32_t peer, uint32_t tag, void *data, size_t bytes)
{
	const struct lsb_buf b = { .ptr = data, .bytes = bytes, .mem = LSB_MEM_HOST, .device = -1 };
	uint32_t request = 0;
	const int rc = (sends ? ops->isend : ops->irecv)(t, peer, tag, &b, &request, &err);

	HOLDS(rc == LSB_OK, "%s: %s", sends ? "isend" : "irecv", err.msg);
	return request;
}

/* Wait for one; its bytes. */
static uint64_t finish(uint32_t request)
{
	struct lsb_completion done;
	size_t n = 0;
	const int rc = ops->wait_any(t, &request, 1, ahead(30 * SECOND), &done, &n, &err);

	HOLDS(rc == LSB_OK, "wait_any: %d %s", rc, err.msg);
	HOLDS(n == 1 && done.request == request && done.status == LSB_OK, "%zu done, status %d", n,
	      done.status);
	return done.bytes;
}

static void barrier(void)
{
	const int rc = ops->barrier(t, ahead(30 * SECOND), &err);

	HOLDS(rc == LSB_OK, "barrier: %s", err.msg);
}

static void open_and_connect(void)
{
	struct lsb_span spans[SIZE_MAX_RANKS] = { { 0 } };
	size_t bytes = 1;
	int rc = ops->open(&host, &options, &world, &t, &err);

	HOLDS(rc == LSB_OK, "open: %s", err.msg);
	rc = ops->address(t, out, &bytes, &err);
	HOLDS(rc == LSB_OK && bytes == 0, "an address of %zu bytes", bytes);
	rc = ops->connect(t, spans, ahead(30 * SECOND), &err);
	HOLDS(rc == LSB_OK, "connect: %s", err.msg);
}

/* --- cases -------------------------------------------------------------------------------- */

/* With each peer, both ways at once. */
static void sizes_arrive_whole(void)
{
	static const size_t sizes[] = { 0, 1, 7, 4096, 65537, 1 << 20, LARGE };

	for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (int32_t step = 1; step < world.size; step++) {
			const int32_t to = (world.rank + step) % world.size;
			const int32_t from = (world.rank + world.size - step) % world.size;
			const size_t n = sizes[i];
			uint32_t sent, received;

			fill(out, n, 100 * i + (uint32_t)world.rank);
			memset(in, 0xa5, n);
			received = start(0, from, 3, n ? in : NULL, n);
			barrier();
			sent = start(1, to, 3, n ? out : NULL, n);
			HOLDS(finish(received) == n, "a message of %zu bytes has another length", n);
			finish(sent);
			HOLDS(is_filled(in, n, 100 * i + (uint32_t)from), "%zu bytes arrived altered", n);
		}
	}
}

/* MANY messages of several tags each way, completed in whatever order wait_any finds them. */
static void many_in_flight_match_by_tag_in_order(void)
{
	enum { TAGS = 4 };
	uint32_t requests[2 * MANY], place[2 * MANY];
	struct lsb_completion done[2 * MANY];
	const int32_t to = (world.rank + 1) % world.size;
	const int32_t from = (world.rank + world.size - 1) % world.size;
	size_t left = 2 * MANY, n;

	memset(in, 0, (size_t)MANY * SHORT);
	for (uint32_t i = 0; i < MANY; i++) /* receives by tag, sends across tags */
		requests[i] = start(0, from, i / (MANY / TAGS), in + (size_t)i * SHORT, SHORT);
	barrier();
	for (uint32_t i = 0; i < MANY; i++) {
		const uint32_t tag = TAGS - 1 - i % TAGS, nth = i / TAGS;

		fill(out + (size_t)i * SHORT, SHORT - i, 1000 + tag * (MANY / TAGS) + nth);
		requests[MANY + i] = start(1, to, tag, out + (size_t)i * SHORT, SHORT - i);
	}
	for (uint32_t i = 0; i < 2 * MANY; i++)
		place[i] = i;
	while (left) {
		const int rc = ops->wait_any(t, requests, left, ahead(30 * SECOND), done, &n, &err);

		HOLDS(rc == LSB_OK && n >= 1 && n <= left, "wait_any: %d with %zu of %zu", rc, n, left);
		for (size_t d = 0; d < n; d++) {
			size_t at = 0;

			while (at < left && requests[at] != done[d].request)
				at++;
			HOLDS(at < left && done[d].status == LSB_OK, "request %u was not asked for",
			      done[d].request);
			if (place[at] < MANY) {
				const uint32_t i = place[at], tag = i / (MANY / TAGS);
				const uint32_t nth = i % (MANY / TAGS);
				const uint32_t was = nth * TAGS + TAGS - 1 - tag;

				HOLDS(done[d].bytes == SHORT - was, "message %u has %llu bytes", i,
				      (unsigned long long)done[d].bytes);
				HOLDS(is_filled(in + (size_t)i * SHORT, SHORT - was, 1000 + i),
				      "receive %u got another message", i);
			}
			left--;
			requests[at] = requests[left];
			place[at] = place[left];
		}
	}
}

static void deadline_keeps_the_request_and_is_not_early(void)
{
	const int32_t to = (world.rank + 1) % world.size;
	const int32_t from = (world.rank + world.size - 1) % world.size;
	const uint32_t received = start(0, from, 5, in, SHORT), other = start(0, from, 6, in + SHORT, SHORT);
	const uint32_t both[2] = { received, other };
	struct lsb_completion done[2];
	uint64_t until;
	size_t n = 7;
	int rc = ops->wait_any(t, &received, 1, 0, done, &n, &err);

	HOLDS(rc == LSB_ETIMEDOUT && n == 0, "a look returned %d with %zu", rc, n);
	until = ahead(30000000);
	rc = ops->wait_any(t, both, 2, until, done, &n, &err);
	HOLDS(rc == LSB_ETIMEDOUT && testhost_now(NULL) >= until, "waited for %d, not to the end", rc);
	barrier();
	fill(out, SHORT, 7);
	finish(start(1, to, 5, out, SHORT));
	HOLDS(finish(received) == SHORT && is_filled(in, SHORT, 7), "lost by a time-out");
	rc = ops->wait_any(t, &received, 1, 0, done, &n, &err);
	HOLDS(rc == LSB_EINVAL, "a request that is complete is waited for: %d", rc);
	finish(start(1, to, 6, out, 1));
	HOLDS(finish(other) == 1, "a larger receive tells the message's length");
}

static void barrier_that_timed_out_goes_on(void)
{
	int rc;

	if (world.rank == 0) {
		rc = ops->barrier(t, 0, &err);
		HOLDS(rc == LSB_ETIMEDOUT || rc == LSB_OK, "barrier: %s", err.msg);
		if (rc == LSB_ETIMEDOUT)
			barrier();
	} else {
		usleep(20000);
		barrier();
	}
	barrier();
}

static void wrong_calls_are_refused(void)
{
	const struct lsb_buf b = { .ptr = out, .bytes = 1, .mem = LSB_MEM_HOST, .device = -1 };
	struct lsb_buf huge = b, device = b;
	uint32_t request;

	huge.bytes = world.max_message_bytes + 1;
	device.mem = 17;
	HOLDS(ops->isend(t, world.rank, 0, &b, &request, &err) == LSB_EINVAL, "a message to oneself");
	HOLDS(ops->isend(t, world.size, 0, &b, &request, &err) == LSB_EINVAL, "a message to nobody");
	HOLDS(ops->irecv(t, -1, 0, &b, &request, &err) == LSB_EINVAL, "a message from nobody");
	HOLDS(ops->isend(t, !world.rank, world.max_tag + 1, &b, &request, &err) == LSB_EINVAL, "any tag");
	HOLDS(ops->isend(t, !world.rank, 0, &huge, &request, &err) == LSB_EINVAL, "any length");
	HOLDS(ops->isend(t, !world.rank, 0, &device, &request, &err) == LSB_EINVAL, "any memory");
}

static void counters_count(uint64_t messages)
{
	struct lsb_wire_counters c = { .struct_size = sizeof(c) };

	HOLDS(ops->counters(t, &c, &err) == LSB_OK, "%s", err.msg);
	HOLDS(c.messages_sent >= messages && c.bytes_sent > LARGE && c.messages_received == c.messages_sent,
	      "%llu sent", (unsigned long long)c.messages_sent);
}

static void conforms(void)
{
	const uint32_t caps = ops->mem_caps_here(t);

	HOLDS((caps & ~ops->mem_caps) == 0 && (caps & 1), "memory kinds %x", caps);
	sizes_arrive_whole();
	for (int i = 0; i < 5; i++)
		many_in_flight_match_by_tag_in_order();
	deadline_keeps_the_request_and_is_not_early();
	barrier_that_timed_out_goes_on();
	wrong_calls_are_refused();
	counters_count(5 * MANY);
	ops->progress(t);
	(void)start(0, !world.rank, 9, in,
		    SHORT); /* a receive that nobody sends to does not hold up the end */
	barrier();
}

static void truncation_is_an_error(void)
{
	struct lsb_completion done = { 0 };
	const int32_t peer = world.rank ^ 1;
	uint32_t request;
	size_t n = 0;
	int rc;

	if (peer >= world.size) {
		barrier();
		return;
	}
	memset(in, 0, (size_t)2 * SHORT);
	memset(out, 1, (size_t)2 * SHORT);
	if (world.rank % 2) {
		request = start(0, peer, 1, in, SHORT);
		barrier();
		rc = ops->wait_any(t, &request, 1, ahead(30 * SECOND), &done, &n, &err);
		HOLDS(rc == LSB_EINVAL && n == 1 && done.status == LSB_EINVAL, "2000 bytes into 1000: %d",
		      rc);
		HOLDS(strstr(err.msg, "runcate"), "%s", err.msg);
		for (size_t i = SHORT; i < (size_t)2 * SHORT; i++)
			HOLDS(in[i] == 0, "byte %zu behind a receive of 1000 was written", i);
		HOLDS(ops->barrier(t, ahead(SECOND), &err) == LSB_EINVAL, "it goes on after that");
	} else {
		barrier();
		request = start(1, peer, 1, out, (size_t)2 * SHORT);
		(void)ops->wait_any(t, &request, 1, ahead(SECOND), &done, &n, &err); /* its own affair */
		/* A rank that leaves without MPI_Finalize has the others ended: the one that checks leaves
		 * first. */
		request = start(0, peer, 2, in, SHORT);
		(void)ops->wait_any(t, &request, 1, ahead(10 * SECOND), &done, &n, &err);
	}
}

/* Rank 1 ends without a word: the launcher ends the others, who would wait for a minute. */
static void death_ends_all(void)
{
	struct lsb_completion done;
	uint32_t request;
	size_t n;

	barrier();
	if (world.rank == 1)
		_exit(3);
	request = start(0, 1, 1, in, SHORT);
	(void)ops->wait_any(t, &request, 1, ahead(60 * SECOND), &done, &n, &err);
	HOLDS(0, "alive a minute after its peer's death");
}

/* open must refuse, with `wanted` in its message. */
static void refused(const char *wanted)
{
	const int rc = ops->open(&host, &options, &world, &t, &err);

	HOLDS(rc == LSB_EUNAVAIL, "open returned %d", rc);
	HOLDS(strstr(err.msg, wanted), "wanted '%s' in: %s", wanted, err.msg);
	printf("%s\n", err.msg);
}

/* --- the program ----------------------------------------------------------------------------- */

static int told(const char *a, const char *b, int otherwise)
{
	const char *text = getenv(a);

	if (!text)
		text = getenv(b);
	return text ? atoi(text) : otherwise;
}

static void load(const char *file)
{
	const struct lsb_plugin *plugin = testhost_plugin(file);

	HOLDS(plugin->options_size == sizeof(options), "the options have changed");
	HOLDS(plugin->flags & LSB_PLUGIN_GLOBAL, "it does not ask for global symbols");
	HOLDS(plugin->ops.transport->flags & LSB_TRANSPORT_NEEDS_MPIRUN, "it does not ask for mpirun");
	/* as the loader does */
	HOLDS(dlopen(file, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL), "%s", dlerror());
	ops = plugin->ops.transport;
}

static int run_case(const char *name)
{
	static const struct {
		const char *name, *message;
	} refusals[] = {
		{ "not-launched", "launcher = mpirun" },   { "foreign-launcher", "do not know each other" },
		{ "srun-without-mpi", "srun --mpi=pmix" }, { "wrong-size", "start as many ranks" },
		{ "wrong-rank", "the job wants rank" },
	};

	world.size += strcmp(name, "wrong-size") == 0;
	if (strcmp(name, "wrong-rank") == 0)
		world.rank = world.size - 1 - world.rank;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (strcmp(name, refusals[i].name) == 0) {
			refused(refusals[i].message);
			return 0;
		}
	open_and_connect();
	if (strcmp(name, "conforms") == 0)
		conforms();
	else if (strcmp(name, "truncation") == 0)
		truncation_is_an_error();
	else if (strcmp(name, "death") == 0)
		death_ends_all();
	else
		return 2;
	ops->close(t);
	ops->close(NULL);
	return 0;
}

int main(int argc, char **argv)
{
	int rc;

	if (argc < 3)
		return 2;
	world.rank = told("OMPI_COMM_WORLD_RANK", "PMI_RANK", 0);
	world.size = told("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", 2);
	if (argc > 3)
		options.wait.how = (uint32_t)atoi(argv[3]);
	host = testhost(NULL);
	out = memory(LARGE);
	in = memory(LARGE);
	load(argv[1]);
	rc = run_case(argv[2]);
	if (rc == 0)
		printf("%s holds on rank %d\n", argv[2], world.rank);
	free(out);
	free(in);
	return rc;
}
