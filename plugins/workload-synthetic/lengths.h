/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lengths in tokens, as a suite writes them:
 *
 *	128				always that
 *	64..256				uniform, both ends included
 *	normal MEAN SD [LO..HI]		rounded; drawn again while outside LO..HI
 *	lognormal MEAN SD [LO..HI]	of that mean and deviation themselves, not of the logarithm
 *	list A B C ...			request i has the i-th, and from the start again
 *
 * Without bounds of their own, normal and lognormal ones are cut at 1 and MEAN + 4 SD.
 *
 * The i-th length is a pure function of (seed, stream, i): random numbers come from a
 * counter, so any request can be asked for alone and in any order.
 */
#ifndef LSB_LENGTHS_H
#define LSB_LENGTHS_H

#include <stddef.h>
#include <stdint.h>

#include "lsbench/types.h"

enum { LSB_LENGTHS_LIST_MAX = 64 };

enum lsb_lengths_kind { LSB_LENGTHS_UNIFORM, LSB_LENGTHS_NORMAL, LSB_LENGTHS_LOGNORMAL, LSB_LENGTHS_LIST };

struct lsb_lengths {
	enum lsb_lengths_kind kind;
	uint32_t least, most; /* inclusive; a fixed length is uniform over one value */
	double mean, sd;
	uint32_t list[LSB_LENGTHS_LIST_MAX];
	size_t n_list;
};

/* Lengths from 1 to `ceiling` as `text` says; LSB_EINVAL with a message that names `option`. */
int lsb_lengths_parse(const char *option, const char *text, uint32_t ceiling, struct lsb_lengths *out,
		      struct lsb_error *err);

/* The length of request `index`; streams of one seed are independent of each other. */
uint32_t lsb_lengths_at(const struct lsb_lengths *lengths, uint64_t seed, uint64_t stream, uint64_t index);

#endif
