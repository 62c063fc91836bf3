/* SPDX-License-Identifier: Apache-2.0 */
#include "parse.h"
#include "suite/ini.h"

static struct lsb_ini read_text(const char *text, size_t bytes, char **found)
{
	struct lsb_diagnostics d = { 0 };
	struct lsb_ini ini;
	size_t length;
	FILE *out = open_memstream(found, &length);

	ck_assert_int_eq(lsb_ini_parse("t.ini", text, bytes, &ini, &d), LSB_OK);
	lsb_diagnostics_print(&d, out);
	fclose(out);
	lsb_diagnostics_free(&d);
	return ini;
}

START_TEST(pairs_carry_their_lines)
{
	static const char text[] = "# c\n\n[a]\nx = 1\n\n; c\ny=2 ; note\n[b  c]\n  z = a = b \n";
	char *found;
	struct lsb_ini ini = read_text(text, strlen(text), &found);

	ck_assert_str_eq(found, "");
	ck_assert_uint_eq(ini.n_sections, 2);
	ck_assert_str_eq(ini.sections[0].name, "a");
	ck_assert_uint_eq(ini.sections[0].line, 3);
	ck_assert_uint_eq(ini.sections[0].n_pairs, 2);
	ck_assert_str_eq(ini.sections[0].pairs[1].key, "y");
	ck_assert_str_eq(ini.sections[0].pairs[1].value, "2");
	ck_assert_uint_eq(ini.sections[0].pairs[1].line, 7);
	ck_assert_str_eq(ini.sections[1].name, "b c");
	/* an indented line is a pair of its own, not more of the value above */
	ck_assert_str_eq(ini.sections[1].pairs[0].value, "a = b");
	ck_assert_uint_eq(ini.sections[1].pairs[0].line, 9);
	lsb_ini_free(&ini);
	free(found);
}
END_TEST

START_TEST(byte_order_mark_and_carriage_returns_are_accepted)
{
	static const char text[] = "\xef\xbb\xbf[a]\r\nx = 1\r\n[b]\r\ny = 2";
	char *found;
	struct lsb_ini ini = read_text(text, strlen(text), &found);

	ck_assert_str_eq(found, "");
	ck_assert_uint_eq(ini.n_sections, 2);
	ck_assert_str_eq(ini.sections[0].pairs[0].value, "1");
	ck_assert_str_eq(ini.sections[1].pairs[0].value, "2");
	ck_assert_uint_eq(ini.sections[1].pairs[0].line, 4);
	lsb_ini_free(&ini);
	free(found);
}
END_TEST

/* inih's buffer holds 200 bytes, its line 197; section names beyond 49 it would cut. */
START_TEST(longest_line_is_read_and_a_longer_one_refused)
{
	char text[512];
	char *found;
	struct lsb_ini ini;
	int n;

	n = snprintf(text, sizeof(text), "[case %060d]\nkey = %0191d\n", 7, 1);
	ini = read_text(text, (size_t)n, &found);
	ck_assert_str_eq(found, "");
	ck_assert_uint_eq(strlen(ini.sections[0].name), 65);
	ck_assert_uint_eq(strlen(ini.sections[0].pairs[0].value), 191);
	lsb_ini_free(&ini);
	free(found);

	n = snprintf(text, sizeof(text), "[a]\nkey = %0192d\nnext = 1\n", 1);
	ini = read_text(text, (size_t)n, &found);
	ck_assert_str_eq(found, "t.ini:2: this line has 198 bytes, the limit is 197\n");
	ck_assert_uint_eq(ini.sections[0].n_pairs, 1);
	ck_assert_uint_eq(ini.sections[0].pairs[0].line, 3);
	lsb_ini_free(&ini);
	free(found);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ini");
	TCase *tc = tcase_create("all");

	tcase_add_test(tc, pairs_carry_their_lines);
	tcase_add_test(tc, byte_order_mark_and_carriage_returns_are_accepted);
	tcase_add_test(tc, longest_line_is_read_and_a_longer_one_refused);
	suite_add_tcase(s, tc);
	return run_tests(s);
}
