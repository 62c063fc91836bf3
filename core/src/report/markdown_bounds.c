/* SPDX-License-Identifier: Apache-2.0 */
/* Sections of report.md about what the machine allows, what is missing of it, and how alike nodes are. */
#include <math.h>

#include "report/parts.h"

static void percent_cell(struct lsb_table *t, const json_t *value)
{
	if (json_is_number(value))
		lsb_table_cell(t, "%.0f %%", json_number_value(value) * 100);
	else
		lsb_table_cell(t, "-");
}

/* A table with at least a row, or nothing. */
static void end_table(struct lsb_table *t, const char *title, const char *foot, struct lsb_text *to)
{
	if (lsb_table_has_rows(t)) {
		lsb_text_add(to, "%s", title);
		lsb_table_markdown(t, to);
		lsb_text_add(to, "%s", foot);
	}
	lsb_table_free(t);
}

/* Decode and prefill beside their rooflines. */
static void add_rooflines(const json_t *summary, struct lsb_text *to)
{
	static const char *const heads[] = { "Point",		"Phase",	  "Bound by",
					     "Bytes/token",	"MACs/token",	  "Tokens/s at most",
					     "All ranks at it", "Least time (s)", "Measured (s)",
					     "Reached" };
	static const char *const phases[] = { "decode", "prefill" };
	struct lsb_table t = lsb_table_open(heads, LSB_COUNT(heads));
	const json_t *point;
	size_t i;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		for (size_t k = 0; k < LSB_COUNT(phases); k++) {
			const json_t *roof = json_object_get(json_object_get(point, "bounds"), phases[k]);

			if (!json_is_object(roof))
				continue;
			lsb_table_cell(&t, "%s", lsb_text_of(point, "label"));
			lsb_table_cell(&t, "%s", phases[k]);
			lsb_table_cell(&t, "%s", lsb_text_of(roof, "limit"));
			lsb_table_number(&t, json_object_get(roof, "bytes_per_token"));
			lsb_table_number(&t, json_object_get(roof, "macs_per_token"));
			lsb_table_number(&t, json_object_get(roof, "tokens_per_s"));
			lsb_table_number(&t, json_object_get(roof, "tokens_per_s_shared"));
			lsb_table_number(&t, json_object_get(roof, "least_s"));
			lsb_table_number(&t, json_object_get(roof, "measured_s"));
			percent_cell(&t, json_object_get(roof, "share"));
		}
	}
	end_table(
		&t, "### Rooflines\n\n",
		"The least time of a phase on the rank where it is largest: bytes of weights and keys by the "
		"measured read\nbandwidth, or multiply-accumulates by the measured matrix peak, whichever "
		"takes longer. \"All ranks at it\": with\nthe bandwidth of all ranks reading at once. Each "
		"peak is the largest that any point of the run saw on that\nhost, with as many threads and, "
		"of all at once, as many ranks. More than 100 %: weights came from caches,\nor the machine "
		"was never idle when it was measured.\n\n",
		to);
}

/* Per cent, with its interval; what rounds to 0 has no sign. */
static void share_cell(struct lsb_table *t, const json_t *term)
{
	const json_t *ci = json_object_get(term, "ci95");
	double percent[3] = { lsb_number(term, "share"), json_number_value(json_array_get(ci, 0)),
			      json_number_value(json_array_get(ci, 1)) };

	for (size_t i = 0; i < LSB_COUNT(percent); i++)
		percent[i] = fabs(percent[i]) < 0.0005 ? 0 : percent[i] * 100;
	if (json_array_size(ci) == 2)
		lsb_table_cell(t, "%.1f %% [%.1f, %.1f]", percent[0], percent[1], percent[2]);
	else
		lsb_table_cell(t, "%.1f %%", percent[0]);
}

/* Why p nodes are not p times as fast: a column a term. */
static void add_losses(const json_t *summary, struct lsb_text *to)
{
	static const char *const heads[] = { "Point",	       "Lost to",   "Seconds", "Share of run [95 %]",
					     "Of the speedup", "Without it" };
	struct lsb_table t = lsb_table_open(heads, LSB_COUNT(heads));
	const json_t *point, *term;
	size_t i, k;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		const json_t *losses = json_object_get(json_object_get(point, "bounds"), "losses");

		json_array_foreach(json_object_get(losses, "terms"), k, term)
		{
			lsb_table_cell(&t, "%s", lsb_text_of(point, "label"));
			lsb_table_cell(&t, "%s", lsb_text_of(term, "words"));
			lsb_table_number(&t, json_object_get(term, "s"));
			share_cell(&t, term);
			lsb_table_cell(&t, "%.2f", lsb_number(term, "speedup"));
			if (json_is_number(json_object_get(term, "gain")))
				lsb_table_cell(&t, "%.2f x", lsb_number(term, "gain"));
			else
				lsb_table_cell(&t, "-");
		}
	}
	end_table(
		&t, "### What is missing of p times one node\n\n",
		"The run beyond a p-th of its baseline's, taken apart; the shares add up to 1 - efficiency, "
		"the column beside\nthem to p - speedup. Of the launch of median speedup; intervals are over "
		"all rounds.\n\n",
		to);
}

/* What was to be expected, beside what came. */
static void add_predictions(const json_t *summary, struct lsb_text *to)
{
	static const char *const heads[] = { "Point",	      "Ideal", "Predicted", "Measured", "Bubble",
					     "Uneven stages", "Link",  "Memory",    "Remainder" };
	static const char *const keys[] = { "bubble", "imbalance", "link", "memory" };
	struct lsb_table t = lsb_table_open(heads, LSB_COUNT(heads));
	const json_t *point;
	size_t i;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		const json_t *bounds = json_object_get(point, "bounds");
		const json_t *predicted = json_object_get(bounds, "predicted");

		if (!json_is_object(predicted))
			continue;
		lsb_table_cell(&t, "%s", lsb_text_of(point, "label"));
		lsb_table_number(&t, json_object_get(bounds, "ideal_speedup"));
		lsb_table_number(&t, json_object_get(predicted, "speedup"));
		lsb_table_number(&t, json_object_get(predicted, "measured_speedup"));
		for (size_t k = 0; k < LSB_COUNT(keys); k++)
			percent_cell(&t, json_object_get(json_object_get(predicted, "shares"), keys[k]));
		percent_cell(&t, json_object_get(predicted, "remainder_share"));
	}
	end_table(&t, "### Predicted and measured speedup\n\n",
		  "Predicted: a p-th of the baseline's time, the bubble and unevenness of the replayed "
		  "schedule, the messages at the\nlink's measured cost, and reading at the bandwidth of all "
		  "ranks. Shares are of the measured run; the remainder is\nwhat these do not explain.\n\n",
		  to);
}

static void add_links(const json_t *summary, struct lsb_text *to)
{
	static const char *const heads[] = { "Point",  "From, to",    "Latency (s)", "Bandwidth (B/s)",
					     "Misfit", "Message (B)", "takes (s)",   "Exposed (s)" };
	struct lsb_table t = lsb_table_open(heads, LSB_COUNT(heads));
	const json_t *point;
	size_t i;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		const json_t *link = json_object_get(json_object_get(point, "bounds"), "link");

		if (!json_is_object(link))
			continue;
		lsb_table_cell(&t, "%s", lsb_text_of(point, "label"));
		lsb_table_cell(&t, "%.0f, %.0f", lsb_number(link, "rank"), lsb_number(link, "peer"));
		lsb_table_number(&t, json_object_get(link, "latency_s"));
		lsb_table_number(&t, json_object_get(link, "bandwidth"));
		percent_cell(&t, json_object_get(link, "residual"));
		lsb_table_number(&t, json_object_get(link, "message_bytes"));
		lsb_table_number(&t, json_object_get(link, "message_s"));
		lsb_table_number(&t, json_object_get(link, "exposed_s"));
	}
	end_table(&t, "### Links\n\n",
		  "Measured after the run, through the same transport: one way = latency + bytes / "
		  "bandwidth, with the misfit\nof that line. Exposed: what such messages cost the replayed "
		  "schedule.\n\n",
		  to);
}

void lsb_markdown_bounds(const json_t *summary, struct lsb_text *to)
{
	lsb_text_add(to, "## Bounds\n\n");
	add_losses(summary, to);
	add_predictions(summary, to);
	add_rooflines(summary, to);
	add_links(summary, to);
}

/* --- nodes beside each other, and their start --- */

static void add_symmetry(const json_t *summary, struct lsb_text *to)
{
	static const char *const heads[] = { "Point",	"Unit",	 "Rank",    "Host",
					     "Measure", "Value", "Success", "Against the first" };
	struct lsb_table t = lsb_table_open(heads, LSB_COUNT(heads));
	const json_t *point, *row;
	char shown[LSB_SHOWN];
	size_t i, k;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		const json_t *symmetry = json_object_get(point, "symmetry");

		json_array_foreach(json_object_get(symmetry, "rows"), k, row)
		{
			const json_t *test =
				k ? json_array_get(json_object_get(symmetry, "comparisons"), k - 1) : NULL;

			lsb_table_cell(&t, "%s", lsb_text_of(point, "label"));
			lsb_table_cell(&t, "%s %zu", lsb_text_of(symmetry, "unit"), k);
			lsb_table_cell(&t, "%.0f", lsb_number(row, "rank"));
			lsb_table_cell(&t, "%s", lsb_text_of(row, "host"));
			lsb_table_cell(&t, "%s", lsb_text_of(symmetry, "what"));
			lsb_table_number(&t, json_object_get(row, "median"));
			percent_cell(&t, json_object_get(row, "success_rate"));
			if (test && json_is_number(json_object_get(test, "p_adjusted")))
				lsb_table_cell(&t, "%s (ratio %s, p = %.2g)", lsb_text_of(test, "verdict"),
					       lsb_show(lsb_number(test, "ratio"), shown),
					       lsb_number(test, "p_adjusted"));
			else
				lsb_table_cell(&t, "%s", test ? lsb_text_of(test, "verdict") : "");
		}
	}
	end_table(&t, "## Nodes beside each other\n\n",
		  "Compared launch by launch with an exact test, corrected for the number of comparisons: "
		  "only what that shows is\ncalled faster or slower.\n\n",
		  to);
}

static void add_cold(const json_t *summary, struct lsb_text *to)
{
	static const char *const heads[] = { "Point",
					     "Ready (s)",
					     "Load (s)",
					     "Warm-up requests",
					     "Warm-up (s)",
					     "First token (s)",
					     "First chunk / later ones" };
	static const char *const keys[] = { "ready_s",	"load_s",	"warmup_requests",
					    "warmup_s", "first_ttft_s", "first_step_ratio" };
	struct lsb_table t = lsb_table_open(heads, LSB_COUNT(heads));
	const json_t *point;
	size_t i;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		const json_t *cold = json_object_get(point, "cold");

		if (!json_is_object(cold))
			continue;
		lsb_table_cell(&t, "%s", lsb_text_of(point, "label"));
		for (size_t k = 0; k < LSB_COUNT(keys); k++)
			lsb_table_number(&t, json_object_get(cold, keys[k]));
	}
	end_table(&t, "## Cold start\n\n",
		  "Medians over launches. Ready: from a rank's start to the start line, slowest rank. First "
		  "token: of request 0,\nafter the warm-up. The last column compares the time of a prompt's "
		  "token in the run's first chunk with later ones.\n\n",
		  to);
}

void lsb_markdown_nodes(const json_t *summary, struct lsb_text *to)
{
	add_symmetry(summary, to);
	add_cold(summary, to);
}
