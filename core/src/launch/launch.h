/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One launch: start all ranks, bring them to the run, collect what they
 * measured, and leave nothing behind.
 *
 * A controller owns the event loop and the signals of the process; launches run
 * on it one after the other. No threads. A launch moves each rank through
 *
 *	HELLO -> JOB -> ADDRESS -> (ADDRESSES when all) -> READY -> (START when all)
 *	      -> RECORDS ... RESULT -> (QUIT when all) -> end of the process
 *
 * with RAN -> (FINISH when all) before the records where there are several replicas.
 *
 * A rank that a launcher starts elsewhere says JOIN before, through its agent, and
 * gets its job once all have come.
 *
 * The first thing that goes wrong ends the launch, or from START on the replica
 * that it happened in, as long as another is left: the ranks are told to quit,
 * terminated after a second, killed after another. lsb_controller_launch returns
 * only when every process is reaped and every descriptor closed.
 */
#ifndef LSB_LAUNCH_H
#define LSB_LAUNCH_H

#include <jansson.h>

#include "measure/launch_measure.h"
#include "launch/launcher.h"
#include "wire/job.h"

enum lsb_launch_status {
	LSB_LAUNCH_OK,
	LSB_LAUNCH_FAILED,
	LSB_LAUNCH_WAIVED,
	LSB_LAUNCH_INTERRUPTED,
	LSB_LAUNCH_INCOMPLETE, /* some replicas were lost, others worked to their end */
};

/* "ok", "failed", "waived", "interrupted", "incomplete": as in the journal. */
const char *lsb_launch_status_name(enum lsb_launch_status status);

/* Where a running launch stands, for the progress line. */
struct lsb_launch_progress {
	const char *phase; /* the earliest that any rank is in; borrowed for the call */
	uint64_t tokens;   /* generated so far */
	uint64_t run_ns;   /* since START was sent; 0 before */
};

struct lsb_launch {
	const struct lsb_launcher *launcher; /* NULL: local */
	const struct lsb_site *site;	     /* where it starts ranks; NULL: here */
	const char *pmi;	  /* what the ranks' MPI speaks ("pmix"); NULL: nothing, or not told */
	const char *const *hosts; /* [size] of each rank; NULL: the launcher knows, or here */
	const json_t
		*digests;    /* ranks elsewhere must have these files; the journal's provenance; NULL: any */
	const char *program; /* of a rank; normally /proc/self/exe */
	const char *const *arguments; /* before --fd, NULL-terminated; may be NULL; local ranks only */
	const struct lsb_job *jobs;   /* [size], by rank */
	int32_t size;
	const char *log_prefix; /* "results/logs/0": the log of rank r is PREFIX.r.log */
	uint64_t timeout_ns;	/* of the whole launch */
	uint64_t stall_ns;	/* a stage loop that takes no step for so long hangs */
	uint64_t silence_ns;	/* so long without a frame and a rank is taken for dead; 0: 5 s */
	/* Called a few times a second while ranks run; may be NULL. */
	void (*on_progress)(void *user, const struct lsb_launch_progress *progress);
	void *user;
};

/* How a launch went; lsb_outcome_free when done. */
struct lsb_outcome {
	enum lsb_launch_status status;
	int code;	    /* enum lsb_status of the failure; LSB_OK */
	int32_t rank;	    /* that failed first, or -1 */
	int oversubscribed; /* more threads than cores on a host that was not known before */
	char reason[1024];  /* one sentence; "" when ok */
	/* The rest: NULL unless ok or incomplete. */
	json_t *ranks;			  /* array by rank of RANK, or null for one that was lost */
	json_t *lost;			  /* array of the replicas that were lost (docs/journal.md) */
	struct lsb_rank_records *records; /* [size], by rank, in one rank's clock each */
	size_t n_records;		  /* length of `records`: the ranks */
};

struct lsb_controller;

/*
 * Takes over SIGINT, SIGTERM, SIGHUP and SIGCHLD of the process, and ignores
 * SIGPIPE, until the close. Once one has asked for the end, the first three stay
 * ignored after it: what is left to do is a partial report, and short. [main]
 */
int lsb_controller_open(struct lsb_controller **out, struct lsb_error *err);
void lsb_controller_close(struct lsb_controller *c);

/* How many times a user or system has asked for the end so far. */
int lsb_controller_interrupts(struct lsb_controller *c);

/*
 * Run one launch to its end. Returns 0 with *out filled however the launch went,
 * or LSB_EIO / LSB_ENOMEM when the controller itself cannot go on.
 */
int lsb_controller_launch(struct lsb_controller *c, const struct lsb_launch *what, struct lsb_outcome *out,
			  struct lsb_error *err);
void lsb_outcome_free(struct lsb_outcome *o);

#endif
