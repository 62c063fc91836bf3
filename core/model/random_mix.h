/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside core/model: hashing counters to random bits. The state is the counters
 * themselves, so any value can be had at any time, in any order.
 */
#ifndef LSB_RANDOM_MIX_H
#define LSB_RANDOM_MIX_H

#include <stdint.h>

/*
 * A bijection in which each input bit changes half the output's. Constants: the
 * finalizer of SplitMix64 (Steele, Lea, Flood 2014; found by Stafford).
 */
static inline uint64_t lsb_mix64(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* The same for 32 bits, which vector units multiply. Constants: Wellons, "hash-prospector" (2018). */
static inline uint32_t lsb_mix32(uint32_t x)
{
	x = (x ^ x >> 16) * 0x7feb352du;
	x = (x ^ x >> 15) * 0x846ca68bu;
	return x ^ x >> 16;
}

/* 64 bits of three counters. */
static inline uint64_t lsb_mix_counters(uint64_t a, uint64_t b, uint64_t c)
{
	return lsb_mix64(lsb_mix64(lsb_mix64(a + UINT64_C(0x9e3779b97f4a7c15)) ^ b) ^ c);
}

#endif
