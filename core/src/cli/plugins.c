/* SPDX-License-Identifier: Apache-2.0 */
/* `lsbench plugins`: every plugin file found, what it is and whether it can work here. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "cli/cli.h"
#include "plugin/loader.h"

static const char help[] =
	"usage: lsbench plugins [--plugins DIR[:DIR]...] [--json]\n\n"
	"Lists every plugin file found, folder by folder. Each is opened in a process of its own.\n\n"
	"  --plugins DIR   search here first (default: what LSBENCH_PLUGINS says); then plugins/ beside\n"
	"                  lsbench, then the installed ones\n"
	"  --json          print everything that is known as JSON\n\n"
	"  ready     can be used here\n"
	"  waived    cannot work on this machine, and why\n"
	"  refused   is broken or built for another lsbench, and why\n"
	"  shadowed  another of the same kind and name comes first\n\n"
	"The exit status is 0 even when some are refused: the list is complete.\n";

static const char *state_of(const json_t *plugin, const char **reason)
{
	const json_t *error = json_object_get(plugin, "error");

	*reason = error ? lsb_cli_text(error, "message") : lsb_cli_text(plugin, "waived");
	if (error)
		return "refused";
	if (json_is_true(json_object_get(plugin, "shadowed")))
		return "shadowed";
	return **reason ? "waived" : "ready";
}

static void list_print(const json_t *reply)
{
	const json_t *list = json_object_get(reply, "plugins"), *plugin;
	size_t i;

	if (json_array_size(list) == 0) {
		printf("no plugins in %s\n", lsb_cli_text(reply, "folders"));
		return;
	}
	printf("%-10s %-14s %-9s %-9s %s\n", "KIND", "NAME", "VERSION", "STATE", "FILE");
	json_array_foreach(list, i, plugin)
	{
		const char *reason, *state = state_of(plugin, &reason),
				    *version = lsb_cli_text(plugin, "version");

		printf("%-10s %-14s %-9s %-9s %s\n", lsb_cli_text(plugin, "kind"),
		       lsb_cli_text(plugin, "name"), *version ? version : "-", state,
		       lsb_cli_text(plugin, "path"));
		if (*lsb_cli_text(plugin, "summary"))
			printf("           %s\n", lsb_cli_text(plugin, "summary"));
		if (*reason)
			printf("           %s: %s\n", state, reason);
	}
}

int lsb_cmd_plugins(int argc, char **argv)
{
	static const struct option options[] = { { "plugins", required_argument, NULL, 'p' },
						 { "json", no_argument, NULL, 'j' },
						 { "help", no_argument, NULL, 'h' },
						 { NULL, 0, NULL, 0 } };
	const char *extra = NULL;
	char folders[16384];
	int json = 0, option;
	struct lsb_error err;
	json_t *reply;

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
	if (optind < argc)
		return lsb_cli_usage("plugins", "unexpected '%s'", argv[optind]);
	if (lsb_plugin_folders(extra, folders, sizeof(folders), &err) ||
	    lsb_cli_inspect(json_pack("{s:s, s:s}", "want", "list", "folders", folders), 0, &reply, &err))
		return lsb_cli_failed(&err);
	if (json) {
		json_dumpf(reply, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		list_print(reply);
	}
	json_decref(reply);
	return lsb_cli_done(LSB_EXIT_OK);
}
