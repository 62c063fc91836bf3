/* SPDX-License-Identifier: Apache-2.0 */
/* Links: curves over message size, and their tables with points side by side. */
#include <stdlib.h>

#include "report/html.h"
#include "report/links.h"

static void add_curve(const struct lsb_page *page, const struct lsb_link_group *g,
		      const struct lsb_link_curve *curve)
{
	const char *heads[LSB_LINK_POINTS + 1] = { "Message" };
	char labels[LSB_LINK_POINTS][96], caption[192], shown[LSB_SHOWN];

	for (size_t k = 0; k < g->n_points; k++) {
		(void)snprintf(labels[k], sizeof(labels[k]), "#%s", lsb_text_of(g->points[k], "label"));
		heads[k + 1] = labels[k];
	}
	(void)snprintf(caption, sizeof(caption), "%.80s: %s (%s)", g->name, curve->title, curve->shown_unit);
	lsb_html_table(page, caption, heads, g->n_points + 1);
	for (size_t i = 0; i < g->n_sizes; i++) {
		lsb_html_add(page->to, "<tr><th scope=\"row\">%s</th>", lsb_link_size(g->sizes[i], shown));
		for (size_t k = 0; k < g->n_points; k++)
			lsb_html_add(page->to, "<td class=\"n\">%s</td>",
				     lsb_link_estimate(lsb_link_metric(g->points[k], curve, g->sizes[i]),
						       curve->factor, shown));
		lsb_text_add(page->to, "</tr>\n");
	}
	lsb_html_table_end(page);
}

static void add_fits(const struct lsb_page *page, const struct lsb_link_group *g)
{
	static const char *const heads[] = { "Point",
					     "#Start L + 2o (\u00b5s)",
					     "#Send o (\u00b5s)",
					     "#Gap g (\u00b5s)",
					     "#G (ns/KiB)",
					     "#Residual (%)" };

	lsb_html_table(page, "LogGP: k bytes take L + 2o + (k \u2212 1) G", heads, LSB_COUNT(heads));
	for (size_t i = 0; i < g->n_points; i++) {
		const json_t *fit =
			json_object_get(json_array_get(json_object_get(g->points[i], "links"), 0), "loggp");

		lsb_html_row(page, g->points[i], 1);
		lsb_html_number(page, lsb_number(fit, "start_s") * 1e6);
		lsb_html_number(page, lsb_number(fit, "overhead_s") * 1e6);
		lsb_html_number(page, lsb_number(fit, "gap_s") * 1e6);
		lsb_html_number(page, lsb_number(fit, "gap_per_byte_s") * 1e9 * 1024);
		lsb_html_number(page, lsb_number(fit, "residual") * 100);
		lsb_html_row_end(page);
	}
	lsb_html_table_end(page);
}

void lsb_html_links(const struct lsb_page *page)
{
	struct lsb_link_group g;
	struct lsb_chart chart;

	for (size_t which = 0; lsb_link_group(page->summary, which, &g); which++) {
		lsb_text_add(page->to, "<div class=\"figures\">\n");
		for (size_t c = 0; c < LSB_LINK_CURVES; c++) {
			if (lsb_chart_link(&g, c, &chart)) {
				chart.number = (int)(which * LSB_LINK_CURVES + c);
				lsb_html_chart(page, &chart);
			}
			lsb_chart_free(&chart);
		}
		lsb_text_add(page->to, "</div>\n");
		add_fits(page, &g);
		for (size_t c = 0; c < LSB_LINK_CURVES; c++)
			if (lsb_link_has(&g, &lsb_link_curves[c]))
				add_curve(page, &g, &lsb_link_curves[c]);
	}
}
