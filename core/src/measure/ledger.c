/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/ledger.h"

#include <stdlib.h>

#include "lsbench/host.h"

struct span {
	uint64_t from, to;
};

static uint64_t at_least(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t at_most(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Length of [a0, a1] within [b0, b1]. */
static uint64_t overlap(uint64_t a0, uint64_t a1, uint64_t b0, uint64_t b1)
{
	const uint64_t from = at_least(a0, b0), to = at_most(a1, b1);

	return to > from ? to - from : 0;
}

static int compare_spans(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return (x->from > y->from) - (x->from < y->from);
}

/* Make n spans ascending and free of overlap, in place; how many remain. */
static size_t merge_spans(struct span *spans, size_t n)
{
	size_t merged = 0;

	qsort(spans, n, sizeof(*spans), compare_spans);
	for (size_t i = 0; i < n; i++) {
		if (merged && spans[i].from <= spans[merged - 1].to)
			spans[merged - 1].to = at_least(spans[merged - 1].to, spans[i].to);
		else
			spans[merged++] = spans[i];
	}
	return merged;
}

static uint64_t total_length(const struct span *spans, size_t n)
{
	uint64_t length = 0;

	for (size_t i = 0; i < n; i++)
		length += spans[i].to - spans[i].from;
	return length;
}

static int compare_sends(const void *a, const void *b)
{
	const struct lsb_record *x = *(const struct lsb_record *const *)a,
				*y = *(const struct lsb_record *const *)b;

	if (x->tag != y->tag)
		return x->tag < y->tag ? -1 : 1;
	return (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

/* The sends of one rank to another, sorted by (tag, sequence). */
struct sends {
	const struct lsb_record **list; /* [n], owned */
	size_t n;
};

static int collect_sends(const struct lsb_rank_records *from, int32_t to, struct sends *out)
{
	out->n = 0;
	out->list = malloc((from->n + 1) * sizeof(*out->list));
	if (!out->list)
		return -1;
	for (size_t i = 0; i < from->n; i++)
		if (from->records[i].kind == LSB_REC_SEND && from->records[i].peer == to)
			out->list[out->n++] = &from->records[i];
	qsort(out->list, out->n, sizeof(*out->list), compare_sends);
	return 0;
}

/* When message (tag, sequence) was handed over; 0 when its send was not recorded (a full recorder). */
static uint64_t send_time(const struct sends *sends, const struct lsb_record *message)
{
	const struct lsb_record **found =
		bsearch(&message, sends->list, sends->n, sizeof(*sends->list), compare_sends);

	return found ? (*found)->t0_ns : 0;
}

/*
 * Divide one block into wait, transfer and overhead. A block on a message whose
 * send nobody recorded stays out of all three, and so unattributed: it cannot
 * be told whether the peer was late or the link slow.
 */
static void divide_block(const struct lsb_record *block, uint64_t sent, uint64_t t0, uint64_t t1,
			 uint64_t parts[3])
{
	const uint64_t b0 = at_least(block->t0_ns, t0), b1 = at_most(block->t1_ns, t1);
	uint64_t s, d;

	if (b1 <= b0 || sent == 0)
		return;
	s = at_most(at_least(sent, b0), b1);
	d = block->aux ? at_most(at_least(block->aux, s), b1) : b1;
	parts[0] += s - b0;
	parts[1] += d - s;
	parts[2] += b1 - d;
}

/* Append the parts of `mine`'s records of the kinds in `mask` (bit per kind) that lie within [t0, t1]. */
static size_t collect_spans(const struct lsb_rank_records *mine, uint32_t mask, uint64_t t0, uint64_t t1,
			    struct span *spans)
{
	size_t n = 0;

	for (size_t i = 0; i < mine->n; i++) {
		const struct lsb_record *record = &mine->records[i];

		/* records come from other processes: an unknown kind is no kind of ours */
		if (record->kind < 32 && (mask >> record->kind & 1u) &&
		    overlap(record->t0_ns, record->t1_ns, t0, t1) > 0)
			spans[n++] = (struct span){ at_least(record->t0_ns, t0), at_most(record->t1_ns, t1) };
	}
	return n;
}

/*
 * Compute and own overhead: each nanosecond once, compute first. Leaves what was
 * computed in `spans` (room for all of mine's records), merged; returns their number.
 */
static size_t add_own_time(const struct lsb_rank_records *mine, uint64_t t0, uint64_t t1, struct span *spans,
			   struct lsb_ledger *out)
{
	const uint32_t computing = 1u << LSB_REC_COMPUTE;
	const uint32_t working = computing | 1u << LSB_REC_SEND | 1u << LSB_REC_COPY | 1u << LSB_REC_SCHEDULE;
	const uint64_t all =
		total_length(spans, merge_spans(spans, collect_spans(mine, working, t0, t1, spans)));
	const size_t n = merge_spans(spans, collect_spans(mine, computing, t0, t1, spans));
	const uint64_t compute = total_length(spans, n);

	out->compute_s = (double)compute * 1e-9;
	out->overhead_s = (double)(all - compute) * 1e-9;
	return n;
}

/* Time of [from, to] that lies under `n` ascending spans without overlap. */
static uint64_t time_under(const struct span *spans, size_t n, uint64_t from, uint64_t to)
{
	uint64_t under = 0;
	size_t low = 0, high = n;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (spans[middle].to <= from)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < n && spans[low].from < to; low++)
		under += overlap(from, to, spans[low].from, spans[low].to);
	return under;
}

/* Divide what rank `mine` had from one peer into parts, and find what its messages hid. */
static void add_messages(const struct lsb_rank_records *mine, int32_t peer, const struct sends *sends,
			 const struct span *computed, size_t n_computed, uint64_t t0, uint64_t t1,
			 uint64_t parts[3], struct lsb_ledger *out)
{
	uint64_t hidden = 0;

	for (size_t i = 0; i < mine->n; i++) {
		const struct lsb_record *record = &mine->records[i];
		const int is_block = record->kind == LSB_REC_BLOCK;
		uint64_t sent;

		if (record->peer != peer || !(is_block || record->kind == LSB_REC_RECV))
			continue;
		sent = send_time(sends, record);
		if (is_block) {
			divide_block(record, sent, t0, t1, parts);
		} else if (sent && record->aux > sent) {
			hidden += time_under(computed, n_computed, sent, record->aux);
			out->knows_hidden = 1;
		}
	}
	out->hidden_transfer_s += (double)hidden * 1e-9;
}

int lsb_ledger_close(const struct lsb_rank_records *ranks, size_t n_ranks, size_t which, uint64_t t0,
		     uint64_t t1, struct lsb_ledger *out, struct lsb_error *err)
{
	const struct lsb_rank_records *mine = &ranks[which];
	struct span *spans = malloc((mine->n + 1) * sizeof(*spans));
	uint64_t parts[3] = { 0 }; /* wait, transfer, overhead of blocks */
	size_t n_computed;
	int rc = LSB_OK;

	*out = (struct lsb_ledger){ .wall_s = (double)(t1 - t0) * 1e-9 };
	if (!spans)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory to close the ledger of rank %d", mine->rank);
	n_computed = add_own_time(mine, t0, t1, spans, out);
	for (size_t peer = 0; peer < n_ranks && rc == LSB_OK; peer++) {
		struct sends sends;

		if (peer == which)
			continue;
		if (collect_sends(&ranks[peer], mine->rank, &sends))
			rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory to close the ledger of rank %d",
				      mine->rank);
		else
			add_messages(mine, ranks[peer].rank, &sends, spans, n_computed, t0, t1, parts, out);
		free(sends.list);
	}
	free(spans);
	out->wait_s = (double)parts[0] * 1e-9;
	out->transfer_s = (double)parts[1] * 1e-9;
	out->overhead_s += (double)parts[2] * 1e-9;
	out->unattributed_s = out->wall_s - out->compute_s - out->wait_s - out->transfer_s - out->overhead_s;
	return rc;
}
