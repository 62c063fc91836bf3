/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the ranks of a pipeline did when: the whole run in a lane each, coarse,
 * and some steps from its middle, bar by bar. Drawn here and not by gnuplot,
 * since lanes stretch with the page.
 */
#include <stdlib.h>
#include <string.h>

#include "measure/launch_ledger.h"
#include "measure/records.h"
#include "measure/timeline.h"
#include "report/html.h"

enum { COLUMNS = 1200, STEPS_SHOWN = 10 };

static const char *class_of(enum lsb_part part)
{
	static const char *const classes[LSB_PARTS] = { "compute", "wait",     "transfer",
							"either",  "overhead", "idle" };

	return part < LSB_PARTS ? classes[part] : "unattributed";
}

/* --- the whole run: a column of a lane has the colour of what filled most of it --- */

static void fill_columns(const struct lsb_timeline_rank *rank, double run_s, double (*filled)[LSB_PARTS])
{
	for (size_t i = 0; i < rank->n; i++) {
		const struct lsb_timeline_bar *bar = &rank->bars[i];
		const double from = bar->from_s / run_s * COLUMNS, to = bar->to_s / run_s * COLUMNS;

		if (!(from >= 0 && to <= COLUMNS + 1 && from <= to) || bar->part >= LSB_PARTS)
			continue;
		for (size_t c = (size_t)from; c < COLUMNS && (double)c < to; c++) {
			const double begin = from > (double)c ? from : (double)c;
			const double end = to < (double)c + 1 ? to : (double)c + 1;

			filled[c][bar->part] += end - begin;
		}
	}
}

static int fullest(const double filled[LSB_PARTS])
{
	int most = 0;

	for (int part = 1; part < LSB_PARTS; part++)
		if (filled[part] > filled[most])
			most = part;
	return filled[most] > 0 ? most : LSB_PARTS;
}

static void add_lane(struct lsb_text *to, const struct lsb_timeline_rank *rank, double run_s)
{
	double(*filled)[LSB_PARTS] = calloc(COLUMNS, sizeof(*filled));

	if (!filled) {
		to->failed = 1;
		return;
	}
	fill_columns(rank, run_s, filled);
	lsb_html_add(to,
		     "<svg class=\"bar lane\" role=\"img\" aria-label=\"rank %d over the whole run\" "
		     "width=\"100%%\" viewBox=\"0 0 %d 10\" preserveAspectRatio=\"none\">",
		     (int)rank->rank, COLUMNS);
	for (int part = 0; part < LSB_PARTS; part++) {
		int any = 0;

		for (int c = 0; c < COLUMNS;) {
			int n = 0;

			while (c + n < COLUMNS && fullest(filled[c + n]) == part)
				n++;
			if (n && !any++)
				lsb_html_add(to, "<path class=\"%s\" d=\"", class_of((enum lsb_part)part));
			if (n)
				lsb_html_add(to, "M%d 0h%dv10h-%dz", c, n, n);
			c += n ? n : 1;
		}
		if (any)
			lsb_text_add(to, "\"/>");
	}
	lsb_text_add(to, "</svg>");
	free(filled);
}

/* --- some steps, each bar with its own words --- */

static void add_steps(struct lsb_text *to, const struct lsb_timeline *timeline,
		      const struct lsb_timeline_rank *rank)
{
	const double scale = timeline->to_s - timeline->from_s;
	char words[128];

	(void)snprintf(words, sizeof(words), "rank %d over %zu steps, from %.4g s to %.4g s of the run",
		       (int)rank->rank, timeline->n_steps, timeline->from_s, timeline->to_s);
	lsb_html_bar(to, words);
	for (size_t i = 0; i < rank->n; i++) {
		const struct lsb_timeline_bar *bar = &rank->bars[i];

		if (bar->step == LSB_NO_STEP)
			(void)snprintf(words, sizeof(words), "%s", lsb_part_name(bar->part));
		else
			(void)snprintf(words, sizeof(words),
				       "%s, step %u of group %u, %llu tokens:", lsb_part_name(bar->part),
				       (unsigned)bar->step, (unsigned)bar->group,
				       (unsigned long long)bar->tokens);
		(void)lsb_html_bar_part(to, class_of(bar->part), words,
					(bar->from_s - timeline->from_s) / scale * 100,
					bar->to_s - bar->from_s, scale);
	}
	lsb_text_add(to, "</svg>");
}

static void add_axis(struct lsb_text *to, double from_s, double to_s)
{
	char from[LSB_SHOWN], middle[LSB_SHOWN], end[LSB_SHOWN];

	lsb_html_add(to,
		     "<tr><th></th><td class=\"track axis\"><span>%s s</span><span>%s s</span><span>%s "
		     "s</span></td></tr>\n",
		     lsb_show(from_s, from), lsb_show((from_s + to_s) / 2, middle), lsb_show(to_s, end));
}

static void add_table(const struct lsb_page *page, const struct lsb_timeline *timeline, int is_whole)
{
	lsb_html_add(page->to,
		     "<table class=\"bars\" aria-label=\"%s\"><colgroup><col "
		     "class=\"who\"><col></colgroup><tbody>\n",
		     is_whole ? "Timeline of the whole run" : "Timeline of some steps");
	for (size_t i = 0; i < timeline->n_ranks; i++) {
		lsb_html_add(page->to, "<tr><th scope=\"row\">rank %d</th><td class=\"track\">",
			     (int)timeline->ranks[i].rank);
		if (is_whole)
			add_lane(page->to, &timeline->ranks[i], timeline->run_s);
		else
			add_steps(page->to, timeline, &timeline->ranks[i]);
		lsb_text_add(page->to, "</td></tr>\n");
	}
	add_axis(page->to, is_whole ? 0 : timeline->from_s, is_whole ? timeline->run_s : timeline->to_s);
	lsb_text_add(page->to, "</tbody></table>\n");
}

static const json_t *line_of(const json_t *launches, const json_t *number)
{
	const json_t *line;
	size_t i;

	json_array_foreach(launches, i, line)
	{
		if (json_is_integer(number) && json_equal(json_object_get(line, "launch"), number))
			return line;
	}
	return NULL;
}

/* First rank of the first pipeline that was not lost. */
static size_t first_told(const json_t *ranks, size_t stages)
{
	size_t first = 0;

	while (first + stages < json_array_size(ranks) && json_is_null(json_array_get(ranks, first)))
		first += stages;
	return first;
}

/* Whole run and middle of the first pipeline of a launch. */
static int draw(const struct lsb_page *page, const json_t *line, size_t stages, struct lsb_error *err)
{
	const json_t *ranks = json_object_get(line, "ranks");
	struct lsb_records records = { 0 };
	struct lsb_clock *clocks = NULL;
	struct lsb_timeline whole = { 0 }, some = { 0 };
	struct lsb_pipeline pipeline;
	size_t first, n;
	int rc = lsb_records_read(page->source->dir, line, &records, err);

	if (rc)
		return rc;
	clocks = lsb_clocks_of(line);
	if (!clocks || stages == 0 || stages > records.n)
		rc = lsb_fail(err, LSB_EIO, 0, "its records are not of its ranks");
	else
		rc = lsb_pipeline_of(ranks, records.ranks, clocks, first_told(ranks, stages), stages,
				     &pipeline, err);
	if (rc == LSB_OK) /* one step, to learn how many there are */
		rc = lsb_timeline_build(pipeline.stages, pipeline.n, pipeline.t0_ns, pipeline.t1_ns, 0, 1,
					&some, err);
	n = some.all_steps;
	lsb_timeline_free(&some);
	if (rc == LSB_OK)
		rc = lsb_timeline_build(pipeline.stages, pipeline.n, pipeline.t0_ns, pipeline.t1_ns, 0, n,
					&whole, err);
	first = n > STEPS_SHOWN ? (n - STEPS_SHOWN) / 2 : 0;
	if (rc == LSB_OK)
		rc = lsb_timeline_build(pipeline.stages, pipeline.n, pipeline.t0_ns, pipeline.t1_ns, first,
					n - first < STEPS_SHOWN ? n - first : STEPS_SHOWN, &some, err);
	if (rc == LSB_OK) {
		lsb_html_add(page->to,
			     "<figure>\n<figcaption>Timeline of launch %.0f, the one nearest the median: the "
			     "whole run</figcaption>\n",
			     lsb_number(line, "launch"));
		add_table(page, &whole, 1);
		lsb_html_add(
			page->to,
			"<figcaption class=\"next\">%zu of its %zu steps, from the middle</figcaption>\n",
			some.n_steps, n);
		add_table(page, &some, 0);
		lsb_text_add(page->to, "</figure>\n");
	}
	lsb_timeline_free(&whole);
	lsb_timeline_free(&some);
	free(clocks);
	lsb_records_free(&records);
	return rc;
}

void lsb_html_timeline(const struct lsb_page *page, const json_t *point)
{
	const json_t *line = line_of(page->source->launches, json_object_get(point, "ledger_launch"));
	const double stages = lsb_number(point, "stages");
	struct lsb_error err = { 0 };

	if (!page->source->dir || !line || !lsb_ledger_is_shown(point) || !(stages >= 1 && stages < 1e6))
		return;
	if (draw(page, line, (size_t)stages, &err))
		lsb_html_add(page->to, "<p class=\"missing\">Timeline not drawn: %s.</p>\n", err.msg);
}
