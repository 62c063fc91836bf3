/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole plugin: a workload that asks the model to count down from ever larger
 * numbers, and judges by how many of the numbers are in the answer.
 * docs/plugins.md goes through it step by step.
 */
#include <stdlib.h>
#include <string.h>

#include "lsbench/plugin.h"

enum { FROM_MAX = 100, TEXT_MAX = 128 };

/* 1. What can be set. lsbench parses and checks it and hands in this struct, filled. */
struct countdown_options {
	int64_t requests;
	const char *word;
};

static const struct lsb_option options[] = {
	{ .name = "requests",
	  .type = LSB_OPT_INT,
	  .def = "10",
	  .min = 1,
	  .max = FROM_MAX,
	  .offset = offsetof(struct countdown_options, requests),
	  .help = "how many; request i counts down from i + 1" },
	{ .name = "word",
	  .type = LSB_OPT_STRING,
	  .def = "lift-off",
	  .offset = offsetof(struct countdown_options, word),
	  .help = "what to say at the end" },
	{ 0 },
};

/* 2. The state behind a handle. Requests are made in open and live until close. */
struct request_text {
	char id[24];
	char text[TEXT_MAX];
	struct lsb_turn turn;
};

struct lsb_workload {
	const struct lsb_host *host;
	uint64_t n;
	struct request_text requests[]; /* n of them */
};

/* 3. Operations: 0, or a negative status with a sentence that a user can act on. */
static int countdown_open(const struct lsb_host *host, const void *filled, struct lsb_workload **out,
			  struct lsb_error *err)
{
	const struct countdown_options *o = filled;
	const uint64_t n = (uint64_t)o->requests;
	struct lsb_workload *w;

	if (strlen(o->word) > TEXT_MAX / 2)
		return lsb_fail(err, LSB_EINVAL, 0, "option 'word' is longer than %d bytes", TEXT_MAX / 2);
	w = host->alloc(host->context, sizeof(*w) + n * sizeof(w->requests[0]), 16);
	if (!w)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %d requests", (int)n);
	w->host = host;
	w->n = n;
	for (uint64_t i = 0; i < n; i++) {
		struct request_text *r = &w->requests[i];

		(void)snprintf(r->id, sizeof(r->id), "from-%d", (int)i + 1);
		(void)snprintf(r->text, sizeof(r->text), "Count down from %d to 1, then say %s.", (int)i + 1,
			       o->word);
		r->turn = (struct lsb_turn){ .role = "user", .text = r->text };
	}
	*out = w;
	return LSB_OK;
}

static uint64_t countdown_count(const struct lsb_workload *w)
{
	return w->n;
}

static int countdown_get(struct lsb_workload *w, uint64_t index, struct lsb_request *out,
			 struct lsb_error *err)
{
	if (index >= w->n)
		return lsb_fail(err, LSB_EINVAL, 0, "there are %d requests", (int)w->n);
	out->id = w->requests[index].id;
	out->turns = &w->requests[index].turn;
	out->n_turns = 1;
	return LSB_OK;
}

/* The share of the numbers 1..index+1 that the answer holds, in any order. */
static int countdown_score(struct lsb_workload *w, const struct lsb_answer *answer, struct lsb_metric *scores,
			   size_t *n, struct lsb_error *err)
{
	int found[FROM_MAX + 1] = { 0 }, total = 0;
	const long from = (long)answer->index + 1;

	if (answer->index >= w->n)
		return lsb_fail(err, LSB_EINVAL, 0, "there are %d requests", (int)w->n);
	for (const char *at = answer->text; *at;) {
		char *end;
		const long number = strtol(at, &end, 10);

		if (end != at && number >= 1 && number <= from)
			found[number] = 1;
		at = end == at ? at + 1 : end;
	}
	for (long i = 1; i <= from; i++)
		total += found[i];
	scores[0] =
		(struct lsb_metric){ .name = "counted", .unit = "1", .value = (double)total / (double)from };
	*n = 1;
	return LSB_OK;
}

static void countdown_close(struct lsb_workload *w)
{
	if (w)
		w->host->free(w->host->context, w);
}

/* 4. The tables. What is not set is NULL: not supported. */
static const struct lsb_workload_ops ops = {
	.struct_size = sizeof(ops),
	.open = countdown_open,
	.count = countdown_count,
	.get = countdown_get,
	.close = countdown_close,
	.score = countdown_score,
};

LSB_EXPORT const struct lsb_plugin lsb_plugin_v1 = {
	LSB_PLUGIN_HEADER,
	.kind = LSB_WORKLOAD,
	.name = "countdown",
	.version = "1.0",
	.summary = "Counting down, judged by the numbers",
	.options = options,
	.options_size = sizeof(struct countdown_options),
	.ops = { .workload = &ops },
};
