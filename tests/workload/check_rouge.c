/* SPDX-License-Identifier: Apache-2.0 */
#include "rouge.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "porter.h"

static json_t *golden;

static void compare(const json_t *scores, const char *name, const struct lsb_rouge_score *mine)
{
	const json_t *wanted = json_object_get(scores, name);

	/* The file has nine digits. */
	ck_assert_double_eq_tol(mine->precision, json_number_value(json_array_get(wanted, 0)), 1e-9);
	ck_assert_double_eq_tol(mine->recall, json_number_value(json_array_get(wanted, 1)), 1e-9);
	ck_assert_double_eq_tol(mine->f, json_number_value(json_array_get(wanted, 2)), 1e-9);
}

static void compare_all(const char *list, int stem)
{
	const json_t *entry;
	size_t i;

	ck_assert_uint_gt(json_array_size(json_object_get(golden, list)), 0);
	json_array_foreach(json_object_get(golden, list), i, entry)
	{
		const json_t *scores = json_object_get(entry, "scores");
		struct lsb_rouge rouge;

		ck_assert_int_eq(lsb_rouge(json_string_value(json_object_get(entry, "target")),
					   json_string_value(json_object_get(entry, "prediction")), stem,
					   &rouge),
				 0);
		compare(scores, "rouge1", &rouge.rouge1);
		compare(scores, "rouge2", &rouge.rouge2);
		compare(scores, "rougeL", &rouge.rougeL);
		compare(scores, "rougeLsum", &rouge.rougeLsum);
	}
}

START_TEST(rouge_agrees_with_the_rouge_score_package)
{
	compare_all("plain", 0);
}
END_TEST

START_TEST(stemmed_rouge_agrees_with_the_rouge_score_package)
{
	compare_all("stemmed", 1);
}
END_TEST

/* Examples of Porter's paper, and of the extensions. */
static const struct {
	const char *word, *stem;
} stems[] = {
	{ "caresses", "caress" },
	{ "ponies", "poni" },
	{ "ties", "tie" },
	{ "cats", "cat" },
	{ "agreed", "agre" },
	{ "plastered", "plaster" },
	{ "motoring", "motor" },
	{ "hopping", "hop" },
	{ "filing", "file" },
	{ "happy", "happi" },
	{ "relational", "relat" },
	{ "rational", "ration" },
	{ "triplicate", "triplic" },
	{ "adoption", "adopt" },
	{ "controll", "control" },
	{ "probate", "probat" },
	{ "dying", "die" },
	{ "news", "news" },
	{ "by", "by" },
	{ "enjoy", "enjoy" },
	{ "apologist", "apologist" },
};

START_TEST(words_have_porter_stems)
{
	char word[64];
	size_t n = strlen(stems[_i].word);

	memcpy(word, stems[_i].word, n);
	n = lsb_porter_stem(word, n);
	word[n] = '\0';
	ck_assert_str_eq(word, stems[_i].stem);
}
END_TEST

START_TEST(empty_texts_score_nothing)
{
	struct lsb_rouge rouge;

	ck_assert_int_eq(lsb_rouge("", "", 1, &rouge), 0);
	ck_assert_double_eq(rouge.rouge1.f, 0);
	ck_assert_double_eq(rouge.rougeLsum.f, 0);
}
END_TEST

int main(void)
{
	json_error_t where;
	Suite *suite = suite_create("rouge");
	TCase *tc = tcase_create("rouge");
	SRunner *runner;
	int failed;

	golden = json_load_file(LSB_GOLDEN "/rouge.json", 0, &where);
	tcase_add_loop_test(tc, words_have_porter_stems, 0, sizeof(stems) / sizeof(stems[0]));
	tcase_add_test(tc, empty_texts_score_nothing);
	if (golden) {
		tcase_add_test(tc, rouge_agrees_with_the_rouge_score_package);
		tcase_add_test(tc, stemmed_rouge_agrees_with_the_rouge_score_package);
	} else {
		printf("skipped: the golden answers, " LSB_GOLDEN "/rouge.json is missing\n");
	}
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	json_decref(golden);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
