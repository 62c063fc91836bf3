/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What follows from other keys of a case, and what contradicts them.
 */
#include <string.h>

#include "suite/parts.h"

const char *lsb_derive_default(const char *key, const struct lsb_given *g)
{
	if (strcmp(key, "nodes") == 0)
		return "${= stages * replicas}";
	if (strcmp(key, "stages") == 0) {
		if (g->nodes && (g->kind != LSB_CASE_REPLICA || g->replicas))
			return "${= nodes / replicas}";
		return "1";
	}
	if (strcmp(key, "replicas") == 0)
		return g->nodes && (g->stages || g->kind == LSB_CASE_REPLICA) ? "${= nodes / stages}" : "1";
	if (strcmp(key, "distinct") == 0)
		return g->kind == LSB_CASE_WEAK ? "${= prompts / nodes}" : "${prompts}";
	return NULL;
}

/* Where `key` of the point was written, or the case when it was not. */
static struct lsb_place_in_suite place_of(const struct lsb_source *source, const struct lsb_case *c,
					  const char *key)
{
	for (size_t i = 0; i < c->bindings.n; i++)
		if (strcmp(c->bindings.items[i].key, key) == 0)
			return c->bindings.items[i].at;
	return lsb_source_place(source, c->section->line);
}

static int knows_case(const struct lsb_source *source, const char *name)
{
	for (size_t i = 0; i < source->n_cases; i++)
		if (strcmp(source->cases[i].name, name) == 0)
			return 1;
	return 0;
}

static void check_baseline(const struct lsb_source *source, const struct lsb_case *c,
			   const struct lsb_point *p)
{
	const char *names[256] = { "auto", "none" };
	size_t n = 2;

	if (strcmp(p->baseline, "auto") == 0 || strcmp(p->baseline, "none") == 0 ||
	    knows_case(source, p->baseline))
		return;
	for (size_t i = 0; i < source->n_cases && n < 256; i++)
		names[n++] = source->cases[i].name;
	lsb_diagnose_unknown(source->diag, place_of(source, c, "baseline"), "unknown baseline", p->baseline,
			     names, n);
}

static void check_shape(const struct lsb_source *source, const struct lsb_case *c, const struct lsb_point *p)
{
	if ((uint64_t)p->stages * p->replicas != p->nodes)
		lsb_diagnose(source->diag, place_of(source, c, "nodes"),
			     "nodes = %u is not stages x replicas = %u x %u", p->nodes, p->stages,
			     p->replicas);
	if (p->n_split && p->n_split != p->stages)
		lsb_diagnose(source->diag, place_of(source, c, "split"),
			     "split names %u stages, the pipeline has %u", p->n_split, p->stages);
	if (p->kind == LSB_CASE_LINK && p->nodes < 2)
		lsb_diagnose(source->diag, place_of(source, c, "nodes"),
			     "kind = link measures between ranks: it needs nodes = 2 or more");
}

static int has_rate_and_limit(const struct lsb_point *p)
{
	return (strncmp(p->arrivals, "fixed:", 6) == 0 || strncmp(p->arrivals, "poisson:", 8) == 0) &&
	       (p->slo_ttft_ns || p->slo_tpot_ns || p->slo_e2e_ns);
}

void lsb_derive_check(const struct lsb_source *source, const struct lsb_case *c, const struct lsb_point *p)
{
	check_shape(source, c, p);
	check_baseline(source, c, p);
	if (!p->model && p->kind != LSB_CASE_LINK)
		lsb_diagnose(source->diag, lsb_source_place(source, c->section->line),
			     "case '%s' has no model (write model = FILE.gguf under [defaults])", c->name);
	if (p->kind == LSB_CASE_WEAK && p->prompts % p->nodes)
		lsb_diagnose(source->diag, place_of(source, c, "prompts"),
			     "kind = weak: prompts = %u is not a multiple of nodes = %u (write prompts = ${= "
			     "nodes*5})",
			     p->prompts, p->nodes);
	if (p->distinct > p->prompts)
		lsb_diagnose(source->diag, place_of(source, c, "distinct"),
			     "distinct = %u is more than prompts = %u", p->distinct, p->prompts);
	if (strcmp(p->arrivals, "closed") != 0 && p->kind != LSB_CASE_INFER && p->kind != LSB_CASE_LINK)
		lsb_diagnose(
			source->diag, place_of(source, c, "arrivals"),
			"arrivals = %s: a run that waits for its requests takes as long as they do, so no "
			"scaling follows from it (write kind = infer)",
			p->arrivals);
	if (strcmp(p->arrivals, "trace") == 0 && p->distinct < p->prompts)
		lsb_diagnose(
			source->diag, place_of(source, c, "distinct"),
			"arrivals = trace takes the times of the workload's items, and distinct = %u asks "
			"them again for prompts = %u",
			p->distinct, p->prompts);
	if (strcmp(p->search, "knee") == 0 && !has_rate_and_limit(p))
		lsb_diagnose(source->diag, place_of(source, c, "search"),
			     "search = knee needs a limit (slo.ttft, slo.tpot or slo.e2e) and rates to "
			     "search among "
			     "(sweep.arrivals = poisson:1/s, poisson:2/s, ...)");
	if (p->max_reps < p->reps)
		lsb_diagnose(source->diag, place_of(source, c, "max_reps"),
			     "max_reps = %u is below reps = %u", p->max_reps, p->reps);
	if (p->stall_timeout_ns > p->timeout_ns)
		lsb_diagnose(source->diag, place_of(source, c, "stall_timeout"),
			     "stall_timeout is longer than timeout, so it would never be reached (set it at "
			     "most as long)");
	if (p->hosts && p->n_hosts < p->nodes)
		lsb_diagnose(source->diag, place_of(source, c, "hosts"),
			     "the hosts take %zu ranks, nodes = %u (write NAME:N to place N ranks on a host)",
			     p->n_hosts, p->nodes);
	if (!p->hosts && strcmp(p->launcher, "ssh") == 0)
		lsb_diagnose(source->diag, place_of(source, c, "launcher"),
			     "launcher = ssh needs hosts = X and a section [hosts X]");
}
