/* SPDX-License-Identifier: Apache-2.0 */
#include "crafted_run.h"

#include <check.h>

#include "measure/summary.h"

static const struct crafted pair[] = { CRAFTED_ONE, CRAFTED_TWO };
json_t *run_header, *run_launches, *run_summary;

void run_add(const struct crafted *point, double run_s, double replay_s, double generated)
{
	for (int i = 0; i < 6; i++) {
		const struct crafted_launch l = { i, run_s, replay_s, 50.0 * point->prompts, generated };

		json_array_append_new(run_launches,
				      crafted_ok(point, (int)json_array_size(run_launches), &l));
	}
}

/* One node in 16 s, two in 10 s, of a schedule of 9.6 s. */
void run_set_up(void)
{
	run_launches = json_array();
	run_header = crafted_header(pair, 2);
	run_add(&pair[0], 16, 15, 250);
	run_add(&pair[1], 10, 9.6, 250);
}

void run_tear_down(void)
{
	json_decref(run_launches);
	json_decref(run_header);
	json_decref(run_summary);
	run_summary = NULL;
}

void run_summarise(void)
{
	struct lsb_error err = { 0 };

	json_decref(run_summary);
	ck_assert_msg(lsb_summary_build(run_header, run_launches, &run_summary, &err) == 0, "%s", err.msg);
}

json_t *run_launch(size_t i)
{
	return json_array_get(run_launches, i);
}

/* Set a metric of the six launches of the point from launch `first` on. */
void run_set_metric(size_t first, const char *name, double value)
{
	for (size_t i = first; i < first + 6; i++)
		json_object_set_new(json_object_get(run_launch(i), "metrics"), name, json_real(value));
}

/* Likewise of every rank. */
void run_set_rank(size_t first, const char *name, double value)
{
	for (size_t i = first; i < first + 6; i++) {
		json_t *rank;
		size_t k;

		json_array_foreach(json_object_get(run_launch(i), "ranks"), k, rank)
		{
			json_object_set_new(rank, name, json_real(value));
		}
	}
}

/* Likewise of every row of the ledger, the crafted shares of a run of `run_s`. */
void run_set_ledger(size_t first, const char *name, double value)
{
	for (size_t i = first; i < first + 6; i++) {
		json_t *row;
		size_t k;

		json_array_foreach(json_object_get(run_launch(i), "ledger"), k, row)
		{
			json_object_set_new(row, name, json_real(value));
		}
	}
}

const json_t *run_findings(const char *part)
{
	return json_object_get(json_object_get(run_summary, "findings"), part);
}
