/* SPDX-License-Identifier: Apache-2.0 */
/* `lsbench node`: one rank, or the agent of one. Launchers call it; people do not. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "cli/cli.h"
#include "launch/agent.h"
#include "node/node.h"

struct options {
	int64_t fd, rank, size;
	const char *control, *token_file;
	int is_stdio;
};

static int read_number(const char *text, int64_t most, int64_t *out)
{
	return lsb_parse_int(text, out, NULL) == LSB_OK && *out >= 0 && *out <= most;
}

/* Whether the options are one of the three ways to be called. */
static int read_options(int argc, char **argv, struct options *o)
{
	static const struct option names[] = {
		{ "fd", required_argument, NULL, 'f' },
		{ "control", required_argument, NULL, 'c' },
		{ "stdio", no_argument, NULL, 'i' },
		{ "token-file", required_argument, NULL, 't' },
		{ "rank", required_argument, NULL, 'r' },
		{ "size", required_argument, NULL, 's' },
		{ 0 },
	};
	int c, ok = 1;

	opterr = 0;
	optind = 1;
	while (ok && (c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (c == 'f')
			ok = read_number(optarg, 1 << 20, &o->fd);
		else if (c == 'c')
			o->control = optarg;
		else if (c == 'i')
			o->is_stdio = 1;
		else if (c == 't')
			o->token_file = optarg;
		else if (c == 'r')
			ok = read_number(optarg, INT32_MAX - 1, &o->rank);
		else if (c == 's')
			ok = read_number(optarg, INT32_MAX, &o->size);
		else
			ok = 0;
	}
	if (!ok || optind != argc || (o->rank >= 0) != (o->size > 0) || (o->rank >= 0 && o->rank >= o->size))
		return 0;
	if (o->fd >= 0)
		return !o->control && !o->is_stdio && o->rank < 0 && !o->token_file;
	return o->is_stdio ? !o->control && o->rank >= 0 && !o->token_file : o->control != NULL;
}

int lsb_cmd_node(int argc, char **argv)
{
	const uint64_t started_ns = lsb_now_ns();
	struct options o = { .fd = -1, .rank = -1 };
	struct lsb_error err = { 0 };
	int rc;

	if (!read_options(argc, argv, &o))
		return lsb_cli_usage(
			"node", "started by launchers: 'node --fd N' is a rank on its control channel, 'node "
				"--control HOST:PORT,...' and 'node --stdio --rank R --size N' are agents");
	if (o.fd >= 0)
		rc = lsb_node_serve((int)o.fd, started_ns, &err);
	else
		rc = lsb_agent_serve(
			&(struct lsb_agent_request){
				.addresses = o.control,
				.token_file = o.token_file,
				.rank = (int32_t)o.rank,
				.size = (int32_t)o.size,
			},
			&err);
	return rc ? lsb_cli_failed(&err) : lsb_cli_done(LSB_EXIT_OK);
}
