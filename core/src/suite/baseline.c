/* SPDX-License-Identifier: Apache-2.0 */
#include "suite/baseline.h"

#include <string.h>

static int same_plugin(const struct lsb_point_plugin *a, const struct lsb_point_plugin *b)
{
	if (strcmp(a->name, b->name) != 0 || a->n_options != b->n_options)
		return 0;
	/* options are sorted by name */
	for (size_t i = 0; i < a->n_options; i++)
		if (strcmp(a->options[i].name, b->options[i].name) != 0 ||
		    strcmp(a->options[i].value, b->options[i].value) != 0)
			return 0;
	return 1;
}

static int same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* Everything but nodes, batch, in_flight, threads, prompts and the link between ranks. */
static int same_question(const struct lsb_point *a, const struct lsb_point *b)
{
	return a->stop == b->stop && a->distinct == b->distinct && a->max_new == b->max_new &&
	       a->chunk == b->chunk && a->context == b->context && a->temperature == b->temperature &&
	       a->top_p == b->top_p && a->top_k == b->top_k && a->seed == b->seed && a->warmup == b->warmup &&
	       same_text(a->model, b->model) && same_text(a->arrivals, b->arrivals) &&
	       same_plugin(&a->backend, &b->backend) && same_plugin(&a->workload, &b->workload);
}

/* What a candidate must have, beside the same question. */
struct wanted {
	uint32_t nodes, batch, in_flight, threads, prompts; /* in_flight 0: any */
	const char *case_name;				    /* NULL: any */
	const struct lsb_point_plugin *transport;	    /* NULL: any */
};

static ptrdiff_t search(const struct lsb_point *points, size_t n, const struct lsb_point *p,
			const struct wanted *want)
{
	ptrdiff_t best = -1;

	for (size_t i = 0; i < n; i++) {
		const struct lsb_point *c = &points[i];
		const struct lsb_point *b = best >= 0 ? &points[best] : NULL;
		const int own = strcmp(c->case_name, p->case_name) == 0;

		if (c->kind == LSB_CASE_LINK || c->nodes != want->nodes || c->batch != want->batch ||
		    (want->in_flight && c->in_flight != want->in_flight) || c->threads != want->threads ||
		    c->prompts != want->prompts || !same_question(c, p) ||
		    (c->batch > 1 && c->batching != p->batching) || /* one slot is refilled either way */
		    (want->case_name && strcmp(c->case_name, want->case_name) != 0) ||
		    (want->transport && !same_plugin(&c->transport, want->transport)))
			continue;
		if (b && strcmp(b->case_name, p->case_name) == 0 && !own)
			continue;
		if (b && (strcmp(b->case_name, p->case_name) == 0) == own && b->in_flight <= c->in_flight)
			continue;
		best = (ptrdiff_t)i;
	}
	return best;
}

struct lsb_baselines lsb_baselines_find(const struct lsb_point *points, size_t n, size_t index)
{
	const struct lsb_point *p = &points[index];
	struct lsb_baselines out = { -1, -1, -1, -1 };
	struct wanted want = { .nodes = 1, .batch = p->batch, .threads = p->threads, .prompts = p->prompts };

	if (p->kind == LSB_CASE_LINK)
		return out;
	if (strcmp(p->baseline, "none") != 0) {
		if (strcmp(p->baseline, "auto") != 0)
			want.case_name = p->baseline;
		if (p->kind == LSB_CASE_WEAK)
			want.prompts = p->prompts / p->nodes;
		out.equal_batch = search(points, n, p, &want);

		want.threads = p->nodes * p->threads;
		out.equal_cores = search(points, n, p, &want);

		want.threads = p->threads;
		want.batch = p->batch * p->in_flight * p->replicas; /* as many sequences at once, over all */
		want.in_flight = 1;
		out.equal_concurrency = search(points, n, p, &want);
	}
	if (p->batch == 1) {
		out.batch_one = (ptrdiff_t)index;
		return out;
	}
	want = (struct wanted){ .nodes = p->nodes, .batch = 1, .threads = p->threads, .prompts = p->prompts };
	want.in_flight = p->in_flight;
	want.transport = p->nodes > 1 ? &p->transport : NULL;
	out.batch_one = search(points, n, p, &want);
	if (out.batch_one < 0) {
		want.in_flight = 0;
		out.batch_one = search(points, n, p, &want);
	}
	return out;
}
