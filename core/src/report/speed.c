/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Speed and quality beside each other: a row for each point says how fast prompts
 * and answers went, how good the answers are by the workload's own scores, and
 * whether they are its baseline's. A speed says little without the other two.
 */
#include <string.h>

#include "report/answers.h"
#include "report/section.h"

enum { SCORES_MAX = 12 };

static const struct {
	const char *metric, *words, *short_words;
} rates[] = {
	{ "prefill_tokens_per_s", "Prefill (tokens/s)", "prefill/s" },
	{ "decode_tokens_per_s", "Decode (tokens/s)", "decode/s" },
	{ "tokens_per_s", "All in all (tokens/s)", "tokens/s" },
};

static const char note[] =
	"Prefill and decode: tokens of their steps / the time of these steps on the last stage. Then the "
	"workload's scores, means over answers, and whether the answers are those of the baselines, or as "
	"good.";

/* Names of the workload's scores: metrics that are not ours. Borrowed from the summary. */
static size_t score_names(const json_t *summary, const char *names[SCORES_MAX])
{
	const json_t *point;
	json_t *metric;
	char group[LSB_SHOWN];
	const char *name;
	size_t i, n = 0;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		json_object_foreach(json_object_get(point, "metrics"), name, metric)
		{
			size_t k = 0;

			while (k < n && strcmp(names[k], name) != 0)
				k++;
			if (k == n && n < SCORES_MAX && !lsb_is_kind(point, "link") &&
			    !lsb_definition_of(name, group))
				names[n++] = name;
		}
	}
	return n;
}

static int has_speed(const json_t *point)
{
	return lsb_metric(point, "tokens_per_s") != NULL;
}

static int is_there(const json_t *summary)
{
	return lsb_any_point(summary, has_speed);
}

static struct lsb_table speed_table(const json_t *summary, int is_wide)
{
	const char *names[SCORES_MAX];
	const size_t n_names = score_names(summary, names);
	struct lsb_table t = { 0 };
	const json_t *point;
	size_t i;

	lsb_table_column(&t, is_wide ? "Point" : "");
	for (i = 0; i < LSB_COUNT(rates); i++)
		lsb_table_column(&t, is_wide ? rates[i].words : rates[i].short_words);
	for (i = 0; i < n_names; i++)
		lsb_table_column(&t, names[i]);
	lsb_table_column(&t, is_wide ? "Answers" : "answers");
	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		if (!has_speed(point))
			continue;
		lsb_table_point(&t, point, is_wide);
		for (size_t k = 0; k < LSB_COUNT(rates); k++)
			lsb_table_metric(&t, lsb_metric(point, rates[k].metric), is_wide);
		for (size_t k = 0; k < n_names; k++)
			lsb_table_metric(&t, lsb_metric(point, names[k]), is_wide);
		lsb_table_cell(&t, "%s", lsb_answers_word(point));
	}
	return t;
}

static void show(const json_t *summary, int is_markdown, struct lsb_text *to)
{
	struct lsb_table t = speed_table(summary, is_markdown);

	lsb_table_show(&t, is_markdown, to);
	if (is_markdown)
		lsb_text_add(to, "%s\n\n", note);
}

static void add_html(const struct lsb_page *page)
{
	struct lsb_table t = speed_table(page->summary, 1);

	lsb_html_from_table(page, "Medians over launches, with the 95 % interval of the median", &t, 1);
	lsb_html_note(page, note);
}

const struct lsb_section lsb_section_speed = {
	.title = "Speed and quality",
	.hint = "prompt and answer tokens a second of their own steps; scores",
	.anchor = "speed",
	.link = "Speed and quality",
	.is_there = is_there,
	.show = show,
	.html = add_html,
};
