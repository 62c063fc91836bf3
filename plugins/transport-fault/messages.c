/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of transport-fault: each is two of the inner transport's, told of when its stamp allows it. */
#include <string.h>
#include <time.h>

#include "fault.h"

enum { SPIN_NS = 60 * 1000, NAP_NS = 200 * 1000 };

/* --- stamps: when the message is delivered, how long that is from its start, the sender's clock ---- */

static void put_u64(uint8_t *to, uint64_t value)
{
	for (int i = 0; i < 8; i++)
		to[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get_u64(const uint8_t *from)
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++)
		value |= (uint64_t)from[i] << (8 * i);
	return value;
}

/* When a received message may be told of, from its stamp. */
static uint64_t due_ns(const struct lsb_transport *t, const struct request *r)
{
	const uint64_t hold = get_u64(r->bytes_of_stamp + 8);
	const uint64_t sender = get_u64(r->bytes_of_stamp + 16);

	if (sender == t->clock)
		return get_u64(r->bytes_of_stamp);
	return hold ? (r->arrived_ns ? r->arrived_ns : r->found_ns) + hold : 0;
}

/* --- messages -------------------------------------------------------------------------- */

static int request_take(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b,
			struct request **out, struct lsb_error *err)
{
	uint32_t i = 0;

	if (peer < 0 || peer >= t->world->size || peer == t->world->rank || tag > t->world->max_tag)
		return lsb_fail(err, LSB_EINVAL, 0,
				"rank %d cannot exchange messages with rank %d under tag %u", t->world->rank,
				peer, tag);
	while (i < t->world->max_requests && t->requests[i].is_live)
		i++;
	if (i == t->world->max_requests)
		return lsb_fail(err, LSB_EINVAL, 0, "more than %u messages are pending",
				t->world->max_requests);
	*out = &t->requests[i];
	memset(*out, 0, sizeof(**out));
	(*out)->peer = peer;
	(*out)->data = *b;
	(*out)->bytes = b->bytes;
	(*out)->stamp = (struct lsb_buf){
		.ptr = (*out)->bytes_of_stamp, .bytes = STAMP_BYTES, .mem = LSB_MEM_HOST, .device = -1
	};
	return LSB_OK;
}

/* The caller's bytes stay as they are: a copy is what arrives altered. */
static int corrupt(struct lsb_transport *t, struct request *r, struct lsb_error *err)
{
	if (r->data.bytes == 0)
		return LSB_OK;
	r->corrupted = t->host->alloc(t->host->context, r->data.bytes, 64);
	if (!r->corrupted)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for a corrupted message");
	memcpy(r->corrupted, r->data.ptr, r->data.bytes);
	((uint8_t *)r->corrupted)[r->data.bytes / 2] ^= 0x40;
	r->data.ptr = r->corrupted;
	return LSB_OK;
}

/* What is in store for this message; LSB_OK, with *dropped, or an error. */
static int meet_fate(struct lsb_transport *t, struct request *r, int *dropped, struct lsb_error *err)
{
	*dropped = 0;
	switch (fault_fate_of(&t->misfortune, ++t->sent[r->peer])) {
	case FAULT_DROPPED:
		*dropped = 1;
		return LSB_OK;
	case FAULT_TRUNCATED:
		r->data.bytes /= 2;
		return LSB_OK;
	case FAULT_CORRUPTED:
		return corrupt(t, r, err);
	case FAULT_RESET:
		return fault_reset(t, r->peer, err);
	default:
		return LSB_OK;
	}
}

int fault_isend(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b,
		uint32_t *request, struct lsb_error *err)
{
	const int touched = (t->options->from_rank < 0 || t->options->from_rank == t->world->rank) &&
			    (t->options->only_tag < 0 || t->options->only_tag == (int64_t)tag);
	const uint64_t now = fault_now(t);
	struct request *r = NULL;
	uint64_t deliver = now;
	int dropped = 0, rc = fault_call(t, FAULT_OP_ISEND, err);

	if (rc == LSB_OK)
		rc = request_take(t, peer, tag, b, &r, err);
	if (rc == LSB_OK && touched)
		rc = meet_fate(t, r, &dropped, err);
	if (rc)
		return rc;
	r->is_send = 1;
	*request = (uint32_t)(r - t->requests);
	if (dropped) {
		r->is_live = 1;
		return LSB_OK;
	}
	if (touched)
		deliver = fault_link_send(&t->links[peer], &t->rules, now, b->bytes);
	put_u64(r->bytes_of_stamp, deliver);
	put_u64(r->bytes_of_stamp + 8, deliver - now);
	put_u64(r->bytes_of_stamp + 16, t->clock);
	rc = t->ops->isend(t->inner, peer, t->world->max_tag + 1 + tag, &r->stamp, &r->inner[1], err);
	if (rc == LSB_OK)
		rc = t->ops->isend(t->inner, peer, tag, &r->data, &r->inner[0], err);
	if (rc)
		return rc;
	r->is_live = 1;
	r->left = 3;
	return LSB_OK;
}

int fault_irecv(struct lsb_transport *t, int32_t peer, uint32_t tag, const struct lsb_buf *b,
		uint32_t *request, struct lsb_error *err)
{
	struct request *r = NULL;
	int rc = fault_call(t, FAULT_OP_IRECV, err);

	if (rc == LSB_OK)
		rc = request_take(t, peer, tag, b, &r, err);
	if (rc)
		return rc;
	*request = (uint32_t)(r - t->requests);
	rc = t->ops->irecv(t->inner, peer, t->world->max_tag + 1 + tag, &r->stamp, &r->inner[1], err);
	if (rc == LSB_OK)
		rc = t->ops->irecv(t->inner, peer, tag, &r->data, &r->inner[0], err);
	if (rc)
		return rc;
	r->is_live = 1;
	r->left = 3;
	return LSB_OK;
}

/* Note what the inner transport has completed. */
static void take_answers(struct lsb_transport *t, const uint32_t *requests, size_t n, size_t n_answers)
{
	for (size_t a = 0; a < n_answers; a++) {
		const struct lsb_completion *c = &t->answers[a];

		for (size_t i = 0; i < 2 * n; i++) {
			struct request *r = &t->requests[requests[i / 2]];
			const uint32_t part = i % 2;

			if (!(r->left & 1u << part) || r->inner[part] != c->request)
				continue;
			r->left &= ~(1u << part);
			if (c->status != LSB_OK)
				r->status = c->status;
			if (part == 0) {
				if (!r->is_send) /* a cut one is whole to its sender */
					r->bytes = c->bytes;
				r->arrived_ns = c->arrived_ns;
			}
			if (r->left == 0)
				r->found_ns = fault_now(t);
			break;
		}
	}
}

/*
 * Hand over what is complete and due. Returns when the next complete one is due
 * (UINT64_MAX: none is held), and what still has to come in t->asked, *n_asked.
 */
static uint64_t hand_over(struct lsb_transport *t, const uint32_t *requests, size_t n,
			  struct lsb_completion *done, size_t *n_done, size_t *n_asked)
{
	const uint64_t now = fault_now(t);
	uint64_t next = UINT64_MAX;

	*n_done = *n_asked = 0;
	for (size_t i = 0; i < n; i++) {
		struct request *r = &t->requests[requests[i]];
		uint64_t due = 0;

		for (uint32_t part = 0; part < 2; part++)
			if (r->left & 1u << part)
				t->asked[(*n_asked)++] = r->inner[part];
		if (r->left)
			continue;
		if (!r->is_send && r->status == LSB_OK)
			due = due_ns(t, r);
		if (due > now) {
			next = due < next ? due : next;
			continue;
		}
		if (due > r->found_ns) /* it was here, and held: now is when it arrives */
			r->arrived_ns = due;
		done[(*n_done)++] = (struct lsb_completion){ .status = r->status,
							     .request = requests[i],
							     .bytes = r->bytes,
							     .arrived_ns = r->arrived_ns };
		t->host->free(t->host->context, r->corrupted);
		r->corrupted = NULL;
		r->is_live = 0;
	}
	return next;
}

/* Let time pass until `until_ns`, without leaving the inner transport's other messages alone for long. */
static void nap(struct lsb_transport *t, uint64_t until_ns)
{
	const uint64_t now = fault_now(t);
	uint64_t ns = until_ns > now ? until_ns - now : 0;

	if (LSB_HAS(t->ops, progress))
		t->ops->progress(t->inner);
	if (ns <= SPIN_NS)
		return;
	ns = ns - SPIN_NS < NAP_NS ? ns - SPIN_NS : NAP_NS;
	(void)nanosleep(&(struct timespec){ .tv_nsec = (long)ns }, NULL);
}

int fault_wait_any(struct lsb_transport *t, const uint32_t *requests, size_t n, uint64_t deadline_ns,
		   struct lsb_completion *done, size_t *n_done, struct lsb_error *err)
{
	const int failed = fault_call(t, FAULT_OP_WAIT_ANY, err);

	*n_done = 0;
	if (failed)
		return failed;
	for (size_t i = 0; i < n; i++)
		if (requests[i] >= t->world->max_requests || !t->requests[requests[i]].is_live)
			return lsb_fail(err, LSB_EINVAL, 0, "request %u is not pending", requests[i]);
	for (int first = 1;; first = 0) {
		size_t n_asked, n_answers = 0;
		const uint64_t next = hand_over(t, requests, n, done, n_done, &n_asked);
		const uint64_t until = next < deadline_ns ? next : deadline_ns;
		int rc = LSB_ETIMEDOUT;

		if (*n_done)
			return LSB_OK;
		if (!first && fault_now(t) >= deadline_ns)
			return LSB_ETIMEDOUT;
		if (n_asked)
			rc = t->ops->wait_any(t->inner, t->asked, n_asked, deadline_ns ? until : 0,
					      t->answers, &n_answers, err);
		else if (deadline_ns)
			nap(t, until);
		take_answers(t, requests, n, n_answers);
		if (rc != LSB_OK && rc != LSB_ETIMEDOUT) {
			hand_over(t, requests, n, done, n_done, &n_asked);
			return rc;
		}
	}
}
