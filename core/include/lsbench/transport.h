/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transport plugin: moves messages between the ranks of one launch.
 *
 * A transport knows nothing of models, steps or suites. lsbench opens one per
 * rank, exchanges every rank's address over its own control channel (so a
 * transport needs no rendezvous), connects, and then sends and receives typed
 * by (peer, tag) until the run ends.
 *
 *	open -> address -> connect -> { isend, irecv, wait_any, barrier } -> close
 *
 * Threads. All operations are called from one thread, the rank's. With
 * `progress` lsbench calls in from inside a backend's step, through
 * lsb_host.progress, on that same thread; a transport never needs a lock.
 *
 * Matching. Messages between two ranks with one tag match receives in the order
 * both were posted, and each receive names its peer and tag exactly; between tags
 * there is no order. A receive may be larger than the message; the completion
 * tells the bytes. A message that is larger than its receive is an error of that
 * link. A message of 0 bytes is one like any other; its lsb_buf.ptr may be NULL.
 * lsbench posts each receive before its sender may send, so a transport never has
 * to hold data that nobody asked for. A rank never sends to itself.
 *
 * Failure. A peer that is gone (LSB_EPEER) takes what is pending with it and
 * everything asked of it later, and every barrier; messages between others go on,
 * since a replica may outlive another, unless the transport cannot (MPI ends all).
 * So does one that says what it must not (LSB_EPROTO): that is taken for a cause,
 * a loss for a consequence of what befell the peer. After LSB_EIO or LSB_EDEVICE
 * the transport is broken: lsbench calls close and fails the launch. Nothing blocks
 * past its deadline.
 */
#ifndef LSBENCH_TRANSPORT_H
#define LSBENCH_TRANSPORT_H

#include "lsbench/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct lsb_host;
struct lsb_transport; /* the plugin's own; lsbench only passes it back */

#define LSB_ADDRESS_MAX 1024u /* bytes of one rank's address */
#define LSB_TAG_MAX 32767u    /* MPI guarantees no more */

/* Capability flags of a transport. */
enum {
	LSB_TRANSPORT_STREAM_ORDERED = 1u << 0, /* honours lsb_buf.event, should it be set */
	LSB_TRANSPORT_NEEDS_MPIRUN = 1u << 1,	/* ranks must be started by an MPI launcher */
	LSB_TRANSPORT_SEES_ARRIVAL = 1u << 2,	/* fills lsb_completion.arrived_ns */
	/* With NEEDS_MPIRUN: what its MPI asks of launchers that speak several languages (srun --mpi). */
	LSB_TRANSPORT_SPEAKS_PMIX = 1u << 3,
	LSB_TRANSPORT_SPEAKS_PMI2 = 1u << 4,
};

/* Who we are and how much will be asked. Fixed for the launch; lives as long as the handle. */
struct lsb_world {
	size_t struct_size;
	int32_t rank, size;	    /* 0 <= rank < size; lsbench opens none for a launch of one rank */
	int32_t host, host_count;   /* 0 <= host < host_count; ranks with equal `host` share a machine */
	uint32_t max_requests;	    /* most requests pending at once */
	uint32_t max_tag;	    /* largest tag that will be used, <= LSB_TAG_MAX */
	uint64_t max_message_bytes; /* largest message */
	uint8_t nonce[16];	    /* fresh per launch, equal on all ranks, secret */
	const char *bind_address;   /* where to listen: loopback unless hosts were named; never NULL */
};

/* How one message ended. */
struct lsb_completion {
	int32_t status;	     /* LSB_OK, LSB_EPEER, LSB_EPROTO, LSB_EIO; LSB_EINVAL: longer than the receive */
	uint32_t request;    /* which */
	uint64_t bytes;	     /* of the message; 0 if it failed */
	uint64_t arrived_ns; /* host clock, last byte reached this process; 0 if unknown */
};

/* What crossed the wire, headers included; absent parts are 0. lsbench sets struct_size. */
struct lsb_wire_counters {
	size_t struct_size;
	uint64_t bytes_sent, bytes_received;
	uint64_t messages_sent, messages_received;
	uint64_t system_calls;
};

struct lsb_transport_ops {
	size_t struct_size;
	uint32_t mem_caps; /* bit per lsb_mem that isend and irecv take directly, at best */
	uint32_t flags;	   /* LSB_TRANSPORT_* */

	/*
	 * Make this rank's endpoint. `options` is the struct that the option
	 * table of lsb_plugin describes, filled and checked; it lives as long as
	 * the handle. On success *out is set; on failure nothing is left
	 * behind. [main]
	 */
	int (*open)(const struct lsb_host *host, const void *options, const struct lsb_world *world,
		    struct lsb_transport **out, struct lsb_error *err);

	/*
	 * Where peers find this rank: at most LSB_ADDRESS_MAX opaque bytes,
	 * written to `to`, their number to *bytes. 0 bytes is fine for a
	 * transport that finds its peers itself (MPI). [main, opened]
	 */
	int (*address)(struct lsb_transport *t, void *to, size_t *bytes, struct lsb_error *err);

	/*
	 * Reach all peers: `addresses` has world.size entries in rank order, this
	 * rank's own among them, and lives for the call. Returns when messages can
	 * flow both ways with every peer, each proven to know world.nonce (where a
	 * launcher like mpirun joins the ranks, it has seen to that). All ranks
	 * call it at about the same time. After any failure, LSB_ETIMEDOUT too,
	 * only close follows. [main, opened]
	 */
	int (*connect)(struct lsb_transport *t, const struct lsb_span *addresses, uint64_t deadline_ns,
		       struct lsb_error *err);

	/*
	 * Begin to send or receive one message. `b`, and the bytes it views,
	 * stay as they are until the request completes; b->mem is one of
	 * mem_caps. A send that is complete gives its bytes back and says nothing
	 * of their arrival. The request is an integer, chosen by the transport,
	 * unique among sends and receives until wait_any has told of its end, and
	 * free to be used again from then on. LSB_EINVAL: more than max_requests,
	 * max_tag or max_message_bytes, or no such peer. After any failure there
	 * is no request. [rank, hot, connected]
	 */
	int (*isend)(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b,
		     uint32_t *request, struct lsb_error *err);
	int (*irecv)(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b,
		     uint32_t *request, struct lsb_error *err);

	/*
	 * Wait until at least one of the `n` >= 1 different, pending `requests` is
	 * complete, or `deadline_ns` has passed: LSB_ETIMEDOUT, and all stay
	 * pending. Writes up to `n` completions to `done`, in any order, their
	 * number to *n_done; a completed request is gone, failed or not. Any
	 * pending request may make progress inside, in `requests` or not; what
	 * completes outside of `requests` is kept for the wait that asks. Returns
	 * LSB_OK when there are completions; where some have failed, their status
	 * may be returned instead, so that `err` can tell the reason. Whether
	 * waiting sleeps or spins is the transport's option `wait = block | poll |
	 * hybrid`, which every transport offers. [rank, hot, connected]
	 */
	int (*wait_any)(struct lsb_transport *t, const uint32_t *requests, size_t n, uint64_t deadline_ns,
			struct lsb_completion *done, size_t *n_done, struct lsb_error *err);

	/*
	 * All ranks have arrived. Sends and receives may be pending and stay so;
	 * no timing promise. After LSB_ETIMEDOUT this rank has arrived
	 * nevertheless: called again, it waits on. [rank, connected]
	 */
	int (*barrier)(struct lsb_transport *t, uint64_t deadline_ns, struct lsb_error *err);

	/*
	 * Give everything back; pending requests (the receives of messages that
	 * never came, at the least) are dropped, also unsent ones, registrations
	 * undone, and buffers, which still exist, not touched any more. A run ends with a barrier before
	 * it; after a failure it comes without, and must not wait for peers. NULL
	 * is fine. [main]
	 */
	void (*close)(struct lsb_transport *t);

	/* --- optional, NULL: not supported -------------------------------- */

	/*
	 * Tell the transport about memory it will see again; sets b->registration
	 * and nothing else. Before or after connect; only views made of `b` carry
	 * it, so isend and irecv also take memory that was never registered. It is
	 * undone while the memory is still there: by buf_unregister, once nothing
	 * is pending on it, or by close. Both operations or none. [main, opened]
	 */
	int (*buf_register)(struct lsb_transport *t, struct lsb_buf *b, struct lsb_error *err);
	void (*buf_unregister)(struct lsb_transport *t, struct lsb_buf *b);

	/*
	 * Move pending messages on; never blocks. Failures are kept for the next
	 * wait_any. [rank, hot, connected]
	 */
	void (*progress)(struct lsb_transport *t);

	/* What has crossed the wire since open. [rank] */
	int (*counters)(struct lsb_transport *t, struct lsb_wire_counters *out, struct lsb_error *err);

	/*
	 * Those of mem_caps that hold for this handle, where only the running
	 * system can tell (an MPI that may or may not know CUDA). Does not change
	 * once open has returned. NULL: all of mem_caps. [main, opened]
	 */
	uint32_t (*mem_caps_here)(const struct lsb_transport *t);
};

#ifdef __cplusplus
}
#endif
#endif
