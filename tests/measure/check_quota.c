/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups in a folder like the system's: quotas of the own group and of those above it, both versions.
 */
#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "measure/quota.h"

#define CPU_1 "30 24 0:26 / /sys/fs/cgroup/cpu rw,nosuid - cgroup cgroup rw,cpu,cpuacct\n"
#define SET_1 "31 24 0:27 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
#define ALL_2 "32 24 0:28 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"

static char root[64];

/* ROOT/path holds `text`; folders on the way are made. */
static void put(const char *path, const char *text)
{
	char whole[PATH_MAX];
	FILE *file;

	(void)snprintf(whole, sizeof(whole), "%s/%s", root, path);
	for (char *slash = strchr(whole + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(whole, 0700);
		*slash = '/';
	}
	file = fopen(whole, "we");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

static void put_proc(const char *cgroup, const char *mountinfo)
{
	put("proc/self/cgroup", cgroup);
	put("proc/self/mountinfo", mountinfo);
}

/* A version 1 group below the mount at sys/fs/cgroup/cpu. */
static void put_version_1(const char *group, const char *quota, const char *period)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "sys/fs/cgroup/cpu%s/cpu.cfs_quota_us", group);
	put(path, quota);
	(void)snprintf(path, sizeof(path), "sys/fs/cgroup/cpu%s/cpu.cfs_period_us", group);
	put(path, period);
}

static void set_up(void)
{
	(void)snprintf(root, sizeof(root), "/tmp/lsbench-quota-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
}

static void tear_down(void)
{
	char command[96];

	(void)snprintf(command, sizeof(command), "rm -r %s", root);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(nothing_to_be_read_is_no_quota)
{
	ck_assert_double_eq(lsb_quota_read(root), 0);
	put_proc("", "");
	ck_assert_double_eq(lsb_quota_read(root), 0);
	put_proc("no such\n:::\n1:cpu\n", "- \n - cgroup\n1 2 3 - cgroup c cpu\n" CPU_1);
	ck_assert_double_eq(lsb_quota_read(root), 0);
}
END_TEST

START_TEST(version_1_counts_the_own_group_and_all_above)
{
	put_proc("4:cpuset:/\n3:cpu,cpuacct:/outer/inner\n0::/\n", SET_1 CPU_1);
	put_version_1("", "-1\n", "100000\n");
	put_version_1("/outer", "-1\n", "100000\n");
	put_version_1("/outer/inner", "-1\n", "100000\n");
	ck_assert_double_eq(lsb_quota_read(root), 0);
	put_version_1("/outer/inner", "150000\n", "100000\n");
	ck_assert_double_eq(lsb_quota_read(root), 1.5);
	put_version_1("/outer", "25000\n", "50000\n");
	ck_assert_double_eq(lsb_quota_read(root), 0.5);
	put_version_1("/outer/inner", "40000\n", "100000\n");
	ck_assert_double_eq(lsb_quota_read(root), 0.4);
	put_version_1("", "10000\n", "100000\n");
	ck_assert_double_eq(lsb_quota_read(root), 0.1);
}
END_TEST

START_TEST(group_beside_the_own_one_does_not_count)
{
	put_proc("3:cpu:/outer/inner\n", CPU_1);
	put_version_1("/outer/other", "10000\n", "100000\n");
	put_version_1("/outer/inner/below", "10000\n", "100000\n");
	put_version_1("/outer/inner", "-1\n", "100000\n");
	ck_assert_double_eq(lsb_quota_read(root), 0);
}
END_TEST

START_TEST(version_2_counts_the_own_group_and_all_above)
{
	put_proc("0::/user.slice/job\n", ALL_2);
	put("sys/fs/cgroup/user.slice/job/cpu.max", "max 100000\n");
	ck_assert_double_eq(lsb_quota_read(root), 0);
	put("sys/fs/cgroup/user.slice/cpu.max", "200000 100000\n");
	ck_assert_double_eq(lsb_quota_read(root), 2);
	put("sys/fs/cgroup/user.slice/job/cpu.max", "50000 100000\n");
	ck_assert_double_eq(lsb_quota_read(root), 0.5);
}
END_TEST

START_TEST(both_versions_mounted_both_count)
{
	put_proc("3:cpu:/a\n0::/b\n", CPU_1 "33 24 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
	put_version_1("/a", "100000\n", "100000\n");
	ck_assert_double_eq(lsb_quota_read(root), 1);
	put("sys/fs/cgroup/unified/b/cpu.max", "75000 100000\n");
	ck_assert_double_eq(lsb_quota_read(root), 0.75);
}
END_TEST

START_TEST(container_that_sees_a_part_finds_its_own_group)
{
	put_proc("3:cpu:/boxes/7/job\n", "30 24 0:26 /boxes/7 /cg\\040cpu rw - cgroup cgroup rw,cpu\n");
	put("cg cpu/job/cpu.cfs_quota_us", "60000\n");
	put("cg cpu/job/cpu.cfs_period_us", "100000\n");
	ck_assert_double_eq(lsb_quota_read(root), 0.6);
	/* a group that is not below what is mounted: what is mounted is all there is to see */
	put_proc("3:cpu:/boxes/77\n", "30 24 0:26 /boxes/7 /cg\\040cpu rw - cgroup cgroup rw,cpu\n");
	put("cg cpu/cpu.cfs_quota_us", "90000\n");
	put("cg cpu/cpu.cfs_period_us", "100000\n");
	ck_assert_double_eq(lsb_quota_read(root), 0.9);
	put_proc("0::/../elsewhere\n", "30 24 0:26 /../elsewhere /cg\\040cpu rw - cgroup2 cgroup2 rw\n");
	put("cg cpu/cpu.max", "30000 100000\n");
	ck_assert_double_eq(lsb_quota_read(root), 0.3);
}
END_TEST

START_TEST(quota_that_is_no_number_is_none)
{
	static const char *const texts[] = { "", "\n", "x\n", "-5\n", "0\n", "nan\n" };

	put_proc("3:cpu:/a\n0::/a\n", CPU_1 "33 24 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		put_version_1("/a", texts[i], "100000\n");
		put("sys/fs/cgroup/unified/a/cpu.max", texts[i]);
		ck_assert_double_eq(lsb_quota_read(root), 0);
		put_version_1("/a", "100000\n", texts[i]);
		ck_assert_double_eq(lsb_quota_read(root), 0);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("quota");
	TCase *tc = tcase_create("quota");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, nothing_to_be_read_is_no_quota);
	tcase_add_test(tc, version_1_counts_the_own_group_and_all_above);
	tcase_add_test(tc, group_beside_the_own_one_does_not_count);
	tcase_add_test(tc, version_2_counts_the_own_group_and_all_above);
	tcase_add_test(tc, both_versions_mounted_both_count);
	tcase_add_test(tc, container_that_sees_a_part_finds_its_own_group);
	tcase_add_test(tc, quota_that_is_no_number_is_none);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
