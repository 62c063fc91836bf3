/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "measure/compare_parts.h"
#include "measure/launch_measure.h"
#include "measure/look.h"
#include "measure/outputs.h"
#include "measure/scaling.h"
#include "measure/summary.h"
#include "measure/verdict.h"

#define EQUAL_WORK 0.005 /* relative difference in tokens that still counts as the same work */

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

/* --- what forbids a verdict ------------------------------------------------------------ */

/* Why two points may differ by more than what is asked about, or NULL. `axis` may be NULL. */
static json_t *confounded(const struct lsb_pair *pair, const char *axis)
{
	const char *wait_a = lsb_wait_mode_told(pair->a), *wait_b = lsb_wait_mode_told(pair->b);

	if (strcmp(text(pair->a, "launcher"), text(pair->b, "launcher")) != 0 &&
	    !(axis && strcmp(axis, "launcher") == 0))
		return json_sprintf("launched by %s and by %s", text(pair->a, "launcher"),
				    text(pair->b, "launcher"));
	if (json_is_true(json_object_get(pair->a, "pinned")) !=
	    json_is_true(json_object_get(pair->b, "pinned")))
		return json_sprintf("ranks are pinned in %s only",
				    json_is_true(json_object_get(pair->a, "pinned")) ? "A" : "B");
	if (!wait_a || !wait_b) {
		wait_a = text(json_object_get(pair->a, "params"), "transport.wait");
		wait_b = text(json_object_get(pair->b, "params"), "transport.wait");
	}
	if (strcmp(wait_a, wait_b) != 0 && !(axis && strcmp(axis, "transport.wait") == 0))
		return json_sprintf("transport.wait is %s and %s", *wait_a ? wait_a : "the default",
				    *wait_b ? wait_b : "the default");
	return NULL;
}

/* Whether the time of a whole launch hangs on how much work it was. */
static int grows_with_work(const char *metric)
{
	static const char *const names[] = { "run_s", "wall_s", "communication_s", "wait_s" };

	for (size_t i = 0; i < LSB_COUNT(names); i++)
		if (strcmp(metric, names[i]) == 0)
			return 1;
	return strncmp(metric, "e2e_", 4) == 0;
}

static int differ_in_work(const struct lsb_pair *pair)
{
	static const char *const tokens[] = { "prompt_tokens", "generated_tokens" };

	for (size_t i = 0; i < LSB_COUNT(tokens); i++) {
		const double a = lsb_look_median(pair->a, tokens[i]), b = lsb_look_median(pair->b, tokens[i]);

		if (fabs(a - b) > EQUAL_WORK * fmax(a, b))
			return 1;
	}
	return 0;
}

/* true or false where both were asked the same; null where not, or where launches differ. */
static json_t *equal_outputs(const struct lsb_pair *pair)
{
	static const char *const asked[] = { "model", "workload", "prompts",	 "distinct", "max_new",
					     "stop",  "seed",	  "temperature", "top_k",    "top_p" };
	const json_t *pa = json_object_get(pair->a, "params"), *pb = json_object_get(pair->b, "params"),
		     *value;
	const char *a = text(json_object_get(pair->a, "outputs"), "sha256"),
		   *b = text(json_object_get(pair->b, "outputs"), "sha256"), *key;

	for (size_t i = 0; i < LSB_COUNT(asked); i++)
		if (strcmp(text(pa, asked[i]), text(pb, asked[i])) != 0)
			return json_null();
	json_object_foreach((json_t *)(uintptr_t)pa, key, value)
	{
		if (strncmp(key, "workload.", 9) == 0 && !json_equal(value, json_object_get(pb, key)))
			return json_null();
	}
	return *a && *b ? json_boolean(strcmp(a, b) == 0) : json_null();
}

/* What is known of answers that are not equal, `quality` of docs/compare.md; JSON null elsewhere. New
 * reference. */
static json_t *answers_beside(const struct lsb_pair *pair, const struct lsb_compare_run *a,
			      const struct lsb_compare_run *b, const json_t *equal)
{
	const struct lsb_outputs_side mine = { b->header, b->launches, pair->b },
				      theirs = { a->header, a->launches, pair->a };
	json_t *answers = json_is_false(equal) ? lsb_outputs_pair(&mine, &theirs) : NULL;

	return answers ? answers : json_null();
}

/* --- verdicts ---------------------------------------------------------------------------- */

/* What has no verdict, whatever was measured; it counts in no family. */
static void withhold(struct lsb_verdict *v, const char *reason)
{
	*v = (struct lsb_verdict){ .ratio = v->ratio,
				   .sense = v->sense,
				   .n_it = v->n_it,
				   .n_baseline = v->n_baseline,
				   .p = NAN,
				   .p_adjusted = NAN,
				   .method = "",
				   .reason = reason };
}

/*
 * All pairs of one metric: a family. 1 when rounds were paired and are too few for
 * a family of this size: n pairs have p of at least 2^(1 - n), whatever they show.
 */
static int judge_family(const struct lsb_pairs *pairs, const char *metric, int same_run, const char *axis,
			struct lsb_verdict *verdicts)
{
	double least_p = 0, family = 0;

	for (size_t i = 0; i < pairs->n; i++) {
		const struct lsb_pair *pair = &pairs->list[i];
		const int by_round =
			same_run && strcmp(text(json_object_get(pair->a, "params"), "pair_by"), "none") != 0;
		json_t *why = confounded(pair, axis);

		lsb_verdict_points(pair->b, pair->a, metric, by_round, &verdicts[i]);
		if (why)
			withhold(&verdicts[i], "confounded");
		else if (grows_with_work(metric) && differ_in_work(pair))
			withhold(&verdicts[i], "unequal work");
		json_decref(why);
		if (verdicts[i].n_pairs)
			least_p = fmax(least_p, exp2(1 - (double)verdicts[i].n_pairs));
		family += isfinite(verdicts[i].p);
	}
	return least_p * family > LSB_VERDICT_LEVEL;
}

/* Pairs of rounds where they can carry the family, else two samples: sizes decide, not what they show. */
static void judge_metric(const struct lsb_pairs *pairs, const char *metric, int same_run, const char *axis,
			 struct lsb_verdict *verdicts)
{
	if (judge_family(pairs, metric, same_run, axis, verdicts))
		(void)judge_family(pairs, metric, 0, axis, verdicts);
	lsb_verdict_family(verdicts, pairs->n);
}

/* Time of B over time of A, whichever way the metric counts. */
static double cost_ratio(const struct lsb_verdict *v)
{
	return v->sense == LSB_MORE_IS_FASTER ? 1 / v->ratio : v->ratio;
}

struct tally {
	json_int_t faster, slower, none, unknown, failing, differing, broken, other;
};

static void count_verdict(const struct lsb_verdict *v, double threshold, struct tally *t)
{
	t->faster += v->kind == LSB_VERDICT_FASTER;
	t->slower += v->kind == LSB_VERDICT_SLOWER;
	t->unknown += v->kind == LSB_VERDICT_UNKNOWN;
	t->none += v->kind == LSB_VERDICT_NO_DIFFERENCE;
	t->failing += v->kind == LSB_VERDICT_SLOWER && cost_ratio(v) > 1 + threshold;
}

static json_t *metric_json(const struct lsb_pair *pair, const char *metric, const struct lsb_verdict *v)
{
	json_t *out = lsb_verdict_json(v);
	const json_t *a = json_object_get(json_object_get(pair->a, "metrics"), metric),
		     *b = json_object_get(json_object_get(pair->b, "metrics"), metric);

	json_object_set_new(out, "unit", json_string(lsb_metric_unit(metric)));
	json_object_set(out, "a", a ? json_object_get(a, "median") : json_null());
	json_object_set(out, "b", b ? json_object_get(b, "median") : json_null());
	return out;
}

/* Neither point has the metric, and one of them another one that is asked for: it is not of their kind. */
static int is_foreign(const struct lsb_pair *pair, const struct lsb_compare_options *options, size_t which)
{
	const json_t *a = json_object_get(pair->a, "metrics"), *b = json_object_get(pair->b, "metrics");
	const char *metric = options->metrics[which];

	if (json_object_get(a, metric) || json_object_get(b, metric))
		return 0;
	for (size_t i = 0; i < options->n_metrics; i++)
		if (json_object_get(a, options->metrics[i]) || json_object_get(b, options->metrics[i]))
			return 1;
	return 0;
}

static json_t *side_json(const json_t *point)
{
	return json_pack("{s:s, s:s, s:s, s:O, s:O}", "id", text(point, "id"), "label", text(point, "label"),
			 "status", text(point, "status"), "flags", json_object_get(point, "flags"),
			 "launches", json_object_get(point, "launches"));
}

/* `a`, `b`: the runs that the points are of; `same_data`: these asked the same files. */
static json_t *pair_json(const struct lsb_pair *pair, const struct lsb_compare_run *a,
			 const struct lsb_compare_run *b, int same_data, const char *axis,
			 struct tally *tally)
{
	json_t *why = confounded(pair, axis), *outputs = same_data ? equal_outputs(pair) : json_null();
	json_t *answers = answers_beside(pair, a, b, outputs);

	tally->differing += json_is_false(outputs);
	tally->broken +=
		strcmp(text(pair->a, "status"), "ok") == 0 && strcmp(text(pair->b, "status"), "failed") == 0;
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:{}}", "what", pair->what, "a", side_json(pair->a),
			 "b", side_json(pair->b), "confounded", why ? why : json_null(), "outputs_equal",
			 outputs, "answers", answers, "metrics");
}

/* Pairs of which some metric is faster and the answers are other ones, as good as they may be. */
static json_int_t count_other(const json_t *pairs)
{
	const json_t *pair, *metric;
	json_int_t n = 0;
	const char *name;
	size_t i;

	json_array_foreach(pairs, i, pair)
	{
		int is_faster = 0;

		json_object_foreach(json_object_get(pair, "metrics"), name, metric) is_faster |=
			lsb_look_is(metric, "verdict", "faster");
		n += is_faster && json_is_false(json_object_get(pair, "outputs_equal"));
	}
	return n;
}

/* {file: digest} of both runs: by the file's name, as folders are of no matter. */
static const json_t *digest_of(const json_t *files, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)files, key, value)
	{
		const char *other = strrchr(key, '/');

		if (strcmp(other ? other + 1 : key, name) == 0)
			return value;
	}
	return NULL;
}

/* No data file that both name is another one: requests of equal number are of equal text. */
static int ask_the_same(const struct lsb_compare_run *a, const struct lsb_compare_run *b)
{
	const json_t *files = json_object_get(json_object_get(a->header, "provenance"), "data");
	const json_t *others = json_object_get(json_object_get(b->header, "provenance"), "data");
	const char *path;
	json_t *digest;

	json_object_foreach((json_t *)(uintptr_t)files, path, digest)
	{
		const json_t *other = digest_of(others, path);

		if (other && !json_equal(other, digest))
			return 0;
	}
	return 1;
}

/* The "pairs" of the comparison, and what they come to. */
static int judge(const struct lsb_pairs *pairs, const struct lsb_compare_options *options,
		 const struct lsb_compare_run *a, const struct lsb_compare_run *b, json_t *out,
		 struct lsb_error *err)
{
	const int same_run = a == b, same_data = same_run || ask_the_same(a, b);
	struct lsb_verdict *verdicts = calloc(pairs->n + 1, sizeof(*verdicts));
	json_t *list = json_array();
	struct tally tally = { 0 };
	size_t n_axis = options->axis ? strcspn(options->axis, "=") : 0;
	char *axis = options->axis ? strndup(options->axis, n_axis) : NULL;
	int rc = LSB_OK;

	json_object_set_new(out, "pairs", list);
	if (!verdicts || (options->axis && !axis))
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for %zu comparisons", pairs->n);
	for (size_t i = 0; i < pairs->n && rc == LSB_OK; i++)
		json_array_append_new(list, pair_json(&pairs->list[i], a, b, same_data, axis, &tally));
	for (size_t k = 0; k < options->n_metrics && rc == LSB_OK; k++) {
		judge_metric(pairs, options->metrics[k], same_run, axis, verdicts);
		for (size_t i = 0; i < pairs->n; i++) {
			if (is_foreign(&pairs->list[i], options, k))
				continue;
			json_object_set_new(json_object_get(json_array_get(list, i), "metrics"),
					    options->metrics[k],
					    metric_json(&pairs->list[i], options->metrics[k], &verdicts[i]));
			count_verdict(&verdicts[i], options->threshold, &tally);
		}
	}
	tally.other = count_other(list);
	json_object_set_new(out, "verdicts",
			    json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "faster", tally.faster,
				      "slower", tally.slower, "no_difference", tally.none, "unknown",
				      tally.unknown, "slower_beyond_threshold", tally.failing,
				      "outputs_differ", tally.differing, "faster_but_other", tally.other,
				      "broken", tally.broken));
	json_object_set_new(out, "threshold", json_real(options->threshold));
	free(axis);
	free(verdicts);
	return rc;
}

/* --- what else differs ---------------------------------------------------------------------- */

static void add_difference(json_t *differences, const char *what, const json_t *a, const json_t *b)
{
	if (a && b && json_equal(a, b))
		return;
	if (!a && !b)
		return;
	json_array_append_new(differences, json_pack("{s:s, s:O, s:O}", "what", what, "a",
						     a ? a : json_null(), "b", b ? b : json_null()));
}

static void add_files(json_t *differences, const char *kind, const json_t *a, const json_t *b)
{
	const char *path;
	json_t *digest;

	json_object_foreach((json_t *)(uintptr_t)a, path, digest)
	{
		const char *slash = strrchr(path, '/');
		char *what = lsb_format("%s %s", kind, slash ? slash + 1 : path);

		if (what)
			add_difference(differences, what, digest, digest_of(b, path));
		free(what);
	}
	json_object_foreach((json_t *)(uintptr_t)b, path, digest)
	{
		const char *slash = strrchr(path, '/');
		char *what = lsb_format("%s %s", kind, slash ? slash + 1 : path);

		if (what && !digest_of(a, path))
			add_difference(differences, what, NULL, digest);
		free(what);
	}
}

/* Host names of all ranks of a run, once each, as text. New reference. */
static json_t *hosts_of(const json_t *summary)
{
	const json_t *point, *rank;
	json_t *hosts = json_array(), *host;
	size_t i, k, n;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		json_array_foreach(json_object_get(point, "ranks"), k, rank)
		{
			const json_t *its = json_object_get(rank, "host");
			int known = 0;

			json_array_foreach(hosts, n, host) known |= json_equal(host, its);
			if (its && !known)
				json_array_append(hosts, (json_t *)(uintptr_t)its);
		}
	}
	return hosts;
}

static json_t *differences_of(const struct lsb_compare_run *a, const struct lsb_compare_run *b)
{
	static const char *const kinds[][2] = { { "plugins", "plugin" },
						{ "models", "model" },
						{ "data", "data" } };
	const json_t *pa = json_object_get(a->header, "provenance"),
		     *pb = json_object_get(b->header, "provenance");
	json_t *differences = json_array(), *ha = hosts_of(a->summary), *hb = hosts_of(b->summary);

	add_difference(differences, "version", json_object_get(a->header, "version"),
		       json_object_get(b->header, "version"));
	add_difference(differences, "lsbench", json_object_get(pa, "lsbench"),
		       json_object_get(pb, "lsbench"));
	for (size_t i = 0; i < LSB_COUNT(kinds); i++)
		add_files(differences, kinds[i][1], json_object_get(pa, kinds[i][0]),
			  json_object_get(pb, kinds[i][0]));
	add_difference(differences, "hosts", ha, hb);
	json_decref(ha);
	json_decref(hb);
	return differences;
}

/* --- all ------------------------------------------------------------------------------------- */

static json_t *run_json(const struct lsb_compare_run *run)
{
	return json_pack("{s:s, s:s, s:s, s:s}", "folder", run->name, "suite", text(run->header, "suite"),
			 "started", text(run->header, "started"), "version", text(run->header, "version"));
}

int lsb_compare_runs(const struct lsb_compare_run *a, const struct lsb_compare_run *b,
		     const struct lsb_compare_options *options, json_t **out, struct lsb_error *err)
{
	struct lsb_pairs pairs = { 0 };
	json_t *only_a = json_array(), *only_b = json_array(), *comparison;
	int rc;

	comparison = json_pack("{s:i, s:o, s:o, s:o, s:O, s:O}", "schema", 1, "a", run_json(a), "b",
			       run_json(b ? b : a), "differences", b ? differences_of(a, b) : json_array(),
			       "only_a", only_a, "only_b", only_b);
	if (!comparison)
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory to compare");
	else if (b)
		rc = lsb_pairs_of_runs(a->summary, b->summary, only_a, only_b, &pairs, err);
	else if (options->axis)
		rc = lsb_pairs_of_axis(a->summary, options->axis, &pairs, err);
	else
		rc = lsb_pairs_of_names(a->summary, options->first, options->second, &pairs, err);
	if (rc == LSB_OK)
		rc = judge(&pairs, options, a, b ? b : a, comparison, err);
	lsb_pairs_free(&pairs);
	json_decref(only_a);
	json_decref(only_b);
	if (rc == LSB_OK)
		*out = comparison;
	else
		json_decref(comparison);
	return rc;
}
