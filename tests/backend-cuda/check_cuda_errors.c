/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What backend-cuda does when something is missing or goes wrong, over a CUDA runtime in
 * host memory (fake_cuda.h): on any machine, and under sanitizers. Every failure must be
 * a sentence that names the cause, with the right status, and leave nothing behind.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_cuda.h"
#include "options.h"
#include "rig.h"

extern const struct lsb_plugin lsb_plugin_v1;

static const struct cuda_options usual = { .device = -1, .graphs = 1 };

static void before(void)
{
	fake_reset();
}

/* Nothing of the runtime's is left. */
static void after(void)
{
	ck_assert_uint_eq(fake.live, 0);
	ck_assert_uint_eq(fake.used_bytes, 0);
}

static int open_with(const struct cuda_options *options, uint32_t context, struct rig *r,
		     struct lsb_error *err)
{
	const struct rig_spec spec = { .plugin = "cuda",
				       .options = options,
				       .model = "random:tiny:f16",
				       .context = context,
				       .max_tokens = 48 };

	return rig_open(&spec, r, err);
}

/* Opening fails with this status, in words that have all of `words`, ';'-separated. */
static void fails(const struct cuda_options *options, uint32_t context, int status, const char *words)
{
	struct lsb_error err = { 0 };
	char copy[256], *at = NULL;
	struct rig r;

	ck_assert_int_eq(open_with(options, context, &r, &err), status);
	ck_assert_int_eq(err.code, status);
	snprintf(copy, sizeof(copy), "%s", words);
	for (char *word = strtok_r(copy, ";", &at); word; word = strtok_r(NULL, ";", &at))
		ck_assert_msg(strstr(err.msg, word) != NULL, "'%s' is not in: %s", word, err.msg);
}

/* --- machines ------------------------------------------------------------------------- */

START_TEST(without_a_driver_the_reason_is_that)
{
	struct lsb_error err = { 0 };

	fake.has_driver = false;
	ck_assert_int_eq(lsb_plugin_v1.probe(rig_host(), &err), LSB_EUNAVAIL);
	ck_assert_str_eq(err.msg,
			 "no CUDA device (libcuda.so.1 cannot be opened: there is no NVIDIA driver here)");
}
END_TEST

START_TEST(an_old_driver_is_told_what_is_needed)
{
	fake.count_error = cudaErrorInsufficientDriver;
	fake.driver_version = 11040;
	fails(&usual, 0, LSB_EUNAVAIL, "the driver knows CUDA 11.4, this build needs;update the driver");
}
END_TEST

START_TEST(a_driver_without_devices_is_no_device)
{
	fake.devices = 0;
	fails(&usual, 0, LSB_EUNAVAIL, "no CUDA device (the driver shows none)");
}
END_TEST

START_TEST(a_device_that_is_not_there_is_named)
{
	const struct cuda_options fourth = { .device = 3, .graphs = 1 };

	fails(&fourth, 0, LSB_EUNAVAIL, "number 3 is asked for, but there are 2");
}
END_TEST

START_TEST(too_old_a_device_is_told_the_least)
{
	fake.major = 7;
	fails(&usual, 0, LSB_EUNAVAIL,
	      "NVIDIA Fake 0 has compute capability 7.0; 7.5 is the least that works");
}
END_TEST

START_TEST(a_device_that_the_build_has_no_code_for_is_told_how_to_build)
{
	fake.major = 10;
	fake.prepare_error = cudaErrorNoKernelImageForDevice;
	fails(&usual, 0, LSB_EUNAVAIL, "compute capability 10.0;build with LSB_CUDA_ARCHITECTURES=100");
}
END_TEST

START_TEST(a_cache_in_bf16_needs_a_device_that_has_it)
{
	const struct cuda_options bf16 = { .device = -1, .graphs = 1, .kv = CUDA_KV_BF16 };

	fake.major = 7;
	fake.minor = 5;
	fails(&bf16, 0, LSB_EUNAVAIL, "kv = bf16 needs compute capability 8.0;has 7.5; use kv = fp16");
}
END_TEST

START_TEST(without_cublas_the_way_out_is_told_and_works)
{
	const struct cuda_options invariant = { .device = -1, .graphs = 1, .invariant = 1 };
	struct lsb_error err = { 0 };
	struct rig r;

	fake.has_lt = false;
	fails(&usual, 0, LSB_EUNAVAIL, "libcublas not found;LD_LIBRARY_PATH;backend.invariant = yes");
	ck_assert_int_eq(open_with(&invariant, 0, &r, &err), LSB_OK);
	rig_close(&r);
}
END_TEST

START_TEST(a_cublas_of_another_kind_is_told_what_it_lacks)
{
	fake.lacks = "cublasLtMatmul";
	fails(&usual, 0, LSB_EUNAVAIL, "libcublas not found: the one here lacks cublasLtMatmul");
}
END_TEST

START_TEST(ranks_of_a_host_take_its_devices_in_turn)
{
	for (int32_t host_rank = 0; host_rank < 4; host_rank++) {
		const struct lsb_place place = { .struct_size = sizeof(place),
						 .model = "random:tiny:f16",
						 .rank = 7 + host_rank, /* of all hosts */
						 .stages = 1,
						 .slots = 1,
						 .context = 64,
						 .max_tokens = 8,
						 .max_outputs = 8,
						 .max_tickets = 1,
						 .device = -1,
						 .host_rank = host_rank,
						 .host_size = 4 };
		struct lsb_backend_info info = { .struct_size = sizeof(info) };
		const struct lsb_backend_ops *ops = lsb_plugin_v1.ops.backend;
		struct lsb_error err = { 0 };
		struct lsb_backend *b;

		ck_assert_int_eq(ops->open(rig_host(), &usual, &place, &b, &err), LSB_OK);
		ck_assert_int_eq(fake.device, host_rank % 2);
		ck_assert_int_eq(ops->info(b, &info, &err), LSB_OK);
		ck_assert_str_eq(info.device_id, host_rank % 2 ? "GPU-00000000-0000-0000-0000-000000000001"
							       : "GPU-00000000-0000-0000-0000-000000000000");
		ck_assert_str_eq(info.engine,
				 "own products, cuBLASLt 13.0.2 beyond 32 tokens; own attention; KV "
				 "cache fp16; decode as CUDA graphs");
		ops->close(b);
	}
}
END_TEST

/* --- memory --------------------------------------------------------------------------- */

START_TEST(what_cannot_fit_is_refused_before_loading_with_what_it_needs)
{
	fake.total_bytes = 1 << 20;
	fails(&usual, 2048, LSB_ENOMEM,
	      "stage 0 of 1 needs;weights;KV cache of 4 slots x 2048 positions;device 0 (NVIDIA Fake 0) has "
	      "0.00 of "
	      "0.00 GiB left;use fewer slots");
	ck_assert_uint_eq(fake.allocations, 0);
}
END_TEST

START_TEST(whichever_allocation_fails_nothing_is_left_behind)
{
	uint32_t n = 0;
	int rc;

	do {
		struct lsb_error err = { 0 };
		struct rig r;

		fake_reset();
		fake.failing = ++n;
		rc = open_with(&usual, 0, &r, &err);
		if (rc == LSB_OK) {
			rig_close(&r);
		} else {
			ck_assert_msg(rc == LSB_ENOMEM, "allocation %u: status %d: %s", n, rc, err.msg);
			ck_assert_msg(strstr(err.msg, "memory") != NULL, "allocation %u: %s", n, err.msg);
		}
		ck_assert_msg(fake.live == 0, "allocation %u leaves %u behind", n, fake.live);
	} while (rc && n < 1000);
	ck_assert_uint_gt(n, 20); /* there were some to fail */
}
END_TEST

/* --- steps ------------------------------------------------------------------------------ */

static int step(struct rig *r, uint32_t position, struct lsb_error *err)
{
	const struct lsb_token token = { .id = 3, .position = position, .flags = LSB_TOKEN_OUTPUT };
	int32_t id;

	return rig_step(r, &token, 1, NULL, &id, NULL, err);
}

/* Open for steps of up to 48 tokens, of which those above 32 are cuBLASLt's. */
START_TEST(no_step_of_a_run_has_to_search_for_an_algorithm)
{
	struct lsb_token prompt[48];
	struct lsb_error err = { 0 };
	uint32_t searches;
	struct rig r;

	ck_assert_int_eq(open_with(&usual, 0, &r, &err), LSB_OK);
	searches = fake.searches;
	ck_assert_uint_gt(searches, 0);
	for (uint32_t n = 30; n <= 48; n++) {
		int32_t id;

		for (uint32_t i = 0; i < n; i++)
			prompt[i] = (struct lsb_token){ .id = 3,
							.position = i,
							.flags = i + 1 == n ? LSB_TOKEN_OUTPUT : 0 };
		r.ops->slot_clear(r.stage[0], 0);
		ck_assert_int_eq(rig_step(&r, prompt, n, NULL, &id, NULL, &err), LSB_OK);
	}
	ck_assert_uint_eq(fake.searches, searches);
	rig_close(&r);
}
END_TEST

START_TEST(a_device_lost_in_a_step_fails_it_and_all_after_it)
{
	struct lsb_error err = { 0 };
	struct rig r;

	ck_assert_int_eq(open_with(&usual, 0, &r, &err), LSB_OK);
	ck_assert_int_eq(step(&r, 0, &err), LSB_OK);
	fake.stream_error = cudaErrorLaunchFailure;
	ck_assert_int_eq(step(&r, 1, &err), LSB_EDEVICE);
	ck_assert_msg(strstr(err.msg, "a step failed: CUDA device 0 (NVIDIA Fake 0) is lost to this process: "
				      "unspecified launch failure; look for an Xid") == err.msg,
		      "%s", err.msg);
	ck_assert_int_eq(step(&r, 2, &err), LSB_EDEVICE);
	rig_close(&r);
}
END_TEST

START_TEST(a_step_that_cannot_be_launched_leaves_its_slot_where_it_was)
{
	struct lsb_error err = { 0 };
	struct rig r;

	ck_assert_int_eq(open_with(&usual, 0, &r, &err), LSB_OK);
	ck_assert_int_eq(step(&r, 0, &err), LSB_OK);
	fake.launch_error = cudaErrorInvalidValue;
	ck_assert_int_eq(step(&r, 1, &err), LSB_EDEVICE);
	ck_assert_ptr_nonnull(strstr(err.msg, "a step cannot be launched: CUDA device 0"));
	fake.launch_error = cudaSuccess;
	ck_assert_int_eq(step(&r, 2, &err), LSB_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "which is to go on at 1"));
	ck_assert_int_eq(step(&r, 1, &err), LSB_OK);
	rig_close(&r);
}
END_TEST

START_TEST(peaks_of_a_lost_device_are_an_error)
{
	struct lsb_error err = { 0 };
	double value;
	struct rig r;

	ck_assert_int_eq(open_with(&usual, 0, &r, &err), LSB_OK);
	fake.stream_error = cudaErrorECCUncorrectable;
	ck_assert_int_eq(r.ops->measure(r.stage[0], LSB_PEAK_MATMUL, 1000, &value, &err), LSB_EDEVICE);
	ck_assert_ptr_nonnull(strstr(err.msg, "is lost to this process"));
	rig_close(&r);
}
END_TEST

START_TEST(a_profiler_sees_ranges_named_by_steps_if_asked_for)
{
	const struct cuda_options profiled = { .device = -1, .graphs = 1, .profile = 1 };
	const struct lsb_token prompt[] = { { .id = 3 },
					    { .id = 4, .position = 1, .flags = LSB_TOKEN_OUTPUT } };
	struct lsb_error err = { 0 };
	int32_t id;
	struct rig r;

	ck_assert_int_eq(open_with(&usual, 0, &r, &err), LSB_OK);
	ck_assert_int_eq(step(&r, 0, &err), LSB_OK);
	rig_close(&r);
	ck_assert_str_eq(fake.ranges, "");
	ck_assert_int_eq(open_with(&profiled, 0, &r, &err), LSB_OK);
	ck_assert_int_eq(rig_step(&r, prompt, 2, NULL, &id, NULL, &err), LSB_OK);
	ck_assert_int_eq(step(&r, 2, &err), LSB_OK);
	rig_close(&r);
	ck_assert_str_eq(fake.ranges, "prefill 2 (1 output);wait;decode 1;wait;");
	ck_assert_int_eq(fake.open_ranges, 0);
}
END_TEST

/* --- NVML --------------------------------------------------------------------------------- */

/* The value of a counter; -1 if there is none of that name. */
static double counter(const struct rig *r, const char *name)
{
	struct lsb_metric all[8];
	struct lsb_error err = { 0 };
	size_t n = 8;

	ck_assert_int_eq(r->ops->counters(r->stage[0], all, &n, &err), LSB_OK);
	for (size_t i = 0; i < n; i++)
		if (strcmp(all[i].name, name) == 0)
			return all[i].value;
	return -1;
}

START_TEST(energy_counts_from_open)
{
	struct lsb_error err = { 0 };
	struct rig r;

	fake.energy_mj = 7000;
	ck_assert_int_eq(open_with(&usual, 0, &r, &err), LSB_OK);
	fake.energy_mj = 9500;
	ck_assert_double_eq(counter(&r, "energy_j"), 2.5);
	ck_assert_double_eq(counter(&r, "power_w"), 250);
	ck_assert_double_gt(counter(&r, "device_bytes"), 0);
	rig_close(&r);
}
END_TEST

START_TEST(without_nvml_there_is_no_energy_and_no_error)
{
	static const char *const lacks[] = { NULL, "nvmlDeviceGetTotalEnergyConsumption" };
	struct lsb_error err = { 0 };
	struct rig r;

	for (size_t i = 0; i < 2; i++) {
		fake.has_nvml = i > 0;
		fake.lacks = lacks[i];
		ck_assert_int_eq(open_with(&usual, 0, &r, &err), LSB_OK);
		ck_assert_double_eq(counter(&r, "energy_j"), -1);
		ck_assert_double_gt(counter(&r, "device_used_bytes"), 0);
		rig_close(&r);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cuda_errors");
	TCase *tc = tcase_create("errors");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, before, after);
	tcase_add_test(tc, without_a_driver_the_reason_is_that);
	tcase_add_test(tc, an_old_driver_is_told_what_is_needed);
	tcase_add_test(tc, a_driver_without_devices_is_no_device);
	tcase_add_test(tc, a_device_that_is_not_there_is_named);
	tcase_add_test(tc, too_old_a_device_is_told_the_least);
	tcase_add_test(tc, a_device_that_the_build_has_no_code_for_is_told_how_to_build);
	tcase_add_test(tc, a_cache_in_bf16_needs_a_device_that_has_it);
	tcase_add_test(tc, without_cublas_the_way_out_is_told_and_works);
	tcase_add_test(tc, a_cublas_of_another_kind_is_told_what_it_lacks);
	tcase_add_test(tc, ranks_of_a_host_take_its_devices_in_turn);
	tcase_add_test(tc, what_cannot_fit_is_refused_before_loading_with_what_it_needs);
	tcase_add_test(tc, whichever_allocation_fails_nothing_is_left_behind);
	tcase_add_test(tc, no_step_of_a_run_has_to_search_for_an_algorithm);
	tcase_add_test(tc, a_device_lost_in_a_step_fails_it_and_all_after_it);
	tcase_add_test(tc, a_step_that_cannot_be_launched_leaves_its_slot_where_it_was);
	tcase_add_test(tc, peaks_of_a_lost_device_are_an_error);
	tcase_add_test(tc, a_profiler_sees_ranges_named_by_steps_if_asked_for);
	tcase_add_test(tc, energy_counts_from_open);
	tcase_add_test(tc, without_nvml_there_is_no_energy_and_no_error);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
