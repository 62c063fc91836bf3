/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of plausibility on ratios: efficiencies, bounds, formulas, baselines. */
#include "base/base.h"
#include "measure/findings.h"
#include "measure/look.h"
#include "measure/plausible_parts.h"
#include "measure/summary.h"

/* What may be the cause of an efficiency above 1, from the data; "no cause is known" when nothing is. */
static const char *cause_of(const struct lsb_plausible *look)
{
	if (lsb_look_number(lsb_finding_term(look->point, "compute"), "share") < 0 && look->baseline)
		return "the ranks together compute less time than the baseline did: parts of the model may "
		       "stay in caches, or the baseline ran on a busier machine";
	if (look->baseline && lsb_look_is(json_object_get(look->baseline, "params"), "warmup", "0"))
		return "the baseline has no warm-up, and so may be a cold one";
	return "no cause is known";
}

enum lsb_outcome lsb_plausible_efficiency(const struct lsb_plausible *look, char **why)
{
	const double nodes = lsb_look_number(look->point, "nodes");
	const json_t *scaled = lsb_look_scaling(look->point, "efficiency");
	const json_t *same = lsb_look_scaling(look->point, "speedup_equal_concurrency");
	const json_t *batch = lsb_look_scaling(look->point, "batch_efficiency");

	if (nodes > 1 && scaled && lsb_plausible_lower_end(scaled) > 1)
		return lsb_plausible_fires(why, lsb_format("efficiency %.2f, above 1 with its interval: %s",
							   lsb_plausible_value(scaled), cause_of(look)));
	if (nodes > 1 && same && lsb_plausible_lower_end(same) > nodes)
		return lsb_plausible_fires(
			why, lsb_format("%.2f times as fast as one node at equal concurrency, on %.0f "
					"nodes: %s",
					lsb_plausible_value(same), nodes, cause_of(look)));
	if (batch && lsb_plausible_lower_end(batch) > 1)
		return lsb_plausible_fires(
			why, lsb_format("batch efficiency %.2f, above 1 with its interval: no cause is "
					"known",
					lsb_plausible_value(batch)));
	return (nodes > 1 && (scaled || same)) || batch ? LSB_HOLDS : LSB_DOES_NOT_APPLY;
}

enum lsb_outcome lsb_plausible_bound(const struct lsb_plausible *look, char **why)
{
	const json_t *speedup = lsb_look_scaling(look->point, "speedup"),
		     *bound = lsb_look_scaling(look->point, "bound");

	if (!speedup || !bound)
		return LSB_DOES_NOT_APPLY;
	if (lsb_plausible_value(speedup) <= lsb_plausible_value(bound) * LSB_PLAUSIBLE_NOISE)
		return LSB_HOLDS;
	return lsb_plausible_fires(why, lsb_format("speedup %.2f above %.2f, the bound of its own schedule",
						   lsb_plausible_value(speedup), lsb_plausible_value(bound)));
}

/* The first point with a speedup says how it is formed; all of its kind must say the same. */
enum lsb_outcome lsb_plausible_formula(const struct lsb_plausible *look, char **why)
{
	const char *formula = lsb_look_text(json_object_get(look->point, "scaling"), "formula");
	const json_t *other;
	size_t i;

	if (!*formula)
		return LSB_DOES_NOT_APPLY;
	json_array_foreach(json_object_get(look->summary, "points"), i, other)
	{
		const json_t *scaling = json_object_get(other, "scaling");

		if (json_is_object(scaling) && !lsb_look_is(scaling, "formula", formula) &&
		    json_equal(json_object_get(other, "kind"), json_object_get(look->point, "kind")))
			return lsb_plausible_fires(why,
						   lsb_format("its speedup is %s, another point's is %s",
							      formula, lsb_look_text(scaling, "formula")));
	}
	return LSB_HOLDS;
}

/* The suite names a baseline that has no launch. */
enum lsb_outcome lsb_plausible_baseline(const struct lsb_plausible *look, char **why)
{
	const char *id =
		json_string_value(json_object_get(json_object_get(look->entry, "baselines"), "equal_batch"));
	const json_t *named = id ? lsb_summary_point(look->summary, id) : NULL;

	if (!id)
		return LSB_DOES_NOT_APPLY;
	if (named && lsb_look_measured(named))
		return LSB_HOLDS;
	return lsb_plausible_fires(
		why, lsb_format("its baseline %s was not measured (%s): there is no speedup and no "
				"efficiency",
				id, named ? lsb_look_text(named, "status") : "not in this run"));
}
