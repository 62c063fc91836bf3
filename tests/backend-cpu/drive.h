/* SPDX-License-Identifier: Apache-2.0 */
/* tests/backend/rig.h for backend-cpu, with its options and short contexts. */
#ifndef LSB_TEST_DRIVE_H
#define LSB_TEST_DRIVE_H

#include "options.h"
#include "rig.h"

struct drive_spec {
	const char *model;
	struct cpu_options options;
	uint32_t stages, threads;	  /* 0: 1 */
	uint32_t layers;		  /* of the model; 0: ask it */
	uint32_t slots, context;	  /* 0: 4, 128 */
	uint32_t max_tokens, max_outputs; /* 0: 64, max_tokens */
	uint32_t n_cpus;
	const uint32_t *cpus;
};

const struct lsb_backend_ops *drive_ops(void);
/* backend-cpu copies its options: `spec` may go. */
int drive_open(const struct drive_spec *spec, struct rig *r, struct lsb_error *err);

#endif
