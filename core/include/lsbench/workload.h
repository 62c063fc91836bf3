/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workload plugin: what is asked of the model, and how answers are judged.
 *
 *	open -> count -> get(0..n-1) ... score(answer) ... -> close
 *
 * A workload is pure: equal options give equal requests and equal scores, on
 * every rank, host and day. It never sees a token or a clock; lsbench applies
 * the chat template, tokenises through the backend and cuts what is too long. Requests are fetched
 * before the timed run and answers are scored after it, so nothing here is hot.
 */
#ifndef LSBENCH_WORKLOAD_H
#define LSBENCH_WORKLOAD_H

#include "lsbench/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct lsb_host;
struct lsb_workload; /* the plugin's own; lsbench only passes it back */

#define LSB_SCORES_MAX 16u

/*
 * One request: either a chat (n_turns > 0) that goes through the model's chat
 * template, or a plain text (in which special tokens' text means those tokens), or
 * `prompt_tokens` arbitrary tokens for load without meaning. The turns and all
 * strings are the workload's and live until its close.
 */
struct lsb_request {
	size_t struct_size;
	const char *id; /* unique within the workload; never NULL */
	const struct lsb_turn *turns;
	const char *text; /* NULL if turns are given */
	uint32_t n_turns;
	uint32_t prompt_tokens; /* used when turns and text are absent */
	uint32_t max_new;	/* new-token limit, where smaller than the case's; 0: the case's */
	uint32_t reserved;	/* 0 */
	uint64_t arrival_ns;	/* after the start of the run, ascending with the index; 0: at once */

	/*
	 * A limit of the prompt's tokens, template and all. lsbench keeps it, since it
	 * has the tokenizer: of a longer prompt cut_bytes bytes from cut_from on, of
	 * `text` or of the last turn's text, are shortened from their end until the rest
	 * fits. A request that does not fit even without them fails. Members that
	 * struct_size does not reach are not known to that lsbench.
	 */
	uint32_t max_prompt; /* tokens; 0: no limit */
	uint32_t was_cut;    /* 1: the workload itself has shortened what it asks of this item */
	uint64_t cut_from, cut_bytes;
};

/* An answer to judge. */
struct lsb_answer {
	size_t struct_size;
	uint64_t index;	       /* of the request, as given to get() */
	const char *text;      /* what the model said; may end inside a character; never NULL */
	const char *reference; /* NULL: the workload's own reference for `index` */
};

struct lsb_workload_ops {
	size_t struct_size;

	/*
	 * Read and check everything; `options` lives as long as the handle. On
	 * success *out is set; on failure nothing is left behind. [main]
	 */
	int (*open)(const struct lsb_host *host, const void *options, struct lsb_workload **out,
		    struct lsb_error *err);

	/* How many distinct requests there are, at least 1; lsbench asks for index modulo this. [main] */
	uint64_t (*count)(const struct lsb_workload *w);

	/*
	 * Request `index` < count. Pure in the options and the index; asked for in
	 * any order, and more than once. *out comes zeroed but for its size. [main]
	 */
	int (*get)(struct lsb_workload *w, uint64_t index, struct lsb_request *out, struct lsb_error *err);

	/* Give everything back. NULL is fine. [main] */
	void (*close)(struct lsb_workload *w);

	/* --- optional, NULL: not supported -------------------------------- */

	/*
	 * Judge one answer: up to LSB_SCORES_MAX metrics into `scores`, which has
	 * room for so many, their number into *n; always the same names in the
	 * same order, or none where there is nothing to compare with. lsbench
	 * reports each metric's mean over the answers that have it. [main]
	 */
	int (*score)(struct lsb_workload *w, const struct lsb_answer *answer, struct lsb_metric *scores,
		     size_t *n, struct lsb_error *err);
};

#ifdef __cplusplus
}
#endif
#endif
