/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that is asked one thing: given a text, heard under a deadline, and
 * ended with all that it started. For short helpers (gnuplot, plugins looked at
 * from a distance); ranks are launch/'s.
 */
#ifndef LSB_CHILD_H
#define LSB_CHILD_H

#include "base/base.h"

struct lsb_child {
	const char *path; /* of the program */
	char *const *argv, *const *environment;
	const char *input;    /* its standard input; a file of memory, so that nothing blocks on writing */
	uint64_t deadline_ns; /* on lsb_now_ns() */
	size_t said_max;      /* bytes of output at most; at more it is ended */
	int keeps_complaints; /* 1: standard error into `complaints`; 0: it is ours */
	/* results, zeroed by the caller */
	struct lsb_text said;	      /* standard output; free with lsb_text_free */
	char complaints[4096];	      /* the first of them */
	int timed_out, said_too_much; /* then it was killed */
	int status;		      /* as waitpid gives it */
};

/* Run it to its end, or the deadline. Errors are those of starting it: LSB_EIO, with `sys` set. [main] */
int lsb_child_run(struct lsb_child *child, struct lsb_error *err);

#endif
