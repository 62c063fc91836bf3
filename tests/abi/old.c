/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin built with the frozen headers of v1.0: must load for as long as there is a v1. */
#include "idle.h"
#include "lsbench/plugin.h"

struct old_options {
	uint64_t size;
	const char *label;
};

static const struct lsb_option options[] = {
	{ .name = "size",
	  .type = LSB_OPT_SIZE,
	  .def = "4KiB",
	  .min = 1,
	  .max = 1 << 20,
	  .unit = "B",
	  .offset = offsetof(struct old_options, size),
	  .help = "does nothing" },
	{ .name = "label",
	  .type = LSB_OPT_STRING,
	  .def = "",
	  .offset = offsetof(struct old_options, label),
	  .help = "does nothing either" },
	{ 0 },
};

static const struct lsb_transport_ops ops = {
	.struct_size = sizeof(ops),
	.mem_caps = 1u << LSB_MEM_HOST,
	.flags = LSB_TRANSPORT_SEES_ARRIVAL,
	.open = idle_open,
	.address = idle_address,
	.connect = idle_connect,
	.isend = idle_move,
	.irecv = idle_move,
	.wait_any = idle_wait,
	.barrier = idle_barrier,
	.close = idle_close,
};

LSB_EXPORT const struct lsb_plugin lsb_plugin_v1 = {
	LSB_PLUGIN_HEADER,
	.kind = LSB_TRANSPORT,
	.name = "old",
	.version = "1.0",
	.summary = "Built with frozen headers",
	.options = options,
	.options_size = sizeof(struct old_options),
	.ops = { .transport = &ops },
};
