/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transport's conformance run: what the two ranks (conform_transport.c) and
 * the cases they go through (conform_messages.c) share.
 */
#ifndef LSB_CONFORM_H
#define LSB_CONFORM_H

#include <sys/types.h>

#include "plugin/parts.h"

#define LSB_CONFORM_MESSAGE_MAX ((size_t)1 << 20)
#define LSB_CONFORM_PATIENCE_NS 10000000000u

struct lsb_pair {
	const struct lsb_asker *to;
	const struct lsb_loaded *l;
	const struct lsb_transport_ops *ops;
	struct lsb_world world;
	struct lsb_transport *t;
	int control;	  /* socket to the other rank */
	uint8_t *send;	  /* MESSAGE_MAX bytes */
	uint8_t *receive; /* MESSAGE_MAX bytes */
};

struct lsb_conform_case {
	const char *name;
	int (*run)(struct lsb_pair *p, struct lsb_error *err);
	int alone; /* rank 1 does not live to tell */
};

/* Cases to be run one after the other on one connection. */
extern const struct lsb_conform_case lsb_conform_messages[], lsb_conform_death[];
extern const size_t lsb_conform_messages_count, lsb_conform_death_count;

/* One packet to the other rank, over the socket pair; 0, or -1 when it is gone. */
int lsb_pair_send(const struct lsb_pair *p, const void *data, size_t n);
/* One packet of at most `room` bytes; its length, or -1 when the other rank is gone or silent. */
ssize_t lsb_pair_receive(const struct lsb_pair *p, void *data, size_t room);
/* Whether the next packet is a signal of one byte; a verdict, of a rank that failed, stays where it is. */
int lsb_pair_signalled(const struct lsb_pair *p);

#endif
