/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages: lsbench's requests are indices into a table of MPI requests. MPI
 * itself matches exactly as the contract wants it: by (peer, tag), in the order
 * of posting. Nothing here allocates.
 */
#include <limits.h>
#include <sched.h>
#include <time.h>

#include "mpi_transport.h"
#include "transport-common/checks.h"

enum {
	LOOKS_A_CLOCK = 16,   /* looks between two readings of the clock */
	YIELD_NS = 20 * 1000, /* how long `block` gives its processor away before it naps */
	NAP_LEAST_NS = 5 * 1000,
};

int mpi_pause(const struct lsb_transport *t, struct mpi_patience *p, uint64_t deadline_ns)
{
	const struct wait_options *how = &t->options->wait;
	uint64_t now, spin_until, ns;

	if (deadline_ns == 0)
		return LSB_ETIMEDOUT;
	if (how->how != WAIT_BLOCK && p->begun_ns && ++p->looks % LOOKS_A_CLOCK)
		return LSB_OK;
	now = mpi_now(t);
	if (now >= deadline_ns)
		return LSB_ETIMEDOUT;
	if (!p->begun_ns) {
		p->begun_ns = now;
		p->nap_ns = NAP_LEAST_NS;
	}
	spin_until = wait_spins_until(how, p->begun_ns);
	if (now < spin_until)
		return LSB_OK;
	if (now < spin_until + YIELD_NS) {
		sched_yield();
		return LSB_OK;
	}
	ns = p->nap_ns < t->options->nap_ns ? p->nap_ns : t->options->nap_ns;
	if (ns > deadline_ns - now)
		ns = deadline_ns - now;
	(void)nanosleep(&(struct timespec){ .tv_sec = (time_t)(ns / 1000000000u),
					    .tv_nsec = (long)(ns % 1000000000u) },
			NULL);
	p->nap_ns *= 2;
	return LSB_OK;
}

static int broken(const struct lsb_transport *t, struct lsb_error *err)
{
	if (err)
		*err = t->broken;
	return t->broken.code;
}

/* The link is of no use any more. */
static int break_down(struct lsb_transport *t, int code, const char *what)
{
	if (t->broken.code == LSB_OK)
		(void)mpi_failed(&t->broken, code, what);
	return t->broken.code;
}

/* --- starting ----------------------------------------------------------------------------- */

/* The checks that isend and irecv share, and a request on success. */
static int begin(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b,
		 struct mpi_request **out, struct lsb_error *err)
{
	int rc;

	if (t->broken.code)
		return broken(t, err);
	rc = message_check(t->world, t->connected ? t->mem_caps : 0, peer, tag, b, err);
	if (rc == LSB_OK)
		rc = message_check_size(t->world, b->bytes, err); /* open: no more than INT_MAX */
	if (rc)
		return rc;
	if (t->free_request == MPI_NONE)
		return lsb_fail(err, LSB_EINVAL, 0, "more than %u messages are pending",
				t->world->max_requests);
	*out = &t->requests[t->free_request];
	return LSB_OK;
}

/* `r` is MPI's now. */
static int begun(struct lsb_transport *t, struct mpi_request *r, uint64_t bytes, uint32_t is_send,
		 uint32_t *request)
{
	t->free_request = r->next;
	r->bytes = bytes;
	r->is_live = 1;
	r->is_send = (uint16_t)is_send;
	*request = (uint32_t)(r - t->requests);
	return LSB_OK;
}

int mpi_isend(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b, uint32_t *request,
	      struct lsb_error *err)
{
	struct mpi_request *r = NULL;
	int rc = begin(t, peer, tag, b, &r, err);

	if (rc)
		return rc;
	t->settled = 0;
	rc = MPI_Isend(b->ptr, (int)b->bytes, MPI_BYTE, peer, (int)tag, t->comm, &r->mpi);
	if (rc == MPI_SUCCESS)
		return begun(t, r, b->bytes, 1, request);
	(void)break_down(t, rc, "MPI_Isend");
	return broken(t, err);
}

int mpi_irecv(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b, uint32_t *request,
	      struct lsb_error *err)
{
	struct mpi_request *r = NULL;
	int rc = begin(t, peer, tag, b, &r, err);

	if (rc)
		return rc;
	rc = MPI_Irecv(b->ptr, (int)b->bytes, MPI_BYTE, peer, (int)tag, t->comm, &r->mpi);
	if (rc == MPI_SUCCESS)
		return begun(t, r, b->bytes, 0, request);
	(void)break_down(t, rc, "MPI_Irecv");
	return broken(t, err);
}

/* --- completing --------------------------------------------------------------------------- */

/* Give `request` back; `code` is how MPI ended it. */
static void complete(struct lsb_transport *t, uint32_t request, int code, const MPI_Status *status,
		     struct lsb_completion *done)
{
	struct mpi_request *r = &t->requests[request];
	int count = 0;

	*done = (struct lsb_completion){ .request = request };
	if (code != MPI_SUCCESS) {
		done->status = break_down(t, code, r->is_send ? "sending over MPI" : "receiving over MPI");
	} else if (r->is_send) {
		done->bytes = r->bytes;
		t->counters.messages_sent++;
		t->counters.bytes_sent += done->bytes;
	} else {
		(void)MPI_Get_count(status, MPI_BYTE, &count);
		done->bytes = count > 0 ? (uint64_t)count : 0;
		t->counters.messages_received++;
		t->counters.bytes_received += done->bytes;
	}
	r->mpi = MPI_REQUEST_NULL;
	r->is_live = 0;
	r->next = t->free_request;
	t->free_request = request;
}

/* Look once at a single request: the path of a ping-pong. */
static size_t look_at_one(struct lsb_transport *t, uint32_t request, struct lsb_completion *done)
{
	MPI_Status status;
	int flag = 0;
	const int rc = MPI_Test(&t->requests[request].mpi, &flag, &status);

	if (rc == MPI_SUCCESS && !flag)
		return 0;
	complete(t, request, rc, &status, done);
	return 1;
}

/* Look once at all of t->asked. */
static size_t look_at_all(struct lsb_transport *t, const uint32_t *requests, size_t n,
			  struct lsb_completion *done)
{
	int n_ended = 0;
	const int rc = MPI_Testsome((int)n, t->asked, &n_ended, t->indices, t->statuses);

	if (rc != MPI_SUCCESS && rc != MPI_ERR_IN_STATUS) {
		int class = MPI_SUCCESS;

		(void)MPI_Error_class(rc, &class);
		if (class != MPI_ERR_IN_STATUS) {
			(void)break_down(t, rc, "MPI_Testsome");
			return 0;
		}
	}
	if (n_ended == MPI_UNDEFINED)
		return 0;
	for (int i = 0; i < n_ended; i++)
		complete(t, requests[t->indices[i]],
			 rc == MPI_SUCCESS ? MPI_SUCCESS : t->statuses[i].MPI_ERROR, &t->statuses[i],
			 &done[i]);
	return (size_t)n_ended;
}

int mpi_wait_any(struct lsb_transport *t, const uint32_t *requests, size_t n, uint64_t deadline_ns,
		 struct lsb_completion *done, size_t *n_done, struct lsb_error *err)
{
	struct mpi_patience patience = { 0 };

	*n_done = 0;
	if (n > t->world->max_requests)
		return lsb_fail(err, LSB_EINVAL, 0, "a wait for %zu requests, of at most %u", n,
				t->world->max_requests);
	for (size_t i = 0; i < n; i++) {
		if (requests[i] >= t->world->max_requests || !t->requests[requests[i]].is_live)
			return lsb_fail(err, LSB_EINVAL, 0, "request %u is not pending", requests[i]);
		t->asked[i] = t->requests[requests[i]].mpi;
	}
	for (;;) {
		*n_done = n == 1 ? look_at_one(t, requests[0], done) : look_at_all(t, requests, n, done);
		if (t->broken.code)
			return broken(t, err);
		if (*n_done)
			return LSB_OK;
		if (mpi_pause(t, &patience, deadline_ns))
			return LSB_ETIMEDOUT;
	}
}

/* A look for a message that nobody sends makes MPI move all others on. */
void mpi_progress(struct lsb_transport *t)
{
	MPI_Status status;
	int flag;

	if (t->connected && !t->broken.code)
		(void)MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, t->comm, &flag, &status);
}

int mpi_barrier(struct lsb_transport *t, uint64_t deadline_ns, struct lsb_error *err)
{
	struct mpi_patience patience = { 0 };
	int flag = 0, rc;

	if (t->broken.code)
		return broken(t, err);
	if (t->barrier == MPI_REQUEST_NULL) {
		rc = MPI_Ibarrier(t->comm, &t->barrier);
		if (rc != MPI_SUCCESS)
			return break_down(t, rc, "MPI_Ibarrier"), broken(t, err);
	}
	for (;;) {
		rc = MPI_Test(&t->barrier, &flag, MPI_STATUS_IGNORE);
		if (rc != MPI_SUCCESS)
			return break_down(t, rc, "a barrier over MPI"), broken(t, err);
		if (flag)
			break;
		if (mpi_pause(t, &patience, deadline_ns))
			return lsb_fail(err, LSB_ETIMEDOUT, 0,
					"not all ranks have reached the barrier in time");
	}
	t->settled = 1;
	return LSB_OK;
}

/*
 * A receive that was never sent to is cancelled. A send that is not complete, or
 * a receive whose message is on its way, cannot be: then MPI must not be ended,
 * as MPI_Finalize would wait for it.
 */
int mpi_drop_requests(struct lsb_transport *t)
{
	int dropped = 1;

	for (uint32_t i = 0; i < t->world->max_requests; i++) {
		struct mpi_request *r = &t->requests[i];
		int flag = 0;

		if (!r->is_live)
			continue;
		if (!r->is_send)
			(void)MPI_Cancel(&r->mpi);
		if (MPI_Test(&r->mpi, &flag, MPI_STATUS_IGNORE) != MPI_SUCCESS || !flag)
			dropped = 0;
		r->is_live = 0;
	}
	return dropped;
}
