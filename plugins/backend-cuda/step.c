/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps: their description for the device, tickets.
 *
 * A batch is checked once, by the rules of core/model's stage.h: what lies behind
 * relies on slots, positions and ids being in range. What a step tells the device is written into the
 * ticket's own page-locked memory, so that submit only enqueues. A ticket is complete when the device has
 * written its number there; the stream is asked for errors now and then while waiting.
 */
#include "cuda.h"

#include <string.h>

enum { ASK_NS = 200 * 1000 }; /* between two questions to the stream, each of which takes microseconds */

/* --- open and close --------------------------------------------------------- */

static int ticket_open(struct lsb_backend *b, struct cuda_ticket *t, struct lsb_error *err)
{
	const uint32_t most = b->place.max_tokens;
	const struct cuda_shape shape =
		cuda_shape_of(most, b->place.max_outputs, most, CUDA_RUNS_MOST, false);
	const size_t result_at = cuda_round_up(shape.bytes, 64), ids_at = result_at + 64;
	const size_t bytes = ids_at + b->place.max_outputs * sizeof(int32_t);
	void *pinned;
	int rc = cuda_check(b, cudaHostAlloc(&pinned, bytes, cudaHostAllocDefault),
			    "a ticket's memory cannot be had", err);

	if (rc)
		return rc;
	memset(pinned, 0, bytes);
	t->told = pinned;
	t->result = (volatile struct cuda_result *)(void *)(t->told + result_at);
	t->ids = (int32_t *)(void *)(t->told + ids_at);
	return LSB_OK;
}

int cuda_step_open(struct lsb_backend *b, struct lsb_error *err)
{
	const struct lsb_place *place = &b->place;
	struct cuda_queue *q = &b->queue;
	static const char what[] = "the queue of steps";
	int rc = cuda_host_alloc(b, place->max_tickets, sizeof(*q->tickets), &q->tickets, what, err);

	if (!rc)
		rc = lsb_rules_open(b->host, place, &b->hp, CUDA_MEM_KINDS, &q->rules, err);
	if (!rc)
		rc = cuda_host_alloc(b, place->slots, sizeof(*q->span), &q->span, what, err);
	for (uint32_t i = 0; i < place->max_tickets && !rc; i++)
		rc = ticket_open(b, &q->tickets[i], err);
	return rc;
}

void cuda_step_close(struct lsb_backend *b)
{
	struct cuda_queue *q = &b->queue;

	for (uint32_t i = 0; q->tickets && i < b->place.max_tickets; i++) {
		cudaFreeHost(q->tickets[i].told);
		cudaFreeHost(q->tickets[i].logits);
	}
	lsb_rules_close(&q->rules);
	cuda_host_free(b, q->tickets);
	cuda_host_free(b, q->span);
	*q = (struct cuda_queue){ 0 };
}

/* --- what a step tells the device ------------------------------------------------ */

/* How a step's tokens attend: long runs by cuDNN, the others as tiles of `order`. Without memory only counts.
 */
struct plan {
	uint32_t *order; /* [tokens], by slot, then position */
	struct cuda_tile *tiles;
	struct cuda_runs *runs;
	uint32_t n_tiles, n_runs;
};

/* Are the slot's n tokens from `row` on consecutive rows, and enough of them? */
static bool is_run(const struct lsb_backend *b, const struct lsb_batch *batch, uint32_t row, uint32_t n,
		   const struct plan *p)
{
	const struct lsb_token *t = &batch->tokens[row];

	return b->forward.dnn && n >= CUDA_RUN_LEAST && p->n_runs < b->forward.runs_most &&
	       t[n - 1].slot == t->slot && t[n - 1].position == t->position + n - 1;
}

static void add_run(const struct lsb_backend *b, const struct lsb_token *t, uint32_t row, uint32_t n,
		    struct plan *p)
{
	const uint32_t q = b->hp.heads * b->hp.head_dim, out = b->forward.ld_o, i = p->n_runs++;
	struct cuda_runs *r = p->runs;

	if (!r)
		return;
	r->queries[i] = (int32_t)n;
	r->positions[i] = (int32_t)(t->position + n);
	r->slot[i] = (int32_t)t->slot;
	r->q_at[i] = (int32_t)(row * q);
	r->out_at[i] = (int32_t)(row * out);
	for (uint32_t rest = i + 1; rest <= CUDA_RUNS_MOST; rest++) {
		r->q_at[rest] = (int32_t)((row + n) * q);
		r->out_at[rest] = (int32_t)((row + n) * out);
	}
}

static void add_tiles(const struct lsb_backend *b, const struct lsb_token *t, uint32_t at, uint32_t n,
		      struct plan *p)
{
	const uint32_t most = CUDA_TILE_QUERIES / b->gqa;

	for (uint32_t done = 0; done < n; done += most, p->n_tiles++)
		if (p->tiles)
			p->tiles[p->n_tiles] = (struct cuda_tile){ .first = at + done,
								   .n = n - done < most ? n - done : most,
								   .slot = t->slot,
								   .position = t->position + done };
}

static void plan_attention(struct lsb_backend *b, const struct lsb_batch *batch, struct plan *p)
{
	uint32_t *span = b->queue.span; /* of a slot: tokens, then where its next token goes */
	uint32_t at = 0;

	if (p->runs)
		*p->runs = (struct cuda_runs){ 0 };
	for (uint32_t i = 0; i < batch->n_tokens; i++)
		span[batch->tokens[i].slot] = 0;
	for (uint32_t i = 0; i < batch->n_tokens; i++)
		span[batch->tokens[i].slot]++;
	for (uint32_t i = 0; i < batch->n_tokens; i++) {
		const struct lsb_token *t = &batch->tokens[i];
		const bool begins = b->queue.rules.mark[t->slot] == b->queue.rules.checks;
		const uint32_t n = span[t->slot];

		if (!begins)
			continue;
		b->queue.rules.mark[t->slot] = b->queue.rules.checks - 1; /* seen */
		if (is_run(b, batch, i, n, p))
			add_run(b, t, i, n, p);
		else
			add_tiles(b, t, at, n, p);
		span[t->slot] = at;
		at += n;
	}
	for (uint32_t i = 0; i < batch->n_tokens; i++) {
		const uint32_t slot = batch->tokens[i].slot;

		if (p->order)
			p->order[span[slot]++] = i;
		b->queue.rules.mark[slot] = b->queue.rules.checks; /* as it was */
	}
}

/* The same again, into the description. */
static void tell_attention(struct lsb_backend *b, const struct lsb_batch *batch, const struct cuda_shape *s,
			   unsigned char *told)
{
	struct plan p = { 0 };

	if (s->n_tiles) {
		p.order = (uint32_t *)(void *)(told + s->order_at);
		p.tiles = (struct cuda_tile *)(void *)(told + s->tiles_at);
	}
	if (s->n_runs)
		p.runs = (struct cuda_runs *)(void *)(told + s->runs_at);
	if (s->n_tiles || s->n_runs)
		plan_attention(b, batch, &p);
}

static void tell_outputs(const struct lsb_batch *batch, const struct cuda_shape *s, unsigned char *told)
{
	struct cuda_sampling *sampling = (struct cuda_sampling *)(void *)(told + s->sampling_at);
	uint32_t *rows = (uint32_t *)(void *)(told + s->rows_at), n = 0;

	for (uint32_t i = 0; i < batch->n_tokens && n < s->n_outputs; i++) {
		const struct lsb_sampling *from = &batch->sampling[n];

		if (!(batch->tokens[i].flags & LSB_TOKEN_OUTPUT))
			continue;
		sampling[n] = (struct cuda_sampling){ .temperature = from->temperature,
						      .top_p = from->top_p,
						      .top_k = from->top_k,
						      .position = batch->tokens[i].position,
						      .seed = from->seed,
						      .request = from->request };
		rows[n++] = i;
	}
}

static void tell(struct lsb_backend *b, const struct lsb_batch *batch, const struct lsb_step_io *io,
		 const struct cuda_shape *s, struct cuda_ticket *t)
{
	struct cuda_step *step = (struct cuda_step *)(void *)t->told;
	struct cuda_token *tokens = (struct cuda_token *)(void *)(t->told + s->tokens_at);

	*step = (struct cuda_step){ .result = (struct cuda_result *)t->result,
				    .ids = t->ids,
				    .in = b->first ? NULL : io->in->ptr,
				    .out = b->last ? NULL : io->out->ptr,
				    .number = t->number };
	for (uint32_t i = 0; i < batch->n_tokens; i++)
		tokens[i] = (struct cuda_token){ .id = b->first ? batch->tokens[i].id : 0,
						 .slot = batch->tokens[i].slot,
						 .position = batch->tokens[i].position };
	tell_outputs(batch, s, t->told);
	tell_attention(b, batch, s, t->told);
}

/* --- the queue ------------------------------------------------------------------------ */

static int want_logits(struct lsb_backend *b, struct cuda_ticket *t, struct lsb_error *err)
{
	const size_t bytes = (size_t)b->place.max_outputs * b->hp.vocab * sizeof(float);

	if (t->logits)
		return LSB_OK;
	return cuda_check(b, cudaHostAlloc((void **)&t->logits, bytes, cudaHostAllocDefault),
			  "memory for logits cannot be had", err);
}

int cuda_step_submit(struct lsb_backend *b, const struct lsb_batch *batch, const struct lsb_step_io *io,
		     uint64_t *ticket, struct lsb_error *err)
{
	struct cuda_queue *q = &b->queue;
	struct cuda_ticket *t = &q->tickets[(q->submitted + 1) % b->place.max_tickets];
	struct plan plan = { 0 };
	struct cuda_shape shape;
	bool distinct = true;
	int rc;

	if (t->state != CUDA_TICKET_FREE)
		return lsb_fail(err, LSB_EINVAL, 0,
				"%u steps are unfinished already: wait for ticket %llu first",
				b->place.max_tickets, (unsigned long long)t->number);
	rc = lsb_rules_check(&q->rules, batch, io, &distinct, err);
	if (!rc && b->last && io->logits && batch->n_outputs)
		rc = want_logits(b, t, err);
	if (rc)
		return rc;
	t->number = q->submitted + 1;
	t->n_outputs = b->last ? batch->n_outputs : 0;
	t->ids_to = io->ids;
	t->logits_to = b->last && batch->n_outputs ? io->logits : NULL;
	distinct = distinct || b->options.invariant; /* one kind of attention for all */
	if (!distinct)
		plan_attention(b, batch, &plan);
	shape = cuda_shape_of(batch->n_tokens, t->n_outputs, plan.n_tiles, plan.n_runs, distinct);
	tell(b, batch, io, &shape, t);
	t->result->done = 0;
	rc = cuda_forward_run(b, &shape, t->told, t->logits_to ? t->logits : NULL, err);
	if (rc)
		return rc;
	lsb_rules_accept(&q->rules, batch);
	q->submitted++;
	t->state = CUDA_TICKET_QUEUED;
	*ticket = t->number;
	return LSB_OK;
}

/*
 * The device's clock beside the host's: whenever a step is seen complete, the host's
 * time is later than the device's by their offset and some delay. The least
 * difference, allowed to grow by 50 ppm, is the offset.
 */
static void note_times(struct lsb_backend *b, const struct cuda_ticket *t, uint64_t now_ns)
{
	struct cuda_queue *q = &b->queue;
	const int64_t seen = (int64_t)(now_ns - t->result->ended_ns);

	if (q->clock_seen_ns == 0 ||
	    seen < q->clock_offset + (int64_t)((now_ns - q->clock_seen_ns) / 20000)) {
		q->clock_offset = seen;
		q->clock_seen_ns = now_ns;
	}
	q->last_number = t->number;
	q->last_started_ns = t->result->started_ns + (uint64_t)q->clock_offset;
	q->last_ended_ns = t->result->ended_ns + (uint64_t)q->clock_offset;
}

static void take_results(struct lsb_backend *b, struct cuda_ticket *t, uint64_t now_ns)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	note_times(b, t, now_ns);
	if (t->n_outputs)
		memcpy(t->ids_to, t->ids, t->n_outputs * sizeof(*t->ids));
	if (t->logits_to)
		memcpy(t->logits_to, t->logits, (size_t)t->n_outputs * b->hp.vocab * sizeof(float));
	t->state = CUDA_TICKET_FREE;
}

int cuda_step_wait(struct lsb_backend *b, uint64_t ticket, uint64_t deadline_ns, struct lsb_error *err)
{
	struct cuda_queue *q = &b->queue;
	struct cuda_ticket *t;

	if (ticket == 0 || ticket > q->submitted)
		return lsb_fail(err, LSB_EINVAL, 0, "there is no ticket %llu", (unsigned long long)ticket);
	t = &q->tickets[ticket % b->place.max_tickets];
	if (t->number != ticket || t->state != CUDA_TICKET_QUEUED)
		return LSB_OK; /* reported already */
	for (;;) {
		uint64_t now_ns;

		if (t->result->done == ticket) {
			take_results(b, t, b->host->now_ns(b->host->context));
			return LSB_OK;
		}
		now_ns = b->host->now_ns(b->host->context);
		if (now_ns - q->asked_ns >= ASK_NS) {
			const cudaError_t rc = cudaStreamQuery(b->forward.stream);

			q->asked_ns = now_ns;
			if (rc != cudaSuccess && rc != cudaErrorNotReady) {
				t->state = CUDA_TICKET_FREE;
				return cuda_check(b, rc, "a step failed", err);
			}
		}
		if (now_ns >= deadline_ns)
			return LSB_ETIMEDOUT;
	}
}

int cuda_step_times(struct lsb_backend *b, uint64_t ticket, uint64_t *start_ns, uint64_t *end_ns,
		    struct lsb_error *err)
{
	const struct cuda_queue *q = &b->queue;

	if (ticket == 0 || ticket != q->last_number)
		return lsb_fail(err, LSB_EINVAL, 0, "ticket %llu is not the one reported last",
				(unsigned long long)ticket);
	*start_ns = q->last_started_ns;
	*end_ns = q->last_ended_ns;
	return LSB_OK;
}
