/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Right files: what they say arrives, defaults are the format's, and a file that
 * changes under an open model is noticed.
 */
#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "gguf_writer.h"
#include "model.h"
#include "scratch.h"

static const char *path;
static struct gguf_writer w;

static void set_up(void)
{
	path = scratch_make();
	gguf_writer_llama(&w, LSB_TYPE_Q8_0);
}

static void tear_down(void)
{
	gguf_writer_free(&w);
	scratch_remove();
}

/* Build and save; the image stays with the caller. */
static uint8_t *save(size_t *bytes)
{
	size_t header;
	uint8_t *image = gguf_writer_build(&w, bytes, &header);

	gguf_writer_save(path, image, *bytes);
	return image;
}

static struct lsb_model *open_model(void)
{
	struct lsb_error err = { 0 };
	struct lsb_model *m = NULL;

	ck_assert_msg(lsb_model_open(path, &m, &err) == LSB_OK, "%s", err.msg);
	return m;
}

static struct lsb_model *save_and_open(void)
{
	size_t bytes;

	free(save(&bytes));
	return open_model();
}

START_TEST(keys_become_hyperparameters_with_defaults)
{
	struct lsb_model *m = save_and_open();
	const struct lsb_hparams *hp = lsb_model_hparams(m);

	ck_assert_uint_eq(hp->layers, 2);
	ck_assert_uint_eq(hp->hidden, 64);
	ck_assert_uint_eq(hp->heads, 4);
	ck_assert_uint_eq(hp->kv_heads, 2);
	ck_assert_uint_eq(hp->head_dim, 16);
	ck_assert_uint_eq(hp->rope_dim, 16);
	ck_assert_uint_eq(hp->ffn, 96);
	ck_assert_uint_eq(hp->vocab, 40);
	ck_assert_uint_eq(hp->context, 256);
	ck_assert_uint_eq(hp->tied, 1);
	ck_assert_float_eq(hp->rope_base, 10000.0f);
	ck_assert_float_eq(hp->rope_scale, 1.0f);
	ck_assert_float_eq(hp->norm_eps, 1e-5f);
	ck_assert_str_eq(lsb_model_name(m), "Test model");
	ck_assert_int_eq(lsb_model_is_random(m), 0);
	lsb_model_close(m);
}
END_TEST

START_TEST(versions_2_and_3_say_the_same)
{
	struct lsb_model *m;

	w.version = 2;
	m = save_and_open();
	ck_assert_uint_eq(lsb_model_hparams(m)->vocab, 40);
	lsb_model_close(m);
}
END_TEST

START_TEST(kv_heads_default_to_heads)
{
	struct lsb_model *m;

	gguf_writer_remove(&w, "llama.attention.head_count_kv");
	for (int layer = 0; layer < 2; layer++) {
		char name[64];

		snprintf(name, sizeof(name), "blk.%d.attn_k.weight", layer);
		gguf_writer_tensor(&w, name)->dims[1] = 64;
		snprintf(name, sizeof(name), "blk.%d.attn_v.weight", layer);
		gguf_writer_tensor(&w, name)->dims[1] = 64;
	}
	m = save_and_open();
	ck_assert_uint_eq(lsb_model_hparams(m)->kv_heads, 4);
	lsb_model_close(m);
}
END_TEST

START_TEST(key_length_sets_head_size)
{
	struct lsb_model *m;

	gguf_writer_u32(&w, "llama.attention.head_count", 2);
	gguf_writer_u32(&w, "llama.attention.head_count_kv", 1);
	gguf_writer_u32(&w, "llama.attention.key_length", 32);
	gguf_writer_u32(&w, "llama.attention.value_length", 32);
	m = save_and_open();
	ck_assert_uint_eq(lsb_model_hparams(m)->head_dim, 32);
	ck_assert_uint_eq(lsb_model_hparams(m)->rope_dim, 32);
	lsb_model_close(m);
}
END_TEST

START_TEST(linear_rope_scaling_divides_positions)
{
	struct lsb_model *m;

	gguf_writer_string(&w, "llama.rope.scaling.type", "linear");
	gguf_writer_f32(&w, "llama.rope.scaling.factor", 4.0f);
	gguf_writer_f32(&w, "llama.rope.freq_base", 500000.0f);
	m = save_and_open();
	ck_assert_float_eq(lsb_model_hparams(m)->rope_scale, 0.25f);
	ck_assert_float_eq(lsb_model_hparams(m)->rope_base, 500000.0f);
	lsb_model_close(m);
	gguf_writer_string(&w, "llama.rope.scaling.type", "none");
	m = save_and_open();
	ck_assert_float_eq(lsb_model_hparams(m)->rope_scale, 1.0f);
	lsb_model_close(m);
}
END_TEST

START_TEST(keys_with_neutral_values_are_accepted)
{
	gguf_writer_u32(&w, "llama.expert_count", 0);
	gguf_writer_bool(&w, "llama.attention.causal", 1);
	gguf_writer_f32(&w, "llama.logit_scale", 1.0f);
	gguf_writer_u32(&w, "llama.attention.sliding_window", 256);
	gguf_writer_u32(&w, "general.quantization_version", 2);
	gguf_writer_string(&w, "general.type", "model");
	lsb_model_close(save_and_open());
}
END_TEST

START_TEST(head_without_a_tensor_is_the_embedding)
{
	struct lsb_model *m = save_and_open();
	const struct lsb_tensor *embed = lsb_model_tensor(m, LSB_ROLE_EMBED, -1);
	const struct lsb_tensor *head = lsb_model_tensor(m, LSB_ROLE_HEAD, -1);

	ck_assert_uint_eq(head->file_offset, embed->file_offset);
	ck_assert_uint_eq(head->bytes, embed->bytes);
	ck_assert_uint_eq(head->role, LSB_ROLE_HEAD);
	ck_assert_uint_eq(lsb_model_tensor(m, LSB_ROLE_ROPE_FREQS, -1)->rows, 0);
	lsb_model_close(m);
}
END_TEST

START_TEST(head_and_rope_factors_of_their_own_are_found)
{
	struct lsb_model *m;

	gguf_writer_add(&w, "output.weight", 40, 64, LSB_TYPE_F16);
	gguf_writer_add(&w, "rope_freqs.weight", 0, 8, LSB_TYPE_F32);
	m = save_and_open();
	ck_assert_uint_eq(lsb_model_hparams(m)->tied, 0);
	ck_assert_uint_eq(lsb_model_tensor(m, LSB_ROLE_HEAD, -1)->type, LSB_TYPE_F16);
	ck_assert_uint_eq(lsb_model_tensor(m, LSB_ROLE_ROPE_FREQS, -1)->rows, 1);
	ck_assert_uint_eq(lsb_model_tensor(m, LSB_ROLE_ROPE_FREQS, -1)->cols, 8);
	lsb_model_close(m);
}
END_TEST

START_TEST(roles_and_layers_that_are_not_there_give_null)
{
	struct lsb_model *m = save_and_open();

	ck_assert_ptr_null(lsb_model_tensor(m, LSB_ROLE_Q, 2));
	ck_assert_ptr_null(lsb_model_tensor(m, LSB_ROLE_Q, -1));
	ck_assert_ptr_null(lsb_model_tensor(m, LSB_ROLE_EMBED, 0));
	ck_assert_ptr_null(lsb_model_tensor(m, (enum lsb_role)99, -1));
	lsb_model_close(m);
}
END_TEST

/* The data of every tensor, searched in the image by the offsets that the writer wrote. */
START_TEST(every_tensor_is_read_from_its_place)
{
	size_t bytes;
	uint8_t *image;
	struct lsb_model *m;
	struct lsb_error err;

	gguf_writer_u32(&w, "general.alignment", 128);
	w.alignment = 128;
	image = save(&bytes);
	m = open_model();
	for (int32_t layer = 0; layer < 2; layer++) {
		for (int role = 0; role < LSB_LAYER_ROLES; role++) {
			const struct lsb_tensor *t = lsb_model_tensor(m, (enum lsb_role)role, layer);
			uint8_t *data = malloc(t->bytes);

			ck_assert_uint_eq(t->file_offset % 128, 0);
			ck_assert_int_eq(t->layer, layer);
			ck_assert_int_eq(lsb_model_read(m, t, 0, t->bytes, data, &err), LSB_OK);
			ck_assert_mem_eq(data, image + t->file_offset, t->bytes);
			ck_assert_int_eq(lsb_model_read(m, t, t->bytes - 3, 3, data, &err), LSB_OK);
			ck_assert_mem_eq(data, image + t->file_offset + t->bytes - 3, 3);
			free(data);
		}
	}
	ck_assert_uint_eq(lsb_model_tensor(m, LSB_ROLE_OUT_NORM, -1)->file_offset + 64 * 4, bytes);
	lsb_model_close(m);
	free(image);
}
END_TEST

START_TEST(read_beyond_a_tensor_is_refused)
{
	struct lsb_model *m = save_and_open();
	const struct lsb_tensor *t = lsb_model_tensor(m, LSB_ROLE_Q, 0);
	struct lsb_error err;
	char byte;

	ck_assert_int_eq(lsb_model_read(m, t, t->bytes, 1, &byte, &err), LSB_EINVAL);
	ck_assert_int_eq(lsb_model_read(m, t, UINT64_MAX, 2, &byte, &err), LSB_EINVAL);
	ck_assert_int_eq(lsb_model_read(m, t, 2, UINT64_MAX, &byte, &err), LSB_EINVAL);
	ck_assert_int_eq(lsb_model_read(m, t, t->bytes, 0, &byte, &err), LSB_OK);
	lsb_model_close(m);
}
END_TEST

/* --- metadata ---------------------------------------------------------------------------- */

START_TEST(metadata_arrives_as_written)
{
	static const char *const texts[] = { "", "a", "two words", "\xe2\x96\x81x" };
	static const int16_t numbers[] = { -1, 2, INT16_MIN };
	struct lsb_model *m;
	struct lsb_span span;
	uint64_t bytes;
	int64_t whole;
	double real;

	gguf_writer_strings(&w, "x.texts", texts, 4);
	gguf_writer_array(&w, "x.numbers", 3, 3, numbers, sizeof(numbers));
	gguf_writer_i64(&w, "x.int", -5);
	gguf_writer_f32(&w, "x.float", 0.5f);
	gguf_writer_bool(&w, "x.bool", 1);
	gguf_writer_raw(&w, "x.with_nul", "\x08\0\0\0\x03\0\0\0\0\0\0\0a\0b", 15);
	gguf_writer_raw(&w, "x.large", "\x0a\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 12);
	m = save_and_open();
	ck_assert_uint_eq(lsb_model_array(m, "x.texts"), 4);
	for (uint64_t i = 0; i < 4; i++) {
		span = lsb_model_array_string(m, "x.texts", i);
		ck_assert_uint_eq(span.bytes, strlen(texts[i]));
		ck_assert_ptr_nonnull(span.ptr);
		ck_assert_int_eq(memcmp(span.ptr, texts[i], span.bytes), 0);
	}
	ck_assert_ptr_null(lsb_model_array_string(m, "x.texts", 4).ptr);
	ck_assert_ptr_null(lsb_model_array_string(m, "x.numbers", 0).ptr);
	ck_assert_int_eq(lsb_model_array_number(m, "x.numbers", 2, &real), 0);
	ck_assert_double_eq(real, -32768.0);
	ck_assert_int_eq(lsb_model_array_number(m, "x.numbers", 3, &real), -1);
	ck_assert_int_eq(lsb_model_array_number(m, "x.texts", 0, &real), -1);
	ck_assert_int_eq(lsb_model_int(m, "x.int", &whole), 0);
	ck_assert_int_eq(whole, -5);
	ck_assert_int_eq(lsb_model_int(m, "x.bool", &whole), 0);
	ck_assert_int_eq(whole, 1);
	ck_assert_int_eq(lsb_model_int(m, "x.float", &whole), -1);
	ck_assert_int_eq(lsb_model_int(m, "x.large", &whole), -1);
	ck_assert_int_eq(lsb_model_int(m, "x.texts", &whole), -1);
	ck_assert_int_eq(lsb_model_int(m, "x.none", &whole), -1);
	ck_assert_int_eq(lsb_model_float(m, "x.float", &real), 0);
	ck_assert_double_eq(real, 0.5);
	ck_assert_int_eq(lsb_model_float(m, "x.int", &real), 0);
	ck_assert_double_eq(real, -5.0);
	ck_assert_str_eq(lsb_model_string(m, "general.architecture", &bytes), "llama");
	ck_assert_uint_eq(bytes, 5);
	ck_assert_mem_eq(lsb_model_string(m, "x.with_nul", &bytes), "a\0b", 4);
	ck_assert_uint_eq(bytes, 3);
	ck_assert_ptr_null(lsb_model_string(m, "x.int", &bytes));
	ck_assert_ptr_null(lsb_model_string(m, "x", &bytes));
	ck_assert_uint_eq(lsb_model_array(m, "x.int"), 0);
	lsb_model_close(m);
}
END_TEST

/* --- the file changes ------------------------------------------------------------------- */

static void expect_read_fails(struct lsb_model *m, const char *fragment)
{
	const struct lsb_tensor *t = lsb_model_tensor(m, LSB_ROLE_OUT_NORM, -1);
	struct lsb_error err = { 0 };
	float norm[64];

	ck_assert_int_eq(lsb_model_read(m, t, 0, t->bytes, norm, &err), LSB_EMODEL);
	ck_assert_msg(!strncmp(err.msg, "model: ", 7) && strstr(err.msg, fragment), "%s", err.msg);
	lsb_model_close(m);
}

START_TEST(truncated_under_an_open_model_is_an_error)
{
	struct lsb_model *m = save_and_open();
	const struct lsb_tensor *t = lsb_model_tensor(m, LSB_ROLE_OUT_NORM, -1);

	ck_assert_int_eq(truncate(path, (off_t)(t->file_offset + 8)), 0);
	expect_read_fails(m, "became shorter");
}
END_TEST

START_TEST(longer_under_an_open_model_is_an_error)
{
	struct lsb_model *m = save_and_open();

	ck_assert_int_eq(truncate(path, 1 << 20), 0);
	expect_read_fails(m, "was changed");
}
END_TEST

START_TEST(written_under_an_open_model_is_an_error)
{
	const struct timespec later[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	struct lsb_model *m = save_and_open();

	ck_assert_int_eq(utimensat(AT_FDCWD, path, later, 0), 0);
	expect_read_fails(m, "was changed");
}
END_TEST

START_TEST(replaced_under_an_open_model_is_an_error)
{
	struct lsb_model *m = save_and_open();
	char other[80];
	size_t bytes, header;
	uint8_t *image = gguf_writer_build(&w, &bytes, &header);

	snprintf(other, sizeof(other), "%s.new", path);
	gguf_writer_save(other, image, bytes);
	free(image);
	ck_assert_int_eq(rename(other, path), 0);
	expect_read_fails(m, "replaced");
}
END_TEST

START_TEST(removed_under_an_open_model_is_an_error)
{
	struct lsb_model *m = save_and_open();

	unlink(path);
	expect_read_fails(m, "removed");
}
END_TEST

/* --- the default model, where there is one ------------------------------------------------ */

START_TEST(default_model_has_the_known_shape)
{
	const char *file = getenv("LSB_MODEL");
	struct lsb_model *m = NULL;
	struct lsb_error err = { 0 };
	const struct lsb_hparams *hp;
	uint8_t row[612]; /* 576 elements of Q8_0 */
	float values[576];

	if (!file || access(file, R_OK)) {
		printf("skipped: LSB_MODEL names no file\n");
		return;
	}
	ck_assert_msg(lsb_model_open(file, &m, &err) == LSB_OK, "%s", err.msg);
	hp = lsb_model_hparams(m);
	ck_assert_uint_eq(hp->layers, 30);
	ck_assert_uint_eq(hp->hidden, 576);
	ck_assert_uint_eq(hp->heads, 9);
	ck_assert_uint_eq(hp->kv_heads, 3);
	ck_assert_uint_eq(hp->ffn, 1536);
	ck_assert_uint_eq(hp->vocab, 49152);
	ck_assert_uint_eq(hp->context, 8192);
	ck_assert_uint_eq(hp->tied, 1);
	ck_assert_float_eq(hp->rope_base, 100000.0f);
	ck_assert_uint_eq(lsb_model_tensor(m, LSB_ROLE_DOWN, 29)->type, LSB_TYPE_Q4_1);
	ck_assert_uint_eq(lsb_model_array(m, "tokenizer.ggml.merges"), 48900);
	ck_assert_uint_eq(lsb_model_tensor(m, LSB_ROLE_EMBED, -1)->row_bytes, sizeof(row));
	ck_assert_int_eq(lsb_model_read(m, lsb_model_tensor(m, LSB_ROLE_EMBED, -1), 5 * sizeof(row),
					sizeof(row), row, &err),
			 LSB_OK);
	lsb_dequantize(LSB_TYPE_Q8_0, row, values, 576);
	lsb_model_close(m);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("gguf");
	TCase *tc = tcase_create("files");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, keys_become_hyperparameters_with_defaults);
	tcase_add_test(tc, versions_2_and_3_say_the_same);
	tcase_add_test(tc, kv_heads_default_to_heads);
	tcase_add_test(tc, key_length_sets_head_size);
	tcase_add_test(tc, linear_rope_scaling_divides_positions);
	tcase_add_test(tc, keys_with_neutral_values_are_accepted);
	tcase_add_test(tc, head_without_a_tensor_is_the_embedding);
	tcase_add_test(tc, head_and_rope_factors_of_their_own_are_found);
	tcase_add_test(tc, roles_and_layers_that_are_not_there_give_null);
	tcase_add_test(tc, every_tensor_is_read_from_its_place);
	tcase_add_test(tc, read_beyond_a_tensor_is_refused);
	tcase_add_test(tc, metadata_arrives_as_written);
	tcase_add_test(tc, truncated_under_an_open_model_is_an_error);
	tcase_add_test(tc, longer_under_an_open_model_is_an_error);
	tcase_add_test(tc, written_under_an_open_model_is_an_error);
	tcase_add_test(tc, replaced_under_an_open_model_is_an_error);
	tcase_add_test(tc, removed_under_an_open_model_is_an_error);
	tcase_add_test(tc, default_model_has_the_known_shape);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
