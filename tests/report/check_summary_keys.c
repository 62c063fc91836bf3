/* SPDX-License-Identifier: Apache-2.0 */
/* The keys that docs/summary.md documents are those that summaries have. */
#include <check.h>
#include <string.h>

#include "crafted_folder.h"
#include "measure/knee.h"
#include "measure/links.h"
#include "measure/quality.h"
#include "measure/replicas.h"
#include "report/report.h"

/* Keys of these are data, not layout. */
static int is_map(const char *path)
{
	static const char *const maps[] = { "points[].metrics", "points[].flag_reasons",
					    "points[].scaling.baselines", "points[].params" };

	for (size_t i = 0; i < LSB_COUNT(maps); i++)
		if (strcmp(maps[i], path) == 0)
			return 1;
	return 0;
}

/* The name of a layout that many places share and that is documented once; NULL: `key` is the place's own. */
static const char *shared_layout(const char *path, const json_t *value, const char *key)
{
	static const char *const finding[] = { "text", "points", "rule" };

	if (strncmp(path, "points[].scaling.", 17) == 0 && json_object_get(value, "ci95"))
		return "RATIO";
	if (strncmp(path, "points[].links[].sizes[].", 25) == 0)
		return "ESTIMATE";
	if (strncmp(path, "points[].work[].", 16) == 0)
		return "PHASE";
	if (strcmp(path, "points[].bounds.decode") == 0 || strcmp(path, "points[].bounds.prefill") == 0)
		return "ROOF";
	for (size_t i = 0; i < LSB_COUNT(finding); i++)
		if (strncmp(path, "findings.", 9) == 0 && json_object_get(value, "text") &&
		    strcmp(key, finding[i]) == 0)
			return "FINDING";
	return NULL;
}

/* Note the path of every key under `value`. */
static void collect(json_t *value, const char *path, json_t *found)
{
	const char *key;
	json_t *inner;
	size_t i;

	if (json_is_array(value)) {
		char *items = lsb_format("%s[]", path);

		json_array_foreach(value, i, inner)
		{
			if (json_is_object(inner) && strcmp(path, "points[].ranks") != 0)
				collect(inner, items, found);
		}
		free(items);
	}
	json_object_foreach(value, key, inner)
	{
		const char *shared = shared_layout(path, value, key);
		char *its = lsb_format("%s%s%s", shared ? shared : path, *path || shared ? "." : "",
				       is_map(path) ? "*" : key);

		if (!is_map(path))
			json_object_set_new(found, its, json_true());
		if (strcmp(its, "points[].params.*") != 0 && strcmp(its, "points[].flag_reasons.*") != 0)
			collect(inner, its, found);
		free(its);
	}
}

/* The keys in the first column of the tables of docs/summary.md. */
static json_t *documented(void)
{
	char *text = crafted_read(LSB_SOURCE_DIR "/docs/summary.md"), *rest = text, *line;
	json_t *keys = json_object();

	while ((line = strsep(&rest, "\n")) != NULL) {
		if (strncmp(line, "| `", 3) != 0)
			continue;
		line[3 + strcspn(line + 3, "`")] = '\0';
		json_object_set_new(keys, line + 3, json_true());
	}
	free(text);
	return keys;
}

static void assert_within(json_t *keys, const json_t *all, const char *what)
{
	const char *key;
	json_t *value;

	json_object_foreach(keys, key, value)
	{
		ck_assert_msg(json_object_get(all, key) != NULL, "%s: %s", what, key);
	}
}

/* What a point of kind = link has, which the crafted journal does not. */
static json_t *links_of_a_point(void)
{
	json_t *ranks = json_array(), *rows, *launches, *links;

	for (int r = 0; r < 2; r++) {
		rows = json_array();
		for (int bytes = 1; bytes <= 100; bytes *= 10)
			json_array_append_new(rows, json_pack("{s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f}",
							      "to", 1 - r, "bytes", bytes, "latency_mean_s",
							      1e-6, "latency_p50_s", 1e-6, "latency_p99_s",
							      1e-6, "send_s", 1e-6, "bandwidth_bps", 1e6,
							      "messages_per_s", 1e6));
		json_array_append_new(ranks, json_pack("{s:o}", "links", rows));
	}
	launches = json_pack("[{s:o}]", "ranks", ranks);
	links = lsb_links_summary(launches);
	json_decref(launches);
	return json_pack("{s:[{s:o}]}", "points", "links", links);
}

/* What a point of several replicas has, one of which was lost once. */
static json_t *replicas_of_a_point(void)
{
	json_t *point = json_pack("{s:i, s:i}", "prompts", 1, "stages", 1);
	json_t *launches =
		json_pack("[{s:i, s:[n, n], s:[{s:i, s:s, s:[i], s:f, s:[{s:i, s:s, s:s, s:f, s:i, s:i}]}], "
			  "s:[{s:i, s:[i]}, {s:i, s:s}]}]",
			  "launch", 0, "ranks", "lost", "replica", 1, "reason", "gone", "requests", 0,
			  "lost_s", 2.0, "ranks", "rank", 1, "host", "alpha", "phase", "run", "heard_s", 1.9,
			  "steps", 7, "generated_tokens", 5, "per_replica", "replica", 0, "computed_tokens",
			  0, "replica", 1, "lost", "gone");
	json_t *requests = lsb_requests_json(point, launches), *rows = lsb_replicas_json(point, launches);
	json_t *lost = lsb_lost_json(launches);

	ck_assert_str_eq(json_string_value(json_object_get(json_array_get(lost, 0), "text")),
			 "rank 1 on alpha, of replica 1, has no ledger in launch 0: what it measured is lost "
			 "with it, 2.0 s into the run. It was last heard of at 1.9 s in phase 'run', after 7 "
			 "steps and 5 generated tokens");
	json_decref(launches);
	json_decref(point);
	return json_pack("{s:[{s:o, s:o, s:o}]}", "points", "requests", requests, "per_replica", rows, "lost",
			 lost);
}

/* Scores of other answers, which the crafted journal does not have. */
static json_t *scores_of_other_answers(void)
{
	json_t *request = json_pack("{s:{s:f}}", "scores", "rouge1", 0.5);
	const json_t *requests[] = { request };
	json_t *scores = lsb_quality_compare(requests, requests, 1);

	json_decref(request);
	return json_pack("{s:[{s:{s:[{s:o}]}}]}", "points", "outputs", "comparisons", "scores", scores);
}

/* A point with limits, and the knee of two: of points whose requests do not all arrive at once. */
static json_t *knee_of_two_points(void)
{
	json_t *summary = json_pack("{s:[]}", "points");
	json_t *small;

	for (int rate = 1; rate <= 2; rate++)
		json_array_append_new(json_object_get(summary, "points"),
				      json_pack("{s:s, s:s, s:{s:o, s:s, s:s}}", "id", rate == 1 ? "1" : "2",
						"case", "load", "params", "arrivals",
						json_sprintf("fixed:%d/s", rate), "slo.ttft", "1s",
						"slo.share", "0.9"));
	lsb_knees_add(summary);
	small = json_pack("{s:[{s:O}], s:O}", "points", "slo",
			  json_object_get(json_array_get(json_object_get(summary, "points"), 0), "slo"),
			  "knees", json_object_get(summary, "knees"));
	json_decref(summary);
	return small;
}

START_TEST(the_documented_keys_are_those_that_are_produced)
{
	json_t *summary, *found = json_object(), *keys = documented(), *links = links_of_a_point();
	json_t *replicas = replicas_of_a_point();
	json_t *scores = scores_of_other_answers(), *knee = knee_of_two_points();

	ck_assert_int_eq(lsb_report_summary(crafted_folder, &summary, NULL), 0);
	collect(summary, "", found);
	collect(links, "", found);
	collect(replicas, "", found);
	json_decref(replicas);
	collect(scores, "", found);
	collect(knee, "", found);
	json_decref(knee);
	json_decref(links);
	json_decref(scores);
	assert_within(found, keys, "produced but not in docs/summary.md");
	assert_within(keys, found, "in docs/summary.md but not produced");
	json_decref(summary);
	json_decref(found);
	json_decref(keys);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("summary_keys");
	TCase *tc = tcase_create("summary_keys");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, crafted_set_up, crafted_tear_down);
	tcase_add_test(tc, the_documented_keys_are_those_that_are_produced);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
