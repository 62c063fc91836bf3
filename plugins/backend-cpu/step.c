/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps: the queue between submit and wait, and the plan of a step.
 *
 * Nothing computes in submit; wait computes what is queued, in order, on the
 * caller's thread and the pool. A batch is checked once, by the rules of core/model's
 * stage.h: what lies behind relies on slots, positions and ids being in range.
 */
#include "cpu.h"

#include <string.h>

enum { PIECE_TOKENS = 32 /* of a slot in one unit of attention */ };

/* --- open and close --------------------------------------------------------- */

int cpu_step_open(struct lsb_backend *b, struct lsb_error *err)
{
	const struct lsb_place *place = &b->place;
	struct cpu_plan *p = &b->plan;
	struct cpu_queue *q = &b->queue;
	const size_t tokens = place->max_tokens, tiles = (tokens + p->tile - 1) / p->tile;
	static const char what[] = "the queue of steps";
	int rc = cpu_alloc(b, place->max_tickets, sizeof(*q->tickets), 1, &q->tickets, what, err);

	if (!rc)
		rc = lsb_rules_open(b->host, place, &b->hp, 1u << LSB_MEM_HOST | 1u << LSB_MEM_PINNED,
				    &q->rules, err);
	if (!rc)
		rc = cpu_alloc(b, tokens, sizeof(*p->row), 1, &p->row, what, err);
	if (!rc)
		rc = cpu_alloc(b, tokens, b->gqa, sizeof(*p->last), &p->last, what, err);
	if (!rc)
		rc = cpu_alloc(b, tokens, sizeof(*p->pieces), 1, &p->pieces, what, err);
	if (!rc)
		rc = cpu_alloc(b, tiles + 1, sizeof(*p->tile_pieces), 1, &p->tile_pieces, what, err);
	if (!rc)
		rc = cpu_alloc(b, place->max_outputs, sizeof(*p->outputs), 1, &p->outputs, what, err);
	if (!rc)
		rc = cpu_alloc(b, place->slots, sizeof(*p->span_of_slot), 1, &p->span_of_slot, what, err);
	if (!rc)
		rc = cpu_alloc(b, p->tile, sizeof(*p->span_rows), 1, &p->span_rows, what, err);
	if (!rc)
		rc = cpu_alloc(b, p->tile, sizeof(*p->span_slot), 1, &p->span_slot, what, err);
	return rc;
}

void cpu_step_close(struct lsb_backend *b)
{
	void *const owned[] = { b->queue.tickets,  b->plan.row,		 b->plan.last,
				b->plan.pieces,	   b->plan.tile_pieces,	 b->plan.outputs,
				b->plan.span_rows, b->plan.span_of_slot, b->plan.span_slot };

	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		cpu_free(b, owned[i]);
	lsb_rules_close(&b->queue.rules);
}

/* --- the queue ---------------------------------------------------------------- */

int cpu_step_submit(struct lsb_backend *b, const struct lsb_batch *batch, const struct lsb_step_io *io,
		    uint64_t *ticket, struct lsb_error *err)
{
	struct cpu_queue *q = &b->queue;
	struct cpu_ticket *t = &q->tickets[(q->submitted + 1) % b->place.max_tickets];
	bool distinct;
	int rc;

	if (t->state != CPU_TICKET_FREE)
		return lsb_fail(err, LSB_EINVAL, 0,
				"%u steps are unfinished already: wait for ticket %llu first",
				b->place.max_tickets, (unsigned long long)t->number);
	rc = lsb_rules_check(&q->rules, batch, io, &distinct, err);
	if (rc)
		return rc;
	lsb_rules_accept(&q->rules, batch);
	*t = (struct cpu_ticket){
		.number = ++q->submitted,
		.state = CPU_TICKET_QUEUED,
		.batch = *batch,
		.ids = io->ids,
		.logits = io->logits,
	};
	if (!b->first)
		t->in = *io->in;
	if (!b->last)
		t->out = *io->out;
	*ticket = t->number;
	return LSB_OK;
}

/* --- the plan ----------------------------------------------------------------- */

/* Rows of the tile [t0, t1) by slot, and its pieces, appended from *n_pieces on. */
static void plan_tile(struct lsb_backend *b, const struct lsb_token *tokens, size_t t0, size_t t1,
		      size_t *n_pieces)
{
	struct cpu_plan *p = &b->plan;
	uint32_t spans = 0, rows = 0;

	for (size_t t = t0; t < t1; t++) {
		uint32_t *span = &p->span_of_slot[tokens[t].slot];

		if (!*span) {
			*span = ++spans;
			p->span_slot[spans - 1] = tokens[t].slot;
			p->span_rows[spans - 1] = 0;
		}
		p->span_rows[*span - 1]++;
	}
	for (uint32_t s = 0; s < spans; s++) {
		const uint32_t n = p->span_rows[s];

		for (uint32_t done = 0; done < n; done += PIECE_TOKENS)
			p->pieces[(*n_pieces)++] = (struct cpu_piece){
				.slot = p->span_slot[s],
				.row = rows + done,
				.n = n - done < PIECE_TOKENS ? n - done : PIECE_TOKENS,
			};
		p->span_rows[s] = rows; /* from here on: the row of the span's next token */
		rows += n;
	}
	for (size_t t = t0; t < t1; t++) {
		p->row[t] = p->span_rows[p->span_of_slot[tokens[t].slot] - 1]++;
		for (uint32_t h = 0; h < b->gqa; h++)
			p->last[(t0 + p->row[t]) * b->gqa + h] = tokens[t].position;
	}
	for (uint32_t s = 0; s < spans; s++)
		p->span_of_slot[p->span_slot[s]] = 0;
}

static void plan_step(struct lsb_backend *b, const struct lsb_batch *batch)
{
	struct cpu_plan *p = &b->plan;
	size_t n_pieces = 0, outputs = 0;

	p->n_tiles = 0;
	for (size_t t = 0; t < batch->n_tokens; t += p->tile) {
		const size_t end = t + p->tile < batch->n_tokens ? t + p->tile : batch->n_tokens;

		p->tile_pieces[p->n_tiles++] = n_pieces;
		plan_tile(b, batch->tokens, t, end, &n_pieces);
	}
	p->tile_pieces[p->n_tiles] = n_pieces;
	for (uint32_t t = 0; b->last && t < batch->n_tokens; t++)
		if (batch->tokens[t].flags & LSB_TOKEN_OUTPUT)
			p->outputs[outputs++] = t;
}

static void compute_next(struct lsb_backend *b)
{
	struct cpu_queue *q = &b->queue;
	struct cpu_ticket *t = &q->tickets[++q->computed % b->place.max_tickets];

	plan_step(b, &t->batch);
	t->code = cpu_forward_run(b, t);
	t->state = t->code ? CPU_TICKET_FAILED : CPU_TICKET_FREE;
}

int cpu_step_wait(struct lsb_backend *b, uint64_t ticket, uint64_t deadline_ns, struct lsb_error *err)
{
	struct cpu_queue *q = &b->queue;
	struct cpu_ticket *t;

	if (ticket == 0 || ticket > q->submitted)
		return lsb_fail(err, LSB_EINVAL, 0, "there is no ticket %llu", (unsigned long long)ticket);
	while (q->computed < ticket) {
		compute_next(b);
		if (q->computed < ticket && b->host->now_ns(b->host->context) >= deadline_ns)
			return lsb_fail(err, LSB_ETIMEDOUT, 0, "ticket %llu is behind %llu other steps",
					(unsigned long long)ticket,
					(unsigned long long)(ticket - q->computed - 1));
	}
	t = &q->tickets[ticket % b->place.max_tickets];
	if (t->number != ticket || t->state != CPU_TICKET_FAILED)
		return LSB_OK;
	t->state = CPU_TICKET_FREE;
	return lsb_fail(err, t->code, 0, "the step of ticket %llu was abandoned: the run is ending",
			(unsigned long long)ticket);
}
