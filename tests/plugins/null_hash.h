/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The "model" of backend-null: hidden states that are a running hash.
 *
 * A token's hidden state carries one 64-bit value: in its first four elements, 16
 * bits each, while all others follow from it. A layer mixes in its own number and
 * the slot's memory of earlier positions. What reads a row gets the value that was
 * written only if every element is intact. So a lost, swapped, shifted or
 * stale byte anywhere, a layer left out or a token in the wrong slot changes
 * every id that follows, while batch, chunk and split change nothing. Pure.
 */
#ifndef LSB_NULL_HASH_H
#define LSB_NULL_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Two values to one; a bijection in each (SplitMix64's finaliser). */
uint64_t null_mix(uint64_t a, uint64_t b);

enum { NULL_ROW_LEAST = 4 }; /* elements of a row */

/* The value that a row of `n` elements carries; another one if any element is not as written. */
uint64_t null_row_read(const float *row, size_t n);
/* Spread `value` over a row; elements lie in [0, 1). */
void null_row_write(float *row, size_t n, uint64_t value);

/* Layer `layer` of a token whose row carries `value`; `memory` is the layer's of its slot. */
uint64_t null_layer(uint64_t value, uint32_t layer, uint64_t *memory);

/* A printable ASCII byte as token id. */
int32_t null_pick(uint64_t value);

#endif
