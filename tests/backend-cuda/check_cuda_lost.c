/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What check_cuda_errors states of a CUDA runtime in host memory, where a real device
 * can show it: a model that cannot fit, and a device that is lost in a step. The second
 * ends this process's use of the device, so it comes last. Without a device the program
 * says so and exits with 77.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "rig.h"
#include "waive.h"

static const struct cuda_options usual = { .device = -1, .graphs = 1 };

START_TEST(what_cannot_fit_says_what_it_needs_and_what_is_free)
{
	const struct rig_spec spec = { .plugin = "cuda",
				       .options = &usual,
				       .model = "random:llama-3.1-8b:f16",
				       .slots = 1024,
				       .context = 131072 };
	struct lsb_error err = { 0 };
	struct rig r;

	ck_assert_int_eq(rig_open(&spec, &r, &err), LSB_ENOMEM);
	puts(err.msg);
	ck_assert_ptr_nonnull(strstr(err.msg, "needs 16398.96 GiB"));
	ck_assert_ptr_nonnull(
		strstr(err.msg, "KV cache of 1024 slots x 131072 positions 16384.00) and some"));
	ck_assert_ptr_nonnull(strstr(err.msg, "GiB left; use fewer slots, a shorter context or more stages"));
}
END_TEST

START_TEST(a_step_that_kills_the_context_is_a_lost_device)
{
	const struct rig_spec spec = { .plugin = "cuda",
				       .options = &usual,
				       .model = "random:tiny:f16",
				       .stages = 2,
				       .mem = LSB_MEM_CUDA };
	const struct lsb_token token = { .id = 3, .flags = LSB_TOKEN_OUTPUT };
	struct lsb_error err = { 0 };
	struct rig r;
	int32_t id;
	void *right;

	ck_assert_int_eq(rig_open(&spec, &r, &err), LSB_OK);
	right = r.hidden[0].ptr;
	r.hidden[0].ptr = (void *)(uintptr_t)0x1000; /* nobody's: the kernel that writes there faults */
	ck_assert_int_eq(rig_step(&r, &token, 1, NULL, &id, NULL, &err), LSB_EDEVICE);
	puts(err.msg);
	ck_assert_ptr_nonnull(strstr(err.msg, "a step failed: CUDA device"));
	ck_assert_ptr_nonnull(strstr(err.msg, "is lost to this process: an illegal memory access"));
	r.hidden[0].ptr = right;
	ck_assert_int_eq(rig_step(&r, &token, 1, NULL, &id, NULL, &err), LSB_EDEVICE);
	rig_close(&r);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cuda_lost");
	TCase *tc = tcase_create("lost");
	SRunner *runner;
	int failed;

	if (!rig_has_device())
		return 77;
	tcase_set_timeout(tc, 0);
	tcase_add_test(tc, what_cannot_fit_says_what_it_needs_and_what_is_free);
	tcase_add_test(tc, a_step_that_kills_the_context_is_a_lost_device);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_set_fork_status(runner, CK_NOFORK); /* one process, one CUDA context */
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
