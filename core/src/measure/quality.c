/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/quality.h"

#include <math.h>
#include <stdlib.h>

#include "measure/statistics.h"

/* Names of scores that some request of `mine` has, in their order: {name: true}. New reference. */
static json_t *names_of(const json_t *const *mine, size_t n)
{
	json_t *names = json_object(), *score;
	const char *name;

	for (size_t i = 0; i < n; i++)
		json_object_foreach(json_object_get(mine[i], "scores"), name, score)
		{
			json_object_set_new(names, name, json_true());
		}
	return names;
}

static const json_t *score_of(const json_t *request, const char *name)
{
	return json_object_get(json_object_get(request, "scores"), name);
}

static json_t *score_json(const char *name, const double *differences, size_t n)
{
	struct lsb_interval ci;
	double mean = 0;
	const int is_known = lsb_mean_interval(differences, n, &mean, &ci) == 0;
	const char *verdict = !is_known	  ? "unknown"
			      : ci.lo > 0 ? "higher"
			      : ci.hi < 0 ? "lower"
					  : "no difference seen";

	return json_pack("{s:s, s:f, s:o, s:I, s:s}", "name", name, "difference", mean, "ci95",
			 is_known ? json_pack("[f, f]", ci.lo, ci.hi) : json_null(), "n", (json_int_t)n,
			 "verdict", verdict);
}

json_t *lsb_quality_compare(const json_t *const *mine, const json_t *const *theirs, size_t n)
{
	json_t *out = json_array(), *names = names_of(mine, n), *unused;
	double *differences = calloc(n + 1, sizeof(*differences));
	const char *name;

	json_object_foreach(names, name, unused)
	{
		size_t k = 0;

		for (size_t i = 0; differences && i < n; i++) {
			const json_t *a = score_of(mine[i], name), *b = score_of(theirs[i], name);

			if (json_is_number(a) && json_is_number(b))
				differences[k++] = json_number_value(a) - json_number_value(b);
		}
		if (k)
			json_array_append_new(out, score_json(name, differences, k));
	}
	free(differences);
	json_decref(names);
	return out;
}

const json_t *lsb_quality_first(const json_t *scores)
{
	return json_array_get(scores, 0);
}
