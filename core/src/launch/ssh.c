/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ssh launcher: an ssh client per rank, whose standard streams are the
 * control channel. Nothing listens, and what is said is encrypted.
 *
 * ssh must get in without asking (a key, an agent): it is run in batch mode, so
 * a question is a failure. The client's own complaints go into the rank's log.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "launch/command.h"
#include "launch/spawn.h"

static int check(const struct lsb_point *point, const char *pmi, struct lsb_error *err)
{
	char version[256];
	int rc;

	(void)pmi;
	if (!point->n_hosts)
		return lsb_fail(err, LSB_ESUITE, 0, "launcher = ssh needs hosts = X and a section [hosts X]");
	rc = command_ask_version("ssh", "-V", version, sizeof(version), err);
	return rc == LSB_EUNAVAIL ? lsb_fail(err, rc, 0, "there is no 'ssh' here: install OpenSSH's client")
				  : rc;
}

/* A word for a remote shell: in single quotes, in which only these need care. */
static void quote(struct lsb_text *to, const char *word)
{
	lsb_text_add(to, "'");
	for (; *word; word++)
		lsb_text_add(to, *word == '\'' ? "'\\''" : "%c", *word);
	lsb_text_add(to, "'");
}

/* What the remote shell is to do; malloc'ed. */
static char *remote_command(const struct running *l, int32_t rank)
{
	const struct lsb_site *site = l->what->site;
	struct lsb_text text = { 0 };
	char self[PATH_MAX];
	const ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return NULL;
	self[n] = '\0';
	lsb_text_add(&text, "exec ");
	quote(&text, site && site->program ? site->program : self);
	lsb_text_add(&text, " node --stdio --rank %d --size %d", rank, l->n);
	if (text.failed)
		lsb_text_free(&text);
	return text.data;
}

static int start_rank(struct rank *r, struct lsb_error *err)
{
	struct running *l = r->launch;
	const struct lsb_site *site = l->what->site;
	char *remote = remote_command(l, r->number);
	struct command c = { 0 };
	struct lsb_spawn s = { .program = "ssh", .channel = -1, .parting_signal = SIGTERM };
	int ends[2] = { -1, -1 }, log, rc;
	pid_t pid;

	command_add(&c, "ssh");
	if (site && site->ssh_config) {
		command_add(&c, "-F");
		command_add(&c, "%s", site->ssh_config);
	}
	command_add_words(&c, "-T -x -a -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=5 "
			      "-o ServerAliveCountMax=2 -o ClearAllForwardings=yes");
	command_add(&c, "--");
	command_add(&c, "%s", l->what->hosts[r->number]);
	command_add(&c, "%s", remote ? remote : "");
	c.failed |= !remote;
	free(remote);
	s.arguments = (const char *const *)c.words;
	log = launch_log_open(l, r->number, err);
	rc = log < 0	? LSB_EIO
	     : c.failed ? lsb_fail(err, LSB_ENOMEM, 0, "no memory for the command line of ssh")
			: lsb_spawn_channel(ends, err);
	if (rc == LSB_OK) {
		s.in = s.out = ends[1];
		s.err = log;
		rc = lsb_spawn(&s, &pid, err);
		close(ends[1]);
		if (rc)
			close(ends[0]);
	}
	if (log >= 0)
		close(log);
	command_free(&c);
	if (rc)
		return rc;
	launch_process_add(l, "ssh", pid, r, 0);
	r->preface = 0; /* the remote shell may speak first */
	return rank_attach(r, ends[0], err);
}

static int start(struct running *l, struct lsb_error *err)
{
	int rc = LSB_OK;

	if (!l->what->hosts)
		return lsb_fail(err, LSB_EINVAL, 0, "no hosts for ssh to reach");
	for (int32_t i = 0; i < l->n && rc == LSB_OK; i++)
		rc = start_rank(&l->ranks[i], err);
	return rc;
}

const struct lsb_launcher lsb_launcher_ssh = { .name = "ssh",
					       .has_agents = 1,
					       .check = check,
					       .start = start };
