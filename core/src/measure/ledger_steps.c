/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rank's ledger cut at its steps. A step ends with its compute, so its part of
 * the ledger says what held it up; the cuts leave nothing out and nothing twice.
 */
#include <stdlib.h>

#include "lsbench/host.h"
#include "measure/ledger.h"

int lsb_is_decode(uint64_t tokens, uint64_t outputs)
{
	return tokens == outputs;
}

static int compare_ends(const void *a, const void *b)
{
	const struct lsb_step_ledger *x = a, *y = b;

	if (x->to_ns != y->to_ns)
		return x->to_ns < y->to_ns ? -1 : 1;
	return (x->step > y->step) - (x->step < y->step);
}

/* The computed steps that end within the run, by their end. */
static size_t collect(const struct lsb_rank_records *rank, const struct lsb_division *division,
		      struct lsb_step_ledger *steps)
{
	size_t n = 0;

	for (size_t i = 0; i < rank->n; i++) {
		const struct lsb_record *r = &rank->records[i];

		if (r->kind == LSB_REC_COMPUTE && r->t1_ns > division->t0 && r->t1_ns <= division->t1)
			steps[n++] = (struct lsb_step_ledger){ .step = r->step,
							       .group = r->group,
							       .tokens = r->aux,
							       .outputs = r->aux2,
							       .to_ns = r->t1_ns };
	}
	qsort(steps, n, sizeof(*steps), compare_ends);
	return n;
}

int lsb_ledger_steps(const struct lsb_rank_records *rank, const struct lsb_division *division,
		     struct lsb_step_ledger **out, size_t *n_out, struct lsb_error *err)
{
	struct lsb_step_ledger *steps = calloc(rank->n + 1, sizeof(*steps));
	uint64_t at = division->t0;
	size_t n;

	*out = NULL;
	*n_out = 0;
	if (!steps)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the steps of rank %d", rank->rank);
	n = collect(rank, division, steps);
	steps[n++] =
		(struct lsb_step_ledger){ .step = LSB_NO_STEP, .group = LSB_NO_STEP, .to_ns = division->t1 };
	for (size_t i = 0; i < n; i++) {
		steps[i].from_ns = at;
		at = steps[i].to_ns;
		steps[i].parts = lsb_ledger_window(division, steps[i].from_ns, at);
	}
	*out = steps;
	*n_out = n;
	return LSB_OK;
}
