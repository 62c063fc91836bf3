/* SPDX-License-Identifier: Apache-2.0 */
#include "parse.h"
#include "suite/list.h"

static const struct {
	const char *text, *items; /* items joined by '|', or the error's text */
	int rc;
} lists[] = {
	{ "1, 2, 4", "1|2|4", LSB_OK },
	{ "1", "1", LSB_OK },
	{ "1..8", "1|2|3|4|5|6|7|8", LSB_OK },
	{ "2^0..4", "1|2|4|8|16", LSB_OK },
	{ "2^10", "1024", LSB_OK },
	{ "-1..1", "-1|0|1", LSB_OK },
	{ "1, 4..5, 2^3..4", "1|4|5|8|16", LSB_OK },
	{ "tcp, fault:tcp", "tcp|fault:tcp", LSB_OK },
	{ "../a.gguf, 1..b", "../a.gguf|1..b", LSB_OK },
	{ "20ms, 2^x", "20ms|2^x", LSB_OK },
	{ "1,,2", "the list '1,,2' has an empty item", LSB_ESUITE },
	{ "", "the list '' has an empty item", LSB_ESUITE },
	{ "1, 2, 1", "the list has '1' twice", LSB_ESUITE },
	{ "1, 1..2", "the list has '1' twice", LSB_ESUITE },
	{ "8..1", "the range '8..1' goes down", LSB_ESUITE },
	{ "2^-1..3", "'2^-1..3' has a negative exponent", LSB_ESUITE },
	{ "2^60..70", "'2^60..70' does not fit in 64 bits", LSB_ESUITE },
	{ "1..1000000", "the list has more than 4096 items", LSB_ESUITE },
	{ "-9223372036854775807..9223372036854775807", "the list has more than 4096 items", LSB_ESUITE },
	{ "1^5..9", "the list has '1' twice", LSB_ESUITE },
};

START_TEST(lists_are_counted_out)
{
	struct lsb_list list;
	struct lsb_error err = { 0 };
	struct lsb_text joined = { 0 };

	ck_assert_int_eq(lsb_list_parse(lists[_i].text, &list, &err), lists[_i].rc);
	if (lists[_i].rc) {
		ck_assert_str_eq(err.msg, lists[_i].items);
		return;
	}
	for (size_t i = 0; i < list.n; i++)
		lsb_text_add(&joined, "%s%s", i ? "|" : "", list.items[i]);
	ck_assert_str_eq(joined.data, lists[_i].items);
	lsb_text_free(&joined);
	lsb_list_free(&list);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("list");
	TCase *tc = tcase_create("all");

	tcase_add_loop_test(tc, lists_are_counted_out, 0, LSB_COUNT(lists));
	suite_add_tcase(s, tc);
	return run_tests(s);
}
