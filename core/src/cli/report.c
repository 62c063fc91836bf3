/* SPDX-License-Identifier: Apache-2.0 */
/* `lsbench report`: all reports of a results folder, again, from its journal. */
#include <getopt.h>
#include <stdio.h>

#include "cli/cli.h"
#include "report/report.h"

static const char help[] =
	"usage: lsbench report DIR [--json | --text]\n\n"
	"Rebuild the reports of the results folder DIR (summary.json, summary.csv, report.md,\n"
	"report.html, trace.json) from its journal.jsonl and records/, and show the tables.\n\n"
	"  --json     print the summary and write nothing\n"
	"  --text     print the tables and write nothing\n"
	"  --no-html  no report.html\n";

enum what { REBUILD, JSON, TEXT };

static int print(const json_t *summary, enum what what)
{
	if (what == JSON) {
		if (json_dumpf(summary, stdout, JSON_INDENT(2)) == 0)
			putchar('\n');
	} else {
		lsb_cli_print_report(summary);
	}
	return lsb_cli_done(LSB_EXIT_OK);
}

int lsb_cmd_report(int argc, char **argv)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' },
						 { "text", no_argument, NULL, 't' },
						 { "no-html", no_argument, NULL, 'H' },
						 { "help", no_argument, NULL, 'h' },
						 { NULL, 0, NULL, 0 } };
	enum what what = REBUILD;
	json_t *summary = NULL;
	struct lsb_error err = { 0 };
	int option, flags = 0, rc;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (option) {
		case 'h':
			fputs(help, stdout);
			return lsb_cli_done(LSB_EXIT_OK);
		case 'j':
		case 't':
			if (what != REBUILD)
				return lsb_cli_usage("report",
						     "--json and --text are given once, and not both");
			what = option == 'j' ? JSON : TEXT;
			break;
		case 'H':
			flags |= LSB_REPORT_NO_HTML;
			break;
		default:
			return LSB_EXIT_USAGE;
		}
	}
	if (argc - optind != 1)
		return lsb_cli_usage("report",
				     argc == optind ? "which results folder?" : "more than one folder");
	rc = what == REBUILD ? lsb_report_write(argv[optind], flags, &summary, &err)
			     : lsb_report_summary(argv[optind], &summary, &err);
	if (rc) {
		/* whatever is wrong with a results folder is a matter of results */
		lsb_cli_failed(&err);
		return LSB_EXIT_IO;
	}
	rc = print(summary, what);
	json_decref(summary);
	return rc;
}
