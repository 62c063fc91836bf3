/* SPDX-License-Identifier: Apache-2.0 */
/* The rank process: `lsbench node`, started by a launcher, ruled over a control channel. */
#ifndef LSB_NODE_H
#define LSB_NODE_H

#include "lsbench/types.h"

/*
 * Serve one launch over the control channel `fd`, which it closes. `started_ns`
 * is when the process began (CLOCK_MONOTONIC). Returns LSB_OK, or the status that
 * it also reported to the controller.
 */
int lsb_node_serve(int fd, uint64_t started_ns, struct lsb_error *err);

#endif
