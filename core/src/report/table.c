/* SPDX-License-Identifier: Apache-2.0 */
/* Tables as rows of text cells, laid out when all are known. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/parts.h"

struct lsb_table lsb_table_open(const char *const *heads, size_t n)
{
	struct lsb_table t = { 0 };

	for (size_t i = 0; i < n; i++)
		lsb_table_column(&t, heads[i]);
	return t;
}

void lsb_table_column(struct lsb_table *t, const char *head)
{
	t->n_columns++;
	lsb_table_cell(t, "%s", head);
}

void lsb_table_cell(struct lsb_table *t, const char *format, ...)
{
	char *cell = NULL, **cells = realloc(t->cells, (t->n_cells + 1) * sizeof(*cells));
	va_list args;

	if (!cells) {
		t->failed = 1;
		return;
	}
	t->cells = cells;
	va_start(args, format);
	if (vasprintf(&cell, format, args) < 0)
		cell = NULL;
	va_end(args);
	if (cell)
		t->cells[t->n_cells++] = cell;
	else
		t->failed = 1;
}

void lsb_table_number(struct lsb_table *t, const json_t *value)
{
	char shown[LSB_SHOWN];

	lsb_table_cell(t, "%s", json_is_number(value) ? lsb_show(json_number_value(value), shown) : "-");
}

void lsb_table_metric(struct lsb_table *t, const json_t *metric, int is_wide)
{
	char shown[LSB_SHOWN];

	if (is_wide)
		lsb_table_cell(t, "%s", lsb_show_estimate(metric, shown));
	else
		lsb_table_number(t, json_object_get(metric, "median"));
}

void lsb_table_point(struct lsb_table *t, const json_t *point, int is_wide)
{
	const char *label = lsb_text_of(point, "label");
	char *cut = is_wide ? NULL : lsb_text_cut(label, LSB_LABEL_WIDTH);

	lsb_table_cell(t, "%s", cut ? cut : label);
	free(cut);
}

void lsb_table_fill(struct lsb_table *t)
{
	while (!t->failed && t->n_cells % t->n_columns)
		lsb_table_cell(t, "%s", "");
}

int lsb_table_has_rows(const struct lsb_table *t)
{
	return t->n_cells > t->n_columns;
}

void lsb_table_free(struct lsb_table *t)
{
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i]);
	free(t->cells);
	*t = (struct lsb_table){ 0 };
}

/* Whether all cells of a column under its head are numbers, shares, or nothing. */
static int is_numeric(const struct lsb_table *t, size_t column)
{
	for (size_t i = t->n_columns + column; i < t->n_cells; i += t->n_columns) {
		const char *cell = t->cells[i];

		if (*cell && !strchr("0123456789-[", *cell))
			return 0;
	}
	return 1;
}

/* Columns of a terminal that UTF-8 text takes, for text without wide or combining characters. */
static size_t width_of(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xC0) != 0x80;
	return width;
}

static void add_spaces(struct lsb_text *to, size_t n)
{
	while (n--)
		lsb_text_bytes(to, " ", 1);
}

void lsb_table_text(struct lsb_table *t, struct lsb_text *to)
{
	size_t *widths = calloc(t->n_columns, sizeof(*widths));

	to->failed |= !widths || t->failed;
	for (size_t i = 0; widths && i < t->n_cells; i++) {
		const size_t width = width_of(t->cells[i]);

		if (width > widths[i % t->n_columns])
			widths[i % t->n_columns] = width;
	}
	for (size_t i = 0; widths && i < t->n_cells; i++) {
		const size_t column = i % t->n_columns, pad = widths[column] - width_of(t->cells[i]);

		add_spaces(to, column ? pad + 1 : 0);
		lsb_text_add(to, "%s", t->cells[i]);
		add_spaces(to, column ? 0 : pad);
		if (column + 1 < t->n_columns)
			continue;
		while (to->length && to->data[to->length - 1] == ' ')
			to->data[--to->length] = '\0';
		lsb_text_bytes(to, "\n", 1);
	}
	free(widths);
	lsb_table_free(t);
}

/* The line under a Markdown table's head, which says how columns are aligned. */
static void add_rule(const struct lsb_table *t, struct lsb_text *to)
{
	lsb_text_add(to, "|");
	for (size_t column = 0; column < t->n_columns; column++)
		lsb_text_add(to, "%s", is_numeric(t, column) ? "--:|" : ":--|");
	lsb_text_add(to, "\n");
}

void lsb_table_markdown(struct lsb_table *t, struct lsb_text *to)
{
	to->failed |= t->failed;
	for (size_t i = 0; i < t->n_cells; i++) {
		lsb_text_add(to, "%s", i % t->n_columns ? " " : "| ");
		for (const char *at = t->cells[i]; *at; at++) {
			if (*at == '|')
				lsb_text_add(to, "\\|");
			else
				lsb_text_bytes(to, *at == '\n' ? " " : at, 1);
		}
		lsb_text_add(to, " |");
		if ((i + 1) % t->n_columns)
			continue;
		lsb_text_add(to, "\n");
		if (i + 1 == t->n_columns)
			add_rule(t, to);
	}
	lsb_text_add(to, "\n");
	lsb_table_free(t);
}

void lsb_table_show(struct lsb_table *t, int is_markdown, struct lsb_text *to)
{
	if (is_markdown)
		lsb_table_markdown(t, to);
	else
		lsb_table_text(t, to);
}
