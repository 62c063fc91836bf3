/* SPDX-License-Identifier: Apache-2.0 */
/* The small forms that all sections of report.html are made of: headings, tables, their cells. */
#include <math.h>
#include <stdio.h>

#include "report/html.h"

void lsb_html_point(const struct lsb_page *page, const json_t *point)
{
	lsb_html_add(page->to, "<a href=\"#p-%s\">%s</a>", lsb_text_of(point, "id"),
		     lsb_text_of(point, "label"));
}

void lsb_html_open(const struct lsb_page *page, const char *anchor, const char *title)
{
	lsb_html_add(page->to, "<section id=\"%s\" aria-labelledby=\"%s-h\">\n<h2 id=\"%s-h\">%s</h2>\n",
		     anchor, anchor, anchor, title);
}

void lsb_html_close(const struct lsb_page *page)
{
	lsb_text_add(page->to, "</section>\n\n");
}

void lsb_html_note(const struct lsb_page *page, const char *text)
{
	lsb_html_add(page->to, "<p class=\"quiet\">%s</p>\n", text);
}

void lsb_html_table(const struct lsb_page *page, const char *caption, const char *const *heads, size_t n)
{
	lsb_html_add(page->to,
		     "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"%s\">\n<table>\n"
		     "<caption><span>%s</span></caption>\n<thead><tr>",
		     caption, caption);
	for (size_t i = 0; i < n; i++)
		lsb_html_add(page->to,
			     *heads[i] == '#' ? "<th scope=\"col\" class=\"n\">%s</th>"
					      : "<th scope=\"col\">%s</th>",
			     heads[i] + (*heads[i] == '#'));
	lsb_text_add(page->to, "</tr></thead>\n<tbody>\n");
}

void lsb_html_table_end(const struct lsb_page *page)
{
	lsb_text_add(page->to, "</tbody>\n</table>\n</div>\n");
}

void lsb_html_rows_add(const struct lsb_page *page, struct lsb_html_rows *rows, const json_t *point)
{
	if (rows->n++ == 0)
		lsb_html_table(page, rows->caption, rows->heads, rows->n_heads);
	lsb_html_row(page, point, 0);
}

int lsb_html_rows_end(const struct lsb_page *page, const struct lsb_html_rows *rows)
{
	if (rows->n)
		lsb_html_table_end(page);
	return rows->n > 0;
}

void lsb_html_row(const struct lsb_page *page, const json_t *point, int is_anchor)
{
	const json_t *flag;
	size_t i;

	if (!is_anchor) {
		lsb_text_add(page->to, "<tr><th scope=\"row\">");
		lsb_html_point(page, point);
		lsb_text_add(page->to, "</th>");
		return;
	}
	lsb_html_add(page->to, "<tr id=\"p-%s\"><th scope=\"row\">%s<br><span class=\"id\">%s</span>",
		     lsb_text_of(point, "id"), lsb_text_of(point, "label"), lsb_text_of(point, "id"));
	json_array_foreach(json_object_get(point, "flags"), i, flag)
	{
		lsb_text_add(page->to, i ? " " : "<br>");
		lsb_html_add(page->to, "<a class=\"flag\" href=\"#flags\">%s</a>", json_string_value(flag));
	}
	lsb_text_add(page->to, "</th>");
}

void lsb_html_row_end(const struct lsb_page *page)
{
	lsb_text_add(page->to, "</tr>\n");
}

void lsb_html_cell(const struct lsb_page *page, const char *format, ...)
{
	va_list args;

	lsb_text_add(page->to, "<td>");
	va_start(args, format);
	lsb_html_vadd(page->to, format, &args);
	va_end(args);
	lsb_text_add(page->to, "</td>");
}

void lsb_html_number(const struct lsb_page *page, double value)
{
	char shown[LSB_SHOWN];

	lsb_html_add(page->to, "<td class=\"n\">%s</td>",
		     isfinite(value) ? lsb_show(value, shown) : "\u2013");
}

/* All launches gave the same: an interval would say no more. */
static int is_constant(const json_t *estimate)
{
	const json_t *samples = json_object_get(estimate, "samples"), *sample;
	size_t i;

	json_array_foreach(samples, i, sample)
	{
		if (!json_equal(sample, json_array_get(samples, 0)))
			return 0;
	}
	return json_array_size(samples) > 0;
}

/* An interval in few characters: two or three digits are enough beside the value. */
static void show_tight(const json_t *ci, char out[LSB_SHOWN])
{
	size_t length = 0;

	out[0] = '\0';
	for (size_t i = 0; i < 2 && json_array_size(ci) == 2; i++) {
		const double value = json_number_value(json_array_get(ci, i)), size = fabs(value);
		const char *format = size >= 100   ? "%s%.0f%s"
				     : size >= 10  ? "%s%.1f%s"
				     : size >= 0.1 ? "%s%.2f%s"
						   : "%s%.2g%s";

		length += (size_t)snprintf(out + length, LSB_SHOWN - length, format, i ? ", " : "[", value,
					   i ? "]" : "");
		if (length >= LSB_SHOWN)
			return;
	}
}

static void add_estimate(const struct lsb_page *page, const json_t *estimate, int is_tight)
{
	const json_t *value = json_object_get(estimate, "median");
	char number[LSB_SHOWN], interval[LSB_SHOWN];

	if (!value)
		value = json_object_get(estimate, "value");
	if (!json_is_number(value)) {
		lsb_text_add(page->to, "\u2013");
		return;
	}
	lsb_html_add(page->to, "%s", lsb_show(json_number_value(value), number));
	if (is_tight)
		show_tight(json_object_get(estimate, "ci95"), interval);
	else
		lsb_show_interval(json_object_get(estimate, "ci95"), 0, interval);
	if (*interval && !is_constant(estimate))
		lsb_html_add(page->to, " <span class=\"ci\">%s</span>", interval);
}

void lsb_html_estimate_inline(const struct lsb_page *page, const json_t *estimate)
{
	add_estimate(page, estimate, 0);
}

void lsb_html_estimate(const struct lsb_page *page, const json_t *estimate)
{
	lsb_text_add(page->to, "<td class=\"n\">");
	add_estimate(page, estimate, 1); /* columns are narrow */
	lsb_text_add(page->to, "</td>");
}

void lsb_html_from_table(const struct lsb_page *page, const char *caption, struct lsb_table *t,
			 size_t numbers)
{
	enum { COLUMNS = 32 };
	char marked[COLUMNS][64];
	const char *heads[COLUMNS];
	const int has_rows = t->n_cells > t->n_columns && t->n_columns <= COLUMNS;

	for (size_t i = 0; has_rows && i < t->n_columns; i++) {
		(void)snprintf(marked[i], sizeof(marked[i]), "%s%s", i >= numbers ? "#" : "", t->cells[i]);
		heads[i] = marked[i];
	}
	if (has_rows)
		lsb_html_table(page, caption, heads, t->n_columns);
	for (size_t i = t->n_columns; has_rows && i < t->n_cells; i++) {
		const size_t column = i % t->n_columns;

		lsb_html_add(page->to,
			     column ? column < numbers ? "<td>%s</td>" : "<td class=\"n\">%s</td>"
				    : "<tr><th scope=\"row\">%s</th>",
			     t->cells[i]);
		lsb_text_add(page->to, column + 1 == t->n_columns ? "</tr>\n" : "");
	}
	if (has_rows)
		lsb_html_table_end(page);
	page->to->failed |= t->failed;
	lsb_table_free(t);
}
