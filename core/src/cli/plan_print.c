/* SPDX-License-Identifier: Apache-2.0 */
/* A plan for people, and for programs. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "cli/plan.h"
#include "launch/memory.h"
#include "suite/baseline.h"

static uint64_t count_launches(const struct lsb_suite *suite, int most)
{
	uint64_t n = 0;

	for (size_t i = 0; i < suite->n_points; i++)
		n += most ? suite->points[i].max_reps : suite->points[i].reps;
	return n;
}

/*
 * Of the launches of p, the share that is made at most: of n rates of a case a search tries log2(n + 1)
 * once, and two of them with all repetitions.
 */
static double share_launched(const struct lsb_suite *suite, const struct lsb_point *p)
{
	double points = 0, same_rate = 0, rates;

	if (strcmp(p->search, "knee") != 0)
		return 1;
	for (size_t i = 0; i < suite->n_points; i++) {
		const struct lsb_point *q = &suite->points[i];

		if (strcmp(q->case_name, p->case_name) != 0)
			continue;
		points++;
		same_rate += strcmp(q->arrivals, p->arrivals) == 0;
	}
	rates = points / same_rate;
	return fmin(1, (ceil(log2(rates + 1)) + fmin(rates, 2) * (p->reps - 1.0)) / (rates * p->reps));
}

/* Launches of all points, at most, as `search = knee` leaves some out. */
static double searched_launches(const struct lsb_suite *suite)
{
	double n = 0;

	for (size_t i = 0; i < suite->n_points; i++)
		n += suite->points[i].reps * share_launched(suite, &suite->points[i]);
	return n;
}

/* Seconds of all launches; -1 when one of them is not known. */
static double total_seconds(const struct lsb_suite *suite, const struct lsb_plan_facts *facts)
{
	double sum = 0;

	for (size_t i = 0; i < suite->n_points; i++) {
		const struct lsb_point *p = &suite->points[i];

		if (facts[i].seconds < 0)
			return -1;
		sum += facts[i].seconds * p->reps * share_launched(suite, p);
	}
	return sum;
}

/* --- text ------------------------------------------------------------- */

static void print_bytes(uint64_t bytes)
{
	if (bytes >= 1u << 30)
		printf("%.2f GiB", (double)bytes / (1u << 30));
	else
		printf("%.1f MiB", (double)bytes / (1u << 20));
}

/* Factors in lines of about 100 columns; with `origins` every value, one a line, and its place. */
static void print_values(const struct lsb_point *p, int origins)
{
	size_t column = 0;

	for (size_t i = 0; i < p->n_values; i++) {
		const struct lsb_point_value *v = &p->values[i];
		const size_t width = strlen(v->key) + strlen(v->value) + 2;

		if (origins) {
			printf("    %-18s %-32s %s\n", v->key, *v->value ? v->value : "(empty)", v->where);
			continue;
		}
		if (!v->is_factor)
			continue;
		if (column == 0 || column + width > 100) {
			printf("%s   ", column ? "\n" : "");
			column = 3;
		}
		printf(" %s=%s", v->key, v->value);
		column += width;
	}
	if (!origins)
		putchar('\n');
}

/* Static groups stay whole: where there are fewer than stages, nothing can overlap but their prompts. */
static void print_groups(const struct lsb_point *p)
{
	const uint32_t requests = (p->prompts + p->replicas - 1) / p->replicas;
	const uint32_t groups = (requests + p->batch - 1) / p->batch;

	if (p->batching == LSB_BATCHING_STATIC && groups < p->stages)
		printf("    NOTE: %u prompts make %u group%s of up to %u for %u stages: some stages always "
		       "stand "
		       "idle; to keep all at work takes at least %" PRIu64 " prompts\n",
		       requests, groups, groups == 1 ? "" : "s", p->batch, p->stages,
		       (uint64_t)p->batch * p->stages * p->replicas);
}

static void print_shape(const struct lsb_point *p, const struct lsb_plan_facts *f)
{
	printf("    prompts: %u to %u tokens, mean %.1f; %s %u", f->prompt_min_tok, f->prompt_max_tok,
	       f->prompt_mean_tok, p->stop == LSB_STOP_LENGTH ? "exactly" : "at most", f->generated_min_tok);
	if (f->generated_max_tok > f->generated_min_tok)
		printf(" to %u new tokens, mean %.1f\n", f->generated_max_tok, f->generated_mean_tok);
	else
		puts(" new tokens each");
	printf("    layers:");
	for (uint32_t s = 0; s < p->stages; s++)
		printf("%s %u (%.3g GMAC a request)", s ? " +" : "", f->layers[s], f->stage_mac[s] / 1e9);
	if (p->stages > 1 && !p->split)
		printf(", by arithmetic; a run times them first");
	printf("\n    KV cache: %u slots of %" PRIu64 " positions;", p->batch * p->in_flight, f->context);
	for (uint32_t s = 0; s < p->stages; s++) {
		printf("%s ", s ? "," : "");
		print_bytes(f->kv_bytes_per_layer * f->layers[s]);
	}
	puts(p->stages > 1 ? " on the ranks of each pipeline" : " on each rank");
	if (f->memory_bytes) {
		fputs("    memory: at least ", stdout);
		print_bytes(f->memory_bytes);
		fputs(" of weights and cache on all ranks; this machine has ", stdout);
		print_bytes(lsb_machine_memory());
		puts(f->memory_bytes > lsb_machine_memory() ? ": DOES NOT FIT, and will be refused" : "");
	}
	if (f->context < f->wanted_context)
		printf("    TOO SMALL: context = %" PRIu64 ", the longest request needs %" PRIu64 "\n",
		       f->context, f->wanted_context);
	if (f->prompts_cut)
		printf("    NOTE: %u of %u prompts are cut to the workload's limits of its input\n",
		       f->prompts_cut, p->prompts);
	if (f->cut_max_new)
		printf("    NOTE: the workload asks for up to %" PRId64
		       " new tokens, which max_new = %u cuts\n",
		       f->cut_max_new, p->max_new);
	if (f->model_context && f->context > f->model_context)
		printf("    NOTE: the model was trained for %" PRIu64 " positions\n", f->model_context);
	print_groups(p);
}

static void print_baselines(const struct lsb_suite *suite, size_t i)
{
	const struct lsb_baselines b = lsb_baselines_find(suite->points, suite->n_points, i);
	const struct {
		const char *what;
		ptrdiff_t index;
	} rows[] = { { "one node, equal batch", b.equal_batch },
		     { "one node, equal concurrency", b.equal_concurrency },
		     { "one node, equal cores", b.equal_cores },
		     { "batch 1, equal nodes", b.batch_one } };
	int any = 0;

	for (size_t r = 0; r < LSB_COUNT(rows); r++) {
		if (rows[r].index < 0 || (size_t)rows[r].index == i)
			continue;
		printf("%s%s: '%s'", any++ ? "; " : "    against ", rows[r].what,
		       suite->points[rows[r].index].label);
	}
	if (any)
		putchar('\n');
}

static void print_seconds(double s)
{
	if (s < 0)
		fputs("unknown", stdout);
	else if (s < 90)
		printf("%.3g s", s);
	else
		printf("%.3g min", s / 60);
}

void lsb_plan_print_text(const struct lsb_suite *suite, const struct lsb_plan_facts *facts,
			 const struct lsb_plan_rate *rate, int origins)
{
	printf("%s: %s\n", suite->name, suite->title);
	printf("%zu point%s, %" PRIu64 " launch%s", suite->n_points, suite->n_points == 1 ? "" : "s",
	       count_launches(suite, 0), count_launches(suite, 0) == 1 ? "" : "es");
	if (count_launches(suite, 1) > count_launches(suite, 0))
		printf(" (up to %" PRIu64 ", while intervals are wide)", count_launches(suite, 1));
	if (searched_launches(suite) < (double)count_launches(suite, 0))
		printf(" (of which search = knee makes at most %.0f)", searched_launches(suite));
	printf(", %s, seed of the order %" PRIu64 "\n", suite->points[0].order, suite->points[0].seed);
	for (size_t i = 0; i < suite->n_points; i++) {
		const struct lsb_point *p = &suite->points[i];

		printf("\n%s  [%s]  %u launch%s", p->label, p->id, p->reps, p->reps == 1 ? "" : "es");
		if (p->max_reps > p->reps)
			printf(", up to %u", p->max_reps);
		putchar('\n');
		print_values(p, origins);
		if (*facts[i].waived)
			printf("    waived: %s\n", facts[i].waived);
		else if (facts[i].why_launcher)
			printf("    launched by %s: %s\n", facts[i].launcher, facts[i].why_launcher);
		if (facts[i].layers)
			print_shape(p, &facts[i]);
		print_baselines(suite, i);
		if (facts[i].layers) {
			const int is_waiting =
				facts[i].seconds >= 0 && facts[i].seconds <= facts[i].arrivals_s;

			printf("    computing: %.4g GMAC a launch, %s", facts[i].mac / 1e9,
			       is_waiting && facts[i].arrivals_s > 0 ? "whose requests arrive for " : "");
			print_seconds(facts[i].seconds);
			putchar('\n');
		}
	}
	fputs("\nestimated time of all launches: ", stdout);
	print_seconds(total_seconds(suite, facts));
	printf(" (%s)\n", rate->basis);
}

/* --- JSON ------------------------------------------------------------- */

static json_t *text_or_null(const char *text)
{
	json_t *value = text ? json_string(text) : NULL;

	return value ? value : json_null();
}

static json_t *describe_baselines(const struct lsb_suite *suite, size_t i)
{
	const struct lsb_baselines b = lsb_baselines_find(suite->points, suite->n_points, i);
	json_t *out = json_object();

#define ID(index) text_or_null((index) < 0 ? NULL : suite->points[index].id)
	json_object_set_new(out, "equal_batch", ID(b.equal_batch));
	json_object_set_new(out, "equal_concurrency", ID(b.equal_concurrency));
	json_object_set_new(out, "equal_cores", ID(b.equal_cores));
	json_object_set_new(out, "batch_one", ID(b.batch_one));
#undef ID
	return out;
}

static void describe_shape(const struct lsb_point *p, const struct lsb_plan_facts *f, json_t *out)
{
	json_t *layers = json_array(), *macs = json_array(), *cache = json_array();

	for (uint32_t s = 0; s < p->stages; s++) {
		json_array_append_new(layers, json_integer(f->layers[s]));
		json_array_append_new(macs, json_real(f->stage_mac[s]));
		json_array_append_new(cache,
				      json_integer((json_int_t)(f->kv_bytes_per_layer * f->layers[s])));
	}
	json_object_set_new(out, "model_name", text_or_null(f->model_name));
	json_object_set_new(out, "layers", layers);
	json_object_set_new(out, "stage_mac_per_request", macs);
	json_object_set_new(out, "kv_bytes", cache);
	json_object_set_new(out, "memory_bytes", json_integer((json_int_t)f->memory_bytes));
	json_object_set_new(out, "context", json_integer((json_int_t)f->context));
	json_object_set_new(out, "prompt_tokens",
			    json_pack("{s:i, s:f, s:i}", "min", (int)f->prompt_min_tok, "mean",
				      f->prompt_mean_tok, "max", (int)f->prompt_max_tok));
	json_object_set_new(out, "prompts_cut", json_integer(f->prompts_cut));
	json_object_set_new(out, "generated_tokens_mean", json_real(f->generated_mean_tok));
	json_object_set_new(out, "mac", json_real(f->mac));
}

static json_t *describe_point(const struct lsb_suite *suite, size_t i, const struct lsb_plan_facts *f,
			      int origins)
{
	const struct lsb_point *p = &suite->points[i];
	json_t *params = json_object(), *places = json_object(), *out;

	for (size_t v = 0; v < p->n_values; v++) {
		if (p->values[v].is_factor)
			json_object_set_new(params, p->values[v].key, text_or_null(p->values[v].value));
		json_object_set_new(places, p->values[v].key, text_or_null(p->values[v].where));
	}
	out = json_pack("{s:s, s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "id", p->id, "case",
			p->case_name, "label", p->label, "params", params, "nodes", (json_int_t)p->nodes,
			"stages", (json_int_t)p->stages, "replicas", (json_int_t)p->replicas, "batch",
			(json_int_t)p->batch, "in_flight", (json_int_t)p->in_flight, "concurrency",
			(json_int_t)p->batch * p->in_flight, "launches", (json_int_t)p->reps);
	if (origins)
		json_object_set(out, "origins", places);
	json_decref(places);
	json_object_set_new(out, "baselines", describe_baselines(suite, i));
	json_object_set_new(out, "launcher", text_or_null(f->launcher));
	json_object_set_new(out, "launcher_reason", text_or_null(f->why_launcher));
	json_object_set_new(out, "waived", text_or_null(*f->waived ? f->waived : NULL));
	if (f->layers)
		describe_shape(p, f, out);
	json_object_set_new(out, "estimated_s", f->seconds < 0 ? json_null() : json_real(f->seconds));
	return out;
}

int lsb_plan_print_json(const struct lsb_suite *suite, const struct lsb_plan_facts *facts,
			const struct lsb_plan_rate *rate, int origins, struct lsb_error *err)
{
	const double seconds = total_seconds(suite, facts);
	json_t *points = json_array(), *out;
	int failed;

	for (size_t i = 0; i < suite->n_points; i++)
		json_array_append_new(points, describe_point(suite, i, &facts[i], origins));
	out = json_pack("{s:s, s:s, s:I, s:s, s:I, s:o, s:o, s:s}", "suite", suite->name, "title",
			suite->title, "launches", (json_int_t)count_launches(suite, 0), "order",
			suite->points[0].order, "order_seed", (json_int_t)suite->points[0].seed, "points",
			points, "estimated_s", seconds < 0 ? json_null() : json_real(seconds),
			"estimate_basis", rate->basis);
	failed = !out || json_dumpf(out, stdout, JSON_INDENT(2));
	json_decref(out);
	if (failed)
		return lsb_fail(err, LSB_EIO, 0,
				"cannot print the plan as JSON: text that is not UTF-8, or no memory");
	putchar('\n');
	return LSB_OK;
}
