/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: picks the subcommand. `lsbench SUITE.ini` is `lsbench run SUITE.ini`.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "cli/cli.h"

static const struct command {
	const char *name;
	const char *summary; /* NULL: lsbench calls it itself, people do not */
	int (*function)(int argc, char **argv);
} commands[] = {
	{ "plan", "what a suite would run", lsb_cmd_plan },
	{ "report", "rebuild the reports of a results folder", lsb_cmd_report },
	{ "compare", "two results folders, points or cases, with verdicts", lsb_cmd_compare },
	{ "predict", "what other settings would give, from a results folder", lsb_cmd_predict },
	{ "plugins", "list every plugin found, and where", lsb_cmd_plugins },
	{ "describe", "options and capabilities of a plugin", lsb_cmd_describe },
	{ "check", "conformance run of a plugin file", lsb_cmd_check },
	{ "generate", "one answer from one model in this process", lsb_cmd_generate },
	{ "tokenize", "token ids of the text on standard input", lsb_cmd_tokenize },
	{ "score", "judge predictions against references", lsb_cmd_score },
	{ "node", NULL, lsb_cmd_node },
	{ "run", NULL, lsb_cmd_run }, /* `lsbench SUITE.ini` */
	{ "inspect", NULL, lsb_cmd_inspect },
};

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < LSB_COUNT(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static void help_print(FILE *to)
{
	fputs("usage: lsbench SUITE.ini [OPTION]...      run a suite and report\n"
	      "       lsbench COMMAND [ARGUMENT]...\n\n"
	      "Measures how Llama inference scales over nodes, batch sizes, prompts in flight and links.\n\n",
	      to);
	for (size_t i = 0; i < LSB_COUNT(commands); i++)
		if (commands[i].summary)
			fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
	fputs("\n'lsbench COMMAND --help' tells more; 'lsbench --version' prints the version.\n"
	      "Exit status: 0 ok, 1 some point failed, 2 suite or usage, 3 model, 4 plugin, 5 I/O or "
	      "results,\n"
	      "130 interrupted.\n",
	      to);
}

/* A first word that is no command: a suite, unless it is a command with a typing error. */
static int suite_run(int argc, char **argv)
{
	const struct command *run = command_find("run");
	const char *names[LSB_COUNT(commands)], *near;

	for (size_t i = 0; i < LSB_COUNT(commands); i++)
		names[i] = commands[i].name;
	near = lsb_nearest(argv[1], names, LSB_COUNT(commands));
	if (run && (!near || strpbrk(argv[1], "./")))
		return run->function(argc, argv);
	fprintf(stderr, "lsbench: '%s' is neither a command nor a suite%s%s%s; see 'lsbench --help'\n",
		argv[1], near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
	return LSB_EXIT_USAGE;
}

/*
 * A standard stream that was closed would be the next file opened, a child's
 * pipe or the journal. Hold its number, open for the wrong direction, so that
 * whoever uses it still hears that it is not there.
 */
static void hold_standard_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int main(int argc, char **argv)
{
	static char help[] = "--help";
	const struct command *command;
	char label[64];

	hold_standard_streams();
	(void)signal(SIGXFSZ, SIG_IGN); /* a file that may not grow: an error of write(), not a death */

	if (argc < 2) {
		help_print(stderr);
		return LSB_EXIT_USAGE;
	}
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--version") == 0) {
			printf("lsbench %s\n", LSB_VERSION);
			return lsb_cli_done(LSB_EXIT_OK);
		}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    (strcmp(argv[1], "help") == 0 && argc == 2)) {
		help_print(stdout);
		return lsb_cli_done(LSB_EXIT_OK);
	}
	if (strcmp(argv[1], "help") == 0) {
		argv[1] = argv[2]; /* help COMMAND: COMMAND --help */
		argv[2] = help;
	}
	command = command_find(argv[1]);
	if (!command)
		return suite_run(argc, argv);
	(void)snprintf(label, sizeof(label), "lsbench %s", command->name); /* for getopt's messages */
	argv[1] = label;
	return command->function(argc - 1, argv + 1);
}
