/* SPDX-License-Identifier: Apache-2.0 */
#include "stage.h"

#include <string.h>

/* --- place -------------------------------------------------------------------- */

int lsb_stage_take_place(const struct lsb_place *told, struct lsb_place *out, struct lsb_error *err)
{
	const size_t least = offsetof(struct lsb_place, host_rank); /* as v1.0 had it */

	*out = (struct lsb_place){ 0 };
	if (told->struct_size < least || !told->model)
		return lsb_fail(err, LSB_EINVAL, 0,
				"struct lsb_place is smaller than that of plugin ABI v1, or names no model");
	memcpy(out, told, told->struct_size < sizeof(*out) ? told->struct_size : sizeof(*out));
	out->struct_size = sizeof(*out);
	if (out->flags & LSB_PLACE_VOCABULARY)
		return LSB_OK;
	if (out->stages < 1 || out->stage < 0 || out->stage >= out->stages)
		return lsb_fail(err, LSB_EINVAL, 0, "there is no stage %d of %d", out->stage, out->stages);
	if (!out->slots || !out->context || !out->max_tokens || !out->max_tickets)
		return lsb_fail(err, LSB_EINVAL, 0,
				"slots, context, max_tokens and max_tickets must be at least 1 each");
	return LSB_OK;
}

int lsb_stage_resolve_place(struct lsb_place *p, const struct lsb_hparams *hp, struct lsb_error *err)
{
	if (p->stages == 1 && p->first_layer == 0 && p->n_layers == 0)
		p->n_layers = hp->layers;
	if (p->n_layers == 0 || p->n_layers > hp->layers || p->first_layer > hp->layers - p->n_layers)
		return lsb_fail(err, LSB_EINVAL, 0,
				"stage %d cannot hold %u layers from layer %u on: the model has %u", p->stage,
				p->n_layers, p->first_layer, hp->layers);
	if (p->context > hp->context)
		return lsb_fail(err, LSB_EINVAL, 0,
				"a context of %u positions is longer than the %u the model was trained for; "
				"shorten prompts or max_new",
				p->context, hp->context);
	return LSB_OK;
}

/* --- steps --------------------------------------------------------------------- */

int lsb_rules_open(const struct lsb_host *host, const struct lsb_place *place, const struct lsb_hparams *hp,
		   uint32_t mem_kinds, struct lsb_rules *out, struct lsb_error *err)
{
	const size_t slots = place->slots;

	*out = (struct lsb_rules){ .host = host, .place = place, .hp = hp, .mem_kinds = mem_kinds };
	out->next = host->alloc(host->context, slots * sizeof(*out->next), 64);
	out->trial = host->alloc(host->context, slots * sizeof(*out->trial), 64);
	out->mark = host->alloc(host->context, slots * sizeof(*out->mark), 64);
	if (out->next && out->trial && out->mark)
		return LSB_OK;
	lsb_rules_close(out);
	return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the positions of %zu slots", slots);
}

void lsb_rules_close(struct lsb_rules *r)
{
	if (!r->host)
		return;
	r->host->free(r->host->context, r->next);
	r->host->free(r->host->context, r->trial);
	r->host->free(r->host->context, r->mark);
	*r = (struct lsb_rules){ 0 };
}

/*
 * Positions must go on where the slot stands, or start again at 0 with the slot's
 * first token of the batch.
 */
static int check_token(struct lsb_rules *r, const struct lsb_token *t, uint32_t index, bool *distinct,
		       struct lsb_error *err)
{
	const struct lsb_place *place = r->place;
	uint32_t next;
	bool fresh;

	if (t->slot >= place->slots)
		return lsb_fail(err, LSB_EINVAL, 0,
				"token %u of the step is for slot %u, but there are %u slots", index, t->slot,
				place->slots);
	if (t->position >= place->context)
		return lsb_fail(err, LSB_EINVAL, 0,
				"token %u of the step is at position %u of slot %u, beyond the context of %u",
				index, t->position, t->slot, place->context);
	if (lsb_stage_is_first(place) && (t->id < 0 || (uint32_t)t->id >= r->hp->vocab))
		return lsb_fail(err, LSB_EINVAL, 0,
				"token %u of the step has id %d, outside the vocabulary of %u", index, t->id,
				r->hp->vocab);
	fresh = r->mark[t->slot] != r->checks;
	next = fresh ? r->next[t->slot] : r->trial[t->slot];
	if (t->position != next && !(fresh && t->position == 0))
		return lsb_fail(err, LSB_EINVAL, 0,
				"token %u of the step is at position %u of slot %u, which is to go on at %u",
				index, t->position, t->slot, next);
	*distinct = *distinct && fresh;
	r->mark[t->slot] = r->checks;
	r->trial[t->slot] = t->position + 1;
	return LSB_OK;
}

static int check_tokens(struct lsb_rules *r, const struct lsb_batch *batch, bool *distinct,
			struct lsb_error *err)
{
	uint32_t outputs = 0;

	r->checks++;
	*distinct = true;
	for (uint32_t i = 0; i < batch->n_tokens; i++) {
		const int rc = check_token(r, &batch->tokens[i], i, distinct, err);

		if (rc)
			return rc;
		outputs += (batch->tokens[i].flags & LSB_TOKEN_OUTPUT) != 0;
	}
	if (lsb_stage_is_last(r->place) && outputs != batch->n_outputs)
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

static int check_hidden(const struct lsb_rules *r, const struct lsb_buf *buf, uint32_t n_tokens,
			const char *what, struct lsb_error *err)
{
	const uint64_t bytes = (uint64_t)n_tokens * r->hp->hidden * sizeof(float);

	if (!buf || !buf->ptr)
		return lsb_fail(err, LSB_EINVAL, 0, "stage %d of %d has no %s buffer for hidden states",
				r->place->stage, r->place->stages, what);
	if (buf->mem > 31 || !(r->mem_kinds >> buf->mem & 1))
		return lsb_fail(err, LSB_EINVAL, 0,
				"the %s buffer is in memory of a kind that this backend cannot reach (%u)",
				what, buf->mem);
	if (buf->bytes < bytes)
		return lsb_fail(err, LSB_EINVAL, 0, "the %s buffer has %llu bytes, but %u tokens take %llu",
				what, (unsigned long long)buf->bytes, n_tokens, (unsigned long long)bytes);
	return LSB_OK;
}

int lsb_rules_check(struct lsb_rules *r, const struct lsb_batch *batch, const struct lsb_step_io *io,
		    bool *distinct, struct lsb_error *err)
{
	const struct lsb_place *place = r->place;
	const bool last = lsb_stage_is_last(place);
	int rc = LSB_OK;

	if (batch->struct_size < sizeof(*batch) || io->struct_size < sizeof(*io))
		return lsb_fail(err, LSB_EINVAL, 0,
				"the step's structs are smaller than those of plugin ABI v1");
	if (batch->n_tokens == 0 || batch->n_tokens > place->max_tokens)
		return lsb_fail(err, LSB_EINVAL, 0, "a step has 1 to %u tokens, not %u", place->max_tokens,
				batch->n_tokens);
	if (last && batch->n_outputs > place->max_outputs)
		return lsb_fail(err, LSB_EINVAL, 0, "a step has at most %u outputs, not %u",
				place->max_outputs, batch->n_outputs);
	if (last && batch->n_outputs && (!io->ids || !batch->sampling))
		return lsb_fail(err, LSB_EINVAL, 0, "the step wants outputs, but gives no %s",
				io->ids ? "sampling" : "place for ids");
	if (!lsb_stage_is_first(place))
		rc = check_hidden(r, io->in, batch->n_tokens, "input", err);
	if (!rc && !last)
		rc = check_hidden(r, io->out, batch->n_tokens, "output", err);
	if (!rc && last)
		rc = check_sampling(batch, err);
	return rc ? rc : check_tokens(r, batch, distinct, err);
}

void lsb_rules_accept(struct lsb_rules *r, const struct lsb_batch *batch)
{
	for (uint32_t i = 0; i < batch->n_tokens; i++)
		r->next[batch->tokens[i].slot] = batch->tokens[i].position + 1;
}

void lsb_rules_clear(struct lsb_rules *r, uint32_t slot)
{
	if (r->next && slot < r->place->slots)
		r->next[slot] = 0;
}

/* --- text ---------------------------------------------------------------------- */

static int need_tokenizer(const struct lsb_tokenizer *tokenizer, struct lsb_error *err)
{
	if (tokenizer)
		return LSB_OK;
	return lsb_fail(err, LSB_EINVAL, 0,
			"this rank was opened without its vocabulary (LSB_PLACE_NO_VOCABULARY)");
}

int lsb_stage_encode(struct lsb_tokenizer *tokenizer, enum lsb_chat chat, const struct lsb_turn *turns,
		     size_t n_turns, uint32_t flags, int32_t *ids, size_t capacity, size_t *n,
		     struct lsb_error *err)
{
	int rc = need_tokenizer(tokenizer, err);

	if (rc)
		return rc;
	if (n_turns == 0)
		return lsb_fail(err, LSB_EINVAL, 0, "there is no text to encode");
	if (!(flags & LSB_ENCODE_CHAT))
		return lsb_tokenizer_encode(tokenizer, turns[0].text, strlen(turns[0].text), flags, ids,
					    capacity, n, err);
	if (chat == LSB_CHAT_AUTO)
		rc = lsb_chat_recognise(tokenizer, &chat, err);
	return rc ? rc : lsb_chat_encode(tokenizer, chat, turns, n_turns, ids, capacity, n, err);
}

int lsb_stage_decode(struct lsb_tokenizer *tokenizer, const int32_t *ids, size_t n, char *text,
		     size_t capacity, size_t *bytes, struct lsb_error *err)
{
	const int rc = need_tokenizer(tokenizer, err);

	return rc ? rc : lsb_tokenizer_decode(tokenizer, ids, n, text, capacity, bytes, err);
}
