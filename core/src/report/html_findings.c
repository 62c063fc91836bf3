/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the numbers say in words (findings of docs/summary.md): sentences, grades, bottlenecks, advice,
 * checks.
 */
#include <string.h>

#include "measure/summary.h"
#include "report/html.h"

enum { SENTENCES_SHOWN = 7 }; /* at once: the most important come first */

static const json_t *point_of(const struct lsb_page *page, const char *id)
{
	return *id ? lsb_summary_point(page->summary, id) : NULL;
}

static const json_t *findings(const struct lsb_page *page, const char *key)
{
	return json_object_get(json_object_get(page->summary, "findings"), key);
}

/* A sentence, and behind it the ids of the points that it stands on. */
static void add_finding(const struct lsb_page *page, const json_t *finding)
{
	const json_t *id;
	size_t i;

	lsb_html_add(page->to, "%s", lsb_text_of(finding, "text"));
	lsb_text_add(page->to, " <span class=\"cites\">");
	json_array_foreach(json_object_get(finding, "points"), i, id)
	{
		const char *text = json_string_value(id) ? json_string_value(id) : "";

		lsb_html_add(page->to,
			     point_of(page, text) ? "%s<a class=\"id\" href=\"#p-%s\">%s</a>"
						  : "%s<span class=\"id\" title=\"%s\">%s</span>",
			     i ? " " : "", text, text);
	}
	lsb_text_add(page->to, "</span>");
}

void lsb_html_sentences(const struct lsb_page *page)
{
	const json_t *finding;
	size_t i;

	lsb_text_add(page->to, "<ul class=\"prose\">\n");
	json_array_foreach(findings(page, "summary"), i, finding)
	{
		if (i == SENTENCES_SHOWN)
			lsb_html_add(page->to,
				     "</ul>\n<details><summary>%zu more</summary>\n<ul class=\"prose\">\n",
				     json_array_size(findings(page, "summary")) - i);
		lsb_text_add(page->to, "<li>");
		add_finding(page, finding);
		lsb_text_add(page->to, "</li>\n");
	}
	lsb_text_add(page->to, i > SENTENCES_SHOWN ? "</ul>\n</details>\n" : "</ul>\n");
	lsb_html_add(page->to, "<p class=\"quiet\">All %s.</p>\n",
		     lsb_text_of(json_object_get(page->summary, "findings"), "generated"));
}

/* A letter of A to F in a colour of its own; anything else without one. */
static void add_letter(const struct lsb_page *page, const char *grade)
{
	static const char *const known[] = { "A", "B", "C", "D", "F" };
	const char *class = "";

	for (size_t i = 0; i < LSB_COUNT(known); i++)
		if (strcmp(known[i], grade) == 0)
			class = known[i];
	lsb_html_add(page->to, "<td><span class=\"grade g%s\">%s</span></td>", class, grade);
}

void lsb_html_grades(const struct lsb_page *page)
{
	static const char *const heads[] = { "Graded", "#Value", "Grade", "Worst point", "Rule" };
	const json_t *grade, *value, *point;
	char shown[LSB_SHOWN];
	size_t i;

	if (json_array_size(findings(page, "grades")) == 0)
		return;
	lsb_html_table(page, "Grades: of the worst point each, by the rule beside it", heads,
		       LSB_COUNT(heads));
	json_array_foreach(findings(page, "grades"), i, grade)
	{
		const int is_share = strcmp(lsb_text_of(grade, "unit"), "%") == 0;

		value = json_object_get(grade, "value");
		point = point_of(page, lsb_text_of(grade, "point"));
		lsb_html_add(page->to, "<tr><th scope=\"row\">%s</th>", lsb_text_of(grade, "name"));
		if (!json_is_number(value))
			lsb_text_add(page->to, "<td></td>");
		else
			lsb_html_add(page->to, "<td class=\"n\">%s%s</td>",
				     lsb_show(json_number_value(value) * (is_share ? 100 : 1), shown),
				     is_share ? " %" : "");
		add_letter(page, lsb_text_of(grade, "grade"));
		lsb_text_add(page->to, "<td>");
		if (point)
			lsb_html_point(page, point);
		lsb_html_add(page->to, "</td><td class=\"wide\">%s</td></tr>\n", lsb_text_of(grade, "rule"));
	}
	lsb_html_table_end(page);
}

static void add_bottlenecks(const struct lsb_page *page)
{
	const json_t *finding;
	size_t i;

	json_array_foreach(findings(page, "bottlenecks"), i, finding)
	{
		lsb_text_add(page->to, i ? "<li>" : "<h3>Bottlenecks</h3>\n<ul class=\"prose\">\n<li>");
		add_finding(page, finding);
		lsb_text_add(page->to, "</li>\n");
	}
	if (i)
		lsb_text_add(page->to, "</ul>\n");
}

/* The gain, how it is known, what to set, and why. */
static void add_advice(const struct lsb_page *page)
{
	const json_t *finding, *gain;
	size_t i;

	json_array_foreach(findings(page, "recommendations"), i, finding)
	{
		const char *set = lsb_text_of(finding, "set");

		lsb_text_add(page->to, i ? "<li>" : "<h3>Recommendations</h3>\n<ul class=\"advice\">\n<li>");
		gain = json_object_get(finding, "gain");
		if (json_is_number(gain))
			lsb_html_add(page->to, "<b>%.2f\u00d7</b> ", json_number_value(gain));
		lsb_html_add(page->to, "<span class=\"basis\">%s</span> ", lsb_text_of(finding, "basis"));
		if (*set)
			lsb_html_add(page->to, "<code>%s</code> ", set);
		add_finding(page, finding);
		lsb_text_add(page->to, "</li>\n");
	}
	if (i)
		lsb_text_add(page->to,
			     "</ul>\n<p class=\"quiet\">Measured: a point of this run shows the gain. "
			     "Predicted: an upper limit from the point's own bounds. Stated: a rule without "
			     "a gain.</p>\n");
}

void lsb_html_advice(const struct lsb_page *page)
{
	lsb_html_open(page, "advice", "What limits it, and what to do");
	if (json_array_size(findings(page, "bottlenecks")) +
		    json_array_size(findings(page, "recommendations")) ==
	    0)
		lsb_text_add(page->to, "<p>No rule found anything to say.</p>\n");
	add_bottlenecks(page);
	add_advice(page);
	lsb_html_close(page);
}

void lsb_html_checks(const struct lsb_page *page)
{
	static const char *const heads[] = { "Check", "#Points", "Result", "Rule" };
	const json_t *check, *fired;
	size_t i, k;

	if (json_array_size(findings(page, "checks")) == 0)
		return;
	lsb_html_table(page, "Plausibility: what was looked for in every point", heads, LSB_COUNT(heads));
	json_array_foreach(findings(page, "checks"), i, check)
	{
		lsb_html_add(page->to,
			     "<tr><th scope=\"row\">%s</th><td class=\"n\">%.0f</td><td class=\"wide\">",
			     lsb_text_of(check, "name"), lsb_number(check, "looked_at"));
		json_array_foreach(json_object_get(check, "fired"), k, fired)
		{
			const json_t *point = point_of(page, lsb_text_of(fired, "point"));

			lsb_text_add(page->to, "%s", k ? "<br>" : "");
			if (point)
				lsb_html_point(page, point);
			lsb_html_add(page->to, ": %s", lsb_text_of(fired, "reason"));
		}
		lsb_html_add(page->to, "%s</td><td class=\"wide quiet\">%s</td></tr>\n",
			     k					  ? ""
			     : lsb_number(check, "looked_at") > 0 ? "nothing found"
								  : "applies to no point",
			     lsb_text_of(check, "rule"));
	}
	lsb_html_table_end(page);
}
