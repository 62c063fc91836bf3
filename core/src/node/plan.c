/* SPDX-License-Identifier: Apache-2.0 */
#include "node/plan.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "lsbench/host.h"

#define PLAN_MAGIC 0x504c5331u /* "PLS1"; the digit is the version */

struct plan_header {
	uint32_t magic, flags, step, lane;
	uint32_t n_tokens, n_outputs, n_clear, reserved;
};

struct ids_header {
	uint32_t step, n;
};

_Static_assert(sizeof(struct plan_header) == 32 && sizeof(struct lsb_token) == 16 &&
		       sizeof(struct lsb_sampling) == 32,
	       "the wire format has no holes");

size_t lsb_plan_bytes(const struct lsb_plan_limits *limits)
{
	return sizeof(struct plan_header) + (size_t)limits->max_tokens * sizeof(struct lsb_token) +
	       (size_t)limits->max_outputs * sizeof(struct lsb_sampling) +
	       (size_t)limits->slots * sizeof(uint32_t);
}

size_t lsb_ids_bytes(uint32_t max_outputs)
{
	return sizeof(struct ids_header) + (size_t)max_outputs * sizeof(int32_t);
}

/* Append `n` bytes at *to. */
static void put(char **to, const void *from, size_t n)
{
	if (n)
		memcpy(*to, from, n);
	*to += n;
}

size_t lsb_plan_write(const struct lsb_plan *plan, void *to)
{
	const struct plan_header header = {
		.magic = PLAN_MAGIC,
		.flags = plan->flags,
		.step = plan->step,
		.lane = plan->lane,
		.n_tokens = plan->n_tokens,
		.n_outputs = plan->n_outputs,
		.n_clear = plan->n_clear,
	};
	char *at = to;

	put(&at, &header, sizeof(header));
	put(&at, plan->tokens, plan->n_tokens * sizeof(*plan->tokens));
	put(&at, plan->sampling, plan->n_outputs * sizeof(*plan->sampling));
	put(&at, plan->clear, plan->n_clear * sizeof(*plan->clear));
	return (size_t)(at - (char *)to);
}

static int plan_check_content(const struct lsb_plan *plan, const struct lsb_plan_limits *limits,
			      struct lsb_error *err)
{
	uint32_t outputs = 0;

	if (plan->flags & ~(uint32_t)LSB_PLAN_END)
		return lsb_fail(err, LSB_EPROTO, 0, "step plan %u has unknown flags 0x%x", plan->step,
				plan->flags);
	if (((plan->flags & LSB_PLAN_END) != 0) != (plan->n_tokens == 0) ||
	    (plan->n_tokens == 0 && plan->n_clear))
		return lsb_fail(err, LSB_EPROTO, 0,
				"step plan %u has %u tokens, %u slots to clear and flags 0x%x", plan->step,
				plan->n_tokens, plan->n_clear, plan->flags);
	if (plan->lane >= limits->slots)
		return lsb_fail(err, LSB_EPROTO, 0, "step plan %u is for lane %u, and there are %u slots",
				plan->step, plan->lane, limits->slots);
	for (uint32_t i = 0; i < plan->n_tokens; i++) {
		const struct lsb_token *token = &plan->tokens[i];

		if (token->slot >= limits->slots || token->position >= limits->context)
			return lsb_fail(err, LSB_EPROTO, 0,
					"step plan %u: token %u has slot %u, position %u outside %u x %u",
					plan->step, i, token->slot, token->position, limits->slots,
					limits->context);
		if (token->flags & ~(uint32_t)LSB_TOKEN_OUTPUT)
			return lsb_fail(err, LSB_EPROTO, 0, "step plan %u: token %u has unknown flags 0x%x",
					plan->step, i, token->flags);
		outputs += token->flags & LSB_TOKEN_OUTPUT;
	}
	if (outputs != plan->n_outputs)
		return lsb_fail(err, LSB_EPROTO, 0, "step plan %u: %u tokens want output, %u announced",
				plan->step, outputs, plan->n_outputs);
	for (uint32_t i = 0; i < plan->n_outputs; i++) {
		const struct lsb_sampling *how = &plan->sampling[i];

		if (!(how->temperature >= 0 && how->temperature <= FLT_MAX) ||
		    !(how->top_p > 0 && how->top_p <= 1))
			return lsb_fail(err, LSB_EPROTO, 0,
					"step plan %u: output %u has temperature %g and top_p %g", plan->step,
					i, (double)how->temperature, (double)how->top_p);
	}
	for (uint32_t i = 0; i < plan->n_clear; i++)
		if (plan->clear[i] >= limits->slots)
			return lsb_fail(err, LSB_EPROTO, 0, "step plan %u clears slot %u of %u", plan->step,
					plan->clear[i], limits->slots);
	return LSB_OK;
}

int lsb_plan_read(const void *from, size_t bytes, const struct lsb_plan_limits *limits, struct lsb_plan *plan,
		  struct lsb_error *err)
{
	const char *at = from;
	struct plan_header header;

	if (bytes < sizeof(header))
		return lsb_fail(err, LSB_EPROTO, 0, "a step plan of %zu bytes is too short", bytes);
	memcpy(&header, at, sizeof(header));
	at += sizeof(header);
	if (header.magic != PLAN_MAGIC)
		return lsb_fail(err, LSB_EPROTO, 0,
				"not a step plan of this version (magic 0x%08x, wanted 0x%08x)", header.magic,
				PLAN_MAGIC);
	if (header.reserved)
		return lsb_fail(err, LSB_EPROTO, 0, "step plan %u: its reserved word is 0x%x", header.step,
				header.reserved);
	if (header.n_tokens > limits->max_tokens || header.n_outputs > limits->max_outputs ||
	    header.n_clear > limits->slots)
		return lsb_fail(err, LSB_EPROTO, 0,
				"step plan %u is too large: %u tokens, %u outputs, %u slots to clear",
				header.step, header.n_tokens, header.n_outputs, header.n_clear);
	if (bytes != sizeof(header) + header.n_tokens * sizeof(struct lsb_token) +
			     header.n_outputs * sizeof(struct lsb_sampling) +
			     header.n_clear * sizeof(uint32_t))
		return lsb_fail(err, LSB_EPROTO, 0, "step plan %u has %zu bytes, not what its counts say",
				header.step, bytes);
	plan->flags = header.flags;
	plan->step = header.step;
	plan->lane = header.lane;
	plan->n_tokens = header.n_tokens;
	plan->n_outputs = header.n_outputs;
	plan->n_clear = header.n_clear;
	memcpy(plan->tokens, at, header.n_tokens * sizeof(struct lsb_token));
	at += header.n_tokens * sizeof(struct lsb_token);
	memcpy(plan->sampling, at, header.n_outputs * sizeof(struct lsb_sampling));
	at += header.n_outputs * sizeof(struct lsb_sampling);
	memcpy(plan->clear, at, header.n_clear * sizeof(uint32_t));
	return plan_check_content(plan, limits, err);
}

size_t lsb_ids_write(uint32_t step, const int32_t *ids, uint32_t n, void *to)
{
	const struct ids_header header = { .step = step, .n = n };
	char *at = to;

	put(&at, &header, sizeof(header));
	put(&at, ids, n * sizeof(*ids));
	return (size_t)(at - (char *)to);
}

int lsb_ids_read(const void *from, size_t bytes, uint32_t step, uint32_t max_outputs, const int32_t **ids,
		 uint32_t *n, struct lsb_error *err)
{
	struct ids_header header;

	if (bytes < sizeof(header))
		return lsb_fail(err, LSB_EPROTO, 0, "an ids message of %zu bytes is too short", bytes);
	memcpy(&header, from, sizeof(header));
	if (header.step != step)
		return lsb_fail(err, LSB_EPROTO, 0, "ids of step %u came where step %u was due", header.step,
				step);
	if (header.n > max_outputs || bytes != sizeof(header) + header.n * sizeof(int32_t))
		return lsb_fail(err, LSB_EPROTO, 0, "ids of step %u: %u ids in %zu bytes", step, header.n,
				bytes);
	*ids = (const int32_t *)((const char *)from + sizeof(header));
	*n = header.n;
	return LSB_OK;
}

int lsb_plan_open(struct lsb_plan *plan, const struct lsb_plan_limits *limits, struct lsb_error *err)
{
	*plan = (struct lsb_plan){ 0 };
	plan->tokens = calloc(limits->max_tokens, sizeof(*plan->tokens));
	plan->sampling = calloc(limits->max_outputs, sizeof(*plan->sampling));
	plan->clear = calloc(limits->slots, sizeof(*plan->clear));
	if (plan->tokens && plan->sampling && plan->clear)
		return LSB_OK;
	lsb_plan_close(plan);
	return lsb_fail(err, LSB_ENOMEM, 0, "no memory for step plans of %u tokens", limits->max_tokens);
}

void lsb_plan_close(struct lsb_plan *plan)
{
	free(plan->tokens);
	free(plan->sampling);
	free(plan->clear);
	*plan = (struct lsb_plan){ 0 };
}
