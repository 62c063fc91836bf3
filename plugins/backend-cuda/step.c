/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps: the checks on a batch, its description for the device, tickets.
 *
 * A batch is checked once, here: what lies behind relies on slots, positions and
 * ids being in range. What a step tells the device is written into the ticket's own
 * page-locked memory, so that submit only enqueues. A ticket is complete when the
 * device has written its number there; the stream is asked for errors now and then
 * while waiting.
 */
#include "cuda.h"

#include <string.h>

enum { LOOKS_BEFORE_ASKING = 4096 };

/* --- open and close --------------------------------------------------------- */

static int ticket_open(struct lsb_backend *b, struct cuda_ticket *t, struct lsb_error *err)
{
	const uint32_t most = b->place.max_tokens;
	const struct cuda_shape shape = cuda_shape_of(most, b->place.max_outputs, most, false);
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
		rc = cuda_host_alloc(b, place->slots, sizeof(*q->next), &q->next, what, err);
	if (!rc)
		rc = cuda_host_alloc(b, place->slots, sizeof(*q->trial), &q->trial, what, err);
	if (!rc)
		rc = cuda_host_alloc(b, place->slots, sizeof(*q->mark), &q->mark, what, err);
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
	cuda_host_free(b, q->tickets);
	cuda_host_free(b, q->next);
	cuda_host_free(b, q->trial);
	cuda_host_free(b, q->mark);
	cuda_host_free(b, q->span);
	*q = (struct cuda_queue){ 0 };
}

/* --- checks ----------------------------------------------------------------- */

/* Positions must go on where the slot stands, or start again at 0 with the slot's first token of the batch.
 */
static int check_token(struct lsb_backend *b, const struct lsb_token *t, uint32_t index, bool *distinct,
		       struct lsb_error *err)
{
	struct cuda_queue *q = &b->queue;
	uint32_t next;
	bool fresh;

	if (t->slot >= b->place.slots)
		return lsb_fail(err, LSB_EINVAL, 0,
				"token %u of the step is for slot %u, but there are %u slots", index, t->slot,
				b->place.slots);
	if (t->position >= b->place.context)
		return lsb_fail(err, LSB_EINVAL, 0,
				"token %u of the step is at position %u of slot %u, beyond the context of %u",
				index, t->position, t->slot, b->place.context);
	if (b->first && (t->id < 0 || (uint32_t)t->id >= b->hp.vocab))
		return lsb_fail(err, LSB_EINVAL, 0,
				"token %u of the step has id %d, outside the vocabulary of %u", index, t->id,
				b->hp.vocab);
	fresh = q->mark[t->slot] != q->checks;
	next = fresh ? q->next[t->slot] : q->trial[t->slot];
	if (t->position != next && !(fresh && t->position == 0))
		return lsb_fail(err, LSB_EINVAL, 0,
				"token %u of the step is at position %u of slot %u, which is to go on at %u",
				index, t->position, t->slot, next);
	*distinct = *distinct && fresh;
	q->mark[t->slot] = q->checks;
	q->trial[t->slot] = t->position + 1;
	return LSB_OK;
}

static int check_tokens(struct lsb_backend *b, const struct lsb_batch *batch, bool *distinct,
			struct lsb_error *err)
{
	uint32_t outputs = 0;

	b->queue.checks++;
	*distinct = true;
	for (uint32_t i = 0; i < batch->n_tokens; i++) {
		const int rc = check_token(b, &batch->tokens[i], i, distinct, err);

		if (rc)
			return rc;
		outputs += (batch->tokens[i].flags & LSB_TOKEN_OUTPUT) != 0;
	}
	if (b->last && outputs != batch->n_outputs)
		return lsb_fail(err, LSB_EINVAL, 0, "%u tokens of the step want output, but n_outputs is %u",
				outputs, batch->n_outputs);
	return LSB_OK;
}

static int check_sampling(const struct lsb_batch *batch, struct lsb_error *err)
{
	for (uint32_t i = 0; i < batch->n_outputs; i++) {
		const struct lsb_sampling *s = &batch->sampling[i];

		if (!(s->temperature >= 0.0f && s->temperature <= 1e6f))
			return lsb_fail(err, LSB_EINVAL, 0, "output %u has temperature %g, outside 0 to 1e6",
					i, (double)s->temperature);
		if (!(s->top_p > 0.0f && s->top_p <= 1.0f))
			return lsb_fail(err, LSB_EINVAL, 0, "output %u has top_p %g, outside (0, 1]", i,
					(double)s->top_p);
	}
	return LSB_OK;
}

static int check_hidden(const struct lsb_backend *b, const struct lsb_buf *buf, uint32_t n_tokens,
			const char *what, struct lsb_error *err)
{
	const uint64_t bytes = (uint64_t)n_tokens * b->hp.hidden * sizeof(float);

	if (!buf || !buf->ptr)
		return lsb_fail(err, LSB_EINVAL, 0, "stage %d of %d has no %s buffer for hidden states",
				b->place.stage, b->place.stages, what);
	if (buf->mem != LSB_MEM_PINNED && buf->mem != LSB_MEM_CUDA)
		return lsb_fail(err, LSB_EINVAL, 0,
				"the %s buffer is in memory that the device cannot reach (kind %u)", what,
				buf->mem);
	if (buf->bytes < bytes)
		return lsb_fail(err, LSB_EINVAL, 0, "the %s buffer has %llu bytes, but %u tokens take %llu",
				what, (unsigned long long)buf->bytes, n_tokens, (unsigned long long)bytes);
	return LSB_OK;
}

static int check_step(struct lsb_backend *b, const struct lsb_batch *batch, const struct lsb_step_io *io,
		      bool *distinct, struct lsb_error *err)
{
	int rc = LSB_OK;

	if (batch->struct_size < sizeof(*batch) || io->struct_size < sizeof(*io))
		return lsb_fail(err, LSB_EINVAL, 0,
				"the step's structs are smaller than those of plugin ABI v1");
	if (batch->n_tokens == 0 || batch->n_tokens > b->place.max_tokens)
		return lsb_fail(err, LSB_EINVAL, 0, "a step has 1 to %u tokens, not %u", b->place.max_tokens,
				batch->n_tokens);
	if (b->last && batch->n_outputs > b->place.max_outputs)
		return lsb_fail(err, LSB_EINVAL, 0, "a step has at most %u outputs, not %u",
				b->place.max_outputs, batch->n_outputs);
	if (b->last && batch->n_outputs && (!io->ids || !batch->sampling))
		return lsb_fail(err, LSB_EINVAL, 0, "the step wants outputs, but gives no %s",
				io->ids ? "sampling" : "place for ids");
	if (!b->first)
		rc = check_hidden(b, io->in, batch->n_tokens, "input", err);
	if (!rc && !b->last)
		rc = check_hidden(b, io->out, batch->n_tokens, "output", err);
	if (!rc && b->last)
		rc = check_sampling(batch, err);
	return rc ? rc : check_tokens(b, batch, distinct, err);
}

/* --- what a step tells the device ------------------------------------------------ */

/* Tokens by slot, in order of position; returns the number of tiles. With tiles NULL only counts. */
static uint32_t plan_tiles(struct lsb_backend *b, const struct lsb_batch *batch, uint32_t *order,
			   struct cuda_tile *tiles)
{
	const uint32_t most = CUDA_TILE_QUERIES / b->gqa;
	uint32_t *span = b->queue.span; /* of a slot: tokens, then where its next token goes */
	uint32_t n_tiles = 0, at = 0;

	for (uint32_t i = 0; i < batch->n_tokens; i++)
		span[batch->tokens[i].slot] = 0;
	for (uint32_t i = 0; i < batch->n_tokens; i++)
		span[batch->tokens[i].slot]++;
	for (uint32_t i = 0; i < batch->n_tokens; i++) {
		const struct lsb_token *t = &batch->tokens[i];
		const bool begins = b->queue.mark[t->slot] == b->queue.checks;
		const uint32_t n = span[t->slot];

		if (!begins)
			continue;
		b->queue.mark[t->slot] = b->queue.checks - 1; /* seen */
		for (uint32_t done = 0; done < n; done += most, n_tiles++)
			if (tiles)
				tiles[n_tiles] = (struct cuda_tile){ .first = at + done,
								     .n = n - done < most ? n - done : most,
								     .slot = t->slot,
								     .position = t->position + done };
		span[t->slot] = at;
		at += n;
	}
	for (uint32_t i = 0; i < batch->n_tokens; i++) {
		const uint32_t slot = batch->tokens[i].slot;

		if (order)
			order[span[slot]++] = i;
		b->queue.mark[slot] = b->queue.checks; /* as it was */
	}
	return n_tiles;
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
	if (s->n_tiles)
		plan_tiles(b, batch, (uint32_t *)(void *)(t->told + s->order_at),
			   (struct cuda_tile *)(void *)(t->told + s->tiles_at));
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
	struct cuda_shape shape;
	bool distinct = true;
	int rc;

	if (t->state != CUDA_TICKET_FREE)
		return lsb_fail(err, LSB_EINVAL, 0,
				"%u steps are unfinished already: wait for ticket %llu first",
				b->place.max_tickets, (unsigned long long)t->number);
	rc = check_step(b, batch, io, &distinct, err);
	if (!rc && b->last && io->logits && batch->n_outputs)
		rc = want_logits(b, t, err);
	if (rc)
		return rc;
	t->number = q->submitted + 1;
	t->n_outputs = b->last ? batch->n_outputs : 0;
	t->ids_to = io->ids;
	t->logits_to = b->last && batch->n_outputs ? io->logits : NULL;
	distinct = distinct || b->options.invariant; /* one kind of attention for all */
	shape = cuda_shape_of(batch->n_tokens, t->n_outputs, distinct ? 0 : plan_tiles(b, batch, NULL, NULL),
			      distinct);
	tell(b, batch, io, &shape, t);
	t->result->done = 0;
	rc = cuda_forward_run(b, &shape, t->told, t->logits_to ? t->logits : NULL, err);
	if (rc)
		return rc;
	for (uint32_t i = 0; i < batch->n_tokens; i++)
		q->next[batch->tokens[i].slot] = batch->tokens[i].position + 1;
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
	for (uint32_t looks = 1;; looks++) {
		uint64_t now_ns;

		if (t->result->done == ticket) {
			take_results(b, t, b->host->now_ns(b->host->context));
			return LSB_OK;
		}
		now_ns = b->host->now_ns(b->host->context);
		if (looks % LOOKS_BEFORE_ASKING == 0 || now_ns >= deadline_ns) {
			const cudaError_t rc = cudaStreamQuery(b->forward.stream);

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
