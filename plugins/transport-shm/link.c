/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One peer: queued sends into its ring, bytes out of ours, matched to posted
 * receives. Knows nothing of waiting or of other links. Nothing here allocates.
 */
#include <string.h>

#include "shm.h"

enum { HEADER_MAGIC = 0x4d53424c }; /* "LBSM" */

/* The link is of no use any more: its requests fail, and every barrier; other links go on. */
static int link_lost(struct lsb_transport *t, struct shm_link *l, int code, const char *why)
{
	const int others = code == LSB_EINVAL ? LSB_EPEER : code; /* one was too long, not all */

	lsb_fail(&t->ended, code, 0, "the shared memory link with rank %d failed: %s", l->peer, why);
	if (t->broken.code == LSB_OK)
		t->broken = t->ended;
	if (l->current)
		request_done(&t->requests, l->current, code);
	l->current = NULL;
	queue_fail(&l->receives, &t->requests, others);
	queue_fail(&l->sends, &t->requests, others);
	l->gone = 1;
	return -1;
}

/*
 * What a peer has left behind in the ring is still read, and as long as nobody has
 * asked for it, its end can wait.
 */
void shm_link_ended(struct lsb_transport *t, struct shm_link *l)
{
	const int closed = (int)atomic_load_explicit(&l->in->closed, memory_order_acquire);

	if (l->gone || shm_link_receive(t, l) < 0)
		return;
	if (!closed) {
		(void)link_lost(t, l, LSB_EPEER, "its process has ended without a goodbye (see its log)");
	} else if (l->sends.head || l->current) {
		(void)link_lost(t, l, LSB_EPEER, "the rank has ended while it was still needed");
	} else if (l->receives.head || l->tail == atomic_load_explicit(&l->in->head, memory_order_acquire)) {
		if (l->receives.head)
			lsb_fail(&t->ended, LSB_EPEER, 0,
				 "rank %d has ended while messages from it were still expected", l->peer);
		queue_fail(&l->receives, &t->requests, LSB_EPEER);
		l->gone = 1;
	}
}

/* --- out ------------------------------------------------------------------------------ */

static uint64_t room(const struct lsb_transport *t, const struct shm_link *l)
{
	const uint64_t used = l->head - l->tail_seen;

	return used < t->ring_bytes ? t->ring_bytes - used : 0;
}

static void copy_in(const struct lsb_transport *t, struct shm_link *l, const uint8_t *from, size_t n)
{
	const size_t at = (size_t)(l->head % t->ring_bytes);
	const size_t first = n < t->ring_bytes - at ? n : (size_t)t->ring_bytes - at;

	memcpy(l->out_bytes + at, from, first);
	if (first < n)
		memcpy(l->out_bytes, from + first, n - first);
	l->head += n;
}

static void publish(struct lsb_transport *t, struct shm_link *l, uint64_t now)
{
	atomic_store_explicit(&l->out->published_ns, now, memory_order_relaxed);
	atomic_store_explicit(&l->out->head, l->head, memory_order_release);
	shm_ring_doorbell(t, l);
}

/* One chunk of `r`, header first; whether anything went in. */
static int send_some(struct lsb_transport *t, struct shm_link *l, struct request *r)
{
	uint64_t n, free_bytes = room(t, l), now;

	if (free_bytes < SHM_UNIT + r->bytes - r->moved) {
		l->tail_seen = atomic_load_explicit(&l->out->tail, memory_order_acquire);
		free_bytes = room(t, l);
	}
	if (free_bytes < SHM_UNIT)
		return 0;
	now = shm_now(t);
	if (!r->has_header) {
		const int whole = r->bytes <= free_bytes - SHM_UNIT && r->bytes <= SHM_CHUNK_BYTES;
		const struct shm_header h = {
			.bytes = r->bytes, .sent_ns = whole ? now : 0, .magic = HEADER_MAGIC, .tag = r->tag
		};

		copy_in(t, l, (const uint8_t *)&h, sizeof(h));
		free_bytes -= SHM_UNIT;
		r->has_header = 1;
	}
	n = r->bytes - r->moved;
	n = n < free_bytes ? n : free_bytes;
	n = n < SHM_CHUNK_BYTES ? n : SHM_CHUNK_BYTES;
	if (n)
		copy_in(t, l, r->data + r->moved, (size_t)n);
	r->moved += n;
	if (r->moved == r->bytes)
		l->head = (l->head + SHM_UNIT - 1) / SHM_UNIT * SHM_UNIT;
	t->counters.bytes_sent += n;
	publish(t, l, now);
	return 1;
}

int shm_link_send(struct lsb_transport *t, struct shm_link *l)
{
	int moved = 0;

	while (l->sends.head) {
		struct request *r = l->sends.head;

		if (!send_some(t, l, r))
			return moved;
		moved = 1;
		if (r->moved < r->bytes)
			continue;
		t->counters.bytes_sent += SHM_UNIT;
		t->counters.messages_sent++;
		request_done(&t->requests, queue_take(&l->sends, &l->sends.head), LSB_OK);
	}
	return moved;
}

/* --- in ------------------------------------------------------------------------------- */

static void copy_out(const struct lsb_transport *t, struct shm_link *l, uint8_t *to, size_t n)
{
	const size_t at = (size_t)(l->tail % t->ring_bytes);
	const size_t first = n < t->ring_bytes - at ? n : (size_t)t->ring_bytes - at;

	memcpy(to, l->in_bytes + at, first);
	if (first < n)
		memcpy(to + first, l->in_bytes, n - first);
	l->tail += n;
}

/*
 * When the last byte came. A message that went in at once says so itself; one that
 * came by pieces came with the newest of them, if nothing is behind it. 0: not known.
 */
static uint64_t arrival(const struct shm_link *l, uint64_t head)
{
	uint64_t at;

	if (l->has_other_clock)
		return 0;
	if (l->sent_ns)
		return l->sent_ns;
	at = atomic_load_explicit(&l->in->published_ns, memory_order_acquire);
	return l->tail == head && atomic_load_explicit(&l->in->head, memory_order_relaxed) == head ? at : 0;
}

/* Match the header at the tail; 1, 0 when no receive is posted for it, -1 when the link broke. */
static int match(struct lsb_transport *t, struct shm_link *l)
{
	struct request **at;
	struct shm_header h;

	memcpy(&h, l->in_bytes + l->tail % t->ring_bytes, sizeof(h));
	if (h.magic != HEADER_MAGIC || h.tag > t->world->max_tag || h.bytes > t->world->max_message_bytes)
		return link_lost(t, l, LSB_EPROTO, "it sent bytes that are no message header");
	at = queue_find(&l->receives, h.tag);
	if (!*at)
		return 0;
	l->current = queue_take(&l->receives, at);
	if (h.bytes > l->current->bytes)
		return link_lost(t, l, LSB_EINVAL, "a message is longer than the receive posted for it");
	l->tail += SHM_UNIT;
	l->sent_ns = h.sent_ns;
	l->current->bytes = h.bytes;
	l->current->moved = 0;
	return 1;
}

/* Give back what was read, and wake a sender that had no room. */
static void release_room(struct lsb_transport *t, struct shm_link *l, uint64_t used)
{
	atomic_store_explicit(&l->in->tail, l->tail / SHM_UNIT * SHM_UNIT, memory_order_release);
	if (used > t->ring_bytes / 2)
		shm_ring_doorbell(t, l);
}

int shm_link_receive(struct lsb_transport *t, struct shm_link *l)
{
	const uint64_t head = atomic_load_explicit(&l->in->head, memory_order_acquire);
	const uint64_t before = l->tail;

	if (head - before > t->ring_bytes)
		return link_lost(t, l, LSB_EPROTO, "it wrote more than fits");
	while (l->tail < head) {
		struct request *r = l->current;
		uint64_t n;
		int matched;

		if (!r) {
			matched = match(t, l);
			if (matched < 0)
				return -1;
			if (!matched)
				break;
			r = l->current;
		}
		n = head - l->tail < r->bytes - r->moved ? head - l->tail : r->bytes - r->moved;
		if (n)
			copy_out(t, l, r->data + r->moved, (size_t)n);
		r->moved += n;
		if (r->moved < r->bytes)
			break;
		l->tail = (l->tail + SHM_UNIT - 1) / SHM_UNIT * SHM_UNIT;
		r->arrived_ns = arrival(l, head);
		l->current = NULL;
		t->counters.messages_received++;
		request_done(&t->requests, r, LSB_OK);
	}
	if (l->tail == before)
		return 0;
	t->counters.bytes_received += l->tail - before;
	release_room(t, l, head - before);
	return 1;
}
