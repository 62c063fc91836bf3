/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grades: a number, a letter, and the thresholds that made the letter. Each is of
 * the point that does worst, since a report is as good as its weakest number.
 * What was not measured has no grade.
 */
#include <math.h>
#include <string.h>

#include "base/base.h"
#include "measure/findings.h"
#include "measure/flags.h"
#include "measure/look.h"

enum { LETTERS = 4 }; /* A to D; what is below is F */

/* How a point does; NAN: the grade is not for it. */
struct grade {
	const char *name, *what;
	const char *unit;	/* of the value: "%" of what is a share, "1" of a ratio */
	int small_is_good;	/* thresholds are upper ones */
	double limits[LETTERS]; /* least, or largest, value of A, B, C, D */
	double (*value)(const json_t *point);
};

static double efficiency(const json_t *point)
{
	const json_t *its = lsb_look_scaling(point, "efficiency");

	return its && lsb_look_number(point, "nodes") > 1 ? lsb_look_number(its, "value") : NAN;
}

static double of_schedule(const json_t *point)
{
	const json_t *share = lsb_look_scaling(point, "bound_share");

	return share ? json_number_value(share) : NAN;
}

static double of_roofline(const json_t *point)
{
	const json_t *decode = json_object_get(json_object_get(point, "bounds"), "decode");

	return json_is_object(decode) ? lsb_look_number(decode, "share") : NAN;
}

static double batch_efficiency(const json_t *point)
{
	const json_t *its = lsb_look_scaling(point, "batch_efficiency");

	return its && lsb_look_number(point, "batch") > 1 ? lsb_look_number(its, "value") : NAN;
}

static double success(const json_t *point)
{
	double rate;

	return lsb_finding_metric(point, "success_rate", &rate) ? rate : NAN;
}

/* Half the interval of the run time, by its median. */
static double precision(const json_t *point)
{
	const json_t *run = lsb_look_metric(point, "run_s");
	const double lo = json_number_value(lsb_look_end(run, 0)),
		     hi = json_number_value(lsb_look_end(run, 1));

	return hi > 0 ? (hi - lo) / 2 / lsb_look_number(run, "median") : NAN;
}

/* A slow token beside a usual one. */
static double evenness(const json_t *point)
{
	double slow, usual;

	return lsb_finding_metric(point, "tpot_p90_s", &slow) &&
			       lsb_finding_metric(point, "tpot_p50_s", &usual) && usual > 0
		       ? slow / usual
		       : NAN;
}

static double same_answers(const json_t *point)
{
	const json_t *outputs = json_object_get(point, "outputs"), *comparison;
	size_t i, n_bad = 0;

	json_array_foreach(json_object_get(outputs, "comparisons"), i, comparison)
	{
		n_bad += !json_is_true(json_object_get(comparison, "is_equal"));
	}
	/* other tokens that nothing forbids and no score minds are as good as the same */
	if (n_bad && !lsb_point_has_flag(point, "outputs_differ") &&
	    !lsb_point_has_flag(point, "answers_differ"))
		n_bad = 0;
	return i ? n_bad == 0 : NAN;
}

static const struct grade grades[] = {
	{ "Scaling", "parallel efficiency", "%", 0, { 0.90, 0.75, 0.60, 0.40 }, efficiency },
	{ "Schedule",
	  "speedup / what the point's own schedule allows",
	  "%",
	  0,
	  { 0.95, 0.90, 0.80, 0.65 },
	  of_schedule },
	{ "Batching", "batch efficiency", "%", 0, { 0.80, 0.60, 0.40, 0.20 }, batch_efficiency },
	{ "Hardware use",
	  "least time of decode by the roofline / time measured",
	  "%",
	  0,
	  { 0.70, 0.50, 0.35, 0.20 },
	  of_roofline },
	{ "Reliability", "completed / issued requests", "%", 0, { 1.0, 0.999, 0.99, 0.95 }, success },
	{ "Answers",
	  "answers with the baselines' tokens, or as good by their score,",
	  "%",
	  0,
	  { 1.0, 1.0, 1.0, 1.0 },
	  same_answers },
	{ "Even pace",
	  "time of a token, 90th percentile / median of requests",
	  "1",
	  1,
	  { 1.10, 1.25, 1.50, 2.00 },
	  evenness },
	{ LSB_GRADE_PRECISION,
	  "half width of the run time's 95 % interval / median",
	  "%",
	  1,
	  { 0.02, 0.05, 0.10, 0.20 },
	  precision },
};

static char letter_of(const struct grade *grade, double value)
{
	for (int k = 0; k < LETTERS; k++)
		if (grade->small_is_good ? value <= grade->limits[k] : value >= grade->limits[k])
			return "ABCD"[k];
	return 'F';
}

/* "A from 90 %, B from 75 %, ..., else F" */
static void say_rule(const struct grade *grade, struct lsb_text *to)
{
	const int percent = strcmp(grade->unit, "%") == 0;

	lsb_text_add(to, "%s of the worst point:", grade->what);
	for (int k = 0; k < LETTERS; k++) {
		if (k && grade->limits[k] == grade->limits[k - 1])
			continue;
		lsb_text_add(to, "%s %c %s %.4g%s", k ? "," : "", "ABCD"[k],
			     grade -> small_is_good ? "up to" : "from",
			     grade->limits[k] * (percent ? 100 : 1), percent ? " %" : "");
	}
	lsb_text_add(to, ", else F");
}

static json_t *grade_json(const struct grade *grade, const json_t *summary)
{
	const json_t *point, *worst = NULL;
	struct lsb_text rule = { 0 };
	double value = NAN;
	char letter[2] = "-";
	json_t *out;
	size_t i;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		const double its = lsb_look_measured(point) ? grade->value(point) : NAN;

		if (isnan(its) || (worst && (grade->small_is_good ? its <= value : its >= value)))
			continue;
		worst = point;
		value = its;
	}
	if (!worst)
		return NULL;
	letter[0] = letter_of(grade, value);
	say_rule(grade, &rule);
	out = json_pack("{s:s, s:f, s:s, s:s, s:O, s:s}", "name", grade->name, "value", value, "unit",
			grade->unit, "grade", letter, "point", json_object_get(worst, "id"), "rule",
			rule.data ? rule.data : "");
	lsb_text_free(&rule);
	return out;
}

/* The median of all letters, rounded to the worse one, and no better than one above the worst. */
static json_t *overall_json(const json_t *list)
{
	static const char letters[] = "ABCDF";
	size_t counts[sizeof(letters)] = { 0 }, n = json_array_size(list), seen = 0, at = 0, worst = 0, i;
	const json_t *grade;
	char letter[2] = "-";

	json_array_foreach(list, i, grade)
	{
		const char *its = strchr(letters, *lsb_look_text(grade, "grade"));
		const size_t k = its ? (size_t)(its - letters) : 0;

		counts[k]++;
		worst = k > worst ? k : worst;
	}
	while (at < worst && (seen += counts[at]) <= n / 2)
		at++;
	if (worst && at + 1 < worst)
		at = worst - 1;
	letter[0] = letters[at];
	return json_pack("{s:s, s:n, s:s, s:s, s:n, s:s}", "name", "Overall", "value", "unit", "1", "grade",
			 letter, "point", "rule",
			 "the median of the grades above, the worse of two, and at most one better than the "
			 "worst");
}

json_t *lsb_findings_grades(const json_t *summary)
{
	json_t *out = json_array();

	for (size_t i = 0; i < LSB_COUNT(grades); i++) {
		json_t *grade = grade_json(&grades[i], summary);

		if (grade)
			json_array_append_new(out, grade);
	}
	if (json_array_size(out))
		json_array_append_new(out, overall_json(out));
	return out;
}
