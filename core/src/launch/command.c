/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/command.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "launch/agent.h"
#include "launch/spawn.h"

enum { VERSION_MS = 10000 };
extern char **environ;

/* Takes `text`. */
static void append(struct command *c, char ***list, size_t *n, char *text)
{
	char **grown = text ? realloc(*list, (*n + 2) * sizeof(*grown)) : NULL;

	if (!grown) {
		free(text);
		c->failed = 1;
		return;
	}
	*list = grown;
	grown[(*n)++] = text;
	grown[*n] = NULL;
}

void command_add(struct command *c, const char *format, ...)
{
	va_list args;
	char *text = NULL;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	append(c, &c->words, &c->n, text);
}

void command_add_words(struct command *c, const char *text)
{
	while (text && *(text += strspn(text, " \t"))) {
		const size_t n = strcspn(text, " \t");

		append(c, &c->words, &c->n, strndup(text, n));
		text += n;
	}
}

/* What an outer mpirun or srun has said about its own ranks would mislead ours. */
static int is_foreign(const char *variable)
{
	static const char *const prefixes[] = { "OMPI_COMM_WORLD_", "OMPI_UNIVERSE_", "OMPI_MCA_orte_ess_",
						"OMPI_MCA_ess",	    "PMIX_",	      "PMI_",
						"SLURM_PROCID=",    "SLURM_STEP" };

	for (size_t i = 0; i < LSB_COUNT(prefixes); i++)
		if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0)
			return 1;
	return 0;
}

void command_set(struct command *c, const char *variable)
{
	append(c, &c->environment, &c->n_environment, strdup(variable));
}

void command_take_environment(struct command *c, const char *variable)
{
	for (char **at = environ; *at; at++)
		if (!is_foreign(*at))
			command_set(c, *at);
	if (*variable)
		command_set(c, variable);
}

static int start(struct command *c, struct running *l, struct lsb_error *err)
{
	struct lsb_spawn s = {
		.arguments = (const char *const *)c->words,
		.environment = (const char *const *)c->environment,
		.in = -1,
		.channel = -1,
		.parting_signal = SIGTERM, /* it has others to end */
	};
	int log, rc;
	pid_t pid;

	if (c->failed || c->n == 0)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the command line of %s",
				l->launcher->name);
	s.program = c->words[0];
	log = launch_log_open(l, -1, err);
	if (log < 0)
		return LSB_EIO;
	s.out = s.err = log;
	rc = lsb_spawn(&s, &pid, err);
	close(log);
	if (rc == LSB_OK)
		launch_process_add(l, l->launcher->name, pid, NULL, 0);
	return rc;
}

void command_free(struct command *c)
{
	for (size_t i = 0; i < c->n_environment; i++)
		if (strncmp(c->environment[i], LSB_SECRET_VARIABLE "=", sizeof(LSB_SECRET_VARIABLE)) == 0)
			sodium_memzero(c->environment[i], strlen(c->environment[i]));
	for (size_t i = 0; i < c->n; i++)
		free(c->words[i]);
	for (size_t i = 0; i < c->n_environment; i++)
		free(c->environment[i]);
	free(c->words);
	free(c->environment);
	*c = (struct command){ 0 };
}

/* What every agent that dials in is called with. */
static void add_agent(struct command *c, const struct running *l)
{
	const struct lsb_site *site = l->what->site;
	char self[PATH_MAX];
	ssize_t n = -1;

	if (site && site->program)
		command_add(c, "%s", site->program);
	else if ((n = readlink("/proc/self/exe", self, sizeof(self))) > 0)
		command_add(c, "%.*s", (int)n, self);
	else
		c->failed = 1;
	command_add(c, "node");
	command_add(c, "--control");
	command_add(c, "%s", listener_addresses(l));
	if (site && site->token_file) {
		command_add(c, "--token-file");
		command_add(c, "%s", site->token_file);
	}
}

int command_start_agents(struct running *l, int is_remote,
			 void (*words)(struct command *c, const struct running *l), struct lsb_error *err)
{
	char variable[LSB_SECRET_VARIABLE_BYTES] = "";
	struct command c = { 0 };
	int rc = listener_open(l, is_remote, variable, err);

	if (rc == LSB_OK) {
		command_take_environment(&c, variable);
		words(&c, l);
		add_agent(&c, l);
		rc = start(&c, l, err);
	}
	sodium_memzero(variable, sizeof(variable));
	command_free(&c);
	return rc;
}

/* Read up to `bytes` - 1 of what a child prints until its end; it gets VERSION_MS. */
static size_t read_output(int fd, char *out, size_t bytes)
{
	const uint64_t deadline = lsb_now_ns() + VERSION_MS * 1000000ull;
	size_t n = 0;

	while (n + 1 < bytes && lsb_now_ns() < deadline) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t got;

		if (poll(&p, 1, 100) <= 0)
			continue;
		got = read(fd, out + n, bytes - 1 - n);
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	out[n] = '\0';
	return n;
}

int command_ask(const char *program, const char *const *arguments, char *out, size_t bytes,
		struct lsb_error *err)
{
	struct lsb_spawn s = {
		.program = program, .arguments = arguments, .in = -1, .channel = -1, .parting_signal = SIGKILL
	};
	int output[2];
	pid_t pid;
	int rc;

	*out = '\0';
	if (pipe2(output, O_CLOEXEC))
		return lsb_fail(err, LSB_EIO, errno, "cannot make a pipe: %s", strerror(errno));
	s.out = s.err = output[1];
	rc = lsb_spawn(&s, &pid, err);
	close(output[1]);
	if (rc == LSB_OK) {
		(void)read_output(output[0], out, bytes);
		(void)kill(-pid, SIGKILL); /* all that was wanted has been read */
		(void)waitpid(pid, NULL, 0);
	}
	close(output[0]);
	return rc;
}

int command_ask_version(const char *program, const char *option, char *out, size_t bytes,
			struct lsb_error *err)
{
	/* one thread; asked for every point and launch, answered anew once a second program is meant */
	static char known[PATH_MAX], answer[1024];
	const char *const arguments[] = { program, option, NULL };
	int rc;

	if (strcmp(known, program) != 0 || !*known) {
		*known = '\0';
		rc = command_ask(program, arguments, answer, sizeof(answer), err);
		if (rc)
			return rc;
		(void)snprintf(known, sizeof(known), "%s", program);
	}
	(void)snprintf(out, bytes, "%s", answer);
	return LSB_OK;
}
