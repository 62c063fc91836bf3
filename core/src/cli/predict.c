/* SPDX-License-Identifier: Apache-2.0 */
/* `lsbench predict`: other settings, from what a results folder measured. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "cli/cli.h"
#include "measure/predict.h"
#include "report/predict.h"
#include "suite/split.h"
#include "wire/journal.h"

static const char help[] =
	"usage: lsbench predict DIR [OPTION]...\n\n"
	"What other settings would give, from what the run in DIR measured: run time, tokens/s,\n"
	"each rank's ledger and the bottleneck. Every answer states its error on held-out points:\n"
	"each measured point in turn, predicted from the others.\n\n"
	"  --point POINT       to start from: an id, a case, or the start of a label; default: the first\n"
	"  --nodes LIST        ranks (pipelines of nodes / replicas stages)\n"
	"  --replicas N        pipelines side by side\n"
	"  --batch LIST        sequences that step together\n"
	"  --in-flight LIST    groups on their way at once; default: one a stage if it was so\n"
	"  --split A,B,...     layers of each stage; default: by arithmetic, as `lsbench plan` shows\n"
	"  --link latency=TIME[,bandwidth=SIZE]   links of that kind, in bytes a second\n"
	"  --chunk N, --prompts N, --max-new N    the work\n"
	"  --arrivals WHEN     when requests arrive: closed, fixed:5/s, poisson:5/s, burst:N:TIME, "
	"trace:FILE\n"
	"  --apart             each rank on a machine of its own, like this one\n"
	"  --holdout           only the errors on held-out points\n"
	"  --format text|markdown|json\n\n"
	"A LIST is numbers separated by commas; several lists are combined. How it works, and what it\n"
	"leaves out: docs/predict.md. Exit status: 0 ok, 2 usage, 5 results.\n";

enum { LIST_MAX = 16, ANSWERS_MAX = 64, STAGES_MAX = 1024, ENVIRONMENT_BYTES_MAX = 1 << 24 };

struct list {
	uint32_t values[LIST_MAX];
	size_t n;
};

struct request {
	const char *dir, *point;
	struct list nodes, batch, in_flight;
	uint32_t split[STAGES_MAX];
	size_t n_split;
	uint32_t replicas;
	struct lsb_predict_settings settings;
	enum lsb_prediction_format format;
	int only_holdout;
};

/* --- options ------------------------------------------------------------------------- */

/* Whole numbers of at least 1, separated by any of `separators`; how many, 0 when the text is none. */
static size_t parse_numbers(const char *text, const char *separators, uint32_t *values, size_t room)
{
	size_t n = 0;

	for (;;) {
		char *end;
		unsigned long value;

		errno = 0;
		value = strtoul(text, &end, 10);
		if (end == text || *text < '0' || *text > '9' || errno || value < 1 || value > 1u << 20 ||
		    n == room)
			return 0;
		values[n++] = (uint32_t)value;
		if (*end == '\0')
			return n;
		if (!strchr(separators, *end))
			return 0;
		text = end + 1;
	}
}

static int parse_list(const char *option, const char *text, struct list *out)
{
	out->n = parse_numbers(text, ",", out->values, LIST_MAX);
	return out->n ? 0
		      : lsb_cli_usage("predict", "%s takes up to %d whole numbers from 1 on, not '%s'",
				      option, LIST_MAX, text);
}

static int parse_number(const char *option, const char *text, uint32_t *out)
{
	return parse_numbers(text, "", out, 1) == 1
		       ? 0
		       : lsb_cli_usage("predict", "%s takes a whole number from 1 on, not '%s'", option,
				       text);
}

/* "latency=2ms,bandwidth=1GB", each at most once. */
static int parse_link(const char *text, struct lsb_predict_settings *s)
{
	static const char *const usage =
		"--link takes latency=TIME, bandwidth=SIZE, or both with a comma between "
		"them: %s";
	struct lsb_error err = { 0 };
	char piece[64];

	while (*text) {
		const size_t n = strcspn(text, ",");
		uint64_t value;

		(void)snprintf(piece, sizeof(piece), "%.*s", (int)(n < sizeof(piece) ? n : sizeof(piece)),
			       text);
		text += n + (text[n] == ',');
		if (strncmp(piece, "latency=", 8) == 0 && !s->has_latency) {
			if (lsb_parse_time(piece + 8, &value, &err))
				return lsb_cli_usage("predict", usage, err.msg);
			s->has_latency = 1;
			s->latency_s = (double)value * 1e-9;
		} else if (strncmp(piece, "bandwidth=", 10) == 0 && !s->has_bandwidth) {
			char *slash = strstr(piece, "/s");

			if (slash)
				*slash = '\0';
			if (lsb_parse_size(piece + 10, &value, &err))
				return lsb_cli_usage("predict", usage, err.msg);
			s->has_bandwidth = 1;
			s->bytes_per_s = (double)value;
		} else {
			return lsb_cli_usage("predict", usage, piece);
		}
	}
	return s->has_latency || s->has_bandwidth ? 0 : lsb_cli_usage("predict", usage, "nothing is given");
}

enum { REPLICAS = 256, CHUNK, PROMPTS, MAX_NEW, ARRIVALS, APART, HOLDOUT };

static int parse_option(int option, struct request *r)
{
	switch (option) {
	case 'p':
		r->point = optarg;
		return 0;
	case 'n':
		return parse_list("--nodes", optarg, &r->nodes);
	case 'b':
		return parse_list("--batch", optarg, &r->batch);
	case 'i':
		return parse_list("--in-flight", optarg, &r->in_flight);
	case 's':
		r->n_split = parse_numbers(optarg, ",+", r->split, STAGES_MAX);
		return r->n_split ? 0
				  : lsb_cli_usage("predict",
						  "--split takes the layers of each stage, not '%s'", optarg);
	case 'l':
		return parse_link(optarg, &r->settings);
	case REPLICAS:
		return parse_number("--replicas", optarg, &r->replicas);
	case CHUNK:
		return parse_number("--chunk", optarg, &r->settings.chunk);
	case PROMPTS:
		return parse_number("--prompts", optarg, &r->settings.prompts);
	case MAX_NEW:
		return parse_number("--max-new", optarg, &r->settings.max_new);
	case ARRIVALS:
		r->settings.arrivals = optarg;
		return 0;
	case APART:
		r->settings.apart = 1;
		return 0;
	case HOLDOUT:
		r->only_holdout = 1;
		return 0;
	case 'f':
		if (lsb_prediction_format(optarg, &r->format) == 0)
			return 0;
		return lsb_cli_usage("predict", "--format is text, markdown or json, not '%s'", optarg);
	default:
		return LSB_EXIT_USAGE;
	}
}

/* --- what was measured ---------------------------------------------------------------- */

/* Processors that the run could use, by its environment.json; 0 when it is not known. */
static double read_cores(const char *dir)
{
	char *path = lsb_format("%s/environment.json", dir), *text = NULL;
	json_t *environment = NULL;
	double cores;
	size_t bytes;

	if (path && lsb_file_read(path, ENVIRONMENT_BYTES_MAX, &text, &bytes, NULL) == LSB_OK)
		environment = json_loadb(text, bytes, 0, NULL);
	cores = (double)json_array_size(json_object_get(json_object_get(environment, "cpu"), "allowed"));
	json_decref(environment);
	free(text);
	free(path);
	return cores;
}

/* What no prediction is made of: most of a journal. Lengths and arrivals of requests and stage_times are
 * kept. */
static const char *const dispensable[] = { "ids",     "text",	"token_ns",  "scores",	"lane",
					   "slot",    "finish", "first_ns",  "last_ns", "/steps",
					   "/clocks", "/work",	"/schedule", NULL };

static int open_predictor(const struct request *r, struct lsb_predictor **out, struct lsb_error *err)
{
	char *path = lsb_format("%s/journal.jsonl", r->dir);
	json_t *lines = NULL, *header;
	int rc = path ? lsb_journal_read(path, dispensable, &lines, NULL, err)
		      : lsb_fail(err, LSB_ENOMEM, 0, "no memory for a path");

	free(path);
	if (rc)
		return rc;
	header = json_incref(json_array_get(lines, 0));
	json_array_remove(lines, 0);
	rc = lsb_predictor_open(header, lines, r->point, read_cores(r->dir), out, err);
	json_decref(header);
	json_decref(lines);
	return rc;
}

/* --- answers ------------------------------------------------------------------------------ */

/*
 * Stages and replicas of `nodes` ranks, 0: as they were; their layers as `lsbench plan` deals them.
 */
static int arrange(const struct lsb_predictor *p, const struct request *r, uint32_t nodes,
		   struct lsb_predict_settings *s, uint32_t layers[STAGES_MAX], struct lsb_error *err)
{
	double layer, head, prompt, generated;
	struct lsb_split_cost cost;

	s->replicas = r->replicas;
	if (nodes) {
		const uint32_t replicas = r->replicas ? r->replicas : lsb_predictor_replicas(p);

		if (nodes % replicas)
			return lsb_fail(err, LSB_ESUITE, 0,
					"%u nodes do not make %u pipelines of equal length", nodes, replicas);
		s->stages = nodes / replicas;
	}
	if (r->n_split) {
		if (s->stages && s->stages != r->n_split)
			return lsb_fail(err, LSB_ESUITE, 0, "a split into %zu stages does not fit %u of them",
					r->n_split, s->stages);
		s->stages = (uint32_t)r->n_split;
		s->layers = r->split;
		return LSB_OK;
	}
	if (!s->stages)
		return LSB_OK;
	if (s->stages > STAGES_MAX)
		return lsb_fail(err, LSB_ESUITE, 0, "%u stages are more than %d", s->stages, STAGES_MAX);
	lsb_predictor_macs(p, &layer, &head);
	lsb_predictor_work(p, &prompt, &generated);
	cost = lsb_split_cost(layer, head, prompt, generated);
	s->layers = layers;
	return lsb_split_layers(lsb_predictor_layers(p), s->stages, cost.layer, cost.head, layers, err);
}

/* All combinations of the lists into `predictions`. */
static int answer(const struct lsb_predictor *p, const struct request *r, json_t *predictions,
		  struct lsb_error *err)
{
	const size_t n[3] = { r->nodes.n ? r->nodes.n : 1, r->batch.n ? r->batch.n : 1,
			      r->in_flight.n ? r->in_flight.n : 1 };
	uint32_t layers[STAGES_MAX];

	if (n[0] * n[1] * n[2] > ANSWERS_MAX)
		return lsb_fail(err, LSB_ESUITE, 0, "%zu combinations are more than %d", n[0] * n[1] * n[2],
				ANSWERS_MAX);
	for (size_t i = 0; i < n[0] * n[1] * n[2]; i++) {
		struct lsb_predict_settings s = r->settings;
		json_t *prediction;
		int rc;

		if (r->batch.n)
			s.batch = r->batch.values[i / n[2] % n[1]];
		if (r->in_flight.n)
			s.in_flight = r->in_flight.values[i % n[2]];
		rc = arrange(p, r, r->nodes.n ? r->nodes.values[i / n[2] / n[1]] : 0, &s, layers, err);
		if (rc == LSB_OK)
			rc = lsb_predict(p, &s, &prediction, err);
		if (rc)
			return rc;
		json_array_append_new(predictions, prediction);
	}
	return LSB_OK;
}

static int show(const struct request *r, const json_t *document)
{
	struct lsb_text text = { 0 };

	lsb_prediction_render(document, r->format, &text);
	if (text.failed) {
		fputs("lsbench predict: no memory for the answer\n", stderr);
		return LSB_EXIT_IO;
	}
	fputs(text.data, stdout);
	lsb_text_free(&text);
	return lsb_cli_done(LSB_EXIT_OK);
}

int lsb_cmd_predict(int argc, char **argv)
{
	static const struct option options[] = { { "point", required_argument, NULL, 'p' },
						 { "nodes", required_argument, NULL, 'n' },
						 { "batch", required_argument, NULL, 'b' },
						 { "in-flight", required_argument, NULL, 'i' },
						 { "split", required_argument, NULL, 's' },
						 { "link", required_argument, NULL, 'l' },
						 { "format", required_argument, NULL, 'f' },
						 { "replicas", required_argument, NULL, REPLICAS },
						 { "chunk", required_argument, NULL, CHUNK },
						 { "prompts", required_argument, NULL, PROMPTS },
						 { "max-new", required_argument, NULL, MAX_NEW },
						 { "arrivals", required_argument, NULL, ARRIVALS },
						 { "apart", no_argument, NULL, APART },
						 { "holdout", no_argument, NULL, HOLDOUT },
						 { "help", no_argument, NULL, 'h' },
						 { NULL, 0, NULL, 0 } };
	struct request request = { 0 };
	struct lsb_predictor *predictor = NULL;
	struct lsb_error err = { 0 };
	json_t *predictions, *holdout = NULL, *document;
	int option, rc;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(help, stdout);
			return lsb_cli_done(LSB_EXIT_OK);
		}
		rc = parse_option(option, &request);
		if (rc)
			return rc;
	}
	if (argc - optind != 1)
		return lsb_cli_usage("predict",
				     argc == optind ? "which results folder?" : "more than one folder");
	request.dir = argv[optind];
	rc = open_predictor(&request, &predictor, &err);
	if (rc) {
		/* whatever is wrong with a results folder is a matter of results */
		lsb_cli_failed(&err);
		return rc == LSB_ESUITE ? LSB_EXIT_USAGE : LSB_EXIT_IO;
	}
	predictions = json_array();
	if (!request.only_holdout)
		rc = answer(predictor, &request, predictions, &err);
	if (rc == LSB_OK)
		rc = lsb_predict_holdout(predictor, &holdout, &err);
	lsb_predictor_close(predictor);
	document = json_pack("{s:i, s:o, s:o}", "schema", 1, "predictions", predictions, "holdout",
			     holdout ? holdout : json_null());
	if (rc) {
		lsb_cli_failed(&err);
		rc = rc == LSB_ENOMEM ? LSB_EXIT_IO : LSB_EXIT_USAGE; /* settings that cannot be */
	} else {
		rc = show(&request, document);
	}
	json_decref(document);
	return rc;
}
