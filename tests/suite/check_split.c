/* SPDX-License-Identifier: Apache-2.0 */
#include "parse.h"
#include "suite/split.h"

static double slowest(const uint32_t *split, uint32_t stages, double layer, double head)
{
	double most = 0;

	for (uint32_t s = 0; s < stages; s++) {
		const double cost = lsb_split_stage_cost(split, stages, s, layer, head);

		most = cost > most ? cost : most;
	}
	return most;
}

/* The least possible largest cost, by trying every split: the slow, plain answer. */
static double best_of_all(uint32_t layers, uint32_t stages, double layer, double head)
{
	double best = -1;

	if (stages == 1)
		return layers * layer + head;
	for (uint32_t first = 1; first <= layers - (stages - 1); first++) {
		const double rest = best_of_all(layers - first, stages - 1, layer, head);
		const double cost = first * layer > rest ? first * layer : rest;

		best = best < 0 || cost < best ? cost : best;
	}
	return best;
}

START_TEST(partition_is_as_good_as_the_best_of_all)
{
	static const double heads[] = { 0, 0.4, 1, 2, 3.5, 8, 100 };
	uint32_t split[6];

	for (uint32_t layers = 1; layers <= 14; layers++)
		for (uint32_t stages = 1; stages <= 6 && stages <= layers; stages++)
			for (size_t h = 0; h < LSB_COUNT(heads); h++) {
				uint32_t sum = 0;

				ck_assert_int_eq(lsb_split_layers(layers, stages, 1.0, heads[h], split, NULL),
						 0);
				for (uint32_t s = 0; s < stages; s++) {
					ck_assert_uint_ge(split[s], 1);
					sum += split[s];
				}
				ck_assert_uint_eq(sum, layers);
				ck_assert_double_eq(slowest(split, stages, 1.0, heads[h]),
						    best_of_all(layers, stages, 1.0, heads[h]));
			}
}
END_TEST

/*
 * SmolLM2-135M: layer 576 (576 + 576 + 2 * 192) + 3 * 576 * 1536 = 3,538,944 MACs,
 * head 576 * 49152 = 28,311,552, so the head is worth 8 layers a generated token.
 * 150 prompt and 50 generated tokens: 8 * 50 / 200 = 2 layers.
 */
START_TEST(default_model_is_cut_at_16_and_14)
{
	const struct lsb_split_cost cost = lsb_split_cost(3538944, 28311552, 150, 50);
	uint32_t split[2];

	ck_assert_double_eq(cost.head / cost.layer, 2.0);
	ck_assert_int_eq(lsb_split_layers(30, 2, cost.layer, cost.head, split, NULL), 0);
	ck_assert_uint_eq(split[0], 16);
	ck_assert_uint_eq(split[1], 14);
}
END_TEST

START_TEST(partition_without_a_head_is_even)
{
	uint32_t split[4];

	ck_assert_int_eq(lsb_split_layers(26, 2, 1, 0, split, NULL), 0);
	ck_assert_uint_eq(split[0], 13);
	ck_assert_uint_eq(split[1], 13);
	ck_assert_int_eq(lsb_split_layers(10, 4, 1, 0, split, NULL), 0);
	ck_assert_uint_eq(split[0] + split[1] + split[2] + split[3], 10);
	ck_assert_double_eq(slowest(split, 4, 1, 0), 3);
}
END_TEST

START_TEST(partition_more_stages_than_layers_fails)
{
	uint32_t split[4];
	struct lsb_error err;

	ck_assert_int_eq(lsb_split_layers(3, 4, 1, 0, split, &err), LSB_EINVAL);
	ck_assert_str_eq(err.msg,
			 "4 stages cannot share 3 layers: each holds at least one (use fewer stages)");
	ck_assert_int_eq(lsb_split_layers(3, 0, 1, 0, split, &err), LSB_EINVAL);
	ck_assert_int_eq(lsb_split_layers(3, 2, -1, 0, split, &err), LSB_EINVAL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("split");
	TCase *tc = tcase_create("all");

	tcase_add_test(tc, partition_is_as_good_as_the_best_of_all);
	tcase_add_test(tc, default_model_is_cut_at_16_and_14);
	tcase_add_test(tc, partition_without_a_head_is_even);
	tcase_add_test(tc, partition_more_stages_than_layers_fails);
	suite_add_tcase(s, tc);
	return run_tests(s);
}
