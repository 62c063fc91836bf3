/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/choose.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "suite/baseline.h"

/* Groups as a forest: each point's parent, itself at the root. */
static size_t find_root(size_t *parents, size_t i)
{
	while (parents[i] != i)
		i = parents[i] = parents[parents[i]];
	return i;
}

static void join(size_t *parents, size_t a, ptrdiff_t b)
{
	if (b >= 0)
		parents[find_root(parents, a)] = find_root(parents, (size_t)b);
}

/* `key` is `compared`, or one of its options ("transport", "transport.wait"). */
static int is_compared(const char *key, const char *compared)
{
	const size_t n = strlen(compared);

	return strncmp(key, compared, n) == 0 && (key[n] == '\0' || key[n] == '.');
}

static const char *factor(const struct lsb_point *p, const char *key)
{
	for (size_t i = 0; i < p->n_values; i++)
		if (strcmp(p->values[i].key, key) == 0)
			return p->values[i].value;
	return NULL;
}

/* Whether two points have the same factors but for what is compared. */
static int differ_only_in(const struct lsb_point *a, const struct lsb_point *b, const char *compared)
{
	const struct lsb_point *const both[2][2] = { { a, b }, { b, a } };

	for (size_t side = 0; side < 2; side++)
		for (size_t i = 0; i < both[side][0]->n_values; i++) {
			const struct lsb_point_value *v = &both[side][0]->values[i];
			const char *other = factor(both[side][1], v->key);

			if (v->is_factor && !is_compared(v->key, compared) &&
			    (!other || strcmp(v->value, other) != 0))
				return 0;
		}
	return 1;
}

static void group_points(const struct lsb_prepared *p, size_t *parents)
{
	const struct lsb_suite *suite = p->suite;
	const char *compared = suite->report.compare ? suite->report.compare : "";

	for (size_t i = 0; i < p->n_points; i++)
		parents[i] = i;
	for (size_t i = 0; i < p->n_points; i++) {
		const struct lsb_baselines b = lsb_baselines_find(suite->points, p->n_points, i);

		join(parents, i, b.equal_batch);
		join(parents, i, b.equal_concurrency);
		join(parents, i, b.equal_cores);
		join(parents, i, b.batch_one);
		for (size_t k = 0; k < i; k++)
			if (strcmp(suite->points[k].case_name, suite->points[i].case_name) == 0 ||
			    (*compared && differ_only_in(&suite->points[k], &suite->points[i], compared)))
				join(parents, i, (ptrdiff_t)k);
	}
}

/* The launcher of the group of root `root`, for those of its points that leave it open, and why. */
static const struct lsb_launcher *choose_for(const struct lsb_prepared *p, size_t *parents, size_t root,
					     const char *(*environment)(const char *name), const char **why)
{
	int needs_mpi = 0, has_hosts = 0;
	const struct lsb_launcher *named = NULL;

	for (size_t i = 0; i < p->n_points; i++) {
		const struct lsb_prepared_point *q = &p->points[i];

		if (find_root(parents, i) != root)
			continue;
		needs_mpi |= q->needs_mpi;
		has_hosts |= q->point->n_hosts > 0;
		if (!named && strcmp(q->point->launcher, "auto") != 0)
			named = lsb_launcher_find(q->point->launcher);
	}
	/* One that cannot bring up MPI is no choice for a group that needs it. */
	*why = "a point that it is compared with names it";
	if (named && (!needs_mpi || named->brings_mpi) && (!has_hosts || named->has_agents))
		return named;
	return lsb_launcher_choose(needs_mpi, has_hosts, environment, why);
}

int lsb_launchers_choose(struct lsb_prepared *p, const char *(*environment)(const char *name),
			 struct lsb_error *err)
{
	size_t *parents = calloc(p->n_points + 1, sizeof(*parents));

	if (!parents)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory to choose launchers for %zu points",
				p->n_points);
	group_points(p, parents);
	for (size_t i = 0; i < p->n_points; i++) {
		struct lsb_prepared_point *q = &p->points[i];

		q->launcher =
			strcmp(q->point->launcher, "auto") == 0
				? choose_for(p, parents, find_root(parents, i), environment, &q->why_launcher)
				: lsb_launcher_find(q->point->launcher);
	}
	free(parents);
	return LSB_OK;
}

void lsb_launcher_needs(struct lsb_prepared_point *p, const json_t *transport)
{
	const char *pmi = json_string_value(json_object_get(transport, "pmi"));

	p->needs_mpi = json_is_true(json_object_get(transport, "needs_mpirun"));
	p->pmi = !pmi ? NULL : strcmp(pmi, "pmi2") == 0 ? "pmi2" : "pmix";
}

/* Whether the launcher that a point has got can start it here. */
static int check(struct lsb_prepared_point *p, struct lsb_error *err)
{
	struct lsb_error why = { 0 };

	if (p->code)
		return LSB_OK;
	if (p->needs_mpi && !p->launcher->brings_mpi)
		p->code =
			lsb_fail(&why, LSB_ESUITE, 0,
				 "transport '%s' needs ranks that mpirun or srun has started, and launcher = "
				 "%s: say launcher = auto",
				 p->point->transport.name, p->launcher->name);
	else if (p->point->n_hosts && !p->launcher->has_agents)
		p->code =
			lsb_fail(&why, LSB_ESUITE, 0,
				 "launcher = local starts ranks on this machine alone, and hosts are named: "
				 "say launcher = ssh, mpirun or auto");
	else if (p->launcher->check)
		p->code = p->launcher->check(p->point, p->pmi, &why);
	if (p->point->n_hosts)
		p->oversubscribed = 0;
	if (p->code == LSB_OK)
		return LSB_OK;
	p->reason = strdup(why.msg);
	return p->reason ? LSB_OK : lsb_fail(err, LSB_ENOMEM, 0, "no memory to choose launchers");
}

static const char *variable(const char *name)
{
	return getenv(name);
}

/*
 * Points whose launcher was chosen for MPI's sake and is not here: those that need no MPI
 * run without, all under the same one; only the others are waived.
 */
static int do_without_mpi(struct lsb_prepared_point *p, struct lsb_error *err)
{
	if (p->code != LSB_EUNAVAIL || p->needs_mpi || !p->launcher || !p->launcher->brings_mpi ||
	    strcmp(p->point->launcher, "auto") != 0)
		return LSB_OK;
	p->launcher = lsb_launcher_choose(0, p->point->n_hosts > 0, variable, &p->why_launcher);
	if (p->launcher->brings_mpi)
		return LSB_OK;
	free(p->reason);
	p->reason = NULL;
	p->code = LSB_OK;
	return check(p, err);
}

int lsb_launchers_settle(struct lsb_prepared *p, struct lsb_error *err)
{
	int rc = lsb_launchers_choose(p, variable, err);

	for (size_t i = 0; i < p->n_points && rc == LSB_OK; i++)
		rc = check(&p->points[i], err);
	for (size_t i = 0; i < p->n_points && rc == LSB_OK; i++)
		rc = do_without_mpi(&p->points[i], err);
	return rc;
}
