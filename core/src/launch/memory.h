/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a point's weights and KV caches fit the machine, known before anything starts. */
#ifndef LSB_LAUNCH_MEMORY_H
#define LSB_LAUNCH_MEMORY_H

#include <jansson.h>
#include <stdint.h>

#include "lsbench/types.h"
#include "suite/point.h"

/* Bytes of this machine, or of its control group where that is less. */
uint64_t lsb_machine_memory(void);

/*
 * Bytes that all ranks of a point need at least: the weights of their layers, and keys
 * and values of `context` positions for each of their slots. `model` is the inspection's
 * (plugin/inspect.h), `layers` [stages]. 0 where that is not this machine's memory: an
 * accelerator's backend, or ranks on other hosts.
 */
uint64_t lsb_point_memory(const struct lsb_point *point, const json_t *model, uint64_t context,
			  const uint32_t *layers);

/* LSB_ESUITE when that is more than the machine has. */
int lsb_check_memory(const struct lsb_point *point, const json_t *model, uint64_t context,
		     const uint32_t *layers, struct lsb_error *err);

#endif
