/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of a launch: reaped without waiting, judged once all that they
 * said has been read, ended with everything that they started.
 *
 * A launcher that ends with status 0 has proven nothing: mpirun and srun each
 * know ways to hide a dead rank behind it. Only ranks can say that all is well.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/base.h"
#include "launch/ranks.h"

/*
 * A channel may outlive its process by so much. Both must have passed: a controller that was itself
 * not running for a while has not yet read what lies there.
 */
enum { LINGER_MS = 500, LINGER_LOOKS = 10 };
#define MS 1000000u /* nanoseconds */

void launch_process_add(struct running *l, const char *name, pid_t pid, struct rank *rank, int is_rank)
{
	struct process *p = &l->processes[l->n_processes++];

	*p = (struct process){ .pid = pid, .rank = rank, .is_rank = is_rank };
	(void)snprintf(p->name, sizeof(p->name), "%s", name);
	if (rank)
		rank->is_local = is_rank;
}

void launch_judge_rank(struct rank *r)
{
	const siginfo_t *how = &r->how;
	const struct running *l = r->launch;
	const struct replica *replica = rank_replica(r);
	const int is_told_to = l->quit_sent || replica->quit_sent;
	const char *host = rank_host(r);
	const char *after = r->state == RANK_DONE ? ", after its result" : "";

	if (l->terminated || replica->killed)
		return;
	if (how->si_code != CLD_EXITED)
		rank_fail(r, CAUSE_SIGNAL, LSB_EPEER, LOG_RANK,
			  "rank %d on %s was killed by signal %d (%s) in phase '%s'%s", r->number, host,
			  how->si_status, strsignal(how->si_status), r->phase, after);
	else if (r->state == RANK_FAILED || (is_told_to && r->state != RANK_DONE))
		return;
	else if (how->si_status != 0)
		rank_fail(r, CAUSE_ABSENCE, LSB_EPEER, LOG_RANK,
			  "rank %d on %s ended with status %d in phase '%s'%s", r->number, host,
			  how->si_status, r->phase, after);
	else if (r->state != RANK_DONE)
		rank_fail(r, CAUSE_ABSENCE, LSB_EPEER, LOG_RANK,
			  "rank %d on %s ended before it gave a result, in phase '%s'", r->number, host,
			  r->phase);
}

/*
 * The first rank that a launcher has not brought to its end; NULL when it has done all its work. Of a rank
 * that is given up, nobody may have told the end.
 */
static const struct rank *find_owed(const struct process *p, const struct running *l)
{
	for (int32_t i = 0; i < l->n; i++)
		if ((!p->rank || p->rank == &l->ranks[i]) && !l->ranks[i].ended &&
		    !rank_is_lost(&l->ranks[i]))
			return &l->ranks[i];
	return NULL;
}

/* A launcher has ended: news, unless the ranks had before it, or it was told to. */
static void judge_launcher(const struct process *p, struct running *l)
{
	const struct rank *owed = find_owed(p, l);
	const int is_killed = p->how.si_code != CLD_EXITED;
	const enum log_wanted log = p->rank ? LOG_RANK : LOG_LAUNCHER;
	char how[96];

	if (l->terminated || l->cause.weight >= CAUSE_STATEMENT)
		return;
	if (l->ending == ENDING_INTERRUPTED || (!owed && !is_killed && p->how.si_status == 0))
		return;
	if ((l->quit_sent && l->ending == ENDING_FAILED) || (p->rank && rank_is_lost(p->rank)))
		return;
	if (is_killed)
		(void)snprintf(how, sizeof(how), "was killed by signal %d (%s)", p->how.si_status,
			       strsignal(p->how.si_status));
	else
		(void)snprintf(how, sizeof(how), "ended with status %d", p->how.si_status);
	if (owed && p->rank) {
		rank_fail(p->rank, CAUSE_ABSENCE, LSB_EPEER, log, "%s %s, and rank %d on %s %s in phase '%s'",
			  p->name, how, owed->number, rank_host(owed),
			  owed->state <= RANK_HELLO ? "never came" : "was lost", owed->phase);
		return;
	}
	if (owed)
		cause_note(l, owed, CAUSE_ABSENCE, LSB_EPEER, log,
			   "%s %s, and rank %d on %s %s in phase '%s'", p->name, how, owed->number,
			   rank_host(owed), owed->state <= RANK_HELLO ? "never came" : "was lost",
			   owed->phase);
	else
		cause_note(l, p->rank, CAUSE_ABSENCE, LSB_EPEER, log, "%s %s, after all its ranks had ended",
			   p->name, how);
	launch_end(l, ENDING_FAILED);
}

static int is_heard_out(const struct rank *r)
{
	return !r->pipe_open || r->pipe_closed;
}

/* Whether all that a process, or those it brought, had to say has been read. */
static int is_all_heard(const struct process *p, const struct running *l)
{
	for (int32_t i = 0; i < l->n; i++)
		if ((!p->rank || p->rank == &l->ranks[i]) && !is_heard_out(&l->ranks[i]))
			return 0;
	return 1;
}

static void judge(const struct process *p, struct running *l)
{
	if (p->is_rank)
		launch_judge_rank(p->rank);
	else
		judge_launcher(p, l);
}

static void reap(struct process *p, struct running *l, uint64_t now)
{
	p->how = (siginfo_t){ 0 };
	/*
	 * Look before reaping: as long as the zombie holds its number, the process group is surely its own.
	 */
	if (waitid(P_PID, (id_t)p->pid, &p->how, WEXITED | WNOHANG | WNOWAIT) != 0 || p->how.si_pid == 0)
		return;
	(void)kill(-p->pid, SIGKILL);
	(void)waitpid(p->pid, NULL, 0);
	p->reaped = 1;
	p->reaped_ns = now;
	if (p->is_rank) {
		p->rank->ended = 1;
		p->rank->how = p->how;
	}
	/* One that ends by itself may have said why, or given its result: that is read first. */
	p->end_untold = p->how.si_code == CLD_EXITED;
	if (!p->end_untold)
		judge(p, l);
}

void launch_reap(struct running *l)
{
	const uint64_t now = lsb_now_ns();

	for (size_t i = 0; i < l->n_processes; i++) {
		struct process *p = &l->processes[i];
		int is_late;

		if (!p->reaped)
			reap(p, l, now);
		if (!p->reaped)
			continue;
		is_late = p->looks++ > LINGER_LOOKS && now - p->reaped_ns > LINGER_MS * (uint64_t)MS;
		for (int32_t k = 0; k < l->n && is_late; k++)
			if (!p->rank || p->rank == &l->ranks[k])
				rank_close_pipe(&l->ranks[k]);
		if (p->end_untold && (is_all_heard(p, l) || (is_late && !p->is_rank))) {
			p->end_untold = 0;
			judge(p, l);
		}
	}
}

int launch_processes_left(const struct running *l)
{
	int left = 0;

	for (size_t i = 0; i < l->n_processes; i++)
		left += !l->processes[i].reaped;
	return left;
}

void launch_terminate(struct running *l)
{
	for (size_t i = 0; i < l->n_processes; i++)
		if (!l->processes[i].reaped)
			(void)kill(l->processes[i].pid, SIGTERM);
}

void launch_kill(struct running *l)
{
	for (size_t i = 0; i < l->n_processes; i++)
		if (!l->processes[i].reaped)
			(void)kill(-l->processes[i].pid, SIGKILL);
}

void launch_kill_rank(struct rank *r)
{
	struct running *l = r->launch;

	if (l->launcher->has_agents)
		rank_close_pipe(r);
	for (size_t i = 0; i < l->n_processes; i++)
		if (l->processes[i].is_rank && l->processes[i].rank == r && !l->processes[i].reaped)
			(void)kill(-l->processes[i].pid, SIGKILL);
}
