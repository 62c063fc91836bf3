/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps taken while the backend opens, so that no step of a run is the first of its kind.
 *
 * CUDA loads a kernel when it is first launched, and cuBLASLt searches for an
 * algorithm when it first sees a shape and then loads that: together some 15 ms, as
 * much as several steps take. Products of prompts are therefore planned for few
 * numbers of tokens (cuda_lt_tokens), and each of them is stepped through here: the
 * largest with all layers, since files may mix types of tensors, the others with one,
 * which stands for all. So is each plan of cuDNN's. What they leave in the KV cache is
 * written over before anything reads it.
 */
#include "cuda.h"

enum {
	FEW_TOKENS_LEAST = 8,	/* own kernels come for 8, 16 and 32 tokens */
	SHAPES_UP_TO_TOK = 512, /* beyond, only the largest: a search alone is short beside such a step */
	PATIENCE_S = 60,
};

/* What the steps are made of. */
struct rehearsal {
	struct lsb_token *tokens; /* [max_tokens] */
	int32_t *ids;		  /* [max_outputs] */
	struct lsb_sampling sampling;
	struct lsb_buf hidden; /* comes in and goes out: memory of sums, which nobody misses */
};

/* One step of n tokens, `each` of a slot, and one output. */
static int take_step(struct lsb_backend *b, struct rehearsal *r, uint32_t n, uint32_t each,
		     struct lsb_error *err)
{
	const struct lsb_batch batch = { .struct_size = sizeof(batch),
					 .n_tokens = n,
					 .n_outputs = 1,
					 .tokens = r->tokens,
					 .sampling = &r->sampling };
	const struct lsb_step_io io = { .struct_size = sizeof(io),
					.in = b->first ? NULL : &r->hidden,
					.out = b->last ? NULL : &r->hidden,
					.ids = b->last ? r->ids : NULL };
	uint64_t ticket, deadline_ns;
	int rc;

	for (uint32_t i = 0; i < n; i++)
		r->tokens[i] = (struct lsb_token){ .slot = i / each,
						   .position = i % each,
						   .flags = i + 1 == n ? LSB_TOKEN_OUTPUT : 0 };
	rc = cuda_step_submit(b, &batch, &io, &ticket, err);
	deadline_ns = b->host->now_ns(b->host->context) + PATIENCE_S * 1000000000ull;
	if (!rc)
		rc = cuda_step_wait(b, ticket, deadline_ns, err);
	if (rc == LSB_ETIMEDOUT)
		rc = lsb_fail(err, LSB_EDEVICE, 0, "a first step of %u tokens did not end within %d s", n,
			      PATIENCE_S);
	for (uint32_t slot = 0; slot <= (n - 1) / each; slot++)
		lsb_rules_clear(&b->queue.rules, slot);
	return rc;
}

/* All but the largest, with the first layer alone. */
static int take_smaller(struct lsb_backend *b, struct rehearsal *r, uint32_t most, struct lsb_error *err)
{
	const uint32_t layers = b->weights.n_layers, shapes = b->forward.lt ? SHAPES_UP_TO_TOK : 0;
	const uint32_t context = b->place.context, runs = b->forward.dnn ? b->forward.runs_most : 0;
	int rc = LSB_OK;

	b->weights.n_layers = 1;
	for (uint32_t n = FEW_TOKENS_LEAST; n <= CUDA_SMALL_TOKENS && n < most && !rc; n *= 2)
		rc = take_step(b, r, n, context, err);
	for (uint32_t n = cuda_lt_tokens(CUDA_SMALL_TOKENS + 1); n <= shapes && n < most && !rc;
	     n = cuda_lt_tokens(n + 1))
		rc = take_step(b, r, n, context, err);
	for (uint32_t n = 1; n < 2 * runs && !rc; n *= 2) /* a plan of cuDNN's each */
		rc = take_step(b, r, (n < runs ? n : runs) * CUDA_RUN_LEAST, CUDA_RUN_LEAST, err);
	b->weights.n_layers = layers;
	return rc;
}

int cuda_rehearse(struct lsb_backend *b, struct lsb_error *err)
{
	const struct lsb_place *place = &b->place;
	const uint64_t positions = (uint64_t)place->slots * place->context;
	const uint32_t most = positions < place->max_tokens ? (uint32_t)positions : place->max_tokens;
	struct rehearsal r = { .sampling = { .top_p = 1.0f },
			       .hidden = { .ptr = b->forward.y,
					   .bytes = b->forward.y_floats * sizeof(float),
					   .mem = LSB_MEM_CUDA,
					   .device = b->device.ordinal } };
	static const char what[] = "first steps";
	int rc = cuda_host_alloc(b, place->max_tokens, sizeof(*r.tokens), &r.tokens, what, err);

	if (!rc)
		rc = cuda_host_alloc(b, place->max_outputs, sizeof(*r.ids), &r.ids, what, err);
	if (!rc)
		rc = take_step(b, &r, most, place->context, err);
	if (!rc)
		rc = take_smaller(b, &r, most, err);
	cuda_host_free(b, r.tokens);
	cuda_host_free(b, r.ids);
	return rc;
}
