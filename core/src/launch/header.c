/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/header.h"

#include <string.h>
#include <time.h>

#include "base/base.h"
#include "suite/baseline.h"
#include "wire/journal.h"

void lsb_time_text(char out[32])
{
	const time_t now = time(NULL);
	struct tm utc;

	out[0] = '\0';
	if (gmtime_r(&now, &utc))
		(void)strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

static json_t *point_id(const struct lsb_suite *suite, ptrdiff_t index)
{
	return index < 0 ? json_null() : json_string(suite->points[index].id);
}

static json_t *baselines_json(const struct lsb_suite *suite, const struct lsb_baselines *b)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "equal_batch", point_id(suite, b->equal_batch),
			 "equal_concurrency", point_id(suite, b->equal_concurrency), "equal_cores",
			 point_id(suite, b->equal_cores), "batch_one", point_id(suite, b->batch_one));
}

static const char *kind_name(enum lsb_case_kind kind)
{
	static const char *const names[] = {
		[LSB_CASE_INFER] = "infer", [LSB_CASE_STRONG] = "strong",   [LSB_CASE_WEAK] = "weak",
		[LSB_CASE_BATCH] = "batch", [LSB_CASE_REPLICA] = "replica", [LSB_CASE_LINK] = "link",
	};

	return names[kind];
}

static json_t *point_json(const struct lsb_prepared *p, size_t index)
{
	const struct lsb_prepared_point *prepared = &p->points[index];
	const struct lsb_point *point = prepared->point;
	const struct lsb_baselines baselines =
		lsb_baselines_find(p->suite->points, p->suite->n_points, index);
	json_t *params = json_object(), *layers = json_array(), *out;

	for (size_t i = 0; i < point->n_values; i++)
		json_object_set_new(params, point->values[i].key,
				    point->values[i].value ? json_string(point->values[i].value)
							   : json_null());
	for (uint32_t i = 0; prepared->layers && i < point->stages; i++)
		json_array_append_new(layers, json_integer(prepared->layers[i]));
	out = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "id", point->id, "case", point->case_name,
			"label", point->label, "kind", kind_name(point->kind), "params", params, "layers",
			layers, "baseline", point_id(p->suite, baselines.equal_batch), "baselines",
			baselines_json(p->suite, &baselines));
	if (!out)
		return NULL;
	{
		const struct {
			const char *name;
			uint32_t value;
		} numbers[] = {
			{ "nodes", point->nodes },	   { "stages", point->stages },
			{ "replicas", point->replicas },   { "batch", point->batch },
			{ "in_flight", point->in_flight }, { "concurrency", point->batch * point->in_flight },
			{ "prompts", point->prompts },	   { "distinct", point->distinct },
			{ "max_new", point->max_new },	   { "threads", point->threads },
			{ "reps", point->reps },	   { "max_reps", point->max_reps },
			{ "context", prepared->context },
		};

		for (size_t i = 0; i < LSB_COUNT(numbers); i++)
			json_object_set_new(out, numbers[i].name, json_integer(numbers[i].value));
	}
	if (prepared->split)
		json_object_set(out, "split", prepared->split);
	json_object_set_new(out, "stop", json_string(point->stop == LSB_STOP_LENGTH ? "length" : "eos"));
	json_object_set_new(out, "balance",
			    json_string(point->balance == LSB_BALANCE_DYNAMIC ? "dynamic" : "static"));
	json_object_set_new(out, "launcher",
			    json_string(prepared->launcher ? prepared->launcher->name : "local"));
	json_object_set_new(out, "oversubscribed", json_boolean(prepared->oversubscribed));
	json_object_set_new(out, "pinned", json_true());
	return out;
}

json_t *lsb_header_build(const struct lsb_prepared *p, uint64_t order_seed, int argc, char *const *argv,
			 json_t *gated)
{
	const struct lsb_suite *suite = p->suite;
	json_t *points = json_array(), *arguments = json_array();
	char digest[LSB_DIGEST_HEX], started[32];

	lsb_digest(suite->text, suite->bytes, digest);
	lsb_time_text(started);
	for (size_t i = 0; i < p->n_points; i++)
		json_array_append_new(points, point_json(p, i));
	for (int i = 0; i < argc; i++)
		json_array_append_new(arguments, json_string(argv[i]));
	/* the seed is of 64 bits, JSON integers here of 63 and a sign: kept as they lie */
	return json_pack("{s:i, s:s, s:s, s:s, s:s, s:o, s:I, s:s, s:s%, s:O, s:o, s:O?, s:s?}",
			 "lsbench_journal", (int)LSB_JOURNAL_FORMAT, "version", LSB_VERSION, "suite",
			 suite->name, "title", suite->title ? suite->title : suite->name, "started", started,
			 "argv", arguments, "order_seed", (json_int_t)order_seed, "suite_sha256", digest,
			 "suite_text", suite->text, suite->bytes, "provenance", p->provenance, "points",
			 points, "gated", gated, "compare", suite->report.compare);
}

/* --- resuming --- */

static void complain(struct lsb_text *to, const char *what, const char *which)
{
	lsb_text_add(to, "%s%s%s%s%s", to->length ? ", " : "", what, which ? " '" : "", which ? which : "",
		     which ? "'" : "");
}

/* Members that differ between two objects of digests. */
static void compare_digests(const json_t *before, const json_t *now, const char *what,
			    struct lsb_text *changes)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)before, key, value)
	{
		if (!json_equal(value, json_object_get(now, key)))
			complain(changes, what, key);
	}
	json_object_foreach((json_t *)(uintptr_t)now, key, value)
	{
		if (!json_object_get(before, key))
			complain(changes, what, key);
	}
}

int lsb_header_compare(const json_t *before, const json_t *now, struct lsb_error *err)
{
	static const struct {
		const char *key, *name;
	} whole[] = { { "suite_sha256", "the suite's text" },
		      { "order_seed", "the seed of the run order" },
		      { "points", "the points (--set, --only, --reps, split or context)" } },
	  digests[] = { { "plugins", "plugin" }, { "models", "model" }, { "data", "data file" } };
	const json_t *old = json_object_get(before, "provenance"), *new = json_object_get(now, "provenance");
	struct lsb_text changes = { 0 };
	int rc = LSB_OK;

	for (size_t i = 0; i < LSB_COUNT(whole); i++)
		if (!json_equal(json_object_get(before, whole[i].key), json_object_get(now, whole[i].key)))
			complain(&changes, whole[i].name, NULL);
	if (!json_equal(json_object_get(old, "lsbench"), json_object_get(new, "lsbench")))
		complain(&changes, "the lsbench program", NULL);
	for (size_t i = 0; i < LSB_COUNT(digests); i++)
		compare_digests(json_object_get(old, digests[i].key), json_object_get(new, digests[i].key),
				digests[i].name, &changes);
	if (changes.length || changes.failed)
		rc = lsb_fail(err, LSB_EIO, 0,
			      "cannot resume: changed since the run began: %s; start a new run instead",
			      changes.data ? changes.data : "?");
	lsb_text_free(&changes);
	return rc;
}
