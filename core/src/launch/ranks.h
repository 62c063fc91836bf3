/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of a running launch: shared by controller.c, launch.c, processes.c, rank.c,
 * replicas.c, join.c, deadlines.c, listen.c, cause.c and the launchers, and by nobody else.
 */
#ifndef LSB_RANKS_H
#define LSB_RANKS_H

#include <stdarg.h>
#include <sys/types.h>
#include <uv.h>

#include "launch/inbox.h"
#include "launch/launch.h"
#include "launch/launcher.h"
#include "launch/placement.h"
#include "launch/secret.h"

/* What a rank has to say next. */
enum rank_state {
	RANK_JOIN,    /* nothing heard yet, and an agent stands between */
	RANK_HELLO,   /* nothing heard yet */
	RANK_ADDRESS, /* has its job, or will have it once all have said hello */
	RANK_READY,   /* told its address */
	RANK_STARTED, /* ready; running once all are */
	RANK_RAN,     /* of several replicas: waits for the others' runs */
	RANK_DONE,    /* gave its result */
	RANK_FAILED,  /* gave its failure */
};

struct rank {
	struct running *launch;
	int32_t number;
	/* Its process. Local ones are reaped, of others the agent tells. */
	int is_local, ended;
	siginfo_t how;		    /* it ended, once it has */
	int end_untold;		    /* `how` is judged once all it said has been read */
	int is_gone;		    /* its agent is, without telling how the rank ended */
	uv_pipe_t pipe;		    /* the channel, whatever its family */
	int pipe_open, pipe_closed; /* a handle is in the loop; its close has completed */
	struct lsb_inbox inbox;
	size_t preface; /* bytes before the agent's greeting; LSB_PREFACE_DONE: heard or not needed */
	uint32_t sent;
	enum rank_state state;
	char phase[32], host[128];  /* as it says, printable */
	char place[256];	    /* equal for ranks that share a host */
	char boot_id[64];	    /* equal for ranks that share processors and clock */
	struct lsb_machine machine; /* as its agent sees it */
	uint64_t heard_ns;
	uint64_t steps, tokens, idled;
	uint64_t step_ns;	    /* when `steps` or `idled` last moved */
	char *address;		    /* base64; owned */
	json_t *result;		    /* owned */
	struct lsb_record *records; /* owned */
	size_t n_records, room;
};

/* A process that the controller started: a rank, or a program that brings one or all of them. */
struct process {
	char name[32]; /* "lsbench", "mpirun" */
	pid_t pid;
	int reaped;
	uint64_t reaped_ns;
	uint32_t looks; /* at what it left behind, since then */
	siginfo_t how;
	int end_untold;
	struct rank *rank; /* NULL: of all ranks */
	int is_rank;
};

/* How much a finding says about what went wrong first: a peer's complaint says less than a death. */
enum cause_weight { CAUSE_NONE, CAUSE_CONSEQUENCE, CAUSE_ABSENCE, CAUSE_STATEMENT, CAUSE_SIGNAL };

/* Whose last words explain more. */
enum log_wanted { LOG_NONE, LOG_RANK, LOG_LAUNCHER };

struct cause {
	enum cause_weight weight;
	int32_t rank;
	int code; /* enum lsb_status */
	enum log_wanted wants_log;
	char text[640];
};

/* One pipeline. */
struct replica {
	struct cause cause; /* of its loss */
	uint64_t lost_ns;   /* since when it is given up; 0: it is not */
	int quit_sent, killed;
};

/* Patience with those who are to end, in milliseconds. */
enum {
	LSB_SETTLE_MS = 200,	    /* a complaint about a peer waits so long for the peer's own end */
	LSB_GRACE_MS = 1000,	    /* from QUIT to SIGTERM, and on to SIGKILL */
	LSB_AGENTS_GRACE_MS = 3500, /* the same for launchers, whose agents do that themselves */
};

enum ending { ENDING_NOT, ENDING_DONE, ENDING_FAILED, ENDING_INTERRUPTED };

struct running {
	struct lsb_controller *controller;
	const struct lsb_launch *what;
	const struct lsb_launcher *launcher;
	struct rank *ranks; /* [n], by rank */
	int32_t n;
	struct replica *replicas; /* [n_replicas], owned */
	uint32_t n_replicas, n_lost;
	int finish_sent; /* all runs that are not lost have ended */
	struct lsb_job
		*jobs;	/* [n], owned; what they point to is borrowed, but for `cpus` of agents' ranks */
	uint32_t *cpus; /* of all ranks of agents, owned; NULL: as the jobs say */
	int oversubscribed;
	struct process *processes; /* [n_processes], owned; at most n + 1 */
	size_t n_processes;
	struct listener *listener; /* where ranks dial in; NULL: nowhere */
	uv_timer_t tick;
	int tick_open;
	uint64_t begun_ns, started_ns; /* first process; START sent, or 0 */
	uint64_t ticked_ns, pinged_ns;
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

enum { LSB_PREFACE_DONE = 1 << 30 };

/* Listen on a rank's channel, which is the launch's from now on; closed on failure. */
int rank_attach(struct rank *r, int fd, struct lsb_error *err);
void rank_send(struct rank *r, enum lsb_frame_type type, const char *payload, size_t length);
/* Give it its job. */
void rank_send_job(struct rank *r);
void rank_close_pipe(struct rank *r);
void rank_free(struct rank *r);
/* A JSON object that it sent as `what`; NULL with `err` set. */
json_t *rank_parse(const char *payload, size_t length, const char *what, struct lsb_error *err);
/* Copy a text that it sent (NULL: none), without anything that could disturb a terminal. */
void rank_copy_text(char *to, size_t bytes, const char *from);
/* "alpha", or what there is to say of one that has not told its host. */
const char *rank_host(const struct rank *r);

/* --- join.c: what the agents of ranks elsewhere have to say --- */

int rank_take_join(struct rank *r, const char *payload, size_t length, struct lsb_error *err);
/* Whether the plugin files that it uses are those here. */
int rank_check_files(const struct rank *r, const json_t *files, struct lsb_error *err);
int rank_take_ended(struct rank *r, const char *payload, size_t length, struct lsb_error *err);
/* All have joined: who shares a host with whom, and which processors each gets. */
int launch_place(struct running *l, struct lsb_error *err);

/* --- processes.c: what was started, and how it ended --- */

/* Note a process that is to be reaped. `rank`: whom it is (is_rank) or brings; NULL: all. */
void launch_process_add(struct running *l, const char *name, pid_t pid, struct rank *rank, int is_rank);
/* Reap what has ended. */
void launch_reap(struct running *l);
/* How a rank ended, if that is news. */
void launch_judge_rank(struct rank *r);
int launch_processes_left(const struct running *l);
/* SIGTERM to all, SIGKILL to all and their groups. */
void launch_terminate(struct running *l);
void launch_kill(struct running *l);
/* SIGKILL to one rank and its group; its agent, where there is one, is left to do it. */
void launch_kill_rank(struct rank *r);

/* --- deadlines.c --- */

/* End the launch when something has taken too long. */
void launch_check_deadlines(struct running *l, uint64_t now);

/* --- listen.c: ranks that dial in --- */

/*
 * Listen where nodes of this launch can reach the controller; `variable` gets
 * "LSBENCH_SECRET=..." for the launcher to pass on, unless there is a token file.
 */
int listener_open(struct running *l, int is_remote, char variable[LSB_SECRET_VARIABLE_BYTES],
		  struct lsb_error *err);
/* "192.0.2.1:4000,198.51.100.1:4000": what nodes are to try. */
const char *listener_addresses(const struct running *l);
/* Send away who has not proven himself in time. */
void listener_tick(struct running *l, uint64_t now);
void listener_close(struct running *l);
int listener_is_closed(const struct running *l);
void listener_free(struct running *l);

/* --- cause.c: what went wrong first --- */

/* Note a finding about `r`; the weightiest one stays, the earlier of equals. */
void cause_note(struct running *l, const struct rank *r, enum cause_weight weight, int code,
		enum log_wanted wants_log, const char *format, ...) __attribute__((format(printf, 6, 7)));
/* The same for any cause. */
void cause_set(struct cause *cause, const struct rank *r, enum cause_weight weight, int code,
	       enum log_wanted wants_log, const char *format, va_list args);
/* The sentence of a cause, with the last line of the rank's log where that helps. */
void cause_tell(const struct running *l, const struct cause *cause, char *out, size_t bytes);

/* --- replicas.c: pipelines that do not need each other --- */

struct replica *rank_replica(const struct rank *r);
int rank_is_lost(const struct rank *r);
/* Something is wrong with a rank: its replica is lost, or with it the launch. Weighed like cause_note. */
void rank_fail(struct rank *r, enum cause_weight weight, int code, enum log_wanted wants_log,
	       const char *format, ...) __attribute__((format(printf, 5, 6)));
/* See the ranks of lost replicas to their end. */
void replicas_tick(struct running *l, uint64_t now);
/* "lost" of the journal (docs/journal.md). New reference. */
json_t *replicas_lost(const struct running *l);

/* --- launch.c: all ranks together --- */

void launch_address_told(struct running *l);
void launch_rank_ready(struct running *l);
void launch_rank_ran(struct running *l);
void launch_rank_done(struct running *l);
/* End the launch; the first call decides how, later ones change nothing. */
void launch_end(struct running *l, enum ending how);
void launch_rank_hello(struct rank *r);
/* Reap what has ended; the launch is over when nothing of it is left. */
void launch_settle(struct running *l);
void launch_interrupted(struct running *l, int times);
/* Path of a rank's log, of the launcher's for -1; malloc'ed. */
char *launch_log_path(const struct running *l, int32_t rank);
/* The same, opened anew. -1 with `err` set. */
int launch_log_open(struct running *l, int32_t rank, struct lsb_error *err);

#endif
