/* SPDX-License-Identifier: Apache-2.0 */
/* What the Check programs of this folder share. */
#ifndef FIXTURE_H
#define FIXTURE_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "plugin/inspect.h"

/* Run all tests of `tc`; the exit status. A program called as `NAME inspect` is the child of lsb_inspect. */
static inline int fixture_main(int argc, char **argv, const char *name, TCase *tc)
{
	Suite *suite = suite_create(name);
	SRunner *runner;
	int failed;

	if (argc == 2 && strcmp(argv[1], "inspect") == 0)
		return lsb_inspect_serve(0, 1) == LSB_OK ? EXIT_SUCCESS : EXIT_FAILURE;
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
