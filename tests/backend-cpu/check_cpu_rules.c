/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract around computing: what is refused and stays harmless, tickets,
 * cancelling, buffers, accounting, text, measuring.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "drive.h"
#include "oracle.h"

static const char tiny[] = "random:tiny:q8_0";

static struct rig open_tiny(uint32_t stages)
{
	const struct drive_spec spec = {
		.model = tiny, .stages = stages, .slots = 2, .context = 16, .max_tokens = 8, .max_outputs = 2
	};
	struct lsb_error err;
	struct rig p;

	ck_assert_msg(drive_open(&spec, &p, &err) == LSB_OK, "%s", err.msg);
	return p;
}

/* --- batches ------------------------------------------------------------------ */

/* Each follows a good step that put three tokens into slot 0. */
static const struct {
	const char *what;
	uint32_t n, n_outputs;
	struct lsb_token tokens[3];
} bad[] = {
	{ "slot out of range", 1, 0, { { 1, 2, 0, 0 } } },
	{ "position beyond the context", 1, 0, { { 1, 0, 16, 0 } } },
	{ "position far beyond", 1, 0, { { 1, 0, UINT32_MAX, 0 } } },
	{ "gap to the step before", 1, 0, { { 1, 0, 4, 0 } } },
	{ "position that is stored already", 1, 0, { { 1, 0, 2, 0 } } },
	{ "gap within the step", 2, 0, { { 1, 0, 3, 0 }, { 1, 0, 5, 0 } } },
	{ "repeated position", 2, 0, { { 1, 0, 3, 0 }, { 1, 0, 3, 0 } } },
	{ "descending positions", 2, 0, { { 1, 1, 1, 0 }, { 1, 1, 0, 0 } } },
	{ "a second beginning in one step", 3, 0, { { 1, 1, 0, 0 }, { 1, 1, 1, 0 }, { 1, 1, 0, 0 } } },
	{ "fresh slot that begins at 1", 1, 0, { { 1, 1, 1, 0 } } },
	{ "negative id", 1, 0, { { -1, 0, 3, 0 } } },
	{ "id beyond the vocabulary", 1, 0, { { 512, 0, 3, 0 } } },
	{ "no tokens", 0, 0, { { 0, 0, 0, 0 } } },
	{ "more tokens than max_tokens", 9, 0, { { 1, 0, 3, 0 } } },
	{ "fewer outputs than flags", 2, 0, { { 1, 0, 3, 0 }, { 1, 0, 4, LSB_TOKEN_OUTPUT } } },
	{ "more outputs than flags", 1, 1, { { 1, 0, 3, 0 } } },
	{ "more outputs than max_outputs", 1, 3, { { 1, 0, 3, 0 } } },
};

static const struct lsb_token first_three[] = { { 5, 0, 0, 0 },
						{ 6, 0, 1, 0 },
						{ 7, 0, 2, LSB_TOKEN_OUTPUT } };
static const struct lsb_token fourth[] = { { 8, 0, 3, LSB_TOKEN_OUTPUT } };

START_TEST(bad_batch_is_refused_and_changes_nothing)
{
	const struct lsb_backend_ops *ops = drive_ops();
	struct lsb_sampling sampling[3] = { { .top_p = 1.0f }, { .top_p = 1.0f }, { .top_p = 1.0f } };
	const struct lsb_batch batch = { .struct_size = sizeof(batch),
					 .n_tokens = bad[_i].n,
					 .n_outputs = bad[_i].n_outputs,
					 .tokens = bad[_i].tokens,
					 .sampling = sampling };
	struct rig p = open_tiny(1), q = open_tiny(1);
	float *a = calloc(p.info.vocabulary, sizeof(*a)), *b = calloc(p.info.vocabulary, sizeof(*b));
	struct lsb_step_io io = { .struct_size = sizeof(io) };
	struct lsb_error err = { 0 };
	uint64_t ticket;
	int32_t ids[3];

	io.ids = ids;
	ck_assert_int_eq(rig_step(&p, first_three, 3, NULL, ids, NULL, &err), LSB_OK);
	ck_assert_int_eq(ops->submit(p.stage[0], &batch, &io, &ticket, &err), LSB_EINVAL);
	ck_assert_int_eq(err.code, LSB_EINVAL);
	ck_assert(strlen(err.msg) > 10);
	ck_assert_int_eq(rig_step(&p, fourth, 1, NULL, ids, a, &err), LSB_OK);

	ck_assert_int_eq(rig_step(&q, first_three, 3, NULL, ids, NULL, &err), LSB_OK);
	ck_assert_int_eq(rig_step(&q, fourth, 1, NULL, ids, b, &err), LSB_OK);
	ck_assert_mem_eq(a, b, p.info.vocabulary * sizeof(*a));
	free(a);
	free(b);
	rig_close(&p);
	rig_close(&q);
}
END_TEST

START_TEST(bad_sampling_and_missing_results_are_refused)
{
	static const struct lsb_sampling wrong[] = { { .top_p = 0.0f },
						     { .top_p = 1.5f },
						     { .top_p = NAN },
						     { .temperature = -1.0f, .top_p = 1.0f },
						     { .temperature = NAN, .top_p = 1.0f },
						     { .temperature = INFINITY, .top_p = 1.0f } };
	static const struct lsb_sampling right = { .top_p = 1.0f };
	struct lsb_batch batch = {
		.struct_size = sizeof(batch), .n_tokens = 3, .n_outputs = 1, .tokens = first_three
	};
	struct lsb_step_io io = { .struct_size = sizeof(io) };
	struct rig p = open_tiny(1);
	struct lsb_error err;
	uint64_t ticket;
	int32_t id;

	io.ids = &id;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		batch.sampling = &wrong[i];
		ck_assert_int_eq(drive_ops()->submit(p.stage[0], &batch, &io, &ticket, &err), LSB_EINVAL);
	}
	batch.sampling = NULL;
	ck_assert_int_eq(drive_ops()->submit(p.stage[0], &batch, &io, &ticket, &err), LSB_EINVAL);
	batch.sampling = &right;
	io.ids = NULL;
	ck_assert_int_eq(drive_ops()->submit(p.stage[0], &batch, &io, &ticket, &err), LSB_EINVAL);
	rig_close(&p);
}
END_TEST

START_TEST(hidden_states_need_a_buffer_that_fits)
{
	const struct lsb_backend_ops *ops = drive_ops();
	const struct lsb_batch batch = { .struct_size = sizeof(batch), .n_tokens = 3, .tokens = first_three };
	struct rig p = open_tiny(2);
	struct lsb_buf small = p.hidden[0], device = p.hidden[0];
	const struct lsb_step_io none = { .struct_size = sizeof(none) };
	struct lsb_step_io io = none;
	struct lsb_error err;
	uint64_t ticket;

	small.bytes = 3ull * p.info.hidden_size * sizeof(float) - 1;
	device.mem = LSB_MEM_CUDA;
	for (int stage = 0; stage < 2; stage++) {
		const struct lsb_buf *wrong[] = { NULL, &small, &device };

		for (int i = 0; i < 3; i++) {
			io.in = io.out = wrong[i];
			ck_assert_int_eq(ops->submit(p.stage[stage], &batch, &io, &ticket, &err), LSB_EINVAL);
		}
	}
	ck_assert_int_eq(ops->buf_alloc(p.stage[0], LSB_MEM_CUDA, 64, &small, &err), LSB_EINVAL);
	rig_close(&p);
}
END_TEST

/* --- tickets ------------------------------------------------------------------- */

START_TEST(steps_queue_up_to_max_tickets_and_complete_in_order)
{
	const struct lsb_backend_ops *ops = drive_ops();
	const struct lsb_sampling greedy = { .top_p = 1.0f };
	const struct lsb_batch one = { .struct_size = sizeof(one),
				       .n_tokens = 3,
				       .n_outputs = 1,
				       .tokens = first_three,
				       .sampling = &greedy };
	const struct lsb_batch two = { .struct_size = sizeof(two),
				       .n_tokens = 1,
				       .n_outputs = 1,
				       .tokens = fourth,
				       .sampling = &greedy };
	const struct lsb_token fifth = { 9, 0, 4, 0 };
	const struct lsb_batch three = { .struct_size = sizeof(three), .n_tokens = 1, .tokens = &fifth };
	struct rig p = open_tiny(1), q = open_tiny(1);
	struct lsb_step_io io[3] = { { .struct_size = sizeof(io[0]) },
				     { .struct_size = sizeof(io[0]) },
				     { .struct_size = sizeof(io[0]) } };
	int32_t queued[2] = { -1, -1 }, alone[2];
	uint64_t ticket[3], none = 0;
	struct lsb_error err;

	io[0].ids = &queued[0];
	io[1].ids = &queued[1];
	ck_assert_int_eq(ops->wait(p.stage[0], 0, UINT64_MAX, &err), LSB_EINVAL);
	ck_assert_int_eq(ops->wait(p.stage[0], 1, UINT64_MAX, &err), LSB_EINVAL);
	ck_assert_int_eq(ops->submit(p.stage[0], &one, &io[0], &ticket[0], &err), LSB_OK);
	ck_assert_int_eq(ops->submit(p.stage[0], &two, &io[1], &ticket[1], &err), LSB_OK);
	ck_assert_int_eq(ops->submit(p.stage[0], &three, &io[2], &none, &err), LSB_EINVAL);
	/* Looking once may compute one step, and says that the second is still to come. */
	ck_assert_int_eq(ops->wait(p.stage[0], ticket[1], 0, &err), LSB_ETIMEDOUT);
	ck_assert_int_eq(ops->wait(p.stage[0], ticket[1], 0, &err), LSB_OK);
	ck_assert_int_eq(ops->wait(p.stage[0], ticket[0], 0, &err), LSB_OK);
	ck_assert_int_eq(ops->submit(p.stage[0], &three, &io[2], &ticket[2], &err), LSB_OK);
	ck_assert_int_eq(ops->wait(p.stage[0], ticket[2], UINT64_MAX, &err), LSB_OK);

	ck_assert_int_eq(rig_step(&q, first_three, 3, NULL, &alone[0], NULL, &err), LSB_OK);
	ck_assert_int_eq(rig_step(&q, fourth, 1, NULL, &alone[1], NULL, &err), LSB_OK);
	ck_assert_int_eq(queued[0], alone[0]);
	ck_assert_int_eq(queued[1], alone[1]);
	rig_close(&p);
	rig_close(&q);
}
END_TEST

START_TEST(cancelled_step_fails_once_and_the_slot_can_begin_again)
{
	for (int threads = 1; threads <= 3; threads++) {
		const struct drive_spec spec = { .model = tiny,
						 .threads = (uint32_t)threads,
						 .slots = 2,
						 .context = 16,
						 .max_tokens = 8 };
		struct lsb_error err;
		int32_t id, again;
		struct rig p;

		ck_assert_int_eq(drive_open(&spec, &p, &err), LSB_OK);
		ck_assert_int_eq(rig_step(&p, first_three, 3, NULL, &id, NULL, &err), LSB_OK);
		rig_cancel_after(3);
		ck_assert_int_eq(rig_step(&p, first_three, 3, NULL, &again, NULL, &err), LSB_ECANCELED);
		ck_assert_int_eq(err.code, LSB_ECANCELED);
		ck_assert_int_eq(drive_ops()->wait(p.stage[0], 2, 0, &err), LSB_OK);
		ck_assert_int_eq(rig_step(&p, first_three, 3, NULL, &again, NULL, &err), LSB_OK);
		ck_assert_int_eq(id, again);
		rig_close(&p);
	}
}
END_TEST

START_TEST(closing_with_queued_steps_abandons_them)
{
	const struct lsb_batch batch = { .struct_size = sizeof(batch), .n_tokens = 2, .tokens = first_three };
	const struct lsb_step_io io = { .struct_size = sizeof(io) };
	struct rig p = open_tiny(1);
	struct lsb_error err;
	uint64_t ticket;

	ck_assert_int_eq(drive_ops()->submit(p.stage[0], &batch, &io, &ticket, &err), LSB_OK);
	rig_close(&p);
	drive_ops()->close(NULL);
}
END_TEST

/* --- open ------------------------------------------------------------------------ */

static const uint32_t no_such_cpu = 100000;
static const struct {
	const char *what;
	struct lsb_place place;
	struct cpu_options options;
	int code;
	const char *says;
} refused[] = {
	{ "context too long", { .model = tiny, .context = 4096 }, { 0 }, LSB_EINVAL, "2048" },
	{ "layers beyond the model",
	  { .model = tiny, .first_layer = 3, .n_layers = 2 },
	  { 0 },
	  LSB_EINVAL,
	  "4" },
	{ "layers that overflow",
	  { .model = tiny, .first_layer = 1, .n_layers = UINT32_MAX },
	  { 0 },
	  LSB_EINVAL,
	  "layers" },
	{ "stage without layers", { .model = tiny, .stages = 2 }, { 0 }, LSB_EINVAL, "layers" },
	{ "no such stage", { .model = tiny, .stage = 2, .stages = 2 }, { 0 }, LSB_EINVAL, "stage" },
	{ "a CPU that is not there",
	  { .model = tiny, .n_cpus = 1, .cpus = &no_such_cpu },
	  { 0 },
	  LSB_EINVAL,
	  "100000" },
	{ "fewer CPUs than threads",
	  { .model = tiny, .threads = 2, .n_cpus = 1, .cpus = &no_such_cpu },
	  { 0 },
	  LSB_EINVAL,
	  "pinned" },
	{ "fp32 with another isa",
	  { .model = tiny },
	  { .isa = CPU_ISA_AVX2, .activations = CPU_ACTIVATIONS_FP32 },
	  LSB_EINVAL,
	  "isa" },
	{ "KV cache beyond memory",
	  { .model = tiny, .slots = UINT32_MAX, .context = 2048 },
	  { 0 },
	  LSB_ENOMEM,
	  "KV" },
	{ "no such random model", { .model = "random:nothing" }, { 0 }, LSB_EMODEL, "model" },
	{ "no such file",
	  { .model = "/nonexistent/model.gguf" },
	  { 0 },
	  LSB_EMODEL,
	  "/nonexistent/model.gguf" },
};

START_TEST(what_cannot_be_opened_says_why)
{
	struct lsb_place place = refused[_i].place;
	struct lsb_backend *b = NULL;
	struct lsb_error err = { 0 };

	place.struct_size = sizeof(place);
	place.stages = place.stages ? place.stages : 1;
	place.slots = place.slots ? place.slots : 1;
	place.context = place.context ? place.context : 16;
	place.threads = place.threads ? place.threads : 1;
	place.max_tokens = place.max_tickets = 1;
	ck_assert_int_eq(drive_ops()->open(rig_host(), &refused[_i].options, &place, &b, &err),
			 refused[_i].code);
	ck_assert_msg(strstr(err.msg, refused[_i].says), "%s: %s", refused[_i].what, err.msg);
	ck_assert_ptr_null(b);
}
END_TEST

START_TEST(stages_account_for_what_they_read_and_hold)
{
	static const char *const models[] = { "random:tiny:q4_1", "random:tiny:f16", "random:small:q4_k" };
	const struct lsb_backend_ops *ops = drive_ops();

	for (size_t m = 0; m < sizeof(models) / sizeof(models[0]); m++)
		for (uint32_t stages = 1; stages <= 3; stages++) {
			const struct drive_spec spec = { .model = models[m], .stages = stages, .threads = 2 };
			uint32_t first = 0;
			struct lsb_error err;
			struct rig p;

			ck_assert_msg(drive_open(&spec, &p, &err) == LSB_OK, "%s", err.msg);
			for (uint32_t s = 0; s < stages; s++) {
				const uint32_t n = p.info.layers / stages + (s < p.info.layers % stages);
				struct lsb_backend_info i = { .struct_size = sizeof(i) };
				uint64_t least;

				ck_assert_int_eq(ops->info(p.stage[s], &i, &err), LSB_OK);
				ck_assert_uint_eq(i.load_bytes, oracle_stage_bytes(models[m], first, n,
										   s == 0, s + 1 == stages));
				least = n * i.layer_bytes + (s + 1 == stages ? i.head_bytes : 0);
				if (stages == 1)
					ck_assert_uint_eq(i.weight_bytes, least); /* tied: one copy */
				else
					ck_assert_uint_ge(i.weight_bytes, least);
				ck_assert_uint_eq(i.kv_bytes, 4ull * 128 * n * i.kv_bytes_per_position);
				ck_assert_uint_eq(i.hidden_size, p.info.hidden_size);
				first += n;
			}
			rig_close(&p);
		}
}
END_TEST

START_TEST(vocabulary_only_knows_the_model_and_its_text)
{
	const struct lsb_backend_ops *ops = drive_ops();
	const struct lsb_place place = { .struct_size = sizeof(place),
					 .model = tiny,
					 .flags = LSB_PLACE_VOCABULARY };
	const struct lsb_turn turn = { .role = "user", .text = "a stage holds 3 layers" };
	const struct cpu_options options = { 0 };
	struct lsb_backend_info info = { .struct_size = sizeof(info) };
	struct rig whole = open_tiny(1);
	struct lsb_backend *b;
	struct lsb_error err;
	int32_t ids[64];
	char text[64];
	size_t n, bytes;

	ck_assert_int_eq(ops->open(rig_host(), &options, &place, &b, &err), LSB_OK);
	ck_assert_int_eq(ops->info(b, &info, &err), LSB_OK);
	ck_assert_uint_eq(info.layers, whole.info.layers);
	ck_assert_uint_eq(info.vocabulary, whole.info.vocabulary);
	ck_assert_uint_eq(info.layer_bytes, whole.info.layer_bytes);
	ck_assert_uint_eq(info.head_macs, whole.info.head_macs);
	ck_assert_uint_eq(info.load_bytes, 0);
	ck_assert_uint_eq(info.kv_bytes, 0);

	ck_assert_int_eq(ops->encode(b, &turn, 1, 0, ids, 64, &n, &err), LSB_OK);
	ck_assert_uint_eq(n, strlen(turn.text));
	ck_assert_int_eq(ops->decode(b, ids, n, text, sizeof(text), &bytes, &err), LSB_OK);
	ck_assert_uint_eq(bytes, strlen(turn.text));
	ck_assert_mem_eq(text, turn.text, bytes);
	ck_assert_int_eq(ops->encode(b, &turn, 1, LSB_ENCODE_CHAT, ids, 64, &n, &err), LSB_OK);
	ck_assert_uint_gt(n, 0);
	ck_assert_int_eq(ops->submit(b, NULL, NULL, NULL, &err), LSB_EINVAL);
	ck_assert_int_eq(ops->wait(b, 1, 0, &err), LSB_EINVAL);
	ops->slot_clear(b, 0);
	ops->close(b);
	rig_close(&whole);
}
END_TEST

START_TEST(without_vocabulary_text_is_refused)
{
	const struct lsb_turn turn = { .role = "user", .text = "text" };
	struct rig p = open_tiny(2); /* its second stage has none */
	struct lsb_error err;
	int32_t ids[8];
	size_t n;

	ck_assert_int_eq(drive_ops()->encode(p.stage[1], &turn, 1, 0, ids, 8, &n, &err), LSB_EINVAL);
	ck_assert_int_eq(drive_ops()->decode(p.stage[1], ids, 0, NULL, 0, &n, &err), LSB_EINVAL);
	rig_close(&p);
}
END_TEST

START_TEST(info_writes_no_further_than_the_caller_has)
{
	struct rig p = open_tiny(1);
	struct lsb_backend_info info;
	struct lsb_error err;

	memset(&info, 0x5a, sizeof(info));
	info.struct_size = offsetof(struct lsb_backend_info, layers);
	ck_assert_int_eq(drive_ops()->info(p.stage[0], &info, &err), LSB_OK);
	ck_assert_str_eq(info.model_name, p.info.model_name);
	ck_assert_uint_eq(info.layers, 0x5a5a5a5a);
	rig_close(&p);
}
END_TEST

START_TEST(peaks_are_measured_and_leave_results_alone)
{
	struct rig p = open_tiny(1);
	struct lsb_error err;
	double read = 0.0, macs = 0.0, none;
	int32_t before, after;

	ck_assert_int_eq(rig_step(&p, first_three, 3, NULL, &before, NULL, &err), LSB_OK);
	ck_assert_int_eq(drive_ops()->measure(p.stage[0], LSB_PEAK_READ, 1000000, &read, &err), LSB_OK);
	ck_assert_int_eq(drive_ops()->measure(p.stage[0], LSB_PEAK_MATMUL, 1000000, &macs, &err), LSB_OK);
	ck_assert_int_eq(drive_ops()->measure(p.stage[0], 99, 1000000, &none, &err), LSB_EINVAL);
	ck_assert(isfinite(read) && read > 0.0);
	ck_assert(isfinite(macs) && macs > 0.0);
	ck_assert_int_eq(rig_step(&p, first_three, 3, NULL, &after, NULL, &err), LSB_OK);
	ck_assert_int_eq(before, after);
	rig_close(&p);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("backend-cpu");
	TCase *tc = tcase_create("rules");
	SRunner *runner;
	int failed;

	if (!drive_ops())
		return EXIT_FAILURE;
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, bad_batch_is_refused_and_changes_nothing, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(tc, bad_sampling_and_missing_results_are_refused);
	tcase_add_test(tc, hidden_states_need_a_buffer_that_fits);
	tcase_add_test(tc, steps_queue_up_to_max_tickets_and_complete_in_order);
	tcase_add_test(tc, cancelled_step_fails_once_and_the_slot_can_begin_again);
	tcase_add_test(tc, closing_with_queued_steps_abandons_them);
	tcase_add_loop_test(tc, what_cannot_be_opened_says_why, 0, sizeof(refused) / sizeof(refused[0]));
	tcase_add_test(tc, stages_account_for_what_they_read_and_hold);
	tcase_add_test(tc, vocabulary_only_knows_the_model_and_its_text);
	tcase_add_test(tc, without_vocabulary_text_is_refused);
	tcase_add_test(tc, info_writes_no_further_than_the_caller_has);
	tcase_add_test(tc, peaks_are_measured_and_leave_results_alone);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
