/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exercise of a backend on a small model: steps give ids and finite logits,
 * and what it claims in invariant_over is bit-identical: whatever shares a step,
 * however a prompt is cut into steps, wherever the layers are cut, and again.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "plugin/parts.h"

enum { SLOTS = 2, CONTEXT = 64, PROMPT = 9, STEP_MAX = 2 * PROMPT };
enum { CLOCK_NS = 1000000 }; /* by which a device's clock may differ from the host's */

struct exercise {
	const struct lsb_asker *to;
	const struct lsb_loaded *l;
	const struct lsb_backend_ops *ops;
	const char *model;
	struct lsb_backend *b; /* the whole model */
	struct lsb_backend_info info;
	float *expected, *found; /* [STEP_MAX][vocabulary] */
};

/* A step under construction: which tokens of which slot, all or the last wanting output. */
struct step {
	struct lsb_token tokens[STEP_MAX];
	struct lsb_sampling sampling[STEP_MAX];
	int32_t ids[STEP_MAX];
	uint32_t n_tokens, n_outputs;
};

/* The exercise's prompts: different for each slot. */
static int32_t prompt_id(const struct exercise *x, uint32_t slot, uint32_t position)
{
	return (int32_t)((7u + 13u * slot + 5u * position) % x->info.vocabulary);
}

/* Add positions [from, to) of a slot's prompt; the last position of the prompt wants output. */
static void step_add(const struct exercise *x, struct step *s, uint32_t slot, uint32_t from, uint32_t to)
{
	for (uint32_t position = from; position < to; position++) {
		struct lsb_token *t = &s->tokens[s->n_tokens++];

		*t = (struct lsb_token){ .id = prompt_id(x, slot, position),
					 .slot = slot,
					 .position = position };
		if (position + 1 < PROMPT)
			continue;
		t->flags = LSB_TOKEN_OUTPUT;
		s->sampling[s->n_outputs++] = (struct lsb_sampling){ .top_p = 1.0f, .request = slot };
	}
}

static int stage_open(const struct exercise *x, int32_t stage, int32_t stages, uint32_t first, uint32_t n,
		      struct lsb_backend **out, struct lsb_error *err)
{
	const struct lsb_place place = {
		.struct_size = sizeof(place),
		.model = x->model,
		.rank = stage,
		.stage = stage,
		.stages = stages,
		.first_layer = first,
		.n_layers = n,
		.slots = SLOTS,
		.context = CONTEXT,
		.max_tokens = STEP_MAX,
		.max_outputs = STEP_MAX,
		.max_tickets = 2,
		.device = -1,
		.threads = 1,
	};

	lsb_answer_doing(x->to, x->l->path, "open");
	*err = (struct lsb_error){ 0 };
	return lsb_plugin_result(x->l, "open", x->ops->open(&x->l->host, x->l->options, &place, out, err),
				 err);
}

/* If it tells when a step was computed: between its submission and the end of waiting for it. */
static int times_check(const struct exercise *x, struct lsb_backend *b, uint64_t ticket,
		       uint64_t submitted_ns, struct lsb_error *err)
{
	const uint64_t seen_ns = lsb_now_ns();
	uint64_t start_ns = 0, end_ns = 0;
	int rc;

	if (!(x->info.flags & LSB_BACKEND_DEVICE_TIMES))
		return LSB_OK;
	if (!LSB_HAS(x->ops, ticket_times))
		return lsb_fail(err, LSB_EPLUGIN, 0, "it says that ticket_times works, and has none");
	rc = lsb_plugin_result(x->l, "ticket_times", x->ops->ticket_times(b, ticket, &start_ns, &end_ns, err),
			       err);
	if (rc == LSB_OK &&
	    (start_ns + CLOCK_NS < submitted_ns || end_ns < start_ns || end_ns > seen_ns + CLOCK_NS))
		rc = lsb_fail(
			err, LSB_EPLUGIN, 0,
			"it says that a step began %.0f us after it was submitted and took %.0f us, which "
			"was waited for for %.0f us",
			((double)start_ns - (double)submitted_ns) * 1e-3,
			((double)end_ns - (double)start_ns) * 1e-3, (double)(seen_ns - submitted_ns) * 1e-3);
	return rc;
}

/* Run a step through one stage. `logits` may be NULL but on the last. */
static int step_run(const struct exercise *x, struct lsb_backend *b, struct step *s, const struct lsb_buf *in,
		    const struct lsb_buf *out, float *logits, struct lsb_error *err)
{
	const struct lsb_batch batch = { .struct_size = sizeof(batch),
					 .n_tokens = s->n_tokens,
					 .n_outputs = s->n_outputs,
					 .tokens = s->tokens,
					 .sampling = s->sampling };
	const struct lsb_step_io io = {
		.struct_size = sizeof(io), .in = in, .out = out, .ids = out ? NULL : s->ids, .logits = logits
	};
	const uint64_t submitted_ns = lsb_now_ns();
	uint64_t ticket = 0;
	int rc;

	lsb_answer_doing(x->to, x->l->path, "submit and wait");
	*err = (struct lsb_error){ 0 };
	rc = lsb_plugin_result(x->l, "submit", x->ops->submit(b, &batch, &io, &ticket, err), err);
	if (rc == LSB_OK)
		rc = lsb_plugin_result(x->l, "wait",
				       x->ops->wait(b, ticket, lsb_now_ns() + 60000000000u, err), err);
	return rc ? rc : times_check(x, b, ticket, submitted_ns, err);
}

static void slots_clear(const struct exercise *x, struct lsb_backend *b)
{
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		x->ops->slot_clear(b, slot);
}

/* Compare one row of logits bit by bit. */
static int logits_equal(const struct exercise *x, const float *a, const float *b, const char *what,
			struct lsb_error *err)
{
	for (uint32_t i = 0; i < x->info.vocabulary; i++)
		if (memcmp(&a[i], &b[i], sizeof(*a)) != 0)
			return lsb_fail(
				err, LSB_EPLUGIN, 0,
				"it claims results do not depend on %s, but logit %u is %.9g, not %.9g", what,
				i, (double)b[i], (double)a[i]);
	return LSB_OK;
}

static int check_open(struct exercise *x, struct lsb_error *err)
{
	return stage_open(x, 0, 1, 0, 0, &x->b, err);
}

/* The info is sane, and a caller with an older, shorter struct gets no more than that. */
static int check_info(struct exercise *x, struct lsb_error *err)
{
	struct lsb_backend_info *i = &x->info, older;
	const size_t known = offsetof(struct lsb_backend_info, load_bytes);
	int rc;

	lsb_answer_doing(x->to, x->l->path, "info");
	i->struct_size = sizeof(*i);
	rc = lsb_plugin_result(x->l, "info", x->ops->info(x->b, i, err), err);
	if (rc)
		return rc;
	if (!i->layers || !i->hidden_size || !i->vocabulary || i->hidden_elem > LSB_ELEM_BF16 ||
	    i->n_stop_ids > LSB_STOP_IDS_MAX || !i->mem_kinds || i->vocabulary > (1u << 24))
		return lsb_fail(
			err, LSB_EPLUGIN, 0,
			"%u layers, hidden size %u of type %u, vocabulary %u, %u stop ids, memory kinds 0x%x",
			i->layers, i->hidden_size, i->hidden_elem, i->vocabulary, i->n_stop_ids,
			i->mem_kinds);
	memset(&older, 0xa5, sizeof(older));
	older.struct_size = known;
	rc = lsb_plugin_result(x->l, "info", x->ops->info(x->b, &older, err), err);
	for (size_t k = known; rc == LSB_OK && k < sizeof(older); k++)
		if (((unsigned char *)&older)[k] != 0xa5)
			rc = lsb_fail(err, LSB_EPLUGIN, 0, "it writes %zu bytes to a struct of %zu", k + 1,
				      known);
	x->expected = calloc((size_t)STEP_MAX * i->vocabulary, sizeof(float));
	x->found = calloc((size_t)STEP_MAX * i->vocabulary, sizeof(float));
	return rc || (x->expected && x->found) ? rc : lsb_fail(err, LSB_ENOMEM, 0, "no memory for logits");
}

/*
 * Text to ids and back. A capacity of 0 only counts; a text without spaces at
 * its ends comes back whole, wherever a tokenizer may put one in front.
 */
static int check_text(struct exercise *x, struct lsb_error *err)
{
	static const char hello[] = "Hello, world";
	const struct lsb_turn turn = { .role = "user", .text = hello };
	int32_t ids[64] = { 0 };
	char text[256] = "";
	size_t n = 0, again = 0, bytes = 0;
	int rc;

	if (strncmp(x->model, "random:", 7) == 0)
		return LSB_OK;
	lsb_answer_doing(x->to, x->l->path, "encode");
	rc = lsb_plugin_result(x->l, "encode", x->ops->encode(x->b, &turn, 1, 0, ids, 0, &n, err), err);
	if (rc == LSB_OK && (n == 0 || n > LSB_COUNT(ids)))
		rc = lsb_fail(err, LSB_EPLUGIN, 0, "'%s' has %zu tokens", hello, n);
	if (rc == LSB_OK)
		rc = lsb_plugin_result(x->l, "encode",
				       x->ops->encode(x->b, &turn, 1, 0, ids, LSB_COUNT(ids), &again, err),
				       err);
	if (rc)
		return rc;
	if (again != n)
		return lsb_fail(err, LSB_EPLUGIN, 0, "'%s' has %zu tokens, counted as %zu", hello, again, n);
	lsb_answer_doing(x->to, x->l->path, "decode");
	rc = lsb_plugin_result(x->l, "decode",
			       x->ops->decode(x->b, ids, n, text, sizeof(text) - 1, &bytes, err), err);
	if (rc == LSB_OK && (bytes >= sizeof(text) || !strstr(text, hello)))
		rc = lsb_fail(err, LSB_EPLUGIN, 0, "'%s' came back as '%.64s'", hello, text);
	return rc;
}

/* One prompt in one step: the reference for all that follows. */
static int check_step(struct exercise *x, struct lsb_error *err)
{
	struct step s = { 0 };
	uint32_t best = 0;
	int rc;

	step_add(x, &s, 0, 0, PROMPT);
	rc = step_run(x, x->b, &s, NULL, NULL, x->expected, err);
	if (rc)
		return rc;
	for (uint32_t i = 0; i < x->info.vocabulary; i++) {
		if (!isfinite(x->expected[i]))
			return lsb_fail(err, LSB_EPLUGIN, 0, "logit %u is not a number", i);
		if (x->expected[i] > x->expected[best])
			best = i;
	}
	if (s.ids[0] != (int32_t)best)
		return lsb_fail(err, LSB_EPLUGIN, 0,
				"at temperature 0 it gave id %d, wanted %u, the first with the largest logit",
				s.ids[0], best);
	return LSB_OK;
}

static int check_run(struct exercise *x, struct lsb_error *err)
{
	struct step s = { 0 };
	int rc;

	if (!(x->info.invariant_over & LSB_INVARIANT_RUN))
		return LSB_OK;
	slots_clear(x, x->b);
	step_add(x, &s, 0, 0, PROMPT);
	rc = step_run(x, x->b, &s, NULL, NULL, x->found, err);
	return rc ? rc : logits_equal(x, x->expected, x->found, "the run", err);
}

/* The same prompt behind another one in the same step. */
static int check_batch(struct exercise *x, struct lsb_error *err)
{
	struct step s = { 0 };
	int rc;

	if (!(x->info.invariant_over & LSB_INVARIANT_BATCH))
		return LSB_OK;
	slots_clear(x, x->b);
	step_add(x, &s, 1, 0, PROMPT);
	step_add(x, &s, 0, 0, PROMPT);
	rc = step_run(x, x->b, &s, NULL, NULL, x->found, err);
	return rc ? rc : logits_equal(x, x->expected, x->found + x->info.vocabulary, "the batch", err);
}

/* The same prompt in steps of 1, 2, 3, ... tokens. */
static int check_chunk(struct exercise *x, struct lsb_error *err)
{
	int rc = LSB_OK;

	if (!(x->info.invariant_over & LSB_INVARIANT_CHUNK))
		return LSB_OK;
	slots_clear(x, x->b);
	for (uint32_t at = 0, n = 1; at < PROMPT && rc == LSB_OK; at += n, n++) {
		struct step s = { 0 };

		step_add(x, &s, 0, at, at + n < PROMPT ? at + n : PROMPT);
		rc = step_run(x, x->b, &s, NULL, NULL, x->found, err);
	}
	return rc ? rc : logits_equal(x, x->expected, x->found, "the chunks", err);
}

/* The same prompt through two stages, cut after `first` layers. */
static int split_run(struct exercise *x, uint32_t first, struct lsb_error *err)
{
	static const size_t elem_bytes[] = { 4, 2, 2 };
	const uint64_t bytes = (uint64_t)PROMPT * x->info.hidden_size * elem_bytes[x->info.hidden_elem];
	const uint32_t mem = (uint32_t)__builtin_ctz(x->info.mem_kinds); /* any will do, host first */
	struct lsb_backend *stages[2] = { NULL, NULL };
	struct lsb_buf buf = { 0 };
	struct step s = { 0 };
	int rc = stage_open(x, 0, 2, 0, first, &stages[0], err);

	if (rc == LSB_OK)
		rc = stage_open(x, 1, 2, first, x->info.layers - first, &stages[1], err);
	if (rc)
		goto done;
	lsb_answer_doing(x->to, x->l->path, "buf_alloc");
	rc = lsb_plugin_result(x->l, "buf_alloc", x->ops->buf_alloc(stages[0], mem, bytes, &buf, err), err);
	if (rc)
		goto done;
	step_add(x, &s, 0, 0, PROMPT);
	rc = step_run(x, stages[0], &s, NULL, &buf, NULL, err);
	if (rc == LSB_OK)
		rc = step_run(x, stages[1], &s, &buf, NULL, x->found, err);
	if (rc == LSB_OK && (x->info.invariant_over & LSB_INVARIANT_SPLIT))
		rc = logits_equal(x, x->expected, x->found, "the split", err);
	x->ops->buf_free(stages[0], &buf);
done:
	for (int i = 0; i < 2; i++)
		if (stages[i])
			x->ops->close(stages[i]);
	return rc;
}

static int check_split(struct exercise *x, struct lsb_error *err)
{
	int rc = LSB_OK;

	for (uint32_t first = 1; first < x->info.layers && rc == LSB_OK; first += 1 + x->info.layers / 4)
		rc = split_run(x, first, err);
	return rc;
}

static const struct {
	const char *name;
	int (*check)(struct exercise *x, struct lsb_error *err);
	uint32_t claim; /* LSB_INVARIANT_* that it is about; without it the check is not made */
} checks[] = {
	{ "opens all layers", check_open, 0 },
	{ "info is sane and keeps to the caller's size", check_info, 0 },
	{ "text goes to ids and back, but with random models", check_text, 0 },
	{ "a step gives finite logits and the most probable id", check_step, 0 },
	{ "again gives the same bits", check_run, LSB_INVARIANT_RUN },
	{ "another sequence in the step changes no bit", check_batch, LSB_INVARIANT_BATCH },
	{ "cutting the prompt into steps changes no bit", check_chunk, LSB_INVARIANT_CHUNK },
	{ "two stages work, and change no bit if that is claimed", check_split, 0 },
};

void lsb_conform_backend(const struct lsb_asker *to, const struct lsb_loaded *l, const char *model)
{
	struct exercise x = { .to = to, .l = l, .ops = &l->ops.backend, .model = model };
	int rc = LSB_OK;

	for (size_t i = 0; i < LSB_COUNT(checks) && rc == LSB_OK; i++) {
		const int claimed = !checks[i].claim || (x.info.invariant_over & checks[i].claim);
		struct lsb_error err = { 0 };

		rc = checks[i].check(&x, &err);
		lsb_answer_result(to, rc == LSB_OK, checks[i].name,
				  rc ? err.msg : (claimed ? NULL : "not claimed, not tried"));
	}
	lsb_answer_doing(to, l->path, "close");
	if (x.b)
		x.ops->close(x.b);
	x.ops->close(NULL);
	lsb_answer_result(to, 1, "closes, also NULL", NULL);
	free(x.expected);
	free(x.found);
}
