/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Message rings between this rank and others, over any transport.
 *
 * An inbox is a ring of buffers whose receives are all posted before the peer
 * may send: the pipeline never has more than `depth` messages of a kind on their
 * way, so a receive is always there first. An outbox is the ring that they are
 * sent from. Both hide staging: where the transport cannot take the backend's
 * memory, a message is copied through host memory, and recorded as a copy.
 *
 * Sequence numbers count the messages of one (from, to, tag) from 0; both ends
 * count alike, so that measure/ can match a receive with its send.
 */
#ifndef LSB_LINK_H
#define LSB_LINK_H

#include "lsbench/backend.h"
#include "lsbench/transport.h"
#include "node/recorder.h"
#include "plugin/loader.h"

struct lsb_box;

/* What all boxes of a rank share. Not to be moved once boxes are open. */
struct lsb_link {
	const struct lsb_loaded *transport;
	struct lsb_transport *transport_handle;
	const struct lsb_loaded *backend;
	struct lsb_backend *backend_handle;
	struct lsb_recorder *recorder;
	/* Pending requests and who owns them: parallel arrays [n_pending], room for max_pending. */
	uint32_t *requests;
	struct lsb_message **owners;
	struct lsb_completion *done;
	uint32_t n_pending, max_pending;
};

enum lsb_message_state { LSB_MESSAGE_FREE, LSB_MESSAGE_PENDING, LSB_MESSAGE_COMPLETE, LSB_MESSAGE_HELD };

/* One buffer of a ring. */
struct lsb_message {
	struct lsb_box *box;
	struct lsb_buf wire;  /* what the transport moves */
	struct lsb_buf local; /* what the backend sees; the same memory unless staged */
	struct lsb_buf sent;  /* the part of `wire` on its way; stays put as transports require */
	uint64_t bytes, arrived_ns, posted_ns;
	uint32_t sequence;
	enum lsb_message_state state;
};

struct lsb_box {
	struct lsb_link *link;
	struct lsb_message *ring; /* [depth] */
	int32_t peer;
	uint32_t tag, depth;
	uint32_t taken;	   /* in: messages handed to the user; out: buffers handed out */
	uint32_t released; /* in: buffers given back; out: messages handed to the transport */
	int receives, staged, from_backend; /* the last: `local` is the backend's memory */
	int may_be_lost, is_lost;	    /* its peer may end without failing this rank; it has */
};

/* How a box's memory is made. */
struct lsb_box_memory {
	uint64_t bytes;	    /* of the largest message */
	uint32_t local_mem; /* enum lsb_mem that the user of the box wants */
	uint32_t wire_mem;  /* enum lsb_mem that the transport takes; differs from local_mem: staged */
	int from_backend; /* local memory through the backend; else, and for what is staged, plain host memory
			   */
};

int lsb_link_open(struct lsb_link *link, uint32_t max_pending, struct lsb_error *err);
void lsb_link_close(struct lsb_link *link);

/* Collect completions; deadline 0 looks once, otherwise returns after the first or LSB_ETIMEDOUT. [hot] */
int lsb_link_poll(struct lsb_link *link, uint64_t deadline_ns, struct lsb_error *err);

/* --- inboxes ------------------------------------------------------------------------- */

/* Opens the ring; lsb_inbox_post then posts all its receives, before any peer may send. */
int lsb_inbox_open(struct lsb_box *in, struct lsb_link *link, int32_t peer, enum lsb_tag tag, uint32_t depth,
		   const struct lsb_box_memory *memory, struct lsb_error *err);
int lsb_inbox_post(struct lsb_box *in, struct lsb_error *err);
/* The next message if it is complete, else NULL; it stays next until taken. [hot] */
struct lsb_message *lsb_inbox_next(const struct lsb_box *in);
/* Take the next message, which is complete: its local buffer is valid until released, in order. [hot] */
int lsb_inbox_take(struct lsb_box *in, struct lsb_message **out, struct lsb_error *err);
/* Give the oldest taken buffer back and post its receive again. [hot] */
int lsb_inbox_release(struct lsb_box *in, struct lsb_error *err);

/* --- outboxes ------------------------------------------------------------------------ */

int lsb_outbox_open(struct lsb_box *out, struct lsb_link *link, int32_t peer, enum lsb_tag tag,
		    uint32_t depth, const struct lsb_box_memory *memory, struct lsb_error *err);
/* A buffer to fill, or NULL while all are on their way. [hot] */
struct lsb_message *lsb_outbox_acquire(struct lsb_box *out);
/* Send the first `bytes` of the oldest acquired buffer. [hot] */
int lsb_outbox_send(struct lsb_box *out, uint64_t bytes, uint32_t lane, uint32_t step, struct lsb_error *err);
/* Nothing of this box is on its way. */
int lsb_outbox_idle(const struct lsb_box *out);

/*
 * Give the ring's memory back. The transport is closed by then, since until then
 * posted receives may be written to; its close has dropped registrations too.
 */
void lsb_box_close(struct lsb_box *box);

#endif
