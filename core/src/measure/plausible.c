/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/plausible.h"

#include <math.h>
#include <stdlib.h>

#include "base/base.h"
#include "measure/flags.h"
#include "measure/look.h"
#include "measure/summary.h"

#define NOISE 1.02	      /* a ratio this far above its limit is implausible */
#define EXACT 1e-6	      /* relative error of numbers that are one another's quotient */
#define WHOLE_MODEL 0.95      /* of the bytes of one node that holds everything */
#define TRANSFER_SHARE 0.05   /* of run_s: less is not worth a word */
#define TRANSFER_TIMES 3.0    /* exposed transfer over what the link needs for all messages */
#define FIXED_SHARE 0.5	      /* of communication that does not grow with the tokens sent */
#define TOKENS_DIFFER 1.2     /* two points' totals, to draw a line through */
#define LATENCY_LIKENESS 0.01 /* of a latency to run time / prompts */

/* What a rule sees. */
struct look {
	const json_t *header, *summary, *entry; /* the entry of `point` in the header */
	const json_t *point, *baseline;		/* the latter may be NULL */
};

enum outcome { DOES_NOT_APPLY, HOLDS, FIRES };

static enum outcome fires(char **why, char *reason)
{
	*why = reason;
	return FIRES;
}

static double value_of(const json_t *ratio)
{
	return lsb_look_number(ratio, "value");
}

static double lower_end(const json_t *ratio)
{
	return json_number_value(lsb_look_end(ratio, 0));
}

static double sample(const json_t *point, const char *name, size_t i)
{
	return json_number_value(json_array_get(json_object_get(lsb_look_metric(point, name), "samples"), i));
}

static int apart(double a, double b, double relative)
{
	return fabs(a - b) > relative * fmax(fabs(a), fabs(b));
}

/* Share of a loss term; 0 when it is not known. */
static double share_of(const json_t *point, const char *name)
{
	const json_t *losses = json_object_get(json_object_get(point, "bounds"), "losses"), *term;
	size_t i;

	json_array_foreach(json_object_get(losses, "terms"), i, term)
	{
		if (lsb_look_is(term, "name", name))
			return lsb_look_number(term, "share");
	}
	return 0;
}

/* What may be the cause of an efficiency above 1, from the data; "no cause is known" when nothing is. */
static const char *cause_of(const struct look *look)
{
	if (share_of(look->point, "compute") < 0 && look->baseline)
		return "the ranks together compute less time than the baseline did: parts of the model may "
		       "stay in caches, or the baseline ran on a busier machine";
	if (look->baseline && lsb_look_is(json_object_get(look->baseline, "params"), "warmup", "0"))
		return "the baseline has no warm-up, and so may be a cold one";
	return "no cause is known";
}

static enum outcome efficiency(const struct look *look, char **why)
{
	const double nodes = lsb_look_number(look->point, "nodes");
	const json_t *scaled = lsb_look_scaling(look->point, "efficiency");
	const json_t *same = lsb_look_scaling(look->point, "speedup_equal_concurrency");
	const json_t *batch = lsb_look_scaling(look->point, "batch_efficiency");

	if (nodes > 1 && scaled && lower_end(scaled) > 1)
		return fires(why, lsb_format("efficiency %.2f, above 1 with its interval: %s",
					     value_of(scaled), cause_of(look)));
	if (nodes > 1 && same && lower_end(same) > nodes)
		return fires(why, lsb_format("%.2f times as fast as one node at equal concurrency, on %.0f "
					     "nodes: %s",
					     value_of(same), nodes, cause_of(look)));
	if (batch && lower_end(batch) > 1)
		return fires(why, lsb_format("batch efficiency %.2f, above 1 with its interval: no cause is "
					     "known",
					     value_of(batch)));
	return (nodes > 1 && (scaled || same)) || batch ? HOLDS : DOES_NOT_APPLY;
}

static enum outcome above_bound(const struct look *look, char **why)
{
	const json_t *speedup = lsb_look_scaling(look->point, "speedup"),
		     *bound = lsb_look_scaling(look->point, "bound");

	if (!speedup || !bound)
		return DOES_NOT_APPLY;
	if (value_of(speedup) <= value_of(bound) * NOISE)
		return HOLDS;
	return fires(why, lsb_format("speedup %.2f above %.2f, the bound of its own schedule",
				     value_of(speedup), value_of(bound)));
}

/* The first point with a speedup says how it is formed; all of its kind must say the same. */
static enum outcome one_formula(const struct look *look, char **why)
{
	const char *formula = lsb_look_text(json_object_get(look->point, "scaling"), "formula");
	const json_t *other;
	size_t i;

	if (!*formula)
		return DOES_NOT_APPLY;
	json_array_foreach(json_object_get(look->summary, "points"), i, other)
	{
		const json_t *scaling = json_object_get(other, "scaling");

		if (json_is_object(scaling) && !lsb_look_is(scaling, "formula", formula) &&
		    json_equal(json_object_get(other, "kind"), json_object_get(look->point, "kind")))
			return fires(why, lsb_format("its speedup is %s, another point's is %s", formula,
						     lsb_look_text(scaling, "formula")));
	}
	return HOLDS;
}

/* Messages and bytes that the busiest rank sent, and what they cost on the measured link. */
static double wire_s(const json_t *point)
{
	const json_t *link = json_object_get(json_object_get(point, "bounds"), "link"), *rank;
	double most = 0;
	size_t i;

	json_array_foreach(json_object_get(point, "ranks"), i, rank)
	{
		const double received =
			lsb_look_number(rank, "messages_received") * lsb_look_number(link, "latency_s");
		const double bytes =
			lsb_look_number(rank, "bytes_received") / lsb_look_number(link, "bandwidth");

		most = fmax(most, received + bytes);
	}
	return most;
}

static enum outcome transfer_explained(const struct look *look, char **why)
{
	const json_t *link = json_object_get(json_object_get(look->point, "bounds"), "link");
	const double exposed_s = lsb_look_median(look->point, "communication_s");
	double least_s;

	if (!(lsb_look_number(link, "bandwidth") > 0))
		return DOES_NOT_APPLY;
	least_s = wire_s(look->point);
	if (exposed_s <= TRANSFER_TIMES * least_s ||
	    exposed_s <= TRANSFER_SHARE * lsb_look_median(look->point, "run_s"))
		return HOLDS;
	return fires(why,
		     lsb_format("%.3g s of exposed transfer, where the link as measured needs %.3g s for "
				"all its messages: most of it is no transmission but processes that "
				"were not running",
				exposed_s, least_s));
}

/* Points that differ in how much is asked, and in nothing that changes a message's cost. */
static int same_messages(const json_t *a, const json_t *b)
{
	static const char *const keys[] = { "nodes", "stages", "replicas", "batch", "in_flight" };

	for (size_t i = 0; i < LSB_COUNT(keys); i++)
		if (!json_equal(json_object_get(a, keys[i]), json_object_get(b, keys[i])))
			return 0;
	return json_equal(json_object_get(json_object_get(a, "params"), "transport"),
			  json_object_get(json_object_get(b, "params"), "transport"));
}

static double tokens_of(const json_t *point)
{
	return lsb_look_median(point, "prompt_tokens") + lsb_look_median(point, "generated_tokens");
}

static enum outcome grows_with_bytes(const struct look *look, char **why)
{
	const double mine_s = lsb_look_median(look->point, "communication_s"), mine = tokens_of(look->point);
	enum outcome outcome = DOES_NOT_APPLY;
	const json_t *other;
	size_t i;

	if (lsb_look_number(look->point, "nodes") < 2 || !lsb_look_metric(look->point, "communication_s"))
		return DOES_NOT_APPLY;
	json_array_foreach(json_object_get(look->summary, "points"), i, other)
	{
		const double fewer = tokens_of(other), fewer_s = lsb_look_median(other, "communication_s");
		double fixed_s;

		if (other == look->point || !same_messages(other, look->point) || !(fewer > 0) ||
		    mine < fewer * TOKENS_DIFFER)
			continue;
		outcome = HOLDS;
		fixed_s = fewer_s - (mine_s - fewer_s) / (mine - fewer) * fewer;
		if (fixed_s > FIXED_SHARE * mine_s &&
		    mine_s > TRANSFER_SHARE * lsb_look_median(look->point, "run_s"))
			return fires(
				why,
				lsb_format("communication of %.3g s for %.0f tokens and %.3g s for %.0f: "
					   "%.3g s of it do not grow with what is sent, so they are "
					   "start-up or waiting",
					   fewer_s, fewer, mine_s, mine, fixed_s));
	}
	return outcome;
}

static double most_load_bytes(const json_t *point)
{
	const json_t *rank;
	double most = 0;
	size_t i;

	json_array_foreach(json_object_get(point, "ranks"), i, rank)
	{
		most = fmax(most, lsb_look_number(rank, "load_bytes"));
	}
	return most;
}

static enum outcome load_shrinks(const struct look *look, char **why)
{
	const double here = most_load_bytes(look->point), whole = most_load_bytes(look->baseline);
	const json_t *mine = lsb_look_metric(look->point, "load_s"),
		     *theirs = lsb_look_metric(look->baseline, "load_s");

	if (lsb_look_number(look->point, "stages") < 2 || !(whole > 0) || !(here > 0))
		return DOES_NOT_APPLY;
	if (here > WHOLE_MODEL * whole)
		return fires(why, lsb_format("a rank that holds a part of the model read %.1f MB of the %.1f "
					     "MB that one node reads for all of it",
					     here / 1e6, whole / 1e6));
	if (lsb_look_end(mine, 0) && lsb_look_end(theirs, 1) &&
	    lower_end(mine) > json_number_value(lsb_look_end(theirs, 1)))
		return fires(why,
			     lsb_format("loading takes %.3g s, longer than the %.3g s of one node, though "
					"each rank reads less: something else than reading",
					lsb_look_number(mine, "median"), lsb_look_number(theirs, "median")));
	return HOLDS;
}

/* All requests arrive when the run begins: with several, the mean of what they take is no run_s / N. */
static enum outcome latency_is_measured(const struct look *look, char **why)
{
	const double mean_s = lsb_look_median(look->point, "e2e_mean_s"),
		     run_s = lsb_look_median(look->point, "run_s");
	const double prompts = lsb_look_number(look->point, "prompts");

	if (!(mean_s > 0) || prompts < 2)
		return DOES_NOT_APPLY;
	if (!apart(mean_s, run_s / prompts, LATENCY_LIKENESS))
		return fires(why,
			     lsb_format("the mean latency of %.3g s is the run's time by its %.0f requests: "
					"that is inverse throughput",
					mean_s, prompts));
	if (lsb_look_median(look->point, "e2e_max_s") > run_s * NOISE)
		return fires(why, lsb_format("a latency of %.3g s in a run of %.3g s",
					     lsb_look_median(look->point, "e2e_max_s"), run_s));
	return HOLDS;
}

/* Every launch's rates times its run_s are its totals. */
static enum outcome ratio_of_totals(const struct look *look, char **why)
{
	const size_t n = json_array_size(json_object_get(look->point, "rounds"));
	const int counts = lsb_look_metric(look->point, "requests_per_s") != NULL;

	if (!lsb_look_metric(look->point, "tokens_per_s"))
		return DOES_NOT_APPLY;
	for (size_t i = 0; i < n; i++) {
		const double run_s = sample(look->point, "run_s", i);
		const double tokens = sample(look->point, "generated_tokens", i);
		const double done =
			lsb_look_number(look->point, "prompts") * sample(look->point, "success_rate", i);

		if (apart(sample(look->point, "tokens_per_s", i) * run_s, tokens, EXACT))
			return fires(
				why,
				lsb_format("tokens_per_s is not the tokens of a launch by its time: %.6g "
					   "x %.6g s, and %.0f tokens",
					   sample(look->point, "tokens_per_s", i), run_s, tokens));
		if (counts && apart(sample(look->point, "requests_per_s", i) * run_s, done, EXACT))
			return fires(why,
				     lsb_format("requests_per_s is not the completed requests of a launch "
						"by its time: %.6g x %.6g s, and %.0f requests",
						sample(look->point, "requests_per_s", i), run_s, done));
	}
	return HOLDS;
}

/* The suite names a baseline that has no launch. */
static enum outcome baseline_measured(const struct look *look, char **why)
{
	const char *id =
		json_string_value(json_object_get(json_object_get(look->entry, "baselines"), "equal_batch"));
	const json_t *named = id ? lsb_summary_point(look->summary, id) : NULL;

	if (!id)
		return DOES_NOT_APPLY;
	if (named && lsb_look_measured(named))
		return HOLDS;
	return fires(why, lsb_format("its baseline %s was not measured (%s): there is no speedup and no "
				     "efficiency",
				     id, named ? lsb_look_text(named, "status") : "not in this run"));
}

static enum outcome nothing_lost(const struct look *look, char **why)
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
		return DOES_NOT_APPLY;
	if (least >= 1)
		return HOLDS;
	return fires(why,
		     lsb_format("%.0f of %.0f requests were lost in a launch: rates and latencies are of "
				"the others",
				(1 - least) * lsb_look_number(look->point, "prompts"),
				lsb_look_number(look->point, "prompts")));
}

/* Tokens that each rank computed beside those that the answers have. */
static char *unreconciled_rank(const json_t *point)
{
	const double prompts = lsb_look_number(point, "prompts");
	const double answers = tokens_of(point) - prompts; /* the last token of each is not fed back */
	const double pipelines = lsb_look_number(point, "replicas");
	const json_t *row;
	double computed = 0;
	size_t i;

	json_array_foreach(json_object_get(point, "work"), i, row)
	{
		computed += lsb_look_number(json_object_get(row, "decode"), "tokens") +
			    lsb_look_number(json_object_get(row, "prefill"), "tokens");
	}
	if (i == 0 || pipelines < 1)
		return NULL;
	computed *= pipelines / (double)i; /* by pipeline: all its stages see all its tokens */
	if (!apart(computed, answers, EXACT))
		return NULL;
	return lsb_format("the ranks computed %.0f tokens, prompts and answers have %.0f", computed, answers);
}

static enum outcome tokens_reconcile(const struct look *look, char **why)
{
	const size_t n = json_array_size(json_object_get(look->point, "rounds"));
	const int is_fixed = lsb_look_is(look->point, "stop", "length");
	const double asked =
		lsb_look_number(look->point, "prompts") * lsb_look_number(look->point, "max_new");
	int some_failed = 0;

	if (!lsb_look_metric(look->point, "prompt_tokens"))
		return DOES_NOT_APPLY;
	for (size_t i = 0; i < n; i++) {
		const double success = sample(look->point, "success_rate", i);
		const double generated = sample(look->point, "generated_tokens", i);

		some_failed |= success < 1;
		if (success >= 1 &&
		    apart(sample(look->point, "prompt_tokens", i), sample(look->point, "prompt_tokens", 0),
			  EXACT) &&
		    !some_failed)
			return fires(why, lsb_format("launches had %.0f and %.0f prompt tokens for the same "
						     "requests",
						     sample(look->point, "prompt_tokens", 0),
						     sample(look->point, "prompt_tokens", i)));
		if (success >= 1 && is_fixed && asked > 0 && apart(generated, asked, EXACT))
			return fires(why, lsb_format("%.0f tokens were generated where %.0f were asked for",
						     generated, asked));
	}
	if (!some_failed && (*why = unreconciled_rank(look->point)) != NULL)
		return FIRES;
	return HOLDS;
}

/* Unequal nodes are claimed from a test over launches alone. */
static enum outcome symmetry_is_tested(const struct look *look, char **why)
{
	const json_t *symmetry = json_object_get(look->point, "symmetry"), *row;
	size_t i;

	if (!json_is_object(symmetry))
		return DOES_NOT_APPLY;
	json_array_foreach(json_object_get(symmetry, "comparisons"), i, row)
	{
		const int claims =
			lsb_look_is(row, "verdict", "faster") || lsb_look_is(row, "verdict", "slower");

		if (claims && !(json_is_number(json_object_get(row, "p_adjusted")) &&
				lsb_look_number(row, "p_adjusted") <= 0.05))
			return fires(why, lsb_format("a node is called %s without a test that shows it",
						     lsb_look_text(row, "verdict")));
	}
	return HOLDS;
}

static const struct {
	const char *name, *rule;
	const char *flag; /* that a point gets; NULL: another part of measure/ sets it */
	enum outcome (*look)(const struct look *look, char **why); /* when it fires, *why is malloc'ed */
} rules[] = {
	{ "efficiency_above_one",
	  "An efficiency above 1, with its whole interval, needs a cause that is named.", "implausible",
	  efficiency },
	{ "speedup_above_bound", "No speedup exceeds the bound of its own schedule by more than 2 %.",
	  "implausible", above_bound },
	{ "one_formula", "All speedups of one kind of case are formed alike.", "implausible", one_formula },
	{ "transfer_explained",
	  "Exposed transfer over 5 % of the run is at most three times what the measured link needs for all "
	  "messages.",
	  "unexplained_transfer", transfer_explained },
	{ "communication_grows",
	  "Communication grows with the tokens sent: the fixed part of a line through two points is at most "
	  "half.",
	  "unexplained_transfer", grows_with_bytes },
	{ "load_shrinks",
	  "A rank that holds a part of the model reads a part of it, and not longer than one "
	  "node reads all.",
	  "implausible", load_shrinks },
	{ "latency_measured",
	  "A latency is measured for each request, and is not the run's time by the number of requests.",
	  "implausible", latency_is_measured },
	{ "ratio_of_totals", "Each rate is a ratio of one launch's totals, never a mean of rates.",
	  "implausible", ratio_of_totals },
	{ "baseline_measured", "A ratio has a baseline that was measured in the same run.", "no_baseline",
	  baseline_measured },
	{ "nothing_lost", "All requests were answered; those that were not are counted.", NULL,
	  nothing_lost },
	{ "symmetry_tested", "Nodes are called unequal only by a test over launches.", "implausible",
	  symmetry_is_tested },
	{ "tokens_reconcile", "Tokens agree between launches, ranks, requests and what was asked for.",
	  "implausible", tokens_reconcile },
};

/* --- all of them --- */

static json_t *check_json(const json_t *header, json_t *summary, size_t which)
{
	json_t *fired = json_array();
	json_int_t n = 0;
	const json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(header, "points"), i, entry)
	{
		const char *id = lsb_look_text(entry, "id");
		json_t *point = lsb_summary_point(summary, id);
		const json_t *its = point ? lsb_look_scaling(point, "baseline") : NULL;
		const struct look look = { header, summary, entry, point,
					   its ? lsb_summary_point(summary, json_string_value(its)) : NULL };
		enum outcome outcome;
		char *why = NULL;

		if (!point || !lsb_look_measured(point))
			continue;
		outcome = rules[which].look(&look, &why);
		n += outcome != DOES_NOT_APPLY;
		if (outcome == FIRES) {
			if (rules[which].flag)
				lsb_point_flag_more(point, rules[which].flag, why ? why : rules[which].rule);
			json_array_append_new(fired, json_pack("{s:s, s:s}", "point", id, "reason",
							       why ? why : rules[which].rule));
		}
		free(why);
	}
	return json_pack("{s:s, s:s, s:I, s:o}", "name", rules[which].name, "rule", rules[which].rule,
			 "looked_at", n, "fired", fired);
}

json_t *lsb_plausible_checks(const json_t *header, json_t *summary)
{
	json_t *out = json_array();

	for (size_t i = 0; i < LSB_COUNT(rules); i++)
		json_array_append_new(out, check_json(header, summary, i));
	return out;
}
