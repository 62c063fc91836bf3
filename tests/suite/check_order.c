/* SPDX-License-Identifier: Apache-2.0 */
#include "parse.h"
#include "suite/order.h"

static const uint32_t reps[] = { 3, 1, 2, 3 };

START_TEST(every_launch_is_there_once_and_rounds_do_not_mix)
{
	struct lsb_order_slot slots[9];
	size_t scratch[4];
	unsigned seen[4][3] = { { 0 } };

	ck_assert_uint_eq(lsb_order_launches(LSB_ORDER_INTERLEAVED, 7, reps, 4, scratch, slots), 9);
	for (size_t i = 0; i < 9; i++) {
		ck_assert_uint_lt(slots[i].round, reps[slots[i].point]);
		ck_assert_uint_eq(seen[slots[i].point][slots[i].round]++, 0);
		ck_assert(i == 0 || slots[i].round >= slots[i - 1].round);
	}
}
END_TEST

START_TEST(sequential_is_point_by_point)
{
	static const size_t points[] = { 0, 0, 0, 1, 2, 2, 3, 3, 3 };
	struct lsb_order_slot slots[9];

	ck_assert_uint_eq(lsb_order_launches(LSB_ORDER_SEQUENTIAL, 7, reps, 4, NULL, slots), 9);
	for (size_t i = 0; i < 9; i++)
		ck_assert_uint_eq(slots[i].point, points[i]);
}
END_TEST

START_TEST(a_round_depends_on_seed_and_number_alone)
{
	static const uint32_t many[] = { 9, 9, 9, 9, 9, 9, 9, 9, 9, 9 };
	size_t a[10], b[10], other_round[10], other_seed[10];

	ck_assert_uint_eq(lsb_order_round(42, 3, many, 10, a), 10);
	lsb_order_round(42, 3, many, 10, b);
	lsb_order_round(42, 4, many, 10, other_round);
	lsb_order_round(43, 3, many, 10, other_seed);
	ck_assert_mem_eq(a, b, sizeof(a));
	ck_assert_mem_ne(a, other_round, sizeof(a));
	ck_assert_mem_ne(a, other_seed, sizeof(a));
	ck_assert_uint_eq(lsb_order_round(42, 9, many, 10, a), 0);
}
END_TEST

/* 24 orders of 4 points, 24000 rounds: each 1000 times, sd 31; 6 sd around that. */
START_TEST(all_orders_are_equally_likely)
{
	static const uint32_t many[] = { 24000, 24000, 24000, 24000 };
	unsigned count[256] = { 0 }, orders = 0;

	for (uint32_t round = 0; round < 24000; round++) {
		size_t o[4];

		lsb_order_round(1, round, many, 4, o);
		count[o[0] | o[1] << 2 | o[2] << 4 | o[3] << 6]++;
	}
	for (size_t i = 0; i < 256; i++) {
		if (count[i] == 0)
			continue;
		orders++;
		ck_assert_uint_gt(count[i], 814);
		ck_assert_uint_lt(count[i], 1186);
	}
	ck_assert_uint_eq(orders, 24);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("order");
	TCase *tc = tcase_create("all");

	tcase_add_test(tc, every_launch_is_there_once_and_rounds_do_not_mix);
	tcase_add_test(tc, sequential_is_point_by_point);
	tcase_add_test(tc, a_round_depends_on_seed_and_number_alone);
	tcase_add_test(tc, all_orders_are_equally_likely);
	suite_add_tcase(s, tc);
	return run_tests(s);
}
