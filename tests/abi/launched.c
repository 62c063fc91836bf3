/* SPDX-License-Identifier: Apache-2.0 */
/* A transport whose ranks an MPI launcher must start. */
#include "idle.h"
#include "lsbench/plugin.h"

static const struct lsb_transport_ops ops = {
	.struct_size = sizeof(ops),
	.mem_caps = 1u << LSB_MEM_HOST,
	.flags = LSB_TRANSPORT_NEEDS_MPIRUN,
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
	LSB_PLUGIN_HEADER, .kind = LSB_TRANSPORT,     .name = "launched",
	.version = "1.0",  .summary = "Needs mpirun", .ops = { .transport = &ops },
};
