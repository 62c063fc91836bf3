/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mpirun launcher: one mpirun (Open MPI's or MPICH's) starts an agent per
 * rank, and each dials in.
 *
 * Pinning is lsbench's own, as under every launcher, so mpirun is told to bind
 * nothing. The two families are told apart by `mpirun --version`, as they take
 * different options; a plugin that uses MPI needs the family that it was built
 * with, which [hosts X] `mpirun` chooses.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/address.h"
#include "base/base.h"
#include "launch/agent.h"
#include "launch/command.h"

enum family { FAMILY_UNKNOWN, FAMILY_OPEN_MPI, FAMILY_MPICH };

static const char *program_of(const struct lsb_site *site)
{
	return site && site->mpirun ? site->mpirun : "mpirun";
}

static enum family family_of(const char *version)
{
	if (strstr(version, "Open MPI") || strstr(version, "OpenRTE") || strstr(version, "PRRTE"))
		return FAMILY_OPEN_MPI;
	if (strstr(version, "HYDRA") || strstr(version, "MPICH"))
		return FAMILY_MPICH;
	return FAMILY_UNKNOWN;
}

static int find_family(const struct lsb_site *site, enum family *out, struct lsb_error *err)
{
	char version[1024];
	const int rc = command_ask_version(program_of(site), "--version", version, sizeof(version), err);

	if (rc == LSB_EUNAVAIL)
		return lsb_fail(err, rc, 0,
				"there is no '%s' here: install Open MPI or MPICH, or name it as `mpirun` in "
				"[hosts X]",
				program_of(site));
	if (rc)
		return rc;
	*out = family_of(version);
	version[strcspn(version, "\n")] = '\0';
	if (*out == FAMILY_UNKNOWN)
		return lsb_fail(err, LSB_EUNAVAIL, 0,
				"'%s' is neither Open MPI's nor MPICH's: it says '%.80s'", program_of(site),
				version);
	return LSB_OK;
}

static int check(const struct lsb_point *point, const char *pmi, struct lsb_error *err)
{
	enum family family;
	const int rc = find_family(&point->site, &family, err);

	(void)pmi; /* whether it is the plugin's library, that one sees as it starts */
	for (uint32_t i = 1; i < point->nodes && point->n_hosts; i++)
		for (uint32_t k = 0; k + 1 < i; k++)
			if (strcmp(point->hosts[i], point->hosts[k]) == 0 &&
			    strcmp(point->hosts[i], point->hosts[i - 1]) != 0)
				return lsb_fail(
					err, LSB_ESUITE, 0,
					"hosts: '%s' is listed in two places, and mpirun fills host by "
					"host: write it once, as %s:N",
					point->hosts[i], point->hosts[i]);
	if (rc == LSB_OK && family == FAMILY_MPICH && point->site.ssh_config)
		return lsb_fail(err, LSB_ESUITE, 0,
				"hosts: MPICH's mpirun takes no ssh_config: put it into ~/.ssh/config");
	return rc;
}

/* `option` with "alpha:2,beta:1"; nothing when no hosts are named. */
static void add_hosts(struct command *c, const struct running *l, const char *option)
{
	struct lsb_text list = { 0 };

	for (int32_t i = 0, n; l->what->hosts && i < l->n; i += n) {
		for (n = 1; i + n < l->n && strcmp(l->what->hosts[i + n], l->what->hosts[i]) == 0;)
			n++;
		lsb_text_add(&list, "%s%s:%d", i ? "," : "", l->what->hosts[i], n);
	}
	if (list.data) {
		command_add(c, "%s", option);
		command_add(c, "%s", list.data);
	}
	c->failed |= list.failed;
	lsb_text_free(&list);
}

/* Whether ranks may come from other machines: by the host list, or one that mpirun itself finds. */
static int is_remote(const struct running *l)
{
	static const char *const elsewhere[] = { "OMPI_MCA_orte_default_hostfile",
						 "PRTE_MCA_prte_default_hostfile",
						 "HYDRA_HOST_FILE",
						 "PBS_NODEFILE",
						 "PE_HOSTFILE",
						 "LSB_HOSTS",
						 "LOADL_HOSTFILE" };
	const char *nodes = getenv("SLURM_JOB_NUM_NODES");

	for (int32_t i = 0; l->what->hosts && i < l->n; i++)
		if (!lsb_address_is_here(l->what->hosts[i]))
			return 1;
	if (l->what->hosts)
		return 0;
	for (size_t i = 0; i < LSB_COUNT(elsewhere); i++)
		if (getenv(elsewhere[i]))
			return 1;
	return nodes && strcmp(nodes, "1") != 0;
}

static void add_open_mpi(struct command *c, const struct running *l)
{
	const struct lsb_site *site = l->what->site;

	command_add(c, "%s", program_of(site));
	command_add(c, "-n");
	command_add(c, "%d", l->n);
	add_hosts(c, l, "--host");
	command_add(c, "--oversubscribe"); /* lsbench flags it, and its report says why that matters */
	command_add(c, "--bind-to");
	command_add(c, "none");
	command_add(c, "--mca");
	command_add(c, "plm_rsh_args");
	if (site && site->ssh_config)
		command_add(c, "-F %s -o BatchMode=yes -o ConnectTimeout=10", site->ssh_config);
	else
		command_add(c, "-o BatchMode=yes -o ConnectTimeout=10");
	if (!site || !site->token_file) {
		command_add(c, "-x");
		command_add(c, LSB_SECRET_VARIABLE);
	}
	if (geteuid() == 0) {
		command_set(c, "OMPI_ALLOW_RUN_AS_ROOT=1");
		command_set(c, "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1");
	}
	command_add_words(c, site ? site->mpirun_arguments : NULL);
}

static void add_mpich(struct command *c, const struct running *l)
{
	const struct lsb_site *site = l->what->site;

	command_add(c, "%s", program_of(site));
	command_add(c, "-n");
	command_add(c, "%d", l->n);
	add_hosts(c, l, "-hosts");
	command_add(c, "-bind-to");
	command_add(c, "none");
	command_add(c, "-genvall"); /* the secret's variable among them */
	command_add_words(c, site ? site->mpirun_arguments : NULL);
}

static int start(struct running *l, struct lsb_error *err)
{
	enum family family = FAMILY_UNKNOWN;
	const int rc = find_family(l->what->site, &family, err);

	return rc ? rc
		  : command_start_agents(l, is_remote(l), family == FAMILY_MPICH ? add_mpich : add_open_mpi,
					 err);
}

const struct lsb_launcher lsb_launcher_mpirun = { .name = "mpirun",
						  .has_agents = 1,
						  .brings_mpi = 1,
						  .check = check,
						  .start = start };
