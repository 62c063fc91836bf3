/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the machine was too busy, or the points too unsteady, for their times to tell anything apart. */
#include "measure/findings.h"
#include "measure/look.h"
#include "measure/summary.h"

/* The point that the gate's verdict is noted at; NULL: the machine was fit, or there was no gate. */
static const json_t *gated_point(const json_t *summary)
{
	const json_t *point;
	size_t i;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		if (json_object_get(json_object_get(point, "flag_reasons"), "gated"))
			return point;
	}
	return NULL;
}

/* The grade of precision where it is the worst that there is; else NULL. */
static const json_t *unprecise(const json_t *grades)
{
	const json_t *grade;
	size_t i;

	json_array_foreach(grades, i, grade)
	{
		if (lsb_look_is(grade, "name", LSB_GRADE_PRECISION) && lsb_look_is(grade, "grade", "F"))
			return grade;
	}
	return NULL;
}

json_t *lsb_finding_busy(const json_t *summary, const json_t *grades)
{
	const json_t *gated = gated_point(summary), *grade = unprecise(grades);
	const json_t *worst = grade ? lsb_summary_point(summary, lsb_look_text(grade, "point")) : NULL;

	if (gated)
		return lsb_finding("the gate found the machine unfit", (const json_t *const[]){ gated, NULL },
				   "The machine was busy, or unfit otherwise, when the run began (%s).",
				   lsb_look_text(json_object_get(gated, "flag_reasons"), "gated"));
	if (worst)
		return lsb_finding("the grade of precision is F", (const json_t *const[]){ worst, NULL },
				   "The machine was busy, or the program is unsteady: the run time of %s is "
				   "known to +- %.0f %% alone.",
				   lsb_finding_name(worst), lsb_look_number(grade, "value") * 100);
	return NULL;
}
