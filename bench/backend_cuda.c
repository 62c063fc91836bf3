/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens per second of backend-cuda alone, beside the read bandwidth and matrix
 * peak that it measures itself on the same device: its table driven directly, no
 * ranks, no links, no scheduler.
 *
 *	bench_backend_cuda MODEL [rounds=5] [prompt=67] [new=64] [batches=1,2,4,8,16,32] [prefill=512]
 *		[invariant=0] [attention=0]
 *
 * One line a number of sequences: tokens a second, milliseconds a step (medians of
 * rounds, whole steps as the host sees them), the device's share, and what part of
 * the read bandwidth the bytes of weights and KV cache make (MBU). A prompt of
 * `prefill` tokens is set against the matrix peak (MFU). One step of both kinds, a
 * chunk beside sequences that go on, is timed if there were 8 sequences last. Whose
 * attention: 0 as it comes, 1 the own kernel's, 2 cuDNN's or none.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "rig.h"

enum { SLOTS = 64, ROUNDS = 64, BATCHES = 8 };

struct arguments {
	const char *model;
	uint32_t rounds, prompt, new_tokens, prefill, batches[BATCHES], n_batches, peaks;
	struct cuda_options options;
};

static double now(void)
{
	return 1e-9 * (double)rig_host()->now_ns(NULL);
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return 0.5 * (v[(n - 1) / 2] + v[n / 2]);
}

static uint32_t fill(const struct rig *r, struct lsb_token *tokens, uint32_t slot, uint32_t from, uint32_t to)
{
	for (uint32_t p = from; p < to; p++)
		tokens[p - from] = (struct lsb_token){ .id = (int32_t)((p * 7919u + slot * 131u + 3u) %
								       r->info.vocabulary),
						       .slot = slot,
						       .position = p,
						       .flags = p + 1 == to ? LSB_TOKEN_OUTPUT : 0 };
	return to - from;
}

static int step(struct rig *r, const struct lsb_token *tokens, uint32_t n, double *wall_s, double *device_s)
{
	struct lsb_error err;
	int32_t ids[SLOTS];
	uint64_t start, end;
	double began = now();
	int rc = rig_step(r, tokens, n, NULL, ids, NULL, &err);

	*wall_s = now() - began;
	if (!rc)
		rc = r->ops->ticket_times(r->stage[0], r->ticket, &start, &end, &err);
	if (rc) {
		fprintf(stderr, "bench_backend_cuda: %s\n", err.msg);
		return -1;
	}
	*device_s = 1e-9 * (double)(end - start);
	return 0;
}

/* Decoding `batch` sequences, each behind its prompt; what the report calls a step. */
static int decode(struct rig *r, const struct arguments *a, uint32_t batch, double read_peak)
{
	static struct lsb_token tokens[8192];
	double wall[ROUNDS], device[ROUNDS], first[ROUNDS], wall_s, device_s, bytes;

	for (uint32_t round = 0; round < a->rounds; round++) {
		wall[round] = device[round] = first[round] = 0.0;
		for (uint32_t slot = 0; slot < batch; slot++) {
			if (step(r, tokens, fill(r, tokens, slot, 0, a->prompt), &wall_s, &device_s))
				return -1;
			first[round] += wall_s;
		}
		for (uint32_t i = 0; i < a->new_tokens; i++) {
			for (uint32_t slot = 0; slot < batch; slot++)
				fill(r, tokens + slot, slot, a->prompt + i, a->prompt + i + 1);
			if (step(r, tokens, batch, &wall_s, &device_s))
				return -1;
			wall[round] += wall_s;
			device[round] += device_s;
		}
	}
	bytes = (double)r->info.layers * (double)r->info.layer_bytes + (double)r->info.head_bytes +
		(double)r->info.layers * (double)r->info.kv_bytes_per_position * batch *
			(a->prompt + 0.5 * (a->new_tokens + 1));
	wall_s = median(wall, a->rounds) / a->new_tokens;
	device_s = median(device, a->rounds) / a->new_tokens;
	printf("decode %2u: %9.1f tokens/s %8.4f ms a step (%8.4f on the device), MBU %5.1f %%, first token "
	       "after %.2f ms\n",
	       batch, batch / wall_s, 1e3 * wall_s, 1e3 * device_s, 100.0 * bytes / wall_s / read_peak,
	       1e3 * median(first, a->rounds) / batch);
	fflush(stdout);
	return 0;
}

static int prefill(struct rig *r, const struct arguments *a, double matrix_peak)
{
	static struct lsb_token tokens[8192];
	double wall[ROUNDS], device_s, macs;

	for (uint32_t round = 0; round <= a->rounds;
	     round++) /* the first does not count: libraries choose algorithms */
		if (step(r, tokens, fill(r, tokens, 0, 0, a->prefill), &wall[round ? round - 1 : 0],
			 &device_s))
			return -1;
	macs = (double)a->prefill * (double)r->info.layers * (double)r->info.layer_macs +
	       (double)r->info.head_macs;
	printf("prefill %u: %9.1f tokens/s %8.3f ms, MFU %5.1f %%\n", a->prefill,
	       a->prefill / median(wall, a->rounds), 1e3 * median(wall, a->rounds),
	       100.0 * macs / median(wall, a->rounds) / matrix_peak);
	fflush(stdout);
	return 0;
}

/* A chunk of a prompt beside one token each of sequences that go on: what continuous batching asks for. */
static int mixed(struct rig *r, const struct arguments *a)
{
	enum { GOING_ON = 8, CHUNK = 256, ITS_SLOT = SLOTS - 1 };
	static struct lsb_token tokens[GOING_ON + CHUNK];
	const uint32_t reached = a->prompt + a->new_tokens;
	double wall[ROUNDS], device_s;

	for (uint32_t round = 0; round <= a->rounds; round++) {
		for (uint32_t slot = 0; slot < GOING_ON; slot++)
			fill(r, tokens + slot, slot, reached + round, reached + round + 1);
		fill(r, tokens + GOING_ON, ITS_SLOT, 0, CHUNK);
		if (step(r, tokens, GOING_ON + CHUNK, &wall[round ? round - 1 : 0], &device_s))
			return -1;
	}
	printf("mixed: %d sequences beside a chunk of %d: %.3f ms\n", GOING_ON, CHUNK,
	       1e3 * median(wall, a->rounds));
	fflush(stdout);
	return 0;
}

static int parse_list(const char *text, uint32_t *to, uint32_t *n)
{
	char *end;

	for (*n = 0; *text && *n < BATCHES; text = *end == ',' ? end + 1 : end) {
		to[*n] = (uint32_t)strtoul(text, &end, 10);
		if (end == text || to[*n] == 0 || to[*n] > SLOTS)
			return -1;
		(*n)++;
	}
	return 0;
}

static int parse(int argc, char **argv, struct arguments *a)
{
	const struct {
		const char *name;
		uint32_t *to;
	} numbers[] = { { "rounds", &a->rounds },
			{ "prompt", &a->prompt },
			{ "new", &a->new_tokens },
			{ "prefill", &a->prefill },
			{ "invariant", &a->options.invariant },
			{ "graphs", &a->options.graphs },
			{ "attention", &a->options.attention },
			{ "peaks", &a->peaks } };

	if (argc < 2)
		return -1;
	a->model = argv[1];
	for (int i = 2; i < argc; i++) {
		char *value = strchr(argv[i], '=');
		bool known = false;

		if (!value)
			return -1;
		*value++ = 0;
		for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]); k++)
			if (strcmp(argv[i], numbers[k].name) == 0) {
				*numbers[k].to = (uint32_t)strtoul(value, NULL, 10);
				known = true;
			}
		if (strcmp(argv[i], "batches") == 0)
			known = parse_list(value, a->batches, &a->n_batches) == 0;
		if (!known)
			return -1;
	}
	return a->rounds && a->rounds < ROUNDS && a->prompt && a->prompt <= 8192 && a->prefill <= 8192 ? 0
												       : -1;
}

/* Tokens of the largest step: without prompts to time, none is made for cuBLASLt unless `prompt` is that
 * long. */
static uint32_t most_tokens(const struct arguments *a)
{
	uint32_t most = a->prefill ? 512 : a->prompt;

	for (uint32_t i = 0; i < a->n_batches; i++)
		most = a->batches[i] > most ? a->batches[i] : most;
	return a->prefill > most ? a->prefill : most;
}

static int run(struct rig *r, const struct arguments *a)
{
	double read_peak = NAN, matrix_peak = NAN;
	struct lsb_metric counters[8];
	struct lsb_error err;
	size_t n = 8;
	int rc = a->peaks ? r->ops->measure(r->stage[0], LSB_PEAK_READ, 200000000, &read_peak, &err) : LSB_OK;

	if (!rc && a->peaks)
		rc = r->ops->measure(r->stage[0], LSB_PEAK_MATMUL, 200000000, &matrix_peak, &err);
	if (rc) {
		fprintf(stderr, "bench_backend_cuda: %s\n", err.msg);
		return -1;
	}
	printf("read %.3f TB/s, matrix peak %.1f TFLOP/s; roofline of 1 sequence %.1f tokens/s\n",
	       read_peak * 1e-12, 2e-12 * matrix_peak,
	       read_peak /
		       ((double)r->info.layers * (double)r->info.layer_bytes + (double)r->info.head_bytes));
	for (uint32_t i = 0; i < a->n_batches && !rc; i++)
		rc = decode(r, a, a->batches[i], read_peak);
	if (!rc && a->n_batches && a->batches[a->n_batches - 1] >= 8 && a->prefill)
		rc = mixed(r, a);
	if (!rc && a->prefill)
		rc = prefill(r, a, matrix_peak);
	if (!rc && r->ops->counters(r->stage[0], counters, &n, &err) == LSB_OK)
		for (size_t i = 0; i < n; i++)
			printf("%s %.6g %s\n", counters[i].name, counters[i].value, counters[i].unit);
	return rc;
}

int main(int argc, char **argv)
{
	struct arguments a = { .rounds = 5,
			       .prompt = 67,
			       .new_tokens = 64,
			       .prefill = 512,
			       .batches = { 1, 2, 4, 8, 16, 32 },
			       .n_batches = 6,
			       .peaks = 1,
			       .options = { .device = -1, .graphs = 1 } };
	struct rig_spec spec = { .plugin = "cuda", .options = &a.options, .slots = SLOTS, .context = 1024 };
	struct lsb_error err;
	struct rig r;
	double began;
	int rc;

	if (parse(argc, argv, &a)) {
		fprintf(stderr,
			"usage: bench_backend_cuda MODEL [rounds=N] [prompt=N] [new=N] [batches=A,B] "
			"[prefill=N] [invariant=1] [graphs=0] [peaks=0] [attention=1 (own) or 2 (cuDNN)]\n");
		return 2;
	}
	spec.model = a.model;
	spec.max_tokens = most_tokens(&a);
	spec.max_outputs = spec.max_tokens < SLOTS ? spec.max_tokens : SLOTS;
	if (spec.context < a.prefill)
		spec.context = a.prefill;
	began = now();
	rc = rig_open(&spec, &r, &err);
	if (rc) {
		fprintf(stderr, "bench_backend_cuda: %s\n", err.msg);
		return rc == LSB_EUNAVAIL ? 77 : 1;
	}
	printf("# %s, %s, opened in %.2f s, weights %.3f GiB\n# %s\n", a.model, r.info.device_name,
	       now() - began, (double)r.info.weight_bytes / (1 << 30), r.info.engine);
	fflush(stdout);
	rc = run(&r, &a);
	rig_close(&r);
	return rc ? 1 : 0;
}
