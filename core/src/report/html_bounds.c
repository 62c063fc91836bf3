/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine allows (bounds of docs/summary.md), beside what was reached. */
#include <math.h>
#include <string.h>

#include "report/html.h"

static double value_or_nan(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_number(value) ? json_number_value(value) : NAN;
}

static void percent(const struct lsb_page *page, double share)
{
	if (isfinite(share))
		lsb_html_add(page->to, "<td class=\"n\">%.0f %%</td>", share * 100);
	else
		lsb_text_add(page->to, "<td class=\"n\">\u2013</td>");
}

static void add_rooflines(const struct lsb_page *page)
{
	static const char *const heads[] = { "Point",
					     "Phase",
					     "Bound by",
					     "#MB a token",
					     "#million MACs a token",
					     "#Tokens/s at most",
					     "#With all ranks at it",
					     "#Least time (s)",
					     "#Measured (s)",
					     "#Reached" };
	static const char *const phases[] = { "decode", "prefill" };
	static const char *const keys[] = { "bytes_per_token",	   "macs_per_token", "tokens_per_s",
					    "tokens_per_s_shared", "least_s",	     "measured_s" };
	struct lsb_html_rows rows = {
		"Rooflines: read bandwidth and matrix peak, the largest that a point of this run saw", heads,
		LSB_COUNT(heads), 0
	};
	const json_t *point;
	size_t i;

	json_array_foreach(json_object_get(page->summary, "points"), i, point)
	{
		for (size_t k = 0; k < LSB_COUNT(phases); k++) {
			const json_t *roof = json_object_get(json_object_get(point, "bounds"), phases[k]);

			if (!json_is_object(roof))
				continue;
			lsb_html_rows_add(page, &rows, point);
			lsb_html_cell(page, "%s", phases[k]);
			lsb_html_cell(page, "%s", lsb_text_of(roof, "limit"));
			for (size_t m = 0; m < LSB_COUNT(keys); m++)
				lsb_html_number(page, value_or_nan(roof, keys[m]) * (m < 2 ? 1e-6 : 1));
			percent(page, value_or_nan(roof, "share"));
			lsb_html_row_end(page);
		}
	}
	if (lsb_html_rows_end(page, &rows))
		lsb_html_note(page, "The least time of a phase on the rank where it is largest. Above 100 %: "
				    "weights came from caches.");
}

static void add_predictions(const struct lsb_page *page)
{
	static const char *const heads[] = { "Point",	       "#Ideal", "#Predicted", "#Measured", "#Bubble",
					     "#Uneven stages", "#Link",	 "#Memory",    "#Remainder" };
	static const char *const shares[] = { "bubble", "imbalance", "link", "memory" };
	struct lsb_html_rows rows = {
		"Speedup predicted from schedule, link and memory beside the measured one; shares of the run",
		heads, LSB_COUNT(heads), 0
	};
	const json_t *point;
	size_t i;

	json_array_foreach(json_object_get(page->summary, "points"), i, point)
	{
		const json_t *bounds = json_object_get(point, "bounds"),
			     *p = json_object_get(bounds, "predicted");

		if (!json_is_object(p))
			continue;
		lsb_html_rows_add(page, &rows, point);
		lsb_html_number(page, value_or_nan(bounds, "ideal_speedup"));
		lsb_html_number(page, value_or_nan(p, "speedup"));
		lsb_html_number(page, value_or_nan(p, "measured_speedup"));
		for (size_t k = 0; k < LSB_COUNT(shares); k++)
			percent(page, value_or_nan(json_object_get(p, "shares"), shares[k]));
		percent(page, value_or_nan(p, "remainder_share"));
		lsb_html_row_end(page);
	}
	(void)lsb_html_rows_end(page, &rows);
}

static void add_links(const struct lsb_page *page)
{
	static const char *const heads[] = { "Point",
					     "Ranks",
					     "#Latency (\u00b5s)",
					     "#Bandwidth (GB/s)",
					     "#Residual of the fit",
					     "#Decode message (B)",
					     "#It takes (\u00b5s)",
					     "#Exposed in all (s)" };
	struct lsb_html_rows rows = {
		"The slowest link between neighbours, measured after the run: latency + bytes / bandwidth",
		heads, LSB_COUNT(heads), 0
	};
	const json_t *point;
	size_t i;

	json_array_foreach(json_object_get(page->summary, "points"), i, point)
	{
		const json_t *link = json_object_get(json_object_get(point, "bounds"), "link");

		if (!json_is_object(link))
			continue;
		lsb_html_rows_add(page, &rows, point);
		lsb_html_cell(page, "%.0f and %.0f", lsb_number(link, "rank"), lsb_number(link, "peer"));
		lsb_html_number(page, value_or_nan(link, "latency_s") * 1e6);
		lsb_html_number(page, value_or_nan(link, "bandwidth") * 1e-9);
		percent(page, value_or_nan(link, "residual"));
		lsb_html_number(page, value_or_nan(link, "message_bytes"));
		lsb_html_number(page, value_or_nan(link, "message_s") * 1e6);
		lsb_html_number(page, value_or_nan(link, "exposed_s"));
		lsb_html_row_end(page);
	}
	(void)lsb_html_rows_end(page, &rows);
}

void lsb_html_bounds(const struct lsb_page *page)
{
	lsb_html_open(page, "bounds", "What the machine allows");
	add_rooflines(page);
	add_predictions(page);
	add_links(page);
	lsb_html_close(page);
}

/* --- nodes of equal role beside each other --- */

static void add_comparison(const struct lsb_page *page, const json_t *symmetry, double unit)
{
	const json_t *comparison;
	char shown[LSB_SHOWN], interval[LSB_SHOWN];
	size_t i;

	json_array_foreach(json_object_get(symmetry, "comparisons"), i, comparison)
	{
		const double p = value_or_nan(comparison, "p_adjusted");

		if (!(fabs(lsb_number(comparison, "unit") - unit) < 0.5))
			continue;
		lsb_html_cell(page, "%s%s%s", lsb_text_of(comparison, "verdict"),
			      *lsb_text_of(comparison, "reason") ? ": " : "",
			      lsb_text_of(comparison, "reason"));
		lsb_html_add(page->to, "<td class=\"n\">%s <span class=\"ci\">%s</span></td>",
			     isfinite(value_or_nan(comparison, "ratio"))
				     ? lsb_show(lsb_number(comparison, "ratio"), shown)
				     : "\u2013",
			     lsb_show_interval(json_object_get(comparison, "ci95"), 0, interval));
		lsb_html_number(page, p);
		return;
	}
	lsb_text_add(page->to,
		     "<td colspan=\"3\" class=\"quiet\">the others are compared with this one</td>");
}

void lsb_html_symmetry(const struct lsb_page *page)
{
	static const char *const heads[] = { "Point",	 "Unit",	   "Host",   "Measured", "#Median",
					     "#Success", "Against unit 0", "#Ratio", "#p (Holm)" };
	struct lsb_html_rows rows = {
		"Symmetry: nodes of equal role beside each other, by an exact test over launches", heads,
		LSB_COUNT(heads), 0
	};
	const json_t *point, *unit;
	size_t i, k;

	json_array_foreach(json_object_get(page->summary, "points"), i, point)
	{
		const json_t *symmetry = json_object_get(point, "symmetry");

		json_array_foreach(json_object_get(symmetry, "rows"), k, unit)
		{
			lsb_html_rows_add(page, &rows, point);
			lsb_html_cell(page, "%s %.0f", lsb_text_of(symmetry, "unit"),
				      lsb_number(unit, "unit"));
			lsb_html_cell(page, "%s", lsb_text_of(unit, "host"));
			lsb_html_cell(page, "%s", lsb_text_of(symmetry, "what"));
			lsb_html_number(page, value_or_nan(unit, "median"));
			percent(page, value_or_nan(unit, "success_rate"));
			add_comparison(page, symmetry, lsb_number(unit, "unit"));
			lsb_html_row_end(page);
		}
	}
	(void)lsb_html_rows_end(page, &rows);
}
