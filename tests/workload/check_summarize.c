/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/loader.h"

static struct lsb_error err;

/* Open the plugin with these settings; the workload in *w or an error. */
static int open_set(const struct lsb_setting *settings, size_t n, struct lsb_loaded **loaded,
		    struct lsb_workload **w)
{
	ck_assert_msg(lsb_plugin_load(LSB_WORKLOAD, "summarize", LSB_BINARY_DIR "/plugins", loaded, &err) ==
			      LSB_OK,
		      "%s", err.msg);
	ck_assert_msg(lsb_loaded_configure(*loaded, settings, n, NULL, &err) == LSB_OK, "%s", err.msg);
	return (*loaded)->ops.workload.open(&(*loaded)->host, (*loaded)->options, w, &err);
}

static int open_with(const char *data, struct lsb_loaded **loaded, struct lsb_workload **w)
{
	const struct lsb_setting settings[] = { { "data", data, "test" } };

	return open_set(settings, 1, loaded, w);
}

static const char *write_file(const char *text)
{
	static char path[] = "/tmp/lsbench-summarize-XXXXXX";
	int fd;

	strcpy(path + strlen(path) - 6, "XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	return path;
}

START_TEST(built_in_articles_have_the_reports_sizes)
{
	struct lsb_loaded *loaded;
	struct lsb_workload *w;
	uint64_t n;

	ck_assert_msg(open_with("", &loaded, &w) == LSB_OK, "%s", err.msg);
	n = loaded->ops.workload.count(w);
	ck_assert_uint_ge(n, 24);
	for (uint64_t i = 0; i < n; i++) {
		struct lsb_request request = { .struct_size = sizeof(request) };
		const struct lsb_answer same = { .struct_size = sizeof(same),
						 .index = i,
						 .text = "entirely unrelated" };
		struct lsb_metric scores[LSB_SCORES_MAX];
		size_t n_scores;

		ck_assert_int_eq(loaded->ops.workload.get(w, i, &request, &err), LSB_OK);
		ck_assert_uint_eq(request.n_turns, 1);
		ck_assert_str_eq(request.turns[0].role, "user");
		ck_assert_ptr_eq(
			strstr(request.turns[0].text, "Summarize the following article in one sentence.\n\n"),
			request.turns[0].text);
		ck_assert_uint_ge(strlen(request.turns[0].text), 300);
		ck_assert_uint_le(strlen(request.turns[0].text), 3000);
		ck_assert_int_eq(loaded->ops.workload.score(w, &same, scores, &n_scores, &err), LSB_OK);
		ck_assert_uint_eq(n_scores, 4);
		ck_assert_double_lt(scores[0].value, 0.1);
	}
	loaded->ops.workload.close(w);
	lsb_loaded_free(loaded);
}
END_TEST

static const struct {
	const char *text, *id, *article;
} readable[] = {
	{ "{\"id\": \"x\", \"article\": \"One.\", \"reference\": \"1\"}\n", "x", "One." },
	{ "\n\n{\"id\": 7, \"document\": \"Two.\", \"summary\": \"2\"}", "7", "Two." },
	{ "[{\"input\": \"Three.\", \"output\": \"3\", \"instruction\": \"...\"}]", "0", "Three." },
	{ "[{\"id\": \"c\", \"article\": \"Four.\", \"highlights\": \"4\\n5\"}]", "c", "Four." },
	/* behind a byte order mark, as some editors write it */
	{ "\xEF\xBB\xBF{\"article\": \"Six.\", \"reference\": \"6\"}\r\n", "0", "Six." },
	{ "\xEF\xBB\xBF[{\"article\": \"Seven.\", \"reference\": \"7\"}]", "0", "Seven." },
	/* as MLPerf's file is: the tokens of the prompt are there, too */
	{ "\n[ {\n\"instruction\": {\"llama\": \"...\"}, \"input\": \"Five.\",\n\"tok_input\": [1, 2], "
	  "\"output\": \"5\"\n}\n]\n",
	  "0", "Five." },
};

START_TEST(user_files_are_read)
{
	const char *path = write_file(readable[_i].text);
	struct lsb_request request = { .struct_size = sizeof(request) };
	struct lsb_loaded *loaded;
	struct lsb_workload *w;

	ck_assert_msg(open_with(path, &loaded, &w) == LSB_OK, "%s", err.msg);
	ck_assert_uint_eq(loaded->ops.workload.count(w), 1);
	ck_assert_int_eq(loaded->ops.workload.get(w, 0, &request, &err), LSB_OK);
	ck_assert_str_eq(request.id, readable[_i].id);
	ck_assert_ptr_nonnull(strstr(request.turns[0].text, readable[_i].article));
	loaded->ops.workload.close(w);
	lsb_loaded_free(loaded);
	unlink(path);
}
END_TEST

static const struct {
	const char *text, *message;
} wrong[] = {
	{ "", "has no items" },
	{ "[]", "has no items" },
	{ "{\"article\": \"a\"}\nnot json\n", ":2: " },
	{ "{\"article\": 5}\n", ":1: neither an \"article\" nor a \"reference\" that is a string" },
	{ "[1, 2]", ":1: not a JSON object" },
	{ "[{\"article\": \"a\"}", ":1: " },
	{ "{\"article\": \"\\ud800\"}\n", ":1: " },
	{ "[{\"article\": \"a\"},", ":2: " },
	{ "[{\"article\": \"a\"} {\"article\": \"b\"}]", ":1: the array does not go on or end" },
	{ "[{\"article\": \"a\"}, 5]", ":2: not a JSON object" },
	{ "[", ":1: " },
	{ "{\"article\": \"a\", \"max_new\": 0}\n", ":1: \"max_new\" is not a whole number" },
	{ "{\"article\": \"a\", \"max_new\": \"9\"}\n", ":1: \"max_new\" is not a whole number" },
};

START_TEST(wrong_files_are_refused_with_their_line)
{
	const char *path = write_file(wrong[_i].text);
	struct lsb_loaded *loaded;
	struct lsb_workload *w;

	ck_assert_int_eq(open_with(path, &loaded, &w), LSB_EINVAL);
	ck_assert_msg(strstr(err.msg, wrong[_i].message) && strstr(err.msg, path), "%s", err.msg);
	lsb_loaded_free(loaded);
	unlink(path);
}
END_TEST

START_TEST(an_item_may_limit_its_answer)
{
	const char *path = write_file("{\"article\": \"a\", \"max_new\": 7}\n{\"article\": \"b\"}\n");
	struct lsb_request request = { .struct_size = sizeof(request) };
	struct lsb_loaded *loaded;
	struct lsb_workload *w;

	ck_assert_int_eq(open_with(path, &loaded, &w), LSB_OK);
	ck_assert_int_eq(loaded->ops.workload.get(w, 0, &request, &err), LSB_OK);
	ck_assert_uint_eq(request.max_new, 7);
	ck_assert_int_eq(loaded->ops.workload.get(w, 1, &request, &err), LSB_OK);
	ck_assert_uint_eq(request.max_new, 0);
	loaded->ops.workload.close(w);
	lsb_loaded_free(loaded);
	unlink(path);
}
END_TEST

static const char three[] =
	"{\"id\": \"long\", \"article\": \" one  two\\nthree four\", \"reference\": \"r\"}\n"
	"{\"id\": \"fits\", \"article\": \"one two three \", \"reference\": \"r\"}\n"
	"{\"id\": \"short\", \"article\": \"one\", \"reference\": \"r\"}\n";

START_TEST(long_articles_are_cut_between_words_and_their_share_is_a_score)
{
	const char *path = write_file(three);
	const struct lsb_setting settings[] = { { "data", path, "test" }, { "max_words", "3", "test" } };
	static const double is_cut[] = { 1, 0, 0 };
	static const char *const ends[] = { "\n\n one  two\nthree", "\n\none two three ", "\n\none" };
	struct lsb_loaded *loaded;
	struct lsb_workload *w;

	ck_assert_msg(open_set(settings, 2, &loaded, &w) == LSB_OK, "%s", err.msg);
	ck_assert_uint_eq(loaded->ops.workload.count(w), 3);
	for (uint64_t i = 0; i < 3; i++) {
		const struct lsb_answer answer = { .struct_size = sizeof(answer), .index = i, .text = "r" };
		struct lsb_request request = { .struct_size = sizeof(request) };
		struct lsb_metric scores[LSB_SCORES_MAX];
		const char *text;
		size_t n;

		ck_assert_int_eq(loaded->ops.workload.get(w, i, &request, &err), LSB_OK);
		text = request.turns[0].text;
		ck_assert_str_eq(text + strlen(text) - strlen(ends[i]), ends[i]);
		ck_assert_int_eq(loaded->ops.workload.score(w, &answer, scores, &n, &err), LSB_OK);
		ck_assert_uint_eq(n, 5);
		ck_assert_str_eq(scores[4].name, "input_cut");
		ck_assert_double_eq(scores[4].value, is_cut[i]);
	}
	loaded->ops.workload.close(w);
	lsb_loaded_free(loaded);
	unlink(path);
}
END_TEST

START_TEST(long_articles_are_left_out_where_asked)
{
	const char *path = write_file(three);
	const struct lsb_setting settings[] = { { "data", path, "test" },
						{ "max_words", "3", "test" },
						{ "long", "skip", "test" } };
	struct lsb_request request = { .struct_size = sizeof(request) };
	struct lsb_loaded *loaded;
	struct lsb_workload *w;

	ck_assert_msg(open_set(settings, 3, &loaded, &w) == LSB_OK, "%s", err.msg);
	ck_assert_uint_eq(loaded->ops.workload.count(w), 2);
	ck_assert_int_eq(loaded->ops.workload.get(w, 0, &request, &err), LSB_OK);
	ck_assert_str_eq(request.id, "fits");
	loaded->ops.workload.close(w);
	lsb_loaded_free(loaded);
	unlink(path);
}
END_TEST

START_TEST(a_set_of_nothing_but_long_articles_is_refused)
{
	const char *path = write_file("{\"article\": \"one two\"}\n");
	const struct lsb_setting settings[] = { { "data", path, "test" },
						{ "max_words", "1", "test" },
						{ "long", "skip", "test" } };
	struct lsb_loaded *loaded;
	struct lsb_workload *w;

	ck_assert_int_eq(open_set(settings, 3, &loaded, &w), LSB_EINVAL);
	ck_assert_msg(strstr(err.msg, "max_words = 1") != NULL, "%s", err.msg);
	lsb_loaded_free(loaded);
	unlink(path);
}
END_TEST

START_TEST(the_mlperf_preset_asks_as_mlperf_does)
{
	const char *path = write_file("[{\"input\": \"News.\", \"output\": \"N.\"}]");
	const struct lsb_setting settings[] = { { "data", path, "test" },
						{ "preset", "mlperf-cnn", "test" } };
	struct lsb_request request = { .struct_size = sizeof(request) };
	struct lsb_loaded *loaded;
	struct lsb_workload *w;

	ck_assert_msg(open_set(settings, 2, &loaded, &w) == LSB_OK, "%s", err.msg);
	ck_assert_int_eq(loaded->ops.workload.get(w, 0, &request, &err), LSB_OK);
	ck_assert_uint_eq(request.n_turns, 0); /* no chat template: the prompt is plain text */
	ck_assert_str_eq(request.text,
			 "In very brief sentences, summarize the following news article. Only return the "
			 "summary.\nArticle: News.\nSummary: ");
	ck_assert_uint_eq(request.max_new, 128);
	loaded->ops.workload.close(w);
	lsb_loaded_free(loaded);
	unlink(path);
}
END_TEST

START_TEST(what_may_be_cut_for_a_limit_of_tokens_is_the_article)
{
	const char *path = write_file(three);
	const struct lsb_setting settings[] = {
		{ "data", path, "test" }, { _i ? "preset" : "max_tokens", _i ? "mlperf-cnn" : "9", "test" }
	};
	struct lsb_request request = { .struct_size = sizeof(request) };
	/* as an lsbench of before there were limits asks: behind its members nothing is written */
	struct lsb_request older = { .struct_size = offsetof(struct lsb_request, max_prompt) };
	struct lsb_loaded *loaded;
	struct lsb_workload *w;
	const char *text;

	ck_assert_msg(open_set(settings, 2, &loaded, &w) == LSB_OK, "%s", err.msg);
	ck_assert_int_eq(loaded->ops.workload.get(w, 1, &request, &err), LSB_OK);
	ck_assert_uint_eq(request.max_prompt, _i ? 8000 : 9);
	ck_assert_uint_eq(request.was_cut, 0);
	text = request.text ? request.text : request.turns[0].text;
	ck_assert_uint_eq(request.cut_bytes, strlen("one two three "));
	ck_assert_int_eq(strncmp(text + request.cut_from, "one two three ", request.cut_bytes), 0);
	ck_assert_int_eq(loaded->ops.workload.get(w, 1, &older, &err), LSB_OK);
	ck_assert_uint_eq(older.max_prompt, 0);
	ck_assert_uint_eq(older.cut_bytes, 0);
	loaded->ops.workload.close(w);
	lsb_loaded_free(loaded);
	unlink(path);
}
END_TEST

START_TEST(what_has_too_many_tokens_cannot_be_left_out)
{
	const struct lsb_setting settings[] = { { "max_tokens", "9", "test" }, { "long", "skip", "test" } };
	struct lsb_loaded *loaded;
	struct lsb_workload *w;

	ck_assert_int_eq(open_set(settings, 2, &loaded, &w), LSB_EINVAL);
	ck_assert_msg(strstr(err.msg, "can only be cut") != NULL, "%s", err.msg);
	lsb_loaded_free(loaded);
}
END_TEST

START_TEST(a_preset_and_an_instruction_of_ones_own_exclude_each_other)
{
	const struct lsb_setting settings[] = { { "preset", "mlperf-cnn", "test" },
						{ "instruction", "Shorter:", "test" } };
	struct lsb_loaded *loaded;
	struct lsb_workload *w;

	ck_assert_int_eq(open_set(settings, 2, &loaded, &w), LSB_EINVAL);
	ck_assert_msg(strstr(err.msg, "`instruction`") != NULL, "%s", err.msg);
	lsb_loaded_free(loaded);
}
END_TEST

START_TEST(a_missing_file_is_an_input_error)
{
	struct lsb_loaded *loaded;
	struct lsb_workload *w;

	ck_assert_int_eq(open_with("/nowhere/articles.jsonl", &loaded, &w), LSB_EIO);
	ck_assert_msg(strstr(err.msg, "/nowhere/articles.jsonl") != NULL, "%s", err.msg);
	lsb_loaded_free(loaded);
}
END_TEST

START_TEST(what_is_no_regular_file_is_refused_at_once)
{
	static const char *const paths[] = { "/dev/zero", "/tmp" };
	const char *fifo = write_file("");
	struct lsb_loaded *loaded;
	struct lsb_workload *w;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		ck_assert_int_eq(open_with(paths[i], &loaded, &w), LSB_EINVAL);
		ck_assert_msg(strstr(err.msg, "not a regular file") != NULL, "%s", err.msg);
		lsb_loaded_free(loaded);
	}
	unlink(fifo);
	ck_assert_int_eq(mkfifo(fifo, 0600), 0);
	ck_assert_int_eq(open_with(fifo, &loaded, &w), LSB_EINVAL);
	lsb_loaded_free(loaded);
	unlink(fifo);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("summarize");
	TCase *tc = tcase_create("summarize");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, built_in_articles_have_the_reports_sizes);
	tcase_add_loop_test(tc, user_files_are_read, 0, sizeof(readable) / sizeof(readable[0]));
	tcase_add_loop_test(tc, wrong_files_are_refused_with_their_line, 0, sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_test(tc, an_item_may_limit_its_answer);
	tcase_add_test(tc, long_articles_are_cut_between_words_and_their_share_is_a_score);
	tcase_add_test(tc, long_articles_are_left_out_where_asked);
	tcase_add_test(tc, a_set_of_nothing_but_long_articles_is_refused);
	tcase_add_test(tc, the_mlperf_preset_asks_as_mlperf_does);
	tcase_add_loop_test(tc, what_may_be_cut_for_a_limit_of_tokens_is_the_article, 0, 2);
	tcase_add_test(tc, what_has_too_many_tokens_cannot_be_left_out);
	tcase_add_test(tc, a_preset_and_an_instruction_of_ones_own_exclude_each_other);
	tcase_add_test(tc, a_missing_file_is_an_input_error);
	tcase_add_test(tc, what_is_no_regular_file_is_refused_at_once);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
