/* SPDX-License-Identifier: Apache-2.0 */
/* Requests between a workload and a backend of the test: fetched, encoded, refused, decoded, scored. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "node/requests.h"

/* How the plugins behave. */
static struct {
	size_t first_encode, second_encode; /* tokens they claim; 0: what is right */
	int encode_rc, score_rc;
	uint32_t vocabulary;
	size_t decode_bytes; /* claimed; 0: what is right */
	const char *id;
	uint32_t prompt_tokens;
	int has_text, has_turns, turns_missing;
	uint64_t arrival_ns[8], count;
	uint32_t max_new, max_prompt;
	uint64_t cut_from, cut_bytes;
	const char *score_name;
	double score;
	size_t n_scores;
} behave;

static int test_info(const struct lsb_backend *b, struct lsb_backend_info *out, struct lsb_error *e)
{
	(void)b;
	(void)e;
	out->vocabulary = behave.vocabulary;
	return LSB_OK;
}

/* One token a byte. */
static int test_encode(struct lsb_backend *b, const struct lsb_turn *turns, size_t n_turns, uint32_t flags,
		       int32_t *ids, size_t capacity, size_t *n, struct lsb_error *e)
{
	const size_t claim = ids ? behave.second_encode : behave.first_encode;

	(void)b;
	(void)e;
	ck_assert_int_eq((flags & LSB_ENCODE_CHAT) != 0, behave.has_turns);
	ck_assert_uint_eq(n_turns, 1);
	*n = strlen(turns[0].text);
	for (size_t i = 0; i < *n && i < capacity; i++)
		ids[i] = turns[0].text[i];
	if (claim)
		*n = claim;
	return behave.encode_rc;
}

static int test_decode(struct lsb_backend *b, const int32_t *ids, size_t n, char *text, size_t capacity,
		       size_t *bytes, struct lsb_error *e)
{
	(void)b;
	(void)e;
	for (size_t i = 0; i < n && i < capacity; i++)
		text[i] = (char)ids[i];
	*bytes = behave.decode_bytes ? behave.decode_bytes : n;
	return LSB_OK;
}

static uint64_t test_count(const struct lsb_workload *w)
{
	(void)w;
	return behave.count;
}

static const char *const texts[] = { "abc", "a text that is far too long for the context of the test", "xy" };

static int test_get(struct lsb_workload *w, uint64_t index, struct lsb_request *out, struct lsb_error *e)
{
	static struct lsb_turn turn = { .role = "user" };

	(void)w;
	(void)e;
	ck_assert_uint_lt(index, behave.count);
	turn.text = texts[index % 3];
	out->id = behave.id;
	out->prompt_tokens = behave.prompt_tokens;
	out->text = behave.has_text ? texts[index % 3] : NULL;
	out->n_turns = (uint32_t)behave.has_turns;
	out->turns = behave.has_turns && !behave.turns_missing ? &turn : NULL;
	out->arrival_ns = behave.arrival_ns[index];
	out->max_new = behave.max_new;
	out->max_prompt = behave.max_prompt;
	out->cut_from = index == 1 ? behave.cut_from : 0;
	out->cut_bytes = index == 1 ? behave.cut_bytes : 0;
	return LSB_OK;
}

static int test_score(struct lsb_workload *w, const struct lsb_answer *answer, struct lsb_metric *scores,
		      size_t *n, struct lsb_error *e)
{
	(void)w;
	(void)e;
	ck_assert_str_eq(answer->text, "ok");
	scores[0] = (struct lsb_metric){ .name = behave.score_name, .unit = "1", .value = behave.score };
	*n = behave.n_scores;
	return behave.score_rc;
}

static struct lsb_loaded backend, workload;
static struct lsb_requests requests;
static struct lsb_job job;
static struct lsb_error err;

static void setup(void)
{
	memset(&behave, 0, sizeof(behave));
	behave.vocabulary = 300;
	behave.id = "r";
	behave.has_text = 1;
	behave.count = 3;
	behave.score_name = "good";
	behave.n_scores = 1;
	backend.plugin.kind = LSB_BACKEND;
	backend.plugin.name = "test";
	backend.ops.backend = (struct lsb_backend_ops){ .struct_size = sizeof(struct lsb_backend_ops),
							.info = test_info,
							.encode = test_encode,
							.decode = test_decode };
	workload.plugin.kind = LSB_WORKLOAD;
	workload.plugin.name = "test";
	workload.ops.workload = (struct lsb_workload_ops){ .struct_size = sizeof(struct lsb_workload_ops),
							   .count = test_count,
							   .get = test_get,
							   .score = test_score };
	job = (struct lsb_job){ .size = 1,
				.stages = 1,
				.replicas = 1,
				.batch = 1,
				.in_flight = 1,
				.prompts = 3,
				.distinct = 3,
				.max_new = 4,
				.top_p = 1 };
	memset(&err, 0, sizeof(err));
}

static void teardown(void)
{
	lsb_requests_close(&requests);
}

static int open_requests(void)
{
	return lsb_requests_open(&requests, &job, 16, &workload, NULL, &backend, NULL, &err);
}

static void expect_error(int code, const char *part)
{
	ck_assert_int_eq(open_requests(), code);
	ck_assert_msg(strstr(err.msg, part) != NULL, "'%s' does not say '%s'", err.msg, part);
}

START_TEST(a_prompt_too_long_fails_alone)
{
	ck_assert_int_eq(open_requests(), LSB_OK);
	ck_assert_uint_eq(requests.n, 3);
	ck_assert_int_eq(requests.sequences[0].finish, LSB_FINISH_NONE);
	ck_assert_int_eq(requests.sequences[1].finish, LSB_FINISH_FAILED);
	ck_assert_ptr_nonnull(strstr(requests.answers[1].reason, "context of 16"));
	ck_assert_int_eq(requests.sequences[2].finish, LSB_FINISH_NONE);
	ck_assert_uint_eq(requests.sequences[2].n_prompt, 2);
	ck_assert_int_eq(requests.sequences[2].prompt[1], 'y');
}
END_TEST

/* "a text that is far too long for the context of the test", of which "text ... of the" may be cut. */
static const struct {
	uint32_t max_prompt;
	const char *left;
} limits[] = {
	{ 56, "a text that is far too long for the context of the test" }, /* is not longer */
	{ 54, "a text that is far too long for the context of test" },
	{ 40, "a text that is far too long for the test" },
	{ 39, "a text that is far too long for test" },
	{ 11, "a text test" },
	{ 10, "a  test" },
	{ 7, "a  test" },
};

START_TEST(a_prompt_over_its_limit_loses_the_end_of_what_may_be_cut)
{
	const int is_whole = _i == 0;

	behave.max_prompt = limits[_i].max_prompt;
	behave.cut_from = strlen("a ");
	behave.cut_bytes = strlen(texts[1]) - strlen("a ") - strlen(" test");
	behave.has_turns = _i % 2;
	ck_assert_int_eq(lsb_requests_open(&requests, &job, 100, &workload, NULL, &backend, NULL, &err),
			 LSB_OK);
	ck_assert_int_eq(requests.sequences[1].finish, LSB_FINISH_NONE);
	ck_assert_int_eq(requests.answers[1].prompt_is_cut, !is_whole);
	ck_assert_uint_eq(requests.sequences[1].n_prompt, strlen(limits[_i].left));
	for (size_t i = 0; limits[_i].left[i]; i++)
		ck_assert_int_eq(requests.sequences[1].prompt[i], limits[_i].left[i]);
	ck_assert_int_eq(requests.answers[2].prompt_is_cut, 0);
}
END_TEST

START_TEST(a_prompt_that_cannot_be_cut_to_its_limit_fails_alone)
{
	behave.max_prompt = 6;
	behave.cut_from = 2;
	behave.cut_bytes = strlen(texts[1]) - 8; /* " the test" stays, in part */
	ck_assert_int_eq(lsb_requests_open(&requests, &job, 100, &workload, NULL, &backend, NULL, &err),
			 LSB_OK);
	ck_assert_int_eq(requests.sequences[1].finish, LSB_FINISH_FAILED);
	ck_assert_str_eq(requests.answers[1].reason,
			 "the prompt has 8 tokens when all that may be cut of it is gone, "
			 "and the workload's limit is 6");
	ck_assert_int_eq(requests.sequences[0].finish, LSB_FINISH_NONE);
}
END_TEST

START_TEST(what_may_be_cut_must_lie_in_the_text)
{
	behave.max_prompt = 6;
	behave.cut_from = _i == 0 ? strlen(texts[1]) + 1 : 3;
	behave.cut_bytes = _i == 0 ? 0 : _i == 1 ? strlen(texts[1]) - 2 : UINT64_MAX - 1;
	expect_error(LSB_EPLUGIN, "of its text may be cut");
}
END_TEST

START_TEST(replicas_share_requests_and_later_ones_repeat_the_distinct)
{
	job.size = job.replicas = 2;
	job.rank = 1;
	job.prompts = 6;
	job.distinct = 2;
	ck_assert_int_eq(open_requests(), LSB_OK);
	ck_assert_uint_eq(requests.n, 3);
	for (uint32_t i = 0; i < 3; i++) {
		ck_assert_uint_eq(requests.answers[i].index, 2 * i + 1);
		ck_assert_uint_eq(requests.answers[i].item, 1);
	}
	lsb_requests_close(&requests);
	job.prompts = 1; /* more replicas than prompts */
	ck_assert_int_eq(open_requests(), LSB_OK);
	ck_assert_uint_eq(requests.n, 0);
}
END_TEST

START_TEST(turns_go_through_the_chat_template)
{
	behave.has_turns = 1;
	behave.has_text = 0;
	ck_assert_int_eq(open_requests(), LSB_OK);
	ck_assert_uint_eq(requests.sequences[0].n_prompt, 3);
}
END_TEST

START_TEST(arbitrary_tokens_lie_in_the_vocabulary_and_an_absurd_number_costs_no_memory)
{
	behave.has_text = 0;
	behave.prompt_tokens = 12;
	ck_assert_int_eq(open_requests(), LSB_OK);
	for (uint32_t i = 0; i < 12; i++)
		ck_assert_int_lt(requests.sequences[2].prompt[i], 300);
	lsb_requests_close(&requests);
	behave.prompt_tokens = UINT32_MAX;
	ck_assert_int_eq(open_requests(), LSB_OK);
	ck_assert_int_eq(requests.sequences[0].finish, LSB_FINISH_FAILED);
	lsb_requests_close(&requests);
	behave.prompt_tokens = 5;
	behave.vocabulary = 0;
	expect_error(LSB_EPLUGIN, "vocabulary");
}
END_TEST

START_TEST(a_request_without_turns_text_or_tokens_is_an_error)
{
	behave.has_text = 0;
	expect_error(LSB_EINVAL, "empty");
}
END_TEST

START_TEST(what_a_backend_must_not_encode_is_refused)
{
	behave.second_encode = 2;
	expect_error(LSB_EPLUGIN, "and then 2");
	lsb_requests_close(&requests);
	behave.second_encode = 4;
	expect_error(LSB_EPLUGIN, "and then 4");
	lsb_requests_close(&requests);
	behave.second_encode = 0;
	behave.first_encode = SIZE_MAX / 4;
	expect_error(LSB_EPLUGIN, "tokens of one prompt");
	lsb_requests_close(&requests);
	behave.first_encode = 0;
	behave.encode_rc = 99;
	expect_error(LSB_EPLUGIN, "99");
	lsb_requests_close(&requests);
	behave.encode_rc = LSB_EMODEL;
	expect_error(LSB_EMODEL, "did not say why");
}
END_TEST

START_TEST(what_a_workload_must_not_ask_is_refused)
{
	behave.id = NULL;
	expect_error(LSB_EPLUGIN, "id");
	lsb_requests_close(&requests);
	behave.id = "r";
	behave.has_turns = behave.turns_missing = 1;
	expect_error(LSB_EPLUGIN, "turns");
	lsb_requests_close(&requests);
	behave.has_turns = 0;
	behave.count = 0;
	expect_error(LSB_EINVAL, "no requests");
}
END_TEST

static char trace[] = "trace", closed[] = "closed", every_half_second[] = "fixed:2/s";

START_TEST(requests_arrive_when_the_workload_says_if_it_is_asked)
{
	behave.arrival_ns[0] = 5;
	behave.arrival_ns[1] = behave.arrival_ns[2] = 70;
	job.arrivals = closed;
	ck_assert_int_eq(open_requests(), LSB_OK);
	ck_assert_uint_eq(requests.sequences[1].arrival_ns, 0);
	lsb_requests_close(&requests);
	job.arrivals = trace;
	ck_assert_int_eq(open_requests(), LSB_OK);
	ck_assert_uint_eq(requests.sequences[0].arrival_ns, 5);
	ck_assert_uint_eq(requests.sequences[2].arrival_ns, 70);
	lsb_requests_warmup(&requests, 3, 1); /* which waits for nobody */
	ck_assert_uint_eq(requests.sequences[2].arrival_ns, 0);
	lsb_requests_rewind(&requests);
	ck_assert_uint_eq(requests.sequences[2].arrival_ns, 70);
}
END_TEST

START_TEST(times_of_a_workload_that_descend_or_never_come_are_its_fault)
{
	job.arrivals = trace;
	behave.arrival_ns[1] = 7;
	expect_error(LSB_EPLUGIN, "before the one above it");
	lsb_requests_close(&requests);
	behave.arrival_ns[2] = UINT64_MAX;
	expect_error(LSB_EPLUGIN, "168h");
}
END_TEST

START_TEST(replicas_share_one_stream_of_arrivals)
{
	job.arrivals = every_half_second;
	job.size = job.replicas = 2;
	job.rank = 1;
	job.prompts = 8;
	ck_assert_int_eq(open_requests(), LSB_OK);
	ck_assert_uint_eq(requests.n, 4);
	for (uint32_t i = 0; i < 4; i++)
		ck_assert_uint_eq(requests.sequences[i].arrival_ns, (2 * i + 1) * 500000000u);
}
END_TEST

START_TEST(the_shorter_limit_of_new_tokens_counts)
{
	behave.max_new = 2;
	ck_assert_int_eq(open_requests(), LSB_OK);
	ck_assert_uint_eq(requests.sequences[0].max_new, 2);
	lsb_requests_close(&requests);
	behave.max_new = 9;
	ck_assert_int_eq(open_requests(), LSB_OK);
	ck_assert_uint_eq(requests.sequences[0].max_new, 4);
}
END_TEST

START_TEST(a_warm_up_is_short_and_leaves_no_trace)
{
	ck_assert_int_eq(open_requests(), LSB_OK);
	lsb_requests_warmup(&requests, 2, 1);
	ck_assert_uint_eq(requests.sequences[0].max_new, 1);
	ck_assert_int_eq(requests.sequences[2].finish, LSB_FINISH_LENGTH);
	requests.sequences[0].n_ids = 1;
	requests.sequences[0].finish = LSB_FINISH_LENGTH;
	lsb_requests_rewind(&requests);
	ck_assert_uint_eq(requests.sequences[0].max_new, 4);
	ck_assert_uint_eq(requests.sequences[0].n_ids, 0);
	ck_assert_int_eq(requests.sequences[0].finish, LSB_FINISH_NONE);
	ck_assert_int_eq(requests.sequences[1].finish, LSB_FINISH_FAILED);
	ck_assert_int_eq(requests.sequences[2].finish, LSB_FINISH_NONE);
}
END_TEST

/* Give all answers "ok", as the run would have. */
static int answer_and_judge(void)
{
	for (uint32_t i = 0; i < requests.n; i++) {
		struct lsb_sequence *sequence = &requests.sequences[i];

		if (sequence->finish == LSB_FINISH_FAILED)
			continue;
		for (uint32_t k = 0; k < 2; k++) {
			sequence->ids[sequence->n_ids++] = "ok"[k];
			requests.sink.tokens(requests.sink.user, &sequence, 1, 100 + k);
		}
		sequence->finish = LSB_FINISH_STOP;
	}
	return lsb_requests_judge(&requests, &workload, NULL, &backend, NULL, &err);
}

START_TEST(answers_are_stamped_decoded_and_scored)
{
	behave.score = 0.5;
	ck_assert_int_eq(open_requests(), LSB_OK);
	ck_assert_int_eq(answer_and_judge(), LSB_OK);
	ck_assert_str_eq(requests.answers[0].text, "ok");
	ck_assert_uint_eq(requests.answers[0].first_ns, 100);
	ck_assert_uint_eq(requests.answers[0].last_ns, 101);
	ck_assert_uint_eq(requests.answers[0].n_scores, 1);
	ck_assert_double_eq(requests.answers[0].scores[0].value, 0.5);
	ck_assert_ptr_null(requests.answers[1].text);
}
END_TEST

START_TEST(scores_and_texts_that_are_none_are_refused)
{
	static const struct {
		size_t decode_bytes, n_scores;
		const char *name;
		double value;
		int rc, want;
	} bad[] = {
		{ SIZE_MAX, 1, "good", 0, 0, LSB_EPLUGIN }, { 0, 1, NULL, 0, 0, LSB_EPLUGIN },
		{ 0, 1, "good", NAN, 0, LSB_EPLUGIN },	    { 0, 17, "good", 0, 0, LSB_EPLUGIN },
		{ 0, 1, "good", 0, 5, LSB_EPLUGIN },	    { 0, 1, "good", 0, LSB_EIO, LSB_EIO },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		behave.decode_bytes = bad[i].decode_bytes;
		behave.n_scores = bad[i].n_scores;
		behave.score_name = bad[i].name;
		behave.score = bad[i].value;
		behave.score_rc = bad[i].rc;
		ck_assert_int_eq(open_requests(), LSB_OK);
		ck_assert_int_eq(answer_and_judge(), bad[i].want);
		ck_assert_str_ne(err.msg, "");
		lsb_requests_close(&requests);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("requests");
	TCase *tcase = tcase_create("requests");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, a_prompt_too_long_fails_alone);
	tcase_add_loop_test(tcase, a_prompt_over_its_limit_loses_the_end_of_what_may_be_cut, 0,
			    sizeof(limits) / sizeof(limits[0]));
	tcase_add_test(tcase, a_prompt_that_cannot_be_cut_to_its_limit_fails_alone);
	tcase_add_loop_test(tcase, what_may_be_cut_must_lie_in_the_text, 0, 3);
	tcase_add_test(tcase, replicas_share_requests_and_later_ones_repeat_the_distinct);
	tcase_add_test(tcase, turns_go_through_the_chat_template);
	tcase_add_test(tcase, arbitrary_tokens_lie_in_the_vocabulary_and_an_absurd_number_costs_no_memory);
	tcase_add_test(tcase, a_request_without_turns_text_or_tokens_is_an_error);
	tcase_add_test(tcase, what_a_backend_must_not_encode_is_refused);
	tcase_add_test(tcase, what_a_workload_must_not_ask_is_refused);
	tcase_add_test(tcase, requests_arrive_when_the_workload_says_if_it_is_asked);
	tcase_add_test(tcase, times_of_a_workload_that_descend_or_never_come_are_its_fault);
	tcase_add_test(tcase, replicas_share_one_stream_of_arrivals);
	tcase_add_test(tcase, the_shorter_limit_of_new_tokens_counts);
	tcase_add_test(tcase, a_warm_up_is_short_and_leaves_no_trace);
	tcase_add_test(tcase, answers_are_stamped_decoded_and_scored);
	tcase_add_test(tcase, scores_and_texts_that_are_none_are_refused);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
