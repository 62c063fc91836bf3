/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plugin with smaller tables than any released one: the descriptor ends before
 * self_test and the operations end before the optional ones. What lies behind
 * them in memory is poison that the loader must not read.
 */
#include "idle.h"

struct older_ops {
	size_t struct_size;
	uint32_t mem_caps;
	uint32_t flags;
	void *open, *address, *connect, *isend, *irecv, *wait_any, *barrier, *close;
};

struct older_plugin {
	uint32_t magic, abi_minor;
	size_t struct_size;
	uint32_t kind, flags;
	const char *name, *version, *summary;
	const void *options;
	size_t options_size;
	void *probe;
	const struct older_ops *ops;
};

static const struct {
	struct older_ops ops;
	uint64_t poison[8];
} table = {
	.ops = { .struct_size = sizeof(struct older_ops),
		 .mem_caps = 1u << LSB_MEM_HOST,
		 .open = (void *)(uintptr_t)idle_open,
		 .address = (void *)(uintptr_t)idle_address,
		 .connect = (void *)(uintptr_t)idle_connect,
		 .isend = (void *)(uintptr_t)idle_move,
		 .irecv = (void *)(uintptr_t)idle_move,
		 .wait_any = (void *)(uintptr_t)idle_wait,
		 .barrier = (void *)(uintptr_t)idle_barrier,
		 .close = (void *)(uintptr_t)idle_close },
	.poison = { 1, 1, 1, 1, 1, 1, 1, 1 },
};

__attribute__((visibility("default"))) extern const struct older_plugin lsb_plugin_v1;
const struct older_plugin lsb_plugin_v1 = {
	.magic = 0x3142534cu,
	.struct_size = sizeof(struct older_plugin),
	.kind = 2,
	.name = "older",
	.version = "0.9",
	.summary = "Smaller tables",
	.ops = &table.ops,
};
