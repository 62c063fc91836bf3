/* SPDX-License-Identifier: Apache-2.0 */
/* Whether requests were answered, and whether the answers are the baseline's. */
#include <stdio.h>
#include <string.h>

#include "report/html.h"

static void add_success(const struct lsb_page *page)
{
	static const char *const heads[] = { "Point",
					     "#Launches",
					     "#Requests a launch",
					     "#Completed",
					     "#Prompt tokens",
					     "#Generated tokens",
					     "Equal to the baseline's",
					     "SHA-256 of all generated ids" };
	const json_t *point;
	size_t i;

	lsb_html_table(page, "Completed requests and their answers", heads, LSB_COUNT(heads));
	json_array_foreach(json_object_get(page->summary, "points"), i, point)
	{
		const json_t *outputs = json_object_get(point, "outputs");
		const json_t *equal = json_object_get(outputs, "equal_to_baseline");
		const char *digest = lsb_text_of(outputs, "sha256");

		if (!lsb_has_launches(point))
			continue;
		lsb_html_row(page, point, 0);
		lsb_html_add(page->to,
			     "<td class=\"n\">%.0f</td><td class=\"n\">%.0f</td><td class=\"n\">%.4g %%</td>",
			     lsb_number(point, "launches"), lsb_number(point, "prompts"),
			     lsb_number(lsb_metric(point, "success_rate"), "median") * 100);
		lsb_html_estimate(page, lsb_metric(point, "prompt_tokens"));
		lsb_html_estimate(page, lsb_metric(point, "generated_tokens"));
		lsb_html_cell(page, "%s",
			      lsb_is_own_baseline(point) ? "is the baseline"
			      : json_is_true(equal)	 ? "yes"
			      : json_is_false(equal)	 ? "no"
							 : "not comparable");
		if (*digest)
			lsb_html_add(page->to, "<td><code title=\"%s\">", digest);
		else
			lsb_text_add(page->to, "<td><code>");
		lsb_html_escape(page->to, digest, strnlen(digest, 16));
		lsb_html_add(page->to, "%s</code></td>", *digest ? "\u2026" : "launches differ");
		lsb_html_row_end(page);
	}
	lsb_html_table_end(page);
}

void lsb_html_answers(const struct lsb_page *page)
{
	lsb_html_open(page, "answers", "Success and answers");
	add_success(page);
	lsb_html_close(page);
}
