/* SPDX-License-Identifier: Apache-2.0 */
#include "report/replicas.h"

#include "report/html.h"

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
	"completed + failed. Rates and latencies are medians over launches, tokens/s up to the replica's own "
	"last answer.";

int lsb_replicas_are_there(const json_t *summary)
{
	const json_t *point;
	size_t i;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		if (json_array_size(json_object_get(point, "per_replica")))
			return 1;
	}
	return 0;
}

static void add_row(struct lsb_table *t, const json_t *point, const json_t *row, int is_wide)
{
	const json_t *share = json_object_get(row, "share");
	char label[LSB_LABEL_WIDTH + 1], shown[LSB_SHOWN];

	lsb_table_cell(t, "%s",
		       is_wide ? lsb_text_of(point, "label")
			       : lsb_text_cut(lsb_text_of(point, "label"), label));
	lsb_table_cell(t, "%.0f", lsb_number(row, "replica"));
	if (is_wide)
		lsb_table_cell(t, "%s", lsb_text_of(row, "host"));
	lsb_table_cell(t, "%.0f (%.0f %%)", lsb_number(row, "requests"), json_number_value(share) * 100);
	lsb_table_cell(t, "%.0f", lsb_number(row, "completed"));
	lsb_table_cell(t, "%.0f", lsb_number(row, "failed"));
	for (size_t i = 0; i < LSB_COUNT(rates); i++) {
		const json_t *value = json_object_get(row, rates[i].key);

		lsb_table_cell(t, "%s",
			       json_is_number(value) ? lsb_show(json_number_value(value), shown) : "-");
	}
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
	struct lsb_table t = lsb_table_open(LSB_COUNT(rates) + (is_wide ? 9 : 8));
	const json_t *point, *row;
	size_t i, k;

	lsb_table_cell(&t, "%s", is_wide ? "Point" : "");
	lsb_table_cell(&t, "%s", is_wide ? "Replica" : "replica");
	if (is_wide)
		lsb_table_cell(&t, "Host");
	lsb_table_cell(&t, "%s", is_wide ? "Requests (share)" : "requests");
	lsb_table_cell(&t, "%s", is_wide ? "Completed" : "done");
	lsb_table_cell(&t, "%s", is_wide ? "Failed" : "failed");
	for (i = 0; i < LSB_COUNT(rates); i++)
		lsb_table_cell(&t, "%s", is_wide ? rates[i].words : rates[i].short_words);
	lsb_table_cell(&t, "%s", is_wide ? "Tokens in" : "in");
	lsb_table_cell(&t, "%s", is_wide ? "Tokens out" : "out");
	lsb_table_cell(&t, "%s", is_wide ? "Launches that lost it" : "lost");
	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		json_array_foreach(json_object_get(point, "per_replica"), k, row)
			add_row(&t, point, row, is_wide);
	}
	return t;
}

void lsb_replicas_show(const json_t *summary, int is_markdown, struct lsb_text *to)
{
	struct lsb_table t = replicas_table(summary, is_markdown);

	(is_markdown ? lsb_table_markdown : lsb_table_text)(&t, to);
	if (is_markdown)
		lsb_text_add(to, "%s\n\n", note);
}

void lsb_html_replicas(const struct lsb_page *page)
{
	struct lsb_table t;

	if (!lsb_replicas_are_there(page->summary))
		return;
	t = replicas_table(page->summary, 1);
	lsb_html_open(page, "replicas", "Replicas");
	lsb_html_from_table(page, "What each replica was asked, completed and lost", &t, 3);
	lsb_html_add(page->to, "<p class=\"quiet\">%s</p>\n", note);
	lsb_html_close(page);
}
