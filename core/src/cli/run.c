/* SPDX-License-Identifier: Apache-2.0 */
/* `lsbench SUITE.ini`: run a suite and report. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base.h"
#include "cli/cli.h"
#include "cli/profile.h"
#include "launch/results.h"
#include "launch/run.h"
#include "launch/world.h"
#include "plugin/loader.h"
#include "report/report.h"

static const char help[] = "usage: lsbench SUITE.ini [OPTION]...\n\n"
			   "Run every point of a suite and report.\n\n"
			   "  --set [CASE.]KEY=VALUE  override a key, of one case or of all\n"
			   "  --only GLOB             only points whose case or label matches\n"
			   "  --reps N                launches of each point\n"
			   "  --out DIR               results folder; default results/SUITE-TIME\n"
			   "  --resume DIR            go on with a run that was cut short\n"
			   "  --plugins DIR           look for plugins there first\n"
			   "  --profile               have backends mark their steps for a profiler\n"
			   "  --no-html               no report.html\n"
			   "  --strict                waived and flagged points count as failed\n"
			   "  --quiet                 no progress\n";

struct options {
	const char *suite, *only, *out, *resume, *plugins;
	const char **sets; /* [n_sets], owned */
	size_t n_sets;
	char *reps; /* "reps=N", owned; also among the sets */
	int is_quiet, is_strict, no_html, profiles, wants_help;
};

static int read_options(int argc, char **argv, struct options *o)
{
	static const struct option names[] = {
		{ "set", required_argument, NULL, 's' },    { "only", required_argument, NULL, 'o' },
		{ "reps", required_argument, NULL, 'r' },   { "out", required_argument, NULL, 'd' },
		{ "resume", required_argument, NULL, 'R' }, { "plugins", required_argument, NULL, 'p' },
		{ "profile", no_argument, NULL, 'P' },	    { "quiet", no_argument, NULL, 'q' },
		{ "no-html", no_argument, NULL, 'H' },	    { "strict", no_argument, NULL, 'S' },
		{ "help", no_argument, NULL, 'h' },	    { 0 },
	};
	int c;

	o->sets = calloc((size_t)argc + 1, sizeof(*o->sets));
	if (!o->sets)
		return lsb_cli_usage("run", "no memory for the options");
	opterr = 0;
	optind = 1;
	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (c) {
		case 's':
			o->sets[o->n_sets++] = optarg;
			break;
		case 'r':
			free(o->reps);
			o->reps = lsb_format("reps=%s", optarg);
			break;
		case 'o':
			o->only = optarg;
			break;
		case 'd':
			o->out = optarg;
			break;
		case 'R':
			o->resume = optarg;
			break;
		case 'p':
			o->plugins = optarg;
			break;
		case 'P':
			o->profiles = 1;
			break;
		case 'q':
			o->is_quiet = 1;
			break;
		case 'H':
			o->no_html = 1;
			break;
		case 'S':
			o->is_strict = 1;
			break;
		case 'h':
			o->wants_help = 1;
			return LSB_EXIT_OK;
		default:
			return lsb_cli_usage("run", "'%s' is no option, or lacks its value",
					     argv[optind - 1]);
		}
	}
	if (o->reps)
		o->sets[o->n_sets++] = o->reps;
	if (argc - optind != 1)
		return lsb_cli_usage("run", argc == optind ? "which suite?" : "more than one suite");
	if (o->resume && o->out)
		return lsb_cli_usage("run", "--resume and --out both name a results folder: use one");
	o->suite = argv[optind];
	return LSB_EXIT_OK;
}

static int read_suite(const struct options *o, const char **sets, size_t n_sets, const char *folders,
		      struct lsb_suite **suite)
{
	const struct lsb_suite_request request = {
		.path = o->suite,
		.sets = sets,
		.n_sets = n_sets,
		.only = o->only,
		.folders = folders,
	};
	struct lsb_diagnostics findings = { 0 };
	const int rc = lsb_suite_load(&request, suite, &findings);

	lsb_diagnostics_print(&findings, stderr);
	lsb_diagnostics_free(&findings);
	return lsb_exit_status(rc);
}

/* Read the suite once more, with what --profile makes of it: ids of points follow from all that is set. */
static int read_profiled(const struct options *o, const char *folders, struct lsb_suite **suite)
{
	struct lsb_profile profile;
	struct lsb_error err = { 0 };
	const char **sets = NULL;
	int status = LSB_EXIT_OK;

	if (lsb_profile_find(*suite, folders, &profile, &err))
		status = lsb_cli_failed(&err);
	else if (!(sets = calloc(o->n_sets + profile.n_sets, sizeof(*sets))))
		status = lsb_cli_usage("run", "no memory for the options");
	if (status == LSB_EXIT_OK) {
		lsb_suite_free(*suite);
		*suite = NULL;
		memcpy(sets, o->sets, o->n_sets * sizeof(*sets));
		for (size_t i = 0; i < profile.n_sets; i++)
			sets[o->n_sets + i] = profile.sets[i];
		status = read_suite(o, sets, o->n_sets + profile.n_sets, folders, suite);
	}
	if (status == LSB_EXIT_OK)
		fprintf(stderr, "lsbench: --profile: %s\n", profile.how);
	free(sets);
	lsb_profile_free(&profile);
	return status;
}

static int load_suite(const struct options *o, const char *folders, struct lsb_suite **suite)
{
	const int status = read_suite(o, o->sets, o->n_sets, folders, suite);

	return status == LSB_EXIT_OK && o->profiles ? read_profiled(o, folders, suite) : status;
}

/*
 * Tell what is wrong with points, each reason once. A suite that cannot be is
 * refused as a whole; one of which no point can be launched for want of a model
 * or plugin, as well. Otherwise the run tells about the broken ones.
 */
static int check_prepared(const struct lsb_prepared *p)
{
	int refusal = LSB_OK, common = LSB_OK;
	size_t n_broken = 0;

	for (size_t i = 0; i < p->n_points; i++) {
		const struct lsb_prepared_point *point = &p->points[i];
		int told = 0;

		if (point->code == LSB_OK || point->code == LSB_EUNAVAIL)
			continue;
		n_broken++;
		if (point->code == LSB_ESUITE || point->code == LSB_EINVAL)
			refusal = point->code;
		common = common ? common : point->code;
		for (size_t k = 0; k < i && !told; k++)
			told = p->points[k].reason && strcmp(p->points[k].reason, point->reason) == 0;
		if (!told)
			fprintf(stderr, "lsbench: %s: %s\n", point->point->label, point->reason);
	}
	if (refusal == LSB_OK && p->n_points && n_broken == p->n_points)
		refusal = common;
	return lsb_exit_status(refusal);
}

/* results/NAME-TIME, unless the user or the suite says another; malloc'ed. */
static char *results_folder(const struct options *o, const struct lsb_suite *suite)
{
	const time_t now = time(NULL);
	char when[32] = "now";
	struct tm local;

	if (o->resume || o->out)
		return strdup(o->resume ? o->resume : o->out);
	if (suite->out && *suite->out)
		return strdup(suite->out);
	if (localtime_r(&now, &local))
		(void)strftime(when, sizeof(when), "%Y%m%d-%H%M%S", &local);
	return lsb_format("results/%s-%s", suite->name, when);
}

static int has_flags(const json_t *summary)
{
	const json_t *point;
	size_t i;

	json_array_foreach(json_object_get(summary, "points"), i, point)
	{
		if (json_array_size(json_object_get(point, "flags")))
			return 1;
	}
	return 0;
}

/* What the user is told, and the exit status that follows, once the reports of a run were tried to write. */
static int conclude(const struct options *o, const struct lsb_run_request *request,
		    const struct lsb_run_result *result, const json_t *summary,
		    const struct lsb_error *failed)
{
	printf("%s\n", request->folder);
	if (result->interrupted) {
		fprintf(stderr, "lsbench: interrupted; go on with --resume %s\n", request->folder);
		return LSB_EXIT_INTERRUPTED;
	}
	if (failed)
		return lsb_cli_failed(failed);
	if (result->n_failed)
		return result->code == LSB_EMODEL || result->code == LSB_EPLUGIN
			       ? lsb_exit_status(result->code)
			       : LSB_EXIT_FAILED;
	if (o->is_strict && (result->n_waived || has_flags(summary))) {
		fprintf(stderr, "lsbench: some points are waived or flagged, and --strict was given\n");
		return LSB_EXIT_FAILED;
	}
	return LSB_EXIT_OK;
}

static int run_and_report(const struct options *o, const struct lsb_run_request *request)
{
	struct lsb_run_result result;
	struct lsb_error err = { 0 };
	json_t *summary = NULL;
	int rc = lsb_run(request, &result, &err), status;

	if (rc)
		return lsb_cli_failed(&err);
	rc = lsb_report_write(request->folder, o->no_html ? LSB_REPORT_NO_HTML : 0, &summary, &err);
	if (rc == LSB_OK && !o->is_quiet)
		lsb_cli_print_report(summary);
	status = conclude(o, request, &result, summary, rc ? &err : NULL);
	json_decref(summary);
	return status;
}

static int run_suite(const struct options *o, int argc, char **argv)
{
	struct lsb_prepared prepared = { 0 };
	struct lsb_suite *suite = NULL;
	struct lsb_error err = { 0 };
	char folders[8192], *folder;
	json_t *before = NULL;
	int status;

	if (lsb_plugin_folders(o->plugins, folders, sizeof(folders), &err))
		return lsb_cli_failed(&err);
	status = load_suite(o, folders, &suite);
	if (status) {
		lsb_suite_free(suite);
		return status;
	}
	folder = results_folder(o, suite);
	if (o->resume)
		before = lsb_results_header(o->resume);
	if (!folder)
		status = LSB_EXIT_IO;
	else if (lsb_prepare(suite, folders, before, &prepared, &err))
		status = lsb_cli_failed(&err);
	else
		status = check_prepared(&prepared);
	if (status == LSB_EXIT_OK)
		status = run_and_report(o, &(struct lsb_run_request){
						   .prepared = &prepared,
						   .argc = argc,
						   .argv = argv,
						   .folder = folder,
						   .is_resumed = o->resume != NULL,
						   .is_quiet = o->is_quiet,
					   });
	free(folder);
	json_decref(before);
	lsb_prepared_free(&prepared);
	lsb_suite_free(suite);
	return status;
}

static const char *variable(const char *name)
{
	return getenv(name);
}

/* One lsbench starts all ranks; several of them, started as ranks, would each run the whole suite. */
static int check_alone(const struct options *o)
{
	struct lsb_world_place place;

	if (lsb_world_find(variable, &place, NULL) || place.size == 1)
		return LSB_EXIT_OK;
	fprintf(stderr,
		"lsbench: this is rank %d of %d that %s has started, and lsbench starts the ranks itself: "
		"run "
		"it once, as 'lsbench %s --set launcher=%s'\n",
		place.rank, place.size, place.launcher, o->suite,
		strncmp(place.launcher, "srun", 4) == 0 ? "srun" : "mpirun");
	return LSB_EXIT_USAGE;
}

int lsb_cmd_run(int argc, char **argv)
{
	char **typed =
		calloc((size_t)argc + 1, sizeof(*typed)); /* getopt_long puts argv into another order */
	struct options o = { 0 };
	int status;

	if (!typed)
		return lsb_cli_usage("run", "no memory for the command line");
	memcpy(typed, argv, (size_t)argc * sizeof(*typed));
	status = read_options(argc, argv, &o);

	if (status == LSB_EXIT_OK && o.wants_help)
		fputs(help, stdout);
	else if (status == LSB_EXIT_OK && (status = check_alone(&o)) == LSB_EXIT_OK)
		status = run_suite(&o, argc, typed);
	free(typed);
	free(o.sets);
	free(o.reps);
	return lsb_cli_done(status);
}
