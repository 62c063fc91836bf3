/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger of all ranks: as stacked bars of one scale, and as numbers that add up. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/html.h"

/* --- bars --- */

double lsb_html_bar_part(struct lsb_text *to, const char *class, const char *words, double from,
			 double seconds, double scale)
{
	const double width = seconds / scale * 100;
	char shown[LSB_SHOWN];

	if (!(width > 0.02) || !isfinite(width))
		return from;
	lsb_html_add(to,
		     "<rect class=\"%s\" x=\"%.3f%%\" width=\"%.3f%%\" height=\"100%%\"><title>%s %s "
		     "s</title></rect>",
		     class, from, width, words, lsb_show(seconds, shown));
	return from + width;
}

void lsb_html_bar(struct lsb_text *to, const char *words)
{
	lsb_html_add(to, "<svg class=\"bar\" role=\"img\" aria-label=\"%s\" width=\"100%%\" height=\"20\">",
		     words);
}

/* --- the ledger of all ranks --- */

static double largest_wall(const json_t *summary)
{
	const json_t *point, *row;
	double largest = 0;
	size_t i, k;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		json_array_foreach(json_object_get(point, "ledger"), k, row)
		{
			if (lsb_ledger_is_shown(point) && isfinite(lsb_number(row, "wall_s")))
				largest = fmax(largest, lsb_number(row, "wall_s"));
		}
	}
	return largest;
}

static void add_rank(const struct lsb_page *page, const json_t *point, const json_t *row, double scale)
{
	const double wall = lsb_number(row, "wall_s");
	char shown[LSB_SHOWN], words[320] = "";
	double at = 0;

	for (size_t i = 0; i < LSB_LEDGER_TERMS; i++) {
		char part[48];

		if (!lsb_ledger_has(page->summary, i))
			continue;
		(void)snprintf(part, sizeof(part), "%s%s %.0f %%", i ? ", " : "", lsb_ledger_terms[i].words,
			       lsb_percent(lsb_number(row, lsb_ledger_terms[i].key), wall));
		strncat(words, part, sizeof(words) - strlen(words) - 1);
	}
	lsb_html_add(
		page->to,
		"<tr><th scope=\"row\"><a href=\"#p-%s\">%s</a> <span class=\"quiet\">rank %.0f</span></th>"
		"<td class=\"track\">",
		lsb_text_of(point, "id"), lsb_text_of(point, "label"), lsb_number(row, "rank"));
	lsb_html_bar(page->to, words);
	for (size_t i = 0; i < LSB_LEDGER_TERMS; i++)
		at = lsb_html_bar_part(page->to, lsb_ledger_terms[i].class, lsb_ledger_terms[i].words, at,
				       lsb_number(row, lsb_ledger_terms[i].key), scale);
	lsb_html_add(page->to, "</svg></td><td class=\"n\">%s s</td></tr>\n", lsb_show(wall, shown));
}

static void add_bars(const struct lsb_page *page)
{
	const double scale = largest_wall(page->summary);
	const json_t *point, *row;
	size_t i, k;

	if (!(scale > 0))
		return;
	lsb_text_add(page->to, "<figure>\n<figcaption>The run of every rank, in the launch nearest the median"
			       "</figcaption>\n<table class=\"bars\" aria-label=\"Each rank's time\">"
			       "<colgroup><col class=\"who\"><col><col class=\"much\"></colgroup><tbody>\n");
	json_array_foreach(json_object_get(page->summary, "points"), i, point)
	{
		json_array_foreach(json_object_get(point, "ledger"), k, row)
		{
			if (lsb_ledger_is_shown(point))
				add_rank(page, point, row, scale);
		}
	}
	lsb_text_add(page->to, "</tbody></table>\n<ul class=\"legend\">");
	for (i = 0; i < LSB_LEDGER_TERMS; i++)
		if (lsb_ledger_has(page->summary, i))
			lsb_html_add(page->to, "<li><span class=\"mark box %s\"></span>%s</li>",
				     lsb_ledger_terms[i].class, lsb_ledger_terms[i].words);
	lsb_text_add(page->to, "</ul>\n</figure>\n");
}

static void add_rows(const struct lsb_page *page)
{
	const char *heads[LSB_LEDGER_TERMS + 5] = { "Point", "#Rank", "#Stage" };
	char texts[LSB_LEDGER_TERMS][32];
	size_t n = 3;
	const json_t *point, *row, *hidden;
	char shown[LSB_SHOWN];
	size_t i, k;

	for (i = 0; i < LSB_LEDGER_TERMS; i++)
		if (lsb_ledger_has(page->summary, i)) {
			(void)snprintf(texts[i], sizeof(texts[i]), "#%s (s)", lsb_ledger_terms[i].words);
			heads[n++] = texts[i];
		}
	heads[n++] = "#= wall (s)";
	heads[n++] = "#hidden transfer (s)";
	lsb_html_table(page, "Ledger: the parts of each rank's run add up to its wall time", heads, n);
	json_array_foreach(json_object_get(page->summary, "points"), i, point)
	{
		json_array_foreach(json_object_get(point, "ledger"), k, row)
		{
			const double wall = lsb_number(row, "wall_s");

			if (!lsb_ledger_is_shown(point))
				continue;
			lsb_html_row(page, point, 0);
			lsb_html_add(page->to, "<td class=\"n\">%.0f</td><td class=\"n\">%.0f</td>",
				     lsb_number(row, "rank"), lsb_number(row, "stage"));
			for (size_t t = 0; t < LSB_LEDGER_TERMS; t++)
				if (lsb_ledger_has(page->summary, t))
					lsb_html_add(
						page->to,
						"<td class=\"n\">%s <span class=\"ci\">%.0f %%</span></td>",
						lsb_show(lsb_number(row, lsb_ledger_terms[t].key), shown),
						lsb_percent(lsb_number(row, lsb_ledger_terms[t].key), wall));
			lsb_html_number(page, wall);
			hidden = json_object_get(row, "hidden_transfer_s");
			lsb_html_add(page->to, "<td class=\"n\">%s</td>",
				     json_is_number(hidden) ? lsb_show(json_number_value(hidden), shown)
							    : "unknown");
			lsb_html_row_end(page);
		}
	}
	lsb_html_table_end(page);
	json_array_foreach(json_object_get(page->summary, "points"), i, point)
	{
		if (lsb_worst_unattributed(point) > LSB_UNATTRIBUTED_MAX)
			lsb_html_add(page->to,
				     "<p>%s is not shown: %.1f %% of a rank's time is unattributed (limit "
				     "%.0f %%).</p>\n",
				     lsb_text_of(point, "label"), lsb_worst_unattributed(point) * 100,
				     LSB_UNATTRIBUTED_MAX * 100);
	}
}

/* Ranks that were lost: what is known of them instead of a ledger. */
static void add_lost(const struct lsb_page *page)
{
	const json_t *point, *row;
	size_t i, k;

	json_array_foreach(json_object_get(page->summary, "points"), i, point)
	{
		json_array_foreach(json_object_get(point, "lost"), k, row) lsb_html_add(
			page->to, "<p>%s: %s.</p>\n", lsb_text_of(point, "label"), lsb_text_of(row, "text"));
	}
}

/* --- single steps --- */

static void add_step(const struct lsb_page *page, const json_t *step)
{
	static const char *const keys[] = { "wall_s", "compute_s", "wait_s", "transfer_s", "overhead_s" };
	char shown[LSB_SHOWN];

	for (size_t i = 0; i < LSB_COUNT(keys); i++)
		lsb_html_add(page->to, "<td class=\"n\">%s</td>",
			     json_is_object(step) ? lsb_show(lsb_number(step, keys[i]) * 1e3, shown)
						  : "\u2013");
}

static void add_steps(const struct lsb_page *page)
{
	static const char *const heads[] = { "Point",	 "#Rank", "Steps",     "#How many", "#Median (ms)",
					     "#compute", "#wait", "#transfer", "#overhead", "#Longest (ms)",
					     "#compute", "#wait", "#transfer", "#overhead" };
	const json_t *point, *row;
	size_t i, k, n = 0;

	json_array_foreach(json_object_get(page->summary, "points"), i, point)
	{
		json_array_foreach(json_object_get(point, "steps"), k, row)
		{
			if (!lsb_ledger_is_shown(point))
				continue;
			if (n++ == 0)
				lsb_html_table(
					page,
					"Steps: the one of median length and the longest, with all time "
					"since the step before",
					heads, LSB_COUNT(heads));
			lsb_html_row(page, point, 0);
			lsb_html_add(page->to, "<td class=\"n\">%.0f</td>", lsb_number(row, "rank"));
			lsb_html_cell(page, "%s", lsb_text_of(row, "kind"));
			lsb_html_add(page->to, "<td class=\"n\">%.0f</td>", lsb_number(row, "n"));
			add_step(page, json_object_get(row, "median"));
			add_step(page, json_object_get(row, "worst"));
			lsb_html_row_end(page);
		}
	}
	if (n)
		lsb_html_table_end(page);
}

/* Clocks that are not rank 0's: how far off, and by how much that may be wrong. */
static void add_clocks(const struct lsb_page *page)
{
	const json_t *point, *clock;
	char shown[LSB_SHOWN];
	size_t i, k, n = 0;

	json_array_foreach(json_object_get(page->summary, "points"), i, point)
	{
		json_array_foreach(json_object_get(point, "clocks"), k, clock)
		{
			if (!json_is_true(json_object_get(clock, "known")) ||
			    json_is_true(json_object_get(clock, "shared")))
				continue;
			lsb_text_add(page->to, "%s",
				     n++ ? "<li>"
					 : "<p>Clocks that are not rank 0's, measured over the transport "
					   "before and after the run:</p>\n<ul><li>");
			lsb_html_point(page, point);
			lsb_html_add(page->to,
				     ", rank %.0f: %s s ahead of rank 0, drift %.2f ppm, error %.1f "
				     "\u00b5s</li>\n",
				     lsb_number(clock, "rank"),
				     lsb_show(lsb_number(clock, "offset_ns") * 1e-9, shown),
				     lsb_number(clock, "drift_ppm"), lsb_number(clock, "error_ns") * 1e-3);
		}
	}
	if (n)
		lsb_text_add(page->to, "</ul>\n");
}

void lsb_html_ledger(const struct lsb_page *page)
{
	add_bars(page);
	add_rows(page);
	add_lost(page);
	add_clocks(page);
	add_steps(page);
}
