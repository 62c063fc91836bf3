/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `lsbench plan SUITE.ini`: what would run, and nothing is started. Plugins are
 * asked through a child (plugin/inspect.h), once for each combination of them.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "cli/cli.h"
#include "cli/plan.h"
#include "launch/choose.h"
#include "launch/prepare.h"
#include "plugin/loader.h"

static const char help[] =
	"usage: lsbench plan SUITE.ini [--set [CASE.]KEY=VALUE]... [--only GLOB] [OPTION]...\n\n"
	"Prints every point that the suite would run: factors, layer split, KV cache, launches, what it is "
	"compared\n"
	"with, and an estimate of the time. Starts nothing.\n\n"
	"  --set [CASE.]KEY=VALUE  override a key of every case, or of one\n"
	"  --only GLOB             only points whose case or label matches\n"
	"  --reps N                the same as --set reps=N\n"
	"  --origins               every key, with where its value was written\n"
	"  --rate GMAC             giga multiply-accumulates a second of one thread, for the estimate\n"
	"  --plugins DIR           search here first (default: what LSBENCH_PLUGINS says)\n"
	"  --json                  print it as JSON\n";

/*
 * One thread of backend-cpu, decoding one sequence of the default model on a
 * 2023 server core: 264 tokens/s x 134 million multiply-accumulates. Prefill
 * and batches are faster, so an estimate with it is rather too long.
 */
static const double cpu_gmac_per_s = 35;

struct arguments {
	const char **sets; /* owned array of borrowed texts, but for `reps` */
	size_t n_sets;
	char *reps; /* "reps=N", owned */
	const char *path, *only, *plugins;
	double gmac;
	int json, origins;
};

/* 0: go on; otherwise the exit status + 1. */
static int parse_arguments(int argc, char **argv, struct arguments *a)
{
	static const struct option options[] = { { "set", required_argument, NULL, 's' },
						 { "only", required_argument, NULL, 'o' },
						 { "reps", required_argument, NULL, 'r' },
						 { "origins", no_argument, NULL, 'w' },
						 { "rate", required_argument, NULL, 'm' },
						 { "json", no_argument, NULL, 'j' },
						 { "plugins", required_argument, NULL, 'p' },
						 { "help", no_argument, NULL, 'h' },
						 { NULL, 0, NULL, 0 } };
	struct lsb_error err;
	int option;

	a->sets = calloc((size_t)argc + 1, sizeof(*a->sets));
	if (!a->sets)
		return LSB_EXIT_IO + 1;
	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (option) {
		case 'h':
			fputs(help, stdout);
			return lsb_cli_done(LSB_EXIT_OK) + 1;
		case 's':
			a->sets[a->n_sets++] = optarg;
			break;
		case 'r':
			free(a->reps);
			a->reps = lsb_format("reps=%s", optarg);
			break;
		case 'o':
			a->only = optarg;
			break;
		case 'p':
			a->plugins = optarg;
			break;
		case 'm':
			if (lsb_parse_real(optarg, &a->gmac, &err) || a->gmac <= 0)
				return lsb_cli_usage("plan", "--rate wants a number above 0, not '%s'",
						     optarg) +
				       1;
			break;
		case 'j':
			a->json = 1;
			break;
		case 'w':
			a->origins = 1;
			break;
		default:
			return LSB_EXIT_USAGE + 1;
		}
	}
	if (optind + 1 != argc)
		return lsb_cli_usage("plan", "wanted one SUITE.ini") + 1;
	a->path = argv[optind];
	if (a->reps)
		a->sets[a->n_sets++] = a->reps;
	return 0;
}

static json_t *point_request(const struct lsb_point *p, const char *folders)
{
	json_t *request = json_pack("{s:s, s:s, s:s, s:o}", "want", "plan", "folders", folders, "base",
				    p->base, "transport", lsb_prepare_plugin(&p->transport));

	if (!request || p->kind == LSB_CASE_LINK)
		return request;
	json_object_set_new(request, "model", json_string(p->model));
	json_object_set_new(request, "prompts", json_integer(p->distinct));
	json_object_set_new(request, "backend", lsb_prepare_plugin(&p->backend));
	json_object_set_new(request, "workload", lsb_prepare_plugin(&p->workload));
	return request;
}

/* The answer for one point, from `known` (request text to answer) if the same was asked before. Borrowed. */
static int ask(const struct lsb_point *p, const char *folders, json_t *known, const json_t **reply,
	       struct lsb_error *err)
{
	json_t *request = point_request(p, folders), *answer = NULL;
	char *key = request ? json_dumps(request, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	int rc = LSB_OK;

	if (!key) {
		json_decref(request);
		return lsb_fail(err, LSB_ESUITE, 0, "point '%s': a name or an option is not UTF-8", p->label);
	}
	*reply = json_object_get(known, key);
	if (!*reply) {
		rc = lsb_cli_inspect(request, 0, &answer, err);
		if (rc == LSB_OK)
			json_object_set_new(known, key, answer);
		*reply = json_object_get(known, key);
	} else {
		json_decref(request);
	}
	free(key);
	return rc;
}

/* One rate for the whole suite, or none. */
static void choose_rate(const struct lsb_suite *suite, double gmac, char *basis, size_t bytes,
			struct lsb_plan_rate *out)
{
	const char *other = NULL;

	for (size_t i = 0; i < suite->n_points; i++)
		if (strcmp(suite->points[i].backend.name, "cpu") != 0 ||
		    suite->points[i].kind == LSB_CASE_LINK)
			other = suite->points[i].kind == LSB_CASE_LINK ? "a link benchmark"
								       : suite->points[i].backend.name;
	*out = (struct lsb_plan_rate){ .basis = basis };
	if (gmac > 0 || !other) {
		out->macs_per_s = (gmac > 0 ? gmac : cpu_gmac_per_s) * 1e9;
		(void)snprintf(
			basis, bytes,
			"computing alone, at %g GMAC/s a thread, %s; no overlap of stages, no loading, no "
			"start-up",
			out->macs_per_s / 1e9,
			gmac > 0 ? "as given" : "about what one sequence gets on a 2023 server core");
	} else {
		(void)snprintf(basis, bytes, "no rate is known for %s; --rate gives one", other);
	}
}

/* Who would start the points; `prepared` has what is known of each. */
static int choose_launchers(struct lsb_prepared *prepared, struct lsb_plan_facts *facts,
			    struct lsb_error *err)
{
	const int rc = lsb_launchers_settle(prepared, err);

	for (size_t i = 0; i < prepared->n_points && rc == LSB_OK; i++) {
		const struct lsb_prepared_point *p = &prepared->points[i];

		if (p->code && p->code != LSB_EUNAVAIL)
			return lsb_fail(err, p->code, 0, "point '%s': %s", p->point->label, p->reason);
		facts[i].launcher = p->launcher->name;
		facts[i].why_launcher = p->why_launcher;
		if (p->reason)
			(void)snprintf(facts[i].waived, sizeof(facts[i].waived), "%s", p->reason);
	}
	return rc;
}

static int plan_points(const struct lsb_suite *suite, const char *folders, const struct arguments *a,
		       struct lsb_error *err)
{
	struct lsb_plan_facts *facts = calloc(suite->n_points, sizeof(*facts));
	struct lsb_prepared prepared = { .suite = suite,
					 .points = calloc(suite->n_points, sizeof(*prepared.points)),
					 .n_points = suite->n_points };
	json_t *known = json_object();
	struct lsb_plan_rate rate;
	char basis[256];
	int rc = facts && known && prepared.points ? LSB_OK
						   : lsb_fail(err, LSB_ENOMEM, 0, "no memory to plan");

	choose_rate(suite, a->gmac, basis, sizeof(basis), &rate);
	for (size_t i = 0; i < suite->n_points && rc == LSB_OK; i++) {
		const struct lsb_point *p = prepared.points[i].point = &suite->points[i];
		const json_t *reply = NULL;

		rc = ask(p, folders, known, &reply, err);
		if (rc == LSB_OK)
			rc = lsb_plan_facts_find(p, reply, &rate, &facts[i], err);
		if (rc)
			break;
		prepared.points[i].code = *facts[i].waived ? LSB_EUNAVAIL : LSB_OK;
		lsb_launcher_needs(&prepared.points[i],
				   p->nodes > 1 ? json_object_get(reply, "transport") : NULL);
	}
	if (rc == LSB_OK)
		rc = choose_launchers(&prepared, facts, err);
	if (rc == LSB_OK && a->json)
		rc = lsb_plan_print_json(suite, facts, &rate, a->origins, err);
	else if (rc == LSB_OK)
		lsb_plan_print_text(suite, facts, &rate, a->origins);
	for (size_t i = 0; facts && i < suite->n_points; i++)
		lsb_plan_facts_free(&facts[i]);
	free(facts);
	lsb_prepared_free(&prepared);
	json_decref(known);
	return rc;
}

int lsb_cmd_plan(int argc, char **argv)
{
	struct arguments a = { 0 };
	struct lsb_suite_request request;
	struct lsb_suite *suite = NULL;
	struct lsb_diagnostics diag = { 0 };
	char folders[16384];
	struct lsb_error err;
	int status = parse_arguments(argc, argv, &a);

	if (status) {
		status--;
		goto done;
	}
	if (lsb_plugin_folders(a.plugins, folders, sizeof(folders), &err)) {
		status = lsb_cli_failed(&err);
		goto done;
	}
	request = (struct lsb_suite_request){
		.path = a.path, .sets = a.sets, .n_sets = a.n_sets, .only = a.only, .folders = folders
	};
	if (lsb_suite_load(&request, &suite, &diag)) {
		lsb_diagnostics_print(&diag, stderr);
		status = LSB_EXIT_USAGE;
		goto done;
	}
	status = plan_points(suite, folders, &a, &err) ? lsb_cli_failed(&err) : LSB_EXIT_OK;
	status = lsb_cli_done(status);
done:
	lsb_diagnostics_free(&diag);
	lsb_suite_free(suite);
	free(a.reps);
	free(a.sets);
	return status;
}
