/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of plausibility on totals: latencies, rates, requests, tokens, and tests behind claims. */
#include <math.h>

#include "base/base.h"
#include "measure/look.h"
#include "measure/plausible_parts.h"

#define LATENCY_LIKENESS 0.01 /* of a latency to run time / prompts */

/* All requests arrive when the run begins: with several, the mean of what they take is no run_s / N. */
enum lsb_outcome lsb_plausible_latency(const struct lsb_plausible *look, char **why)
{
	const double mean_s = lsb_look_median(look->point, "e2e_mean_s"),
		     run_s = lsb_look_median(look->point, "run_s");
	const double prompts = lsb_look_number(look->point, "prompts");

	if (!(mean_s > 0) || prompts < 2)
		return LSB_DOES_NOT_APPLY;
	if (!lsb_plausible_apart(mean_s, run_s / prompts, LATENCY_LIKENESS))
		return lsb_plausible_fires(
			why, lsb_format("the mean latency of %.3g s is the run's time by its %.0f requests: "
					"that is inverse throughput",
					mean_s, prompts));
	if (lsb_look_median(look->point, "e2e_max_s") > run_s * LSB_PLAUSIBLE_NOISE)
		return lsb_plausible_fires(why, lsb_format("a latency of %.3g s in a run of %.3g s",
							   lsb_look_median(look->point, "e2e_max_s"), run_s));
	return LSB_HOLDS;
}

/* Every launch's rates times its run_s are its totals. */
enum lsb_outcome lsb_plausible_totals(const struct lsb_plausible *look, char **why)
{
	const size_t n = json_array_size(json_object_get(look->point, "rounds"));
	const int counts = lsb_look_metric(look->point, "requests_per_s") != NULL;

	if (!lsb_look_metric(look->point, "tokens_per_s"))
		return LSB_DOES_NOT_APPLY;
	for (size_t i = 0; i < n; i++) {
		const double run_s = lsb_plausible_sample(look->point, "run_s", i);
		const double tokens = lsb_plausible_sample(look->point, "generated_tokens", i);
		const double done = lsb_look_number(look->point, "prompts") *
				    lsb_plausible_sample(look->point, "success_rate", i);

		if (lsb_plausible_apart(lsb_plausible_sample(look->point, "tokens_per_s", i) * run_s, tokens,
					LSB_PLAUSIBLE_EXACT))
			return lsb_plausible_fires(
				why,
				lsb_format("tokens_per_s is not the tokens of a launch by its time: %.6g "
					   "x %.6g s, and %.0f tokens",
					   lsb_plausible_sample(look->point, "tokens_per_s", i), run_s,
					   tokens));
		if (counts &&
		    lsb_plausible_apart(lsb_plausible_sample(look->point, "requests_per_s", i) * run_s, done,
					LSB_PLAUSIBLE_EXACT))
			return lsb_plausible_fires(
				why, lsb_format("requests_per_s is not the completed requests of a launch "
						"by its time: %.6g x %.6g s, and %.0f requests",
						lsb_plausible_sample(look->point, "requests_per_s", i), run_s,
						done));
	}
	return LSB_HOLDS;
}

enum lsb_outcome lsb_plausible_lost(const struct lsb_plausible *look, char **why)
{
	const json_t *samples = json_object_get(lsb_look_metric(look->point, "success_rate"), "samples"),
		     *one;
	double least = 1;
	size_t i;

	json_array_foreach(samples, i, one)
	{
		least = fmin(least, json_number_value(one));
	}
	if (i == 0)
		return LSB_DOES_NOT_APPLY;
	if (least >= 1)
		return LSB_HOLDS;
	return lsb_plausible_fires(
		why, lsb_format("%.0f of %.0f requests were lost in a launch: rates and latencies are of "
				"the others",
				(1 - least) * lsb_look_number(look->point, "prompts"),
				lsb_look_number(look->point, "prompts")));
}

/* Tokens that each rank computed beside those that the answers have. */
static char *unreconciled_rank(const json_t *point)
{
	const double prompts = lsb_look_number(point, "prompts");
	const double answers =
		lsb_plausible_all_tokens(point) - prompts; /* the last token of each is not fed back */
	const double stages = lsb_look_number(point, "stages");
	const json_t *row;
	double computed = 0;
	size_t i;

	json_array_foreach(json_object_get(point, "work"), i, row)
	{
		computed += lsb_look_number(json_object_get(row, "decode"), "tokens") +
			    lsb_look_number(json_object_get(row, "prefill"), "tokens");
	}
	if (i == 0 || stages < 1)
		return NULL;
	computed /= stages; /* by pipeline: all its stages see all its tokens */
	if (!lsb_plausible_apart(computed, answers, LSB_PLAUSIBLE_EXACT))
		return NULL;
	return lsb_format("the ranks computed %.0f tokens, prompts and answers have %.0f", computed, answers);
}

/* Each replica by itself, what failed left out: its stages beside its answers. */
static char *unreconciled_replica(const json_t *point)
{
	const json_t *row, *computed;
	size_t i, stage;

	json_array_foreach(json_object_get(point, "per_replica"), i, row)
	{
		const double answers = lsb_look_number(row, "prompt_tokens") +
				       lsb_look_number(row, "generated_tokens") -
				       lsb_look_number(row, "completed");

		json_array_foreach(json_object_get(row, "computed_tokens"), stage, computed)
		{
			if (json_is_number(computed) && json_number_value(computed) != answers)
				return lsb_format("stage %zu of replica %zu computed %.0f tokens, its "
						  "requests have %.0f",
						  stage, i, json_number_value(computed), answers);
		}
	}
	return NULL;
}

enum lsb_outcome lsb_plausible_tokens(const struct lsb_plausible *look, char **why)
{
	const size_t n = json_array_size(json_object_get(look->point, "rounds"));
	const int is_fixed = lsb_look_is(look->point, "stop", "length");
	const double most = lsb_look_number(look->point, "prompts") * lsb_look_number(look->point, "max_new");
	const int tells =
		lsb_look_metric(look->point, "asked_tokens") != NULL; /* requests have limits of their own */
	int some_failed = 0;

	if (!lsb_look_metric(look->point, "prompt_tokens"))
		return LSB_DOES_NOT_APPLY;
	for (size_t i = 0; i < n; i++) {
		const double success = lsb_plausible_sample(look->point, "success_rate", i);
		const double generated = lsb_plausible_sample(look->point, "generated_tokens", i);
		const double asked = tells ? lsb_plausible_sample(look->point, "asked_tokens", i) : most;

		some_failed |= success < 1;
		if (success >= 1 &&
		    lsb_plausible_apart(lsb_plausible_sample(look->point, "prompt_tokens", i),
					lsb_plausible_sample(look->point, "prompt_tokens", 0),
					LSB_PLAUSIBLE_EXACT) &&
		    !some_failed)
			return lsb_plausible_fires(
				why, lsb_format("launches had %.0f and %.0f prompt tokens for the same "
						"requests",
						lsb_plausible_sample(look->point, "prompt_tokens", 0),
						lsb_plausible_sample(look->point, "prompt_tokens", i)));
		if (success >= 1 && is_fixed && asked > 0 &&
		    lsb_plausible_apart(generated, asked, LSB_PLAUSIBLE_EXACT))
			return lsb_plausible_fires(
				why, lsb_format("%.0f tokens were generated where %.0f were asked for",
						generated, asked));
	}
	if (!some_failed && (*why = unreconciled_rank(look->point)) != NULL)
		return LSB_FIRES;
	if ((*why = unreconciled_replica(look->point)) != NULL)
		return LSB_FIRES;
	return LSB_HOLDS;
}

/* Unequal nodes are claimed from a test over launches alone. */
enum lsb_outcome lsb_plausible_symmetry(const struct lsb_plausible *look, char **why)
{
	const json_t *symmetry = json_object_get(look->point, "symmetry"), *row;
	size_t i;

	if (!json_is_object(symmetry))
		return LSB_DOES_NOT_APPLY;
	json_array_foreach(json_object_get(symmetry, "comparisons"), i, row)
	{
		const int claims =
			lsb_look_is(row, "verdict", "faster") || lsb_look_is(row, "verdict", "slower");

		if (claims && !(json_is_number(json_object_get(row, "p_adjusted")) &&
				lsb_look_number(row, "p_adjusted") <= 0.05))
			return lsb_plausible_fires(
				why, lsb_format("a node is called %s without a test that shows it",
						lsb_look_text(row, "verdict")));
	}
	return LSB_HOLDS;
}
