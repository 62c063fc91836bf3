/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In which order the launches of a suite run. Pure.
 *
 * Interleaved: round after round, each a launch of every point that still has
 * repetitions to do, in a fresh random order. What drifts slowly (temperature,
 * other tenants) then hits all points alike and is not taken for a difference
 * between them. Sequential: all repetitions of the first point, then of the
 * second: for looking at one point, not for comparing.
 *
 * The shuffle is Fisher-Yates with splitmix64 seeded by (seed, round): the same
 * on every machine, and a round's order does not depend on the rounds before.
 */
#ifndef LSB_ORDER_H
#define LSB_ORDER_H

#include <stddef.h>
#include <stdint.h>

enum lsb_order { LSB_ORDER_INTERLEAVED, LSB_ORDER_SEQUENTIAL };

struct lsb_order_slot {
	size_t point;
	uint32_t round;
};

/* One round of interleaved launches: indices of the points with reps[i] > round into out[n]; how many. */
size_t lsb_order_round(uint64_t seed, uint32_t round, const uint32_t *reps, size_t n, size_t *out);

/*
 * All launches of `n` points with reps[i] repetitions each. `out` has room for
 * their sum, `scratch` for n. Returns the sum.
 */
size_t lsb_order_launches(enum lsb_order order, uint64_t seed, const uint32_t *reps, size_t n,
			  size_t *scratch, struct lsb_order_slot *out);

#endif
