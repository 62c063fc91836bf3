/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables: words in, a filled struct or one sentence out. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "plugin/loader.h"

struct options {
	uint32_t flag, pick;
	int64_t count;
	double share;
	uint64_t room, pause;
	const char *label, *file;
};

#define AT(member) offsetof(struct options, member)
static const struct lsb_option table[] = {
	{ .name = "flag", .type = LSB_OPT_BOOL, .def = "no", .offset = AT(flag), .help = "h" },
	{ .name = "pick",
	  .type = LSB_OPT_CHOICE,
	  .choices = "block|poll|hybrid",
	  .def = "hybrid",
	  .offset = AT(pick) },
	{ .name = "count",
	  .type = LSB_OPT_INT,
	  .def = "-3",
	  .min = -5,
	  .max = 5,
	  .offset = AT(count),
	  .unit = "tokens" },
	{ .name = "share", .type = LSB_OPT_REAL, .def = "0.5", .min = 0, .max = 1, .offset = AT(share) },
	{ .name = "room",
	  .type = LSB_OPT_SIZE,
	  .def = "4KiB",
	  .min = 1,
	  .max = 1 << 20,
	  .offset = AT(room),
	  .unit = "B" },
	{ .name = "pause", .type = LSB_OPT_TIME, .def = "20ms", .max = 6e10, .offset = AT(pause) },
	{ .name = "label", .type = LSB_OPT_STRING, .def = "", .offset = AT(label) },
	{ .name = "file", .type = LSB_OPT_FILE, .help = "where from", .offset = AT(file) },
	{ 0 },
};

static struct options o;
static char **strings;
static struct lsb_error err;

/* Parse up to two settings, and `file` so that the table is satisfied. */
static int parse(const char *name, const char *value, const char *where)
{
	const struct lsb_setting settings[] = { { "file", "data/a.txt", NULL }, { name, value, where } };

	strings = NULL;
	return lsb_options_parse(table, settings, name ? 2 : 1, "/suite", &o, sizeof(o), &strings, &err);
}

START_TEST(defaults_fill_every_member)
{
	memset(&o, 0xff, sizeof(o));
	ck_assert_int_eq(parse(NULL, NULL, NULL), LSB_OK);
	ck_assert_uint_eq(o.flag, 0);
	ck_assert_uint_eq(o.pick, 2);
	ck_assert_int_eq(o.count, -3);
	ck_assert_double_eq(o.share, 0.5);
	ck_assert_uint_eq(o.room, 4096);
	ck_assert_uint_eq(o.pause, 20000000);
	ck_assert_str_eq(o.label, "");
	ck_assert_str_eq(o.file, "/suite/data/a.txt");
	lsb_options_free(strings);
}
END_TEST

static const struct {
	const char *name, *value;
	size_t offset, bytes;
	uint64_t expected; /* as the member's bytes */
} good[] = {
	{ "flag", "yes", AT(flag), 4, 1 },
	{ "flag", "off", AT(flag), 4, 0 },
	{ "pick", "block", AT(pick), 4, 0 },
	{ "pick", "poll", AT(pick), 4, 1 },
	{ "count", "5", AT(count), 8, 5 },
	{ "count", "-5", AT(count), 8, (uint64_t)-5 },
	{ "share", "1", AT(share), 8, 0x3ff0000000000000 },
	{ "room", "1MiB", AT(room), 8, 1 << 20 },
	{ "room", "1kB", AT(room), 8, 1000 },
	{ "pause", "0", AT(pause), 8, 0 },
	{ "pause", "1.5us", AT(pause), 8, 1500 },
};

START_TEST(a_setting_fills_its_member)
{
	uint64_t found = 0;

	ck_assert_int_eq(parse(good[_i].name, good[_i].value, NULL), LSB_OK);
	memcpy(&found, (char *)&o + good[_i].offset, good[_i].bytes);
	ck_assert_uint_eq(found, good[_i].expected);
	lsb_options_free(strings);
}
END_TEST

static const struct {
	const char *name, *value, *where, *message;
} wrong[] = {
	{ "flga", "yes", "s.ini:7", "s.ini:7: unknown option 'flga' (did you mean 'flag'?)" },
	{ "completely-different", "1", NULL, "unknown option 'completely-different'" },
	{ "flag", "maybe", "s.ini:7", "s.ini:7: option 'flag': 'maybe' is neither yes nor no" },
	{ "pick", "spin", "--set", "--set: option 'pick': 'spin' is none of block|poll|hybrid" },
	{ "pick", "", NULL, "option 'pick': '' is none of block|poll|hybrid" },
	{ "pick", "poll|hybrid", NULL, "option 'pick': 'poll|hybrid' is none of block|poll|hybrid" },
	{ "count", "6", "s.ini:7", "s.ini:7: option 'count': '6' is out of range: -5 to 5 tokens" },
	{ "count", "1.5", NULL, "option 'count': '1.5' is not a whole number" },
	{ "count", "99999999999999999999", NULL, "option 'count': '99999999999999999999' is out of range" },
	{ "share", "1.01", NULL, "option 'share': '1.01' is out of range: 0 to 1" },
	{ "share", "nan", NULL, "option 'share': 'nan' is not a number" },
	{ "room", "4096", NULL, "option 'room': '4096' has no unit (write it like 64KiB or 1MB)" },
	{ "room", "0", NULL, "option 'room': '0' is out of range: 1B to 1MiB" },
	{ "room", "-1KiB", NULL, "option 'room': '-1KiB' is negative" },
	{ "pause", "2min", NULL, "option 'pause': '2min' is out of range: 0 to 60s" },
	{ "pause", "5", NULL, "option 'pause': '5' has no unit (write it like 20ms or 2s)" },
};

START_TEST(a_wrong_setting_says_where_and_what)
{
	ck_assert_int_eq(parse(wrong[_i].name, wrong[_i].value, wrong[_i].where), LSB_ESUITE);
	ck_assert_str_eq(err.msg, wrong[_i].message);
}
END_TEST

START_TEST(an_option_without_default_must_be_set)
{
	ck_assert_int_eq(lsb_options_parse(table, NULL, 0, NULL, &o, sizeof(o), &strings, &err), LSB_ESUITE);
	ck_assert_str_eq(err.msg, "option 'file' must be set: where from");
}
END_TEST

START_TEST(the_last_of_equal_settings_wins)
{
	const struct lsb_setting settings[] = { { "file", "/a", NULL },
						{ "count", "1", NULL },
						{ "count", "2", NULL } };

	ck_assert_int_eq(lsb_options_parse(table, settings, 3, "/suite", &o, sizeof(o), &strings, &err),
			 LSB_OK);
	ck_assert_int_eq(o.count, 2);
	ck_assert_str_eq(o.file, "/a");
	lsb_options_free(strings);
}
END_TEST

START_TEST(a_plugin_without_options_takes_none)
{
	const struct lsb_setting setting = { "x", "1", NULL };

	ck_assert_int_eq(lsb_options_parse(NULL, NULL, 0, NULL, NULL, 0, &strings, &err), LSB_OK);
	lsb_options_free(strings);
	ck_assert_int_eq(lsb_options_parse(NULL, &setting, 1, NULL, NULL, 0, &strings, &err), LSB_ESUITE);
	ck_assert_str_eq(err.msg, "unknown option 'x'");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("options");
	TCase *tc = tcase_create("options");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, defaults_fill_every_member);
	tcase_add_loop_test(tc, a_setting_fills_its_member, 0, LSB_COUNT(good));
	tcase_add_loop_test(tc, a_wrong_setting_says_where_and_what, 0, LSB_COUNT(wrong));
	tcase_add_test(tc, an_option_without_default_must_be_set);
	tcase_add_test(tc, the_last_of_equal_settings_wins);
	tcase_add_test(tc, a_plugin_without_options_takes_none);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
