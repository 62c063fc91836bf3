/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line and environment of a launcher's program, under construction.
 */
#ifndef LSB_COMMAND_H
#define LSB_COMMAND_H

#include "launch/ranks.h"

/* Zero-initialise; command_free when done. Lack of memory shows in .failed. */
struct command {
	char **words; /* [n], NULL behind them; owned */
	size_t n;
	char **environment; /* [n_environment], the same; empty: as it is here */
	size_t n_environment;
	int failed;
};

void command_add(struct command *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The words of a text, separated by blanks; there is no quoting. NULL: none. */
void command_add_words(struct command *c, const char *text);
/*
 * This process's environment without what an outer MPI launcher has put there,
 * with `variable` ("NAME=VALUE"; "" for none) at its end.
 */
void command_take_environment(struct command *c, const char *variable);
void command_set(struct command *c, const char *variable);

void command_free(struct command *c);

/*
 * Open the launch's door and start the one program that brings an agent for each
 * rank, its output into the launcher's log: `words` adds the program and its
 * arguments, behind which comes what the agents are called with. `is_remote`: they
 * may dial in from other machines.
 */
int command_start_agents(struct running *l, int is_remote,
			 void (*words)(struct command *c, const struct running *l), struct lsb_error *err);

/*
 * What a program prints, at most `bytes` with its NUL, within ten seconds.
 * LSB_EUNAVAIL when there is no such program.
 */
int command_ask(const char *program, const char *const *arguments, char *out, size_t bytes,
		struct lsb_error *err);
/* What it says to `option`, "--version" or the like; remembered. */
int command_ask_version(const char *program, const char *option, char *out, size_t bytes,
			struct lsb_error *err);

#endif
