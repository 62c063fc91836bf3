/* SPDX-License-Identifier: Apache-2.0 */
/* `lsbench score`: judge predictions against references with a workload's own metrics. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "cli/cli.h"
#include "plugin/loader.h"

enum { FILE_MAX_BYTES = 1 << 30 };

static const char help[] =
	"usage: lsbench score --workload NAME REF.jsonl PRED.jsonl\n\n"
	"REF has lines {\"id\", \"reference\"}, PRED lines {\"id\", \"prediction\"}. Prints {\"n\", METRIC: "
	"mean, ...}\n"
	"over the references; one without a prediction counts as an empty answer and is told on stderr.\n\n"
	"  --workload NAME  whose metrics (default: summarize: ROUGE-1, -2, -L, -Lsum F-measures, "
	"Porter-stemmed)\n"
	"  --plugins DIR    search for plugins here first\n";

/* {id: text} of the lines of `path`, whose text is under `key`; a new reference. */
static int read_texts(const char *path, const char *key, json_t **out, struct lsb_error *err)
{
	char *data = NULL, *line, *rest;
	size_t bytes, number = 0;
	int rc = lsb_file_read(path, FILE_MAX_BYTES, &data, &bytes, err);

	if (rc)
		return rc;
	*out = json_object();
	rest = data;
	while (rc == LSB_OK && (line = strsep(&rest, "\n")) != NULL) {
		json_error_t where;
		json_t *object, *id, *text;
		char *name = NULL;

		number++;
		if (line[strspn(line, " \t\r")] == '\0')
			continue;
		object = json_loads(line, 0, &where);
		id = json_object_get(object, "id");
		text = json_object_get(object, key);
		if (json_is_string(id))
			name = strdup(json_string_value(id));
		else if (json_is_integer(id))
			name = lsb_format("%lld", (long long)json_integer_value(id));
		if (!object)
			rc = lsb_fail(err, LSB_EIO, 0, "%s:%zu: %s", path, number, where.text);
		else if (!name || !json_is_string(text))
			rc = lsb_fail(err, LSB_EIO, 0, "%s:%zu: wanted {\"id\": ..., \"%s\": text}", path,
				      number, key);
		else if (json_object_get(*out, name))
			rc = lsb_fail(err, LSB_EIO, 0, "%s:%zu: id '%s' is there twice", path, number, name);
		else
			json_object_set(*out, name, text);
		free(name);
		json_decref(object);
	}
	free(data);
	if (rc == LSB_OK && json_object_size(*out) == 0)
		rc = lsb_fail(err, LSB_EIO, 0, "'%s' has no lines", path);
	return rc;
}

/* Sums of each metric over all references into `sums`. */
static int score_all(const struct lsb_workload_ops *ops, struct lsb_workload *workload,
		     const json_t *references, const json_t *predictions, json_t *sums, struct lsb_error *err)
{
	struct lsb_metric scores[LSB_SCORES_MAX];
	const char *id;
	json_t *reference;

	json_object_foreach((json_t *)references, id, reference)
	{
		const json_t *prediction = json_object_get(predictions, id);
		const struct lsb_answer answer = { .struct_size = sizeof(answer),
						   .text = prediction ? json_string_value(prediction) : "",
						   .reference = json_string_value(reference) };
		size_t n = 0;
		const int rc = ops->score(workload, &answer, scores, &n, err);

		if (rc)
			return rc;
		if (!prediction)
			fprintf(stderr, "lsbench: no prediction for '%.80s': counted as empty\n", id);
		for (size_t i = 0; i < n && i < LSB_SCORES_MAX; i++) {
			const double before = json_number_value(json_object_get(sums, scores[i].name));

			json_object_set_new(sums, scores[i].name, json_real(before + scores[i].value));
		}
	}
	json_object_foreach((json_t *)predictions, id, reference) if (!json_object_get(references, id))
		fprintf(stderr, "lsbench: no reference for '%.80s': left out\n", id);
	return LSB_OK;
}

static int score(const char *name, const char *plugins, const char *const paths[2], struct lsb_error *err)
{
	struct lsb_workload *workload = NULL;
	struct lsb_loaded *loaded = NULL;
	json_t *references = NULL, *predictions = NULL, *sums = json_object(), *sum;
	char folders[16384];
	const char *metric;
	int rc = lsb_plugin_folders(plugins, folders, sizeof(folders), err);

	if (rc == LSB_OK)
		rc = lsb_plugin_load(LSB_WORKLOAD, name, folders, &loaded, err);
	if (rc == LSB_OK && !LSB_HAS(&loaded->ops.workload, score))
		rc = lsb_fail(err, LSB_ESUITE, 0, "workload '%s' has no way to score answers", name);
	if (rc == LSB_OK)
		rc = lsb_loaded_configure(loaded, NULL, 0, NULL, err);
	if (rc == LSB_OK)
		rc = loaded->ops.workload.open(&loaded->host, loaded->options, &workload, err);
	if (rc == LSB_OK)
		rc = read_texts(paths[0], "reference", &references, err);
	if (rc == LSB_OK)
		rc = read_texts(paths[1], "prediction", &predictions, err);
	if (rc == LSB_OK)
		rc = score_all(&loaded->ops.workload, workload, references, predictions, sums, err);
	if (rc == LSB_OK) {
		const size_t n = json_object_size(references);

		printf("{\"n\": %zu", n);
		json_object_foreach(sums, metric, sum)
			printf(", \"%s\": %.9g", metric, json_number_value(sum) / (double)n);
		puts("}");
	}
	json_decref(sums);
	json_decref(references);
	json_decref(predictions);
	if (workload)
		loaded->ops.workload.close(workload);
	lsb_loaded_free(loaded);
	return rc;
}

int lsb_cmd_score(int argc, char **argv)
{
	static const struct option options[] = { { "workload", required_argument, NULL, 'w' },
						 { "plugins", required_argument, NULL, 'p' },
						 { "help", no_argument, NULL, 'h' },
						 { NULL, 0, NULL, 0 } };
	const char *name = "summarize", *plugins = NULL, *paths[2];
	struct lsb_error err = { 0 };
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(help, stdout);
			return lsb_cli_done(LSB_EXIT_OK);
		}
		if (option == 'w')
			name = optarg;
		else if (option == 'p')
			plugins = optarg;
		else
			return LSB_EXIT_USAGE;
	}
	if (optind + 2 != argc)
		return lsb_cli_usage("score", "wanted two files: REF.jsonl PRED.jsonl");
	paths[0] = argv[optind];
	paths[1] = argv[optind + 1];
	return score(name, plugins, paths, &err) ? lsb_cli_failed(&err) : lsb_cli_done(LSB_EXIT_OK);
}
