/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport-shm from inside: ranks of one machine, through shared memory.
 *
 *	segment.c	the memory: made, named in the address, joined, proven
 *	link.c		one peer: messages in and out of the rings shared with it
 *	wait.c		all peers: looking, spinning, sleeping, the barrier
 *	plugin.c	options, open, close, isend, irecv, counters
 *
 * Each rank makes one segment (memfd, so that nothing is left behind whatever
 * happens) with a ring for each peer, in which that peer alone writes and this
 * rank alone reads. A ring is a stream of bytes; a message in it is a header and
 * its payload, from a multiple of UNIT on, so that a header never wraps. Two copies
 * a message: in by the sender, out by the receiver, who must be looking: nobody
 * writes into another process's buffers.
 *
 * Sleeping. A rank sleeps on one word of its own segment, its doorbell, which a
 * peer rings after it has put bytes in or taken bytes out, if the rank says that it
 * sleeps. Both sides go "say, fence, look", so one of them sees the other.
 *
 * Death. A sleeping or spinning rank looks at its peers' pidfds now and then. A
 * peer that closes says so in its rings; one that has ended without is dead.
 *
 * Trust. Peers have proven to know the launch's nonce, which lies in the segment,
 * readable to the same user alone. Still, what they write is checked before it is
 * used as a length; the segment is sealed, so that it cannot shrink under a reader.
 */
#ifndef LSB_SHM_H
#define LSB_SHM_H

#include <poll.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "lsbench/host.h"
#include "lsbench/transport.h"
#include "transport-common/requests.h"
#include "transport-common/wait.h"

enum {
	SHM_LINE = 64,			 /* bytes that processors share at once */
	SHM_UNIT = 32,			 /* messages begin at multiples of it */
	SHM_CHUNK_BYTES = 64 * 1024,	 /* put in before the other side is told: it copies out meanwhile */
	SHM_SLICE_NS = 50 * 1000 * 1000, /* a sleep ends at least this often, to look for the dead */
	SHM_WATCH_NS = 1000 * 1000,	 /* and spinning looks this often */
};

struct shm_options {
	struct wait_options wait;
	uint64_t ring_bytes;
};

/* One direction between two ranks. Counts of bytes never wrap round: 2^64 is centuries. */
struct shm_ring {
	_Alignas(SHM_LINE) _Atomic uint64_t head;   /* written so far; the sender's */
	_Atomic uint64_t published_ns;		    /* when `head` last moved */
	_Atomic uint32_t closed;		    /* the sender has left in good order */
	_Alignas(SHM_LINE) _Atomic uint64_t tail;   /* read so far, a multiple of SHM_UNIT; the receiver's */
	_Alignas(SHM_LINE) _Atomic uint32_t tokens; /* barrier tokens sent so far */
	_Atomic uint32_t joined;		    /* `nonce` is the sender's proof */
	uint8_t nonce[16];
};

/* What a segment begins with; rings[size] and then their bytes [size][ring_bytes] follow. */
struct shm_segment {
	uint64_t magic, ring_bytes;
	uint64_t clock; /* equal for ranks with one clock: those of one time namespace */
	uint32_t rank, size;
	uint8_t nonce[16];
	_Alignas(SHM_LINE) _Atomic uint32_t doorbell; /* a futex */
	_Atomic uint32_t sleeping;		      /* somebody should ring */
	_Alignas(SHM_LINE) struct shm_ring rings[];   /* by the rank that writes */
};

struct shm_header {
	uint64_t bytes;
	uint64_t sent_ns; /* when all of it was in; 0: it went in by pieces */
	uint32_t magic, tag;
	uint64_t reserved;
};
_Static_assert(sizeof(struct shm_header) == SHM_UNIT, "a header is one unit");

struct shm_link {
	int32_t peer;
	int pidfd;			      /* -1: none */
	struct shm_segment *theirs;	      /* mapped; NULL: ourselves, or not joined */
	struct shm_ring *out, *in;	      /* in their segment, in ours */
	uint8_t *out_bytes, *in_bytes;	      /* [ring_bytes] */
	uint64_t head, tail;		      /* where we write and read */
	uint64_t tail_seen;		      /* of `out` */
	struct request_queue sends, receives; /* `receives`: posted and not yet matched */
	struct request *current;	      /* the receive whose payload is arriving */
	uint64_t sent_ns;		      /* of its header */
	uint32_t tokens_used;		      /* of in->tokens */
	uint32_t has_other_clock;	      /* its times mean nothing here */
	uint32_t gone;			      /* it has left, or the link is broken */
};

struct lsb_transport {
	const struct lsb_host *host;
	const struct shm_options *options;
	const struct lsb_world *world;
	struct shm_segment *mine;
	uint64_t ring_bytes, segment_bytes;
	int fd; /* of the segment, until all have joined */
	uint32_t connected;
	struct shm_link *links; /* [world->size] */
	struct requests requests;
	struct pollfd *polled; /* [world->size], pidfds */
	uint64_t now_ns, watched_ns;
	uint32_t barrier_step; /* of an unfinished barrier: distance 1, 2, 4, ...; 0: none */
	uint32_t barrier_sent;
	struct lsb_wire_counters counters;
	struct lsb_error broken; /* of the first link that was lost: no barrier any more; .code 0: whole */
	struct lsb_error ended;	 /* why requests failed, of the link that ended last */
};

static inline uint64_t shm_now(struct lsb_transport *t)
{
	return t->now_ns = t->host->now_ns(t->host->context);
}

/* segment.c */
int shm_segment_make(struct lsb_transport *t, struct lsb_error *err);
int shm_address(struct lsb_transport *t, void *to, size_t *bytes, struct lsb_error *err);
/* Map all peers' segments and prove ourselves in them. */
int shm_join(struct lsb_transport *t, const struct lsb_span *addresses, uint64_t deadline_ns,
	     struct lsb_error *err);
void shm_leave(struct lsb_transport *t);

/* link.c. Each returns 1 when bytes moved, 0 when nothing could, and -1 when the transport broke. */
int shm_link_send(struct lsb_transport *t, struct shm_link *l);
int shm_link_receive(struct lsb_transport *t, struct shm_link *l);
/* The peer has ended: read what it left, then fail what still needs it. */
void shm_link_ended(struct lsb_transport *t, struct shm_link *l);

/* wait.c */
/* Something that rank `l->peer` may wait for has changed. */
void shm_ring_doorbell(struct lsb_transport *t, struct shm_link *l);
/* Sleep until the own doorbell rings or `deadline_ns`, unless `look` finds something first. */
void shm_sleep(struct lsb_transport *t, uint64_t deadline_ns, int (*look)(struct lsb_transport *t));
int shm_wait_any(struct lsb_transport *t, const uint32_t *requests, size_t n, uint64_t deadline_ns,
		 struct lsb_completion *done, size_t *n_done, struct lsb_error *err);
int shm_barrier(struct lsb_transport *t, uint64_t deadline_ns, struct lsb_error *err);
void shm_progress(struct lsb_transport *t);

#endif
