/* SPDX-License-Identifier: Apache-2.0 */
/* Replicas beside each other: what each was asked, completed and lost, and how fast. */
#include "report/section.h"

static const struct {
	const char *key, *words, *short_words;
} rates[] = {
	{ "tokens_per_s", "Tokens/s", "tokens/s" },
	{ "ttft_p50_s", "TTFT p50 (s)", "ttft p50" },
	{ "tpot_p50_s", "TPOT p50 (s)", "tpot p50" },
	{ "e2e_p50_s", "End to end p50 (s)", "e2e p50" },
};

static const char note[] =
	"Requests and tokens are counted over all launches, those that lost a replica among them: issued = "
	"completed + failed; what a lost replica had answered by then is lost with it and counts as failed. "
	"Rates and latencies are medians over launches, tokens/s up to the replica's own "
	"last answer.";

static int has_replicas(const json_t *point)
{
	return json_array_size(json_object_get(point, "per_replica")) > 0;
}

static int is_there(const json_t *summary)
{
	return lsb_any_point(summary, has_replicas);
}

static void add_row(struct lsb_table *t, const json_t *point, const json_t *row, int is_wide)
{
	const json_t *share = json_object_get(row, "share");

	lsb_table_point(t, point, is_wide);
	lsb_table_cell(t, "%.0f", lsb_number(row, "replica"));
	if (is_wide)
		lsb_table_cell(t, "%s", lsb_text_of(row, "host"));
	lsb_table_cell(t, "%.0f (%.0f %%)", lsb_number(row, "requests"), json_number_value(share) * 100);
	lsb_table_cell(t, "%.0f", lsb_number(row, "completed"));
	lsb_table_cell(t, "%.0f", lsb_number(row, "failed"));
	for (size_t i = 0; i < LSB_COUNT(rates); i++)
		lsb_table_number(t, json_object_get(row, rates[i].key));
	lsb_table_cell(t, "%.0f", lsb_number(row, "prompt_tokens"));
	lsb_table_cell(t, "%.0f", lsb_number(row, "generated_tokens"));
	if (!is_wide)
		lsb_table_cell(t, "%.0f", lsb_number(row, "lost"));
	else if (lsb_number(row, "lost") > 0)
		lsb_table_cell(t, "%.0f: %s", lsb_number(row, "lost"), lsb_text_of(row, "reason"));
	else
		lsb_table_cell(t, "0");
}

static struct lsb_table replicas_table(const json_t *summary, int is_wide)
{
	struct lsb_table t = { 0 };
	const json_t *point, *row;
	size_t i, k;

	lsb_table_column(&t, is_wide ? "Point" : "");
	lsb_table_column(&t, is_wide ? "Replica" : "replica");
	if (is_wide)
		lsb_table_column(&t, "Host");
	lsb_table_column(&t, is_wide ? "Requests (share)" : "requests");
	lsb_table_column(&t, is_wide ? "Completed" : "done");
	lsb_table_column(&t, is_wide ? "Failed" : "failed");
	for (i = 0; i < LSB_COUNT(rates); i++)
		lsb_table_column(&t, is_wide ? rates[i].words : rates[i].short_words);
	lsb_table_column(&t, is_wide ? "Tokens in" : "in");
	lsb_table_column(&t, is_wide ? "Tokens out" : "out");
	lsb_table_column(&t, is_wide ? "Launches that lost it" : "lost");
	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		json_array_foreach(json_object_get(point, "per_replica"), k, row)
			add_row(&t, point, row, is_wide);
	}
	return t;
}

static void show(const json_t *summary, int is_markdown, struct lsb_text *to)
{
	struct lsb_table t = replicas_table(summary, is_markdown);

	lsb_table_show(&t, is_markdown, to);
	if (is_markdown)
		lsb_text_add(to, "%s\n\n", note);
}

static void add_html(const struct lsb_page *page)
{
	struct lsb_table t = replicas_table(page->summary, 1);

	lsb_html_from_table(page, "What each replica was asked, completed and lost", &t, 3);
	lsb_html_note(page, note);
}

const struct lsb_section lsb_section_replicas = {
	.title = "Replicas",
	.hint = "requests and tokens of all launches, medians of the rest in s",
	.anchor = "replicas",
	.link = "Replicas",
	.is_there = is_there,
	.show = show,
	.html = add_html,
};
