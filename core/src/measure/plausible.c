/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/plausible.h"

#include <math.h>
#include <stdlib.h>

#include "base/base.h"
#include "measure/flags.h"
#include "measure/look.h"
#include "measure/plausible_parts.h"
#include "measure/summary.h"

/* --- what rules share --- */

enum lsb_outcome lsb_plausible_fires(char **why, char *reason)
{
	*why = reason;
	return LSB_FIRES;
}

double lsb_plausible_value(const json_t *ratio)
{
	return lsb_look_number(ratio, "value");
}

double lsb_plausible_lower_end(const json_t *ratio)
{
	return json_number_value(lsb_look_end(ratio, 0));
}

double lsb_plausible_sample(const json_t *point, const char *name, size_t i)
{
	return json_number_value(json_array_get(json_object_get(lsb_look_metric(point, name), "samples"), i));
}

int lsb_plausible_apart(double a, double b, double relative)
{
	return fabs(a - b) > relative * fmax(fabs(a), fabs(b));
}

double lsb_plausible_all_tokens(const json_t *point)
{
	return lsb_look_median(point, "prompt_tokens") + lsb_look_median(point, "generated_tokens");
}

/* --- the rules --- */

static const struct {
	const char *name, *rule;
	const char *flag; /* that a point gets; NULL: another part of measure/ sets it */
	enum lsb_outcome (*look)(const struct lsb_plausible *look,
				 char **why); /* when it fires, *why is malloc'ed */
} rules[] = {
	{ "efficiency_above_one",
	  "An efficiency above 1, with its whole interval, needs a cause that is named.", "implausible",
	  lsb_plausible_efficiency },
	{ "speedup_above_bound", "No speedup exceeds the bound of its own schedule by more than 2 %.",
	  "implausible", lsb_plausible_bound },
	{ "one_formula", "All speedups of one kind of case are formed alike.", "implausible",
	  lsb_plausible_formula },
	{ "transfer_explained",
	  "Exposed transfer of over 5 % of the run that the measured link does not need is at most three "
	  "times "
	  "what late wake-ups cost.",
	  "unexplained_transfer", lsb_plausible_transfer },
	{ "communication_grows",
	  "Communication grows with the tokens sent: the fixed part of a line through two points is at most "
	  "half, or 5 % of the run.",
	  "unexplained_transfer", lsb_plausible_growth },
	{ "load_shrinks",
	  "A rank that holds a part of the model reads a part of it, and, where it opens no "
	  "accelerator, not longer than one node reads all.",
	  "implausible", lsb_plausible_load },
	{ "latency_measured",
	  "A latency is measured for each request, and is not the run's time by the number of requests.",
	  "implausible", lsb_plausible_latency },
	{ "ratio_of_totals", "Each rate is a ratio of one launch's totals, never a mean of rates.",
	  "implausible", lsb_plausible_totals },
	{ "baseline_measured", "A ratio has a baseline that was measured in the same run.", "no_baseline",
	  lsb_plausible_baseline },
	{ "nothing_lost", "All requests were answered; those that were not are counted.", NULL,
	  lsb_plausible_lost },
	{ "symmetry_tested", "Nodes are called unequal only by a test over launches.", "implausible",
	  lsb_plausible_symmetry },
	{ "tokens_reconcile", "Tokens agree between launches, ranks, requests and what was asked for.",
	  "implausible", lsb_plausible_tokens },
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
		const struct lsb_plausible look = { header, summary, entry, point,
						    its ? lsb_summary_point(summary, json_string_value(its))
							: NULL };
		enum lsb_outcome outcome;
		char *why = NULL;

		if (!point || !lsb_look_measured(point))
			continue;
		outcome = rules[which].look(&look, &why);
		n += outcome != LSB_DOES_NOT_APPLY;
		if (outcome == LSB_FIRES) {
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
