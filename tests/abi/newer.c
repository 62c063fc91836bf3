/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin of a later minor version: its tables have members that this lsbench does not know. */
#include "idle.h"
#include "lsbench/plugin.h"

struct newer_ops {
	struct lsb_transport_ops known;
	int (*all_reduce)(void);
};

struct newer_plugin {
	struct lsb_plugin known;
	const char *homepage;
};

static int never_called(void)
{
	__builtin_trap();
}

static const struct newer_ops ops = {
	.known = { .struct_size = sizeof(ops),
		   .mem_caps = 1u << LSB_MEM_HOST,
		   .open = idle_open,
		   .address = idle_address,
		   .connect = idle_connect,
		   .isend = idle_move,
		   .irecv = idle_move,
		   .wait_any = idle_wait,
		   .barrier = idle_barrier,
		   .close = idle_close },
	.all_reduce = never_called,
};

extern LSB_EXPORT const struct newer_plugin newer_plugin __asm__("lsb_plugin_v1");
const struct newer_plugin newer_plugin = {
	.known = { .magic = LSB_PLUGIN_MAGIC,
		   .abi_minor = 7,
		   .struct_size = sizeof(newer_plugin),
		   .kind = LSB_TRANSPORT,
		   .name = "newer",
		   .version = "7.0",
		   .summary = "Larger tables",
		   .ops = { .transport = &ops.known } },
	.homepage = "none",
};
