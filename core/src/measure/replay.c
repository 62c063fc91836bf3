/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/replay.h"

#include <stdlib.h>

#include "lsbench/host.h"

enum { LANES_MAX = 65535 }; /* a record's group comes from another process */

/* The compute records of one stage in step order: views. */
static size_t collect_steps(const struct lsb_rank_records *stage, const struct lsb_record **out)
{
	size_t n = 0;

	for (size_t i = 0; i < stage->n; i++)
		if (stage->records[i].kind == LSB_REC_COMPUTE)
			out[n++] = &stage->records[i];
	return n;
}

int lsb_step_is_decode(const struct lsb_record *step)
{
	return step->aux == step->aux2;
}

static double later(double a, double b)
{
	return a > b ? a : b;
}

static double seconds_of(const struct lsb_record *step)
{
	return (double)(step->t1_ns - step->t0_ns) * 1e-9;
}

/* Of step `i` on any stage, were all stages alike. */
static double mean_seconds(const struct lsb_record *const *const *steps, size_t n_stages, size_t i)
{
	double sum = 0;

	for (size_t k = 0; k < n_stages; k++)
		sum += seconds_of(steps[k][i]);
	return sum / (double)n_stages;
}

static double replay_steps(const struct lsb_record *const *const *steps, size_t n_stages, size_t n_steps,
			   const struct lsb_replay_costs *costs, double *ids_at, double *free_at)
{
	const double ids_s = n_stages > 1 ? costs->message_s : 0;
	double end = 0;

	for (size_t i = 0; i < n_steps; i++) {
		const struct lsb_record *first = steps[0][i];
		const double mean_s = costs->is_balanced ? mean_seconds(steps, n_stages, i) : 0;
		const double hidden_s = costs->message_s + (double)first->aux * costs->token_s;
		double at = first->tag == LSB_NEEDS_IDS ? ids_at[first->group] : 0;

		for (size_t k = 0; k < n_stages; k++) {
			at = later(k ? at + hidden_s : at, free_at[k]) +
			     (costs->is_balanced ? mean_s : seconds_of(steps[k][i]));
			free_at[k] = at;
		}
		at += ids_s;
		if (first->aux2)
			ids_at[first->group] = at;
		end = later(end, at);
	}
	return end;
}

int lsb_replay(const struct lsb_rank_records *stages, size_t n_stages, double *makespan_s,
	       struct lsb_error *err)
{
	const struct lsb_replay_costs as_measured = { 0 };

	return lsb_replay_with(stages, n_stages, &as_measured, makespan_s, err);
}

int lsb_replay_with(const struct lsb_rank_records *stages, size_t n_stages,
		    const struct lsb_replay_costs *costs, double *makespan_s, struct lsb_error *err)
{
	const struct lsb_record ***steps = calloc(n_stages, sizeof(*steps));
	double *free_at = calloc(n_stages, sizeof(*free_at));
	double *ids_at = NULL; /* [lanes] when the last ids of each came back */
	size_t n_steps = 0, n_lanes = 0;
	int rc = LSB_OK;

	if (!steps || !free_at)
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory to replay a schedule");
	for (size_t k = 0; k < n_stages && rc == LSB_OK; k++) {
		size_t n;

		steps[k] = malloc((stages[k].n + 1) * sizeof(*steps[k]));
		if (!steps[k]) {
			rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory to replay a schedule");
			break;
		}
		n = collect_steps(&stages[k], steps[k]);
		if (k == 0)
			n_steps = n;
		else if (n != n_steps)
			rc = lsb_fail(err, LSB_EINVAL, 0, "stage %zu recorded %zu steps, stage 0 %zu", k, n,
				      n_steps);
		for (size_t i = 0; i < n && rc == LSB_OK; i++) {
			if (steps[k][i]->step != steps[0][i]->step || steps[k][i]->group > LANES_MAX ||
			    steps[k][i]->t1_ns < steps[k][i]->t0_ns)
				rc = lsb_fail(err, LSB_EINVAL, 0,
					      "the steps of stage %zu are not those of stage 0", k);
			else if (steps[k][i]->group >= n_lanes)
				n_lanes = steps[k][i]->group + 1;
		}
	}
	if (rc == LSB_OK) {
		ids_at = calloc(n_lanes + 1, sizeof(*ids_at));
		if (ids_at)
			*makespan_s = replay_steps((const struct lsb_record *const *const *)steps, n_stages,
						   n_steps, costs, ids_at, free_at);
		else
			rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory to replay a schedule");
	}
	for (size_t k = 0; steps && k < n_stages; k++)
		free(steps[k]);
	free(steps);
	free(free_at);
	free(ids_at);
	return rc;
}
