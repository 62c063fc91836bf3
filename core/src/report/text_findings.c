/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the terminal says in words: findings, grades in a line, and why nodes are not as many times as fast.
 */
#include <stdio.h>
#include <string.h>

#include "report/parts.h"

enum { WIDTH = 110, SENTENCES_SHOWN = 7, ADVICE_SHOWN = 5 };

/* The byte at which character `n` of UTF-8 text begins. */
static size_t byte_of(const char *text, size_t n)
{
	size_t at = 0;

	for (; text[at]; at++)
		if (((unsigned char)text[at] & 0xC0) != 0x80 && n-- == 0)
			break;
	return at;
}

char *lsb_text_cut(const char *text, size_t width)
{
	const size_t head = (width - 2) / 2, tail = width - 2 - head;
	size_t characters = 0;

	for (const char *at = text; *at; at++)
		characters += ((unsigned char)*at & 0xC0) != 0x80;
	if (characters <= width)
		return lsb_format("%s", text);
	return lsb_format("%.*s..%s", (int)byte_of(text, head), text,
			  text + byte_of(text, characters - tail));
}

void lsb_text_wrapped(struct lsb_text *to, const char *text, size_t indent)
{
	size_t column = 0;

	while (*text) {
		const size_t word = strcspn(text, " \n");

		if (column && column + 1 + word > WIDTH) {
			lsb_text_add(to, "\n%*s", (int)indent, "");
			column = indent;
		} else if (column) {
			lsb_text_add(to, " ");
			column++;
		}
		lsb_text_bytes(to, text, word);
		column += word;
		text += word + strspn(text + word, " \n");
	}
	lsb_text_add(to, "\n");
}

/* "- lead text (id, id)" */
static void add_finding(struct lsb_text *to, const char *lead, const json_t *finding)
{
	struct lsb_text line = { 0 };
	const json_t *id;
	size_t i;

	lsb_text_add(&line, "- %s%s", lead, lsb_text_of(finding, "text"));
	json_array_foreach(json_object_get(finding, "points"), i, id)
	{
		lsb_text_add(&line, "%s%s", i ? ", " : " (",
			     json_string_value(id) ? json_string_value(id) : "");
	}
	lsb_text_add(&line, "%s", i ? ")" : "");
	lsb_text_wrapped(to, line.data ? line.data : "", 2);
	lsb_text_free(&line);
}

void lsb_text_summary(const json_t *summary, struct lsb_text *to)
{
	const json_t *findings = json_object_get(summary, "findings"), *finding;
	struct lsb_text line = { 0 };
	size_t i;

	json_array_foreach(json_object_get(findings, "summary"), i, finding)
	{
		if (i < SENTENCES_SHOWN)
			add_finding(to, "", finding);
	}
	if (i > SENTENCES_SHOWN)
		lsb_text_add(to, "  %zu more in report.md and report.html\n", i - SENTENCES_SHOWN);
	json_array_foreach(json_object_get(findings, "grades"), i, finding)
	{
		lsb_text_add(&line, "%s%s %s",
			     i ? ", " : "Grades (rules in report.md): ", lsb_text_of(finding, "name"),
			     lsb_text_of(finding, "grade"));
	}
	if (i)
		lsb_text_wrapped(to, line.data ? line.data : "", 2);
	lsb_text_free(&line);
}

void lsb_text_advice(const json_t *summary, struct lsb_text *to)
{
	const json_t *list = json_object_get(json_object_get(summary, "findings"), "recommendations"),
		     *finding;
	const size_t n = json_array_size(list);
	size_t i;

	json_array_foreach(list, i, finding)
	{
		const json_t *gain = json_object_get(finding, "gain");
		char lead[64] = "";

		if (i == ADVICE_SHOWN)
			break;
		if (json_is_number(gain))
			(void)snprintf(lead, sizeof(lead), "%.2f times (%.20s): ", json_number_value(gain),
				       lsb_text_of(finding, "basis"));
		add_finding(to, lead, finding);
	}
	if (n > ADVICE_SHOWN)
		lsb_text_add(to, "  %zu more in report.md and report.html\n", n - ADVICE_SHOWN);
}

/* Percent of the run that went to a term. */
static double share_of(const json_t *taken, const char *name)
{
	const json_t *term;
	size_t i;

	json_array_foreach(json_object_get(taken, "terms"), i, term)
	{
		if (strcmp(lsb_text_of(term, "name"), name) == 0)
			return lsb_percent(lsb_number(term, "share"), 1);
	}
	return 0;
}

int lsb_text_losses(const json_t *summary, struct lsb_text *to)
{
	static const char *const heads[] = { "",	  "speedup",  "ideal s", "bubble",
					     "imbalance", "transfer", "late",	 "overhead",
					     "memory",	  "compute",  "rest",	 "= run s" };
	const json_t *point;
	struct lsb_table t = lsb_table_open(heads, LSB_COUNT(heads));
	char shown[LSB_SHOWN];
	size_t i, n = 0;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		const json_t *taken = json_object_get(json_object_get(point, "bounds"), "losses");

		if (!json_is_object(taken))
			continue;
		n++;
		lsb_table_point(&t, point, 0);
		lsb_table_cell(&t, "%s", lsb_show(lsb_number(taken, "speedup"), shown));
		lsb_table_cell(&t, "%s", lsb_show(lsb_number(taken, "ideal_s"), shown));
		for (size_t k = 3; k + 1 < LSB_COUNT(heads); k++)
			lsb_table_cell(&t, "%.0f%%", share_of(taken, heads[k]));
		lsb_table_cell(&t, "%s", lsb_show(lsb_number(taken, "run_s"), shown));
	}
	if (n)
		lsb_table_text(&t, to);
	lsb_table_free(&t);
	return n > 0;
}
