/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tensor types against the golden answers of an independent implementation,
 * halves against all 65536 of them, quantising against what a type can hold.
 */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

static const uint32_t types[] = { LSB_TYPE_F32,	 LSB_TYPE_F16,	LSB_TYPE_BF16, LSB_TYPE_Q4_0,
				  LSB_TYPE_Q4_1, LSB_TYPE_Q5_0, LSB_TYPE_Q5_1, LSB_TYPE_Q8_0,
				  LSB_TYPE_Q4_K, LSB_TYPE_Q5_K, LSB_TYPE_Q6_K };

enum { N_TYPES = sizeof(types) / sizeof(types[0]), N = 4096 };

/* Bytes of base64 `text` into malloc'ed memory. */
static void *from_base64(const char *text, size_t *bytes)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint8_t *out = malloc(strlen(text) + 1);
	uint32_t bits = 0;
	int held = 0;

	*bytes = 0;
	for (; *text && *text != '='; text++) {
		bits = bits << 6 | (uint32_t)(strchr(digits, *text) - digits);
		held += 6;
		if (held >= 8) {
			held -= 8;
			out[(*bytes)++] = (uint8_t)(bits >> held);
		}
	}
	return out;
}

START_TEST(dequantise_gives_the_golden_bits)
{
	json_t *golden = json_load_file(LSB_GOLDEN "/dequantize.json", 0, NULL), *c;
	size_t i, tried = 0;

	if (!golden) {
		printf("skipped: no " LSB_GOLDEN "/dequantize.json\n");
		return;
	}
	json_array_foreach(json_object_get(golden, "cases"), i, c)
	{
		const uint32_t type = (uint32_t)json_integer_value(json_object_get(c, "ggml_type"));
		size_t block_bytes, value_bytes, n;
		void *blocks, *values;
		float *got;

		if (!lsb_type_name(type))
			continue;
		tried++;
		ck_assert_uint_eq(lsb_type_block(type), json_integer_value(json_object_get(c, "block_size")));
		ck_assert_uint_eq(lsb_type_bytes(type), json_integer_value(json_object_get(c, "type_size")));
		blocks = from_base64(json_string_value(json_object_get(c, "blocks_base64")), &block_bytes);
		values =
			from_base64(json_string_value(json_object_get(c, "values_f32_base64")), &value_bytes);
		n = value_bytes / sizeof(*got);
		ck_assert_uint_eq(block_bytes, n / lsb_type_block(type) * lsb_type_bytes(type));
		got = malloc(value_bytes);
		lsb_dequantize(type, blocks, got, n);
		ck_assert_msg(!memcmp(got, values, value_bytes), "%s differs", lsb_type_name(type));
		free(blocks);
		free(values);
		free(got);
	}
	ck_assert_uint_eq(tried, N_TYPES - 1); /* all but f32 */
	json_decref(golden);
}
END_TEST

START_TEST(f32_passes_unchanged)
{
	const float x[3] = { 1.5f, -0.0f, 3e38f };
	float coded[3], y[3];

	lsb_quantize(LSB_TYPE_F32, x, coded, 3);
	lsb_dequantize(LSB_TYPE_F32, coded, y, 3);
	ck_assert_mem_eq(x, y, sizeof(x));
}
END_TEST

/* By the definition of binary16, in double. */
static double half_value(uint16_t h)
{
	const int exponent = h >> 10 & 31, fraction = h & 1023;
	const double magnitude = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);

	return h & 0x8000 ? -magnitude : magnitude;
}

START_TEST(all_halves_widen_exactly_and_narrow_back)
{
	for (uint32_t h = 0; h < 65536; h++) {
		const float f = lsb_f16_to_f32((uint16_t)h);

		if ((h & 0x7fff) > 0x7c00) {
			ck_assert(isnan(f) && isnan(lsb_f16_to_f32(lsb_f32_to_f16(f))));
		} else {
			if ((h & 0x7fff) == 0x7c00)
				ck_assert(isinf(f) && (f < 0.0f) == (h >> 15 == 1));
			else
				ck_assert(f == (float)half_value((uint16_t)h));
			ck_assert_uint_eq(lsb_f32_to_f16(f), h);
		}
	}
}
END_TEST

/* Between neighbours, at the middle and one float beside it: nearest, even on a tie. */
START_TEST(narrowing_rounds_to_nearest_even)
{
	for (uint32_t h = 0; h < 0x7bff; h++) {
		const float lo = lsb_f16_to_f32((uint16_t)h), hi = lsb_f16_to_f32((uint16_t)(h + 1));
		const float middle = lo + (hi - lo) / 2;

		ck_assert_uint_eq(lsb_f32_to_f16(middle), h + (h & 1));
		ck_assert_uint_eq(lsb_f32_to_f16(nextafterf(middle, 0.0f)), h);
		ck_assert_uint_eq(lsb_f32_to_f16(nextafterf(middle, 1e9f)), h + 1);
		ck_assert_uint_eq(lsb_f32_to_f16(-middle), 0x8000u | (h + (h & 1)));
	}
	ck_assert_uint_eq(lsb_f32_to_f16(65519.996f), 0x7bff);
	ck_assert_uint_eq(lsb_f32_to_f16(65520.0f), 0x7c00);
	ck_assert_uint_eq(lsb_f32_to_f16(-INFINITY), 0xfc00);
}
END_TEST

/* --- quantising ------------------------------------------------------------------------- */

/* Bell-shaped values of standard deviation 1, the same on every machine. */
static void fill(float *x, size_t n)
{
	uint32_t state = 12345;

	for (size_t i = 0; i < n; i++) {
		float sum = 0.0f;

		for (int k = 0; k < 12; k++) {
			state = state * 1664525u + 1013904223u;
			sum += (float)(state >> 8) * 0x1p-24f;
		}
		x[i] = sum - 6.0f;
	}
}

/*
 * Largest error by type, in parts of the block's largest magnitude. A range of
 * L steps over 2 max has error 1/L: 1/15 for 4 bits, 1/31 for 5. One-sided Q4_0
 * and Q5_0 clip the far side by up to one step. K-quants' scales are themselves
 * rounded to 6 bits of the largest one. Q8_0's half step is 1/254; its fp16 scale adds 1/2048.
 */
static const struct {
	uint32_t type;
	double bound, rms; /* of the block's maximum; of the values */
} errors[] = {
	{ LSB_TYPE_F16, 1.0 / 2048, 0.0003 }, { LSB_TYPE_BF16, 1.0 / 256, 0.003 },
	{ LSB_TYPE_Q4_0, 1.01 / 8, 0.1 },     { LSB_TYPE_Q4_1, 1.01 / 15, 0.09 },
	{ LSB_TYPE_Q5_0, 1.01 / 16, 0.05 },   { LSB_TYPE_Q5_1, 1.01 / 31, 0.045 },
	{ LSB_TYPE_Q8_0, 1.13 / 254, 0.007 }, { LSB_TYPE_Q4_K, 0.12, 0.09 },
	{ LSB_TYPE_Q5_K, 0.08, 0.045 },	      { LSB_TYPE_Q6_K, 0.05, 0.025 },
};

START_TEST(quantised_values_are_near)
{
	const uint32_t type = errors[_i].type, block = lsb_type_block(type) < 32 ? 32 : lsb_type_block(type);
	float x[N], y[N];
	uint8_t coded[N * 4];
	double sum = 0.0;

	fill(x, N);
	lsb_quantize(type, x, coded, N);
	lsb_dequantize(type, coded, y, N);
	for (size_t b = 0; b < N; b += block) {
		double most = 0.0;

		for (size_t i = b; i < b + block; i++)
			most = fmax(most, fabs((double)x[i]));
		for (size_t i = b; i < b + block; i++) {
			const double error = (double)x[i] - (double)y[i];

			ck_assert_msg(fabs(error) <= errors[_i].bound * most,
				      "%s: %g became %g, block's maximum %g", lsb_type_name(type),
				      (double)x[i], (double)y[i], most);
			sum += error * error;
		}
	}
	ck_assert_double_lt(sqrt(sum / N), errors[_i].rms);
}
END_TEST

START_TEST(constant_and_zero_blocks_survive)
{
	static const float constants[] = { 0.0f, 1.0f, -1.0f, 1e-30f, -3e-6f };
	float x[256], y[256];
	uint8_t coded[1024];

	for (size_t k = 0; k < sizeof(constants) / sizeof(constants[0]); k++) {
		for (int i = 0; i < 256; i++)
			x[i] = constants[k];
		lsb_quantize(types[_i], x, coded, 256);
		lsb_dequantize(types[_i], coded, y, 256);
		for (int i = 0; i < 256; i++)
			ck_assert_msg(fabsf(y[i] - x[i]) <= 0.02f * fabsf(x[i]) + 4e-6f, "%s: %g became %g",
				      lsb_type_name(types[_i]), (double)x[i], (double)y[i]);
	}
}
END_TEST

/* Q5_1 and the like hold their own values exactly, so coding them again changes nothing. */
START_TEST(values_a_type_holds_are_kept)
{
	const uint32_t type = types[_i];
	float x[256], y[256], z[256];
	uint8_t coded[1024];

	if (type >= LSB_TYPE_Q4_K && type <= LSB_TYPE_Q6_K)
		return; /* their scales are chosen anew */
	fill(x, 256);
	lsb_quantize(type, x, coded, 256);
	lsb_dequantize(type, coded, y, 256);
	lsb_quantize(type, y, coded, 256);
	lsb_dequantize(type, coded, z, 256);
	for (int i = 0; i < 256; i++)
		ck_assert_float_le(fabsf(z[i] - y[i]), 2e-3f * fabsf(y[i]) + 2e-3f);
}
END_TEST

START_TEST(unknown_types_have_no_name_and_no_size)
{
	ck_assert_ptr_null(lsb_type_name(10));
	ck_assert_uint_eq(lsb_type_block(10), 0);
	ck_assert_uint_eq(lsb_type_bytes(UINT32_MAX), 0);
	ck_assert_str_eq(lsb_type_name(LSB_TYPE_Q4_1), "q4_1");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("quant");
	TCase *tc = tcase_create("types");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, dequantise_gives_the_golden_bits);
	tcase_add_test(tc, f32_passes_unchanged);
	tcase_add_test(tc, all_halves_widen_exactly_and_narrow_back);
	tcase_add_test(tc, narrowing_rounds_to_nearest_even);
	tcase_add_loop_test(tc, quantised_values_are_near, 0, sizeof(errors) / sizeof(errors[0]));
	tcase_add_loop_test(tc, constant_and_zero_blocks_survive, 0, N_TYPES);
	tcase_add_loop_test(tc, values_a_type_holds_are_kept, 0, N_TYPES);
	tcase_add_test(tc, unknown_types_have_no_name_and_no_size);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
