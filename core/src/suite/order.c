/* SPDX-License-Identifier: Apache-2.0 */
#include "suite/order.h"

/* Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014). */
static uint64_t splitmix64(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* Uniform below `n` >= 1: what would favour small results is drawn again. */
static uint64_t draw_below(uint64_t *state, uint64_t n)
{
	const uint64_t reject_below = (0 - n) % n; /* 2^64 mod n */
	uint64_t x;

	do
		x = splitmix64(state);
	while (x < reject_below);
	return x % n;
}

size_t lsb_order_round(uint64_t seed, uint32_t round, const uint32_t *reps, size_t n, size_t *out)
{
	uint64_t state = seed, keep;
	size_t count = 0;

	/* two mixing steps, so that (seed, round) and (seed + 1, round - 1) are unrelated */
	state = splitmix64(&state) ^ round;
	state = splitmix64(&state);
	for (size_t i = 0; i < n; i++)
		if (reps[i] > round)
			out[count++] = i;
	for (size_t i = count; i > 1; i--) {
		const size_t j = (size_t)draw_below(&state, i);

		keep = out[i - 1];
		out[i - 1] = out[j];
		out[j] = (size_t)keep;
	}
	return count;
}

size_t lsb_order_launches(enum lsb_order order, uint64_t seed, const uint32_t *reps, size_t n,
			  size_t *scratch, struct lsb_order_slot *out)
{
	size_t count = 0;

	if (order == LSB_ORDER_SEQUENTIAL) {
		for (size_t i = 0; i < n; i++)
			for (uint32_t round = 0; round < reps[i]; round++)
				out[count++] = (struct lsb_order_slot){ .point = i, .round = round };
		return count;
	}
	for (uint32_t round = 0;; round++) {
		const size_t in_round = lsb_order_round(seed, round, reps, n, scratch);

		if (in_round == 0)
			return count;
		for (size_t i = 0; i < in_round; i++)
			out[count++] = (struct lsb_order_slot){ .point = scratch[i], .round = round };
	}
}
