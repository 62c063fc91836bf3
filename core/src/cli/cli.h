/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The subcommands, and what they share. Each lsb_cmd_NAME lives in NAME.c, gets
 * its own argv (argv[0] is "lsbench NAME") and returns the exit status.
 */
#ifndef LSB_CLI_H
#define LSB_CLI_H

#include <jansson.h>

#include "lsbench/types.h"

/* Exit statuses: a contract with scripts. */
enum lsb_exit {
	LSB_EXIT_OK = 0,
	LSB_EXIT_FAILED = 1, /* some point failed; compare: something is slower */
	LSB_EXIT_USAGE = 2,  /* suite or command line */
	LSB_EXIT_MODEL = 3,
	LSB_EXIT_PLUGIN = 4,
	LSB_EXIT_IO = 5, /* I/O or results */
	LSB_EXIT_INTERRUPTED = 130,
};

int lsb_cmd_run(int argc, char **argv);
int lsb_cmd_plan(int argc, char **argv);
int lsb_cmd_plugins(int argc, char **argv);
int lsb_cmd_describe(int argc, char **argv);
int lsb_cmd_check(int argc, char **argv);
int lsb_cmd_report(int argc, char **argv);
int lsb_cmd_compare(int argc, char **argv);
int lsb_cmd_predict(int argc, char **argv);
int lsb_cmd_generate(int argc, char **argv);
int lsb_cmd_tokenize(int argc, char **argv);
int lsb_cmd_score(int argc, char **argv);
int lsb_cmd_node(int argc, char **argv);
int lsb_cmd_inspect(int argc, char **argv);

/* --- cli.c ---------------------------------------------------------------- */

/* The exit status that stands for an lsb_status. */
int lsb_exit_status(int code);

/* Print "lsbench: MESSAGE" to stderr; the exit status for err->code. */
int lsb_cli_failed(const struct lsb_error *err);

/* Print a usage error of a subcommand to stderr, with where its help is; LSB_EXIT_USAGE. */
int lsb_cli_usage(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Flush stdout; `status`, or LSB_EXIT_IO with a message when what was printed did not get out. */
int lsb_cli_done(int status);

/*
 * Ask about plugins (plugin/inspect.h); takes the reference to `request`.
 * LSB_OK and a new reference in *reply, or an error.
 */
int lsb_cli_inspect(json_t *request, uint64_t timeout_ms, json_t **reply, struct lsb_error *err);

/* Print a summary's tables (report/report.h), in colour on a terminal that has not said NO_COLOR. */
void lsb_cli_print_report(const json_t *summary);

/* Shorthands for reading answers: "" and 0 when absent. */
const char *lsb_cli_text(const json_t *object, const char *key);

#endif
