/* SPDX-License-Identifier: Apache-2.0 */
/* Predictions as tables, with how far they can be trusted beside them. */
#include "report/predict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/parts.h"

int lsb_prediction_format(const char *name, enum lsb_prediction_format *out)
{
	static const char *const names[] = { "text", "markdown", "json" };

	for (size_t i = 0; i < LSB_COUNT(names); i++)
		if (strcmp(name, names[i]) == 0) {
			*out = (enum lsb_prediction_format)i;
			return 0;
		}
	return -1;
}

static void add_table(struct lsb_table *t, enum lsb_prediction_format format, struct lsb_text *to)
{
	lsb_table_show(t, format == LSB_PREDICTION_MARKDOWN, to);
}

static void add_heading(const char *text, enum lsb_prediction_format format, struct lsb_text *to)
{
	lsb_text_add(to, format == LSB_PREDICTION_MARKDOWN ? "### %s\n\n" : "\n%s\n", text);
}

/* "16+14" */
static void show_split(const json_t *layers, struct lsb_text *to)
{
	const json_t *n;
	size_t i;

	json_array_foreach(layers, i, n)
		lsb_text_add(to, "%s%lld", i ? "+" : "", (long long)json_integer_value(n));
}

/* --- predictions ---------------------------------------------------------------------- */

/* How many times as fast as the base: by its rate, or by latency where arrivals decide the rate. */
static double times_base(const json_t *prediction)
{
	const json_t *base = json_object_get(prediction, "base");

	if (json_object_get(json_object_get(prediction, "settings"), "offered_rps"))
		return lsb_number(base, "e2e_mean_s") / lsb_number(prediction, "e2e_mean_s");
	return lsb_number(prediction, "tokens_per_s") / lsb_number(base, "tokens_per_s");
}

static void add_predictions(const json_t *predictions, enum lsb_prediction_format format, struct lsb_text *to)
{
	static const char *const titles[] = { "nodes", "split", "batch",  "in flight",	"tokens/s",
					      "run s", "e2e s", "x base", "bottleneck", "removing it" };
	struct lsb_table t = lsb_table_open(titles, LSB_COUNT(titles));
	const json_t *prediction, *gain;
	char shown[LSB_SHOWN];
	size_t i, k;

	json_array_foreach(predictions, i, prediction)
	{
		const json_t *s = json_object_get(prediction, "settings");
		const char *bottleneck = lsb_text_of(prediction, "bottleneck");
		struct lsb_text split = { 0 };

		show_split(json_object_get(s, "layers"), &split);
		lsb_table_cell(&t, "%.0f", lsb_number(s, "nodes"));
		lsb_table_cell(&t, "%s", split.data ? split.data : "");
		lsb_table_cell(&t, "%.0f", lsb_number(s, "batch"));
		lsb_table_cell(&t, "%.0f", lsb_number(s, "in_flight"));
		lsb_table_cell(&t, "%s", lsb_show(lsb_number(prediction, "tokens_per_s"), shown));
		lsb_table_cell(&t, "%s", lsb_show(lsb_number(prediction, "run_s"), shown));
		lsb_table_cell(&t, "%s", lsb_show(lsb_number(prediction, "e2e_mean_s"), shown));
		lsb_table_cell(&t, "%.2f", times_base(prediction));
		lsb_table_cell(&t, "%s", bottleneck);
		json_array_foreach(json_object_get(prediction, "gains"), k, gain)
		{
			if (strcmp(lsb_text_of(gain, "cause"), bottleneck) == 0)
				lsb_table_cell(&t, "x %.2f", lsb_number(gain, "gain"));
		}
		if (strcmp(bottleneck, "compute") == 0)
			lsb_table_cell(&t, "%.0f %% of the run",
				       lsb_number(prediction, "compute_share") * 100);
		lsb_table_fill(&t);
		lsb_text_free(&split);
	}
	add_table(&t, format, to);
}

static void add_ledger(const json_t *prediction, enum lsb_prediction_format format, struct lsb_text *to)
{
	static const char *const titles[] = { "rank",	    "stage",	  "compute s", "wait s",
					      "transfer s", "overhead s", "idle s" };
	static const char *const keys[] = { "compute_s", "wait_s", "transfer_s", "overhead_s", "idle_s" };
	struct lsb_table t = lsb_table_open(titles, LSB_COUNT(titles));
	char shown[LSB_SHOWN];
	const json_t *row;
	size_t i;

	add_heading("Where the time would go", format, to);
	json_array_foreach(json_object_get(prediction, "ledger"), i, row)
	{
		const double wall = lsb_number(row, "wall_s");

		lsb_table_cell(&t, "%.0f", lsb_number(row, "rank"));
		lsb_table_cell(&t, "%.0f", lsb_number(row, "stage"));
		for (size_t k = 0; k < LSB_COUNT(keys); k++)
			lsb_table_cell(&t, "%s %3.0f%%", lsb_show(lsb_number(row, keys[k]), shown),
				       lsb_percent(lsb_number(row, keys[k]), wall));
	}
	add_table(&t, format, to);
}

static void add_gains(const json_t *prediction, enum lsb_prediction_format format, struct lsb_text *to)
{
	static const char *const titles[] = { "without", "times as fast" };
	struct lsb_table t = lsb_table_open(titles, LSB_COUNT(titles));
	const json_t *gain;
	size_t i;

	add_heading("What each cause costs: the run without it", format, to);
	json_array_foreach(json_object_get(prediction, "gains"), i, gain)
	{
		lsb_table_cell(&t, "%s: %s", lsb_text_of(gain, "cause"), lsb_text_of(gain, "without"));
		lsb_table_cell(&t, "x %.3f", lsb_number(gain, "gain"));
	}
	add_table(&t, format, to);
}

/* Each note once, whichever predictions have it. */
static void add_notes(const json_t *predictions, enum lsb_prediction_format format, struct lsb_text *to)
{
	json_t *seen = json_object();
	const json_t *prediction, *note;
	size_t i, k;

	json_array_foreach(predictions, i, prediction)
	{
		json_array_foreach(json_object_get(prediction, "notes"), k, note)
		{
			const char *text = json_string_value(note);

			if (json_object_get(seen, text))
				continue;
			json_object_set_new(seen, text, json_true());
			lsb_text_add(to, format == LSB_PREDICTION_MARKDOWN ? "- %s\n" : "  note: %s\n", text);
		}
	}
	if (json_object_size(seen) && format == LSB_PREDICTION_MARKDOWN)
		lsb_text_add(to, "\n");
	json_decref(seen);
}

/* --- held out -------------------------------------------------------------------------- */

static int is_open(const json_t *point)
{
	return strcmp(lsb_text_of(point, "of"), "e2e_mean_s") == 0;
}

/* Some points' requests arrive during the run. */
static int has_open(const json_t *holdout)
{
	const json_t *point;
	size_t i;

	json_array_foreach(json_object_get(holdout, "points"), i, point)
	{
		if (is_open(point))
			return 1;
	}
	return 0;
}

static void add_trust(const json_t *holdout, enum lsb_prediction_format format, struct lsb_text *to)
{
	const json_t *median = json_object_get(holdout, "median_error");
	const char *end = format == LSB_PREDICTION_MARKDOWN ? "\n\n" : "\n";

	if (json_is_number(median))
		lsb_text_add(to,
			     "Error of run s%s on held-out points "
			     "(each predicted from the others): median %.1f %%, "
			     "worst %.1f %% of %zu points.%s",
			     has_open(holdout) ? " (e2e s where requests arrive during the run)" : "",
			     json_number_value(median) * 100, lsb_number(holdout, "worst_error") * 100,
			     json_array_size(json_object_get(holdout, "points")), end);
	else
		lsb_text_add(
			to,
			"Error on held-out points: unknown, the run has no second point of this engine.%s",
			end);
}

static void add_holdout(const json_t *holdout, enum lsb_prediction_format format, struct lsb_text *to)
{
	static const char *const titles[] = { "point",	       "id",	      "launches", "of", "measured s",
					      "[least, most]", "predicted s", "error %" };
	struct lsb_table t = lsb_table_open(titles, LSB_COUNT(titles));
	const json_t *point;
	char shown[LSB_SHOWN];
	size_t i;

	add_heading("Held out: each point predicted from all others", format, to);
	json_array_foreach(json_object_get(holdout, "points"), i, point)
	{
		lsb_table_cell(&t, "%s", lsb_text_of(point, "label"));
		lsb_table_cell(&t, "%s", lsb_text_of(point, "id"));
		lsb_table_cell(&t, "%.0f", lsb_number(point, "launches"));
		lsb_table_cell(&t, "%s", is_open(point) ? "e2e" : "run");
		lsb_table_cell(
			&t, "%s",
			lsb_show(lsb_number(point, is_open(point) ? "measured_e2e_mean_s" : "measured_run_s"),
				 shown));
		lsb_table_cell(&t, "%s",
			       lsb_show_interval(json_object_get(point, "measured_range"), 0, shown));
		lsb_table_cell(&t, "%s",
			       lsb_show(lsb_number(point, is_open(point) ? "predicted_e2e_mean_s"
									 : "predicted_run_s"),
					shown));
		lsb_table_cell(&t, "%.1f", lsb_number(point, "error") * 100);
	}
	add_table(&t, format, to);
}

static void add_base(const json_t *prediction, enum lsb_prediction_format format, struct lsb_text *to)
{
	const json_t *base = json_object_get(prediction, "base");
	char run[LSB_SHOWN], rate[LSB_SHOWN];

	lsb_text_add(to, "%sFrom %s (%s): measured %s tokens/s, %s s over %.0f launch%s.%s",
		     format == LSB_PREDICTION_MARKDOWN ? "## lsbench predict\n\n" : "",
		     lsb_text_of(base, "label"), lsb_text_of(base, "id"),
		     lsb_show(lsb_number(base, "tokens_per_s"), rate),
		     lsb_show(lsb_number(base, "run_s"), run), lsb_number(base, "launches"),
		     lsb_number(base, "launches") == 1 ? "" : "es",
		     format == LSB_PREDICTION_MARKDOWN ? "\n\n" : "\n");
}

void lsb_prediction_render(const json_t *document, enum lsb_prediction_format format, struct lsb_text *to)
{
	const json_t *predictions = json_object_get(document, "predictions"),
		     *holdout = json_object_get(document, "holdout"), *first = json_array_get(predictions, 0);

	if (format == LSB_PREDICTION_JSON) {
		char *text = json_dumps(document, JSON_INDENT(2));

		to->failed |= !text;
		lsb_text_add(to, "%s\n", text ? text : "");
		free(text);
		return;
	}
	if (first) {
		add_base(first, format, to);
		add_predictions(predictions, format, to);
		add_notes(predictions, format, to);
	}
	add_trust(holdout, format, to);
	if (json_array_size(predictions) == 1) {
		add_ledger(first, format, to);
		add_gains(first, format, to);
	}
	if (json_array_size(json_object_get(holdout, "points")))
		add_holdout(holdout, format, to);
}
