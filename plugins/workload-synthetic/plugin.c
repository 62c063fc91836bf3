/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workload-synthetic: requests of exact lengths and no meaning, as other
 * benchmark tools make them: pp prompt tokens, then tg new ones. The tokens are
 * lsbench's arbitrary ids; there is nothing to judge.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lengths.h"
#include "lsbench/plugin.h"

enum {
	PROMPT_MAX = 1 << 20, /* as long as a context can be */
	NEW_MAX = 131072,     /* as max_new of a case */
	ID_BYTES = 48,
	PROMPT_STREAM = 1,
	NEW_STREAM = 2,
};

struct options {
	const char *pp, *tg;
	int64_t requests, seed;
};

static const struct lsb_option options[] = {
	{ .name = "pp",
	  .type = LSB_OPT_STRING,
	  .def = "512",
	  .unit = "tokens",
	  .offset = offsetof(struct options, pp),
	  .help = "prompt tokens of a request: N, LO..HI, normal MEAN SD [LO..HI], lognormal MEAN SD "
		  "[LO..HI], list A B C" },
	{ .name = "tg",
	  .type = LSB_OPT_STRING,
	  .def = "0",
	  .unit = "tokens",
	  .offset = offsetof(struct options, tg),
	  .help = "new tokens of a request, in the same words; at most the case's max_new, which 0 stands "
		  "for; exact with stop = length" },
	{ .name = "requests",
	  .type = LSB_OPT_INT,
	  .def = "1024",
	  .unit = "requests",
	  .min = 1,
	  .max = 1 << 20,
	  .offset = offsetof(struct options, requests),
	  .help = "distinct ones; then they come again" },
	{ .name = "seed",
	  .type = LSB_OPT_INT,
	  .def = "1",
	  .min = 0,
	  .max = 9e15,
	  .offset = offsetof(struct options, seed),
	  .help = "of the lengths that are drawn" },
	{ 0 },
};

struct lsb_workload {
	const struct options *options;
	struct lsb_lengths prompt, fresh;
	int has_fresh;	       /* else the case alone says how many new tokens */
	char (*ids)[ID_BYTES]; /* [requests], made when asked for */
};

static void synthetic_close(struct lsb_workload *w)
{
	if (!w)
		return;
	free(w->ids);
	free(w);
}

static int synthetic_open(const struct lsb_host *host, const void *filled, struct lsb_workload **out,
			  struct lsb_error *err)
{
	struct lsb_workload *w = calloc(1, sizeof(*w));
	int rc;

	(void)host;
	if (!w)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the workload");
	w->options = filled;
	w->has_fresh = strcmp(w->options->tg, "0") != 0;
	rc = lsb_lengths_parse("pp", w->options->pp, PROMPT_MAX, &w->prompt, err);
	if (rc == LSB_OK && w->has_fresh)
		rc = lsb_lengths_parse("tg", w->options->tg, NEW_MAX, &w->fresh, err);
	if (rc == LSB_OK)
		w->ids = calloc((size_t)w->options->requests, sizeof(*w->ids));
	if (rc == LSB_OK && !w->ids)
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for %lld requests",
			      (long long)w->options->requests);
	if (rc) {
		synthetic_close(w);
		return rc;
	}
	*out = w;
	return LSB_OK;
}

static uint64_t synthetic_count(const struct lsb_workload *w)
{
	return (uint64_t)w->options->requests;
}

static int synthetic_get(struct lsb_workload *w, uint64_t index, struct lsb_request *out,
			 struct lsb_error *err)
{
	const uint64_t seed = (uint64_t)w->options->seed;

	if (index >= synthetic_count(w))
		return lsb_fail(err, LSB_EINVAL, 0, "there is no request %llu", (unsigned long long)index);
	out->prompt_tokens = lsb_lengths_at(&w->prompt, seed, PROMPT_STREAM, index);
	out->max_new = w->has_fresh ? lsb_lengths_at(&w->fresh, seed, NEW_STREAM, index) : 0;
	(void)snprintf(w->ids[index], sizeof(w->ids[index]), "%llu-pp%u-tg%u", (unsigned long long)index,
		       out->prompt_tokens, out->max_new);
	out->id = w->ids[index];
	return LSB_OK;
}

static const struct lsb_workload_ops ops = {
	.struct_size = sizeof(ops),
	.open = synthetic_open,
	.count = synthetic_count,
	.get = synthetic_get,
	.close = synthetic_close,
};

LSB_EXPORT const struct lsb_plugin lsb_plugin_v1 = {
	LSB_PLUGIN_HEADER,
	.kind = LSB_WORKLOAD,
	.name = "synthetic",
	.version = "1.0",
	.summary = "Requests of exact or drawn lengths, to measure speed alone",
	.options = options,
	.options_size = sizeof(struct options),
	.ops = { .workload = &ops },
};
