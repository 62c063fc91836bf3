/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of a running launch: shared by controller.c, launch.c, rank.c and
 * cause.c, and by nobody else.
 */
#ifndef LSB_RANKS_H
#define LSB_RANKS_H

#include <sys/types.h>
#include <uv.h>

#include "launch/inbox.h"
#include "launch/launch.h"

/* What a rank has to say next. */
enum rank_state {
	RANK_HELLO,   /* nothing heard yet */
	RANK_ADDRESS, /* has its job */
	RANK_READY,   /* told its address */
	RANK_STARTED, /* ready; running once all are */
	RANK_DONE,    /* gave its result */
	RANK_FAILED,  /* gave its failure */
};

struct rank {
	struct running *launch;
	int32_t number;
	pid_t pid; /* 0: never started */
	int reaped;
	uint64_t reaped_ns;
	siginfo_t how;	/* it ended, once reaped */
	int end_untold; /* `how` is judged once all it said has been read */
	uv_pipe_t pipe;
	int pipe_open, pipe_closed; /* a handle is in the loop; its close has completed */
	struct lsb_inbox inbox;
	uint32_t sent;
	enum rank_state state;
	char phase[32], host[128]; /* as it says, printable */
	uint64_t heard_ns;
	uint64_t steps, tokens, step_ns; /* step_ns: when `steps` last moved */
	char *address;			 /* base64; owned */
	json_t *result;			 /* owned */
	struct lsb_record *records;	 /* owned */
	size_t n_records, room;
};

/* How much a finding says about what went wrong first: a peer's complaint says less than a death. */
enum cause_weight { CAUSE_NONE, CAUSE_CONSEQUENCE, CAUSE_ABSENCE, CAUSE_STATEMENT, CAUSE_SIGNAL };

struct cause {
	enum cause_weight weight;
	int32_t rank;
	int code;      /* enum lsb_status */
	int wants_log; /* the rank's last words explain more */
	char text[640];
};

enum ending { ENDING_NOT, ENDING_DONE, ENDING_FAILED, ENDING_INTERRUPTED };

struct running {
	struct lsb_controller *controller;
	const struct lsb_launch *what;
	struct rank *ranks; /* [n], by rank */
	int32_t n;
	uv_timer_t tick;
	int tick_open;
	uint64_t begun_ns, started_ns; /* first process; START sent, or 0 */
	uint64_t ticked_ns;
	enum ending ending;
	uint64_t ending_ns;
	int quit_sent, terminated, killed;
	struct cause cause;
};

struct lsb_controller {
	uv_loop_t loop;
	uv_signal_t signals[4];
	int interrupts;
	struct running *running; /* NULL between launches */
	void (*old_sigpipe)(int);
};

/* --- rank.c: the conversation with one rank --- */

/* Start the process and listen. */
int rank_start(struct rank *r, struct lsb_error *err);
void rank_send(struct rank *r, enum lsb_frame_type type, const char *payload, size_t length);
void rank_close_pipe(struct rank *r);
void rank_free(struct rank *r);

/* --- cause.c: what went wrong first --- */

/* Note a finding about `r`; the weightiest one stays, the earlier of equals. */
void cause_note(struct running *l, const struct rank *r, enum cause_weight weight, int code, int wants_log,
		const char *format, ...) __attribute__((format(printf, 6, 7)));
/* The sentence of the launch's cause, with the last line of the rank's log where that helps. */
void cause_tell(const struct running *l, char *out, size_t bytes);

/* --- launch.c: all ranks together --- */

void launch_address_told(struct running *l);
void launch_rank_ready(struct running *l);
void launch_rank_done(struct running *l);
/* End the launch; the first call decides how, later ones change nothing. */
void launch_end(struct running *l, enum ending how);
/* Reap what has ended. */
void launch_reap(struct running *l);
void launch_interrupted(struct running *l, int times);
char *launch_log_path(const struct running *l, int32_t rank);

#endif
