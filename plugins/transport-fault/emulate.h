/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When an emulated link delivers a message. Pure: times in, times out.
 *
 * A link is one direction between two ranks: a queue without bound that drains
 * at `bandwidth`, then a wire of `delay` plus a jitter. Messages never overtake
 * each other.
 */
#ifndef LSB_FAULT_EMULATE_H
#define LSB_FAULT_EMULATE_H

#include <stddef.h>
#include <stdint.h>

struct fault_link {
	uint64_t drained_ns;   /* when the queue's last byte is on the wire */
	uint64_t delivered_ns; /* when the newest message reaches the other end */
	uint64_t messages;     /* so far */
};

struct fault_rules {
	uint64_t delay_ns, jitter_ns; /* each message's extra: uniform in [0, jitter_ns] */
	uint64_t bandwidth;	      /* bytes a second; 0: no limit */
	uint64_t seed;		      /* of the jitter */
};

/* Take in a message of `bytes` at `now_ns`; the time at which its last byte is delivered. */
uint64_t fault_link_send(struct fault_link *link, const struct fault_rules *rules, uint64_t now_ns,
			 uint64_t bytes);

#endif
