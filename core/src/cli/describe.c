/* SPDX-License-Identifier: Apache-2.0 */
/* `lsbench describe KIND-NAME`: what a plugin can be set to and can do; `describe suite`: all keys. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "cli/cli.h"
#include "plugin/loader.h"
#include "suite/keys.h"

static const char help[] =
	"usage: lsbench describe KIND-NAME [--plugins DIR[:DIR]...] [--json]\n"
	"       lsbench describe suite\n\n"
	"Prints the options of a plugin, as suites set them (`transport.wait = poll`), and what it can do.\n"
	"KIND is backend, transport or workload; NAME may be a chain, as in transport-fault:tcp.\n"
	"'describe suite' prints every section and key of suite files.\n\n"
	"  --plugins DIR   search here first (default: what LSBENCH_PLUGINS says)\n"
	"  --json          print it as JSON\n";

static void words_print(const char *label, const json_t *words)
{
	const json_t *word;
	size_t i;

	if (json_array_size(words) == 0)
		return;
	printf("%s:", label);
	json_array_foreach(words, i, word) printf(" %s", json_string_value(word));
	putchar('\n');
}

static void option_print(const char *kind, const json_t *o)
{
	const char *unit = lsb_cli_text(o, "unit"), *choices = lsb_cli_text(o, "choices");
	const char *range = lsb_cli_text(o, "range");
	const json_t *standard = json_object_get(o, "default");

	printf("  %s.%s = %s\n", kind, lsb_cli_text(o, "name"), *choices ? choices : lsb_cli_text(o, "type"));
	printf("      %s\n", lsb_cli_text(o, "help"));
	if (json_is_string(standard))
		printf("      default: %s\n",
		       *json_string_value(standard) ? json_string_value(standard) : "(empty)");
	else
		puts("      must be set");
	if (*range)
		printf("      range: %s\n", range);
	else if (*unit)
		printf("      unit: %s\n", unit);
}

static void plugin_print(const json_t *d)
{
	const char *kind = lsb_cli_text(d, "kind");
	const json_t *options = json_object_get(d, "options"), *inner = json_object_get(d, "inner"), *o;
	size_t i;

	printf("%s %s %s: %s\n", kind, lsb_cli_text(d, "name"), lsb_cli_text(d, "version"),
	       lsb_cli_text(d, "summary"));
	printf("file: %s\n", lsb_cli_text(d, "path"));
	if (*lsb_cli_text(d, "waived"))
		printf("waived here: %s\n", lsb_cli_text(d, "waived"));
	if (json_is_true(json_object_get(d, "interposer")))
		printf("wraps another %s: used as %s:NAME\n", kind, lsb_cli_text(d, "name"));
	words_print("operations", json_object_get(d, "operations"));
	words_print("sends directly from", json_object_get(d, "direct"));
	words_print("capabilities", json_object_get(d, "flags"));
	puts(json_array_size(options) ? "options:" : "options: none");
	json_array_foreach(options, i, o) option_print(kind, o);
	if (json_is_object(inner)) {
		putchar('\n');
		plugin_print(inner);
	}
}

/* The request for "KIND-NAME"; NULL when it is not of that form. */
static json_t *request_make(const char *what, const char *folders)
{
	for (int kind = LSB_BACKEND; kind <= LSB_WORKLOAD; kind++) {
		const char *name = lsb_kind_name((enum lsb_kind)kind);
		const size_t n = strlen(name);

		if (strncmp(what, name, n) == 0 && what[n] == '-')
			return json_pack("{s:s, s:s, s:s, s:s}", "want", "describe", "kind", name, "name",
					 what + n + 1, "folders", folders);
	}
	return NULL;
}

int lsb_cmd_describe(int argc, char **argv)
{
	static const struct option options[] = { { "plugins", required_argument, NULL, 'p' },
						 { "json", no_argument, NULL, 'j' },
						 { "help", no_argument, NULL, 'h' },
						 { NULL, 0, NULL, 0 } };
	json_t *request, *reply;
	const char *extra = NULL;
	char folders[16384];
	int json = 0, option;
	struct lsb_error err;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(help, stdout);
			return lsb_cli_done(LSB_EXIT_OK);
		}
		if (option == 'p')
			extra = optarg;
		else if (option == 'j')
			json = 1;
		else
			return LSB_EXIT_USAGE;
	}
	if (optind + 1 != argc)
		return lsb_cli_usage("describe", "wanted one KIND-NAME, as in transport-tcp");
	if (strcmp(argv[optind], "suite") == 0) {
		lsb_suite_print_keys(stdout);
		return lsb_cli_done(LSB_EXIT_OK);
	}
	if (lsb_plugin_folders(extra, folders, sizeof(folders), &err))
		return lsb_cli_failed(&err);
	request = request_make(argv[optind], folders);
	if (!request)
		return lsb_cli_usage("describe", "'%s' is not backend-NAME, transport-NAME or workload-NAME",
				     argv[optind]);
	if (lsb_cli_inspect(request, 0, &reply, &err))
		return lsb_cli_failed(&err);
	if (json) {
		json_dumpf(reply, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		plugin_print(reply);
	}
	json_decref(reply);
	return lsb_cli_done(LSB_EXIT_OK);
}
