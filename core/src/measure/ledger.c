/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/ledger.h"

#include <stdlib.h>

#include "lsbench/host.h"

const char *lsb_part_name(enum lsb_part part)
{
	static const char *const names[LSB_PARTS] = { "compute",       "wait",	   "transfer",
						      "wait+transfer", "overhead", "idle" };

	return names[part];
}

static uint64_t at_least(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t at_most(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* --- who sent what when ---------------------------------------------------------------- */

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

/* --- dividing -------------------------------------------------------------------------- */

/*
 * Divide one block: before the message was sent is wait, until it was here
 * transfer, the rest overhead. A block on a message whose send nobody recorded
 * stays out of all, and so unattributed: it cannot be told whether the peer was
 * late or the link slow. Where sending and arrival are nearer to each other than
 * the clocks are known, neither can the first two be told apart.
 */
static int divide_block(struct lsb_division *d, const struct lsb_record *block, uint64_t sent,
			uint64_t error_ns)
{
	const uint64_t b0 = at_least(block->t0_ns, d->t0), b1 = at_most(block->t1_ns, d->t1);
	const uint64_t here = block->aux ? block->aux : block->t1_ns;
	uint64_t s, arrived;

	if (b1 <= b0 || sent == 0)
		return 0;
	s = at_most(at_least(sent, b0), b1);
	arrived = block->aux ? at_most(at_least(block->aux, s), b1) : b1;
	if (error_ns && (here < sent || here - sent < error_ns))
		return lsb_spans_add(&d->parts[LSB_PART_WAIT_TRANSFER], b0, arrived) ||
		       lsb_spans_add(&d->parts[LSB_PART_OVERHEAD], arrived, b1);
	return lsb_spans_add(&d->parts[LSB_PART_WAIT], b0, s) ||
	       lsb_spans_add(&d->parts[LSB_PART_TRANSFER], s, arrived) ||
	       lsb_spans_add(&d->parts[LSB_PART_OVERHEAD], arrived, b1);
}

/*
 * Compute and own work, of which what lies under compute is compute's (separate). Records come from other
 * processes: an unknown kind is no kind of ours.
 */
static int add_own_time(struct lsb_division *d, const struct lsb_rank_records *mine)
{
	for (size_t i = 0; i < mine->n; i++) {
		const struct lsb_record *r = &mine->records[i];
		const int works = r->kind == LSB_REC_SEND || r->kind == LSB_REC_COPY ||
				  r->kind == LSB_REC_SCHEDULE || r->kind == LSB_REC_TICKET;

		if ((works || r->kind == LSB_REC_COMPUTE) &&
		    lsb_spans_add(&d->parts[works ? LSB_PART_OVERHEAD : LSB_PART_COMPUTE],
				  at_least(r->t0_ns, d->t0), at_most(r->t1_ns, d->t1)))
			return -1;
	}
	return 0;
}

/*
 * When the pipeline had no request to serve, as its first stage wrote down. The
 * first stage idles then; what a later one waits in that time it does not wait for
 * a late peer.
 */
static int add_idle(struct lsb_division *d, const struct lsb_rank_records *first, int is_first)
{
	struct lsb_spans idle = { 0 }, *wait = &d->parts[LSB_PART_WAIT], *mine = &d->parts[LSB_PART_IDLE];
	int rc = 0;

	for (size_t i = 0; i < first->n && rc == 0; i++)
		if (first->records[i].kind == LSB_REC_IDLE)
			rc = lsb_spans_add(&idle, at_least(first->records[i].t0_ns, d->t0),
					   at_most(first->records[i].t1_ns, d->t1));
	lsb_spans_merge(&idle);
	lsb_spans_merge(wait);
	if (rc == 0 && is_first) {
		*mine = idle;
		return 0;
	}
	/* idle of waiting = waiting - (waiting - idle) */
	rc = rc || lsb_spans_unite(mine, wait) || lsb_spans_subtract(wait, &idle) ||
	     lsb_spans_subtract(mine, wait);
	lsb_spans_free(&idle);
	return rc ? -1 : 0;
}

/* Divide what rank `mine` had from one peer, and find what its messages hid under compute. */
static int add_messages(struct lsb_division *d, const struct lsb_rank_records *mine,
			const struct lsb_rank_records *peer, const struct sends *sends,
			const struct lsb_spans *computed)
{
	const uint64_t error_ns = at_least(mine->clock_error_ns, peer->clock_error_ns) -
				  at_most(mine->clock_error_ns, peer->clock_error_ns);

	for (size_t i = 0; i < mine->n; i++) {
		const struct lsb_record *record = &mine->records[i];
		const int is_block = record->kind == LSB_REC_BLOCK;
		uint64_t sent;

		if (record->peer != peer->rank || !(is_block || record->kind == LSB_REC_RECV))
			continue;
		sent = send_time(sends, record);
		if (is_block) {
			if (divide_block(d, record, sent, error_ns))
				return -1;
			continue;
		}
		if (sent && (record->t1_ns < sent || (record->aux && record->aux < sent)))
			d->misordered++;
		if (sent && record->aux > sent) {
			d->hidden_transfer_s += (double)lsb_spans_under(computed, sent, record->aux) * 1e-9;
			d->knows_hidden = 1;
		}
	}
	return 0;
}

/* Every moment in one part only: the earlier part has it. */
static int separate(struct lsb_division *d)
{
	struct lsb_spans taken = { 0 };
	int rc = 0;

	for (size_t i = 0; i < LSB_PARTS && rc == 0; i++) {
		lsb_spans_merge(&d->parts[i]);
		rc = lsb_spans_subtract(&d->parts[i], &taken) || lsb_spans_unite(&taken, &d->parts[i]);
	}
	lsb_spans_free(&taken);
	return rc;
}

int lsb_divide(const struct lsb_rank_records *ranks, size_t n_ranks, size_t which, uint64_t t0, uint64_t t1,
	       struct lsb_division *out, struct lsb_error *err)
{
	const struct lsb_rank_records *mine = &ranks[which];
	int failed;

	*out = (struct lsb_division){ .t0 = t0, .t1 = t1 };
	failed = add_own_time(out, mine);
	lsb_spans_merge(&out->parts[LSB_PART_COMPUTE]);
	for (size_t peer = 0; peer < n_ranks && !failed; peer++) {
		struct sends sends;

		if (peer == which)
			continue;
		failed = collect_sends(&ranks[peer], mine->rank, &sends) ||
			 add_messages(out, mine, &ranks[peer], &sends, &out->parts[LSB_PART_COMPUTE]);
		free(sends.list);
	}
	failed = failed || add_idle(out, &ranks[0], which == 0);
	if (!failed && separate(out) == 0)
		return LSB_OK;
	lsb_division_free(out);
	return lsb_fail(err, LSB_ENOMEM, 0, "no memory to close the ledger of rank %d", mine->rank);
}

void lsb_division_free(struct lsb_division *division)
{
	for (size_t i = 0; i < LSB_PARTS; i++)
		lsb_spans_free(&division->parts[i]);
}

/* --- summing --------------------------------------------------------------------------- */

struct lsb_ledger lsb_ledger_window(const struct lsb_division *division, uint64_t from, uint64_t to)
{
	const int is_whole = from <= division->t0 && to >= division->t1;
	const uint64_t wall = to > from ? to - from : 0;
	double s[LSB_PARTS];
	uint64_t left = wall;

	for (size_t i = 0; i < LSB_PARTS; i++) {
		const uint64_t ns = lsb_spans_under(&division->parts[i], from, to);

		s[i] = (double)ns * 1e-9;
		left -= ns;
	}
	return (struct lsb_ledger){
		.compute_s = s[LSB_PART_COMPUTE],
		.wait_s = s[LSB_PART_WAIT],
		.transfer_s = s[LSB_PART_TRANSFER],
		.wait_transfer_s = s[LSB_PART_WAIT_TRANSFER],
		.overhead_s = s[LSB_PART_OVERHEAD],
		.idle_s = s[LSB_PART_IDLE],
		.unattributed_s = (double)left * 1e-9,
		.wall_s = (double)wall * 1e-9,
		.hidden_transfer_s = is_whole ? division->hidden_transfer_s : 0,
		.knows_hidden = is_whole && division->knows_hidden,
	};
}

int lsb_ledger_close(const struct lsb_rank_records *ranks, size_t n_ranks, size_t which, uint64_t t0,
		     uint64_t t1, struct lsb_ledger *out, struct lsb_error *err)
{
	struct lsb_division division;
	const int rc = lsb_divide(ranks, n_ranks, which, t0, t1, &division, err);

	*out = (struct lsb_ledger){ 0 };
	if (rc)
		return rc;
	*out = lsb_ledger_window(&division, t0, t1);
	lsb_division_free(&division);
	return LSB_OK;
}
