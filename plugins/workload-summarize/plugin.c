/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workload-summarize: summarise an article, judged by ROUGE against a reference
 * summary. It asks in a chat turn, or as a preset asks: that is then plain text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataset.h"
#include "lsbench/plugin.h"
#include "rouge.h"

enum { TURNS_MAX = 2, LEAVE_OUT = 1 /* of `long` */ };

#define INSTRUCTION "Summarize the following article in one sentence."

struct options {
	const char *data, *instruction, *system;
	int64_t limit, max_words, max_tokens;
	uint32_t stem, preset, too_long, reserved;
};

/* What stands around an article, and how long an answer may be. */
struct preset {
	const char *before, *behind;
	uint32_t max_new, max_prompt;
};

/* By option `preset`; the first is the instruction's own. */
static const struct preset presets[] = {
	{ NULL, "", 0, 0 },
	/* MLPerf Inference v5.1, llama3.1-8b: docs/workloads.md says where it is written */
	{ "In very brief sentences, summarize the following news article. Only return the "
	  "summary.\nArticle: ",
	  "\nSummary: ", 128, 8000 },
};

static const struct lsb_option options[] = {
	{ .name = "data",
	  .type = LSB_OPT_FILE,
	  .def = "",
	  .offset = offsetof(struct options, data),
	  .help = "JSONL, or a JSON array, with article and reference (also document, text, input; "
		  "highlights, summary, output) and perhaps max_new; empty: the built-in articles" },
	{ .name = "preset",
	  .type = LSB_OPT_CHOICE,
	  .choices = "none|mlperf-cnn",
	  .def = "none",
	  .offset = offsetof(struct options, preset),
	  .help = "prompt and limits of a known benchmark, in place of instruction and system: MLPerf "
		  "Inference's CNN/DailyMail for Llama 3.1 8B, 8000 tokens in and 128 out at most" },
	{ .name = "instruction",
	  .type = LSB_OPT_STRING,
	  .def = INSTRUCTION,
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
	{ .name = "max_words",
	  .type = LSB_OPT_INT,
	  .def = "0",
	  .unit = "words",
	  .min = 0,
	  .max = 1 << 20,
	  .offset = offsetof(struct options, max_words),
	  .help = "what an article may have; 0: any number" },
	{ .name = "max_tokens",
	  .type = LSB_OPT_INT,
	  .def = "0",
	  .unit = "tokens",
	  .min = 0,
	  .max = 1 << 20,
	  .offset = offsetof(struct options, max_tokens),
	  .help = "what a prompt may have by the model's tokenizer, template and instruction included: "
		  "articles "
		  "of longer ones lose their end; 0: the preset's limit, or none" },
	{ .name = "long",
	  .type = LSB_OPT_CHOICE,
	  .choices = "truncate|skip",
	  .def = "truncate",
	  .offset = offsetof(struct options, too_long),
	  .help = "of longer articles: keep max_words words (the share of answers to such is the score "
		  "input_cut), or leave them out" },
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
	size_t article_from;
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

/* Apply max_words, and say in the log what that did. */
static int shorten(const struct lsb_host *host, struct lsb_workload *w, struct lsb_error *err)
{
	const struct options *o = w->options;
	const size_t n = w->set.n;
	size_t n_long;
	char line[160];

	if (!o->max_words)
		return LSB_OK;
	n_long = lsb_dataset_shorten(&w->set, (size_t)o->max_words, o->too_long == LEAVE_OUT);
	(void)snprintf(line, sizeof(line), "%zu of %zu articles have more than %lld words and are %s", n_long,
		       n, (long long)o->max_words, o->too_long == LEAVE_OUT ? "left out" : "cut");
	host->log(host->context, LSB_LOG_INFO, line);
	if (w->set.n == 0)
		return lsb_fail(
			err, LSB_EINVAL, 0,
			"all %zu articles have more than max_words = %lld words and long = skip leaves "
			"them out",
			n, (long long)o->max_words);
	return LSB_OK;
}

static int summarize_open(const struct lsb_host *host, const void *filled, struct lsb_workload **out,
			  struct lsb_error *err)
{
	const struct options *o = filled;
	struct lsb_workload *w;
	int rc;

	if (o->max_tokens && o->too_long == LEAVE_OUT)
		return lsb_fail(
			err, LSB_EINVAL, 0,
			"long = skip goes by max_words: a workload knows no tokens, so what has more than "
			"max_tokens can only be cut");
	if (o->preset && (strcmp(o->instruction, INSTRUCTION) != 0 || *o->system))
		return lsb_fail(err, LSB_EINVAL, 0,
				"a preset brings its own prompt: leave `instruction` and `system` alone");
	w = calloc(1, sizeof(*w));
	if (!w)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the workload");
	w->options = o;
	rc = lsb_dataset_open(&w->set, o->data, err);
	if (rc == LSB_OK)
		rc = shorten(host, w, err);
	if (rc == LSB_OK)
		w->prompts = calloc(w->set.n, sizeof(*w->prompts));
	if (rc == LSB_OK && !w->prompts)
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for the prompts");
	if (rc) {
		summarize_close(w);
		return rc;
	}
	*out = w;
	return LSB_OK;
}

static uint64_t summarize_count(const struct lsb_workload *w)
{
	const uint64_t limit = (uint64_t)w->options->limit;

	return limit && limit < w->set.n ? limit : w->set.n;
}

/* The article within what stands around it; malloc'ed. It begins at *from. */
static char *prompt_text(const struct options *o, const char *article, size_t *from)
{
	const struct preset *preset = &presets[o->preset];
	const char *before = preset->before ? preset->before : o->instruction;
	const char *between = !preset->before && *before ? "\n\n" : "";
	const size_t bytes = strlen(before) + strlen(between) + strlen(article) + strlen(preset->behind) + 1;
	char *text = malloc(bytes);

	*from = strlen(before) + strlen(between);
	if (text)
		(void)snprintf(text, bytes, "%s%s%s%s", before, between, article, preset->behind);
	return text;
}

/*
 * Whether the article was cut, and what lsbench may cut of it; one of before there were limits is not told.
 */
static void tell_limits(const struct lsb_workload *w, const struct lsb_item *item, size_t from,
			struct lsb_request *out)
{
	const int64_t own = w->options->max_tokens;

	if (out->struct_size < sizeof(*out))
		return;
	out->was_cut = item->is_cut;
	out->max_prompt = own ? (uint32_t)own : presets[w->options->preset].max_prompt;
	out->cut_from = from;
	out->cut_bytes = strlen(item->article);
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
		prompt->text = prompt_text(w->options, item->article, &prompt->article_from);
	if (!prompt->text)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the prompt of item '%s'", item->id);
	out->id = item->id;
	tell_limits(w, item, prompt->article_from, out);
	out->max_new = item->max_new ? item->max_new : presets[w->options->preset].max_new;
	if (w->options->preset) {
		out->text = prompt->text;
		return LSB_OK;
	}
	if (*w->options->system)
		prompt->turns[n++] = (struct lsb_turn){ "system", w->options->system };
	prompt->turns[n++] = (struct lsb_turn){ "user", prompt->text };
	out->turns = prompt->turns;
	out->n_turns = n;
	return LSB_OK;
}

static int summarize_score(struct lsb_workload *w, const struct lsb_answer *answer, struct lsb_metric *scores,
			   size_t *n, struct lsb_error *err)
{
	const struct lsb_item *item = answer->index < w->set.n ? &w->set.items[answer->index] : NULL;
	const char *reference = answer->reference || !item ? answer->reference : item->reference;
	struct lsb_rouge rouge;

	*n = 0;
	if (!reference) /* nothing to compare with */
		return LSB_OK;
	if (lsb_rouge(reference, answer->text, w->options->stem != 0, &rouge))
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory to score answer %llu",
				(unsigned long long)answer->index);
	scores[(*n)++] = (struct lsb_metric){ "rouge1", "1", rouge.rouge1.f };
	scores[(*n)++] = (struct lsb_metric){ "rouge2", "1", rouge.rouge2.f };
	scores[(*n)++] = (struct lsb_metric){ "rougeL", "1", rouge.rougeL.f };
	scores[(*n)++] = (struct lsb_metric){ "rougeLsum", "1", rouge.rougeLsum.f };
	if (w->options->max_words && w->options->too_long != LEAVE_OUT)
		scores[(*n)++] = (struct lsb_metric){ "input_cut", "1", item ? item->is_cut : 0 };
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
	.version = "1.1",
	.summary = "Summarise articles, judged by ROUGE",
	.options = options,
	.options_size = sizeof(struct options),
	.ops = { .workload = &ops },
};
