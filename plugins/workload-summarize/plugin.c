/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workload-summarize: summarise an article in a chat turn, judged by ROUGE
 * against a reference summary.
 */
#include <stdlib.h>
#include <string.h>

#include "dataset.h"
#include "lsbench/plugin.h"
#include "rouge.h"

enum { TURNS_MAX = 2 };

struct options {
	const char *data, *instruction, *system;
	int64_t limit;
	uint32_t stem, reserved;
};

static const struct lsb_option options[] = {
	{ .name = "data",
	  .type = LSB_OPT_FILE,
	  .def = "",
	  .offset = offsetof(struct options, data),
	  .help = "JSONL, or a JSON array, with article and reference (also document, text, input; "
		  "highlights, "
		  "summary, output); empty: the built-in articles" },
	{ .name = "instruction",
	  .type = LSB_OPT_STRING,
	  .def = "Summarize the following article in one sentence.",
	  .offset = offsetof(struct options, instruction),
	  .help = "what stands before each article" },
	{ .name = "system",
	  .type = LSB_OPT_STRING,
	  .def = "",
	  .offset = offsetof(struct options, system),
	  .help = "system turn; empty: the chat template's own" },
	{ .name = "limit",
	  .type = LSB_OPT_INT,
	  .def = "0",
	  .unit = "items",
	  .min = 0,
	  .max = 1 << 20,
	  .offset = offsetof(struct options, limit),
	  .help = "use only the first so many items; 0: all" },
	{ .name = "stem",
	  .type = LSB_OPT_BOOL,
	  .def = "yes",
	  .offset = offsetof(struct options, stem),
	  .help = "compare word stems (Porter) in ROUGE" },
	{ 0 },
};

/* The turns of one request, which are views for as long as the workload lives. */
struct prompt {
	char *text; /* owned; NULL: not asked for yet */
	struct lsb_turn turns[TURNS_MAX];
};

struct lsb_workload {
	const struct options *options;
	struct lsb_dataset set;
	struct prompt *prompts; /* [set.n], made when asked for */
};

static void summarize_close(struct lsb_workload *w)
{
	if (!w)
		return;
	for (size_t i = 0; w->prompts && i < w->set.n; i++)
		free(w->prompts[i].text);
	free(w->prompts);
	lsb_dataset_close(&w->set);
	free(w);
}

static int summarize_open(const struct lsb_host *host, const void *filled, struct lsb_workload **out,
			  struct lsb_error *err)
{
	struct lsb_workload *w = calloc(1, sizeof(*w));
	int rc;

	(void)host;
	if (!w)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the workload");
	w->options = filled;
	rc = lsb_dataset_open(&w->set, w->options->data, err);
	if (rc) {
		free(w);
		return rc;
	}
	w->prompts = calloc(w->set.n, sizeof(*w->prompts));
	if (!w->prompts) {
		summarize_close(w);
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the prompts");
	}
	*out = w;
	return LSB_OK;
}

static uint64_t summarize_count(const struct lsb_workload *w)
{
	const uint64_t limit = (uint64_t)w->options->limit;

	return limit && limit < w->set.n ? limit : w->set.n;
}

/* "INSTRUCTION\n\nARTICLE", or the article alone without an instruction; malloc'ed. */
static char *prompt_text(const char *instruction, const char *article)
{
	const size_t n = strlen(instruction), m = strlen(article);
	char *text = malloc(n + m + 3), *at = text;

	if (!text)
		return NULL;
	if (n) {
		memcpy(at, instruction, n);
		memcpy(at + n, "\n\n", 2);
		at += n + 2;
	}
	memcpy(at, article, m + 1);
	return text;
}

static int summarize_get(struct lsb_workload *w, uint64_t index, struct lsb_request *out,
			 struct lsb_error *err)
{
	const struct lsb_item *item;
	struct prompt *prompt;
	uint32_t n = 0;

	if (index >= summarize_count(w))
		return lsb_fail(err, LSB_EINVAL, 0, "there is no item %llu", (unsigned long long)index);
	item = &w->set.items[index];
	prompt = &w->prompts[index];
	if (!item->article)
		return lsb_fail(err, LSB_EINVAL, 0, "item '%s' has no article to summarise", item->id);
	if (!prompt->text)
		prompt->text = prompt_text(w->options->instruction, item->article);
	if (!prompt->text)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the prompt of item '%s'", item->id);
	if (*w->options->system)
		prompt->turns[n++] = (struct lsb_turn){ "system", w->options->system };
	prompt->turns[n++] = (struct lsb_turn){ "user", prompt->text };
	out->id = item->id;
	out->turns = prompt->turns;
	out->n_turns = n;
	return LSB_OK;
}

static int summarize_score(struct lsb_workload *w, const struct lsb_answer *answer, struct lsb_metric *scores,
			   size_t *n, struct lsb_error *err)
{
	const char *reference = answer->reference;
	struct lsb_rouge rouge;

	*n = 0;
	if (!reference && answer->index < w->set.n)
		reference = w->set.items[answer->index].reference;
	if (!reference) /* nothing to compare with */
		return LSB_OK;
	if (lsb_rouge(reference, answer->text, w->options->stem != 0, &rouge))
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory to score answer %llu",
				(unsigned long long)answer->index);
	scores[(*n)++] = (struct lsb_metric){ "rouge1", "1", rouge.rouge1.f };
	scores[(*n)++] = (struct lsb_metric){ "rouge2", "1", rouge.rouge2.f };
	scores[(*n)++] = (struct lsb_metric){ "rougeL", "1", rouge.rougeL.f };
	scores[(*n)++] = (struct lsb_metric){ "rougeLsum", "1", rouge.rougeLsum.f };
	return LSB_OK;
}

static const struct lsb_workload_ops ops = {
	.struct_size = sizeof(ops),
	.open = summarize_open,
	.count = summarize_count,
	.get = summarize_get,
	.close = summarize_close,
	.score = summarize_score,
};

LSB_EXPORT const struct lsb_plugin lsb_plugin_v1 = {
	LSB_PLUGIN_HEADER,
	.kind = LSB_WORKLOAD,
	.name = "summarize",
	.version = "1.0",
	.summary = "Summarise articles, judged by ROUGE",
	.options = options,
	.options_size = sizeof(struct options),
	.ops = { .workload = &ops },
};
