/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The srun launcher: inside a Slurm allocation, one srun starts an agent per
 * rank, and each dials in.
 *
 * Which MPI plumbing srun offers its tasks must fit the MPI library: PMIx for
 * Open MPI, PMI-2 for MPICH. transport-mpi says which it was built with, and that
 * Slurm has it is seen before anything starts; `srun_mpi` in [hosts X] overrules
 * both. With the wrong one MPI starts ranks that know nothing of each other, which
 * transport-mpi finds and refuses. By default srun waits forever for the others
 * when one task has died: it is told not to.
 */
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "launch/agent.h"
#include "launch/command.h"

/* What `srun --mpi=list` prints, on one line; "" when it does not answer. */
static void list_mpi(char *out, size_t bytes)
{
	const char *const arguments[] = { "srun", "--mpi=list", NULL };

	if (command_ask("srun", arguments, out, bytes, NULL))
		*out = '\0';
	for (; *out; out++)
		if (*out == '\n' || *out == '\t')
			*out = ' ';
}

/* The plumbing that a point's ranks get: what the suite says, else what their MPI speaks, else any. */
static const char *mpi_of(const struct lsb_site *site, const char *pmi)
{
	if (site && site->srun_mpi)
		return site->srun_mpi;
	return pmi ? pmi : "none";
}

static int check_mpi(const struct lsb_point *point, const char *pmi, struct lsb_error *err)
{
	char known[1024];

	if (!pmi || point->site.srun_mpi)
		return LSB_OK;
	list_mpi(known, sizeof(known));
	if (strstr(known, pmi))
		return LSB_OK;
	return lsb_fail(
		err, LSB_EUNAVAIL, 0,
		"transport '%s' needs a Slurm that speaks %s, and 'srun --mpi=list' knows none: '%.200s'; "
		"launcher = mpirun may do, or srun_mpi in [hosts X] if you know better",
		point->transport.name, pmi, known);
}

static int check(const struct lsb_point *point, const char *pmi, struct lsb_error *err)
{
	const char *tasks = getenv("SLURM_NTASKS");
	char version[256];
	int64_t n;
	int rc;

	if (!getenv("SLURM_JOB_ID"))
		return lsb_fail(
			err, LSB_EUNAVAIL, 0,
			"launcher = srun works inside an allocation (sbatch, salloc), and this is none");
	if (tasks && lsb_parse_int(tasks, &n, NULL) == LSB_OK && n > 0 && point->nodes > (uint64_t)n)
		return lsb_fail(
			err, LSB_EUNAVAIL, 0,
			"the allocation has %lld tasks, and %u ranks are wanted: ask for more (-n %u)",
			(long long)n, point->nodes, point->nodes);
	rc = command_ask_version("srun", "--version", version, sizeof(version), err);
	if (rc == LSB_EUNAVAIL)
		return lsb_fail(err, rc, 0, "there is no 'srun' here");
	return rc ? rc : check_mpi(point, pmi, err);
}

/* "--nodelist=alpha,beta", each host once; nothing when none are named. */
static void add_hosts(struct command *c, const struct running *l)
{
	struct lsb_text list = { 0 };

	for (int32_t i = 0; l->what->hosts && i < l->n; i++)
		if (i == 0 || strcmp(l->what->hosts[i], l->what->hosts[i - 1]) != 0)
			lsb_text_add(&list, "%s%s", i ? "," : "", l->what->hosts[i]);
	if (list.data)
		command_add(c, "--nodelist=%s", list.data);
	c->failed |= list.failed;
	lsb_text_free(&list);
}

static void add_srun(struct command *c, const struct running *l)
{
	const struct lsb_site *site = l->what->site;

	command_add(c, "srun");
	command_add(c, "--ntasks=%d", l->n);
	add_hosts(c, l);
	command_add(c, "--mpi=%s", mpi_of(site, l->what->pmi));
	command_add(c, "--kill-on-bad-exit=1");
	command_add(c, "--wait=10");
	command_add(c, "--cpu-bind=none");
	command_add(c, "--overlap");	/* the controller may be a step itself */
	command_add(c, "--export=ALL"); /* the secret is among them */
	command_add(c, "--input=none");
	command_add_words(c, site ? site->srun_arguments : NULL);
}

static int start(struct running *l, struct lsb_error *err)
{
	const char *nodes = getenv("SLURM_JOB_NUM_NODES");

	return command_start_agents(l, l->what->hosts || !nodes || strcmp(nodes, "1") != 0, add_srun, err);
}

const struct lsb_launcher lsb_launcher_srun = { .name = "srun",
						.has_agents = 1,
						.brings_mpi = 1,
						.check = check,
						.start = start };
