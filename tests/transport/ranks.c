/* SPDX-License-Identifier: Apache-2.0 */
#include "ranks.h"

struct rank_thread {
	struct ranks *r;
	int32_t rank;
	void (*body)(struct ranks *r, int32_t rank);
};

static void *thread_main(void *argument)
{
	const struct rank_thread *thread = argument;

	thread->body(thread->r, thread->rank);
	return NULL;
}

void ranks_parallel(struct ranks *r, void (*body)(struct ranks *r, int32_t rank))
{
	struct rank_thread arguments[RANKS_MAX];
	pthread_t threads[RANKS_MAX];

	for (int32_t i = 0; i < r->size; i++) {
		arguments[i] = (struct rank_thread){ r, i, body };
		ck_assert_int_eq(pthread_create(&threads[i], NULL, thread_main, &arguments[i]), 0);
	}
	for (int32_t i = 0; i < r->size; i++)
		pthread_join(threads[i], NULL);
}

void ranks_init(struct ranks *r, const struct lsb_plugin *plugin, const void *options, int32_t size)
{
	memset(r, 0, sizeof(*r));
	r->ops = plugin->ops.transport;
	r->options = options;
	r->size = size;
	r->host = testhost(NULL);
	r->connect_ns = 20 * SECOND;
	for (int32_t i = 0; i < size; i++)
		r->world[i] = (struct lsb_world){
			.struct_size = sizeof(struct lsb_world),
			.rank = i,
			.size = size,
			.host_count = 1,
			.max_requests = 256,
			.max_tag = 16,
			.max_message_bytes = UINT64_C(1) << 30,
			.nonce = "0123456789abcde",
			.bind_address = "127.0.0.1",
		};
}

void ranks_open(struct ranks *r)
{
	for (int32_t i = 0; i < r->size; i++) {
		size_t bytes = 0;
		int rc = r->ops->open(&r->host, r->options, &r->world[i], &r->t[i], &r->err[i]);

		ck_assert_msg(rc == LSB_OK, "open: %s", r->err[i].msg);
		rc = r->ops->address(r->t[i], r->address[i], &bytes, &r->err[i]);
		ck_assert_int_eq(rc, LSB_OK);
		ck_assert_uint_le(bytes, LSB_ADDRESS_MAX);
		r->spans[i] = (struct lsb_span){ r->address[i], bytes };
	}
}

static void connect_one(struct ranks *r, int32_t rank)
{
	r->rc[rank] = r->ops->connect(r->t[rank], r->spans, AHEAD(r->connect_ns), &r->err[rank]);
}

void ranks_connect(struct ranks *r)
{
	ranks_parallel(r, connect_one);
}

void ranks_start(struct ranks *r, const struct lsb_plugin *plugin, const void *options, int32_t size)
{
	ranks_init(r, plugin, options, size);
	ranks_open(r);
	ranks_connect(r);
	for (int32_t i = 0; i < size; i++)
		ck_assert_msg(r->rc[i] == LSB_OK, "connect: %s", r->err[i].msg);
}

void ranks_close(struct ranks *r)
{
	for (int32_t i = 0; i < r->size; i++) {
		r->ops->close(r->t[i]);
		r->t[i] = NULL;
	}
}

static struct lsb_buf view(const void *data, size_t bytes)
{
	return (struct lsb_buf){ .ptr = (void *)data, .bytes = bytes, .mem = LSB_MEM_HOST, .device = -1 };
}

uint32_t ranks_send(struct ranks *r, int32_t from, int32_t to, uint32_t tag, const void *data, size_t bytes)
{
	const struct lsb_buf b = view(data, bytes);
	uint32_t request = 0;
	const int rc = r->ops->isend(r->t[from], to, tag, &b, &request, &r->err[from]);

	ck_assert_msg(rc == LSB_OK, "isend: %s", r->err[from].msg);
	return request;
}

uint32_t ranks_receive(struct ranks *r, int32_t at, int32_t from, uint32_t tag, void *data, size_t bytes)
{
	const struct lsb_buf b = view(data, bytes);
	uint32_t request = 0;
	const int rc = r->ops->irecv(r->t[at], from, tag, &b, &request, &r->err[at]);

	ck_assert_msg(rc == LSB_OK, "irecv: %s", r->err[at].msg);
	return request;
}

int ranks_wait(struct ranks *r, int32_t at, uint32_t request, uint64_t ns, struct lsb_completion *done)
{
	size_t n = 0;
	const int rc = r->ops->wait_any(r->t[at], &request, 1, ns ? AHEAD(ns) : 0, done, &n, &r->err[at]);

	if (rc == LSB_OK) {
		ck_assert_uint_eq(n, 1);
		ck_assert_uint_eq(done->request, request);
	}
	return rc;
}

uint64_t ranks_finish(struct ranks *r, int32_t at, uint32_t request)
{
	struct lsb_completion done;
	const int rc = ranks_wait(r, at, request, 60 * SECOND, &done);

	ck_assert_msg(rc == LSB_OK, "wait_any: %s", r->err[at].msg);
	ck_assert_int_eq(done.status, LSB_OK);
	return done.bytes;
}
