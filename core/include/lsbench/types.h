/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Types that cross the line between lsbench and a plugin.
 *
 * Everything here is plain data with a fixed layout: fixed-width integers, no
 * bit-fields, no enums as members, no padding holes. A struct that begins with
 * `struct_size` may grow at its end in a later minor version; one that does not
 * (lsb_buf, lsb_completion, lsb_error, lsb_metric, lsb_option, lsb_sampling,
 * lsb_span, lsb_token, lsb_turn) is used in arrays or by value and never changes
 * within v1: what it turns out to lack becomes an array beside it, in the struct
 * that points to it. `reserved` members are 0 and not looked at. Bits that a
 * plugin does not know in a flags word it is given mean nothing to it.
 *
 * Strings are UTF-8 and NUL-terminated. Unless a comment says otherwise, a
 * plugin's strings live as long as its shared object, and lsbench's for the call.
 *
 * A struct that the caller fills stays the caller's: the callee copies what it
 * wants to keep, unless a comment says how long the struct lives.
 *
 * Threads. Every operation carries a tag:
 *	[main]	the rank's main thread, outside the timed run
 *	[rank]	the same thread, inside or outside the timed run
 *	[any]	any thread, outside the timed run unless it is [hot] too
 *	[hot]	may run inside the timed part: no allocation, lock, log or I/O
 *		but the operation's own
 * lsbench never calls two operations of one handle at the same time. A process
 * may hold several handles of a backend or workload, and one of a transport (of an
 * interposer, one for each place in its chain).
 *
 * Deadlines (`deadline_ns`) are absolute times of lsb_host.now_ns. One that has
 * passed, as 0 always has, means: look once, do what can be done at once, and
 * return; UINT64_MAX means: as long as it takes.
 */
#ifndef LSBENCH_TYPES_H
#define LSBENCH_TYPES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What an operation returns: LSB_OK, or one of these with lsb_error filled in.
 * Where the comment of an operation names statuses, they mean what it says there;
 * any other of LSB_EINVAL to LSB_EMODEL may be returned as well and ends the
 * launch. Results other than `err` mean nothing after a failure.
 */
enum lsb_status {
	LSB_OK = 0,
	LSB_EINVAL = -1,    /* the caller broke a rule of these headers, or a value is wrong */
	LSB_ENOMEM = -2,    /* host or device memory */
	LSB_EIO = -3,	    /* a file or socket failed; lsb_error.sys has errno */
	LSB_EUNAVAIL = -4,  /* cannot work on this machine; becomes "waived: <msg>" */
	LSB_EPEER = -5,	    /* a peer is gone, or cannot be reached */
	LSB_ETIMEDOUT = -6, /* the deadline passed; still pending; hot paths may leave lsb_error alone */
	LSB_ECANCELED = -7, /* lsbench asked for the end of the run */
	LSB_EDEVICE = -8,   /* an accelerator failed; lsb_error.sys has its code */
	LSB_EMODEL = -9,    /* the model file is wrong or of an unsupported kind */
	LSB_EPLUGIN = -10,  /* a plugin file is missing, refused or broke its contract */
	LSB_ESUITE = -11,   /* a suite or command line is wrong */
	LSB_EPROTO = -12,   /* a peer said what it must not: this, and no loss of a peer, is the cause */
};

/*
 * Why something failed, in one sentence a user can act on: what failed, on
 * which object, why, and what to do. Owned by the caller, 512 bytes, so that
 * reporting a failure cannot itself fail. lsb_fail() in host.h fills it.
 */
struct lsb_error {
	int32_t code;	   /* enum lsb_status */
	uint32_t reserved; /* 0 */
	int64_t sys;	   /* errno, cudaError_t, MPI error class; 0 if none */
	char msg[496];
};

/* Where a buffer's bytes live. Bit (1u << mem) in a capability mask. */
enum lsb_mem {
	LSB_MEM_HOST = 0,   /* pageable */
	LSB_MEM_PINNED = 1, /* page-locked, readable by a device's copy engine */
	LSB_MEM_CUDA = 2,   /* global memory of CUDA device `device` */
};

/* Element types of hidden states. */
enum lsb_elem { LSB_ELEM_F32 = 0, LSB_ELEM_F16 = 1, LSB_ELEM_BF16 = 2 };

/*
 * A borrowed view of memory. Whoever allocated it owns it; a view never frees.
 * `handle` is the allocator's (an allocation id) and `registration` that of the
 * transport whose buf_register saw this view (a memory region); both are passed
 * back unchanged, and are 0 where nobody set them. lsbench may make views of the
 * first `bytes` of a buffer, with the same handle and registration. `event` is 0,
 * or a stream-ordered "ready" marker that only a transport with
 * LSB_TRANSPORT_STREAM_ORDERED may be handed; no operation of this version makes
 * one.
 */
struct lsb_buf {
	void *ptr;
	uint64_t bytes;
	uint32_t mem;	/* enum lsb_mem */
	int32_t device; /* ordinal for LSB_MEM_CUDA, else -1 */
	uint64_t handle;
	uint64_t event;
	uint64_t registration;
};

/* Bytes that somebody else owns: an address, a text, a file's content. */
struct lsb_span {
	const void *ptr;
	uint64_t bytes;
};

/* One named number, as scores and counters report them. */
struct lsb_metric {
	const char *name; /* [a-z0-9_]+, with the unit as suffix where it has one */
	const char *unit; /* "s", "B", "1"; both live as long as the plugin */
	double value;
};

/* One turn of a chat. */
struct lsb_turn {
	const char *role; /* "system", "user", "assistant" */
	const char *text;
};

#ifdef __cplusplus
}
#endif
#endif
