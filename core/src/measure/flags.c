/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/flags.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "measure/devices.h"
#include "measure/look.h"
#include "measure/open_loop.h"
#include "measure/statistics.h"

enum { BIMODAL_LEAST = 3 };
#define BIMODAL_GAP 0.2
#define RECORDING 0.01	  /* share of a run that writing records may take */
#define DISTURBED 0.02	  /* share of a run that a rank may wait for a core */
#define POOR 0.1	  /* share of answers that may be empty, end at once, or in a loop */
#define UNATTRIBUTED 0.02 /* share of a rank's wall time up to which its breakdown is shown */

int lsb_point_has_flag(const json_t *point, const char *flag)
{
	return json_object_get(json_object_get(point, "flag_reasons"), flag) != NULL;
}

void lsb_point_flag(json_t *point, const char *flag, const char *reason)
{
	if (lsb_point_has_flag(point, flag))
		return;
	json_array_append_new(json_object_get(point, "flags"), json_string(flag));
	json_object_set_new(json_object_get(point, "flag_reasons"), flag, json_string(reason));
}

void lsb_point_flag_more(json_t *point, const char *flag, const char *reason)
{
	const char *before = json_string_value(json_object_get(json_object_get(point, "flag_reasons"), flag));
	json_t *both;

	if (!before) {
		lsb_point_flag(point, flag, reason);
		return;
	}
	both = json_sprintf("%s; %s", before, reason);
	if (both)
		json_object_set_new(json_object_get(point, "flag_reasons"), flag, both);
}

static void flag_bimodal(json_t *point)
{
	const json_t *samples = json_object_get(
		json_object_get(json_object_get(point, "metrics"), "tokens_per_s"), "samples");
	const size_t n = json_array_size(samples);
	double *sorted = calloc(n + 1, sizeof(*sorted));

	for (size_t i = 0; sorted && i < n; i++)
		sorted[i] = json_number_value(json_array_get(samples, i));
	if (sorted) {
		lsb_sort(sorted, n);
		if (lsb_is_bimodal(sorted, n, BIMODAL_GAP, BIMODAL_LEAST))
			lsb_point_flag(point, "bimodal",
				       "launches fall into two groups more than 20 % apart: look at each");
	}
	free(sorted);
}

/* More than half of the launches that were long enough to tell never came to a steady pace. */
static void flag_unsteady(json_t *point, const json_t *ok)
{
	size_t i, n_judged = 0, n_unsettled = 0;
	const json_t *launch;

	json_array_foreach(ok, i, launch)
	{
		const json_t *settled = json_object_get(launch, "settled");

		n_judged += json_is_boolean(settled);
		n_unsettled += json_is_false(settled);
	}
	if (2 * n_unsettled > n_judged) {
		char *why = lsb_format(
			"%zu of %zu launches never settled: no two adjacent windows of their decode "
			"steps agree within 10 %%",
			n_unsettled, n_judged);

		lsb_point_flag(point, "unsteady", why ? why : "");
		free(why);
	}
}

/* Ledgers that do not close, and records that did not fit. */
static void flag_ledger(json_t *point)
{
	const json_t *row, *rank;
	double worst = 0, lost = 0;
	char *why;
	size_t i;

	json_array_foreach(json_object_get(point, "ledger"), i, row)
	{
		const double share =
			fabs(lsb_look_number(row, "unattributed_s")) / lsb_look_number(row, "wall_s");

		worst = share > worst ? share : worst;
	}
	json_array_foreach(json_object_get(point, "ranks"), i, rank)
	{
		lost += lsb_look_number(rank, "records_lost");
	}
	if (worst > UNATTRIBUTED) {
		why = lsb_format("%.1f %% of a rank's time is unattributed, more than %.0f %%", worst * 100,
				 UNATTRIBUTED * 100);
		lsb_point_flag(point, "ledger_open", why ? why : "");
		free(why);
	}
	if (lost > 0) {
		why = lsb_format("%.0f records did not fit: ledger and bound miss them", lost);
		lsb_point_flag(point, "records_lost", why ? why : "");
		free(why);
	}
}

/* Clocks that are not what the ledger needs them to be. */
static void flag_clocks(json_t *point)
{
	const json_t *clock;
	char *why;
	size_t i;

	json_array_foreach(json_object_get(point, "clocks"), i, clock)
	{
		const double early = lsb_look_number(clock, "misordered");

		if (!json_is_true(json_object_get(clock, "known"))) {
			why = lsb_format("nothing is known of the clock of rank %.0f: its waiting and "
					 "transfers may be "
					 "wrong by any time",
					 lsb_look_number(clock, "rank"));
			lsb_point_flag(point, "clocks_unknown", why ? why : "");
			free(why);
		} else if (early > 0 && json_is_true(json_object_get(clock, "shared"))) {
			why = lsb_format(
				"%.0f messages to rank %.0f arrived before they were sent, though the ranks "
				"are taken to share a clock",
				early, lsb_look_number(clock, "rank"));
			lsb_point_flag(point, "clocks_disagree", why ? why : "");
			free(why);
		}
	}
}

static void flag_recording(json_t *point)
{
	const double share = lsb_look_number(
		json_object_get(json_object_get(point, "metrics"), "recording_share"), "median");
	char *why;

	if (!(share > RECORDING))
		return;
	why = lsb_format("writing step records took %.1f %% of a rank's run, more than %.0f %%", share * 100,
			 RECORDING * 100);
	lsb_point_flag(point, "recording_costs", why ? why : "");
	free(why);
}

/*
 * Other work, or a quota, took the cores away in so many launches that the median may have moved.
 * With more threads than cores the ranks do that to each other, which is flagged as such.
 */
static void flag_disturbed(json_t *point)
{
	const json_t *samples = json_object_get(
		json_object_get(json_object_get(point, "metrics"), "runqueue_share"), "samples");
	const json_t *sample;
	size_t i, n = json_array_size(samples), n_disturbed = 0;
	double worst = 0;
	char *why;

	json_array_foreach(samples, i, sample)
	{
		n_disturbed += json_number_value(sample) > DISTURBED;
		worst = fmax(worst, json_number_value(sample));
	}
	if (n_disturbed == 0 || 2 * n_disturbed < n || lsb_point_has_flag(point, "oversubscribed"))
		return;
	why = lsb_format("in %zu of %zu launches a rank was ready to run but had no core for more than %.0f "
			 "%% of its run, up to %.1f %%: other work on its cores, or a quota",
			 n_disturbed, n, DISTURBED * 100, worst * 100);
	lsb_point_flag(point, "disturbed", why ? why : "");
	free(why);
}

/* Requests came faster than they were answered: latencies depend on how long the run was. */
static void flag_not_sustained(json_t *point)
{
	const json_t *metrics = json_object_get(point, "metrics");
	const double growth = lsb_look_number(json_object_get(metrics, "queue_growth"), "median");
	char *why;

	if (!(growth > LSB_QUEUE_GROWTH))
		return;
	why = lsb_format("requests arrived at %.3g/s, as counted, and were answered at %.3g/s: the queue "
			 "grew by %.2f s a second, so latencies are of this length of run only",
			 lsb_look_number(json_object_get(metrics, "offered_rps"), "median"),
			 lsb_look_number(json_object_get(metrics, "achieved_rps"), "median"), growth);
	lsb_point_flag(point, "not_sustained", why ? why : "");
	free(why);
}

static void flag_failed_requests(json_t *point)
{
	const json_t *rate = json_object_get(json_object_get(point, "metrics"), "success_rate"), *sample;
	const json_t *requests = json_object_get(point, "requests");
	const json_t *first = json_array_get(json_object_get(requests, "reasons"), 0);
	const char *reason = json_string_value(json_object_get(first, "reason"));
	double least = 1;
	size_t i;
	char *why;

	json_array_foreach(json_object_get(rate, "samples"), i, sample)
	{
		if (json_number_value(sample) < least)
			least = json_number_value(sample);
	}
	if (least >= 1 && !first)
		return;
	why = lsb_format("requests failed: %.0f of %.0f in all launches, and in the worst one only %.1f %% "
			 "completed%s%s",
			 lsb_look_number(requests, "failed"), lsb_look_number(requests, "issued"),
			 least * 100, reason ? "; " : "", reason ? reason : "");
	lsb_point_flag(point, "failed_requests", why ? why : "");
	free(why);
}

/* More than a tenth of the answers are none. With stop = length a model must go on, so loops are no sign. */
static void flag_poor_answers(json_t *point)
{
	static const struct {
		const char *metric, *words;
	} shares[] = { { "empty_share", "are empty" },
		       { "at_once_share", "end with their first token" },
		       { "repeated_share", "end in a loop" } };
	const json_t *metrics = json_object_get(point, "metrics");
	const char *stop = json_string_value(json_object_get(point, "stop"));
	struct lsb_text why = { 0 };

	for (size_t i = 0; stop && strcmp(stop, "eos") == 0 && i < LSB_COUNT(shares); i++) {
		const double share = lsb_look_number(json_object_get(metrics, shares[i].metric), "median");

		if (share > POOR)
			lsb_text_add(&why, "%s%.0f %% of the answers %s", why.length ? ", " : "", share * 100,
				     shares[i].words);
	}
	if (why.length)
		lsb_point_flag(point, "poor_answers", why.data);
	lsb_text_free(&why);
}

static void flag_gated(json_t *point, const json_t *header)
{
	const json_t *gated = json_object_get(header, "gated"), *reason;
	struct lsb_text why = { 0 };
	size_t i;

	json_array_foreach(gated, i, reason)
	{
		lsb_text_add(&why, "%s%s", i ? "; " : "",
			     json_is_string(reason) ? json_string_value(reason) : "?");
	}
	if (why.length)
		lsb_point_flag(point, "gated", why.data);
	lsb_text_free(&why);
}

/* Said of the point before the run or, where ranks are elsewhere, of a launch once they were there. */
static int is_oversubscribed(const json_t *entry, const json_t *ok)
{
	int is = json_is_true(json_object_get(entry, "oversubscribed"));
	const json_t *launch;
	size_t i;

	json_array_foreach(ok, i, launch) is |= json_is_true(json_object_get(launch, "oversubscribed"));
	return is;
}

/* An accelerator that several ranks share gives none of them its whole speed. */
static void flag_shared_device(json_t *point, const json_t *ok)
{
	const json_t *launch;
	char *why = NULL;
	size_t i;

	json_array_foreach(ok, i, launch)
	{
		if (!why)
			why = lsb_devices_shared(json_object_get(launch, "ranks"));
	}
	if (why)
		lsb_point_flag_more(point, "oversubscribed", why);
	free(why);
}

void lsb_flags_add(json_t *point, const json_t *header, const json_t *entry, const json_t *ok)
{
	if (is_oversubscribed(entry, ok))
		lsb_point_flag(point, "oversubscribed", "more compute threads than cores");
	flag_shared_device(point, ok);
	flag_failed_requests(point);
	if (json_array_size(ok) == 0)
		return;
	flag_gated(point, header);
	flag_bimodal(point);
	flag_unsteady(point, ok);
	flag_ledger(point);
	flag_clocks(point);
	flag_recording(point);
	flag_disturbed(point);
	flag_poor_answers(point);
	flag_not_sustained(point);
}
