/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What transports refuse in the same words: worlds and messages that break the rules of lsbench/transport.h.
 */
#ifndef TRANSPORT_COMMON_CHECKS_H
#define TRANSPORT_COMMON_CHECKS_H

#include "lsbench/transport.h"

/* Whether a transport can be opened for `world`: LSB_OK or LSB_EINVAL. */
int world_check(const struct lsb_world *world, struct lsb_error *err);

/*
 * Whether a message of `b` can be exchanged with `peer` under `tag`: LSB_OK or LSB_EINVAL.
 * `mem_caps` is the kinds of memory that the transport takes now: none before it is connected.
 */
int message_check(const struct lsb_world *world, uint32_t mem_caps, int32_t peer, uint32_t tag,
		  const struct lsb_buf *b, struct lsb_error *err);

/* Whether `bytes` are no more than world->max_message_bytes: LSB_OK or LSB_EINVAL. */
int message_check_size(const struct lsb_world *world, uint64_t bytes, struct lsb_error *err);

/* The operation `counters`: as much of `counters` as the caller's struct has room for. */
int counters_tell(const struct lsb_wire_counters *counters, struct lsb_wire_counters *out);

#endif
