/* SPDX-License-Identifier: Apache-2.0 */
#include "suite/keys.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "schedule/arrivals.h"
#include "suite/list.h"
#include "suite/suite.h"

_Static_assert(sizeof(enum lsb_case_kind) == sizeof(uint32_t), "LSB_KEY_CHOICE fills enums");

enum {
	LAYERS_MAX = 65536, /* of one stage */
	SIZES_MAX = 192,
	SIZE_MAX_BYTES = 16 << 20,
};

#define MEMBER(type, member) .offset = offsetof(struct type, member)
#define CASE(member) MEMBER(lsb_point, member)
#define FACTOR .is_factor = 1
#define ADDED .is_added = 1
#define LINK .is_for_link = 1

/* In the order that `plan` and the reference print. A new factor is ADDED, else it changes every id. */
static const struct lsb_suite_key case_keys[] = {
	{ "kind", LSB_KEY_CHOICE, FACTOR, .def = "infer", .choices = "infer|strong|weak|batch|replica|link",
	  CASE(kind), .help = "what the points are for: which scaling is computed from them" },
	{ "model", LSB_KEY_FILE, FACTOR, CASE(model),
	  .help = "a GGUF file, relative to the suite, or random:NAME[:TYPE]; needed but for kind = link" },
	{ "nodes", LSB_KEY_COUNT, FACTOR, .min = 1, .max = 1024, CASE(nodes), .unit = "ranks",
	  .help = "processes; stages x replicas, from which it is derived when absent" },
	{ "stages", LSB_KEY_COUNT, FACTOR, .min = 1, .max = 1024, CASE(stages), .unit = "ranks",
	  .help = "length of a pipeline; default: nodes / replicas, for kind = replica 1" },
	{ "replicas", LSB_KEY_COUNT, FACTOR, .min = 1, .max = 1024, CASE(replicas),
	  .help = "pipelines side by side; default: nodes / stages if both are given, for kind = replica "
		  "nodes, "
		  "else 1" },
	{ "balance", LSB_KEY_CHOICE, FACTOR, ADDED, .def = "static", .choices = "static|dynamic",
	  CASE(balance),
	  .help = "with several replicas: request i goes to replica i modulo replicas, or replicas claim the "
		  "next request as they get free" },
	{ "split", LSB_KEY_LAYERS, FACTOR, .def = "auto", CASE(split),
	  .length_offset = offsetof(struct lsb_point, n_split), .unit = "layers",
	  .help = "layers of each stage, as 16+14; auto: with which the run is shortest, by the times of a "
		  "layer and the head" },
	{ "batch", LSB_KEY_COUNT, FACTOR, .def = "1", .min = 1, .max = 1024, CASE(batch), .unit = "sequences",
	  .help = "sequences that step together as one group" },
	{ "in_flight", LSB_KEY_COUNT, FACTOR, .def = "${stages}", .min = 1, .max = 1024, CASE(in_flight),
	  .unit = "groups", .help = "groups on their way through the stages at once" },
	{ "batching", LSB_KEY_CHOICE, FACTOR, ADDED, .def = "static", .choices = "static|continuous",
	  CASE(batching),
	  .help = "a group begins and ends together, or each slot takes the next request as soon as it is "
		  "free" },
	{ "arrivals", LSB_KEY_ARRIVALS, FACTOR, ADDED, .def = "closed", CASE(arrivals),
	  .help = "when requests arrive: closed (all when the run begins), fixed:5/s, poisson:5/s, "
		  "burst:10:2s "
		  "(10 at once every 2 s), trace (as the workload says), trace:FILE (a time a line)" },
	{ "prompts", LSB_KEY_COUNT, FACTOR, .def = "10", .min = 1, .max = 1000000, CASE(prompts),
	  .unit = "requests", .help = "requests of a launch, over all replicas" },
	{ "distinct", LSB_KEY_COUNT, FACTOR, .min = 1, .max = 1000000, CASE(distinct), .unit = "requests",
	  .help = "request i asks workload item i modulo this; default: prompts, for kind = weak prompts / "
		  "nodes" },
	{ "max_new", LSB_KEY_COUNT, FACTOR, .def = "64", .min = 1, .max = 131072, CASE(max_new),
	  .unit = "tokens", .help = "new tokens of a request at most" },
	{ "stop", LSB_KEY_CHOICE, FACTOR, .def = "eos", .choices = "eos|length", CASE(stop),
	  .help = "end at the model's end-of-answer token, or only at max_new (equal work: use it for "
		  "scaling)" },
	{ "chunk", LSB_KEY_COUNT, FACTOR, .def = "64", .min = 1, .max = 65536, CASE(chunk), .unit = "tokens",
	  .help = "prompt tokens of one prefill step at most" },
	{ "context", LSB_KEY_COUNT, FACTOR, .def = "0", .min = 0, .max = 1048576, CASE(context),
	  .unit = "positions", .help = "KV cache of a slot; 0: the longest prompt + max_new" },
	{ "backend", LSB_KEY_NAME, FACTOR, .def = "cpu", CASE(backend.name),
	  .help = "a backend plugin, or X of [backend X]" },
	{ "transport", LSB_KEY_NAME, FACTOR, .def = "tcp", CASE(transport.name),
	  .help = "a transport plugin, or X of [transport X]" },
	{ "workload", LSB_KEY_NAME, FACTOR, .def = "summarize", CASE(workload.name),
	  .help = "a workload plugin, or X of [workload X]" },
	{ "threads", LSB_KEY_COUNT, FACTOR, .def = "1", .min = 1, .max = 1024, CASE(threads),
	  .unit = "threads", .help = "compute threads of each rank" },
	{ "launcher", LSB_KEY_WORD, FACTOR, .def = "auto", .choices = "auto|local|mpirun|srun|ssh",
	  CASE(launcher), .help = "who starts the ranks; auto: one choice for all points that are compared" },
	{ "temperature", LSB_KEY_REAL, FACTOR, .def = "0", .min = 0, .max = 100, CASE(temperature),
	  .help = "of sampling; 0: always the most probable token" },
	{ "top_k", LSB_KEY_COUNT, FACTOR, .def = "0", .min = 0, .max = 10000000, CASE(top_k),
	  .unit = "tokens", .help = "sample among that many of the most probable tokens; 0: all" },
	{ "top_p", LSB_KEY_REAL, FACTOR, .def = "1", .min = 1e-6, .max = 1, CASE(top_p),
	  .help = "sample among the most probable tokens that reach this probability together" },
	{ "seed", LSB_KEY_SEED, FACTOR, .def = "1", CASE(seed), .help = "of sampling, and of the run order" },
	{ "warmup", LSB_KEY_COUNT, FACTOR, .def = "1", .min = 0, .max = 10000, CASE(warmup),
	  .unit = "requests", .help = "requests before the timed part" },
	{ "sizes", LSB_KEY_SIZES, FACTOR, LINK, .def = "2^0..22", CASE(sizes),
	  .length_offset = offsetof(struct lsb_point, n_sizes), .unit = "bytes",
	  .help = "message sizes of kind = link, up to 16MiB; with a model its own message sizes join them" },
	{ "iterations", LSB_KEY_COUNT, FACTOR, LINK, .def = "10000", .min = 10, .max = 1000000,
	  CASE(iterations), .unit = "rounds",
	  .help = "of kind = link: ping-pong rounds up to 8 KiB, a tenth above; windows are a hundredth" },
	{ "gap", LSB_KEY_TIME, FACTOR, LINK, .def = "0", CASE(gap_ns),
	  .help = "of kind = link: both sides compute for so long before each message, as decoding does" },
	{ "reps", LSB_KEY_COUNT, .def = "10", .min = 1, .max = 10000, CASE(reps), .unit = "launches",
	  .help = "fresh launches of a point; an interval needs at least 6" },
	{ "max_reps", LSB_KEY_COUNT, .def = "${reps}", .min = 1, .max = 10000, CASE(max_reps),
	  .unit = "launches", .help = "go on to this many while an interval is wide" },
	{ "order", LSB_KEY_WORD, .def = "interleaved", .choices = "interleaved|sequential", CASE(order),
	  .help = "launches round by round, shuffled, or point by point; one choice a suite" },
	{ "slo.ttft", LSB_KEY_TIME, .def = "0", CASE(slo_ttft_ns),
	  .help = "limit of a request's time to its first token, from its arrival; 0: none. Limits judge: "
		  "they "
		  "change nothing that is measured" },
	{ "slo.tpot", LSB_KEY_TIME, .def = "0", CASE(slo_tpot_ns),
	  .help = "limit of its mean time between tokens" },
	{ "slo.e2e", LSB_KEY_TIME, .def = "0", CASE(slo_e2e_ns),
	  .help = "limit of its time to the last token" },
	{ "slo.share", LSB_KEY_REAL, .def = "0.9", .min = 0.01, .max = 1, CASE(slo_share),
	  .help = "share of the requests that must keep every limit" },
	{ "search", LSB_KEY_WORD, .def = "none", .choices = "none|knee", CASE(search),
	  .help = "knee: of the rates in sweep.arrivals launch only those that finding the highest that "
		  "keeps "
		  "the limits takes" },
	{ "timeout", LSB_KEY_TIME, .def = "10min", .min = 1e6, .max = 6048e11, CASE(timeout_ns),
	  .help = "of one launch" },
	{ "stall_timeout", LSB_KEY_TIME, .def = "30s", .min = 1e6, .max = 6048e11, CASE(stall_timeout_ns),
	  .help = "ranks that do not connect, or a stage loop that does not advance, for so long have "
		  "failed" },
	{ "baseline", LSB_KEY_NAME, .def = "auto", CASE(baseline),
	  .help = "the case that holds this one's one-node points; auto: this case, then any; none" },
	{ "pair_by", LSB_KEY_WORD, .def = "round", .choices = "round|none", CASE(pair_by),
	  .help = "compare launches of one round with each other, or all with all" },
	{ "keep_records", LSB_KEY_WORD, .def = "median", .choices = "all|median|none", CASE(keep_records),
	  .help = "which launches' step records stay on disk; median: of the launch that stands for its "
		  "point" },
	{ "hosts", LSB_KEY_NAME, .def = "none", .offset = (size_t)-1,
	  .help = "X of [hosts X]; none: this machine" },
};

static const struct lsb_suite_key suite_keys[] = {
	{ "name", LSB_KEY_NAME, MEMBER(lsb_suite, name),
	  .help = "names the results folder; default: the file's name" },
	{ "title", LSB_KEY_TEXT, MEMBER(lsb_suite, title), .help = "heads the report; default: the name" },
	{ "out", LSB_KEY_TEXT, .def = "", MEMBER(lsb_suite, out),
	  .help = "results folder; default: results/NAME-TIME" },
};

#define GATE .choices = "ignore|mark|refuse", .def = "mark"
static const struct lsb_suite_key gate_keys[] = {
	{ "load", LSB_KEY_CHOICE, GATE, MEMBER(lsb_suite, gate.load), .help = "other work on the machine" },
	{ "max_load", LSB_KEY_REAL, .def = "0.25", .min = 0, .max = 1000, MEMBER(lsb_suite, gate.max_load),
	  .unit = "busy share of the cores", .help = "how much other work is too much" },
	{ "governor", LSB_KEY_CHOICE, GATE, MEMBER(lsb_suite, gate.governor),
	  .help = "a frequency governor other than performance" },
	{ "quota", LSB_KEY_CHOICE, GATE, MEMBER(lsb_suite, gate.quota),
	  .help = "a CPU quota of the control groups below the machine's cores" },
	{ "oversubscribed", LSB_KEY_CHOICE, GATE, MEMBER(lsb_suite, gate.oversubscribed),
	  .help = "more threads than cores" },
};

static const struct lsb_suite_key report_keys[] = {
	{ "compare", LSB_KEY_TEXT, .def = "", MEMBER(lsb_suite, report.compare),
	  .help = "a swept key whose values are compared with each other, as transport" },
	{ "charts", LSB_KEY_WORD, .def = "all", .choices = "all|none", MEMBER(lsb_suite, report.charts),
	  .help = "charts in the HTML report" },
	{ "noise_floor", LSB_KEY_REAL, .def = "0.02", .min = 0, .max = 1,
	  MEMBER(lsb_suite, report.noise_floor), .help = "a smaller relative difference is none" },
};

static const struct lsb_suite_key hosts_keys[] = {
	{ "list", LSB_KEY_TEXT, .offset = (size_t)-1,
	  .help = "host names separated by commas; NAME:N takes N ranks; absent: where the launcher itself "
		  "places them" },
	{ "network", LSB_KEY_TEXT, MEMBER(lsb_site, network),
	  .help = "which addresses of the hosts carry the data, as 10.1.0.0/16 or ib0; default: any of "
		  "them" },
	{ "control_address", LSB_KEY_TEXT, MEMBER(lsb_site, control_address),
	  .help = "where lsbench listens for ranks: an address, network or interface of its own machine; "
		  "default: loopback, all interfaces where hosts are elsewhere" },
	{ "program", LSB_KEY_TEXT, MEMBER(lsb_site, program),
	  .help = "path of lsbench on the hosts; default: the same as here" },
	{ "token_file", LSB_KEY_FILE, MEMBER(lsb_site, token_file),
	  .help = "a file of mode 0600 that holds a secret, here and on the hosts, where a launcher passes "
		  "no "
		  "variable on" },
	{ "ssh_config", LSB_KEY_FILE, MEMBER(lsb_site, ssh_config),
	  .help = "for ssh -F, also of Open MPI's mpirun" },
	{ "mpirun", LSB_KEY_TEXT, MEMBER(lsb_site, mpirun),
	  .help = "the program, where several are installed, as mpirun.mpich; default: mpirun" },
	{ "mpirun_arguments", LSB_KEY_TEXT, MEMBER(lsb_site, mpirun_arguments),
	  .help = "further words for it, separated by blanks" },
	{ "srun_mpi", LSB_KEY_TEXT, MEMBER(lsb_site, srun_mpi),
	  .help = "srun --mpi=; default: what the library of transport-mpi speaks (pmix, pmi2), else none" },
	{ "srun_arguments", LSB_KEY_TEXT, MEMBER(lsb_site, srun_arguments),
	  .help = "further words for srun, separated by blanks" },
};

#define TABLE(name, rows)                                                                                    \
	{                                                                                                    \
		name, rows, LSB_COUNT(rows)                                                                  \
	}
const struct lsb_key_table lsb_case_keys = TABLE("case", case_keys);
const struct lsb_key_table lsb_suite_keys = TABLE("suite", suite_keys);
const struct lsb_key_table lsb_gate_keys = TABLE("gate", gate_keys);
const struct lsb_key_table lsb_report_keys = TABLE("report", report_keys);
const struct lsb_key_table lsb_hosts_keys = TABLE("hosts", hosts_keys);

const struct lsb_suite_key *lsb_key_find(const struct lsb_key_table *table, const char *name)
{
	for (size_t i = 0; i < table->n; i++)
		if (strcmp(table->keys[i].name, name) == 0)
			return &table->keys[i];
	return NULL;
}

const char *lsb_key_nearest(const struct lsb_key_table *table, const char *name)
{
	const char *names[LSB_COUNT(case_keys)]; /* the longest table */

	for (size_t i = 0; i < table->n; i++)
		names[i] = table->keys[i].name;
	return lsb_nearest(name, names, table->n);
}

/* --- one value -------------------------------------------------------- */

static int check_range(const struct lsb_suite_key *key, const char *text, double value, struct lsb_error *err)
{
	if (key->min == 0 && key->max == 0)
		return LSB_OK;
	if (value >= key->min && value <= key->max)
		return LSB_OK;
	if (key->type == LSB_KEY_TIME)
		return lsb_fail(err, LSB_ESUITE, 0, "%s = %s is out of range (1ms to 168h)", key->name, text);
	return lsb_fail(err, LSB_ESUITE, 0, "%s = %s is out of range (%.9g to %.9g)", key->name, text,
			key->min, key->max);
}

static int fill_number(const struct lsb_suite_key *key, const char *text, char *member, char **canonical,
		       struct lsb_error *err)
{
	struct lsb_error why;
	int64_t whole = 0;
	uint64_t ns = 0;
	double real = 0;
	int rc;

	if (key->type == LSB_KEY_TIME)
		rc = lsb_parse_time(text, &ns, &why);
	else if (key->type == LSB_KEY_REAL)
		rc = lsb_parse_real(text, &real, &why);
	else
		rc = lsb_parse_int(text, &whole, &why);
	if (rc)
		return lsb_fail(err, LSB_ESUITE, 0, "%s: %s", key->name, why.msg);
	if (key->type == LSB_KEY_SEED && whole < 0)
		return lsb_fail(err, LSB_ESUITE, 0, "%s = %s is negative", key->name, text);
	real = key->type == LSB_KEY_TIME ? (double)ns : key->type == LSB_KEY_REAL ? real : (double)whole;
	rc = check_range(key, text, real, err);
	if (rc)
		return rc;
	switch (key->type) {
	case LSB_KEY_TIME:
		memcpy(member, &ns, sizeof(ns));
		/* an id must not depend on the unit; all else people read as they wrote it */
		*canonical = key->is_factor ? lsb_format("%" PRIu64 "ns", ns) : strdup(text);
		break;
	case LSB_KEY_REAL:
		real += 0.0; /* -0 is 0 */
		memcpy(member, &real, sizeof(real));
		*canonical = lsb_format("%.12g", real);
		break;
	case LSB_KEY_SEED:
		ns = (uint64_t)whole;
		memcpy(member, &ns, sizeof(ns));
		*canonical = lsb_format("%" PRId64, whole);
		break;
	default:
		memcpy(member, &(uint32_t){ (uint32_t)whole }, sizeof(uint32_t));
		*canonical = lsb_format("%" PRId64, whole);
	}
	return LSB_OK;
}

/* Index of `text` among "a|b|c", or an error with the nearest word. */
static int choose(const struct lsb_suite_key *key, const char *text, uint32_t *index, struct lsb_error *err)
{
	char copy[128], listed[160] = "";
	const char *words[16];
	uint32_t n = 0;
	const char *near;

	(void)snprintf(copy, sizeof(copy), "%s", key->choices);
	for (char *save, *word = strtok_r(copy, "|", &save); word; word = strtok_r(NULL, "|", &save)) {
		if (strcmp(word, text) == 0) {
			*index = n;
			return LSB_OK;
		}
		(void)snprintf(listed + strlen(listed), sizeof(listed) - strlen(listed), "%s%s",
			       n ? ", " : "", word);
		words[n++] = word;
	}
	near = lsb_nearest(text, words, n);
	if (near)
		return lsb_fail(err, LSB_ESUITE, 0, "%s = %s is none of %s (did you mean '%s'?)", key->name,
				text, listed, near);
	return lsb_fail(err, LSB_ESUITE, 0, "%s = %s is none of %s", key->name, text, listed);
}

static int fill_text(const struct lsb_suite_key *key, const char *text, char *member, char **canonical,
		     struct lsb_error *err)
{
	uint32_t index;
	char *copy;

	if (key->type == LSB_KEY_WORD && choose(key, text, &index, err))
		return LSB_ESUITE;
	for (const char *c = text; *c && key->type == LSB_KEY_NAME; c++)
		if (!isalnum((unsigned char)*c) && !strchr("-_:", *c))
			return lsb_fail(err, LSB_ESUITE, 0,
					"%s = %s is not a name (letters, digits, '-', '_', ':')", key->name,
					text);
	if (!*text && key->type != LSB_KEY_TEXT)
		return lsb_fail(err, LSB_ESUITE, 0, "%s has no value", key->name);
	copy = strdup(text);
	if (copy && member) {
		char *old;

		memcpy(&old, member, sizeof(old));
		free(old);
		memcpy(member, &copy, sizeof(copy));
		copy = strdup(text);
	}
	*canonical = copy;
	return LSB_OK;
}

static int fill_arrivals(const struct lsb_suite_key *key, const char *text, char *member, char **canonical,
			 struct lsb_error *err)
{
	struct lsb_arrivals arrivals;
	struct lsb_error why;
	char *copy, *old;

	if (lsb_arrivals_parse(text, &arrivals, &why))
		return lsb_fail(err, LSB_ESUITE, 0, "%s: %s", key->name, why.msg);
	*canonical = lsb_arrivals_spell(&arrivals);
	copy = *canonical ? strdup(*canonical) : NULL;
	if (!copy)
		return LSB_ENOMEM;
	memcpy(&old, member, sizeof(old));
	free(old);
	memcpy(member, &copy, sizeof(copy));
	return LSB_OK;
}

/* "1", "4KiB": an item of `sizes`. */
static int fill_size(const struct lsb_suite_key *key, const char *text, uint32_t *out, struct lsb_error *err)
{
	struct lsb_error why;
	uint64_t bytes = 0;
	int64_t whole = 0;

	if (lsb_parse_int(text, &whole, &why) == LSB_OK)
		bytes = whole > 0 ? (uint64_t)whole : 0;
	else if (lsb_parse_size(text, &bytes, &why))
		return lsb_fail(err, LSB_ESUITE, 0, "%s: %s", key->name, why.msg);
	if (bytes < 1 || bytes > SIZE_MAX_BYTES)
		return lsb_fail(err, LSB_ESUITE, 0, "%s: %s is out of range (1 to 16MiB)", key->name, text);
	*out = (uint32_t)bytes;
	return LSB_OK;
}

/* A list as a sweep has it: "1, 64, 4KiB", "2^0..22". */
static int fill_sizes(const struct lsb_suite_key *key, const char *text, void *object, char **canonical,
		      struct lsb_error *err)
{
	struct lsb_text spelled = { 0 };
	struct lsb_list list = { 0 };
	struct lsb_error why;
	uint32_t *sizes = NULL, *old, n = 0;
	int rc = lsb_list_parse(text, &list, &why);

	if (rc)
		return lsb_fail(err, rc, 0, "%s: %s", key->name, why.msg);
	if (list.n > SIZES_MAX)
		rc = lsb_fail(err, LSB_ESUITE, 0, "%s: %zu sizes are more than %d", key->name, list.n,
			      (int)SIZES_MAX);
	else if (!(sizes = malloc((list.n + 1) * sizeof(*sizes))))
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for %zu sizes", list.n);
	for (size_t i = 0; rc == LSB_OK && i < list.n; i++) {
		rc = fill_size(key, list.items[i], &sizes[n], err);
		lsb_text_add(&spelled, "%s%u", n ? "," : "", sizes[n]);
		n++;
	}
	lsb_list_free(&list);
	if (rc || spelled.failed) {
		free(sizes);
		lsb_text_free(&spelled);
		return rc ? rc : LSB_ENOMEM;
	}
	memcpy(&old, (char *)object + key->offset, sizeof(old));
	free(old);
	memcpy((char *)object + key->offset, &sizes, sizeof(sizes));
	memcpy((char *)object + key->length_offset, &n, sizeof(n));
	*canonical = spelled.data;
	return LSB_OK;
}

/* "auto", or "16+14", also written "16, 14". */
static int fill_layers(const struct lsb_suite_key *key, const char *text, void *object, char **canonical,
		       struct lsb_error *err)
{
	struct lsb_text spelled = { 0 };
	uint32_t *layers = NULL, n = 0;
	const char *at = text;

	if (strcmp(text, "auto") == 0) {
		*canonical = strdup(text);
		return LSB_OK;
	}
	layers = malloc((strlen(text) / 2 + 1) * sizeof(*layers));
	if (!layers)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for a split");
	for (;;) {
		char *end = NULL;
		const unsigned long value = *at >= '1' && *at <= '9' ? strtoul(at, &end, 10) : 0;

		if (value == 0 || value > LAYERS_MAX || (*end && *end != '+' && *end != ','))
			goto wrong;
		layers[n++] = (uint32_t)value;
		lsb_text_add(&spelled, "%s%lu", n > 1 ? "+" : "", value);
		if (!*end)
			break;
		at = end + 1;
		at += strspn(at, " ");
	}
	memcpy((char *)object + key->offset, &layers, sizeof(layers));
	memcpy((char *)object + key->length_offset, &n, sizeof(n));
	*canonical = spelled.data;
	return LSB_OK;
wrong:
	free(layers);
	lsb_text_free(&spelled);
	return lsb_fail(err, LSB_ESUITE, 0,
			"%s = %s is not a split (layers of each stage, as 16+14, or auto)", key->name, text);
}

int lsb_key_fill(const struct lsb_suite_key *key, const char *text, void *object, char **canonical,
		 struct lsb_error *err)
{
	char *member = key->offset == (size_t)-1 ? NULL : (char *)object + key->offset;
	uint32_t index;
	int rc = LSB_OK;

	*canonical = NULL;
	if (!*text && key->type != LSB_KEY_TEXT)
		return lsb_fail(err, LSB_ESUITE, 0, "%s has no value", key->name);
	for (const char *c = text; *c; c++)
		if (iscntrl((unsigned char)*c))
			return lsb_fail(err, LSB_ESUITE, 0, "the value of %s has a control character",
					key->name);
	switch (key->type) {
	case LSB_KEY_COUNT:
	case LSB_KEY_SEED:
	case LSB_KEY_REAL:
	case LSB_KEY_TIME:
		rc = fill_number(key, text, member, canonical, err);
		break;
	case LSB_KEY_CHOICE:
		rc = choose(key, text, &index, err);
		if (rc)
			break;
		memcpy(member, &index, sizeof(index));
		*canonical = strdup(text);
		break;
	case LSB_KEY_SIZES:
		rc = fill_sizes(key, text, object, canonical, err);
		break;
	case LSB_KEY_ARRIVALS:
		rc = fill_arrivals(key, text, member, canonical, err);
		break;
	case LSB_KEY_LAYERS:
		rc = fill_layers(key, text, object, canonical, err);
		break;
	case LSB_KEY_TEXT:
	case LSB_KEY_FILE:
	case LSB_KEY_NAME:
	case LSB_KEY_WORD:
		rc = fill_text(key, text, member, canonical, err);
		break;
	}
	if (rc == LSB_OK && !*canonical)
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for the value of %s", key->name);
	return rc;
}
