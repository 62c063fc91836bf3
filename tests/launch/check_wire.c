/* SPDX-License-Identifier: Apache-2.0 */
/* Frames and jobs: round trips, and what must be refused. */
#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base.h"
#include "launch/inbox.h"
#include "wire/frame.h"
#include "wire/job.h"

/* --- headers --- */

static const struct bad_header {
	const char *what;
	uint32_t magic, type, protocol, length, sequence;
} bad_headers[] = {
	{ "no magic", 0, LSB_FRAME_READY, 1, 2, 7 },
	{ "HTTP", 0x20544547u, 0x202f, 0x5448, 0x312f5054u, 0x0a0d312eu },
	{ "TLS hello", 0x01000316u, 0, 1, 2, 7 },
	{ "magic in the other byte order", 0x4c534246u, LSB_FRAME_READY, 1, 2, 7 },
	{ "magic off by one bit", LSB_FRAME_MAGIC ^ 1u, LSB_FRAME_READY, 1, 2, 7 },
	{ "type 0", LSB_FRAME_MAGIC, 0, 1, 2, 7 },
	{ "first type past the last", LSB_FRAME_MAGIC, LSB_FRAME_TYPES, 1, 0, 7 },
	{ "largest type", LSB_FRAME_MAGIC, 0xffff, 1, 0, 7 },
	{ "protocol 0", LSB_FRAME_MAGIC, LSB_FRAME_READY, 0, 2, 7 },
	{ "next protocol", LSB_FRAME_MAGIC, LSB_FRAME_READY, 2, 2, 7 },
	{ "largest protocol", LSB_FRAME_MAGIC, LSB_FRAME_READY, 0xffff, 2, 7 },
	{ "HELLO too long", LSB_FRAME_MAGIC, LSB_FRAME_HELLO, 1, 4097, 7 },
	{ "READY too long", LSB_FRAME_MAGIC, LSB_FRAME_READY, 1, 1025, 7 },
	{ "JOB too long", LSB_FRAME_MAGIC, LSB_FRAME_JOB, 1, (1u << 20) + 1, 7 },
	{ "RESULT too long", LSB_FRAME_MAGIC, LSB_FRAME_RESULT, 1, (64u << 20) + 1, 7 },
	{ "length of 31 bits", LSB_FRAME_MAGIC, LSB_FRAME_RECORDS, 1, 0x7fffffffu, 7 },
	{ "length with sign", LSB_FRAME_MAGIC, LSB_FRAME_RECORDS, 1, 0x80000000u, 7 },
	{ "largest length", LSB_FRAME_MAGIC, LSB_FRAME_RECORDS, 1, 0xffffffffu, 7 },
	{ "sequence replayed", LSB_FRAME_MAGIC, LSB_FRAME_READY, 1, 2, 6 },
	{ "sequence skipped", LSB_FRAME_MAGIC, LSB_FRAME_READY, 1, 2, 8 },
	{ "sequence 0 again", LSB_FRAME_MAGIC, LSB_FRAME_READY, 1, 2, 0 },
	{ "largest sequence", LSB_FRAME_MAGIC, LSB_FRAME_READY, 1, 2, 0xffffffffu },
};

static void store_le(uint8_t *at, uint32_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

START_TEST(malformed_header_is_refused)
{
	const struct bad_header *b = &bad_headers[_i];
	uint8_t bytes[LSB_FRAME_HEADER_BYTES];
	struct lsb_frame_header h;
	struct lsb_error err = { 0 };

	store_le(bytes, b->magic, 4);
	store_le(bytes + 4, b->type, 2);
	store_le(bytes + 6, b->protocol, 2);
	store_le(bytes + 8, b->length, 4);
	store_le(bytes + 12, b->sequence, 4);
	ck_assert_msg(lsb_frame_parse(bytes, 7, &h, &err) == LSB_EPEER, "%s", b->what);
	ck_assert_int_eq(err.code, LSB_EPEER);
	ck_assert_uint_gt(strlen(err.msg), 0);
}
END_TEST

START_TEST(header_survives_a_round_trip)
{
	for (uint32_t type = 1; type < LSB_FRAME_TYPES; type++) {
		uint8_t bytes[LSB_FRAME_HEADER_BYTES];
		struct lsb_frame_header h;

		lsb_frame_format(type, lsb_frame_limit(type), type * 1000, bytes);
		ck_assert_int_eq(lsb_frame_parse(bytes, type * 1000, &h, NULL), 0);
		ck_assert_uint_eq(h.type, type);
		ck_assert_uint_eq(h.length, lsb_frame_limit(type));
	}
}
END_TEST

/* --- streams --- */

static int count_frame(void *user, enum lsb_frame_type type, const char *payload, size_t length,
		       struct lsb_error *err)
{
	int *count = user;

	(void)err;
	ck_assert_int_eq(type, LSB_FRAME_HEARTBEAT);
	ck_assert_uint_eq(length, (size_t)*count);
	ck_assert_uint_eq(strlen(payload), length);
	++*count;
	return LSB_OK;
}

START_TEST(inbox_takes_frames_in_pieces_of_any_size)
{
	uint8_t stream[4096];
	size_t bytes = 0;
	int count = 0;
	const struct lsb_inbox_taker taker = { count_frame, &count };
	struct lsb_inbox in = { 0 };

	for (uint32_t i = 0; i < 20; i++) {
		lsb_frame_format(LSB_FRAME_HEARTBEAT, i, i, stream + bytes);
		memset(stream + bytes + LSB_FRAME_HEADER_BYTES, 'x', i);
		bytes += LSB_FRAME_HEADER_BYTES + i;
	}
	for (size_t at = 0; at < bytes; at += (size_t)_i) {
		const size_t n = bytes - at < (size_t)_i ? bytes - at : (size_t)_i;

		ck_assert_int_eq(lsb_inbox_feed(&in, stream + at, n, &taker, NULL), 0);
	}
	ck_assert_int_eq(count, 20);
	lsb_inbox_free(&in);
}
END_TEST

START_TEST(channel_end_inside_a_frame_is_an_error)
{
	struct lsb_channel to = { 0 }, from = { 0 };
	uint8_t frame[LSB_FRAME_HEADER_BYTES + 5];
	enum lsb_frame_type type;
	struct lsb_error err;
	char *payload;
	size_t length;
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	to.fd = pair[0];
	from.fd = pair[1];
	ck_assert_int_eq(lsb_channel_send(&to, LSB_FRAME_READY, "{}", 2, &err), 0);
	ck_assert_int_eq(lsb_channel_receive(&from, 1000, &type, &payload, &length, &err), 0);
	ck_assert_str_eq(payload, "{}");
	free(payload);
	ck_assert_int_eq(lsb_channel_receive(&from, 1, &type, &payload, &length, &err), LSB_ETIMEDOUT);
	lsb_frame_format(LSB_FRAME_READY, 5, 1, frame);
	memset(frame + LSB_FRAME_HEADER_BYTES, ' ', 5);
	ck_assert_int_eq(write(to.fd, frame, (size_t)_i), _i);
	close(to.fd);
	ck_assert_int_eq(lsb_channel_receive(&from, 1000, &type, &payload, &length, &err), LSB_EPEER);
	ck_assert_int_eq(lsb_channel_send(&from, LSB_FRAME_READY, "{}", 2, &err), LSB_EPEER);
	ck_assert_int_eq(lsb_channel_send(&from, LSB_FRAME_READY, frame, 4096, &err), LSB_EINVAL);
	close(from.fd);
}
END_TEST

/* --- jobs --- */

static uint32_t layers[] = { 16, 14 }, cpus[] = { 3, 5 };
static struct lsb_job_option options[] = { { "wait", "poll", "s.ini:3" }, { "buffer", "4MiB", NULL } };

static struct lsb_job sample(void)
{
	struct lsb_job job = {
		.rank = 1,
		.size = 2,
		.stages = 2,
		.replicas = 1,
		.host = 0,
		.host_count = 1,
		.host_rank = 1,
		.host_size = 2,
		.bind_address = "127.0.0.1",
		.folders = "/a:/b",
		.base = NULL,
		.backend.name = "cpu",
		.transport = { "fault:tcp", options, 2 },
		.model = "m\xc3\xa4.gguf",
		.layers = layers,
		.batch = 4,
		.in_flight = 2,
		.prompts = 10,
		.distinct = 5,
		.max_new = 64,
		.chunk = 32,
		.context = 214,
		.warmup = 1,
		.stop_at_length = 1,
		.seed = UINT64_MAX,
		.temperature = 0.75,
		.top_p = 0.9,
		.top_k = 40,
		.threads = 2,
		.n_cpus = 2,
		.cpus = cpus,
		.timeout_ns = 600000000000u,
		.stall_ns = 30000000000u,
		.measure_peaks = 1,
		.max_records = 1234,
	};

	for (int i = 0; i < 16; i++)
		job.nonce[i] = (uint8_t)(i * 17);
	return job;
}

START_TEST(job_survives_a_round_trip)
{
	const struct lsb_job job = sample();
	char *text = lsb_job_format(&job), *again;
	struct lsb_error err;
	struct lsb_job parsed;

	ck_assert_ptr_nonnull(text);
	ck_assert_msg(lsb_job_parse(text, strlen(text), &parsed, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(parsed.seed, UINT64_MAX);
	ck_assert_double_eq(parsed.temperature, 0.75);
	ck_assert_mem_eq(parsed.nonce, job.nonce, 16);
	ck_assert_int_eq(parsed.host_rank, 1);
	ck_assert_int_eq(parsed.host_size, 2);
	ck_assert_mem_eq(parsed.layers, layers, sizeof(layers));
	ck_assert_mem_eq(parsed.cpus, cpus, sizeof(cpus));
	ck_assert_str_eq(parsed.model, job.model);
	ck_assert_str_eq(parsed.transport.options[0].where, "s.ini:3");
	ck_assert_ptr_null(parsed.transport.options[1].where);
	ck_assert_ptr_null(parsed.workload.name);
	ck_assert_ptr_null(parsed.base);
	again = lsb_job_format(&parsed);
	ck_assert_str_eq(again, text);
	free(text);
	free(again);
	lsb_job_free(&parsed);
}
END_TEST

/* A member, and a value in JSON that it must not have; NULL: absent. */
static const struct bad_member {
	const char *name, *value;
} bad_members[] = {
	{ "rank", "2" },
	{ "rank", "-1" },
	{ "rank", "\"1\"" },
	{ "rank", NULL },
	{ "size", "0" },
	{ "size", "1025" },
	{ "size", "1.5" },
	{ "size", "3" },
	{ "stages", "0" },
	{ "stages", "1" },
	{ "replicas", "4294967297" },
	{ "host", "1" },
	{ "host_count", "3" },
	{ "host_rank", "2" },
	{ "host_rank", "-1" },
	{ "host_size", "1" },
	{ "host_size", "3" },
	{ "nonce", "\"00\"" },
	{ "nonce", "\"zz112233445566778899aabbccddeeff\"" },
	{ "nonce", "5" },
	{ "folders", "null" },
	{ "bind_address", "[]" },
	{ "model", NULL },
	{ "backend", "null" },
	{ "backend", "{\"name\":null,\"options\":[]}" },
	{ "backend", "{\"name\":\"cpu\"}" },
	{ "transport", "{\"name\":\"t\",\"options\":[{\"name\":\"x\"}]}" },
	{ "transport", "{\"name\":\"t\",\"options\":[7]}" },
	{ "layers", "[16]" },
	{ "layers", "[16,14,1]" },
	{ "layers", "[16,0]" },
	{ "layers", "[16,-1]" },
	{ "layers", "[65536,65536]" },
	{ "cpus", "[1]" },
	{ "cpus", "[1,70000]" },
	{ "cpus", "7" },
	{ "batch", "0" },
	{ "batch", "65537" },
	{ "in_flight", "1e3" },
	{ "prompts", "0" },
	{ "distinct", "0" },
	{ "max_new", "99999999" },
	{ "chunk", "0" },
	{ "context", "0" },
	{ "stop_at_length", "2" },
	{ "seed", "5" },
	{ "seed", "\"18446744073709551616\"" },
	{ "seed", "\"-1\"" },
	{ "seed", "\"\"" },
	{ "temperature", "-0.1" },
	{ "temperature", "\"hot\"" },
	{ "top_p", "0" },
	{ "top_p", "1.1" },
	{ "top_k", "-1" },
	{ "threads", "0" },
	{ "threads", "1025" },
	{ "timeout_ns", "0" },
	{ "stall_ns", "0" },
	{ "max_records", "16777217" },
	{ "measure_peaks", "true" },
};

START_TEST(job_with_a_wrong_member_is_refused)
{
	const struct bad_member *b = &bad_members[_i];
	const struct lsb_job job = sample();
	char *text = lsb_job_format(&job);
	json_t *root = json_loads(text, 0, NULL);
	struct lsb_error err = { 0 };
	struct lsb_job parsed;

	ck_assert_ptr_nonnull(json_object_get(root, b->name));
	if (b->value)
		json_object_set_new(root, b->name, json_loads(b->value, JSON_DECODE_ANY, NULL));
	else
		json_object_del(root, b->name);
	free(text);
	text = json_dumps(root, 0);
	ck_assert_msg(lsb_job_parse(text, strlen(text), &parsed, &err) == LSB_EPEER, "%s = %s", b->name,
		      b->value);
	ck_assert_uint_gt(strlen(err.msg), 0);
	free(text);
	json_decref(root);
}
END_TEST

START_TEST(job_cut_at_any_byte_is_refused)
{
	const struct lsb_job job = sample();
	char *text = lsb_job_format(&job);
	struct lsb_job parsed;

	for (size_t n = 0; n < strlen(text); n++)
		ck_assert_int_eq(lsb_job_parse(text, n, &parsed, NULL), LSB_EPEER);
	free(text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("wire");
	TCase *frames = tcase_create("frames"), *jobs = tcase_create("jobs");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(frames, malformed_header_is_refused, 0, LSB_COUNT(bad_headers));
	tcase_add_test(frames, header_survives_a_round_trip);
	tcase_add_loop_test(frames, inbox_takes_frames_in_pieces_of_any_size, 1, 60);
	tcase_add_loop_test(frames, channel_end_inside_a_frame_is_an_error, 0, LSB_FRAME_HEADER_BYTES + 5);
	tcase_add_test(jobs, job_survives_a_round_trip);
	tcase_add_loop_test(jobs, job_with_a_wrong_member_is_refused, 0, LSB_COUNT(bad_members));
	tcase_add_test(jobs, job_cut_at_any_byte_is_refused);
	suite_add_tcase(suite, frames);
	suite_add_tcase(suite, jobs);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
