/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What scheduling costs a step: bench_scheduler [SLOTS [STEP_US]]
 *
 * Serves requests of mixed lengths on SLOTS slots (64), with both kinds of batching,
 * and prints the time of lsb_scheduler_next and lsb_scheduler_complete together:
 * the median over runs of their mean per step. STEP_US is what such a step takes in
 * the backend (of a run: median step of `steps` in its summary); the share of it is
 * printed too.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"
#include "schedule/scheduler.h"

enum { RUNS = 11, REQUESTS = 512, PROMPT = 200, NEW = 200, CHUNK = 64 };

struct load {
	struct lsb_sequence sequences[REQUESTS];
	int32_t prompt[PROMPT], ids[REQUESTS][NEW], zeros[1024];
	struct lsb_sequence *touched[1024];
};

/* Nanoseconds a step of one run; *steps is how many there were. */
static double run(struct load *load, uint32_t slots, uint32_t is_continuous, size_t *steps)
{
	const struct lsb_scheduler_limits limits = { .batch = slots,
						     .in_flight = 1,
						     .chunk = CHUNK,
						     .window = 2,
						     .stages = 1,
						     .is_continuous = is_continuous,
						     .stop_at_length = 1 };
	struct lsb_scheduler *scheduler = NULL;
	struct lsb_error err = { 0 };
	struct lsb_step step;
	uint64_t t0;

	for (uint32_t i = 0; i < REQUESTS; i++)
		load->sequences[i] = (struct lsb_sequence){ .prompt = load->prompt,
							    .ids = load->ids[i],
							    .n_prompt = 1 + i * 37 % PROMPT,
							    .max_new = 1 + i * 53 % NEW };
	if (lsb_scheduler_open(&limits, load->sequences, REQUESTS, &scheduler, &err)) {
		fprintf(stderr, "%s\n", err.msg);
		exit(EXIT_FAILURE);
	}
	*steps = 0;
	t0 = lsb_now_ns();
	while (lsb_scheduler_next(scheduler, 0, &step)) {
		(void)lsb_scheduler_complete(scheduler, load->zeros, step.n_outputs, load->touched);
		++*steps;
	}
	t0 = lsb_now_ns() - t0;
	lsb_scheduler_close(scheduler);
	return (double)t0 / (double)*steps;
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	const uint32_t slots = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 64;
	const double step_us = argc > 2 ? strtod(argv[2], NULL) : 0;
	struct load *load = calloc(1, sizeof(*load));

	if (!load || slots < 1 || slots > 1024) {
		fprintf(stderr, "bench_scheduler [SLOTS, 1 to 1024 [STEP_US]]\n");
		return EXIT_FAILURE;
	}
	for (uint32_t is_continuous = 0; is_continuous < 2; is_continuous++) {
		double ns[RUNS];
		size_t steps;

		for (size_t i = 0; i < RUNS; i++)
			ns[i] = run(load, slots, is_continuous, &steps);
		qsort(ns, RUNS, sizeof(*ns), compare);
		printf("%-10s %u slots, %zu steps: %.0f ns a step (%.0f to %.0f)",
		       is_continuous ? "continuous" : "static", slots, steps, ns[RUNS / 2], ns[0],
		       ns[RUNS - 1]);
		if (step_us > 0)
			printf(", %.4f %% of a step of %g us", ns[RUNS / 2] / step_us / 10, step_us);
		printf("\n");
	}
	free(load);
	return EXIT_SUCCESS;
}
