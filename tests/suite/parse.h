/* SPDX-License-Identifier: Apache-2.0 */
/* Suites from strings, for the tests of this folder. */
#ifndef LSB_TEST_PARSE_H
#define LSB_TEST_PARSE_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "suite/suite.h"

static inline const char *test_environment(void *user, const char *name)
{
	(void)user;
	if (strcmp(name, "FIVE") == 0)
		return "5";
	if (strcmp(name, "EMPTY") == 0)
		return "";
	return NULL;
}

/* What is found in `text`, as printed; "" when it is a good suite, which is then in *suite. */
static inline char *parse_bytes(const char *text, size_t bytes, const char *const *sets, size_t n_sets,
				const char *only, struct lsb_suite **suite)
{
	const struct lsb_suite_request request = {
		.path = "t.ini", .sets = sets, .n_sets = n_sets, .only = only, .environment = test_environment
	};
	struct lsb_diagnostics d = { 0 };
	char *printed = NULL;
	size_t length;
	FILE *out = open_memstream(&printed, &length);
	const int rc = lsb_suite_parse(&request, text, bytes, suite, &d);

	lsb_diagnostics_print(&d, out);
	fclose(out);
	ck_assert_int_eq(rc, d.n ? LSB_ESUITE : LSB_OK);
	ck_assert((*suite == NULL) == (d.n > 0));
	lsb_diagnostics_free(&d);
	return printed;
}

/* A suite that must be right. */
static inline struct lsb_suite *parse_with(const char *text, const char *const *sets, size_t n_sets,
					   const char *only)
{
	struct lsb_suite *suite;
	char *printed = parse_bytes(text, strlen(text), sets, n_sets, only, &suite);

	ck_assert_str_eq(printed, "");
	free(printed);
	return suite;
}

static inline struct lsb_suite *parse(const char *text)
{
	return parse_with(text, NULL, 0, NULL);
}

static inline const char *value_of(const struct lsb_point *p, const char *key)
{
	for (size_t i = 0; i < p->n_values; i++)
		if (strcmp(p->values[i].key, key) == 0)
			return p->values[i].value;
	return NULL;
}

static inline const char *where_of(const struct lsb_point *p, const char *key)
{
	for (size_t i = 0; i < p->n_values; i++)
		if (strcmp(p->values[i].key, key) == 0)
			return p->values[i].where;
	return NULL;
}

static inline int run_tests(Suite *s)
{
	SRunner *runner = srunner_create(s);
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
