/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exercise of a workload: it must be pure. Two handles, asked in different
 * orders, give the same requests and the same scores.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "plugin/parts.h"

enum { LOOKED_AT = 64 };

struct exercise {
	const struct lsb_asker *to;
	const struct lsb_loaded *l;
	const struct lsb_workload_ops *ops;
	struct lsb_workload *first, *second;
	uint64_t n; /* requests looked at */
};

static int same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static int same_request(const struct lsb_request *a, const struct lsb_request *b)
{
	if (!same_text(a->id, b->id) || !same_text(a->text, b->text) || a->n_turns != b->n_turns ||
	    a->prompt_tokens != b->prompt_tokens || a->max_new != b->max_new ||
	    a->arrival_ns != b->arrival_ns || a->max_prompt != b->max_prompt || a->was_cut != b->was_cut ||
	    a->cut_from != b->cut_from || a->cut_bytes != b->cut_bytes)
		return 0;
	for (uint32_t i = 0; i < a->n_turns; i++)
		if (!same_text(a->turns[i].role, b->turns[i].role) ||
		    !same_text(a->turns[i].text, b->turns[i].text))
			return 0;
	return 1;
}

static int request_get(const struct exercise *x, struct lsb_workload *w, uint64_t index,
		       struct lsb_request *out, struct lsb_error *err)
{
	*out = (struct lsb_request){ .struct_size = sizeof(*out) };
	*err = (struct lsb_error){ 0 };
	return lsb_plugin_result(x->l, "get", x->ops->get(w, index, out, err), err);
}

static int check_open(struct exercise *x, struct lsb_error *err)
{
	int rc;

	lsb_answer_doing(x->to, x->l->path, "open");
	rc = lsb_plugin_result(x->l, "open", x->ops->open(&x->l->host, x->l->options, &x->first, err), err);
	if (rc == LSB_OK)
		rc = lsb_plugin_result(x->l, "open",
				       x->ops->open(&x->l->host, x->l->options, &x->second, err), err);
	return rc;
}

static int check_count(struct exercise *x, struct lsb_error *err)
{
	uint64_t count;

	lsb_answer_doing(x->to, x->l->path, "count");
	count = x->ops->count(x->first);
	if (count == 0 || count != x->ops->count(x->second))
		return lsb_fail(err, LSB_EPLUGIN, 0, "%llu requests, then %llu", (unsigned long long)count,
				(unsigned long long)x->ops->count(x->second));
	x->n = count < LOOKED_AT ? count : LOOKED_AT;
	return LSB_OK;
}

/* Each request has an id of its own and something to ask. */
static int check_requests(struct exercise *x, struct lsb_error *err)
{
	struct lsb_request seen[LOOKED_AT];

	lsb_answer_doing(x->to, x->l->path, "get");
	for (uint64_t i = 0; i < x->n; i++) {
		const struct lsb_request *r = &seen[i];
		const int rc = request_get(x, x->first, i, &seen[i], err);

		if (rc)
			return rc;
		if (!r->id || !*r->id)
			return lsb_fail(err, LSB_EPLUGIN, 0, "request %d has no id", (int)i);
		for (uint64_t k = 0; k < i; k++)
			if (strcmp(seen[k].id, r->id) == 0)
				return lsb_fail(err, LSB_EPLUGIN, 0,
						"requests %d and %d both have id '%.64s'", (int)k, (int)i,
						r->id);
		if (r->n_turns ? !r->turns || r->text : !r->text && !r->prompt_tokens)
			return lsb_fail(err, LSB_EPLUGIN, 0,
					"request %d must have turns, or text, or a number of tokens", (int)i);
		for (uint32_t k = 0; k < r->n_turns; k++)
			if (!r->turns[k].role || !r->turns[k].text)
				return lsb_fail(err, LSB_EPLUGIN, 0,
						"turn %u of request %d lacks role or text", k, (int)i);
	}
	return LSB_OK;
}

/* The second handle is asked backwards: what was asked before must not matter. */
static int check_pure(struct exercise *x, struct lsb_error *err)
{
	for (uint64_t i = x->n; i-- > 0;) {
		struct lsb_request a, b;
		int rc = request_get(x, x->first, i, &a, err);

		if (rc == LSB_OK)
			rc = request_get(x, x->second, i, &b, err);
		if (rc)
			return rc;
		if (!same_request(&a, &b))
			return lsb_fail(err, LSB_EPLUGIN, 0, "request %d differs between two handles",
					(int)i);
	}
	return LSB_OK;
}

static int score_get(const struct exercise *x, struct lsb_workload *w, const char *text,
		     struct lsb_metric scores[LSB_SCORES_MAX], size_t *n, struct lsb_error *err)
{
	const struct lsb_answer answer = { .struct_size = sizeof(answer), .text = text };
	int rc;

	*err = (struct lsb_error){ 0 };
	*n = 0;
	rc = lsb_plugin_result(x->l, "score", x->ops->score(w, &answer, scores, n, err), err);
	if (rc == LSB_OK && (*n == 0 || *n > LSB_SCORES_MAX))
		rc = lsb_fail(err, LSB_EPLUGIN, 0, "%zu metrics, wanted 1 to %u", *n, LSB_SCORES_MAX);
	return rc;
}

/* The same names for every answer, the same values from both handles, all of them numbers. */
static int check_scores(struct exercise *x, struct lsb_error *err)
{
	static const char *const answers[] = { "The answer to the first request.", "", "Something else." };
	struct lsb_metric names[LSB_SCORES_MAX], a[LSB_SCORES_MAX], b[LSB_SCORES_MAX];
	size_t n_names = 0, n_a, n_b;

	if (!x->ops->score)
		return LSB_OK;
	lsb_answer_doing(x->to, x->l->path, "score");
	for (size_t i = 0; i < LSB_COUNT(answers); i++) {
		int rc = score_get(x, x->first, answers[i], a, &n_a, err);

		if (rc == LSB_OK)
			rc = score_get(x, x->second, answers[i], b, &n_b, err);
		if (rc)
			return rc;
		if (i == 0) {
			memcpy(names, a, sizeof(names));
			n_names = n_a;
		}
		if (n_a != n_names || n_b != n_names)
			return lsb_fail(err, LSB_EPLUGIN, 0, "%zu, %zu and %zu metrics", n_names, n_a, n_b);
		for (size_t k = 0; k < n_a; k++) {
			if (!same_text(a[k].name, names[k].name) || !same_text(b[k].name, names[k].name))
				return lsb_fail(err, LSB_EPLUGIN, 0, "metric %zu changes its name", k);
			if (!isfinite(a[k].value) || a[k].value != b[k].value)
				return lsb_fail(err, LSB_EPLUGIN, 0, "%.64s is %g, then %g", a[k].name,
						a[k].value, b[k].value);
		}
	}
	return LSB_OK;
}

static const struct {
	const char *name;
	int (*check)(struct exercise *x, struct lsb_error *err);
} checks[] = {
	{ "opens twice", check_open },
	{ "has requests", check_count },
	{ "requests are whole and have ids of their own", check_requests },
	{ "requests depend on nothing but options and index", check_pure },
	{ "scores depend on nothing but the answer", check_scores },
};

void lsb_conform_workload(const struct lsb_asker *to, const struct lsb_loaded *l)
{
	struct exercise x = { .to = to, .l = l, .ops = &l->ops.workload };
	int rc = LSB_OK;

	for (size_t i = 0; i < LSB_COUNT(checks) && rc == LSB_OK; i++) {
		struct lsb_error err = { 0 };

		rc = checks[i].check(&x, &err);
		lsb_answer_result(to, rc == LSB_OK, checks[i].name, rc ? err.msg : NULL);
	}
	lsb_answer_doing(to, l->path, "close");
	if (x.first)
		x.ops->close(x.first);
	if (x.second)
		x.ops->close(x.second);
	x.ops->close(NULL);
	lsb_answer_result(to, 1, "closes, also NULL", NULL);
}
