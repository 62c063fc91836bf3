/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Llama written once more, the slow way: double precision over dequantised
 * weights, no cache, no packing, no threads. What fast paths are held to.
 */
#ifndef LSB_TEST_ORACLE_H
#define LSB_TEST_ORACLE_H

#include <stddef.h>
#include <stdint.h>

struct oracle;

/* NULL when the model does not open. */
struct oracle *oracle_open(const char *model);
void oracle_close(struct oracle *o);
uint32_t oracle_vocabulary(const struct oracle *o);

/* Logits after each of the n tokens of one sequence: [n][vocabulary]. */
void oracle_run(const struct oracle *o, const int32_t *ids, size_t n, double *logits);

/* Bytes of the file's format that a stage with these layers reads. */
uint64_t oracle_stage_bytes(const char *model, uint32_t first_layer, uint32_t n_layers, int first, int last);

#endif
