/* SPDX-License-Identifier: Apache-2.0 */
/* What small vocabularies, written out here, must give; and what damaged ones must not. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fake_model.h"
#include "lsbench/backend.h"
#include "tokenizer.h"
#include "vocabulary.h"

#define MIB ((size_t)1 << 20)
#define SPACE "\xe2\x96\x81"

static struct lsb_model model;
static struct lsb_error err;

static struct lsb_tokenizer *open_model(void)
{
	struct lsb_tokenizer *t = NULL;

	err.msg[0] = '\0';
	ck_assert_msg(lsb_tokenizer_open(&model, &t, &err) == LSB_OK, "%s", err.msg);
	return t;
}

static void assert_ids(struct lsb_tokenizer *t, const char *text, uint32_t flags, const int32_t *want,
		       size_t n)
{
	int32_t got[64];
	size_t n_got;

	ck_assert_int_eq(lsb_tokenizer_encode(t, text, strlen(text), flags, got, 64, &n_got, &err), LSB_OK);
	ck_assert_uint_eq(n_got, n);
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(got[i], want[i]);
}
#define ASSERT_IDS(t, text, flags, ...)                                                                      \
	assert_ids(t, text, flags, (const int32_t[]){ __VA_ARGS__ },                                         \
		   sizeof((const int32_t[]){ __VA_ARGS__ }) / sizeof(int32_t))

static void assert_round_trip(struct lsb_tokenizer *t, const char *text, size_t bytes)
{
	int32_t *ids = malloc((bytes + 8) * sizeof(*ids));
	char *back = malloc(bytes + 8);
	size_t n, n_back;

	ck_assert_int_eq(lsb_tokenizer_encode(t, text, bytes, 0, ids, bytes + 8, &n, &err), LSB_OK);
	ck_assert_uint_le(n, bytes + 8);
	ck_assert_int_eq(lsb_tokenizer_decode(t, ids, n, back, bytes + 8, &n_back, &err), LSB_OK);
	ck_assert_uint_eq(n_back, bytes);
	ck_assert_mem_eq(back, text, bytes);
	free(back);
	free(ids);
}

/*
 * a gpt2 vocabulary with a few words: 256 aa, 257 aaaa, 258 ab, 259 " a", 260 <|end|>, 261 <|end|>x, 262 [u]
 */
static void words_gpt2(void)
{
	fake_gpt2(&model);
	fake_token(&model, "aa", LSB_TOKEN_NORMAL, 0);
	fake_token(&model, "aaaa", LSB_TOKEN_NORMAL, 0);
	fake_token(&model, "ab", LSB_TOKEN_NORMAL, 0);
	fake_token(&model,
		   "\xc4\xa0"
		   "a",
		   LSB_TOKEN_NORMAL, 0);
	fake_token(&model, "<|end|>", LSB_TOKEN_CONTROL, 0);
	fake_token(&model, "<|end|>x", LSB_TOKEN_CONTROL, 0);
	fake_token(&model, "[u]", LSB_TOKEN_USER_DEFINED, 0);
	fake_merge(&model, "a b");
	fake_merge(&model, "\xc4\xa0 a");
	fake_merge(&model, "a a");
	fake_merge(&model, "aa aa");
	fake_int(&model, "tokenizer.ggml.bos_token_id", 260);
	fake_int(&model, "tokenizer.ggml.eos_token_id", 261);
}

/* SentencePiece: 256 <unk>, 257 <s>, 258 </s>, 259 "_", 260 a, 261 aa, 262 _a, 263 ab, 264 b, 265 __ */
static void words_spm(void)
{
	fake_spm(&model);
	fake_token(&model, "<unk>", LSB_TOKEN_UNKNOWN, 0);
	fake_token(&model, "<s>", LSB_TOKEN_CONTROL, 0);
	fake_token(&model, "</s>", LSB_TOKEN_CONTROL, 0);
	fake_token(&model, SPACE, LSB_TOKEN_NORMAL, -9);
	fake_token(&model, "a", LSB_TOKEN_NORMAL, -10);
	fake_token(&model, "aa", LSB_TOKEN_NORMAL, -2);
	fake_token(&model, SPACE "a", LSB_TOKEN_NORMAL, -3);
	fake_token(&model, "ab", LSB_TOKEN_NORMAL, -1);
	fake_token(&model, "b", LSB_TOKEN_NORMAL, -11);
	fake_token(&model, SPACE SPACE, LSB_TOKEN_NORMAL, -4);
	model.n_scores = model.n_tokens;
	fake_int(&model, "tokenizer.ggml.unknown_token_id", 256);
	fake_int(&model, "tokenizer.ggml.bos_token_id", 257);
	fake_int(&model, "tokenizer.ggml.eos_token_id", 258);
}

START_TEST(bpe_merges_by_rank_and_leftmost_first)
{
	struct lsb_tokenizer *t;

	words_gpt2();
	t = open_model();
	ASSERT_IDS(t, "aab", 0, 'a', 258);
	ASSERT_IDS(t, "aaa", 0, 256, 'a');
	ASSERT_IDS(t, "aaaaa", 0, 257, 'a');
	ASSERT_IDS(t, "a a", 0, 'a', 259);
	assert_ids(t, "", 0, NULL, 0);
	lsb_tokenizer_close(t);
}
END_TEST

START_TEST(pretokenizers_treat_digits_as_named)
{
	struct lsb_tokenizer *t;

	words_gpt2();
	fake_token(&model, "12", LSB_TOKEN_NORMAL, 0);
	fake_token(&model, "123", LSB_TOKEN_NORMAL, 0);
	fake_token(&model, "1234", LSB_TOKEN_NORMAL, 0);
	fake_merge(&model, "1 2");
	fake_merge(&model, "12 3");
	fake_merge(&model, "123 4");
	t = open_model();
	ASSERT_IDS(t, "1234", 0, 265);
	lsb_tokenizer_close(t);
	model.pre = "smollm";
	t = open_model();
	ASSERT_IDS(t, "1234", 0, '1', '2', '3', '4');
	lsb_tokenizer_close(t);
	model.pre = "llama-bpe";
	t = open_model();
	ASSERT_IDS(t, "1234", 0, 264, '4');
	lsb_tokenizer_close(t);
}
END_TEST

/* Llama 3's vocabulary has words that its merges alone do not reach. */
START_TEST(llama3_takes_a_word_that_is_a_token_whole)
{
	struct lsb_tokenizer *t;

	words_gpt2();
	fake_token(&model, "zzz", LSB_TOKEN_NORMAL, 0);
	t = open_model();
	ASSERT_IDS(t, "zzz", 0, 'z', 'z', 'z');
	ck_assert_int_eq(lsb_tokenizer_adds_bos(t), 0);
	lsb_tokenizer_close(t);
	model.pre = "llama-bpe";
	t = open_model();
	ASSERT_IDS(t, "zzz", 0, 263);
	ASSERT_IDS(t, "zzz", LSB_ENCODE_BOS, 260, 263);
	lsb_tokenizer_close(t);
}
END_TEST

START_TEST(control_tokens_match_longest_and_only_when_asked)
{
	struct lsb_tokenizer *t;

	words_gpt2();
	t = open_model();
	ASSERT_IDS(t, "a<|end|>xa", LSB_ENCODE_SPECIAL, 'a', 261, 'a');
	ASSERT_IDS(t, "<|end|><|end", LSB_ENCODE_SPECIAL, 260, '<', '|', 'e', 'n', 'd');
	ASSERT_IDS(t, "<|end|>", 0, '<', '|', 'e', 'n', 'd', '|', '>');
	ASSERT_IDS(t, "a[u]a", 0, 'a', 262, 'a');
	lsb_tokenizer_close(t);
}
END_TEST

START_TEST(control_tokens_match_within_markers_only)
{
	static const char text[] = "<|end|><|end|><|end|>";
	static const struct lsb_marker middle[] = { { 7, 14 } }, cut[] = { { 0, 6 }, { 8, 14 } };
	struct lsb_tokenizer *t;
	int32_t ids[32];
	size_t n;

	words_gpt2();
	t = open_model();
	ck_assert_int_eq(lsb_tokenizer_encode_marked(t, text, 21, middle, 1, 0, ids, 32, &n, &err), LSB_OK);
	ck_assert_uint_eq(n, 15);
	ck_assert_int_eq(ids[7], 260);
	ck_assert_int_eq(lsb_tokenizer_encode_marked(t, text, 21, cut, 2, 0, ids, 32, &n, &err), LSB_OK);
	ck_assert_uint_eq(n, 21);
	lsb_tokenizer_close(t);
}
END_TEST

START_TEST(spm_merges_by_score_with_prefix_and_bytes)
{
	struct lsb_tokenizer *t;

	words_spm();
	t = open_model();
	ASSERT_IDS(t, "a", 0, 262);
	ASSERT_IDS(t, "aab", 0, 262, 263);
	ASSERT_IDS(t, "aaa", 0, 259, 261, 260);
	ASSERT_IDS(t, " ", 0, 265);
	ASSERT_IDS(t, "\n", 0, 259, 0x0a);
	ASSERT_IDS(t, "\xc3\xa9", 0, 259, 0xc3, 0xa9);
	ASSERT_IDS(t, "b\xff", 0, 259, 264, 0xff);
	ASSERT_IDS(t, "b</s>b", LSB_ENCODE_SPECIAL | LSB_ENCODE_BOS, 257, 259, 264, 258, 259, 264);
	assert_ids(t, "", 0, NULL, 0);
	lsb_tokenizer_close(t);
	fake_int(&model, "tokenizer.ggml.add_space_prefix", 0);
	t = open_model();
	ASSERT_IDS(t, "aaa", 0, 261, 260);
	lsb_tokenizer_close(t);
}
END_TEST

/* With a token that spans words ("a_b"), the text may not be cut at spaces. */
START_TEST(spm_token_across_words_is_found)
{
	struct lsb_tokenizer *t;

	words_spm();
	fake_token(&model, "a" SPACE, LSB_TOKEN_NORMAL, -0.5);
	fake_token(&model, "a" SPACE "b", LSB_TOKEN_NORMAL, -0.25);
	model.n_scores = model.n_tokens;
	t = open_model();
	ASSERT_IDS(t, "a b", 0, 259, 267);
	lsb_tokenizer_close(t);
}
END_TEST

START_TEST(spm_without_byte_tokens_gives_unknown_once_a_character)
{
	struct lsb_tokenizer *t;

	words_spm();
	for (int i = 0; i < 256; i++)
		model.types[i] = LSB_TOKEN_UNUSED;
	t = open_model();
	ASSERT_IDS(t, "b\xc3\xa9", 0, 259, 264, 256);
	lsb_tokenizer_close(t);
}
END_TEST

START_TEST(decode_drops_prefix_space_and_special_tokens)
{
	static const int32_t ids[] = { 257, 262, 265, 0xc3, 0xa9, 258, 100000 };
	struct lsb_tokenizer *t;
	char text[16];
	size_t n;

	words_spm();
	t = open_model();
	ck_assert_int_eq(lsb_tokenizer_decode(t, ids, 7, text, sizeof(text), &n, &err), LSB_OK);
	ck_assert_uint_eq(n, 5);
	ck_assert_mem_eq(text, "a  \xc3\xa9", 5);
	ck_assert_int_eq(lsb_tokenizer_decode(t, (const int32_t[]){ -1 }, 1, text, 16, &n, &err), LSB_EINVAL);
	lsb_tokenizer_close(t);
}
END_TEST

START_TEST(short_room_gives_true_counts)
{
	struct lsb_tokenizer *t;
	int32_t ids[2] = { -7, -7 };
	char text[2] = "??";
	size_t n;

	words_gpt2();
	t = open_model();
	ck_assert_int_eq(lsb_tokenizer_encode(t, "abc", 3, 0, NULL, 0, &n, &err), LSB_OK);
	ck_assert_uint_eq(n, 2);
	ck_assert_int_eq(lsb_tokenizer_encode(t, "abc", 3, 0, ids, 1, &n, &err), LSB_OK);
	ck_assert_uint_eq(n, 2);
	ck_assert_int_eq(ids[1], -7);
	ck_assert_int_eq(lsb_tokenizer_decode(t, (const int32_t[]){ 258, 'c' }, 2, text, 1, &n, &err),
			 LSB_OK);
	ck_assert_uint_eq(n, 3);
	ck_assert_int_eq(text[1], '?');
	lsb_tokenizer_close(t);
}
END_TEST

static void (*const kinds[])(void) = { words_gpt2, words_spm };

START_TEST(every_byte_alone_comes_back)
{
	struct lsb_tokenizer *t;

	kinds[_i]();
	t = open_model();
	for (int b = 0; b < 256; b++)
		assert_round_trip(t, (const char[]){ (char)b }, 1);
	lsb_tokenizer_close(t);
}
END_TEST

/* Bytes of all kinds, cut and mixed at random from a fixed seed. */
START_TEST(garbage_comes_back)
{
	static const char *const parts[] = {
		"aab",	    " ",   "\n", "\xc3\xa9",	 "\xf0\x9f\x99\x82", "\xff", "\xc3",
		"\xe2\x96", "123", "'s", "\xed\xa0\x80", "<|end|>",	     "[u]"
	};
	uint32_t state = 12345;
	char text[512];
	struct lsb_tokenizer *t;

	kinds[_i]();
	t = open_model();
	for (int round = 0; round < 2000; round++) {
		size_t n = 0;

		while (n < sizeof(text) - 16 && (state = state * 1664525 + 1013904223) >> 24 > 6) {
			const char *part = parts[(state >> 16) % (sizeof(parts) / sizeof(parts[0]))];

			memcpy(text + n, part, strlen(part));
			n += strlen(part);
		}
		assert_round_trip(t, text, n);
	}
	lsb_tokenizer_close(t);
}
END_TEST

/* Quadratic time would take hours; the limit of the test program ends it first. */
START_TEST(mebibyte_of_one_character_comes_back)
{
	static const char *const units[] = {
		"a", " ", "\n", "1", "'", "\xff", "\xf0\x9f\x99\x82", "ab", "<"
	};
	char *text = malloc(MIB);

	for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
		struct lsb_tokenizer *t;

		for (size_t i = 0; i < MIB; i++)
			text[i] = units[u][i % strlen(units[u])];
		kinds[_i]();
		t = open_model();
		assert_round_trip(t, text, MIB);
		lsb_tokenizer_close(t);
	}
	free(text);
}
END_TEST

START_TEST(text_above_the_limit_is_refused)
{
	struct lsb_tokenizer *t;
	size_t n;

	words_gpt2();
	t = open_model();
	ck_assert_int_eq(lsb_tokenizer_encode(t, "", ((size_t)1 << 30) + 1, 0, NULL, 0, &n, &err),
			 LSB_EINVAL);
	lsb_tokenizer_close(t);
}
END_TEST

START_TEST(stop_ids_are_named_ones_and_known_texts)
{
	struct lsb_tokenizer *t;
	int32_t ids[LSB_STOP_IDS_MAX];

	words_gpt2();
	fake_token(&model, "<|im_end|>", LSB_TOKEN_CONTROL, 0);
	fake_token(&model, "<|endoftext|>", LSB_TOKEN_NORMAL, 0); /* no control token: text like any other */
	fake_int(&model, "tokenizer.ggml.eot_token_id", 260);
	fake_int(&model, "tokenizer.ggml.eom_token_id", 261); /* is EOS too: once */
	t = open_model();
	ck_assert_uint_eq(lsb_tokenizer_stop_ids(t, ids, LSB_STOP_IDS_MAX), 3);
	ck_assert_int_eq(ids[0], 261);
	ck_assert_int_eq(ids[1], 260);
	ck_assert_int_eq(ids[2], 263);
	ck_assert_uint_eq(lsb_tokenizer_stop_ids(t, ids, 1), 1);
	lsb_tokenizer_close(t);
}
END_TEST

START_TEST(random_model_has_bytes)
{
	struct lsb_tokenizer *t;

	model = (struct lsb_model){ .random = 1, .hparams = { .vocab = 32000 } };
	t = open_model();
	ASSERT_IDS(t, "a\xff", LSB_ENCODE_BOS | LSB_ENCODE_SPECIAL, 1, 'a' + 3, 255 + 3);
	for (int b = 0; b < 256; b++)
		assert_round_trip(t, (const char[]){ (char)b }, 1);
	ck_assert_int_eq(lsb_tokenizer_eos(t), 2);
	lsb_tokenizer_close(t);
}
END_TEST

/* --- damaged vocabularies ---------------------------------------------------------- */

static char long_text[2000];
#define SET(name, ...)                                                                                       \
	static void name(void)                                                                               \
	{                                                                                                    \
		__VA_ARGS__;                                                                                 \
	}
SET(no_kind, model.kind = NULL)
SET(other_kind, model.kind = "bert")
SET(other_pre, model.pre = "tekken")
SET(no_tokens, model.n_tokens = 0)
SET(few_rows, model.hparams.vocab = 100)
SET(few_types, model.n_types--)
SET(type_0, model.types[3] = 0)
SET(type_7, model.types[3] = 7)
SET(type_half, model.types[3] = 1.5)
SET(no_merges, model.n_merges = 0)
SET(merge_of_one, fake_merge(&model, "ab"))
SET(merge_of_three, fake_merge(&model, "a a b"))
SET(merge_of_space, fake_merge(&model, "a "))
SET(merge_of_nothing, fake_merge(&model, ""))
SET(merge_left, fake_merge(&model, "zz a"))
SET(merge_right, fake_merge(&model, "a zz"))
SET(merge_result, fake_merge(&model, "b b"))
SET(twice, fake_token(&model, "aa", LSB_TOKEN_NORMAL, 0))
SET(long_special, memset(long_text, 'x', sizeof(long_text) - 1);
    fake_token(&model, long_text, LSB_TOKEN_CONTROL, 0))
SET(bos_out, model.ints[0].value = 263)
SET(bos_negative, model.ints[0].value = -1)
SET(eos_out, model.ints[1].value = INT64_MAX)
SET(eot_out, fake_int(&model, "tokenizer.ggml.eot_token_id", 5000))
SET(unknown_out, fake_int(&model, "tokenizer.ggml.unknown_token_id", 5000))
SET(no_scores, words_spm(); model.n_scores = 0)
SET(few_scores, words_spm(); model.n_scores--)
SET(score_nan, words_spm(); model.scores[5] = NAN)
SET(score_inf, words_spm(); model.scores[5] = 1e300)
SET(spm_bos_out, words_spm(); model.ints[1].value = 1 << 20)

static const struct {
	void (*damage)(void);
	const char *says;
} damaged[] = {
	{ no_kind, "tokenizer.ggml.model is missing" },
	{ other_kind, "'bert'" },
	{ other_pre, "'tekken'" },
	{ no_tokens, "vocabulary is empty" },
	{ few_rows, "embedding only 100 rows" },
	{ few_types, "token_type has 262 entries for 263" },
	{ type_0, "token 3 has no known type" },
	{ type_7, "token 3 has no known type" },
	{ type_half, "token 3 has no known type" },
	{ no_merges, "there are none" },
	{ merge_of_one, "merge 4" },
	{ merge_of_three, "merge 4" },
	{ merge_of_space, "merge 4" },
	{ merge_of_nothing, "merge 4" },
	{ merge_left, "is no token: 'zz a'" },
	{ merge_right, "is no token: 'a zz'" },
	{ merge_result, "is no token: 'b b'" },
	{ twice, "tokens 256 and 263 have the same text 'aa'" },
	{ long_special, "longer than" },
	{ bos_out, "bos_token_id is 263, but the vocabulary has 263" },
	{ bos_negative, "bos_token_id is -1" },
	{ eos_out, "eos_token_id" },
	{ eot_out, "eot_token_id is 5000" },
	{ unknown_out, "unknown_token_id is 5000" },
	{ no_scores, "scores" },
	{ few_scores, "scores has 265 entries for 266" },
	{ score_nan, "token 5 has no finite score" },
	{ score_inf, "token 5 has no finite score" },
	{ spm_bos_out, "bos_token_id" },
};

START_TEST(damaged_vocabulary_is_refused)
{
	struct lsb_tokenizer *t = NULL;

	words_gpt2();
	damaged[_i].damage();
	ck_assert_int_eq(lsb_tokenizer_open(&model, &t, &err), LSB_EMODEL);
	ck_assert_ptr_null(t);
	ck_assert_msg(strncmp(err.msg, "model: ", 7) == 0, "%s", err.msg);
	ck_assert_msg(strstr(err.msg, damaged[_i].says) != NULL, "'%s' not in '%s'", damaged[_i].says,
		      err.msg);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tokenizer");
	TCase *tc = tcase_create("tokenizer");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, bpe_merges_by_rank_and_leftmost_first);
	tcase_add_test(tc, pretokenizers_treat_digits_as_named);
	tcase_add_test(tc, llama3_takes_a_word_that_is_a_token_whole);
	tcase_add_test(tc, control_tokens_match_longest_and_only_when_asked);
	tcase_add_test(tc, control_tokens_match_within_markers_only);
	tcase_add_test(tc, spm_merges_by_score_with_prefix_and_bytes);
	tcase_add_test(tc, spm_token_across_words_is_found);
	tcase_add_test(tc, spm_without_byte_tokens_gives_unknown_once_a_character);
	tcase_add_test(tc, decode_drops_prefix_space_and_special_tokens);
	tcase_add_test(tc, short_room_gives_true_counts);
	tcase_add_loop_test(tc, every_byte_alone_comes_back, 0, 2);
	tcase_add_loop_test(tc, garbage_comes_back, 0, 2);
	tcase_add_loop_test(tc, mebibyte_of_one_character_comes_back, 0, 2);
	tcase_add_test(tc, text_above_the_limit_is_refused);
	tcase_add_test(tc, stop_ids_are_named_ones_and_known_texts);
	tcase_add_test(tc, random_model_has_bytes);
	tcase_add_loop_test(tc, damaged_vocabulary_is_refused, 0, sizeof(damaged) / sizeof(damaged[0]));
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
