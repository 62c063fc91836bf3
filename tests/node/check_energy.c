/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Energy counters from a folder like the system's: sums over packages, counters that start again, none at
 * all.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/energy.h"

static char folder[64];

static void set_up(void)
{
	(void)snprintf(folder, sizeof(folder), "/tmp/lsbench-energy-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

/* FOLDER/intel-rapl:PACKAGE/NAME holds `value`. */
static void write_counter(int package, const char *name, unsigned long long value)
{
	char path[160];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/intel-rapl:%d", folder, package);
	(void)mkdir(path, 0700);
	(void)snprintf(path, sizeof(path), "%s/intel-rapl:%d/%s", folder, package, name);
	file = fopen(path, "we");
	ck_assert_ptr_nonnull(file);
	(void)fprintf(file, "%llu\n", value);
	ck_assert_int_eq(fclose(file), 0);
}

static void tear_down(void)
{
	static const char *const names[] = { "energy_uj", "max_energy_range_uj" };
	char path[160];

	for (int package = 0; package < 2; package++) {
		for (int k = 0; k < 2; k++) {
			(void)snprintf(path, sizeof(path), "%s/intel-rapl:%d/%s", folder, package, names[k]);
			(void)unlink(path);
		}
		(void)snprintf(path, sizeof(path), "%s/intel-rapl:%d", folder, package);
		(void)rmdir(path);
	}
	ck_assert_int_eq(rmdir(folder), 0);
}

START_TEST(packages_add_up_and_counters_start_again)
{
	struct lsb_energy before, after;

	for (int package = 0; package < 2; package++) {
		write_counter(package, "energy_uj", 9000000);
		write_counter(package, "max_energy_range_uj", 10000000);
	}
	lsb_energy_read(folder, &before);
	write_counter(0, "energy_uj", 9500000);
	write_counter(1, "energy_uj", 1000000); /* 1 J to its end, 1 J on */
	lsb_energy_read(folder, &after);
	ck_assert_uint_eq(after.n, 2);
	ck_assert_double_eq_tol(lsb_energy_between(&before, &after), 2.5, 1e-9);
}
END_TEST

START_TEST(a_machine_without_counters_has_no_figure)
{
	struct lsb_energy before, after;

	lsb_energy_read(folder, &before);
	ck_assert_uint_eq(before.n, 0);
	write_counter(0, "energy_uj", 1);
	write_counter(0, "max_energy_range_uj", 2);
	lsb_energy_read(folder, &after);
	ck_assert_double_eq(lsb_energy_between(&before, &after), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("energy");
	TCase *tc = tcase_create("energy");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, packages_add_up_and_counters_start_again);
	tcase_add_test(tc, a_machine_without_counters_has_no_figure);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
