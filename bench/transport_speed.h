/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transport beside the bare library under it, in one pair of processes.
 *
 * transport_speed.c drives the plugin and takes turns with a bare side that the
 * program brings along: raw_socket.c (TCP) or raw_mpi.c (MPI). Both sides run in
 * the same two processes on the same processors; rounds of the two alternate, each
 * going first every other time, so that what disturbs the machine disturbs both.
 *
 *	latency		half a round trip of a ping-pong
 *	bandwidth	WINDOW messages on their way, then a one-byte reply
 *
 * Buffers are the same on both sides; the payload is checked before timing.
 */
#ifndef TRANSPORT_SPEED_H
#define TRANSPORT_SPEED_H

#include "testhost.h"
#include "transport-common/wait.h"

enum { WINDOW = 64, LARGEST = 4 << 20, REPLY_TAG = 2 };

/* What is measured, and against what. */
struct speed {
	const char *plugin_name;  /* "tcp", for output */
	int32_t rank;		  /* 0 or 1; 0 times and prints */
	struct wait_options wait; /* of both sides */
	int rounds;
	int latency_only, bandwidth_only;
	/* The bare side: one message to or from the other process, complete on return. */
	void (*bare_send)(struct speed *s, size_t bytes);
	void (*bare_receive)(struct speed *s, size_t bytes);
	/* A window of messages one way; NULL: one after the other with the two above. */
	void (*bare_window)(struct speed *s, size_t bytes);
	void *bare;	   /* the bare side's own */
	uint8_t *out, *in; /* [LARGEST], page-aligned */
	const struct lsb_transport_ops *ops;
	struct lsb_transport *transport;
	uint32_t requests[WINDOW];
};

/* Open the plugin `file` as rank s->rank of two; `swap` exchanges LSB_ADDRESS_MAX bytes with the other. */
void speed_open(struct speed *s, const char *file, const void *options,
		void (*swap)(struct speed *s, const void *mine, void *theirs));
/* All sizes; rank 0 prints a line each: KIND BYTES bare VALUE plugin VALUE ratio MEDIAN. */
void speed_compare(struct speed *s);
void speed_close(struct speed *s);

/*
 * "--wait W --rounds N --latency --bandwidth [PLUGIN.so]" into `s`; the plugin's file, or ends the program.
 */
const char *speed_arguments(struct speed *s, int argc, char **argv, const char *file);
_Noreturn void speed_die(const char *what);
uint64_t speed_now(void);

#endif
