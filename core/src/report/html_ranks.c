/* SPDX-License-Identifier: Apache-2.0 */
/* What each rank did and held: symmetry of ranks, memory, and what a cold start costs. */
#include <math.h>
#include <string.h>

#include "report/html.h"

static void mebibytes(const struct lsb_page *page, double bytes)
{
	lsb_html_add(page->to, "<td class=\"n\">%.1f</td>", bytes / (1 << 20));
}

static void add_ranks(const struct lsb_page *page)
{
	static const char *const heads[] = { "Point",	    "#Rank",	       "Host",	     "Device",
					     "#Layers",	    "#Compute (s)",    "#Load (s)",  "#Weights (MiB)",
					     "#Read (MiB)", "#KV cache (MiB)", "#Peak (MiB)" };
	static const char *const keys[] = { "weight_bytes", "load_bytes", "kv_bytes", "peak_memory_bytes" };
	const json_t *point, *rank;
	size_t i, k;

	lsb_html_table(page, "Every rank of the launch nearest the median", heads, LSB_COUNT(heads));
	json_array_foreach(json_object_get(page->summary, "points"), i, point)
	{
		json_array_foreach(json_object_get(point, "ranks"), k, rank)
		{
			const json_t *row = json_array_get(json_object_get(point, "ledger"), k);

			lsb_html_row(page, point, 0);
			lsb_html_add(page->to, "<td class=\"n\">%.0f</td>", lsb_number(rank, "rank"));
			lsb_html_cell(page, "%s", lsb_text_of(rank, "host"));
			lsb_html_cell(page, "%s: %s%s%s",
				      lsb_text_of(json_object_get(rank, "backend"), "name"),
				      lsb_text_of(json_object_get(rank, "backend"), "device"),
				      *lsb_text_of(json_object_get(rank, "backend"), "engine") ? "; " : "",
				      lsb_text_of(json_object_get(rank, "backend"), "engine"));
			lsb_html_add(page->to, "<td class=\"n\">%.0f</td>",
				     lsb_number(json_object_get(rank, "layers"), "count"));
			lsb_html_number(page, row ? lsb_number(row, "compute_s") : NAN);
			lsb_html_number(page, lsb_number(rank, "load_s"));
			for (size_t m = 0; m < LSB_COUNT(keys); m++)
				mebibytes(page, lsb_number(rank, keys[m]));
			lsb_html_row_end(page);
		}
	}
	lsb_html_table_end(page);
}

static void add_bandwidth(const struct lsb_page *page)
{
	static const char *const heads[] = { "Point",
					     "#Weights read (GB)",
					     "#One rank reading (GB/s)",
					     "#All ranks reading (GB/s)",
					     "#Least time for it (s)",
					     "#Share of the run",
					     "#mbu" };
	struct lsb_html_rows rows = {
		"Memory traffic of the steps beside the read bandwidth of this machine, measured in the same "
		"run",
		heads, LSB_COUNT(heads), 0
	};
	const json_t *point;
	size_t i;

	json_array_foreach(json_object_get(page->summary, "points"), i, point)
	{
		const json_t *memory = json_object_get(point, "memory");

		if (!json_is_object(memory))
			continue;
		lsb_html_rows_add(page, &rows, point);
		lsb_html_number(page, lsb_number(memory, "read_bytes") * 1e-9);
		lsb_html_number(page, lsb_number(memory, "bandwidth_alone") * 1e-9);
		lsb_html_number(page, lsb_number(memory, "bandwidth_all") * 1e-9);
		lsb_html_number(page, lsb_number(memory, "memory_s"));
		lsb_html_add(page->to, "<td class=\"n\">%.0f %%</td>",
			     lsb_number(memory, "share_of_run") * 100);
		lsb_html_estimate(page, lsb_metric(point, "mbu"));
		lsb_html_row_end(page);
	}
	if (lsb_html_rows_end(page, &rows))
		lsb_html_note(page,
			      "The bandwidth is of memory: weights that stay in a cache may be read faster.");
}

/* Phases before the run, and the first token of the first request. */
static void add_cold(const struct lsb_page *page)
{
	static const char *const heads[] = { "Point",
					     "#Load (s)",
					     "#Preprocessing (s)",
					     "#Warm-up (s)",
					     "#First token of request 0 (s)",
					     "#Run (s)",
					     "#Load + preprocessing, share of wall" };
	static const char *const keys[] = { "load_s", "preprocess_s", "warmup_s", "first_ttft_s", "run_s" };
	struct lsb_html_rows rows = { "What a start costs before and at the first answer", heads,
				      LSB_COUNT(heads), 0 };
	const json_t *point;
	size_t i;

	json_array_foreach(json_object_get(page->summary, "points"), i, point)
	{
		const double run = lsb_number(lsb_metric(point, "run_s"), "median"),
			     wall = lsb_number(lsb_metric(point, "wall_s"), "median");

		if (!lsb_has_launches(point))
			continue;
		lsb_html_rows_add(page, &rows, point);
		for (size_t k = 0; k < LSB_COUNT(keys); k++)
			lsb_html_estimate(page, lsb_metric(point, keys[k]));
		lsb_html_add(page->to, "<td class=\"n\">%.0f %%</td>", lsb_percent(wall - run, wall));
		lsb_html_row_end(page);
	}
	(void)lsb_html_rows_end(page, &rows);
}

void lsb_html_ranks(const struct lsb_page *page)
{
	lsb_html_open(page, "ranks", "Ranks and memory");
	add_ranks(page);
	lsb_html_symmetry(page);
	add_bandwidth(page);
	lsb_html_close(page);
	lsb_html_open(page, "cold", "Cold start");
	add_cold(page);
	lsb_html_close(page);
}
