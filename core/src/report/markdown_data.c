/* SPDX-License-Identifier: Apache-2.0 */
/* The sections of report.md that show one kind of data each. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "report/parts.h"

/* The table under `title`, unless it has no rows. */
static void end_section(const char *title, struct lsb_table *t, struct lsb_text *to)
{
	if (lsb_table_has_rows(t)) {
		lsb_text_add(to, "## %s\n\n", title);
		lsb_table_markdown(t, to);
	}
	lsb_table_free(t);
}

static void number_cell(struct lsb_table *t, double value)
{
	char shown[LSB_SHOWN];

	lsb_table_cell(t, "%s", lsb_show(value, shown));
}

static void add_ledger_rows(struct lsb_table *t, const json_t *summary, const json_t *point)
{
	const json_t *row;
	char shown[LSB_SHOWN];
	size_t i;

	json_array_foreach(json_object_get(point, "ledger"), i, row)
	{
		const json_t *hidden = json_object_get(row, "hidden_transfer_s");
		const double wall = lsb_number(row, "wall_s");

		lsb_table_cell(t, "%s", lsb_text_of(point, "label"));
		lsb_table_cell(t, "%.0f (stage %.0f)", lsb_number(row, "rank"), lsb_number(row, "stage"));
		for (size_t k = 0; k < LSB_LEDGER_TERMS; k++) {
			const double term_s = lsb_number(row, lsb_ledger_terms[k].key);

			if (lsb_ledger_has(summary, k))
				lsb_table_cell(t, "%s (%.0f %%)", lsb_show(term_s, shown),
					       lsb_percent(term_s, wall));
		}
		number_cell(t, wall);
		lsb_table_cell(t, "%s",
			       json_is_number(hidden) ? lsb_show(json_number_value(hidden), shown)
						      : "unknown");
	}
}

/* Ranks that do not have rank 0's clock: what theirs is, and by how much that may be wrong. */
static void add_clocks(const json_t *summary, struct lsb_text *to)
{
	const json_t *point, *clock;
	char shown[LSB_SHOWN];
	size_t i, k, n = 0;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		json_array_foreach(json_object_get(point, "clocks"), k, clock)
		{
			if (!json_is_true(json_object_get(clock, "known")) ||
			    json_is_true(json_object_get(clock, "shared")))
				continue;
			if (n++ == 0)
				lsb_text_add(to,
					     "Clocks of ranks that do not share rank 0's, measured over the "
					     "transport before and after the run; what is\nshorter than "
					     "the error between two ranks is wait+transfer.\n\n");
			lsb_text_add(to, "- %s, rank %.0f: %s s ahead of rank 0", lsb_text_of(point, "label"),
				     lsb_number(clock, "rank"),
				     lsb_show(lsb_number(clock, "offset_ns") * 1e-9, shown));
			lsb_text_add(to, ", drift %.2f ppm, error %.1f us\n", lsb_number(clock, "drift_ppm"),
				     lsb_number(clock, "error_ns") * 1e-3);
		}
	}
	lsb_text_add(to, "%s", n ? "\n" : "");
}

static struct lsb_table ledger_table(const json_t *summary)
{
	struct lsb_table t = { 0 };
	char head[32];

	lsb_table_column(&t, "Point");
	lsb_table_column(&t, "Rank");
	for (size_t k = 0; k < LSB_LEDGER_TERMS; k++)
		if (lsb_ledger_has(summary, k)) {
			(void)snprintf(head, sizeof(head), "%s (s)", lsb_ledger_terms[k].words);
			head[0] = (char)(head[0] - 'a' + 'A');
			lsb_table_column(&t, head);
		}
	lsb_table_column(&t, "= Wall (s)");
	lsb_table_column(&t, "Hidden transfer (s)");
	return t;
}

/* Ranks that were lost: what is known of them instead of a ledger. */
static void add_lost(const json_t *summary, struct lsb_text *to)
{
	const json_t *point, *row;
	size_t i, k, n = 0;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		json_array_foreach(json_object_get(point, "lost"), k, row)
		{
			lsb_text_add(to, "- %s: %s.\n", lsb_text_of(point, "label"),
				     lsb_text_of(row, "text"));
			n++;
		}
	}
	lsb_text_add(to, "%s", n ? "\n" : "");
}

void lsb_markdown_ledger(const json_t *summary, struct lsb_text *to)
{
	struct lsb_table t = ledger_table(summary);
	const json_t *point;
	size_t i, n = 0;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		n += json_array_size(json_object_get(point, "ledger")) > 0;
		if (lsb_worst_unattributed(point) <= LSB_UNATTRIBUTED_MAX)
			add_ledger_rows(&t, summary, point);
	}
	if (n == 0) {
		lsb_table_free(&t);
		return;
	}
	end_section("Where the time went", &t, to);
	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		if (lsb_worst_unattributed(point) > LSB_UNATTRIBUTED_MAX)
			lsb_text_add(to,
				     "- %s: not shown, %.1f %% of a rank's time is unattributed (limit %.0f "
				     "%%).\n",
				     lsb_text_of(point, "label"), lsb_worst_unattributed(point) * 100,
				     LSB_UNATTRIBUTED_MAX * 100);
	}
	lsb_text_add(to, "Per rank, of the launch whose run time is nearest the median: wall = compute + "
			 "wait + transfer + overhead +\nunattributed. Wait: the peer had not sent yet "
			 "(bubble, imbalance). Transfer: sent and not yet here, while\nnothing else could be "
			 "done. Overhead: wake-up, scheduling, sending, staging. Hidden transfer is under "
			 "compute\nand not in the sum.\n\n");
	add_lost(summary, to);
	add_clocks(summary, to);
}

void lsb_markdown_latency(const json_t *summary, struct lsb_text *to)
{
	static const char *const names[] = { "Point",	"Latency", "p50 (s)", "p90 (s)",
					     "p99 (s)", "max (s)", "sd (s)" };
	static const char *const kinds[] = { "ttft", "tpot", "itl", "e2e" };
	static const char *const suffixes[] = { "p50", "p90", "p99", "max", "sd" };
	struct lsb_table t = lsb_table_open(names, LSB_COUNT(names));
	const json_t *point;
	size_t i;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		for (size_t k = 0; k < LSB_COUNT(kinds); k++) {
			char key[64];

			(void)snprintf(key, sizeof(key), "%s_p50_s", kinds[k]);
			if (!lsb_metric(point, key))
				continue;
			lsb_table_cell(&t, "%s", lsb_text_of(point, "label"));
			lsb_table_cell(&t, "%s", kinds[k]);
			for (size_t s = 0; s < LSB_COUNT(suffixes); s++) {
				(void)snprintf(key, sizeof(key), "%s_%s_s", kinds[k], suffixes[s]);
				lsb_table_metric(&t, lsb_metric(point, key), 1);
			}
		}
	}
	end_section("Latency", &t, to);
}

/* What accelerators hold, and in what way ranks compute where their backend says it. */
static void add_devices(const json_t *point, struct lsb_text *to)
{
	const double held = lsb_number(lsb_metric(point, "device_memory_bytes"), "median");
	const json_t *rank, *said = NULL;
	size_t k;

	json_array_foreach(json_object_get(point, "ranks"), k, rank)
	{
		const json_t *backend = json_object_get(rank, "backend");

		if (*lsb_text_of(backend, "engine") == '\0' ||
		    (said && json_equal(json_object_get(backend, "engine"), said)))
			continue;
		said = json_object_get(backend, "engine");
		lsb_text_add(to, "- %s, rank %.0f on %s: %s", lsb_text_of(point, "label"),
			     lsb_number(rank, "rank"), lsb_text_of(backend, "device"),
			     lsb_text_of(backend, "engine"));
		if (held > 0)
			lsb_text_add(to, "; %.1f MiB of the device's memory taken", held / (1 << 20));
		lsb_text_add(to, ".\n");
	}
}

void lsb_markdown_memory(const json_t *summary, struct lsb_text *to)
{
	static const char *const names[] = { "Point",	   "Rank",	     "Weights (MiB)",
					     "Read (MiB)", "KV cache (MiB)", "Peak (MiB)" };
	static const char *const keys[] = { "weight_bytes", "load_bytes", "kv_bytes", "peak_memory_bytes" };
	struct lsb_table t = lsb_table_open(names, LSB_COUNT(names));
	const json_t *point, *rank;
	size_t i, k, n = 0;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		json_array_foreach(json_object_get(point, "ranks"), k, rank)
		{
			lsb_table_cell(&t, "%s", lsb_text_of(point, "label"));
			lsb_table_cell(&t, "%.0f", lsb_number(rank, "rank"));
			for (size_t m = 0; m < LSB_COUNT(keys); m++)
				lsb_table_cell(&t, "%.1f", lsb_number(rank, keys[m]) / (1 << 20));
		}
	}
	end_section("Memory", &t, to);
	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		add_devices(point, to);
	}
	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		const json_t *memory = json_object_get(point, "memory");
		char shown[LSB_SHOWN];

		if (!json_is_object(memory))
			continue;
		n++;
		lsb_text_add(to,
			     "- %s: steps read %.2f GB of weights; at %.1f GB/s (all ranks reading) that "
			     "takes %s s, ",
			     lsb_text_of(point, "label"), lsb_number(memory, "read_bytes") * 1e-9,
			     lsb_number(memory, "bandwidth_all") * 1e-9,
			     lsb_show(lsb_number(memory, "memory_s"), shown));
		lsb_text_add(to, "%.0f %% of the run; mbu %s.\n", lsb_number(memory, "share_of_run") * 100,
			     lsb_show_estimate(lsb_metric(point, "mbu"), shown));
	}
	if (n)
		lsb_text_add(to, "\nRead bandwidth is of memory: weights that stay in a cache may be read "
				 "faster.\n\n");
}

void lsb_markdown_definitions(const json_t *summary, struct lsb_text *to)
{
	static const char *const names[] = { "Metric", "Unit", "Definition" };
	struct lsb_table t = lsb_table_open(names, LSB_COUNT(names));
	json_t *seen = json_object(), *metric;
	const json_t *point;
	const char *name;
	size_t i;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		json_object_foreach(json_object_get(point, "metrics"), name, metric)
		{
			char group[LSB_SHOWN];
			const char *text = lsb_definition_of(name, group);

			if (!text || json_object_get(seen, group))
				continue;
			json_object_set_new(seen, group, json_true());
			lsb_table_cell(&t, "`%s`", group);
			lsb_table_cell(&t, "%s", lsb_text_of(metric, "unit"));
			lsb_table_cell(&t, "%s", text);
		}
	}
	json_decref(seen);
	end_section("Definitions", &t, to);
}

/* One line a value; objects and lists as compact JSON. */
static void add_facts(const json_t *object, const char *const *skipped, size_t n_skipped, struct lsb_table *t)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		char *dumped;
		size_t i = 0;

		while (i < n_skipped && strcmp(skipped[i], key) != 0)
			i++;
		if (i < n_skipped || json_is_null(value))
			continue;
		dumped = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
		lsb_table_cell(t, "%s", key);
		lsb_table_cell(t, "%s",
			       json_is_string(value) ? json_string_value(value)
			       : dumped		     ? dumped
						     : "");
		free(dumped);
	}
}

void lsb_markdown_environment(const json_t *environment, const json_t *header, struct lsb_text *to)
{
	/* the suite's text is in the results folder; the rest is told above */
	static const char *const skipped[] = { "suite_text", "suite", "gated" };
	static const char *const names[] = { "What", "Value" };
	const json_t *provenance = json_object_get(header, "provenance");
	struct lsb_table t = lsb_table_open(names, LSB_COUNT(names));

	add_facts(environment, skipped, LSB_COUNT(skipped), &t);
	add_facts(provenance, NULL, 0, &t);
	if (!environment)
		lsb_text_add(to, "environment.json is not in the results folder.\n\n");
	end_section("Environment", &t, to);
}
