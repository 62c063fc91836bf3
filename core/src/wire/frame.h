/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of the control channel between the controller and a node.
 *
 * A frame is a 16-byte header and a payload: UTF-8 JSON, or raw records.
 * Lengths are bounded per type before anything is allocated. Little-endian.
 *
 *	node -> controller	HELLO  ADDRESS  READY  HEARTBEAT  LOG  RAN  RECORDS  RESULT  FAILURE
 *	controller -> node	JOB  ADDRESSES  START  FINISH  QUIT
 *
 *	HELLO	  {"protocol":1,"version","pid","host","boot_id"}		first, once
 *	JOB	  wire/job.h
 *	ADDRESS	  {"address": base64}				transport is open, nothing loaded yet;
 *							elsewhere also {"files": {path: digest}}
 *	ADDRESSES {"addresses": [base64, ...]}			in rank order
 *	READY	  {}						loaded, connected, prompts encoded
 *	START	  {}						all ranks are ready
 *	HEARTBEAT {"phase","steps","tokens"}	every 250 ms from a thread of its own
 *	RAN	  {}						its run is over; only where there are several
 *replicas FINISH	  {"lost"}: replicas				all others' runs are over RECORDS
 *struct lsb_record[], in pieces RESULT	  docs/journal.md, "rank"			last, on success
 *	FAILURE	  {"phase","code","message"}			last, on failure
 *	QUIT	  {} or {"done":true}				end now; end of file means the same. done: all
 *							results have come, and there is time to free things
 *
 * Where a launcher brings ranks from elsewhere, an agent (launch/agent.h) stands
 * between: it passes on all of these, and says and hears in its own name
 *
 *	JOIN	  {"version","lsbench": digest,"pid","host","boot_id","place","cpus","cores"}	first, once
 *	ENDED	  {"signal"} or {"status"}, "forced": by the agent	last: how the rank ended
 *	PING	  {}					every second, from the controller: it is still there
 */
#ifndef LSB_FRAME_H
#define LSB_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "lsbench/types.h"

#define LSB_FRAME_MAGIC 0x4642534cu /* "LSBF" */
enum { LSB_PROTOCOL = 1, LSB_FRAME_HEADER_BYTES = 16 };

enum lsb_frame_type {
	LSB_FRAME_HELLO = 1,
	LSB_FRAME_JOB,
	LSB_FRAME_ADDRESS,
	LSB_FRAME_ADDRESSES,
	LSB_FRAME_READY,
	LSB_FRAME_START,
	LSB_FRAME_HEARTBEAT,
	LSB_FRAME_LOG,
	LSB_FRAME_RECORDS,
	LSB_FRAME_RESULT,
	LSB_FRAME_FAILURE,
	LSB_FRAME_QUIT,
	LSB_FRAME_JOIN,
	LSB_FRAME_ENDED,
	LSB_FRAME_PING, /* up to here numbers stay: another version's agent is to be understood and refused */
	LSB_FRAME_RAN,
	LSB_FRAME_FINISH,
	LSB_FRAME_TYPES,
};

/*
 * What a rank may take from QUIT with "done" on to free everything (an MPI library may
 * need seconds to finish), for all who would end it otherwise: itself, its agent and
 * the controller.
 */
enum { LSB_DONE_GRACE_MS = 10000 };
#define LSB_QUIT_DONE "{\"done\":true}"
/* Whether the payload of a QUIT says that. */
int lsb_quit_is_done(const char *payload, size_t length);

struct lsb_frame_header {
	uint32_t magic;
	uint16_t type;
	uint16_t protocol;
	uint32_t length;   /* of the payload */
	uint32_t sequence; /* 0, 1, 2, ... in each direction */
};

/* Largest payload of `type`; 0 for an unknown type. */
size_t lsb_frame_limit(uint32_t type);

/* Bytes to header, everything checked (magic, protocol, type, length, sequence): 0 or LSB_EPEER. Pure. */
int lsb_frame_parse(const uint8_t bytes[LSB_FRAME_HEADER_BYTES], uint32_t expected_sequence,
		    struct lsb_frame_header *out, struct lsb_error *err);
/* Header to bytes. Pure. */
void lsb_frame_format(uint32_t type, size_t length, uint32_t sequence, uint8_t bytes[LSB_FRAME_HEADER_BYTES]);

/* One end of a channel for blocking use by a node. One writer at a time: callers hold their own lock. */
struct lsb_channel {
	int fd;
	uint32_t sent, received;
};

/* Send one frame, whole. [any one thread at a time] */
int lsb_channel_send(struct lsb_channel *c, enum lsb_frame_type type, const void *payload, size_t length,
		     struct lsb_error *err);
/*
 * Receive one frame; *payload is malloc'ed with a NUL behind it, the caller
 * frees it. LSB_EPEER at end of file, LSB_ETIMEDOUT after `timeout_ms` (-1: never)
 * without a first byte.
 */
int lsb_channel_receive(struct lsb_channel *c, int timeout_ms, enum lsb_frame_type *type, char **payload,
			size_t *length, struct lsb_error *err);

#endif
