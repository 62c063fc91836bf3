/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Picking the next token. Pure and counter-based: the result depends on the
 * logits, the settings and (seed, request, position), nothing else.
 */
#ifndef LSB_SAMPLE_H
#define LSB_SAMPLE_H

#include <stdint.h>

#include "lsbench/backend.h"

/*
 * One id from logits[vocab]. temperature <= 0: the largest, ties to the lowest
 * id. Otherwise top_k (0: off), then softmax at the temperature, then top_p, then
 * a draw u = lsb_uniform(seed, request, position) along what is left in order of
 * id. Both cuts prefer the lower id on a tie. `work` is allocated memory for 2 *
 * vocab 32-bit values.
 */
int32_t lsb_sample(const float *logits, uint32_t vocab, const struct lsb_sampling *s, uint32_t position,
		   uint32_t *work);

/* Uniform in [0, 1) from three counters (a 64-bit mix; 24 bits used). */
float lsb_uniform(uint64_t seed, uint64_t request, uint64_t position);

#endif
