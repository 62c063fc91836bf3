/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "measure/verdict.h"
#include "report/parts.h"

const char *lsb_show(double value, char out[LSB_SHOWN])
{
	const double size = fabs(value);
	const char *format = size >= 1e7     ? "%.4g"
			     : size >= 1000  ? "%.0f"
			     : size >= 100   ? "%.1f"
			     : size >= 10    ? "%.2f"
			     : size >= 1     ? "%.3f"
			     : size >= 0.1   ? "%.3f"
			     : size >= 1e-2  ? "%.4f"
			     : size >= 1e-4  ? "%.6f"
			     : size >= 1e-12 ? "%.3g"
					     : "%.0f";

	(void)snprintf(out, LSB_SHOWN, format, size >= 1e-12 || isnan(value) ? value : 0.0);
	return out;
}

const char *lsb_show_short(double value, char out[LSB_SHOWN])
{
	const double size = fabs(value);
	const char *format = size >= 100    ? "%.0f"
			     : size >= 10   ? "%.1f"
			     : size >= 1    ? "%.2f"
			     : size >= 0.1  ? "%.2f"
			     : size >= 1e-4 ? "%.4f"
			     : size > 0	    ? "%.0e"
					    : "%.0f";

	(void)snprintf(out, LSB_SHOWN, format, value);
	return out;
}

double lsb_percent(double part, double whole)
{
	const double percent = whole > 0 ? part / whole * 100 : 0;

	return fabs(percent) < 0.5 ? 0 : percent; /* not "-0" */
}

const char *lsb_show_interval(const json_t *ci, int is_short, char out[LSB_SHOWN])
{
	const char *(*show)(double, char[LSB_SHOWN]) = is_short ? lsb_show_short : lsb_show;
	char lo[LSB_SHOWN], hi[LSB_SHOWN];

	out[0] = '\0';
	if (json_array_size(ci) == 2)
		(void)snprintf(out, LSB_SHOWN, "[%.20s,%s%.20s]",
			       show(json_number_value(json_array_get(ci, 0)), lo), is_short ? "" : " ",
			       show(json_number_value(json_array_get(ci, 1)), hi));
	return out;
}

const char *lsb_show_estimate(const json_t *estimate, char out[LSB_SHOWN])
{
	const json_t *value = json_object_get(estimate, "median");
	char number[LSB_SHOWN], interval[LSB_SHOWN];

	if (!value)
		value = json_object_get(estimate, "value");
	if (!json_is_number(value)) {
		(void)snprintf(out, LSB_SHOWN, "-");
		return out;
	}
	lsb_show(json_number_value(value), number);
	lsb_show_interval(json_object_get(estimate, "ci95"), 0, interval);
	(void)snprintf(out, LSB_SHOWN, "%.15s%s%.30s", number, *interval ? " " : "", interval);
	return out;
}

double lsb_number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

const char *lsb_text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

const json_t *lsb_metric(const json_t *point, const char *name)
{
	return json_object_get(json_object_get(point, "metrics"), name);
}

const json_t *lsb_scaling(const json_t *point, const char *name)
{
	const json_t *value = json_object_get(json_object_get(point, "scaling"), name);

	return json_is_null(value) ? NULL : value;
}

int lsb_has_launches(const json_t *point)
{
	return lsb_number(point, "launches") > 0;
}

int lsb_lacks_interval(const json_t *point)
{
	return lsb_has_launches(point) && json_is_null(json_object_get(lsb_metric(point, "run_s"), "ci95"));
}

int lsb_is_own_baseline(const json_t *point)
{
	const json_t *baseline = lsb_scaling(point, "baseline");

	return baseline && json_equal(baseline, json_object_get(point, "id"));
}

const struct lsb_ratio lsb_ratios[LSB_RATIOS] = {
	{ "speedup", "speedup at equal batch", "equal_batch" },
	{ "speedup_wall", "with load and preprocessing", "equal_batch" },
	{ "speedup_equal_concurrency", "speedup at equal concurrency", "equal_concurrency" },
	{ "speedup_equal_cores", "speedup at equal cores", "equal_cores" },
	{ "batch_gain", "batch gain", "batch_one" },
};

int lsb_any_point(const json_t *summary, int (*has)(const json_t *point))
{
	const json_t *point;
	size_t i;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		if (has(point))
			return 1;
	}
	return 0;
}

double lsb_worst_unattributed(const json_t *point)
{
	const json_t *row;
	double worst = 0;
	size_t i;

	json_array_foreach(json_object_get(point, "ledger"), i, row)
	{
		worst = fmax(worst, fabs(lsb_number(row, "unattributed_s")) / lsb_number(row, "wall_s"));
	}
	return worst;
}

const char *lsb_verdict(const json_t *ratio)
{
	const json_t *ci = json_object_get(ratio, "ci95");

	if (json_array_size(ci) != 2)
		return "unknown, too few launches for an interval";
	return lsb_verdict_word(lsb_verdict_of_interval(json_number_value(json_array_get(ci, 0)),
							json_number_value(json_array_get(ci, 1)),
							LSB_MORE_IS_FASTER));
}

const struct lsb_ledger_term lsb_ledger_terms[LSB_LEDGER_TERMS] = {
	{ "compute_s", "compute", "compute" },
	{ "wait_s", "wait", "wait" },
	{ "transfer_s", "transfer", "transfer" },
	{ "wait_transfer_s", "wait+transfer", "either" },
	{ "overhead_s", "overhead", "overhead" },
	{ "idle_s", "idle", "idle" },
	{ "unattributed_s", "unattributed", "unattributed" },
};

int lsb_ledger_has(const json_t *summary, size_t term)
{
	const char *key = lsb_ledger_terms[term].key;
	const json_t *point, *row;
	size_t i, k;

	if (strcmp(key, "wait_transfer_s") != 0 && strcmp(key, "idle_s") != 0)
		return 1;
	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		json_array_foreach(json_object_get(point, "ledger"), k, row)
		{
			if (lsb_number(row, key) > 0)
				return 1;
		}
	}
	return 0;
}

int lsb_ledger_is_shown(const json_t *point)
{
	return json_array_size(json_object_get(point, "ledger")) > 0 &&
	       lsb_worst_unattributed(point) <= LSB_UNATTRIBUTED_MAX;
}

/* The entry of `troubles` that says the same of another point; NULL when none does. */
static json_t *same_trouble(const json_t *troubles, const char *what, const char *why)
{
	json_t *trouble;
	size_t i;

	json_array_foreach(troubles, i, trouble)
	{
		if (strcmp(lsb_text_of(trouble, "what"), what) == 0 &&
		    strcmp(lsb_text_of(trouble, "why"), why) == 0)
			return trouble;
	}
	return NULL;
}

static void add_trouble(json_t *troubles, const json_t *point, const char *what, const char *why)
{
	json_t *trouble = same_trouble(troubles, what, why);

	if (!trouble) {
		trouble = json_pack("{s:s, s:s, s:[]}", "what", what, "why", why, "points");
		json_array_append_new(troubles, trouble);
	}
	json_array_append(json_object_get(trouble, "points"), (json_t *)(uintptr_t)point);
}

json_t *lsb_troubles(const json_t *summary)
{
	json_t *troubles = json_array(), *reason;
	const json_t *point;
	const char *flag;
	size_t i;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		if (strcmp(lsb_text_of(point, "status"), "ok") != 0)
			add_trouble(troubles, point, lsb_text_of(point, "status"),
				    lsb_text_of(point, "reason"));
		json_object_foreach(json_object_get(point, "flag_reasons"), flag, reason)
		{
			add_trouble(troubles, point, flag, json_string_value(reason));
		}
	}
	return troubles;
}

const char *const lsb_report_kinds[] = { "strong", "weak", "batch", "replica", "infer", "link", NULL };

const char *lsb_kind_title(const char *kind)
{
	static const struct {
		const char *kind, *title;
	} titles[] = {
		{ "strong", "Strong scaling" }, { "weak", "Weak scaling" },
		{ "batch", "Batch size" },	{ "replica", "Replicas (data parallel)" },
		{ "infer", "Inference" },	{ "link", "Links" },
	};

	for (size_t i = 0; i < LSB_COUNT(titles); i++)
		if (strcmp(titles[i].kind, kind) == 0)
			return titles[i].title;
	return kind;
}

int lsb_is_kind(const json_t *point, const char *kind)
{
	return strcmp(lsb_text_of(point, "kind"), kind) == 0;
}

size_t lsb_count_kind(const json_t *summary, const char *kind)
{
	const json_t *point;
	size_t i, n = 0;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		n += (size_t)lsb_is_kind(point, kind);
	}
	return n;
}
