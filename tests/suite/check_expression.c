/* SPDX-License-Identifier: Apache-2.0 */
#include "parse.h"
#include "suite/expression.h"

/* Keys of an imaginary case; "literal" holds what must not be expanded again. */
static const char *find(void *user, const char *key, int *literal, struct lsb_error *err)
{
	static const char *const keys[][2] = {
		{ "nodes", "2" },
		{ "prompts", "${= nodes * 5}" },
		{ "a", "${b}" },
		{ "b", "x${c}" },
		{ "c", "${a}" },
		{ "self", "${self}" },
		{ "word", "two" },
		{ "literal", "${nodes}" },
		{ "big", "9223372036854775807" },
		{ "d0", "${d1}${d1}" },
		{ "d1", "${d2}${d2}" },
		{ "d2", "${d3}${d3}" },
		{ "d3", "${d4}${d4}" },
		{ "d4", "${d5}${d5}" },
		{ "d5", "${d6}${d6}" },
		{ "d6", "${d7}${d7}" },
		{ "d7", "${d8}${d8}" },
		{ "d8", "${d9}${d9}" },
		{ "d9", "${d10}${d10}" },
		{ "d10", "${d11}${d11}" },
		{ "d11", "${d12}${d12}" },
		{ "d12", "${d13}${d13}" },
		{ "d13", "${d14}${d14}" },
		{ "d14", "x" },
		{ "backend.wait", "poll" },
	};

	(void)user;
	*literal = strcmp(key, "literal") == 0;
	for (size_t i = 0; i < LSB_COUNT(keys); i++)
		if (strcmp(keys[i][0], key) == 0)
			return keys[i][1];
	lsb_fail(err, LSB_ESUITE, 0, "no key '%s'", key);
	return NULL;
}

static const struct lsb_scope scope = { .find = find, .environment = test_environment };

static const struct {
	const char *text, *result;
} good[] = {
	{ "plain", "plain" },
	{ "", "" },
	{ "${nodes}", "2" },
	{ "a${nodes}b${nodes}c", "a2b2c" },
	{ "${prompts}", "10" },
	{ "${backend.wait}", "poll" },
	{ "${literal}", "${nodes}" },
	{ "$$", "$" },
	{ "$${nodes}", "${nodes}" },
	{ "cost $5", "cost $5" },
	{ "$", "$" },
	{ "${env:FIVE}", "5" },
	{ "${env:FIVE:-7}", "5" },
	{ "${env:NONE:-7}", "7" },
	{ "${env:NONE:-}", "" },
	{ "${env:EMPTY}", "" },
	{ "${env:EMPTY:-7}", "7" },
	{ "${env:NONE:-${nodes}x}", "2x" },
	{ "${env:NONE:-a:-b}", "a:-b" },
	{ "${= nodes*5}", "10" },
	{ "${=1+2*3}", "7" },
	{ "${= (1+2)*3 }", "9" },
	{ "${= 7/2}", "3" },
	{ "${= -7/2}", "-3" },
	{ "${= 7%4}", "3" },
	{ "${= -7 % 4}", "-3" },
	{ "${= 10-3-2}", "5" },
	{ "${= 100/5/2}", "10" },
	{ "${= --3}", "3" },
	{ "${= 2 - -3}", "5" },
	{ "${= -(2+3)}", "-5" },
	{ "${= prompts / nodes}", "5" },
	{ "${= ${env:FIVE} * 2}", "10" },
	{ "${= ${env:NONE:-3} + ${nodes}}", "5" },
	{ "${= 9223372036854775807 + 0}", "9223372036854775807" },
	{ "${= -9223372036854775807 - 1}", "-9223372036854775808" },
};

START_TEST(expressions_give_what_the_header_says)
{
	struct lsb_error err = { 0 };
	char *out = NULL;

	ck_assert_msg(lsb_expand(good[_i].text, "key", &scope, &out, &err) == LSB_OK, "%s: %s", good[_i].text,
		      err.msg);
	ck_assert_str_eq(out, good[_i].result);
	free(out);
}
END_TEST

static const struct {
	const char *text, *message;
} bad[] = {
	{ "${nodes", "missing '}' after '${nodes'" },
	{ "${env:NONE:-${nodes}", "missing '}' after '${env:NONE:-${nodes}'" },
	{ "${}", "'${}' names no key" },
	{ "${a b}", "'${a b}' is no expression (write ${key}, ${env:NAME:-DEFAULT} or ${= nodes*5})" },
	{ "${none}", "no key 'none'" },
	{ "${env:NONE}", "the environment variable NONE is not set (set it, or write ${env:NONE:-DEFAULT})" },
	{ "${env:}", "'${env:}' is not an environment variable (write ${env:NAME} or ${env:NAME:-DEFAULT})" },
	{ "${env:A-B}",
	  "'${env:A-B}' is not an environment variable (write ${env:NAME} or ${env:NAME:-DEFAULT})" },
	{ "${a}", "expression loop: a <- c <- b <- a" },
	{ "${self}", "expression loop: self <- self" },
	{ "${key}", "expression loop: key <- key" },
	{ "${= self}", "expression loop: self <- self" },
	{ "${= 1/0}", "division by zero" },
	{ "${= 1%(nodes-2)}", "division by zero" },
	{ "${= big + 1}", "the result of the arithmetic does not fit in 64 bits" },
	{ "${= big * 2}", "the result of the arithmetic does not fit in 64 bits" },
	{ "${= -big - 2}", "the result of the arithmetic does not fit in 64 bits" },
	{ "${= (-big-1) / -1}", "the result of the arithmetic does not fit in 64 bits" },
	{ "${= (-big-1) % -1}", "the result of the arithmetic does not fit in 64 bits" },
	{ "${= -(-big-1)}", "the result of the arithmetic does not fit in 64 bits" },
	{ "${= 9223372036854775808}", "the result of the arithmetic does not fit in 64 bits" },
	{ "${= 1.5}", "'.' after a number: only whole numbers here" },
	{ "${= 2x}", "'x' after a number: only whole numbers here" },
	{ "${= word}", "word in arithmetic: 'two' is not a whole number" },
	{ "${= }", "the arithmetic ends where a number should be" },
	{ "${= 1 +}", "the arithmetic ends where a number should be" },
	{ "${= (1}", "missing ')' in the arithmetic" },
	{ "${= 1)}", "')' where the arithmetic should end" },
	{ "${= 1 2}", "'2' where the arithmetic should end" },
	{ "${= 2**3}", "'*' where a number, a key or '(' should be" },
	{ "${= `id`}", "'`' where a number, a key or '(' should be" },
	{ "${d0}", "the expression needs more than 10000 look-ups" },
};

START_TEST(wrong_expressions_say_what_is_wrong)
{
	struct lsb_error err = { 0 };
	char *out = NULL;

	ck_assert_int_eq(lsb_expand(bad[_i].text, "key", &scope, &out, &err), LSB_ESUITE);
	ck_assert_str_eq(err.msg, bad[_i].message);
	ck_assert_ptr_null(out);
}
END_TEST

/* Far deeper than any stack: must be refused by depth, not by a crash. */
START_TEST(deep_nesting_is_refused)
{
	static const char *const openers[] = { "${= ", "${env:NONE:-", "${= (", "-", "(" };
	const size_t repeat = 20000, n = strlen(openers[_i]);
	char *text = calloc(repeat, n + 1), *value = NULL;
	struct lsb_error err = { 0 };
	int64_t number;

	for (size_t i = 0; i < repeat; i++)
		memcpy(text + i * n, openers[_i], n);
	if (_i < 3) {
		memset(text + repeat * n, '}', repeat - 1);
		text[repeat * n + repeat - 1] = '\0';
		ck_assert_int_eq(lsb_expand(text, "key", &scope, &value, &err), LSB_ESUITE);
	} else {
		ck_assert_int_eq(lsb_arithmetic(text, &scope, &number, &err), LSB_ESUITE);
		ck_assert_str_eq(err.msg, "the expression is nested deeper than 32");
	}
	free(text);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("expression");
	TCase *tc = tcase_create("all");

	tcase_add_loop_test(tc, expressions_give_what_the_header_says, 0, LSB_COUNT(good));
	tcase_add_loop_test(tc, wrong_expressions_say_what_is_wrong, 0, LSB_COUNT(bad));
	tcase_add_loop_test(tc, deep_nesting_is_refused, 0, 5);
	suite_add_tcase(s, tc);
	return run_tests(s);
}
