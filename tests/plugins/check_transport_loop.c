/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>

#include "testhost.h"

static const struct lsb_transport_ops *ops;
static struct lsb_host host;
static struct lsb_world world;
static struct lsb_transport *t;
static struct lsb_error err;
static uint32_t options[2];

static void start(int32_t size)
{
	ops = testhost_plugin(LSB_BINARY_DIR "/plugins/lsbench-transport-loop.so")->ops.transport;
	host = testhost(NULL);
	world = (struct lsb_world){
		.struct_size = sizeof(world), .size = size, .max_requests = 4, .max_tag = 9
	};
}

static void connect_self(void)
{
	uint8_t address[LSB_ADDRESS_MAX];
	struct lsb_span span = { .ptr = address };
	size_t bytes = 0;

	ck_assert_int_eq(ops->open(&host, options, &world, &t, &err), LSB_OK);
	ck_assert_int_eq(ops->address(t, address, &bytes, &err), LSB_OK);
	span.bytes = bytes;
	ck_assert_int_eq(ops->connect(t, &span, 0, &err), LSB_OK);
}

static uint32_t begin(int sends, uint32_t tag, void *data, size_t bytes)
{
	const struct lsb_buf b = { .ptr = data, .bytes = bytes, .mem = LSB_MEM_HOST, .device = -1 };
	uint32_t request = ~0u;

	ck_assert_int_eq((sends ? ops->isend : ops->irecv)(t, 0, tag, &b, &request, &err), LSB_OK);
	return request;
}

START_TEST(loop_matches_tags_and_keeps_order)
{
	uint8_t out[2] = { 1, 2 }, in[2] = { 0 };
	struct lsb_completion done[4];
	uint32_t requests[4];
	size_t n = 0, all = 0;

	start(1);
	connect_self();
	requests[0] = begin(1, 5, &out[0], 1);
	requests[1] = begin(1, 5, &out[1], 1);
	requests[2] = begin(0, 5, &in[0], 1);
	ck_assert_int_eq(ops->wait_any(t, requests + 2, 1, 0, done, &n, &err), LSB_OK);
	ck_assert_uint_eq(in[0], 1);
	requests[2] = begin(0, 4, &in[1], 1);
	ck_assert_int_eq(ops->wait_any(t, requests + 1, 2, 0, done, &n, &err), LSB_ETIMEDOUT);
	requests[3] = begin(0, 5, &in[1], 1);
	while (all < 3) {
		static const uint32_t of[] = { 0, 1, 3 };

		ck_assert_int_eq(ops->wait_any(t, &requests[of[all]], 1, 0, done, &n, &err), LSB_OK);
		ck_assert_int_eq(done[0].status, LSB_OK);
		all += n;
	}
	ck_assert_uint_eq(in[1], 2);
	ops->close(t);
}
END_TEST

START_TEST(loop_refuses_what_the_contract_forbids)
{
	struct lsb_buf b = { .ptr = &(int){ 0 }, .bytes = 4, .mem = LSB_MEM_HOST, .device = -1 };
	struct lsb_completion done;
	uint8_t in, out[2];
	uint32_t request;
	size_t n;

	start(2);
	ck_assert_int_eq(ops->open(&host, options, &world, &t, &err), LSB_EUNAVAIL);
	start(1);
	connect_self();
	ck_assert_int_eq(ops->isend(t, 1, 0, &b, &request, &err), LSB_EINVAL);
	ck_assert_int_eq(ops->isend(t, 0, 10, &b, &request, &err), LSB_EINVAL);
	request = 77;
	ck_assert_int_eq(ops->wait_any(t, &request, 1, 0, &done, &n, &err), LSB_EINVAL);
	begin(1, 1, out, 2);
	request = begin(0, 1, &in, 1);
	ck_assert_int_eq(ops->wait_any(t, &request, 1, 0, &done, &n, &err), LSB_OK);
	ck_assert_int_eq(done.status, LSB_EINVAL);
	ops->close(t);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("transport_loop");
	TCase *tc = tcase_create("loop");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, loop_matches_tags_and_keeps_order);
	tcase_add_test(tc, loop_refuses_what_the_contract_forbids);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
