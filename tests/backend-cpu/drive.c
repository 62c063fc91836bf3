/* SPDX-License-Identifier: Apache-2.0 */
#include "drive.h"

const struct lsb_backend_ops *drive_ops(void)
{
	static const struct lsb_backend_ops *ops;

	if (!ops)
		ops = rig_ops("cpu");
	return ops;
}

int drive_open(const struct drive_spec *spec, struct rig *r, struct lsb_error *err)
{
	const struct rig_spec all = {
		.plugin = "cpu",
		.options = &spec->options,
		.model = spec->model,
		.stages = spec->stages,
		.threads = spec->threads,
		.layers = spec->layers,
		.slots = spec->slots,
		.context = spec->context ? spec->context : 128,
		.max_tokens = spec->max_tokens,
		.max_outputs = spec->max_outputs,
		.mem = LSB_MEM_HOST,
		.n_cpus = spec->n_cpus,
		.cpus = spec->cpus,
	};

	return rig_open(&all, r, err);
}
