/* SPDX-License-Identifier: Apache-2.0 */
/* `lsbench compare`: what differs between two runs, or within one, and how sure that is. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "cli/cli.h"
#include "report/compare.h"

static const char help[] =
	"usage: lsbench compare A B [OPTION]...             two results folders\n"
	"       lsbench compare DIR --axis KEY[=X,Y] ...    points of DIR that differ in KEY alone\n"
	"       lsbench compare DIR X Y ...                 two points or two cases of DIR\n\n"
	"A (or X, or the first value) is the baseline, B is judged: faster, slower, no difference\n"
	"seen, or unknown, with the ratio B / A and its interval. Points of two folders pair by id;\n"
	"what else differs (program, plugins, model, hosts) is told. X and Y are ids, cases, or\n"
	"starts of labels; points of two cases pair by their sweep values.\n\n"
	"  --metric NAME       may be repeated; default: tokens_per_s, ttft_p50_s, tpot_p50_s\n"
	"  --threshold PERCENT slower by more than so much fails; default: 0, any slower one\n"
	"  --format text|markdown|json    markdown fits a pull request\n\n"
	"Example: lsbench compare results/transports --axis transport=tcp,mpi --metric run_s\n"
	"Exit status: 0 ok, 1 something is slower or fails now, 2 usage, 5 results. See docs/compare.md.\n";

enum { METRICS_MAX = 64 };

struct request {
	const char *a, *b;
	struct lsb_compare_options options;
	const char *metrics[METRICS_MAX];
	enum lsb_compare_format format;
};

static int parse_threshold(const char *text, struct request *r)
{
	struct lsb_error err = { 0 };
	double percent;

	if (lsb_parse_real(text, &percent, &err) || !(percent >= 0 && percent <= 1000))
		return lsb_cli_usage("compare", "--threshold takes a number of percent from 0 on, not '%s'",
				     text);
	r->options.threshold = percent / 100;
	return 0;
}

static int parse_option(int option, struct request *r)
{
	switch (option) {
	case 'a':
		if (r->options.axis)
			return lsb_cli_usage("compare", "--axis is given once");
		r->options.axis = optarg;
		return 0;
	case 'm':
		if (r->options.n_metrics == METRICS_MAX)
			return lsb_cli_usage("compare", "more than %d metrics", METRICS_MAX);
		r->metrics[r->options.n_metrics++] = optarg;
		return 0;
	case 't':
		return parse_threshold(optarg, r);
	case 'f':
		if (lsb_compare_format(optarg, &r->format) == 0)
			return 0;
		return lsb_cli_usage("compare", "--format is text, markdown or json, not '%s'", optarg);
	default:
		return LSB_EXIT_USAGE;
	}
}

/* The folders and names on the command line. */
static int parse_operands(int n, char **operands, struct request *r)
{
	if (n == 0)
		return lsb_cli_usage("compare", "which results folders?");
	r->a = operands[0];
	if (r->options.axis) {
		if (n > 1)
			return lsb_cli_usage("compare", "--axis compares within one folder, not %d", n);
	} else if (n == 2) {
		r->b = operands[1];
	} else if (n == 3) {
		r->options.first = operands[1];
		r->options.second = operands[2];
	} else {
		return lsb_cli_usage("compare",
				     n == 1 ? "with what? Give another folder, --axis, or two points"
					    : "too many folders and points");
	}
	return 0;
}

static int is_measured(const json_t *comparison, const char *metric)
{
	const json_t *pair;
	size_t i;

	json_array_foreach(json_object_get(comparison, "pairs"), i, pair)
	{
		const json_t *its = json_object_get(json_object_get(pair, "metrics"), metric);

		if (json_is_number(json_object_get(its, "a")) || json_is_number(json_object_get(its, "b")))
			return 1;
	}
	return 0;
}

/* How many of the names on the command line are no metric of any point, each told: most likely typing errors.
 */
static int count_unknown(const struct request *r, const json_t *comparison)
{
	int n = 0;

	for (size_t i = 0; i < r->options.n_metrics; i++) {
		if (is_measured(comparison, r->options.metrics[i]))
			continue;
		fprintf(stderr, "lsbench compare: no point has a metric '%s'\n", r->options.metrics[i]);
		n++;
	}
	return n;
}

static int show(const struct request *r, const json_t *comparison)
{
	const json_t *verdicts = json_object_get(comparison, "verdicts");
	const int worse = json_integer_value(json_object_get(verdicts, "slower_beyond_threshold")) > 0 ||
			  json_integer_value(json_object_get(verdicts, "broken")) > 0;
	struct lsb_text text = { 0 };

	lsb_compare_render(comparison, r->format, &text);
	if (text.failed) {
		fputs("lsbench compare: no memory for the answer\n", stderr);
		return LSB_EXIT_IO;
	}
	fputs(text.data, stdout);
	lsb_text_free(&text);
	return lsb_cli_done(worse ? LSB_EXIT_FAILED : LSB_EXIT_OK);
}

int lsb_cmd_compare(int argc, char **argv)
{
	static const struct option options[] = { { "axis", required_argument, NULL, 'a' },
						 { "metric", required_argument, NULL, 'm' },
						 { "threshold", required_argument, NULL, 't' },
						 { "format", required_argument, NULL, 'f' },
						 { "help", no_argument, NULL, 'h' },
						 { NULL, 0, NULL, 0 } };
	struct request request = { 0 };
	json_t *comparison = NULL;
	struct lsb_error err = { 0 };
	int option, rc, is_named;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(help, stdout);
			return lsb_cli_done(LSB_EXIT_OK);
		}
		rc = parse_option(option, &request);
		if (rc)
			return rc;
	}
	rc = parse_operands(argc - optind, argv + optind, &request);
	if (rc)
		return rc;
	is_named = request.options.n_metrics > 0;
	request.options.metrics = is_named ? request.metrics : lsb_compare_headline;
	if (!is_named)
		request.options.n_metrics = lsb_n_compare_headline;
	rc = lsb_compare_folders(request.a, request.b, &request.options, &comparison, &err);
	if (rc)
		return lsb_cli_failed(&err);
	rc = show(&request, comparison);
	if (is_named && count_unknown(&request, comparison) && rc == LSB_EXIT_OK)
		rc = LSB_EXIT_USAGE; /* a gate on what nothing measured must not pass */
	json_decref(comparison);
	return rc;
}
