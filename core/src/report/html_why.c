/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why N nodes are not N times as fast: for each point of several nodes its run
 * beside a part of the baseline's, in a bar and in words, and its timeline.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/html.h"

enum { TIMELINES_MAX = 4 };

/* --- one point against its baseline --- */

/* The terms of points[].bounds.losses, in words for someone who sees them for the first time. */
static const struct {
	const char *name, *class, *words, *key; /* key: of the ledger, where ranks are worth telling */
} losses[] = {
	{ "bubble", "wait",
	  "pipeline bubble: with these prompts in flight stages stand idle in turn, however even they are",
	  "wait_s" },
	{ "imbalance", "imbalance", "uneven stages: the others wait for the one that computes longest",
	  "compute_s" },
	{ "late", "late", "late hand-over: a peer was held up by its own sending and overhead", NULL },
	{ "transfer", "transfer", "transfer that nothing hid: sent, not yet here, and nothing else to do",
	  "transfer_s" },
	{ "overhead", "overhead", "overhead: sending, waking up, scheduling, beyond the baseline's",
	  "overhead_s" },
	{ "memory", "memory",
	  "shared memory: ranks of one machine read their weights at the same time, each slower than alone",
	  NULL },
	{ "compute", "compute", "computing in parts takes longer than computing at once", "compute_s" },
	{ "rest", "unattributed", "what no term names", NULL },
};

static const json_t *loss(const json_t *taken, const char *name)
{
	const json_t *term;
	size_t i;

	json_array_foreach(json_object_get(taken, "terms"), i, term)
	{
		if (strcmp(lsb_text_of(term, "name"), name) == 0)
			return term;
	}
	return NULL;
}

static void losses_bar(struct lsb_text *to, const json_t *taken)
{
	double saved = 0, scale = lsb_number(taken, "ideal_s"), at;

	for (size_t i = 0; i < LSB_COUNT(losses); i++) {
		const double seconds = lsb_number(loss(taken, losses[i].name), "s");

		saved += fmin(seconds, 0);
		scale += seconds;
	}
	scale -= saved; /* what was saved can only be drawn as less of the ideal */
	lsb_html_bar(to, "the run's time, part by part; the list below says the same");
	at = lsb_html_bar_part(to, "useful", "the ideal run", 0, lsb_number(taken, "ideal_s") + saved,
			       scale + saved);
	for (size_t i = 0; i < LSB_COUNT(losses); i++)
		at = lsb_html_bar_part(to, losses[i].class, losses[i].name, at,
				       lsb_number(loss(taken, losses[i].name), "s"), scale + saved);
	lsb_text_add(to, "</svg>\n");
}

/* "rank 0 0.945 s, rank 1 1.181 s" */
static void by_rank(struct lsb_text *to, const json_t *point, const char *key)
{
	const json_t *row;
	char shown[LSB_SHOWN];
	size_t i;

	lsb_text_add(to, " <span class=\"quiet\">(");
	json_array_foreach(json_object_get(point, "ledger"), i, row)
	{
		lsb_html_add(to, "%srank %.0f %s s", i ? ", " : "", lsb_number(row, "rank"),
			     lsb_show(lsb_number(row, key), shown));
		if (i == 7)
			break;
	}
	lsb_text_add(to,
		     i < json_array_size(json_object_get(point, "ledger")) ? ", \u2026)</span>" : ")</span>");
}

static void item(const struct lsb_page *page, const char *class, double seconds, double run_s,
		 const char *words)
{
	char shown[LSB_SHOWN];

	lsb_html_add(
		page->to,
		"<li><span class=\"mark box %s\"></span><b>%s s</b> <span class=\"share\">%.0f %%</span> %s",
		class, lsb_show(seconds, shown), lsb_percent(seconds, run_s), words);
}

/* Terms under half a percent of the run are passed over. */
static void losses_list(const struct lsb_page *page, const json_t *point, const json_t *taken)
{
	const double run_s = lsb_number(taken, "run_s");
	char shown[LSB_SHOWN];

	lsb_text_add(page->to, "<ul class=\"parts\">\n");
	item(page, "useful", lsb_number(taken, "ideal_s"), run_s,
	     "the ideal: the baseline's run divided by the nodes. Its share is the efficiency");
	lsb_text_add(page->to, ".</li>\n");
	for (size_t i = 0; i < LSB_COUNT(losses); i++) {
		const json_t *term = loss(taken, losses[i].name);
		const double seconds = lsb_number(term, "s"), gain = lsb_number(term, "gain");

		if (!(fabs(seconds) >= 0.005 * run_s))
			continue;
		item(page, losses[i].class, seconds, run_s,
		     strcmp(losses[i].name, "imbalance") == 0 && lsb_number(point, "stages") <= 1
			     ? "uneven replicas: the run ends when the last of them does"
			     : losses[i].words);
		if (losses[i].key && lsb_ledger_is_shown(point))
			by_rank(page->to, point, losses[i].key);
		if (seconds < 0)
			lsb_text_add(page->to, "; it took less than in the ideal run");
		else if (gain > 1)
			lsb_html_add(page->to, ". Without it the run would be %s times as fast",
				     lsb_show(gain, shown));
		lsb_text_add(page->to, ".</li>\n");
	}
	lsb_text_add(page->to, "</ul>\n");
}

/* What would remain if messages were free, and what the extra nodes bought. */
static void add_bounds(const struct lsb_page *page, const json_t *point, int is_first)
{
	const json_t *bound = lsb_scaling(point, "bound"),
		     *concurrency = lsb_scaling(point, "speedup_equal_concurrency");
	const json_t *wide = json_object_get(json_object_get(json_object_get(point, "scaling"), "baselines"),
					     "equal_concurrency");
	char shown[LSB_SHOWN];

	if (bound)
		lsb_html_add(
			page->to,
			"<p>Its own schedule, with the stage times that were measured and messages that cost "
			"nothing, allows <b>%s times</b> at best; %.0f %% of that was reached.%s</p>\n",
			lsb_show(lsb_number(bound, "value"), shown),
			lsb_number(json_object_get(point, "scaling"), "bound_share") * 100,
			is_first ? " A faster link can gain no more than what is missing there; the rest "
				   "needs other stages, batches or prompts in flight."
				 : "");
	if (!concurrency)
		return;
	lsb_html_add(page->to,
		     "<p>%sAgainst one node with as many at once, <a href=\"#p-%s\">%s</a>, it is <b>",
		     is_first ? "More nodes also means more sequences on their way at once. " : "",
		     lsb_text_of(concurrency, "baseline"), lsb_text_of(wide, "label"));
	lsb_html_estimate_inline(page, concurrency);
	lsb_html_add(page->to, " times</b> as fast: %s.</p>\n", lsb_verdict(concurrency));
}

static void add_prediction(const struct lsb_page *page, const json_t *predicted)
{
	char expected[LSB_SHOWN], measured[LSB_SHOWN];

	if (!json_is_object(predicted))
		return;
	lsb_html_add(
		page->to,
		"<p>From the schedule, the link's benchmark and the measured bandwidths %s times was to be "
		"expected; %s was measured. %.0f %% of the run is left without a name.</p>\n",
		lsb_show(lsb_number(predicted, "speedup"), expected),
		lsb_show(lsb_number(predicted, "measured_speedup"), measured),
		lsb_number(predicted, "remainder_share") * 100);
}

/* For someone who has never seen a pipeline. */
static void add_orientation(const struct lsb_page *page, const json_t *point)
{
	const double stages = lsb_number(point, "stages"), replicas = lsb_number(point, "replicas");

	if (stages > 1)
		lsb_html_add(page->to,
			     "<p>A pipeline: each of %.0f nodes holds a part of the model's layers, and "
			     "every token passes through all of them, one after the other. Nodes work at the "
			     "same time only on different prompts; here %.0f group%s of %.0f prompt%s %s on "
			     "the way at once.</p>\n",
			     stages, lsb_number(point, "in_flight"),
			     lsb_number(point, "in_flight") > 1 ? "s" : "", lsb_number(point, "batch"),
			     lsb_number(point, "batch") > 1 ? "s" : "",
			     lsb_number(point, "in_flight") > 1 ? "were" : "was");
	if (replicas > 1)
		lsb_html_add(page->to,
			     "<p>%.0f copies of the model stand side by side, each with its share of the "
			     "prompts.</p>\n",
			     replicas);
}

static void add_point(const struct lsb_page *page, const json_t *point, int is_first, int with_timeline)
{
	const json_t *bounds = json_object_get(point, "bounds"), *taken = json_object_get(bounds, "losses");
	const json_t *speedup = lsb_scaling(point, "speedup");
	const double nodes = lsb_number(point, "nodes");
	char ideal[LSB_SHOWN], run[LSB_SHOWN];

	lsb_html_add(page->to, "<article class=\"gap\">\n<h3>%s: ", lsb_text_of(point, "label"));
	lsb_html_estimate_inline(page, speedup);
	lsb_text_add(page->to, " times one node");
	if (lsb_number(speedup, "value") < nodes)
		lsb_html_add(page->to, ", not %.0f", nodes);
	lsb_text_add(page->to, "</h3>\n");
	if (is_first)
		add_orientation(page, point);
	if (json_is_object(taken)) {
		lsb_html_add(page->to,
			     "<p>The run took %s s; with %.0f nodes and nothing lost it would have been %s "
			     "s. This is what it is made of:</p>\n",
			     lsb_show(lsb_number(taken, "run_s"), run), nodes,
			     lsb_show(lsb_number(taken, "ideal_s"), ideal));
		losses_bar(page->to, taken);
		losses_list(page, point, taken);
	}
	add_bounds(page, point, is_first);
	add_prediction(page, json_object_get(bounds, "predicted"));
	if (with_timeline)
		lsb_html_timeline(page, point);
	lsb_text_add(page->to, "</article>\n");
}

/* Whether the report says why this point is not as many times as fast as it has nodes. */
static int is_explained(const json_t *point)
{
	return lsb_number(point, "nodes") >= 2 && !lsb_is_own_baseline(point) &&
	       lsb_scaling(point, "speedup");
}

/* "Why 2 nodes are not 2 times as fast", when all have as many. */
static void add_title(const struct lsb_page *page)
{
	const json_t *point;
	char title[96] = "Where the time went";
	double least = 0, most = 0;
	size_t i;

	json_array_foreach(json_object_get(page->summary, "points"), i, point)
	{
		if (!is_explained(point))
			continue;
		least = least > 0 ? fmin(least, lsb_number(point, "nodes")) : lsb_number(point, "nodes");
		most = fmax(most, lsb_number(point, "nodes"));
	}
	if (most > least)
		(void)snprintf(title, sizeof(title), "Why N nodes are not N times as fast");
	else if (most > 0)
		(void)snprintf(title, sizeof(title), "Why %.0f nodes are not %.0f times as fast", most, most);
	lsb_html_open(page, "why", title);
}

void lsb_html_why(const struct lsb_page *page)
{
	const json_t *point;
	size_t i, n = 0;

	add_title(page);
	json_array_foreach(json_object_get(page->summary, "points"), i, point)
	{
		if (is_explained(point)) {
			add_point(page, point, n == 0, n < TIMELINES_MAX);
			n++;
		}
	}
	lsb_html_ledger(page);
	lsb_html_close(page);
}
