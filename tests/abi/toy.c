/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest thing that keeps every rule of a backend: four layers, four
 * hidden values, a cache that matters, sixteen ids. With FICKLE it claims
 * batch invariance and breaks it, for the conformance run to find.
 */
#include <string.h>

#include "lsbench/plugin.h"

enum { LAYERS = 4, HIDDEN = 4, VOCABULARY = 16, TICKETS = 8 };

struct lsb_backend {
	const struct lsb_host *host;
	uint32_t first, end; /* layers held */
	uint32_t slots, context;
	int32_t is_first, is_last;
	float *cache; /* [slot][layer][position][HIDDEN] */
	uint64_t submitted;
};

static void toy_close(struct lsb_backend *b)
{
	if (!b)
		return;
	b->host->free(b->host->context, b->cache);
	b->host->free(b->host->context, b);
}

static int toy_open(const struct lsb_host *host, const void *options, const struct lsb_place *place,
		    struct lsb_backend **out, struct lsb_error *err)
{
	const int all = place->first_layer == 0 && place->n_layers == 0;
	struct lsb_backend *b;

	(void)options;
	if (strncmp(place->model, "random:", 7) != 0)
		return lsb_fail(err, LSB_EMODEL, 0, "model: '%s' is not random:ANYTHING", place->model);
	if (place->n_layers > LAYERS || place->first_layer > LAYERS - place->n_layers)
		return lsb_fail(err, LSB_EINVAL, 0, "there are %d layers", LAYERS);
	b = host->alloc(host->context, sizeof(*b), 16);
	if (!b)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory");
	b->host = host;
	b->first = place->first_layer;
	b->end = all ? (uint32_t)LAYERS : place->first_layer + place->n_layers;
	b->slots = place->slots;
	b->context = place->context;
	b->is_first = place->stage == 0;
	b->is_last = place->stage == place->stages - 1;
	b->cache = host->alloc(host->context, sizeof(float) * place->slots * LAYERS * place->context * HIDDEN,
			       64);
	if (!b->cache) {
		toy_close(b);
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory");
	}
	*out = b;
	return LSB_OK;
}

static int toy_info(const struct lsb_backend *b, struct lsb_backend_info *out, struct lsb_error *err)
{
	struct lsb_backend_info info = {
		.struct_size = out->struct_size,
		.model_name = "toy",
		.device_name = "none",
		.layers = LAYERS,
		.hidden_size = HIDDEN,
		.hidden_elem = LSB_ELEM_F32,
		.vocabulary = VOCABULARY,
		.context = 64,
		.invariant_over =
			LSB_INVARIANT_BATCH | LSB_INVARIANT_CHUNK | LSB_INVARIANT_SPLIT | LSB_INVARIANT_RUN,
		.flags = LSB_BACKEND_INLINE,
		.mem_kinds = 1u << LSB_MEM_HOST,
		.bos = -1,
		.layer_bytes = 16,
		.head_bytes = 64,
		.layer_macs = 4,
		.head_macs = 64,
		.kv_bytes_per_position = 16,
	};

	(void)b;
	(void)err;
	memcpy(out, &info, out->struct_size < sizeof(info) ? out->struct_size : sizeof(info));
	return LSB_OK;
}

/* One id a word; a chat has two more for each turn and one at its end. */
static int toy_encode(struct lsb_backend *b, const struct lsb_turn *turns, size_t n_turns, uint32_t flags,
		      int32_t *ids, size_t capacity, size_t *n, struct lsb_error *err)
{
	const int chat = (flags & LSB_ENCODE_CHAT) != 0;

	(void)b;
	(void)err;
	*n = 0;
	for (size_t i = 0; i < (chat ? n_turns : 1); i++) {
		int inside = 0;

		*n += chat ? 2 : 0;
		for (const char *at = turns[i].text; *at; at++) {
			*n += !inside && *at != ' ';
			inside = *at != ' ';
		}
	}
	*n += (size_t)chat;
	for (size_t i = 0; i < capacity && i < *n; i++)
		ids[i] = (int32_t)(i % VOCABULARY);
	return LSB_OK;
}

static int toy_decode(struct lsb_backend *b, const int32_t *ids, size_t n, char *text, size_t capacity,
		      size_t *bytes, struct lsb_error *err)
{
	(void)b;
	(void)err;
	for (size_t i = 0; i < n && i < capacity; i++)
		text[i] = (char)('a' + ids[i]);
	*bytes = n;
	return LSB_OK;
}

static int toy_buf_alloc(struct lsb_backend *b, uint32_t mem, uint64_t bytes, struct lsb_buf *out,
			 struct lsb_error *err)
{
	*out = (struct lsb_buf){
		.ptr = b->host->alloc(b->host->context, bytes, 64), .bytes = bytes, .mem = mem, .device = -1
	};
	return out->ptr ? LSB_OK : lsb_fail(err, LSB_ENOMEM, 0, "no memory");
}

static void toy_buf_free(struct lsb_backend *b, struct lsb_buf *buf)
{
	b->host->free(b->host->context, buf->ptr);
}

/* One token through the layers held; h: [HIDDEN]. */
static void token_step(struct lsb_backend *b, const struct lsb_token *t, float *h)
{
	for (uint32_t layer = b->first; layer < b->end; layer++) {
		float *cache = b->cache + ((size_t)t->slot * LAYERS + layer) * b->context * HIDDEN;

		memcpy(cache + (size_t)t->position * HIDDEN, h, HIDDEN * sizeof(*h));
		for (uint32_t d = 0; d < HIDDEN; d++) {
			float sum = 0.0f;

			for (uint32_t p = 0; p <= t->position; p++)
				sum += cache[(size_t)p * HIDDEN + (d + 1) % HIDDEN] /
				       (float)(1 + t->position - p);
			h[d] = 0.5f * h[d] + 0.25f * sum + 0.01f * (float)layer;
		}
	}
}

static int32_t head(const float *h, float bias, float *logits)
{
	int32_t best = 0;
	float most = 0.0f;

	for (int32_t id = 0; id < VOCABULARY; id++) {
		float logit = bias;

		for (int32_t d = 0; d < HIDDEN; d++)
			logit += h[d] * (float)((id * 7 + d * 3) % 5 - 2);
		if (logits)
			logits[id] = logit;
		if (id == 0 || logit > most) {
			most = logit;
			best = id;
		}
	}
	return best;
}

static int toy_submit(struct lsb_backend *b, const struct lsb_batch *batch, const struct lsb_step_io *io,
		      uint64_t *ticket, struct lsb_error *err)
{
	uint32_t output = 0;
	float bias = 0.0f;

	(void)err;
#ifdef FICKLE
	bias = 0.001f * (float)batch->n_tokens;
#endif
	for (uint32_t i = 0; i < batch->n_tokens; i++) {
		const struct lsb_token *t = &batch->tokens[i];
		float h[HIDDEN];

		if (io->in)
			memcpy(h, (const float *)io->in->ptr + (size_t)i * HIDDEN, sizeof(h));
		else
			for (int32_t d = 0; d < HIDDEN; d++)
				h[d] = (float)((t->id * 5 + d) % 11) * 0.1f;
		token_step(b, t, h);
		if (io->out)
			memcpy((float *)io->out->ptr + (size_t)i * HIDDEN, h, sizeof(h));
		if (b->is_last && (t->flags & LSB_TOKEN_OUTPUT)) {
			io->ids[output] =
				head(h, bias, io->logits ? io->logits + (size_t)output * VOCABULARY : NULL);
			output++;
		}
	}
	*ticket = ++b->submitted;
	return LSB_OK;
}

static int toy_wait(struct lsb_backend *b, uint64_t ticket, uint64_t deadline_ns, struct lsb_error *err)
{
	(void)deadline_ns;
	return ticket && ticket <= b->submitted ? LSB_OK : lsb_fail(err, LSB_EINVAL, 0, "no such ticket");
}

static void toy_slot_clear(struct lsb_backend *b, uint32_t slot)
{
	(void)b;
	(void)slot;
}

static const struct lsb_backend_ops ops = {
	.struct_size = sizeof(ops),
	.open = toy_open,
	.info = toy_info,
	.encode = toy_encode,
	.decode = toy_decode,
	.buf_alloc = toy_buf_alloc,
	.buf_free = toy_buf_free,
	.submit = toy_submit,
	.wait = toy_wait,
	.slot_clear = toy_slot_clear,
	.close = toy_close,
};

LSB_EXPORT const struct lsb_plugin lsb_plugin_v1 = {
	LSB_PLUGIN_HEADER,
	.kind = LSB_BACKEND,
	.name = NAME,
	.version = "1.0",
	.summary = "Four layers of four values",
	.ops = { .backend = &ops },
};
