/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens per second of backend-cpu alone: its table driven directly, no ranks,
 * no links, no scheduler. What it prints is what bench/peer_llamacpp.py sets
 * beside llama.cpp.
 *
 *	bench_backend_cpu MODEL [threads=1] [cpus=0,1] [rounds=5] [isa=auto] [only=NAME]
 *
 * One line a workload and round: name, value and unit, seconds, processor
 * seconds. With "-" as the last argument, it reads names of workloads from stdin
 * and runs one for each line, so that a script can take turns with another
 * program.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "drive.h"

enum { DECODE_STEPS = 32, PROMPT = 64, SLOTS = 16, CONTEXT = 1024, CPUS = 256, READ_NS = 100000000 };

struct workload {
	const char *name;
	int (*run)(struct rig *p, const struct workload *w);
	uint32_t prompt, batch; /* tokens of each prompt; sequences */
};

static const struct drive_spec *spec_of_load;

/* Wall time, or the processor time of all threads: on a busy machine, what the wall time would be on an idle
 * one. */
static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int fail(const struct lsb_error *err)
{
	fprintf(stderr, "bench_backend_cpu: %s\n", err->msg);
	return -1;
}

/* Tokens of slots 0..batch-1 at positions [from, to), the last of each slot with output if asked. */
static uint32_t fill(struct lsb_token *tokens, uint32_t batch, uint32_t from, uint32_t to, uint32_t flags,
		     uint32_t vocabulary)
{
	uint32_t n = 0;

	for (uint32_t slot = 0; slot < batch; slot++)
		for (uint32_t p = from; p < to; p++)
			tokens[n++] = (struct lsb_token){ .id = (int32_t)((p * 7919u + slot * 131u + 3u) %
									  vocabulary),
							  .slot = slot,
							  .position = p,
							  .flags = p + 1 == to ? flags : 0 };
	return n;
}

static struct lsb_token tokens[SLOTS * PROMPT];

struct watch {
	double wall_s, cpu_s;
};

static struct watch watch_start(void)
{
	return (struct watch){ seconds(CLOCK_MONOTONIC), seconds(CLOCK_PROCESS_CPUTIME_ID) };
}

static void print_rate(const struct watch *began, const char *name, double n, const char *unit)
{
	const double wall_s = seconds(CLOCK_MONOTONIC) - began->wall_s;

	printf("%-7s %12.1f %s %9.6f s %9.6f cpu-s\n", name, n / wall_s, unit, wall_s,
	       seconds(CLOCK_PROCESS_CPUTIME_ID) - began->cpu_s);
}

/* All sequences' next tokens, positions [from, to), as one step. */
static int step(struct rig *p, uint32_t batch, uint32_t from, uint32_t to)
{
	const uint32_t n = fill(tokens, batch, from, to, LSB_TOKEN_OUTPUT, p->info.vocabulary);
	struct lsb_error err;
	int32_t ids[SLOTS];

	return rig_step(p, tokens, n, NULL, ids, NULL, &err) ? fail(&err) : 0;
}

/* `batch` prompts in one step. */
static int run_prompts(struct rig *p, const struct workload *w)
{
	const struct watch began = watch_start();
	const int rc = step(p, w->batch, 0, w->prompt);

	print_rate(&began, w->name, w->prompt * w->batch, "tokens/s");
	return rc;
}

/* DECODE_STEPS steps of `batch` sequences behind prompts of PROMPT, which are not timed. */
static int run_decode(struct rig *p, const struct workload *w)
{
	int rc = 0;

	/* Two halves: 16 prompts at once are too many for a step. */
	for (uint32_t at = 0; at < PROMPT && !rc; at += PROMPT / 2)
		rc = step(p, w->batch, at, at + PROMPT / 2);
	const struct watch began = watch_start();

	for (uint32_t s = 0; s < DECODE_STEPS && !rc; s++)
		rc = step(p, w->batch, PROMPT + s, PROMPT + s + 1);
	print_rate(&began, w->name, w->batch * DECODE_STEPS, "tokens/s");
	return rc;
}

/* The model once more, for one sequence: opened, read and repacked, its cache and buffers made. */
static int run_load(struct rig *p, const struct workload *w)
{
	struct drive_spec spec = *spec_of_load;
	struct lsb_error err;
	struct rig other;

	spec.slots = 1;
	spec.layers = p->info.layers;
	const struct watch began = watch_start();

	if (drive_open(&spec, &other, &err))
		return fail(&err);
	print_rate(&began, w->name, 1, "loads/s");
	rig_close(&other);
	return 0;
}

/* Steps a second of which each could read the weights once, at the read bandwidth of these threads. */
static int run_read(struct rig *p, const struct workload *w)
{
	const struct watch began = watch_start();
	const double bytes = (double)p->info.layer_bytes * p->info.layers + (double)p->info.head_bytes;
	struct lsb_error err;
	double rate;

	if (drive_ops()->measure(p->stage[0], LSB_PEAK_READ, READ_NS, &rate, &err))
		return fail(&err);
	printf("%-7s %12.1f steps/s %9.6f s, %.1f GB/s\n", w->name, rate / bytes,
	       seconds(CLOCK_MONOTONIC) - began.wall_s, rate * 1e-9);
	return 0;
}

static const struct workload workloads[] = {
	{ "pp64", run_prompts, 64, 1 },	  { "pp256", run_prompts, 256, 1 }, { "pp512", run_prompts, 512, 1 },
	{ "pp8x32", run_prompts, 32, 8 }, { "tg1", run_decode, 0, 1 },	    { "tg2", run_decode, 0, 2 },
	{ "tg4", run_decode, 0, 4 },	  { "tg8", run_decode, 0, 8 },	    { "tg16", run_decode, 0, 16 },
	{ "load", run_load, 0, 0 },	  { "read", run_read, 0, 0 },
};
enum { WORKLOADS = sizeof(workloads) / sizeof(workloads[0]) };

static int run_and_print(struct rig *p, const struct workload *w)
{
	const int rc = w->run(p, w);

	fflush(stdout);
	return rc;
}

static const struct workload *find(const char *name)
{
	for (size_t i = 0; i < WORKLOADS; i++)
		if (strcmp(workloads[i].name, name) == 0)
			return &workloads[i];
	fprintf(stderr, "bench_backend_cpu: there is no workload '%s'\n", name);
	return NULL;
}

/* One workload for each line of stdin. */
static int serve(struct rig *p)
{
	char line[64];

	while (fgets(line, sizeof(line), stdin)) {
		const struct workload *w;

		line[strcspn(line, "\r\n")] = '\0';
		w = find(line);
		if (!w || run_and_print(p, w))
			return -1;
	}
	return 0;
}

static uint32_t parse_cpus(const char *text, uint32_t *cpus)
{
	uint32_t n = 0;
	char *end;

	for (; *text && n < CPUS; text = *end == ',' ? end + 1 : end) {
		cpus[n++] = (uint32_t)strtoul(text, &end, 10);
		if (end == text || (*end && *end != ','))
			return 0;
	}
	return n;
}

struct arguments {
	struct drive_spec spec;
	uint32_t cpus[CPUS];
	const struct workload *only;
	int rounds;
	bool serve;
};

static int parse(int argc, char **argv, struct arguments *a)
{
	static const char *const isas[] = { "auto", "plain", "avx2", "avx512" };

	if (argc < 2)
		return -1;
	a->spec.model = argv[1];
	for (int i = 2; i < argc; i++) {
		const char *value = strchr(argv[i], '=');

		if (strcmp(argv[i], "-") == 0)
			a->serve = true;
		else if (!value)
			return -1;
		else if (strncmp(argv[i], "threads=", 8) == 0)
			a->spec.threads = (uint32_t)strtoul(value + 1, NULL, 10);
		else if (strncmp(argv[i], "rounds=", 7) == 0)
			a->rounds = atoi(value + 1);
		else if (strncmp(argv[i], "cpus=", 5) == 0)
			a->spec.n_cpus = parse_cpus(value + 1, a->cpus);
		else if (strncmp(argv[i], "only=", 5) == 0 && (a->only = find(value + 1)))
			continue;
		else if (strncmp(argv[i], "isa=", 4) == 0)
			for (uint32_t isa = 0; isa < 4; isa++)
				a->spec.options.isa =
					strcmp(value + 1, isas[isa]) ? a->spec.options.isa : isa;
		else
			return -1;
	}
	a->spec.cpus = a->cpus;
	return 0;
}

int main(int argc, char **argv)
{
	static struct arguments a = { .spec = { .slots = SLOTS,
						.context = CONTEXT,
						.max_tokens = 512,
						.max_outputs = SLOTS,
						.options = { .spin_ns = 20000 } },
				      .rounds = 5 };
	struct lsb_error err;
	struct rig p;
	int rc = 0;

	if (!drive_ops() || parse(argc, argv, &a)) {
		fprintf(stderr, "usage: bench_backend_cpu MODEL [threads=N] [cpus=A,B] [rounds=N] [isa=NAME] "
				"[only=NAME] [-]\n");
		return 2;
	}
	spec_of_load = &a.spec;
	if (drive_open(&a.spec, &p, &err)) {
		fail(&err);
		return 1;
	}
	printf("# %s, %s\n", p.info.model_name, p.info.device_name);
	fflush(stdout);
	if (a.serve)
		rc = serve(&p);
	for (int round = 0; !a.serve && round < a.rounds && !rc; round++)
		for (size_t i = 0; i < WORKLOADS && !rc; i++)
			if (!a.only || a.only == &workloads[i])
				rc = run_and_print(&p, &workloads[i]);
	rig_close(&p);
	return rc ? 1 : 0;
}
