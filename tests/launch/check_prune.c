/* SPDX-License-Identifier: Apache-2.0 */
/* Members taken out before parsing are those that would be taken out after it, and nothing else. */
#include <check.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "wire/prune.h"

static const char *const names[] = { "ids", "text", "/steps", NULL };

static const struct {
	const char *text, *left;
} cases[] = {
	{ "{\"ids\":[1,2],\"a\":1}", "{\"a\":1}" },
	{ "{\"a\":1,\"ids\":[1,2]}", "{\"a\":1}" },
	{ "{\"a\":1,\"ids\":[1,2],\"b\":2}", "{\"a\":1,\"b\":2}" },
	{ "{\"ids\":[1,2]}", "{}" },
	{ "{\"ids\":1,\"text\":\"x\"}", "{}" },
	{ "{\"a\":0,\"ids\":1,\"text\":\"x\"}", "{\"a\":0}" },
	{ "{\"a\":[{\"text\":null,\"b\":1},{\"b\":2,\"text\":true}]}", "{\"a\":[{\"b\":1},{\"b\":2}]}" },
	{ "{\"text\":{\"text\":[{\"ids\":\"]}\"}]},\"b\":-1.5e3}", "{\"b\":-1.5e3}" },
	{ "{\"text\":\"a \\\" quote, \\\\\",\"b\":1}", "{\"b\":1}" },
	{ "{ \"a\" : 1 , \"ids\" : [ 1 , 2 ] }", "{ \"a\" : 1}" },
	{ "{\"steps\":[1],\"a\":{\"steps\":2},\"b\":[{\"steps\":3}]}",
	  "{\"a\":{\"steps\":2},\"b\":[{\"steps\":3}]}" },
	{ "{\"a\":{\"b\":[]},\"steps\":{}}", "{\"a\":{\"b\":[]}}" },
	/* no names of members */
	{ "{\"a\":\"ids\"}", "{\"a\":\"ids\"}" },
	{ "[\"ids\",\"text\"]", "[\"ids\",\"text\"]" },
	{ "{\"a\":\"\\\"ids\\\":1\"}", "{\"a\":\"\\\"ids\\\":1\"}" },
	{ "{\"ids2\":1,\"id\":2}", "{\"ids2\":1,\"id\":2}" },
	/* what does not end stays, to be refused */
	{ "{\"ids\":[1,2", "{\"ids\":[1,2" },
	{ "{\"text\":\"never", "{\"text\":\"never" },
	{ "{\"text\":", "{\"text\":" },
	{ "{\"text\":,\"a\":1}", "{\"text\":,\"a\":1}" },
	{ "\"", "\"" },
	{ "", "" },
};

START_TEST(members_and_one_comma_go)
{
	char text[128];
	const size_t bytes = lsb_json_prune(cases[_i].text, strlen(cases[_i].text), names, text);

	ck_assert_msg(bytes == strlen(cases[_i].left) && memcmp(text, cases[_i].left, bytes) == 0,
		      "'%s' became '%.*s'", cases[_i].text, (int)bytes, text);
}
END_TEST

/* --- random documents --- */

static uint32_t state = 1;

static uint32_t draw(uint32_t below)
{
	state = state * 1664525u + 1013904223u;
	return (state >> 8) % below;
}

static json_t *random_value(int depth)
{
	static const char *const strings[] = { "ids", "text", "", "a\"b", "\\", "},{", "]\n[", "\"ids\":" };
	static const char *const keys[] = { "ids", "text", "a", "b,c", "d\"e", "idsx", "steps" };
	json_t *out;

	switch (depth > 0 ? draw(7) : draw(5)) {
	case 0:
		return json_integer((json_int_t)draw(1000) - 500);
	case 1:
		return json_real(draw(1000) * 0.37 - 100);
	case 2:
		return draw(2) ? json_boolean(draw(2)) : json_null();
	case 3:
	case 4:
		return json_string(strings[draw(LSB_COUNT(strings))]);
	case 5:
		out = json_array();
		for (uint32_t n = draw(4); n; n--)
			json_array_append_new(out, random_value(depth - 1));
		return out;
	default:
		out = json_object();
		for (uint32_t n = draw(6); n; n--)
			json_object_set_new(out, keys[draw(LSB_COUNT(keys))], random_value(depth - 1));
		return out;
	}
}

static void delete_members(json_t *value)
{
	const char *key;
	json_t *inner;
	size_t i;

	for (i = 0; names[i] && *names[i] != '/'; i++)
		(void)json_object_del(value, names[i]);
	json_object_foreach(value, key, inner) delete_members(inner);
	json_array_foreach(value, i, inner) delete_members(inner);
}

START_TEST(pruned_text_parses_to_what_deleting_gives)
{
	for (int i = 0; i < 2000; i++) {
		json_t *whole = json_pack("{s:o, s:o}", "a", random_value(5), "steps", random_value(2)),
		       *pruned;
		char *text = json_dumps(whole, i % 2 ? JSON_COMPACT : 0), *left = malloc(strlen(text) + 1);

		pruned = json_loadb(left, lsb_json_prune(text, strlen(text), names, left), 0, NULL);
		delete_members(whole);
		(void)json_object_del(whole, "steps");
		ck_assert(json_equal(pruned, whole));
		free(text);
		free(left);
		json_decref(pruned);
		json_decref(whole);
	}
}
END_TEST

START_TEST(text_cut_anywhere_is_pruned_within_its_bounds)
{
	for (int i = 0; i < 100; i++) {
		json_t *whole = random_value(5);
		char *text = json_dumps(whole, JSON_ENCODE_ANY);

		for (size_t cut = 0; cut <= strlen(text); cut++) {
			/* a sanitizer sees what is read and written behind them */
			char *copy = malloc(cut + !cut), *left = malloc(cut + !cut);

			memcpy(copy, text, cut);
			ck_assert_uint_le(lsb_json_prune(copy, cut, names, left), cut);
			free(copy);
			free(left);
		}
		free(text);
		json_decref(whole);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("prune");
	TCase *tc = tcase_create("prune");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, members_and_one_comma_go, 0, LSB_COUNT(cases));
	tcase_add_test(tc, pruned_text_parses_to_what_deleting_gives);
	tcase_add_test(tc, text_cut_anywhere_is_pruned_within_its_bounds);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
