/* SPDX-License-Identifier: Apache-2.0 */
/* `lsbench check FILE.so`: does a plugin keep the rules of the SDK's headers? */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "cli/cli.h"
#include "plugin/loader.h"

enum { CHECK_TIMEOUT_MS = 120000 };

static const char help[] = "usage: lsbench check FILE.so [--set OPTION=VALUE]... [--model MODEL] [--json]\n\n"
			   "Runs a plugin in a process of its own and tries what the SDK's headers promise: "
			   "the descriptor, and\n"
			   "then a real exercise of its kind. A transport is run by two processes over this "
			   "machine's loopback, a\n"
			   "backend on a small model, a workload over its requests.\n\n"
			   "  --set OPTION=VALUE   set an option of the plugin\n"
			   "  --model MODEL        for a backend (default: random:tiny)\n"
			   "  --json               print the results as JSON\n\n"
			   "Exit status 4 when anything failed.\n";

/* "OPTION=VALUE" to the form of a request; 0 when it has no '='. */
static int setting_add(json_t *settings, const char *text)
{
	const char *equals = strchr(text, '=');

	if (!equals || equals == text)
		return 0;
	json_array_append_new(settings, json_pack("{s:s%, s:s, s:s}", "name", text, (size_t)(equals - text),
						  "value", equals + 1, "where", "--set"));
	return 1;
}

static int results_print(const json_t *reply, int json)
{
	const json_t *results = json_object_get(reply, "results"), *result;
	size_t failed = 0, i;

	json_array_foreach(results, i, result)
	{
		const int passed = json_is_true(json_object_get(result, "passed"));
		const char *detail = lsb_cli_text(result, "detail");

		failed += !passed;
		if (!json)
			printf("%s  %s%s%s\n", passed ? "pass" : "FAIL", lsb_cli_text(result, "name"),
			       *detail ? ": " : "", detail);
	}
	if (json) {
		json_dumpf(reply, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		printf("%zu passed, %zu failed\n", json_array_size(results) - failed, failed);
	}
	return lsb_cli_done(failed ? LSB_EXIT_PLUGIN : LSB_EXIT_OK);
}

/* Run the check; takes the reference to `settings`. */
static int check_run(const char *path, const char *model, json_t *settings, int json)
{
	struct lsb_error err;
	json_t *reply;
	int status;

	if (lsb_cli_inspect(json_pack("{s:s, s:s, s:s, s:o}", "want", "check", "path", path, "model", model,
				      "options", settings),
			    CHECK_TIMEOUT_MS, &reply, &err))
		return lsb_cli_failed(&err);
	status = results_print(reply, json);
	json_decref(reply);
	return status;
}

int lsb_cmd_check(int argc, char **argv)
{
	static const struct option options[] = { { "set", required_argument, NULL, 's' },
						 { "model", required_argument, NULL, 'm' },
						 { "json", no_argument, NULL, 'j' },
						 { "help", no_argument, NULL, 'h' },
						 { NULL, 0, NULL, 0 } };
	const char *model = "random:tiny";
	json_t *settings = json_array();
	int json = 0, option, status = LSB_EXIT_USAGE;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(help, stdout);
			status = lsb_cli_done(LSB_EXIT_OK);
			goto done;
		}
		if (option == 'm')
			model = optarg;
		else if (option == 'j')
			json = 1;
		else if (option != 's')
			goto done;
		else if (!setting_add(settings, optarg)) {
			status = lsb_cli_usage("check", "'%s' is not OPTION=VALUE", optarg);
			goto done;
		}
	}
	if (optind + 1 != argc) {
		status = lsb_cli_usage("check", "wanted one plugin file");
		goto done;
	}
	return check_run(argv[optind], model, settings, json);
done:
	json_decref(settings);
	return status;
}
