/* SPDX-License-Identifier: Apache-2.0 */
/* What the controller learns of a point's plugins, through a child. */
#include "fixture.h"

#include <jansson.h>

#include "base/base.h"

static struct lsb_error err;

/* Ask about plugins of good/; `more` is the rest of the request. The reply, or NULL with `err`. */
static json_t *plan(const char *more)
{
	char *request = lsb_format("{\"want\": \"plan\", \"folders\": \"%s/good\", %s}", LSB_FIXTURES, more);
	char *text = NULL;
	json_t *reply = NULL;

	if (lsb_inspect(request, 0, &text, &err) == LSB_OK)
		reply = json_loads(text, 0, NULL);
	free(text);
	free(request);
	return reply;
}

static const char toy_small[] = "\"model\": \"random:x\", \"backend\": {\"name\": \"toy\"}, "
				"\"workload\": {\"name\": \"small\", \"options\": []}, "
				"\"transport\": {\"name\": \"wrap:old\", \"options\": "
				"[{\"name\": \"label\", \"value\": \"z\", \"where\": null}]}";

START_TEST(a_plan_knows_model_lengths_and_files)
{
	json_t *reply = plan(toy_small);
	const json_t *model, *tokens, *limits, *transport;
	char hex[LSB_DIGEST_HEX];

	ck_assert_msg(reply != NULL, "%s", err.msg);
	model = json_object_get(reply, "model");
	ck_assert_str_eq(json_string_value(json_object_get(model, "name")), "toy");
	ck_assert_int_eq(json_integer_value(json_object_get(model, "layers")), 4);
	ck_assert_int_eq(json_integer_value(json_object_get(model, "hidden")), 4);
	ck_assert_int_eq(json_integer_value(json_object_get(model, "vocab")), 16);
	ck_assert_int_eq(json_integer_value(json_object_get(model, "invariant_over")), 15);
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(reply, "workload"), "count")), 3);

	/* A chat of three words, a text of two, and eleven tokens, as the toy counts them. */
	tokens = json_object_get(reply, "prompt_tokens");
	limits = json_object_get(reply, "max_new");
	ck_assert_uint_eq(json_array_size(tokens), 3);
	ck_assert_int_eq(json_integer_value(json_array_get(tokens, 0)), 6);
	ck_assert_int_eq(json_integer_value(json_array_get(tokens, 1)), 2);
	ck_assert_int_eq(json_integer_value(json_array_get(tokens, 2)), 11);
	ck_assert_int_eq(json_integer_value(json_array_get(limits, 0)), 0);
	ck_assert_int_eq(json_integer_value(json_array_get(limits, 1)), 7);

	transport = json_object_get(reply, "transport");
	ck_assert_int_eq(lsb_digest_file(LSB_FIXTURES "/good/lsbench-transport-wrap.so", hex, &err), LSB_OK);
	ck_assert_str_eq(json_string_value(json_object_get(transport, "sha256")), hex);
	ck_assert_uint_eq(json_object_size(json_object_get(transport, "files")), 2);
	ck_assert(json_is_null(json_object_get(reply, "waived")));
	json_decref(reply);
}
END_TEST

START_TEST(fewer_prompts_than_there_are_means_those_alone)
{
	char *more = lsb_format("\"prompts\": 2, %s", toy_small);
	json_t *reply = plan(more);

	ck_assert_msg(reply != NULL, "%s", err.msg);
	ck_assert_uint_eq(json_array_size(json_object_get(reply, "prompt_tokens")), 2);
	json_decref(reply);
	free(more);
}
END_TEST

START_TEST(a_plugin_that_cannot_work_here_is_waived_with_its_reason)
{
	json_t *reply = plan("\"workload\": {\"name\": \"waived\"}");

	ck_assert_msg(reply != NULL, "%s", err.msg);
	ck_assert_str_eq(json_string_value(json_object_get(reply, "waived")), "there is no moon tonight");
	json_decref(reply);
}
END_TEST

static int needs_mpirun(const char *transport)
{
	char *more = lsb_format("\"transport\": {\"name\": \"%s\", \"options\": []}", transport);
	json_t *reply = plan(more);
	int needs;

	ck_assert_msg(reply != NULL, "%s", err.msg);
	needs = json_is_true(json_object_get(json_object_get(reply, "transport"), "needs_mpirun"));
	json_decref(reply);
	free(more);
	return needs;
}

START_TEST(a_chain_needs_mpirun_when_any_of_it_does)
{
	ck_assert(needs_mpirun("launched"));
	ck_assert(needs_mpirun("wrap:launched"));
	ck_assert(needs_mpirun("wrap:wrap2:launched"));
	ck_assert(!needs_mpirun("old"));
	ck_assert(!needs_mpirun("wrap:old"));
}
END_TEST

static const struct {
	const char *more;
	int code;
	const char *message;
} errors[] = {
	{ "\"model\": \"file.gguf\", \"base\": \"/b\", \"backend\": {\"name\": \"toy\"}", LSB_EMODEL,
	  "model: '/b/file.gguf' is not random:ANYTHING" },
	{ "\"workload\": {\"name\": \"small\", \"options\": [{\"name\": \"n\", \"value\": \"10\", \"where\": "
	  "\"a.ini:3\"}]}",
	  LSB_ESUITE, "a.ini:3: option 'n': '10' is out of range: 0 to 9 requests" },
	{ "\"backend\": {\"name\": \"toy\"}", LSB_EINVAL, "a plan request with a backend names no model" },
};

START_TEST(an_error_in_the_child_comes_back_as_itself)
{
	ck_assert_ptr_null(plan(errors[_i].more));
	ck_assert_int_eq(err.code, errors[_i].code);
	ck_assert_str_eq(err.msg, errors[_i].message);
}
END_TEST

START_TEST(a_list_shows_good_and_bad_side_by_side)
{
	char *text = NULL;
	json_t *reply;
	const json_t *list, *plugin;
	size_t i, bad = 0, good = 0, shadowed = 0;

	ck_assert_int_eq(lsb_inspect("{\"want\": \"list\", \"folders\": \"" LSB_FIXTURES
				     "/crash-load:" LSB_FIXTURES "/good:" LSB_FIXTURES
				     "/bad-magic:" LSB_FIXTURES "/good\"}",
				     0, &text, &err),
			 LSB_OK);
	reply = json_loads(text, 0, NULL);
	list = json_object_get(reply, "plugins");
	json_array_foreach(list, i, plugin)
	{
		bad += json_object_get(plugin, "error") != NULL;
		good += json_object_get(plugin, "summary") != NULL;
		shadowed += json_is_true(json_object_get(plugin, "shadowed"));
	}
	ck_assert_uint_eq(bad, 2);
	ck_assert_uint_eq(good, 20);
	ck_assert_uint_eq(shadowed, 10);
	json_decref(reply);
	free(text);
}
END_TEST

int main(int argc, char **argv)
{
	TCase *tc = tcase_create("plan");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_plan_knows_model_lengths_and_files);
	tcase_add_test(tc, a_chain_needs_mpirun_when_any_of_it_does);
	tcase_add_test(tc, fewer_prompts_than_there_are_means_those_alone);
	tcase_add_test(tc, a_plugin_that_cannot_work_here_is_waived_with_its_reason);
	tcase_add_loop_test(tc, an_error_in_the_child_comes_back_as_itself, 0, LSB_COUNT(errors));
	tcase_add_test(tc, a_list_shows_good_and_bad_side_by_side);
	return fixture_main(argc, argv, "plan", tc);
}
