/* SPDX-License-Identifier: Apache-2.0 */
#include "turns.h"

#include <stdlib.h>
#include <string.h>

/* Between a and twice that. */
static uint64_t draw(uint64_t a)
{
	return a + a * (uint64_t)(rand() % 1000) / 1000;
}

static struct lsb_record *add(struct turns *t, int rank, uint32_t kind, uint64_t from, uint64_t to,
			      uint32_t step)
{
	struct lsb_record *r = &t->records[rank][t->ranks[rank].n++];

	*r = (struct lsb_record){ .kind = kind,
				  .t0_ns = from,
				  .t1_ns = to,
				  .peer = -1,
				  .group = 0,
				  .step = step,
				  .sequence = step };
	return r;
}

static void compute(struct turns *t, int rank, uint64_t from, uint64_t to, uint32_t step)
{
	struct lsb_record *r = add(t, rank, LSB_REC_COMPUTE, from, to, step);

	r->aux = step ? 1 : 12;
	r->aux2 = 1;
	t->computed[rank] += to - from;
}

/* Own work of [from, to] that ends with handing a message over. */
static void work(struct turns *t, int rank, uint32_t tag, uint64_t from, uint64_t to, uint32_t step)
{
	struct lsb_record *r = add(t, rank, LSB_REC_SEND, to, to, step);

	r->peer = 1 - rank;
	r->tag = tag;
	r->bytes = 4096;
	add(t, rank, LSB_REC_SCHEDULE, from, to, step);
	t->own[rank] += to - from;
}

/* Blocked since `from` for what was sent at `sent` and came at `to`. */
static void block(struct turns *t, int rank, uint32_t tag, uint64_t from, uint64_t sent, uint64_t to,
		  uint32_t step)
{
	for (int i = 0; i < 2; i++) {
		struct lsb_record *r = add(t, rank, i ? LSB_REC_BLOCK : LSB_REC_RECV, from, to, step);

		r->peer = 1 - rank;
		r->tag = tag;
		r->bytes = 4096;
		r->aux = to;
	}
	t->waited[rank] += sent - from;
	t->transferred[rank] += to - sent;
}

void turns_make(struct turns *t, unsigned seed, size_t n, uint64_t flight_ns, int64_t shift_ns)
{
	const uint64_t begin = UINT64_C(5000000000);
	uint64_t now = begin, free1 = begin;

	memset(t, 0, sizeof(*t));
	srand(seed);
	for (int rank = 0; rank < 2; rank++)
		t->ranks[rank] = (struct lsb_rank_records){ .rank = rank, .records = t->records[rank] };
	t->t0 = begin;
	for (uint32_t k = 0; k < n; k++) {
		const uint64_t c0 = now + draw(1000), c1 = c0 + draw(200000), s = c1 + draw(500);
		const uint64_t d = s + draw(flight_ns), e1 = d + draw(100000), ids = e1 + draw(700);

		t->own[0] += c0 - now;
		add(t, 0, LSB_REC_SCHEDULE, now, c0, k);
		compute(t, 0, c0, c1, k);
		work(t, 0, LSB_TAG_HIDDEN, c1, s, k);
		block(t, 1, LSB_TAG_HIDDEN, free1, s, d, k);
		compute(t, 1, d, e1, k);
		work(t, 1, LSB_TAG_IDS, e1, ids, k);
		now = ids + draw(flight_ns);
		block(t, 0, LSB_TAG_IDS, s, ids, now, k);
		free1 = ids;
	}
	t->t1 = now;
	/* Rank 1 waits for the next pass until the run is over; its message is sent later. */
	block(t, 1, LSB_TAG_PLAN, free1, t->t1, t->t1 + 1000000, (uint32_t)n);
	t->transferred[1] -= 1000000;
	add(t, 0, LSB_REC_SEND, t->t1, t->t1, (uint32_t)n)->peer = 1;
	t->records[0][t->ranks[0].n - 1].tag = LSB_TAG_PLAN;
	for (size_t i = 0; i < t->ranks[1].n; i++) {
		struct lsb_record *r = &t->records[1][i];

		r->t0_ns += (uint64_t)shift_ns;
		r->t1_ns += (uint64_t)shift_ns;
		if ((r->kind == LSB_REC_BLOCK || r->kind == LSB_REC_RECV) && r->aux)
			r->aux += (uint64_t)shift_ns;
	}
}
