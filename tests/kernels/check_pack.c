/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel_data.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* File bytes of any content: every bit of every field takes part, unlike in what lsb_quantize writes. */
static void random_blocks(uint32_t type, uint8_t *file, size_t bytes)
{
	const size_t size = lsb_type_bytes(type);

	for (size_t i = 0; i < bytes; i++)
		file[i] = (uint8_t)(int)(random_value(type, i) * 128.0f);
	for (size_t i = 0; i + size <= bytes; i += size) { /* fp16 scales and fp values must be numbers */
		const size_t at = type == LSB_TYPE_Q6_K ? i + 208 : i;

		if (type == LSB_TYPE_F32)
			file[i + 3] &= 0xbf;
		else
			file[at + 1] &= 0xbb;
		if (size > 4)
			file[at == i ? i + 3 : i] &= 0xbb;
	}
}

START_TEST(unpacked_rows_equal_lsb_dequantize_bit_for_bit)
{
	const struct lsb_kernels *k = isa_or_skip(_i / N_TYPES);
	const uint32_t type = types[_i % N_TYPES];
	const size_t cols = lsb_type_block(type) * 3, row_bytes = 3 * lsb_type_bytes(type), rows = 13;
	uint8_t *file = aligned_bytes(rows * row_bytes), *panel;
	float *want = aligned_bytes(cols * sizeof(float)), *got = aligned_bytes(cols * sizeof(float));

	if (!k)
		return;
	random_blocks(type, file, rows * row_bytes);
	panel = aligned_bytes(k->panel_bytes(type, cols));
	k->pack(type, cols, file, row_bytes, rows, panel);
	for (size_t r = 0; r < LSB_PANEL; r++) {
		k->unpack_row(type, cols, panel, r, got);
		if (r < rows)
			lsb_dequantize(type, file + r * row_bytes, want, cols);
		for (size_t i = 0; i < cols; i++) {
			if (r < rows)
				ck_assert_mem_eq(&got[i], &want[i], sizeof(float));
			else
				ck_assert(got[i] == 0.0f); /* rows beyond the end */
		}
	}
	free(file);
	free(panel);
	free(want);
	free(got);
}
END_TEST

START_TEST(panels_and_activations_are_multiples_of_a_cache_line)
{
	const struct lsb_kernels *k = isa_or_skip(_i / N_TYPES);
	const uint32_t type = types[_i % N_TYPES];

	if (!k)
		return;
	for (size_t blocks = 1; blocks < 10; blocks++) {
		const size_t cols = blocks * lsb_type_block(type);

		ck_assert_uint_eq(k->panel_bytes(type, cols) % 64, 0);
		ck_assert_uint_eq(k->act_bytes(k->act_kind(type), cols) % 64, 0);
	}
}
END_TEST

START_TEST(q4_1_panel_costs_five_bits_a_weight)
{
	ck_assert_uint_eq(lsb_kernels_plain()->panel_bytes(LSB_TYPE_Q4_1, 576), 576 * 16 * 5 / 8);
}
END_TEST

START_TEST(unknown_names_find_nothing_and_auto_finds_some)
{
	ck_assert_ptr_null(lsb_kernels_find("sse9"));
	ck_assert_ptr_nonnull(lsb_kernels_find("auto"));
	ck_assert_ptr_eq(lsb_kernels_find("plain"), lsb_kernels_plain());
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kernels_pack");
	TCase *tc = tcase_create("layout");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, unpacked_rows_equal_lsb_dequantize_bit_for_bit, 0, N_ISAS * N_TYPES);
	tcase_add_loop_test(tc, panels_and_activations_are_multiples_of_a_cache_line, 0, N_ISAS * N_TYPES);
	tcase_add_test(tc, q4_1_panel_costs_five_bits_a_weight);
	tcase_add_test(tc, unknown_names_find_nothing_and_auto_finds_some);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
