/* SPDX-License-Identifier: Apache-2.0 */
/* backend-null gives equal ids for every split, batch and chunk, and other ids for any damage. */
#include <check.h>
#include <sys/wait.h>
#include <unistd.h>

#include "testhost.h"

enum { LAYERS = 12, HIDDEN = 64, VOCABULARY = 258, SLOTS = 4, CONTEXT = 64, STEP_MAX = 32, STAGES_MAX = 4 };

/* As in backend_null.c; the descriptor's options_size guards against drift. */
struct null_options {
	uint64_t step_ns, layer_ns, token_ns, slow_ns, close_ns;
	int64_t layers, hidden, vocabulary, eos_every;
	int64_t fail_at, hang_at, exit_at, kill_at, stop_at, fail_rank, devices, slow_rank;
	uint32_t mode, mem, async, profile, kill_at_peaks, reserved;
};

static struct null_options options;
static const struct lsb_backend_ops *ops;
static struct lsb_host host;
static struct lsb_error err;

/* Stages of one pipeline, driven by one thread. */
static struct {
	uint32_t n;
	struct lsb_place place[STAGES_MAX];
	struct lsb_backend *stage[STAGES_MAX];
	struct lsb_buf out[STAGES_MAX], in[STAGES_MAX]; /* a copy between them stands for the link */
} pipeline;

static void setup(void)
{
	const struct lsb_plugin *plugin = testhost_plugin(LSB_BINARY_DIR "/plugins/lsbench-backend-null.so");

	ck_assert_uint_eq(plugin->options_size, sizeof(options));
	ops = plugin->ops.backend;
	host = testhost(NULL);
	options = (struct null_options){ .layers = LAYERS, .hidden = HIDDEN, .vocabulary = VOCABULARY };
	options.fail_at = options.hang_at = options.exit_at = options.kill_at = options.stop_at = -1;
	options.fail_rank = options.slow_rank = -1;
}

/* `layers`: of each stage, 0-terminated unless there are STAGES_MAX. */
static void pipeline_open(const uint32_t *layers)
{
	const uint32_t mem = options.mem ? LSB_MEM_CUDA : LSB_MEM_HOST;
	uint32_t first = 0;

	pipeline.n = 0;
	while (pipeline.n < STAGES_MAX && layers[pipeline.n])
		pipeline.n++;
	for (uint32_t s = 0; s < pipeline.n; s++) {
		pipeline.place[s] = (struct lsb_place){ .struct_size = sizeof(struct lsb_place),
							.model = "null",
							.rank = (int32_t)s,
							.stage = (int32_t)s,
							.stages = (int32_t)pipeline.n,
							.first_layer = first,
							.n_layers = layers[s],
							.slots = SLOTS,
							.context = CONTEXT,
							.max_tokens = STEP_MAX,
							.max_outputs = STEP_MAX,
							.max_tickets = 2,
							.device = -1,
							.threads = 1 };
		first += layers[s];
		ck_assert_msg(ops->open(&host, &options, &pipeline.place[s], &pipeline.stage[s], &err) ==
				      LSB_OK,
			      "%s", err.msg);
		ck_assert_int_eq(ops->buf_alloc(pipeline.stage[s], mem, STEP_MAX * HIDDEN * sizeof(float),
						&pipeline.out[s], &err),
				 LSB_OK);
		ck_assert_int_eq(ops->buf_alloc(pipeline.stage[s], mem, STEP_MAX * HIDDEN * sizeof(float),
						&pipeline.in[s], &err),
				 LSB_OK);
	}
}

static void pipeline_close(void)
{
	for (uint32_t s = 0; s < pipeline.n; s++) {
		ops->buf_free(pipeline.stage[s], &pipeline.out[s]);
		ops->buf_free(pipeline.stage[s], &pipeline.in[s]);
		ops->close(pipeline.stage[s]);
	}
}

/* One step through all stages; `damage` (or -1) is the byte of the first link's payload to flip. */
static int pipeline_step(const struct lsb_batch *batch, int32_t *ids, long damage)
{
	for (uint32_t s = 0; s < pipeline.n; s++) {
		const int is_last = s == pipeline.n - 1;
		const struct lsb_step_io io = { .struct_size = sizeof(io),
						.in = s ? &pipeline.in[s] : NULL,
						.out = is_last ? NULL : &pipeline.out[s],
						.ids = is_last ? ids : NULL };
		uint64_t ticket;
		int rc = ops->submit(pipeline.stage[s], batch, &io, &ticket, &err);

		if (rc == LSB_OK)
			rc = ops->wait(pipeline.stage[s], ticket, testhost_now(NULL) + 60000000000u, &err);
		if (rc)
			return rc;
		if (is_last)
			break;
		ck_assert_int_eq(ops->buf_copy(pipeline.stage[s], &pipeline.in[s + 1], &pipeline.out[s],
					       batch->n_tokens * HIDDEN * sizeof(float), &err),
				 LSB_OK);
		if (damage >= 0 && s == 0)
			((uint8_t *)pipeline.in[1].ptr)[damage] ^= 1;
	}
	return LSB_OK;
}

/* Prompt of `n` tokens in chunks of `chunk` in `slot`, then `new` ids one by one. */
static void generate(uint32_t slot, uint32_t n, uint32_t chunk, uint32_t n_new, int32_t *ids, long damage)
{
	const struct lsb_sampling sampling = { .top_p = 1 };
	uint32_t position = 0;

	for (uint32_t have = 0; have < n_new; have++) {
		const uint32_t end = n + have;

		while (position < end) {
			struct lsb_token tokens[STEP_MAX];
			struct lsb_batch batch = { .struct_size = sizeof(batch),
						   .tokens = tokens,
						   .sampling = &sampling };

			while (position < end && batch.n_tokens < chunk) {
				struct lsb_token *t = &tokens[batch.n_tokens++];

				t->id = position < n ? (int32_t)(position * 7 % 256) : ids[position - n];
				t->slot = slot;
				t->position = position++;
				t->flags = position == end ? LSB_TOKEN_OUTPUT : 0;
			}
			batch.n_outputs = position == end;
			ck_assert_msg(pipeline_step(&batch, &ids[have], damage) == LSB_OK, "%s", err.msg);
		}
	}
}

enum { NEW = 12 };

static void reference(int32_t *ids)
{
	pipeline_open((const uint32_t[]){ 12, 0 });
	generate(0, 10, 32, NEW, ids, -1);
	pipeline_close();
}

static const uint32_t splits[][STAGES_MAX] = { { 12 }, { 6, 6 }, { 1, 11 }, { 4, 4, 4 }, { 1, 1, 1, 9 } };

START_TEST(null_ids_are_equal_for_every_split_chunk_slot_memory_and_thread)
{
	int32_t expected[NEW], ids[NEW];

	setup();
	reference(expected);
	options.mem = (uint32_t)_i % 2;
	options.async = (uint32_t)_i / 2 % 2;
	pipeline_open(splits[_i % 5]);
	generate((uint32_t)_i % SLOTS, 10, 1 + (uint32_t)_i % 11, NEW, ids, -1);
	ck_assert_mem_eq(ids, expected, sizeof(ids));
	pipeline_close();
}
END_TEST

START_TEST(null_ids_change_for_a_damaged_byte)
{
	int32_t expected[NEW], ids[NEW];

	setup();
	reference(expected);
	pipeline_open(splits[1]);
	generate(0, 10, 32, NEW, ids, _i * 37 % (HIDDEN * 4));
	ck_assert_mem_ne(ids, expected, sizeof(ids));
	pipeline_close();
}
END_TEST

START_TEST(null_sequences_that_share_a_step_do_not_touch_each_other)
{
	int32_t expected[NEW], ids[2] = { 0 };
	struct lsb_sampling sampling[2] = { { .top_p = 1 }, { .top_p = 1 } };
	struct lsb_token tokens[20];
	struct lsb_batch batch = { sizeof(batch), 20, 2, tokens, sampling };

	setup();
	reference(expected);
	pipeline_open(splits[2]);
	for (uint32_t i = 0; i < 20; i++)
		tokens[i] = (struct lsb_token){ .id = (int32_t)(i / 2 * 7 % 256) + (i % 2 ? 1 : 0),
						.slot = i % 2,
						.position = i / 2,
						.flags = i >= 18 ? LSB_TOKEN_OUTPUT : 0 };
	ck_assert_int_eq(pipeline_step(&batch, ids, -1), LSB_OK);
	ck_assert_int_eq(ids[0], expected[0]);
	pipeline_close();
}
END_TEST

static int step_of(uint32_t slot, uint32_t position, int32_t id, uint32_t n_outputs)
{
	const struct lsb_token token = { id, slot, position, LSB_TOKEN_OUTPUT };
	const struct lsb_sampling sampling = { .top_p = 1 };
	const struct lsb_batch batch = { sizeof(batch), 1, n_outputs, &token, &sampling };
	int32_t out;

	return pipeline_step(&batch, &out, -1);
}

START_TEST(null_refuses_steps_that_break_the_contract)
{
	setup();
	pipeline_open(splits[0]);
	ck_assert_int_eq(step_of(0, 0, 1, 1), LSB_OK);
	ck_assert_int_eq(step_of(0, 2, 1, 1), LSB_EINVAL); /* a gap */
	ck_assert_int_eq(step_of(0, 1, VOCABULARY, 1), LSB_EINVAL);
	ck_assert_int_eq(step_of(SLOTS, 0, 1, 1), LSB_EINVAL);
	ck_assert_int_eq(step_of(0, CONTEXT, 1, 1), LSB_EINVAL);
	ck_assert_int_eq(step_of(0, 1, 1, 0), LSB_EINVAL);
	ck_assert_int_eq(step_of(0, 1, 1, 1), LSB_OK);
	ck_assert_int_eq(step_of(0, 0, 1, 1), LSB_OK); /* the slot starts again */
	pipeline_close();
}
END_TEST

START_TEST(null_step_takes_at_least_its_set_time)
{
	uint64_t begun;

	setup();
	options.layer_ns = 500000;
	options.token_ns = 100000;
	options.mode = (uint32_t)_i % 2;
	options.async = (uint32_t)_i / 2;
	pipeline_open(splits[1]);
	begun = testhost_now(NULL);
	ck_assert_int_eq(step_of(0, 0, 1, 1), LSB_OK);
	ck_assert_uint_ge(testhost_now(NULL) - begun, LAYERS * 600000u);
	pipeline_close();
}
END_TEST

START_TEST(null_fails_the_step_it_was_told_to_on_the_rank_it_was_told_to)
{
	setup();
	options.fail_at = 1;
	options.fail_rank = _i;
	options.async = (uint32_t)_i % 2;
	pipeline_open(splits[1]);
	ck_assert_int_eq(step_of(0, 0, 1, 1), LSB_OK);
	ck_assert_int_eq(step_of(0, 1, 1, 1), _i < 2 ? LSB_EDEVICE : LSB_OK);
	pipeline_close();
}
END_TEST

static int status_of_child(void)
{
	int status = 0;
	const pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (child == 0) {
		pipeline_open(splits[0]);
		step_of(0, 0, 1, 1);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return status;
}

START_TEST(null_exits_or_dies_when_told_to)
{
	int status;

	setup();
	options.exit_at = 0;
	status = status_of_child();
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 3);
	options.exit_at = -1;
	options.kill_at = 0;
	status = status_of_child();
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == 9);
}
END_TEST

START_TEST(null_text_survives_encode_and_decode)
{
	const struct lsb_turn turns[] = { { "user", "h\xc3\xa9llo" }, { "assistant", "" } };
	const struct lsb_place place = {
		.struct_size = sizeof(place), .model = "null", .stages = 1, .flags = LSB_PLACE_VOCABULARY
	};
	struct lsb_backend *b;
	int32_t ids[64];
	char text[64];
	size_t n, bytes;

	setup();
	ck_assert_int_eq(ops->open(&host, &options, &place, &b, &err), LSB_OK);
	ck_assert_int_eq(ops->encode(b, turns, 1, LSB_ENCODE_BOS, ids, 64, &n, &err), LSB_OK);
	ck_assert_uint_eq(n, 7);
	ck_assert_int_eq(ids[0], 256);
	ck_assert_int_eq(ops->decode(b, ids, n, text, sizeof(text), &bytes, &err), LSB_OK);
	ck_assert_uint_eq(bytes, 6);
	ck_assert_mem_eq(text, "h\xc3\xa9llo", 6);
	ck_assert_int_eq(ops->encode(b, turns, 2, LSB_ENCODE_CHAT, ids, 3, &n, &err), LSB_OK);
	ck_assert_uint_eq(n, strlen("user: hello\nassistant: \n") + 1);
	ops->close(b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("backend_null");
	TCase *tc = tcase_create("null");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, null_ids_are_equal_for_every_split_chunk_slot_memory_and_thread, 0, 20);
	tcase_add_loop_test(tc, null_ids_change_for_a_damaged_byte, 0, 16);
	tcase_add_test(tc, null_sequences_that_share_a_step_do_not_touch_each_other);
	tcase_add_test(tc, null_refuses_steps_that_break_the_contract);
	tcase_add_loop_test(tc, null_step_takes_at_least_its_set_time, 0, 4);
	tcase_add_loop_test(tc, null_fails_the_step_it_was_told_to_on_the_rank_it_was_told_to, 0, 3);
	tcase_add_test(tc, null_exits_or_dies_when_told_to);
	tcase_add_test(tc, null_text_survives_encode_and_decode);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
