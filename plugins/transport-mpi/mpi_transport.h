/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport-mpi from inside: stage links over an MPI library.
 *
 *	launched.c	who started this process, by its environment alone (no MPI call)
 *	library.c	MPI itself: started once, checked against the job, ended
 *	messages.c	isend, irecv, wait_any, the barrier
 *	plugin.c	options, open, connect, close, counters
 *
 * The rank of lsbench is the rank of MPI_COMM_WORLD, and both sizes are equal:
 * open refuses everything else. Messages travel on a private duplicate of it, so
 * that no other user of MPI in the process can take them.
 *
 * Threads. lsbench calls from the rank's main thread alone, while a control
 * thread that knows no MPI lives beside it: MPI_THREAD_FUNNELED.
 *
 * Ending. MPI is ended (MPI_Finalize) only where all ranks leave together: after
 * a barrier with nothing sent since. MPI_Finalize waits for peers, which a failed
 * rank must not do; it then leaves without, and its launcher and lsbench's control
 * channel end the other ranks.
 */
#ifndef LSB_MPI_TRANSPORT_H
#define LSB_MPI_TRANSPORT_H

#include <mpi.h>
#include <stddef.h>
#include <stdint.h>

#include "lsbench/host.h"
#include "lsbench/transport.h"
#include "transport-common/wait.h"

enum mpi_via { MPI_VIA_AUTO = 0, MPI_VIA_SHM = 1, MPI_VIA_TCP = 2 };

struct mpi_options {
	struct wait_options wait;
	uint64_t nap_ns; /* longest */
	uint32_t via;	 /* enum mpi_via */
	uint32_t reserved;
};

enum { MPI_NONE = UINT32_MAX }; /* no next free request */

struct mpi_request {
	MPI_Request mpi;
	uint64_t bytes; /* of the buffer */
	uint32_t next;	/* in the free list */
	uint16_t is_live, is_send;
};

/* What each rank tells each other one as its first message. */
struct mpi_hello {
	uint32_t magic;
	int32_t rank, size;
	uint32_t max_tag;
};

struct lsb_transport {
	const struct lsb_host *host;
	const struct mpi_options *options;
	const struct lsb_world *world;
	MPI_Comm comm;		      /* private duplicate of MPI_COMM_WORLD, or MPI_COMM_NULL */
	struct mpi_request *requests; /* [world->max_requests] */
	uint32_t free_request;	      /* MPI_NONE: all are pending */
	uint32_t connected;
	MPI_Request *asked; /* [max_requests], of a wait */
	MPI_Status *statuses;
	int *indices;
	MPI_Request barrier;		      /* MPI_REQUEST_NULL: none is under way */
	uint32_t settled;		      /* a barrier was the last thing that happened */
	uint32_t mem_caps;		      /* that hold here */
	struct mpi_hello hello_out, hello_in; /* here, as MPI may hold on to them after a failure */
	struct lsb_wire_counters counters;
	struct lsb_error broken; /* .code 0: whole */
};

static inline uint64_t mpi_now(const struct lsb_transport *t)
{
	return t->host->now_ns(t->host->context);
}

/*
 * launched.c. LSB_OK where an MPI launcher has started this process as the rank
 * and with the size that `world` says, as far as the environment tells: MPI_Init
 * may end a process that nobody has launched. LSB_EUNAVAIL.
 */
int mpi_launched(const struct lsb_world *world, struct lsb_error *err);

/* library.c. All are collective. */

/* Start MPI, check it against the job, and duplicate its world into t->comm. LSB_EUNAVAIL. */
int mpi_library_open(struct lsb_transport *t, struct lsb_error *err);
/* End MPI if this plugin has started it. `together`: all ranks do so now. */
void mpi_library_close(struct lsb_transport *t, int together);
/* "Open MPI v4.1.4": the first words of the library's own version text. */
void mpi_library_name(char *to, size_t bytes);
/* Fill `err` from an MPI error code: LSB_EINVAL for a truncation, else LSB_EIO. */
int mpi_failed(struct lsb_error *err, int code, const char *what);

/* messages.c */
int mpi_isend(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b, uint32_t *request,
	      struct lsb_error *err);
int mpi_irecv(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b, uint32_t *request,
	      struct lsb_error *err);
int mpi_wait_any(struct lsb_transport *t, const uint32_t *requests, size_t n, uint64_t deadline_ns,
		 struct lsb_completion *done, size_t *n_done, struct lsb_error *err);
int mpi_barrier(struct lsb_transport *t, uint64_t deadline_ns, struct lsb_error *err);
void mpi_progress(struct lsb_transport *t);
/* Drop what is pending; whether that left nothing behind. */
int mpi_drop_requests(struct lsb_transport *t);

/* Waiting between looks at MPI, which cannot sleep until a message comes. */
struct mpi_patience {
	uint64_t begun_ns; /* 0: not yet */
	uint64_t nap_ns;   /* next */
	uint32_t looks;
};
/* After a look that found nothing. LSB_ETIMEDOUT when `deadline_ns` has passed. */
int mpi_pause(const struct lsb_transport *t, struct mpi_patience *p, uint64_t deadline_ns);

#endif
